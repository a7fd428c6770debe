"""Who saw classified values unmasked, and who took very many rows, as it is counted."""

from __future__ import annotations

from dbguard.report.counting import instant
from dbguard.report.model import BulkRead, BulkReads, Disclosure, Disclosures, Principal
from dbguard.report.plans import Plan

KEPT_DISCLOSURES = 5_000
KEPT_BULK = 500
KEPT_USERS = 200
"""Database users that a principal lists."""
KEPT_PRINCIPALS = 5_000
BULK_BYTES_A_ROW = 1_000
"""A result counts as bulk by its bytes too, at so many a row of the threshold."""


class DisclosureCount:
    """What one principal saw of one column."""

    __slots__ = ("computed", "example", "first", "last", "rows", "statements", "tags")

    def __init__(self, tags: tuple[str, ...]) -> None:
        self.tags = tags
        self.computed = True
        self.statements = 0
        self.rows = 0
        self.first = ""
        self.last = ""
        self.example = ""

    def add(self, other: DisclosureCount) -> None:
        self.computed = self.computed and other.computed
        self.statements += other.statements
        self.rows += other.rows
        if other.first:
            self.first = min(self.first, other.first) if self.first else other.first
        if other.last >= self.last:
            self.last, self.example = other.last, other.example


class DisclosureCounts:
    __slots__ = ("counts", "others", "rows", "statements")

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], DisclosureCount] = {}
        self.statements = 0
        self.rows = 0
        self.others = 0

    def fold(self, plan: Plan, example: str) -> None:
        self.statements += plan.count
        self.rows += plan.rows
        tags = {column.name: column.tags for column in plan.decision.columns}
        for column, computed in plan.raw.items():
            own = DisclosureCount(tags[column])
            own.computed, own.statements, own.rows = computed, plan.count, plan.rows
            own.first, own.last, own.example = plan.first, plan.last, example
            self._add((plan.decision.who, column), own)

    def late_rows(self, plan: Plan, rows: int) -> None:
        """Rows of a statement that was folded before its outcome came."""
        if not plan.raw:
            return
        self.rows += rows
        for column in plan.raw:
            count = self.counts.get((plan.decision.who, column))
            if count is not None:
                count.rows += rows

    def merge(self, other: DisclosureCounts) -> None:
        self.statements += other.statements
        self.rows += other.rows
        self.others += other.others
        for key, count in other.counts.items():
            self._add(key, count)

    def result(self) -> Disclosures:
        self._forget()
        found = [
            Disclosure(
                who=who,
                column=column,
                tags=count.tags,
                computed=count.computed,
                statements=count.statements,
                rows=count.rows,
                first=instant(count.first),
                last=instant(count.last),
                example=count.example,
            )
            for (who, column), count in self.counts.items()
        ]
        found.sort(key=lambda d: (-d.rows, -d.statements, d.who, d.column))
        return Disclosures(self.statements, self.rows, tuple(found), self.others)

    def _add(self, key: tuple[str, str], count: DisclosureCount) -> None:
        known = self.counts.get(key)
        if known is not None:
            known.add(count)
            return
        self.counts[key] = count
        if len(self.counts) > 2 * KEPT_DISCLOSURES:
            self._forget()

    def _forget(self) -> None:
        if len(self.counts) > KEPT_DISCLOSURES:
            ranked = sorted(self.counts.items(), key=lambda item: (-item[1].rows, item[0]))
            self.counts = dict(ranked[:KEPT_DISCLOSURES])
            self.others += sum(count.statements for _, count in ranked[KEPT_DISCLOSURES:])


class BulkSum:
    """Large statements of one shape and principal."""

    __slots__ = ("bytes", "count", "example", "first", "largest", "last", "rows")

    def __init__(self) -> None:
        self.count = self.rows = self.largest = self.bytes = 0
        self.first = self.last = self.example = ""

    def add(self, other: BulkSum) -> None:
        if (other.largest, other.first) > (self.largest, self.first) or not self.count:
            self.largest, self.example = other.largest, other.example
        self.count += other.count
        self.rows += other.rows
        self.bytes += other.bytes
        self.first = min(self.first, other.first) if self.first else other.first
        self.last = max(self.last, other.last)


_BulkKey = tuple[str, str, str, bool, tuple[str, ...]]


