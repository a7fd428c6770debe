"""Backups that are taken while a client waits, away from the ordinary: other databases, several
processes, what no dump holds."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from .proxies import Guarded
from .test_backup_location import dbguard
from .test_taking import (
    PATIENCE,
    TAKING,
    backup_events,
    connect,
    create,
    dumping,
    dumps,
    nothing_left,
    until,
    waits,
    with_programs,
)

pytestmark = pytest.mark.pg
__all__ = ["with_programs"]


@pytest.fixture
def taking(guard: Any, pg_database: Any, request: pytest.FixtureRequest) -> Iterator[Guarded]:
    """A proxy that takes backups while clients wait; its settings may have more lines."""
    pg_database.create_user("ddl_owner", options="LOGIN SUPERUSER")
    more = getattr(request, "param", "")
    guarded: Guarded = guard(pg_database, rules=None, started=False, extra=more)
    (guarded.folder / "rules" / "allowing.yaml").write_text(TAKING, "utf-8")
    guarded.start()
    yield guarded
    if guarded.process is not None and guarded.process.poll() is None:
        guarded.stop()
    nothing_left(guarded, pg_database)


def decision_of(guarded: Guarded, text: str) -> dict[str, Any]:
    return until(
        lambda: next((r for r in guarded.records("decision") if r["text"].startswith(text)), None),
        "the decision is recorded",
    )


def test_a_dropped_database_comes_back(taking: Guarded, pg_database: Any, pg_server: Any) -> None:
    """The backup is of the database that goes, not of the one that the client is in."""
    other = pg_server.create_database()
    other.execute(
        "CREATE SCHEMA ward; CREATE TABLE ward.t AS SELECT i FROM generate_series(1, 40) i"
    )
    notices: list[str] = []
    with closing(connect(taking, notices)) as connection:
        connection.execute(f'DROP DATABASE "{other.name}"')
    assert any(f'backup of database "{other.name}": dumping' in n for n in notices)
    assert pg_server.execute(f"SELECT 1 FROM pg_database WHERE datname = '{other.name}'") == []
    (dump,) = dumps(taking)
    backup = dump.name.removesuffix(".dump")
    (met,) = decision_of(taking, "DROP DATABASE")["requirements"]
    assert met.startswith(f"backup {backup} of ")
    into = f"{other.name}_back"
    dbguard(taking, "restore", backup, "--into", into)
    try:
        dsn = pg_database.dsn().replace(pg_database.name, into)
        with psycopg.connect(dsn) as restored:
            assert restored.execute("SELECT count(*), sum(i) FROM ward.t").fetchone() == (40, 820)
    finally:
        pg_server.execute(f'DROP DATABASE "{into}"')


@pytest.mark.parametrize("name", ["nosuch_database", '"No such ""database"'])
def test_a_database_that_is_not_there_needs_no_backup(taking: Guarded, name: str) -> None:
    notices: list[str] = []
    with closing(connect(taking, notices)) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        with pytest.raises(psycopg.errors.InvalidCatalogName):
            connection.execute(f"DROP DATABASE {name}")
    assert any("does not exist, skipping" in notice for notice in notices)
    (met,) = decision_of(taking, "DROP DATABASE IF")["requirements"]
    assert met == "no backup needed: there is no such database"
    assert dumps(taking) == []


@pytest.mark.parametrize(
    "statement", ["DROP TABLESPACE nosuch", "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC"]
)
def test_what_no_dump_holds_is_refused_with_what_to_do(taking: Guarded, statement: str) -> None:
    with closing(connect(taking)) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(statement.encode())
    diagnostics = caught.value.diag
    assert "There is no backup" in (diagnostics.message_detail or "")
    assert "make one of the whole server" in (diagnostics.message_hint or "")
    assert dumps(taking) == []


@pytest.mark.parametrize(
    "taking",
    ["workers: 2\nlimits: {analysis_timeout: 1m, analysis_workers: 1}\n"],
    indirect=True,
)
def test_several_processes_take_backups_one_after_the_other(
    taking: Guarded, pg_database: Any
) -> None:
    """Clients of both workers: each statement has its backup, and nothing of another is touched."""
    tables = [f"t{number}" for number in range(6)]
    made = "; ".join(f"CREATE TABLE {t} AS SELECT '{t}' AS name" for t in tables)
    create(pg_database, taking, made, tables[-1])
    errors: list[psycopg.Error] = []
    told: dict[str, list[str]] = {table: [] for table in tables}

    def drop(table: str) -> None:
        try:
            with closing(connect(taking, told[table])) as connection:
                connection.execute(f"DROP TABLE {table}")
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=drop, args=(table,)) for table in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == []
    assert pg_database.execute("SELECT relname FROM pg_class WHERE relname ~ '^t[0-9]$'") == []
    events = backup_events(taking)
    assert events.count("taken") == len(tables)
    assert set(events) <= {"begun", "taken", "interrupted"}
    backups = set()
    for table in tables:
        (met,) = decision_of(taking, f"DROP TABLE {table}")["requirements"]
        backups.add(met.split()[1])
        named = [n for n in told[table] if "taken and verified" in n]
        assert [re.split(r"\s", n)[2] for n in named] == [met.split()[1]]
    assert len(backups) == len(tables)


WAITING = (
    'touch "$(dirname "$0")/../begun"; while [ ! -e "$(dirname "$0")/../go" ]; do sleep 0.1; done'
)


@pytest.mark.parametrize(
    ("string", "held"),
    [
        ("DROP TABLE gone; DROP TABLE other", True),
        ("SELECT 1; TRUNCATE gone; SELECT 2", True),
        ("ROLLBACK TO s; DROP TABLE gone", False),
        ("DROP TABLE gone; COMMIT; BEGIN", False),
    ],
)
def test_strings_are_held_in_an_open_transaction(
    with_programs: Callable[..., Guarded], pg_database: Any, string: str, held: bool
) -> None:
    """What is written between the dump and the string is in a second backup, or reported where a
    statement of the string could give the lock back."""
    pg_database.execute("CREATE TABLE gone AS SELECT 1 AS id; CREATE TABLE other AS SELECT 1 AS id")
    guarded = with_programs(WAITING)
    notices: list[str] = []
    with closing(connect(guarded, notices)) as connection:

        def run() -> None:
            connection.execute("BEGIN")
            connection.execute("SAVEPOINT s")
            connection.execute(string.encode())
            connection.execute("COMMIT")

        thread = threading.Thread(target=run)
        thread.start()
        until(dumping(guarded), "the backup begins")
        pg_database.execute("INSERT INTO gone VALUES (2)")
        (guarded.folder / "go").touch()
        thread.join(PATIENCE)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    taken = [n for n in notices if n.endswith("taken and verified")]
    told = "dbguard: written to behind the backup: public.gone; that is not in it"
    assert (len(taken), told in notices) == ((2, False) if held else (1, True))
    mets = [r["requirements"][0] for r in guarded.records("decision") if r["requirements"]]
    ends = "rows held against writers since" if held else "not held"
    assert mets
    assert all(met.endswith(ends) for met in mets)


def test_a_lost_connection_in_the_middle_refuses_the_statement(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    """The snapshot is gone with its connection: pg_dump cannot take it up, and nothing is left."""
    pg_database.execute("CREATE TABLE gone AS SELECT 1 AS id")
    guarded = with_programs(WAITING)
    connection, thread, ends = waits(guarded, "DROP TABLE gone")
    until(dumping(guarded), "the backup begins")
    ended = pg_database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'dbguard backup' AND datname = current_database()"
    )
    assert ended
    (guarded.folder / "go").touch()
    thread.join(PATIENCE)
    (error,) = ends
    assert "no backup of database" in error.diag.message_primary
    assert error.diag.message_detail
    assert connection.execute("SELECT count(*) FROM gone").fetchone() == (1,)
    assert dumps(guarded) == []
    assert backup_events(guarded) == ["begun", "failed"]
    connection.execute("DROP TABLE gone")  # with a backup of its own
    connection.close()
