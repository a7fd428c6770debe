"""The walk that proves that no name was overlooked finds every name."""

from __future__ import annotations

import pytest

from dbguard.sql import referee
from dbguard.sql.resolver.completeness import check_complete
from dbguard.sql.resolver.context import Context
from dbguard.sql.resolver.earlier import Names
from dbguard.sql.resolver.ledger import Ledger
from dbguard.sql.resolver.queries import query

from .catalogs import SNAPSHOT, VIEW


def overlooked(sql: str) -> list[str]:
    """What the walk says when nothing at all was resolved, in order of position."""
    (statement,) = referee.parse(sql)
    context = Context(
        sql.encode(),
        SNAPSHOT,
        VIEW,
        Names(VIEW.search_path),
        Ledger(SNAPSHOT),
        (statement.start, statement.end),
        query,
    )
    found = sorted(check_complete(context, statement), key=lambda o: o.position or 0)
    return [sql[(o.position or 0) - 1 :].split()[0] for o in found]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT a FROM t", ["a", "t"]),
        ("SELECT lower( a )", ["lower(", "a"]),
        ("INSERT INTO t SELECT b FROM u", ["t", "b", "u"]),
        ("UPDATE t SET x = y", ["t", "y"]),
        ("SELECT 1 WHERE EXISTS (SELECT c FROM v )", ["c", "v"]),
        ("COPY t TO STDOUT", ["t"]),
        ("EXPLAIN SELECT a", ["a"]),
        ("SELECT max(x) OVER (PARTITION BY p ORDER BY o )", ["max(x)", "x)", "p", "o"]),
        ("DROP TABLE t", []),
    ],
)
def test_every_name_is_missed_when_nothing_is_resolved(sql: str, names: list[str]) -> None:
    assert overlooked(sql) == names
