"""The catalog notices what changes, and says so when it cannot look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dbguard.catalog.fingerprint import FINGERPRINT_QUERY
from dbguard.catalog.generations import SharedGenerations
from dbguard.catalog.watching import UNUSED_KEPT, Catalog
from dbguard.errors import CatalogUnavailable
from dbguard.sql.changes import EVERYTHING, CatalogChange
from dbguard.sql.snapshot import Snapshot

pytestmark = pytest.mark.pg

BASIS = """
CREATE SCHEMA s;
CREATE TABLE s.t (a int PRIMARY KEY, b text);
CREATE TABLE s.parent (a int, b text);
CREATE VIEW s.v AS SELECT a FROM s.t;
CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION s.trig() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TYPE s.e AS ENUM ('x');
"""

CHANGES = [
    "CREATE TABLE s.new (a int)",
    "ALTER TABLE s.t RENAME TO u",
    "ALTER TABLE s.t RENAME COLUMN b TO c",
    "ALTER TABLE s.t ADD COLUMN c int",
    "ALTER TABLE s.t DROP COLUMN b",
    "ALTER TABLE s.t ALTER COLUMN b TYPE varchar(3)",
    "ALTER TABLE s.t ALTER COLUMN b SET NOT NULL",
    "ALTER TABLE s.t SET SCHEMA public",
    "ALTER TABLE s.t INHERIT s.parent",
    "ALTER TABLE s.t DROP CONSTRAINT t_pkey",
    "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY",
    "DROP VIEW s.v",
    "CREATE OR REPLACE VIEW s.v AS SELECT a + 1 AS a FROM s.t",
    "CREATE OR REPLACE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "ALTER FUNCTION s.f(int) STABLE",
    "DROP FUNCTION s.f(int)",
    "ALTER SCHEMA s RENAME TO z",
    "GRANT USAGE ON SCHEMA s TO watch_member",
    "GRANT watch_group TO watch_member",
    "ALTER ROLE watch_member BYPASSRLS",
    "ALTER ROLE watch_member IN DATABASE {database} SET search_path = s",
    "ALTER DATABASE {database} SET search_path = s",
    "CREATE TRIGGER tr BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.trig()",
    "CREATE RULE ru AS ON DELETE TO s.t DO INSTEAD NOTHING",
    "CREATE OPERATOR s.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "CREATE DOMAIN s.d AS text",
    "ALTER TYPE s.e RENAME TO g",
]

NO_CHANGES = [
    "INSERT INTO s.t SELECT g, 'x' FROM generate_series(1, 1000) g",
    "ANALYZE s.t",
    "VACUUM s.t",
    "TRUNCATE s.parent",
    "CREATE TEMP TABLE other (a int, b text)",
]


@asynccontextmanager
async def watching(catalog: Catalog, database: Any) -> AsyncIterator[None]:
    """With a session in the database."""
    task = asyncio.get_running_loop().create_task(catalog.watch())
    catalog.enter(database.name)
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await catalog.close()


async def until(condition: Any, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def database(pg_server: Any, pg_database: Any) -> Any:
    pg_server.create_user("watch_control")
    pg_server.execute("DROP ROLE IF EXISTS watch_member; DROP ROLE IF EXISTS watch_group")
    pg_server.execute("CREATE ROLE watch_member; CREATE ROLE watch_group")
    pg_database.execute(BASIS)
    yield pg_database
    pg_database.execute(
        "DROP OWNED BY watch_member, watch_group; ALTER ROLE watch_member RESET ALL"
    )
    pg_database.execute(
        f"ALTER ROLE watch_member IN DATABASE {pg_database.name} RESET ALL;"
        "DROP ROLE watch_member, watch_group"
    )


def control(database: Any) -> str:
    dsn: str = database.server.dsn("watch_control", "postgres")
    return dsn


async def test_every_change_has_a_new_fingerprint_and_snapshot(database: Any) -> None:
    catalog = Catalog(control(database))
    reader = await asyncpg.connect(database.dsn("watch_control"))
    writer = await asyncpg.connect(database.dsn())
    missed = []
    try:
        for change in CHANGES:
            print_before = await reader.fetchval(FINGERPRINT_QUERY)
            before = await catalog.refresh(database.name, "test")
            transaction = writer.transaction()
            await transaction.start()
            await writer.execute(change.format(database=database.name))
            assert await reader.fetchval(FINGERPRINT_QUERY) == print_before, "not committed yet"
            await transaction.commit()
            if await reader.fetchval(FINGERPRINT_QUERY) == print_before:
                missed.append(f"fingerprint: {change}")
            after = await catalog.refresh(database.name, "test")
            if after.epoch != before.epoch + 1:
                missed.append(f"snapshot: {change}")
            await writer.execute(
                "DROP SCHEMA IF EXISTS s CASCADE; DROP SCHEMA IF EXISTS z CASCADE;"
                "DROP TABLE IF EXISTS public.t;" + BASIS
            )
    finally:
        await catalog.close()
        await reader.close()
        await writer.close()
    assert missed == []


async def test_data_and_maintenance_change_nothing(database: Any) -> None:
    catalog = Catalog(control(database))
    reader = await asyncpg.connect(database.dsn("watch_control"))
    writer = await asyncpg.connect(database.dsn())
    try:
        first = await catalog.refresh(database.name, "test")
        for statement in NO_CHANGES:
            await writer.execute(statement)
            assert await catalog.refresh(database.name, "test") is first, statement
    finally:
        await catalog.close()
        await reader.close()
        await writer.close()


async def test_changes_elsewhere_are_noticed_and_told(database: Any) -> None:
    told: list[Snapshot] = []
    catalog = Catalog(control(database), on_change=told.append, poll_seconds=0.05)
    async with watching(catalog, database):
        first = await catalog.snapshot(database.name)
        assert await catalog.snapshot(database.name) is first
        assert catalog.current(database.name) is first
        database.execute("ALTER TABLE s.t RENAME TO u")
        await until(lambda: told)
        (second,) = told
        assert second.epoch > first.epoch
        assert ("s", "u") in second.relation_by_name
        assert catalog.current(database.name) is second


async def test_concurrent_refreshes_see_what_was_committed_before_them(database: Any) -> None:
    catalog = Catalog(control(database))
    writer = await asyncpg.connect(database.dsn())

    async def change(number: int) -> None:
        async with busy:
            await writer.execute(f"CREATE TABLE s.made_{number} ()")
        snapshot = await catalog.refresh(database.name, "test")
        assert ("s", f"made_{number}") in snapshot.relation_by_name

    busy = asyncio.Lock()
    try:
        await asyncio.gather(*map(change, range(20)))
        last = await catalog.snapshot(database.name)
        assert last.epoch < 20  # calls have shared readings
    finally:
        await catalog.close()
        await writer.close()


async def test_lost_connection_comes_back(database: Any) -> None:
    catalog = Catalog(control(database), poll_seconds=0.05)
    async with watching(catalog, database):
        await catalog.snapshot(database.name)
        database.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'dbguard catalog'"
        )
        database.execute("CREATE TABLE s.later ()")
        await until(
            lambda: (
                (now := catalog.current(database.name)) and ("s", "later") in now.relation_by_name
            )
        )


async def test_a_closed_idle_connection_is_no_ones_error(database: Any) -> None:
    catalog = Catalog(control(database))
    try:
        await catalog.refresh(database.name, "test")
        database.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'dbguard catalog'"
        )
        database.execute("CREATE TABLE s.later ()")
        assert ("s", "later") in (await catalog.refresh(database.name, "test")).relation_by_name
    finally:
        await catalog.close()


def standing(catalog: Catalog, database: Any) -> Snapshot | None:
    """As sessions ask for it before each statement."""
    generation = catalog.generations.of(database.name)
    return catalog.watched(database.name).standing(generation, catalog.stale_seconds)


async def test_without_confirmation_the_snapshot_goes_stale(database: Any) -> None:
    catalog = Catalog(control(database), stale_seconds=0.0)
    try:
        first = await catalog.snapshot(database.name)
        assert catalog.current(database.name) is standing(catalog, database) is None
        assert await catalog.snapshot(database.name) is first
        database.execute("CREATE TABLE s.later ()")
        assert ("s", "later") in (await catalog.snapshot(database.name)).relation_by_name
    finally:
        await catalog.close()


async def test_views_of_a_locked_table_come_back(database: Any) -> None:
    catalog = Catalog(control(database), poll_seconds=0.05)
    holder = await asyncpg.connect(database.dsn())
    try:
        async with watching(catalog, database):
            async with holder.transaction():
                await holder.execute("LOCK TABLE s.t")
                first = await catalog.snapshot(database.name)
                assert first.relation_by_name["s", "v"].definition is None
            await until(
                lambda: (
                    (now := catalog.current(database.name))
                    and now.relation_by_name["s", "v"].definition is not None
                )
            )
    finally:
        await holder.close()


CONTROLLING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND backend_type = 'client backend'"
)
"""The server's own workers come and go."""


