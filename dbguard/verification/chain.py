"""One chain, read from its first segment to its last."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .careful_walk import Base, Walk, Wanted
from .checkpoints import FILE_NAME, PRUNED_NAME, Checkpoint, Placed, own_checkpoints, read_stored
from .fast_scan import CleanSegment, Task, scan
from .head_file import Head, read_head
from .record_lines import FIRST_PREV, missing, own_hash
from .segment_files import (
    chunks,
    first_sequence,
    plain_name,
    read_small,
    segment_numbers,
    segment_path,
)

_ATTEMPTS: Final = 3

Progress = Callable[[int], None]
"""Called with the bytes (as they stand on the disk) that have been read since the last call."""


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    number: int
    sequence: int


@dataclass(slots=True)
class ChainReading:
    """All that was read of a chain; `coverage` judges it."""

    writer: str
    directory: Path
    prefix: str
    walk: Walk
    own: list[Placed]
    pruned: Checkpoint | None
    segments: int
    ends: list[SegmentEnd]
    """Of all segments; the last one has not ended."""
    origins: frozenset[str]
    """What checkpoints of this chain may call it."""


def read_chain(
    trail: Path,
    writer: str,
    copies: list[Placed],
    executor: Executor | None,
    progress: Progress,
) -> ChainReading:
    """Read a chain; a writer may be running, segments may be sealed or pruned meanwhile.

    Raises OSError.
    """
    directory = trail / writer if writer else trail
    for attempt in range(_ATTEMPTS):
        before = _shape(directory)
        try:
            reading = _read_once(directory, writer, copies, executor, progress)
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        if not reading.walk.findings or _shape(directory) == before:
            break
    return reading


def _shape(directory: Path) -> tuple[list[int], bytes | None]:
    """What changes when segments come and go."""
    return segment_numbers(directory), read_small(directory / PRUNED_NAME)


def _read_once(
    directory: Path,
    writer: str,
    copies: list[Placed],
    executor: Executor | None,
    progress: Progress,
) -> ChainReading:
    prefix = f"{writer}/" if writer else ""
    # Before the segments: a running writer only ever gets further than these say.
    own, torn = own_checkpoints(directory / FILE_NAME, prefix + FILE_NAME)
    head = read_head(directory / "head")
    pruned, pruned_problem = _pruned(directory / PRUNED_NAME)
    base = _base(pruned)
    numbers = segment_numbers(directory, base.segment)
    left_over = [number for number in numbers if number <= base.segment]
    numbers = numbers[len(left_over) :]

    origins = _origins(directory, numbers, own, pruned)
    signed = sorted(
        (
            checkpoint
            for placed in [*own, *copies]
            if (checkpoint := placed.checkpoint) and checkpoint.origin in origins
        ),
        key=lambda checkpoint: checkpoint.sequence,
    )
    sequences = {head.sequence} if isinstance(head, Head) else set()
    wanted = Wanted(
        frozenset(checkpoint.size for checkpoint in signed),
        frozenset(sequences),
        max([*sequences, *(checkpoint.sequence for checkpoint in signed)], default=0),
    )
    walk = Walk(writer, base, wanted, prefix=prefix)
    if base.size:
        walk.states[base.size] = (walk.tree.root(), base.sequence, base.hash)
        walk.hashes[base.sequence] = base.hash
    if torn:
        walk.note(f"{FILE_NAME}: {torn} bytes of an unfinished line at the end")
    if left_over:
        walk.note(
            f"{plain_name(left_over[0])}: {len(left_over)} segments that the pruning of records up "
            f"to {base.sequence} was to remove are still there; they were not checked"
        )
    if pruned_problem:
        walk.begin_file(PRUNED_NAME)
        walk.report(0, pruned_problem, structural=False)

    tasks = _tasks(directory, numbers, signed, base, wanted)
    ends = _walk_segments(walk, directory, tasks, base, executor, progress)
    _check_head(walk, head)
    return ChainReading(writer, directory, prefix, walk, own, pruned, len(numbers), ends, origins)


def _pruned(path: Path) -> tuple[Checkpoint | None, str]:
    data = read_small(path)
    if data is None:
        return None, ""
    try:
        checkpoint = read_stored(data)
    except ValueError:
        return None, "is not the statement that dbguard leaves when it prunes"
    if not checkpoint.pruned:
        return None, "does not say that records were pruned"
    return checkpoint, ""


def _base(pruned: Checkpoint | None) -> Base:
    if pruned is None:
        return Base()
    return Base(pruned.sequence, pruned.hash, pruned.size, pruned.peaks, pruned.segment)


def _origins(
    directory: Path, numbers: list[int], own: list[Placed], pruned: Checkpoint | None
) -> frozenset[str]:
    found = {placed.checkpoint.origin for placed in own if placed.checkpoint}
    if pruned:
        return frozenset({*found, pruned.origin})
    if numbers and numbers[0] == 1:
        for chunk in chunks(directory, 1):
            first = own_hash(chunk.partition(b"\n")[0]) if isinstance(chunk, bytes) else None
            if first is not None:
                found.add(f"dbguard.audit/{first[:16].decode()}")
            break
    return frozenset(found)


def _tasks(
    directory: Path, numbers: list[int], signed: list[Checkpoint], base: Base, wanted: Wanted
) -> list[Task]:
    """What to read of each segment, with its place in the tree as the checkpoints let expect it."""
    firsts = [first_sequence(directory, number) or 0 for number in numbers]
    known = [checkpoint.sequence for checkpoint in signed]
    tasks = []
    for index, number in enumerate(numbers):
        first = firsts[index]
        following = firsts[index + 1] if index + 1 < len(firsts) else 0
        begin = bisect_left(known, first)
        end = bisect_left(known, following) if following > first else len(known)
        lost = base.sequence - base.size
        if begin:
            lost = signed[begin - 1].sequence - signed[begin - 1].size
        start = max(0, first - 1 - lost) if signed and first else -1
        sizes = tuple(sorted({checkpoint.size for checkpoint in signed[begin:end]}))
        sequences = tuple({*wanted.sequences, first} if first == 1 else wanted.sequences)
        tasks.append(Task(directory, number, start, sizes, sequences))
    return tasks


def _walk_segments(
    walk: Walk,
    directory: Path,
    tasks: list[Task],
    base: Base,
    executor: Executor | None,
    progress: Progress,
) -> list[SegmentEnd]:
    ends: list[SegmentEnd] = []
    expected = base.segment + 1
    for task, found in zip(tasks, _scans(tasks, executor), strict=True):
        if task.number != expected:
            _report_missing_segments(walk, directory, task, expected)
        expected = task.number + 1
        path = segment_path(directory, task.number)
        walk.begin_file(path.name if path else plain_name(task.number))
        is_last = task is tasks[-1]
        found = _fitting(walk, task, found)
        if found is not None and walk.continues(found) and (is_last or not found.torn):
            walk.take(found)
            walk.line = found.records
            if found.torn:
                walk.note_torn(found.torn)
        else:
            walk.read(directory, task.number, is_last=is_last)
        ends.append(SegmentEnd(task.number, walk.sequence))
        progress(path.stat().st_size if path and path.exists() else 0)
    return ends


def _scans(tasks: list[Task], executor: Executor | None) -> Iterator[CleanSegment | None]:
    if executor is None or len(tasks) < 2:
        yield from map(scan, tasks)
        return
    futures = [_submitted(executor, task) for task in tasks]
    try:
        for task, future in zip(tasks, futures, strict=True):
            try:
                found = future.result() if future else scan(task)
            except BrokenExecutor:
                found = scan(task)
            yield found
    finally:
        for future in futures:
            if future:
                future.cancel()


def _submitted(executor: Executor, task: Task) -> Future[CleanSegment | None] | None:
    """None where a process was killed, or none can be started from this one."""
    try:
        return executor.submit(scan, task)
    except BrokenExecutor:
        return None


def _fitting(walk: Walk, task: Task, found: CleanSegment | None) -> CleanSegment | None:
    """The segment at its right place in the tree, where it was expected at another one."""
    size = walk.tree.size
    if found is None or task.start < 0 or walk.damaged_from or found.start == size:
        return found
    sizes = tuple(sorted(walk.wanted.sizes))
    return scan(Task(task.directory, task.number, size, sizes, task.sequences))


def _report_missing_segments(walk: Walk, directory: Path, task: Task, expected: int) -> None:
    first = first_sequence(directory, task.number)
    walk.begin_file(plain_name(expected))
    last = (first or 0) - 1
    if last > walk.sequence:
        what = "is missing" if last == walk.sequence + 1 else f"to {last} are missing"
    else:
        what = "and following are missing"
    more = f", and {task.number - expected - 1} behind it" if task.number > expected + 1 else ""
    walk.report(walk.sequence + 1, f"{what}: the segment file is not there{more}")
    if last > walk.sequence:
        walk.sequence = last
    walk.hash = None


def _check_head(walk: Walk, head: Head | str | None) -> None:
    if not isinstance(head, Head):
        walk.begin_file("head")
        walk.report(walk.sequence, head or "the head file is missing", structural=False)
        return
    if head.sequence > walk.sequence:
        walk.line += 1
        walk.file = walk.file or plain_name(1)
        first, last = walk.sequence + 1, head.sequence
        walk.report(
            first, f"{missing(first, last)} at the end of the trail: the head file names {last}"
        )
        return
    known = walk.hashes.get(head.sequence) if head.sequence else FIRST_PREV
    if known == head.hash:
        behind = walk.sequence - head.sequence
        if behind:
            walk.note(
                f"{behind} records behind the one that the head file names: the writer is running, "
                "or did not stop in order"
            )
    elif not walk.damaged_from or head.sequence < walk.damaged_from:
        walk.begin_file("head")
        what = "is not the record that" if known else "is not in the trail, but"
        walk.report(head.sequence, f"{what} the head file names", structural=False)


def size_on_disk(directory: Path) -> int:
    """Bytes of all segments. Raises OSError."""
    return sum(
        os.stat(path).st_size
        for number in segment_numbers(directory)
        if (path := segment_path(directory, number))
    )
