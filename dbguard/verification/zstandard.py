"""Zstandard frames (RFC 8878), read one after the other so that a damaged one costs itself only."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from .regular_file import open_regular

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 1 << 20
_FRAME_LIMIT: Final = 1 << 28
"""Bytes a frame may hold: a segment's are of about 1 MiB, more where a line is longer."""


class DamagedFrame(Exception):
    """A part of the file that is not a frame, or one whose checksum does not fit."""


def frames(path: Path) -> Iterator[bytes | DamagedFrame]:
    """The content of each frame, and a DamagedFrame for each stretch that is none.

    Raises OSError. Memory: one frame and what it holds.
    """
    with open_regular(path) as file:
        position = 0
        while True:
            end = _frame_end(file, position)
            if end is None:
                following = _next_magic(file, position + 1)
                if following is None:
                    file.seek(position)
                    if file.read(1):
                        yield DamagedFrame(f"byte {position} begins no compressed data")
                    return
                yield DamagedFrame(f"byte {position} begins no compressed data")
                position = following
                continue
            file.seek(position)
            fits = end - position <= _FRAME_LIMIT
            content = _content(file.read(end - position)) if fits else None
            if content is None:
                yield DamagedFrame(f"the compressed data at byte {position} are damaged")
            else:
                yield content
            position = end


def _content(frame: bytes) -> bytes | None:
    decompressor = zstd.ZstdDecompressor()
    try:
        content = decompressor.decompress(frame, _FRAME_LIMIT)
    except zstd.ZstdError:
        return None
    return content if decompressor.eof and not decompressor.unused_data else None


def _frame_end(file: BinaryIO, start: int) -> int | None:
    """Where the frame at `start` ends, told by its header and the sizes of its blocks."""
    file.seek(start)
    header = file.read(18)
    if len(header) < 6 or not header.startswith(_MAGIC):
        return None
    descriptor = header[4]
    single = descriptor >> 5 & 1
    size = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3]
    size += (single, 2, 4, 8)[descriptor >> 6]
    position = start + size
    while True:
        file.seek(position)
        block = file.read(3)
        if len(block) < 3:
            return None
        (value,) = struct.unpack("<I", block + b"\0")
        last, kind, length = value & 1, value >> 1 & 3, value >> 3
        if kind == 3:
            return None
        position += 3 + (1 if kind == 1 else length)
        if last:
            break
    position += 4 * (descriptor >> 2 & 1)
    return position if position <= file.seek(0, 2) else None


def _next_magic(file: BinaryIO, start: int) -> int | None:
    file.seek(start)
    position = start
    rest = b""
    while chunk := file.read(_CHUNK):
        found = (rest + chunk).find(_MAGIC)
        if found >= 0:
            return position - len(rest) + found
        position += len(chunk)
        rest = (rest + chunk)[-3:]
    return None
