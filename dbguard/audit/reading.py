"""The records back from the trail, for reports and for people.

All chains of a trail together, in the order of time; sealed segments or plain ones. This reads
what stands there; whether it is what was written says `dbguard.verification`. A last line without
its line feed is not there yet.
"""

from __future__ import annotations

import heapq
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dbguard.audit.blocks import Block, blocks
from dbguard.audit.finding import Finder, first_sequence
from dbguard.audit.index import SegmentIndex
from dbguard.audit.lines import Place, decoded, place_of
from dbguard.audit.records import DecisionRecord, EventRecord, OutcomeRecord, Record, RecordKind
from dbguard.audit.terms import Term
from dbguard.audit.trails import Chain, Segment, chains, record_name, segments


@dataclass(frozen=True, slots=True)
class Stored:
    """A record with its place in the trail."""

    sequence: int
    time: datetime
    kind: RecordKind
    record: Record
    hash: str
    line: bytes
    """As it stands in the file, line feed included."""
    writer: str = ""
    """Whose chain it is in; empty for the one at the top of the trail."""

    @property
    def name(self) -> str:
        """`WRITER:SEQ`, plain `SEQ` in the top chain."""
        return record_name(self.writer, self.sequence)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records to give; empty members select everything."""

    since: datetime | None = None
    """This moment included."""
    until: datetime | None = None
    """This moment excluded."""
    kinds: frozenset[RecordKind] = frozenset()
    principal: str = ""
    """A database user: its decisions, their outcomes, and the events of its sessions."""
    after: int = 0
    """Only records with a higher sequence number, in each chain."""


def read(
    directory: Path, selection: Selection | None = None, *, index: bool = True
) -> Iterator[Stored]:
    """The selected records in the order they were written, those of several chains by time.

    Without `index`, every frame is read whatever the indexes say.
    Raises ConfigurationError naming file and line of what is not a record.
    """
    chosen = selection or Selection()
    found = [_ChainReading(chain, chosen, index=index).records() for chain in chains(directory)]
    return found[0] if len(found) == 1 else heapq.merge(*found, key=time_of)


def read_chain(directory: Path, writer: str, selection: Selection) -> Iterator[Stored]:
    """As `read`, of one writer's chain alone; nothing when there is no such chain.

    Whatever its indexes say: what depends on it may be what is removed (legal holds).
    """
    for chain in chains(directory):
        if chain.writer == writer:
            yield from _ChainReading(chain, selection, index=False).records()


def backward(directory: Path) -> Iterator[Stored]:
    """All records, newest first. Raises ConfigurationError as `read` does."""
    return heapq.merge(
        *(_backward(chain) for chain in chains(directory)), key=time_of, reverse=True
    )


def last(directory: Path, count: int) -> list[Stored]:
    """The last `count` records, oldest first; reads no more of the trail than it takes."""
    return list(itertools.islice(backward(directory), count))[::-1]


def find(directory: Path, writer: str, sequence: int) -> Stored | None:
    """The record of that name; None when there is none. Raises ConfigurationError."""
    for chain in chains(directory):
        if chain.writer == writer:
            place = Finder(chain).place(sequence)
            return None if place is None else store(chain, place, decoded(place))
    return None


def outcome_of(directory: Path, decision: Stored) -> Stored | None:
    """How the statement of a decision ended; None when nobody knows, or not yet.

    Raises ConfigurationError.
    """
    needle = b'"decision":%d,' % decision.sequence
    chosen = Selection(after=decision.sequence, kinds=frozenset({RecordKind.OUTCOME}))
    for chain in chains(directory):
        if chain.writer == decision.writer:
            for place in _ChainReading(chain, chosen, index=False).places(needle):
                if place.kind is RecordKind.OUTCOME:
                    record = decoded(place)
                    if isinstance(record, OutcomeRecord) and record.decision == decision.sequence:
                        return store(chain, place, record)
    return None


class Follower:
    """Gives records as they are written, from the end of the trail on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._chains = {chain.writer: _End.of(chain.folder) for chain in chains(directory)}

    def new(self) -> list[Stored]:
        """The records since the last call. Raises ConfigurationError as `read` does."""
        found: list[Stored] = []
        for chain in chains(self._directory):
            end = self._chains.setdefault(chain.writer, _End(0, 0))
            found += (store(chain, place, decoded(place)) for place in end.go_on(chain.folder))
        return sorted(found, key=time_of)  # stable: each chain keeps its order


@dataclass(slots=True)
class _End:
    """How far a chain was followed."""

    number: int
    """Of the segment; 0 before the first."""
    offset: int
    """Bytes of it."""

    @classmethod
    def of(cls, folder: Path) -> _End:
        for segment in reversed(segments(folder)):
            for block in blocks(segment, backward=True):
                end = block.data.rfind(b"\n") + 1
                if end:
                    return cls(segment.number, block.offset + end)
            return cls(segment.number, 0)
        return cls(0, 0)

    def go_on(self, folder: Path) -> Iterator[Place]:
        for segment in segments(folder):
            if segment.number < self.number:
                continue
            if segment.number > self.number:
                self.number, self.offset = segment.number, 0
            for block in blocks(segment, start=self.offset):
                complete = block.data.rfind(b"\n") + 1
                self.offset = block.offset + complete
                position = 0
                for line in io.BytesIO(block.data[:complete]):
                    yield place_of(block, position, line)
                    position += len(line)


