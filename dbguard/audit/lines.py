"""A line of the trail as what it holds. Raises ConfigurationError naming file and line of what is
not a record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from dbguard.audit.blocks import Block, line_number
from dbguard.audit.records import MalformedRecord, Record, RecordKind, decode
from dbguard.errors import ConfigurationError


class Place(NamedTuple):
    """A line that is JSON, and where it stands."""

    block: Block
    position: int
    """Bytes before it in the block."""
    line: bytes
    sequence: int
    time: datetime
    kind: RecordKind
    members: dict[str, object]


def place_of(block: Block, position: int, line: bytes) -> Place:
    """The line at `position` of the block. Raises ConfigurationError."""
    try:
        members = orjson.loads(line)
        return Place(
            block,
            position,
            line,
            int(members["seq"]),
            datetime.fromisoformat(members["time"]).astimezone(UTC),
            RecordKind(members["kind"]),
            members,
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _not_a_record(block, position) from error


def decoded(place: Place) -> Record:
    """The record of the line. Raises ConfigurationError."""
    try:
        return decode(place.members)
    except MalformedRecord as error:
        raise _not_a_record(place.block, place.position) from error


def _not_a_record(block: Block, position: int) -> ConfigurationError:
    path = block.segment.path
    return ConfigurationError(
        f"{path}:{line_number(block, position)}: not an audit record",
        hint=f"Run `dbguard audit verify --audit {path.parent}` to see what was changed.",
    )
