"""Which functions are trusted, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.sql.facts import FunctionTrust
from dbguard.sql.functions import refer
from dbguard.sql.reaching import reach
from dbguard.sql.settings import is_harmless_setting
from dbguard.sql.snapshot import Function

from .catalogs import SNAPSHOT, VIEW, user_function

B, R, X, U = (
    FunctionTrust.BUILTIN,
    FunctionTrust.REACHES,
    FunctionTrust.EXTENSION,
    FunctionTrust.UNKNOWN,
)

TRUST = [
    (None, "lower", 1, B),
    ("pg_catalog", "lower", 1, B),
    (None, "concat", 7, B),
    (None, "pg_sleep", 1, B),
    (None, "right", 2, B),
    ("public", "right", 2, U),
    (None, "right", 3, U),
    (None, "pg_read_file", 1, R),
    ("pg_catalog", "pg_ls_dir", 1, R),
    (None, "query_to_xml", 4, R),
    (None, "ts_rewrite", 2, R),
    (None, "ts_rewrite", 3, B),
    (None, "set_config", 3, R),
    (None, "crypt", 2, X),
    (None, "bmi", 2, U),
    (None, "nosuch", 1, U),
]


@pytest.mark.parametrize(("schema", "name", "count", "trust"), TRUST)
def test_trust(schema: str | None, name: str, count: int, trust: FunctionTrust) -> None:
    assert refer(SNAPSHOT, VIEW.search_path, schema, name, count).use.trust is trust


def test_unknown_functions_come_with_the_signatures_of_all_candidates() -> None:
    use = refer(SNAPSHOT, VIEW.search_path, None, "bmi", 2).use
    assert use.signatures == ("public.bmi(numeric, numeric)",)
    assert not use.volatile
    assert refer(SNAPSHOT, VIEW.search_path, None, "nosuch", 2).use.volatile


def test_an_overload_of_the_users_own_pins_the_builtin() -> None:
    assert refer(SNAPSHOT, VIEW.search_path, None, "right", 2).pin
    assert not refer(SNAPSHOT, VIEW.search_path, None, "lower", 1).pin
    assert not refer(SNAPSHOT, ("pg_catalog", "clinic"), None, "right", 2).pin


def _with(*functions: Function) -> FunctionTrust:
    changed = replace(SNAPSHOT, functions=(*SNAPSHOT.functions, *functions))
    return refer(changed, VIEW.search_path, None, functions[0].name, 1).use.trust


def test_extensions() -> None:
    assert _with(user_function("st_area", "geometry", extension="postgis")) is X
    assert _with(user_function("addauth", "text", extension="postgis")) is U
    assert _with(user_function("crosstab", "text", extension="tablefunc")) is U
    assert _with(user_function("dblink", "text", extension="dblink")) is U
    mixed = user_function("soundex", "text", extension="fuzzystrmatch")
    assert _with(mixed) is X
    assert _with(mixed, replace(mixed, extension=None, oid=1)) is U


def test_functions_of_temporary_schemas_are_never_found_unqualified() -> None:
    hidden = user_function("mine", "text", schema="pg_temp_3")
    changed = replace(SNAPSHOT, functions=(*SNAPSHOT.functions, hidden))
    assert not refer(changed, VIEW.search_path, None, "mine", 1).candidates
    assert not refer(changed, VIEW.search_path, None, "lower", 1).pin


@pytest.mark.parametrize(
    "name",
    [
        "pg_read_file",
        "pg_read_binary_file",
        "pg_ls_dir",
        "pg_ls_waldir",
        "pg_stat_file",
        "lo_get",
        "lo_import",
        "loread",
        "table_to_xml",
        "schema_to_xml",
        "database_to_xml",
        "cursor_to_xml",
        "ts_stat",
        "pg_logical_slot_get_changes",
        "pg_stat_get_activity",
        "pg_stat_get_backend_activity",
        "pg_terminate_backend",
        "pg_reload_conf",
        "pg_notify",
        "currtid2",
        "pg_restore_attribute_stats",
    ],
)
def test_denied(name: str) -> None:
    assert reach(name, 1) is not None


@pytest.mark.parametrize(
    "name",
    [
        "now",
        "pg_sleep",
        "pg_get_keywords",
        "has_table_privilege",
        "pg_get_viewdef",
        "nextval",
        "current_setting",
        "pg_table_is_visible",
        "generate_series",
        "pg_advisory_lock",
        "pg_total_relation_size",
    ],
)
def test_not_denied(name: str) -> None:
    assert reach(name, 1) is None


def test_settings() -> None:
    assert is_harmless_setting("jit")
    assert is_harmless_setting("statement_timeout")
    assert is_harmless_setting("app.user")
    for name in ("search_path", "Role", "session_authorization", "row_security", "log_statement"):
        assert not is_harmless_setting(name)
