"""What a plan is said to take, beside what it takes."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from pathlib import Path

import pytest

from dbguard.catalog.saved import load
from dbguard.engine.footprint import footprint
from dbguard.engine.plan import Plan, PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.policy.loading import load_policy
from dbguard.sql.limits import DEFAULT_LIMITS

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"


def plan(sql: str) -> Plan:
    world = World(load((HIPAA / "catalog.json").read_text()), load_policy(HIPAA), DEFAULT_LIMITS)
    view = effective_view(world.snapshot, "analyst", "public")
    user = principal_of(world.snapshot, "analyst")
    return plan_text(world, PlanRequest(sql, user, view, "production"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT * FROM clinic.patients",
        "SELECT 'ä', ssn FROM clinic.patients WHERE zip = '1'" + " OR id = 7" * 300,
        "DROP TABLE clinic.patients",
        "selec",
        "SELECT 1;" * 200,
    ],
    ids=lambda sql: sql[:30],
)
def test_size_is_what_it_takes(sql: str) -> None:
    made = plan(sql)
    stored = pickle.dumps(made)
    copies = [pickle.loads(stored)]  # what the first one loads besides is not a plan's
    gc.collect()
    tracemalloc.start()
    for _ in range(50):
        copies.append(pickle.loads(stored))
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made.size == pytest.approx(taken / 50, rel=0.25)


def test_what_is_shared_counts_once() -> None:
    text = "x" * 10_000
    assert footprint((text, text)) == pytest.approx(footprint((text,)), abs=100)
    assert footprint((None, True, 7)) == footprint((None, None, None))
