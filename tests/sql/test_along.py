"""What statements act on without naming it, and that a server agrees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import pytest

from dbguard.catalog.loading import SNAPSHOT_QUERY, parse_snapshot
from dbguard.catalog.saved import dump, load
from dbguard.sql.analysis import analyze
from dbguard.sql.facts import StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import SessionView, Snapshot

pytestmark = pytest.mark.pg

FOLDER = Path(__file__).parent / "along"
CASES = [
    tuple(line.rsplit(" => ", 1))
    for line in (FOLDER / "statements.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
VIEW = SessionView("postgres", ("pg_catalog", "public"))
STATES = """
SELECT r.oid, r.name, concat_ws('|', r.name, r.relfilenode, r.relowner, r.reloftype,
  (SELECT string_agg(format('%s %s %s %s', attname, atttypid, atttypmod, attcollation), ','
      ORDER BY attnum)
    FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped),
  (SELECT string_agg(adbin::text, ',' ORDER BY adnum) FROM pg_attrdef
    WHERE adrelid = r.oid),
  (SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE conrelid = r.oid),
  (SELECT string_agg(tgname, ',' ORDER BY tgname) FROM pg_trigger
    WHERE tgrelid = r.oid AND NOT tgisinternal),
  (SELECT string_agg(polname, ',' ORDER BY polname) FROM pg_policy WHERE polrelid = r.oid),
  (SELECT string_agg(indexrelid::text, ',' ORDER BY indexrelid) FROM pg_index
    WHERE indrelid = r.oid),
  (SELECT string_agg(b.atttypid::text, ',' ORDER BY b.attnum) FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid JOIN pg_attribute b ON b.attrelid = t.typrelid
    JOIN pg_class y ON y.oid = t.typrelid AND y.relkind = 'c'
    WHERE a.attrelid = r.oid AND b.attnum > 0 AND NOT b.attisdropped))
FROM (
  SELECT c.*, n.nspname || '.' || c.relname AS name FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = ANY ('{r,p,v,m,f}') AND n.nspname = ANY ('{clinic,attic,tools,loft}')) r
"""
"""Every relation and what it looks like, by its OID."""


@pytest.fixture(scope="module")
def database(pg_server: Any) -> Iterator[Any]:
    found = pg_server.create_database()
    found.execute((FOLDER / "schema.sql").read_text("utf-8"))
    yield found
    found.drop()


@pytest.fixture(scope="module")
def snapshot(database: Any) -> Snapshot:
    ((document,),) = database.execute(SNAPSHOT_QUERY)
    return parse_snapshot(document, 1)


def facts(statement: str, snapshot: Snapshot) -> StatementFacts:
    return analyze(statement, snapshot, VIEW, DEFAULT_LIMITS)[0].facts


@pytest.mark.parametrize(("statement", "expected"), CASES)
def test_what_goes_along(statement: str, expected: str, snapshot: Snapshot, database: Any) -> None:
    found = facts(statement, snapshot)
    along = {f"{use.schema}.{use.name}" for use in found.along}
    told = set() if expected == "-" else set(expected.split())
    assert along == {name.removeprefix("~") for name in told}
    assert {use.action for use in found.along} <= {found.action}
    changed = _changed_by(statement, database)
    named = {f"{use.schema}.{use.name}" for use in found.relations}
    assert changed - named == {name for name in told if not name.startswith("~")}


def _changed_by(statement: str, database: Any) -> set[str]:
    with psycopg.connect(database.dsn()) as connection:
        before = {oid: (name, state) for oid, name, state in connection.execute(STATES)}
        try:
            connection.execute(cast(LiteralString, statement))
        except psycopg.errors.DependentObjectsStillExist:
            return set()  # what is not allowed to go along does not
        after = {oid: (name, state) for oid, name, state in connection.execute(STATES)}
        connection.rollback()
    return {name for oid, (name, _) in before.items() if after.get(oid) != before[oid]}


def test_saved_snapshots_tell_the_same(snapshot: Snapshot) -> None:
    saved = load(dump(snapshot))
    statement = "DROP TYPE tools.mood CASCADE"
    assert facts(statement, saved).along == facts(statement, snapshot).along != ()
