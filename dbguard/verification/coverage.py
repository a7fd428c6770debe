"""A chain against what was signed about it."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .chain import ChainReading
from .checkpoints import FILE_NAME, PRUNED_NAME, Checkpoint
from .findings import Finding
from .record_lines import missing
from .segment_files import plain_name
from .signed_note import PublicKey
from .sources import Source, own_source
from .trust import Trust

FINDINGS_KEPT: Final = 1000
"""Of a source, of each sort; more say nothing new, and there may be millions."""
_BELIEVED: Final = 2
"""Set beside what matches, in `ChainReading.matches`: it is signed by whom it should."""


class Place(NamedTuple):
    """Where a checkpoint stands, as findings name it."""

    file: str
    line: int


class _Placed(NamedTuple):
    place: Place
    number: int
    checkpoint: Checkpoint | None


@dataclass(slots=True)
class Coverage:
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fitting: int = 0
    signed: Checkpoint | None = None
    """The furthest one that fits, if its signature was checked by a key that was given."""
    signed_by: str = ""


class _Judge:
    def __init__(self, reading: ChainReading, trust: Trust) -> None:
        self.reading = reading
        self.walk = reading.walk
        self.trust = trust
        self.result = Coverage()
        origin = self.walk.origin
        pruned = reading.pruned
        self.origin = (
            pruned.origin if pruned else f"dbguard.audit/{origin[:16].decode()}" if origin else ""
        )
        self.end: tuple[int, Place] | None = None
        """The furthest record that was signed and is not there."""
        self.sizes = array("Q")
        """Of the tree, by the chain's own checkpoints that fit; ascending."""
        self.sequences = array("Q")
        """Of the records that its own checkpoints end with, likewise."""
        self._kept: dict[str, int] = {}

    def report(self, sequence: int, place: Place, problem: str) -> None:
        self._kept[place.file] = self._kept.get(place.file, 0) + 1
        if self._kept[place.file] > FINDINGS_KEPT:
            return
        if self._kept[place.file] == FINDINGS_KEPT:
            problem = "and more that is not as it was signed, in the rest of this file"
        self.result.findings.append(
            Finding(sequence, place.file, place.line, problem, self.reading.writer)
        )

    # ---- single checkpoints

    def placed(self, source: Source) -> Iterator[_Placed]:
        """The source's checkpoints of this chain, and what claims to be one, or stands there."""
        for entry in source.entries():
            if not source.own:
                outline = source.outline(entry)
                if outline is None or outline.origin not in self.reading.origins:
                    continue
            place = Place(source.name, entry.line)
            yield _Placed(place, entry.number, source.checkpoint(entry))

    def signer(self, place: Place, checkpoint: Checkpoint) -> tuple[bool, PublicKey | None]:
        """Whether it is signed by whom it should, and by which key."""
        names = checkpoint.note.names
        key = checkpoint.note.signer(self.trust.keys)
        if key is not None:
            return True, key
        if self.trust.knows(names):
            problem = f"the signature by {names} does not fit the checkpoint up to this record"
        elif self.trust.given:
            problem = (
                f"the checkpoint up to this record is signed by {names}, which is none of the "
                "public keys that were given"
            )
        elif self.walk.tree.size and not self.trust.keys:
            return True, None  # nothing in the trail tells which keys sign; `unchecked` says so
        elif self.reading.pruned:
            return True, None  # the record that names the key may have been removed
        else:
            problem = f"the checkpoint up to this record is signed by {names}, unknown to the trail"
        self.report(checkpoint.sequence, place, problem)
        return False, None

    def check_segment(self, place: Place, checkpoint: Checkpoint) -> None:
        """The number of the segment is not signed; it must be right all the same."""
        ends, pruned = self.reading.ends, self.reading.pruned
        at = bisect_left(ends, checkpoint.sequence, key=lambda end: end.sequence)
        right = ends[at].number if at < len(ends) else None
        if pruned and checkpoint.sequence <= pruned.sequence:
            right = pruned.segment
        if right is not None and checkpoint.segment != right:
            self.report(checkpoint.sequence, place, "the checkpoint names a wrong segment")

    # ---- against the records

    def fits(self, checkpoint: Checkpoint, match: int) -> bool | None:
        """None when the records cannot tell: pruned, damaged, or not there any more."""
        walk = self.walk
        base = self.reading.pruned
        if checkpoint.sequence > walk.sequence:
            return None
        if walk.damaged_from and checkpoint.sequence >= walk.damaged_from:
            return None
        if self.origin and checkpoint.origin != self.origin:
            return False
        if base is not None and checkpoint.sequence < base.sequence:
            return None
        return bool(match & 1)

    def take(self, source: Source, matches: bytearray) -> None:
        """Judge all checkpoints of a source, the chain's own first."""
        furthest = 0
        unfit = moved = False
        before = size = sequence = 0
        for place, number, checkpoint in self.placed(source):
            if checkpoint is None:
                self.report(before + 1, place, "this line is not a checkpoint that dbguard wrote")
                continue
            before = checkpoint.sequence
            believed, key = self.signer(place, checkpoint)
            if not believed:
                continue
            matches[number] |= _BELIEVED
            fits = self.fits(checkpoint, matches[number])
            unfit = unfit or fits is False
            if source.own:
                self.sequences.append(checkpoint.sequence)
                if checkpoint.size <= size or checkpoint.sequence <= sequence:
                    self.report(
                        checkpoint.sequence,
                        place,
                        "the checkpoint stands behind one of as many records, or more",
                    )
                    moved = True
                else:
                    size, sequence = checkpoint.size, checkpoint.sequence
            if checkpoint.sequence > (self.end[0] if self.end else self.walk.sequence):
                self.end = checkpoint.sequence, place
            if not fits:
                continue
            furthest = max(furthest, checkpoint.sequence)
            self.result.fitting += 1
            self._sign(checkpoint, key)
            if not source.own:
                self.check_removed(place, checkpoint)
                continue
            self.sizes.append(checkpoint.size)
            if not self.walk.damaged_from:
                self.check_segment(place, checkpoint)
        if moved:
            self.sizes = array("Q", sorted(self.sizes))
            self.sequences = array("Q", sorted(self.sequences))
        if unfit:
            self._report_unfit(source, matches, furthest)

    def _sign(self, checkpoint: Checkpoint, key: PublicKey | None) -> None:
        signed = self.result.signed
        if self.trust.given and key and (not signed or checkpoint.sequence > signed.sequence):
            self.result.signed, self.result.signed_by = checkpoint, key.name

    def _report_unfit(self, source: Source, matches: bytearray, furthest: int) -> None:
        """Of those that do not fit, up to the `furthest` that does, and the first behind it."""
        rewritten: tuple[Place, Checkpoint] | None = None
        for place, number, checkpoint in self.placed(source):
            if checkpoint is None or not matches[number] & _BELIEVED:
                continue
            if self.fits(checkpoint, matches[number]) is not False:
                continue
            if checkpoint.sequence <= furthest:
                self.report(
                    checkpoint.sequence,
                    place,
                    "the checkpoint up to this record was signed for another trail: it does not "
                    "fit the records, and later ones do",
                )
            elif rewritten is None or checkpoint.sequence < rewritten[1].sequence:
                rewritten = place, checkpoint
        if rewritten is not None:
            self._report_rewritten(*rewritten, furthest)

    def _report_rewritten(self, place: Place, checkpoint: Checkpoint, unchanged: int) -> None:
        first, last = unchanged + 1, checkpoint.sequence
        which = f"to {last}: one of them or all were" if last > first else "was"
        self.report(
            first,
            place,
            f"{which} rewritten, with all hashes behind, after the checkpoint of "
            f"{checkpoint.time} had been signed",
        )

    def report_end(self) -> None:
        if self.end is None:
            return
        last, place = self.end
        first = self.walk.sequence + 1
        self.report(
            first,
            place,
            f"{missing(first, last)} at the end of the trail: a checkpoint covers them",
        )

    # ---- what should be there

    def check_removed(self, place: Place, checkpoint: Checkpoint) -> None:
        """A copy that fits has its original in the chain's own file."""
        if not _holds(self.sizes, checkpoint.size):
            self.report(
                checkpoint.sequence,
                Place(self.reading.prefix + FILE_NAME, 0),
                "the checkpoint up to this record was removed from the file: "
                f"{place.file}:{place.line} has it",
            )

    def check_segment_ends(self) -> None:
        """Before a segment is followed by another, a checkpoint is made of all its records."""
        walk, covered = self.walk, self.sequences
        began = [mark.sequence for mark in walk.marks if mark.kind == "key"]
        began += covered[:1]
        if self.reading.pruned:
            began.append(self.reading.pruned.sequence)
        if not began:
            return
        since = min(began)
        absent = [
            end
            for end in self.reading.ends[:-1]
            if end.sequence >= since
            and not (walk.damaged_from and end.sequence >= walk.damaged_from)
            and not _holds(covered, end.sequence)
        ]
        if absent:
            # Segments may have ended since the file was read.
            covered = covered + self._since(covered[-1] if covered else 0)
            absent = [end for end in absent if not _holds(covered, end.sequence)]
        disturbed = [end for end in absent if self._disturbed(end.sequence, covered)]
        if disturbed:
            self.result.notes.append(
                f"{self.reading.prefix}{FILE_NAME}: {len(disturbed)} segments ended without a "
                "checkpoint while the log was disturbed; RECOVERY records say why"
            )
        absent = [end for end in absent if end not in disturbed]
        if absent:
            more = f", and {len(absent) - 1} like it" if len(absent) > 1 else ""
            self.report(
                absent[0].sequence,
                Place(self.reading.prefix + FILE_NAME, 0),
                f"the checkpoint at the end of {plain_name(absent[0].number)} is missing{more}",
            )

    def _since(self, sequence: int) -> array[int]:
        """The records behind `sequence` that checkpoints in the file now end with."""
        with closing(own_source(self.reading.directory / FILE_NAME, "")) as own:
            outlines = (own.outline(entry) for entry in own.entries())
            found = [one.sequence for one in outlines if one and one.sequence > sequence]
        return array("Q", sorted(found))

    def _disturbed(self, sequence: int, covered: Sequence[int]) -> bool:
        """Whether the log was repaired between the checkpoints around a record.

        A checkpoint that succeeds again comes just before the record that says so.
        """
        place = bisect_right(covered, sequence)
        before = covered[place - 1] if place else 0
        behind = covered[place + 1] if place + 1 < len(covered) else self.walk.sequence
        return any(
            mark.kind == "recovery" and before < mark.sequence <= behind for mark in self.walk.marks
        )

    def check_pruned(self) -> None:
        pruned = self.reading.pruned
        if pruned is None:
            return
        place = Place(self.reading.prefix + PRUNED_NAME, 0)
        believed, key = self.signer(place, pruned)
        if believed and key is None:
            self.result.notes.append(f"{place.file}: its signature could not be checked")


def _holds(ascending: Sequence[int], number: int) -> bool:
    place = bisect_left(ascending, number)
    return place < len(ascending) and ascending[place] == number


def judge(reading: ChainReading, trust: Trust, copies: Sequence[Source]) -> Coverage:
    """`copies`: in the order in which the chain was compared with them. Raises OSError."""
    judge = _Judge(reading, trust)
    judge.check_pruned()
    for source, matches in zip([reading.own, *copies], reading.matches, strict=True):
        judge.take(source, matches)
    judge.report_end()
    judge.check_segment_ends()
    return judge.result
