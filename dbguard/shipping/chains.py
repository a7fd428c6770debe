"""The chains of a trail, and what identifies one."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path
from typing import Final

from dbguard.audit.chain import HEAD_NAME, HEAD_SIZE, BrokenLine, Head, read_head, segment_name
from dbguard.audit.checkpoints import (
    CHECKPOINTS_NAME,
    PRUNED_NAME,
    CheckpointLine,
    UnusableCheckpoint,
)
from dbguard.audit.compression import DamagedFrame, decompress, frame_places
from dbguard.audit.notes import ORIGIN_PREFIX, UnusableNote
from dbguard.audit.notes import Checkpoint as SignedText
from dbguard.audit.trails import chains, segments
from dbguard.errors import ConfigurationError
from dbguard.verification.regular_file import NotAFile, open_regular

from .items import Checkpoint

LINE_BYTES: Final = 64 * 1024 * 1024
"""A line that is longer is no record."""
LOOKS: Final = 4
LOOK_SECONDS: Final = 0.01


class NotACheckpoint(ValueError):
    """A line that no writer of checkpoints has written."""


def find_chains(trail: Path) -> list[str]:
    """The names of the writers whose chains stand in the trail; none where it is not there yet.
    Raises OSError."""
    if not trail.exists():
        return []
    try:
        return [chain.writer for chain in chains(trail)]
    except ConfigurationError:
        raise OSError(0, "the folder cannot be read") from None


def head_of(folder: Path) -> Head | None:
    """How far the chain is known to be on disk; None when it does not say that, or not just now.

    Raises NotAFile.
    """
    try:
        with open_regular(folder / HEAD_NAME) as file:
            return read_head(file.read(HEAD_SIZE + 1))
    except NotAFile:
        raise
    except (OSError, BrokenLine):
        return None


def settled_head(folder: Path) -> Head | None:
    """The same, looked at more than once: it may be overwritten at this moment.

    Raises NotAFile.
    """
    for _ in range(LOOKS):
        head = head_of(folder)
        if head is not None:
            return head
        time.sleep(LOOK_SECONDS)
    return None


def segments_of(folder: Path) -> dict[int, Path]:
    """The segments by number, plain ones before compressed ones. Raises OSError."""
    try:
        return {segment.number: segment.path for segment in segments(folder)}
    except ConfigurationError:
        raise OSError(0, "the folder cannot be read") from None


def trail_id(folder: Path) -> str | None:
    """What the chain is called in its checkpoints; None when it has neither a first record nor a
    checkpoint. Raises OSError."""
    for name in (CHECKPOINTS_NAME, PRUNED_NAME):
        try:
            with open_regular(folder / name) as file:
                line = file.readline(1024 * 1024)
            return origin(line)
        except (FileNotFoundError, NotACheckpoint):
            continue
    line = _first_line(folder)
    found = re.search(rb',"hash":"([0-9a-f]{16})[0-9a-f]{48}"\}\n\Z', line)
    return found[1].decode() if found else None


def _first_line(folder: Path) -> bytes:
    """Empty when the first segment is not there, or damaged."""
    path = folder / segment_name(1)
    try:
        with open_regular(path) as file:
            return file.readline(LINE_BYTES)
    except FileNotFoundError:
        pass
    sealed = path.with_name(path.name + ".zst")
    try:
        with open_regular(sealed) as file:
            data = decompress(file.read(frame_places(sealed)[0].size))
    except (FileNotFoundError, DamagedFrame, IndexError):
        return b""
    return data[: data.find(b"\n") + 1]


def origin(line: bytes) -> str:
    """Which chain a checkpoint is of. Raises NotACheckpoint."""
    return _parse(line).origin.removeprefix(ORIGIN_PREFIX)


def read_checkpoint(line: bytes) -> Checkpoint:
    """Read a line of checkpoints.jsonl or pruned.json. Raises NotACheckpoint."""
    found = _parse(line)
    root = base64.b64encode(found.root).decode()
    return Checkpoint(found.size, found.sequence, root, found.time, line)


def pruned_up_to(folder: Path) -> int:
    """The last record that retention has removed; 0 when none was."""
    try:
        with open_regular(folder / PRUNED_NAME) as file:
            return read_checkpoint(file.read(LINE_BYTES)).sequence
    except (OSError, NotACheckpoint):
        return 0


def _parse(line: bytes) -> SignedText:
    """Who has signed it is for those to check who rely on it."""
    try:
        text, separator, _ = CheckpointLine.parse(line).note.rpartition("\n\n")
        return SignedText.parse(text + "\n" if separator else "")
    except (UnusableCheckpoint, UnusableNote):
        raise NotACheckpoint("not a checkpoint of an audit trail") from None
