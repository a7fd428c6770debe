"""Metrics of several processes as those of one."""

from __future__ import annotations

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.proxy.merged_metrics import Merging
from dbguard.proxy.metrics import Metrics


def samples(merging: Merging) -> dict[str, float]:
    lines = (line for line in merging.render().decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def counted(connections: int, available: int, connects: int) -> str:
    metrics = Metrics()
    metrics.connections.set(connections)
    metrics.audit_available.set(available)
    for _ in range(connects):
        metrics.recorded(EventRecord(RecordKind.CONNECT, "", ()))
    with metrics.waiting("audit"):
        pass
    return metrics.render().decode()


def test_counts_add_up_and_the_worst_tells_whether_it_works() -> None:
    merging = Merging()
    merging.told("1", counted(2, 1, 3))
    merging.told("2", counted(5, 0, 1))
    found = samples(merging)
    assert found["dbguard_connections"] == 7
    assert found["dbguard_audit_available"] == 0
    assert found['dbguard_events_total{kind="connect"}'] == 4
    assert found['dbguard_wait_seconds_count{what="audit"}'] == 2
    assert found['dbguard_wait_seconds_bucket{le="+Inf",what="audit"}'] == 2
    assert not any("_created" in name for name in found)


def test_what_was_counted_by_one_that_died_is_not_lost() -> None:
    merging = Merging()
    merging.told("1", counted(2, 1, 3))
    merging.told("2", counted(5, 1, 1))
    merging.died("1")
    found = samples(merging)
    assert found["dbguard_connections"] == 5, "levels are its own"
    assert found['dbguard_events_total{kind="connect"}'] == 4
    merging.died("2")
    assert samples(merging)['dbguard_events_total{kind="connect"}'] == 4
    merging.told("1", counted(1, 1, 2))
    assert samples(merging)['dbguard_events_total{kind="connect"}'] == 6
    merging.died("nobody")
