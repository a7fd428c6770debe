"""Functions declared safe by signature: what the declaration covers, and what it does not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .conftest import Factory
from .proxies import HIPAA, Guarded, await_mark, mark

pytestmark = pytest.mark.pg

BODY = "LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$"
SETUP = f"""
CREATE SCHEMA declared; CREATE SCHEMA shadow; CREATE SCHEMA other;
GRANT USAGE ON SCHEMA declared, shadow, other TO PUBLIC;
CREATE FUNCTION declared.one(a int) RETURNS int {BODY};
CREATE FUNCTION declared.optional(a int, b int DEFAULT 1) RETURNS int {BODY};
CREATE FUNCTION declared.overloaded(a int) RETURNS int {BODY};
CREATE FUNCTION declared.overloaded(a text) RETURNS int {BODY};
CREATE FUNCTION declared.lists(VARIADIC a int[]) RETURNS int {BODY};
CREATE FUNCTION declared.shadowed(a int) RETURNS int {BODY};
CREATE FUNCTION shadow.shadowed(a int) RETURNS int {BODY};
CREATE FUNCTION declared.mine(a int) RETURNS int {BODY};
ALTER FUNCTION declared.mine(int) OWNER TO analysts;
CREATE FUNCTION declared.replaced(a int) RETURNS int {BODY};
CREATE FUNCTION declared.wider(a int) RETURNS int {BODY};
CREATE FUNCTION declared.wider(a int, b int DEFAULT 1) RETURNS int {BODY};
"""
RULES = """
functions:
  safe:
    - declared.one(int)
    - declared.optional(int, int)
    - declared.overloaded(int)
    - declared.lists(int[])
    - declared.shadowed(int)
    - declared.mine(int)
    - declared.replaced(int)
    - declared.wider(int)
"""

ALLOWED = [
    "SELECT declared.one(1)",
    "SELECT declared.one(a => 1)",
    "SELECT declared.one(a := length(ssn)) FROM clinic.patients LIMIT 1",
    "SELECT * FROM declared.one(1)",
    "SELECT declared.optional(1), declared.optional(1, 2), declared.optional(b => 2, a => 1)",
    "SELECT declared.lists(1), declared.lists(1, 2, 3), declared.lists(VARIADIC ARRAY[1])",
    "SET search_path = declared; SELECT one(1), shadowed(1)",
]
REFUSED = [
    "SELECT declared.overloaded(1)",
    "SELECT declared.overloaded('x'::text)",
    "SET search_path = shadow, declared; SELECT shadowed(1)",
    "SET search_path = declared, shadow; SELECT shadowed(1)",
    "SELECT declared.wider(1)",
    "SELECT declared.wider(1, 2)",
    "SELECT declared.mine(1)",
    "SELECT other.one(1)",
]


@pytest.fixture(scope="module")
def guarded(
    module_clinic_database: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    module_clinic_database.execute(SETUP)
    module_clinic_database.execute(f"CREATE FUNCTION other.one(a int) RETURNS int {BODY}")
    rules: Path = tmp_path_factory.mktemp("rules") / "rules"
    shutil.copytree(HIPAA, rules)
    (rules / "functions.yaml").write_text(RULES, "utf-8")
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("declared"))
        yield factory(module_clinic_database, durability="buffered", rules=rules)


def _run(guarded: Guarded, text: str) -> None:
    with closing(guarded.connect("analyst", autocommit=True)) as connection:
        for part in text.split("; "):
            connection.execute(part.encode())


@pytest.mark.parametrize("text", ALLOWED)
def test_allowed(guarded: Guarded, text: str) -> None:
    _run(guarded, text)


@pytest.mark.parametrize("text", REFUSED)
def test_refused(guarded: Guarded, text: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="can't be seen through"):
        _run(guarded, text)


def test_who_may_replace_a_function_is_told_to_give_it_another_owner(guarded: Guarded) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        _run(guarded, "SELECT declared.mine(1)")
    assert caught.value.diag.message_hint == (
        "Give declared.mine(integer) an owner that analyst is no member of."
    )


def test_a_declaration_holds_for_what_has_the_signature(
    guarded: Guarded, module_clinic_database: Any
) -> None:
    """Dropped and made again by an owner whom the analyst cannot become: still declared.

    Made again by one whom he can become: not any more.
    """
    _run(guarded, "SELECT declared.replaced(1)")
    module_clinic_database.execute(
        f"DROP FUNCTION declared.replaced(int); "
        f"CREATE FUNCTION declared.replaced(a int) RETURNS int {BODY}; "
        "ALTER FUNCTION declared.replaced(int) OWNER TO dba"
    )
    await_mark(mark(module_clinic_database), guarded.dsn("dba"))
    _run(guarded, "SELECT declared.replaced(1)")
    module_clinic_database.execute("ALTER FUNCTION declared.replaced(int) OWNER TO analyst")
    await_mark(mark(module_clinic_database), guarded.dsn("dba"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="can't be seen through"):
        _run(guarded, "SELECT declared.replaced(1)")
