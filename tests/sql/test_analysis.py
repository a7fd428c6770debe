"""Texts to readings: errors in PostgreSQL's words, several statements, every kind of statement."""

from __future__ import annotations

from dataclasses import replace

import pytest
from postgast import pg_query_pb2

from dbguard.errors import LimitExceeded, NotUnderstood, SyntaxRefused, UndefinedName
from dbguard.sql import referee
from dbguard.sql.analysis import analyze
from dbguard.sql.facts import Action, ActionClass, EffectKind, StatementFacts, merged_actions
from dbguard.sql.limits import DEFAULT_LIMITS, Limits
from dbguard.sql.resolver.kinds import HANDLERS
from dbguard.sql.sites import Reading
from dbguard.sql.snapshot import SessionView

from .catalogs import SNAPSHOT, VIEW


def read(text: str, view: SessionView = VIEW) -> tuple[Reading, ...]:
    return analyze(text, SNAPSHOT, view, DEFAULT_LIMITS)


def last(text: str) -> StatementFacts:
    return read(text)[-1].facts


UNDEFINED = [
    ("SELECT * FROM nosuch", "42P01", 'relation "nosuch" does not exist', 15),
    ("SELECT * FROM x.nosuch", "42P01", 'relation "x.nosuch" does not exist', 15),
    ("SELECT nosuch FROM patients", "42703", 'column "nosuch" does not exist', 8),
    ("SELECT p.nosuch FROM patients p", "42703", "column p.nosuch does not exist", 8),
    ("SELECT x.id FROM patients", "42P01", 'missing FROM-clause entry for table "x"', 8),
    (
        "SELECT patients.id FROM patients p",
        "42P01",
        'invalid reference to FROM-clause entry for table "patients"',
        8,
    ),
    ("SELECT 'ä', nosuch FROM patients", "42703", 'column "nosuch" does not exist', 13),
    ("SELECT id FROM patients, encounters", "42702", 'column reference "id" is ambiguous', 8),
    (
        "SELECT 1 FROM patients JOIN notes USING (ssn)",
        "42703",
        'column "ssn" specified in USING clause does not exist in right table',
        None,
    ),
    (
        "SELECT 1 FROM patients, patients",
        "42712",
        'table name "patients" specified more than once',
        None,
    ),
    (
        "SELECT q.x FROM encounters e, (SELECT e.kind AS x) q",
        "42P01",
        'invalid reference to FROM-clause entry for table "e"',
        39,
    ),
    (
        "INSERT INTO notes (nosuch) VALUES (1)",
        "42703",
        'column "nosuch" of relation "notes" does not exist',
        20,
    ),
    (
        "UPDATE notes SET nosuch = 1",
        "42703",
        'column "nosuch" of relation "notes" does not exist',
        18,
    ),
    ("INSERT INTO notes (body) VALUES (author)", "42703", 'column "author" does not exist', 34),
    (
        "UPDATE notes n SET body = notes.author",
        "42P01",
        'invalid reference to FROM-clause entry for table "notes"',
        27,
    ),
    (
        "SELECT * FROM other.clinic.patients",
        "0A000",
        'cross-database references are not implemented: "other.clinic.patients"',
        15,
    ),
    ("DROP TABLE nosuch", "42P01", 'table "nosuch" does not exist', None),
]


@pytest.mark.parametrize(("sql", "code", "message", "position"), UNDEFINED)
def test_undefined_names(sql: str, code: str, message: str, position: int | None) -> None:
    with pytest.raises(UndefinedName) as caught:
        read(sql)
    assert (caught.value.code, caught.value.message) == (code, message)
    assert caught.value.position == position


def test_if_exists_forgives() -> None:
    assert last("DROP TABLE IF EXISTS nosuch").action is Action.DROP
    assert last("ALTER TABLE IF EXISTS nosuch ADD COLUMN x int").action is Action.ALTER


