"""What is doomed by a statement, and what a digest tells: a server runs the statement."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dbguard.catalog.loading import SNAPSHOT_QUERY, parse_snapshot
from dbguard.errors import BackupError
from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.catalog_states import ObjectState, read_states
from dbguard.guards.backup.context import BackupContext
from dbguard.guards.backup.dooming import Doomed, doomed_by
from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.guards.backup.observing import CatalogMemory
from dbguard.guards.backup.taking import take_backup
from dbguard.policy.decision import BackupRequirement
from dbguard.sql.analysis import analyze
from dbguard.sql.destruction import Destruction, Reach
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
        goes = (await doomed_by(connection, found, states)).objects
        doomed = {f"{s.kind} {s.name}" for s in goes}
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
    doomed = (await doomed_by(connection, destroyed, await read_states(connection))).objects
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
    doomed = (await doomed_by(connection, destroyed, states)).objects
    if "SCHEMA" in statement:
        assert {s.name for s in states if s.schema == "clinic"} <= {s.name for s in doomed}
    else:
        assert doomed == states


@pytest.mark.pg
async def test_a_relation_that_only_its_own_session_sees_is_no_loss(connection: Any) -> None:
    found = Destruction((await facts(connection, "DROP TABLE clinic.claims"))[0].relations)
    unseen = Destruction(tuple(type(r)(0, "clinic", "new") for r in found.relations))
    states = await read_states(connection)
    own = connection.get_server_pid()
    assert await doomed_by(connection, unseen, states, own) == Doomed((), nothing=True)
    # what has not run yet may tie it to anything
    assert (await doomed_by(connection, unseen, states)).objects == states


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


def seen(path: Path, at: datetime, *states: ObjectState) -> dict[int, datetime]:
    """One look, by a process of its own: since when each object is as it is, by its OID."""
    found = CatalogMemory(path).observe(CLINIC, states, at)
    return {oid: found.since[1259, oid] for oid in (state.key[1] for state in states)}


def test_since_when_things_are_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    later, latest = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
    assert seen(path, NOON, state(1, "a"), state(2, "a")) == {1: NOON, 2: NOON}
    found = seen(path, later, state(1, "a"), state(2, "b"), state(3, "a"))
    assert found == {1: NOON, 2: later, 3: later}
    elsewhere = DatabaseIdentity("7001", "clinic", 16401)
    other = CatalogMemory(path).observe(elsewhere, [state(1, "a")], latest)
    assert (other.since, other.moment) == ({(1259, 1): latest}, latest)
    # what is gone and comes back was not there all the time
    seen(path, later, state(2, "b"))
    assert seen(path, latest, state(1, "a")) == {1: latest}


def test_a_clock_that_is_set_back_dates_nothing_before_a_look(tmp_path: Path) -> None:
    """A change is younger than whatever looked before it was noticed, across restarts."""
    path = tmp_path / "state.db"
    looked, back = NOON + timedelta(minutes=30), NOON - timedelta(hours=1)
    seen(path, NOON, state(1, "a"), state(2, "a"))
    seen(path, looked, state(1, "a"), state(2, "a"))  # nothing changed, and yet a look
    found = seen(path, back, state(1, "a"), state(2, "b"))
    assert found[1] == NOON
    assert found[2] > looked
    again = seen(path, back, state(1, "c"), state(2, "b"))
    assert again[1] > found[2]
    assert seen(path, back, state(1, "c"), state(2, "b")) == again
    # other databases have looks of their own
    elsewhere = DatabaseIdentity("7001", "clinic", 16401)
    other = CatalogMemory(path).observe(elsewhere, [state(1, "a")], back)
    assert (other.since, other.moment) == ({(1259, 1): back}, back)
    # the clock is right again
    late = looked + timedelta(hours=1)
    assert seen(path, late, state(1, "d")) == {1: late}


def test_moments_of_looks_follow_one_another(tmp_path: Path) -> None:
    """Nothing that a look has seen is younger than the look, whatever the clock says."""
    memory = CatalogMemory(tmp_path / "state.db")
    moments = []
    for number, hours in enumerate((0, 5, -3, -3, 2, 6, 1)):
        at = NOON + timedelta(hours=hours)
        states = [state(1, "a"), state(2, str(number)), state(3, str(number // 2))]
        found = memory.observe(CLINIC, states, at)
        assert max(found.since.values()) <= found.moment
        assert all(found.since[1259, 2] > before for before in moments)
        moments.append(found.moment)
    assert moments == sorted(set(moments))


def test_what_an_earlier_release_remembered_stays(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    seen(path, NOON, state(1, "a"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE catalog_looks")
        connection.execute("UPDATE schema_versions SET version = 1")
    found = seen(path, NOON - timedelta(hours=1), state(1, "a"), state(2, "a"))
    assert found[1] == NOON
    assert found[2] > NOON


@pytest.mark.pg
async def test_a_first_look_while_a_backup_is_taken_is_not_behind_it(
    context: BackupContext, clinic: Any
) -> None:
    guard = BackupGuard(context.registry, context.access, context.clock)

    async def looks() -> None:
        while True:
            await guard.note(clinic.name)

    looking = asyncio.create_task(looks())
    try:
        backup = await take_backup(clinic.name, context)
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
    requirement = BackupRequirement("ddl-needs-backup", 3600)
    dropped = Destruction(reach=Reach.DATABASE, reason="dropping what is there")
    verdict = await guard.check(requirement, clinic.name, dropped)
    assert verdict.backup_id == backup.id, verdict.detail


@pytest.mark.pg
@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_clock_that_is_wrong_for_a_while(
    context: BackupContext, clinic: Any, hours: int
) -> None:
    """A backup counts for what was changed before it, and not for what was changed after it, also
    where the clock says otherwise: it was ahead when the change was seen, or is set back now."""
    wrong = [timedelta(0)]

    def clock() -> datetime:
        return datetime.now(UTC) + wrong[0]

    guard = BackupGuard(context.registry, context.access, clock)
    context = replace(context, clock=clock)
    requirement = BackupRequirement("ddl-needs-backup", 86_400)
    dropped = Destruction(reach=Reach.DATABASE, reason="dropping what is there")
    clinic.execute("CREATE TABLE public.changing (i int)")
    try:
        await guard.note(clinic.name)
        wrong[0] = timedelta(hours=max(hours, 0))
        clinic.execute("ALTER TABLE public.changing ADD a int")
        await guard.note(clinic.name)  # two hours ahead, or right
        wrong[0] = timedelta(0)
        backup = await take_backup(clinic.name, context)
        verdict = await guard.check(requirement, clinic.name, dropped)
        assert verdict.backup_id == backup.id, verdict.detail
        wrong[0] = timedelta(hours=min(hours, 0))
        clinic.execute("ALTER TABLE public.changing ADD b int")
        await guard.note(clinic.name)  # two hours back, or right
        wrong[0] = timedelta(0)
        verdict = await guard.check(requirement, clinic.name, dropped)
        assert not verdict.satisfied
        assert "table public.changing was made or changed after it" in verdict.detail
    finally:
        clinic.execute("DROP TABLE public.changing")


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
