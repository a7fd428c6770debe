"""Denials about tables hold for whatever takes these along, and for nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, LiteralString, cast

import psycopg
import pytest

from .conftest import Factory
from .proxies import ALLOWING_RULES, Guarded

pytestmark = pytest.mark.pg

SCHEMA = """
CREATE SCHEMA clinic;
CREATE SCHEMA attic;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE colour AS ENUM ('red');
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION idle() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE clinic.wards (id int PRIMARY KEY, name text);
CREATE TABLE clinic.history (id int, m mood, ward int REFERENCES clinic.wards);
CREATE TRIGGER stamped BEFORE UPDATE ON clinic.history FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TABLE clinic.painted (c colour DEFAULT 'red');
CREATE TABLE clinic.visits (id int, at date) PARTITION BY RANGE (id);
CREATE TABLE clinic.visits_old PARTITION OF clinic.visits FOR VALUES FROM (0) TO (100);
CREATE TABLE clinic.visits_new PARTITION OF clinic.visits FOR VALUES FROM (100) TO (200);
CREATE TABLE clinic.lonely (id int) PARTITION BY RANGE (id);
CREATE TABLE clinic.lonely_1 PARTITION OF clinic.lonely FOR VALUES FROM (0) TO (100);
CREATE TABLE attic.history (id int);
CREATE TABLE clinic.rest (id int);
"""
RULES = """  - id: history-stays
    deny: [ddl]
    tables: [clinic.history, clinic.visits_old, attic.*]
    because: we keep what we wrote
"""
REFUSED = {
    "DROP TYPE mood CASCADE": "dropping type mood, which reaches clinic.history,",
    "DROP FUNCTION stamp() CASCADE": "dropping function stamp, which reaches clinic.history,",
    "DROP TABLE clinic.wards CASCADE": "dropping clinic.wards, which reaches clinic.history,",
    "TRUNCATE clinic.wards CASCADE": "truncating clinic.history",
    "TRUNCATE clinic.visits": "truncating clinic.visits, which reaches clinic.visits_old,",
    "DROP TABLE clinic.visits": "dropping clinic.visits, which reaches clinic.visits_old,",
    "ALTER TABLE clinic.visits ADD COLUMN b int": "altering clinic.visits, which reaches "
    "clinic.visits_old,",
    "CREATE INDEX ON clinic.visits (id)": "creating an object on clinic.visits, which reaches "
    "clinic.visits_old,",
    "DROP SCHEMA clinic CASCADE": "dropping schema clinic, which reaches clinic.history and "
    "clinic.visits_old,",
    "ALTER SCHEMA attic RENAME TO loft": "renaming schema attic, which reaches attic.history,",
    "ALTER TABLE clinic.history OWNER TO CURRENT_USER": "altering clinic.history",
    "ALTER TABLE clinic.history ENABLE ROW LEVEL SECURITY": "altering clinic.history",
    "ALTER SCHEMA attic OWNER TO CURRENT_USER": "changing the owner of schema attic, which "
    "reaches attic.history,",
    "DROP OWNED BY CURRENT_USER": "dropping everything that a role owns",
    "DROP DATABASE nosuch": "dropping database nosuch",
    "SET search_path = public; RESET search_path; DROP TABLE history": "a statement behind one of "
    "its string that may change which tables it means",
}
REFUSALS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)
ALLOWED = (
    "DROP TYPE mood",  # which the server refuses
    "DROP TYPE colour CASCADE",
    "DROP FUNCTION idle() CASCADE",
    "TRUNCATE clinic.visits_new",
    "TRUNCATE clinic.lonely",
    "DROP TABLE clinic.lonely",
    "ALTER TABLE clinic.visits RENAME TO calls",
    "ALTER TABLE clinic.wards ADD COLUMN b int",
    "ALTER TABLE clinic.wards DROP COLUMN name CASCADE",
    "ALTER TABLE clinic.rest OWNER TO CURRENT_USER",
    "ALTER TYPE mood ADD VALUE 'fine'",
    "ALTER ROLE CURRENT_USER SET work_mem = '4MB'",
    "SET search_path = clinic; DROP TABLE rest",
)


@pytest.fixture(scope="module")
def guarded(pg_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("denied")
    rules = folder / "rules"
    rules.mkdir()
    text = ALLOWING_RULES.replace("defaults:", RULES + "defaults:")
    (rules / "rules.yaml").write_text(text, "utf-8")
    database = pg_server.create_database()
    database.execute(SCHEMA)
    with ExitStack() as stack:
        stack.callback(database.drop)
        yield Factory(stack, folder)(database, rules=rules, durability="buffered")


@pytest.fixture
def session(guarded: Guarded, pg_server: Any) -> Iterator[psycopg.Connection[Any]]:
    """Somebody whom the server lets do anything."""
    dsn = guarded.dsn(pg_server.superuser, password=pg_server.password())
    with closing(psycopg.connect(dsn, autocommit=True)) as connection:
        yield connection


def test_what_reaches_a_denied_table_is_refused(session: psycopg.Connection[Any]) -> None:
    for statement, about in REFUSED.items():
        with pytest.raises(REFUSALS) as caught:
            session.execute(cast(LiteralString, statement))
        told = str(caught.value.diag.message_primary)
        assert told == f"{about} is denied by rule history-stays: we keep what we wrote"
    counts = "SELECT count(*) FROM pg_class WHERE relname = ANY (%s)"
    kept = ["history", "wards", "visits", "visits_old"]
    assert session.execute(counts, [kept]).fetchone() == (5,)


@pytest.mark.parametrize("statement", ALLOWED)
def test_what_does_not_is_allowed(session: psycopg.Connection[Any], statement: str) -> None:
    with session.transaction(force_rollback=True):
        try:
            session.execute(cast(LiteralString, statement))
        except psycopg.errors.DependentObjectsStillExist:
            assert "CASCADE" not in statement
