"""A trail as files: which chains a directory holds, and which segments a chain.

A trail is a directory with one chain at its top and any number of further ones, each in a folder
named after its writer. A segment is a plain file, or, when it is sealed, a compressed one of the
same name with `.zst` behind it; where both are there, the plain file counts.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbguard.audit.chain import HEAD_NAME
from dbguard.errors import ConfigurationError
from dbguard.verification.regular_file import HINT, NotAFile

OPERATOR: Final = "operator"
"""The chain in which the command line records its own acts."""
_WRITER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SEGMENT: Final = re.compile(r"audit-([0-9]{6,19})\.jsonl(\.zst)?")
_NAME: Final = re.compile(r"(?:([a-z0-9][a-z0-9_-]{0,31}):)?([0-9]{1,19})")
_LOOKS: Final = 20
"""Sealing renames and unlinks within milliseconds: two equal looks come soon."""


@dataclass(frozen=True, slots=True)
class Segment:
    folder: Path
    number: int
    sealed: bool

    @property
    def plain(self) -> Path:
        return self.folder / f"audit-{self.number:06d}.jsonl"

    @property
    def compressed(self) -> Path:
        return self.folder / f"audit-{self.number:06d}.jsonl.zst"

    @property
    def index(self) -> Path:
        return self.folder / f"audit-{self.number:06d}.index"

    @property
    def path(self) -> Path:
        return self.compressed if self.sealed else self.plain

    @property
    def size(self) -> int:
        """Bytes of its file; 0 when it has been removed, or is being sealed."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


@dataclass(frozen=True, slots=True)
class Chain:
    writer: str
    """Empty for the chain at the top of the trail."""
    folder: Path


def record_name(writer: str, sequence: int) -> str:
    """`WRITER:SEQ`, plain `SEQ` in the top chain."""
    return f"{writer}:{sequence}" if writer else str(sequence)


def parse_record_name(text: str) -> tuple[str, int]:
    """Writer and sequence number. Raises ConfigurationError."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise ConfigurationError(
            f"not the name of a record: {text}",
            hint="Write its sequence number, with the writer's name and a colon before it for a "
            "chain of its own: 42, eu-1:42.",
        )
    return match[1] or "", int(match[2])


def chains(directory: Path) -> list[Chain]:
    """The trail's chains, the top one first. Raises ConfigurationError."""
    try:
        with os.scandir(directory) as entries:
            folders = sorted(
                entry.name for entry in entries if _WRITER.fullmatch(entry.name) and entry.is_dir()
            )
        found = [Chain(name, directory / name) for name in folders if _is_chain(directory / name)]
        if not found or _is_chain(directory):
            found.insert(0, Chain("", directory))
    except OSError as error:
        raise unreadable(directory, error) from error
    return found


def segments(folder: Path) -> list[Segment]:
    """The chain's segments in order. Raises ConfigurationError."""
    try:
        names = _segment_names(folder)
        for _ in range(_LOOKS):  # while one is sealed, a look may see neither of its files
            again = _segment_names(folder)
            if names == again:
                break
            names = again
    except OSError as error:
        raise unreadable(folder, error) from error
    sealed: dict[int, bool] = {}
    for number, compressed in names:
        sealed[number] = sealed.get(number, True) and compressed
    return [Segment(folder, number, sealed[number]) for number in sorted(sealed)]


def unreadable(path: Path, error: OSError) -> ConfigurationError:
    if isinstance(error, NotAFile):
        return ConfigurationError(f"{error.filename}: {error.strerror}", hint=HINT)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        hint = "Name the directory with --audit, or the settings file with --config."
    else:
        hint = "Run it as the user that dbguard runs as, or give read access to the folder."
    what = "the audit directory cannot be read" if path.suffix == "" else "cannot be read"
    return ConfigurationError(f"{path}: {what}: {error.strerror}", hint=hint)


def _is_chain(folder: Path) -> bool:
    if (folder / HEAD_NAME).exists():
        return True
    with os.scandir(folder) as entries:
        return any(_SEGMENT.fullmatch(entry.name) for entry in entries)


def _segment_names(folder: Path) -> set[tuple[int, bool]]:
    with os.scandir(folder) as entries:
        return {
            (int(match[1]), match[2] is not None)
            for entry in entries
            if (match := _SEGMENT.fullmatch(entry.name))
        }
