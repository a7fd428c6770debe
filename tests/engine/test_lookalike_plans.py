"""A plan for all texts of a shape is the plan that each of them would have got.

Statements of the test corpora, honest and hostile ones, are planned; where a plan leaves literals
free, others are put in their place, and what the stencil makes of them has to be what a worker
makes. `LOOKALIKES` is how many texts are taken (0: all), `FUZZ_SEED` the first random number.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from dbguard.catalog.saved import load
from dbguard.engine.asks import Planned
from dbguard.engine.plan import Plan, PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.engine.stencil import Stencil, stencil_of
from dbguard.policy.loading import load_documents, load_policy
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.shape import shape_of
from tests.sql.lookalikes import other_text

ROOT = Path(__file__).parents[2]
HIPAA = ROOT / "rules" / "hipaa"
COUNT = int(os.environ.get("LOOKALIKES", "80"))
SEED = int(os.environ.get("FUZZ_SEED", "7"))
FILES = (
    "tests/engine/masked_relations.sql",
    "tests/e2e/honest/analyst.sql",
    "tests/e2e/honest/mappers.sql",
    "tests/e2e/honest/psql.sql",
    "tests/e2e/honest/reports.sql",
    "tests/e2e/honest/tools.sql",
    "tests/e2e/honest/migrations.sql",
    "tests/e2e/attacks/analyst.sql",
    "tests/e2e/attacks/guesses.sql",
    "tests/e2e/attacks/mallory.sql",
    "tests/e2e/attacks/series.sql",
    "tests/e2e/canary_statements.sql",
    "tests/sql/honest_statements.sql",
    "tests/sql/corpus/queries.sql",
    "tests/sql/corpus/changes.sql",
    "tests/sql/corpus/mistakes.sql",
    "tests/sql/rewriting/hostile.sql",
    "tests/sql/rewriting/same.sql",
    "tests/sql/rewriting/shape.sql",
)
WRITER = """
classification:
  - {tag: phi.ssn, columns: [clinic.patients.ssn]}
  - {tag: phi.name, columns: [clinic.patients.last_name]}
  - {tag: phi.text, columns: [clinic.notes.body, clinic.encounters.reason]}
roles: {writer: {users: [analyst]}}
masks: {hidden: {phi: redact}}
rules:
  - {id: see, allow: [read], roles: [writer], data: [phi], masked: hidden}
  - {id: change, allow: [insert, update, delete], roles: [writer], data: [phi]}
"""
KEY = ("clinic", 1, "digest", 0)


@cache
def world(rules: str) -> World:
    policy = load_policy(HIPAA) if rules == "hipaa" else load_documents({"r": WRITER})
    kept = rules == "kept"
    catalog = load((HIPAA / "catalog.json").read_text("utf-8"))
    return World(catalog, policy, DEFAULT_LIMITS, keeps_originals=kept)


def request(text: str, rules: str, user: str) -> PlanRequest:
    snapshot = world(rules).snapshot
    view = effective_view(snapshot, user, '"$user", public, clinic')
    return PlanRequest(text, principal_of(snapshot, user), view, "production")


def plan(text: str, rules: str = "hipaa", user: str = "analyst") -> Plan:
    return plan_text(world(rules), request(text, rules, user))


def stencil(text: str, rules: str = "hipaa", user: str = "analyst") -> Stencil | None:
    shape = shape_of(text)
    if shape is None:
        return None
    return stencil_of(Planned(plan(text, rules, user), frozenset(), KEY), shape)


def bare(made: Plan) -> Plan:
    """Without what is about memory and about further texts."""
    return replace(made, size=0, freedom=None)


def texts() -> Iterator[str]:
    for name in FILES:
        content = (ROOT / name).read_text("utf-8").replace(";\n", "\n\n")
        pieces = content.split("\n\n") if "rewriting" not in name else content.splitlines()
        for piece in pieces:
            lines = [
                x for x in piece.splitlines() if not x.startswith(("#", "--", "->", "\\", "@"))
            ]
            if text := "\n".join(lines).strip():
                yield text


def compared(text: str, rules: str, user: str, rng: random.Random) -> bool:
    """Whether the plan for `text` is one for others too; fails if it is not the one they get."""
    found = stencil(text, rules, user)
    if found is None:
        return False
    shape = shape_of(text)
    assert shape is not None
    other = other_text(shape, rng, frozenset(found.fixed))
    again = shape_of(other)
    assert again is not None
    assert again.blank == shape.blank
    assert bare(found.plan(again).plan) == bare(plan(other, rules, user)), (text, other)
    return True


@pytest.mark.parametrize(
    ("rules", "user"), [("hipaa", "analyst"), ("hipaa", "clinician"), ("kept", "analyst")]
)
def test_the_plan_is_what_a_worker_would_make(rules: str, user: str) -> None:
    rng = random.Random(f"{SEED} {rules} {user}")
    known = [text for text in dict.fromkeys(texts()) if any(c in text for c in "'0123456789")]
    chosen = rng.sample(known, COUNT) if COUNT else known
    free = sum(compared(text, rules, user, rng) for text in chosen)
    assert free
