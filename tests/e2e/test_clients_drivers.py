"""What drivers' own test suites do, and once had another result through dbguard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from .proxies import Guarded

pytestmark = pytest.mark.pg


def test_unicode_is_another_name_of_utf8(guard: Callable[..., Guarded], pg_database: Any) -> None:
    """The server reports it as it was given; psycopg2 sets it."""
    pg_database.create_user("app")
    with guard(pg_database, rules=None).connect("app", autocommit=True) as client:
        client.execute("SET client_encoding TO 'UNICODE'")
        assert client.info.parameter_status("client_encoding") == "UNICODE"
        assert client.execute("SELECT '\u2603'::text").fetchone() == ("\u2603",)


def test_cancelled_while_dbguard_asks_the_server(
    guard: Callable[..., Guarded], pg_database: Any
) -> None:
    """What a temporary view changed is looked up first: the cancel request does not go there."""
    pg_database.create_user("app")
    guarded = guard(pg_database, rules=None)
    with guarded.connect("app", autocommit=True) as client:
        for number, delay in enumerate((0.02, 0.04, 0.08, 0.12, 0.16, 0.2, 0.3)):
            client.execute(f"CREATE TEMP VIEW v{number} AS SELECT 1 AS id")
            client.pgconn.send_query(f"SELECT pg_sleep(60), {number}".encode())
            while client.pgconn.flush():
                pass
            time.sleep(delay)  # the statement is on its way, how far makes no difference
            client.cancel_safe()
            result = client.pgconn.get_result()
            assert result is not None
            assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57014", delay
            assert client.pgconn.get_result() is None


def test_cancelled_while_the_statement_is_analysed(
    guard: Callable[..., Guarded], pg_database: Any
) -> None:
    """The first statement takes longest to analyse; its cancel request overtakes it."""
    pg_database.create_user("app")
    guarded = guard(pg_database, rules=None)
    many = "".join(f", {number} AS c{number}" for number in range(1500))
    for delay in (0.0, 0.002, 0.01, 0.05):
        with guarded.connect("app", autocommit=True) as client:
            outcome: list[object] = []

            def work(client: psycopg.Connection[Any], outcome: list[object]) -> None:
                try:
                    outcome.append(client.execute(f"SELECT pg_sleep(5){many}").fetchone())
                except psycopg.Error as error:
                    outcome.append(error.sqlstate)

            thread = threading.Thread(target=work, args=(client, outcome))
            thread.start()
            time.sleep(delay)
            while thread.is_alive():  # one may come before the statement was sent at all
                client.cancel_safe()
                thread.join(1)
            assert outcome == ["57014"], delay
            assert client.execute("SELECT 1").fetchone() == (1,)


ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE query = %s"


def test_a_session_finds_its_own_texts(guard: Callable[..., Guarded], pg_database: Any) -> None:
    """pg-pool counts them."""
    pg_database.create_user("app")
    with guard(pg_database, rules=None).connect("app", autocommit=True) as client:
        text = ACTIVE.replace("%s", "$1")
        assert client.execute(ACTIVE, (text,)).fetchone() == (1,)
        client.execute("PREPARE own AS SELECT name FROM pg_prepared_statements")
        (found,) = client.execute("SELECT statement FROM pg_prepared_statements").fetchall()
        assert found == ("PREPARE own AS SELECT name FROM pg_prepared_statements",)


def test_large_constants(guard: Callable[..., Guarded], pg_database: Any) -> None:
    """psycopg2 writes parameters into the text."""
    pg_database.create_user("app")
    with guard(pg_database, rules=None).connect("app", autocommit=True) as client:
        large = "x" * (20 << 20)
        assert client.execute(f"SELECT '{large}'").fetchone() == (large,)


def test_a_fetch_prepared_before_its_cursor(
    guard: Callable[..., Guarded], pg_database: Any
) -> None:
    """pgx does, in batches too: it has no columns then, also when the cursor is gone again."""
    pg_database.create_user("app")
    guarded = guard(pg_database, rules=None)
    found = []
    for dsn in (pg_database.dsn("app"), guarded.dsn("app")):
        with psycopg.connect(dsn, autocommit=True) as client:
            link = client.pgconn
            told = [link.prepare(b"f", b"FETCH ALL IN c").error_message]
            for text in ("SELECT 1", "BEGIN; DECLARE c CURSOR FOR SELECT 7 AS n", "CLOSE c"):
                client.execute(text)
                told.append(str(link.describe_prepared(b"f").nfields))
                if text.startswith("BEGIN"):
                    result = link.exec_prepared(b"f", [])
                    told.append(f"{result.fname(0)!r} {result.get_value(0, 0)!r}")
            found.append(told)
    assert found[0] == found[1]


TEMPORARY = """
CREATE TABLE t (kind text); INSERT INTO t VALUES ('lasting')
CREATE TEMP TABLE own (a int, b serial)
INSERT INTO own (a) VALUES (1), (2); SELECT * FROM own
SELECT * FROM own WHERE nosuch = 1
SELECT * FROM nosuch
SELECT count(*) FROM own, pg_temp.own o
CREATE TEMP TABLE t (kind text, more int)
INSERT INTO t VALUES ('temporary', 1); SELECT * FROM t
SELECT * FROM public.t
ALTER TABLE t ADD COLUMN again int
SELECT * FROM t
DROP TABLE t
SELECT * FROM t
BEGIN
CREATE TEMP TABLE t (kind text) ON COMMIT DROP
SELECT count(*) FROM t
COMMIT
SELECT count(*) FROM t
BEGIN
CREATE TEMP TABLE t AS SELECT 'rolled back'::text AS kind
SELECT * FROM t
ROLLBACK
SELECT * FROM t
BEGIN; SAVEPOINT s; CREATE TEMP TABLE t (a int); ROLLBACK TO s
SELECT * FROM t
COMMIT
BEGIN; CREATE TEMP TABLE t (a int)
SELECT 1/0
ROLLBACK
SELECT * FROM t
CREATE TEMP TABLE t (a int); SELECT 1/0
SELECT * FROM t
CREATE TEMP TABLE IF NOT EXISTS own (other text)
SELECT * FROM own
TRUNCATE own; ANALYZE own; SELECT * FROM own
CREATE INDEX i ON own (a); DROP INDEX i
DO $$ BEGIN CREATE TEMP TABLE t (made text); DROP TABLE own; END $$
SELECT * FROM t
SELECT * FROM own
DISCARD TEMP
SELECT * FROM t
CREATE TEMP TABLE t (a int); ALTER TABLE t RENAME TO u
SELECT * FROM u
SELECT * FROM t
CREATE TEMP VIEW t AS SELECT 'view' AS kind
SELECT * FROM t
DROP VIEW t
DISCARD ALL
SELECT * FROM t
SET search_path = pg_temp, public; CREATE TABLE t (first int)
SELECT * FROM t
RESET search_path
SELECT * FROM t
DROP TABLE t
SELECT * FROM t
DROP TABLE t
"""


def test_temporary_tables(guard: Callable[..., Guarded], pg_database: Any) -> None:
    """Every suite makes them, and names in them what there is already."""
    pg_database.create_user("app")
    pg_database.execute("GRANT CREATE ON SCHEMA public TO app")
    guarded = guard(pg_database, rules=None)
    found = []
    for connect in (
        lambda: psycopg.connect(pg_database.dsn("app")),
        lambda: guarded.connect("app"),
    ):
        with connect() as client:
            client.autocommit = True
            found.append([(text, _outcome(client, text)) for text in TEMPORARY.split("\n") if text])
    assert found[0] == found[1]


def _outcome(client: psycopg.Connection[Any], text: str) -> list[object]:
    try:
        cursor = client.execute(text)
    except psycopg.Error as error:
        return [error.sqlstate, error.diag.message_primary, error.diag.statement_position]
    results: list[object] = []
    while True:
        results.append(cursor.fetchall() if cursor.description else cursor.statusmessage)
        if not cursor.nextset():
            return results
