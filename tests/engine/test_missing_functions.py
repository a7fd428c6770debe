"""A misspelt function is told like a misspelt table: in PostgreSQL's words, not as a refusal."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from dbguard.catalog.saved import load
from dbguard.engine.plan import Plan, PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.policy.loading import load_policy
from dbguard.sql.limits import DEFAULT_LIMITS

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"


@cache
def world() -> World:
    return World(load((HIPAA / "catalog.json").read_text()), load_policy(HIPAA), DEFAULT_LIMITS)


def plan(user: str, sql: str, environment: str = "production") -> Plan:
    snapshot = world().snapshot
    view = effective_view(snapshot, user, '"$user", public')
    return plan_text(world(), PlanRequest(sql, principal_of(snapshot, user), view, environment))


MISSING = [
    ("SELECT uper(last_name) FROM clinic.patients", "uper", 8),
    ("SELECT 'ä', uper('x')", "uper", 13),
    ("SELECT id FROM clinic.patients WHERE nosuch(id)", "nosuch", 38),
    ("SELECT clinic.nosuch(1)", "clinic.nosuch", 8),
    ("SELECT * FROM nosuch(1)", "nosuch", 15),
    ("SELECT sun(id) OVER () FROM clinic.patients", "sun", 8),
    ("SELECT avgg(DISTINCT id) FILTER (WHERE id > 1) FROM clinic.patients", "avgg", 8),
    ("SELECT uper(p) FROM clinic.patients p", "uper", 8),
    ("SELECT uper(lower($1))", "uper", 8),
    ("SELECT lower(last_name, 'x') FROM clinic.patients", "lower", 8),
    ("SELECT nosuch()", "nosuch", 8),
    ("SELECT 1; SELECT nosuch()", "nosuch", 18),
    ("INSERT INTO clinic.notes (body) VALUES (nosuch(1))", "nosuch", 41),
]


@pytest.mark.parametrize(("sql", "name", "position"), MISSING)
def test_functions_that_do_not_exist(sql: str, name: str, position: int) -> None:
    refusal = plan("analyst", sql).refusal
    assert refusal is not None
    assert (refusal.sqlstate, refusal.message) == ("42883", f"function {name} does not exist")
    assert refusal.position == position
    assert refusal.hint.startswith("No function matches the given name and argument types.")
    assert not refusal.denied  # recorded as invalid


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ssn(p) FROM clinic.patients p",
        "SELECT ssn((SELECT p FROM clinic.patients p LIMIT 1))",
        "SELECT ssn((ARRAY(SELECT p FROM clinic.patients p))[1])",
        "SELECT int4('1'), text(1), regclass('pg_class')",
        "SELECT count(*), string_agg(last_name, ','), percentile_disc(0.5) WITHIN GROUP "
        "(ORDER BY id), rank(1) WITHIN GROUP (ORDER BY id) FROM clinic.patients",
        "SELECT ntile(4) OVER (ORDER BY id) FROM clinic.patients",
        "SELECT EXTRACT(year FROM now()), POSITION('a' IN 'b'), now() AT TIME ZONE 'UTC'",
        "CALL nosuch(1)",
        "SELECT nowhere.nosuch(1)",
        "SELECT pg_temp.nosuch(1)",
        "SELECT pg_catalog.nosuch(1)",
        "CREATE FUNCTION nosuch() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT nosuch()",
        "SET search_path = clinic; SELECT lower('x')",
    ],
)
def test_what_is_no_missing_function(sql: str) -> None:
    refusal = plan("analyst", sql).refusal
    assert refusal is None or refusal.sqlstate != "42883"


def test_who_sees_everything_hears_it_from_the_server() -> None:
    made = plan("dba", "SELECT uper('x')", environment="development")
    assert made.raw_access
    assert made.refusal is None


def test_no_backup_is_demanded_for_what_would_not_run() -> None:
    """To who sees everything as well: a name that is not there could stand for any code."""
    for sql in ("SELECT nosuch(1)", "SELECT id, nosuch(id) FROM clinic.patients LIMIT 1"):
        refused = plan("dba", sql).refusal
        assert refused is not None
        assert refused.sqlstate == "42883"
    together = plan("dba", "SELECT nosuch(1); SELECT 2")
    assert together.refusal is None
    assert any(s.decision.requirements for s in together.statements)
