"""All that is counted of one part of a trail. Tallies of parts add up to that of the whole."""

from __future__ import annotations

from dataclasses import dataclass

from dbguard.audit.records import EventRecord, RecordKind, Verdict
from dbguard.report.access import BulkCount, DisclosureCounts, PrincipalCounts
from dbguard.report.counting import Counter
from dbguard.report.happenings import EventCounts
from dbguard.report.plans import RAN, REFUSED, Plan
from dbguard.report.sections import SectionCount, Shapes
from dbguard.report.timeline import TimeCount

DEFAULT_BULK_ROWS = 1_000
PENDING = 100_000
"""Statements that run at the same time, at most, whose outcome is waited for."""
KEPT_SESSIONS = 250_000
_KEPT_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Orphan:
    """An outcome whose decision stands in an earlier part."""

    decision: int
    rows: int
    bytes: int
    time: str


class Tally:
    """Mutable; what leaves a worker process is this, folded."""

    def __init__(self, chain: str, bulk_rows: int = DEFAULT_BULK_ROWS) -> None:
        self.chain = chain
        self.records = 0
        self.first = ""
        self.last = ""
        self.verdicts = dict.fromkeys(Verdict, 0)
        self.failed = 0
        self.rows = 0
        self.sessions: set[bytes] = set()
        self.sessions_more = False
        self.times = TimeCount()
        self.blocked = SectionCount()
        self.masked = SectionCount()
        self.structure = Shapes()
        self.requirements = Counter()
        self.digests = Counter(100)
        self.raw = DisclosureCounts()
        self.bulk = BulkCount(bulk_rows)
        self.principals = PrincipalCounts()
        self.events = EventCounts()
        self.pending: dict[int, Plan] = {}
        """Decisions on classified data whose outcome has not come yet, oldest first."""
        self.orphans: list[Orphan] = []
        self.lost = 0
        """Outcomes that found no decision, or decisions forgotten before their outcome."""
        self._addresses: dict[str, str] = {}

    def seen(self, time: str) -> None:
        """A record, of whatever kind."""
        self.records += 1
        if not self.first or time < self.first:
            self.first = time
        if time > self.last:
            self.last = time

    def session(self, name: bytes) -> None:
        if name not in self.sessions:
            if len(self.sessions) >= KEPT_SESSIONS:
                self.sessions_more = True
            elif name:
                self.sessions.add(name)

    def decided(self, plan: Plan, sequence: int, time: str, runs: bool) -> None:
        """`runs`: it is one of the phases in which a statement runs."""
        if runs:
            if plan.classified:
                self.pending[sequence] = plan
                if len(self.pending) > PENDING:
                    self.pending.pop(next(iter(self.pending)))
                    self.lost += 1
        elif not plan.counts_everywhere:
            return
        plan.used(sequence, time)
        if plan.bucket >= 0:
            self.times.add(time, plan.bucket)

    def outcome(self, decision: int, rows: int, size: int, sqlstate: str, time: str) -> None:
        self.rows += rows
        if sqlstate:
            self.failed += 1
        plan = self.pending.pop(decision, None)
        if plan is not None:
            plan.rows += rows
            if rows >= self.bulk.threshold or size:
                self.bulk.take(plan, self.name(decision), time, rows, size)

    def orphan(self, decision: int, rows: int, size: int, time: str) -> None:
        """Its decision may be pending in the part before."""
        if len(self.orphans) < PENDING:
            self.orphans.append(Orphan(decision, rows, size, time))
        else:
            self.lost += 1

    def event(self, event: EventRecord, sequence: int, time: str) -> None:
        if event.kind is RecordKind.CONNECT:
            if len(self._addresses) >= _KEPT_ADDRESSES:
                self._addresses.clear()
            self._addresses[event.session] = event.field("address")
            self.events.connected(event, time)
            return
        address = ""
        if event.kind is RecordKind.AUTHENTICATION:
            address = self._addresses.pop(event.session, "")
        self.events.take(event, self.name(sequence), time, address)

    def fold(self, plan: Plan) -> None:
        """Add what the plan has counted, and let it count anew."""
        if not plan.count:
            if plan.rows:
                self.raw.late_rows(plan, plan.rows)
                plan.rows = 0
            return
        example = self.name(plan.example)
        self.verdicts[plan.verdict] += plan.count
        if plan.verdict is Verdict.INVALID:
            self.failed += plan.count
        if plan.verdict in REFUSED:
            self.blocked.fold(plan, example)
        elif plan.verdict is Verdict.MASKED:
            self.masked.fold(plan, example)
        if plan.raw:
            self.raw.fold(plan, example)
        if plan.structure:
            self.structure.fold(plan, example)
        if plan.verdict in RAN:
            self.requirements.add(plan.decision.requirements, plan.last, plan.count)
        self.digests.add((plan.decision.rules_digest,), plan.last, plan.count)
        self.principals.fold(plan)
        plan.count = plan.rows = 0
        plan.first = plan.last = ""

    def merge(self, later: Tally) -> None:
        """Add the tally of the part behind this one. Those of one chain come in their order."""
        if later.chain == self.chain:
            for orphan in later.orphans:
                self._adopt(orphan)
        else:
            self.pending.clear()
        self.pending.update(later.pending)
        while len(self.pending) > PENDING:
            self.pending.pop(next(iter(self.pending)))
        self.chain = later.chain
        self.records += later.records
        if later.first:
            self.first = min(self.first, later.first) if self.first else later.first
        self.last = max(self.last, later.last)
        for verdict, count in later.verdicts.items():
            self.verdicts[verdict] += count
        self.failed += later.failed
        self.rows += later.rows
        self.sessions_more |= later.sessions_more
        for name in later.sessions:
            self.session(name)
        self.times.merge(later.times)
        self.blocked.merge(later.blocked)
        self.masked.merge(later.masked)
        self.structure.merge(later.structure)
        self.requirements.merge(later.requirements)
        self.digests.merge(later.digests)
        self.raw.merge(later.raw)
        self.bulk.merge(later.bulk)
        self.principals.merge(later.principals)
        self.events.merge(later.events)
        self.lost += later.lost

    def name(self, sequence: int) -> str:
        """What `dbguard audit show` calls the record."""
        return f"{self.chain}:{sequence}" if self.chain else str(sequence)

    def _adopt(self, orphan: Orphan) -> None:
        plan = self.pending.pop(orphan.decision, None)
        if plan is not None:
            self.raw.late_rows(plan, orphan.rows)
            record = self.name(orphan.decision)
            self.bulk.take(plan, record, orphan.time, orphan.rows, orphan.bytes)
