"""What the benchmark makes of its samples; the benchmark itself is no test."""

from __future__ import annotations

import json
import re

import pytest

from .measuring.figures import (
    DBGUARD,
    DIRECT,
    PGBOUNCER,
    Compared,
    Measured,
    Sample,
    Target,
    lines,
    percentile,
)
from .measuring.machine import active_path
from .measuring.misses import text
from .measuring.table import as_json, number
from .measuring.transactions import Progress, sample

ROUNDS = [
    {DIRECT: Sample(100), PGBOUNCER: Sample(80, 10), DBGUARD: Sample(60, 15)},
    {DIRECT: Sample(50), PGBOUNCER: Sample(20, 10), DBGUARD: Sample(18, 12)},
    {DIRECT: Sample(200), PGBOUNCER: Sample(160, 20), DBGUARD: Sample(80, 22)},
]
CHEAP = Target(DBGUARD, Compared.COST_OF_PGBOUNCER, 1.25, at_most=True)
FAST = Target(DBGUARD, Compared.OF_PGBOUNCER, 0.9, at_most=False)


def measured(*targets: Target, **more: bool) -> Measured:
    return Measured("g", "t", "tps", ROUNDS, targets, **more)


def test_ratios_are_medians_of_the_rounds_own() -> None:
    direct, pgbouncer, dbguard = lines(measured())
    assert (direct.figure, direct.of_direct, direct.cost) == (100, None, None)
    assert (pgbouncer.figure, pgbouncer.of_direct, pgbouncer.of_pgbouncer) == (80, 0.8, None)
    assert (dbguard.figure, dbguard.of_direct, dbguard.of_pgbouncer) == (60, 0.4, 0.75)
    assert (dbguard.cost, dbguard.cost_of_pgbouncer) == (15, 1.2)


def test_each_target_has_a_line() -> None:
    cheap, fast = [line for line in lines(measured(CHEAP, FAST)) if line.system == DBGUARD]
    assert (cheap.target, cheap.reached) == ("CPU of PgBouncer's ≤ 1.25", True)
    assert (fast.target, fast.reached) == ("of PgBouncer ≥ 0.9", False)


def test_differences_take_the_place_of_ratios() -> None:
    added = Target(DBGUARD, Compared.OVER_DIRECT, 60, at_most=True)
    line = lines(measured(added, differences=True))[-1]
    assert (line.over_direct, line.of_direct, line.of_pgbouncer, line.reached) == (
        -40,
        None,
        None,
        True,
    )


def test_a_system_that_is_not_there_says_so() -> None:
    rounds = [{DIRECT: Sample(1), DBGUARD: Sample(2)}]
    found = lines(Measured("g", "t", "tps", rounds, (FAST,), remarks={PGBOUNCER: "not here"}))
    assert [(line.system, line.figure, line.remark) for line in found] == [
        (DIRECT, 1, ""),
        (PGBOUNCER, None, "not here"),
        (DBGUARD, 2, ""),
    ]
    assert found[-1].reached is None


def test_percentiles() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (51, 100)
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_what_counts_is_between_reports_of_progress() -> None:
    seen = [Progress(1.0, 900.0, 5.0), Progress(2.0, 1000.0, 5.1), Progress(4.0, 2000.0, 5.5)]
    found = sample(seen, proxied=True)
    assert found.figure == pytest.approx(5000 / 3)
    assert found.cost == pytest.approx(100)
    assert sample(seen, proxied=False).cost is None


def test_numbers_have_no_more_digits_than_they_mean() -> None:
    shown = [number(value, "") for value in (1234.5, 123.4, 12.34, 1.234, None)]
    assert shown == ["1,234", "123", "12.3", "1.23", ""]
    assert number(5.0, " µs", signed=True) == "+5.00 µs"


def test_texts_of_misses_differ_in_names_and_have_the_size_asked_for() -> None:
    one, other = text(10_000), text(10_000)
    assert re.sub(r"\d+", "0", one[:60]) == re.sub(r"\d+", "0", other[:60])
    assert one != other
    assert abs(len(one) - 10_000) < 20


def test_json_has_facts_and_lines() -> None:
    document = json.loads(as_json(lines(measured(CHEAP)), {"cores": "2"}))
    assert document["facts"] == {"cores": "2"}
    assert [line["system"] for line in document["lines"]] == [DIRECT, PGBOUNCER, DBGUARD]


def test_the_path_is_what_the_version_adds_to_the_number() -> None:
    assert active_path("dbguard 0.1.0") == ""
    assert active_path("dbguard 0.1.0 (compiled)") == "compiled"
