from __future__ import annotations

import logging
import sys

import pytest
from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.parsers.postgres import PostgresParser

from dbguard.errors import NotUnderstood
from dbguard.sql import dialect


def columns(text: str) -> list[str]:
    (tree,) = dialect.parse(text)
    return sorted(column.name for column in tree.find_all(exp.Column))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT lower(doc -> 'k')", ["doc"]),
        ("SELECT lower(doc -> k)", ["doc", "k"]),
        ("SELECT f(doc -> 'x', 1), g(1, p.doc -> 'x')", ["doc", "doc"]),
        ("SELECT date_trunc(ssn, dob)", ["dob", "ssn"]),
        ("SELECT date_bin(a, b, c)", ["a", "b", "c"]),
        ("SELECT date_part(a, b), to_char(c, d), div(e, f)", list("abcdef")),
        ("SELECT @ssn, @ -a", ["a", "ssn"]),
        ("SELECT a FROM t WHERE b = $1 AND c = ''", ["a", "b", "c"]),
        ("SELECT unnest(a) FROM unnest(b) WITH ORDINALITY AS u(x, y)", ["a", "b"]),
        ("SELECT extract(ssn FROM dob)", ["dob"]),
        (
            "SELECT trim(both a from b), position(c in d), overlay(e placing f from g)",
            list("abcdefg"),
        ),
        ("SELECT substring(a from b for c), substring(d similar e escape f)", list("abcdef")),
        ("SELECT json_value(a, '$' passing b as x returning int default c on empty)", list("abc")),
        (
            "SELECT json_query(a, b empty array on empty),"
            " json_query(c format json encoding utf8, d empty object on error),"
            " json_query(e, f with array wrapper), json_object(g: h format json, 'x': i"
            " returning json), json_array(j format json, k)",
            list("abcdefghijk"),
        ),
        ("SELECT json_array(WITH x AS (SELECT a) SELECT b FROM x)", ["a", "b"]),
        (
            "SELECT 1 FROM json_table(a, '$' columns (x int path '$' default b on empty)) j",
            ["a", "b"],
        ),
        ("SELECT 1 FROM xmltable('/r' passing a columns x int path b default c) j", list("abc")),
        (
            "SELECT xmlserialize(content a AS text), xmlelement(name n, xmlattributes(b AS x), c)",
            list("abc"),
        ),
        ("SELECT a IS DOCUMENT, b IS NOT NFC NORMALIZED, c IS UNKNOWN", list("abc")),
        ("SELECT a AT LOCAL, b AT TIME ZONE c", list("abc")),
        ("SELECT a[b:c], d[:e]", list("abcde")),
        ("SELECT a FROM t ORDER BY a USING <, b USING OPERATOR(s.>) NULLS LAST", ["a", "a", "b"]),
        ("SELECT 1 FROM t JOIN u USING (a) AS j WHERE b", ["b"]),
        (
            "SELECT treat(a AS b), collation for (c), $1::oid[], d = any(e::regclass[])",
            list("acde"),
        ),
    ],
)
def test_no_column_is_lost(text: str, expected: list[str]) -> None:
    assert columns(text) == expected


@pytest.mark.parametrize(
    "text", ["SELECT :x", "SELECT %s", "SELECT %(x)s", "SELECT (", "SELECT 'a"]
)
def test_other_languages_placeholders_are_rejected(text: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        dialect.parse(text)
    assert "SELECT" not in str(caught.value)


def test_the_shipped_classes_are_left_alone() -> None:
    assert "LOWER" in PostgresParser.FUNCTIONS
    assert "JSON_TABLE" in PostgresParser.FUNCTION_PARSERS
    (tree,) = Postgres().parse("SELECT date_trunc('day', a)")
    assert tree is not None
    assert isinstance(tree.selects[0], exp.TimestampTrunc)


def test_depth_neither_crashes_nor_changes_the_limit() -> None:
    before = sys.getrecursionlimit()
    assert len(dialect.parse("SELECT " + "(" * 100 + "1" + ")" * 100)) == 1
    with pytest.raises(NotUnderstood):
        dialect.parse("SELECT " + "(" * 5000 + "1" + ")" * 5000)
    assert sys.getrecursionlimit() == before


def test_statement_texts_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        dialect.parse("REFRESH MATERIALIZED VIEW v; DO 'secret'")
    assert caplog.records == []


def test_pure_build_is_in_use() -> None:
    dialect.require_pure_sqlglot()
