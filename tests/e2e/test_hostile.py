"""Peers that flood, stall, lie or vanish: an error or a closed connection; nobody else notices."""

from __future__ import annotations

import os
import random
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import psycopg
import pytest

from dbguard.wire import backend, frontend
from dbguard.wire.startup import CancelRequest

from .conftest import Factory
from .protocol_client import Client, error_of, rows, startup, tags, values
from .proxies import Guarded

pytestmark = pytest.mark.pg

MANY = int(os.environ.get("E2E_HOSTILE", "60"))
"""Peers in a flood, or messages in thousands."""


@pytest.fixture(scope="module")
def database(module_database: Any) -> Any:
    for name in ("app", "other"):
        module_database.create_user(name)
    module_database.execute("CREATE TABLE copied (n int); GRANT ALL ON copied TO app")
    return module_database


@pytest.fixture
def proxy(database: Any, guard: Callable[..., Guarded]) -> Guarded:
    return guard(database, rules=None, durability="buffered", started=False, metrics=True)


@pytest.fixture(scope="module")
def ready(database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A proxy with ordinary limits."""
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("ready"))
        yield factory(database, rules=None, durability="buffered", metrics=True)


@pytest.fixture(scope="module")
def strict(database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A proxy with small limits."""
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("strict"))
        proxy = factory(database, rules=None, durability="buffered", started=False, metrics=True)
        few = "prepared_statements: 100, prepared_bytes: 1MiB, pipeline_messages: 100"
        yield limited(proxy, f"idle_timeout: 1s, {few}")


def limited(proxy: Guarded, limits: str) -> Guarded:
    proxy.limit(limits)
    proxy.start()
    return proxy


