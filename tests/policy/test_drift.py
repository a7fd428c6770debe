"""Which columns a statement makes drift, and who may read them then."""

from __future__ import annotations

import dataclasses

import pytest

from dbguard.policy.binding import BoundPolicy, bind
from dbguard.policy.deciding import decide
from dbguard.policy.decision import Effect, Mask, MaskKind, Principal
from dbguard.policy.drift import Filling, Source
from dbguard.policy.drift_checks import fillings
from dbguard.policy.loading import load_documents
from dbguard.sql.facts import Action, ColumnName, Flow, StatementFacts, Use, Wrapper

from .clinic import (
    ANALYST,
    BENCH,
    CLINICIAN,
    DBA,
    NOBODY,
    NOTES,
    ODD,
    OVERVIEW,
    PATIENTS,
    POLICY,
    SNAPSHOT,
    SOURCES,
    name,
    select,
)

BALANCE = Filling(
    BENCH.oid, 2, "public", "accounts", "balance", False,
    (Source(PATIENTS.oid, 2, "clinic.patients.ssn"),), frozenset({"phi.ssn"}),
)  # fmt: skip
BY_NAME = dataclasses.replace(BALANCE, relation=0, number=0)
TEMPORARY = dataclasses.replace(BALANCE, temporary=True)


def over(*filled: Filling, more: str = "") -> BoundPolicy:
    policy = load_documents({"a": POLICY, **({"b": more} if more else {})})
    return bind(policy, SNAPSHOT, SOURCES, frozenset({ODD.oid}), filled=filled)


@pytest.mark.parametrize(
    ("principal", "filled", "more", "allowed"),
    [
        (ANALYST, BALANCE, "", False),
        (ANALYST, BY_NAME, "", False),
        (ANALYST, dataclasses.replace(BY_NAME, column=""), "", False),
        (ANALYST, dataclasses.replace(BY_NAME, column="other"), "", False),
        (ANALYST, dataclasses.replace(BALANCE, relation=999), "", True),
        (NOBODY, BALANCE, "", False),
        (CLINICIAN, BALANCE, "", True),
        (DBA, BALANCE, "", True),
        (ANALYST, BALANCE, "declassified: [public.accounts.balance]", True),
        (ANALYST, BALANCE, "declassified: [public.accounts.aid]", False),
        (ANALYST, BALANCE, "classification: [{tag: phi, columns: ['*.*.balance']}]", True),
        (ANALYST, BALANCE, "classification: [{tag: eu, tables: [public.*]}]", False),
        (ANALYST, dataclasses.replace(BALANCE, tags=frozenset({"gone"})), "", True),
        # the rules of who sees it raw do not reach that table, but its source
        (Principal("carl", frozenset(), "clinic"), BALANCE,
         "roles: {reader: {users: [carl]}}\nrules: [{id: x, allow: [read], roles: [reader], "
         "data: [phi], tables: [clinic.*]}]", True),
        (CLINICIAN, BALANCE,
         "rules: [{id: x, deny: [read], roles: [clinician], tables: [public.*], data: [phi]}]",
         False),
    ],
)  # fmt: skip
def test_reading(principal: Principal, filled: Filling, more: str, allowed: bool) -> None:
    bound = over(filled, more=more)
    decision = decide(bound, select(BENCH, balance=Use.OUTPUT), principal, "test")
    assert decision.effect is (Effect.ALLOW if allowed else Effect.DENY)
    assert ((BENCH.oid, 2) in bound.restricted(principal, "test")) is (
        not allowed or bool(decision.masks)
    )
    assert decide(bound, select(NOTES, id=Use.OUTPUT), principal, "test").effect is Effect.ALLOW


def test_the_refusal_says_where_it_came_from_and_what_to_do() -> None:
    (reason,) = decide(over(BALANCE), select(BENCH, balance=Use.FILTER), ANALYST, "test").reasons
    assert reason.message == (
        "reading public.accounts.balance is not allowed for analyst: filled from "
        "clinic.patients.ssn, and not classified yet"
    )
    assert reason.hint == (
        "Ask to have public.accounts.balance listed under classification, like its source "
        "(phi.ssn), or under declassified."
    )