async def test_a_database_without_sessions_is_left_alone(database: Any) -> None:
    server = database.server
    catalog = Catalog(control(database), poll_seconds=0.05)

    def connections() -> int:
        ((count,),) = server.execute(CONTROLLING.format(database.name))
        return int(count)

    async with watching(catalog, database):
        catalog.enter(database.name)
        first = await catalog.snapshot(database.name)
        catalog.leave(database.name)
        await asyncio.sleep(0.2)
        # More than one where the catalog is being read just now.
        assert connections() > 0, "one session is left"
        catalog.leave(database.name)
        await until(lambda: connections() == 0)
        assert catalog.current(database.name) is None, "it may be another one by now"

        catalog.enter(database.name)
        assert await catalog.snapshot(database.name) is first
        catalog.leave(database.name)
        await until(lambda: connections() == 0)
        database.execute("CREATE TABLE s.later ()")
        catalog.enter(database.name)
        assert ("s", "later") in (await catalog.snapshot(database.name)).relation_by_name
        database.execute("CREATE TABLE s.latest ()")
        await until(
            lambda: (
                (now := catalog.current(database.name)) and ("s", "latest") in now.relation_by_name
            )
        )


async def test_a_new_database_of_an_old_name(database: Any) -> None:
    server = database.server
    catalog = Catalog(control(database), poll_seconds=0.05)
    async with watching(catalog, database):
        await catalog.snapshot(database.name)
        catalog.leave(database.name)
        # It waits for the connection to be closed.
        await asyncio.to_thread(server.execute, f"DROP DATABASE {database.name}")
        server.execute(f"CREATE DATABASE {database.name}")
        catalog.enter(database.name)
        assert ("s", "t") not in (await catalog.snapshot(database.name)).relation_by_name
        database.execute(BASIS)  # for the fixture


