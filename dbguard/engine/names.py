"""What a session has named: prepared statements, portals and cursors.

Prepared statements of the protocol and of SQL's PREPARE share one namespace in the server, as do
portals and cursors; so they do here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dbguard.errors import LimitExceeded, UndefinedName

from .changes import Change
from .holding import Held
from .pending import Shape
from .plan import Basis, Plan


@dataclass(slots=True)
class Prepared:
    """A prepared statement as the client knows it."""

    name: str
    text: bytes
    """The client's own text; for PREPARE the whole string it stood in."""
    parameter_types: tuple[int, ...]
    plan: Plan
    basis: Basis
    by_sql: bool = False
    """Made by PREPARE: it can't be parsed again unseen under the same name."""
    forwarded: str = ""
    """The text the server was sent."""
    identity: str = ""
    """Links its records in the audit trail."""
    told: Shape = field(default_factory=Shape)
    """What the client was told of it."""
    reshaped: bool = False
    """Parsed anew, it no longer is what the client was told."""
    cycle: int = 0
    """Which ReadyForQuery follows its making."""
    lost: bool = False
    """Closed to be parsed anew, which failed: the server does not hold it at present."""
    columnless: bool = False
    """A FETCH whose cursor did not exist when it was parsed: whatever becomes of the cursor, the
    server describes it by NoData."""
    counted: int = field(default=0, compare=False)
    """What it weighed when it was put into its table."""

    @property
    def weight(self) -> int:
        """Bytes that it makes dbguard hold."""
        return weight_of(self.plan, self.text)


@dataclass(slots=True)
class Portal:
    """A portal or cursor and the plan it runs."""

    name: str
    plan: Plan
    decisions: tuple[int, ...]
    statement: str
    executed: bool = False
    """Executed at least once, or made by DECLARE: the next Execute needs its own record."""
    holdable: bool = False
    cycle: int = 0
    """Which ReadyForQuery follows its making."""
    source: Prepared | None = None
    """The statement it was bound from; None for a cursor."""
    basis: Basis | None = None
    """What `plan` was made under."""
    base: Plan | None = None
    """The plan as made, before what EXECUTE or FETCH runs was joined in."""
    text: bytes = field(default=b"", repr=False)
    """The client's own text; empty for a cursor that a string of statements made."""
    met: float = 0.0
    """When the requirements of its plan were met, in monotonic seconds."""
    counted: int = field(default=0, compare=False)
    """What it weighed when it was put into its table."""

    @property
    def weight(self) -> int:
        """Bytes that it makes dbguard hold, also when its statement is closed before it."""
        return weight_of(self.plan, self.text)


def weight_of(plan: Plan, text: bytes) -> int:
    """Bytes that a name for this text and its plan makes dbguard hold."""
    return plan.size + len(text)


MAX_NAME_BYTES = 63
"""NAMEDATALEN - 1: the server tells statements and portals apart by no more than that."""


def checked(name: str) -> str:
    """A protocol-level name, if the server would not confuse it with another one.

    Raises:
        UndefinedName: it is too long.
    """
    if len(name.encode("utf-8")) > MAX_NAME_BYTES:
        raise UndefinedName(
            "42622",
            "statement or portal name is too long",
            hint=f"PostgreSQL compares {MAX_NAME_BYTES} bytes of it; use a shorter name.",
        )
    return name


@dataclass(slots=True)
class NameTable:
    """Statements and portals of one session; each change can be undone."""

    limit: int
    max_bytes: int
    statements: Held[Prepared] = field(default_factory=Held)
    portals: Held[Portal] = field(default_factory=Held)
    cycle: int = 0
    """Counts messages that end with ReadyForQuery, as they are forwarded."""
    _made: int = 0

    def next_identity(self, session: str) -> str:
        """What links the records of one more prepared statement of the session."""
        self._made += 1
        return f"{session}/{self._made}"

    def require_room(self, statements: int, portals: int) -> None:
        """Check, before it is too late, that this many more fit.

        Raises:
            LimitExceeded: they do not.
        """
        if statements and len(self.statements) + statements > self.limit:
            raise LimitExceeded(
                "too many prepared statements in this session",
                detail=f"The limit is {self.limit} (limits.prepared_statements).",
                hint="Close prepared statements that are no longer used, or raise the limit.",
            )
        if portals and len(self.portals) + portals > self.limit:
            raise LimitExceeded(
                "too many open portals in this session",
                detail=f"The limit is {self.limit} (limits.prepared_statements).",
                hint="Close portals that are no longer used, or raise the limit.",
            )

    def require_bytes(self, weight: int) -> None:
        """Check, before it is too late, that so many more bytes may be held.

        Raises:
            LimitExceeded: they may not.
        """
        if self.statements.weight + self.portals.weight + weight > self.max_bytes:
            raise LimitExceeded(
                "prepared statements and portals of this session take too much memory",
                detail=f"The limit is {self.max_bytes} bytes of texts and plans "
                "(limits.prepared_bytes).",
                hint="Close what is no longer used, or raise the limit.",
            )

    def put_statement(self, prepared: Prepared) -> Change[Prepared]:
        """Add or replace a statement; returns the change."""
        return Change(self.statements, prepared.name, prepared)

    def drop_statement(self, name: str) -> Change[Prepared]:
        return Change(self.statements, name, None)

    def drop_unnamed(self) -> Change[Prepared]:
        """Parse of the unnamed statement and Query destroy it, whatever becomes of them."""
        return self.drop_statement("")

    def put_portal(self, portal: Portal) -> Change[Portal]:
        """Add or replace a portal; returns the change."""
        return Change(self.portals, portal.name, portal)

    def drop_portal(self, name: str) -> Change[Portal]:
        return Change(self.portals, name, None)

    def next_cycle(self) -> int:
        """Number for a message that ends with ReadyForQuery; later portals belong to the next."""
        self.cycle += 1
        return self.cycle - 1

    def end_transaction(self, cycle: int) -> None:
        """Portals end with their transaction, holdable cursors excepted.

        Portals of a later cycle were made by messages that are already on their way.
        """
        if not self.portals.data:
            return
        ended = [n for n, p in self.portals.items() if not p.holdable and p.cycle <= cycle]
        for name in ended:  # in place: ways back hold on to the table
            del self.portals[name]
