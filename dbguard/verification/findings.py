"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass


class NoTrail(Exception):
    """There is no audit trail in the directory."""


class UnusableInput(Exception):
    """A key, a copy of checkpoints or a proof that cannot be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written."""

    sequence: int
    """The record concerned, or the first of those missing; 0 where no record is known."""
    file: str
    """Relative to the trail's directory; of copies of checkpoints the absolute path."""
    line: int
    """1-based; 0 when the finding is about the file as a whole."""
    problem: str
    writer: str = ""
    """Whose chain; empty for the one at the top of the trail."""

    @property
    def record(self) -> str:
        """The record's name in the whole trail."""
        return record_name(self.writer, self.sequence)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: record {self.record}: {self.problem}"


def record_name(writer: str, sequence: int) -> str:
    return f"{writer}:{sequence}" if writer else str(sequence)


@dataclass(frozen=True, slots=True)
class ChainVerification:
    """What was found of one chain, besides the findings."""

    writer: str
    records: int
    segments: int
    first_time: str
    last_time: str
    last_sequence: int
    last_hash: str
    """Worth keeping elsewhere: it pins every record up to here."""
    pruned_through: int
    """Sequence number of the last record that was removed when its time was over; 0 for none."""
    checkpoints: int
    """How many fit the records, those of the chain's own file and copies."""
    signed_through: int
    """The last record that is covered by a checkpoint whose signature was checked."""
    signed_at: str
    """When that checkpoint was signed."""
    signed_by: str
    """Name of its key."""


@dataclass(frozen=True, slots=True)
class Verification:
    chains: tuple[ChainVerification, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    unchecked: tuple[str, ...]
    """What could not be checked with what was given."""

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def records(self) -> int:
        return sum(chain.records for chain in self.chains)

    @property
    def segments(self) -> int:
        return sum(chain.segments for chain in self.chains)

    @property
    def first_time(self) -> str:
        return min((chain.first_time for chain in self.chains if chain.first_time), default="")

    @property
    def last_time(self) -> str:
        return max((chain.last_time for chain in self.chains), default="")

    @property
    def last_sequence(self) -> int:
        """Of the chain at the top of the trail, or of the first one."""
        return self.chains[0].last_sequence if self.chains else 0

    @property
    def last_hash(self) -> str:
        return self.chains[0].last_hash if self.chains else ""
