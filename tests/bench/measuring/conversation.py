"""A client that does next to nothing: what it measures is the other side."""

from __future__ import annotations

import secrets
import socket
import struct
from types import TracebackType

from dbguard.wire import backend, frontend
from dbguard.wire.authentication import sasl_initial_response
from dbguard.wire.framing import Frame, pack
from dbguard.wire.scram import Keys, ScramClient, keys_of
from dbguard.wire.startup import PROTOCOL_3_0, StartupMessage
from dbguard.wire.tags import Backend, Frontend

from .rig import Broken

READY = b"Z\x00\x00\x00\x05"
"""ReadyForQuery up to its transaction status: the end of every answer here."""
BUFFER = 1 << 18


class RememberedKeys:
    """Keys of one password, derived once for each salt: thousands of logins are made."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._known: dict[tuple[bytes, int], Keys] = {}

    def keys(self, salt: bytes, iterations: int) -> Keys:
        wanted = (salt, iterations)
        if wanted not in self._known:
            self._known[wanted] = keys_of(self._password, salt, iterations)
        return self._known[wanted]


class Conversation:
    """One connection without TLS, logged in. Calls block."""

    def __init__(
        self, port: int, user: str, keys: RememberedKeys, database: str = "postgres"
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pairs = (("user", user), ("database", database))
        self.socket.sendall(StartupMessage(PROTOCOL_3_0, pairs).encode())
        self._log_in(ScramClient(keys, secrets.token_urlsafe(18)))

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def _log_in(self, exchange: ScramClient) -> None:
        while True:
            frame = self._message()
            if frame.tag == Backend.READY_FOR_QUERY:
                return
            match backend.decode(frame):
                case backend.AuthenticationSASL() as offered:
                    first = sasl_initial_response(*exchange.first(offered.mechanisms))
                    self.socket.sendall(pack(Frontend.PASSWORD, first))
                case backend.AuthenticationSASLContinue(data):
                    self.socket.sendall(pack(Frontend.PASSWORD, exchange.final(data)))
                case backend.ErrorResponse():
                    raise _refused(frame)

    def _message(self) -> Frame:
        head = self._exactly(5)
        (length,) = struct.unpack_from("!I", head, 1)
        return Frame(head[0], self._exactly(length - 4))

    def _exactly(self, size: int) -> bytes:
        data = self.socket.recv(size, socket.MSG_WAITALL) if size else b""
        if len(data) != size:
            raise ConnectionError("the other side has hung up")
        return data

    def ask(self, message: bytes) -> bytes:
        """Send something that ends with ReadyForQuery; the whole answer.

        Raises:
            Broken: it begins with an error.
        """
        self.socket.sendall(message)
        answer = self.socket.recv(BUFFER)
        while answer[-6:-1] != READY:
            more = self.socket.recv(BUFFER)
            if not more:
                raise ConnectionError("the other side has hung up")
            answer += more
        if answer[0] == Backend.ERROR_RESPONSE:
            raise _refused(Frame(answer[0], answer[5:]))
        return answer

    def read_through(self, message: bytes) -> int:
        """Like `ask`, but for large answers, which are not kept: how many rows it told of."""
        self.socket.sendall(message)
        buffer = memoryview(bytearray(BUFFER))
        tail = b""
        while tail[-6:-1] != READY:
            size = self.socket.recv_into(buffer)
            if not size:
                raise ConnectionError("the other side has hung up")
            tail = (tail + bytes(buffer[max(0, size - 64) : size]))[-64:]
        words = tail[:-6].rstrip(b"\0").rsplit(b" ", 1)
        if not words[-1].isdigit():
            raise Broken("the answer ended with an error, or without telling of rows")
        return int(words[-1])

    def prepare(self, name: str, text: str) -> None:
        """Make a prepared statement."""
        parse = frontend.Parse(name.encode(), text.encode(), ()).encode()
        self.ask(parse + frontend.Sync().encode())


def _refused(frame: Frame) -> Broken:
    message = backend.decode(frame)
    assert isinstance(message, backend.ErrorResponse)
    return Broken(f"{message.fields.sqlstate}: {message.fields.message}")


def query(text: str) -> bytes:
    """A Query message."""
    return frontend.Query(text.encode()).encode()


def execution(name: str, *values: str) -> bytes:
    """Bind, Describe, Execute and Sync of a prepared statement, as libpq sends them."""
    encoded = [value.encode() for value in values]
    bind = b"\0" + name.encode() + b"\0" + struct.pack("!HH", 0, len(encoded))
    bind += b"".join(struct.pack("!i", len(value)) + value for value in encoded)
    bind += struct.pack("!H", 0)
    return (
        pack(Frontend.BIND, bind)
        + pack(Frontend.DESCRIBE, b"P\0")
        + pack(Frontend.EXECUTE, b"\0" + struct.pack("!i", 0))
        + pack(Frontend.SYNC)
    )
