"""What a session has named: prepared statements, portals and cursors.

Prepared statements of the protocol and of SQL's PREPARE share one namespace in the server, as do
portals and cursors; so they do here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from dbguard.errors import LimitExceeded
from dbguard.sql.snapshot import SessionView

from .plan import Plan, StateKey

T = TypeVar("T")


@dataclass(slots=True)
class Prepared:
    """A prepared statement as the client knows it."""

    name: str
    text: bytes
    """The client's own text; for PREPARE the whole string it stood in."""
    parameter_types: tuple[int, ...]
    plan: Plan
    restricted: frozenset[tuple[int, int]]
    key: StateKey
    view: SessionView
    by_sql: bool = False
    """Made by PREPARE: it can't be parsed again unseen under the same name."""
    forwarded: str = ""
    """The text the server was sent."""
    identity: str = ""
    """Links its records in the audit trail."""


@dataclass(slots=True)
class Portal:
    """A portal or cursor and the plan it runs."""

    name: str
    plan: Plan
    decisions: tuple[int, ...]
    statement: str
    executed: bool = False
    """Executed at least once: the next Execute needs its own record."""
    holdable: bool = False
    cycle: int = 0
    """Which ReadyForQuery follows its making."""


@dataclass(slots=True)
class NameTable:
    """Statements and portals of one session; each change can be undone."""

    limit: int
    statements: dict[str, Prepared] = field(default_factory=dict)
    portals: dict[str, Portal] = field(default_factory=dict)
    cycle: int = 0
    """Counts messages that end with ReadyForQuery, as they are forwarded."""

    def put_statement(self, prepared: Prepared) -> Callable[[], None]:
        """Add or replace a statement; returns the way back."""
        if prepared.name not in self.statements and len(self.statements) >= self.limit:
            raise LimitExceeded(
                "too many prepared statements in this session",
                detail=f"The limit is {self.limit} (limits.prepared_statements).",
                hint="Close prepared statements that are no longer used, or raise the limit.",
            )
        return _put(self.statements, prepared.name, prepared)

    def drop_statement(self, name: str) -> Callable[[], None]:
        return _put(self.statements, name, None)

    def put_portal(self, portal: Portal) -> Callable[[], None]:
        if portal.name not in self.portals and len(self.portals) >= self.limit:
            raise LimitExceeded(
                "too many open portals in this session",
                detail=f"The limit is {self.limit} (limits.prepared_statements).",
                hint="Close portals that are no longer used, or raise the limit.",
            )
        return _put(self.portals, portal.name, portal)

    def drop_portal(self, name: str) -> Callable[[], None]:
        return _put(self.portals, name, None)

    def next_cycle(self) -> int:
        """Number for a message that ends with ReadyForQuery; later portals belong to the next."""
        self.cycle += 1
        return self.cycle - 1

    def end_transaction(self, cycle: int) -> None:
        """Portals end with their transaction, holdable cursors excepted.

        Portals of a later cycle were made by messages that are already on their way.
        """
        self.portals = {
            name: portal
            for name, portal in self.portals.items()
            if portal.holdable or portal.cycle > cycle
        }


def _put(table: dict[str, T], name: str, value: T | None) -> Callable[[], None]:
    before = table.get(name)
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value

    def undo() -> None:
        if before is None:
            table.pop(name, None)
        else:
            table[name] = before

    return undo
