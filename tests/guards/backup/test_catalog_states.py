"""What is doomed by a statement, and what a digest tells: a server runs the statement."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dbguard.catalog.loading import SNAPSHOT_QUERY, parse_snapshot
from dbguard.errors import BackupError
from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.catalog_states import ObjectState, doomed_by, read_states
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.guards.backup.observing import CatalogMemory
from dbguard.sql.analysis import analyze
from dbguard.sql.destruction import Destruction
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import SessionView

DESTROYING = Path(__file__).parents[2] / "sql" / "destroying"
VIEW = SessionView("postgres", ("pg_catalog", "public"))
STATEMENTS = [
    line.partition(" => ")[0]
    for line in (DESTROYING / "statements.txt").read_text("utf-8").splitlines()
    if line.strip() and line[0] not in "#!" and not line.endswith("additive")
]
CLINIC = DatabaseIdentity("7001", "clinic", 16400)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def clinic(pg_server: Any) -> Iterator[Any]:
    """One for all: what is run is taken back."""
    found = pg_server.create_database()
    found.execute((DESTROYING / "schema.sql").read_text("utf-8"))
    yield found
    found.drop()


@pytest.fixture
async def connection(clinic: Any) -> AsyncIterator[Any]:
    found = await ServerAccess(clinic.dsn()).connect(clinic.name)
    yield found
    await found.close()


async def facts(connection: Any, *statements: str) -> list[Destruction]:
    snapshot = parse_snapshot(await connection.fetchval(SNAPSHOT_QUERY), 1)
    return [
        analyze(statement, snapshot, VIEW, DEFAULT_LIMITS)[0].facts.destroys
        for statement in statements
    ]


async def difference(connection: Any, statement: str) -> tuple[set[str], tuple[ObjectState, ...]]:
    """What is not any more what it was when `statement` has run; what there was before."""
    before = await read_states(connection)
    await connection.execute("BEGIN")
    try:
        await connection.execute(statement)
        after = {s.key: s.digest for s in await read_states(connection)}
    finally:
        await connection.execute("ROLLBACK")
    changed = {f"{s.kind} {s.name}" for s in before if after.get(s.key) != s.digest}
    return changed, before


@pytest.mark.pg
async def test_what_a_statement_changes_was_doomed_by_it(connection: Any) -> None:
    """By PostgreSQL's own dependencies, CASCADE included; nothing is changed that was not told."""
    destroyed = await facts(connection, *STATEMENTS)
    wrong, unnoticed = [], []
    for statement, found in zip(STATEMENTS, destroyed, strict=True):
        changed, states = await difference(connection, statement)
        doomed = {f"{s.kind} {s.name}" for s in await doomed_by(connection, found, states)}
        if not changed <= doomed:
            wrong.append((statement, sorted(changed - doomed)))
        if not changed:
            unnoticed.append(statement)
    assert wrong == [], wrong
    assert all("REFRESH" in s or "DEFAULT PRIVILEGES" in s for s in unnoticed), unnoticed


@pytest.mark.pg
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "DROP TABLE clinic.claims",
            "definitions pg_statistic_ext,index clinic.claims_amount,"
            "sequence clinic.claims_id_seq,table clinic.claims",
        ),
        ("DROP INDEX clinic.claims_amount", "index clinic.claims_amount"),
        (
            "DROP TABLE clinic.visits",
            "table clinic.visits,table clinic.visits_1",
        ),
        (
            "DROP TABLE clinic.patients CASCADE",
            "index clinic.patients_pkey,sequence clinic.patients_id_seq,table clinic.claims,"
            "table clinic.patients,view clinic.names",
        ),
        ("ALTER TABLE clinic.patients ALTER name DROP NOT NULL", "table clinic.patients"),
        ("DROP FUNCTION clinic.age(int)", "function clinic.age(integer)"),
        ("DROP TYPE clinic.sex CASCADE", "table clinic.patients,type clinic.sex"),
        ("DROP TRIGGER touched ON clinic.claims", "table clinic.claims"),
    ],
)
async def test_what_goes_along(connection: Any, statement: str, expected: str) -> None:
    (destroyed,) = await facts(connection, statement)
    doomed = await doomed_by(connection, destroyed, await read_states(connection))
    names = {f"{s.kind} {s.name}" for s in doomed}
    if "sex" in statement:  # a column that goes takes along what is of its table
        assert set(expected.split(",")) <= names
    else:
        assert ",".join(sorted(names)) == expected