async def test_names_that_clients_make_up_are_not_kept(database: Any) -> None:
    catalog = Catalog(control(database))
    try:
        await catalog.snapshot(database.name)
        for number in range(UNUSED_KEPT * 3):
            catalog.enter(f"none_{number}")
            with pytest.raises(CatalogUnavailable):
                await catalog.snapshot(f"none_{number}")
            catalog.leave(f"none_{number}")
        assert len(catalog._databases) <= UNUSED_KEPT + 1
        assert catalog.current(database.name) is not None
    finally:
        await catalog.close()


@pytest.mark.parametrize(
    ("user", "database_name", "code"),
    [("watch_control", "no_such_database", "3D000"), ("no_such_role", None, "28P01")],
)
async def test_cannot_log_in(
    database: Any, user: str, database_name: str | None, code: str
) -> None:
    catalog = Catalog(database.server.dsn(user))
    with pytest.raises(CatalogUnavailable) as caught:
        await catalog.snapshot(database_name or database.name)
    assert code in caught.value.detail
    assert "catalog.dsn" in caught.value.hint


async def test_nobody_listens() -> None:
    catalog = Catalog("postgresql://nobody@127.0.0.1:1/postgres")
    with pytest.raises(CatalogUnavailable, match="cannot be read"):
        await catalog.refresh("postgres", "test")


async def test_what_another_worker_did_is_unclear_until_it_was_looked_at(
    database: Any, tmp_path: Path
) -> None:
    SharedGenerations.prepare(tmp_path / "generations")
    one, other = (
        Catalog(control(database), generations=SharedGenerations(tmp_path / "generations"))
        for _ in range(2)
    )
    made = (CatalogChange("s", "made"),)
    try:
        for catalog in (one, other):
            await catalog.snapshot(database.name)
            assert standing(catalog, database) is catalog.current(database.name) is not None
        one.note(database.name, made)
        assert one.recent(database.name) == made
        assert standing(one, database) is None, "it need not show what was made"
        assert standing(other, database) is None
        assert one.current(database.name) is not None, "it knows what it did itself"
        assert other.current(database.name) is None
        assert other.recent(database.name) == (EVERYTHING,)
        database.execute("CREATE TABLE s.made (a int)")
        seen = await other.refresh(database.name, "test")
        assert ("s", "made") in seen.relation_by_name
        assert other.recent(database.name) == ()
        assert other.current(database.name) is standing(other, database) is seen

        other.note(database.name, ())
        one.note(database.name, ())
        assert one.current(database.name) is None, "its own does not hide the other's"
        assert standing(one, database) is None
        assert one.recent(database.name)[-1] == EVERYTHING
        await one.snapshot(database.name)
        assert one.current(database.name) is not None
        assert one.recent(database.name) == ()
    finally:
        await one.close()
        await other.close()
