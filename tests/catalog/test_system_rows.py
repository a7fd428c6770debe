"""A catalog read without the server's own rows is the same as one read with them."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from dbguard.catalog.loading import (
    NORMAL_QUERY,
    SNAPSHOT_QUERY,
    SystemRows,
    SystemRowsChanged,
    load_snapshot,
    parse_snapshot,
    parse_whole,
)
from dbguard.catalog.watching import Catalog
from dbguard.engine.planning import World
from dbguard.policy.loading import load_documents
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import Snapshot

pytestmark = pytest.mark.pg

USERS_OWN = """
CREATE SCHEMA s;
CREATE TYPE s.pair AS (a int, b text);
CREATE DOMAIN s.small AS int CHECK (VALUE < 10);
CREATE TABLE s.t (a int PRIMARY KEY, b information_schema.sql_identifier, c s.pair, d s.small);
CREATE VIEW s.v AS SELECT a, b FROM s.t;
CREATE FUNCTION s.f(int) RETURNS SETOF pg_catalog.pg_class LANGUAGE sql AS 'TABLE pg_class';
CREATE OPERATOR s.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE EXTENSION IF NOT EXISTS plpgsql;
ALTER EXTENSION plpgsql ADD FUNCTION s.f(int);
"""

SERVERS_OWN = [
    "ALTER FUNCTION pg_catalog.ascii(text) VOLATILE",
    "ALTER FUNCTION pg_catalog.ascii(text) RENAME TO asciii",
    "CREATE FUNCTION information_schema.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER SCHEMA information_schema RENAME TO infos",
    "ALTER DOMAIN information_schema.sql_identifier RENAME TO sql_name",
    "ALTER TABLE information_schema.sql_parts RENAME COLUMN comments TO remarks",
    "ALTER VIEW information_schema.tables RENAME TO tablets",
    "CREATE TRIGGER tr BEFORE INSERT ON information_schema.sql_parts "
    "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER EXTENSION plpgsql DROP FUNCTION pg_catalog.plpgsql_call_handler()",
    "ALTER TABLE information_schema.sql_parts ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE information_schema.sql_parts ADD UNIQUE (feature_id), "
    "ADD FOREIGN KEY (feature_name) REFERENCES information_schema.sql_parts (feature_id) NOT VALID",
    "ALTER TABLE information_schema.sql_parts ADD COLUMN more json",
    "CREATE FUNCTION public.below(xml, xml) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';"
    "CREATE OPERATOR public.<<< (LEFTARG = xml, RIGHTARG = xml, FUNCTION = public.below);"
    "CREATE FUNCTION public.cmp(xml, xml) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 0';"
    "CREATE OPERATOR CLASS public.xmls DEFAULT FOR TYPE xml USING btree AS OPERATOR 1 public.<<<, "
    "FUNCTION 1 public.cmp(xml, xml)",
]


@pytest.fixture
async def connection(pg_database: Any) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(pg_database.dsn(), server_settings={"search_path": ""})
    yield connection
    await connection.close()


async def _kept(connection: asyncpg.Connection) -> tuple[Snapshot, SystemRows]:
    return parse_whole(await connection.fetchval(SNAPSHOT_QUERY), 1)


async def _both(connection: asyncpg.Connection, kept: SystemRows) -> tuple[Snapshot, Snapshot]:
    normal = parse_snapshot(await connection.fetchval(NORMAL_QUERY), 1, kept)
    return normal, await load_snapshot(connection, 1)


async def test_a_normal_reading_is_completed(connection: asyncpg.Connection) -> None:
    before, kept = await _kept(connection)
    for statement in filter(str.strip, USERS_OWN.split(";")):
        await connection.execute(statement)
        normal, whole = await _both(connection, kept)
        assert normal == whole, statement
        assert normal.system is before.system
    assert normal != before


@pytest.mark.parametrize("change", SERVERS_OWN)
async def test_a_changed_system_object_is_never_taken_for_the_old_one(
    connection: asyncpg.Connection, change: str
) -> None:
    before, kept = await _kept(connection)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(change)
    try:
        normal, whole = await _both(connection, kept)
    except SystemRowsChanged:
        pass
    else:
        assert normal == whole
    assert await load_snapshot(connection, 1) != before
    await transaction.rollback()
    normal, whole = await _both(connection, kept)
    assert normal == whole == before


async def test_the_watcher_reads_changed_system_objects(
    pg_database: Any, connection: asyncpg.Connection
) -> None:
    catalog = Catalog(pg_database.dsn())
    try:
        for _ in range(2):
            for change in ("VOLATILE", "STABLE"):
                await connection.execute(f"ALTER FUNCTION pg_catalog.ascii(text) {change}")
                await connection.execute("CREATE TABLE IF NOT EXISTS public.t (a int)")
                snapshot = await catalog.refresh(pg_database.name, "test")
                assert snapshot == await load_snapshot(connection, snapshot.epoch)
                await connection.execute("DROP TABLE public.t")
                snapshot = await catalog.refresh(pg_database.name, "test")
                assert snapshot == await load_snapshot(connection, snapshot.epoch)
    finally:
        await catalog.close()


async def test_workers_get_the_same_snapshot(connection: asyncpg.Connection) -> None:
    await connection.execute("CREATE TABLE public.t (a int)")
    snapshot, _ = await _kept(connection)
    policy = load_documents({"r.yaml": "rules:\n  - {id: r, allow: [read]}\n"})
    world = World(snapshot, policy, DEFAULT_LIMITS)
    first, second = (pickle.loads(pickle.dumps(world)).snapshot for _ in range(2))
    assert first == second == snapshot
    assert first.functions[0] is second.functions[0]
    shorter = Snapshot(
        **{
            name: getattr(snapshot, name)
            for name in ("database", "server_version", "epoch", "schemas", "functions", "system")
        },
        relations=snapshot.relations[1:],
    )
    assert pickle.loads(pickle.dumps(World(shorter, policy, DEFAULT_LIMITS))).snapshot == shorter
