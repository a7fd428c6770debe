"""One TCP connection without waiting: a socket, plain or TLS, that what comes in is read from at
once, and that takes what it can of what goes out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

from .polling import READABLE, WRITABLE, Poll, poll_of

READ_BYTES: Final = 1 << 16
"""What is read at once. Whatever waits for a slow reader is held in pieces of this size."""
SHORT_READ: Final = 1 << 12
"""What is read at once as long as less comes than that."""
BUFFER_LIMIT: Final = 1 << 16
"""Unread bytes above which the peer is no longer read."""
WRITE_HIGH: Final = 1 << 16
"""Bytes held for the peer above which `Stream.drain` waits, ..."""
WRITE_LOW: Final = 1 << 14
"""... until it is down to these."""
DISCARDED_READS: Final = 16
"""How often what nobody wants is read before a connection is closed."""
RECORD_BYTES: Final = 1 << 14
"""The most that stands in one record of TLS (RFC 8446, section 5.1)."""


class Channel:
    """Reads whenever something comes, unless it is held back, and offers it to the `tap` first.

    Its socket belongs to it alone. On a `ProxyLoop` the poll calls it, on any
    other loop asyncio does.
    """

    def __init__(self, connection: socket.socket, peer: str) -> None:
        self.peer = peer
        """Address of the other side, without the port; `local` on a Unix socket."""
        connection.setblocking(False)
        self._socket = connection
        self._tls: ssl.SSLSocket | None = None
        self._descriptor = connection.fileno()
        """-1 when it is closed."""
        self._loop = asyncio.get_running_loop()
        self._poll: Poll | None = poll_of(self._loop)
        self._watching = 0
        """The events that are told."""
        self._most = SHORT_READ
        self._unread = b""
        self._tap: Callable[[bytes], bool] | None = None
        self._unsent: bytearray | None = None
        self._read: asyncio.Future[None] | None = None
        """Who waits for something to read."""
        self._told: Callable[[], None] | None = None
        """Called when nobody waits for it."""
        self._drained: asyncio.Future[None] | None = None
        """Set while much is held for the peer: who waits until it is less."""
        self._handshake: asyncio.Future[None] | None = None
        """Who waits until the socket can go on with a handshake."""
        self._ended = False
        """Nothing more comes, or is wanted."""
        self._broken = False
        """Nothing more can be sent, or is to be."""
        self._failure: Exception | None = None
        """What the connection was lost for."""
        self._paused = False
        """It is not read at present."""
        self._left = 0
        self._taken = time.monotonic()

    # -- what the socket tells ----------------------------------------------------

    def happened(self, events: int) -> None:
        """The socket can be read from or written to, or has ended."""
        if self._handshake is not None:
            if not self._handshake.done():
                self._handshake.set_result(None)
            return
        try:
            if events & WRITABLE:
                self._flush()
            if not events & ~WRITABLE:
                return
            if not (self._paused or self._ended):
                self._fill()
            elif events & ~(READABLE | WRITABLE):  # told until it is forgotten
                self._break_off(ConnectionResetError("the connection ended"))
        except Exception as error:
            self.lose(error)  # a defect: the loop says so
            raise

    def watch(self) -> None:
        """Be told of what is waited for, and of nothing else: what has ended would be told for
        ever."""
        wanted = 0 if self._paused or self._ended else READABLE
        self.be_told(wanted if self._unsent is None else wanted | WRITABLE)

    def be_told(self, wanted: int) -> None:
        """Be told of these events only."""
        before = self._watching
        if wanted == before or self._descriptor < 0:
            return
        self._watching = wanted
        if self._poll is not None:
            self._poll.watch(self._descriptor, self, wanted, before)
            return
        if (wanted ^ before) & READABLE:
            if wanted & READABLE:
                self._loop.add_reader(self._descriptor, self.happened, READABLE)
            else:
                self._loop.remove_reader(self._descriptor)
        if (wanted ^ before) & WRITABLE:
            if wanted & WRITABLE:
                self._loop.add_writer(self._descriptor, self.happened, WRITABLE)
            else:
                self._loop.remove_writer(self._descriptor)

    # -- reading --------------------------------------------------------------------

    def _fill(self) -> None:
        try:
            data = os.read(self._descriptor, self._most) if self._tls is None else self._decrypted()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self.lose(error)
            return
        size = len(data)
        if not size:
            self._end()
            return
        self._most = READ_BYTES if size >= SHORT_READ else SHORT_READ
        if self._tap is not None and not self._unread and self._tap(data):
            return
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        """Have it wait for whoever reads."""
        if self._ended:
            return
        self._unread = self._unread + data if self._unread else data
        if len(self._unread) > BUFFER_LIMIT:
            self._hold_back()
        self._wake()

    def _decrypted(self) -> bytes:
        """What has come in by TLS. Nothing of it may be left to OpenSSL, of which no poll tells."""
        assert self._tls is not None
        data = piece = self._tls.recv(READ_BYTES)
        while (len(piece) >= RECORD_BYTES and len(data) < READ_BYTES) or self._tls.pending():
            try:
                piece = self._tls.recv(READ_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not piece:
                break  # it is told again
            data += piece
        return data

    def _end(self) -> None:
        """The peer sends no more, and may still read."""
        self._ended = True
        self.watch()
        self._wake()

    def _wake(self) -> None:
        if self._read is None:
            if self._told is not None:
                self._told()
        elif not self._read.done():
            self._read.set_result(None)

    def _hold_back(self) -> None:
        if not self._paused:
            self._paused = True
            self.watch()

    def _let_come(self) -> None:
        if self._paused and len(self._unread) <= BUFFER_LIMIT:
            self._paused = False
            self.watch()

    # -- writing --------------------------------------------------------------------

    @property
    def holds(self) -> int:
        """Bytes that the peer has not taken yet."""
        return 0 if self._unsent is None else len(self._unsent)

    @property
    def is_full(self) -> bool:
        """More is held for the peer than it has taken lately: `drain` waits."""
        return self.holds > WRITE_LOW

    @property
    def last_taken(self) -> float:
        """When the peer was last seen to take something of what is held for it (monotonic
        seconds). Only looking tells, so this has to be asked now and then."""
        left = self.holds
        if left != self._left:
            self._left, self._taken = left, time.monotonic()
        return self._taken

    def write(self, data: bytes) -> None:
        """Send it, now as far as that is possible."""
        if self._broken:
            return
        if self._unsent is None:
            sent = self._sent(data)
            if sent < 0 or sent == len(data):
                return
            self._unsent = bytearray(data[sent:] if sent else data)
            self.watch()
        else:
            self._unsent += data
        if self._drained is None and len(self._unsent) > WRITE_HIGH:
            self._drained = self._loop.create_future()

    def _sent(self, data: bytes | bytearray) -> int:
        """Send what the socket takes; returns how much that was, -1 when it is broken."""
        try:
            if self._tls is None:
                return os.write(self._descriptor, data)
            return self._encrypted(self._tls, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._break_off(error)
            return -1

    def _encrypted(self, tls: ssl.SSLSocket, data: bytes | bytearray) -> int:
        sent = 0
        with memoryview(data) as whole:
            while sent < len(data):
                try:
                    sent += tls.send(whole[sent:])
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    break
        return sent

    def _flush(self) -> None:
        unsent = self._unsent
        if unsent is None or self._broken:
            return
        sent = self._sent(unsent)
        if sent < 0:
            return
        if sent == len(unsent):
            self._unsent = None
            self.watch()
        else:
            del unsent[:sent]
        if self._drained is not None and self.holds <= WRITE_LOW:
            self._let_go()

    def _let_go(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _break_off(self, error: Exception) -> None:
        """The peer takes nothing any more; what it has said before is read nevertheless."""
        self._broken, self._unsent = True, None
        if self._ended:
            self.lose(error)
            return
        if self._failure is None:
            self._failure = error
        self.watch()
        self._let_go()

    # -- the end ----------------------------------------------------------------------

    def _discard(self) -> None:
        """Take what has come in and nobody wants: a socket that is closed with unread bytes resets
        the connection, and the peer may lose what it was told last."""
        with contextlib.suppress(OSError):
            for _ in range(DISCARDED_READS):
                if not os.read(self._descriptor, READ_BYTES):
                    return

    def lose(self, error: Exception | None) -> None:
        """The connection is over, or has to be."""
        if self._descriptor < 0:
            return
        self.be_told(0)
        self._discard()
        self._descriptor = -1
        self._socket.close()
        self._ended = self._broken = True
        self._unsent = None
        if self._failure is None:
            self._failure = error
        self._wake()
        self._let_go()
        if self._handshake is not None and not self._handshake.done():
            self._handshake.set_result(None)
