"""What goes wrong while a client waits for its backup: nothing is done, and nothing is left."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbguard.demo.server import THROWAWAY, EmbeddedServer

from .conftest import Factory
from .cutting import CuttingRelay
from .proxies import Guarded
from .test_full_disk import small_disk
from .test_taking import (
    PATIENCE,
    TAKING,
    backup_events,
    connect,
    dumping,
    dumps,
    nothing_left,
    restored,
    until,
    waits,
    with_programs,
)
from .test_workers import session

__all__ = ["small_disk", "with_programs"]
pytestmark = pytest.mark.pg

TABLES = """
CREATE TABLE gone AS SELECT i AS id, md5(i::text) || md5((i + 1)::text) AS noise
FROM generate_series(1, 30000) i;
CREATE TABLE other AS SELECT 1 AS id
"""
UNTIL_GO = (
    'touch "$(dirname "$0")/../begun"; while [ ! -e "$(dirname "$0")/../go" ]; do sleep 0.1; done'
)
COUNT = "SELECT count(*) FROM gone"


def refused(ends: list[Any]) -> tuple[str, str]:
    """Message and detail of a refusal that names its reason and its remedy."""
    (error,) = ends
    assert isinstance(error, psycopg.errors.InsufficientPrivilege), error
    assert error.diag.message_hint
    detail = error.diag.message_detail or ""
    assert detail.startswith("rule ddl-needs-backup; decision ")
    return str(error.diag.message_primary), detail


def test_the_servers_process_of_pg_dump_is_ended(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    """It waits for a lock when that happens, in the middle of its work."""
    pg_database.execute(TABLES)
    guarded = with_programs(UNTIL_GO)
    at_work = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_dump' "
        f"AND datname = '{pg_database.name}' AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(pg_database.dsn()) as blocker:
        connection, thread, ends = waits(guarded, "DROP TABLE gone")
        until(dumping(guarded), "pg_dump begins")
        blocker.execute("LOCK TABLE other IN ACCESS EXCLUSIVE MODE")
        (guarded.folder / "go").touch()
        ((process_id,),) = until(lambda: pg_database.execute(at_work), "pg_dump is at work")
        pg_database.execute(f"SELECT pg_terminate_backend({process_id})")
        thread.join(PATIENCE)
    message, detail = refused(ends)
    assert message.startswith("no backup of database ")
    assert "dump of database" in detail.lower()
    assert connection.execute(COUNT).fetchone() == (30000,)
    connection.close()
    assert (dumps(guarded), backup_events(guarded)) == ([], ["begun", "failed"])


def test_the_way_to_the_server_breaks(
    with_programs: Callable[..., Guarded], pg_database: Any, pg_server: Any
) -> None:
    """All connections of the backup are reset, those of the client go on."""
    pg_database.execute(TABLES)
    relay = CuttingRelay(pg_server.port)
    guarded = with_programs(UNTIL_GO)
    guarded.stop()
    try:
        text = guarded.config.read_text("utf-8")
        before, backup = text.split("backup: ")
        changed = backup.replace(f":{pg_server.port}/", f":{relay.port}/")
        assert changed != backup
        guarded.config.write_text(f"{before}backup: {changed}", "utf-8")
        guarded.start()
        connection, thread, ends = waits(guarded, "DROP TABLE gone")
        until(dumping(guarded), "pg_dump begins")
        relay.cut_all()
        (guarded.folder / "go").touch()
        thread.join(PATIENCE)
        refused(ends)
        assert connection.execute(COUNT).fetchone() == (30000,)
        connection.execute("DROP TABLE gone")  # the way is there again
        connection.close()
    finally:
        relay.close()
    assert backup_events(guarded)[:2] == ["begun", "failed"]
    assert len(dumps(guarded)) == 1


def test_a_disk_that_is_full_in_the_middle(
    with_programs: Callable[..., Guarded], pg_database: Any, small_disk: Path
) -> None:
    """It has room enough when the backup begins: somebody else fills it."""
    pg_database.execute(
        "CREATE TABLE gone AS SELECT i AS id, md5(i::text) || md5((i + 1)::text) AS noise "
        "FROM generate_series(1, 1000) i"
    )
    guarded = with_programs("")
    guarded.stop()
    small_disk.chmod(0o700)
    text = guarded.config.read_text("utf-8")
    guarded.config.write_text(text.replace("directory: backups", f'directory: "{small_disk}"'))
    path = guarded.folder / "bin" / "pg_dump"
    fill = f'dd if=/dev/zero of="{small_disk}/filler" bs=1k 2>/dev/null; sync'
    path.write_text(path.read_text().replace("esac\n", f"esac\n{fill}\n"))
    guarded.start()
    with closing(connect(guarded)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute("DROP TABLE gone")
        assert "no space left" in (caught.value.diag.message_detail or "").lower()
        assert connection.execute(COUNT).fetchone() == (1000,)
        assert [p.name for p in small_disk.iterdir() if p.suffix == ".partial"] == []
        (small_disk / "filler").unlink()
        path.write_text(path.read_text().replace(f"{fill}\n", ""))
        connection.execute("DROP TABLE gone")


FAILURES = {
    "may write no more": ("ulimit -f 16", "pg_dump"),
    "ends with a code": ("exit 3", "exit code 3"),
    "writes nothing": ("exit 0", ""),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_dump_that_is_none(
    with_programs: Callable[..., Guarded], pg_database: Any, case: str
) -> None:
    script, reason = FAILURES[case]
    pg_database.execute(TABLES)
    guarded = with_programs(script)
    connection, thread, ends = waits(guarded, "DROP TABLE gone")
    thread.join(PATIENCE)
    _, detail = refused(ends)
    assert reason in detail
    assert connection.execute(COUNT).fetchone() == (30000,)
    connection.close()
    assert dumps(guarded) == []


def test_a_pg_dump_that_is_older_than_the_server(
    with_programs: Callable[..., Guarded], pg_database: Any
) -> None:
    pg_database.execute(TABLES)
    guarded = with_programs("")
    for name in ("pg_dump", "pg_restore"):
        path = guarded.folder / "bin" / name
        path.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 9.6.1'\n")
    connection, thread, ends = waits(guarded, "DROP TABLE gone")
    thread.join(PATIENCE)
    _, detail = refused(ends)
    assert "older than the server" in detail
    assert connection.execute(COUNT).fetchone() == (30000,)
    connection.close()
    assert dumps(guarded) == []


class _Server:
    """As much of a test server as a proxy needs, on one that can be stopped."""

    host = "127.0.0.1"

    def __init__(self, embedded: EmbeddedServer) -> None:
        self.port = embedded.port

    def dsn(self, user: str | None = None, database: str = "postgres") -> str:
        password = "demo" if user not in (None, "postgres") else "super-demo"
        return f"postgresql://{user or 'postgres'}:{password}@127.0.0.1:{self.port}/{database}"

    def create_user(self, name: str) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'demo'")


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    home = Path(tempfile.mkdtemp(prefix="dbguard-stopped-"))
    home.chmod(0o755)
    server = EmbeddedServer.create(home / "s", password="super-demo", settings=THROWAWAY)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


class _Database:
    name = "postgres"

    def __init__(self, server: _Server) -> None:
        self.server = server

    def execute(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []


def test_the_server_is_stopped_in_the_middle(own_server: EmbeddedServer, guard: Any) -> None:
    """When it is there again, the table is, too, and what the backup left is removed."""
    database = _Database(_Server(own_server))
    with psycopg.connect(database.server.dsn(), autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute("CREATE ROLE ddl_owner LOGIN SUPERUSER PASSWORD 'demo'")
    guarded: Guarded = guard(database, rules=None, started=False)
    (guarded.folder / "rules" / "allowing.yaml").write_text(TAKING, "utf-8")
    programs = guarded.folder / "bin"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        real = own_server.binaries.program(name)
        text = f'#!/bin/sh\ncase "$1" in --version) exec "{real}" "$@";; esac\n'
        programs.joinpath(name).write_text(
            text + (f"{UNTIL_GO}\n" if name == "pg_restore" else "") + f'exec "{real}" "$@"\n'
        )
        programs.joinpath(name).chmod(0o755)
    config = guarded.config.read_text("utf-8")
    guarded.config.write_text(
        config.replace("directory: backups}", "directory: backups, binaries: bin}")
    )
    guarded.start()
    _, thread, ends = waits(guarded, "DROP TABLE gone")
    until(dumping(guarded), "the restore begins")
    own_server.stop()
    (guarded.folder / "go").touch()
    thread.join(PATIENCE)
    assert isinstance(ends[0], psycopg.Error)
    own_server.start()
    assert database.execute(COUNT) == [(30000,)]
    assert dumps(guarded) == []
    database.server.port = own_server.port
    guarded.stop()
    restarted = guarded.config.read_text("utf-8")
    assert restarted.count(str(own_server.port)) >= 3  # it got its port again
    guarded.start()
    nothing_left(guarded, database)


def test_two_workers_that_need_a_backup_of_the_same_table(
    pg_database: Any, pg_server: Any, tmp_path: Path
) -> None:
    """Each statement finds in its backup what was committed when it ran."""
    pg_database.create_user("ddl_owner", options="LOGIN SUPERUSER")
    pg_database.execute("CREATE TABLE gone AS SELECT 1 AS id, 2 AS a, 3 AS b")
    with ExitStack() as stack:
        guarded = Factory(stack, tmp_path, whole=True)(
            pg_database,
            rules=None,
            started=False,
            extra="workers: 2\nlimits: {analysis_timeout: 1m, analysis_workers: 1}\n",
        )
        (guarded.folder / "rules" / "allowing.yaml").write_text(TAKING, "utf-8")
        guarded.start()
        both_find_what_was_committed(guarded, pg_database, pg_server)


def both_find_what_was_committed(guarded: Guarded, pg_database: Any, pg_server: Any) -> None:
    clients = [session(guarded, number, "ddl_owner") for number in (1, 2)]
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        with psycopg.connect(pg_database.dsn(), autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("INSERT INTO gone (id) VALUES (%s)", [len(written) + 10])
                written.append(len(written) + 10)

    statements = ["ALTER TABLE gone DROP COLUMN a", "ALTER TABLE gone DROP COLUMN b"]
    ends: list[Any] = []

    def run(client: Any, statement: str) -> None:
        try:
            client.execute(statement)
            ends.append(None)
        except psycopg.Error as error:
            ends.append(error)

    threads = [threading.Thread(target=write)]
    threads += [
        threading.Thread(target=run, args=pair) for pair in zip(clients, statements, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join(PATIENCE)
    stop.set()
    threads[0].join(PATIENCE)
    for client in clients:
        client.close()
    assert ends == [None, None]
    decisions = guarded.records("decision")
    for statement, column in zip(statements, ("a", "b"), strict=True):
        (found,) = [r for r in decisions if r["text"].startswith(statement)]
        met = found["requirements"][0]
        assert met.endswith("rows held against writers since"), met
        dump = guarded.folder / "backups" / f"{met.split()[1]}.dump"
        value = {"a": 2, "b": 3}[column]
        held = restored(guarded, pg_server, f"SELECT {column} FROM gone WHERE id = 1", dump)
        assert held == [(value,)]
    assert pg_database.execute(COUNT) == [(1 + len(written),)]
    nothing_left(guarded, pg_database)


def test_writers_lose_nothing_to_truncate(
    with_programs: Callable[..., Guarded], pg_database: Any, pg_server: Any
) -> None:
    """Again and again the table is emptied while two write to it: each row that was committed is in
    one of the backups that the statements are recorded with, or still there."""
    pg_database.execute("CREATE TABLE gone (id int)")
    guarded = with_programs("")
    stop = threading.Event()
    committed: list[list[int]] = [[], []]

    def write(number: int) -> None:
        with psycopg.connect(pg_database.dsn(), autocommit=True) as connection:
            at = number
            while not stop.is_set():
                connection.execute("INSERT INTO gone VALUES (%s)", [at])
                committed[number].append(at)
                at += 2

    writers = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for writer in writers:
        writer.start()
    times = 4
    try:
        with closing(connect(guarded)) as connection:
            for _ in range(times):
                until(lambda: pg_database.execute("SELECT 1 FROM gone LIMIT 1"), "they write")
                connection.execute("TRUNCATE gone")
    finally:
        stop.set()
        for writer in writers:
            writer.join(PATIENCE)
    found = [r for r in guarded.records("decision") if r["text"].startswith("TRUNCATE gone")]
    assert len(found) == times
    kept = {row[0] for row in pg_database.execute("SELECT id FROM gone")}
    for record in found:
        met = record["requirements"][0]
        assert met.endswith("rows held against writers since"), met
        dump = guarded.folder / "backups" / f"{met.split()[1]}.dump"
        rows = restored(guarded, pg_server, "SELECT id FROM gone", dump)
        assert rows
        kept |= {row[0] for row in rows}
    assert kept == {*committed[0], *committed[1]}
