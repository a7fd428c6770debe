"""Which columns of a real catalog are classified when a handful of them are by name."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from dbguard.catalog.loading import load_snapshot
from dbguard.policy.binding import BoundPolicy, Remembered, bind
from dbguard.policy.loading import load_documents
from dbguard.sql.lineage import column_sources, unreadable_views
from dbguard.sql.snapshot import Snapshot
from tests.conftest import run_apart

pytestmark = pytest.mark.pg

RULES = """
classification:
  - {tag: ssn, columns: [h.patients.ssn, h.visits.ssn, h.people.ssn]}
  - {tag: dob, columns: [h.patients.dob]}
rules: [{id: r, allow: [read]}]
"""

SETUP = """
CREATE SCHEMA h;
CREATE TABLE h.patients (id int PRIMARY KEY, ssn text UNIQUE, dob date, sex text);
CREATE TABLE h.visits (id int, ssn text, at date) PARTITION BY RANGE (at);
CREATE TABLE h.visits_1 PARTITION OF h.visits FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE h.visits_2 PARTITION OF h.visits FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')
  PARTITION BY LIST (id);
CREATE TABLE h.visits_2_1 PARTITION OF h.visits_2 FOR VALUES IN (1);
CREATE TABLE h.visits_3 (at date, extra text, ssn text, id int);
ALTER TABLE h.visits_3 DROP COLUMN extra;
ALTER TABLE h.visits ATTACH PARTITION h.visits_3 FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE h.people (id int, ssn text);
CREATE TABLE h.staff (badge text) INHERITS (h.people);
CREATE TABLE h.rooms (room text);
CREATE TABLE h.doctors (ward text) INHERITS (h.staff, h.rooms);

CREATE VIEW h.v1 AS SELECT id, ssn AS number, upper(ssn) AS up, dob > now() AS odd FROM h.patients;
CREATE VIEW h.v2 AS SELECT number || 'x' AS n, id, up IS NULL AS gone FROM h.v1;
CREATE VIEW h.v3 WITH (security_barrier) AS SELECT n FROM h.v2;
CREATE VIEW h.v4 AS SELECT (SELECT max(n) FROM h.v3) AS deep, count(*) AS c,
  count(n) AS k FROM h.v3;
CREATE VIEW h.v5 AS SELECT p AS whole, row_to_json(p) AS doc, p.id FROM h.patients p;
CREATE VIEW h.v6 AS WITH RECURSIVE t(x, d) AS (
  SELECT ssn, 1 FROM h.patients UNION ALL SELECT x || '.', d + 1 FROM t WHERE d < 3)
  SELECT x, d FROM t;
CREATE VIEW h.v7 AS SELECT j.key, j.value FROM h.patients p, jsonb_each(to_jsonb(p)) j;
CREATE VIEW h.v8 AS SELECT array_agg(ssn) AS all_of_them, sex FROM h.patients GROUP BY sex;
CREATE VIEW h.v9 AS SELECT ssn FROM h.visits_2_1 UNION SELECT sex FROM h.patients;
CREATE MATERIALIZED VIEW h.m1 AS SELECT id, dob AS day FROM h.patients;
CREATE VIEW h.v10 AS SELECT day, id FROM h.m1;
CREATE VIEW h.odd AS SELECT sex AS a FROM h.patients;
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO h.odd DO INSTEAD SELECT ssn AS a FROM h.patients;

CREATE TABLE h.computed (id int, ssn text, last4 text GENERATED ALWAYS AS (right(ssn, 4)) STORED);
CREATE TABLE h.referencing (id int REFERENCES h.patients, number text REFERENCES h.patients (ssn));
CREATE TABLE h.further (number text UNIQUE REFERENCES h.patients (ssn));
CREATE TABLE h.furthest (n text REFERENCES h.further (number));
CREATE DOMAIN h.patient_domain AS h.patients;
CREATE TYPE h.pair AS (n int, p h.patients);
CREATE TYPE h.plain AS (n int, ssn text);
CREATE TABLE h.archive (id int, one h.patients, many h.patients[], dom h.patient_domain,
  two h.pair, three h.pair[], harmless h.plain, doc jsonb);
CREATE VIEW h.v11 AS SELECT (one).id AS i, (two).p AS p, id FROM h.archive;
CREATE TABLE h."like" (LIKE h.patients INCLUDING ALL);
CREATE TABLE h.typed OF h.plain;

CREATE FUNCTION h.all_patients() RETURNS SETOF h.patients LANGUAGE plpgsql AS
  'BEGIN RETURN QUERY SELECT * FROM h.patients; END';
