"""What is shipped: batches of lines as they stand in the trail, and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import orjson

from dbguard.audit.chain import GENESIS


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain among all."""

    trail: str
    """The first 16 hex digits of its first record's hash, as its checkpoints name it."""
    writer: str
    """Empty for the chain at the top of a trail."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a chain was shipped."""

    sequence: int = 0
    hash: str = GENESIS.decode()
    segment: int = 0
    """Number of the segment to read on in; 0: none was read yet."""
    offset: int = 0
    """Bytes of it (uncompressed) that were shipped."""


@dataclass(frozen=True, slots=True)
class CheckpointPosition:
    """How far a chain's checkpoints were shipped."""

    size: int = 0
    """Tree size of the last one."""
    offset: int = 0
    """Bytes of checkpoints.jsonl that were shipped."""


@dataclass(frozen=True)
class Record:
    """A line of the trail."""

    sequence: int
    time: str
    """UTC, as it stands in the line."""
    hash: str
    line: bytes
    """With its line feed."""

    @cached_property
    def members(self) -> dict[str, object]:
        return dict(orjson.loads(self.line))

    @property
    def kind(self) -> str:
        return str(self.members.get("kind", ""))

    @property
    def decision(self) -> str:
        """The verdict of a decision record; an outcome's member of that name is a number."""
        return str(self.members.get("decision", "")) if self.kind == "decision" else ""

    @property
    def moment(self) -> datetime:
        return moment(self.time)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A line of checkpoints.jsonl."""

    size: int
    sequence: int
    """The last record that it covers."""
    root: str
    time: str
    line: bytes


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records that follow one another in one segment."""

    chain: Chain
    segment: int
    offset: int
    """Where the first one begins (bytes, uncompressed)."""
    records: tuple[Record, ...]
    after: Position

    @property
    def data(self) -> bytes:
        return b"".join(record.line for record in self.records)

    def part(self, start: int, end: int) -> RecordBatch:
        """The records from `start` to before `end`, counted from 0."""
        chosen = self.records[start:end]
        before = sum(len(record.line) for record in self.records[:start])
        size = sum(len(record.line) for record in chosen)
        offset = self.offset + before
        after = Position(chosen[-1].sequence, chosen[-1].hash, self.after.segment, offset + size)
        return RecordBatch(self.chain, self.segment, offset, chosen, after)


@dataclass(frozen=True, slots=True)
class CheckpointBatch:
    """Checkpoints that follow one another."""

    chain: Chain
    checkpoints: tuple[Checkpoint, ...]
    after: CheckpointPosition


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that the destination does not get."""

    chain: Chain
    first: int
    last: int
    reason: str
    """`retention`: removed as its age allows. `missing`: nobody recorded why. `rejected`: the
    destination would not take it."""
    time: str
    after: Position

    @property
    def line(self) -> bytes:
        """The gap as one line of JSON."""
        return orjson.dumps(
            {
                "v": 1,
                "kind": "gap",
                "trail": self.chain.trail,
                "writer": self.chain.writer,
                "first": self.first,
                "last": self.last,
                "reason": self.reason,
                "time": self.time,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


def moment(text: str) -> datetime:
    """A time as records hold it."""
    return datetime.fromisoformat(text).astimezone(UTC)


def now_text() -> str:
    """The time in the form of records."""
    return datetime.now(UTC).isoformat(timespec="microseconds")[:26] + "Z"