def test_text_as_a_whole() -> None:
    with pytest.raises(SyntaxRefused):
        read("SELEKT 1")
    with pytest.raises(NotUnderstood):
        read("SELECT\u00a01")
    with pytest.raises(LimitExceeded):
        analyze("SELECT 1, 2, 3", SNAPSHOT, VIEW, Limits(max_tokens=3))
    assert read("") == ()
    assert read(" ; -- nothing\n") == ()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + " || ".join(["last_name"] * 300) + " FROM patients",
        "SELECT " + " + ".join(["id"] * 450) + " FROM patients",
        "SELECT id FROM patients WHERE " + " OR ".join(["id = 1"] * 3000),
        " UNION ALL ".join(["SELECT id FROM patients"] * 300),
        "SELECT " + "(" * 90 + "id" + ")" * 90 + " FROM patients",
        "SELECT 1 FROM " + " CROSS JOIN ".join(f"patients p{i}" for i in range(150)),
        "SELECT " + "(SELECT " * 60 + "id" + ")" * 60 + " FROM patients",
        "SELECT " + "CASE WHEN id = 1 THEN " * 50 + "1" + " END" * 50 + " FROM patients",
    ],
)
def test_long_and_deep_statements_end_in_an_answer(sql: str) -> None:
    try:
        readings = read(sql)
    except (LimitExceeded, NotUnderstood):
        return
    assert {c.column.column for c in readings[0].facts.columns} <= {"id", "last_name"}


STRINGS = [
    # text, tables and doubts of the last statement
    ("SET search_path = archive; SELECT * FROM patients", ["archive.patients"], False),
    ("SET search_path = nosuch, archive; SELECT * FROM patients", ["archive.patients"], False),
    ("SET search_path = hidden, archive; SELECT * FROM patients", ["archive.patients"], False),
    ("SET search_path = DEFAULT; SELECT * FROM patients", ["clinic.patients"], True),
    ("SET ROLE x; SELECT * FROM patients", ["clinic.patients"], True),
    ("RESET ALL; SELECT * FROM patients", ["clinic.patients"], True),
    ("SET work_mem = '1MB'; SELECT * FROM patients", ["clinic.patients"], False),
    ("CREATE TEMP TABLE t (a int, b text); SELECT b FROM t", ["pg_temp_3.t"], False),
    ("CREATE TABLE IF NOT EXISTS notes (id int); SELECT id FROM notes", ["clinic.notes"], True),
    ("CREATE TABLE notes (id int); SELECT id FROM notes", ["clinic.notes"], True),
    ("CREATE TEMP TABLE IF NOT EXISTS t (id int); SELECT id FROM t", ["pg_temp_3.t"], True),
    ("SELECT nosuch(1); SELECT id FROM patients", ["clinic.patients"], True),
    ("GRANT USAGE ON SCHEMA archive TO public; TABLE notes", ["clinic.notes"], True),
    ("CREATE TABLE t (a int); INSERT INTO t VALUES (1)", ["clinic.t"], False),
    ("CREATE TABLE t AS SELECT 1 AS a; SELECT a FROM t", ["clinic.t"], False),
    ("CREATE VIEW v AS SELECT ssn FROM patients; SELECT ssn FROM v", [], True),
    (
        "CREATE OR REPLACE VIEW patient_names AS SELECT 1 AS id, ''::text AS name; TABLE providers",
        ["clinic.providers"],
        False,
    ),
    (
        "CREATE OR REPLACE VIEW patient_names AS SELECT id, ssn AS name FROM patients;"
        " SELECT name FROM patient_names",
        ["clinic.patient_names"],
        True,
    ),
    (
        "ALTER TABLE notes RENAME TO x; ALTER TABLE patients RENAME TO notes; SELECT id FROM notes",
        ["clinic.notes"],
        True,
    ),
    ("CREATE FUNCTION lower(text) RETURNS text LANGUAGE sql AS ''; SELECT lower('x')", [], True),
    ("DO $$ BEGIN END $$; SELECT * FROM patients", ["clinic.patients"], True),
    ("BEGIN; SELECT 1; COMMIT; SELECT id FROM patients", ["clinic.patients"], False),
    (
        "BEGIN; SET LOCAL search_path = archive; COMMIT; SELECT id FROM patients",
        ["clinic.patients"],
        False,
    ),
    (
        "BEGIN; SET search_path = archive; SET LOCAL search_path = clinic; COMMIT; TABLE patients",
        ["archive.patients"],
        False,
    ),
    (
        "BEGIN; SAVEPOINT a; SET search_path = archive; ROLLBACK TO a; TABLE patients",
        ["clinic.patients"],
        False,
    ),
    (
        "BEGIN; SAVEPOINT a; SET search_path = archive; RELEASE a; TABLE patients",
        ["archive.patients"],
        False,
    ),
    (
        "BEGIN; SAVEPOINT a; SAVEPOINT a; SET search_path = archive; RELEASE a; ROLLBACK TO a;"
        " TABLE patients",
        ["clinic.patients"],
        False,
    ),
    ("ROLLBACK TO a; TABLE patients", ["clinic.patients"], True),
    ("RESET search_path; TABLE patients", ["clinic.patients"], True),
    ("RESET search_path; SELECT 1", [], False),
    (
        "SELECT set_config('search_path', 'archive', false); TABLE patients",
        ["archive.patients"],
        False,
    ),
    ("SELECT set_config('search_path', $1, false); TABLE patients", ["clinic.patients"], True),
    ("SELECT set_config('role', 'x', true); TABLE patients", ["clinic.patients"], True),
    (
        "BEGIN; SET LOCAL search_path = archive; ROLLBACK; SELECT id FROM patients",
        ["clinic.patients"],
        False,
    ),
    ("BEGIN; CREATE TABLE t (a int); ROLLBACK; TABLE patients", ["clinic.patients"], False),
    ("ROLLBACK; SELECT id FROM patients", ["clinic.patients"], True),
    ("DROP TABLE IF EXISTS t; CREATE TABLE t (a int); SELECT a FROM t", ["clinic.t"], False),
]


