"""What a server sends: frames to messages (`dbguard.wire.backend_messages`)."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TypeVar

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
from dbguard.wire.backend_messages import (
    BackendKeyData,
    BackendMessage,
    BindComplete,
    CloseComplete,
    CommandComplete,
    CopyBothResponse,
    CopyData,
    CopyDone,
    CopyInResponse,
    CopyOutResponse,
    DataRow,
    EmptyQueryResponse,
    ErrorResponse,
    Field,
    FunctionCallResponse,
    NegotiateProtocolVersion,
    NoData,
    NoticeResponse,
    NotificationResponse,
    ParameterDescription,
    ParameterStatus,
    ParseComplete,
    PortalSuspended,
    ReadyForQuery,
    RowDescription,
)
from dbguard.wire.errorfields import decode_fields
from dbguard.wire.framing import Frame
from dbguard.wire.reader import Reader
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

_FIELD = Struct("!IhIhiH")
_COPY = Struct("!BH")
_STATUSES = (b"I", b"T", b"E")

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
