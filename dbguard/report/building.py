"""Records to a report, in one pass and memory that grows with what differs, not with the trail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from dbguard.audit.reading import Stored
from dbguard.audit.records import (
    DecisionRecord,
    EventRecord,
    OutcomeRecord,
    Phase,
    RecordKind,
    Verdict,
)
from dbguard.report.model import Count, Event, Report, Section, Shape, Totals, Why
from dbguard.report.remedies import whys

_RUNS = frozenset({Phase.QUERY, Phase.BIND, Phase.EXECUTE, Phase.FUNCTION_CALL, Phase.COPY})
"""A prepared statement is decided at Parse too, but it runs from Bind on: the record made there
stands for its first Execute as well, since code may already run while it is planned."""
_REFUSED = frozenset({Verdict.DENY, Verdict.ERROR})


def build(
    records: Iterable[Stored], since: datetime | None = None, until: datetime | None = None
) -> Report:
    """The report on the records from `since` (included) to `until` (excluded).

    `records` may hold more than that.
    """
    tally = _Tally()
    for stored in records:
        if (since is None or stored.time >= since) and (until is None or stored.time < until):
            tally.take(stored)
    return Report(
        since=since,
        until=until,
        first=tally.first,
        last=tally.last,
        totals=Totals(
            records=tally.records,
            allowed=tally.verdicts[Verdict.ALLOW],
            masked=tally.verdicts[Verdict.MASKED],
            denied=tally.verdicts[Verdict.DENY],
            undecided=tally.verdicts[Verdict.ERROR],
            failed=tally.failed,
            rows=tally.rows,
            sessions=len(tally.sessions),
        ),
        blocked=tally.blocked.section(),
        masked=tally.masked.section(),
        security=tuple(tally.security),
        drift=tuple(tally.drift),
        recoveries=tuple(tally.recoveries),
    )


class _Counter:
    def __init__(self) -> None:
        self.counts: dict[str, tuple[int, datetime]] = {}

    def add(self, names: Iterable[str], time: datetime) -> None:
        for name in dict.fromkeys(names):
            count, last = self.counts.get(name, (0, time))
            self.counts[name] = (count + 1, max(last, time))

    def sorted(self) -> tuple[Count, ...]:
        counts = (Count(name, count, last) for name, (count, last) in self.counts.items())
        return tuple(sorted(counts, key=lambda c: (-c.count, c.name)))


@dataclass(slots=True)
class _Shape:
    decision: DecisionRecord
    whys: tuple[Why, ...]
    first: datetime
    last: datetime
    example: int
    count: int = 0
    principals: set[str] = field(default_factory=set)

    def frozen(self) -> Shape:
        decision = self.decision
        return Shape(
            text=decision.text,
            fingerprint=decision.fingerprint,
            action=decision.action,
            decision=decision.decision,
            count=self.count,
            principals=tuple(sorted(self.principals)),
            whys=self.whys,
            masks=tuple(
                dict.fromkeys(f"{entry.column}: {entry.mask}" for entry in decision.masked)
            ),
            first=self.first,
            last=self.last,
            example=self.example,
        )


class _Section:
    def __init__(self) -> None:
        self.count = 0
        self.rules = _Counter()
        self.principals = _Counter()
        self.tables = _Counter()
        self.columns = _Counter()
        self.shapes: dict[object, _Shape] = {}

    def add(
        self,
        stored: Stored,
        decision: DecisionRecord,
        rules: Iterable[str],
        columns: Iterable[str],
        reasons: tuple[Why, ...] = (),
    ) -> None:
        time = stored.time
        self.count += 1
        self.rules.add(rules, time)
        self.principals.add((decision.who,), time)
        self.tables.add(decision.relations, time)
        self.columns.add(columns, time)
        key = (decision.fingerprint, decision.text, decision.decision, reasons, decision.masked)
        shape = self.shapes.get(key)
        if shape is None:
            shape = self.shapes[key] = _Shape(decision, reasons, time, time, stored.sequence)
        shape.count += 1
        shape.first = min(shape.first, time)
        shape.last = max(shape.last, time)
        shape.example = stored.sequence
        shape.principals.add(decision.who)

    def section(self) -> Section:
        shapes = (shape.frozen() for shape in self.shapes.values())
        return Section(
            count=self.count,
            by_rule=self.rules.sorted(),
            by_principal=self.principals.sorted(),
            by_table=self.tables.sorted(),
            by_column=self.columns.sorted(),
            shapes=tuple(sorted(shapes, key=lambda s: (-s.count, -s.example))),
        )


class _Tally:
    def __init__(self) -> None:
        self.records = 0
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.verdicts = dict.fromkeys(Verdict, 0)
        self.failed = 0
        self.rows = 0
        self.sessions: set[str] = set()
        self.blocked = _Section()
        self.masked = _Section()
        self.security: list[Event] = []
        self.drift: list[Event] = []
        self.recoveries: list[Event] = []

    def take(self, stored: Stored) -> None:
        self.records += 1
        self.first = self.first or stored.time
        self.last = stored.time
        record = stored.record
        if record.session:
            self.sessions.add(record.session)
        match record:
            case DecisionRecord():
                self._decision(stored, record)
            case OutcomeRecord():
                self.failed += bool(record.sqlstate)
                self.rows += record.rows
            case EventRecord(kind=RecordKind.SECURITY):
                self.security.append(_event(stored, record))
            case EventRecord(kind=RecordKind.DRIFT):
                self.drift.append(_event(stored, record))
            case EventRecord(kind=RecordKind.RECOVERY):
                self.recoveries.append(_event(stored, record))
            case EventRecord():
                pass

    def _decision(self, stored: Stored, decision: DecisionRecord) -> None:
        verdict = Verdict(decision.decision)
        if verdict in _REFUSED:
            reasons = whys(decision)
            self.blocked.add(
                stored,
                decision,
                [rule for why in reasons for rule in why.rule.split(", ") if rule],
                [column.name for column in decision.columns if column.tags],
                reasons,
            )
        elif verdict is Verdict.INVALID:
            self.failed += 1
        elif decision.phase not in _RUNS:
            return
        elif verdict is Verdict.MASKED:
            self.masked.add(
                stored,
                decision,
                [entry.rule for entry in decision.masked],
                [entry.column for entry in decision.masked],
            )
        self.verdicts[verdict] += 1


def _event(stored: Stored, record: EventRecord) -> Event:
    return Event(stored.sequence, stored.time, record.session, record.fields)
