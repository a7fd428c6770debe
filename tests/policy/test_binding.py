"""Which columns carry which tags, and who sees what raw."""

from __future__ import annotations

import pytest

from dbguard.policy.binding import bind
from dbguard.policy.decision import Mask, MaskKind, Principal
from dbguard.policy.loading import load_documents
from dbguard.policy.patterns import parse_pattern
from dbguard.sql.facts import Action
from dbguard.sql.snapshot import Column, Relation, RelationKind, Snapshot

from .clinic import (
    ANALYST,
    CLASSIFICATION,
    CLERK,
    CLINICIAN,
    DBA,
    IDS,
    NOBODY,
    ODD,
    OVERVIEW,
    PATIENTS,
    SNAPSHOT,
    TOAST,
    bound,
)

RULE = "rules: [{id: r, allow: [read]}]"


def test_tags_follow_the_data() -> None:
    policy = bound()
    assert policy.tags_of(PATIENTS.oid, 2) == {"phi.ssn"}
    assert policy.tags_of(PATIENTS.oid, 1) == frozenset()
    assert policy.tags_of(OVERVIEW.oid, 2) == {"phi.ssn"}
    assert policy.tags_of(OVERVIEW.oid, 1) == frozenset()
    assert policy.tags_of(ODD.oid, 1) == policy.policy.tags | {"system.values"}
    assert policy.tags_of(TOAST.oid, 1) == {"system.values"}
    assert policy.tags_of(PATIENTS.oid, 0) == {"phi.ssn", "phi.date.birth", "phi.zip"}
    assert policy.tags_of(PATIENTS.oid, -1) == frozenset()
    assert policy.tags_of(999, 1) == frozenset()


def test_tags_travel_far_and_in_circles() -> None:
    policy = load_documents({"a": CLASSIFICATION, "b": RULE})
    chain = {
        (IDS.oid, 1): frozenset({(OVERVIEW.oid, 2)}),
        (OVERVIEW.oid, 2): frozenset({(PATIENTS.oid, 2), (IDS.oid, 1)}),
        (PATIENTS.oid, 5): frozenset({(PATIENTS.oid, 5)}),
        (404, 1): frozenset({(PATIENTS.oid, 2)}),
    }
    found = bind(policy, SNAPSHOT, chain, frozenset())
    assert found.tags_of(IDS.oid, 1) == {"phi.ssn"}
    assert found.tags_of(PATIENTS.oid, 5) == frozenset()
    assert found.tags_of(404, 1) == frozenset()
    assert found.bases_of(IDS.oid) == {IDS.oid, OVERVIEW.oid, PATIENTS.oid}
    assert found.bases_of(PATIENTS.oid) == {PATIENTS.oid}


def test_tables_patterns_tag_every_column_and_patterns_reach_views() -> None:
    text = (
        "classification: [{tag: eu, tables: [clinic.patients]},"
        " {tag: shown, columns: [clinic.overview.number]}]"
    )
    found = bind(load_documents({"a": text, "b": RULE}), SNAPSHOT, {}, frozenset())
    assert {n for (r, n), t in found.classified.items() if "eu" in t} == {1, 2, 3, 4, 5}
    assert found.tags_of(OVERVIEW.oid, 2) == {"shown"}


def test_who_has_raw_access() -> None:
    policy = bound()
    assert [policy.has_raw_access(p) for p in (CLINICIAN, DBA, ANALYST, CLERK, NOBODY)] == [
        True, True, False, False, False
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "raw"),
    [
        ("{id: a, allow: [read], data: [phi]}", True),
        ("{id: a, allow: [all], data: ['*']}", True),
        ("{id: a, allow: [read], data: [phi.ssn]}", False),
        ("{id: a, allow: [select], data: [phi]}", False),
        ("{id: a, allow: [read], data: [phi], tables: [clinic.*]}", False),
        ("{id: a, allow: [read]}", False),
        ("{id: a, allow: [read], data: [phi]}, {id: b, deny: [read], data: [phi.zip]}", False),
        ("{id: a, allow: [read], data: [phi]}, {id: b, deny: [select], tables: [x.y]}", False),
        ("{id: a, allow: [read], data: [phi]}, {id: b, deny: [delete]}", True),
        ("{id: a, allow: [read], data: [phi]}, {id: b, deny: [read], environments: [p]}", False),
        ("{id: a, allow: [read], data: [phi.ssn]}, {id: b, allow: [read], data: [phi.date, "
         "phi.zip, phi.text]}", True),
    ],
)  # fmt: skip
def test_raw_access(rules: str, raw: bool) -> None:
    policy = bound(CLASSIFICATION, f"rules: [{rules}]")
    assert policy.has_raw_access(NOBODY) is raw
    assert not policy.restricted(NOBODY) or not raw


