"""What a server sends: one frozen dataclass a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from typing import ClassVar, TypeVar

from dbguard.errors import ProtocolViolation
from dbguard.wire.authentication import (
    Authentication,
    AuthenticationCleartextPassword,
    AuthenticationMD5Password,
    AuthenticationOk,
    AuthenticationOther,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    decode_authentication,
    without_plus,
)
from dbguard.wire.errorfields import ErrorFields, decode_fields
from dbguard.wire.framing import Frame, pack
from dbguard.wire.reader import Reader, count16, cstring
from dbguard.wire.tags import Backend

__all__ = [
    "Authentication",
    "AuthenticationCleartextPassword",
    "AuthenticationMD5Password",
    "AuthenticationOk",
    "AuthenticationOther",
    "AuthenticationSASL",
    "AuthenticationSASLContinue",
    "AuthenticationSASLFinal",
    "BackendKeyData",
    "BackendMessage",
    "BindComplete",
    "CloseComplete",
    "CommandComplete",
    "CopyBothResponse",
    "CopyData",
    "CopyDone",
    "CopyInResponse",
    "CopyOutResponse",
    "DataRow",
    "EmptyQueryResponse",
    "ErrorResponse",
    "Field",
    "FunctionCallResponse",
    "NegotiateProtocolVersion",
    "NoData",
    "NoticeResponse",
    "NotificationResponse",
    "ParameterDescription",
    "ParameterStatus",
    "ParseComplete",
    "PortalSuspended",
    "ReadyForQuery",
    "RowDescription",
    "decode",
    "without_plus",
]

_UINT32 = Struct("!I")
_INT32 = Struct("!i")
_FIELD = Struct("!IhIhiH")
_COPY = Struct("!BH")
_STATUSES = (b"I", b"T", b"E")


@dataclass(frozen=True, slots=True)
class BackendKeyData:
    """What a CancelRequest has to name."""

    process_id: int
    secret: bytes = field(repr=False)
    """4 bytes in protocol 3.0, up to 256 in 3.2."""

    def encode(self) -> bytes:
        return pack(Backend.BACKEND_KEY_DATA, _UINT32.pack(self.process_id) + self.secret)


@dataclass(frozen=True, slots=True)
class ParameterStatus:
    name: str
    value: str
    """Bytes that are not UTF-8 are kept by surrogateescape."""

    def encode(self) -> bytes:
        name, value = (
            cstring(text.encode("utf-8", "surrogateescape")) for text in (self.name, self.value)
        )
        return pack(Backend.PARAMETER_STATUS, name + value)


@dataclass(frozen=True, slots=True)
class ReadyForQuery:
    status: bytes
    """b"I" idle, b"T" in a transaction, b"E" in a failed one."""

    def encode(self) -> bytes:
        return pack(Backend.READY_FOR_QUERY, self.status)


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a RowDescription."""

    name: bytes
    table_oid: int
    """0 when the column is not plainly one of a table."""
    column_number: int
    type_oid: int
    type_size: int
    """Bytes; negative: variable width."""
    type_modifier: int
    format: int
    """0 text, 1 binary; always 0 in the answer to Describe of a statement."""


@dataclass(frozen=True, slots=True)
class RowDescription:
    fields: tuple[Field, ...]

    def encode(self) -> bytes:
        parts = [count16(len(self.fields))]
        for f in self.fields:
            numbers = _FIELD.pack(
                f.table_oid, f.column_number, f.type_oid, f.type_size, f.type_modifier, f.format
            )
            parts.append(cstring(f.name) + numbers)
        return pack(Backend.ROW_DESCRIPTION, b"".join(parts))


@dataclass(frozen=True, slots=True)
class DataRow:
    """One row. The relay never makes these (see `framing.RowRun`)."""

    values: tuple[bytes | None, ...] = field(repr=False)
    """None: NULL."""

    def encode(self) -> bytes:
        values = b"".join(
            b"\xff\xff\xff\xff" if value is None else _INT32.pack(len(value)) + value
            for value in self.values
        )
        return pack(Backend.DATA_ROW, count16(len(self.values)) + values)


@dataclass(frozen=True, slots=True)
class CopyData:
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        return pack(Backend.COPY_DATA, self.data)


@dataclass(frozen=True, slots=True)
class ParameterDescription:
    oids: tuple[int, ...]

    def encode(self) -> bytes:
        types = b"".join(map(_UINT32.pack, self.oids))
        return pack(Backend.PARAMETER_DESCRIPTION, count16(len(self.oids)) + types)


@dataclass(frozen=True, slots=True)
class CommandComplete:
    tag: bytes

    def encode(self) -> bytes:
        return pack(Backend.COMMAND_COMPLETE, cstring(self.tag))


