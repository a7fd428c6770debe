"""The files of a chain: which there are, and the lines that stand in them.

A segment is `audit-NNNNNN.jsonl`, or sealed `audit-NNNNNN.jsonl.zst`; where both are there, sealing
was not finished, and the plain one counts. A segment may be sealed, and so change its file, at any
moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from .regular_file import open_regular
from .zstandard import DamagedFrame, frames

CHUNK: Final = 1 << 20
LINE_LIMIT: Final = 1 << 28
"""Bytes. A statement may have some MiB of text; a line that does not end is not kept in memory."""

_ABSENT: Final = 1000
"""How many segments in a row are looked for by name."""
_NAME = re.compile(r"audit-([0-9]{6,})\.jsonl(\.zst)?")
_WRITER = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def plain_name(number: int) -> str:
    return f"audit-{number:06d}.jsonl"


def segment_numbers(directory: Path, behind: int = 0) -> list[int]:
    """The numbers of all segments, ascending; those up to `behind` may be missing. Raises OSError.

    While a segment is sealed, a listing may show neither of its files: each that seems to be
    missing is looked for by name.
    """
    found = set()
    for entry in directory.iterdir():
        match = _NAME.fullmatch(entry.name)
        if match and plain_name(int(match[1])) == entry.name.removesuffix(".zst"):
            found.add(int(match[1]))
    numbers = sorted(found)
    for before, following in pairwise([behind, *(n for n in numbers if n > behind)]):
        for absent in range(before + 1, min(following, before + _ABSENT)):
            if segment_path(directory, absent):
                found.add(absent)
    return sorted(found)


def segment_path(directory: Path, number: int) -> Path | None:
    """The file that holds the segment, None when there is none."""
    plain = directory / plain_name(number)
    sealed = plain.with_name(plain.name + ".zst")
    for path in (plain, sealed, plain):  # sealed in between
        if path.exists():
            return path
    return None


def writers(trail: Path) -> list[str]:
    """The chains of a trail, that at the top ("") first. Raises OSError."""
    found = [""] if is_chain(trail) else []
    folders = sorted(entry.name for entry in trail.iterdir() if _WRITER.fullmatch(entry.name))
    return found + [name for name in folders if (trail / name).is_dir() and is_chain(trail / name)]


def is_chain(directory: Path) -> bool:
    """An empty head alone is what a crash leaves before the first record."""
    head = directory / "head"
    return (head.exists() and head.stat().st_size > 0) or bool(segment_numbers(directory))


def chunks(directory: Path, number: int) -> Iterator[bytes | DamagedFrame]:
    """The segment's bytes in pieces of about a MiB, all but the last ending with a line feed.

    Raises FileNotFoundError when the segment is gone, OSError.
    """
    path = segment_path(directory, number)
    if path is None:
        raise FileNotFoundError(2, "No such file", str(directory / plain_name(number)))
    if path.suffix == ".zst":
        yield from _whole_lines(frames(path))
        return
    try:
        file = open_regular(path)
    except FileNotFoundError:  # sealed in between
        yield from _whole_lines(frames(path.with_name(path.name + ".zst")))
        return
    with file:
        yield from _whole_lines(iter(lambda: file.read(CHUNK), b""))


def _whole_lines(pieces: Iterator[bytes | DamagedFrame]) -> Iterator[bytes | DamagedFrame]:
    rest: list[bytes] = []
    held = 0
    for piece in pieces:
        if isinstance(piece, DamagedFrame):
            if rest:
                yield b"".join(rest)
            rest, held = [], 0
            yield piece
            continue
        end = piece.rfind(b"\n") + 1
        begin = 0
        while begin < end:  # what was compressed may be more than anybody wants to have at once
            cut = end if end - begin <= 2 * CHUNK else piece.find(b"\n", begin + CHUNK) + 1
            yield b"".join([*rest, piece[begin:cut]])
            rest, held, begin = [], 0, cut
        if end < len(piece):
            rest.append(piece[end:])
            held += len(piece) - end
            if held > LINE_LIMIT:
                yield DamagedFrame(f"a line of more than {LINE_LIMIT} bytes")
                rest, held = [], 0
    if rest:
        yield b"".join(rest)


def first_sequence(directory: Path, number: int) -> int | None:
    """The sequence number of the segment's first record, as its first line has it."""
    try:
        for chunk in chunks(directory, number):
            if isinstance(chunk, DamagedFrame):
                return None
            match = re.match(rb'\{"v":1,"seq":([0-9]{1,19}),', chunk)
            return int(match[1]) if match else None
    except OSError:
        return None
    return None


def read_small(path: Path, limit: int = 1 << 20) -> bytes | None:
    """A small file's content; None when it is not there. Raises OSError."""
    try:
        with open_regular(path) as file:
            return file.read(limit)
    except FileNotFoundError:
        return None
