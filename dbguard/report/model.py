"""A report as a value.

Names of records are as `dbguard audit show` takes them: the sequence number, with the writer's
name and a colon before it where a trail has several writers. All times are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Count:
    name: str
    count: int
    last: datetime
    others: bool = False
    """Not one name but all those that were too many to be told apart; `name` is empty."""


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
    requirements: tuple[str, ...]
    """How what the rules require was met."""
    first: datetime
    last: datetime
    example: str
    """Name of the latest decision's record."""


@dataclass(frozen=True, slots=True)
class Section:
    count: int
    by_rule: tuple[Count, ...]
    by_principal: tuple[Count, ...]
    by_table: tuple[Count, ...]
    by_column: tuple[Count, ...]
    shapes: tuple[Shape, ...]
    other_shapes: int
    """Statements of shapes that were too many to be kept."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that somebody should look at."""

    record: str
    time: datetime
    session: str
    fields: tuple[tuple[str, str], ...]

    def field(self, name: str) -> str:
        """Empty when there is none."""
        return next((value for key, value in self.fields if key == name), "")


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one sort: how many, and the latest of them."""

    count: int = 0
    latest: tuple[Event, ...] = ()
    """Oldest first."""

    def __bool__(self) -> bool:
        return bool(self.count)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was decided between `start` and the next bucket's."""

    start: datetime
    allowed: int
    masked: int
    refused: int
    """Denied or undecided."""


@dataclass(frozen=True, slots=True)
class Timeline:
    grain: str
    """How long a bucket is: `10 minutes`, `hour`, `day`, `week` or `month`."""
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Classified values of one column that went to somebody unmasked."""

    who: str
    column: str
    tags: tuple[str, ...]
    computed: bool
    """Only in expressions over it (`lower(name)`), not as it is."""
    statements: int
    rows: int
    """Rows of the results that held them, as far as the outcomes are known."""
    first: datetime
    last: datetime
    example: str


@dataclass(frozen=True, slots=True)
class Disclosures:
    statements: int
    """Each counted once, however many columns it showed."""
    rows: int
    entries: tuple[Disclosure, ...]
    """Most rows first."""
    others: int
    """Statements of somebody and some column that were too many to be told apart."""


@dataclass(frozen=True, slots=True)
class BulkRead:
    """Statements of one shape and principal that returned or changed very many rows of tables
    with classified columns."""

    who: str
    text: str
    action: str
    count: int
    rows: int
    """Of all of them together."""
    largest: int
    """Rows of the largest."""
    bytes: int
    """Of all of them; 0 where the records do not tell."""
    raw: bool
    """Whether the results held classified values unmasked."""
    tables: tuple[str, ...]
    first: datetime
    last: datetime
    example: str
    """Record of the largest one's decision."""


@dataclass(frozen=True, slots=True)
class BulkReads:
    threshold: int
    """Rows."""
    count: int
    """Statements."""
    unmasked: int
    """Of these, statements that showed classified values."""
    entries: tuple[BulkRead, ...]
    """Most rows first."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program, and what became of its statements."""

    name: str
    users: tuple[str, ...]
    """Database users it appeared as."""
    proofs: tuple[str, ...]
    """How dbguard knows it (password, certificate, token); empty: by its database user alone."""
    allowed: int
    masked: int
    refused: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Logins:
    accepted: int
    failed: int
    failed_by_user: tuple[Count, ...]
    failed_by_address: tuple[Count, ...]
    failed_by_reason: tuple[Count, ...]
    latest: tuple[Event, ...]
    """The latest that failed."""
    client_tls: tuple[Count, ...]
    """Connections of clients by their version of TLS; `none`: in clear, or a Unix socket."""
    server_tls: tuple[Count, ...]
    """Sessions by the version of TLS towards the server."""


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
    sessions_more: bool = False
    """There were more than `sessions`: too many to be told apart."""

    @property
    def refused(self) -> int:
        return self.denied + self.undecided


@dataclass(frozen=True, slots=True)
class Happenings:
    """What is no statement."""

    security: Events
    """The tripwire, guessed passwords."""
    past: Events
    """Sessions that did not pass through dbguard."""
    drift: Events
    """Classified values that went where the rules do not know of them."""
    recoveries: Events
    """Outages and repairs of the audit log itself."""
    clocks: Events
    """The clock was set."""
    keys: Events
    """Keys that sign checkpoints: begun, rotated, replaced."""
    verifications: Events
    """Checks of the trail that found it changed."""
    retention: Events
    """Segments removed after their time, and legal holds."""
    policies: Events
    """Rules loaded, where they are not those that were in force before."""
    backups: Events
    users: Events
    """dbguard's own users changed; sessions ended for it."""
    ended: Events
    """Sessions that dbguard ended (idle, too old, expired)."""
    starts: Events
    """Starts and stops."""


@dataclass(frozen=True, slots=True)
class Report:
    since: datetime | None
    until: datetime | None
    zone: str
    """Time zone of the days in `timeline`, and of the words that `since` came from."""
    first: datetime | None
    """Time of the first record in the range; None when there is none."""
    last: datetime | None
    totals: Totals
    timeline: Timeline
    blocked: Section
    masked: Section
    raw: Disclosures
    bulk: BulkReads
    structure: tuple[Shape, ...]
    """Statements that changed the structure (DDL), with the backups that they were allowed on."""
    requirements: tuple[Count, ...]
    """How what rules require was met."""
    principals: tuple[Principal, ...]
    logins: Logins
    events: Happenings
    digests: tuple[Count, ...]
    """Digests of the rules that statements were decided by."""
    chains: tuple[str, ...]
    """Writers of the trail; the top-level one is the empty name."""
    notes: tuple[str, ...]
    """What this report could not count exactly: sentences."""