def test_the_other_columns_stay_and_a_missed_reference_meets_null() -> None:
    bound = over(BALANCE)
    assert decide(bound, select(BENCH, aid=Use.OUTPUT), ANALYST, "test").effect is Effect.ALLOW
    masks = bound.masks_of(ANALYST, "test", BENCH.oid, Action.SELECT)
    assert masks == {2: Mask(MaskKind.NULL)}
    assert not bound.masks_of(CLINICIAN, "test", BENCH.oid, Action.SELECT)
    assert bound.drift == ("public.accounts.balance was filled from clinic.patients.ssn",)


def test_views_over_a_drifted_column_drift() -> None:
    policy = load_documents({"a": POLICY})
    sources = {**SOURCES, (OVERVIEW.oid, 1): frozenset({(BENCH.oid, 2)})}
    bound = bind(policy, SNAPSHOT, sources, frozenset(), filled=(BALANCE,))
    assert (OVERVIEW.oid, 1) in bound.drifted
    assert decide(bound, select(OVERVIEW, id=Use.OUTPUT), ANALYST, "t").effect is Effect.DENY


def test_temporary_tables_are_refused_to_nobody_but_pass_it_on() -> None:
    bound = over(TEMPORARY)
    assert bound.drift_of(BENCH.oid, 2) is None
    assert bound.drift_of(BENCH.oid, 2, own=True) is not None
    assert bound.drift_of(BENCH.oid, 0, own=True) is not None
    (filling,) = fillings(bound, flowing(name(BENCH, "balance"), name(NOTES, "id")), DBA, "test")
    assert (str(filling), filling.sources, filling.tags) == (
        "clinic.notes.id", BALANCE.sources, BALANCE.tags
    )  # fmt: skip


def flowing(source: ColumnName, target: ColumnName, **more: object) -> StatementFacts:
    facts = StatementFacts(Action.INSERT, flows=(Flow(target, (source,)),))
    return dataclasses.replace(facts, **more)  # type: ignore[arg-type]


SSN, NEW = name(PATIENTS, "ssn"), ColumnName(0, 1, "clinic", "copy", "a")


@pytest.mark.parametrize(
    ("facts", "principal", "expected"),
    [
        (flowing(SSN, NEW), DBA, ["clinic.copy.a"]),
        (flowing(SSN, name(BENCH, "aid")), CLINICIAN, ["public.accounts.aid"]),
        (flowing(SSN, name(BENCH, "aid")), ANALYST, []),  # masked values
        (flowing(name(PATIENTS, "sex"), NEW), DBA, []),
        (flowing(SSN, name(PATIENTS, "ssn")), DBA, []),
        (flowing(SSN, name(NOTES, "body")), DBA, []),
        (flowing(SSN, name(PATIENTS, "sex")), DBA, ["clinic.patients.sex"]),
        # a column of that name is classified wherever it turns up
        (flowing(SSN, ColumnName(0, 1, "clinic", "copy", "ssn")), DBA, []),
        (flowing(SSN, ColumnName(0, 1, "pg_temp_3", "copy", "ssn")), DBA, ["pg_temp_3.copy.ssn"]),
        (flowing(SSN, NEW, wrapper=Wrapper.EXPLAIN), DBA, []),
        (flowing(SSN, NEW, wrapper=Wrapper.EXPLAIN_ANALYZE), DBA, ["clinic.copy.a"]),
        (flowing(name(BENCH, "balance"), NEW), DBA, ["clinic.copy.a"]),
        (flowing(SSN, name(BENCH, "balance")), DBA, []),  # known already
        (flowing(SSN, name(OVERVIEW, "id")), DBA, ["clinic.patients.id"]),  # written through
    ],
)
def test_fillings(facts: StatementFacts, principal: Principal, expected: list[str]) -> None:
    found = fillings(over(BALANCE), facts, principal, "test")
    assert [str(filling) for filling in found] == expected
    assert all(f.tags == {"phi.ssn"} for f in found)
