"""The first packets: honest, wrong, and hostile ones."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from dbguard.wire.framing import pack
from dbguard.wire.startup import CancelRequest, GSSENCRequest, SSLRequest
from dbguard.wire.tags import Backend

from .conftest import Factory
from .protocol_client import Client, error_of, rows, startup, tags
from .proxies import Guarded, await_statement

pytestmark = pytest.mark.pg


@pytest.fixture(scope="module")
def proxy(module_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    module_database.create_user("app")
    with ExitStack() as stack:
        yield Factory(stack, tmp_path_factory.mktemp("startup"))(
            module_database, rules=None, durability="buffered"
        )


def test_wrong_password_user_and_database(proxy: Guarded) -> None:
    for user, database, password, code in (
        ("app", proxy.database, "wrong", "28P01"),
        ("nosuch", proxy.database, "demo", "28P01"),
        ("app", "nosuch", "demo", "3D000"),
    ):
        with Client(proxy.port) as client:
            found = client.log_in(user, database, password)
            assert error_of(found)[0] == code
            assert client.message() == b""


def test_strangers_open_no_databases(proxy: Guarded, pg_server: Any) -> None:
    """The control connection looks at a database only after somebody logged in to it."""
    before = pg_server.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'dbguard'")
    for number in range(5):
        with Client(proxy.port) as client:
            client.send(startup("app", f"guess{number}"))
            client.message()
    time.sleep(0.3)
    after = pg_server.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'dbguard'")
    assert after <= before


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (startup("app", "x", replication="true"), "0A000"),
        (startup("app", "x", replication="database"), "0A000"),
        (startup("app", "x", 2 << 16), "0A000"),
        (struct.pack("!II", 8, 2 << 16), "0A000"),
        (struct.pack("!II", 8, 3 << 16), "08P01"),
        (struct.pack("!II", 9, 3 << 16) + b"\0", "28000"),
        (SSLRequest().encode() + b"x" * 8, ""),
    ],
)
def test_what_cannot_be_served(proxy: Guarded, data: bytes, code: str) -> None:
    with Client(proxy.port) as client:
        client.send(data)
        if not code:  # without TLS here: what follows the answer N is a startup packet
            assert client.socket.recv(1) == b"N"
            code = "08P01"
        assert error_of([client.message()])[0] == code
        assert client.message() == b""


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("!I", 20_000) + b"x" * 100,
        struct.pack("!I", 7),
        pack(ord("Q"), b"SELECT 1\0"),
        pack(ord("X"), b""),
    ],
)
def test_what_is_no_startup_packet_gets_no_answer(proxy: Guarded, data: bytes) -> None:
    """Node's driver says goodbye in front of its startup packet and takes no error for it."""
    with Client(proxy.port) as client:
        client.send(data)
        assert client.message() == b""


def test_encryption_asked_for_twice(proxy: Guarded) -> None:
    with Client(proxy.port) as client:
        client.send(GSSENCRequest().encode())
        assert client.socket.recv(1) == b"N"
        client.send(SSLRequest().encode())
        assert client.socket.recv(1) == b"N"
        client.send(SSLRequest().encode())
        assert error_of([client.message()])[0] == "08P01"


def test_a_message_before_it_is_asked_for(proxy: Guarded) -> None:
    with Client(proxy.port) as client:
        client.send(startup("app", proxy.database), pack(ord("Q"), b"SELECT 1\0"))
        assert "E" in tags([client.message(), client.message()])


def test_names_that_are_not_text(proxy: Guarded) -> None:
    with Client(proxy.port) as client:
        body = struct.pack("!I", 3 << 16) + b"user\0\xff\xfe\0application_name\0\xff\0\0"
        client.send(struct.pack("!I", len(body) + 4) + body)
        assert error_of(client.authenticate("demo"))[0].startswith("28")
    assert proxy.records("connect")[-1]["kind"] == "connect"


def test_cancel_keys(proxy: Guarded, pg_server: Any) -> None:
    with Client(proxy.port) as client:
        client.log_in("app", proxy.database)
        assert client.key is not None
        pid = rows(client.query("SELECT pg_backend_pid()"))[0][0]
        assert pid == str(client.key.process_id).encode()

        def cancel(secret: bytes) -> None:
            with Client(proxy.port) as other:
                other.send(CancelRequest(client.key.process_id, secret).encode())  # type: ignore[union-attr]
                assert other.message() == b""

        client.send(pack(ord("Q"), b"SELECT pg_sleep(1)\0"))
        await_statement(pg_server.dsn(), "pg_sleep(1)")
        cancel(bytes(b ^ 1 for b in client.key.secret))
        assert tags(client.until_ready())[-2:] == "CZ"
        client.send(pack(ord("Q"), b"SELECT pg_sleep(3600)\0"))
        await_statement(pg_server.dsn(), "pg_sleep(3600)")
        cancel(client.key.secret)
        assert error_of(client.until_ready())[0] == "57014"
        key = client.key
    time.sleep(0.1)
    with Client(proxy.port) as other:  # after its session: nothing, and no answer
        other.send(CancelRequest(key.process_id, key.secret).encode())
        assert other.message() == b""


