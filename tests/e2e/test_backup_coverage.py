"""No DDL past a backup: hidden, in strings, in transactions, on what was changed since."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .proxies import Guarded

pytestmark = pytest.mark.pg

MADE = """
SET ROLE dba;
CREATE TABLE clinic.spare (id int, note text);
INSERT INTO clinic.spare VALUES (1, 'a');
CREATE TABLE clinic.other (id int);
CREATE VIEW clinic.spare_ids AS SELECT id FROM clinic.spare;
CREATE FUNCTION clinic.wipe() RETURNS int LANGUAGE plpgsql
  AS 'BEGIN EXECUTE ''DROP TABLE clinic.other''; RETURN 1; END';
CREATE FUNCTION clinic.calm() RETURNS int LANGUAGE plpgsql STABLE
  AS 'BEGIN RETURN clinic.wipe(); END';
CREATE PROCEDURE clinic.tidy() LANGUAGE plpgsql AS 'BEGIN DROP TABLE clinic.other; END';
CREATE VIEW clinic.trap AS SELECT clinic.wipe() AS x;
CREATE MATERIALIZED VIEW clinic.slow AS SELECT clinic.wipe() AS x WITH NO DATA;
CREATE FUNCTION clinic.wiping(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE
  AS 'BEGIN RETURN clinic.wipe(); END';
CREATE OPERATOR clinic.@#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = clinic.wiping);
CREATE AGGREGATE clinic.total (int) (SFUNC = clinic.wiping, STYPE = int, INITCOND = '0');
CREATE DOMAIN clinic.checked AS int CHECK (clinic.wiping(VALUE, 1) = 1);
CREATE FUNCTION clinic.reading() RETURNS int LANGUAGE sql AS 'SELECT clinic.wipe()';
CREATE FUNCTION clinic.fire() RETURNS trigger LANGUAGE plpgsql
  AS 'BEGIN DROP TABLE clinic.other; RETURN NEW; END';
CREATE TABLE clinic.mined (a int);
CREATE TRIGGER fire BEFORE INSERT ON clinic.mined FOR EACH ROW EXECUTE FUNCTION clinic.fire();
CREATE TABLE clinic.primed (a int DEFAULT clinic.wipe());
"""

ATTEMPTS = [
    "DROP TABLE clinic.other",
    "drop/**/table clinic.other",
    "DO $$ BEGIN DROP TABLE clinic.other; END $$",
    "CALL clinic.tidy()",
    "SELECT clinic.wipe()",
    "SELECT clinic.calm()",
    "SELECT 1 FROM clinic.spare WHERE clinic.wipe() = 1",
    "INSERT INTO clinic.spare VALUES (clinic.wipe(), 'x')",
    "EXPLAIN ANALYZE SELECT clinic.wipe()",
    "EXPLAIN SELECT clinic.calm()",
    "EXPLAIN ANALYZE CREATE TABLE clinic.more AS SELECT clinic.wipe()",
    "SELECT * FROM clinic.trap",
    "INSERT INTO clinic.mined VALUES (1)",
    "INSERT INTO clinic.primed DEFAULT VALUES",
    "WITH x AS (INSERT INTO clinic.mined VALUES (1) RETURNING 1) SELECT * FROM x",
    "MERGE INTO clinic.mined USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT VALUES (1)",
    "COPY (SELECT clinic.wipe()) TO STDOUT",
    "COPY clinic.mined FROM STDIN",
    "REFRESH MATERIALIZED VIEW clinic.slow",
    "SELECT 1 OPERATOR(clinic.@#@) 2",
    "SELECT clinic.total(id) FROM clinic.spare",
    "SELECT 1::clinic.checked",
    "SELECT clinic.reading()",
    "SELECT query_to_xml('SELECT clinic.wipe()', true, true, '')",
    "SELECT table_to_xml('clinic.trap', true, true, '')",
    "SELECT * FROM clinic.spare ORDER BY clinic.wipe()",
    "SELECT count(*) FILTER (WHERE clinic.wipe() = 1) FROM clinic.spare",
    "VALUES (clinic.wipe())",
    "SELECT (SELECT clinic.wipe())",
    "SELECT * FROM clinic.spare, LATERAL clinic.wipe() w",
    "SELECT * FROM ROWS FROM (clinic.wipe()) w",
    "SELECT x FROM clinic.wipe() WITH ORDINALITY o(x)",
    "UPDATE clinic.spare SET id = clinic.wipe() WHERE id = 1",
    "DELETE FROM clinic.spare WHERE id = clinic.wipe()",
    "INSERT INTO clinic.spare SELECT 1, 'x' RETURNING clinic.wipe()",
    "ALTER TABLE clinic.spare ADD COLUMN z int DEFAULT clinic.wipe()",
    "PREPARE p AS SELECT clinic.wipe()",
    "DECLARE c CURSOR WITH HOLD FOR SELECT clinic.wipe()",
    "INSERT INTO clinic.spare VALUES (2, 'b'); DROP TABLE clinic.other",
    "BEGIN; INSERT INTO clinic.spare VALUES (2, 'b'); COMMIT; DROP TABLE clinic.other",
    "SET search_path = clinic; DROP TABLE other",
    "SET search_path = clinic; RESET search_path; DROP TABLE other",
    "ALTER SCHEMA clinic RENAME TO x",
    "TRUNCATE clinic.spare",
    "DROP OWNED BY dba",
    "DROP DATABASE IF EXISTS postgres",
]


def refusal(connection: Any, statement: str) -> psycopg.errors.InsufficientPrivilege:
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute(statement)
    return caught.value


@pytest.fixture
def guarded(guard: Any, clinic_database: Any) -> Guarded:
    clinic_database.execute(MADE)
    started: Guarded = guard(clinic_database, durability="buffered")
    return started


def take(guarded: Guarded) -> None:
    made = guarded.run("backup", "now", "--config", "dbguard.yaml", "--database", guarded.database)
    assert made.returncode == 0, made.stderr + made.stdout


def test_what_has_no_backup_is_refused_and_what_has_one_as_it_is_now_runs(
    guarded: Guarded, clinic_database: Any
) -> None:
    with closing(guarded.connect("dba", autocommit=True)) as connection:
        ((version,),) = clinic_database.execute("SHOW server_version_num")
        for statement in ATTEMPTS:
            if statement.startswith("MERGE") and int(version) < 150000:
                continue
            refused = refusal(connection, statement)
            assert "is required" in str(refused) or "cannot find out" in str(refused), statement
            assert "rule ddl-needs-backup" in (refused.diag.message_detail or "")
        for statement in ("DROP TABLE clinic.other", "SELECT clinic.wipe()"):
            for prepare in (True, True, False):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement, prepare=prepare)
        connection.execute(
            "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE plpgsql"
            " AS 'BEGIN DROP TABLE clinic.other; RETURN 1; END'"
        )
        refusal(connection, "SELECT pg_temp.f()")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.pipeline():
            connection.execute("INSERT INTO clinic.spare VALUES (3, 'c')")
            connection.execute("DROP TABLE clinic.other")
        assert connection.execute("SELECT count(*) FROM clinic.spare").fetchone() == (1,)
        assert clinic_database.execute("SELECT to_regclass('clinic.other')") != [(None,)]

        take(guarded)
        connection.execute("ALTER TABLE clinic.spare ADD COLUMN more int")
        refused = refusal(connection, "DROP TABLE clinic.spare CASCADE")
        detail = refused.diag.message_detail or ""
        assert "Needed for: dropping clinic.spare with what depends on it. Backup " in detail
        assert detail.endswith(": table clinic.spare was made or changed after it.")
        assert (refused.diag.message_hint or "").startswith("Run: dbguard backup now --database ")

        # past dbguard
        clinic_database.execute("ALTER TABLE clinic.other ADD COLUMN late int")
        assert "clinic.other was made or changed" in str(
            refusal(connection, "TRUNCATE clinic.other").diag.message_detail
        )
        # what depends on it
        clinic_database.execute("CREATE VIEW clinic.codes AS SELECT 1 AS one FROM clinic.providers")
        refused = refusal(connection, "DROP TABLE clinic.providers CASCADE")
        assert "view clinic.codes was made or changed" in str(refused.diag.message_detail)
        assert "clinic.wipe" in str(refusal(connection, "SELECT clinic.wipe()").diag.message_detail)

        take(guarded)
        # a transaction's own changes do not count against it, nor what it made itself
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE clinic.spare ADD COLUMN again int")
        connection.execute("CREATE TABLE clinic.passing (a int)")
        connection.execute("DROP TABLE clinic.passing")
        connection.execute("ALTER TABLE clinic.spare DROP COLUMN more")
        connection.execute("DROP TABLE clinic.spare CASCADE")
        connection.execute("COMMIT")
        connection.execute("CREATE TABLE clinic.again (a int); DROP TABLE clinic.again")
        connection.execute("DROP VIEW clinic.codes")
        connection.execute("DROP FUNCTION clinic.calm()")
    allowed = [r for r in guarded.records("decision") if r["text"] == "DROP VIEW clinic.codes"]
    (met,) = allowed[0]["requirements"]
    (dump, *_) = sorted((guarded.folder / "backups").glob("*.dump"), reverse=True)
    assert met.startswith(f"backup {dump.stem} of ")
    assert ", sha256 " in met


def test_rules_may_exempt_what_only_adds_and_limit_what_was_written_since(
    guard: Any, clinic_database: Any, tmp_path: Path
) -> None:
    rules = tmp_path / "own-rules"
    rules.mkdir()
    (rules / "rules.yaml").write_text(
        """
roles: {dba: {users: [dba]}}
rules:
  - {id: all, allow: [all], roles: [dba]}
  - id: ddl
    require: {backup: {max_age: 1h, max_wal: 64MB, providers: [pg_dump]}}
    actions: [ddl, privilege, code]
    unless: additive
""",
        "utf-8",
    )
    clinic_database.execute(MADE)
    guarded: Guarded = guard(clinic_database, rules=rules, durability="buffered")
    with closing(guarded.connect("dba", autocommit=True)) as connection:
        for statement in (
            "CREATE TABLE clinic.new (a int)",
            "CREATE INDEX ON clinic.new (a)",
            "ALTER TABLE clinic.new ADD COLUMN b int DEFAULT 7",
            "COMMENT ON TABLE clinic.new IS 'x'",
            "GRANT SELECT ON clinic.new TO clinician",
            "CREATE FUNCTION clinic.made() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ):
            connection.execute(statement)
        for statement in (
            "DROP TABLE clinic.new",
            "ALTER TABLE clinic.new ADD COLUMN c uuid DEFAULT gen_random_uuid()",
            "REVOKE SELECT ON clinic.new FROM clinician",
            "CREATE OR REPLACE FUNCTION clinic.made() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        ):
            refusal(connection, statement)
        take(guarded)
        connection.execute("REVOKE SELECT ON clinic.new FROM clinician")
        clinic_database.execute(
            "CREATE TABLE public.filler AS SELECT repeat(md5(i::text), 50) FROM"
            " generate_series(1, 45000) i"
        )
        refused = refusal(connection, "DROP TABLE clinic.other")
        assert "more than 64 MB of WAL were written since" in str(refused.diag.message_detail)