@dataclass(frozen=True, slots=True)
class _CopyResponse:
    TAG: ClassVar[int]

    format: int
    """0 text, 1 binary, over all."""
    column_formats: tuple[int, ...]

    def encode(self) -> bytes:
        head = _COPY.pack(self.format, len(self.column_formats))
        return pack(self.TAG, head + b"".join(map(count16, self.column_formats)))


@dataclass(frozen=True, slots=True)
class CopyInResponse(_CopyResponse):
    TAG = Backend.COPY_IN_RESPONSE


@dataclass(frozen=True, slots=True)
class CopyOutResponse(_CopyResponse):
    TAG = Backend.COPY_OUT_RESPONSE


@dataclass(frozen=True, slots=True)
class CopyBothResponse(_CopyResponse):
    TAG = Backend.COPY_BOTH_RESPONSE


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    fields: ErrorFields

    def encode(self) -> bytes:
        return self.fields.encode_error()


@dataclass(frozen=True, slots=True)
class NoticeResponse:
    fields: ErrorFields

    def encode(self) -> bytes:
        return self.fields.encode_notice()


@dataclass(frozen=True, slots=True)
class NotificationResponse:
    process_id: int
    channel: bytes
    payload: bytes = field(repr=False)

    def encode(self) -> bytes:
        body = _UINT32.pack(self.process_id) + cstring(self.channel) + cstring(self.payload)
        return pack(Backend.NOTIFICATION_RESPONSE, body)


@dataclass(frozen=True, slots=True)
class NegotiateProtocolVersion:
    newest: int
    """The newest version the server speaks, as it sends it."""
    options: tuple[bytes, ...]
    """`_pq_.` options of the startup packet that the server does not know."""

    def encode(self) -> bytes:
        head = _UINT32.pack(self.newest) + _UINT32.pack(len(self.options))
        return pack(Backend.NEGOTIATE_PROTOCOL_VERSION, head + b"".join(map(cstring, self.options)))


@dataclass(frozen=True, slots=True)
class FunctionCallResponse:
    value: bytes | None = field(repr=False)
    """None: NULL."""

    def encode(self) -> bytes:
        if self.value is None:
            return pack(Backend.FUNCTION_CALL_RESPONSE, _INT32.pack(-1))
        return pack(Backend.FUNCTION_CALL_RESPONSE, _INT32.pack(len(self.value)) + self.value)


@dataclass(frozen=True, slots=True)
class _Empty:
    TAG: ClassVar[int]

    def encode(self) -> bytes:
        return pack(self.TAG)


@dataclass(frozen=True, slots=True)
class EmptyQueryResponse(_Empty):
    TAG = Backend.EMPTY_QUERY_RESPONSE


@dataclass(frozen=True, slots=True)
class ParseComplete(_Empty):
    TAG = Backend.PARSE_COMPLETE


@dataclass(frozen=True, slots=True)
class BindComplete(_Empty):
    TAG = Backend.BIND_COMPLETE


@dataclass(frozen=True, slots=True)
class CloseComplete(_Empty):
    TAG = Backend.CLOSE_COMPLETE


@dataclass(frozen=True, slots=True)
class NoData(_Empty):
    TAG = Backend.NO_DATA


@dataclass(frozen=True, slots=True)
class PortalSuspended(_Empty):
    TAG = Backend.PORTAL_SUSPENDED


@dataclass(frozen=True, slots=True)
class CopyDone(_Empty):
    TAG = Backend.COPY_DONE


BackendMessage = (
    Authentication
    | BackendKeyData
    | ParameterStatus
    | ReadyForQuery
    | RowDescription
    | DataRow
    | CopyData
    | ParameterDescription
    | CommandComplete
    | CopyInResponse
    | CopyOutResponse
    | CopyBothResponse
    | ErrorResponse
    | NoticeResponse
    | NotificationResponse
    | NegotiateProtocolVersion
    | FunctionCallResponse
    | EmptyQueryResponse
    | ParseComplete
    | BindComplete
    | CloseComplete
    | NoData
    | PortalSuspended
    | CopyDone
)

_Copy = TypeVar("_Copy", CopyInResponse, CopyOutResponse, CopyBothResponse)
_Bare = TypeVar(
    "_Bare",
    EmptyQueryResponse,
    ParseComplete,
    BindComplete,
    CloseComplete,
    NoData,
    PortalSuspended,
    CopyDone,
)


def _key_data(payload: bytes) -> BackendKeyData:
    reader = Reader(payload, "BackendKeyData")
    process_id, secret = reader.uint32(), reader.rest()
    if not 4 <= len(secret) <= 256:
        raise reader.violation("The cancel secret has a wrong length.")
    return BackendKeyData(process_id, secret)


def _parameter_status(payload: bytes) -> ParameterStatus:
    reader = Reader(payload, "ParameterStatus")
    name, value = (reader.string().decode("utf-8", "surrogateescape") for _ in range(2))
    reader.end()
    return ParameterStatus(name, value)


