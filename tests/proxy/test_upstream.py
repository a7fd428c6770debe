"""Reaching the server: what libpq does for each sslmode is what dbguard does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from dbguard.config import UpstreamTlsMode
from dbguard.errors import DbguardError
from dbguard.proxy.tls import downstream_context, upstream_context
from dbguard.proxy.upstream import Answered, Upstream, UpstreamUnavailable
from dbguard.wire.framing import Frame
from dbguard.wire.startup import StartupMessage
from tests.conftest import PgServer, run_apart
from tests.tls_server import TlsServer
from tests.tls_server import tls_server as started

MODES = UpstreamTlsMode


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with started(tmp_path_factory.mktemp("tls")) as running:
        yield running


def hello(user: str) -> bytes:
    return StartupMessage(3 << 16, (("user", user), ("database", "postgres"))).encode()


async def greeted(upstream: Upstream, user: str) -> tuple[str, bool]:
    """First letter of the server's answer, and whether it came through TLS."""
    answered = await upstream.greet(hello(user))
    try:
        assert isinstance(answered.first, Frame)
        return chr(answered.first.tag), answered.stream.uses_tls
    finally:
        await answered.stream.close()


def ours(upstream: Upstream, user: str = "either") -> str:
    """How dbguard fares: `tls`, `plain` or `refused`."""
    try:
        tag, uses_tls = run_apart(greeted(upstream, user))
    except UpstreamUnavailable:
        return "refused"
    if tag == "E":
        return "refused"
    return "tls" if uses_tls else "plain"


def theirs(dsn: str, mode: UpstreamTlsMode, ca: Path | None) -> str:
    """How libpq fares with the same."""
    options = {"sslmode": mode.value, **({"sslrootcert": str(ca)} if ca else {})}
    try:
        with psycopg.connect(dsn, gssencmode="disable", **options) as connection:
            return "tls" if connection.pgconn.ssl_in_use else "plain"
    except psycopg.OperationalError:
        return "refused"


@pytest.mark.pg
@pytest.mark.parametrize("user", ["either", "tls_only", "plain_only"])
@pytest.mark.parametrize(
    ("mode", "ca"),
    [
        (mode, ca)
        for mode in MODES
        for ca in ("", "ca", "other_ca")
        if ca or not mode.startswith("verify")  # libpq wants a file there
    ],
)
def test_every_mode_does_what_libpq_does(
    server: TlsServer, mode: UpstreamTlsMode, ca: str, user: str
) -> None:
    path = getattr(server, ca) if ca else None
    upstream = Upstream("127.0.0.1", server.port, upstream_context(mode, path), mode)
    expected = theirs(server.embedded.dsn(user, "postgres", "demo"), mode, path)
    assert ours(upstream, user) == expected


@pytest.mark.pg
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
@pytest.mark.parametrize("mode", [MODES.VERIFY_CA, MODES.VERIFY_FULL])
def test_names_and_addresses(server: TlsServer, mode: UpstreamTlsMode, host: str) -> None:
    """The certificate is for the first three."""
    upstream = Upstream(host, server.port, upstream_context(mode, server.ca), mode)
    dsn = f"host={host} port={server.port} user=either password=demo dbname=postgres"
    expected = theirs(dsn, mode, server.ca)
    assert ours(upstream) == expected
    assert expected == ("refused" if (mode, host) == (MODES.VERIFY_FULL, "127.0.0.2") else "tls")


@pytest.mark.pg
@pytest.mark.parametrize("mode", list(MODES))
def test_unix_sockets_are_never_encrypted(server: TlsServer, mode: UpstreamTlsMode) -> None:
    """The mode means nothing there, as in libpq."""
    upstream = Upstream(
        str(server.socket_folder), server.port, upstream_context(mode, server.ca), mode
    )
    dsn = (
        f"host={server.socket_folder} port={server.port} user=either password=demo dbname=postgres"
    )
    assert ours(upstream) == theirs(dsn, mode, server.ca) == "plain"