CREATE VIEW h.v12 AS SELECT id FROM h.all_patients();
CREATE MATERIALIZED VIEW h.m2 AS SELECT sex FROM h.all_patients();
CREATE INDEX ON h.patients (upper(ssn));
CREATE STATISTICS h.both (dependencies) ON ssn, dob FROM h.patients;
CREATE SEQUENCE h.numbers OWNED BY h.patients.ssn;
"""
NEWER = {
    150000: "CREATE VIEW h.v20 WITH (security_invoker) AS SELECT n FROM h.v3;",
    180000: "CREATE TABLE h.virtual "
    "(id int, ssn text, v text GENERATED ALWAYS AS (right(ssn, 4)));",
}

EXPECTED = {
    "patients": {"ssn": "ssn", "dob": "dob"},
    "visits": {"ssn": "ssn"},
    "visits_1": {"ssn": "ssn"},
    "visits_2": {"ssn": "ssn"},
    "visits_2_1": {"ssn": "ssn"},
    "visits_3": {"ssn": "ssn"},
    "people": {"ssn": "ssn"},
    "staff": {"ssn": "ssn"},
    "doctors": {"ssn": "ssn"},
    "rooms": {},
    "v1": {"number": "ssn", "up": "ssn", "odd": "dob"},
    "v2": {"n": "ssn"},
    "v3": {"n": "ssn"},
    "v4": {"deep": "ssn"},
    "v5": {"whole": "dob ssn", "doc": "dob ssn"},
    "v6": {"x": "ssn"},
    "v7": {"key": "dob ssn", "value": "dob ssn"},
    "v8": {"all_of_them": "ssn"},
    "v9": {"ssn": "ssn"},
    "m1": {"day": "dob"},
    "v10": {"day": "dob"},
    "odd": {"a": "ssn"},
    "computed": {},
    "referencing": {"number": "ssn"},
    "further": {"number": "ssn"},
    "furthest": {"n": "ssn"},
    "archive": dict.fromkeys(("one", "many", "dom", "two", "three"), "dob ssn"),
    "v11": {"i": "dob ssn", "p": "dob ssn"},
    "like": {},
    "typed": {},
    # nobody can tell what they hold
    "v12": {"id": "dob ssn system.values"},
    "m2": {"sex": "dob ssn system.values"},
    "v20": {"n": "ssn"},
    "virtual": {},
}


def read(database: Any, epoch: int = 1) -> Snapshot:
    async def load() -> Snapshot:
        connection = await asyncpg.connect(database.dsn(), server_settings={"search_path": ""})
        try:
            return await load_snapshot(connection, epoch)
        finally:
            await connection.close()

    return run_apart(load())


def bound_to(
    snapshot: Snapshot,
    previous: dict[tuple[int, int], Remembered] | None = None,
    rules: str = RULES,
) -> BoundPolicy:
    policy = load_documents({"r": rules})
    unreadable = unreadable_views(snapshot)
    return bind(policy, snapshot, column_sources(snapshot), unreadable, previous or {})


def tags(bound: BoundPolicy, table: str) -> dict[str, str]:
    relation = bound.snapshot.relation_by_name["h", table]
    found = {c.name: bound.tags_of(relation.oid, c.number) for c in relation.columns}
    return {name: " ".join(sorted(tags)) for name, tags in found.items() if tags}


@pytest.fixture(scope="module")
def bound(module_database: Any) -> BoundPolicy:
    module_database.execute(SETUP)
    for version, statement in NEWER.items():
        if module_database.server.version >= version:
            module_database.execute(statement)
    return bound_to(read(module_database))


@pytest.mark.parametrize("table", EXPECTED)
def test_tags(bound: BoundPolicy, table: str) -> None:
    if ("h", table) not in bound.snapshot.relation_by_name:
        pytest.skip("this server has no such table")
    assert tags(bound, table) == EXPECTED[table]


def test_generated_columns_follow_their_own_table(bound: BoundPolicy) -> None:
    more = RULES.replace("h.people.ssn", "h.people.ssn, h.computed.ssn, h.virtual.ssn")
    found = bound_to(bound.snapshot, rules=more)
    assert tags(found, "computed") == {"ssn": "ssn", "last4": "ssn"}
    if ("h", "virtual") in bound.snapshot.relation_by_name:
        assert tags(found, "virtual") == {"ssn": "ssn", "v": "ssn"}


PARTING = {
    "detach": ("ALTER TABLE h.visits DETACH PARTITION h.visits_1", "visits_1"),
    "drop the parent": (
        "ALTER TABLE h.visits DETACH PARTITION h.visits_3; DROP TABLE h.visits CASCADE",
        "visits_3",
    ),
    "no inherit": ("ALTER TABLE h.staff NO INHERIT h.people", "staff"),
    "drop the foreign key": (
        "ALTER TABLE h.referencing DROP CONSTRAINT referencing_number_fkey",
        "referencing",
    ),
    "rename the child": (
        "ALTER TABLE h.visits DETACH PARTITION h.visits_1;"
        "ALTER TABLE h.visits_1 RENAME COLUMN ssn TO number; ALTER TABLE h.visits_1 RENAME TO old",
        "old",
    ),
}


@pytest.mark.parametrize("how", PARTING)
def test_parting_keeps_the_tags(pg_database: Any, how: str) -> None:
    pg_database.execute(SETUP)
    before = bound_to(read(pg_database))
    statement, table = PARTING[how]
    pg_database.execute(statement)
    snapshot = read(pg_database, 2)
    after = bound_to(snapshot, dict(before.remember()))
    assert list(tags(after, table).values()) == ["ssn"]
    assert any(f"h.{table}." in line for line in after.drift)
    third = bound_to(snapshot, dict(after.remember()))
    assert list(tags(third, table).values()) == ["ssn"]
    declassified = f"{RULES}\ndeclassified: ['h.*.*']"
    assert tags(bound_to(snapshot, dict(after.remember()), declassified), table) == {}
    # a parent loses what it only showed
    if how == "no inherit":
        assert tags(after, "rooms") == {}
