"""Proof that a single record stood in a chain when a checkpoint was signed.

The proof holds the record's line, the checkpoint, and the digests that lead from the one to the
root in the other (RFC 6962's audit path): who has them needs neither the trail nor trust in
whoever keeps it. Records that were pruned are in it as the subtrees that their own checkpoint
remembers, so that proofs can still be made for all that remain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .checkpoints import FILE_NAME, PRUNED_NAME, Checkpoint, read_stored
from .findings import UnusableInput, record_name
from .proof_check import FORMAT, InvalidProof, root_of
from .record_lines import FIRST_PREV, own_hash
from .segment_files import chunks, first_sequence, read_small, segment_numbers
from .sources import own_source
from .tree import Range
from .zstandard import DamagedFrame

_SEQUENCE: Final = re.compile(rb'\{"v":1,"seq":([0-9]{1,19}),')


@dataclass(frozen=True, slots=True)
class Proof:
    writer: str
    sequence: int
    leaf: int
    """0-based position in the tree."""
    line: bytes
    path: tuple[bytes, ...]
    checkpoint: Checkpoint

    def document(self) -> dict[str, object]:
        """What goes to the file, as JSON."""
        note = self.checkpoint.note
        return {
            "format": FORMAT,
            "record": self.line.decode(),
            "writer": self.writer,
            "leaf": self.leaf,
            "size": self.checkpoint.size,
            "path": [digest.hex() for digest in self.path],
            "checkpoint": note.whole,
        }


@dataclass(frozen=True, slots=True)
class _Place:
    leaf: int
    line: bytes


def prove(trail: Path, writer: str, sequence: int, size: int | None = None) -> Proof:
    """A proof by the latest checkpoint, or that of `size` records.

    Raises UnusableInput when there is no such record or no checkpoint covers it yet, OSError.
    """
    directory = trail / writer if writer else trail
    name = record_name(writer, sequence)
    pruned = _pruned(directory)
    place = _find(directory, sequence, pruned)
    if place is None:
        was = "it was pruned" if pruned and sequence <= pruned.sequence else "see `audit verify`"
        raise UnusableInput(f"{trail}: there is no record {name} ({was})")
    checkpoint = _covering(directory, name, sequence, size)
    ranges = sibling_ranges(place.leaf, checkpoint.size)
    removed = pruned.size if pruned else 0
    trees = {begin: Range(max(begin, removed)) for begin, _ in ranges}
    ordered = sorted(ranges)
    for position, data in _leaves(directory, pruned):
        for begin, end in ordered:
            low, high = max(begin, position), min(end, position + len(data))
            if low < high:
                trees[begin].extend(data[low - position : high - position])
        if position >= checkpoint.size:
            break
    if pruned:
        trees = _with_pruned(pruned, ordered, trees)
    path = tuple(trees[begin].root() for begin, _ in ranges)
    digest = own_hash(place.line)
    assert digest is not None
    leaf = bytes.fromhex(digest.decode())
    try:
        fits = root_of(leaf, place.leaf, checkpoint.size, path) == checkpoint.root
    except InvalidProof:
        fits = False
    if not fits:
        raise UnusableInput(
            f"{trail}: the records are not those that the checkpoint up to record "
            f"{record_name(writer, checkpoint.sequence)} signed (see `audit verify`)"
        )
    return Proof(writer, sequence, place.leaf, place.line, path, checkpoint)


def sibling_ranges(leaf: int, size: int) -> list[tuple[int, int]]:
    """Which leaves each digest of the audit path is made of, from the leaf up."""
    begin, end = 0, size
    found = []
    while end - begin > 1:
        split = begin + (1 << (end - begin - 1).bit_length() - 1)
        if leaf < split:
            found.append((split, end))
            end = split
        else:
            found.append((begin, split))
            begin = split
    return found[::-1]


def _covering(directory: Path, name: str, sequence: int, size: int | None) -> Checkpoint:
    found = None
    with closing(own_source(directory / FILE_NAME, FILE_NAME)) as own:
        for entry in own.entries():
            outline = own.outline(entry)
            if outline is None or outline.sequence < sequence:
                continue
            if size is None or outline.size == size:
                found = own.checkpoint(entry) or found
    if found is None and size is not None:
        raise UnusableInput(
            f"{directory / FILE_NAME}: no checkpoint of {size} records covers record {name}"
        )
    if found is None:
        raise UnusableInput(
            f"{directory / FILE_NAME}: no checkpoint covers record {name} yet; the next is made "
            "after audit.checkpoints.every (60 s, if not set), or when the writer stops"
        )
    return found


def _pruned(directory: Path) -> Checkpoint | None:
    data = read_small(directory / PRUNED_NAME)
    if data is None:
        return None
    try:
        return read_stored(data)
    except ValueError as error:
        path = directory / PRUNED_NAME
        raise UnusableInput(f"{path}: is damaged (see `audit verify`)") from error


def _numbers(directory: Path, pruned: Checkpoint | None) -> list[int]:
    behind = pruned.segment if pruned else 0
    return [number for number in segment_numbers(directory, behind) if number > behind]


def _find(directory: Path, sequence: int, pruned: Checkpoint | None) -> _Place | None:
    leaf = pruned.size if pruned else 0
    numbers = _numbers(directory, pruned)
    for index, number in enumerate(numbers):
        following = numbers[index + 1] if index + 1 < len(numbers) else None
        first = first_sequence(directory, following) if following else None
        for chunk in chunks(directory, number):
            if isinstance(chunk, DamagedFrame):
                return None
            if first is not None and first <= sequence:
                leaf += chunk.count(b"\n")
                continue
            for line in chunk.split(b"\n")[:-1]:
                match = _SEQUENCE.match(line)
                if match and int(match[1]) == sequence and own_hash(line):
                    return _Place(leaf, line)
                leaf += 1
    return None


def _leaves(directory: Path, pruned: Checkpoint | None) -> Iterator[tuple[int, list[bytes]]]:
    """The data of the leaves that are still there, in pieces, each with its position."""
    position = pruned.size if pruned else 0
    for number in _numbers(directory, pruned):
        for chunk in chunks(directory, number):
            if isinstance(chunk, DamagedFrame):
                continue
            lines = chunk.split(b"\n")[:-1]
            data = [bytes.fromhex((own_hash(line) or FIRST_PREV).decode()) for line in lines]
            yield position, data
            position += len(data)


def _with_pruned(
    pruned: Checkpoint, ranges: list[tuple[int, int]], trees: dict[int, Range]
) -> dict[int, Range]:
    """Put the subtrees of what was removed in front of what remains of each range."""
    peaks = Range.of_peaks(pruned.size, pruned.peaks).nodes
    found = {}
    for begin, end in ranges:
        whole = Range(begin)
        for node in peaks:
            if begin <= node.place << node.level < end:
                whole.push(node)
        for node in trees[begin].nodes:
            whole.push(node)
        found[begin] = whole
    return found
