"""TCP streams that know whether bytes came in before TLS did.

Whatever a peer (or somebody in between) sends in plain text ahead of the TLS handshake must not
be read as if it had come through TLS (CVE-2021-23214 and CVE-2021-23222 were that mistake).
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final, cast

from dbguard.errors import ProtocolViolation

ALPN_POSTGRESQL: Final = "postgresql"
"""What clients and servers of PostgreSQL 17 and later name in TLS; older ones ignore it."""
KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6))
"""A peer that vanished is noticed within two minutes; the system's own default is two hours."""
READ_BYTES: Final = 1 << 16
"""What is read at once. Whatever waits for a slow reader is held in pieces of this size."""
BUFFER_LIMIT: Final = 1 << 16
"""Unread bytes above which the peer is no longer read."""
WRITE_HIGH: Final = 1 << 16
"""Bytes held for the peer above which `drain` waits, ..."""
WRITE_LOW: Final = 1 << 14
"""... until it is down to these."""
CLOSE_SECONDS: Final = 2.0


def unencrypted_data(request: str) -> ProtocolViolation:
    """The error for bytes that stand between a request for encryption and its answer."""
    return ProtocolViolation(
        f"received unencrypted data after {request}",
        detail="This could be a bug in the peer or somebody in the middle.",
    )