def within(seconds: float, true: Callable[[], object]) -> None:
    until = time.monotonic() + 6 * seconds  # on an idle machine; others take their time
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def gone(proxy: Guarded, database: Any) -> None:
    """Return when nobody is left, neither here nor at the server."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('app', 'other')"
    within(20, lambda: proxy.samples()["dbguard_connections"] == 0)
    within(20, lambda: database.execute(query) == [(0,)])


def works(proxy: Guarded) -> None:
    with closing(proxy.connect("app", connect_timeout=20)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def client_of(proxy: Guarded, user: str = "app") -> Client:
    client = Client(proxy.port, timeout=60)
    assert tags(client.log_in(user, proxy.database)).endswith("Z")
    return client


# -- before the login ---------------------------------------------------------------------


@pytest.fixture
def opened() -> Iterator[Callable[[int, bytes], socket.socket]]:
    """Opens connections that have sent this much, and closes them in the end."""
    with ExitStack() as stack:

        def open_one(port: int, data: bytes) -> socket.socket:
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            one.sendall(data)
            return one

        yield open_one


def test_strangers_keep_nobody_out(
    proxy: Guarded, opened: Callable[[int, bytes], socket.socket]
) -> None:
    limited(proxy, "connections: 4, startup_timeout: 60s")
    hello = startup("app", proxy.database)
    for data in (b"", hello[:9], hello):  # silent, in the startup packet, asked for a password
        strangers = [opened(proxy.port, data) for _ in range(4)]
        if data:
            within(20, lambda: proxy.samples()["dbguard_connections"] == 4)
            time.sleep(2.1)  # so long they may be honest
        works(proxy)
        with client_of(proxy) as kept:  # those who are logged in stay
            strangers += [opened(proxy.port, data) for _ in range(8)]
            assert rows(kept.query("SELECT 1")) == [(b"1",)]
        for one in strangers:
            one.close()
        within(20, lambda: proxy.samples()["dbguard_connections"] == 0)


def test_a_flood_before_the_login(
    ready: Guarded, opened: Callable[[int, bytes], socket.socket], database: Any
) -> None:
    """Beginnings of everything, cut anywhere, some reset: everybody else is served meanwhile."""
    chance = random.Random(5)
    hello = startup("app", ready.database)
    beginnings = [
        b"",
        hello[:-3],
        hello,
        struct.pack("!I", 1 << 30) + b"x",
        struct.pack("!I", 10_001),
        struct.pack("!II", 8, 80877103),
        b"GET / HTTP/1.1\r\n\r\n",
        secrets.token_bytes(200),
        b"\x16\x03\x01" + secrets.token_bytes(100),
        hello + b"p" + struct.pack("!I", 1 << 30),
        hello + frontend.Query(b"SELECT 1").encode(),
    ]
    for number in range(MANY):
        data = chance.choice(beginnings)
        one = opened(ready.port, data[: chance.randrange(len(data) + 1)])
        if number % 3 == 0:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
        if number % 20 == 0:
            works(ready)
    works(ready)


def test_a_login_that_does_not_end_is_told_so(proxy: Guarded) -> None:
    limited(proxy, "startup_timeout: 1s")
    with Client(proxy.port) as client:
        client.send(startup("app", proxy.database))
        found = [client.message(), client.message()]
        assert error_of(found) == ("53400", "the login took too long")
        assert client.message() == b""
    with Client(proxy.port) as client:
        for byte in startup("app", proxy.database)[:12]:
            with suppress(OSError):
                client.socket.sendall(bytes([byte]))
            time.sleep(0.12)
        assert client.message()[:1] in (b"E", b"")


def test_limits_are_told_politely(proxy: Guarded) -> None:
    limited(proxy, "connections: 3, connections_per_user: 1")
    with client_of(proxy), client_of(proxy, "other"):
        with Client(proxy.port) as client:
            code, text = error_of(client.log_in("app", proxy.database))
            assert (code, text) == ("53300", "too many connections for this user")
        with psycopg.connect(proxy.dsn("postgres", password="super-demo")), Client(proxy.port) as c:
            code, text = error_of(c.log_in("app", proxy.database))
            assert (code, text) == ("53300", "sorry, too many clients already")


# -- cancel requests ----------------------------------------------------------------------


def cancel(port: int, process_id: int, secret: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        one.sendall(CancelRequest(process_id, secret).encode())
        assert one.recv(1) == b""


def test_cancel_requests_reach_their_own_session_only(ready: Guarded) -> None:
    with client_of(ready) as mine, client_of(ready, "other") as theirs:
        assert isinstance(mine.key, backend.BackendKeyData)
        assert isinstance(theirs.key, backend.BackendKeyData)
        mine.send(frontend.Query(b"SELECT 'mine' FROM pg_sleep(2)"))
        theirs.send(frontend.Query(b"SELECT 'theirs' FROM pg_sleep(30)"))
        for _ in range(MANY):
            cancel(ready.port, mine.key.process_id, secrets.token_bytes(4))
        cancel(ready.port, mine.key.process_id, theirs.key.secret)
        cancel(ready.port, theirs.key.process_id, mine.key.secret)
        cancel(ready.port, theirs.key.process_id, theirs.key.secret)
        assert error_of(theirs.until_ready())[0] == "57014"
        assert rows(mine.until_ready()) == [(b"mine",)]
        for _ in range(20):  # when nothing runs, it cancels nothing
            cancel(ready.port, theirs.key.process_id, theirs.key.secret)
        with suppress(AssertionError):  # one may still be on its way at the server
            theirs.query("SELECT 1")
        assert rows(theirs.query("SELECT 2")) == [(b"2",)]


def test_cancel_during_copy(ready: Guarded) -> None:
    with client_of(ready) as client:
        assert client.key is not None
        client.send(frontend.Query(b"COPY public.copied FROM STDIN"), frontend.CopyData(b"1\n"))
        assert client.message()[:1] == b"G"
        cancel(ready.port, client.key.process_id, client.key.secret)
        # a server that waits for data notices with the next of it
        client.send(frontend.CopyData(b"2\n"), frontend.CopyDone())
        assert error_of(client.until_ready())[0] == "57014"
        client.send(
            frontend.Query(
                b"COPY (SELECT repeat('x', 500) FROM generate_series(1, 10000000)) TO STDOUT"
            )
        )
        assert client.message()[:1] == b"H"
        cancel(ready.port, client.key.process_id, client.key.secret)
        assert error_of(client.until_ready())[0] == "57014"
        assert rows(client.query("SELECT count(*) FROM public.copied")) == [(b"0",)]


# -- after the login ----------------------------------------------------------------------


def test_floods_of_statements_are_bounded(strict: Guarded) -> None:
    with client_of(strict) as client:
        before = strict.samples()["process_resident_memory_bytes"]
        parses = [frontend.Parse(b"s%d" % n, b"SELECT %d" % (n % 3)) for n in range(MANY * 10)]
        client.send(*parses, frontend.Sync())
        assert error_of(client.until_ready())[0] == "53400"
        client.send(frontend.Parse(b"", b"SELECT 1"), frontend.Sync())
        assert tags(client.until_ready()) == "1Z"
        binds = [frontend.Bind(b"p%d" % n, b"", values()) for n in range(MANY * 10)]
        client.send(*binds, frontend.Sync())
        assert error_of(client.until_ready())[0] == "53400"
        # none of them is asked about, and there is no Sync
        for number in range(MANY):
            text = b"SELECT /* %d %s */ 1" % (number % 3, b"x" * 300_000)
            client.send(frontend.Parse(b"", text))
        client.send(frontend.Sync())
        assert "E" not in tags(client.until_ready())
        more = strict.samples()["process_resident_memory_bytes"] - before
        assert more < 64 << 20
    works(strict)


STALLED = b"SELECT repeat('x', 900) FROM generate_series(1, 1000000)"


@pytest.mark.parametrize("how", ["idle timeout", "terminated", "drained"])
def test_a_client_that_takes_nothing(
    how: str, database: Any, request: pytest.FixtureRequest
) -> None:
    fixture = {"idle timeout": "strict", "terminated": "ready", "drained": "proxy"}[how]
    guarded: Guarded = request.getfixturevalue(fixture)
    if how == "drained":
        limited(guarded, "shutdown_timeout: 1s")
    with client_of(guarded) as client:
        client.send(frontend.Query(STALLED))
        assert client.message()[:1] == b"T"
        if how == "drained":
            assert guarded.stop() == 0
            return
        if how == "terminated":
            time.sleep(0.5)
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
            )
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        gone(guarded, database)
    works(guarded)


def test_a_client_that_stops_in_the_middle_of_copy_is_logged_off(
    strict: Guarded, database: Any
) -> None:
    with client_of(strict) as client:
        client.send(frontend.Query(b"COPY public.copied FROM STDIN"), frontend.CopyData(b"1\n"))
        found = client.until_ready()
        assert error_of(found)[0] == "57P05"
        gone(strict, database)
    assert database.execute("SELECT count(*) FROM public.copied") == [(0,)]


def test_peers_that_leave_in_the_middle_of_anything(ready: Guarded, database: Any) -> None:
    chance = random.Random(11)
    works(ready)
    before = ready.samples()
    stream = b"".join(
        m.encode()
        for m in (
            frontend.Query(b"BEGIN"),
            frontend.Parse(b"s", b"SELECT $1::text FROM generate_series(1, 5000)"),
            frontend.Bind(b"", b"s", values("x" * 2_000_000)),
            frontend.Execute(b"", 10),
            frontend.Sync(),
            frontend.Query(b"COPY public.copied FROM STDIN"),
            frontend.CopyData(b"1\n" * 5000),
            frontend.CopyDone(),
            frontend.Query(b"COMMIT"),
        )
    )
    for number in range(max(8, MANY // 4)):
        client = client_of(ready)
        client.socket.sendall(stream[: chance.randrange(len(stream))])
        if number % 2:
            reset = struct.pack("ii", 1, 0)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        elif number % 3:
            client.socket.shutdown(socket.SHUT_WR)
        client.close()
    gone(ready, database)
    after = ready.samples()
    assert after["process_open_fds"] <= before["process_open_fds"] + 2
    assert after["dbguard_tasks"] <= before["dbguard_tasks"] + 2
    assert database.execute("SELECT count(*) FROM public.copied") == [(0,)]
    works(ready)


CLOSED = {
    "Parse before, Describe behind": ("FETCH 1 FROM c", b"S"),
    "of a portal": ("FETCH 1 FROM c", b"P"),
    "by EXECUTE": ("EXECUTE f", b"S"),
}


@pytest.mark.parametrize("case", CLOSED)
def test_describing_a_fetch_without_its_cursor_crashes_no_server(ready: Guarded, case: str) -> None:
    """The server itself would crash, and end everybody's session."""
    text, kind = CLOSED[case]
    with closing(client_of(ready)) as client, closing(ready.connect("app")) as bystander:
        client.query("BEGIN; DECLARE c CURSOR FOR SELECT 1 AS a")
        client.send(
            frontend.Parse(b"f", b"FETCH 1 FROM c", ()),
            frontend.Parse(b"e", text.encode(), ()),
            frontend.Bind(b"p", b"e", values()),
            frontend.Sync(),
        )
        client.until_ready()
        close = frontend.Query(b"CLOSE c")
        client.send(close, frontend.Describe(kind, b"e" if kind == b"S" else b"p"), frontend.Sync())
        client.until_ready()
        assert error_of(client.until_ready()) == ("34000", 'cursor "c" does not exist')
        bystander.execute("SELECT 1")