@pytest.mark.parametrize(("text", "tables", "doubt"), STRINGS)
def test_earlier_statements_of_a_string(text: str, tables: list[str], doubt: bool) -> None:
    facts = last(text)
    assert [f"{r.schema}.{r.name}" for r in facts.relations] == tables
    assert bool(facts.opaque) is doubt


def test_a_rolled_back_table_is_gone() -> None:
    with pytest.raises(UndefinedName):
        read("BEGIN; CREATE TEMP TABLE t (a int); ROLLBACK; SELECT a FROM t")


def test_the_first_temporary_table_of_a_session_comes_first() -> None:
    view = replace(VIEW, search_path=("pg_catalog", "clinic"))
    text = "CREATE TEMP TABLE patients (a int); SELECT a FROM patients"
    *_, reading = analyze(text, SNAPSHOT, view, DEFAULT_LIMITS)
    assert [r.schema for r in reading.facts.relations] == ["pg_temp"]


def test_pg_temp_put_first_is_where_tables_are_made() -> None:
    view = replace(VIEW, search_path=("pg_catalog", "pg_temp_3", "clinic"))
    (reading,) = analyze("CREATE TABLE t (a int)", SNAPSHOT, view, DEFAULT_LIMITS)
    assert [e.kind for e in reading.facts.effects] == [EffectKind.TEMPORARY]


def test_readings_have_extents() -> None:
    text = "  SELECT 1 ; -- x\n SELECT ssn FROM patients;"
    first, second = read(text)
    assert text[first.start : first.end] == "SELECT 1"
    assert text[second.start : second.end] == "SELECT ssn FROM patients"


def test_both_parsers_have_to_agree() -> None:
    assert not last("SELECT date_bin('1 day', dob, ssn::date) FROM patients").opaque


def test_syntax_newer_than_the_server_is_opaque() -> None:
    old = replace(SNAPSHOT, server_version=150_000)
    (reading,) = analyze("SELECT json_scalar(ssn) FROM patients", old, VIEW, DEFAULT_LIMITS)
    assert reading.facts.opaque
    (reading,) = analyze("SELECT ssn FROM patients", old, VIEW, DEFAULT_LIMITS)
    assert not reading.facts.opaque


NOT_SENT = {
    "RawStmt",  # a wrapper that libpg_query's JSON shows as `stmts`
    "SetOperationStmt",  # inside a Query, after parse analysis
}


def test_every_statement_node_is_classified() -> None:
    names = {
        f.message_type.name
        for f in pg_query_pb2.Node.DESCRIPTOR.fields
        if f.message_type.name.endswith("Stmt")
    }
    assert names - NOT_SENT == set(HANDLERS)


