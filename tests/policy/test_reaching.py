"""Rules about tables, and statements that come to these without naming them."""

from __future__ import annotations

import dataclasses

import pytest

from dbguard.policy.deciding import decide
from dbguard.policy.decision import Effect
from dbguard.sql.destruction import ADDITIVE, DestroyedObject, Destruction, Reach
from dbguard.sql.facts import Action, ObjectName, Opaque, StatementFacts
from dbguard.sql.resolver import DOUBT
from dbguard.sql.snapshot import Relation

from .clinic import BENCH, CLASSIFICATION, DBA, LABS, NOTES, PARTITION, bound, on, whole

EVERYTHING = """
roles: {dba: {users: [dba]}}
rules:
  - {id: data, allow: [all], roles: [dba], data: ["*"]}
  - {id: objects, allow: [all], roles: [dba]}
"""
TYPE = Destruction(
    objects=(DestroyedObject("type", "public", "mood"),),
    reach=Reach.DEPENDANTS,
    reason="dropping type public.mood with what depends on it",
)
ANYTHING = Destruction(reach=Reach.DATABASE, reason="dropping everything that a role owns")


def with_along(
    action: Action, *along: Relation, named: Relation | None = None, tag: str = "", **more: object
) -> StatementFacts:
    relations = (on(named, action),) if named is not None else ()
    reached = tuple(on(relation, action) for relation in along)
    facts = StatementFacts(action, relations=relations, along=reached, statement_tag=tag)
    return dataclasses.replace(facts, **{"destroys": ADDITIVE, **more})  # type: ignore[arg-type]


def of_kind(action: Action, tag: str, kind: str = "role", name: str = "bob") -> StatementFacts:
    named = ObjectName(kind, None, name)
    return StatementFacts(action, objects=(named,), destroys=ANYTHING, statement_tag=tag)


MOOD = (ObjectName("type", "public", "mood"),)
DROPPED_TYPE = with_along(Action.DROP, BENCH, tag="DropStmt", destroys=TYPE, objects=MOOD)
DOUBTFUL = StatementFacts(Action.DO, opaque=(Opaque(DOUBT),), destroys=ADDITIVE)


def doubtful(tag: str) -> StatementFacts:
    return dataclasses.replace(DOUBTFUL, statement_tag=tag)


ACCOUNTS = "tables: [public.accounts]"


@pytest.mark.parametrize(
    ("terms", "facts", "about"),
    [
        (
            f"deny: [ddl], {ACCOUNTS}",
            DROPPED_TYPE,
            "dropping type public.mood, which reaches public.accounts,",
        ),
        (f"deny: [alter], {ACCOUNTS}", DROPPED_TYPE, None),
        ("deny: [ddl], tables: [public.other]", DROPPED_TYPE, None),
        (
            "deny: [ddl], data: [phi]",
            with_along(Action.DROP, NOTES, destroys=TYPE, objects=MOOD),
            "dropping type public.mood, which reaches clinic.notes,",
        ),
        ("deny: [ddl], data: [phi]", DROPPED_TYPE, None),
        (
            "deny: [ddl], data: [phi.text], tables: [clinic.*]",
            with_along(Action.DROP, NOTES, destroys=TYPE, objects=MOOD),
            "dropping type public.mood, which reaches clinic.notes,",
        ),
        (
            "deny: [ddl], data: [phi.ssn]",
            with_along(Action.DROP, NOTES, destroys=TYPE, objects=MOOD),
            None,
        ),
        # children: by their own name, and by their parent's
        (
            "deny: [truncate], tables: [clinic.lab_results_2024]",
            with_along(Action.TRUNCATE, PARTITION, named=LABS),
            "truncating clinic.lab_results, which reaches clinic.lab_results_2024,",
        ),
        (
            "deny: [truncate], tables: [clinic.lab_results]",
            with_along(Action.TRUNCATE, PARTITION, named=LABS),
            "truncating clinic.lab_results and clinic.lab_results_2024",
        ),
        (
            "deny: [truncate], tables: [clinic.lab_results_2024]",
            with_along(Action.TRUNCATE, named=LABS),
            None,
        ),
        # what only the server knows
        (
            f"deny: [ddl], {ACCOUNTS}",
            of_kind(Action.ROLE, "DropOwnedStmt"),
            "dropping everything that a role owns",
        ),
        ("deny: [ddl], tables: [x.y]", of_kind(Action.ROLE, "DropOwnedStmt"), None),
        (f"deny: [role], {ACCOUNTS}", of_kind(Action.ROLE, "ReassignOwnedStmt"), "dropping"),
        (f"deny: [ddl], {ACCOUNTS}", of_kind(Action.ROLE, "ReassignOwnedStmt"), None),
        (f"deny: [ddl], {ACCOUNTS}", of_kind(Action.ALTER, "AlterTableMoveAllStmt"), "dropping"),
        # another database may hold tables of any name
        ("deny: [ddl], tables: [x.y]", of_kind(Action.DROP, "DropdbStmt", "database"), "dropping"),
        ("deny: [alter], tables: [x.y]", of_kind(Action.DROP, "DropdbStmt", "database"), None),
        # and what cannot be about a table
        (f"deny: [privilege], {ACCOUNTS}", of_kind(Action.ROLE, "AlterRoleStmt"), None),
        (f"deny: [privilege], {ACCOUNTS}", of_kind(Action.ROLE, "DropRoleStmt"), None),
        (f"deny: [ddl], {ACCOUNTS}", of_kind(Action.ALTER, "AlterDatabaseStmt", "database"), None),
        (
            f"deny: [ddl], {ACCOUNTS}",
            of_kind(Action.ALTER, "AlterExtensionStmt", "extension"),
            None,
        ),
        # names that nobody knows the meaning of
        (f"deny: [ddl], {ACCOUNTS}", doubtful("DropStmt"), "a statement behind one of its string"),
        ("deny: [write], data: [phi]", doubtful("UpdateStmt"), "a statement behind one of its"),
        (f"deny: [alter], {ACCOUNTS}", doubtful("DropStmt"), None),
        (f"deny: [ddl], {ACCOUNTS}", doubtful("SelectStmt"), None),
        # owners and the switches of row security
        (f"deny: [ddl], {ACCOUNTS}", whole(Action.ROLE, BENCH), None),
        (
            f"deny: [ddl], {ACCOUNTS}",
            with_along(Action.ROLE, named=BENCH, tag="AlterTableStmt"),
            "altering public.accounts",
        ),
        (
            f"deny: [alter], {ACCOUNTS}",
            with_along(Action.POLICY, named=BENCH, tag="AlterTableStmt"),
            "altering public.accounts",
        ),
        (f"deny: [alter], {ACCOUNTS}", with_along(Action.POLICY, named=BENCH), None),
        (
            "deny: [ddl]",
            of_kind(Action.ROLE, "AlterOwnerStmt", "database", "clinic"),
            "ALTER",
        ),
        ("deny: [ddl]", of_kind(Action.ROLE, "AlterRoleStmt"), None),
    ],
)
def test_denials(terms: str, facts: StatementFacts, about: str | None) -> None:
    policy = bound(CLASSIFICATION + EVERYTHING + f"  - {{id: stop, {terms}}}\n")
    decision = decide(policy, facts, DBA, "test")
    if about is None:
        assert decision.effect is Effect.ALLOW, decision.reasons
    else:
        (reason,) = decision.reasons
        assert reason.rule == "stop"
        assert reason.message.startswith(about)
        assert reason.message.endswith(" is denied by rule stop")


