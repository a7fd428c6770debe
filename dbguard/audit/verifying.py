"""Is the trail what was written? Read by code that shares nothing with the writer.

Every line is checked against its own hash, its place (sequence number, `prev`), and the end of
the trail against the head file. A finding is evidence of tampering or of a disk that lost data;
a note is what an ordinary crash or a running writer leaves behind.

What no check of the directory alone can find: a trail deleted as a whole, or rewritten from some
record on by somebody who recomputes all hashes and the head file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import orjson

_FIRST_PREV = "0" * 64
_TRAILER = 76
"""Bytes of `,"hash":"<64 digits>"}` and the line feed."""
_HASH_MEMBER = re.compile(rb',"hash":"([0-9a-f]{64})"}\n')
_NUMBER = re.compile(r"[0-9]{1,19}")
_HEX = re.compile(r"[0-9a-f]{64}")
_HEAD_ATTEMPTS = 5


class NoTrail(Exception):
    """There is no audit trail in the directory."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written."""

    sequence: int
    """The record concerned, or the first of those missing."""
    file: str
    line: int
    """1-based; 0 when the finding is about the file as a whole."""
    problem: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: record {self.sequence}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Verification:
    records: int
    segments: int
    first_time: str
    last_time: str
    last_sequence: int
    last_hash: str
    """Worth keeping elsewhere: it pins every record up to here."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True)
class _Head:
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is a record, though perhaps not the right one."""

    sequence: int
    time: str
    prev: str
    hash: str
    gap: tuple[int, int] | None
    """Sequence numbers that this RECOVERY record declares lost."""


