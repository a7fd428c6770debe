"""Taking up the Merkle tree of a chain where its last checkpoint left it.

The checkpoint has to be signed by a known key, to be of this chain, and to name a record that is
on the trail; the lines behind it are read and checked. A checkpoint with a good signature whose
record is *not* there says that the trail was cut or replaced: nothing is gone on with then. A
file of checkpoints that is missing or cannot be used is begun anew from the whole trail, which the
writer records.
"""

from __future__ import annotations

import time
from binascii import unhexlify
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from dbguard.audit.chain import EMPTY, Head, Link
from dbguard.audit.checkpoints import (
    CHECKPOINTS_NAME,
    LINE_LIMIT,
    PRUNED_NAME,
    SignedCheckpoint,
    UnusableCheckpoint,
    last_line,
    read_line,
)
from dbguard.audit.merkle import MerkleTree
from dbguard.audit.notes import UnusableNote, VerifyingKey, origin
from dbguard.audit.opening import (
    NOTHING_PRUNED,
    Pruned,
    Tail,
    checked,
    refusal,
    segment_lines,
    segments_behind,
    unwritten,
)
from dbguard.audit.records import RecordKind
from dbguard.audit.trails import Segment
from dbguard.verification.regular_file import open_regular

log = structlog.get_logger(__name__)

_BATCH = 4096
"""Records whose hashes are held at a time."""
_KEY_MEMBER = b'"kind":"%b",' % RecordKind.KEY.value.encode()
LONG = 256 << 20
"""Bytes that are read without a word: more than stands behind any checkpoint."""
TOLD_SECONDS = 5.0
_BEGINNING = 200
"""Bytes of a line that its members before `kind` fit in."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where the checkpoints of a chain go on."""

    tree: MerkleTree
    """Over all records of the trail."""
    origin: str
    """The chain's name; empty while it has no record."""
    key: VerifyingKey | None
    """Which key signs, as the chain says; None when it says nothing."""
    covered: int
    """The last record that a checkpoint covers."""
    size: int
    """Bytes of whole lines in the file of checkpoints, which is gone on with; 0 for a new one."""
    set_aside: bool
    """What is in the file cannot be used, but is evidence."""
    rebuilt: str
    """Why the checkpoints had to be begun anew; empty when they had not."""
    ends_missing: int
    """Segments that ended behind the last checkpoint without one of their own."""


def read_pruned(
    directory: Path, known: Mapping[str, VerifyingKey] | None
) -> SignedCheckpoint | None:
    """What was removed from the chain's beginning; without `known` whoever has signed it.

    Raises ConfigurationError, OSError.
    """
    path = directory / PRUNED_NAME
    try:
        with open_regular(path, follow=False) as file:
            line = file.read(LINE_LIMIT)
    except FileNotFoundError:
        return None
    try:
        signed = read_line(line, known)
    except UnusableCheckpoint as error:
        raise refusal(path, f"what was removed is not known: {error}") from error
    if not signed.checkpoint.pruned:
        raise refusal(path, "this checkpoint does not say that anything was removed")
    return signed


def pruned_end(signed: SignedCheckpoint | None) -> Pruned:
    if signed is None:
        return NOTHING_PRUNED
    return Pruned(signed.segment, _end(signed))


def resume(
    directory: Path,
    tail: Tail,
    pruned: SignedCheckpoint | None,
    known: Mapping[str, VerifyingKey],
) -> Resumed:
    """Read what is needed of checkpoints and trail.

    Raises ConfigurationError when they contradict each other, OSError.
    """
    path = directory / CHECKPOINTS_NAME
    end = last_line(path)
    name = _chain_name(directory, pruned)
    found: SignedCheckpoint | None = None
    problem = ""
    if end is None:
        problem = "missing"
    elif not end.line:
        problem = "empty"
    else:
        try:
            found = read_line(end.line, known)
            if found.checkpoint.origin != name or found.checkpoint.pruned:
                problem, found = "of another chain", None
        except UnusableCheckpoint as error:
            problem = str(error)
    start = found
    if pruned and (start is None or start.checkpoint.sequence < pruned.checkpoint.sequence):
        start = pruned
    walk = _Walk(directory, tail, pruned_end(pruned), start)
    walk.run(path)
    return Resumed(
        tree=walk.tree,
        origin=name,
        key=walk.key,
        covered=found.checkpoint.sequence if found else 0,
        size=end.size if end and found else 0,
        set_aside=bool(end and end.line and not found),
        rebuilt=problem if walk.key else "",
        ends_missing=walk.ends if found else 0,
    )


