"""Bulk statements: constants are passed by, and nothing else is."""

from __future__ import annotations

import pytest

from dbguard.errors import LimitExceeded
from dbguard.sql import referee
from dbguard.sql.alike import OTHERS
from dbguard.sql.analysis import analyze
from dbguard.sql.constants import blanked
from dbguard.sql.facts import StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.redact import redact
from dbguard.sql.snapshot import SessionView

from .catalogs import SNAPSHOT, VIEW

LONG = 3_000


def facts(text: str, view: SessionView = VIEW) -> StatementFacts:
    (reading,) = analyze(text, SNAPSHOT, view, DEFAULT_LIMITS)
    return reading.facts


def repeated(item: str, count: int = LONG) -> str:
    return ", ".join(item.format(i) for i in range(count))


SHORTENED = [
    f"SELECT id FROM patients WHERE id IN ({repeated('{}')})",
    f"SELECT id FROM patients WHERE id IN ({repeated('-{}')})",
    f"SELECT id FROM patients WHERE ssn IN ({repeated(chr(39) + 'ä{}' + chr(39))})",
    f"SELECT id FROM patients WHERE id = ANY (ARRAY[{repeated('{}')}])",
    f"INSERT INTO notes (body, author) VALUES {repeated('(NULL, {})')}",
    f"INSERT INTO notes (body) VALUES {repeated('($1{})')}",
    "INSERT INTO notes (id, body) VALUES " + repeated("(DEFAULT, 'b{}'), (DEFAULT, NULL)"),
    "INSERT INTO notes (id, body) VALUES " + repeated("({}, 'x'::text)"),
    f"SELECT * FROM (VALUES {repeated('({}, true)')}) v (a, b)",
]


@pytest.mark.parametrize("sql", SHORTENED, ids=lambda s: s[:60])
def test_facts_are_those_of_a_short_list(sql: str) -> None:
    short = sql
    opening = sql.index("ARRAY[") + 6 if "ARRAY[" in sql else None
    if opening is not None:
        short = sql[:opening] + "1, 2" + sql[sql.index("]") :]
    elif " IN (" in sql:
        inner = sql.index(" IN (") + 5
        short = sql[:inner] + ", ".join(sql[inner:-1].split(", ")[:3]) + ")"
    elif "VALUES" in sql:
        head, _, rows = sql.partition("VALUES ")
        tail = rows[rows.rindex(")") + 1 :] if not rows.endswith("(a, b)") else ") v (a, b)"
        short = head + "VALUES " + "), ".join(rows.split("), ")[:3]) + ")" + tail
    assert facts(sql) == facts(short)
    assert not facts(sql).opaque


@pytest.mark.parametrize("sql", SHORTENED, ids=lambda s: s[:60])
def test_blanks_keep_every_place(sql: str) -> None:
    given = blanked(sql, sql.encode(), referee.scan(sql), 0)
    assert len(given) == len(sql)
    assert all(a in (b, " ") for a, b in zip(given, sql, strict=True))
    assert len(given.split()) < 60


HIDDEN = [
    f"SELECT id FROM patients WHERE id IN ({repeated('{}')}, length(ssn))",
    f"SELECT id FROM patients WHERE id IN (length(ssn), {repeated('{}')})",
    f"SELECT id FROM patients WHERE id IN ({repeated('{}')}, (SELECT max(length(ssn)) "
    f"FROM patients), {repeated('{}')})",
    f"SELECT * FROM (VALUES {repeated('({})')}, ((SELECT max(length(ssn)) FROM patients)), "
    f"{repeated('({})')}) v",
    f"SELECT * FROM patients p, LATERAL (VALUES {repeated('({})')}, (length(p.ssn))) v",
    f"SELECT ARRAY[{repeated('{}')}, length(ssn)] FROM patients",
    f"SELECT id FROM patients WHERE (id, ssn) IN ({repeated('({}, NULL)')})",
    f"SELECT id FROM patients WHERE id IN ({repeated('{}')}) AND ssn IS NOT NULL",
]


@pytest.mark.parametrize("sql", HIDDEN, ids=lambda s: s[:40] + "…" + s[-40:])
def test_a_column_among_constants_is_seen(sql: str) -> None:
    found = facts(sql)
    assert "clinic.patients.ssn" in {str(use.column) for use in found.columns}
    assert not found.opaque


def test_other_values_still_make_another_tree() -> None:
    one = f"SELECT 1 WHERE 1 IN ({repeated('{}')})"
    (first,) = referee.parse(one)
    (same,) = referee.parse(one.replace("WHERE", " WHERE "))
    (other,) = referee.parse(one.replace(" 2000,", " 7000,"))
    listed = [s.node["whereClause"]["A_Expr"]["rexpr"]["List"] for s in (first, same, other)]
    assert len(listed[0]["items"]) == 1
    assert listed[0][OTHERS] == listed[1][OTHERS] != listed[2][OTHERS]


def test_a_cast_to_another_type_is_kept() -> None:
    rows = repeated("('{}'::text)") + ", ('x'::clinic.nosuch)"
    (statement,) = referee.parse(f"INSERT INTO notes (body) VALUES {rows}")
    select = statement.node["selectStmt"]["SelectStmt"]
    assert len(select["valuesLists"]) == 2


@pytest.mark.parametrize("sql", SHORTENED, ids=lambda s: s[:60])
def test_records_hold_no_literal(sql: str) -> None:
    assert "2999" not in redact(sql).replace("$12999", "")


def test_a_megabyte_of_constants_is_within_the_limits() -> None:
    listed = f"SELECT id FROM patients WHERE id IN ({repeated('{:07}', 105_000)})"
    rows = "INSERT INTO notes (body) VALUES " + repeated("('{:05}')", 90_000)
    for sql in (listed, rows):
        assert 900_000 < len(sql) < DEFAULT_LIMITS.max_text_bytes
        assert not facts(sql).opaque
    with pytest.raises(LimitExceeded, match="more than 100000 tokens"):
        facts("SELECT " + repeated("id", 60_000) + " FROM patients")
