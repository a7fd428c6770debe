"""Zstandard (RFC 8878) as sealed segments use it: frames one behind the other, each with the
checksum of its content.

From Python 3.14 on the standard library has it; before, the same module comes from a backport.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Final, NamedTuple

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from dbguard.verification.regular_file import open_regular

LEVEL: Final = 3
"""Zstandard's own default. Half of what stays are hashes, which no level makes smaller."""
FRAME_LIMIT: Final = 256 * 1024**2
"""Bytes a frame may hold at most: frames are made of about 1 MiB, but a line may be long. More is
not one of ours, and would fill the memory."""


class DamagedFrame(ValueError):
    """The bytes are not whole frames with the right checksums."""


class FramePlace(NamedTuple):
    """Where a frame stands, all in bytes."""

    offset: int
    size: int
    raw: int
    """What it holds."""


def compress(data: bytes) -> bytes:
    """One frame that holds `data`."""
    parameter = zstd.CompressionParameter
    return zstd.compress(
        data, options={parameter.compression_level: LEVEL, parameter.checksum_flag: 1}
    )


def decompress(frame: bytes | memoryview) -> bytes:
    """What one whole frame holds. Raises DamagedFrame."""
    decompressor = zstd.ZstdDecompressor()
    try:
        data = decompressor.decompress(frame, FRAME_LIMIT)
    except zstd.ZstdError as error:
        raise DamagedFrame("damaged compressed data") from error
    if not decompressor.eof or decompressor.unused_data:
        raise DamagedFrame("not one whole frame of compressed data")
    return data


def first_frame(data: bytes | memoryview) -> int:
    """The size of the frame that `data` begins with. Raises DamagedFrame."""
    try:
        return zstd.get_frame_size(data)
    except zstd.ZstdError as error:
        raise DamagedFrame("damaged compressed data") from error


def frame_places(path: Path) -> list[FramePlace]:
    """The frames of a file, from their headers alone. Raises DamagedFrame, OSError."""
    found: list[FramePlace] = []
    with open_regular(path) as file:
        size = file.seek(0, 2)
        if not size:
            return found
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
        ):
            offset = 0
            while offset < size:
                with view[offset:] as rest:
                    length, raw = _measured(rest)
                found.append(FramePlace(offset, length, raw))
                offset += length
    return found


def _measured(data: memoryview) -> tuple[int, int]:
    length = first_frame(data)
    try:
        raw = zstd.get_frame_info(data).decompressed_size
    except zstd.ZstdError as error:
        raise DamagedFrame("damaged compressed data") from error
    if raw is None or raw > FRAME_LIMIT or length > FRAME_LIMIT:
        raise DamagedFrame("a frame of compressed data does not say its size, or is too large")
    return length, raw