class _Walk:
    """One pass over the records behind a checkpoint."""

    def __init__(
        self, directory: Path, tail: Tail, pruned: Pruned, start: SignedCheckpoint | None
    ) -> None:
        self._directory = directory
        self._tail = tail
        self._pruned = pruned
        self._start = start
        self.tree = start.tree() if start else MerkleTree()
        self.key = start.key if start else None
        self.ends = 0
        """Segments but the last with records behind the start."""

    def run(self, named_in: Path) -> None:
        begin = _end(self._start) if self._start else EMPTY
        last = begin
        leaves: list[bytes] = []
        for link, line in self._behind(begin, named_in):
            leaves.append(unhexlify(link.hash))
            if len(leaves) >= _BATCH:
                self.tree.extend(leaves)
                leaves.clear()
            if line.find(_KEY_MEMBER, 0, _BEGINNING) >= 0:
                self.key = _announced(line) or self.key
            last = Head(link.sequence, link.hash)
        self.tree.extend(leaves)
        if last != self._tail.last:
            raise refusal(
                named_in,
                f"record {begin.sequence}, which a checkpoint covers, is not the one on the trail"
                if last == begin
                else f"the records behind record {begin.sequence} cannot be followed to the end",
            )

    def _behind(self, begin: Head, named_in: Path) -> Iterator[tuple[Link, bytes]]:
        """The whole lines behind the record `begin`, which must be there itself."""
        before: Link | Head | None = EMPTY if begin == EMPTY else None
        if begin == self._pruned.last:
            before = begin
        first = self._start.segment if self._start else 0
        found = segments_behind(self._directory, self._pruned)
        progress = _Progress(self._directory, [one for one in found if one.number >= first])
        for segment in progress.segments():
            for path, line_number, line in segment_lines(segment):
                if unwritten(line):
                    break  # the torn tail
                link = checked(path, line_number, line, before)
                if before is not None and link.sequence > begin.sequence:
                    yield link, line
                elif link.sequence == begin.sequence and link.hash != begin.hash:
                    raise refusal(
                        path,
                        f"record {begin.sequence} is not the one that the last checkpoint covers",
                        line_number,
                    )
                if before is not None or link.sequence == begin.sequence:
                    before = link
            if segment.number < self._tail.segment and before is not None:
                self.ends += before.sequence > begin.sequence
        if before is None:
            raise refusal(
                named_in,
                f"the last checkpoint covers record {begin.sequence}, which is not on the trail",
            )


class _Progress:
    """Tells the log how far reading has come, where whoever waits for the start may wonder."""

    def __init__(self, directory: Path, found: list[Segment]) -> None:
        self._directory = directory
        self._found = found
        self._total = sum(segment.size for segment in found)

    def segments(self) -> Iterator[Segment]:
        done, told = 0, time.monotonic()
        long = self._total > LONG
        if long:
            self._tell("the audit trail is read before it can be signed", 0)
        for segment in self._found:
            yield segment
            done += segment.size
            if long and time.monotonic() - told >= TOLD_SECONDS:
                told = time.monotonic()
                self._tell("the audit trail is being read", done)
        if long:
            self._tell("the audit trail was read", self._total)

    def _tell(self, event: str, done: int) -> None:
        log.info(
            event,
            directory=str(self._directory),
            mebibytes=self._total >> 20,
            percent=100 * done // max(1, self._total),
        )


def _end(signed: SignedCheckpoint) -> Head:
    return Head(signed.checkpoint.sequence, signed.checkpoint.hash)


def _chain_name(directory: Path, pruned: SignedCheckpoint | None) -> str:
    if pruned is not None:
        return pruned.checkpoint.origin
    for segment in segments_behind(directory, NOTHING_PRUNED):
        for path, line_number, line in segment_lines(segment):
            if unwritten(line):
                return ""
            return origin(checked(path, line_number, line, EMPTY).hash)
    return ""


def _announced(line: bytes) -> VerifyingKey | None:
    try:
        return VerifyingKey.parse(str(orjson.loads(line)["fields"]["key"]))
    except (ValueError, KeyError, TypeError, UnusableNote):
        return None
