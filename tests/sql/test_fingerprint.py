from __future__ import annotations

import pytest

from dbguard.sql.fingerprint import DIGITS, fingerprint
from dbguard.sql.redact import redact


def of(text: str) -> str:
    return fingerprint(redact(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1", "select  2 -- x"),
        ("SELECT a FROM t WHERE x='1'", "SELECT A\nFROM T WHERE x = /* c */ $1"),
        ("SELECT a IN (1, 2, 3)", "SELECT a IN (4)"),
        ("SELECT a IN ($1, $2, $3) AND b = $4", "SELECT a IN ($1) AND b = $2"),
        ("SELECT a NOT IN (-1, 2)", "SELECT a NOT IN (1, -2, 3)"),
        ("SELECT a IN ('a'::uuid, 'b'::uuid)", "SELECT a IN ('c'::uuid)"),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (3, 'c')"),
        ("INSERT INTO t VALUES (1), (2) RETURNING a", "INSERT INTO t VALUES (1) RETURNING a"),
        ("SELECT ARRAY[1,2]", "SELECT ARRAY[3]"),
        ("SELECT count (*)", "SELECT count(*)"),
        ("SELECT a+b", "SELECT a + b"),
    ],
)
def test_same_shape(one: str, other: str) -> None:
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a", "SELECT b"),
        ('SELECT "A"', "SELECT a"),
        ("SELECT f(1, 2)", "SELECT f(1)"),
        ("SELECT a IN (1, b)", "SELECT a IN (1)"),
        ("INSERT INTO t VALUES (1, 2)", "INSERT INTO t VALUES (1)"),
        ("INSERT INTO t VALUES (1), (f(2))", "INSERT INTO t VALUES (1)"),
        ("SELECT a IN (SELECT b)", "SELECT a IN (SELECT c)"),
        ("SELECT a, b", "SELECT a b"),
    ],
)
def test_other_shape(one: str, other: str) -> None:
    assert of(one) != of(other)


@pytest.mark.parametrize(
    "redacted",
    ["", "<unreadable statement>", 'SELECT "cut of', "x IN (?, ?", "VALUES (?, ?), (", "?"],
)
def test_any_text_has_one(redacted: str) -> None:
    value = fingerprint(redacted)
    assert len(value) == DIGITS
    assert set(value) <= set("0123456789abcdef")
