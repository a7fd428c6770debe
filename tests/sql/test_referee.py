from __future__ import annotations

import pytest

from dbguard.errors import NotUnderstood, StatementError, SyntaxRefused
from dbguard.sql import referee


def test_statements_have_their_extents_without_comments_and_semicolons() -> None:
    text = "-- é\n SELECT 'é' ; /* x */ DELETE FROM t ;; "
    raw = text.encode()
    parsed = referee.parse(text)
    assert [(s.tag, raw[s.start : s.end].decode()) for s in parsed] == [
        ("SelectStmt", "SELECT 'é'"),
        ("DeleteStmt", "DELETE FROM t"),
    ]


@pytest.mark.parametrize("text", ["", ";", "-- nothing", "/* */ ; ;"])
def test_empty_statements_are_left_out(text: str) -> None:
    assert referee.parse(text) == ()


def test_syntax_errors_are_postgresqls_own() -> None:
    with pytest.raises(SyntaxRefused) as caught:
        referee.parse("SELECT FROM WHERE")
    assert caught.value.message == 'syntax error at or near "WHERE"'
    assert caught.value.position == 13


@pytest.mark.parametrize(
    "text", ["SELECT {fn now()}", "SELECT \\d", "SELECT `a`", "SELECT a ? b", "SELECT :x"]
)
def test_every_character_that_scans_has_a_token_name(text: str) -> None:
    raw = text.encode()
    words = [raw[t.start : t.end].decode() for t in referee.scan(text)]
    assert "".join(words) == text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
        "SELECT " + "1 + " * 50_000 + "1",
        "SELECT " + "NOT " * 50_000 + "a",
        "SELECT 1" + " UNION SELECT 1" * 20_000,
    ],
    ids=["parentheses", "operators", "not", "union"],
)
def test_depth_is_refused_cleanly(text: str) -> None:
    with pytest.raises(StatementError) as caught:
        referee.parse(text)
    assert isinstance(caught.value, NotUnderstood | SyntaxRefused)


def test_positions_are_characters_for_people() -> None:
    assert referee.character_position("é = ü".encode(), 5) == 5
