"""The records of a trail, one after the other, in constant memory.

Reading believes the trail: whether it may is what `verifying` says. A line that is not a record
stops the reading with its place, except an unfinished one at the end of the last segment, which
a running writer may be in the middle of.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from dbguard.audit.records import (
    DecisionRecord,
    EventRecord,
    MalformedRecord,
    Record,
    RecordKind,
    decode,
)
from dbguard.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Stored:
    """A record with its place in the trail."""

    sequence: int
    time: datetime
    kind: RecordKind
    record: Record
    hash: str
    line: bytes
    """As it stands in the file, line feed included."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records to give; empty members select everything."""

    since: datetime | None = None
    """This moment included."""
    until: datetime | None = None
    """This moment excluded."""
    kinds: frozenset[RecordKind] = frozenset()
    principal: str = ""
    """A database user: its decisions, their outcomes, and the events of its sessions."""
    after: int = 0
    """Only records with a higher sequence number."""


def segments(directory: Path) -> list[Path]:
    """The trail's files in order. Raises ConfigurationError when there is no such directory."""
    try:
        found = [
            path
            for path in directory.iterdir()
            if re.fullmatch(r"audit-[0-9]{6,}\.jsonl", path.name)
        ]
    except OSError as error:
        raise ConfigurationError(
            f"{directory}: the audit directory cannot be read: {error.strerror}",
            hint="Name the directory with --audit, or the settings file with --config.",
        ) from error
    return sorted(found, key=lambda path: (len(path.name), path.name))


def read(directory: Path, selection: Selection | None = None) -> Iterator[Stored]:
    """The selected records in the order they were written.

    Raises ConfigurationError naming file and line of what is not a record.
    """
    chosen = selection or Selection()
    sessions: set[str] = set()
    for place in _lines(segments(directory)):
        if chosen.principal:
            record = _decoded(place)
            if _concerns(record, chosen.principal, sessions) and _wanted(place, chosen):
                yield _stored(place, record)
        elif _wanted(place, chosen):
            yield _stored(place, _decoded(place))


def last(directory: Path, count: int) -> list[Stored]:
    """The last `count` records, oldest first; reads no more segments than it takes."""
    found: list[Stored] = []
    paths = segments(directory)
    for index in reversed(range(len(paths))):
        places = _lines([paths[index]])
        found = [*(_stored(place, _decoded(place)) for place in places), *found]
        if len(found) >= count:
            break
    return found[-count:] if count else []


class Follower:
    """Gives records as they are written, from the end of the trail on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        paths = segments(directory)
        self._path = paths[-1] if paths else None
        before = self._path.read_bytes() if self._path else b""
        self._offset = _complete(before)
        self._line = before.count(b"\n")

    def new(self) -> list[Stored]:
        """The records since the last call. Raises ConfigurationError as `read` does."""
        found: list[Stored] = []
        paths = segments(self._directory)
        start = paths.index(self._path) if self._path in paths else 0
        for path in paths[start:]:
            if path != self._path:
                self._path, self._offset, self._line = path, 0, 0
            with path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
            size = _complete(data)
            self._offset += size
            for line in io.BytesIO(data[:size]):
                self._line += 1
                place = _place(path, self._line, line)
                found.append(_stored(place, _decoded(place)))
        return found


def _complete(data: bytes) -> int:
    return data.rfind(b"\n") + 1


class _Place(NamedTuple):
    """A line that is JSON, and where it stands."""

    path: Path
    number: int
    line: bytes
    sequence: int
    time: datetime
    kind: RecordKind
    members: dict[str, object]


def _lines(paths: list[Path]) -> Iterator[_Place]:
    for path in paths:
        try:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if not line.endswith(b"\n") and path == paths[-1]:
                        return
                    yield _place(path, number, line)
        except OSError as error:
            raise ConfigurationError(
                f"{path}: cannot be read: {error.strerror}",
                hint="Run it as the user that dbguard runs as, or give read access to the folder.",
            ) from error


def _place(path: Path, number: int, line: bytes) -> _Place:
    try:
        members = orjson.loads(line)
        return _Place(
            path,
            number,
            line,
            int(members["seq"]),
            datetime.fromisoformat(members["time"]).astimezone(UTC),
            RecordKind(members["kind"]),
            members,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _not_a_record(path, number) from error


def _decoded(place: _Place) -> Record:
    try:
        return decode(place.members)
    except MalformedRecord as error:
        raise _not_a_record(place.path, place.number) from error


def _stored(place: _Place, record: Record) -> Stored:
    digest = str(place.members.get("hash"))
    return Stored(place.sequence, place.time, place.kind, record, digest, place.line)


def _not_a_record(path: Path, number: int) -> ConfigurationError:
    return ConfigurationError(
        f"{path}:{number}: not an audit record",
        hint=f"Run `dbguard audit verify --audit {path.parent}` to see what was changed.",
    )


def _wanted(place: _Place, chosen: Selection) -> bool:
    return (
        place.sequence > chosen.after
        and (chosen.since is None or place.time >= chosen.since)
        and (chosen.until is None or place.time < chosen.until)
        and (not chosen.kinds or place.kind in chosen.kinds)
    )


def _concerns(record: Record, principal: str, sessions: set[str]) -> bool:
    """Whether the record is about the principal; learns which sessions are."""
    if isinstance(record, DecisionRecord):
        own = principal in (record.principal_user, record.identity and record.identity.name)
    elif isinstance(record, EventRecord) and record.field("user"):
        own = principal in (record.field("user"), record.field("identity"))
    else:
        return record.session in sessions
    if own and record.session:
        sessions.add(record.session)
    return own
