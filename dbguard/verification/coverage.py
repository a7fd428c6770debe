"""A chain against what was signed about it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from .chain import ChainReading
from .checkpoints import FILE_NAME, PRUNED_NAME, Checkpoint, Placed, own_checkpoints
from .findings import Finding
from .record_lines import missing
from .segment_files import plain_name
from .trust import Trust


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
        self.end: tuple[int, Placed] | None = None
        """The furthest record that was signed and is not there."""

    def report(self, sequence: int, placed: Placed, problem: str) -> None:
        self.result.findings.append(
            Finding(sequence, placed.file, placed.line, problem, self.reading.writer)
        )

    # ---- single checkpoints

    def believable(self, placed: list[Placed]) -> list[tuple[Placed, Checkpoint]]:
        """Those that are checkpoints and signed by whom they should; findings for the others."""
        found = []
        before = 0
        for one in placed:
            checkpoint = one.checkpoint
            if checkpoint is None:
                self.report(before + 1, one, "this line is not a checkpoint that dbguard wrote")
                continue
            if self._signed(one, checkpoint):
                found.append((one, checkpoint))
            before = checkpoint.sequence
        return found

    def _signed(self, placed: Placed, checkpoint: Checkpoint) -> bool:
        names = checkpoint.note.names
        if checkpoint.note.signer(self.trust.keys) is not None:
            return True
        if self.trust.knows(names):
            problem = f"the signature by {names} does not fit the checkpoint up to this record"
        elif self.trust.given:
            problem = (
                f"the checkpoint up to this record is signed by {names}, which is none of the "
                "public keys that were given"
            )
        elif self.walk.tree.size and not self.trust.keys:
            return True  # nothing in the trail tells which keys sign; `unchecked` says so
        elif self.reading.pruned:
            return True  # the record that names the key may have been removed
        else:
            problem = f"the checkpoint up to this record is signed by {names}, unknown to the trail"
        self.report(checkpoint.sequence, placed, problem)
        return False

    def check_order(self, own: list[tuple[Placed, Checkpoint]]) -> None:
        size, sequence = 0, 0
        for placed, checkpoint in own:
            if checkpoint.size <= size or checkpoint.sequence <= sequence:
                self.report(
                    checkpoint.sequence,
                    placed,
                    "the checkpoint stands behind one of as many records, or more",
                )
            else:
                size, sequence = checkpoint.size, checkpoint.sequence

    def check_segments(self, own: list[tuple[Placed, Checkpoint]]) -> None:
        """The number of the segment is not signed; it must be right all the same."""
        numbers = [end.number for end in self.reading.ends]
        sequences = [end.sequence for end in self.reading.ends]
        for placed, checkpoint in own:
            if self.fits(checkpoint) and self.walk.damaged_from == 0:
                place = bisect_left(sequences, checkpoint.sequence)
                right = numbers[place] if place < len(numbers) else None
                pruned = self.reading.pruned
                if pruned and checkpoint.sequence <= pruned.sequence:
                    right = pruned.segment
                if right is not None and checkpoint.segment != right:
                    self.report(checkpoint.sequence, placed, "the checkpoint names a wrong segment")

    # ---- against the records

    def fits(self, checkpoint: Checkpoint) -> bool | None:
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
        state = walk.states.get(checkpoint.size)
        return state == (checkpoint.root, checkpoint.sequence, checkpoint.hash)

    def compare(self, placed: list[tuple[Placed, Checkpoint]]) -> None:
        """Checkpoints of one source, in ascending order."""
        verdicts = [(one, checkpoint, self.fits(checkpoint)) for one, checkpoint in placed]
        fitting = [checkpoint for _, checkpoint, verdict in verdicts if verdict]
        for one, checkpoint, _ in verdicts:
            beyond = checkpoint.sequence > self.walk.sequence
            if beyond and (self.end is None or checkpoint.sequence > self.end[0]):
                self.end = (checkpoint.sequence, one)
        furthest = fitting[-1] if fitting else None
        self.result.fitting += len(fitting)
        self._sign(fitting)
        rewritten: tuple[Placed, Checkpoint] | None = None
        for one, checkpoint, verdict in verdicts:
            if verdict is not False:
                continue
            if furthest is not None and checkpoint.sequence <= furthest.sequence:
                self.report(
                    checkpoint.sequence,
                    one,
                    "the checkpoint up to this record was signed for another trail: it does not "
                    "fit the records, and later ones do",
                )
            elif rewritten is None:
                rewritten = one, checkpoint
        if rewritten is not None:
            self._report_rewritten(*rewritten, furthest.sequence if furthest else 0)

    def _report_rewritten(self, placed: Placed, checkpoint: Checkpoint, unchanged: int) -> None:
        first, last = unchanged + 1, checkpoint.sequence
        which = f"to {last}: one of them or all were" if last > first else "was"
        self.report(
            first,
            placed,
            f"{which} rewritten, with all hashes behind, after the checkpoint of "
            f"{checkpoint.time} had been signed",
        )

    def _sign(self, fitting: list[Checkpoint]) -> None:
        if not self.trust.given:
            return
        for checkpoint in reversed(fitting):
            if self.result.signed and checkpoint.sequence <= self.result.signed.sequence:
                return
            key = checkpoint.note.signer(self.trust.keys)
            if key is not None:
                self.result.signed, self.result.signed_by = checkpoint, key.name
                return

    def report_end(self) -> None:
        if self.end is None:
            return
        last, placed = self.end
        first = self.walk.sequence + 1
        self.report(
            first,
            placed,
            f"{missing(first, last)} at the end of the trail: a checkpoint covers them",
        )

    # ---- what should be there

    def check_removed(
        self,
        own: list[tuple[Placed, Checkpoint]],
        copies: list[tuple[Placed, Checkpoint]],
    ) -> None:
        stored = {(checkpoint.size, checkpoint.root) for _, checkpoint in own}
        for placed, checkpoint in copies:
            known = (checkpoint.size, checkpoint.root) in stored
            if not known and self.fits(checkpoint):
                name = self.reading.prefix + FILE_NAME
                self.result.findings.append(
                    Finding(
                        checkpoint.sequence,
                        name,
                        0,
                        "the checkpoint up to this record was removed from the file: "
                        f"{placed.file}:{placed.line} has it",
                        self.reading.writer,
                    )
                )

    def check_segment_ends(self, own: list[tuple[Placed, Checkpoint]]) -> None:
        """Before a segment is followed by another, a checkpoint is made of all its records."""
        walk = self.walk
        began = [mark.sequence for mark in walk.marks if mark.kind == "key"]
        began += [checkpoint.sequence for _, checkpoint in own]
        if self.reading.pruned:
            began.append(self.reading.pruned.sequence)
        if not began:
            return
        since = min(began)
        ends = [
            end
            for end in self.reading.ends[:-1]
            if end.sequence >= since
            and not (walk.damaged_from and end.sequence >= walk.damaged_from)
        ]
        covered = {checkpoint.sequence for _, checkpoint in own}
        if any(end.sequence not in covered for end in ends):
            # Segments may have ended since the file was read.
            again, _ = own_checkpoints(self.reading.directory / FILE_NAME, "")
            covered |= {one.checkpoint.sequence for one in again if one.checkpoint}
        absent = [end for end in ends if end.sequence not in covered]
        disturbed = [end for end in absent if self._disturbed(end.sequence, sorted(covered))]
        if disturbed:
            self.result.notes.append(
                f"{self.reading.prefix}{FILE_NAME}: {len(disturbed)} segments ended without a "
                "checkpoint while the log was disturbed; RECOVERY records say why"
            )
        absent = [end for end in absent if end not in disturbed]
        if absent:
            more = f", and {len(absent) - 1} like it" if len(absent) > 1 else ""
            self.result.findings.append(
                Finding(
                    absent[0].sequence,
                    self.reading.prefix + FILE_NAME,
                    0,
                    f"the checkpoint at the end of {plain_name(absent[0].number)} is missing{more}",
                    self.reading.writer,
                )
            )

    def _disturbed(self, sequence: int, covered: list[int]) -> bool:
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
        place = Placed(pruned, self.reading.prefix + PRUNED_NAME, 0)
        if not self._signed(place, pruned):
            return
        if pruned.note.signer(self.trust.keys) is None:
            self.result.notes.append(f"{place.file}: its signature could not be checked")


def judge(reading: ChainReading, trust: Trust, copies: Iterable[list[Placed]]) -> Coverage:
    """`copies`: those of this chain's checkpoints, by file."""
    judge = _Judge(reading, trust)
    judge.check_pruned()
    own = judge.believable(reading.own)
    judge.check_order(own)
    judge.check_segments(own)
    judge.compare(own)
    for source in copies:
        believable = judge.believable(source)
        believable.sort(key=lambda pair: pair[1].sequence)
        judge.compare(believable)
        judge.check_removed(own, believable)
    judge.report_end()
    judge.check_segment_ends(own)
    return judge.result
