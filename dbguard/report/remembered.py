"""How far somebody has read a trail's reports: what `--since last` means.

One small JSON file in the user's own state folder, with the time up to which each trail was
reported. It moves on only with a report that left nothing out since the time before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from dbguard.errors import ConfigurationError
from dbguard.report.counting import instant, stamp
from dbguard.report.model import Report

LAST = "last"
"""The word for it."""
_FILE = "reports.json"
_OVERLAP = timedelta(seconds=2)
"""Where several write, one's records may come to the disk a little behind another's later ones:
these are reported twice rather than never."""


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where the XDG Base Directory Specification puts state."""
    given = environment.get("XDG_STATE_HOME", "")
    base = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    return base / "dbguard"


def last_report(folder: Path, trail: Path) -> datetime | None:
    """Up to when the trail was reported; None: never. Raises ConfigurationError."""
    found = _load(folder / _FILE).get(str(trail.resolve()))
    return instant(found) if found else None


def remember(folder: Path, trail: Path, report: Report) -> None:
    """Move on to where the report ends, if it begins where the one before ended, or earlier.

    Raises ConfigurationError when that cannot be written.
    """
    path = folder / _FILE
    marks = _load(path)
    before = marks.get(str(trail.resolve()))
    skips = report.since is not None and (before is None or stamp(report.since) > before)
    if report.last is None or report.until is not None or skips:
        return
    several = len(report.chains) > 1
    mark = stamp(report.last + (-_OVERLAP if several else timedelta(microseconds=1)))
    if before is not None and mark <= before:
        return
    marks[str(trail.resolve())] = mark
    temporary = path.with_name(f"{_FILE}.{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_bytes(orjson.dumps({"v": 1, "reported": marks}))
        temporary.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be written: {error.strerror}",
            hint="The report itself is done; `--since last` goes on from the one before.",
        ) from error


def _load(path: Path) -> dict[str, str]:
    try:
        found = orjson.loads(path.read_bytes())
        marks = {str(trail): str(mark) for trail, mark in found["reported"].items()}
        for mark in marks.values():
            instant(mark)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error.strerror}",
            hint="Set XDG_STATE_HOME to a folder of your own.",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path}: not what dbguard wrote there",
            hint="Remove it; the next `--since last` then reports everything.",
        ) from error
    return marks