def test_everything_is_raw_where_nothing_is_classified() -> None:
    assert bound(RULE).has_raw_access(NOBODY)


def test_restricted_columns_and_whole_rows() -> None:
    policy = bound()
    assert policy.restricted(DBA) == frozenset()
    analyst = policy.restricted(ANALYST)
    assert {n for r, n in analyst if r == PATIENTS.oid} == {0, 2, 3, 4}
    assert {n for r, n in analyst if r == OVERVIEW.oid} == {0, 2}
    assert (TOAST.oid, 1) in analyst
    assert policy.restricted(ANALYST) is analyst


def test_superusers_get_nothing_for_free() -> None:
    root = Principal("postgres", frozenset({"postgres"}), "clinic", superuser=True)
    assert not bound().has_raw_access(root)


@pytest.mark.parametrize(
    ("pattern", "names", "matches"),
    [
        ("clinic.patients.ssn", ("clinic", "patients", "ssn"), True),
        ("Clinic.PATIENTS.Ssn", ("clinic", "patients", "ssn"), True),
        ("clinic.patients.ssn", ("clinic", "patients", "ssn2"), False),
        ("*.*.ssn*", ("a", "b", "ssn_last4"), True),
        ("*.?.x", ("a", "bb", "x"), False),
        ("*.*.ssn", ("pg_catalog", "b", "ssn"), False),
        ("pg_*.*.ssn", ("pg_catalog", "b", "ssn"), False),
        ("pg_catalog.*.ssn", ("pg_catalog", "b", "ssn"), True),
        ('a."B.c".*', ("a", "B.c", "x"), True),
        ('a."B.c".*', ("a", "b.c", "x"), False),
        ('a."*".b', ("a", "x", "b"), False),
        ('a."*".b', ("a", "*", "b"), True),
        ('a."q""q".b', ("a", 'q"q', "b"), True),
        ("a.b+.c", ("a", "bb", "c"), False),
        ('a."{b,c}".d', ("a", "{b,c}", "d"), True),
        ("a.*.c", ("a", "line\nbreak", "c"), True),
    ],
)
def test_patterns(pattern: str, names: tuple[str, ...], matches: bool) -> None:
    assert parse_pattern(pattern, 3).matches(*names) is matches


def test_pg_stat_statements_is_found_in_any_schema() -> None:
    columns = (Column(1, "query", "text", "text", "S"), Column(2, "calls", "int", "int", "N"))
    relation = Relation(1, "monitoring", "pg_stat_statements", RelationKind.VIEW, columns)
    snapshot = Snapshot("d", 180000, 1, frozenset(), (relation,), ())
    found = bind(load_documents({"a": RULE}), snapshot, {}, frozenset())
    assert found.classified == {(1, 1): frozenset({"system.values"})}


def _named(column: str, table: str = "patients", oid: int = 1) -> Snapshot:
    made = (Column(1, column, "text", "text", "S"),)
    relation = Relation(oid, "clinic", table, RelationKind.TABLE, made)
    return Snapshot("d", 180000, 1, frozenset(), (relation,), ())


