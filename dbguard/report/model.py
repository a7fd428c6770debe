"""A report as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Count:
    name: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Why:
    """One reason for a refusal and the way around it."""

    rule: str
    reason: str
    remedy: str
    """What would get the statement allowed: a sentence."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Statements that are the same but for their values."""

    text: str
    """Redacted."""
    fingerprint: str
    action: str
    decision: str
    count: int
    principals: tuple[str, ...]
    whys: tuple[Why, ...]
    masks: tuple[str, ...]
    """`column: mask` of what was masked."""
    first: datetime
    last: datetime
    example: int
    """Sequence number of the latest decision, for `dbguard audit show`."""


@dataclass(frozen=True, slots=True)
class Section:
    count: int
    by_rule: tuple[Count, ...]
    by_principal: tuple[Count, ...]
    by_table: tuple[Count, ...]
    by_column: tuple[Count, ...]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that somebody should look at."""

    sequence: int
    time: datetime
    session: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Totals:
    records: int
    """All records in the time range, of whatever kind."""
    allowed: int
    """Statements that ran as they came."""
    masked: int
    """Statements that ran on masked data."""
    denied: int
    """Statements that the policy refused."""
    undecided: int
    """Statements refused because they could not be understood or were over a limit."""
    failed: int
    """Statements that were let through and failed in the database."""
    rows: int
    """Rows returned or changed."""
    sessions: int


@dataclass(frozen=True, slots=True)
class Report:
    since: datetime | None
    until: datetime | None
    first: datetime | None
    """Time of the first record in the range; None when there is none."""
    last: datetime | None
    totals: Totals
    blocked: Section
    masked: Section
    security: tuple[Event, ...]
    drift: tuple[Event, ...]
    """Classified values that went where the rules do not know of them."""
    recoveries: tuple[Event, ...]
    """Outages and repairs of the audit log itself."""