KINDS = [
    ("TABLE patients", Action.SELECT),
    ("VALUES (1)", Action.SELECT),
    ("SHOW work_mem", Action.SHOW),
    ("FETCH 5 FROM c", Action.FETCH),
    ("CREATE INDEX ON patients (lower(ssn))", Action.CREATE),
    ("CREATE SCHEMA x", Action.CREATE),
    ("CREATE MATERIALIZED VIEW m AS SELECT ssn FROM patients", Action.CREATE),
    ("REFRESH MATERIALIZED VIEW patient_names", Action.REFRESH),
    ("ALTER TABLE patients ADD COLUMN x int", Action.ALTER),
    ("ALTER TABLE patients RENAME COLUMN ssn TO x", Action.RENAME),
    ("ALTER TABLE patients OWNER TO bob", Action.ROLE),
    ("ALTER TABLE patients ENABLE ROW LEVEL SECURITY", Action.POLICY),
    ("CREATE POLICY p ON patients USING (true)", Action.POLICY),
    ("DROP POLICY p ON patients", Action.POLICY),
    ("DROP SCHEMA clinic CASCADE", Action.DROP),
    ("TRUNCATE notes, providers", Action.TRUNCATE),
    ("COMMENT ON COLUMN patients.ssn IS 'x'", Action.COMMENT),
    ("SECURITY LABEL ON TABLE patients IS 'x'", Action.SECURITY_LABEL),
    ("GRANT SELECT ON patients TO bob", Action.GRANT),
    ("REVOKE ALL ON ALL TABLES IN SCHEMA clinic FROM bob", Action.REVOKE),
    ("GRANT a TO b", Action.ROLE),
    ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO bob", Action.DEFAULT_PRIVILEGES),
    ("CREATE ROLE x", Action.ROLE),
    ("ALTER ROLE x SET search_path = y", Action.ROLE),
    ("DROP OWNED BY bob", Action.ROLE),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", Action.CREATE_FUNCTION),
    ("CREATE OPERATOR + (function = f, leftarg = text, rightarg = text)", Action.CREATE_FUNCTION),
    ("CREATE TRIGGER t AFTER INSERT ON notes EXECUTE FUNCTION f()", Action.CREATE_TRIGGER),
    ("CREATE RULE r AS ON INSERT TO notes DO INSTEAD NOTHING", Action.CREATE_RULE),
    ("LOAD 'x'", Action.LOAD),
    ("CALL p()", Action.CALL),
    ("VACUUM notes", Action.VACUUM),
    ("ANALYZE", Action.ANALYZE),
    ("REINDEX TABLE notes", Action.REINDEX),
    ("CHECKPOINT", Action.CHECKPOINT),
    ("ALTER SYSTEM SET work_mem = '1MB'", Action.ALTER_SYSTEM),
    ("SET ROLE bob", Action.SET_ROLE),
    ("RESET ROLE", Action.SET_ROLE),
    ("SET SESSION AUTHORIZATION bob", Action.SET_ROLE),
    ("SET TIME ZONE 'UTC'", Action.SET),
    ("RESET work_mem", Action.RESET),
    ("DISCARD ALL", Action.DISCARD),
    ("LISTEN x", Action.LISTEN),
    ("NOTIFY x, 'y'", Action.NOTIFY),
    ("LOCK TABLE patients", Action.LOCK),
    ("DEALLOCATE ALL", Action.DEALLOCATE),
    ("CLOSE ALL", Action.CLOSE),
    ("BEGIN", Action.TRANSACTION),
    ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", Action.TRANSACTION),
    ("IMPORT FOREIGN SCHEMA a FROM SERVER s INTO clinic", Action.IMPORT),
    ("CREATE EXTENSION pgcrypto", Action.CREATE),
    ("CREATE DATABASE x", Action.CREATE),
    ("DROP INDEX clinic.some_index", Action.DROP),
    ("ALTER INDEX some_index RENAME TO x", Action.RENAME),
    ("REINDEX INDEX some_index", Action.REINDEX),
]


@pytest.mark.parametrize(("sql", "action"), KINDS)
def test_kinds(sql: str, action: Action) -> None:
    assert last(sql).action is action


EXTENSIONS = [
    ("CREATE EXTENSION hstore", False),
    ('CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA clinic CASCADE', False),
    ("CREATE EXTENSION IF NOT EXISTS plpgsql", False),
    ("CREATE EXTENSION citext SCHEMA pg_catalog", True),
    ("CREATE EXTENSION IF NOT EXISTS dblink", True),
    ("ALTER EXTENSION hstore UPDATE", True),
    ("ALTER EXTENSION hstore ADD FUNCTION clinic.f(int)", True),
]


@pytest.mark.parametrize(("sql", "opaque"), EXTENSIONS)
def test_scripts_of_unknown_extensions_are_opaque(sql: str, opaque: bool) -> None:
    assert bool(last(sql).opaque) is opaque