class BulkCount:
    """The largest reads of classified tables."""

    __slots__ = ("count", "sums", "threshold", "unmasked")

    def __init__(self, threshold: int) -> None:
        self.threshold = threshold
        self.count = 0
        self.unmasked = 0
        self.sums: dict[_BulkKey, BulkSum] = {}

    def take(self, plan: Plan, record: str, time: str, rows: int, size: int) -> None:
        if rows < self.threshold and size < self.threshold * BULK_BYTES_A_ROW:
            return
        decision, raw = plan.decision, bool(plan.raw)
        self.count += 1
        self.unmasked += raw
        own = BulkSum()
        own.count, own.rows, own.largest, own.bytes = 1, rows, rows, size
        own.first, own.last, own.example = time, time, record
        key = (decision.who, decision.text, decision.action, raw, decision.relations)
        self._add(key, own)

    def merge(self, other: BulkCount) -> None:
        self.count += other.count
        self.unmasked += other.unmasked
        for key, own in other.sums.items():
            self._add(key, own)

    def result(self) -> BulkReads:
        self._forget()
        entries = [
            BulkRead(
                who=who,
                text=text,
                action=action,
                count=own.count,
                rows=own.rows,
                largest=own.largest,
                bytes=own.bytes,
                raw=raw,
                tables=tables,
                first=instant(own.first),
                last=instant(own.last),
                example=own.example,
            )
            for (who, text, action, raw, tables), own in self.sums.items()
        ]
        entries.sort(key=lambda b: (-b.rows, b.who, b.text))
        return BulkReads(self.threshold, self.count, self.unmasked, tuple(entries))

    def _add(self, key: _BulkKey, own: BulkSum) -> None:
        known = self.sums.get(key)
        if known is not None:
            known.add(own)
            return
        self.sums[key] = own
        if len(self.sums) > 2 * KEPT_BULK:
            self._forget()

    def _forget(self) -> None:
        if len(self.sums) > KEPT_BULK:
            ranked = sorted(self.sums.items(), key=lambda item: (-item[1].rows, item[0]))
            self.sums = dict(ranked[:KEPT_BULK])


class PrincipalCount:
    __slots__ = ("counts", "last", "proofs", "users")

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.proofs: set[str] = set()
        self.counts = [0, 0, 0]
        self.last = ""

    def add(self, other: PrincipalCount) -> None:
        if len(self.users) < KEPT_USERS:
            self.users |= other.users
        self.proofs |= other.proofs
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.last = max(self.last, other.last)


class PrincipalCounts:
    """Who did how much. The rarest beyond the cap are left out; `others` counts what they did."""

    __slots__ = ("counts", "others")

    def __init__(self) -> None:
        self.counts: dict[str, PrincipalCount] = {}
        self.others = 0

    def fold(self, plan: Plan) -> None:
        own = PrincipalCount()
        decision = plan.decision
        own.users.add(decision.principal_user)
        if decision.identity is not None:
            own.proofs.add(decision.identity.proof)
        if plan.bucket >= 0:
            own.counts[plan.bucket] = plan.count
        own.last = plan.last
        self._add(decision.who, own)

    def merge(self, other: PrincipalCounts) -> None:
        self.others += other.others
        for name, count in other.counts.items():
            self._add(name, count)

    def result(self) -> tuple[Principal, ...]:
        self._forget()
        found = [
            Principal(
                name=name,
                users=tuple(sorted(count.users)),
                proofs=tuple(sorted(count.proofs)),
                allowed=count.counts[0],
                masked=count.counts[1],
                refused=count.counts[2],
                last=instant(count.last),
            )
            for name, count in self.counts.items()
        ]
        found.sort(key=lambda p: (-(p.allowed + p.masked + p.refused), p.name))
        return tuple(found)

    def _add(self, name: str, count: PrincipalCount) -> None:
        known = self.counts.get(name)
        if known is not None:
            known.add(count)
            return
        self.counts[name] = count
        if len(self.counts) > 2 * KEPT_PRINCIPALS:
            self._forget()

    def _forget(self) -> None:
        if len(self.counts) > KEPT_PRINCIPALS:
            ranked = sorted(self.counts.items(), key=lambda item: (-sum(item[1].counts), item[0]))
            self.counts = dict(ranked[:KEPT_PRINCIPALS])
            self.others += sum(sum(count.counts) for _, count in ranked[KEPT_PRINCIPALS:])
