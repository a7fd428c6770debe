"""Zstandard (RFC 8878) as sealed segments use it: frames one behind the other, each with the
checksum of its content.

From Python 3.14 on the standard library has it; before, the same module comes from a backport.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL: Final = 3
"""Zstandard's own default. Half of what stays are hashes, which no level makes smaller."""
FRAME_LIMIT: Final = 1024**3
"""Bytes a frame may hold at most: frames are made of about 1 MiB, but a line may be long. More is
not one of ours, and would fill the memory."""
_CHUNK: Final = 256 * 1024


class DamagedFrame(ValueError):
    """The bytes are not whole frames with the right checksums."""


class Frame(NamedTuple):
    offset: int
    """Where it begins in the file (bytes)."""
    size: int
    """Bytes in the file."""
    data: bytes


def compress(data: bytes) -> bytes:
    """One frame that holds `data`."""
    parameter = zstd.CompressionParameter
    return zstd.compress(
        data, options={parameter.compression_level: LEVEL, parameter.checksum_flag: 1}
    )


def decompress(frame: bytes) -> bytes:
    """What one whole frame holds. Raises DamagedFrame."""
    decompressor = zstd.ZstdDecompressor()
    try:
        data = decompressor.decompress(frame, FRAME_LIMIT)
    except zstd.ZstdError as error:
        raise DamagedFrame("damaged compressed data") from error
    if not decompressor.eof or decompressor.unused_data:
        raise DamagedFrame("not one whole frame of compressed data")
    return data


def frames(file: BinaryIO) -> Iterator[Frame]:
    """The frames from the file's position to its end. Raises DamagedFrame, OSError."""
    offset = file.tell()
    rest = b""
    while chunk := rest or file.read(_CHUNK):
        decompressor = zstd.ZstdDecompressor()
        size = len(chunk)
        parts: list[bytes] = []
        held = 0
        try:
            while True:
                parts.append(decompressor.decompress(chunk, FRAME_LIMIT - held))
                held += len(parts[-1])
                if decompressor.eof:
                    break
                if held >= FRAME_LIMIT or not (chunk := file.read(_CHUNK)):
                    raise DamagedFrame("the last frame of compressed data is cut off or too long")
                size += len(chunk)
        except zstd.ZstdError as error:
            raise DamagedFrame("damaged compressed data") from error
        rest = decompressor.unused_data
        size -= len(rest)
        yield Frame(offset, size, b"".join(parts))
        offset += size
