from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.sql import referee
from dbguard.sql.recordable import is_free_name, without
from dbguard.sql.redact import REDACTED_LENGTH, UNREADABLE, redact, redaction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 'a', 1, $1 -- c", "SELECT ?, ?, $1"),
        ("select  a,b\n from t where x='1'and y=2", "select a, b from t where x = ? and y = ?"),
        ("SELECT N'a', E'b', U&'c', U&'d' UESCAPE '!'", "SELECT ?, ?, ?, ? UESCAPE ?"),
        ("SELECT B'1', X'F', $$a$$, $t$b$t$", "SELECT ?, ?, ?, ?"),
        ("SELECT 1.5, .5, 1e10, 0x1F, 1_000, -7", "SELECT ?, ?, ?, ?, ?, - ?"),
        ("SELECT date '1950-01-01', x::text, f(1)", "SELECT date ?, x::text, f(?)"),
        ('SELECT a AS "123-45-6789", b AS "PatientName"', 'SELECT a AS "?", b AS "PatientName"'),
        ('SELECT a AS "Jane Doe", b AS "Größe"', 'SELECT a AS "?", b AS "Größe"'),
        ("SELECT a AS mrn_123456, b AS y_2024", 'SELECT a AS "?", b AS y_2024'),
        ("SELECT a AS s_123_45_678, b AS c2", 'SELECT a AS "?", b AS c2'),
        ('DECLARE "123-45-6789" CURSOR FOR SELECT 1', 'DECLARE "?" CURSOR FOR SELECT ?'),
        ('SAVEPOINT "Jane Doe"', 'SAVEPOINT "?"'),
        ('LISTEN "jane@doe.org"', 'LISTEN "?"'),
        ('GRANT a TO "Jane Doe"', 'GRANT a TO "?"'),
        ("COMMENT ON TABLE t IS 'x'", "COMMENT ON TABLE t IS ?"),
        ("DO $$ x $$", "DO ?"),
        ('SELECT a AS "Müller 1950", b AS "x19500101"', 'SELECT a AS "?", b AS "?"'),
        ('SELECT a AS x19500101, b AS u&"abc"', 'SELECT a AS "?", b AS "?"'),
        ("SELECT a FROM claims_202401 t1", "SELECT a FROM claims_202401 t1"),
        ("SET app.patient TO smith", "SET app.patient TO ?"),
        ("SET app.patient = smith, jones; SELECT smith", "SET app.patient = ?, ?; SELECT smith"),
        ("SET LOCAL search_path TO clinic, public", "SET LOCAL search_path TO clinic, public"),
        ("SET enable_seqscan = off", "SET enable_seqscan = off"),
        ("SET TIME ZONE berlin", "SET TIME ZONE ?"),
        ("ALTER ROLE bob SET app.x = smith", "ALTER ROLE bob SET app.x = ?"),
        ("ALTER ROLE bob PASSWORD 'x'", "ALTER ROLE bob PASSWORD ?"),
        ("UPDATE t SET a = b", "UPDATE t SET a = b"),
        ("NOTIFY c, 'ssn 1'", "NOTIFY c, ?"),
        ("SELECT $123456789", "SELECT $?"),
        ("SELECT 'open", UNREADABLE),
        ("SELECT '\0'", UNREADABLE),
        ("SELECT '\ud800'", UNREADABLE),
        ("", ""),
    ],
)
def test_redacted_form(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_tokens_of_the_referee_give_the_same() -> None:
    text = "SELECT 'é', \"ü\", n FROM t -- é"
    assert redact(text, referee.scan(text)) == redact(text) == 'SELECT ?, "ü", n FROM t'


def test_length_is_capped() -> None:
    assert (
        len(redact("SELECT " + ", ".join(f"column_{n % 10}" for n in range(5000))))
        <= REDACTED_LENGTH
    )


CANARY = "Canary"
DIGITS = "987654321"

_frames = st.sampled_from(
    [
        "'{}'",
        "E'{}'",
        "e'\\'{}'",
        "U&'{}'",
        "u&'{}' UESCAPE '!'",
        "N'{}'",
        "n'x''{}'",
        "$${}$$",
        "$tag$ $$ {} $$ $tag$",
        "$é${}$é$",
        "'a'\n'{}'",
        "'é\\'||'{}'",
        "date '{}'",
        "clinic.mrn '{}'",
        "interval '{}' day",
        "'{}'::text",
        "CAST('{}' AS text)",
        "1 /* {} */",
        "1 /* a /* {} */ b */",
        "1 -- {}\n",
        '1 AS "{}-{}"',
        '1 AS u&"{}"',
    ]
)
_numbers = st.sampled_from(
    [
        "{}",
        "-{}",
        "{}.5",
        ".{}",
        "{}e5",
        "1e{}",
        "0x{}",
        "0o{}",
        "1_{}",
        "B'{}'",
        "X'{}'",
        "${}",
        "'{}'",
        "a[{}]",
        '"n{}"',
        "n{}",
    ]
)
_texts = st.lists(
    st.one_of(
        _frames.map(lambda frame: frame.format(CANARY, CANARY)),
        _numbers.map(lambda frame: frame.format(DIGITS)),
        st.sampled_from(["a", "b.c", "f(x)", "*", "$1", '"Name"', "NULL", "'é'"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(
    _texts,
    st.sampled_from(["SELECT {}", "SET x TO {}", "VALUES ({})", "CALL p({})"]),
    st.sampled_from([", ", ",", "\n,/**/"]),
)
def test_no_literal_survives(parts: list[str], frame: str, comma: str) -> None:
    redacted = redact(frame.format(comma.join(parts)))
    assert CANARY not in redacted
    assert not re.search(r"[0-9]{5}", redacted)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=list("'\"$/*-\\\n ;,aE&uUé1xX?.([])"), max_size=40))
def test_any_text_has_a_redacted_form_without_its_constants(text: str) -> None:
    redacted = redact(text)
    assert "'" not in redacted
    assert "\n" not in redacted


def test_what_is_known_is_kept_and_what_is_hidden_is_told() -> None:
    text = 'SELECT "Patient Name", p."1st ""Name""", U&"d\\0061ta" FROM "Jane Doe" p'
    found = redaction(text.encode(), referee.scan(text), {"Patient Name"}.__contains__)
    assert found.text == 'SELECT "Patient Name", p."?", "?" FROM "?" p'
    assert set(found.hidden) >= {"Jane Doe", '1st "Name"', '1st ""Name""'}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("table Jane Doe is not", 'table "?" is not'),
        ('cursor "Jane Doe" is not', 'cursor "?" is not'),
        ("public.Jane Doe, and more", 'public."?", and more'),
        ("xJane Doe is another", "xJane Doe is another"),
    ],
)
def test_hidden_names_are_taken_out_of_other_texts(message: str, expected: str) -> None:
    assert without(message, ("Jane Doe", "", " ")) == expected


@pytest.mark.parametrize(
    "name", ["psql", "PostgreSQL JDBC Driver", "DBeaver 24.1.0 - Main", "pgAdmin 4 - DB:clinic", ""]
)
def test_names_of_applications(name: str) -> None:
    assert is_free_name(name)


@pytest.mark.parametrize(
    "name", ["jane@doe.org", "123-45-6789", "born 1950", "1 2 3 4 5 6 7", "x" * 65, "a\nb", "\x00"]
)
def test_names_that_may_be_values(name: str) -> None:
    assert not is_free_name(name)
