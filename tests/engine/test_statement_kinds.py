"""Every kind of statement that the grammar has: what may run on masked data is a list."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from postgast import pg_query_pb2

from dbguard.catalog.saved import load
from dbguard.engine.plan import Plan, PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.policy.loading import load_policy
from dbguard.sql import referee
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.resolver import Names, resolve_statement
from dbguard.sql.snapshot import Column, Relation, RelationKind, SessionView

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"
EXAMPLES = (Path(__file__).parent / "statement_kinds.sql").read_text("utf-8")
RUN, REFUSED = (
    [line for line in part.splitlines()[1:] if line] for part in EXAMPLES.split("\n-- ")[1:]
)
NEVER_SENT = {
    "RawStmt",  # the node around every statement
    "SetOperationStmt",  # made by parse analysis
    "PLAssignStmt",  # PL/pgSQL's own parser mode
    "ReplicaIdentityStmt",  # inside ALTER TABLE
    "ReturnStmt",  # a function's body
}
INT = Column(1, "a", "integer", "integer", "N")
MADE = (
    Relation(
        90000, "public", "scratch", RelationKind.TABLE, (INT, replace(INT, number=2, name="b"))
    ),
    Relation(90001, "public", "numbers", RelationKind.SEQUENCE, ()),
    Relation(90002, "public", "stored", RelationKind.MATERIALIZED_VIEW, (INT,)),
)


@cache
def world() -> World:
    catalog = load((HIPAA / "catalog.json").read_text("utf-8"))
    catalog = replace(catalog, relations=(*catalog.relations, *MADE))
    return World(catalog, load_policy(HIPAA), DEFAULT_LIMITS)


def plan(text: str) -> Plan:
    snapshot = world().snapshot
    view = effective_view(snapshot, "analyst", '"$user", public')
    principal = principal_of(snapshot, "analyst")
    return plan_text(world(), PlanRequest(text, principal, view, "development"))


def kind(text: str) -> str:
    (statement,) = referee.parse(text)
    return statement.tag


def test_every_kind_has_an_example() -> None:
    nodes = pg_query_pb2.Node.DESCRIPTOR.fields
    kinds = {f.message_type.name for f in nodes if f.message_type.name.endswith("Stmt")}
    assert {kind(text) for text in RUN + REFUSED} == kinds - NEVER_SENT


@pytest.mark.parametrize("text", RUN)
def test_what_may_run(text: str) -> None:
    assert plan(text).refusal is None


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    refusal = plan(text).refusal
    assert refusal is not None
    assert refusal.sqlstate in ("42501", "0A000")
    message = refusal.message.removesuffix(" (and 1 more)")
    assert message.endswith(("is not allowed for analyst", "raw access to everything"))
    assert refusal.hint.endswith(".")


def test_a_kind_that_nobody_has_looked_at_is_opaque() -> None:
    (statement,) = referee.parse("CHECKPOINT")
    later = replace(statement, tag="WaitStmt")
    view = SessionView("analyst", ("pg_catalog",))
    reading = resolve_statement(b"CHECKPOINT", later, world().snapshot, view, Names(()))
    assert [o.construct for o in reading.facts.opaque] == ["the statement WaitStmt"]
