"""A plan for every text of one shape.

Two texts of one shape have the same tokens but for the values of literals (`sql/shape.py`). A plan
for one of them is the plan for the other where the literals that differ are all free
(`sql/free_literals.py`), but for what holds the text itself: the text that is sent, the way back of
its positions, the original that is sealed, and what the comment at its end says.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

from dbguard.sql.shape import Shape
from dbguard.sql.splices import PositionMap, Splice

from .asks import Planned
from .plan import Plan, PlannedStatement

Fixed = tuple[int, ...]
"""Which literals of a shape a plan may rest on, by their numbers."""


class _Run(NamedTuple):
    """One of `PositionMap`, and how many literals stand in front of it."""

    rewritten: int
    original: int
    literals: int


@dataclass(frozen=True, slots=True)
class Stencil:
    """What a plan is made from, once the literals are known."""

    planned: Planned
    """For the text that was planned."""
    fixed: Fixed
    between: tuple[str, ...]
    """What is sent between the literals."""
    lengths: tuple[int, ...]
    """Of that text's literals, added up: of the first, of the first two …"""
    runs: tuple[_Run, ...]
    keeps_original: bool

    def plan(self, shape: Shape) -> Planned:
        """The plan for a text of this shape with the same fixed literals."""
        literals, planned = shape.literals, self.planned
        known = planned.plan
        statements = known.statements
        if self.keeps_original or shape.said is not None:
            text = joined(shape.between, literals) if self.keeps_original else ""
            statements = (_recorded(statements[0], shape, text),)
        made = Plan(
            joined(self.between, literals),
            self._positions(literals) if self.runs else None,
            statements,
            None,
            known.raw_access,
            known.size,
        )
        return Planned(made, planned.restricted, planned.key, planned.changes, planned.lost)

    def _positions(self, literals: Sequence[str]) -> PositionMap:
        """The way back from the text with these literals: what stands behind them has moved."""
        assert self.planned.plan.positions is not None
        moved = [0]
        length = 0
        for literal, before in zip(literals, self.lengths, strict=True):
            length += len(literal)
            moved.append(length - before)
        return PositionMap(
            tuple([new + moved[count] for new, _, count in self.runs]),
            tuple([old + moved[count] for _, old, count in self.runs]),
            self.planned.plan.positions.kept,
        )


def joined(between: Sequence[str], literals: Sequence[str]) -> str:
    """between[0] literals[0] between[1] …"""
    pieces = [between[0]]
    for literal, behind in zip(literals, between[1:], strict=True):
        pieces += (literal, behind)
    return "".join(pieces)


def stencil_of(planned: Planned, shape: Shape) -> Stencil | None:
    """What is to be kept of a plan for the text of this shape; None when it is for no other."""
    plan = planned.plan
    if plan.freedom is None or plan.refusal is not None or len(plan.statements) != 1:
        return None
    lengths = tuple(accumulate(map(len, shape.literals)))
    gaps = tuple(accumulate(map(len, shape.between)))
    starts = [gap + before for gap, before in zip(gaps, (0, *lengths), strict=True)][:-1]
    ends = [gap + length for gap, length in zip(gaps, lengths, strict=False)]
    variable = set(plan.freedom.literals)
    if not variable <= set(starts):
        return None
    if shape.said is not None:
        variable.add(starts[-1])
    between = _changed(shape, starts, plan.freedom.splices)
    if not variable or between is None:
        return None
    found = Stencil(
        planned,
        tuple(i for i, start in enumerate(starts) if start not in variable),
        between,
        lengths,
        _runs(plan.positions, ends),
        bool(plan.statements[0].recorded.original),
    )
    alone = replace(planned, plan=replace(plan, freedom=None))
    return found if found.plan(shape) == alone else None


def _changed(
    shape: Shape, starts: Sequence[int], splices: Sequence[Splice]
) -> tuple[str, ...] | None:
    """What is sent between the literals; None when a change reaches into one of them."""
    pending = list(splices)
    sent: list[str] = []
    begin = 0
    for number, between in enumerate(shape.between):
        end = begin + len(between)
        pieces: list[str] = []
        done = begin
        while pending and pending[0].start <= end:
            splice = pending.pop(0)
            if splice.start < done or splice.end > end:
                return None
            pieces += (between[done - begin : splice.start - begin], splice.text)
            done = splice.end
        sent.append("".join([*pieces, between[done - begin :]]))
        if number < len(starts):
            begin = end + len(shape.literals[number])
    return None if pending else tuple(sent)


def _runs(positions: PositionMap | None, ends: Sequence[int]) -> tuple[_Run, ...]:
    """`ends` are where the literals end. No run begins inside of one."""
    if positions is None:
        return ()
    pairs = zip(positions.rewritten, positions.original, strict=True)
    return tuple(_Run(new, old, bisect.bisect_right(ends, old)) for new, old in pairs)


def _recorded(statement: PlannedStatement, shape: Shape, text: str) -> PlannedStatement:
    """The statement as records would speak of it: of this text, with what its comment says."""
    recorded = statement.recorded
    if shape.said is not None:
        recorded = replace(recorded, attribution=shape.said)
    if recorded.original:
        recorded = replace(recorded, original=text)
    return replace(statement, recorded=recorded)