@pytest.mark.pg
@pytest.mark.parametrize(
    "statement",
    [
        "DROP SCHEMA clinic CASCADE; CREATE TABLE public.t ()",
        "DO 'BEGIN DROP TABLE clinic.claims; END'",
        "DROP FUNCTION IF EXISTS clinic.nosuch()",
        "DROP PUBLICATION IF EXISTS nosuch CASCADE",
        "DROP OWNED BY pg_monitor",
    ],
)
async def test_what_cannot_be_told_is_everything(connection: Any, statement: str) -> None:
    (destroyed, *_) = await facts(connection, statement)
    states = await read_states(connection)
    doomed = await doomed_by(connection, destroyed, states)
    if "SCHEMA" in statement:
        assert {s.name for s in states if s.schema == "clinic"} <= {s.name for s in doomed}
    else:
        assert doomed == states


@pytest.mark.pg
async def test_a_relation_that_only_its_own_session_sees_is_no_loss(connection: Any) -> None:
    found = Destruction((await facts(connection, "DROP TABLE clinic.claims"))[0].relations)
    unseen = Destruction(tuple(type(r)(0, "clinic", "new") for r in found.relations))
    assert await doomed_by(connection, unseen, await read_states(connection)) == ()


@pytest.mark.pg
@pytest.mark.parametrize(
    "maintenance",
    [
        "ANALYZE",
        "REINDEX TABLE clinic.claims",
        "REFRESH MATERIALIZED VIEW clinic.totals",
        "INSERT INTO clinic.claims (amount) VALUES (1)",
        "UPDATE clinic.claims SET amount = 2",
        "SELECT nextval('clinic.numbers')",
        "CREATE INDEX ON clinic.claims (patient)",
        "CREATE TABLE clinic.other (a int)",
        "CREATE TEMP TABLE t (a int)",
        "COMMENT ON TABLE clinic.claims IS 'x'",
    ],
)
async def test_what_is_no_change_of_anything(connection: Any, maintenance: str) -> None:
    changed, _ = await difference(connection, maintenance)
    assert changed == set()


@pytest.mark.pg
async def test_undone_changes_are_changes(connection: Any, clinic: Any) -> None:
    before = {s.name: s.digest for s in await read_states(connection)}
    clinic.execute("ALTER TABLE clinic.claims ADD a int; ALTER TABLE clinic.claims DROP a")
    clinic.execute("ALTER TABLE clinic.parent RENAME TO x; ALTER TABLE clinic.x RENAME TO parent")
    clinic.execute("ALTER TYPE clinic.sex RENAME VALUE 'male' TO 'm'")
    clinic.execute("ALTER TYPE clinic.sex RENAME VALUE 'm' TO 'male'")
    after = {s.name: s.digest for s in await read_states(connection)}
    changed = {name for name, digest in before.items() if after[name] != digest}
    assert changed == {"clinic.claims", "clinic.parent", "clinic.sex"}


def state(oid: int, digest: str) -> ObjectState:
    return ObjectState((1259, oid), "table", "clinic", f"clinic.t{oid}", digest)


def test_since_when_things_are_what_they_are(tmp_path: Path) -> None:
    memory = CatalogMemory(tmp_path / "state.db")
    later, latest = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
    assert memory.observe(CLINIC, [state(1, "a"), state(2, "a")], NOON) == {
        (1259, 1): NOON,
        (1259, 2): NOON,
    }
    again = CatalogMemory(tmp_path / "state.db")  # another process
    found = again.observe(CLINIC, [state(1, "a"), state(2, "b"), state(3, "a")], later)
    assert (found[1259, 1], found[1259, 2], found[1259, 3]) == (NOON, later, later)
    elsewhere = DatabaseIdentity("7001", "clinic", 16401)
    assert again.observe(elsewhere, [state(1, "a")], latest) == {(1259, 1): latest}
    # what is gone and comes back was not there all the time
    again.observe(CLINIC, [state(2, "b")], later)
    assert again.observe(CLINIC, [state(1, "a")], latest)[1259, 1] == latest


def test_a_state_file_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(BackupError, match="registry of catalog objects cannot be used"):
        CatalogMemory(path).observe(CLINIC, [], NOON)
    path.unlink()
    memory = CatalogMemory(path)
    memory.observe(CLINIC, [], NOON)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_versions SET version = 9")
    with pytest.raises(BackupError, match="version 9"):
        memory.observe(CLINIC, [], NOON)
