"""The untagged packets that open a connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from dbguard.errors import ProtocolViolation
from dbguard.wire.framing import SPECIAL_STARTUP_MAJOR, StartupPacket
from dbguard.wire.reader import Reader, cstring

PROTOCOL_3_0 = 3 << 16
CANCEL_REQUEST_CODE = SPECIAL_STARTUP_MAJOR << 16 | 5678
SSL_REQUEST_CODE = SPECIAL_STARTUP_MAJOR << 16 | 5679
GSSENC_REQUEST_CODE = SPECIAL_STARTUP_MAJOR << 16 | 5680

_MIN_SECRET, _MAX_SECRET = 4, 256
"""Bytes of a cancel secret: 4 in protocol 3.0, up to 256 in 3.2."""

_FALSE = frozenset(
    word[:end] for word in ("false", "no") for end in range(1, len(word) + 1)
) | frozenset({"of", "off", "0"})
"""What PostgreSQL's parse_bool takes for false (unique prefixes, any case)."""

_CODE = Struct("!I")
_CODE_AND_ID = Struct("!II")


def _packet(payload: bytes) -> bytes:
    return StartupPacket(payload).raw


@dataclass(frozen=True, slots=True)
class StartupMessage:
    """Who wants which database, with which run-time parameters."""

    protocol: int
    """Major version in the upper 16 bits, minor in the lower."""
    parameters: tuple[tuple[str, str], ...]
    """In the client's order; bytes that are not UTF-8 are kept by surrogateescape."""

    @property
    def major(self) -> int:
        return self.protocol >> 16

    @property
    def minor(self) -> int:
        return self.protocol & 0xFFFF

    def get(self, name: str, default: str = "") -> str:
        """Value of a parameter. Names are case-sensitive, as in PostgreSQL's startup."""
        return next((value for key, value in self.parameters if key == name), default)

    @property
    def user(self) -> str:
        return self.get("user")

    @property
    def database(self) -> str:
        """Defaults to the user name, as does an empty one."""
        return self.get("database") or self.user

    @property
    def replication(self) -> bool:
        """The client asks for a WAL sender. Whatever PostgreSQL would not read as false counts."""
        value = self.get("replication", "false")
        return value.lower() not in _FALSE

    def encode(self) -> bytes:
        body = b"".join(
            cstring(text.encode("utf-8", "surrogateescape"))
            for pair in self.parameters
            for text in pair
        )
        return _packet(_CODE.pack(self.protocol) + body + b"\0")


@dataclass(frozen=True, slots=True)
class SSLRequest:
    def encode(self) -> bytes:
        return _packet(_CODE.pack(SSL_REQUEST_CODE))


@dataclass(frozen=True, slots=True)
class GSSENCRequest:
    def encode(self) -> bytes:
        return _packet(_CODE.pack(GSSENC_REQUEST_CODE))


@dataclass(frozen=True, slots=True)
class CancelRequest:
    process_id: int
    secret: bytes = field(repr=False)

    def encode(self) -> bytes:
        return _packet(_CODE_AND_ID.pack(CANCEL_REQUEST_CODE, self.process_id) + self.secret)


class UnsupportedProtocol(ProtocolViolation):
    """A protocol version that is not spoken: ProcessStartupPacket's code for it."""

    sqlstate = "0A000"


class NoUserName(ProtocolViolation):
    """A StartupMessage without a user: ProcessStartupPacket's code for it."""

    sqlstate = "28000"


Startup = StartupMessage | SSLRequest | GSSENCRequest | CancelRequest


def decode_startup(payload: bytes) -> Startup:
    """A startup packet's payload (without its length word) as a message.

    Raises ProtocolViolation for what is malformed, a missing user, a parameter given twice (two
    readers could pick different ones), and protocols other than 3.x.
    """
    reader = Reader(payload, "startup")
    code = reader.uint32()
    if code in (SSL_REQUEST_CODE, GSSENC_REQUEST_CODE):
        reader.end()
        return SSLRequest() if code == SSL_REQUEST_CODE else GSSENCRequest()
    if code == CANCEL_REQUEST_CODE:
        process_id, secret = reader.uint32(), reader.rest()
        if not _MIN_SECRET <= len(secret) <= _MAX_SECRET:
            raise reader.violation("The cancel secret has a wrong length.")
        return CancelRequest(process_id, secret)
    if code >> 16 != PROTOCOL_3_0 >> 16:
        raise UnsupportedProtocol(
            f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}",
            detail="Protocol 3.0 is supported.",
        )
    return StartupMessage(code, _parameters(reader))


def _parameters(reader: Reader) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    while name := reader.string():
        key = name.decode("utf-8", "surrogateescape")
        if key in pairs:
            raise reader.violation("A startup parameter is given twice.")
        pairs[key] = reader.string().decode("utf-8", "surrogateescape")
    reader.end()
    if not pairs.get("user"):
        raise NoUserName("no PostgreSQL user name specified in startup packet")
    return tuple(pairs.items())
