"""The fields of ErrorResponse and NoticeResponse."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbguard.errors import DbguardError, sqlstate_of
from dbguard.wire.framing import pack
from dbguard.wire.reader import Reader, cstring
from dbguard.wire.tags import Backend

_LETTERS = {
    "severity": "S",
    "severity_nonlocalized": "V",
    "sqlstate": "C",
    "message": "M",
    "detail": "D",
    "hint": "H",
    "position": "P",
    "internal_position": "p",
    "internal_query": "q",
    "where": "W",
    "schema": "s",
    "table": "t",
    "column": "c",
    "datatype": "d",
    "constraint": "n",
    "file": "F",
    "line": "L",
    "routine": "R",
}
"""Field names to their protocol letters, in the order in which PostgreSQL sends them."""

_ORDER = {letter: rank for rank, letter in enumerate(_LETTERS.values())}

MAX_FIELDS = 64
"""PostgreSQL sends at most 18; unknown ones are to be kept, but not without end."""


@dataclass(frozen=True, slots=True)
class ErrorFields:
    """Ordered (letter, value) pairs. Absent fields read as "" (position: None).

    `repr` shows severity and SQLSTATE only: the other fields may hold values of the database.
    """

    pairs: tuple[tuple[str, bytes], ...] = field(repr=False)

    def __repr__(self) -> str:
        return f"ErrorFields({self.severity} {self.sqlstate})"

    def get(self, letter: str) -> str:
        """A field by its letter; bytes that are not UTF-8 are kept by surrogateescape."""
        for code, value in self.pairs:
            if code == letter:
                return value.decode("utf-8", "surrogateescape")
        return ""

    @property
    def severity(self) -> str:
        """ERROR, FATAL, PANIC, WARNING, NOTICE, DEBUG, INFO or LOG, never translated when the
        server is 9.6 or later."""
        return self.get("V") or self.get("S")

    @property
    def sqlstate(self) -> str:
        return self.get("C")

    @property
    def message(self) -> str:
        return self.get("M")

    @property
    def detail(self) -> str:
        return self.get("D")

    @property
    def hint(self) -> str:
        return self.get("H")

    @property
    def position(self) -> int | None:
        """1-based, in characters, in the text that the server was sent."""
        text = self.get("P")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None

    @property
    def where(self) -> str:
        return self.get("W")

    @property
    def internal_query(self) -> str:
        return self.get("q")

    @property
    def schema(self) -> str:
        return self.get("s")

    @property
    def table(self) -> str:
        return self.get("t")

    @property
    def column(self) -> str:
        return self.get("c")

    @property
    def datatype(self) -> str:
        return self.get("d")

    @property
    def constraint(self) -> str:
        return self.get("n")

    @property
    def routine(self) -> str:
        return self.get("R")

    def without(self, *letters: str) -> ErrorFields:
        """The same without these fields."""
        return ErrorFields(tuple(pair for pair in self.pairs if pair[0] not in letters))

    def with_fields(self, **values: str | bytes | int | None) -> ErrorFields:
        """The same with fields set by name (`message`, `detail`, …); None or "" removes one.

        `severity` sets the localized and the plain one.
        """
        if "severity" in values:
            values = {"severity_nonlocalized": values["severity"], **values}
        new = {_LETTERS[name]: _as_bytes(value) for name, value in values.items()}
        pairs = [pair for pair in self.pairs if pair[0] not in new]
        pairs += [(code, value) for code, value in new.items() if value or code == "M"]
        pairs.sort(key=lambda pair: _ORDER.get(pair[0], len(_ORDER)))
        return ErrorFields(tuple(pairs))

    def _payload(self) -> bytes:
        return b"".join(_letter(code) + cstring(value) for code, value in self.pairs) + b"\0"

    def encode_error(self) -> bytes:
        """An ErrorResponse."""
        return pack(Backend.ERROR_RESPONSE, self._payload())

    def encode_notice(self) -> bytes:
        """A NoticeResponse."""
        return pack(Backend.NOTICE_RESPONSE, self._payload())


def _letter(code: str) -> bytes:
    if len(code) != 1 or not code.isascii() or code == "\0":
        raise ValueError("an error field's code is one ASCII character")
    return code.encode("ascii")


def _as_bytes(value: str | bytes | int | None) -> bytes:
    if value is None:
        return b""
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    return raw.replace(b"\0", b"")


def decode_fields(payload: bytes, message: str = "ErrorResponse") -> ErrorFields:
    """The payload of an ErrorResponse or NoticeResponse."""
    reader = Reader(payload, message)
    pairs: list[tuple[str, bytes]] = []
    while (code := reader.take(1)) != b"\0":
        if len(pairs) == MAX_FIELDS or not code.isascii():
            raise reader.violation("It has too many fields or one with an invalid code.")
        pairs.append((code.decode("ascii"), reader.string()))
    reader.end()
    return ErrorFields(tuple(pairs))


def from_error(error: DbguardError, severity: str = "ERROR") -> ErrorFields:
    """dbguard's own error as the fields to send: severity, SQLSTATE, message, detail, hint,
    position, as far as they are set."""
    return ErrorFields(()).with_fields(
        severity=severity,
        sqlstate=sqlstate_of(error),
        message=error.message,
        detail=error.detail,
        hint=error.hint,
        position=error.position,
    )
