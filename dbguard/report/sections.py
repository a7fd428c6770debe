"""Blocked and masked statements as they are counted, part by part."""

from __future__ import annotations

from collections.abc import Iterable

from dbguard.report.counting import Counter, instant
from dbguard.report.model import Section, Shape, Why
from dbguard.report.plans import REFUSED, Plan

KEPT_SHAPES = 1_000
"""Distinct statements a section tells apart."""
KEPT_PRINCIPALS = 50
"""Names a shape lists."""
KEPT_TEXT = 10_000
"""Characters of a shape: clients choose how long statements are."""
_OTHERS = "others"

Key = tuple[str, str, str, tuple[Why, ...], tuple[str, ...], tuple[str, ...]]


class ShapeCount:
    """Uses of statements that differ in their values only."""

    __slots__ = ("action", "count", "example", "first", "key", "last", "principals")

    def __init__(self, key: Key, action: str) -> None:
        self.key = key
        self.action = action
        self.count = 0
        self.principals: set[str] = set()
        self.first = ""
        self.last = ""
        self.example = ""

    def add(
        self, count: int, principals: Iterable[str], first: str, last: str, example: str
    ) -> None:
        self.count += count
        for name in principals:
            full = len(self.principals) >= KEPT_PRINCIPALS
            self.principals.add(_OTHERS if full and name not in self.principals else name)
        self.first = min(self.first, first) if self.first else first
        if last >= self.last:
            self.last, self.example = last, example

    def result(self) -> Shape:
        text, fingerprint, decision, reasons, masks, requirements = self.key
        return Shape(
            text=text,
            fingerprint=fingerprint,
            action=self.action,
            decision=decision,
            count=self.count,
            principals=tuple(sorted(self.principals)),
            whys=reasons,
            masks=masks,
            requirements=requirements,
            first=instant(self.first),
            last=instant(self.last),
            example=self.example,
        )


class Shapes:
    """The most frequent shapes; what is forgotten is counted."""

    __slots__ = ("others", "shapes")

    def __init__(self) -> None:
        self.shapes: dict[Key, ShapeCount] = {}
        self.others = 0

    def fold(self, plan: Plan, example: str) -> None:
        decision = plan.decision
        masks = tuple(dict.fromkeys(f"{entry.column}: {entry.mask}" for entry in decision.masked))
        text = decision.text
        key = (
            text if len(text) <= KEPT_TEXT else text[:KEPT_TEXT] + "…",
            decision.fingerprint,
            decision.decision,
            plan.reasons,
            masks,
            decision.requirements,
        )
        shape = self._shape(key, decision.action)
        shape.add(plan.count, (decision.who,), plan.first, plan.last, example)

    def merge(self, other: Shapes) -> None:
        self.others += other.others
        for key, theirs in other.shapes.items():
            self._shape(key, theirs.action).add(
                theirs.count, theirs.principals, theirs.first, theirs.last, theirs.example
            )

    def result(self) -> tuple[Shape, ...]:
        self._forget()
        found = sorted(self.shapes.values(), key=lambda s: s.last, reverse=True)
        return tuple(s.result() for s in sorted(found, key=lambda s: -s.count))

    def _shape(self, key: Key, action: str) -> ShapeCount:
        shape = self.shapes.get(key)
        if shape is None:
            if len(self.shapes) >= 2 * KEPT_SHAPES:
                self._forget()
            shape = self.shapes[key] = ShapeCount(key, action)
        return shape

    def _forget(self) -> None:
        if len(self.shapes) > KEPT_SHAPES:
            ranked = sorted(self.shapes.values(), key=lambda s: (s.count, s.last), reverse=True)
            self.shapes = {shape.key: shape for shape in ranked[:KEPT_SHAPES]}
            self.others += sum(shape.count for shape in ranked[KEPT_SHAPES:])


class SectionCount:
    """All that is counted of blocked, or of masked statements."""

    __slots__ = ("columns", "count", "principals", "rules", "shapes", "tables")

    def __init__(self) -> None:
        self.count = 0
        self.rules = Counter()
        self.principals = Counter()
        self.tables = Counter()
        self.columns = Counter()
        self.shapes = Shapes()

    def fold(self, plan: Plan, example: str) -> None:
        decision, count, last = plan.decision, plan.count, plan.last
        if plan.verdict in REFUSED:
            rules = [rule for why in plan.reasons for rule in why.rule.split(", ") if rule]
            columns = [column.name for column in decision.columns if column.tags]
        else:
            rules = [entry.rule for entry in decision.masked]
            columns = [entry.column for entry in decision.masked]
        self.count += count
        self.rules.add(rules, last, count)
        self.principals.add((decision.who,), last, count)
        self.tables.add(decision.relations, last, count)
        self.columns.add(columns, last, count)
        self.shapes.fold(plan, example)

    def merge(self, other: SectionCount) -> None:
        self.count += other.count
        self.rules.merge(other.rules)
        self.principals.merge(other.principals)
        self.tables.merge(other.tables)
        self.columns.merge(other.columns)
        self.shapes.merge(other.shapes)

    def result(self) -> Section:
        return Section(
            count=self.count,
            by_rule=self.rules.result(),
            by_principal=self.principals.result(),
            by_table=self.tables.result(),
            by_column=self.columns.result(),
            shapes=self.shapes.result(),
            other_shapes=self.shapes.others,
        )
