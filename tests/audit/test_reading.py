"""Records are selected by time, kind and principal; a broken trail is named, not skipped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbguard.audit.reading import Selection, read
from dbguard.audit.records import (
    DecisionRecord,
    EventRecord,
    IdentityEntry,
    OutcomeRecord,
    RecordKind,
)
from dbguard.audit.writer import AuditLog
from dbguard.errors import ConfigurationError

BASE = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture
def trail(tmp_path: Path, decision: DecisionRecord) -> Path:
    minutes = iter(range(100))
    log = AuditLog.open(
        tmp_path, clock=lambda: BASE + timedelta(minutes=next(minutes)), segment_bytes=1500
    )
    log.append(EventRecord(RecordKind.START, "", ()))
    for session, user in [("a", "analyst"), ("b", "clinician")]:
        log.append(EventRecord(RecordKind.CONNECT, session, (("user", user),)))
        number = log.append(replace(decision, session=session, principal_user=user))
        log.append(OutcomeRecord(session, number, "SELECT 1", 1, "", 5))
        log.append(EventRecord(RecordKind.DISCONNECT, session, ()))
    log.append(EventRecord(RecordKind.STOP, "", ()))
    log.close()
    return tmp_path


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), list(range(1, 11))),
        (Selection(principal="analyst"), [2, 3, 4, 5]),
        (Selection(principal="clinician"), [6, 7, 8, 9]),
        (Selection(principal="nobody"), []),
        (Selection(kinds=frozenset({RecordKind.DECISION})), [3, 7]),
        (Selection(kinds=frozenset({RecordKind.START, RecordKind.STOP})), [1, 10]),
        (Selection(since=BASE + timedelta(minutes=4)), [5, 6, 7, 8, 9, 10]),
        (Selection(until=BASE + timedelta(minutes=4)), [1, 2, 3, 4]),
        (Selection(after=8), [9, 10]),
        (Selection(principal="analyst", since=BASE + timedelta(minutes=3)), [4, 5]),
    ],
)
def test_selections(trail: Path, selection: Selection, expected: list[int]) -> None:
    assert [stored.sequence for stored in read(trail, selection)] == expected


def test_people_are_found_by_their_name_and_by_their_database_user(
    tmp_path: Path, decision: DecisionRecord
) -> None:
    log = AuditLog.open(tmp_path)
    for session, name in (("a", "anna"), ("b", "bert")):
        known = replace(
            decision,
            session=session,
            principal_user="app",
            identity=IdentityEntry(name, "password"),
        )
        log.append(EventRecord(RecordKind.CONNECT, session, (("user", name),)))
        fields = (("user", "app"), ("identity", name))
        log.append(EventRecord(RecordKind.AUTHENTICATION, session, fields))
        number = log.append(known)
        log.append(OutcomeRecord(session, number, "SELECT 1", 1, "", 5))
    log.close()

    def found(principal: str) -> list[int]:
        return [stored.sequence for stored in read(tmp_path, Selection(principal=principal))]

    assert found("anna") == [1, 2, 3, 4]
    assert found("bert") == [5, 6, 7, 8]
    assert found("app") == [2, 3, 4, 6, 7, 8]


def test_an_unfinished_last_line_is_not_there_yet(trail: Path) -> None:
    last = sorted(trail.glob("audit-*"))[-1]
    last.write_bytes(last.read_bytes() + b'{"v":1,')
    assert len(list(read(trail))) == 10


def test_a_line_that_is_no_record_is_named(trail: Path) -> None:
    first = trail / "audit-000001.jsonl"
    content = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(content[0] + b'{"v":1}\n')
    with pytest.raises(ConfigurationError, match=r"audit-000001\.jsonl:2: not an audit record"):
        list(read(trail))


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(read(tmp_path / "nothing"))


def test_an_empty_directory_has_no_records(tmp_path: Path) -> None:
    assert list(read(tmp_path)) == []
