"""Sockets that clients connect to, and what has to be known of a client before its first byte.

The first bytes are looked at in the kernel's buffer, not taken: direct TLS (PostgreSQL 17) begins
with a handshake instead of a packet, and a load balancer may say first whom it speaks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import ssl
import stat
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from dbguard.errors import ConfigurationError, ProtocolViolation
from dbguard.wire.proxy_header import FIXED_BYTES, client_address, header_length

from .streams import ALPN_POSTGRESQL, Stream, attach
from .tasks import spawn

log = structlog.get_logger(__name__)

BACKLOG = 512
TLS_HANDSHAKE = 0x16
"""First byte of a TLS record that carries a handshake; no startup packet begins so, since its
length would be over 369 million bytes."""
OUT_OF_FILES_PAUSE = 0.1
"""Seconds without accepting when no file descriptor is left: the backlog holds the clients."""
SOCKET_MODE = 0o777
"""As PostgreSQL's unix_socket_permissions: who may come in is decided by the login."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """How those who connect are received."""

    tls: ssl.SSLContext | None
    """For direct TLS; None: such clients are hung up on, as by a server without TLS."""
    balancers: tuple[str, ...]
    """Networks that send a PROXY protocol header."""
    seconds: float
    """How long the first bytes may take."""
    most: int
    """How many may be about to send them."""


def open_sockets(hosts: str, port: int, folder: Path | None) -> list[socket.socket]:
    """Listening sockets for every address of `hosts`, and in `folder` if there is one.

    Raises:
        ConfigurationError: one of them cannot be opened; none is left open.
    """
    opened: list[socket.socket] = []
    with contextlib.ExitStack() as undo:
        for host in [name.strip() for name in hosts.split(",") if name.strip()]:
            for family, address in _addresses(host, port):
                listening = _bound(family, address, f"{host}:{port}")
                undo.callback(listening.close)
                opened.append(listening)
        if folder is not None:
            listening = _bound_in(folder, port)
            undo.callback(listening.close)
            opened.append(listening)
        undo.pop_all()
    return opened


def close_sockets(sockets: list[socket.socket]) -> None:
    """Stop listening, and remove the Unix sockets' files."""
    for listening in sockets:
        if listening.family == socket.AF_UNIX:
            with contextlib.suppress(OSError):
                Path(listening.getsockname()).unlink()
        listening.close()


def _addresses(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    where = f"listen: {host}:{port}"
    try:
        found = socket.getaddrinfo(
            None if host == "*" else host,
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a name"
        raise ConfigurationError(
            f"{where} cannot be opened: {reason.lower()}",
            hint="Check listen.host (an address of this machine, several with commas, or *).",
        ) from None
    return list(dict.fromkeys((int(family), address) for family, _, _, _, address in found))


def _bound(family: int, address: tuple[object, ...], name: str) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise _cannot_listen(name, error) from None
    return listening


def _bound_in(folder: Path, port: int) -> socket.socket:
    path = folder / f".s.PGSQL.{port}"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_abandoned(path)
        listening.bind(str(path))
        path.chmod(SOCKET_MODE)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise _cannot_listen(str(path), error) from None
    return listening


def _remove_abandoned(path: Path) -> None:
    """Remove a socket that nobody listens on any more. Raises OSError when somebody does."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return  # bind says what is wrong
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _cannot_listen(name: str, error: OSError) -> ConfigurationError:
    where = f"listen: {name}"
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"{where} is in use by another program",
            hint="Stop that program, or choose another listen.port.",
        )
    reason = (error.strerror or "cannot be opened").lower()
    return ConfigurationError(
        f"{where} cannot be opened: {reason}",
        hint="Check listen.host (an address of this machine), listen.port (ports below 1024 need "
        "privileges) and listen.socket (a folder that dbguard may write to).",
    )


async def accept_forever(
    listening: socket.socket,
    greeting: Callable[[], Greeting],
    handle: Callable[[Stream], Awaitable[None]],
) -> None:
    """Receive whoever connects; each runs `handle` in a task of its own."""
    loop = asyncio.get_running_loop()
    silent: dict[socket.socket, asyncio.Task[None]] = {}
    while True:
        try:
            connection, _ = await loop.sock_accept(listening)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                log.error("no client can be accepted", reason=os.strerror(error.errno))
                await asyncio.sleep(OUT_OF_FILES_PAUSE)
                continue
            if error.errno in (errno.ECONNABORTED, errno.EPROTO, errno.EPERM):
                continue  # the client has gone already
            raise
        now = greeting()
        if len(silent) >= now.most:  # who can speak does so at once: the oldest one goes
            silent.pop(next(iter(silent))).cancel()
        silent[connection] = spawn(_receive(connection, now, handle, silent), "client")
        await asyncio.sleep(0)  # a flood must not keep those from being served who came before


async def _receive(
    connection: socket.socket,
    greeting: Greeting,
    handle: Callable[[Stream], Awaitable[None]],
    silent: dict[socket.socket, asyncio.Task[None]],
) -> None:
    try:
        async with asyncio.timeout(greeting.seconds):
            stream = await _greet(connection, greeting)
    except asyncio.CancelledError:
        connection.close()
        raise
    except (TimeoutError, OSError, ssl.SSLError, ProtocolViolation) as error:
        # nothing has been said in any protocol yet that an answer could be written in
        if isinstance(error, ProtocolViolation):
            log.warning("connection refused", reason=error.message)
        connection.close()
        return
    finally:
        silent.pop(connection, None)
    if stream is not None:
        await handle(stream)


async def _greet(connection: socket.socket, greeting: Greeting) -> Stream | None:
    peer = _peer(connection)
    if _is_in(peer, greeting.balancers):
        header = await _taken(connection, FIXED_BYTES)
        header += await _taken(connection, header_length(header) - FIXED_BYTES)
        peer = client_address(header) or peer
    first = await _peeked(connection)
    if first != bytes([TLS_HANDSHAKE]):
        return await attach(connection, peer)
    if greeting.tls is None:
        connection.close()
        return None
    stream = await attach(connection, peer, greeting.tls)
    if stream.alpn != ALPN_POSTGRESQL:  # as PostgreSQL: another protocol's client may be confused
        stream.abort()
        return None
    return stream


def _peer(connection: socket.socket) -> str:
    name = connection.getpeername() if connection.family != socket.AF_UNIX else None
    return sys.intern(str(name[0])) if isinstance(name, tuple) and name else "local"


def _is_in(peer: str, networks: tuple[str, ...]) -> bool:
    if not networks or peer == "local":
        return False
    address = ipaddress.ip_address(peer.partition("%")[0])
    return any(address in ipaddress.ip_network(network) for network in networks)


async def _taken(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        got = await asyncio.get_running_loop().sock_recv(connection, count - len(data))
        if not got:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        data += got
    return data


async def _peeked(connection: socket.socket) -> bytes:
    """The first byte, left where it is; b"" when the client has hung up."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            readable: asyncio.Future[None] = loop.create_future()
            loop.add_reader(connection, _wake, readable)
            try:
                await readable
            finally:
                loop.remove_reader(connection)


def _wake(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
