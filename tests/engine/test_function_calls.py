"""The protocol's FunctionCall is decided like the function's call in a statement."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbguard.catalog.saved import load
from dbguard.engine.plan import FunctionCallRequest
from dbguard.engine.planning import World, effective_view, plan_function_call, principal_of
from dbguard.policy.loading import load_policy
from dbguard.sql.limits import DEFAULT_LIMITS

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"
WORLD = World(load((HIPAA / "catalog.json").read_text()), load_policy(HIPAA), DEFAULT_LIMITS)


REACHES = "reaches beyond its arguments"


def reasons(user: str, name: str) -> list[str]:
    """Why the call is refused, beside the grant of `code` that every FunctionCall takes."""
    oid = WORLD.snapshot.functions_by_name[name][0].oid
    view = effective_view(WORLD.snapshot, user, "public")
    principal = principal_of(WORLD.snapshot, user)
    plan = plan_function_call(WORLD, FunctionCallRequest(oid, principal, view, "production"))
    return [r.message for r in plan.statements[0].decision.reasons if REACHES in r.message]


@pytest.mark.parametrize("name", ["lower", "pg_backend_pid"])
def test_allowed(name: str) -> None:
    assert reasons("analyst", name) == []


@pytest.mark.parametrize("name", ["lo_get", "pg_read_file", "pg_get_viewdef", "obj_description"])
def test_refused_for_those_who_see_masked_data(name: str) -> None:
    (reason,) = reasons("analyst", name)
    assert reason.startswith(f"function pg_catalog.{name} {REACHES}")
    assert reasons("dba", name) == []
