"""Destination `file`: a folder on another disk that holds the trail's own files, byte for byte.

Each chain has its segments under their own names, its checkpoints, and a head file, so the copy is
a trail that `dbguard audit verify` reads. Files only grow. What is there already is compared with
what comes: the same is passed over (so nothing stands there twice), anything else is a fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import orjson

from dbguard.audit.chain import HEAD_NAME, HEAD_SIZE, BrokenLine, Head, read_head, segment_name
from dbguard.audit.checkpoints import CHECKPOINTS_NAME
from dbguard.verification.regular_file import open_regular, regular_descriptor

from .chains import NotACheckpoint, read_checkpoint
from .destination import Fork, Unavailable
from .items import Chain, Checkpoint, CheckpointBatch, Gap, RecordBatch
from .one_thread import OneThread

GAPS_NAME: Final = "gaps.jsonl"
TAIL_BYTES: Final = 256 * 1024
"""Of a file of checkpoints, where those that came last stand."""
T = TypeVar("T")
TRAIL_NAME: Final = "trail"
"""Which chain the folder holds a copy of."""


class FileCopy:
    """See the module."""

    def __init__(self, name: str, directory: Path) -> None:
        self._directory = directory
        self._thread = OneThread(f"ship-{name}")

    async def send_records(self, batch: RecordBatch) -> None:
        await self._thread.run(lambda: _told(self._records, batch))

    async def send_checkpoints(self, batch: CheckpointBatch) -> None:
        await self._thread.run(lambda: _told(self._checkpoints, batch))

    async def send_gap(self, gap: Gap) -> None:
        await self._thread.run(lambda: _told(self._gap, gap))

    async def close(self) -> None:
        self._thread.end()

    def _folder(self, chain: Chain) -> Path:
        folder = self._directory / chain.writer if chain.writer else self._directory
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = folder / TRAIL_NAME
        try:
            found = _content(name).decode("ascii").strip()
        except FileNotFoundError:
            _write(name, chain.trail.encode() + b"\n", 0)
            found = chain.trail
        if found and found != chain.trail:
            raise Fork(f"{folder} holds a copy of another trail ({found})")
        return folder

    def _records(self, batch: RecordBatch) -> None:
        folder = self._folder(batch.chain)
        _extend(folder / segment_name(batch.segment), batch.data, batch.offset)
        last = batch.records[-1]
        _lift_head(folder / HEAD_NAME, Head(last.sequence, last.hash.encode()))

    def _checkpoints(self, batch: CheckpointBatch) -> None:
        path = self._folder(batch.chain) / CHECKPOINTS_NAME
        known = _roots(path, batch.checkpoints[0].size) if path.exists() else {}
        new = []
        for checkpoint in batch.checkpoints:
            root = known.get(checkpoint.size, checkpoint.root)
            if root != checkpoint.root:
                raise Fork(f"{path} holds another root for tree size {checkpoint.size}")
            if checkpoint.size not in known:
                new.append(checkpoint.line)
        if new:
            _append(path, b"".join(new))

    def _gap(self, gap: Gap) -> None:
        folder = self._folder(gap.chain)
        path = folder / GAPS_NAME
        if path.exists() and any(
            _of_gap(line, gap) for line in _content(path).splitlines() if line
        ):
            return
        _append(path, gap.line)


def _told(work: Callable[[T], None], item: T) -> None:
    try:
        work(item)
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise Unavailable(f"{error.filename or 'the copy'}: {reason}") from None


def _extend(path: Path, data: bytes, offset: int) -> None:
    """Make the file hold `data` at `offset`: write what is not there yet.

    A file that ends before `offset` lacks something; one that holds other bytes there is a fork.
    An unfinished write of a crash is a beginning of what comes now, and is completed.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = 0
    if size < offset:
        raise Fork(f"{path} has {size} bytes, where {offset} were written before")
    there = b""
    if size > offset:
        with open_regular(path) as file:
            file.seek(offset)
            there = file.read(len(data))
    if not data.startswith(there):
        raise Fork(f"{path} holds something else behind byte {offset}")
    if len(there) < len(data):
        _write(path, data[len(there) :], offset + len(there))


def _append(path: Path, data: bytes) -> None:
    """Put whole lines behind the file; behind an unfinished one, complete it if it is the same."""
    content = _content(path) if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if not data.startswith(content[whole:]):
        raise Fork(f"{path} ends with something else than what comes next")
    _write(path, data[len(content) - whole :], len(content))


def _content(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()


def _write(path: Path, data: bytes, offset: int) -> None:
    new = not path.exists()
    descriptor = regular_descriptor(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW)
    try:
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _lift_head(path: Path, head: Head) -> None:
    try:
        with open_regular(path) as file:
            there = read_head(file.read(HEAD_SIZE))
    except (FileNotFoundError, BrokenLine):
        there = None
    if there is None or there.sequence < head.sequence:
        _write(path, head.render(), 0)


def _roots(path: Path, smallest: int) -> dict[int, str]:
    """Tree sizes from `smallest` on and their roots: mostly the end of the file tells."""
    found: dict[int, str] = {}
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        for begin in (max(0, size - TAIL_BYTES), 0):
            found.clear()
            file.seek(begin)
            if begin:
                file.readline()
            for line in file:
                if line.endswith(b"\n"):
                    checkpoint = _checkpoint(line, path)
                    found[checkpoint.size] = checkpoint.root
            if not begin or (found and min(found) <= smallest):
                break
    return found


def _checkpoint(line: bytes, path: Path) -> Checkpoint:
    try:
        return read_checkpoint(line)
    except NotACheckpoint:
        raise Fork(f"{path} holds something that is no checkpoint") from None


def _of_gap(line: bytes, gap: Gap) -> bool:
    try:
        found = orjson.loads(line)
    except ValueError:
        return False
    return bool(found.get("first") == gap.first and found.get("last") == gap.last)
