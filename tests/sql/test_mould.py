"""Whatever a mould finds, `shape_of` finds at the same places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbguard.sql.mould import Mould, mould_of
from dbguard.sql.shape import shape_of

TEXTS = [
    "SELECT abalance FROM pgbench_accounts WHERE aid = 1",
    "SELECT abalance FROM pgbench_accounts WHERE aid = 1;",
    "SELECT a FROM t WHERE b = 'x' AND c = 'y' LIMIT 5",
    "UPDATE t SET a = a + 12, b = '' WHERE c = -7 -- ".rstrip("- "),
    "SELECT 'a'::text, 1::int, (2)",
    "INSERT INTO t VALUES (1, 'a', 2, 'b')",
    "SELECT 'a'1",
    "SELECT /* one */ 1, 'a' /* two */ ",
    "SELECT 'a' /* b */",
    "1",
    "'a'",
    "SELECT 1/2, 'a'/* c */",
]
PIECES = st.sampled_from(
    [*"0123456789 '\\/*-.;$eEa\n\t\0\x7f\x0b,(\"", "''", "/*", "*/", "--", "$1", "E'", " '", "\xe9"]
)
LITERALS = st.one_of(
    st.integers(0, 10**10).map(str),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8).map(lambda t: f"'{t}'"),
    st.lists(PIECES, max_size=6).map("".join),
)


def mould(text: str) -> Mould:
    shape = shape_of(text)
    assert shape is not None
    found = mould_of(shape)
    assert found is not None
    return found


def literals(found: Mould, text: str) -> list[str] | None:
    data = b"Q\0\0\0\0" + text.encode("latin-1") + b"\0"
    of = found.literals(data, 5, len(data) - 1)
    return None if of is None else [literal.decode("ascii") for literal in of]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_fits_its_own_mould(text: str) -> None:
    shape = shape_of(text)
    assert shape is not None
    assert literals(mould(text), text) == shape.literals


@given(st.sampled_from(TEXTS), st.lists(LITERALS, min_size=4, max_size=4), st.data())
def test_what_it_finds_is_what_is_there(text: str, others: list[str], data: st.DataObject) -> None:
    before = shape_of(text)
    assert before is not None
    changed = before.between[0]
    for own, other, gap in zip(before.literals, others, before.between[1:], strict=False):
        changed += (other if data.draw(st.booleans()) else own) + gap
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(changed)))
        changed = changed[:at] + data.draw(PIECES) + changed[at + data.draw(st.integers(0, 1)) :]
    found = literals(mould(text), changed)
    if found is not None:
        after = shape_of(changed)
        assert after is not None
        assert (after.blank, after.literals, after.said) == (before.blank, found, None)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (TEXTS[0], "SELECT abalance FROM pgbench_accounts WHERE aid = 1234567890"),
        (TEXTS[0], "SELECT abalance FROM pgbench_accounts WHERE aid = 1.5"),
        (TEXTS[0], "SELECT abalance FROM pgbench_accounts WHERE aid = -1"),
        (TEXTS[0], "SELECT abalance FROM pgbench_accounts WHERE aid = 1 OR 1 = 1"),
        (TEXTS[0], "SELECT abalance FROM pgbench_accounts WHERE aid = '1'"),
        (TEXTS[0], "SELECT abalance FROM pgbench_accounts WHERE aid = "),
        (TEXTS[2], "SELECT a FROM t WHERE b = 'x''' AND c = 'y' LIMIT 5"),
        (TEXTS[2], "SELECT a FROM t WHERE b = 'x\\' AND c = 'y' LIMIT 5"),
        (TEXTS[2], "SELECT a FROM t WHERE b = 'x' OR c = 'y' AND c = 'y' LIMIT 5"),
        (TEXTS[2], "SELECT a FROM t WHERE b = 'x\xe9' AND c = 'y' LIMIT 5"),
    ],
)
def test_what_fits_none(text: str, other: str) -> None:
    assert literals(mould(text), other) is None


@pytest.mark.parametrize("text", ["SELECT 1.5", "SELECT 12345678901", "SELECT a /*route='x'*/"])
def test_other_literals_have_none(text: str) -> None:
    shape = shape_of(text)
    assert shape is not None
    assert mould_of(shape) is None