RELATIONS = [
    "ALTER TABLE clinic.notes ADD COLUMN x int",
    "ALTER TABLE notes RENAME TO x",
    "ALTER TABLE notes SET SCHEMA archive",
    "ALTER TABLE notes OWNER TO bob",
    "DROP TABLE clinic.notes",
    "DROP TRIGGER t ON notes",
    "COMMENT ON TABLE notes IS ''",
    "COMMENT ON COLUMN clinic.notes.body IS ''",
    "GRANT SELECT ON notes TO bob",
    "TRUNCATE notes",
    "LOCK notes",
    "VACUUM notes",
    "CREATE INDEX ON notes (id)",
    "CREATE TRIGGER t AFTER INSERT ON notes EXECUTE FUNCTION f()",
    "CREATE POLICY p ON notes",
    "CREATE TABLE x (LIKE notes)",
    "CREATE TABLE x (a int REFERENCES notes)",
    "CREATE STATISTICS s ON id, body FROM notes",
    "CREATE PUBLICATION p FOR TABLE notes",
]


@pytest.mark.parametrize("sql", RELATIONS)
def test_utilities_name_their_relations(sql: str) -> None:
    assert "notes" in {r.name for r in last(sql).relations}


SELF_REFERENCES = [
    ("CREATE TABLE x (a int PRIMARY KEY, b int REFERENCES x)", {("clinic", "x")}),
    ("CREATE TABLE clinic.x (a int PRIMARY KEY, b int REFERENCES x)", {("clinic", "x")}),
    ("CREATE TABLE x (a int PRIMARY KEY, b int REFERENCES clinic.x)", {("clinic", "x")}),
    ("CREATE TABLE archive.x (a int, FOREIGN KEY (a) REFERENCES archive.x)", {("archive", "x")}),
    ("CREATE TEMP TABLE x (a int PRIMARY KEY, b int REFERENCES pg_temp.x)", {("pg_temp_3", "x")}),
    # Not itself: the server finds the one on the path, once the new table is there.
    (
        "CREATE TABLE archive.notes (a int REFERENCES notes)",
        {("archive", "notes"), ("clinic", "notes")},
    ),
    (
        "CREATE TABLE archive.notes (a int REFERENCES clinic.notes)",
        {("archive", "notes"), ("clinic", "notes")},
    ),
]


@pytest.mark.parametrize(("sql", "relations"), SELF_REFERENCES)
def test_foreign_keys_to_the_table_being_made(sql: str, relations: set[tuple[str, str]]) -> None:
    assert {(r.schema, r.name) for r in last(sql).relations} == relations


def test_foreign_key_to_a_namesake_that_is_not_there() -> None:
    with pytest.raises(UndefinedName):
        read("CREATE TABLE archive.x (a int REFERENCES clinic.x)")


