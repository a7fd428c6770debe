"""The records of a segment to a tally, fast: most lines are not parsed.

Members of a line stand in a fixed order (docs/audit.md). Of a decision, all from `"action"` on
comes from the plan and is the same for each of its uses, byte for byte, so it is parsed once and
looked up after that. What of a line is not as expected is read the slow way, which also says what
is wrong with it.
"""

from __future__ import annotations

import orjson

from dbguard.audit.blocks import Block
from dbguard.audit.lines import decoded, place_of
from dbguard.audit.records import DecisionRecord, EventRecord, OutcomeRecord, Record
from dbguard.report.counting import stamp
from dbguard.report.plans import RUNS, Plan
from dbguard.report.tally import DEFAULT_BULK_ROWS, Tally
from dbguard.report.trail import Part, Range, lines

_KEPT_PLANS = 20_000
_OPENING = b'{"v":1,"seq":'
_TIME = b',"time":"'
_KIND = b'","kind":"'
_TIME_SIZE = 27
_TIME_AT = len(_TIME)
_KIND_AT = _TIME_AT + _TIME_SIZE + len(b'","prev":"') + 64
_NAME_AT = _KIND_AT + len(_KIND)
_HASH_SIZE = len(b',"hash":""}\n') + 64
_LONGEST_NUMBER = 13 + 19
"""Where the sequence number ends at the latest."""
_DECISION = b'decision",'
_OUTCOME = b'outcome",'
_RUNS = frozenset(phase.value.encode() for phase in RUNS)
_STATIC = b',"action":"'
_PHASE = b',"phase":"'
_SESSION = b',"session":"'


def scan(part: Part, wanted: Range, bulk_rows: int = DEFAULT_BULK_ROWS) -> Tally:
    """The tally of one segment.

    Raises ConfigurationError naming file and line of what is not a record.
    """
    return _Scan(part, wanted, bulk_rows).run()


class _Scan:
    def __init__(self, part: Part, wanted: Range, bulk_rows: int) -> None:
        self._part = part
        self._tally = Tally(part.chain, bulk_rows)
        self._since = stamp(wanted.since) if wanted.since else ""
        self._until = stamp(wanted.until) if wanted.until else "~"
        self._plans: dict[bytes, Plan] = {}
        self._first = 0
        self._fold_at = _KEPT_PLANS
        self._second = ""
        """Up to which second the last time was found to be one."""
        """Sequence number of the segment's first record."""

    def run(self) -> Tally:
        tally, since, until = self._tally, self._since, self._until
        for block, position, line in lines(self._part):
            comma = line.find(b",", 13)
            kind = comma + _NAME_AT
            if (
                line[:13] != _OPENING
                or line[comma : comma + _TIME_AT] != _TIME
                or line[comma + _KIND_AT : kind] != _KIND
                or not line[13:comma].isdigit()
                or comma > _LONGEST_NUMBER
            ):
                self._slow(block, position, line)
                continue
            if not self._first:
                self._first = int(line[13:comma])
            time = line[comma + _TIME_AT : comma + _TIME_AT + _TIME_SIZE].decode("ascii", "replace")
            if not since <= time < until:
                continue
            if time[:19] != self._second or not time[20:26].isdigit():
                place_of(block, position, line)  # whose time can be read, or who says it cannot
                self._second = time[:19]
            if line[kind : kind + 10] == _DECISION:
                static = line.rfind(_STATIC)
                phase = line.find(_PHASE, kind) + len(_PHASE)
                session = line.find(_SESSION, phase) + len(_SESSION)
                if static < phase or static < session or phase < kind:
                    self._slow(block, position, line)
                    continue
                plan = self._plans.get(line[static:-_HASH_SIZE])
                if plan is None:
                    key = line[static:-_HASH_SIZE]
                    plan = self._new_plan(decoded(place_of(block, position, line)), key)
                tally.seen(time)
                tally.session(line[session : line.find(b'"', session)])
                runs = line[phase : line.find(b'"', phase)] in _RUNS
                tally.decided(plan, int(line[13:comma]), time, runs)
            elif line[kind : kind + 9] == _OUTCOME and self._outcome(line, time):
                pass
            else:
                self._slow(block, position, line)
        for plan in self._plans.values():
            tally.fold(plan)
        return tally

    def _outcome(self, line: bytes, time: str) -> bool:
        """Whether it looks as outcomes do."""
        try:
            members = orjson.loads(line)
            decision, rows, state = members["decision"], members["rows"], members["sqlstate"]
            session, size = members["session"], members.get("bytes", 0)
        except (ValueError, KeyError):
            return False
        if not (type(decision) is type(rows) is type(size) is int) or type(session) is not str:
            return False
        tally = self._tally
        tally.seen(time)
        tally.session(session.encode())
        if decision < self._first:
            tally.orphan(decision, rows, size, time)
        tally.outcome(decision, rows, size, state, time)
        return True

    def _new_plan(self, record: Record, key: bytes) -> Plan:
        assert isinstance(record, DecisionRecord)
        if len(self._plans) >= self._fold_at:
            self._fold_all()
            # Those that wait for their outcome stay: again only when there are twice as many.
            self._fold_at = max(_KEPT_PLANS, 2 * len(self._plans))
        plan = self._plans[key] = Plan(record)
        return plan

    def _fold_all(self) -> None:
        for plan in self._plans.values():
            self._tally.fold(plan)
        waiting = {id(plan) for plan in self._tally.pending.values()}
        self._plans = {key: plan for key, plan in self._plans.items() if id(plan) in waiting}

    def _slow(self, block: Block, position: int, line: bytes) -> None:
        """Outcomes, events, and whatever does not look as it should."""
        place = place_of(block, position, line)
        sequence, time, members = place.sequence, str(place.members["time"]), place.members
        self._first = self._first or sequence
        if not self._since <= time < self._until:
            return
        record = decoded(place)
        tally = self._tally
        tally.seen(time)
        tally.session(record.session.encode())
        match record:
            case DecisionRecord():
                key = orjson.dumps(
                    [v for k, v in members.items() if k not in _DIFFERS],
                    option=orjson.OPT_SORT_KEYS,
                )
                plan = self._plans.get(key) or self._new_plan(record, key)
                tally.decided(plan, sequence, time, record.phase in RUNS)
            case OutcomeRecord():
                self._outcome(line, time)
            case EventRecord():
                tally.event(record, sequence, time)


_DIFFERS = frozenset(
    {
        "application", "client_address", "hash", "phase", "prev", "sealed", "seq", "session",
        "statement", "tags", "time", "traceparent",
    }
)  # fmt: skip
"""Members that differ from one use of a plan to the next."""
