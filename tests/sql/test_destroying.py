"""What statements can destroy, and that a server agrees: run, they lose what the table says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import pytest

from dbguard.catalog.loading import SNAPSHOT_QUERY, parse_snapshot
from dbguard.sql.analysis import analyze
from dbguard.sql.destruction import Destruction, Reach
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import SessionView, Snapshot

pytestmark = pytest.mark.pg

FOLDER = Path(__file__).parent / "destroying"
LINES = [
    line
    for line in (FOLDER / "statements.txt").read_text("utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]
CASES = [tuple(line.removeprefix("! ").split(" => ")) for line in LINES]
VIEW = SessionView("postgres", ("pg_catalog", "public"))

KEPT = """
SELECT 'class', to_jsonb(c) - ARRAY['relhasindex', 'relhastriggers', 'relhasrules', 'relnatts',
    'relchecks', 'reltuples', 'relpages', 'relallvisible', 'relallfrozen', 'relfrozenxid',
    'relminmxid', 'relhassubclass', 'reltoastrelid', 'relacl', 'relrowsecurity', 'relispartition',
    'relpartbound'] FROM pg_class c WHERE c.relnamespace >= 16384
UNION ALL SELECT 'attribute', to_jsonb(a) - ARRAY['attnotnull', 'attstattarget', 'attinhcount',
    'attislocal']
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace >= 16384
UNION ALL SELECT 'not null', to_jsonb(ARRAY[attrelid::text, attnum::text])
    FROM pg_attribute WHERE attnotnull AND attrelid >= 16384
UNION ALL SELECT 'default', to_jsonb(d) FROM pg_attrdef d
UNION ALL SELECT 'constraint', to_jsonb(k) - ARRAY['connoinherit', 'conparentid', 'coninhcount']
    FROM pg_constraint k WHERE connamespace >= 16384
UNION ALL SELECT 'trigger', to_jsonb(t) FROM pg_trigger t WHERE NOT tgisinternal
UNION ALL SELECT 'policy', to_jsonb(p) FROM pg_policy p
UNION ALL SELECT 'rule', to_jsonb(r) - 'oid' FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class
    WHERE c.relnamespace >= 16384
UNION ALL SELECT 'function', to_jsonb(f) FROM pg_proc f WHERE pronamespace >= 16384
UNION ALL SELECT 'type', to_jsonb(t) - 'typacl' FROM pg_type t WHERE typnamespace >= 16384
UNION ALL SELECT 'label', to_jsonb(e) FROM pg_enum e
UNION ALL SELECT 'schema', to_jsonb(n) FROM pg_namespace n WHERE oid >= 16384
UNION ALL SELECT 'extension', to_jsonb(e) FROM pg_extension e
UNION ALL SELECT 'statistics', to_jsonb(s) FROM pg_statistic_ext s
UNION ALL SELECT 'sequence', to_jsonb(s) FROM pg_sequence s
UNION ALL SELECT 'row security', to_jsonb(oid) FROM pg_class WHERE relrowsecurity
UNION ALL SELECT 'partition', to_jsonb(oid) FROM pg_class WHERE relispartition
UNION ALL SELECT 'parent', to_jsonb(i) FROM pg_inherits i
UNION ALL SELECT 'right', to_jsonb(ARRAY[c.oid::text, a.grantee::text, a.privilege_type])
    FROM pg_class c, aclexplode(c.relacl) a WHERE relnamespace >= 16384
UNION ALL SELECT 'default right', to_jsonb(ARRAY[d.oid::text, a.grantee::text, a.privilege_type])
    FROM pg_default_acl d, aclexplode(d.defaclacl) a
"""
"""Everything there is, but for what says only that something was added."""


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


def told(found: Destruction) -> str:
    if found.additive:
        return "additive"
    reach = "" if found.reach is Reach.NAMED else f"{found.reach.name.lower()}:"
    return " ".join([reach, *sorted(found.names)]).strip()


@pytest.mark.parametrize(("statement", "expected"), CASES, ids=[c[0][:60] for c in CASES])
def test_what_a_statement_can_destroy(snapshot: Snapshot, statement: str, expected: str) -> None:
    (reading,) = analyze(statement, snapshot, VIEW, DEFAULT_LIMITS)
    found = reading.facts.destroys
    if expected == "*":
        assert len(found.relations) >= 9
    else:
        assert told(found) == expected
    assert found.additive or found.reason


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 100


def test_a_server_loses_what_the_table_says(database: Any) -> None:
    """Additive statements take nothing away, and the others something."""
    wrong = []
    with psycopg.connect(database.dsn(), autocommit=True) as connection:
        before = {(kind, str(row)) for kind, row in connection.execute(KEPT)}
        after = before
        for line in LINES:
            if line.startswith("! "):
                continue
            statement, _, expected = line.partition(" => ")
            connection.execute("BEGIN")
            try:
                connection.execute(cast(LiteralString, statement))
                after = {(kind, str(row)) for kind, row in connection.execute(KEPT)}
            except psycopg.Error as error:
                wrong.append((statement, expected, [str(error)]))
            finally:
                connection.execute("ROLLBACK")
            lost = before - after
            if bool(lost) is (expected == "additive"):
                wrong.append((statement, expected, sorted(kind for kind, _ in lost)))
    assert wrong == []
