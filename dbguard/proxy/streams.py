"""TCP streams that know whether bytes came in before TLS did.

Whatever a peer (or somebody in between) sends in plain text ahead of the TLS handshake must not
be read as if it had come through TLS (CVE-2021-23214 and CVE-2021-23222 were that mistake).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Final

from dbguard.errors import ProtocolViolation

ALPN_POSTGRESQL: Final = "postgresql"
"""What clients and servers of PostgreSQL 17 and later name in TLS; older ones ignore it."""
KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6))
"""A peer that vanished is noticed within two minutes; the system's own default is two hours."""
READ_BYTES = 1 << 18
BUFFER_LIMIT = 1 << 16
"""Twice as many bytes are held for a slow reader before the other side is no longer read."""


def unencrypted_data(request: str) -> ProtocolViolation:
    """The error for bytes that stand between a request for encryption and its answer."""
    return ProtocolViolation(
        f"received unencrypted data after {request}",
        detail="This could be a bug in the peer or somebody in the middle.",
    )


class CountingReader(asyncio.StreamReader):
    """A StreamReader that counts what it was fed and what was taken."""

    def __init__(self) -> None:
        super().__init__(limit=BUFFER_LIMIT)
        self._unread = 0
        self._ended = False
        self.tap: Callable[[bytes], bool] | None = None

    def feed_data(self, data: Any) -> None:
        if self._ended:
            return
        if self.tap is not None and not self._unread and self.tap(bytes(data)):
            return
        self.put(data)

    def put(self, data: Any) -> None:
        """Leave `data` to whoever reads."""
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

    def __init__(self, reader: CountingReader, writer: asyncio.StreamWriter, peer: str) -> None:
        self._reader = reader
        self._writer = writer
        self.peer = peer
        """Address of the other side, without the port; `local` on a Unix socket."""
        self.uses_tls = False
        self._left = 0
        self._taken = time.monotonic()
        connection = writer.get_extra_info("socket")
        if connection is not None and connection.family != socket.AF_UNIX:
            # asyncio sets it only where the protocol is named, which it is not behind accept():
            # a second short answer waited for the client's delayed acknowledgement, 40 ms
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE:
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    @property
    def alpn(self) -> str | None:
        """The protocol that both sides of TLS agreed on."""
        encrypted = self._writer.get_extra_info("ssl_object")
        return encrypted.selected_alpn_protocol() if encrypted is not None else None

    @property
    def certificate(self) -> bytes | None:
        """What the other side has shown, in DER; None without TLS, or when it showed none."""
        encrypted = self._writer.get_extra_info("ssl_object")
        return encrypted.getpeercert(binary_form=True) if encrypted is not None else None

    @property
    def tls_version(self) -> str:
        """`TLSv1.3`; empty without TLS."""
        encrypted = self._writer.get_extra_info("ssl_object")
        return (encrypted.version() or "") if encrypted is not None else ""

    @property
    def is_protected(self) -> bool:
        """Nobody on the way can read along: TLS, or a Unix socket of this machine."""
        connection = self._writer.get_extra_info("socket")
        return self.uses_tls or (connection is not None and connection.family == socket.AF_UNIX)

    def tap(self, takes: Callable[[bytes], bool] | None) -> None:
        """Have `takes` called with what comes in while nothing is unread: what it takes, nobody
        reads."""
        self._reader.tap = takes

    def put_back(self, data: bytes) -> None:
        """Leave what was taken to whoever reads."""
        self._reader.put(data)

    async def read(self) -> bytes:
        try:
            return await self._reader.take()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            return b""

    async def read_byte(self) -> bytes:
        """The single byte that answers SSLRequest."""
        return await self._reader.take(1)

    @property
    def has_unread(self) -> bool:
        """Whether bytes have come in that nobody has read yet."""
        return self._reader.has_unread

    @property
    def is_full(self) -> bool:
        """More is held for the peer than it has taken lately: `drain` waits."""
        transport = self._writer.transport
        return transport.get_write_buffer_size() > transport.get_write_buffer_limits()[0]

    @property
    def holds(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    @property
    def last_taken(self) -> float:
        """When the peer was last seen to take something of what is held for it (monotonic
        seconds). Only looking tells, so this has to be asked now and then."""
        left = self._writer.transport.get_write_buffer_size()
        if left != self._left:
            self._left, self._taken = left, time.monotonic()
        return self._taken

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
            raise unencrypted_data("SSL request")
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


async def attach(
    connection: socket.socket, peer: str, context: ssl.SSLContext | None = None
) -> Stream:
    """A stream on an accepted socket, TLS shaken hands for when there is a `context`.

    Raises:
        ssl.SSLError, OSError: the handshake failed; the socket is closed.
    """
    loop = asyncio.get_running_loop()
    reader = CountingReader()
    made: list[asyncio.StreamWriter] = []

    def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """That the protocol has such a callback makes a later start_tls the server's side."""
        made.append(writer)

    await loop.connect_accepted_socket(
        lambda: asyncio.StreamReaderProtocol(reader, accepted), connection, ssl=context
    )
    stream = Stream(reader, made[0], peer)
    stream.uses_tls = context is not None
    return stream


async def connect(host: str, port: int, context: ssl.SSLContext | None = None) -> Stream:
    """Open a connection; a `host` that begins with a slash is the folder of a Unix socket.

    With a `context` TLS begins at once, without PostgreSQL's request for it.

    Raises:
        OSError: it cannot be opened; ssl.SSLError is one.
        UnicodeError: `host` is no name.
    """
    loop = asyncio.get_running_loop()
    reader = CountingReader()

    def factory() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(reader)

    transport: asyncio.Transport
    if host.startswith("/"):
        transport, protocol = await loop.create_unix_connection(factory, f"{host}/.s.PGSQL.{port}")
    else:
        transport, protocol = await loop.create_connection(
            factory, host, port, ssl=context, server_hostname=host if context else None
        )
    stream = Stream(reader, asyncio.StreamWriter(transport, protocol, reader, loop), host)
    stream.uses_tls = context is not None
    return stream
