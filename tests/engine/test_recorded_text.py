"""What a plan's records would say of names that are not the catalog's."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbguard.catalog.saved import load
from dbguard.engine.auditing import SessionIdentity, decision_records
from dbguard.engine.plan import PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.policy.loading import load_policy
from dbguard.sql.limits import DEFAULT_LIMITS

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"


@pytest.fixture(scope="module")
def world() -> World:
    return World(load((HIPAA / "catalog.json").read_text()), load_policy(HIPAA), DEFAULT_LIMITS)


def recorded(world: World, text: str, user: str = "analyst") -> list[str]:
    snapshot = world.snapshot
    principal = principal_of(snapshot, user)
    view = effective_view(snapshot, user, '"$user", public')
    plan = plan_text(world, PlanRequest(text, principal, view, "production"))
    identity = SessionIdentity("s", principal, "local", "", "production")
    return [str(r) for r in decision_records(identity, plan, ("db", 1, "d", 0), "query")]


@pytest.mark.parametrize(
    "text",
    [
        'SELECT id AS "Jane Doe" FROM clinic.patients',
        'CREATE TABLE clinic."Jane Doe" (a int)',
        'CREATE ROLE "Jane Doe"',
        'CREATE FUNCTION public."Jane Doe"() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
        'CALL "Jane Doe"()',
        'SELECT "Jane Doe"(1)',
        'SELECT id FROM clinic.patients WHERE last_name = "Jane Doe"',
        "SELECT id FROM clinic.patients WHERE last_name = Jane",
        "Jane Doe came in",
        'SELECT 1 AS "Jane Doe"; DROP TABLE clinic."Jane Doe"',
        'PREPARE "Jane Doe" AS SELECT 1',
        'SET "Jane Doe".x = 1',
        'SELECT "Jane Doe".id FROM clinic.patients "Jane Doe"',
        "UPDATE clinic.patients \"Jane Doe\" SET state = 'x' WHERE \"Jane Doe\".ssn = 'x'",
    ],
)
@pytest.mark.parametrize("user", ["analyst", "dba"])
def test_what_only_the_client_knows(world: World, text: str, user: str) -> None:
    for record in recorded(world, text, user):
        assert "Jane" not in record


def test_what_the_catalog_knows_stays(world: World) -> None:
    (record,) = recorded(world, "SELECT ssn AS number_of_it FROM clinic.patients WHERE id = 7")
    assert "SELECT ssn AS number_of_it FROM clinic.patients WHERE id = ?" in record


def test_many_names_cost_little(world: World) -> None:
    many = ", ".join(f'1 AS "no {n}"' for n in range(1_500))
    (record,) = recorded(world, f"SELECT {many}")
    assert "no 7" not in record


def test_originals_are_kept_only_when_asked_for(world: World) -> None:
    view = effective_view(world.snapshot, "analyst", "public")
    principal = principal_of(world.snapshot, "analyst")
    request = PlanRequest("SELECT 'a'; /* b */ SELECT 'c' -- d", principal, view, "production")
    assert [s.recorded.original for s in plan_text(world, request).statements] == ["", ""]
    keeping = World(world.snapshot, world.policy, world.limits, keeps_originals=True)
    parts = [s.recorded.original for s in plan_text(keeping, request).statements]
    assert parts == ["SELECT 'a'; /* b */ ", "SELECT 'c' -- d"]
    wrong = PlanRequest("SELEC 'a'", principal, view, "production")
    assert [s.recorded.original for s in plan_text(keeping, wrong).statements] == ["SELEC 'a'"]
