"""Functions that may run DDL, as far as their source says so."""

from __future__ import annotations

from typing import Any

import pytest

from dbguard.catalog.loading import SNAPSHOT_QUERY, parse_snapshot

pytestmark = pytest.mark.pg

BODIES = {
    "CREATE OR REPLACE VIEW v AS SELECT 1;": True,
    "create\n table t (a int);": True,
    "EXECUTE format('CREATE MATERIALIZED VIEW %I AS SELECT 1', 'x');": True,
    "EXECUTE 'alter table t rename a to b';": True,
    "ALTER SCHEMA a RENAME TO b;": True,
    "CREATE UNLOGGED TABLE t (a int);": True,
    "CREATE TEMP TABLE t (a int);": False,
    "DROP TABLE IF EXISTS t;": False,
    "PERFORM create_table('x');": False,
    "RAISE EXCEPTION 'cannot create order';": False,
    "-- create the order\n INSERT INTO o VALUES (1);": False,
    "PERFORM 1;": False,
}


def test_what_sources_say(pg_server: Any) -> None:
    database = pg_server.create_database()
    try:
        for number, body in enumerate(BODIES):
            database.execute(
                f"CREATE FUNCTION f{number}() RETURNS void LANGUAGE plpgsql AS "
                f"$$ BEGIN {body} END $$"
            )
        database.execute(
            "CREATE FUNCTION calm() RETURNS int STABLE LANGUAGE plpgsql AS "
            "'BEGIN CREATE TABLE t (); RETURN 1; END'"
        )
        ((document,),) = database.execute(SNAPSHOT_QUERY)
    finally:
        database.drop()
    found = {f.name: f.defines for f in parse_snapshot(document, 1).functions}
    assert [found[f"f{number}"] for number in range(len(BODIES))] == list(BODIES.values())
    assert not found["calm"]
    assert not found["now"]
