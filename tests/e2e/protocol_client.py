"""A client that sends what a test tells it to, frame by frame."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct
from collections.abc import Iterator

from dbguard.wire import backend, frontend
from dbguard.wire.framing import BackendSplitter, Frame, RowRun
from dbguard.wire.startup import PROTOCOL_3_0, StartupMessage
from dbguard.wire.tags import Backend


def startup(user: str, database: str, protocol: int = PROTOCOL_3_0, **more: str) -> bytes:
    pairs = (("user", user), ("database", database), *more.items())
    return StartupMessage(protocol, pairs).encode()


def values(*texts: str | None) -> bytes:
    """Bind's rest: parameters in text format, results in text format."""
    parts = [struct.pack("!HH", 0, len(texts))]
    for text in texts:
        raw = None if text is None else text.encode()
        parts.append(struct.pack("!i", -1) if raw is None else struct.pack("!i", len(raw)) + raw)
    return b"".join(parts) + struct.pack("!H", 0)


def messages_of(item: Frame | RowRun) -> Iterator[bytes]:
    if isinstance(item, Frame):
        yield item.raw
        return
    assert not item.partial
    at = 0
    while at < len(item.data):
        length = int.from_bytes(item.data[at + 1 : at + 5], "big")
        yield item.data[at : at + 1 + length]
        at += 1 + length


class Client:
    """One connection; `messages` are those not taken yet, as raw bytes."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", timeout: float = 20) -> None:
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._splitter = BackendSplitter(row_piece=1 << 30)
        self._waiting: list[bytes] = []
        self.key: backend.BackendKeyData | None = None
        self.received: list[bytes] = []
        """What `until_ready` has so far."""

    def send(self, *messages: bytes | frontend.FrontendMessage) -> None:
        self.socket.sendall(b"".join(m if isinstance(m, bytes) else m.encode() for m in messages))

    def message(self) -> bytes:
        """The next message; b"" at the end of the stream."""
        while not self._waiting:
            item = self._splitter.next()
            if item is not None:
                self._waiting.extend(messages_of(item))
                continue
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionError:
                return b""
            if not data:
                return b""
            self._splitter.feed(data)
        return self._waiting.pop(0)

    def until_ready(self, times: int = 1) -> list[bytes]:
        """Messages up to and including that many ReadyForQuery, or up to the end."""
        found: list[bytes] = []
        self.received = found
        while times:
            message = self.message()
            if not message:
                break
            found.append(message)
            times -= message[0] == Backend.READY_FOR_QUERY
        return found

    def log_in(self, user: str, database: str, password: str = "demo", **more: str) -> list[bytes]:
        self.send(startup(user, database, **more))
        return self.authenticate(password)

    def authenticate(self, password: str) -> list[bytes]:
        """Answer what is asked; everything up to ReadyForQuery or the end."""
        found: list[bytes] = []
        first = ""
        while message := self.message():
            found.append(message)
            if message[0] == Backend.READY_FOR_QUERY:
                break
            match backend.decode(Frame(message[0], message[5:])):
                case backend.AuthenticationSASL():
                    first = "n=,r=" + secrets.token_urlsafe(18)
                    body = b"SCRAM-SHA-256\0" + struct.pack("!i", len(first) + 3)
                    self.send(frontend.PasswordMessage(body + b"n,," + first.encode()))
                case backend.AuthenticationSASLContinue(data):
                    final = _final(first, data.decode(), password)
                    self.send(frontend.PasswordMessage(final.encode()))
                case backend.BackendKeyData() as key:
                    self.key = key
        return found

    def query(self, text: str) -> list[bytes]:
        self.send(frontend.Query(text.encode()))
        return self.until_ready()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _final(first: str, challenge: str, password: str) -> str:
    parts = dict(item.split("=", 1) for item in challenge.split(","))
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"])
    )
    without_proof = f"c=biws,r={parts['r']}"
    signed = f"{first},{challenge},{without_proof}".encode()
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return f"{without_proof},p={base64.b64encode(proof).decode()}"


def tags(messages: list[bytes]) -> str:
    """The message types in short."""
    return "".join(chr(m[0]) for m in messages)


def error_of(messages: list[bytes]) -> tuple[str, str]:
    """SQLSTATE and message of the first ErrorResponse."""
    for message in messages:
        if message[0] == Backend.ERROR_RESPONSE:
            decoded = backend.decode(Frame(message[0], message[5:]))
            assert isinstance(decoded, backend.ErrorResponse)
            return decoded.fields.sqlstate, decoded.fields.message
    raise AssertionError(f"no error in {tags(messages)}")


def rows(messages: list[bytes]) -> list[tuple[bytes | None, ...]]:
    """Values of all DataRow messages."""
    found = []
    for message in messages:
        if message[0] == Backend.DATA_ROW:
            decoded = backend.decode(Frame(message[0], message[5:]))
            assert isinstance(decoded, backend.DataRow)
            found.append(decoded.values)
    return found
