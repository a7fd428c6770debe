"""What a requirement of backups is about: what is named, and code that may do anything."""

from __future__ import annotations

import dataclasses

import pytest

from dbguard.policy.deciding import decide
from dbguard.policy.decision import Decision, Effect, Principal
from dbguard.sql.destruction import (
    ADDITIVE,
    DestroyedObject,
    DestroyedRelation,
    Destruction,
    Reach,
)
from dbguard.sql.facts import (
    Action,
    FunctionTrust,
    FunctionUse,
    Opaque,
    StatementFacts,
    Wrapper,
)
from dbguard.sql.resolver import DOUBT

from .clinic import BENCH, CLASSIFICATION, CLINICIAN, DBA, PATIENTS, bound, on, whole

RULES = """
roles:
  dba: {users: [dee]}
rules:
  - {id: all, allow: [all]}
  - {id: tagged, allow: [all], data: ["*"]}
  - {id: ddl, require: {backup: {max_age: 1h}}, actions: [ddl], unless: additive}
  - {id: rows, require: {backup: {max_age: 1h}}, actions: [delete], tables: [clinic.notes]}
functions: {safe: ["public.safe()"]}
"""
EVERYBODY = bound(CLASSIFICATION + RULES)
F = FunctionUse("public", "f", FunctionTrust.UNKNOWN, ("public.f()",), volatile=True)
SAFE = dataclasses.replace(F, name="safe", signatures=("public.safe()",))
CALM = dataclasses.replace(F, volatile=False)
GONE = Destruction((DestroyedRelation(6, "public", "accounts"),), reason="dropping accounts")


def judge(facts: StatementFacts, principal: Principal = DBA) -> Decision:
    return decide(EVERYBODY, facts, principal, "x")


def required(facts: StatementFacts, principal: Principal = DBA) -> list[str]:
    return [r.rule for r in judge(facts, principal).requirements]


def drop(destroys: Destruction) -> StatementFacts:
    return dataclasses.replace(whole(Action.DROP, BENCH), destroys=destroys)


def row(action: Action, tag: str, *opaque: str, **more: object) -> StatementFacts:
    notes = tuple(Opaque(construct) for construct in opaque)
    made = StatementFacts(action, opaque=notes, destroys=ADDITIVE, statement_tag=tag)
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def test_what_only_adds_is_exempted_and_nothing_else() -> None:
    assert required(drop(GONE)) == ["ddl"]
    assert required(drop(ADDITIVE)) == []
    assert required(dataclasses.replace(whole(Action.DROP, BENCH))) == ["ddl"]  # not told
    assert judge(drop(GONE)).destroys == GONE


BOTH, NONE, ROWS = ["ddl", "rows"], list[str](), ["rows"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (row(Action.DO, "DoStmt", "a DO block"), BOTH),
        (row(Action.DO, "DoStmt"), BOTH),
        (row(Action.CALL, "CallStmt", "a procedure call"), BOTH),
        (row(Action.LOAD, "LoadStmt", "a loaded library"), BOTH),
        (row(Action.COPY_TO, "CopyStmt", "COPY with a program on the server"), BOTH),
        (row(Action.COPY_FROM, "CopyStmt", "COPY with a file on the server"), ROWS),
        (row(Action.CREATE, "CreateExtensionStmt", "an extension's script"), BOTH),
        (row(Action.CREATE_RULE, "RuleStmt", "the body of a rule"), NONE),
        # a name that may mean anything by then: DROP of it may drop anything, SELECT may not
        (row(Action.DO, "DropStmt", DOUBT), BOTH),
        (row(Action.DO, "SelectStmt", DOUBT), ROWS),
        (row(Action.DO, "InsertStmt", DOUBT), ROWS),
        (row(Action.SELECT, "SelectStmt", "a construct that is read in two ways"), ROWS),
        (row(Action.INSERT, "InsertStmt", "writing where a rewrite rule applies"), ROWS),
        (row(Action.SELECT, "SelectStmt", "operator @#@"), BOTH),
        (row(Action.SELECT, "SelectStmt", 'function "f" in FROM'), BOTH),
        # functions
        (row(Action.SELECT, "SelectStmt", functions=(F,)), BOTH),
        (row(Action.SELECT, "SelectStmt", "odd", functions=(F,)), BOTH),
        (row(Action.SELECT, "SelectStmt", functions=(SAFE,)), NONE),
        (row(Action.SELECT, "SelectStmt", functions=(SAFE, F)), BOTH),
        (row(Action.FUNCTION_CALL, "FunctionCall", functions=(F,)), BOTH),
        (row(Action.SELECT, "SelectStmt", functions=(CALM,)), BOTH),
        (row(Action.INSERT, "InsertStmt", functions=(F,), behind=frozenset({F})), NONE),
        (row(Action.INSERT, "InsertStmt", functions=(F, CALM), behind=frozenset({F})), BOTH),
        (row(Action.SELECT, "SelectStmt", functions=(F,), wrapper=Wrapper.EXPLAIN), NONE),
        (row(Action.SELECT, "SelectStmt", functions=(F,), wrapper=Wrapper.EXPLAIN_ANALYZE), BOTH),
        (row(Action.SELECT, "SelectStmt", functions=(CALM,), wrapper=Wrapper.EXPLAIN), BOTH),
        (row(Action.SELECT, "SelectStmt"), NONE),
    ],
)
def test_code_that_cannot_be_seen_through_may_do_anything(
    facts: StatementFacts, expected: list[str]
) -> None:
    assert required(facts) == expected
    if expected:
        decision = judge(facts)
        assert decision.effect is Effect.ALLOW
        assert decision.destroys.reach is Reach.DATABASE
        assert decision.destroys.reason


