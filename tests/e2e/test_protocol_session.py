"""COPY, FunctionCall, encodings, long pipelines, and every way in which a session ends."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbguard.wire import frontend
from dbguard.wire.tags import Backend

from .conftest import Factory
from .protocol_client import Client, error_of, rows, tags, values
from .proxies import Guarded

pytestmark = pytest.mark.pg

RULES = """
classification:
  - {tag: phi, columns: [public.people.ssn]}
roles:
  app: {users: [app]}
  masked: {users: [masked]}
masks:
  hidden: {phi: redact}
rules:
  - {id: everything, allow: [all], roles: [app], data: [phi]}
  - {id: hidden, allow: [read], roles: [masked], data: [phi], masked: hidden}
defaults:
  classified: deny
  unclassified:
    {read: allow, write: allow, ddl: allow, privilege: allow, code: allow, maintenance: allow}
"""


@pytest.fixture(scope="module")
def proxy(module_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("session")
    (folder / "rules").mkdir()
    (folder / "rules" / "rules.yaml").write_text(RULES, "utf-8")
    for user in ("app", "masked"):
        module_database.create_user(user)
    module_database.execute(
        """
        CREATE TABLE people (id int PRIMARY KEY, ssn text, note text);
        INSERT INTO people VALUES (1, '123-45-6789', 'a'), (2, '987-65-4321', 'b');
        CREATE TABLE load (a int, b text);
        GRANT ALL ON ALL TABLES IN SCHEMA public TO app, masked;
        GRANT CREATE ON SCHEMA public TO app;
        """
    )
    with ExitStack() as stack:
        yield Factory(stack, folder)(module_database, rules=folder / "rules", durability="buffered")


def logged_in(proxy: Guarded, user: str = "app") -> Client:
    client = Client(proxy.port)
    assert client.log_in(user, proxy.database)[-1][0] == Backend.READY_FOR_QUERY
    return client


# -- COPY ---------------------------------------------------------------------


def test_copy_in_both_formats_and_all_modes(proxy: Guarded) -> None:
    with closing(proxy.connect("app", autocommit=True)) as connection:
        for text in ("COPY load FROM STDIN", "COPY load FROM STDIN (FORMAT binary)"):
            with connection.cursor().copy(text) as copy:
                copy.set_types(["int4", "text"])
                for number in range(50):
                    copy.write_row((number, "é" * number))
        binary = connection.cursor().copy("COPY load TO STDOUT (FORMAT binary)")
        with binary as copy:
            copy.set_types(["int4", "text"])
            assert len(list(copy.rows())) == 100
        with (
            pytest.raises(psycopg.errors.BadCopyFileFormat),
            connection.cursor().copy("COPY load FROM STDIN") as copy,
        ):
            copy.write(b"1\ttoo\tmany\n" * 100_000)
        with (
            pytest.raises(ZeroDivisionError),
            connection.cursor().copy("COPY load FROM STDIN") as copy,
        ):
            copy.write(b"1\tx\n")
            raise ZeroDivisionError
        assert connection.execute("SELECT count(*) FROM load").fetchone() == (100,)
        connection.execute("TRUNCATE load")


def test_copy_out_is_masked_in_both_formats(proxy: Guarded) -> None:
    with closing(proxy.connect("masked", autocommit=True)) as connection:
        for text in ("COPY people TO STDOUT", "COPY people TO STDOUT (FORMAT binary)"):
            with connection.cursor().copy(text) as copy:
                data = b"".join(bytes(part) for part in copy)
            assert b"123-45" not in data
            assert b"987-65" not in data
            assert len(data) > 10


def resident(process: Any) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="memory is read from /proc")
def test_memory_is_bounded(proxy: Guarded) -> None:
    """A large COPY in, a large result that is read slowly, and messages without a Sync."""
    with logged_in(proxy) as client:
        client.query("SELECT 1")
        before = resident(proxy.process)
        chunk = frontend.CopyData(b"1\t" + b"x" * 8000 + b"\n").encode() * 100
        client.send(frontend.Query(b"COPY load FROM STDIN WHERE a < 0"))
        assert client.message()[0] == Backend.COPY_IN_RESPONSE
        for _ in range(100):  # 80 MB
            client.send(chunk)
        client.send(frontend.CopyDone())
        assert tags(client.until_ready()) == "CZ"
        client.send(frontend.Query(b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)"))
        time.sleep(1.5)  # 100 MB, nobody reads
        grown = resident(proxy.process) - before
        assert grown < 40_000, f"{grown} KiB"


# -- pipelines ----------------------------------------------------------------


def test_thousands_of_messages_before_the_first_is_read(proxy: Guarded) -> None:
    with logged_in(proxy) as client:
        run = frontend.Bind(b"", b"s", values("1")).encode() + frontend.Execute(b"", 0).encode()
        client.send(frontend.Parse(b"s", b"SELECT $1::int", ()), frontend.Sync())
        assert tags(client.until_ready()) == "1Z"
        client.send(run * 15_000 + frontend.Sync().encode())
        found = client.until_ready()
        assert tags(found) == "2DC" * 15_000 + "Z"


def test_a_refusal_far_into_a_pipeline(proxy: Guarded) -> None:
    with logged_in(proxy, "masked") as client:
        refused = frontend.Parse(b"", b"UPDATE people SET ssn = 'x'", ())
        run = (
            frontend.Parse(b"", b"SELECT 1", ()).encode()
            + frontend.Bind(b"", b"", values()).encode()
            + frontend.Execute(b"", 0).encode()
        )
        client.send(run * 500, refused, run * 10, frontend.Sync(), frontend.Query(b"SELECT 2"))
        found = client.until_ready(2)
        assert tags(found) == "12DC" * 500 + "EZ" + "TDCZ"
        assert error_of(found)[0] == "42501"


# -- FunctionCall -------------------------------------------------------------

LO_CREAT, LO_OPEN, LO_UNLINK = 957, 952, 964


def call(oid: int, *arguments: int) -> frontend.FunctionCall:
    parts = [struct.pack("!HHH", 1, 1, len(arguments))]
    parts += [struct.pack("!ii", 4, value) for value in arguments]
    return frontend.FunctionCall(oid, b"".join(parts) + struct.pack("!H", 1))


def test_function_calls(proxy: Guarded) -> None:
    with logged_in(proxy) as client:
        client.send(call(LO_CREAT, 0x60000))
        made = client.until_ready()
        assert tags(made) == "VZ"
        (oid,) = struct.unpack("!I", made[0][9:13])
        client.send(call(LO_UNLINK, oid))
        assert tags(client.until_ready()) == "VZ"
        client.send(call(4_000_000))
        assert tags(client.until_ready()) == "EZ"
    with logged_in(proxy, "masked") as client:
        client.send(call(LO_OPEN, oid, 0x40000))
        found = client.until_ready()
        assert tags(found) == "EZ"
        assert error_of(found)[0] == "42501"
        assert tags(client.query("SELECT 1")) == "TDCZ"


# -- what texts mean ----------------------------------------------------------


def test_encodings(proxy: Guarded) -> None:
    with logged_in(proxy, "masked") as client:
        client.query("SET client_encoding TO LATIN1")
        client.send(frontend.Query("SELECT 'é'".encode("latin-1")))
        assert rows(client.until_ready()) == [("é".encode("latin-1"),)]
        client.send(frontend.Query("SELECT ssn, 'é' FROM people".encode("latin-1")))
        assert b"123-45" not in b"".join(client.until_ready())
        client.query("SET client_encoding TO SJIS")
        client.send(frontend.Query("SELECT 'ソ'".encode("shift-jis")))
        found = client.until_ready()
        assert error_of(found)[0] == "0A000"
        client.query("RESET client_encoding")
        client.send(frontend.Query("SELECT 'é'".encode()))
        assert rows(client.until_ready()) == [("é".encode(),)]
        client.query("SET standard_conforming_strings TO off")
        assert error_of(client.query("SELECT 1"))[0] == "0A000"


def test_a_prepared_statement_outlives_changes(proxy: Guarded, module_database: Any) -> None:
    module_database.execute("CREATE SCHEMA a; CREATE SCHEMA b; GRANT USAGE ON SCHEMA a, b TO app")
    module_database.execute("CREATE TABLE a.v AS SELECT 1 AS x; CREATE TABLE b.v AS SELECT 2 AS x")
    module_database.execute("GRANT SELECT ON a.v, b.v TO app")
    with logged_in(proxy) as client:
        client.query("SET search_path = a")
        client.send(
            frontend.Parse(b"s", b"SELECT x FROM v", ()),
            frontend.Describe(b"S", b"s"),
            frontend.Sync(),
        )
        assert tags(client.until_ready()) == "1tTZ"
        run = (frontend.Bind(b"", b"s", values()), frontend.Execute(b"", 0), frontend.Sync())
        client.send(*run)
        assert rows(client.until_ready()) == [(b"1",)]
        client.query("SET search_path = b")
        client.send(*run)
        assert rows(client.until_ready()) == [(b"2",)]
        module_database.execute("ALTER TABLE b.v ALTER x TYPE text")
        time.sleep(1.5)
        client.send(*run)
        assert error_of(client.until_ready()) == (
            "0A000",
            "cached plan must not change result type",
        )
        assert tags(client.query("SELECT 1")) == "TDCZ"


# -- the end ------------------------------------------------------------------


def backends(server: Any) -> int:
    (count,) = server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('app', 'masked')"
    )[0]
    return int(count)


def wait_for_backends(server: Any, count: int) -> None:
    ends = time.monotonic() + 60
    while backends(server) > count and time.monotonic() < ends:
        time.sleep(0.05)
    assert backends(server) <= count


def test_clients_that_vanish(proxy: Guarded, pg_server: Any) -> None:
    before = backends(pg_server)
    for end in ("close", "reset", "terminate", "half"):
        client = logged_in(proxy)
        client.send(frontend.Query(b"BEGIN"), frontend.Parse(b"", b"SELECT 1", ()))
        match end:
            case "reset":
                client.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            case "terminate":
                client.send(frontend.Terminate())
            case "half":
                client.send(b"Q\x00\x00\x00\xffSELECT")
        client.close()
    wait_for_backends(pg_server, before)
    with logged_in(proxy) as client:
        assert tags(client.query("SELECT 1")) == "TDCZ"
    log = proxy.log.read_text("utf-8")
    assert "Traceback" not in log
    assert "failed" not in log


def test_a_server_that_ends_the_session(proxy: Guarded, pg_server: Any) -> None:
    for busy in (False, True):
        with logged_in(proxy) as client:
            pid = int(rows(client.query("SELECT pg_backend_pid()"))[0][0] or 0)
            if busy:
                client.send(frontend.Query(b"SELECT pg_sleep(20)"))
                time.sleep(0.2)
            pg_server.execute(f"SELECT pg_terminate_backend({pid})")
            found = client.until_ready()  # up to the end of the stream
            assert error_of(found)[0] == "57P01"
            assert tags(found) in ("E", "TE")
    assert "Traceback" not in proxy.log.read_text("utf-8")


def test_a_client_that_speaks_after_the_end(proxy: Guarded, pg_server: Any) -> None:
    client = logged_in(proxy)
    pid = int(rows(client.query("SELECT pg_backend_pid()"))[0][0] or 0)
    pg_server.execute(f"SELECT pg_terminate_backend({pid})")
    try:
        for _ in range(50):
            client.send(frontend.Query(b"SELECT 1"))
            time.sleep(0.01)
    except OSError:
        pass
    client.close()
    time.sleep(0.2)
    log = proxy.log.read_text("utf-8")
    assert "Traceback" not in log
    assert "feed_data" not in log


def test_garbage_after_login(proxy: Guarded) -> None:
    for data in (b"\xff\x00\x00\x00\x04", b"B\x00\x00\x00\x06xx", b"p\x00\x00\x00\x05\x00"):
        with logged_in(proxy) as client:
            client.send(data)
            assert error_of([client.message()])[0] == "08P01"
            assert client.message() == b""