def test_renaming_keeps_the_tags() -> None:
    policy = load_documents({"a": CLASSIFICATION, "b": RULE})
    first = bind(policy, _named("ssn"), {}, frozenset())
    second = bind(policy, _named("number"), {}, frozenset(), first.remember())
    assert second.tags_of(1, 1) == {"phi.ssn"}
    assert second.drift == (
        "clinic.patients.number keeps phi.ssn, which it had under another name or as part of "
        "another table",
    )
    third = bind(policy, _named("number"), {}, frozenset(), second.remember())
    assert third.tags_of(1, 1) == {"phi.ssn"}
    back = bind(policy, _named("ssn"), {}, frozenset(), third.remember())
    assert back.tags_of(1, 1) == {"phi.ssn"}
    assert back.drift == ()


def test_what_is_gone_or_reclassified_is_not_kept() -> None:
    policy = load_documents({"a": CLASSIFICATION, "b": RULE})
    first = bind(policy, _named("ssn"), {}, frozenset())
    assert bind(policy, _named("x", oid=2), {}, frozenset(), first.remember()).classified == {}
    other = load_documents({"a": CLASSIFICATION.replace("*.*.ssn", "*.*.sin"), "b": RULE})
    assert bind(other, _named("ssn"), {}, frozenset(), first.remember()).classified == {}
    fewer = load_documents({"a": "classification: [{tag: x, columns: [a.b.c]}]", "b": RULE})
    assert bind(fewer, _named("number"), {}, frozenset(), first.remember()).classified == {}


def test_generated_columns_carry_what_their_table_carries() -> None:
    made = (
        Column(1, "id", "int", "int", "N"),
        Column(2, "ssn", "text", "text", "S"),
        Column(3, "shown", "text", "text", "S", generated=True),
    )
    plain = (Column(1, "id", "int", "int", "N"), Column(2, "n", "int", "int", "N", generated=True))
    relations = (
        Relation(1, "a", "b", RelationKind.TABLE, made),
        Relation(2, "a", "c", RelationKind.TABLE, plain),
    )
    snapshot = Snapshot("d", 180000, 1, frozenset(), relations, ())
    policy = load_documents({"a": CLASSIFICATION, "b": RULE})
    found = bind(policy, snapshot, {}, frozenset())
    assert found.classified == {(1, 2): {"phi.ssn"}, (1, 3): {"phi.ssn"}}


def test_temporary_tables_are_not_classified_but_temporary_views_are() -> None:
    made = (Column(1, "ssn", "text", "text", "S"),)
    relations = (
        Relation(1, "pg_temp_3", "t", RelationKind.TABLE, made, temporary=True),
        Relation(2, "pg_temp_3", "v", RelationKind.VIEW, made, temporary=True),
        Relation(3, "clinic", "p", RelationKind.TABLE, made),
    )
    snapshot = Snapshot("d", 180000, 1, frozenset(), relations, ())
    policy = load_documents({"a": CLASSIFICATION, "b": RULE})
    found = bind(policy, snapshot, {(2, 1): frozenset({(3, 1)})}, frozenset())
    assert found.classified == {(2, 1): {"phi.ssn"}, (3, 1): {"phi.ssn"}}


def test_masks_for_every_column_that_is_not_seen_raw() -> None:
    masked = bind(
        load_documents(
            {
                "a": """
classification:
  - {tag: phi.ssn, columns: [clinic.patients.ssn]}
  - {tag: phi.other, columns: [clinic.patients.dob]}
roles: {analyst: {users: [analyst]}}
masks: {m: {phi.ssn: {keep_last: 4}}}
rules:
  - {id: r, allow: [read], roles: [analyst], data: [phi.ssn], masked: m}
"""
            }
        ),
        SNAPSHOT,
        {},
        frozenset(),
    )
    patients = SNAPSHOT.relation_by_name["clinic", "patients"]
    numbers = {c.name: c.number for c in patients.columns}
    analyst = Principal("analyst", frozenset({"analyst"}), "clinic")
    found = masked.masks_of(analyst, "production", patients.oid, Action.SELECT)
    assert found[numbers["ssn"]] == Mask(MaskKind.KEEP_LAST, keep=4, fill="***")
    assert found[numbers["dob"]] == Mask(MaskKind.NULL)
    assert set(found) == {numbers["ssn"], numbers["dob"]}