def test_who_may_not_make_functions_may_call_calm_ones() -> None:
    restricted = bound(
        CLASSIFICATION
        + """
rules:
  - {id: read, allow: [read], data: ["*"]}
  - {id: ddl, require: {backup: {max_age: 1h}}, actions: [ddl]}
"""
    )
    facts = row(Action.SELECT, "SelectStmt", functions=(CALM,))
    decision = decide(restricted, facts, CLINICIAN, "x")
    assert (decision.effect, decision.requirements) == (Effect.ALLOW, ())
    facts = row(Action.SELECT, "SelectStmt", "operator @#@")
    assert decide(restricted, facts, CLINICIAN, "x").requirements == ()


def test_what_code_may_do_adds_to_what_is_named() -> None:
    facts = dataclasses.replace(drop(GONE), functions=(F,))
    found = judge(facts).destroys
    assert found.relations == GONE.relations
    assert found.everything
    assert found.reason == "dropping accounts; function public.f may change anything"


def test_own_temporary_tables_need_nothing() -> None:
    facts = StatementFacts(
        Action.DROP,
        relations=(dataclasses.replace(on(BENCH, Action.DROP), schema="pg_temp_3"),),
        destroys=ADDITIVE,
    )
    assert required(facts) == []


def test_a_rule_about_a_table_is_about_what_takes_it_along() -> None:
    about = bound(
        CLASSIFICATION
        + """
roles:
  dba: {users: [dee]}
rules:
  - {id: all, allow: [all]}
  - {id: tagged, allow: [all], data: ["*"]}
  - {id: kept, require: {backup: {max_age: 1h}}, actions: [all], tables: [clinic.patients]}
"""
    )

    def asked(action: Action, destroys: Destruction) -> bool:
        facts = dataclasses.replace(whole(action, BENCH), destroys=destroys)
        return bool(decide(about, facts, DBA, "x").requirements)

    patients = DestroyedRelation(PATIENTS.oid, PATIENTS.schema, PATIENTS.name)
    schema = Destruction(schemas=("clinic",), reach=Reach.DEPENDANTS, reason="dropping")
    other = dataclasses.replace(schema, schemas=("archive",))
    extension = Destruction(objects=(DestroyedObject("extension", None, "x"),), reach=Reach.OWNED)
    anything = Destruction(reach=Reach.DATABASE, reason="what runs behind it")
    assert asked(Action.TRUNCATE, Destruction((GONE.relations[0], patients)))
    assert asked(Action.DROP, schema)
    assert asked(Action.DROP, extension)
    assert asked(Action.REVOKE, anything)
    assert not asked(Action.DROP, GONE)
    assert not asked(Action.DROP, other)
    # triggers of another table are no reason: writing is about the tables that it names
    assert not asked(Action.UPDATE, anything)


@pytest.mark.parametrize("action", [Action.INSERT, Action.UPDATE, Action.DELETE, Action.MERGE])
def test_the_catalog_by_hand_may_change_anything(action: Action) -> None:
    use = dataclasses.replace(on(BENCH, action), schema="pg_catalog", name="pg_class")
    facts = StatementFacts(action, relations=(use,), destroys=ADDITIVE, statement_tag="X")
    assert "ddl" in required(facts)
    settings = dataclasses.replace(use, name="pg_settings")  # what SET would do
    assert "ddl" not in required(dataclasses.replace(facts, relations=(settings,)))
