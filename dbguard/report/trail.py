"""The files of a trail as a report reads them: every chain's segments, plain or compressed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbguard.audit.compression import DamagedFrame, frames
from dbguard.errors import ConfigurationError

_SEGMENT = re.compile(r"audit-([0-9]{6,})\.jsonl(\.zst)?")
_CHAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_BUFFER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One segment."""

    path: Path
    chain: str
    """Name of its writer; empty at the top level."""
    size: int
    """Bytes on disk."""
    last: bool
    """Of its chain: its last line may be unfinished."""


def parts(directory: Path) -> list[Part]:
    """All segments, chain by chain, each chain's in order.

    Raises ConfigurationError when there is no such directory.
    """
    try:
        found = _chain(directory, "")
        for folder in sorted(directory.iterdir()):
            if folder.is_dir() and _CHAIN.fullmatch(folder.name):
                found += _chain(folder, folder.name)
    except OSError as error:
        raise ConfigurationError(
            f"{directory}: the audit directory cannot be read: {error.strerror}",
            hint="Name the directory with --audit, or the settings file with --config.",
        ) from error
    return found


def _chain(folder: Path, name: str) -> list[Part]:
    by_number: dict[int, Path] = {}
    for path in folder.iterdir():
        match = _SEGMENT.fullmatch(path.name)
        if match and not (match[2] and int(match[1]) in by_number):
            by_number[int(match[1])] = path  # where both are there, the plain file counts
    last = max(by_number, default=0)
    return [
        Part(by_number[n], name, by_number[n].stat().st_size, n == last) for n in sorted(by_number)
    ]


def lines(part: Part) -> Iterator[bytes]:
    """The segment's lines, without an unfinished one at the end of the chain.

    Raises ConfigurationError when the file cannot be read.
    """
    try:
        if part.path.suffix == ".zst":
            with part.path.open("rb") as file:
                for frame in frames(file):
                    yield from frame.data.splitlines(keepends=True)
        else:
            with part.path.open("rb", buffering=_BUFFER) as file:
                for line in file:
                    if part.last and not line.endswith(b"\n"):
                        return
                    yield line
    except DamagedFrame as error:
        raise ConfigurationError(
            f"{part.path}: {error}",
            hint=f"Run `dbguard audit verify --audit {part.path.parent}` to see what was changed.",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{part.path}: cannot be read: {error.strerror}",
            hint="Run it as the user that dbguard runs as, or give read access to the folder.",
        ) from error


def first_line(part: Part) -> bytes:
    """Empty when there is none. Raises ConfigurationError."""
    return next(lines(part), b"")
