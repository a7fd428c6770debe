"""What a report counts, and what it says about a refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import orjson
import pytest
from rich.console import Console

from dbguard.audit.reading import Stored
from dbguard.audit.records import (
    ColumnEntry,
    DecisionRecord,
    EventRecord,
    IdentityEntry,
    MaskEntry,
    OutcomeRecord,
    Record,
    RecordKind,
)
from dbguard.report import Report, build, document, terminal

BASE = datetime(2026, 11, 21, 8, tzinfo=UTC)

ALLOWED = DecisionRecord(
    session="a",
    principal_user="analyst",
    principal_groups=("analyst",),
    database="clinic",
    client_address="10.1.2.3",
    application="psql",
    environment="production",
    phase="query",
    action="select",
    wrapper="",
    relations=("clinic.patients",),
    columns=(ColumnEntry("clinic.patients.id", ("output",)),),
    decision="allow",
    rules=(),
    reasons=(),
    masked=(),
    requirements=(),
    text="SELECT id FROM clinic.patients",
    fingerprint="f1",
    statement="",
    rules_digest="d",
    catalog_epoch=1,
)
MASKED = replace(
    ALLOWED,
    decision="masked",
    rules=("analysts-read-masked",),
    columns=(ColumnEntry("clinic.patients.ssn", ("output",), ("phi.ssn",)),),
    masked=(MaskEntry("clinic.patients.ssn", "keep_last", "analysts-read-masked"),),
    text="SELECT ssn FROM clinic.patients",
    fingerprint="f2",
)
DENIED = replace(
    ALLOWED,
    decision="deny",
    action="delete",
    rules=("no-unbounded-writes", "staff-write"),
    reasons=("no-unbounded-writes: UPDATE and DELETE need a WHERE clause here",),
    hints=("Add a WHERE clause.",),
    columns=(ColumnEntry("clinic.patients.ssn", ("filter",), ("phi.ssn",)),),
    text="DELETE FROM clinic.patients",
    fingerprint="f3",
)


def stored(*records: Record) -> list[Stored]:
    kinds = {DecisionRecord: RecordKind.DECISION, OutcomeRecord: RecordKind.OUTCOME}
    return [
        Stored(
            sequence=number,
            time=BASE + timedelta(minutes=number),
            kind=record.kind if isinstance(record, EventRecord) else kinds[type(record)],
            record=record,
            hash="",
            line=b"",
        )
        for number, record in enumerate(records, 1)
    ]


def shown(report: Report, width: int = 160) -> str:
    out = StringIO()
    Console(file=out, width=width, force_terminal=False).print(terminal.render(report))
    return out.getvalue()


def test_totals() -> None:
    report = build(
        stored(
            EventRecord(RecordKind.CONNECT, "a", ()),
            ALLOWED,
            OutcomeRecord("a", 2, "SELECT 3", 3, "", 10),
            MASKED,
            OutcomeRecord("a", 4, "", 0, "22012", 10),
            replace(DENIED, session="b"),
            replace(DENIED, decision="error", reasons=("SQLSTATE 0A000",)),
        )
    )
    totals = report.totals
    assert (totals.records, totals.sessions) == (7, 2)
    assert (totals.allowed, totals.masked, totals.denied, totals.undecided) == (1, 1, 1, 1)
    assert (totals.rows, totals.failed) == (3, 1)
    assert (report.first, report.last) == (BASE + timedelta(minutes=1), BASE + timedelta(minutes=7))


def test_a_prepared_statement_counts_once_each_execution() -> None:
    phases = ["parse", "bind", "execute"]
    report = build(stored(*(replace(MASKED, phase=phase) for phase in phases)))
    assert report.totals.masked == report.masked.count == 2


@pytest.mark.parametrize("phase", ["query", "parse", "bind", "execute", "function_call", "copy"])
def test_a_refusal_counts_wherever_it_happens(phase: str) -> None:
    assert build(stored(replace(DENIED, phase=phase))).blocked.count == 1


def test_what_is_blocked_is_counted_by_everything() -> None:
    blocked = build(stored(DENIED, replace(DENIED, principal_user="bob"), DENIED)).blocked
    assert [(c.name, c.count) for c in blocked.by_rule] == [("no-unbounded-writes", 3)]
    assert [(c.name, c.count) for c in blocked.by_principal] == [("analyst", 2), ("bob", 1)]
    assert [(c.name, c.count) for c in blocked.by_table] == [("clinic.patients", 3)]
    assert [(c.name, c.count) for c in blocked.by_column] == [("clinic.patients.ssn", 3)]
    (shape,) = blocked.shapes
    assert (shape.count, shape.principals, shape.example) == (3, ("analyst", "bob"), "3")
    assert (shape.first, shape.last) == (BASE + timedelta(minutes=1), BASE + timedelta(minutes=3))
    assert shape.whys[0].rule == "no-unbounded-writes"
    assert shape.whys[0].reason == "UPDATE and DELETE need a WHERE clause here"
    assert shape.whys[0].remedy == "Add a WHERE clause."


def test_people_count_for_themselves_not_for_the_database_user_they_share() -> None:
    anna, bert = (replace(DENIED, identity=IdentityEntry(n, "password")) for n in ("anna", "bert"))
    blocked = build(stored(anna, bert, anna, DENIED)).blocked
    assert [(c.name, c.count) for c in blocked.by_principal] == [
        ("anna", 2),
        ("analyst", 1),
        ("bert", 1),
    ]


def test_what_is_masked_is_counted_by_everything() -> None:
    masked = build(stored(MASKED, ALLOWED, MASKED)).masked
    assert [(c.name, c.count) for c in masked.by_rule] == [("analysts-read-masked", 2)]
    assert [(c.name, c.count) for c in masked.by_column] == [("clinic.patients.ssn", 2)]
    assert masked.shapes[0].masks == ("clinic.patients.ssn: keep_last",)


@pytest.mark.parametrize(
    ("changes", "rule", "remedy"),
    [
        ({"hints": ()}, "no-unbounded-writes", "rule no-unbounded-writes"),
        (
            {"hints": (), "reasons": ("defaults.classified: reading it is not allowed",)},
            "defaults.classified",
            "A rule that allows delete on phi.ssn for analyst",
        ),
        (
            {"decision": "error", "hints": (), "reasons": ("SQLSTATE 42601",)},
            "SQLSTATE 42601",
            "Correct",
        ),
        (
            {"decision": "error", "hints": (), "reasons": ("SQLSTATE 0A000",)},
            "SQLSTATE 0A000",
            "construct",
        ),
        (
            {"decision": "error", "hints": (), "reasons": ("SQLSTATE 53400",)},
            "SQLSTATE 53400",
            "limit",
        ),
        (
            {"decision": "error", "hints": (), "reasons": ("SQLSTATE 42P01",)},
            "SQLSTATE 42P01",
            "Correct",
        ),
        (
            {"hints": (), "reasons": (), "rules": ("ddl-needs-backup",)},
            "ddl-needs-backup",
            "dbguard backup now",
        ),
        (
            {
                "hints": (),
                "reasons": ("ddl-needs-backup, x: no fresh backup",),
                "requirements": ("none",),
            },
            "ddl-needs-backup, x",
            "Meet what ddl-needs-backup, x requires",
        ),
        ({"hints": (), "reasons": ("no id here",)}, "no-unbounded-writes, staff-write", "change"),
    ],
)
def test_every_refusal_says_what_would_allow_it(
    changes: dict[str, object], rule: str, remedy: str
) -> None:
    (shape,) = build(stored(replace(DENIED, **changes))).blocked.shapes  # type: ignore[arg-type]
    (why,) = shape.whys
    assert why.rule == rule
    assert why.reason
    assert remedy in why.remedy


def test_the_time_range() -> None:
    records = stored(*[ALLOWED] * 10)
    report = build(records, BASE + timedelta(minutes=3), BASE + timedelta(minutes=6))
    assert report.totals.allowed == 3
    assert report.first == BASE + timedelta(minutes=3)


def test_security_events_and_outages() -> None:
    report = build(
        stored(
            EventRecord(RecordKind.SECURITY, "a", (("column", "clinic.patients.ssn"),)),
            EventRecord(RecordKind.RECOVERY, "", (("reason", "outage"), ("error", "ENOSPC"))),
        )
    )
    assert report.events.security.latest[0].fields == (("column", "clinic.patients.ssn"),)
    assert report.events.recoveries.latest[0].record == "2"
    text = shown(report)
    assert "Security events" in text
    assert "ENOSPC" in text


def test_an_empty_trail_is_said_in_a_sentence() -> None:
    assert shown(build([])).strip() == "The audit trail holds no records: nothing to report."
    text = shown(build([], BASE, BASE + timedelta(days=1)))
    assert "from 2026-11-21 08:00:00 before 2026-11-22 08:00:00" in text


def test_a_quiet_trail_is_said_in_a_sentence() -> None:
    assert "Nothing was blocked and nothing was masked." in shown(build(stored(ALLOWED)))


def test_the_terminal_shows_everything() -> None:
    text = shown(build(stored(ALLOWED, MASKED, DENIED)))
    for expected in (
        "DELETE FROM clinic.patients",
        "Add a WHERE clause.",
        "no-unbounded-writes",
        "analysts-read-masked",
        "clinic.patients.ssn: keep_last",
        "Blocked: 1",
        "Masked: 1",
        "principal │ analyst",
        "last: record 3",
    ):
        assert expected in text


def test_what_clients_sent_cannot_steer_the_terminal() -> None:
    hostile = "SELECT '\x1b[2J\x9b31m\u202e' [red]x[/red] \r\n\x07 [/]"
    text = shown(
        build(
            stored(
                replace(DENIED, text=hostile, principal_user=hostile, relations=(hostile,)),
                EventRecord(RecordKind.SECURITY, hostile, ((hostile, hostile),)),
            )
        )
    )
    assert not set(text) & {"\x1b", "\x9b", "\u202e", "\x07", "\r"}
    assert "[red]x[/red]" in text


def test_long_lists_are_cut_and_say_so() -> None:
    report = build(stored(*(replace(DENIED, fingerprint=f"f{i}", text=f"x{i}") for i in range(15))))
    assert "and 5 more (--limit)" in shown(report)
    assert len(report.blocked.shapes) == 15


def test_the_json_document() -> None:
    data = orjson.loads(document.render(build(stored(DENIED, MASKED), BASE)))
    assert data["v"] == 1
    report = data["report"]
    assert report["since"] == "2026-11-21T08:00:00Z"
    assert report["until"] is None
    assert report["totals"]["denied"] == 1
    assert report["blocked"]["shapes"][0]["whys"][0]["remedy"] == "Add a WHERE clause."
    assert report["masked"]["by_column"][0]["name"] == "clinic.patients.ssn"
