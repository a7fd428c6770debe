"""What a session asks of its surroundings while it handles a client message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dbguard.audit.records import Record
from dbguard.audit.rendering import Rendered
from dbguard.policy.decision import BackupRequirement
from dbguard.policy.drift import Filling
from dbguard.sql.changes import CatalogChange
from dbguard.sql.destruction import Destruction
from dbguard.sql.shape import Shape
from dbguard.sql.snapshot import Snapshot

from .plan import FunctionCallRequest, Plan, PlanRequest, Restricted, StateKey

if TYPE_CHECKING:
    from .stencil import Stencil


@dataclass(frozen=True, slots=True)
class Overlay:
    """The catalog as this session sees it: with its temporary and uncommitted objects."""

    key: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Planned:
    """The answer to `AskPlan`."""

    plan: Plan
    restricted: Restricted
    key: StateKey
    """Catalog and rules the plan was made under."""
    changes: tuple[CatalogChange, ...] = ()
    """What was known to be different from the catalog of `key`."""
    lost: bool = False
    """The text could not be planned at all: `restricted` says nothing."""


@dataclass(frozen=True, slots=True)
class AskPlan:
    """Answered by a `Planned`. `overlay` replaces the shared catalog for this session only."""

    request: PlanRequest | FunctionCallRequest
    overlay: Overlay | None = None


@dataclass(frozen=True, slots=True)
class AskDurable:
    """Answered by True once all records up to `sequence` are durable, else by False."""

    sequence: int


@dataclass(frozen=True, slots=True)
class AskServer:
    """Wait until the server has sent something more; answered by None."""


@dataclass(frozen=True, slots=True)
class AskFreshCatalog:
    """The shared snapshot must include everything committed until now; answered by None."""


@dataclass(frozen=True, slots=True)
class AskRequirement:
    """Answered by a `RequirementAnswer`."""

    requirement: BackupRequirement
    destroyed: Destruction
    """What all statements under this decision can destroy together."""
    settled: bool = True
    """Whatever may tie a relation to another one has run."""


@dataclass(frozen=True, slots=True)
class AskTake:
    """A backup is to be taken while the client waits, since there is none. Nothing is on its way
    to the server or from it. Answered by a `RequirementAnswer`."""

    requirement: BackupRequirement
    destroyed: Destruction
    seconds: float | None
    """How long the client's statement_timeout lets it wait; None: for ever."""
    settled: bool = True
    held: bool = False
    """The session has locked what has rows against writers, to have it dumped as it stays."""


@dataclass(frozen=True, slots=True)
class AskUnchanged:
    """Whether the rows of these tables are still those in a backup, and the requirement is still
    met; answered by a `RequirementAnswer`."""

    requirement: BackupRequirement
    destroyed: Destruction
    settled: bool
    backup: str
    tables: tuple[str, ...]
    held: bool
    """The session has locked them against writers, so that a backup that lacks something can be
    taken again. Otherwise the answer only tells what is not in it."""


@dataclass(frozen=True, slots=True)
class AskFilling:
    """Columns are about to be filled with classified values; answered by None once that will not
    be forgotten."""

    fillings: tuple[Filling, ...]


@dataclass(frozen=True, slots=True)
class RequirementAnswer:
    satisfied: bool
    how: str
    """How it was met (backup id), for the audit record."""
    message: str = ""
    detail: str = ""
    """Sentences; the rule stands before them."""
    hint: str = ""
    sqlstate: str = "42501"
    backup: str = ""
    """The backup that was taken for this statement, and what of it can still be written to: names
    as the server quotes them."""
    tables: tuple[str, ...] = ()


Ask = (
    AskPlan
    | AskDurable
    | AskServer
    | AskFreshCatalog
    | AskRequirement
    | AskTake
    | AskUnchanged
    | AskFilling
)
Answer = Planned | bool | RequirementAnswer | None


class Surroundings(Protocol):
    """What a session may call without waiting: no I/O behind any of it."""

    def state_key(self) -> StateKey:
        """Catalog and rules now in force for the session's database."""

    def standing_key(self) -> StateKey | None:
        """The same if it is sure to show all that was done up to now: the catalog was confirmed
        lately, and nothing is recent. None otherwise."""

    def known_plan(self, request: PlanRequest) -> Planned | None:
        """A plan for this request made under the state now in force, if one is cached."""

    def stencil(self, request: PlanRequest, shape: Shape) -> Stencil | None:
        """What makes plans for texts of this shape, made under the state now in force for one with
        the literals of `shape` that it may rest on, if it is cached."""

    def snapshot(self) -> Snapshot:
        """The shared snapshot now in force."""

    def changed(self, changes: tuple[CatalogChange, ...]) -> None:
        """The session committed DDL that did this."""

    def recent(self) -> tuple[CatalogChange, ...]:
        """What DDL through dbguard did since the snapshot now in force was read."""

    @property
    def overlay_query(self) -> str:
        """One statement, one row, one column: the catalog as the session sees it, as far as it
        may be new."""

    whole_overlay_query: str
    """The same with what is the server's own."""

    def read_overlay(self, document: bytes, query: str) -> Snapshot | None:
        """The answer to one of these queries; None when the whole one has to be asked.

        Raises:
            NotUnderstood: it cannot be read.
        """

    def record(self, record: Record | Rendered) -> int:
        """Queue a record; returns its sequence number.

        Raises:
            AuditUnavailable: the log cannot be written at present.
        """

    def record_outcome(self, record: Rendered) -> int:
        """The same for an outcome, which nothing waits for.

        Raises:
            AuditUnavailable: the log cannot be written at present.
        """

    def seal(self, text: str, session: str, fingerprint: str) -> str:
        """A statement's text as only an auditor can read it; empty where there is none."""

    def monotonic(self) -> float:
        """Seconds on a monotonic clock."""
