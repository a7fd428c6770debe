"""TCP streams that know whether bytes came in before TLS did.

Whatever a peer (or somebody in between) sends in plain text ahead of the TLS handshake must not
be read as if it had come through TLS (CVE-2021-23214 and CVE-2021-23222 were that mistake).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

from dbguard.errors import ProtocolViolation

from .channel import BUFFER_LIMIT, READ_BYTES, WRITE_HIGH, WRITE_LOW, Channel
from .polling import READABLE, WRITABLE

__all__ = ("BUFFER_LIMIT", "READ_BYTES", "WRITE_HIGH", "WRITE_LOW", "Stream", "attach", "connect")

ALPN_POSTGRESQL: Final = "postgresql"
"""What clients and servers of PostgreSQL 17 and later name in TLS; older ones ignore it."""
KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6))
"""A peer that vanished is noticed within two minutes; the system's own default is two hours."""
CLOSE_SECONDS: Final = 2.0


def unencrypted_data(request: str) -> ProtocolViolation:
    """The error for bytes that stand between a request for encryption and its answer."""
    return ProtocolViolation(
        f"received unencrypted data after {request}",
        detail="This could be a bug in the peer or somebody in the middle.",
    )


class Stream(Channel):
    """A channel that coroutines read from; what comes in can also be looked at in the callback that
    brings it (`tap`)."""

    __slots__ = ("_accepted",)

    def __init__(self, connection: socket.socket, peer: str, *, accepted: bool = False) -> None:
        """`accepted`: the other side has connected, so this one is TLS's server."""
        super().__init__(connection, peer)
        self._accepted = accepted
        if connection.family != socket.AF_UNIX:
            # a second short answer waits for the client's delayed acknowledgement, 40 ms
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE:
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.watch()

    # -- what is known of the connection ----------------------------------------

    @property
    def uses_tls(self) -> bool:
        return self._tls is not None

    @property
    def alpn(self) -> str | None:
        """The protocol that both sides of TLS agreed on."""
        return None if self._tls is None else self._tls.selected_alpn_protocol()

    @property
    def certificate(self) -> bytes | None:
        """What the other side has shown, in DER; None without TLS, or when it showed none."""
        return None if self._tls is None else self._tls.getpeercert(binary_form=True)

    @property
    def tls_version(self) -> str:
        """`TLSv1.3`; empty without TLS."""
        return "" if self._tls is None else self._tls.version() or ""

    @property
    def is_protected(self) -> bool:
        """Nobody on the way can read along: TLS, or a Unix socket of this machine."""
        return self._tls is not None or self._socket.family == socket.AF_UNIX

    # -- reading ------------------------------------------------------------------

    def tap(self, takes: Callable[[bytes], bool] | None) -> None:
        """Have `takes` called with what comes in while nothing is unread: what it takes, nobody
        reads."""
        self._tap = takes

    def put_back(self, data: bytes) -> None:
        """Leave what was taken to whoever reads, ahead of all that came since."""
        self._unread = data + self._unread
        self._wake()

    def tell(self, told: Callable[[], None] | None) -> None:
        """Have `told` called when there is something to take, or nothing more comes, and nobody
        waits in `read`. It must not do anything yet but have it done."""
        self._told = told

    def take(self) -> bytes:
        """What has come in and nobody has read."""
        data, self._unread = self._unread, b""
        self._let_come()
        return data

    async def read(self, most: int | None = None) -> bytes:
        """What has come in, up to `most` bytes; b"" at the end of the stream, however that came."""
        while not self._unread and not self._ended:
            assert self._read is None, "two read at once"
            self._read = self._loop.create_future()
            try:
                await self._read
            finally:
                self._read = None
        if most is None or len(self._unread) <= most:
            return self.take()
        data, self._unread = self._unread[:most], self._unread[most:]
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

    @property
    def has_news(self) -> bool:
        """Somebody was told to take something, or that nothing more comes."""
        return bool(self._unread) or self._ended

    @property
    def is_gone(self) -> bool:
        """The peer has ended the connection, whatever it sent before that."""
        return self._ended

    def abort_reading(self) -> None:
        """Nothing more is wanted from this side: a pending read ends, what still comes is
        dropped."""
        self._end()

    # -- writing ------------------------------------------------------------------

    async def drain(self, source: Stream | None = None) -> None:
        """Wait while much is held for the peer; a connection that is lost holds nothing. Meanwhile
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

    # -- TLS, and the end -----------------------------------------------------------

    async def start_tls(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        """Switch to TLS.

        Raises:
            ProtocolViolation: bytes came in before the handshake.
            ssl.SSLError, OSError: the handshake failed.
        """
        if self._unread:
            raise unencrypted_data("SSL request")
        await self._all_sent()
        if self._broken or self._ended:
            raise ConnectionResetError("the connection ended before the handshake")
        self.be_told(0)
        encrypted = context.wrap_socket(
            self._socket,
            server_side=self._accepted,
            do_handshake_on_connect=False,
            server_hostname=server_name,
        )
        self._socket = encrypted
        try:
            await self._shake_hands(encrypted)
        except BaseException:
            self.lose(None)
            raise
        self._tls = encrypted
        self.watch()
        if encrypted.pending():  # came with the handshake: no poll tells
            self._loop.call_soon(self.happened, READABLE)

    async def _shake_hands(self, encrypted: ssl.SSLSocket) -> None:
        while True:
            try:
                encrypted.do_handshake()
            except ssl.SSLWantReadError:
                await self._able(READABLE)
            except ssl.SSLWantWriteError:
                await self._able(WRITABLE)
            else:
                return

    async def _able(self, events: int) -> None:
        """Wait until the socket is, and be told of nothing else meanwhile.

        Raises:
            ConnectionResetError: it is closed.
        """
        self._handshake = self._loop.create_future()
        self.be_told(events)
        try:
            await self._handshake
        finally:
            self._handshake = None
            self.be_told(0)
        if self._descriptor < 0:
            raise ConnectionResetError("the connection ended")

    async def close(self) -> None:
        """Send what is left, for a while, and close it."""
        if self._descriptor < 0:
            return
        self._end()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._all_sent()
            if self._tls is not None and not self._broken:
                self._tls.unwrap()  # says farewell; the peer's own is not waited for
        self.lose(None)

    async def _all_sent(self) -> None:
        while self.holds and not self._broken:
            await self._able(WRITABLE)
            self._flush()

    def abort(self) -> None:
        self.lose(None)


async def attach(
    connection: socket.socket, peer: str, context: ssl.SSLContext | None = None
) -> Stream:
    """A stream on an accepted socket, TLS shaken hands for when there is a `context`.

    Raises:
        ssl.SSLError, OSError: the handshake failed; the socket is closed.
    """
    stream = Stream(connection, peer, accepted=True)
    if context is not None:
        await stream.start_tls(context)
    return stream


async def connect(host: str, port: int, context: ssl.SSLContext | None = None) -> Stream:
    """Open a connection; a `host` that begins with a slash is the folder of a Unix socket.

    With a `context` TLS begins at once, without PostgreSQL's request for it.

    Raises:
        OSError: it cannot be opened; ssl.SSLError is one.
        UnicodeError: `host` is no name.
    """
    stream = Stream(await _opened(host, port), host)
    if context is not None:
        await stream.start_tls(context, host)
    return stream


async def _opened(host: str, port: int) -> socket.socket:
    """A socket that is connected to the first address that takes it."""
    if host.startswith("/"):
        return await _connected(socket.AF_UNIX, f"{host}/.s.PGSQL.{port}")
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for family, _, _, _, address in found:
        try:
            return await _connected(family, address)
        except OSError as error:
            failure = failure or error
    raise failure or OSError(f"{host} has no address")


async def _connected(family: int, address: str | tuple[object, ...]) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection
