"""From samples to lines of the table: medians over the rounds, ratios, targets. No I/O."""

from __future__ import annotations

import enum
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DIRECT = "direct"
PGBOUNCER = "PgBouncer"
DBGUARD = "dbguard"
DURABLE = "dbguard, durable audit"
UNCOMPILED = "dbguard, uncompiled"
FORWARDING = "forwarding only"
"""dbguard's loop and channels, which pass on what comes without a look at it."""
DBGUARDS = (DBGUARD, DURABLE, UNCOMPILED)
SYSTEMS = (DIRECT, PGBOUNCER, FORWARDING, *DBGUARDS)
"""In the order of the table. dbguard's audit is buffered unless said."""


class Compared(enum.Enum):
    """What a target is about."""

    FIGURE = "figure"
    OF_DIRECT = "of direct"
    OF_PGBOUNCER = "of PgBouncer"
    OVER_DIRECT = "over direct"
    """The difference, in the measure's own unit."""
    COST_OF_PGBOUNCER = "CPU of PgBouncer's"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for one system's line."""

    system: str
    compared: Compared
    bound: float
    at_most: bool

    def reached(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{self.compared.value} {sign} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one turn through one system gave."""

    figure: float
    cost: float | None = None
    """CPU time of the proxy for each unit of work, in microseconds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All rounds of one measure; each has a sample for each system that was there."""

    group: str
    title: str
    unit: str
    rounds: Sequence[Mapping[str, Sample]]
    targets: tuple[Target, ...] = ()
    differences: bool = False
    """Compare with direct by the difference, not by the ratio."""
    cost_unit: str = "µs"
    remarks: Mapping[str, str] = field(default_factory=dict)
    """For systems without samples: why there are none."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: a measure for one system. None: does not apply."""

    group: str
    title: str
    system: str
    unit: str
    figure: float | None
    of_direct: float | None = None
    over_direct: float | None = None
    of_pgbouncer: float | None = None
    cost: float | None = None
    cost_unit: str = ""
    cost_of_pgbouncer: float | None = None
    target: str = ""
    reached: bool | None = None
    remark: str = ""


def lines(measured: Measured) -> list[Line]:
    """One line for each system; a system with several targets has one more for each of them."""
    found: list[Line] = []
    for system in SYSTEMS:
        samples = [turn[system] for turn in measured.rounds if system in turn]
        if not samples:
            if system in measured.remarks:
                remark = measured.remarks[system]
                found.append(
                    Line(measured.group, measured.title, system, measured.unit, None, remark=remark)
                )
            continue
        found += _of_system(measured, system, samples)
    return found


def _of_system(measured: Measured, system: str, samples: list[Sample]) -> list[Line]:
    costs = [sample.cost for sample in samples if sample.cost is not None]
    values = {
        Compared.FIGURE: statistics.median(sample.figure for sample in samples),
        Compared.OF_DIRECT: _ratio(measured, system, DIRECT),
        Compared.OF_PGBOUNCER: _ratio(measured, system, PGBOUNCER),
        Compared.OVER_DIRECT: _difference(measured, system),
        Compared.COST_OF_PGBOUNCER: _cost_ratio(measured, system),
    }
    targets = [target for target in measured.targets if target.system == system]
    made = []
    for target in targets or [None]:
        value = values[target.compared] if target else None
        made.append(
            Line(
                measured.group,
                measured.title,
                system,
                measured.unit,
                values[Compared.FIGURE],
                None if measured.differences else values[Compared.OF_DIRECT],
                values[Compared.OVER_DIRECT] if measured.differences else None,
                None if measured.differences else values[Compared.OF_PGBOUNCER],
                statistics.median(costs) if costs else None,
                measured.cost_unit if costs else "",
                values[Compared.COST_OF_PGBOUNCER],
                str(target) if target else "",
                target.reached(value) if target and value is not None else None,
                measured.remarks.get(system, ""),
            )
        )
    return made


def _pairs(measured: Measured, system: str, other: str) -> list[tuple[Sample, Sample]]:
    """What both gave in the same round: neighbours in time, so that a machine that is busy for a
    while is so for both."""
    if system == other:
        return []
    return [
        (turn[system], turn[other]) for turn in measured.rounds if system in turn and other in turn
    ]


def _ratio(measured: Measured, system: str, other: str) -> float | None:
    found = [a.figure / b.figure for a, b in _pairs(measured, system, other) if b.figure > 0]
    return statistics.median(found) if found else None


def _difference(measured: Measured, system: str) -> float | None:
    found = [a.figure - b.figure for a, b in _pairs(measured, system, DIRECT)]
    return statistics.median(found) if found else None


def _cost_ratio(measured: Measured, system: str) -> float | None:
    found = [
        a.cost / b.cost
        for a, b in _pairs(measured, system, PGBOUNCER)
        if a.cost is not None and b.cost
    ]
    return statistics.median(found) if found else None


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all are not above; raises ValueError for none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
