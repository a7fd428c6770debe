"""What a record's line looks like.

    {"v":1,"seq":N,"time":"…","prev":"…","kind":"…",…,"hash":"…"}

`hash` is the SHA-256 of all bytes before `,"hash":`, `prev` the `hash` of the line before.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Final, NamedTuple

import orjson

FIRST_PREV: Final = b"0" * 64
TRAILER: Final = 75
"""Bytes of `,"hash":"<64 digits>"}`; the line feed is not among them."""
TIME: Final = re.compile(
    rb"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}Z"
)
MARKING: Final = frozenset({"key", "clock", "prune", "recovery"})
"""Kinds that tell of the trail itself."""

_PREFIX = re.compile(
    rb'\{"v":1,"seq":([0-9]{1,19}),"time":"([^"\\]{1,40})","prev":"([0-9a-f]{64})","kind":"([a-z_]+)"'
)
_HASH_MEMBER = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_NUMBER = re.compile(r"[0-9]{1,19}")


class Mark(NamedTuple):
    """A record that tells of the trail itself."""

    sequence: int
    kind: str
    fields: dict[str, str]
    file: str = ""
    """Of the segment it stands in; filled in when the segments are put together."""

    @property
    def gap(self) -> tuple[int, int] | None:
        """Sequence numbers that a RECOVERY record declares lost."""
        first, last = self.fields.get("gap_first", ""), self.fields.get("gap_last", "")
        if self.kind == "recovery" and _NUMBER.fullmatch(first) and _NUMBER.fullmatch(last):
            return int(first), int(last)
        return None


class Line(NamedTuple):
    """A line that is a record, though perhaps not the right one."""

    sequence: int
    time: bytes
    prev: bytes
    hash: bytes
    intact: bool
    """Its content fits its own hash."""
    mark: Mark | None


def own_hash(raw: bytes) -> bytes | None:
    """The `hash` member, whatever stands before it."""
    match = _HASH_MEMBER.fullmatch(raw, max(0, len(raw) - TRAILER))
    return match[1] if match else None


def read_line(raw: bytes) -> Line | None:
    """A line without its line feed, by its prefix and a parser; None when it is no record."""
    prefix = _PREFIX.match(raw)
    own = own_hash(raw)
    if prefix is None or own is None:
        return None
    try:
        members = json.loads(raw, object_pairs_hook=_once)
        orjson.loads(raw)
    except (ValueError, RecursionError):
        return None
    sequence, kind = int(prefix[1]), prefix[4].decode()
    mark = None
    if kind in MARKING:
        fields = members.get("fields")
        if not isinstance(fields, dict):
            return None
        mark = Mark(sequence, kind, {str(key): str(value) for key, value in fields.items()})
    intact = sha256(raw[:-TRAILER]).hexdigest().encode() == own
    return Line(sequence, prefix[2], prefix[3], own, intact, mark)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands there twice")
    return members


def missing(first: int, last: int) -> str:
    return "is missing" if first == last else f"and all up to {last} are missing"