def _ready_for_query(payload: bytes) -> ReadyForQuery:
    if payload not in _STATUSES:
        raise ProtocolViolation("malformed ReadyForQuery message")
    return ReadyForQuery(payload)


def _row_description(payload: bytes) -> RowDescription:
    reader = Reader(payload, "RowDescription")
    fields = tuple(
        Field(reader.string(), *_FIELD.unpack(reader.take(_FIELD.size)))
        for _ in range(reader.uint16())
    )
    reader.end()
    return RowDescription(fields)


def _data_row(payload: bytes) -> DataRow:
    reader = Reader(payload, "DataRow")
    values = tuple(reader.value() for _ in range(reader.uint16()))
    reader.end()
    return DataRow(values)


def _parameter_description(payload: bytes) -> ParameterDescription:
    reader = Reader(payload, "ParameterDescription")
    oids = reader.many("I", reader.uint16())
    reader.end()
    return ParameterDescription(oids)


def _command_complete(payload: bytes) -> CommandComplete:
    reader = Reader(payload, "CommandComplete")
    tag = reader.string()
    reader.end()
    return CommandComplete(tag)


def _notification(payload: bytes) -> NotificationResponse:
    reader = Reader(payload, "NotificationResponse")
    process_id, channel, text = reader.uint32(), reader.string(), reader.string()
    reader.end()
    return NotificationResponse(process_id, channel, text)


def _negotiate(payload: bytes) -> NegotiateProtocolVersion:
    reader = Reader(payload, "NegotiateProtocolVersion")
    newest, count = reader.uint32(), reader.uint32()
    if count > len(payload):
        raise reader.violation("The message is too short.")
    options = tuple(reader.string() for _ in range(count))
    reader.end()
    return NegotiateProtocolVersion(newest, options)


def _function_result(payload: bytes) -> FunctionCallResponse:
    reader = Reader(payload, "FunctionCallResponse")
    value = reader.value()
    reader.end()
    return FunctionCallResponse(value)


def _copy(kind: type[_Copy]) -> Callable[[bytes], _Copy]:
    def decode_copy(payload: bytes) -> _Copy:
        reader = Reader(payload, kind.__name__)
        overall, count = _COPY.unpack(reader.take(_COPY.size))
        formats = reader.many("H", count)
        reader.end()
        return kind(overall, formats)

    return decode_copy


def _empty(kind: type[_Bare]) -> Callable[[bytes], _Bare]:
    only = kind()

    def decode_empty(payload: bytes) -> _Bare:
        if payload:
            raise Reader(payload, kind.__name__).violation("The message has no fields.")
        return only

    return decode_empty


_DECODERS: dict[int, Callable[[bytes], BackendMessage]] = {
    Backend.AUTHENTICATION: decode_authentication,
    Backend.BACKEND_KEY_DATA: _key_data,
    Backend.PARAMETER_STATUS: _parameter_status,
    Backend.READY_FOR_QUERY: _ready_for_query,
    Backend.ROW_DESCRIPTION: _row_description,
    Backend.DATA_ROW: _data_row,
    Backend.COPY_DATA: CopyData,
    Backend.PARAMETER_DESCRIPTION: _parameter_description,
    Backend.COMMAND_COMPLETE: _command_complete,
    Backend.COPY_IN_RESPONSE: _copy(CopyInResponse),
    Backend.COPY_OUT_RESPONSE: _copy(CopyOutResponse),
    Backend.COPY_BOTH_RESPONSE: _copy(CopyBothResponse),
    Backend.ERROR_RESPONSE: lambda payload: ErrorResponse(decode_fields(payload)),
    Backend.NOTICE_RESPONSE: lambda payload: NoticeResponse(
        decode_fields(payload, "NoticeResponse")
    ),
    Backend.NOTIFICATION_RESPONSE: _notification,
    Backend.NEGOTIATE_PROTOCOL_VERSION: _negotiate,
    Backend.FUNCTION_CALL_RESPONSE: _function_result,
    Backend.EMPTY_QUERY_RESPONSE: _empty(EmptyQueryResponse),
    Backend.PARSE_COMPLETE: _empty(ParseComplete),
    Backend.BIND_COMPLETE: _empty(BindComplete),
    Backend.CLOSE_COMPLETE: _empty(CloseComplete),
    Backend.NO_DATA: _empty(NoData),
    Backend.PORTAL_SUSPENDED: _empty(PortalSuspended),
    Backend.COPY_DONE: _empty(CopyDone),
}


def decode(frame: Frame) -> BackendMessage:
    """A server's frame as a message; raises ProtocolViolation when it is not one."""
    decoder = _DECODERS.get(frame.tag)
    if decoder is None:
        raise ProtocolViolation(f"invalid backend message type {frame.tag}")
    return decoder(frame.payload)
