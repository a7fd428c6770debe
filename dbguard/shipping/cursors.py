"""How far each destination has come, on disk.

A cursor is written after the acknowledgement, so after a crash it can only be behind: what is sent
again then is known by writer, sequence number and hash. One process at a time ships to a
destination; it holds a lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from dbguard.errors import ConfigurationError
from dbguard.verification.regular_file import open_regular, regular_descriptor

from .items import CheckpointPosition, Position

FOLDER: Final = "shipping"


@dataclass(frozen=True, slots=True)
class ChainCursor:
    """One chain's part of a cursor."""

    trail: str = ""
    records: Position = field(default_factory=Position)
    checkpoints: CheckpointPosition = field(default_factory=CheckpointPosition)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing goes to a destination, and since when (UTC)."""

    since: str
    reason: str


@dataclass(slots=True)
class Cursor:
    """A destination's cursor, as it was read or is to be written."""

    chains: dict[str, ChainCursor] = field(default_factory=dict)
    trouble: Trouble | None = None

    def render(self) -> bytes:
        """The content of its file."""
        document: dict[str, object] = {
            "v": 1,
            "chains": {name: _chain(chain) for name, chain in sorted(self.chains.items())},
        }
        if self.trouble is not None:
            document["trouble"] = {
                "since": self.trouble.since,
                "reason": self.trouble.reason,
            }
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


class CursorBusy(Exception):
    """Another process ships to the destination."""


class CursorFile:
    """The file of one destination, in the folder `shipping` of the trail."""

    def __init__(self, trail: Path, name: str) -> None:
        self.path = trail / FOLDER / f"{name}.json"
        self._lock: int | None = None
        self._writing = threading.Lock()

    def lock(self) -> None:
        """Be the only one. Raises CursorBusy, OSError."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = regular_descriptor(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise CursorBusy from None
        except OSError:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self) -> Cursor:
        """What was written last; a fresh one when nothing was.

        Raises ConfigurationError when it is damaged, OSError.
        """
        try:
            with open_regular(self.path) as file:
                data = file.read()
        except FileNotFoundError:
            return Cursor()
        try:
            return _read(orjson.loads(data))
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(
                f"{self.path}: does not say how far the trail was shipped",
                hint="Move it away: everything is sent once more, which destinations notice.",
            ) from None

    def write(self, data: bytes) -> None:
        """Replace the file, durably, or leave the former one. Raises OSError."""
        with self._writing:  # one that nobody waits for any more may be under way
            self._replace(data)

    def _replace(self, data: bytes) -> None:
        new = self.path.with_suffix(".new")
        descriptor = regular_descriptor(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _chain(chain: ChainCursor) -> dict[str, object]:
    return {
        "trail": chain.trail,
        "seq": chain.records.sequence,
        "segment": chain.records.segment,
        "offset": chain.records.offset,
        "hash": chain.records.hash,
        "checkpoint_size": chain.checkpoints.size,
        "checkpoint_offset": chain.checkpoints.offset,
    }


def _read(document: Mapping[str, object]) -> Cursor:
    if document["v"] != 1:
        raise ValueError("unknown version")
    chains = document["chains"]
    if not isinstance(chains, dict):
        raise TypeError("chains")
    found = {}
    for name, chain in chains.items():
        found[name] = ChainCursor(
            str(chain.get("trail", "")),
            Position(
                int(chain["seq"]), str(chain["hash"]), int(chain["segment"]), int(chain["offset"])
            ),
            CheckpointPosition(
                int(chain["checkpoint_size"]), int(chain.get("checkpoint_offset", 0))
            ),
        )
    trouble = document.get("trouble")
    if isinstance(trouble, dict):
        return Cursor(found, Trouble(str(trouble["since"]), str(trouble["reason"])))
    return Cursor(found)
