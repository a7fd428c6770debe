"""Records that are put together from halves say what those made in one piece say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.audit.records import DecisionRecord
from dbguard.engine.auditing import Seal, SessionIdentity, decision_records
from dbguard.engine.plan import Plan, PlannedStatement, StateKey
from dbguard.engine.recorded_text import RecordedText
from dbguard.engine.recording import Recording
from dbguard.policy.decision import Acting, Identity, Principal, Proof

from .playbook import FakeSurroundings, plan_of

KEY: StateKey = ("db", 1, "digest", 0)
HART = Identity("m.hart", Proof.PASSWORD, frozenset({"clinician"}), frozenset({("site", "a")}))
ANALYST = Principal("analyst", frozenset({"analyst", "readers"}), "clinic")
USES = [
    (ANALYST, KEY, "query", ""),
    (ANALYST, KEY, "bind", "s1"),
    (ANALYST, KEY, "query", ""),
    (replace(ANALYST, acting=(Acting("owner", frozenset({"owner"})),)), KEY, "query", ""),
    (ANALYST, ("db", 2, "digest", 0), "execute", "s2"),
    (ANALYST, ("db", 2, "other", 1), "execute", "s2"),
    (Principal("app", frozenset({"app"}), "other", identity=HART), KEY, "query", ""),
    (ANALYST, KEY, "query", "s 3"),
]


class Sealing(FakeSurroundings):
    def seal(self, text: str, session: str, fingerprint: str) -> str:
        return f"{session}:{fingerprint}:{len(text)}"


def whole(
    identity: SessionIdentity, plan: Plan, key: StateKey, phase: str, name: str, seal: Seal
) -> tuple[DecisionRecord, ...]:
    return decision_records(identity, plan, key, phase, statement=name, seal=seal)


@pytest.mark.parametrize(
    "text", ["read", "mask", "deny", "backup", "unknown", "read; mask", "drop t", "secret x"]
)
def test_uses_of_one_plan_by_two_sessions(text: str) -> None:
    plan = plan_of(text)
    world = FakeSurroundings()
    expected: list[DecisionRecord] = []
    sessions = [
        SessionIdentity("s-1", ANALYST, "10.0.0.1", "psql", "production"),
        SessionIdentity("s-2", ANALYST, "10.0.0.2", 'a "quoted" one', "production"),
    ]
    writers = [Recording(identity, world) for identity in sessions]
    for principal, key, phase, name in USES:
        for identity, writer in zip(sessions, writers, strict=True):
            identity.principal = principal
            before = len(expected)
            expected += whole(identity, plan, key, phase, name, _none)
            numbers = writer.decided(plan, key, phase, name, ())
            assert numbers == tuple(range(before + 1, len(expected) + 1))
    assert world.records == expected


def _changed(statement: PlannedStatement, **recorded: object) -> Plan:
    text = replace(statement.recorded, **recorded)  # type: ignore[arg-type]
    return Plan("x", None, (replace(statement, recorded=text),))


def test_a_statement_that_was_changed_keeps_nothing_of_the_old_one() -> None:
    """Plans for texts of one shape share the statement, but for what is changed in it."""
    world = FakeSurroundings()
    identity = SessionIdentity("s-1", ANALYST, "local", "psql", "production")
    writer = Recording(identity, world)
    (statement,) = plan_of("read").statements
    first = Plan("x", None, (statement,))
    second = _changed(statement, redacted="<other>", fingerprint="0" * 16)
    for plan in (first, second, first, second):
        writer.decided(plan, KEY, "query", "", ())
    assert [record.text for record in world.records] == ["<read>", "<other>"] * 2  # type: ignore[union-attr]


def test_what_is_sealed_is_sealed_for_each_session() -> None:
    world = Sealing()
    (statement,) = plan_of("read").statements
    plan = _changed(statement, original="read 123-45-6789")
    for session in ("s-1", "s-2", "s-1"):
        identity = SessionIdentity(session, ANALYST, "local", "psql", "production")
        Recording(identity, world).decided(plan, KEY, "query", "", ())
    assert [record.sealed for record in world.records] == [  # type: ignore[union-attr]
        f"{session}:{'f' * 16}:16" for session in ("s-1", "s-2", "s-1")
    ]


def test_hidden_names_stay_hidden() -> None:
    world = FakeSurroundings()
    (statement,) = plan_of("read").statements
    statement = replace(
        statement,
        relations=("clinic.secretive",),
        recorded=RecordedText("<read>", "f" * 16, hidden=("secretive",)),
    )
    identity = SessionIdentity("s-1", ANALYST, "local", "psql", "production")
    writer = Recording(identity, world)
    for _ in range(2):
        writer.decided(Plan("x", None, (statement,)), KEY, "query", "", ())
    assert "secretive" not in str(world.records)


def test_how_requirements_are_met_is_told_each_time() -> None:
    world = FakeSurroundings()
    plan = plan_of("backup")
    identity = SessionIdentity("s-1", ANALYST, "local", "psql", "production")
    writer = Recording(identity, world)
    for met in (("backup 1",), ("backup 2",), ()):
        writer.decided(plan, KEY, "query", "", met)
    assert [record.requirements for record in world.records] == [("backup 1",), ("backup 2",), ()]  # type: ignore[union-attr]


def _none(_text: str, _session: str, _fingerprint: str) -> str:
    return ""
