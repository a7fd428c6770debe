"""Statements told apart by the scanner."""

from __future__ import annotations

import pytest

from dbguard.sql.splitting import split


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", ("",)),
        ("SELECT 1", ("SELECT 1",)),
        ("SELECT 1;", ("SELECT 1",)),
        (" SELECT 1 ; ; selec 2 -- a; b\n;", ("SELECT 1", "selec 2")),
        ("SELECT ';', $$;$$, \";\" ; x", ("SELECT ';', $$;$$, \";\"", "x")),
        ("SELECT 'ä'; SELECT 'ß'", ("SELECT 'ä'", "SELECT 'ß'")),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); x",
         ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "x")),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; END;"
         " SELECT 3",
         ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; END",
          "SELECT 3")),
        ("BEGIN; SELECT 1; END; SELECT 2", ("BEGIN", "SELECT 1", "END", "SELECT 2")),
        ("SELECT ')'; ); SELECT 2", ("SELECT ')'", ")", "SELECT 2")),
        ("SELECT 1; SELECT 'open", ("SELECT 1; SELECT 'open",)),
        ("SELECT 1;\0 SELECT 2", ("SELECT 1;\0 SELECT 2",)),
    ],
)  # fmt: skip
def test_split(text: str, statements: tuple[str, ...]) -> None:
    assert split(text) == statements
