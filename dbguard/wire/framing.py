"""Bytes to frames: the splitters, their limits, and nothing about what a message means."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct

from dbguard.errors import ProtocolViolation
from dbguard.wire.tags import Backend, Frontend, values_of

_HEADER = Struct("!BI")
_LENGTH = Struct("!I")
HEADER_BYTES = _HEADER.size
"""Of a tagged message: type and length."""

MAX_PROTOCOL_MESSAGE = 0x3FFFFFFE
"""PQ_LARGE_MESSAGE_LIMIT (MaxAllocSize - 1): PostgreSQL takes no longer message itself."""

SPECIAL_STARTUP_MAJOR = 1234
"""Upper half of the code in SSLRequest, GSSENCRequest and CancelRequest."""


def pack(tag: int, payload: bytes = b"") -> bytes:
    """One tagged message as bytes."""
    return _HEADER.pack(tag, len(payload) + 4) + payload


@dataclass(frozen=True, slots=True)
class Frame:
    """One tagged message, not looked into."""

    tag: int
    payload: bytes = field(repr=False)

    @property
    def raw(self) -> bytes:
        """The message as it goes over the wire."""
        return _HEADER.pack(self.tag, len(self.payload) + 4) + self.payload


@dataclass(frozen=True, slots=True)
class Opening(Frame):
    """The beginning of a Bind too large to be held: `payload` ends behind the two names, and
    `length` bytes follow it in `Rest`s."""

    length: int

    @property
    def raw(self) -> bytes:
        """The message up to where the rest begins."""
        whole = len(self.payload) + self.length
        return _HEADER.pack(self.tag, whole + 4) + self.payload


@dataclass(frozen=True, slots=True)
class Rest:
    """More of the message that an `Opening` began."""

    data: bytes = field(repr=False)
    last: bool


@dataclass(frozen=True, slots=True)
class StartupPacket:
    """One untagged packet from the start of a connection; `payload` begins with its code."""

    payload: bytes = field(repr=False)

    @property
    def raw(self) -> bytes:
        return _LENGTH.pack(len(self.payload) + 4) + self.payload


@dataclass(frozen=True, slots=True)
class RowRun:
    """Neighbouring DataRow or CopyData messages, as they came.

    `data` holds complete messages with their headers, `count` how many. When `partial` is set,
    `data` is a piece of one message larger than the splitter's `row_piece`: `count` is 1 in its
    last piece and 0 before, so that counts add up.
    """

    tag: int
    data: bytes = field(repr=False)
    count: int
    partial: bool = False


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """Caps on the length word (payload + 4, in bytes) of what a client may send."""

    max_startup: int = 10_000
    """MAX_STARTUP_PACKET_LENGTH: nobody is authenticated yet, memory must not be had for free."""
    max_password: int = 65_535
    """PG_MAX_AUTH_TOKEN_LENGTH: the same reason; covers SCRAM, GSSAPI and SSPI tokens."""
    max_query: int = 64 << 20
    """Query and Parse: statement text has to be analysed, and is held whole. Drivers that write
    values into their texts have tests with 50 MiB (psycopg2's test_flush_on_write)."""
    max_bind: int = MAX_PROTOCOL_MESSAGE
    """Bind: values may be as large as PostgreSQL's; what is longer than `max_held` streams."""
    max_function_call: int = MAX_PROTOCOL_MESSAGE
    """FunctionCall: held whole; large objects come in pieces that the client chooses."""
    max_copy_data: int = MAX_PROTOCOL_MESSAGE
    """CopyData: clients choose the chunk; PostgreSQL's own limit."""
    max_held: int = 1 << 20
    """Bind and CopyData beyond this many bytes are passed on in pieces, so that values of hundreds
    of megabytes cost no memory. No client has names (of portals, statements) half as long."""
    max_small: int = 10_000
    """PQ_SMALL_MESSAGE_LIMIT: Sync, Flush, Terminate, Close, Describe, Execute, CopyDone and
    CopyFail hold at most a name or a reason."""

    @functools.lru_cache(maxsize=8)  # noqa: B019 - all connections have the same
    def by_tag(self) -> Mapping[int, int]:
        """Cap for each message type; types that are absent do not exist."""
        caps = dict.fromkeys(values_of(Frontend), self.max_small)
        caps[Frontend.PASSWORD] = self.max_password
        caps[Frontend.QUERY] = caps[Frontend.PARSE] = self.max_query
        caps[Frontend.BIND] = self.max_bind
        caps[Frontend.FUNCTION_CALL] = self.max_function_call
        caps[Frontend.COPY_DATA] = self.max_copy_data
        return caps


@dataclass(frozen=True, slots=True)
class BackendLimits:
    """Caps on the length word of what the server may send."""

    max_row: int = 0x7FFFFFFF
    """DataRow and CopyData stream through in pieces, so the protocol's own Int32 is the cap."""
    max_message: int = 256 << 20
    """Everything else is held whole; the longest honest one is an error that quotes a statement
    (64 MiB, see FrameLimits.max_query) in its context more than once."""
    max_function_result: int = MAX_PROTOCOL_MESSAGE
    """FunctionCallResponse: libpq's lo_read hands back what the caller asked for."""

    @functools.lru_cache(maxsize=8)  # noqa: B019 - all connections have the same
    def by_tag(self) -> Mapping[int, int]:
        """Cap for each message type; types that are absent do not exist."""
        caps = dict.fromkeys(values_of(Backend), self.max_message)
        caps[Backend.DATA_ROW] = caps[Backend.COPY_DATA] = self.max_row
        caps[Backend.FUNCTION_CALL_RESPONSE] = self.max_function_result
        return caps


class _Window:
    """Received bytes that were not taken yet.

    A chunk that arrives when nothing is left over is used in place; a message that spans chunks
    collects in one bytearray (amortised growth, no copy a chunk).
    """

    __slots__ = ("_data", "_position", "_remaining")

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._position = 0
        self._remaining = 0
        """Bytes to come of a message whose beginning was taken."""

    def feed(self, data: bytes) -> None:
        """Add bytes as they came from the socket."""
        held = self._data
        if self._position == len(held):
            self._data = bytes(data)
        elif isinstance(held, bytearray):
            del held[: self._position]
            held += data
        else:
            with memoryview(held) as view:
                joined = bytearray(view[self._position :])
            joined += data
            self._data = joined
        self._position = 0

    @property
    def between_messages(self) -> bool:
        """Nothing was received that was not taken, and what was taken is whole."""
        return self._position == len(self._data) and not self._remaining

    @property
    def pending(self) -> bytes:
        """Bytes received and not taken yet."""
        return bytes(self._data[self._position :])

    def _take(self, start: int, end: int) -> bytes:
        """Bytes `start` to `end` of the window; everything before `end` is done with."""
        self._position = end
        held = self._data
        if end == len(held):  # an idle connection holds nothing
            self._data, self._position = b"", 0
        if isinstance(held, bytes):
            return held[start:end]
        with memoryview(held) as view:
            return bytes(view[start:end])


def _too_long(tag: int, length: int, cap: int) -> ProtocolViolation:
    return ProtocolViolation(
        f'message of type "{chr(tag)}" has an impossible or too large length',
        detail=f"Length is {length} bytes; at least 4 and at most {cap} are accepted.",
    )


def _unknown(tag: int, side: str) -> ProtocolViolation:
    return ProtocolViolation(f"invalid {side} message type {tag}")


class InvalidStartupLength(ProtocolViolation):
    """The first bytes are no startup packet: what sent them need not speak this protocol."""


class FrontendSplitter(_Window):
    """A client's bytes: startup packets first, then frames.

    Starts in startup mode; the first packet that is not one of the special requests (its code's
    upper half is not 1234) is the StartupMessage and ends it. Once a ProtocolViolation was
    raised the stream has no known boundaries: the connection has to be closed.

    A large Bind comes as an `Opening` and `Rest`s, a large CopyData as several: where one ends
    means nothing in the protocol.
    """

    __slots__ = ("_caps", "_copying", "_every_cap", "_limits", "_starting")

    def __init__(self, limits: FrameLimits | None = None) -> None:
        super().__init__()
        self._limits = limits or FrameLimits()
        self._every_cap = self._limits.by_tag()
        self._caps = self._every_cap
        self._starting = True
        self._copying = False

    @property
    def starting(self) -> bool:
        """No StartupMessage was taken yet."""
        return self._starting

    def accept_only(self, *tags: int) -> None:
        """Let only these message types through (none given: all again).

        During authentication only the password family is legal; saying so here keeps a
        stranger from making the splitter collect a 1 GiB Bind.
        """
        self._caps = {tag: self._every_cap[tag] for tag in tags} if tags else self._every_cap

    def next_startup(self) -> StartupPacket | None:
        """The next untagged packet, or None until it is complete."""
        if not self._starting:
            raise RuntimeError("startup is over: use next()")
        start = self._position
        available = len(self._data) - start
        if available < 4:
            return None
        (length,) = _LENGTH.unpack_from(self._data, start)
        if not 8 <= length <= self._limits.max_startup:
            raise InvalidStartupLength(
                "invalid length of startup packet",
                detail=f"At least 8 and at most {self._limits.max_startup} bytes are accepted.",
            )
        if available < length:
            return None
        payload = self._take(start + 4, start + length)
        self._starting = int.from_bytes(payload[:2], "big") == SPECIAL_STARTUP_MAJOR
        return StartupPacket(payload)

    def next(self) -> Frame | Rest | None:
        """The next tagged message, or None until it is complete."""
        if self._starting:
            raise RuntimeError("no StartupMessage yet: use next_startup()")
        data = self._data
        if self._remaining:
            return self._rest()
        start = self._position
        available = len(data) - start
        if available < 5:
            # A wrong type byte needs no length to be wrong.
            if available and data[start] not in self._caps:
                raise _unknown(data[start], "frontend")
            return None
        tag, length = _HEADER.unpack_from(data, start)
        cap = self._caps.get(tag)
        if cap is None:
            raise _unknown(tag, "frontend")
        if not 4 <= length <= cap:
            raise _too_long(tag, length, cap)
        if length > self._limits.max_held and tag in _STREAMED:
            return self._open(tag, length, start + 5)
        if available <= length:
            return None
        return Frame(tag, self._take(start + 5, start + 1 + length))

    def _open(self, tag: int, length: int, start: int) -> Frame | Rest | None:
        if tag == Frontend.COPY_DATA:
            self._copying = True
            self._remaining = length - 4
            self._position = start
            return self._rest()
        portal = self._data.find(0, start)
        end = self._data.find(0, portal + 1) + 1 if portal >= 0 else 0
        if not end or end - start >= length - 4:
            if len(self._data) - start > self._limits.max_held:
                raise _too_long(tag, length, self._limits.max_held)
            return None
        self._copying = False
        self._remaining = length - 4 - (end - start)
        return Opening(tag, self._take(start, end), self._remaining)

    def _rest(self) -> Frame | Rest | None:
        start = self._position
        size = min(self._remaining, len(self._data) - start, self._limits.max_held)
        if not size:
            return None
        self._remaining -= size
        piece = self._take(start, start + size)
        if self._copying:
            return Frame(Frontend.COPY_DATA, piece)
        return Rest(piece, last=not self._remaining)


_STREAMED = frozenset({Frontend.BIND, Frontend.COPY_DATA})


class BackendSplitter(_Window):
    """A server's bytes: frames, and runs of DataRow or CopyData.

    The one byte that answers SSLRequest is not a message; it is read before bytes come here.
    """

    __slots__ = ("_caps", "_piece_tag", "_row_cap", "_row_piece")

    def __init__(self, limits: BackendLimits | None = None, *, row_piece: int = 1 << 16) -> None:
        """`row_piece`: a row message larger than this many bytes is passed on in pieces."""
        super().__init__()
        limits = limits or BackendLimits()
        self._caps = limits.by_tag()
        self._row_cap = limits.max_row
        self._row_piece = row_piece
        self._piece_tag = 0

    def next(self) -> Frame | RowRun | None:
        """The next message or run, or None until more bytes come."""
        data = self._data
        start = self._position
        end = len(data)
        if self._remaining:
            return self._piece(start, end)
        if end - start < 5:
            return None
        tag, length = _HEADER.unpack_from(data, start)
        if tag == Backend.DATA_ROW or tag == Backend.COPY_DATA:
            return self._run(tag, start, end)
        cap = self._caps.get(tag)
        if cap is None:
            raise _unknown(tag, "backend")
        if not 4 <= length <= cap:
            raise _too_long(tag, length, cap)
        if end - start <= length:
            return None
        return Frame(tag, self._take(start + 5, start + 1 + length))

    def _run(self, tag: int, start: int, end: int) -> RowRun | None:
        data = self._data
        header = _HEADER.unpack_from
        cap = self._row_cap
        at = start
        count = 0
        last = end - 5
        length = 0
        while at <= last:
            found, length = header(data, at)
            if found != tag:
                break
            if length < 4 or length > cap:
                # What is whole goes out first; the violation is raised by the next call.
                if count:
                    break
                raise _too_long(tag, length, cap)
            after = at + 1 + length
            if after > end:
                break
            at = after
            count += 1
        if count:
            return RowRun(tag, self._take(start, at), count)
        if length < self._row_piece:
            return None
        self._piece_tag = tag
        self._remaining = length + 1
        return self._piece(start, end)

    def _piece(self, start: int, end: int) -> RowRun | None:
        size = min(self._remaining, end - start)
        if size == 0:
            return None
        self._remaining -= size
        piece = self._take(start, start + size)
        return RowRun(self._piece_tag, piece, 0 if self._remaining else 1, partial=True)