UNSEEN = [(EffectKind.PATH, None, None), (EffectKind.CATALOG, None, None)]
EFFECTS = [
    ('SET search_path = a, "B c"', [(EffectKind.SET, "search_path", '"a", "B c"')]),
    ("SET LOCAL jit = off", [(EffectKind.SET_LOCAL, "jit", "off")]),
    ("RESET search_path", [(EffectKind.RESET, "search_path", None)]),
    ("SET search_path TO DEFAULT", [(EffectKind.RESET, "search_path", None)]),
    ("RESET ALL", [(EffectKind.RESET_ALL, None, None)]),
    ("DISCARD TEMP", [(EffectKind.DISCARD, "temp", None)]),
    ("PREPARE q AS SELECT 1", [(EffectKind.PREPARE, "q", None)]),
    ("EXECUTE q (1)", [(EffectKind.EXECUTE, "q", None)]),
    ("DEALLOCATE q", [(EffectKind.DEALLOCATE, "q", None)]),
    ("DEALLOCATE ALL", [(EffectKind.DEALLOCATE, None, None)]),
    ("DECLARE c CURSOR FOR SELECT 1", [(EffectKind.DECLARE, "c", None)]),
    ("FETCH ALL FROM c", [(EffectKind.FETCH, "c", None)]),
    ("CLOSE c", [(EffectKind.CLOSE, "c", None)]),
    ("START TRANSACTION", [(EffectKind.BEGIN, None, None)]),
    ("COMMIT AND CHAIN", [(EffectKind.COMMIT, None, None), (EffectKind.BEGIN, None, None)]),
    ("SAVEPOINT s", [(EffectKind.SAVEPOINT, "s", None)]),
    ("RELEASE s", [(EffectKind.RELEASE, "s", None)]),
    ("ROLLBACK TO s", [(EffectKind.ROLLBACK_TO, "s", None)]),
    ("SET ROLE bob", [(EffectKind.PATH, "role", "bob")]),
    ("SET LOCAL ROLE 'Bob'", [(EffectKind.PATH, "role", "Bob")]),
    ("SET ROLE NONE", [(EffectKind.PATH, "role", None)]),
    ("RESET ROLE", [(EffectKind.PATH, "role", None)]),
    ("SET SESSION AUTHORIZATION bob", [(EffectKind.PATH, "session_authorization", "bob")]),
    ("SET SESSION AUTHORIZATION DEFAULT", [(EffectKind.PATH, "session_authorization", None)]),
    ("COPY notes FROM STDIN", [(EffectKind.COPY_IN, None, None)]),
    ("COPY notes TO STDOUT", [(EffectKind.COPY_OUT, None, None)]),
    ("DROP TABLE notes", [(EffectKind.CATALOG, None, None)]),
    ("CREATE TEMP TABLE t (a int)", [(EffectKind.TEMPORARY, "t", None)]),
    ("SELECT set_config('jit', 'off', false)", []),
    ("SELECT set_config('search_path', 'x', false)", [(EffectKind.SET, "search_path", None)]),
    ("SELECT set_config('Role', $1, true) AS x", [(EffectKind.SET_LOCAL, "role", None)]),
    ("SELECT set_config('search_path', 'x', false), 1", [(EffectKind.PATH, None, None)]),
    ("SELECT set_config('search_path', ssn, false) FROM patients", [(EffectKind.PATH, None, None)]),
    ("SELECT set_config('search_path', (SELECT 'x'), true)", [(EffectKind.PATH, None, None)]),
    ("SELECT set_config('role', 'bob', false)", [(EffectKind.SET, "role", "bob")]),
    ("SELECT set_config('role', 'none', false)", [(EffectKind.SET, "role", None)]),
    ("SELECT set_config('role', 'bob', false), 1", [(EffectKind.PATH, "role", None)]),
    ("SELECT set_config($1, 'bob', false)", [(EffectKind.PATH, "role", None)]),
    (
        "WITH s AS (SELECT set_config('Role', 'bob', false)) SELECT count(*) FROM s",
        [(EffectKind.PATH, "role", None)],
    ),
    ("SELECT set_config('session_authorization', 'x', true)", [(EffectKind.PATH, "role", None)]),
    (
        "DO $$ BEGIN SET LOCAL\n ROLE bob; END $$",
        [(EffectKind.PATH, "role", None), *UNSEEN],
    ),
    ("DO $$ BEGIN PERFORM 1; END $$", UNSEEN),
    ("SELECT ssn FROM patients", []),
]


@pytest.mark.parametrize(("sql", "effects"), EFFECTS)
def test_effects(sql: str, effects: list[tuple[EffectKind, str | None, str | None]]) -> None:
    assert [(e.kind, e.name, e.value) for e in last(sql).effects] == effects


SETS_ROLE = [
    "SET ROLE bob",
    "RESET ROLE",
    "SET SESSION AUTHORIZATION bob",
    "SELECT set_config('role', 'bob', false)",
    "SELECT set_config($1, $2, false)",
    "SELECT length(set_config('session_authorization', 'bob', false))",
    "PREPARE p AS SELECT set_config('role', $1, false)",
    "EXPLAIN ANALYZE SELECT set_config('role', 'bob', false)",
    "DO $$ BEGIN EXECUTE 'SET ROLE bob'; END $$",
]


@pytest.mark.parametrize("sql", SETS_ROLE)
def test_every_way_to_set_the_role_counts_as_such(sql: str) -> None:
    assert Action.SET_ROLE in merged_actions(last(sql))


@pytest.mark.parametrize("sql", ["SELECT set_config('jit', 'off', false)", "SET jit = off"])
def test_other_settings_do_not(sql: str) -> None:
    assert Action.SET_ROLE not in merged_actions(last(sql))


def test_a_tree_of_an_unexpected_shape_is_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = referee.ParsedStatement("UpdateStmt", {"targetList": [{"Odd": {}}]}, 0, 8)
    monkeypatch.setattr(referee, "parse", lambda text: (odd,))
    with pytest.raises(NotUnderstood):
        read("SELECT 1")


def test_unknown_statements_belong_to_code() -> None:
    assert last("DO $$ BEGIN END $$").action.action_class is ActionClass.CODE
