"""A real client and a real server, every byte between them taken apart and put together again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from dbguard.errors import DbguardError
from dbguard.wire import backend, frontend
from dbguard.wire.framing import BackendSplitter, Frame, FrontendSplitter, RowRun
from dbguard.wire.startup import (
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    decode_startup,
)

pytestmark = pytest.mark.pg


def again(side: ModuleType, frame: Frame, seen: set[str]) -> bytes:
    message = side.decode(frame)
    seen.add(type(message).__name__)
    encoded: bytes = message.encode()
    assert encoded == frame.raw, type(message)
    return encoded


def rows_of(run: RowRun) -> Iterator[Frame]:
    at = 0
    while at < len(run.data):
        length = int.from_bytes(run.data[at + 1 : at + 5], "big")
        yield Frame(run.data[at], run.data[at + 5 : at + 1 + length])
        at += 1 + length


class Relay:
    """One listening socket; a thread a direction; what went wrong is kept for the test."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.seen: set[str] = set()
        self.failures: list[BaseException] = []
        self.partial = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads: list[threading.Thread] = []
        self.start(self.accept)

    def start(self, work: Any, *arguments: Any) -> None:
        def run() -> None:
            try:
                work(*arguments)
            except OSError:
                return
            except (AssertionError, DbguardError, ValueError) as error:
                self.failures.append(error)
            finally:
                for connection in arguments:
                    if isinstance(connection, socket.socket):
                        connection.close()

        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            self.start(self.startup, client)

    def startup(self, client: socket.socket) -> None:
        splitter = FrontendSplitter()
        while True:
            packet = splitter.next_startup()
            if packet is None:
                data = client.recv(3)
                if not data:
                    return None
                splitter.feed(data)
                continue
            message = decode_startup(packet.payload)
            self.seen.add(type(message).__name__)
            assert message.encode() == packet.raw
            if isinstance(message, SSLRequest | GSSENCRequest):
                assert splitter.pending == b""
                client.sendall(b"N")
                continue
            server = socket.create_connection(self.target)
            server.sendall(message.encode())
            if isinstance(message, CancelRequest):
                server.recv(1)
                client.close()
                server.close()
                return None
            assert isinstance(message, StartupMessage)
            self.start(self.down, server, client)
            return self.up(splitter, client, server)

    def up(self, splitter: FrontendSplitter, client: socket.socket, server: socket.socket) -> None:
        while True:
            while (frame := splitter.next()) is not None:
                server.sendall(again(frontend, frame, self.seen))
            data = client.recv(1 << 16)
            if not data:
                server.close()
                return
            splitter.feed(data)

    def down(self, server: socket.socket, client: socket.socket) -> None:
        splitter = BackendSplitter()
        while True:
            while (item := splitter.next()) is not None:
                if isinstance(item, Frame):
                    client.sendall(again(backend, item, self.seen))
                    continue
                if item.partial:
                    self.partial += 1
                else:
                    rebuilt = [again(backend, row, self.seen) for row in rows_of(item)]
                    assert (len(rebuilt), b"".join(rebuilt)) == (item.count, item.data)
                client.sendall(item.data)
            data = server.recv(1 << 16)
            if not data:
                client.close()
                return
            splitter.feed(data)


@pytest.fixture
def relay(pg_server: Any) -> Iterator[Relay]:
    running = Relay(pg_server.host, pg_server.port)
    yield running
    running.listener.close()
    assert running.failures == []


def test_everything_psycopg_says(relay: Relay, pg_database: Any) -> None:
    url = urlsplit(pg_database.dsn())
    dsn = url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{relay.port}").geturl()
    notices: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.add_notice_handler(lambda said: notices.append(said.message_primary or ""))
        connection.execute("CREATE TABLE t (a int, b text); SELECT 1; ;")
        connection.execute("")
        connection.execute("DO $$ BEGIN RAISE NOTICE 'heard' USING HINT = 'h'; END $$")
        with connection.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
            for number in range(5000):
                copy.write_row((number, None if number % 3 else f"row {number}"))
        with connection.cursor() as cursor, cursor.copy("COPY t TO STDOUT (FORMAT binary)") as out:
            assert sum(len(data) for data in out) > 50_000
        with (
            pytest.raises(psycopg.errors.QueryCanceled),
            connection.cursor() as cursor,
            cursor.copy("COPY t FROM STDIN") as copy,
        ):
            raise psycopg.errors.QueryCanceled("from the client")
        for binary in (False, True):
            found = connection.execute(
                "SELECT a, b FROM t WHERE a < %s", (4000,), binary=binary, prepare=True
            ).fetchall()
            assert len(found) == 4000
        (large,) = connection.execute("SELECT repeat('x', 5000000)").fetchone() or ("",)
        assert len(large) == 5_000_000
        with pytest.raises(psycopg.errors.UndefinedTable) as caught:
            connection.execute("SELECT * FROM nosuch")
        assert caught.value.diag.statement_position == "15"
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int", (n,)) for n in range(20)]
        assert [cursor.fetchone() for cursor in cursors] == [(n,) for n in range(20)]
        with connection.transaction(), connection.cursor("c") as named:
            named.itersize = 100
            assert sum(1 for _ in named.execute("SELECT a FROM t")) == 5000
        connection.execute("LISTEN heard")
        connection.execute("NOTIFY heard, 'payload'")
        assert next(connection.notifies(timeout=5)).payload == "payload"
        # Not cancel(): it blocks in C with the GIL, and the relay lives in this process.
        timer = threading.Timer(0.2, connection.cancel_safe)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(20)")
        timer.join()
    for thread in relay.threads[1:]:
        thread.join(5)
    assert notices == ["heard"]
    assert relay.partial > 1
    assert relay.seen >= {
        "StartupMessage",
        "CancelRequest",
        "Query",
        "Parse",
        "Bind",
        "Describe",
        "Execute",
        "Sync",
        "CopyData",
        "CopyDone",
        "CopyFail",
        "Terminate",
        "AuthenticationOk",
        "ParameterStatus",
        "BackendKeyData",
        "ReadyForQuery",
        "RowDescription",
        "DataRow",
        "CommandComplete",
        "EmptyQueryResponse",
        "ErrorResponse",
        "NoticeResponse",
        "NotificationResponse",
        "ParseComplete",
        "BindComplete",
        "NoData",
        "CopyInResponse",
        "CopyOutResponse",
    }
