"""A small catalog and hand-built facts for policy tests."""

from __future__ import annotations

import dataclasses

from dbguard.policy.binding import BoundPolicy, bind
from dbguard.policy.decision import Principal
from dbguard.policy.loading import load_documents
from dbguard.sql.facts import (
    Action,
    ColumnName,
    ColumnUse,
    RelationUse,
    StatementFacts,
    Use,
)
from dbguard.sql.snapshot import Column, Relation, RelationKind, Snapshot


def _relation(
    oid: int,
    name: str,
    *columns: str,
    kind: RelationKind = RelationKind.TABLE,
    parents: tuple[int, ...] = (),
) -> Relation:
    schema, table = name.split(".")
    made = tuple(
        Column(n, c, "date", "date", "D") if c == "dob" else Column(n, c, "text", "text", "S")
        for n, c in enumerate(columns, 1)
    )
    return Relation(oid, schema, table, kind, made, parents=parents)


PATIENTS = _relation(1, "clinic.patients", "id", "ssn", "dob", "zip", "sex")
NOTES = _relation(2, "clinic.notes", "id", "patient_id", "body")
OVERVIEW = _relation(3, "clinic.overview", "id", "number", kind=RelationKind.VIEW)
IDS = _relation(4, "clinic.ids", "id", kind=RelationKind.VIEW)
ODD = _relation(5, "clinic.odd", "x", kind=RelationKind.VIEW)
BENCH = _relation(6, "public.accounts", "aid", "balance")
ACTIVITY = _relation(7, "pg_catalog.pg_stat_activity", "pid", "query", kind=RelationKind.VIEW)
STATS = _relation(8, "pg_catalog.pg_stats", "tablename", "most_common_vals", kind=RelationKind.VIEW)
TOAST = _relation(9, "pg_toast.pg_toast_1", "chunk_data", kind=RelationKind.TOAST_TABLE)
LABS = _relation(10, "clinic.lab_results", "taken", kind=RelationKind.PARTITIONED_TABLE)
PARTITION = _relation(11, "clinic.lab_results_2024", "taken", parents=(10,))
GUARDED = dataclasses.replace(_relation(12, "public.guarded", "x"), has_row_security=True)

SNAPSHOT = Snapshot(
    "clinic",
    180000,
    1,
    frozenset({"clinic", "public", "pg_catalog"}),
    (PATIENTS, NOTES, OVERVIEW, IDS, ODD, BENCH, ACTIVITY, STATS, TOAST, LABS, PARTITION, GUARDED),
    (),
)
SOURCES = {
    (3, 1): frozenset({(1, 1)}),
    (3, 2): frozenset({(1, 2)}),
    (4, 1): frozenset({(1, 1)}),
}

CLASSIFICATION = """
classification:
  - {tag: phi.ssn, columns: ["*.*.ssn"]}
  - {tag: phi.date.birth, columns: [clinic.patients.dob]}
  - {tag: phi.zip, columns: [clinic.patients.zip]}
  - {tag: phi.text, columns: [clinic.notes.body]}
"""
POLICY = (
    CLASSIFICATION
    + """
roles:
  clinician: {users: [clinician], groups: [clinicians]}
  analyst: {users: [analyst]}
  dba: {users: [dba]}
  clerk: {users: [clerk]}
masks:
  safe:
    phi.ssn: {keep_last: 4, with: "***-**-"}
    phi.date: year
    phi.zip: zip3
    phi: redact
rules:
  - {id: read-phi, allow: [read], roles: [clinician], data: [phi]}
  - {id: write-phi, allow: [insert, update], roles: [clinician], data: [phi]}
  - {id: read-masked, allow: [read], roles: [analyst], data: [phi], masked: safe}
  - {id: analyst-writes, allow: [update, insert, merge], roles: [analyst], data: [phi]}
  - {id: clerk-inserts, allow: [insert], roles: [clerk], data: [phi]}
  - {id: dba-data, allow: [all], roles: [dba], data: ["*"]}
  - {id: dba-objects, allow: [ddl, privilege, maintenance], roles: [dba]}
  - {id: bounded, deny: [update, delete], if: {where: missing}, because: "say which rows"}
  - {id: backup, require: {backup: {max_age: 1h}}, actions: [ddl], environments: [production]}
functions: {safe: ["public.bmi(numeric, integer)"]}
"""
)

CLINICIAN = Principal("nora", frozenset({"nora", "clinicians"}), "clinic")
ANALYST = Principal("analyst", frozenset({"analyst"}), "clinic")
DBA = Principal("dba", frozenset({"dba"}), "clinic")
CLERK = Principal("clerk", frozenset({"clerk"}), "clinic")
NOBODY = Principal("nobody", frozenset({"nobody"}), "clinic")


def bound(*texts: str) -> BoundPolicy:
    """The policy of these texts (else of POLICY) over the small catalog."""
    policy = load_documents({f"{n}.yaml": t for n, t in enumerate(texts or (POLICY,))})
    return bind(policy, SNAPSHOT, SOURCES, frozenset({ODD.oid}))


def name(relation: Relation, column: str) -> ColumnName:
    number = relation.column_by_name[column].number
    return ColumnName(relation.oid, number, relation.schema, relation.name, column)


def using(relation: Relation, column: str, *uses: Use, maskable: bool = True) -> ColumnUse:
    return ColumnUse(name(relation, column), frozenset(uses), maskable)


def on(relation: Relation, action: Action) -> RelationUse:
    return RelationUse(relation.oid, relation.schema, relation.name, action)


def select(relation: Relation, **columns: Use) -> StatementFacts:
    """SELECT from one relation with one use for each column named."""
    return StatementFacts(
        Action.SELECT,
        relations=(on(relation, Action.SELECT),),
        columns=tuple(using(relation, c, use) for c, use in columns.items()),
    )


def writing(
    action: Action, relation: Relation, *written: str, reads: tuple[str, ...] = ()
) -> StatementFacts:
    """A write to one relation that reads some columns of the same one."""
    return StatementFacts(
        action,
        relations=(on(relation, action),),
        columns=(
            *(using(relation, c, Use.WRITE, maskable=False) for c in written),
            *(using(relation, c, Use.FILTER, maskable=False) for c in reads),
        ),
    )


def whole(action: Action, relation: Relation) -> StatementFacts:
    """An action on one relation as a whole."""
    return StatementFacts(action, relations=(on(relation, action),))
