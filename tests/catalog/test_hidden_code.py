"""Code that runs without being called, as the catalog tells it."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from dbguard.catalog.loading import parse_snapshot, read_document
from dbguard.sql.snapshot import RULE, Snapshot
from tests.conftest import run_apart

pytestmark = pytest.mark.pg

SETUP = """
CREATE FUNCTION t_check(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION t_default() RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;
CREATE FUNCTION t_index(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION t_policy(int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
CREATE FUNCTION t_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE DOMAIN d AS text CHECK (t_check(VALUE));
CREATE DOMAIN dd AS d;
CREATE TYPE comp AS (a int, b dd);
CREATE TYPE e AS ENUM ('x');
CREATE FUNCTION t_cast(e) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'x'$$;
CREATE CAST (e AS text) WITH FUNCTION t_cast(e) AS IMPLICIT;
CREATE FUNCTION t_operator(e, e) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR ### (leftarg = e, rightarg = e, function = t_operator);
CREATE TABLE harmless (a int PRIMARY KEY, b text DEFAULT now()::text CHECK (b <> ''));
CREATE INDEX ON harmless (lower(b));
CREATE TABLE with_default (a int, b text DEFAULT t_default());
CREATE TABLE with_check (a int, b text CHECK (t_check(b)));
CREATE TABLE with_index (a int);
CREATE INDEX ON with_index ((t_index(a)));
CREATE TABLE with_policy (a int);
ALTER TABLE with_policy ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON with_policy USING (t_policy(a));
CREATE TABLE with_trigger (a int);
CREATE TRIGGER t BEFORE INSERT ON with_trigger FOR EACH ROW EXECUTE FUNCTION t_trigger();
CREATE TABLE with_rule (a int);
CREATE RULE r AS ON INSERT TO with_rule DO INSTEAD NOTHING;
CREATE TABLE with_domain (a int, b comp);
CREATE TABLE with_enum (a e[]);
CREATE TABLE with_operator (a e, CHECK (a ### a));
CREATE TABLE parent (a int);
CREATE TABLE child (CHECK (t_check(a::text))) INHERITS (parent);
CREATE TABLE referenced (a int PRIMARY KEY);
CREATE TABLE referencing (a int REFERENCES referenced ON DELETE CASCADE);
CREATE TRIGGER t BEFORE DELETE ON referencing FOR EACH ROW EXECUTE FUNCTION t_trigger();
CREATE VIEW over_trigger AS SELECT a FROM with_trigger;
CREATE VIEW calling AS SELECT t_default() AS x;
CREATE VIEW filtering AS SELECT 1 AS x WHERE t_index(1) = 1;
CREATE VIEW over_calling AS SELECT (SELECT count(*) FROM calling) AS n, a FROM with_trigger;
CREATE VIEW over_policy AS SELECT 1 AS x FROM with_policy;
CREATE VIEW casting AS SELECT lower('x'::dd) AS x;
CREATE VIEW comparing AS SELECT 1 AS x FROM with_enum WHERE a[1] ### a[1];
CREATE MATERIALIZED VIEW stored AS SELECT t_default() AS x;
CREATE VIEW over_stored AS SELECT x FROM stored;
"""

WRITING = {
    "harmless": set(),
    "with_default": {"t_default"},
    "with_check": {"t_check"},
    "with_index": {"t_index"},
    "with_policy": {"t_policy"},
    "with_trigger": {"t_trigger"},
    "with_rule": {RULE},
    "with_domain": {"t_check"},
    "with_enum": {"t_cast"},
    "with_operator": {"t_cast", "t_operator"},
    "parent": {"t_check"},
    "referenced": {"t_trigger"},
    "over_trigger": {"t_trigger"},
}
READING = {"harmless": set(), "with_default": set(), "with_policy": {"t_policy"}}
READING |= {"with_domain": {"t_check"}, "with_enum": {"t_cast"}, "with_trigger": set()}
READING |= {"over_trigger": set(), "calling": {"t_default"}, "filtering": {"t_index"}}
READING |= {"over_calling": {"t_default"}, "over_policy": {"t_policy"}, "casting": {"t_check"}}
READING |= {"comparing": {"t_cast", "t_operator"}, "stored": set(), "over_stored": set()}
TYPES = {"d": {"t_check"}, "dd": {"t_check"}, "comp": {"t_check"}, "e": {"t_cast"}}
TYPES |= {"_d": {"t_check"}, "_e": {"t_cast"}}


@pytest.fixture(scope="module")
def snapshot(module_database: Any) -> Snapshot:
    module_database.execute(SETUP)

    async def read() -> str:
        connection = await asyncpg.connect(
            module_database.dsn(), server_settings={"search_path": ""}
        )
        try:
            return await read_document(connection)
        finally:
            await connection.close()

    return parse_snapshot(run_apart(read()), 1)


def names(snapshot: Snapshot, functions: tuple[int, ...]) -> set[object]:
    return {oid if oid == RULE else snapshot.function_by_oid[oid].name for oid in functions}


@pytest.mark.parametrize("table", WRITING)
def test_writing(snapshot: Snapshot, table: str) -> None:
    relation = snapshot.relation_by_name["public", table]
    assert names(snapshot, relation.write_code) == WRITING[table]


@pytest.mark.parametrize("table", READING)
def test_reading(snapshot: Snapshot, table: str) -> None:
    relation = snapshot.relation_by_name["public", table]
    assert names(snapshot, relation.read_code) == READING[table]


@pytest.mark.parametrize("name", TYPES)
def test_types(snapshot: Snapshot, name: str) -> None:
    (info,) = snapshot.types_by_name[name]
    assert names(snapshot, info.code) == TYPES[name]


def test_system_relations_run_nothing_else(snapshot: Snapshot) -> None:
    for relation in snapshot.relations:
        if relation.schema in ("pg_catalog", "information_schema"):
            assert relation.read_code == (), relation.name
