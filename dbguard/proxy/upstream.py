"""Connections to the server."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from dbguard.errors import DbguardError
from dbguard.wire.startup import CancelRequest, SSLRequest

from .streams import Stream, connect

CONNECT_SECONDS = 10.0
PROBE_SECONDS = 2.0
"""Less than the period of a readiness probe."""


class UpstreamUnavailable(DbguardError):
    """The server cannot be reached as configured."""

    sqlstate = "08001"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the server is, and how to speak to it."""

    host: str
    port: int
    context: ssl.SSLContext | None = None
    tls_required: bool = False
    verifies_name: bool = False

    async def open(self) -> Stream:
        """A stream to the server, TLS negotiated as configured.

        Raises:
            UpstreamUnavailable: with what failed and what to check.
        """
        stream: Stream | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                stream = await connect(self.host, self.port)
                if self.context is not None:
                    await self._negotiate(stream, self.context)
                opened, stream = stream, None
                return opened
        except TimeoutError:
            raise self._failed("no answer in time") from None
        except ssl.SSLError as error:
            raise self._failed(f"TLS failed: {error.reason or 'handshake error'}") from None
        except OSError as error:
            raise self._failed((error.strerror or "connection failed").lower()) from None
        finally:
            if stream is not None:
                stream.abort()

    async def reachable(self) -> bool:
        """Whether somebody listens there; nothing is said to whoever it is."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                stream = await connect(self.host, self.port)
        except (TimeoutError, OSError):
            return False
        stream.abort()
        return True

    async def _negotiate(self, stream: Stream, context: ssl.SSLContext) -> None:
        stream.write(SSLRequest().encode())
        await stream.drain()
        answer = await stream.read_byte()
        if answer == b"S":
            await stream.start_tls(context, self.host)
        elif answer != b"N" or self.tls_required:
            raise self._failed("the server does not offer TLS")

    def _failed(self, cause: str) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            "the database server cannot be reached",
            detail=f"{self.host}:{self.port}: {cause}.",
            hint="Check that PostgreSQL runs there, and upstream.* in dbguard's settings.",
        )

    async def cancel(self, request: CancelRequest) -> None:
        """Send a CancelRequest. As with PostgreSQL, nobody learns whether it worked."""
        try:
            stream = await self.open()
        except UpstreamUnavailable:
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