class Stream(asyncio.Protocol):
    """One TCP connection, plain or TLS: a protocol of asyncio's that coroutines can read from, and
    that can have what comes in looked at in the callback that brings it (`tap`)."""

    __slots__ = (
        "_accepted",
        "_descriptor",
        "_drained",
        "_ended",
        "_failure",
        "_left",
        "_lost",
        "_paused",
        "_read",
        "_taken",
        "_tap",
        "_transport",
        "_unread",
        "_waiting_for_end",
        "peer",
        "uses_tls",
    )

    _transport: asyncio.Transport
    _descriptor: int
    """Of the socket, open for as long as the transport is not closing; -1 behind TLS."""

    def __init__(self, peer: str, *, accepted: bool = False) -> None:
        """`accepted`: the other side has connected, so this one is TLS's server."""
        self.peer = peer
        """Address of the other side, without the port; `local` on a Unix socket."""
        self.uses_tls = False
        self._accepted = accepted
        self._unread = b""
        self._tap: Callable[[bytes], bool] | None = None
        self._read: asyncio.Future[None] | None = None
        """Who waits for something to read."""
        self._drained: asyncio.Future[None] | None = None
        """Set while the transport holds much for the peer: who waits until it holds less."""
        self._waiting_for_end: asyncio.Future[None] | None = None
        self._ended = False
        """Nothing more comes, or is wanted."""
        self._lost = False
        self._failure: Exception | None = None
        """What the connection was lost for."""
        self._paused = False
        """The transport does not read at present."""
        self._left = 0
        self._taken = time.monotonic()

    # -- from the transport -----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._use(cast(asyncio.Transport, transport))  # uvloop's are none by name
        connection = transport.get_extra_info("socket")
        if connection is not None and not self.uses_tls:
            self._descriptor = connection.fileno()
        if connection is not None and connection.family != socket.AF_UNIX:
            # asyncio sets it only where the protocol is named, which it is not behind accept():
            # a second short answer waited for the client's delayed acknowledgement, 40 ms
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE:
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def _use(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.uses_tls = transport.get_extra_info("sslcontext") is not None
        self._descriptor = -1
        transport.set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)
        if hasattr(transport, "max_size"):  # of asyncio's own transports: what one recv() takes
            transport.max_size = READ_BYTES

    def data_received(self, data: bytes) -> None:
        if self._ended or (self._tap is not None and not self._unread and self._tap(data)):
            return
        self._unread = self._unread + data if self._unread else data
        if len(self._unread) > BUFFER_LIMIT:
            self._hold_back()
        self._wake()

    def eof_received(self) -> bool:
        """The peer sends no more, and may still read; TLS knows no such state."""
        self._ended = True
        self._wake()
        return not self.uses_tls

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost, self._ended, self._failure = True, True, exc
        self._wake()
        self.resume_writing()
        if self._waiting_for_end is not None and not self._waiting_for_end.done():
            self._waiting_for_end.set_result(None)

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _wake(self) -> None:
        if self._read is not None and not self._read.done():
            self._read.set_result(None)

    # -- what is known of the connection ----------------------------------------

    @property
    def alpn(self) -> str | None:
        """The protocol that both sides of TLS agreed on."""
        encrypted = self._transport.get_extra_info("ssl_object")
        return encrypted.selected_alpn_protocol() if encrypted is not None else None

    @property
    def certificate(self) -> bytes | None:
        """What the other side has shown, in DER; None without TLS, or when it showed none."""
        encrypted = self._transport.get_extra_info("ssl_object")
        return encrypted.getpeercert(binary_form=True) if encrypted is not None else None

    @property
    def tls_version(self) -> str:
        """`TLSv1.3`; empty without TLS."""
        encrypted = self._transport.get_extra_info("ssl_object")
        return (encrypted.version() or "") if encrypted is not None else ""

    @property
    def is_protected(self) -> bool:
        """Nobody on the way can read along: TLS, or a Unix socket of this machine."""
        connection = self._transport.get_extra_info("socket")
        return self.uses_tls or (connection is not None and connection.family == socket.AF_UNIX)

    # -- reading ------------------------------------------------------------------

    def tap(self, takes: Callable[[bytes], bool] | None) -> None:
        """Have `takes` called with what comes in while nothing is unread: what it takes, nobody
        reads."""
        self._tap = takes

    def put_back(self, data: bytes) -> None:
        """Leave what was taken to whoever reads, ahead of all that came since."""
        self._unread = data + self._unread
        self._wake()

    async def read(self, most: int | None = None) -> bytes:
        """What has come in, up to `most` bytes; b"" at the end of the stream, however that came."""
        while not self._unread and not self._ended:
            assert self._read is None, "two read at once"
            self._read = asyncio.get_running_loop().create_future()
            try:
                await self._read
            finally:
                self._read = None
        data = self._unread
        if most is None or len(data) <= most:
            self._unread = b""
        else:
            data, self._unread = data[:most], data[most:]
        self._let_come()
        return data

    async def read_byte(self) -> bytes:
        """The single byte that answers SSLRequest. Raises OSError when the connection broke."""
        data = await self.read(1)
        if not data and self._failure is not None:
            raise self._failure
        return data

    @property
    def has_unread(self) -> bool:
        """Whether bytes have come in that nobody has read yet."""
        return bool(self._unread)

    def abort_reading(self) -> None:
        """Nothing more is wanted from this side: a pending read ends, what still comes is
        dropped."""
        self._ended = True
        self._wake()

    # -- writing ------------------------------------------------------------------

    @property
    def is_gone(self) -> bool:
        """The peer has ended the connection, whatever it sent before that."""
        return self._ended

    @property
    def is_full(self) -> bool:
        """More is held for the peer than it has taken lately: `drain` waits."""
        return self._transport.get_write_buffer_size() > WRITE_LOW

    @property
    def holds(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def last_taken(self) -> float:
        """When the peer was last seen to take something of what is held for it (monotonic
        seconds). Only looking tells, so this has to be asked now and then."""
        left = self._transport.get_write_buffer_size()
        if left != self._left:
            self._left, self._taken = left, time.monotonic()
        return self._taken

    def write(self, data: bytes) -> None:
        """Send it, now where that is possible: transports wait until the loop's turn is over."""
        transport = self._transport
        if transport.is_closing():
            return
        if self._descriptor >= 0 and not transport.get_write_buffer_size():
            try:
                sent = os.write(self._descriptor, data)
            except OSError:
                sent = 0  # the transport meets the same, and says what it is
            if sent == len(data):
                return
            data = data[sent:]
        transport.write(data)

    async def drain(self, source: Stream | None = None) -> None:
        """Wait while the transport holds much; a connection that is lost holds nothing. Meanwhile
        nothing comes in from `source`, which is where it comes from."""
        if self._drained is None:
            return
        if source is not None:
            source._hold_back()
        try:
            await asyncio.shield(self._drained)
        finally:
            if source is not None:
                source._let_come()

    def _hold_back(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
            self._paused = True

    def _let_come(self) -> None:
        if self._paused and len(self._unread) <= BUFFER_LIMIT:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # -- TLS, and the end -----------------------------------------------------------

    async def start_tls(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        """Switch to TLS.

        Raises:
            ProtocolViolation: bytes came in before the handshake.
            ssl.SSLError, ConnectionError: the handshake failed.
        """
        transport = self._transport
        if transport.is_closing():
            raise ConnectionResetError("the connection ended before the handshake")
        transport.pause_reading()
        if self._unread:
            raise unencrypted_data("SSL request")
        await self.drain()
        encrypted = await asyncio.get_running_loop().start_tls(
            transport, self, context, server_side=self._accepted, server_hostname=server_name
        )
        if encrypted is None:
            raise ConnectionResetError("the connection ended during the handshake")
        self._use(encrypted)

    async def close(self) -> None:
        self._transport.close()
        if self._lost:
            return
        self._waiting_for_end = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._waiting_for_end
        except TimeoutError:
            self._transport.abort()

    def abort(self) -> None:
        self._transport.abort()


async def attach(
    connection: socket.socket, peer: str, context: ssl.SSLContext | None = None
) -> Stream:
    """A stream on an accepted socket, TLS shaken hands for when there is a `context`.

    Raises:
        ssl.SSLError, OSError: the handshake failed; the socket is closed.
    """
    stream = Stream(peer, accepted=True)  # uvloop returns another protocol behind TLS
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: stream, connection, ssl=context)
    return stream


async def connect(host: str, port: int, context: ssl.SSLContext | None = None) -> Stream:
    """Open a connection; a `host` that begins with a slash is the folder of a Unix socket.

    With a `context` TLS begins at once, without PostgreSQL's request for it.

    Raises:
        OSError: it cannot be opened; ssl.SSLError is one.
        UnicodeError: `host` is no name.
    """
    loop, stream = asyncio.get_running_loop(), Stream(host)
    if host.startswith("/"):
        await loop.create_unix_connection(lambda: stream, f"{host}/.s.PGSQL.{port}")
    else:
        await loop.create_connection(
            lambda: stream, host, port, ssl=context, server_hostname=host if context else None
        )
    return stream