@pytest.mark.pg
@pytest.mark.parametrize("mode", list(MODES))
def test_a_server_without_tls(pg_server: PgServer, mode: UpstreamTlsMode, tmp_path: Path) -> None:
    if pg_server.execute("SHOW ssl") != [("off",)]:
        pytest.skip("this server has TLS")
    ca = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(ca)
    upstream = Upstream(pg_server.host, pg_server.port, upstream_context(mode, ca), mode)
    assert ours(upstream, pg_server.superuser) == theirs(pg_server.dsn(), mode, ca)


@pytest.mark.pg
def test_direct_tls(server: TlsServer) -> None:
    with server.connect() as connection:
        direct = connection.info.server_version >= 170_000
    context = upstream_context(MODES.VERIFY_FULL, server.ca)
    upstream = Upstream("127.0.0.1", server.port, context, MODES.VERIFY_FULL, direct=True)
    assert ours(upstream) == ("tls" if direct else "refused")


def scripted(
    play: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    upstream: Callable[[int], Upstream],
    tls: ssl.SSLContext | None = None,
) -> Answered:
    """What becomes of a greeting when the server plays this part."""

    async def run() -> Answered:
        tasks: list[asyncio.Task[None]] = []

        async def played(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(asyncio.current_task())  # type: ignore[arg-type]
            await play(reader, writer)
            writer.close()

        listening = await asyncio.start_server(played, "127.0.0.1", 0, ssl=tls)
        try:
            port = listening.sockets[0].getsockname()[1]
            answered = await upstream(port).greet(hello("either"))
            answered.stream.abort()
            return answered
        finally:
            listening.close()
            await asyncio.gather(*tasks, return_exceptions=True)

    return run_apart(run())


def test_plain_text_ahead_of_the_servers_handshake() -> None:
    """Whoever sits in between must not have words read as if they had come through TLS."""

    async def injects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S" + b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")
        await writer.drain()
        await reader.read()

    def upstream(port: int) -> Upstream:
        return Upstream("127.0.0.1", port, upstream_context(MODES.REQUIRE), MODES.REQUIRE)

    with pytest.raises(DbguardError) as caught:
        scripted(injects, upstream)
    assert caught.value.sqlstate == "08P01"
    assert caught.value.message == "received unencrypted data after SSL request"


@pytest.mark.parametrize("answer", [b"N", b"E", b"x", b""])
@pytest.mark.parametrize("mode", [MODES.REQUIRE, MODES.VERIFY_FULL])
def test_no_words_of_a_server_without_tls_are_shown(answer: bytes, mode: UpstreamTlsMode) -> None:
    async def declines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(answer + b"words from nobody knows whom\0")
        await writer.drain()

    def upstream(port: int) -> Upstream:
        return Upstream("127.0.0.1", port, upstream_context(mode), mode)

    with pytest.raises(UpstreamUnavailable) as caught:
        scripted(declines, upstream)
    assert "the server does not offer TLS" in caught.value.detail
    assert "nobody knows" not in f"{caught.value.message}{caught.value.detail}{caught.value.hint}"


@pytest.mark.parametrize("alpn", ["postgresql", "http/1.1", ""])
def test_direct_tls_with_another_protocol(alpn: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key")
    made.cert_chain_pems[0].write_to_path(tmp_path / "crt")
    authority.cert_pem.write_to_path(tmp_path / "ca")
    if alpn == "postgresql":
        context = downstream_context(tmp_path / "crt", tmp_path / "key")
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
        if alpn:
            context.set_alpn_protocols([alpn])

    async def accepts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            writer.write(b"R\0\0\0\x08\0\0\0\0")
            await writer.drain()

    def upstream(port: int) -> Upstream:
        verified = upstream_context(MODES.VERIFY_FULL, tmp_path / "ca")
        return Upstream("127.0.0.1", port, verified, MODES.VERIFY_FULL, direct=True)

    if alpn == "postgresql":
        answered: Any = scripted(accepts, upstream, context)
        assert answered.first.tag == ord("R")
        assert answered.stream.uses_tls
    else:
        with pytest.raises(UpstreamUnavailable) as caught:
            scripted(accepts, upstream, context)
        assert caught.value.sqlstate == "08001"
