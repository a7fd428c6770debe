"""Large honest statements are understood; hostile ones are refused clearly."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from dbguard.errors import (
    LimitExceeded,
    NotUnderstood,
    StatementError,
    SyntaxRefused,
    UndefinedName,
)
from dbguard.sql.analysis import analyze
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.lineage import column_sources
from dbguard.sql.precheck import check_text
from dbguard.sql.rewrite import rewrite
from dbguard.sql.sites import Reading
from dbguard.sql.snapshot import RelationKind, SessionView, Snapshot
from dbguard.sql.verify import verify

from .catalogs import RELATIONS, SNAPSHOT, VIEW, table

WIDE = table(900, "wide", ", ".join(f"c{i} text" for i in range(300)))
CATALOG = replace(SNAPSHOT, relations=(*RELATIONS, WIDE))
MASKS = {101: {3: "NULL::pg_catalog.text"}}
STACK_BYTES = 256 << 20
"""The analysis worker's."""


def read(text: str) -> tuple[Reading, ...]:
    return analyze(text, CATALOG, VIEW, DEFAULT_LIMITS)


@contextmanager
def shallow() -> Iterator[None]:
    """Nothing of the test's own raises the recursion limit."""
    before = sys.getrecursionlimit()
    yield
    assert sys.getrecursionlimit() == before


