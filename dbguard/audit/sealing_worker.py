"""Seals a chain's segments in a process of its own, out of the way of whoever starts it.

    python -m dbguard.audit.sealing_worker FOLDER PARENT

It runs at the lowest priority, stops between two segments when its parent (a process id) is gone,
and says on standard output, one JSON object a line, what became of each segment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import orjson

from dbguard.audit.sealing import Unsealable, make_index, seal, to_seal, without_index
from dbguard.audit.trails import Segment
from dbguard.errors import ConfigurationError

_LOWEST: Final = 19


class Result(StrEnum):
    SEALED = "sealed"
    CHANGED = "changed"
    """It is not what the writer wrote, and was left alone."""
    FAILED = "failed"
    """The disk refused; to be tried again."""


@dataclass(frozen=True, slots=True)
class Report:
    segment: str
    result: Result
    problem: str = ""
    raw: int = 0
    size: int = 0
    """Bytes before and after."""

    def render(self) -> bytes:
        return orjson.dumps(self) + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Report:
        """Raises ValueError, KeyError, TypeError for what is none."""
        members = orjson.loads(line)
        return cls(
            str(members["segment"]),
            Result(members["result"]),
            str(members["problem"]),
            int(members["raw"]),
            int(members["size"]),
        )


def work(folder: Path, parent: int) -> Iterator[Report]:
    """Seal what is to be sealed, and make missing indexes. Raises ConfigurationError, OSError."""
    for segment in to_seal(folder):
        if os.getppid() != parent:
            return
        report = _sealed(segment)
        if report is not None:
            yield report
            if report.result is Result.FAILED:
                return
    for segment in without_index(folder):
        if os.getppid() != parent:
            return
        try:
            make_index(segment)
        except (OSError, ConfigurationError, Unsealable) as error:
            yield Report(segment.compressed.name, Result.FAILED, _reason(error))


def _sealed(segment: Segment) -> Report | None:
    name = segment.plain.name
    try:
        done = seal(segment)
    except Unsealable as error:
        return Report(name, Result.CHANGED, str(error))
    except (OSError, ConfigurationError) as error:
        return Report(name, Result.FAILED, _reason(error))
    return Report(name, Result.SEALED, "", done.raw, done.size) if done else None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or "input/output error").lower()
    return str(error)


def main() -> None:
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    os.nice(_LOWEST)
    try:
        for report in work(folder, parent):
            sys.stdout.buffer.write(report.render())
            sys.stdout.buffer.flush()
    except (OSError, ConfigurationError) as error:
        sys.stdout.buffer.write(Report(str(folder), Result.FAILED, _reason(error)).render())


if __name__ == "__main__":
    main()
