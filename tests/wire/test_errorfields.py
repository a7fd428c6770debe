"""Error and notice fields: reading, editing, and what never shows."""

from __future__ import annotations

import pytest
from pygwire import messages as oracle

from dbguard.errors import NotUnderstood, PolicyRefusal, UndefinedName
from dbguard.wire.errorfields import ErrorFields, decode_fields, from_error

SERVER = ErrorFields(
    (
        ("S", b"FEHLER"),
        ("V", b"ERROR"),
        ("C", b"23505"),
        ("M", b"duplicate key value violates unique constraint"),
        ("D", b"Key (ssn)=(123-45-6789) already exists."),
        ("s", b"clinic"),
        ("t", b"patients"),
        ("n", b"patients_ssn_key"),
        ("F", b"nbtinsert.c"),
        ("R", b"_bt_check_unique"),
        ("Z", b"unknown field"),
    )
)


def test_accessors() -> None:
    assert (SERVER.severity, SERVER.sqlstate) == ("ERROR", "23505")
    assert (SERVER.schema, SERVER.table, SERVER.constraint) == (
        "clinic",
        "patients",
        "patients_ssn_key",
    )
    assert (SERVER.hint, SERVER.where, SERVER.column, SERVER.position) == ("", "", "", None)


def test_oracle_reads_the_same() -> None:
    raw = SERVER.encode_error()
    assert raw[:1] == b"E"
    theirs = oracle.ErrorResponse.decode(memoryview(raw[5:]))
    assert theirs.fields == {letter: text.decode() for letter, text in SERVER.pairs}
    notice = SERVER.encode_notice()
    assert notice[:1] == b"N"
    assert notice[5:] == raw[5:]
    assert decode_fields(raw[5:]) == SERVER


def test_repr_shows_no_values() -> None:
    assert repr(SERVER) == "ErrorFields(ERROR 23505)"


def test_without() -> None:
    bare = SERVER.without("M", "D")
    assert (bare.message, bare.detail, bare.constraint) == ("", "", "patients_ssn_key")


def test_with_fields_replaces_every_occurrence_and_keeps_the_rest() -> None:
    doubled = ErrorFields((*SERVER.pairs, ("D", b"123-45-6789")))
    edited = doubled.with_fields(message="withheld", detail=None, position=7)
    assert b"123-45-6789" not in edited.encode_error()
    assert (edited.message, edited.position) == ("withheld", 7)
    assert dict(edited.pairs)["Z"] == b"unknown field"
    assert edited.routine == "_bt_check_unique"


def test_with_severity_sets_both() -> None:
    edited = SERVER.with_fields(severity="FATAL")
    assert dict(edited.pairs)["S"] == dict(edited.pairs)["V"] == b"FATAL"


@pytest.mark.parametrize("text", [b"", b"-1", b"x", b"99999999999999", "²".encode()])
def test_strange_positions_are_none(text: bytes) -> None:
    assert ErrorFields((("P", text),)).position is None


def test_from_error() -> None:
    error = PolicyRefusal("refused", detail="Rule a.", hint="Ask b.", position=3)
    assert from_error(error, "FATAL").pairs == (
        ("S", b"FATAL"),
        ("V", b"FATAL"),
        ("C", b"42501"),
        ("M", b"refused"),
        ("D", b"Rule a."),
        ("H", b"Ask b."),
        ("P", b"3"),
    )
    assert [letter for letter, _ in from_error(NotUnderstood("x")).pairs] == ["S", "V", "C", "M"]
    assert from_error(UndefinedName("42P01", "x")).sqlstate == "42P01"


def test_nul_cannot_end_a_field_early() -> None:
    fields = from_error(NotUnderstood("a\0b"))
    assert decode_fields(fields.encode_error()[5:]).message == "ab"