def row(width: int) -> str:
    return "(" + ", ".join(["$1", "'text'"] * (width // 2)) + ")"


HONEST = {
    "an ORM's INSERT": f"INSERT INTO clinic.wide ({', '.join(f'c{i}' for i in range(20))}) VALUES "
    + ", ".join([row(20)] * 1000),
    "IN list": f"SELECT id FROM patients WHERE id IN ({', '.join(map(str, range(10_000)))})",
    "IN list of parameters": "SELECT id FROM patients WHERE id IN ("
    + ", ".join(f"${i}" for i in range(1, 5000))
    + ")",
    "a wide table": "SELECT * FROM clinic.wide",
    "a wide table, column by column": "SELECT "
    + ", ".join(f"w.c{i} AS w_c{i}" for i in range(300))
    + " FROM clinic.wide w WHERE w.c1 = $1",
    "layers over a wide table": "WITH a AS (SELECT * FROM clinic.wide), b AS (SELECT * FROM a), "
    "c AS (SELECT * FROM b JOIN a USING (c1)) SELECT * FROM c",
    "a thousand columns": "SELECT "
    + ", ".join(f"p.id + {i} AS c{i}" for i in range(1000))
    + " FROM patients p",
    "200 joins": "SELECT p0.id FROM patients p0 "
    + " ".join(f"LEFT JOIN encounters e{i} ON e{i}.patient_id = p0.id" for i in range(200)),
    "60 joins with USING": "SELECT id FROM patients p0 "
    + " ".join(f"JOIN providers p{i} USING (id)" for i in range(1, 61)),
    "rows by UNION ALL": " UNION ALL ".join(f"SELECT {i}, 'x'" for i in range(1000)),
    "ORs": "SELECT id FROM patients WHERE "
    + " OR ".join(f"(id = {i} AND ssn = 'x')" for i in range(1500)),
    "a concatenation": "SELECT " + " || ',' || ".join(["ssn", "mrn"] * 400) + " FROM patients",
    "a long CASE": "SELECT CASE "
    + " ".join(f"WHEN id = {i} THEN 'x{i}'" for i in range(1500))
    + " END FROM patients",
    "ORM's subqueries": "SELECT * FROM " + "(SELECT * FROM " * 40 + "patients" + ") x" * 40,
    "a script": "; ".join(f"SELECT id FROM patients WHERE id = {i}" for i in range(300)),
    "many WITH queries": "WITH "
    + ", ".join(f"q{i} AS (SELECT id FROM patients)" for i in range(150))
    + " SELECT "
    + ", ".join(f"(SELECT max(id) FROM q{i})" for i in range(150)),
}


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST)
def test_honest_statements_of_a_size_are_understood(text: str) -> None:
    readings = read(text)
    assert not any(reading.facts.opaque for reading in readings)
    rewritten = rewrite(text, readings, MASKS, CATALOG)
    verify(text, rewritten, readings, MASKS, CATALOG)


REPEATED: dict[str, Callable[[int], str]] = {
    "parentheses": lambda n: "SELECT " + "(" * n + "1" + ")" * n,
    "CASE": lambda n: "SELECT " + "CASE WHEN true THEN " * n + "1" + " END" * n,
    "CASE in conditions": lambda n: "SELECT " + "CASE WHEN " * n + "true" + " THEN true END" * n,
    "scalar subqueries": lambda n: "SELECT " + "(SELECT " * n + "1" + ")" * n,
    "subqueries in FROM": lambda n: (
        "SELECT * FROM " + "(SELECT * FROM " * n + "patients" + ") x" * n
    ),
    "EXISTS": lambda n: "SELECT 1 WHERE " + "EXISTS (SELECT 1 WHERE " * n + "true" + ")" * n,
    "IN": lambda n: "SELECT 1 WHERE " + "1 IN (SELECT 1 WHERE " * n + "true" + ")" * n,
    "calls": lambda n: "SELECT " + "lower(" * n + "ssn" + ")" * n + " FROM patients",
    "arrays": lambda n: "SELECT " + "ARRAY[" * n + "1" + "]" * n,
    "subscripts": lambda n: "SELECT tags" + "[1]" * n + " FROM patients",
    "subscripts in subscripts": lambda n: (
        "SELECT " + "tags[" * n + "1" + "]" * n + " FROM patients"
    ),
    "casts": lambda n: "SELECT 1" + "::text" * n,
    "signs": lambda n: "SELECT " + "- " * n + "1",
    "NOT": lambda n: "SELECT " + "NOT " * n + "true",
    "||": lambda n: "SELECT " + " || ".join(["ssn"] * n) + " FROM patients",
    "^": lambda n: "SELECT " + " ^ ".join(["1"] * n),
    "IS NULL": lambda n: "SELECT 1" + " IS NULL" * n,
    "COLLATE": lambda n: "SELECT 'a'" + ' COLLATE "C"' * n,
    "AT TIME ZONE": lambda n: "SELECT now()" + " AT TIME ZONE 'UTC'" * n,
    "fields": lambda n: "SELECT (a)" + ".b" * n,
    "names": lambda n: "SELECT a" + ".b" * n,
    "joins": lambda n: "SELECT 1 FROM patients " + "CROSS JOIN (SELECT) x " * n,
    "joins in parentheses": lambda n: (
        "SELECT 1 FROM " + "(" * n + "patients" + " CROSS JOIN (SELECT) x)" * n
    ),
    "joins to the right": lambda n: (
        "SELECT 1 FROM " + "patients JOIN " * n + "labs" + " ON true" * n
    ),
    "UNION": lambda n: " UNION ALL ".join(["SELECT 1"] * n),
    "UNION in parentheses": lambda n: "(" * n + "SELECT 1" + " UNION SELECT 1)" * n,
    "UNION to the right": lambda n: "SELECT 1 UNION (" * n + "SELECT 1" + ")" * n,
    "WITH in WITH": lambda n: "WITH q AS (" * n + "SELECT 1" + ") SELECT * FROM q" * n,
    "WITH after WITH": lambda n: (
        "WITH q0 AS (SELECT 1), "
        + ", ".join(f"q{i} AS (SELECT * FROM q{i - 1})" for i in range(1, n))
        + f" SELECT * FROM q{n - 1}"
    ),
    "WITH backwards": lambda n: (
        "WITH RECURSIVE "
        + ", ".join(f"q{i} AS (SELECT * FROM q{i + 1})" for i in range(n))
        + f", q{n} AS (SELECT 1) SELECT * FROM q0"
    ),
    "WITH doubling": lambda n: (
        "WITH q0 AS (SELECT 1 AS a), "
        + ", ".join(f"q{i} AS (SELECT a.*, b.* FROM q{i - 1} a, q{i - 1} b)" for i in range(1, n))
        + " SELECT 1"
    ),
    "GROUPING SETS": lambda n: "SELECT 1 GROUP BY " + "GROUPING SETS (" * n + "()" + ")" * n,
    "rows": lambda n: "SELECT " + "ROW(" * n + "1" + ")" * n,
    "IN list": lambda n: "SELECT 1 WHERE 1 IN (" + ", ".join(["1"] * n) + ")",
    "columns": lambda n: "SELECT " + ", ".join(["id"] * n) + " FROM patients",
    "stars": lambda n: "SELECT " + ", ".join(["*"] * n) + " FROM clinic.wide",
    "wide subqueries": lambda n: (
        "SELECT 1 FROM " + ", ".join(f"(SELECT * FROM clinic.wide) w{i}" for i in range(n))
    ),
    "comments": lambda n: "SELECT 1 " + "/*" * n + "*/" * n,
    "statements": lambda n: "SELECT 1;" * n,
    "EXPLAIN": lambda n: "EXPLAIN " * n + "SELECT 1",
    "XML": lambda n: "SELECT " + "xmlconcat(" * n + "NULL" + ")" * n,
    "JSON": lambda n: "SELECT " + "JSON_ARRAY(" * n + "1" + ")" * n,
    "TRIM": lambda n: "SELECT " + "trim(both 'x' from " * n + "'y'" + ")" * n,
    "OPERATOR": lambda n: "SELECT 1" + " OPERATOR(pg_catalog.+) 1" * n,
    "WINDOW": lambda n: "SELECT 1 WINDOW " + ", ".join(f"w{i} AS ()" for i in range(n)),
}


@pytest.mark.parametrize("times", [90, 1900])
@pytest.mark.parametrize("make", REPEATED.values(), ids=REPEATED)
def test_repetition_is_understood_or_refused(make: Callable[[int], str], times: int) -> None:
    """No other error, as that of a stack, may come out, on a stack like the worker's."""
    text = make(times)
    outcome: list[object] = []

    def run() -> None:
        try:
            readings = read(text)
            rewritten = rewrite(text, readings, MASKS, CATALOG)
            verify(text, rewritten, readings, MASKS, CATALOG)
            outcome.append(readings)
        except StatementError as error:
            outcome.append(error)

    before = threading.stack_size(STACK_BYTES)
    try:
        with shallow():
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
    finally:
        threading.stack_size(before)
    (found,) = outcome
    if isinstance(found, StatementError):
        kinds = (LimitExceeded, NotUnderstood, UndefinedName, SyntaxRefused)
        assert isinstance(found, kinds), found
        assert found.hint or isinstance(found, UndefinedName | SyntaxRefused)


def test_a_target_list_has_as_many_entries_as_postgresqls() -> None:
    columns = ", ".join(["id"] * 1664)
    assert len(read(f"SELECT {columns} FROM patients")[0].facts.outputs) == 1664
    for text in (f"SELECT {columns}, id FROM patients", "SELECT *, *, *, *, *, * FROM clinic.wide"):
        with pytest.raises(UndefinedName) as caught:
            read(text)
        assert (caught.value.code, caught.value.message) == (
            "54011",
            "target lists can have at most 1664 entries",
        )


@pytest.mark.parametrize("one", ["(SELECT * FROM clinic.wide)", "(SELECT w FROM clinic.wide w)"])
def test_columns_of_all_queries_together_are_limited(one: str) -> None:
    text = "SELECT 1 FROM " + ", ".join(f"{one} w{i}" for i in range(200))
    with pytest.raises(LimitExceeded) as caught:
        read(text)
    assert caught.value.message == (
        "the queries of the statement have more than 50000 columns together"
    )


def test_openings_of_comments_in_a_row_are_limited() -> None:
    check_text("SELECT 1 " + "/*" * 32 + " x " + "*/" * 32, DEFAULT_LIMITS)
    check_text("SELECT 1 " + "/* " * 5000 + "*/ " * 5000 + "/***** banner *****/", DEFAULT_LIMITS)
    with pytest.raises(LimitExceeded) as caught:
        check_text("SELECT 1 " + "/*" * 50_000 + "*/" * 50_000, DEFAULT_LIMITS)
    assert caught.value.message == "more than 32 comments begin one directly after the other"


def test_views_over_views_are_followed_far() -> None:
    views = [
        table(
            1000 + i,
            f"v{i}",
            "a text",
            kind=RelationKind.VIEW,
            definition=f"SELECT a FROM clinic.v{i - 1};" if i else "SELECT ssn AS a FROM patients;",
        )
        for i in range(400)
    ]
    path = ("pg_catalog", "clinic")
    catalog: Snapshot = replace(SNAPSHOT, relations=(*RELATIONS, *views), definition_path=path)
    sources = column_sources(catalog)
    assert (101, 3) in sources[1399, 1]
    (reading,) = analyze("SELECT a FROM v399", catalog, SessionView("x", path), DEFAULT_LIMITS)
    assert not reading.facts.opaque
