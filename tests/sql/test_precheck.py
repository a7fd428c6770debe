from __future__ import annotations

import pytest

from dbguard.errors import LimitExceeded, NotUnderstood, SyntaxRefused
from dbguard.sql.limits import DEFAULT_LIMITS, Limits
from dbguard.sql.precheck import check_text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SELECT 'a\u00a0b', \"c\u3000d\" /* \u2028 */ -- \u202e",
        "SELECT $x$\u00a0$x$, E'\u200b', U&'\u00a0'",
        "SELECT größe, 数, имя FROM übersicht",
        "SELECT\t\r\n\f1",
        "",
        "BEGIN; END; COMMIT",
        "SELECT " + " OR ".join(f"(a = {n} AND b LIKE 'x')" for n in range(3000)),
        "INSERT INTO t VALUES " + ", ".join("(1, 'a', -2.5)" for _ in range(5000)),
        "SELECT " + "CASE WHEN a THEN 1 ELSE 2 END + " * 50 + "1",
    ],
)
def test_honest_text_passes(text: str) -> None:
    tokens = check_text(text, DEFAULT_LIMITS)
    raw = text.encode()
    assert all(0 <= t.start < t.end <= len(raw) for t in tokens)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("SELECT 1\0", 9),
        ("SELECT '\0'", 9),
        ("SELECT 'a\ud800'", 10),
        ("SELECT\u00a0ssn", 7),
        ("SELECT é, a\u3000b", 12),
        ("SELECT a\u2028b", 9),
        ("SELECT a\u200bb", 9),
        ("SELECT \ufeffa", 8),
        ("SELECT a\u202eb", 9),
        ("SELECT a\u3164b", 9),
        ("SELECT a\u0085b", 9),
        ("SELECT a\U000e0001b", 9),
        ("SELECT 'é' FROM t\u00a0", 18),
    ],
)
def test_characters_that_readers_see_differently_are_refused(text: str, position: int) -> None:
    with pytest.raises(NotUnderstood) as caught:
        check_text(text, DEFAULT_LIMITS)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "limits", "name"),
    [
        ("SELECT é + é", Limits(max_text_bytes=12), "statement_bytes"),
        ("SELECT 'é', é, é", Limits(max_text_bytes=12), "statement_bytes"),
        ("SELECT a, b", Limits(max_tokens=3), "max_tokens"),
        (";;;", Limits(max_statements=2), "max_statements"),
        ("SELECT " + "(" * 101 + "1" + ")" * 101, DEFAULT_LIMITS, "max_nesting"),
        ("SELECT " + "(SELECT 1 AS end, " * 101, DEFAULT_LIMITS, "max_nesting"),
        ("SELECT " + "CASE WHEN a THEN " * 101, DEFAULT_LIMITS, "max_nesting"),
        ("SELECT " + "ARRAY[" * 9 + "1" + "]" * 9, DEFAULT_LIMITS, "max_brackets"),
        ("SELECT " + "ARRAY[(" * 9, DEFAULT_LIMITS, "max_brackets"),
        ("SELECT a" + " + a" * 2001, DEFAULT_LIMITS, "max_chain"),
        ("SELECT " + "- " * 2001 + "a", DEFAULT_LIMITS, "max_chain"),
        ("SELECT a" + "::text" * 2001, DEFAULT_LIMITS, "max_chain"),
        ("SELECT 1" + " UNION SELECT 1" * 2001, DEFAULT_LIMITS, "max_chain"),
    ],
)
def test_limits(text: str, limits: Limits, name: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        check_text(text, limits)
    assert caught.value.detail == f"limits.{name}"


@pytest.mark.parametrize("text", ["SELECT 'éé'", "SELECT 'it''s more than twelve'"])
def test_constants_in_quotes_do_not_count(text: str) -> None:
    assert check_text(text, Limits(max_text_bytes=12))


def test_comments_do_not_count_as_tokens() -> None:
    assert check_text("/* a */ SELECT -- b\n 1", Limits(max_tokens=2))


def test_text_the_scanner_rejects() -> None:
    with pytest.raises(SyntaxRefused):
        check_text("SELECT 'open", DEFAULT_LIMITS)


def test_no_error_repeats_the_text() -> None:
    with pytest.raises(NotUnderstood) as caught:
        check_text("SELECT '123-45-6789',\u00a0ssn", DEFAULT_LIMITS)
    error = caught.value
    assert "6789" not in f"{error.message}{error.detail}{error.hint}"
