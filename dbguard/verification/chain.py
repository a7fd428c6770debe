"""One chain, read from its first segment to its last."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from .careful_walk import Base, Walk, Wanted
from .checkpoints import FILE_NAME, PRUNED_NAME, Checkpoint, read_stored
from .fast_scan import CleanSegment, Task, scan
from .findings import UnusableInput
from .head_file import Head, read_head
from .layout import Layout, Matching
from .record_lines import FIRST_PREV, missing, own_hash
from .segment_files import (
    chunks,
    first_sequence,
    plain_name,
    read_small,
    segment_numbers,
    segment_path,
)
from .sources import Source, own_source

_ATTEMPTS: Final = 3
_AHEAD: Final = 16
"""Segments that may be read, or have been, before the one that is looked at."""

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
    own: Source
    pruned: Checkpoint | None
    segments: int
    ends: list[SegmentEnd]
    """Of all segments; the last one has not ended."""
    origins: frozenset[str]
    """What checkpoints of this chain may call it."""
    matches: list[bytearray]
    """Of the chain's own checkpoints, and of each source of copies: 1 for those that are what the
    records say at their place."""


def read_chain(
    trail: Path,
    writer: str,
    copies: list[Source],
    executor: Executor | None,
    progress: Progress,
) -> ChainReading:
    """Read a chain; a writer may be running, segments may be sealed or pruned meanwhile.

    Raises UnusableInput when that does not end, OSError. Whoever gets it closes the source `own`.
    """
    directory = trail / writer if writer else trail
    for attempt in range(_ATTEMPTS):
        before = _shape(directory)
        try:
            reading = _read_once(directory, writer, copies, executor, progress)
        except FileNotFoundError as error:
            if attempt == _ATTEMPTS - 1:
                raise UnusableInput(
                    f"{error.filename}: was removed while the trail was read, and others each time "
                    "that it was read again; run this again when pruning is over"
                ) from error
            continue
        last = attempt == _ATTEMPTS - 1
        if last or not reading.walk.findings or _shape(directory) == before:
            break
        reading.own.close()
    return reading


def _shape(directory: Path) -> tuple[list[int], bytes | None]:
    """What changes when segments come and go."""
    return segment_numbers(directory), read_small(directory / PRUNED_NAME)


def _read_once(
    directory: Path,
    writer: str,
    copies: list[Source],
    executor: Executor | None,
    progress: Progress,
) -> ChainReading:
    prefix = f"{writer}/" if writer else ""
    # Before the segments: a running writer only ever gets further than these say.
    with ExitStack() as undo:
        own = own_source(directory / FILE_NAME, prefix + FILE_NAME)
        undo.callback(own.close)
        head = read_head(directory / "head")
        pruned, pruned_problem = _pruned(directory / PRUNED_NAME)
        base = _base(pruned)
        numbers = segment_numbers(directory, base.segment)
        left_over = [number for number in numbers if number <= base.segment]
        numbers = numbers[len(left_over) :]

        origins = _origins(directory, numbers, own, pruned)
        firsts = [first_sequence(directory, number) or 0 for number in numbers]
        sources = [own, *copies]
        layout = Layout(sources, origins, firsts, base)
        sequences = {head.sequence} if isinstance(head, Head) else set()
        wanted = Wanted(frozenset(sequences), max([*sequences, layout.last]))
        walk = Walk(writer, base, wanted, prefix=prefix)
        if base.size:
            walk.hashes[base.sequence] = base.hash
        if own.torn:
            walk.note(f"{FILE_NAME}: {own.torn} bytes of an unfinished line at the end")
        if left_over:
            walk.note(
                f"{plain_name(left_over[0])}: {len(left_over)} segments that the pruning of "
                f"records up to {base.sequence} was to remove are still there; they were not "
                "checked"
            )
        if pruned_problem:
            walk.begin_file(PRUNED_NAME)
            walk.report(0, pruned_problem, structural=False)

        matching = Matching(walk, sources, layout)
        matching.before(base)
        tasks = _tasks(directory, numbers, firsts, layout, wanted)
        ends = _walk_segments(walk, directory, numbers, tasks, base, executor, matching, progress)
        _check_head(walk, head)
        undo.pop_all()
    return ChainReading(
        writer, directory, prefix, walk, own, pruned, len(numbers), ends, origins, matching.matches
    )


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
    directory: Path, numbers: list[int], own: Source, pruned: Checkpoint | None
) -> frozenset[str]:
    outlines = (own.outline(entry) for entry in own.entries())
    found = {outline.origin for outline in outlines if outline}
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
    directory: Path, numbers: list[int], firsts: list[int], layout: Layout, wanted: Wanted
) -> Iterator[Task]:
    """What to read of each segment, with its place in the tree as the checkpoints let expect it."""
    for index, (number, first) in enumerate(zip(numbers, firsts, strict=True)):
        sequences = tuple({*wanted.sequences, first} if first == 1 else wanted.sequences)
        yield Task(directory, number, layout.start(index, first), layout.sizes(index), sequences)


def _walk_segments(
    walk: Walk,
    directory: Path,
    numbers: list[int],
    tasks: Iterator[Task],
    base: Base,
    executor: Executor | None,
    matching: Matching,
    progress: Progress,
) -> list[SegmentEnd]:
    ends: list[SegmentEnd] = []
    expected = base.segment + 1
    for index, (task, found) in enumerate(_scans(tasks, executor)):
        if task.number != expected:
            _report_missing_segments(walk, directory, task, expected)
        expected = task.number + 1
        path = segment_path(directory, task.number)
        walk.begin_file(path.name if path else plain_name(task.number))
        is_last = task.number == numbers[-1]
        walk.sizes = frozenset(task.sizes)
        found = _fitting(walk, task, found)
        if found is not None and walk.continues(found) and (is_last or not found.torn):
            walk.take(found)
            walk.line = found.records
            if found.torn:
                walk.note_torn(found.torn)
        else:
            walk.read(directory, task.number, is_last=is_last)
        matching.segment(index)
        ends.append(SegmentEnd(task.number, walk.sequence))
        progress(path.stat().st_size if path and path.exists() else 0)
    return ends


def _scans(
    tasks: Iterator[Task], executor: Executor | None
) -> Iterator[tuple[Task, CleanSegment | None]]:
    """Each task with what was found; as many are under way as are not waited for long."""
    if executor is None:
        for task in tasks:
            yield task, scan(task)
        return
    ahead: deque[tuple[Task, Future[CleanSegment | None] | None]] = deque()
    try:
        for task in tasks:
            ahead.append((task, _submitted(executor, task)))
            if len(ahead) > _AHEAD:
                yield _done(*ahead.popleft())
        while ahead:
            yield _done(*ahead.popleft())
    finally:
        for _, future in ahead:
            if future:
                future.cancel()


def _done(
    task: Task, future: Future[CleanSegment | None] | None
) -> tuple[Task, CleanSegment | None]:
    try:
        return task, future.result() if future else scan(task)
    except BrokenExecutor:
        return task, scan(task)


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
    return scan(replace(task, start=size))


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
    """Bytes of all segments; what is sealed or removed just now may be missing. Raises OSError."""
    total = 0
    for number in segment_numbers(directory):
        path = segment_path(directory, number)
        with suppress(FileNotFoundError):
            total += os.stat(path).st_size if path else 0
    return total
