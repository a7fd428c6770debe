"""Legal holds: records that are kept whatever their age.

The HOLD records of the operator's chain are the state: a hold stands from the record that adds it
to the one that releases it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbguard.audit.reading import Selection, Stored, read_chain, stamp
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.trails import OPERATOR
from dbguard.errors import ConfigurationError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Hold:
    name: str
    since: str
    """A time as records have it, included; empty for the beginning of the trail."""
    until: str
    """Excluded; empty for no end."""
    reason: str
    by: str
    """Account at the operating system of whoever added it."""
    added: str = ""
    """When."""

    def covers(self, earliest: str, latest: str) -> bool:
        """Whether some record from `earliest` to `latest` may be held."""
        return (not self.since or latest >= self.since) and (
            not self.until or earliest < self.until
        )

    def record(self) -> EventRecord:
        """What adds it."""
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"not a name for a hold: {self.name}",
                hint="Use letters, digits, dots, hyphens and underscores, 64 at most.",
            )
        fields = (
            ("event", "added"),
            ("name", self.name),
            ("since", self.since),
            ("until", self.until),
            ("reason", self.reason),
            ("by", self.by),
        )
        return EventRecord(RecordKind.HOLD, "", fields)


def release(name: str, reason: str, by: str) -> EventRecord:
    """What ends a hold."""
    fields = (("event", "released"), ("name", name), ("reason", reason), ("by", by))
    return EventRecord(RecordKind.HOLD, "", fields)


def holds(directory: Path) -> dict[str, Hold]:
    """The holds that stand, by name. Raises ConfigurationError for what cannot be read."""
    found: dict[str, Hold] = {}
    chosen = Selection(kinds=frozenset({RecordKind.HOLD}))
    for stored in read_chain(directory, OPERATOR, chosen):
        record = stored.record
        if not isinstance(record, EventRecord):
            continue
        name = record.field("name")
        if record.field("event") == "added":
            found[name] = _hold(stored, record)
        elif record.field("event") == "released":
            found.pop(name, None)
    return found


def _hold(stored: Stored, record: EventRecord) -> Hold:
    return Hold(
        record.field("name"),
        record.field("since"),
        record.field("until"),
        record.field("reason"),
        record.field("by"),
        stamp(stored.time),
    )
