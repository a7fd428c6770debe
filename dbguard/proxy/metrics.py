"""What Prometheus is told: counts, waits and levels of one process. Nothing in it names a person,
a text or a value."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from dbguard.audit.records import DecisionRecord, EventRecord, Record, RecordKind
from dbguard.audit.rendering import Rendered

WAIT_BUCKETS: Final = (0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
"""Seconds: from a sync on a fast disk to the limit of analysis."""


class Lookup(enum.StrEnum):
    """How looking for a text in the plan cache ended."""

    FOUND = "yes"
    ALIKE = "alike"
    """A plan for a text with other literals was for this one as well."""
    NOT_FOUND = "no"


class Decisions(Collector):
    """One of these is counted for each statement: a dictionary, read when somebody asks."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, decision: tuple[str, str]) -> None:
        """Action and verdict of a decision. Called by one thread only."""
        self._counts[decision] = self._counts.get(decision, 0) + 1

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "dbguard_statements",
            "Decisions by class of action and verdict",
            labels=["action", "verdict"],
        )
        for decision, count in list(self._counts.items()):
            family.add_metric(decision, count)
        yield family


class Waiting:
    """A context: how long it was open is observed."""

    __slots__ = ("_began", "_histogram")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_error: object) -> None:
        self._histogram.observe(time.monotonic() - self._began)


class Metrics:
    """The counters that the proxy keeps, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._decisions = Decisions()
        registry.register(self._decisions)
        self.decided = self._decisions.count
        self._waits = Histogram(
            "dbguard_wait_seconds",
            "Time that dbguard added to a message, by what it waited for",
            ["what"],
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self._events = Counter(
            "dbguard_events", "Events in the audit trail by kind", ["kind"], registry=registry
        )
        self._refused_clients = Counter(
            "dbguard_refused_connections",
            "Connections refused before or after their login, by reason",
            ["reason"],
            registry=registry,
        )
        self._requirements = Counter(
            "dbguard_requirements",
            "Requirements looked up, by whether they were met",
            ["met"],
            registry=registry,
        )
        self._lookups = Counter(
            "dbguard_plan_lookups",
            "Texts looked up in the plan cache",
            ["found"],
            registry=registry,
        )
        self.reloads = Counter(
            "dbguard_reloads", "Reloads by result", ["result"], registry=registry
        )
        self.past_dbguard = Counter(
            "dbguard_sessions_past_dbguard",
            "Sessions at the servers that did not come through this dbguard",
            registry=registry,
        )
        self.connections = Gauge("dbguard_connections", "Clients connected", registry=registry)
        self.tasks = Gauge(
            "dbguard_tasks",
            "Tasks of the event loop: one or two for each client that is being served",
            registry=registry,
        )
        self.audit_pending = Gauge(
            "dbguard_audit_pending", "Records that are not on disk yet", registry=registry
        )
        self.audit_signed = Gauge(
            "dbguard_audit_checkpoints_available",
            "1 while checkpoints of the audit trail can be signed and written",
            registry=registry,
        )
        self.audit_available = Gauge(
            "dbguard_audit_available", "1 while decisions can be recorded", registry=registry
        )
        self.sealed_segments = Counter(
            "dbguard_audit_sealed_segments",
            "Segments of the audit trail that ended, by what sealing them came to",
            ["result"],
            registry=registry,
        )
        self.cached_plans = Gauge("dbguard_cached_plans", "Plans kept", registry=registry)
        self.cached_bytes = Gauge(
            "dbguard_cached_plan_bytes", "Their estimated size", registry=registry
        )
        self._by_wait: dict[str, Histogram] = {}
        self._by_lookup = {lookup: self._lookups.labels(lookup.value) for lookup in Lookup}

    def recorded(self, record: Record | Rendered) -> None:
        """Count a record of the audit trail."""
        if isinstance(record, Rendered):
            if record.counted is not None:
                self.decided(record.counted)
        elif isinstance(record, DecisionRecord):
            self.decided((record.action, record.decision))
        elif isinstance(record, EventRecord):
            self.event(record.kind)

    def event(self, kind: RecordKind) -> None:
        self._events.labels(kind.value).inc()

    def looked_up(self, how: Lookup) -> None:
        self._by_lookup[how].inc()

    def refused_connection(self, reason: str) -> None:
        self._refused_clients.labels(reason).inc()

    def requirement(self, met: bool) -> None:
        self._requirements.labels("yes" if met else "no").inc()

    def waiting(self, what: str) -> Waiting:
        """Time what a message waits for: analysis, audit, requirement, catalog."""
        histogram = self._by_wait.get(what)
        if histogram is None:
            histogram = self._by_wait[what] = self._waits.labels(what)
        return Waiting(histogram)

    def of_workers(self, serving: Callable[[], int]) -> Counter:
        """Show how many workers serve; the counter is for those that were started again."""
        workers = Gauge("dbguard_workers", "Workers that serve clients", registry=self._registry)
        workers.set_function(serving)
        return Counter("dbguard_worker_restarts", "Workers that had died", registry=self._registry)

    def add(self, collector: Collector) -> None:
        """Show what it collects, too."""
        self._registry.register(collector)

    def render(self) -> bytes:
        """The exposition format of Prometheus, version 0.0.4."""
        return generate_latest(self._registry)
