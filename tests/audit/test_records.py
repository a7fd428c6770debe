"""Records survive the way to JSON and back, whatever they hold."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbguard.audit.records import (
    DecisionRecord,
    EventRecord,
    IdentityEntry,
    MalformedRecord,
    OutcomeRecord,
    RecordKind,
    decode,
)
from dbguard.audit.rendering import render


def members(body: bytes) -> dict[str, object]:
    document = orjson.loads(b'{"v":1,' + body + b"}")
    assert isinstance(document, dict)
    return document


def test_decision_round_trip(decision: DecisionRecord) -> None:
    assert decode(members(render(decision).body)) == decision


ANNA = IdentityEntry(
    "anna", "password", ("analyst",), (("department", ("oncology", "research")), ("site", ("a",)))
)


def test_who_stands_behind_a_user_is_part_of_the_record(decision: DecisionRecord) -> None:
    known = replace(decision, identity=ANNA)
    rendered = members(render(known).body)
    assert rendered["identity"] == {
        "name": "anna",
        "proof": "password",
        "roles": ["analyst"],
        "attributes": {"department": ["oncology", "research"], "site": ["a"]},
    }
    assert decode(rendered) == known
    odd = replace(decision, identity=replace(ANNA, name="an\udcffna"))
    assert decode(members(render(odd).body)).identity.name == "an\\udcffna"  # type: ignore[union-attr]


def test_where_nobody_is_known_the_record_is_as_it_always_was(decision: DecisionRecord) -> None:
    assert b"identity" not in render(decision).body


@pytest.mark.parametrize(
    "broken",
    [
        "anna",
        {},
        {"name": "anna", "proof": "password", "roles": [], "attributes": []},
        {"name": 1, "proof": "password", "roles": [], "attributes": {}},
        {"name": "anna", "proof": "password", "roles": "x", "attributes": {}},
        {"name": "anna", "proof": "password", "roles": [], "attributes": {"a": "b"}},
    ],
)
def test_identities_that_are_none(decision: DecisionRecord, broken: object) -> None:
    with pytest.raises(MalformedRecord):
        decode({**members(render(decision).body), "identity": broken})


def test_members_are_sorted_so_that_equal_records_are_equal_bytes() -> None:
    one = EventRecord(RecordKind.BACKUP, "", (("a", "1"), ("b", "2")))
    two = EventRecord(RecordKind.BACKUP, "", (("b", "2"), ("a", "1")))
    assert render(one).body == render(two).body


@given(
    session=st.text(),
    rows=st.integers(0, 2**63 - 1),
    tag=st.text(st.characters(exclude_categories=())),
)
def test_outcome_round_trip(session: str, rows: int, tag: str) -> None:
    record = OutcomeRecord(session, 5, tag, rows, "", 12)
    decoded = decode(members(render(record).body))
    printable = tag.encode("utf-8", "backslashreplace").decode()
    assert decoded == replace(
        record,
        session=session.encode("utf-8", "backslashreplace").decode(),
        command_tag=printable,
    )


def test_a_body_is_one_line(decision: DecisionRecord) -> None:
    body = render(replace(decision, text="SELECT\n1\r\u2028\x85")).body
    assert b"\n" not in body
    assert b"\r" not in body


@pytest.mark.parametrize("kind", [k for k in RecordKind if k not in ("decision", "outcome")])
def test_event_round_trip(kind: RecordKind) -> None:
    record = EventRecord(kind, "s", (("database", "clinic"), ("user", "analyst")))
    assert decode(members(render(record).body)) == record
    assert record.field("user") == "analyst"
    assert record.field("nothing") == ""


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"v": 2, "kind": "start"},
        {"v": 1, "kind": "nonsense"},
        {"v": 1, "kind": "start", "session": "s"},
        {"v": 1, "kind": "start", "session": 1, "fields": {}},
        {"v": 1, "kind": "outcome", "session": "s", "decision": True},
        {"v": 1, "kind": "decision", "session": "s"},
    ],
)
def test_what_is_not_a_record_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(MalformedRecord):
        decode(broken)


@pytest.mark.parametrize("name", ["columns", "masked", "rules", "catalog_epoch", "text"])
def test_a_decision_with_a_wrong_member_is_refused(decision: DecisionRecord, name: str) -> None:
    with pytest.raises(MalformedRecord, match=name):
        decode(members(render(decision).body) | {name: {"x": 1}})
