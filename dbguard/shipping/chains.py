"""The chains of a trail, and what identifies one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import orjson

from dbguard.audit.chain import HEAD_NAME, BrokenLine, Head, read_head, segment_name

from .items import Checkpoint

CHECKPOINTS_NAME: Final = "checkpoints.jsonl"
PRUNED_NAME: Final = "pruned.json"
_WRITER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SEGMENT: Final = re.compile(r"audit-([0-9]{6,})\.jsonl(\.zst)?")


class NotACheckpoint(ValueError):
    """A line that no writer of checkpoints has written."""


def find_chains(trail: Path) -> list[str]:
    """The names of the writers whose chains stand in the trail. Raises OSError."""
    found = [""] if (trail / HEAD_NAME).exists() else []
    for entry in sorted(trail.iterdir()):
        if _WRITER.fullmatch(entry.name) and (entry / HEAD_NAME).is_file():
            found.append(entry.name)
    return found


def head_of(folder: Path) -> Head | None:
    """How far the chain is known to be on disk; None when that cannot be told just now."""
    try:
        return read_head((folder / HEAD_NAME).read_bytes())
    except (OSError, BrokenLine):
        return None


def segments_of(folder: Path) -> dict[int, Path]:
    """The segments by number, plain ones before compressed ones. Raises OSError."""
    found: dict[int, Path] = {}
    for entry in folder.iterdir():
        match = _SEGMENT.fullmatch(entry.name)
        if match and (match[2] is None or int(match[1]) not in found):
            found[int(match[1])] = entry
    return found


def trail_id(folder: Path) -> str | None:
    """What the chain is called in its checkpoints; None when it has neither a first record nor a
    checkpoint. Raises OSError."""
    for name in (CHECKPOINTS_NAME, PRUNED_NAME):
        try:
            with (folder / name).open("rb") as file:
                line = file.readline(1024 * 1024)
            return origin(line)
        except (FileNotFoundError, NotACheckpoint):
            continue
    try:
        with (folder / segment_name(1)).open("rb") as file:
            line = file.readline(16 * 1024 * 1024)
    except FileNotFoundError:
        return None
    found = re.search(rb',"hash":"([0-9a-f]{16})[0-9a-f]{48}"\}\n\Z', line)
    return found[1].decode() if found else None


def origin(line: bytes) -> str:
    """Which chain a checkpoint is of. Raises NotACheckpoint."""
    first = _note(line)[0]
    if not re.fullmatch(r"dbguard\.audit/[0-9a-f]{16}", first):
        raise NotACheckpoint("not a checkpoint of an audit trail")
    return first.removeprefix("dbguard.audit/")


def read_checkpoint(line: bytes) -> Checkpoint:
    """Read a line of checkpoints.jsonl or pruned.json. Raises NotACheckpoint."""
    note = _note(line)
    members = dict(part.split(" ", 1) for part in note[3:6] if " " in part)
    try:
        return Checkpoint(int(note[1]), int(members["seq"]), note[2], members["time"], line)
    except (KeyError, ValueError):
        raise NotACheckpoint("not a checkpoint of an audit trail") from None


def pruned_up_to(folder: Path) -> int:
    """The last record that retention has removed; 0 when none was."""
    try:
        return read_checkpoint((folder / PRUNED_NAME).read_bytes()).sequence
    except (OSError, NotACheckpoint):
        return 0


def _note(line: bytes) -> list[str]:
    try:
        lines = orjson.loads(line)["note"].split("\n")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotACheckpoint("not a checkpoint") from None
    if len(lines) < 7:
        raise NotACheckpoint("not a checkpoint")
    return list(lines)
