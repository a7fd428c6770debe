"""DDL waits while dbguard takes the backup that it needs: what clients see, and what is left."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import psycopg
import pytest

from .proxies import ALLOWING_RULES, Guarded

pytestmark = pytest.mark.pg

TAKING = ALLOWING_RULES.replace('"app"', '"ddl_owner"').replace(
    "defaults:",
    """  - id: ddl-needs-backup
    require: {backup: {max_age: 1h, on_missing: take}}
    actions: [drop, truncate, alter, revoke]
defaults:""",
)
PATIENCE = 120.0
"""Seconds for what has to come sooner or later."""


def until(found: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE
    while not (seen := found()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return seen


@pytest.fixture
def taking(guard: Any, pg_database: Any) -> Iterator[Guarded]:
    """A proxy that takes backups while clients wait, in front of an empty database."""
    pg_database.create_user("ddl_owner", options="LOGIN SUPERUSER")
    guarded: Guarded = guard(pg_database, rules=None, started=False)
    (guarded.folder / "rules" / "allowing.yaml").write_text(TAKING, "utf-8")
    guarded.start()
    yield guarded
    if guarded.process is not None and guarded.process.poll() is None:
        guarded.stop()
    nothing_left(guarded, pg_database)


def nothing_left(guarded: Guarded, database: Any) -> None:
    scratch = "SELECT datname FROM pg_database WHERE datname LIKE 'dbguard\\_scratch%'"
    until(lambda: database.execute(scratch) == [], "scratch databases are dropped")
    folder = guarded.folder / "backups"

    def clean() -> bool:
        return not [p for p in folder.glob("*") if p.suffix in (".partial", ".scratch")]

    until(clean, "partial files are removed")


def dumps(guarded: Guarded) -> list[Any]:
    return list((guarded.folder / "backups").glob("*.dump"))


def backup_events(guarded: Guarded) -> list[str]:
    return [r["fields"]["event"] for r in guarded.records("backup")]


def connect(guarded: Guarded, notices: list[str] | None = None, **options: Any) -> Any:
    connection = psycopg.connect(guarded.dsn("ddl_owner"), autocommit=True, **options)
    if notices is not None:
        connection.add_notice_handler(lambda n: notices.append(n.message_primary or ""))
    return connection


def create(database: Any, guarded: Guarded, tables: str, known: str) -> None:
    """Make tables past a proxy that runs, and wait until it knows the last of them."""
    database.execute(tables)

    def is_known() -> bool:
        with closing(connect(guarded)) as connection:
            try:
                connection.execute(f"SELECT FROM {known} LIMIT 0")
            except psycopg.errors.UndefinedTable:
                return False
        return True

    until(is_known, "dbguard knows what was made past it")


def test_the_statement_waits_for_its_backup_and_runs(taking: Guarded, pg_database: Any) -> None:
    tables = (
        "CREATE TABLE kept AS SELECT i FROM generate_series(1, 50) i; "
        "CREATE TABLE gone AS SELECT i FROM generate_series(1, 30) i"
    )
    create(pg_database, taking, tables, "gone")
    notices: list[str] = []
    with closing(connect(taking, notices)) as connection:
        connection.execute("DROP TABLE gone")
        assert pg_database.execute("SELECT to_regclass('gone')") == [(None,)]
        (dump,) = dumps(taking)
        backup = dump.name.removesuffix(".dump")
        assert f"dbguard: backup {backup} taken and verified" in notices
        assert "restoring into a scratch database" in " ".join(notices)
        # another table is not in it
        connection.execute("DROP TABLE kept")
    assert len(dumps(taking)) == 2
    until(lambda: backup_events(taking) == ["begun", "taken"] * 2, "they are on record")
    found = until(
        lambda: [r for r in taking.records("decision") if r["text"].startswith("DROP TABLE gone")],
        "the decision is recorded",
    )
    assert [r["decision"] for r in found] == ["allow"]
    assert found[0]["requirements"][0].startswith(f"backup {backup} of ")
    taken = next(r for r in taking.records("backup") if r["fields"]["event"] == "taken")
    assert f"sha256 {taken['fields']['sha256']}" in found[0]["requirements"][0]
    assert taken["fields"]["rows"] == "30"


SLOW = '#!/bin/sh\ncase "$1" in --version) exec "{0}" "$@";; esac\n{1}\nexec "{0}" "$@"\n'


@pytest.fixture
def with_programs(guard: Any, pg_database: Any, pg_server: Any) -> Iterator[Callable[..., Guarded]]:
    """A proxy whose pg_dump does something first: a line of shell script."""
    made: list[Guarded] = []

    def start(script: str, **settings: str) -> Guarded:
        pg_database.create_user("ddl_owner", options="LOGIN SUPERUSER")
        guarded: Guarded = guard(pg_database, rules=None, started=False)
        (guarded.folder / "rules" / "allowing.yaml").write_text(TAKING, "utf-8")
        programs = guarded.folder / "bin"
        programs.mkdir()
        for name in ("pg_dump", "pg_restore"):
            text = SLOW.format(pg_server.binary(name), script if name == "pg_dump" else "")
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        more = "".join(f", {name}: {value}" for name, value in settings.items())
        text = guarded.config.read_text("utf-8")
        assert "directory: backups}" in text
        text = text.replace("directory: backups}", f"directory: backups, binaries: bin{more}}}")
        guarded.config.write_text(text, "utf-8")
        guarded.start()
        made.append(guarded)
        return guarded

    yield start
    for guarded in made:
        if guarded.process is not None and guarded.process.poll() is None:
            guarded.stop()
        nothing_left(guarded, pg_database)


def dumping(guarded: Guarded) -> Callable[[], bool]:
    """Whether the script has begun: it leaves a file."""
    return lambda: (guarded.folder / "begun").exists()


def hanging() -> str:
    return 'touch "$(dirname "$0")/../begun"; [ -e "$(dirname "$0")/../go" ] || exec sleep 600'


def waits(
    guarded: Guarded, statement: str, **options: Any
) -> tuple[Any, threading.Thread, list[Any]]:
    """A client that waits for its backup, in a thread; its connection, and how it ends."""
    connection = connect(guarded, **options)
    ends: list[Any] = []

    def run() -> None:
        try:
            connection.execute(statement)
            ends.append(None)
        except psycopg.Error as error:
            ends.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return connection, thread, ends


def test_cancel_ends_the_wait_and_the_backup(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    pg_database.execute("CREATE TABLE gone AS SELECT 1")
    guarded = with_programs(hanging())
    connection, thread, ends = waits(guarded, "DROP TABLE gone")
    until(dumping(guarded), "the backup begins")
    with closing(connect(guarded)) as other:  # which nobody holds up meanwhile
        assert other.execute("SELECT count(*) FROM gone").fetchone() == (1,)
    connection.cancel_safe(timeout=PATIENCE)
    thread.join(PATIENCE)
    (error,) = ends
    assert error.sqlstate == "57014"
    assert error.diag.message_primary == "canceling statement due to user request"
    assert "It waited for a backup" in error.diag.message_detail
    assert connection.execute("SELECT count(*) FROM gone").fetchone() == (1,)  # it goes on
    connection.close()
    until(lambda: backup_events(guarded) == ["begun", "interrupted"], "it is on record")
    assert dumps(guarded) == []


def test_statement_timeout_ends_the_wait(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    pg_database.execute("CREATE TABLE gone AS SELECT 1")
    guarded = with_programs(hanging())
    with closing(connect(guarded)) as connection:
        connection.execute("SET statement_timeout = '700ms'")
        with pytest.raises(psycopg.errors.QueryCanceled) as caught:
            connection.execute("DROP TABLE gone")
        assert caught.value.diag.message_primary == "canceling statement due to statement timeout"
        connection.execute("RESET statement_timeout")
        assert connection.execute("SELECT count(*) FROM gone").fetchone() == (1,)
    assert dumps(guarded) == []


def test_a_client_that_goes_stops_its_backup_and_runs_nothing(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    pg_database.execute("CREATE TABLE gone AS SELECT 1")
    guarded = with_programs(hanging())
    connection, thread, _ = waits(guarded, "DROP TABLE gone")
    until(dumping(guarded), "the backup begins")
    with suppress(psycopg.Error):
        connection.pgconn.finish()
    until(lambda: "interrupted" in backup_events(guarded), "the backup is stopped")
    thread.join(PATIENCE)
    assert pg_database.execute("SELECT count(*) FROM gone") == [(1,)]


def test_several_that_need_the_same_wait_for_one_backup(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    names = ["a", "b", "c", "d"]
    for name in names:
        pg_database.execute(f"CREATE FUNCTION {name}() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    guarded = with_programs(
        'touch "$(dirname "$0")/../begun"; '
        'while [ ! -e "$(dirname "$0")/../go" ]; do sleep 0.1; done'
    )
    clients = [waits(guarded, f"DROP FUNCTION {name}()") for name in names[:3]]
    until(dumping(guarded), "the backup begins")
    # the one that is stopped takes nothing from the others
    waiting = waits(guarded, "DROP FUNCTION d()")
    waiting[0].cancel_safe(timeout=PATIENCE)
    waiting[1].join(PATIENCE)
    waiting[0].close()
    (guarded.folder / "go").touch()
    for connection, thread, _ in clients:
        thread.join(PATIENCE)
        connection.close()
    assert [ends for _, _, ends in clients] == [[None]] * 3
    assert backup_events(guarded) == ["begun", "taken"]
    assert waiting[2][0] is not None


def test_what_the_transaction_has_touched_is_not_backed_up(
    taking: Guarded, pg_database: Any
) -> None:
    tables = "CREATE TABLE one AS SELECT 1 AS a; CREATE TABLE two AS SELECT 2 AS b"
    create(pg_database, taking, tables, "two")
    for before in (
        "LOCK TABLE two IN ACCESS EXCLUSIVE MODE",
        "ALTER TABLE two ADD COLUMN c int",
    ):
        with closing(psycopg.connect(taking.dsn("ddl_owner"))) as connection:
            connection.execute(before)
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
                connection.execute("DROP TABLE one")
            primary = caught.value.diag.message_primary
            assert primary == "no backup can be taken in the middle of this transaction"
            assert "public.two" in (caught.value.diag.message_detail or "")
            assert "dbguard backup now" in (caught.value.diag.message_hint or "")
    with closing(psycopg.connect(taking.dsn("ddl_owner"))) as connection:
        connection.execute("SELECT * FROM two")
        connection.execute("DROP TABLE one")  # what only reads is in nobody's way
        connection.commit()
    assert len(dumps(taking)) == 2  # one of them for the ALTER TABLE that was rolled back


FAILURES = {
    "full disk": (
        "echo 'pg_dump: error: could not write to file: No space left on device' >&2; exit 1",
        "No space left on device",
    ),
    "is killed": ("kill -9 $$", "SIGKILL"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_without_its_backup_the_statement_does_not_run(
    with_programs: Callable[..., Guarded], pg_database: Any, case: str
) -> None:
    script, reason = FAILURES[case]
    pg_database.execute("CREATE TABLE gone AS SELECT 1")
    guarded = with_programs(script)
    with closing(connect(guarded)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute("DROP TABLE gone")
        assert reason in (caught.value.diag.message_detail or "")
        assert caught.value.diag.message_hint
        assert connection.execute("SELECT count(*) FROM gone").fetchone() == (1,)
    assert dumps(guarded) == []
    until(lambda: backup_events(guarded) == ["begun", "failed"], "it is on record")


def test_a_backup_that_takes_too_long_is_given_up(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    pg_database.execute("CREATE TABLE gone AS SELECT 1")
    guarded = with_programs(hanging(), take_timeout="1s")
    with closing(connect(guarded)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute("DROP TABLE gone")
        assert "took too long" in (caught.value.diag.message_detail or "")


def test_what_a_killed_dbguard_leaves_is_gone_after_the_next_start(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    pg_database.execute("CREATE TABLE gone AS SELECT 1")
    guarded = with_programs("")
    programs = guarded.folder / "bin"
    restore = (programs / "pg_restore").read_text()
    (programs / "pg_restore").write_text(
        restore.replace("\n\nexec", '\ntouch "$(dirname "$0")/../begun"; exec sleep 60\nexec')
    )
    _connection, thread, ends = waits(guarded, "DROP TABLE gone")
    until(dumping(guarded), "the restore begins")
    scratch = "SELECT datname FROM pg_database WHERE datname LIKE 'dbguard\\_scratch%'"
    assert len(pg_database.execute(scratch)) == 1
    guarded.stop(9)
    thread.join(PATIENCE)
    assert ends[0] is not None
    assert pg_database.execute("SELECT count(*) FROM gone") == [(1,)]
    assert len(pg_database.execute(scratch)) == 1
    guarded.start()
    until(lambda: pg_database.execute(scratch) == [], "the scratch database is dropped")
    assert dumps(guarded) == []


def restored(guarded: Guarded, pg_server: Any, query: str, dump: Any) -> list[tuple[Any, ...]]:
    """What a query gives in a new database made of a dump."""
    copy = pg_server.create_database(template="template0")
    try:
        subprocess.run([pg_server.binary("pg_restore"), "-d", copy.dsn(), str(dump)], check=True)
        found: list[tuple[Any, ...]] = copy.execute(query)
        return found
    finally:
        copy.drop()


def test_what_is_written_behind_the_dump_is_backed_up_as_well(
    with_programs: Callable[..., Guarded], pg_database: Any, pg_server: Any
) -> None:
    """Writers go on while the backup is taken; whatever was committed when the table went is in
    the backup that its DROP is recorded with."""
    pg_database.execute("CREATE TABLE gone (id int); CREATE TABLE written (id int)")
    guarded = with_programs("")
    stop = threading.Event()

    def write(number: int) -> None:
        with psycopg.connect(pg_database.dsn(), autocommit=True) as connection:
            while not stop.is_set():
                number += 2
                try:
                    with connection.transaction():
                        connection.execute("INSERT INTO written VALUES (%s)", [number])
                        connection.execute("INSERT INTO gone VALUES (%s)", [number])
                except psycopg.errors.UndefinedTable:
                    return

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 1)]
    for writer in writers:
        writer.start()
    notices: list[str] = []
    try:
        until(lambda: pg_database.execute("SELECT 1 FROM gone LIMIT 1"), "writers write")
        with closing(connect(guarded, notices)) as connection:
            connection.execute("DROP TABLE gone")
    finally:
        stop.set()
        for writer in writers:
            writer.join(PATIENCE)
    found = until(
        lambda: [r for r in guarded.records("decision") if r["text"].startswith("DROP TABLE gone")],
        "the decision is recorded",
    )
    met = found[0]["requirements"][0]
    assert met.endswith("rows held against writers since")
    dump = guarded.folder / "backups" / f"{met.split()[1]}.dump"
    committed = pg_database.execute("SELECT id FROM written ORDER BY 1")
    assert committed
    assert restored(guarded, pg_server, "SELECT id FROM gone ORDER BY 1", dump) == committed


@pytest.mark.parametrize("way", ["prepared", "transaction"])
def test_rows_written_meanwhile_are_noticed_on_every_way(
    with_programs: Callable[..., Guarded], pg_database: Any, pg_server: Any, way: str
) -> None:
    pg_database.execute("CREATE TABLE gone AS SELECT 1 AS id")
    guarded = with_programs(
        'touch "$(dirname "$0")/../begun"; '
        'while [ ! -e "$(dirname "$0")/../go" ]; do sleep 0.1; done'
    )
    notices: list[str] = []
    with closing(connect(guarded, notices)) as connection:

        def run() -> None:
            if way == "transaction":
                with connection.transaction():
                    connection.execute("SELECT 1")
                    connection.execute("DROP TABLE gone")
            else:
                connection.execute("DROP TABLE gone", prepare=way == "prepared")

        thread = threading.Thread(target=run)
        thread.start()
        until(dumping(guarded), "the backup begins")
        pg_database.execute("INSERT INTO gone VALUES (2)")
        (guarded.folder / "go").touch()
        thread.join(PATIENCE)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.execute("SELECT to_regclass('gone')").fetchone() == (None,)
    taken = [n for n in notices if n.endswith("taken and verified")]
    assert len(taken) == 2  # the first one lacks what was written meanwhile
    dump = guarded.folder / "backups" / f"{taken[1].split()[2]}.dump"
    assert restored(guarded, pg_server, "SELECT id FROM gone ORDER BY 1", dump) == [(1,), (2,)]


def test_cancel_ends_the_wait_for_the_lock(taking: Guarded, pg_database: Any) -> None:
    create(pg_database, taking, "CREATE TABLE gone AS SELECT 1 AS id", "gone")
    with psycopg.connect(pg_database.dsn()) as writer:
        writer.execute("INSERT INTO gone VALUES (2)")
        connection, thread, ends = waits(taking, "DROP TABLE gone")
        waiting = "SELECT 1 FROM pg_locks WHERE mode = 'ShareRowExclusiveLock' AND NOT granted"
        until(lambda: pg_database.execute(waiting), "it waits for the writer")
        connection.cancel_safe(timeout=PATIENCE)
        thread.join(PATIENCE)
        assert ends[0].sqlstate == "57014"
    assert connection.execute("SELECT count(*) FROM gone").fetchone() == (2,)
    connection.close()


def test_what_cannot_be_held_is_reported(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    pg_database.execute("CREATE TABLE gone AS SELECT 1 AS id")
    guarded = with_programs(
        'touch "$(dirname "$0")/../begun"; '
        'while [ ! -e "$(dirname "$0")/../go" ]; do sleep 0.1; done'
    )
    notices: list[str] = []
    with closing(connect(guarded, notices)) as connection:
        thread = threading.Thread(target=connection.execute, args=("DROP TABLE gone; SELECT 1",))
        thread.start()
        until(dumping(guarded), "the backup begins")
        pg_database.execute("INSERT INTO gone VALUES (2)")
        (guarded.folder / "go").touch()
        thread.join(PATIENCE)
        assert connection.execute("SELECT to_regclass('gone')").fetchone() == (None,)
    told = "dbguard: written to behind the backup: public.gone; that is not in it"
    assert told in notices
    found = [
        r["requirements"][0] for r in guarded.records("decision") if "DROP TABLE gone" in r["text"]
    ]
    assert found[0].endswith("written to behind the backup: public.gone, not held")


def test_nothing_is_locked_behind_a_statement_that_did_not_run(
    taking: Guarded, pg_database: Any
) -> None:
    tables = (
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1); "
        "CREATE TABLE child (id int REFERENCES parent)"
    )
    create(pg_database, taking, tables, "child")
    with closing(connect(taking)) as connection:
        with pytest.raises(psycopg.errors.DependentObjectsStillExist):
            connection.execute("DROP TABLE parent")
        pg_database.execute("INSERT INTO parent VALUES (2)")
        assert connection.execute("SELECT count(*) FROM parent").fetchone() == (2,)