class _ChainReading:
    """One pass over a chain, forward."""

    def __init__(self, chain: Chain, chosen: Selection, *, index: bool = True) -> None:
        self._chain = chain
        self._chosen = chosen
        self._index = index
        self._sessions: set[str] = set()
        """Sessions of the principal that was asked for."""

    def records(self) -> Iterator[Stored]:
        chosen = self._chosen
        for place in self.places():
            if chosen.principal:
                record = decoded(place)
                if self._concerns(record) and _wanted(place, chosen):
                    yield store(self._chain, place, record)
            elif _wanted(place, chosen):
                yield store(self._chain, place, decoded(place))

    def places(self, needle: bytes = b"") -> Iterator[Place]:
        """The lines of frames that may hold what is wanted; only those with `needle` in them."""
        found = segments(self._chain.folder)
        if self._chosen.after:
            found = found[_segment_behind(found, self._chosen.after) :]
        for segment in found:
            worth = self._of_principal if self._chosen.principal else self._frames
            for block in blocks(segment, worth if self._index else None):
                if needle in block.data:
                    yield from _lines(block, segment is found[-1], needle)

    def _frames(self, index: SegmentIndex) -> int:
        return frames_between(index, self._chosen) & kinds_in(index, self._chosen.kinds)

    def _of_principal(self, index: SegmentIndex) -> int:
        """The frames that name the principal or one of its sessions.

        Also those before the period: what its sessions are is learned from them.
        """
        principal = self._chosen.principal
        own = index.where(Term.USER, principal.__eq__) | index.where(
            Term.IDENTITY, principal.__eq__
        )
        sessions = index.values(Term.SESSION)
        if sessions is None:
            return index.all
        found = own
        for session, frames in sessions.items():
            if frames & own or session in self._sessions:
                found |= frames
        return found

    def _concerns(self, record: Record) -> bool:
        """Whether the record is about the principal; learns which sessions are."""
        principal, sessions = self._chosen.principal, self._sessions
        if isinstance(record, DecisionRecord):
            own = principal in (record.principal_user, record.identity and record.identity.name)
        elif isinstance(record, EventRecord) and record.field("user"):
            own = principal in (record.field("user"), record.field("identity"))
        else:
            return record.session in sessions
        if own and record.session:
            sessions.add(record.session)
        return own


def frames_between(index: SegmentIndex, chosen: Selection) -> int:
    """The frames with records of the period and behind `after`."""
    since, until = stamp(chosen.since), stamp(chosen.until)
    bits = 0
    for number, frame in enumerate(index.frames):
        if (
            frame.last > chosen.after
            and (not since or frame.latest >= since)
            and (not until or frame.earliest < until)
        ):
            bits |= 1 << number
    return bits


def kinds_in(index: SegmentIndex, kinds: frozenset[RecordKind]) -> int:
    return (
        index.where(Term.KIND, {kind.value for kind in kinds}.__contains__) if kinds else index.all
    )


def stamp(moment: datetime | None) -> str:
    """A point in time as records have it; empty for none."""
    if moment is None:
        return ""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def _segment_behind(found: list[Segment], after: int) -> int:
    """The position of the segment that holds the first record behind number `after`."""
    low, high = 0, len(found)
    while high - low > 1:
        middle = (low + high) // 2
        first = first_sequence(found[middle])
        if first is not None and first <= after + 1:
            low = middle
        else:
            high = middle
    return low


def _backward(chain: Chain) -> Iterator[Stored]:
    found = segments(chain.folder)
    for segment in reversed(found):
        for block in blocks(segment, backward=True):
            for place in reversed(list(_lines(block, segment is found[-1]))):
                yield store(chain, place, decoded(place))


def _lines(block: Block, may_be_torn: bool, needle: bytes = b"") -> Iterator[Place]:
    position = 0
    for line in io.BytesIO(block.data):
        if may_be_torn and not line.endswith(b"\n"):
            return
        if needle in line:
            yield place_of(block, position, line)
        position += len(line)


def time_of(stored: Stored) -> datetime:
    return stored.time


def store(chain: Chain, place: Place, record: Record) -> Stored:
    """The record of a line, with its place in the trail."""
    digest = str(place.members.get("hash"))
    return Stored(place.sequence, place.time, place.kind, record, digest, place.line, chain.writer)


def _wanted(place: Place, chosen: Selection) -> bool:
    return (
        place.sequence > chosen.after
        and (chosen.since is None or place.time >= chosen.since)
        and (chosen.until is None or place.time < chosen.until)
        and (not chosen.kinds or place.kind in chosen.kinds)
    )
