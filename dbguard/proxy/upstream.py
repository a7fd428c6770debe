"""Connections to the server."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field, replace

from dbguard.errors import DbguardError
from dbguard.server_settings import UpstreamTlsMode
from dbguard.wire.framing import BackendSplitter, Frame, RowRun
from dbguard.wire.startup import CancelRequest, SSLRequest
from dbguard.wire.tags import Backend

from .streams import ALPN_POSTGRESQL, Stream, connect

CONNECT_SECONDS = 10.0
PROBE_SECONDS = 2.0
"""Less than the period of a readiness probe."""


class UpstreamUnavailable(DbguardError):
    """The server cannot be reached as configured."""

    sqlstate = "08001"


class TlsFailed(UpstreamUnavailable):
    """The server is there, and TLS with it did not come about."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A connection on which the server has said its first word."""

    stream: Stream = field(repr=False)
    splitter: BackendSplitter = field(repr=False)
    first: Frame | RowRun | None
    """None: the server hung up instead."""

    @property
    def refused(self) -> bool:
        return self.first is None or (
            isinstance(self.first, Frame) and self.first.tag == Backend.ERROR_RESPONSE
        )


@dataclass(frozen=True, slots=True)
class Upstream:
    """One server: where it is, and how to speak to it."""

    host: str
    port: int
    context: ssl.SSLContext | None = None
    mode: UpstreamTlsMode = UpstreamTlsMode.DISABLE
    direct: bool = False
    """TLS from the first byte."""

    @property
    def encryptions(self) -> tuple[bool, ...]:
        """With TLS or without, in the order in which libpq tries for each sslmode; a Unix socket
        is never encrypted, and sslmode means nothing there."""
        if self.context is None or self.host.startswith("/"):
            return (False,)
        match self.mode:
            case UpstreamTlsMode.ALLOW:
                return (False, True)
            case UpstreamTlsMode.PREFER:
                return (True, False)
            case _:
                return (True,)

    async def greet(self, hello: bytes) -> Answered:
        """Send a StartupMessage and wait for what comes back, encrypted as configured.

        A server that refuses at once is asked again the other way, where the mode allows it.

        Raises:
            UpstreamUnavailable: with what failed and what to check.
            ProtocolViolation: bytes came in ahead of the TLS handshake.
        """
        refused: Answered | None = None
        ways = self.encryptions
        for encrypted in ways:
            try:
                stream = await self.open(encrypted=encrypted)
                answered = await _answered(stream, hello)
            except BaseException as error:
                if isinstance(error, TlsFailed) and encrypted is not ways[-1]:
                    continue
                if isinstance(error, UpstreamUnavailable) and refused is not None:
                    return refused
                if refused is not None:
                    refused.stream.abort()
                raise
            if refused is not None:
                refused.stream.abort()
            if not answered.refused or (encrypted and not stream.uses_tls):
                return answered  # without TLS although asked for: that is the other way already
            refused = answered
        assert refused is not None
        return refused

    async def open(self, *, encrypted: bool | None = None) -> Stream:
        """A stream to the server; without `encrypted`, the first way that the mode names.

        Raises:
            UpstreamUnavailable: with what failed and what to check.
            ProtocolViolation: bytes came in ahead of the TLS handshake.
        """
        if encrypted is None:
            encrypted = self.encryptions[0]
        context = self.context if encrypted else None
        stream: Stream | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                stream = await connect(self.host, self.port, context if self.direct else None)
                if self.direct and context is not None:
                    self._check_protocol(stream)
                elif context is not None:
                    await self._negotiate(stream, context)
                opened, stream = stream, None
                return opened
        except TimeoutError:
            raise self._failed("no answer in time") from None
        except ssl.SSLError as error:
            cause = f"TLS failed: {error.reason or 'handshake error'}"
            raise self._failed(cause, TlsFailed) from None
        except OSError as error:
            if error.strerror is None and context is not None:  # asyncio's, in a handshake
                raise self._failed("TLS failed: the server hung up", TlsFailed) from None
            raise self._failed((error.strerror or "connection failed").lower()) from None
        except UnicodeError:
            raise self._failed("not a name that can be looked up") from None
        finally:
            if stream is not None:
                stream.abort()

    async def reachable(self) -> bool:
        """Whether somebody listens there; nothing is said to whoever it is."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                stream = await connect(self.host, self.port)
        except (TimeoutError, OSError, UnicodeError):
            return False
        stream.abort()
        return True

    async def _negotiate(self, stream: Stream, context: ssl.SSLContext) -> None:
        stream.write(SSLRequest().encode())
        await stream.drain()
        answer = await stream.read_byte()
        if answer == b"S":
            await stream.start_tls(context, self.host)
        elif answer != b"N" or False not in self.encryptions:
            raise self._failed("the server does not offer TLS", TlsFailed)

    def _check_protocol(self, stream: Stream) -> None:
        """What answers may be any program that speaks TLS (the ALPACA attack)."""
        if stream.alpn != ALPN_POSTGRESQL:
            stream.abort()
            cause = "whoever answers with TLS does not speak PostgreSQL's protocol"
            raise self._failed(cause, TlsFailed)

    def _failed(
        self, cause: str, kind: type[UpstreamUnavailable] = UpstreamUnavailable
    ) -> UpstreamUnavailable:
        return kind(
            "the database server cannot be reached",
            detail=f"{self.host}:{self.port}: {cause}.",
            hint="Check that PostgreSQL runs there, and upstream.* in dbguard's settings.",
        )

    def same_way(self, stream: Stream) -> Upstream:
        """This server, reached as `stream` reaches it and not otherwise."""
        mode = UpstreamTlsMode.REQUIRE if stream.uses_tls else UpstreamTlsMode.DISABLE
        return replace(self, mode=mode, context=self.context if stream.uses_tls else None)

    async def cancel(self, request: CancelRequest) -> None:
        """Send a CancelRequest. As with PostgreSQL, nobody learns whether it worked."""
        try:
            stream = await self.open()
        except DbguardError:
            return
        try:
            stream.write(request.encode())
            await stream.drain()
            async with asyncio.timeout(CONNECT_SECONDS):
                while await stream.read():
                    pass
        except TimeoutError:
            pass
        finally:
            await stream.close()


async def _answered(stream: Stream, hello: bytes) -> Answered:
    splitter = BackendSplitter()
    try:
        stream.write(hello)
        await stream.drain()
        while (item := splitter.next()) is None:
            data = await stream.read()
            if not data:
                break
            splitter.feed(data)
    except BaseException:
        stream.abort()
        raise
    return Answered(stream, splitter, item)
