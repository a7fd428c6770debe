"""Where literals begin and end, compared with PostgreSQL's scanner.

`FUZZ_SHAPES` is how many texts are made up, `FUZZ_SEED` the first random number.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbguard.errors import SyntaxRefused
from dbguard.sql import referee
from dbguard.sql.shape import MAX_BYTES, MAX_LITERALS, shape_of
from tests.sql.lookalikes import class_of, literal, marks, other_text, places, text_of

HERE = Path(__file__).parent
COUNT = int(os.environ.get("FUZZ_SHAPES", "4000"))
SEED = int(os.environ.get("FUZZ_SEED", "7"))

SHAPED = [
    ("SELECT 1", "SELECT \x01"),
    ("SELECT 'a'", "SELECT \x04"),
    ("SELECT 'it''s', ''", "SELECT \x04, \x04"),
    ("SELECT -1, - 12", "SELECT -\x01, - \x01"),
    ("SELECT 2147483647, 0002147483647", "SELECT \x01, \x01"),
    ("SELECT 2147483649, 9223372036854775807", "SELECT \x02, \x02"),
    ("SELECT 1.5, 12345678901.25", "SELECT \x03, \x03"),
    ("SELECT t1.a2, $1, a$1, _9 FROM t1", "SELECT t1.a2, $1, a$1, _9 FROM t1"),
    ('SELECT "a ""1"" \'b\' 2", 3', 'SELECT "a ""1"" \'b\' 2", \x01'),
    ("SELECT /* 'a' 1 */ 2", "SELECT /* 'a' 1 */ \x01"),
    ("SELECT /*+ SeqScan(t) */ 2", "SELECT /*+ SeqScan(t) */ \x01"),
    ("SELECT 'a' -- b", None),
    ("SELECT date '2020-01-01'", "SELECT date \x04"),
    ("SELECT 'a'::text, 1::int", "SELECT \x04::text, \x01::int"),
    ("SELECT é1, 'ü', 5", "SELECT é1, \x04, \x01"),
    ("SELECT a$$1$$, 2", "SELECT a$$1$$, \x01"),
    ("SELECT 1;", "SELECT \x01;"),
    ("SELECT a FROM t /*route='x'*/", "SELECT a FROM t \x05"),
    ("SELECT a FROM t /*route='x'*/ ;\n", "SELECT a FROM t \x05 ;\n"),
    ("SELECT a FROM t /*route='x'*/ WHERE b = 1", "SELECT a FROM t /*route='x'*/ WHERE b = \x01"),
    ("SELECT a FROM t /* for Jane */", "SELECT a FROM t /* for Jane */"),
    ("/*route='x'*/ SELECT a", "/*route='x'*/ SELECT a"),
    ("SELECT '/*route=''x''*/'", "SELECT \x04"),
    ("SELECT a /*route='x'*/ /*route='y'*/", "SELECT a /*route='x'*/ \x05"),
]
UNSHAPED = [
    "SELECT E'a'", "SELECT e'a'", "SELECT B'1'", "SELECT X'1f'", "SELECT N'a'", "SELECT U&'a'",
    "SELECT u&'a' UESCAPE '!'", 'SELECT U&"a"', "SELECT a'b'", "SELECT date'2020-01-01'",
    "SELECT $$a$$", "SELECT $a$1$a$", "SELECT $1a", "SELECT $", "SELECT $1$$a$$",
    "SELECT 'a\\'", "SELECT 'a'\n'b'", "SELECT 'a' \n 'b'", "SELECT 'a' 'b'",
    "SELECT 'a' -- c\n'b'", "SELECT 1--2", "SELECT 1 -- 2", "SELECT 'a", 'SELECT "a', "SELECT /* a",
    "SELECT /* /* a */ */ 1", "SELECT /* /* a */ 1", "SELECT 1a", "SELECT 1_000", "SELECT 0x1f",
    "SELECT 0b1", "SELECT 0o7", "SELECT 1e3", "SELECT 1E-3", "SELECT 1e", "SELECT .5", "SELECT 5.",
    "SELECT 1..2", "SELECT 1.2.3", "SELECT a.5", "SELECT 1'a'", 'SELECT 1"a"', "SELECT 1é",
    "SELECT 2147483648", "SELECT -2147483648", "SELECT 9223372036854775808",
    "SELECT 10000000000000000000", "SELECT '\0'", "SELECT\v1", "SELECT '\x01'", "SELECT \x01",
    "SELECT \x05", "SELECT '\x7f'",
    "SELECT '\ud800'", "SELECT \ud800", "SELECT '" + "x" * MAX_BYTES + "'",
    "SELECT '" + "ü" * (MAX_BYTES // 2) + "'", "SELECT '" + "/*" * 33 + "'", "SELECT \\ 1",
    "SELECT a /*/", "SELECT {1}", "SELECT 1" + ",1" * MAX_LITERALS,
]  # fmt: skip


@pytest.mark.parametrize(("text", "blank"), SHAPED)
def test_what_is_a_literal(text: str, blank: str | None) -> None:
    shape = shape_of(text)
    assert (shape and shape.blank) == blank
    assert shape is None or text_of(shape) == text


@pytest.mark.parametrize("text", UNSHAPED, ids=lambda text: ascii(text)[:40])
def test_what_has_no_shape(text: str) -> None:
    assert shape_of(text) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1", "SELECT '1'"),
        ("SELECT 1", "SELECT 1.0"),
        ("SELECT 1", "SELECT 3000000000"),
        ("SELECT 1", "SELECT -1"),
        ("SELECT 1", "SELECT  1"),
        ("SELECT 1", "select 1"),
        ("SELECT 1", "SELECT 1, 1"),
        ("SELECT 1", "SELECT true"),
        ("SELECT 1", "SELECT NULL"),
        ("SELECT 1 AS a", "SELECT 1 AS b"),
        ("SELECT /*+ a */ 1", "SELECT /*+ b */ 1"),
        ("SELECT 1 /*route='x'*/", "SELECT 1"),
        ("SELECT 1 /*route='x'*/", "SELECT 1 /* route x */"),
        ("SELECT $1", "SELECT $2"),
        ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (1, 2)"),
        ("SELECT '1'::text", "SELECT '1'::regclass"),
    ],
)
def test_what_is_told_apart(one: str, other: str) -> None:
    first, second = shape_of(one), shape_of(other)
    assert first is not None
    assert second is not None
    assert first.blank != second.blank


def test_what_a_comment_says() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    shape = shape_of(f"SELECT 1 /*action='show',traceparent='{trace}'*/")
    assert shape is not None
    assert shape.said is not None
    assert (shape.said.traceparent, shape.said.tags) == (trace, (("action", "show"),))


_PIECES = (
    "SELECT", "select", "a", "b1", "_x", "é", "E", "e", "U", "u", "B", "x", "N", "date", "$1", "$",
    "$$", "$a$", "1", "12", "0", "9999999999", "1.5", ".5", "5.", "1e3", "0x1f", "1_0", "''", "'a'",
    "'it''s'", "'", '"', '"a"', '"a""b"', "--", "-", "/", "*", "/*", "*/", "/* c */", "/*x='y'*/",
    "&", "|", "||", "@", "#", "!", "~", "?", "`", "%", "^", "<", ">", "=", ":", "::", ":=", ",",
    "(", ")", "[", "]", ";", ".", "..", " ", " ", " ", "\n", "\t", "\r", "\f", "\v", "\\", "{",
    "\x01", "\x7f", "\u00a0", "日", "'\n'", "' '", "'--'", "'/*'", "'\\'", "U&", "UESCAPE",
    "'!'", "->", "->>", "'ssn'", "2147483648", "2147483647", "+", "-1", "- 1", "E'\\''",
)  # fmt: skip


def made_up(rng: random.Random) -> str:
    """Anything, most of it with spaces enough to be cut into tokens."""
    space = rng.choice(("", " ", " ", "\n"))
    return space.join(rng.choices(_PIECES, k=rng.randrange(1, 14)))


def statements() -> Iterator[str]:
    for path in (HERE / "honest_statements.sql", HERE / "corpus" / "queries.sql"):
        yield from path.read_text("utf-8").replace(";\n", "\n\n").split("\n\n")


def mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(_PIECES) + text[at + rng.randrange(3) :]
    return text


def has_shape(text: str, rng: random.Random) -> bool:
    """Whether it has one that PostgreSQL's scanner agrees with; another would fail here."""
    shape = shape_of(text)
    if shape is None:
        return False
    assert text_of(shape) == text
    raw = text.encode()
    try:
        tokens = referee.scan(text)
    except SyntaxRefused:
        return False
    found = [(t.start, t.end, class_of(raw, t)) for t in tokens if class_of(raw, t)]
    comments = [(t.start, t.end, "\x05") for t in tokens if t.kind == "C_COMMENT"]
    expected = [*found, *(comments[-1:] if shape.said is not None else ())]
    seen = [(*place, mark) for place, mark in zip(places(shape), marks(shape), strict=True)]
    assert seen == expected, text
    other = other_text(shape, rng)
    again = shape_of(other)
    assert again is not None, other
    assert again.blank == shape.blank
    assert [t.kind for t in referee.scan(other)] == [t.kind for t in tokens], (text, other)
    return True


def test_the_same_literals_as_the_server() -> None:
    rng = random.Random(SEED)
    known = list(statements())
    shaped = 0
    for _ in range(COUNT):
        text = made_up(rng) if rng.random() < 0.7 else mutated(rng.choice(known), rng)
        shaped += has_shape(text, rng)
    assert shaped > COUNT // 20


def test_honest_statements_have_shapes() -> None:
    rng = random.Random(SEED)
    known = [text for text in statements() if len(text) < 2_000 and "--" not in text]
    shaped = sum(has_shape(text, rng) for text in known)
    assert shaped > len(known) * 0.6


@pytest.mark.parametrize("mark", ["\x01", "\x02", "\x03", "\x04", "\x05"])
def test_a_literal_has_its_class_wherever_it_stands(mark: str) -> None:
    rng = random.Random(SEED)
    for _ in range(50):
        shape = shape_of("SELECT a FROM t WHERE b = " + literal(mark, rng))
        assert shape is not None
        assert shape.blank == "SELECT a FROM t WHERE b = " + mark