@pytest.mark.parametrize(
    ("minor", "options"),
    [(0, {}), (0, {"_pq_.x": "1"}), (1, {}), (2, {}), (2, {"_pq_.x": "1"}), (9999, {})],
)
def test_minor_versions_and_options_are_negotiated_as_by_the_server(
    proxy: Guarded, pg_server: Any, minor: int, options: dict[str, str]
) -> None:
    """Protocol 3.2 came with PostgreSQL 18, and with it longer cancel keys."""
    answers, lengths = [], []
    for port in (proxy.port, pg_server.port):
        with Client(port) as client:
            client.send(startup("app", proxy.database, 3 << 16 | minor, **options))
            found = client.authenticate("demo")
            assert tags(found)[-1] == "Z"
            answers.append([m for m in found if m[0] == Backend.NEGOTIATE_PROTOCOL_VERSION])
            assert client.key is not None
            lengths.append(len(client.key.secret))
            if port == proxy.port:
                client.send(pack(ord("Q"), b"SELECT pg_sleep(10)\0"))
                await_statement(pg_server.dsn(), "pg_sleep(10)")
                with Client(proxy.port) as other:
                    other.send(CancelRequest(client.key.process_id, client.key.secret).encode())
                    assert other.message() == b""
                assert error_of(client.until_ready())[0] == "57014"
    newest = 2 if pg_server.version >= 180_000 else 0
    assert lengths == [32 if min(minor, newest) == 2 else 4] * 2
    assert bool(answers[0]) == (minor > newest or bool(options))
    assert answers[0] == answers[1]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls_proxy(
    module_database: Any, tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA
) -> Iterator[Guarded]:
    module_database.create_user("app")
    folder = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "server.crt", append=True)
    authority.cert_pem.write_to_path(folder / "ca.crt")
    with ExitStack() as stack:
        guarded = Factory(stack, folder)(
            module_database, rules=None, durability="buffered", started=False
        )
        config = guarded.config.read_text("utf-8")
        tls = f"tls: {{certificate: {folder}/server.crt, key: {folder}/server.key, mode: require}}"
        guarded.config.write_text(
            config.replace(f"port: {guarded.port}}}", f"port: {guarded.port}, {tls}}}", 1), "utf-8"
        )
        guarded.start()
        yield guarded


def test_tls(tls_proxy: Guarded, authority: trustme.CA, tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    authority.cert_pem.write_to_path(ca)
    dsn = f"{tls_proxy.dsn('app')}?sslmode=verify-full&sslrootcert={ca}"
    with closing(psycopg.connect(dsn)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.pgconn.ssl_in_use
        connection.execute("SELECT repeat('x', 1000) FROM generate_series(1, 5000)").fetchall()


def test_tls_required(tls_proxy: Guarded) -> None:
    with Client(tls_proxy.port) as client:
        client.send(startup("app", tls_proxy.database))
        assert error_of([client.message()]) == ("08P01", "this listener requires TLS")


@pytest.mark.parametrize("request_", [SSLRequest(), GSSENCRequest()], ids=["ssl", "gssenc"])
@pytest.mark.parametrize("cut", [True, False], ids=["whole", "first byte"])
def test_plain_text_ahead_of_the_answer(
    proxy: Guarded, tls_proxy: Guarded, pg_server: Any, request_: SSLRequest, cut: bool
) -> None:
    """Whatever stands in front of a handshake must not count as sent through TLS; PostgreSQL
    takes nothing there even when it has just said no."""
    more = startup("app", tls_proxy.database)
    for port in (pg_server.port, proxy.port, tls_proxy.port):
        with Client(port) as client:
            client.send(request_.encode() + (more if cut else more[:1]))
            told = client.socket.recv(1)
            if told in (b"N", b"S"):
                told = client.socket.recv(1)
            rest = b""
            with suppress(ConnectionError):
                while data := client.socket.recv(4096):
                    rest += data
            assert told in (b"E", b"")
            if told == b"E":
                assert b"C08P01\0" in rest
                assert b"received unencrypted data after" in rest


def test_a_handshake_that_fails(tls_proxy: Guarded) -> None:
    with socket.create_connection(("127.0.0.1", tls_proxy.port), timeout=5) as plain:
        plain.sendall(SSLRequest().encode())
        assert plain.recv(1) == b"S"
        plain.sendall(b"no handshake at all, but long enough to be looked at")
        while plain.recv(4096):
            pass
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", tls_proxy.port), timeout=5) as plain,
        pytest.raises(ssl.SSLError),
    ):
        plain.sendall(SSLRequest().encode())
        assert plain.recv(1) == b"S"
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_psql_with_default_settings(proxy: Guarded, pg_server: Any) -> None:
    result = subprocess.run(
        [pg_server.binary("psql"), "-X", "-At", "-d", proxy.dsn("app"), "-c", "SELECT 1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "1\n"