def test_names_of_cursors_end_where_they_end(ready: Guarded, database: Any) -> None:
    """dbguard asks the server for them: a name is no place to hide a statement in."""
    name = r"\' OR set_config('application_name', 'inside', false) = '"
    quoted = name.encode()
    with closing(ready.connect("app", autocommit=True)) as session:
        fetch = b'FETCH 1 FROM "' + quoted + b'"'
        session.execute(f'BEGIN; DECLARE "{name}" CURSOR FOR SELECT 1')
        assert session.pgconn.prepare(b"f", fetch).error_message == b""
        session.execute("COMMIT")
        session.execute("SET standard_conforming_strings = off")
        told = session.pgconn.describe_prepared(b"f").error_message
        assert b"does not exist" in told
        assert session.execute("SHOW application_name").fetchone() == ("",)


def test_cursors_that_only_the_server_knows_are_described(ready: Guarded) -> None:
    with closing(ready.connect("app", autocommit=True)) as session:
        session.execute("BEGIN")
        session.execute(
            "DO $$ DECLARE c refcursor := 'it''s'; BEGIN OPEN c FOR SELECT 7 AS n; END $$"
        )
        prepared = session.pgconn.prepare(b"f", b'FETCH 1 FROM "it\'s"')
        assert prepared.error_message == b""
        described = session.pgconn.describe_prepared(b"f")
        assert [described.fname(i) for i in range(described.nfields)] == [b"n"]
        assert session.pgconn.exec_prepared(b"f", []).get_value(0, 0) == b"7"
