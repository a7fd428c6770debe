"""Compressing segments that have ended, and making their index.

A segment is sealed in steps, each of which may be the last before a crash: the compressed file is
written under another name, synced and compared with the plain one; the index is put in place;
the compressed file gets its name; the plain file goes. Whatever is left over is done again. As
long as the plain file is there, it is the one that counts.

What is sealed was checked first: each line against its hash, the chain through the segment, and
to the segments before and behind it. A segment that fails stays as it is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from dbguard.audit.blocks import blocks, load_index
from dbguard.audit.chain import HEAD_NAME, HEAD_SIZE, BrokenLine, Link, read_head, read_line
from dbguard.audit.compression import (
    DamagedFrame,
    FramePlace,
    compress,
    decompress,
    frame_places,
)
from dbguard.audit.index import IndexBuilder, UnusableIndex
from dbguard.audit.trails import Segment, segments
from dbguard.verification.regular_file import open_regular, regular_descriptor

MAX_SEQUENCE: Final = 2**63


class Unsealable(Exception):
    """The segment is not what the writer wrote, so it was not sealed.

    The message says what is wrong and where, and holds no content of records.
    """


@dataclass(frozen=True, slots=True)
class Sealed:
    segment: Segment
    raw: int
    """Bytes of the plain file."""
    size: int
    """Bytes of the compressed one."""
    records: int


Progress = Callable[[int], None]
"""Told how many bytes of lines were dealt with since the last call."""


def _unheard(_bytes: int) -> None: ...


def to_seal(folder: Path) -> list[Segment]:
    """The chain's segments that ended and are not sealed yet.

    The writer needs none of them any more, not even after a power loss: the head file names a
    record behind them. Raises ConfigurationError, OSError.
    """
    found = segments(folder)
    head = head_sequence(folder)
    return [
        segment
        for segment, following in itertools.pairwise(found)
        if not segment.sealed and _begins(following) <= head
    ]


def without_index(folder: Path) -> list[Segment]:
    """The sealed segments that have no usable index. Raises ConfigurationError."""
    return [
        segment for segment in segments(folder) if segment.sealed and load_index(segment) is None
    ]


def seal(segment: Segment, progress: Progress = _unheard) -> Sealed | None:
    """Seal one segment of `to_seal`; None when somebody else has, or is about to.

    Raises Unsealable, ConfigurationError, OSError; then all is as it was.
    """
    # The head file as it is now may not be on disk yet; behind a sealed segment it must be.
    _sync(segment.folder / HEAD_NAME)
    with held(segment) as owner:
        if owner is None:
            return None
        target = segment.compressed.with_suffix(".zst.tmp")
        try:
            builder = IndexBuilder()
            with _new(target, owner) as file:
                raw, records = _write(segment, file, builder, progress)
                size = file.tell()
            _compare(segment, target)
            _put_index(segment, builder, size, owner)
            target.rename(segment.compressed)
        finally:
            discard(target)
        _sync(segment.folder)
        segment.plain.unlink()
        _sync(segment.folder)
        return Sealed(replace(segment, sealed=True), raw, size, records)


def make_index(segment: Segment) -> None:
    """Make the index of a sealed segment anew. Raises Unsealable, ConfigurationError, OSError."""
    builder = IndexBuilder()
    with open_regular(segment.compressed) as owner:
        places = _places(segment.compressed)
        for place, block in zip(places, blocks(segment), strict=True):
            lines = block.data.splitlines(keepends=True)
            links = [_following(segment, None, line) for line in lines]
            _add(segment, builder, place, links, lines)
        _put_index(segment, builder, os.fstat(owner.fileno()).st_size, owner)


@contextlib.contextmanager
def held(segment: Segment) -> Iterator[BinaryIO | None]:
    """A plain segment's file, which nobody else may seal or remove meanwhile.

    None when another process holds it, or it is not there. Raises OSError.
    """
    try:
        file = open_regular(segment.plain)
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file if segment.plain.exists() else None


def _write(
    segment: Segment, file: BinaryIO, builder: IndexBuilder, progress: Progress
) -> tuple[int, int]:
    """Write the compressed file and sync it; bytes and records that it holds."""
    link = _before(segment)
    raw = records = 0
    for block in blocks(replace(segment, sealed=False)):
        lines = block.data.splitlines(keepends=True)
        links: list[Link] = []
        for line in lines:
            link = _following(segment, link, line)
            links.append(link)
        records += len(lines)
        frame = compress(block.data)
        place = FramePlace(file.tell(), len(frame), len(block.data))
        _add(segment, builder, place, links, lines)
        file.write(frame)
        raw += len(block.data)
        progress(len(block.data))
    following = _first_line(Segment(segment.folder, segment.number + 1, sealed=False))
    if link is not None and following is not None:
        _following(replace(segment, number=segment.number + 1), link, following)
    file.flush()
    os.fsync(file.fileno())
    return raw, records


def _following(segment: Segment, before: Link | None, line: bytes) -> Link:
    """The place of a line in the chain, which must go on from `before`. Raises Unsealable."""
    try:
        link = read_line(line)
    except BrokenLine as error:
        behind = f"record {before.sequence}" if before else "its beginning"
        raise Unsealable(f"{segment.plain}: the line behind {behind}: {error}") from error
    if before and (link.prev != before.hash or link.sequence <= before.sequence):
        raise Unsealable(
            f"{segment.plain}: record {link.sequence} does not continue the record before it"
        )
    return link


def _before(segment: Segment) -> Link | None:
    """The last record of the segment before; None when that was pruned or there is none."""
    earlier = Segment(segment.folder, segment.number - 1, sealed=False)
    for block in blocks(earlier, backward=True):
        line = block.data[block.data.rfind(b"\n", 0, -1) + 1 :]
        return _following(earlier, None, line)
    return None


def _first_line(segment: Segment) -> bytes | None:
    for block in blocks(segment):
        return block.data[: block.data.find(b"\n") + 1]
    return None


def _begins(segment: Segment) -> int:
    """The first sequence number of a segment. Raises ConfigurationError."""
    line = _first_line(segment)
    try:
        return read_line(line).sequence if line else MAX_SEQUENCE
    except BrokenLine:
        return 0  # whether the segment before it ends well is seen when that is sealed


def _compare(segment: Segment, target: Path) -> None:
    """Read back what was written. Raises OSError when it is not the plain file."""
    with open_regular(segment.plain) as plain, open_regular(target) as file:
        for place in _places(target):
            file.seek(place.offset)
            if decompress(file.read(place.size)) != plain.read(place.raw):
                raise OSError(errno.EIO, "the compressed file reads back differently", str(target))
        if plain.read(1):
            raise OSError(errno.EIO, "the compressed file is too short", str(target))


def _places(path: Path) -> list[FramePlace]:
    try:
        return frame_places(path)
    except DamagedFrame as error:
        raise OSError(errno.EIO, str(error), str(path)) from error


def _add(
    segment: Segment,
    builder: IndexBuilder,
    place: FramePlace,
    links: list[Link],
    lines: list[bytes],
) -> None:
    try:
        builder.add(place, links, lines)
    except UnusableIndex as error:
        raise Unsealable(f"{segment.path}: {error}") from error


def _put_index(segment: Segment, builder: IndexBuilder, size: int, owner: BinaryIO) -> None:
    target = segment.index.with_suffix(".index.tmp")
    try:
        with _new(target, owner) as file:
            file.write(builder.render(segment.number, size))
            file.flush()
            os.fsync(file.fileno())
        target.rename(segment.index)
    finally:
        discard(target)


def discard(path: Path) -> None:
    """Remove an unfinished file; what somebody else put there by its name stays. Raises OSError."""
    if path.is_file() and not path.is_symlink():
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _new(path: Path, owner: BinaryIO) -> Iterator[BinaryIO]:
    """A new file that belongs to whom `owner` belongs to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(regular_descriptor(path, flags), "wb") as file:
        if os.geteuid() == 0:
            status = os.fstat(owner.fileno())
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
        yield file


def head_sequence(folder: Path) -> int:
    """The record that the head file names; 0 when it cannot be told, and nothing is sealed."""
    try:
        with open_regular(folder / HEAD_NAME) as file:
            return read_head(file.read(HEAD_SIZE + 1)).sequence
    except (BrokenLine, FileNotFoundError):
        return 0


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
