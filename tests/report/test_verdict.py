"""What needs a person, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.audit.records import ColumnEntry, EventRecord, OutcomeRecord, Record, RecordKind
from dbguard.report import Report, build
from dbguard.report.verdict import Level, judge
from tests.report.test_build import ALLOWED, DENIED, MASKED, shown, stored

RAW = replace(ALLOWED, columns=(ColumnEntry("clinic.patients.ssn", ("output",), ("phi.ssn",)),))


def event(kind: RecordKind, **fields: str) -> EventRecord:
    return EventRecord(kind, "s", tuple(fields.items()))


def login(user: str, result: str, session: str = "s") -> list[Record]:
    return [
        EventRecord(RecordKind.CONNECT, session, (("address", "10.0.0.9"),)),
        EventRecord(RecordKind.AUTHENTICATION, session, (("user", user), ("result", result))),
    ]


@pytest.mark.parametrize(
    ("records", "level", "text"),
    [
        ([ALLOWED, MASKED], Level.CALM, ""),
        ([event(RecordKind.KEY, event="rotated")], Level.CALM, ""),
        ([event(RecordKind.CLOCK, seconds="3600.000")], Level.CALM, ""),
        (login("a", "failed 28P01") * 9, Level.CALM, ""),
        ([DENIED], Level.LOOK, "1 statement refused by the policy"),
        ([replace(DENIED, decision="error")], Level.LOOK, "could not decide"),
        ([RAW, OutcomeRecord("a", 1, "", 1_000, "", 1)], Level.LOOK, "1 bulk read showed"),
        ([event(RecordKind.DRIFT, column="x.y.z")], Level.LOOK, "1 place that the rules"),
        (login("a", "failed 28P01") * 10, Level.LOOK, "10 logins failed"),
        ([event(RecordKind.RECOVERY, reason="outage")], Level.LOOK, "repaired or away 1 time"),
        ([event(RecordKind.CLOCK, seconds="-3600.000")], Level.LOOK, "set back 1 time"),
        ([event(RecordKind.SECURITY, event="tripwire")], Level.ACT, "tripwire stopped 1 result"),
        ([event(RecordKind.SECURITY, event="failed logins")], Level.ACT, "1 security event"),
        ([event(RecordKind.SECURITY, event="session past dbguard")], Level.ACT, "past dbguard"),
        ([event(RecordKind.VERIFICATION, findings="2")], Level.ACT, "1 check found"),
        ([event(RecordKind.KEY, event="replaced")], Level.ACT, "replaced without its old one"),
    ],
)
def test_levels(records: list[Record], level: Level, text: str) -> None:
    judgement = judge(build(stored(*records)))
    assert judgement.level is level
    assert text in " ".join(point.text for point in judgement.points)
    assert bool(judgement.points) == (level is not Level.CALM)


def test_the_most_urgent_comes_first() -> None:
    past = event(RecordKind.SECURITY, event="session past dbguard")
    report = build(stored(DENIED, event(RecordKind.DRIFT, column="x"), past))
    assert [point.level for point in judge(report).points] == [Level.ACT, Level.LOOK, Level.LOOK]
    assert shown(report).splitlines()[0].strip() == "Needs you now"
    assert shown(report).splitlines()[1].strip().startswith("! 1 session reached")


def test_who_saw_what_unmasked() -> None:
    dob = ColumnEntry("clinic.patients.dob", ("compute",), ("phi.date.birth",))
    filtered = ColumnEntry("clinic.patients.zip", ("filter",), ("phi.zip",))
    both = replace(MASKED, columns=(*RAW.columns, dob, filtered))
    explained, declared = (replace(RAW, wrapper=w) for w in ("explain", "declare_cursor"))
    report = build(
        stored(
            RAW,
            OutcomeRecord("a", 1, "SELECT 3", 3, "", 1),
            both,
            OutcomeRecord("a", 3, "SELECT 4", 4, "", 1),
            explained,
            declared,
            replace(RAW, phase="parse"),
        )
    )
    found = [(d.who, d.column, d.computed, d.statements, d.rows) for d in report.raw.entries]
    assert found == [
        ("analyst", "clinic.patients.dob", True, 1, 4),
        ("analyst", "clinic.patients.ssn", False, 1, 3),
    ]
    assert (report.raw.statements, report.raw.rows) == (2, 7)


def test_bulk_reads_are_those_of_classified_tables() -> None:
    def outcome(decision: int, rows: int) -> OutcomeRecord:
        return OutcomeRecord("a", decision, "SELECT", rows, "", 1)

    records = [RAW, outcome(1, 1_000), MASKED, outcome(3, 5_000), ALLOWED, outcome(5, 9_999),
               RAW, outcome(7, 999), RAW, outcome(9, 2_000)]  # fmt: skip
    bulk = build(stored(*records)).bulk
    assert (bulk.count, bulk.unmasked) == (3, 2)
    assert [(b.count, b.rows, b.largest, b.raw, b.example) for b in bulk.entries] == [
        (1, 5_000, 5_000, False, "3"),
        (2, 3_000, 2_000, True, "9"),
    ]


def test_structure_and_what_it_was_allowed_on() -> None:
    alter = replace(ALLOWED, action="alter", requirements=("backup b1",), text="ALTER TABLE t")
    missing = replace(DENIED, action="alter", requirements=("backup missing",))
    report = build(stored(alter, missing))
    assert [(s.text, s.requirements) for s in report.structure] == [
        ("ALTER TABLE t", ("backup b1",))
    ]
    assert [(c.name, c.count) for c in report.requirements] == [("backup b1", 1)]
    assert "backup b1" in shown(report)


def test_logins_by_user_address_and_reason() -> None:
    records = [*login("a", "failed 28P01", "1"), *login("b", "accepted", "2")]
    logins = build(stored(*records)).logins
    assert (logins.accepted, logins.failed) == (1, 1)
    assert [c.name for c in logins.failed_by_user] == ["a"]
    assert [c.name for c in logins.failed_by_address] == ["10.0.0.9"]
    assert [c.name for c in logins.failed_by_reason] == ["failed 28P01"]


def test_connections_by_their_encryption() -> None:
    records = [event(RecordKind.CONNECT, user="a", tls=tls) for tls in ("TLSv1.3", "none", "none")]
    accepted = event(RecordKind.AUTHENTICATION, result="accepted", server_tls="TLSv1.2")
    logins = build(stored(*records, accepted)).logins
    assert [(c.name, c.count) for c in logins.client_tls] == [("none", 2), ("TLSv1.3", 1)]
    assert [(c.name, c.count) for c in logins.server_tls] == [("TLSv1.2", 1)]


def test_a_policy_that_is_loaded_again_is_no_change() -> None:
    loads = [event(RecordKind.POLICY, digest=d) for d in ("a", "a", "b", "b", "a")]
    policies = build(stored(*loads)).events.policies
    assert policies.count == 3
    assert [e.field("digest") for e in policies.latest] == ["a", "b", "a"]
    start = event(RecordKind.POLICY, digest="a", since_last_run="unchanged")
    policies = build(stored(start, event(RecordKind.POLICY, digest="c"))).events.policies
    assert [e.field("digest") for e in policies.latest] == ["c"]


def test_principals_and_how_they_are_known() -> None:
    report = build(stored(ALLOWED, MASKED, replace(DENIED, principal_user="bob")))
    found = [(p.name, p.proofs, p.allowed, p.masked, p.refused) for p in report.principals]
    assert found == [("analyst", (), 1, 1, 0), ("bob", (), 0, 0, 1)]


def report_with_many(names: int) -> Report:
    return build(
        stored(*(replace(DENIED, relations=(f"t{n}",), text=f"{n}") for n in range(names)))
    )


def test_what_is_too_many_is_told_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbguard.report.sections.KEPT_SHAPES", 5)
    monkeypatch.setattr("dbguard.report.counting.Counter.__init__.__defaults__", (3,))
    report = report_with_many(20)
    assert report.blocked.count == 20
    assert sum(count.count for count in report.blocked.by_table) == 20
    assert report.blocked.by_table[-1].others
    assert len(report.blocked.by_table) == 4
    assert sum(s.count for s in report.blocked.shapes) + report.blocked.other_shapes == 20
    assert "(others)" in shown(report)
    assert "too rare to be listed" in report.notes[0]
