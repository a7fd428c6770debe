"""Reading a payload field by field; every short or overlong read is a ProtocolViolation."""

from __future__ import annotations

from struct import Struct, error

from dbguard.errors import ProtocolViolation

_INT16 = Struct("!h")
_UINT16 = Struct("!H")
_INT32 = Struct("!i")
_UINT32 = Struct("!I")


def cstring(value: bytes) -> bytes:
    """`value` as the protocol's String. NUL inside would change where it ends."""
    if 0 in value:
        raise ValueError("a protocol string cannot hold a NUL byte")
    return value + b"\0"


def count16(number: int) -> bytes:
    """A 16-bit count. 65535 is the most that the protocol can say."""
    if not 0 <= number <= 0xFFFF:
        raise ValueError("a protocol count must fit 16 bits")
    return _UINT16.pack(number)


class Reader:
    """A cursor over one message's payload. `message` names it in errors."""

    __slots__ = ("_at", "_message", "_payload")

    def __init__(self, payload: bytes, message: str) -> None:
        self._payload = payload
        self._message = message
        self._at = 0

    def violation(self, what: str) -> ProtocolViolation:
        return ProtocolViolation(f"malformed {self._message} message", detail=what)

    def string(self) -> bytes:
        """A NUL-terminated String, without its NUL."""
        end = self._payload.find(b"\0", self._at)
        if end < 0:
            raise self.violation("A string has no terminator.")
        value = self._payload[self._at : end]
        self._at = end + 1
        return value

    def _number(self, layout: Struct) -> int:
        try:
            (value,) = layout.unpack_from(self._payload, self._at)
        except error:
            raise self.violation("The message is too short.") from None
        self._at += layout.size
        return int(value)

    def int16(self) -> int:
        return self._number(_INT16)

    def uint16(self) -> int:
        return self._number(_UINT16)

    def int32(self) -> int:
        return self._number(_INT32)

    def uint32(self) -> int:
        return self._number(_UINT32)

    def many(self, layout: str, count: int) -> tuple[int, ...]:
        """`count` numbers of one struct letter (`h`, `H`, `i`, `I`)."""
        size = count * (2 if layout in "hH" else 4)
        return Struct(f"!{count}{layout}").unpack(self.take(size)) if count else ()

    def take(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._payload):
            raise self.violation("The message is too short.")
        value = self._payload[self._at : end]
        self._at = end
        return value

    def skip_value(self) -> None:
        """Pass over a length-prefixed value (-1: NULL)."""
        size = self.int32()
        if size == -1:
            return
        if size < 0 or self._at + size > len(self._payload):
            raise self.violation("A value's length does not fit the message.")
        self._at += size

    def value(self) -> bytes | None:
        """A length-prefixed value, None for NULL."""
        size = self.int32()
        if size == -1:
            return None
        if size < 0:
            raise self.violation("A value's length does not fit the message.")
        return self.take(size)

    def rest(self) -> bytes:
        value = self._payload[self._at :]
        self._at = len(self._payload)
        return value

    @property
    def at(self) -> int:
        return self._at

    @property
    def exhausted(self) -> bool:
        return self._at == len(self._payload)

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._payload):
            raise self.violation("Bytes follow the last field.")
