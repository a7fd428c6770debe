"""Removing segments whose time is over.

A plan is made first, chain by chain from the oldest segment on, and ends at the first segment that
has to stay. What is to go is read as a whole: its lines have to be the chain that was signed.
Then, in this order: a PRUNE record in the operator's chain; `pruned.json`, a signed checkpoint of
the last record removed, from which the rest of the chain can still be verified; the files. After
a crash in between, the next run goes on: what `pruned.json` covers counts as removed already.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dbguard.audit.blocks import blocks
from dbguard.audit.chain import EMPTY, BrokenLine, Head, read_line
from dbguard.audit.checkpoints import (
    CHECKPOINTS_NAME,
    LINE_LIMIT,
    PRUNED_NAME,
    SignedCheckpoint,
    UnusableCheckpoint,
    make_line,
)
from dbguard.audit.checkpoints import read_line as read_checkpoint
from dbguard.audit.holding import Hold
from dbguard.audit.merkle import MerkleTree
from dbguard.audit.notes import Checkpoint, Signer, VerifyingKey, origin
from dbguard.audit.reading import stamp
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.resuming import read_pruned
from dbguard.audit.sealing import discard, head_sequence, held
from dbguard.audit.trails import OPERATOR, Chain, Segment, segments
from dbguard.errors import ConfigurationError
from dbguard.verification.regular_file import open_regular, regular_descriptor

Shipped = Mapping[str, Mapping[str, int]]
"""By destination: the last record that it has of each writer's chain."""
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Keeping:
    """What decides whether a segment has to stay."""

    before: datetime
    """Only records from before then may go."""
    holds: tuple[Hold, ...]
    shipped: Shipped


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes of one chain: all segments up to one, and the proof that they were in order."""

    chain: Chain
    segments: tuple[Segment, ...]
    origin: str
    first: int
    last: Head
    earliest: str
    latest: str
    tree: MerkleTree
    """Over all records since the chain began, up to the last that goes."""

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(
            self.origin,
            self.tree.size,
            self.tree.root,
            self.last.sequence,
            self.last.hash,
            stamp(datetime.now(UTC)),
            pruned=True,
        )

    def record(self, before: datetime) -> EventRecord:
        """What the trail says of it; `before`: only records from before then may go."""
        fields = (
            ("chain", self.chain.writer),
            ("first_segment", str(self.segments[0].number)),
            ("last_segment", str(self.segments[-1].number)),
            ("first_seq", str(self.first)),
            ("last_seq", str(self.last.sequence)),
            ("last_hash", self.last.hash.decode()),
            ("earliest", self.earliest),
            ("latest", self.latest),
            ("tree_size", str(self.tree.size)),
            ("root", self.tree.root.hex()),
            ("older_than", stamp(before)),
        )
        return EventRecord(RecordKind.PRUNE, "", fields)


@dataclass(frozen=True, slots=True)
class Plan:
    chain: Chain
    removal: Removal | None
    stays: str
    """Which segment is the first that stays, and why."""
    left: tuple[Segment, ...]
    """Covered by `pruned.json`, but still there: an earlier run did not come to its end."""


def plan(
    chain: Chain, keeping: Keeping, known: Mapping[str, VerifyingKey], progress: Progress
) -> Plan:
    """What may go of a chain. Reads all of that.

    Raises ConfigurationError when it is not what was written and signed, OSError.
    """
    signed = read_pruned(chain.folder, known)
    found = segments(chain.folder)
    gone = signed.segment if signed else 0
    left = tuple(segment for segment in found if segment.number <= gone)
    found = [segment for segment in found if segment.number > gone]
    walk = _Walk(chain, signed, _checkpoints(chain, known))
    going: list[Segment] = []
    stays = "there is nothing else"
    if chain.writer == OPERATOR:
        return Plan(chain, None, "the operator's chain says what was removed, and is kept", left)
    for segment in found:
        stays = walk.reason_to_stay(segment, keeping, is_last=segment is found[-1])
        if stays:
            stays = f"{segment.path.name} stays: {stays}"
            break
        walk.accept()
        going.append(segment)
        progress(segment.size)
    return Plan(chain, walk.removal(tuple(going)) if going else None, stays, left)


@dataclass(slots=True)
class _State:
    """How far the chain was followed."""

    last: Head
    tree: MerkleTree
    first: int = 0
    earliest: str = ""
    latest: str = ""
    origin: str = ""


class _Walk:
    """Follows a chain from its beginning, or from behind what was removed before."""

    def __init__(
        self,
        chain: Chain,
        signed: SignedCheckpoint | None,
        checkpoints: Mapping[int, Checkpoint],
    ) -> None:
        self._chain = chain
        self._checkpoints = checkpoints
        if signed is None:
            self._state = _State(EMPTY, MerkleTree())
        else:
            last = Head(signed.checkpoint.sequence, signed.checkpoint.hash)
            self._state = _State(last, signed.tree(), origin=signed.checkpoint.origin)
        self._next = self._state

    def reason_to_stay(self, segment: Segment, keeping: Keeping, *, is_last: bool) -> str:
        """Why the segment has to stay; empty when it may go, which `accept` takes for granted.

        Raises ConfigurationError when it is not what was written.
        """
        if is_last:
            return "it is the last one, which is written to"
        begins = _first_time(segment)
        if begins >= stamp(keeping.before):  # most runs end here: nothing else is read
            return f"its records are from {begins} on, and not old enough"
        state = self._next = self._followed(segment)
        if state.latest >= stamp(keeping.before):
            return f"a record of {state.latest} is not old enough"
        if head_sequence(self._chain.folder) <= state.last.sequence:
            # As a power loss leaves it: without its record the writer would not go on.
            return "the head file names a record in it, or before; start this writer once"
        for hold in keeping.holds:
            if hold.covers(state.earliest, state.latest):
                return f"the hold {hold.name} covers it"
        for name, writers in keeping.shipped.items():
            if writers.get(self._chain.writer, 0) < state.last.sequence:
                return f"{name} does not have all of it yet"
        if not any(size >= state.tree.size for size in self._checkpoints):
            return "no signed checkpoint covers it"
        return ""

    def accept(self) -> None:
        """Take the segment that was looked at last."""
        state = self._next
        before = self._state
        state.first = before.first or state.first
        state.earliest = min(before.earliest or state.earliest, state.earliest)
        state.latest = max(before.latest, state.latest)
        self._state = state

    def removal(self, going: tuple[Segment, ...]) -> Removal:
        state = self._state
        return Removal(
            self._chain,
            going,
            state.origin,
            state.first,
            state.last,
            state.earliest,
            state.latest,
            state.tree,
        )

    def _followed(self, segment: Segment) -> _State:
        """The state behind the segment. Raises ConfigurationError when it does not fit."""
        before = self._state
        last = before.last
        tree = MerkleTree(before.tree.size, before.tree.peaks)
        state = _State(last, tree, origin=before.origin)
        for block in blocks(segment):
            for line in io.BytesIO(block.data):
                try:
                    link = read_line(line)
                except BrokenLine as error:
                    raise _not_in_order(
                        segment, f"behind record {last.sequence}: {error}"
                    ) from error
                if link.prev != last.hash or link.sequence <= last.sequence:
                    raise _not_in_order(segment, f"record {link.sequence} is out of its place")
                last = Head(link.sequence, link.hash)
                tree.extend([bytes.fromhex(link.hash.decode())])
                state.origin = state.origin or origin(link.hash)
                state.first = state.first or link.sequence
                state.earliest = min(state.earliest or link.time, link.time)
                state.latest = max(state.latest, link.time)
                checkpoint = self._checkpoints.get(tree.size)
                if checkpoint is not None and (
                    checkpoint.root != tree.root
                    or checkpoint.hash != last.hash
                    or checkpoint.origin != state.origin
                ):
                    raise _not_in_order(
                        segment, f"record {link.sequence} is not the one that was signed"
                    )
        if last == before.last:
            raise _not_in_order(segment, "it holds no record")
        state.last = last
        return state


def begin(removal: Removal, signer: Signer) -> None:
    """Put `pruned.json` in its place: from then on the segments count as removed.

    Raises OSError; then nothing has changed.
    """
    line = make_line(signer, removal.checkpoint, removal.segments[-1].number, removal.tree)
    folder = removal.chain.folder
    target = folder / f"{PRUNED_NAME}.tmp"
    owner = folder.stat()
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(regular_descriptor(target, flags), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        target.replace(folder / PRUNED_NAME)
    finally:
        discard(target)
    _sync(folder)


def remove(found: tuple[Segment, ...], holds: tuple[Hold, ...] = ()) -> list[Segment]:
    """Remove files that count as removed, but for those that `holds` cover.

    Returns those that are still there: held, or just being sealed. Raises OSError.
    """
    stayed: list[Segment] = []
    for segment in found:
        if holds and any(hold.covers(*_times(segment)) for hold in holds):
            stayed.append(segment)
            continue
        if segment.plain.exists():
            with held(segment) as file:
                if file is None:
                    stayed.append(segment)
                    continue
                segment.plain.unlink()
        segment.index.unlink(missing_ok=True)  # first: alone, nobody would find it again
        segment.compressed.unlink(missing_ok=True)
    if found:
        _sync(found[0].folder)
    return stayed


def _checkpoints(chain: Chain, known: Mapping[str, VerifyingKey]) -> dict[int, Checkpoint]:
    """The chain's checkpoints by tree size; one that a known key did not sign is none.

    Raises OSError.
    """
    found: dict[int, Checkpoint] = {}
    try:
        lines = open_regular(chain.folder / CHECKPOINTS_NAME, follow=False)
    except FileNotFoundError:
        return found
    with lines:
        for line in iter(lambda: lines.readline(LINE_LIMIT), b""):
            with contextlib.suppress(UnusableCheckpoint):
                checkpoint = read_checkpoint(line, known).checkpoint
                found[checkpoint.size] = checkpoint
    return found


def _first_time(segment: Segment) -> str:
    for block in blocks(segment, lambda index: 1):
        line = block.data[: block.data.find(b"\n") + 1]
        try:
            return read_line(line).time
        except BrokenLine as error:
            raise _not_in_order(segment, f"its first line: {error}") from error
    return ""


def _times(segment: Segment) -> tuple[str, str]:
    """The earliest and the latest time of a segment's records."""
    times: list[str] = []
    for block in blocks(segment):
        for line in io.BytesIO(block.data):
            with contextlib.suppress(BrokenLine):
                times.append(read_line(line).time)
    return min(times, default=""), max(times, default="")


def _not_in_order(segment: Segment, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{segment.path}: {problem}; nothing is removed from a trail that was changed",
        hint=f"Run `dbguard audit verify --audit {segment.folder}` to see what was changed.",
    )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
