"""TCP streams that know whether bytes came in before TLS did.

Whatever a peer (or somebody in between) sends in plain text ahead of the TLS handshake must not
be read as if it had come through TLS (CVE-2021-23214 and CVE-2021-23222 were that mistake).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from dbguard.errors import ProtocolViolation

READ_BYTES = 1 << 18
BUFFER_LIMIT = 1 << 18
"""Bytes held for a slow reader before the other side is no longer read."""


class CountingReader(asyncio.StreamReader):
    """A StreamReader that counts what it was fed and what was taken."""

    def __init__(self) -> None:
        super().__init__(limit=BUFFER_LIMIT)
        self._unread = 0
        self._ended = False

    def feed_data(self, data: Any) -> None:
        if self._ended:
            return
        self._unread += len(data)
        super().feed_data(data)

    def end(self) -> None:
        """Nothing more is wanted: a pending read ends, what still comes is dropped."""
        self._ended = True
        self.feed_eof()

    async def take(self, most: int = READ_BYTES) -> bytes:
        """Up to `most` bytes, b"" at the end of the stream."""
        data = await self.read(most)
        self._unread -= len(data)
        return data

    @property
    def has_unread(self) -> bool:
        return self._unread > 0


class Stream:
    """One TCP connection, plain or TLS."""

    def __init__(self, reader: CountingReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.uses_tls = False
        connection = writer.get_extra_info("socket")
        if connection is not None:
            # as PostgreSQL does: a peer that vanished is noticed some time
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @property
    def peer(self) -> str:
        """Address of the other side, without the port."""
        name = self._writer.get_extra_info("peername")
        return str(name[0]) if isinstance(name, tuple) and name else "local"

    async def read(self) -> bytes:
        try:
            return await self._reader.take()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            return b""

    async def read_byte(self) -> bytes:
        """The single byte that answers SSLRequest."""
        return await self._reader.take(1)

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    async def drain(self) -> None:
        try:
            await self._writer.drain()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            return  # the reading side sees the end of the stream

    async def start_tls(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        """Switch to TLS.

        Raises:
            ProtocolViolation: bytes came in before the handshake.
            ssl.SSLError, ConnectionError: the handshake failed.
        """
        transport = self._writer.transport
        if isinstance(transport, asyncio.ReadTransport):
            transport.pause_reading()
        if self._reader.has_unread:
            raise ProtocolViolation(
                "received unencrypted data after SSL request",
                detail="This could be a bug in the peer or somebody in the middle.",
            )
        await self._writer.start_tls(context, server_hostname=server_name)
        self.uses_tls = True

    async def close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(2):
                await self._writer.wait_closed()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self._writer.transport.abort()

    def abort_reading(self) -> None:
        """Nothing more is wanted from this side: a pending read ends."""
        self._reader.end()

    def abort(self) -> None:
        self._writer.transport.abort()


async def listen(
    handle: Callable[[Stream], Awaitable[None]], host: str, port: int
) -> asyncio.Server:
    """Accept clients; each runs `handle` in a task of its own."""
    loop = asyncio.get_running_loop()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reader, CountingReader)
        await handle(Stream(reader, writer))

    def protocol() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(CountingReader(), accepted)

    return await loop.create_server(protocol, host, port, backlog=512)


async def connect(host: str, port: int) -> Stream:
    """Open a connection.

    Raises:
        OSError: it cannot be opened.
    """
    loop = asyncio.get_running_loop()
    reader = CountingReader()
    transport, protocol = await loop.create_connection(
        lambda: asyncio.StreamReaderProtocol(reader), host, port
    )
    return Stream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
