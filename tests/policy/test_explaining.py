"""How rules stand to a statement: deciding, close, or about something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbguard.catalog.saved import load
from dbguard.engine.planning import World, effective_view, principal_of
from dbguard.errors import StatementError
from dbguard.policy.cases import load_cases
from dbguard.policy.deciding import decide
from dbguard.policy.decision import Principal
from dbguard.policy.explaining import Bearing, RuleNote, explain_rules
from dbguard.policy.loading import load_documents, load_policy, rule_places
from dbguard.policy.model import RuleEffect
from dbguard.sql.analysis import analyze
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import SessionView

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"
SNAPSHOT = load((HIPAA / "catalog.json").read_text())
RULES = """
classification:
  - {tag: phi.ssn, columns: [clinic.patients.ssn]}
  - {tag: phi.zip, columns: [clinic.patients.zip]}
roles:
  reader: {users: [anna]}
  writer: {users: [bert]}
rules:
  - {id: read-ssn, allow: [read], roles: [reader], data: [phi.ssn]}
  - {id: read-all, allow: [read], data: [phi], environments: [test]}
  - {id: read-notes, allow: [read], data: [phi], tables: [clinic.notes]}
  - {id: write-ssn, allow: [write], roles: [reader], data: [phi.ssn]}
  - {id: bare, allow: [read]}
  - {id: no-updates, deny: [update], tables: [clinic.patients], because: "no"}
  - {id: no-deletes, deny: [delete], if: {where: missing}}
  - {id: backup, require: {backup: {max_age: 1h}}, actions: [ddl], roles: [writer]}
  - {id: objects, allow: [ddl], tables: [clinic.patients]}
  - {id: tagged-objects, allow: [ddl], data: [phi]}
"""


def notes(user: str, sql: str, environment: str = "production") -> dict[str, RuleNote]:
    world = World(SNAPSHOT, load_documents({"r": RULES}), DEFAULT_LIMITS)
    principal = principal_of(SNAPSHOT, user)
    view = effective_view(SNAPSHOT, user, "clinic")
    (reading,) = analyze(sql, SNAPSHOT, view, DEFAULT_LIMITS)
    decision = decide(world.bound, reading.facts, principal, environment)
    found = explain_rules(world.bound, reading.facts, principal, environment, decision)
    return {note.id: note for note in found}


@pytest.mark.parametrize(
    ("user", "sql", "rule", "bearing", "aspects"),
    [
        ("anna", "SELECT ssn FROM patients", "read-ssn", "grants", ""),
        ("carl", "SELECT ssn FROM patients", "read-ssn", "close", "roles"),
        ("anna", "SELECT zip FROM patients", "read-ssn", "close", "data"),
        ("carl", "SELECT zip FROM patients", "read-ssn", "far", "roles data"),
        ("anna", "SELECT zip FROM patients", "read-all", "close", "environments"),
        ("anna", "SELECT zip FROM patients", "read-notes", "close", "tables"),
        ("anna", "SELECT zip FROM patients", "bare", "close", "data"),
        ("anna", "SELECT ssn FROM patients", "write-ssn", "far", "actions"),
        ("anna", "SELECT ssn FROM patients", "no-updates", "far", "actions"),
        ("anna", "SELECT id FROM patients", "read-ssn", "far", "actions"),
        ("anna", "SELECT 1", "bare", "far", "actions"),
        ("anna", "UPDATE patients SET sex = NULL WHERE id = 1", "no-updates", "refuses", ""),
        ("anna", "DELETE FROM patients WHERE id = 1", "no-deletes", "close", "where"),
        ("anna", "DELETE FROM patients WHERE id = 1", "no-updates", "close", "actions"),
        ("bert", "DROP TABLE notes", "backup", "requires", ""),
        ("anna", "DROP TABLE notes", "backup", "close", "roles"),
        ("bert", "DROP TABLE notes", "objects", "close", "tables"),
        ("bert", "DROP TABLE patients", "tagged-objects", "grants", ""),
        ("bert", "DROP TABLE patients", "objects", "close", "data"),
        ("bert", "CREATE TEMP TABLE t (a int)", "backup", "close", "tables"),
    ],
)
def test_bearing(user: str, sql: str, rule: str, bearing: str, aspects: str) -> None:
    note = notes(user, sql)[rule]
    assert (note.bearing, " ".join(m.aspect for m in note.misses)) == (bearing, aspects)


def test_a_grant_beside_the_one_that_counts_matches() -> None:
    found = notes("anna", "SELECT ssn FROM patients", "test")
    assert {found["read-ssn"].bearing, found["read-all"].bearing} == {
        Bearing.GRANTS,
        Bearing.MATCHES,
    }


def test_nobody_else_refuses_than_who_matches() -> None:
    """Over all shipped cases: a rule is said to miss only when it took no part, and a denial or
    requirement that misses nothing always took part."""
    policy = load_policy(HIPAA)
    world = World(SNAPSHOT, policy, DEFAULT_LIMITS)
    seen = 0
    for case in load_cases(HIPAA):
        principal = Principal(case.principal.user, case.principal.groups, SNAPSHOT.database)
        try:
            readings = analyze(
                case.sql, SNAPSHOT, SessionView(principal.user, case.search_path), DEFAULT_LIMITS
            )
        except StatementError:
            continue
        for reading in readings:
            decision = decide(world.bound, reading.facts, principal, case.environment)
            for note in explain_rules(
                world.bound, reading.facts, principal, case.environment, decision
            ):
                seen += 1
                assert not (note.misses and note.id in decision.rules), case.name
                if note.effect is not RuleEffect.ALLOW and not note.misses:
                    assert note.id in decision.rules, case.name
    assert seen > 300


def test_places() -> None:
    texts = {"a.yaml": "rules:\n  - {id: x, allow: [read]}\n", "b.yaml": "roles: {}\n"}
    places = rule_places(texts)
    assert {rule: (p.file, p.line) for rule, p in places.items()} == {"x": ("a.yaml", 2)}