class _Walk:
    """The state of one pass over the trail."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.records = 0
        self.first_time = ""
        self.last_time = ""
        self.sequence = 0
        self.hash: str | None = _FIRST_PREV
        """What the next `prev` must be; None behind a line that says nothing about it."""
        self.file = ""
        self.line = 0
        self.head: _Head | None = None
        self.head_seen = False

    def report(self, sequence: int, problem: str) -> None:
        self.findings.append(Finding(sequence, self.file, self.line, problem))

    def take(self, raw: bytes) -> None:
        expected = self.sequence + 1
        trailer = _HASH_MEMBER.fullmatch(raw, max(0, len(raw) - _TRAILER))
        own = trailer[1].decode() if trailer else None
        line = _parse(raw) if trailer else None
        if line is None or sha256(raw[:-_TRAILER]).hexdigest() != own:
            what = "was changed: it does not match its hash" if line else "is not readable"
            self.report(expected, what)
            if self.head and expected == self.head.sequence:
                self.head_seen = True  # one finding is enough
            self.sequence = expected
            self.hash = own
            return
        self.records += 1
        self.first_time = self.first_time or line.time
        self.last_time = line.time
        self._place(line, expected)
        if self.head and line.sequence == self.head.sequence:
            self.head_seen = True
            if line.hash != self.head.hash:
                self.report(line.sequence, "is not the record that the head file names")
        self.sequence = line.sequence
        self.hash = line.hash

    def _place(self, line: _Line, expected: int) -> None:
        if line.sequence < expected:
            self.report(line.sequence, "is out of order or there twice")
        elif line.sequence > expected and line.gap != (expected, line.sequence - 1):
            last = line.sequence - 1
            missing = "is missing" if last == expected else f"and all up to {last} are missing"
            self.report(expected, missing)
        elif self.hash is not None and line.prev != self.hash:
            self.report(line.sequence, "does not continue the record before it")


def verify(directory: Path) -> Verification:
    """Check the whole trail in `directory`; a writer may be running.

    Raises NoTrail, OSError.
    """
    walk = _Walk()
    # Before the segments: a running writer only ever gets further than this head.
    head = _read_head(directory / "head")
    segments = _segments(directory)
    if head is None and not segments:
        raise NoTrail(f"{directory}: there is no audit trail here")
    if isinstance(head, _Head):
        walk.head = head
        walk.head_seen = head.sequence == 0 and head.hash == _FIRST_PREV
    for index, (number, path) in enumerate(segments, 1):
        walk.file, walk.line = path.name, 0
        if number != index and (index == 1 or segments[index - 2][0] != number - 1):
            absent = segments[index - 2][0] + 1 if index > 1 else 1
            walk.file = f"audit-{absent:06d}.jsonl"
            walk.report(walk.sequence + 1, "the segment file is missing")
            walk.file = path.name
        for raw in _lines(path):
            walk.line += 1
            if raw.endswith(b"\n"):
                walk.take(raw)
            elif index == len(segments):
                walk.notes.append(
                    f"{path.name}:{walk.line}: {len(raw)} bytes of an unfinished record at the "
                    "end, as a crash leaves them; they are cut at the next start"
                )
            else:
                walk.report(walk.sequence + 1, "is cut off")
    _check_head(walk, head)
    return Verification(
        records=walk.records,
        segments=len(segments),
        first_time=walk.first_time,
        last_time=walk.last_time,
        last_sequence=walk.sequence,
        last_hash=walk.hash or "",
        findings=tuple(walk.findings),
        notes=tuple(walk.notes),
    )


def _check_head(walk: _Walk, head: _Head | str | None) -> None:
    if not isinstance(head, _Head):
        walk.file, walk.line = "head", 0
        walk.report(walk.sequence, head or "the head file is missing")
    elif head.sequence > walk.sequence:
        walk.line += 1
        last = head.sequence
        first = walk.sequence + 1
        walk.report(
            first,
            "is missing at the end of the trail"
            if first == last
            else f"and all up to {last} are missing at the end of the trail",
        )
    elif not walk.head_seen:
        walk.file, walk.line = "head", 0
        walk.report(head.sequence, "is named by the head file, but not in the trail")
    elif head.sequence < walk.sequence:
        walk.notes.append(
            f"{walk.sequence - head.sequence} records behind the one that the head file names: "
            "the writer is running, or did not stop in order"
        )


def _parse(raw: bytes) -> _Line | None:
    try:
        members = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(members, dict) or members.get("v") != 1:
        return None
    sequence, time = members.get("seq"), members.get("time")
    prev, own = members.get("prev"), members.get("hash")
    if (
        type(sequence) is not int
        or not isinstance(time, str)
        or not isinstance(prev, str)
        or not isinstance(own, str)
    ):
        return None
    gap = None
    fields = members.get("fields")
    if members.get("kind") == "recovery" and isinstance(fields, dict):
        first, last = str(fields.get("gap_first", "")), str(fields.get("gap_last", ""))
        if _NUMBER.fullmatch(first) and _NUMBER.fullmatch(last):
            gap = (int(first), int(last))
    return _Line(sequence, time, prev, own, gap)


def _read_head(path: Path) -> _Head | str | None:
    """The head; a sentence when it cannot be believed; None when there is none."""
    for _ in range(_HEAD_ATTEMPTS):  # a running writer may be overwriting it
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        head = _parse_head(data)
        if head is not None:
            return head
    return "the head file was changed: it does not match its checksum"


def _parse_head(data: bytes) -> _Head | None:
    covered, found, rest = data.partition(b',"checksum":"')
    if not found or len(data) != 256 or rest[64:] != b'"}' + b" " * (len(rest) - 67) + b"\n":
        return None
    if sha256(covered).hexdigest().encode() != rest[:64]:
        return None
    try:
        members = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    sequence, digest = members.get("seq"), members.get("hash")
    if type(sequence) is not int or not isinstance(digest, str) or not _HEX.fullmatch(digest):
        return None
    return _Head(sequence, digest)


def _segments(directory: Path) -> list[tuple[int, Path]]:
    return sorted(
        (int(path.name[len("audit-") : -len(".jsonl")]), path)
        for path in directory.iterdir()
        if re.fullmatch(r"audit-[0-9]{6,}\.jsonl", path.name)
    )


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
