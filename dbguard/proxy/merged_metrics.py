"""The metrics of several processes as those of one.

Counts, sums, buckets and levels are added up; what says that something works, or when something
began, is that of the worst or the oldest. What a process that has died had counted counts on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

LEAST: Final = frozenset(
    {
        "dbguard_audit_available",
        "dbguard_audit_checkpoints_available",
        "process_max_fds",
        "process_start_time_seconds",
        "python_info",
    }
)
"""Of these the least."""
_CREATED: Final = "_created"
_GROWING: Final = frozenset({"counter", "histogram"})

Key = tuple[str, tuple[tuple[str, str], ...]]
"""Name and labels of one sample."""


class _Merged(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


class Merging:
    """Puts together what processes tell, each by its name."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        """What each told last."""
        self._lost = _Sum()
        """What those had counted that have died."""

    def told(self, process: str, text: str) -> None:
        """`text` is in the exposition format."""
        self._last[process] = text

    def died(self, process: str) -> None:
        """It begins to count anew."""
        for family in text_string_to_metric_families(self._last.pop(process, "")):
            if family.type in _GROWING:
                self._lost.add(family)

    def render(self) -> bytes:
        """The exposition format of Prometheus, version 0.0.4."""
        whole = _Sum()
        for family in self._lost.families():
            whole.add(family)
        for text in self._last.values():
            for family in text_string_to_metric_families(text):
                whole.add(family)
        registry = CollectorRegistry()
        registry.register(_Merged(whole.families()))
        return generate_latest(registry)


class _Sum:
    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}
        self._values: dict[str, dict[Key, float]] = {}

    def add(self, family: Metric) -> None:
        name = family.name
        if name.endswith(_CREATED):
            return  # of no use where processes come and go
        self._families.setdefault(name, Metric(name, family.documentation, family.type))
        values = self._values.setdefault(name, {})
        for sample in family.samples:
            key = (sample.name, tuple(sample.labels.items()))
            before = values.get(key)
            if before is None:
                values[key] = sample.value
            else:
                values[key] = min(before, sample.value) if name in LEAST else before + sample.value

    def families(self) -> list[Metric]:
        found = []
        for name, family in self._families.items():
            whole = Metric(name, family.documentation, family.type)
            for (sample, labels), value in self._values[name].items():
                whole.add_sample(sample, dict(labels), value)
            found.append(whole)
        return found
