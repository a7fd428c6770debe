"""Times of records, and clocks that are set."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.stamping import (
    SECOND,
    ClockStep,
    GivenClock,
    Stamps,
    elapsed,
    moment,
    moment_of,
    wall_clock,
    written,
)
from dbguard.audit.writer import AuditLog
from dbguard.errors import AuditUnavailable

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))
BASE = datetime(2026, 11, 21, 8, tzinfo=UTC)


class Watch:
    """A clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.now = BASE
        self.seconds = 1000.0

    def passes(self, seconds: float, step: float = 0.0) -> None:
        self.now += timedelta(seconds=seconds + step)
        self.seconds += seconds

    def clock(self) -> datetime:
        return self.now

    def elapsed(self) -> float:
        return self.seconds

    def stamps(self, last: int | None = None) -> Stamps:
        given = GivenClock(self.clock, self.elapsed)
        return Stamps(last, given.now, given.elapsed)


def at(seconds: float) -> int:
    return moment_of(BASE) + round(seconds * SECOND)


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        # (seconds that pass, and by how much the clock is set meanwhile): time, and the step seen
        ([(5, 0), (3600, 0)], [(5, None), (3605, None)]),
        ([(5, 3600)], [(3605, (5, 3605))]),
        ([(5, -3600)], [(-3595, (5, -3595))]),
        ([(5, 0), (0, -0.9)], [(5, None), (5, None)]),
        ([(5, 0), (0.5, -0.9)], [(5, None), (5, None)]),
        ([(5, 0.9), (5, 0)], [(5.9, None), (10.9, None)]),
        ([(5, 0.9), (5, 0.9)], [(5.9, None), (11.8, (10, 11.8))]),
        ([(5, 0.9), (0, -1.2)], [(5.9, None), (4.7, (5.9, 4.7))]),
        ([(5, 0.6), (5, -1.2), (5, -1.2)], [(5.6, None), (9.4, None), (13.2, (15, 13.2))]),
        ([(5, -3600), (5, 3600)], [(-3595, (5, -3595)), (10, (-3590, 10))]),
    ],
)
def test_steps_are_told_once_and_times_go_back_only_with_them(
    turns: list[tuple[float, float]],
    expected: list[tuple[float, tuple[float, float] | None]],
) -> None:
    watch = Watch()
    stamps = watch.stamps()
    assert stamps.take() == (at(0), None)
    for (seconds, step), (time, told) in zip(turns, expected, strict=True):
        watch.passes(seconds, step)
        taken, found = stamps.take()
        assert taken == at(time)
        assert found == (None if told is None else ClockStep(at(told[0]), at(told[1])))


@pytest.mark.parametrize(("behind", "told"), [(0.0, False), (1.0, False), (1.1, True), (9e5, True)])
def test_a_clock_behind_the_last_record_is_told_at_the_start(behind: float, told: bool) -> None:
    watch = Watch()
    taken, step = watch.stamps(at(behind)).take()
    assert step == (ClockStep(at(behind), at(0)) if told else None)
    assert taken == at(0 if told else behind)


def test_a_machine_that_slept_is_not_told() -> None:
    """`elapsed` goes on meanwhile, as the clock does."""
    before = elapsed()
    assert elapsed() >= before
    assert Stamps(wall_clock()).take()[1] is None


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-21T08:00:00", "2026-11-21T08+02:00"])
def test_what_is_no_time_of_a_record(text: str) -> None:
    assert moment(text) is None
    assert moment(written(at(0.000001))) == at(0.000001)
    assert written(at(1.5)) == "2026-11-21T08:00:01.500000Z"


def trail(directory: Path) -> list[dict[str, object]]:
    return [
        orjson.loads(line) for line in (directory / "audit-000001.jsonl").read_bytes().splitlines()
    ]


def told(line: dict[str, object]) -> object:
    return line["fields"]


def in_order(lines: list[dict[str, object]]) -> bool:
    """No record is older than the one before, but CLOCK records."""
    return all(
        str(one["time"]) <= str(two["time"]) or two["kind"] == "clock"
        for one, two in itertools.pairwise(lines)
    )


def test_a_step_stands_right_before_the_record_that_saw_it(tmp_path: Path) -> None:
    watch = Watch()
    log = AuditLog.open(tmp_path, clock=watch.clock, monotonic=watch.elapsed)
    log.append(EVENT)
    watch.passes(5, -3600)
    assert log.append(EVENT) == 3
    log.wait(3, timeout=60)
    log.close()
    lines = trail(tmp_path)
    assert [line["kind"] for line in lines] == ["connect", "clock", "connect"]
    assert told(lines[1]) == {
        "before": "2026-11-21T08:00:05.000000Z",
        "after": "2026-11-21T07:00:05.000000Z",
        "seconds": "-3600.000",
    }
    assert lines[1]["time"] == lines[2]["time"] == "2026-11-21T07:00:05.000000Z"


def test_a_trail_from_the_future_is_gone_on_with_and_told(tmp_path: Path) -> None:
    watch = Watch()
    log = AuditLog.open(tmp_path, clock=watch.clock, monotonic=watch.elapsed)
    log.append(EVENT)
    log.close()
    watch.now -= timedelta(days=1)
    log = AuditLog.open(tmp_path, clock=watch.clock, monotonic=watch.elapsed)
    log.append(EVENT)
    log.close()
    lines = trail(tmp_path)
    assert [line["kind"] for line in lines] == ["connect", "clock", "connect"]
    fields = lines[1]["fields"]
    assert isinstance(fields, dict)
    assert fields["seconds"] == "-86400.000"


@pytest.mark.parametrize("step", [-3600, 3600])
@pytest.mark.parametrize("waiting", [True, False])
def test_a_step_that_was_lost_in_an_outage_is_told_behind_it(
    tmp_path: Path,
    storage,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    waiting: bool,
) -> None:
    monkeypatch.setattr("dbguard.audit.writer.PROBE_SECONDS", 0.01)
    watch = Watch()
    log = AuditLog.open(tmp_path, storage=storage, clock=watch.clock, monotonic=watch.elapsed)
    log.wait(log.append(EVENT), timeout=60)
    storage.failing["pwrite"] = 5
    watch.passes(5, step)
    with pytest.raises(AuditUnavailable):
        log.wait(log.append(EVENT), timeout=60)
    if waiting:  # the first batch behind the outage begins with the step
        storage.sync_gate.clear()
        storage.failing.clear()
        last = log.append(EVENT)
        storage.sync_gate.set()
    else:  # the RECOVERY record comes alone
        storage.failing.clear()
        while not log.available:
            pass
        last = log.append(EVENT)
    try:
        log.wait(last, timeout=60)
    except AuditUnavailable:
        log.wait(log.append(EVENT), timeout=60)
    log.close()
    lines = trail(tmp_path)
    assert [line["kind"] for line in lines] == ["connect", "recovery", "clock", "connect"]
    assert in_order(lines)
