"""What each kind of destructive statement takes away, `take` has backed up: run through the proxy,
restored from what was taken, and compared by row and by definition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.context import BackupContext
from dbguard.guards.backup.definitions import describe_objects
from dbguard.guards.backup.giving_back import restore_database
from dbguard.guards.backup.registry import BackupRegistry

from .conftest import Factory
from .proxies import Guarded
from .test_taking import TAKING

pytestmark = pytest.mark.pg

SCHEMA = """
CREATE SCHEMA ward;
CREATE TYPE ward.kind AS ENUM ('in', 'out');
CREATE TABLE ward.dropped (id int PRIMARY KEY, body text DEFAULT 'x', k ward.kind);
INSERT INTO ward.dropped SELECT i, 'body ' || i, 'in' FROM generate_series(1, 40) i;
CREATE INDEX ON ward.dropped (lower(body));
CREATE TABLE ward.cut (id int, gone text, kept text);
INSERT INTO ward.cut SELECT i, 'gone ' || i, 'kept' FROM generate_series(1, 40) i;
CREATE TABLE ward.emptied (id int); INSERT INTO ward.emptied SELECT generate_series(1, 40);
CREATE TABLE ward.retyped (id int, n numeric); INSERT INTO ward.retyped VALUES (1, 1.25), (2, 2.5);
CREATE TABLE ward.parts (id int, note text) PARTITION BY RANGE (id);
CREATE TABLE ward.part_1 PARTITION OF ward.parts FOR VALUES FROM (0) TO (100);
CREATE TABLE ward.part_2 PARTITION OF ward.parts FOR VALUES FROM (100) TO (200);
INSERT INTO ward.parts SELECT i, 'note ' || i FROM generate_series(50, 150) i;
CREATE TABLE ward.base (id int, v int);
INSERT INTO ward.base SELECT i, i % 3 FROM generate_series(1, 30) i;
CREATE MATERIALIZED VIEW ward.sums AS SELECT v, sum(id) AS s FROM ward.base GROUP BY v;
CREATE FUNCTION ward.bmi(w numeric, h numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS 'SELECT w / (h * h)';
CREATE TABLE ward.guarded (id int); INSERT INTO ward.guarded VALUES (1);
ALTER TABLE ward.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_one ON ward.guarded FOR SELECT USING (id = 1);
CREATE TABLE ward.shared (id int); INSERT INTO ward.shared VALUES (7);
GRANT SELECT, INSERT ON ward.shared TO PUBLIC;
CREATE TABLE ward.once (id int, body text);
INSERT INTO ward.once SELECT i, 'b' || i FROM generate_series(1, 9) i;
CREATE SCHEMA attic;
CREATE TABLE attic.one (id int PRIMARY KEY); INSERT INTO attic.one SELECT generate_series(1, 20);
CREATE TABLE attic.two (id int REFERENCES attic.one); INSERT INTO attic.two VALUES (3);
CREATE VIEW attic.seen AS SELECT * FROM attic.one;
"""

KINDS = {
    "drop table": ("DROP TABLE ward.dropped", "SELECT * FROM ward.dropped ORDER BY 1"),
    "drop column": ("ALTER TABLE ward.cut DROP COLUMN gone", "SELECT * FROM ward.cut ORDER BY 1"),
    "drop schema": (
        "DROP SCHEMA attic CASCADE",
        "SELECT s.id, t.id FROM attic.seen s LEFT JOIN attic.two t ON t.id = s.id ORDER BY 1",
    ),
    "truncate": ("TRUNCATE ward.emptied", "SELECT * FROM ward.emptied ORDER BY 1"),
    "alter type": (
        "ALTER TABLE ward.retyped ALTER COLUMN n TYPE int",
        "SELECT * FROM ward.retyped ORDER BY 1",
    ),
    "detach": (
        "ALTER TABLE ward.parts DETACH PARTITION ward.part_1",
        "SELECT * FROM ward.parts ORDER BY 1",
    ),
    "drop partition": ("DROP TABLE ward.part_2", "SELECT * FROM ward.part_2 ORDER BY 1"),
    "drop materialized view": (
        "DROP MATERIALIZED VIEW ward.sums",
        "SELECT * FROM ward.sums ORDER BY 1",
    ),
    "drop function": ("DROP FUNCTION ward.bmi", "SELECT ward.bmi(80, 2)"),
    "drop policy": ("DROP POLICY only_one ON ward.guarded", "SELECT 1"),
    "revoke": ("REVOKE INSERT ON ward.shared FROM PUBLIC", "SELECT 1"),
}

SHOWN = ("drop column", "drop schema", "detach", "drop materialized view", "revoke")
"""What is run each time: the others go the same ways, and take 20 s more."""
CHOSEN = tuple(KINDS) if os.environ.get("E2E_ALL_KINDS") else SHOWN


@pytest.fixture(scope="module")
def wards(pg_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A proxy that takes backups, and the database behind it."""
    database = pg_server.create_database()
    database.execute(SCHEMA)
    database.create_user("ddl_owner", options="LOGIN SUPERUSER")
    with ExitStack() as stack:
        guarded = Factory(stack, tmp_path_factory.mktemp("wards"))(
            database, rules=None, started=False, durability="buffered"
        )
        (guarded.folder / "rules" / "allowing.yaml").write_text(TAKING, "utf-8")
        guarded.start()
        yield guarded, database
    database.drop()


async def definitions(database: Any, name: str) -> dict[str, str]:
    connection = await ServerAccess(database.server.dsn()).connect(name)
    try:
        return dict((await describe_objects(connection)).of)
    finally:
        await connection.close()


def backup_of(guarded: Guarded, statement: str, notices: list[str]) -> str:
    with closing(psycopg.connect(guarded.dsn("ddl_owner"), autocommit=True)) as connection:
        connection.add_notice_handler(lambda n: notices.append(n.message_primary or ""))
        connection.execute(statement)
    taken = [n for n in notices if n.endswith("taken and verified")]
    assert len(taken) == 1, notices
    return taken[0].split()[2]


@pytest.mark.parametrize("kind", CHOSEN)
async def test_what_was_destroyed_comes_back(wards: Any, kind: str) -> None:
    guarded, database = wards
    statement, query = KINDS[kind]
    rows = database.execute(query)
    before = await definitions(database, database.name)
    for older in (guarded.folder / "backups").glob("*.dump"):
        older.unlink()  # which may hold what is needed
    backup = backup_of(guarded, statement, [])
    after = await definitions(database, database.name)
    lost = {name for name, digest in before.items() if after.get(name) != digest}
    assert lost or kind == "truncate"
    into = f"{database.name}_{kind.replace(' ', '_')}"
    context = BackupContext(
        ServerAccess(database.server.dsn()),
        guarded.folder / "backups",
        BackupRegistry(guarded.folder / "state.db"),
        lambda: datetime.now(UTC),
        os.environ,
    )
    try:
        await restore_database(backup, into, context)
        restored = await definitions(database, into)
        foreign = {name for name in lost if name.startswith("foreign key ")}
        assert {name: restored.get(name) for name in lost - foreign} == {
            name: before[name] for name in lost - foreign
        }
        if "MATERIALIZED" in statement:  # a part has what it is made of
            database.server.execute("REFRESH MATERIALIZED VIEW ward.sums", database=into)
        assert database.server.execute(query, database=into) == rows
    finally:
        database.server.execute(f'DROP DATABASE IF EXISTS "{into}" WITH (FORCE)')


def test_a_table_comes_back_beside_the_live_one(wards: Any) -> None:
    guarded, database = wards
    rows = database.execute("SELECT * FROM ward.once ORDER BY 1")
    backup = backup_of(guarded, "TRUNCATE ward.once", [])
    done = guarded.run(
        "backup", "restore", backup, "--table", "ward.once", "--config", "dbguard.yaml"
    )
    assert done.returncode == 0, done.stderr
    assert database.execute(f"SELECT * FROM ward.once_restored_{backup} ORDER BY 1") == rows
    assert database.execute("SELECT count(*) FROM ward.once") == [(0,)]