def test_requirements_are_about_them_too() -> None:
    policy = bound(
        CLASSIFICATION
        + EVERYTHING
        + f"  - {{id: kept, require: {{backup: {{max_age: 1h}}}}, actions: [ddl], {ACCOUNTS}}}\n"
    )

    def asked(facts: StatementFacts) -> list[str]:
        return [r.rule for r in decide(policy, facts, DBA, "x").requirements]

    assert asked(DROPPED_TYPE) == ["kept"]
    assert asked(with_along(Action.ALTER, BENCH, named=NOTES)) == ["kept"]
    assert asked(with_along(Action.ALTER, NOTES, named=NOTES)) == []
    assert asked(with_along(Action.ROLE, named=BENCH, tag="AlterTableStmt")) == ["kept"]


@pytest.mark.parametrize(
    ("facts", "allowed"),
    [
        (DROPPED_TYPE, True),
        (with_along(Action.DROP, NOTES, destroys=TYPE, objects=MOOD), False),
        (with_along(Action.ALTER, NOTES, named=BENCH), False),
        # what alters an owner needs no more than the grant of `role`
        (with_along(Action.ROLE, named=BENCH, tag="AlterTableStmt"), True),
        (of_kind(Action.ROLE, "AlterOwnerStmt", "function", "f"), True),
    ],
)
def test_grants_have_to_cover_them(facts: StatementFacts, allowed: bool) -> None:
    policy = bound(
        CLASSIFICATION
        + """
roles: {dba: {users: [dba]}}
rules: [{id: objects, allow: [drop, alter, role], roles: [dba]}]
"""
    )
    decision = decide(policy, facts, DBA, "x")
    assert (decision.effect is Effect.ALLOW) == allowed
    if not allowed:
        (reason,) = decision.reasons
        assert "clinic.notes, which holds classified data, is not allowed" in reason.message


def test_grants_about_tables_are_no_grants_on_others() -> None:
    policy = bound(
        CLASSIFICATION
        + """
roles: {dba: {users: [dba]}}
rules: [{id: own, allow: [ddl], roles: [dba], tables: [scratch.*]}]
"""
    )
    scratch = Relation(50, "scratch", "t", BENCH.kind, BENCH.columns)
    alone = with_along(Action.DROP, named=scratch)
    assert decide(policy, alone, DBA, "x").effect is Effect.ALLOW
    (reason,) = decide(policy, with_along(Action.DROP, BENCH, named=scratch), DBA, "x").reasons
    assert reason.message == "dropping public.accounts is not allowed for dba"
