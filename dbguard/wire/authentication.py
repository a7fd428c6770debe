"""The Authentication family: one message type, told apart by a code."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from dbguard.wire.framing import pack
from dbguard.wire.reader import Reader, cstring
from dbguard.wire.tags import Backend

_CODE = Struct("!I")

SCRAM_SHA_256_PLUS = "SCRAM-SHA-256-PLUS"
MAX_MECHANISMS = 64
"""PostgreSQL offers two or three."""


def _authentication(code: int, data: bytes = b"") -> bytes:
    return pack(Backend.AUTHENTICATION, _CODE.pack(code) + data)


@dataclass(frozen=True, slots=True)
class AuthenticationOk:
    def encode(self) -> bytes:
        return _authentication(0)


@dataclass(frozen=True, slots=True)
class AuthenticationCleartextPassword:
    def encode(self) -> bytes:
        return _authentication(3)


@dataclass(frozen=True, slots=True)
class AuthenticationMD5Password:
    salt: bytes = field(repr=False)
    """Four bytes."""

    def encode(self) -> bytes:
        return _authentication(5, self.salt)


@dataclass(frozen=True, slots=True)
class AuthenticationSASL:
    mechanisms: tuple[str, ...]

    def encode(self) -> bytes:
        names = b"".join(cstring(name.encode("ascii")) for name in self.mechanisms)
        return _authentication(10, names + b"\0")


@dataclass(frozen=True, slots=True)
class AuthenticationSASLContinue:
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return _authentication(11, self.data)


@dataclass(frozen=True, slots=True)
class AuthenticationSASLFinal:
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return _authentication(12, self.data)


@dataclass(frozen=True, slots=True)
class AuthenticationOther:
    """GSS, SSPI, Kerberos and whatever comes: known by code only."""

    code: int
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return _authentication(self.code, self.data)


Authentication = (
    AuthenticationOk
    | AuthenticationCleartextPassword
    | AuthenticationMD5Password
    | AuthenticationSASL
    | AuthenticationSASLContinue
    | AuthenticationSASLFinal
    | AuthenticationOther
)


def without_plus(sasl: AuthenticationSASL) -> AuthenticationSASL:
    """The same offer without SCRAM-SHA-256-PLUS: channel binding names the server's certificate,
    which is not the one that a client of dbguard sees."""
    return AuthenticationSASL(tuple(n for n in sasl.mechanisms if n != SCRAM_SHA_256_PLUS))


def sasl_initial_response(mechanism: str, data: bytes) -> bytes:
    """The payload of a SASLInitialResponse."""
    return cstring(mechanism.encode("ascii")) + _CODE.pack(len(data)) + data


def split_sasl_initial_response(payload: bytes) -> tuple[str, bytes]:
    """Mechanism and data of a SASLInitialResponse.

    Raises:
        ProtocolViolation: it is none; PostgreSQL lets a client leave the data out, no mechanism
            of dbguard's does.
    """
    reader = Reader(payload, "SASLInitialResponse")
    mechanism = reader.string()
    length = reader.uint32()
    data = reader.rest()
    if length != len(data) or not mechanism.isascii():
        raise reader.violation("Its data is not as long as it says.")
    return mechanism.decode("ascii"), data


def missed_channel_binding(payload: bytes) -> bool:
    """Whether a SASLInitialResponse says that its client could have bound the channel, had it been
    offered that: RFC 5802, section 7, gs2-cbind-flag `y`."""
    _, _, rest = payload.partition(b"\0")
    return rest[4:5] == b"y"


def decode_authentication(payload: bytes) -> Authentication:
    """The payload of an Authentication message."""
    reader = Reader(payload, "Authentication")
    code = reader.uint32()
    if code == 10:
        return AuthenticationSASL(_mechanisms(reader))
    if code == 11:
        return AuthenticationSASLContinue(reader.rest())
    if code == 12:
        return AuthenticationSASLFinal(reader.rest())
    if code == 5:
        salt = reader.take(4)
        reader.end()
        return AuthenticationMD5Password(salt)
    if code in (0, 3):
        reader.end()
        return AuthenticationOk() if code == 0 else AuthenticationCleartextPassword()
    return AuthenticationOther(code, reader.rest())


def _mechanisms(reader: Reader) -> tuple[str, ...]:
    names: list[str] = []
    while name := reader.string():
        if len(names) == MAX_MECHANISMS or not name.isascii():
            raise reader.violation("The list of SASL mechanisms is not valid.")
        names.append(name.decode("ascii"))
    reader.end()
    return tuple(names)
