"""The messages of a server, one frozen dataclass each. `dbguard.wire.backend` decodes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import ClassVar

from dbguard.wire.authentication import Authentication
from dbguard.wire.errorfields import ErrorFields
from dbguard.wire.framing import pack
from dbguard.wire.reader import count16, cstring
from dbguard.wire.tags import Backend

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
