"""What a client sends after startup: one frozen dataclass a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct

from dbguard.errors import ProtocolViolation
from dbguard.wire.framing import Frame, Opening, pack
from dbguard.wire.reader import Reader, count16, cstring
from dbguard.wire.tags import Frontend

_UINT32 = Struct("!I")
_INT32 = Struct("!i")
_NAMED_KINDS = (b"S", b"P")


@dataclass(frozen=True, slots=True)
class Query:
    """Simple query: one or more statements in one string."""

    text: bytes = field(repr=False)

    def encode(self) -> bytes:
        return pack(Frontend.QUERY, cstring(self.text))


@dataclass(frozen=True, slots=True)
class Parse:
    name: bytes
    query: bytes = field(repr=False)
    parameter_types: tuple[int, ...] = ()
    """Type OIDs; 0 leaves a parameter to the server."""

    def encode(self) -> bytes:
        types = b"".join(map(_UINT32.pack, self.parameter_types))
        count = count16(len(self.parameter_types))
        return pack(Frontend.PARSE, cstring(self.name) + cstring(self.query) + count + types)


@dataclass(frozen=True, slots=True)
class Bind:
    portal: bytes
    statement: bytes
    rest: bytes = field(repr=False)
    """Formats, values and result formats, checked in structure and forwarded as they came."""

    @property
    def parameter_count(self) -> int:
        reader = Reader(self.rest, "Bind")
        reader.many("H", reader.uint16())
        return reader.uint16()

    @property
    def result_formats(self) -> tuple[int, ...]:
        """Format codes of the result columns: none (all text), one for all, or one each."""
        reader = Reader(self.rest, "Bind")
        reader.many("H", reader.uint16())
        for _ in range(reader.uint16()):
            reader.skip_value()
        return reader.many("H", reader.uint16())

    def encode(self) -> bytes:
        return pack(Frontend.BIND, cstring(self.portal) + cstring(self.statement) + self.rest)


@dataclass(frozen=True, slots=True)
class Describe:
    kind: bytes
    """b"S" for a prepared statement, b"P" for a portal."""
    name: bytes

    def encode(self) -> bytes:
        return pack(Frontend.DESCRIBE, self.kind + cstring(self.name))


@dataclass(frozen=True, slots=True)
class Execute:
    portal: bytes
    max_rows: int
    """0 or less: all rows."""

    def encode(self) -> bytes:
        return pack(Frontend.EXECUTE, cstring(self.portal) + _INT32.pack(self.max_rows))


@dataclass(frozen=True, slots=True)
class Close:
    kind: bytes
    """b"S" for a prepared statement, b"P" for a portal."""
    name: bytes

    def encode(self) -> bytes:
        return pack(Frontend.CLOSE, self.kind + cstring(self.name))


@dataclass(frozen=True, slots=True)
class Sync:
    def encode(self) -> bytes:
        return pack(Frontend.SYNC)


@dataclass(frozen=True, slots=True)
class Flush:
    def encode(self) -> bytes:
        return pack(Frontend.FLUSH)


@dataclass(frozen=True, slots=True)
class Terminate:
    def encode(self) -> bytes:
        return pack(Frontend.TERMINATE)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    function_oid: int
    rest: bytes = field(repr=False)
    """Formats, arguments and result format, checked in structure and forwarded as they came."""

    def encode(self) -> bytes:
        return pack(Frontend.FUNCTION_CALL, _UINT32.pack(self.function_oid) + self.rest)


@dataclass(frozen=True, slots=True)
class CopyData:
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return pack(Frontend.COPY_DATA, self.data)


@dataclass(frozen=True, slots=True)
class CopyDone:
    def encode(self) -> bytes:
        return pack(Frontend.COPY_DONE)


@dataclass(frozen=True, slots=True)
class CopyFail:
    reason: bytes = field(repr=False)

    def encode(self) -> bytes:
        return pack(Frontend.COPY_FAIL, cstring(self.reason))


@dataclass(frozen=True, slots=True)
class PasswordMessage:
    """PasswordMessage, SASLInitialResponse, SASLResponse or GSSResponse: passed through whole."""

    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return pack(Frontend.PASSWORD, self.data)


FrontendMessage = (
    Query
    | Parse
    | Bind
    | Describe
    | Execute
    | Close
    | Sync
    | Flush
    | Terminate
    | FunctionCall
    | CopyData
    | CopyDone
    | CopyFail
    | PasswordMessage
)


def _query(payload: bytes) -> Query:
    reader = Reader(payload, "Query")
    text = reader.string()
    reader.end()
    return Query(text)


def _parse(payload: bytes) -> Parse:
    reader = Reader(payload, "Parse")
    name, query = reader.string(), reader.string()
    types = reader.many("I", reader.uint16())
    reader.end()
    return Parse(name, query, types)


def _formats_and_values(reader: Reader) -> None:
    formats = reader.uint16()
    reader.many("H", formats)
    values = reader.uint16()
    if formats not in (0, 1, values):
        raise reader.violation("The number of formats matches neither 0, 1 nor the values.")
    for _ in range(values):
        reader.skip_value()


def _bind(payload: bytes) -> Bind:
    reader = Reader(payload, "Bind")
    portal, statement = reader.string(), reader.string()
    start = reader.at
    _formats_and_values(reader)
    reader.many("H", reader.uint16())
    reader.end()
    return Bind(portal, statement, payload[start:])


def _function_call(payload: bytes) -> FunctionCall:
    reader = Reader(payload, "FunctionCall")
    oid = reader.uint32()
    _formats_and_values(reader)
    reader.uint16()
    reader.end()
    return FunctionCall(oid, payload[4:])


def _kind_and_name(payload: bytes, message: str) -> tuple[bytes, bytes]:
    reader = Reader(payload, message)
    kind, name = reader.take(1), reader.string()
    if kind not in _NAMED_KINDS:
        raise reader.violation('The kind is neither "S" nor "P".')
    reader.end()
    return kind, name


def _describe(payload: bytes) -> Describe:
    return Describe(*_kind_and_name(payload, "Describe"))


def _close(payload: bytes) -> Close:
    return Close(*_kind_and_name(payload, "Close"))


def _execute(payload: bytes) -> Execute:
    reader = Reader(payload, "Execute")
    portal, max_rows = reader.string(), reader.int32()
    reader.end()
    return Execute(portal, max_rows)


def _copy_fail(payload: bytes) -> CopyFail:
    reader = Reader(payload, "CopyFail")
    reason = reader.string()
    reader.end()
    return CopyFail(reason)


_EMPTY: dict[int, Sync | Flush | Terminate | CopyDone] = {
    Frontend.SYNC: Sync(),
    Frontend.FLUSH: Flush(),
    Frontend.TERMINATE: Terminate(),
    Frontend.COPY_DONE: CopyDone(),
}

_DECODERS: dict[int, Callable[[bytes], FrontendMessage]] = {
    Frontend.QUERY: _query,
    Frontend.PARSE: _parse,
    Frontend.BIND: _bind,
    Frontend.DESCRIBE: _describe,
    Frontend.EXECUTE: _execute,
    Frontend.CLOSE: _close,
    Frontend.FUNCTION_CALL: _function_call,
    Frontend.COPY_DATA: CopyData,
    Frontend.COPY_FAIL: _copy_fail,
    Frontend.PASSWORD: PasswordMessage,
}


def decode(frame: Frame) -> FrontendMessage:
    """A client's frame as a message; raises ProtocolViolation when it is not one.

    Of an `Opening` only the names are there: the structure of the rest is the server's to check.
    """
    if isinstance(frame, Opening):
        reader = Reader(frame.payload, "Bind")
        return Bind(reader.string(), reader.string(), b"")
    empty = _EMPTY.get(frame.tag)
    if empty is not None:
        if frame.payload:
            name = type(empty).__name__
            raise Reader(frame.payload, name).violation("The message has no fields.")
        return empty
    decoder = _DECODERS.get(frame.tag)
    if decoder is None:
        raise ProtocolViolation(f"invalid frontend message type {frame.tag}")
    return decoder(frame.payload)
