"""Every function that comes with the server has been looked at."""

from __future__ import annotations

import pytest

from dbguard.catalog.loading import parse_snapshot
from dbguard.catalog.query import SNAPSHOT_QUERY
from dbguard.sql.computing import COMPUTING
from dbguard.sql.facts import FunctionTrust
from dbguard.sql.functions import is_trusted_extension, refer
from dbguard.sql.harmless import HARMLESS
from dbguard.sql.reaching import DEFINITIONS, MAKE_VALUES, REACHING, UNKNOWN, reach
from dbguard.sql.snapshot import Function, Snapshot
from tests.conftest import Database, PgServer

from .catalogs import SNAPSHOT, VIEW, user_function

_PLACES = {
    "computing": COMPUTING,
    "harmless": HARMLESS,
    "makes values": MAKE_VALUES,
    "definitions": DEFINITIONS,
    "reaching": REACHING,
}
_SERVER = ("pg_catalog", "information_schema")


def test_each_name_stands_in_one_place() -> None:
    places = list(_PLACES.items())
    for at, (one, names) in enumerate(places):
        for other, others in places[at + 1 :]:
            assert not names & others, (one, other)


def test_a_function_that_nobody_looked_at_is_refused() -> None:
    assert reach("pg_show_everything", 1) == UNKNOWN
    later = user_function("pg_show_everything", "text", schema="pg_catalog", oid=9999)
    assert _trust(later) is FunctionTrust.REACHES


def test_a_volatile_overload_of_a_computing_function_is_refused() -> None:
    later = user_function("md5", "text", schema="pg_catalog", oid=9999, volatility="v")
    assert reach("md5", 1) is None
    assert reach("md5", 1, [later]) == UNKNOWN


def test_what_a_superuser_adds_to_the_servers_schemas_is_not_the_servers() -> None:
    added = user_function("md5", "text", schema="pg_catalog", oid=16384)
    assert _trust(added) is FunctionTrust.UNKNOWN


def test_functions_of_internal_types_are_refused() -> None:
    internal = user_function("int4_accum", "internal", schema="pg_catalog", oid=9999)
    assert _trust(internal) is FunctionTrust.REACHES


def _trust(function: Function) -> FunctionTrust:
    changed = Snapshot(
        SNAPSHOT.database,
        SNAPSHOT.server_version,
        1,
        SNAPSHOT.schemas,
        SNAPSHOT.relations,
        (*SNAPSHOT.functions, function),
    )
    return refer(changed, VIEW.search_path, None, function.name, 1).use.trust


@pytest.fixture(scope="module")
def functions(pg_server: PgServer) -> list[Function]:
    ((document,),) = pg_server.execute(SNAPSHOT_QUERY)
    found = [f for f in parse_snapshot(document, 1).functions if f.schema in _SERVER]
    assert len(found) > 3000
    return found


@pytest.mark.pg
def test_every_function_of_the_server_is_known(functions: list[Function]) -> None:
    unknown = {f.signature for f in functions if reach(f.name, len(f.arguments), [f]) == UNKNOWN}
    assert unknown == set()


@pytest.mark.pg
def test_computing_functions_are_immutable(functions: list[Function]) -> None:
    assert {f.signature for f in functions if f.name in COMPUTING and f.volatility != "i"} == set()


_REFUSED_EXTENSIONS = set(
    """
    adminpack amcheck autoinc bool_plperl bool_plperlu dblink dict_xsyn file_fdw hstore_plperl
    hstore_plperlu hstore_plpython2u hstore_plpython3u hstore_plpythonu insert_username
    jsonb_plperl jsonb_plperlu jsonb_plpython2u jsonb_plpython3u jsonb_plpythonu lo
    ltree_plpython2u ltree_plpython3u ltree_plpythonu moddatetime old_snapshot pageinspect
    pg_buffercache pg_freespacemap pg_logicalinspect pg_overexplain pg_prewarm pg_stat_statements
    pg_surgery pg_visibility pg_walinspect pgrowlocks pgstattuple plperl plperlu plpgsql plpython2u
    plpython3u plpythonu pltcl pltclu postgres_fdw refint tcn
    """.split()  # noqa: SIM905 - sixty quoted names would be harder to read
)


@pytest.mark.pg
def test_every_extension_that_comes_with_the_server_is_known(pg_server: PgServer) -> None:
    found = {name for (name,) in pg_server.execute("SELECT name FROM pg_available_extensions")}
    assert {name for name in found if not is_trusted_extension(name)} <= _REFUSED_EXTENSIONS


_VOLATILE = {
    "gen_random_bytes gen_random_uuid gen_salt pgp_pub_encrypt pgp_pub_encrypt_bytea",
    "pgp_sym_encrypt pgp_sym_encrypt_bytea uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4",
    "normal_rand set_limit isn_weak ssl_cipher ssl_client_cert_present ssl_client_dn",
    "ssl_client_dn_field ssl_client_serial ssl_extension_info ssl_is_used ssl_issuer_dn",
    "ssl_issuer_field ssl_version",
}


@pytest.mark.pg
def test_volatile_functions_of_trusted_extensions_are_known(pg_database: Database) -> None:
    for (name,) in pg_database.execute("SELECT name FROM pg_available_extensions ORDER BY name"):
        if is_trusted_extension(name) and name != "postgis":
            pg_database.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE')
    ((document,),) = pg_database.execute(SNAPSHOT_QUERY)
    snapshot = parse_snapshot(document, 1)
    found = {
        f.name
        for f in snapshot.functions
        if is_trusted_extension(f.extension)
        and f.volatility == "v"
        and refer(snapshot, (), f.schema, f.name, len(f.arguments)).use.trust
        is FunctionTrust.EXTENSION
    }
    assert found <= {name for names in _VOLATILE for name in names.split()}
