"""What `dbguard check` finds in a catalog."""

from __future__ import annotations

import pytest

from dbguard.policy.binding import bind
from dbguard.policy.coverage import findings
from dbguard.policy.loading import load_documents
from dbguard.policy.phi_names import looks_like_phi
from dbguard.sql.snapshot import Column, Function, Relation, RelationKind, Role, Snapshot


def _snapshot() -> Snapshot:
    columns = ("id", "ssn", "home_phone", "state")
    made = tuple(Column(n, c, "text", "text", "S") for n, c in enumerate(columns, 1))
    system = (Column(1, "phone", "text", "text", "S"),)
    return Snapshot(
        "d",
        180000,
        1,
        frozenset({"clinic"}),
        (
            Relation(1, "clinic", "patients", RelationKind.TABLE, made),
            Relation(2, "pg_catalog", "pg_x", RelationKind.TABLE, system),
            Relation(3, "clinic", "patients_type", RelationKind.COMPOSITE_TYPE, made),
        ),
        (Function(1, "public", "bmi", "f", ("numeric",), "numeric", False, "i", "sql"),),
        roles=(Role("analyst", False, False, frozenset({"analyst"}), frozenset()),),
    )


def test_findings() -> None:
    policy = load_documents(
        {
            "a": """
classification:
  - {tag: phi.ssn, columns: [clinic.patients.ssn, clinic.patients.sns, "*.*.nothing*"]}
  - {tag: eu, tables: [clinic_eu.patients, "clinic_eu.*"]}
roles:
  analyst: {users: [analyst]}
  ghost: {groups: [ghosts]}
  person: {identities: [anna]}
  oncologist: {attributes: {department: [oncology]}}
  given: {identities: []}
  either: {groups: [ghosts], identities: [anna]}
rules:
  - {id: r, allow: [read], tables: [clinic.gone]}
functions: {safe: ["public.bmi(numeric)", "public.bmi(text)"]}
"""
        }
    )
    found = findings(bind(policy, _snapshot(), {}, frozenset()))
    assert [(f.subject, f.what.split(":")[0]) for f in found] == [
        ("clinic.patients.sns", "classification phi.ssn"),
        ("clinic_eu.patients", "classification eu"),
        ("clinic.gone", "rule r"),
        ("ghost", "the database has none of this role's users and groups"),
        ("public.bmi(text)", "functions.safe"),
        (
            "clinic.patients.home_phone",
            "not classified, and its name looks like telephone numbers",
        ),
    ]


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        ("t", "ssn", "social security numbers"),
        ("t", "SSN", "social security numbers"),
        ("t", "patient_ssn_last4", "social security numbers"),
        ("t", "birthDate", "dates and ages"),
        ("t", "date of birth", "dates and ages"),
        ("t", "zip", "geography smaller than a state"),
        ("t", "zip5", "geography smaller than a state"),
        ("t", "firstName", "names"),
        ("patients", "name", "names"),
        ("providers", "name", None),
        ("t", "state", None),
        ("t", "zipped", None),
        ("t", "package", None),
        ("t", "description", None),
        ("t", "", None),
    ],
)
def test_names(table: str, column: str, kind: str | None) -> None:
    assert looks_like_phi(table, column) == kind


def test_columns_that_look_like_copies() -> None:
    policy = load_documents(
        {
            "a": """
classification: [{tag: phi.code, columns: [clinic.patients.state]}]
declassified: [clinic.known.state, clinic.gone.state]
rules: [{id: r, allow: [read]}]
"""
        }
    )
    state = Column(1, "state", "text", "text", "S")
    number = Column(1, "state", "integer", "integer", "N")
    tables = (
        Relation(1, "clinic", "patients", RelationKind.TABLE, (state,)),
        Relation(2, "clinic", "copy", RelationKind.TABLE, (state,)),
        Relation(3, "clinic", "known", RelationKind.TABLE, (state,)),
        Relation(4, "clinic", "other", RelationKind.TABLE, (number,)),
        Relation(5, "pg_catalog", "pg_x", RelationKind.TABLE, (state,)),
    )
    snapshot = Snapshot("d", 180000, 1, frozenset({"clinic"}), tables, ())
    found = findings(bind(policy, snapshot, {}, frozenset()))
    assert [(f.subject, f.what) for f in found] == [
        ("clinic.gone.state", "declassified: the pattern matches nothing"),
        (
            "clinic.copy.state",
            "not classified, and has the name and type of clinic.patients.state",
        ),
    ]
