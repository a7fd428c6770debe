"""What all uses of one plan have in common, worked out once.

Most records are of few plans: a statement's text, the columns it touches and what was decided
stand in each of them byte for byte. A `Plan` is that part with what a report wants to know of it,
and counts its uses; `folding` adds them to the report.
"""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.audit.records import DecisionRecord, Phase, Verdict
from dbguard.report.model import Why
from dbguard.report.remedies import whys
from dbguard.sql.facts import Action, ActionClass

RUNS = frozenset({Phase.QUERY, Phase.BIND, Phase.EXECUTE, Phase.FUNCTION_CALL, Phase.COPY})
"""A prepared statement is decided at Parse too, but it runs from Bind on: the record made there
stands for its first Execute as well, since code may already run while it is planned."""
REFUSED = frozenset({Verdict.DENY, Verdict.ERROR})
RAN = frozenset({Verdict.ALLOW, Verdict.MASKED})

_STRUCTURE = frozenset(
    action.value
    for action in Action
    if action.action_class in (ActionClass.DDL, ActionClass.PRIVILEGE)
    or action in (Action.CREATE_FUNCTION, Action.CREATE_TRIGGER, Action.CREATE_RULE)
)
_SHOWING = frozenset(action.value for action in Action if action.action_class is ActionClass.READ)
_SHOWS_NO_VALUES = frozenset({"explain", "explain_analyze", "prepare", "declare_cursor"})
"""Wrappers. What a cursor shows stands in the records of each FETCH, with its columns."""
_COLUMNS_OF: Mapping[Verdict, int] = {
    Verdict.ALLOW: 0,
    Verdict.MASKED: 1,
    Verdict.DENY: 2,
    Verdict.ERROR: 2,
}


class Plan:
    """Mutable: counts its own uses until they are folded."""

    __slots__ = (
        "bucket", "classified", "count", "decision", "example", "first", "last", "raw", "reasons",
        "rows", "structure", "verdict",
    )  # fmt: skip

    def __init__(self, decision: DecisionRecord) -> None:
        self.decision = decision
        self.verdict = Verdict(decision.decision)
        self.bucket = _COLUMNS_OF.get(self.verdict, -1)
        """Which column of the timeline; -1: none."""
        self.reasons: tuple[Why, ...] = whys(decision) if self.verdict in REFUSED else ()
        ran = self.verdict in RAN
        self.raw = _raw(decision) if ran else {}
        """Columns whose classified values the result holds unmasked; True: only computed with."""
        self.classified = ran and (
            bool(decision.masked) or any(column.tags for column in decision.columns)
        )
        self.structure = ran and decision.action in _STRUCTURE
        self.count = 0
        self.rows = 0
        self.first = ""
        self.last = ""
        self.example = 0

    @property
    def counts_everywhere(self) -> bool:
        """A refusal is one in whatever phase it happens."""
        return self.verdict not in RAN

    def used(self, sequence: int, time: str) -> None:
        self.count += 1
        self.example = sequence
        if not self.first or time < self.first:
            self.first = time
        if time > self.last:
            self.last = time


def _raw(decision: DecisionRecord) -> dict[str, bool]:
    if decision.wrapper in _SHOWS_NO_VALUES:
        return {}
    masked = {entry.column for entry in decision.masked}
    found: dict[str, bool] = {}
    for column in decision.columns:
        if not column.tags or column.name in masked:
            continue
        if "output" in column.uses:
            found[column.name] = False
        elif "compute" in column.uses and decision.action in _SHOWING:
            found.setdefault(column.name, True)
    return found
