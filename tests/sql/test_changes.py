"""DDL whose effect on names the text tells, and a snapshot with such changes made."""

from __future__ import annotations

import pytest

from dbguard.sql.analysis import analyze
from dbguard.sql.changes import EVERYTHING, CatalogChange, as_created, relevant, with_changes
from dbguard.sql.facts import EffectKind
from dbguard.sql.limits import DEFAULT_LIMITS

from .catalogs import SNAPSHOT, VIEW

NOTES = [c.name for c in SNAPSHOT.relation_by_name["clinic", "notes"].columns]

TOLD = [
    ("CREATE TABLE t (a int, b text)", [("clinic", "t", ["a", "b"])]),
    ("CREATE TABLE IF NOT EXISTS t (id serial PRIMARY KEY)", [("clinic", "t", ["id"])]),
    ("CREATE TABLE t AS SELECT id, ssn AS s FROM patients", [("clinic", "t", ["id", "s"])]),
    ("CREATE TABLE t (x) AS SELECT id, ssn FROM patients", [("clinic", "t", ["x", "ssn"])]),
    ("SELECT id INTO t FROM patients", [("clinic", "t", ["id"])]),
    ("CREATE TABLE t () INHERITS (providers)", [("clinic", "t", ["id", "name", "npi"])]),
    ("CREATE TABLE t (x int) INHERITS (providers)", [("clinic", "t", ["id", "name", "npi", "x"])]),
    ("CREATE TABLE t (x int) PARTITION BY LIST (x)", [("clinic", "t", ["x"])]),
    ("CREATE SEQUENCE q", [("clinic", "q", ["last_value", "log_cnt", "is_called"])]),
    ("CREATE INDEX ON notes (lower(body))", []),
    ("DROP INDEX nosuch", []),
    ("DROP TABLE notes", [("clinic", "notes", None)]),
    ("DROP TABLE IF EXISTS nosuch, notes", [("clinic", "notes", None)]),
    ("COMMENT ON TABLE notes IS 'x'", []),
    ("GRANT SELECT ON notes TO public", []),
    ("ALTER TABLE notes ALTER COLUMN body SET NOT NULL", []),
    ("ALTER TABLE notes DROP CONSTRAINT notes_pkey", []),
    (
        "ALTER TABLE notes DROP COLUMN body",
        [("clinic", "notes", [c for c in NOTES if c != "body"])],
    ),
    ("ALTER TABLE notes ALTER COLUMN body TYPE varchar(20)", [("clinic", "notes", NOTES)]),
    ("ALTER TABLE notes ADD FOREIGN KEY (id) REFERENCES patients", []),
    ("CREATE TEMP TABLE t (a int)", [("pg_temp_3", "t", ["a"])]),
    ("CREATE TEMP TABLE notes AS SELECT 1 AS a", [("pg_temp_3", "notes", ["a"])]),
    ("SELECT id INTO TEMP t FROM patients", [("pg_temp_3", "t", ["id"])]),
    ("CREATE TEMP SEQUENCE q", [("pg_temp_3", "q", ["last_value", "log_cnt", "is_called"])]),
]

UNTOLD = [
    "CREATE TABLE t (LIKE notes)",
    "CREATE TABLE t (name int) INHERITS (providers)",
    "CREATE TABLE t () INHERITS (providers, labs)",
    "CREATE TABLE t () INHERITS (notes)",
    "CREATE TABLE t (a int REFERENCES notes ON DELETE CASCADE)",
    "CREATE TABLE t (a int DEFAULT nosuch())",
    "CREATE OR REPLACE VIEW patient_names AS SELECT 1 AS id, ''::text AS name",
    "CREATE INDEX ON notes (nosuch(body))",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA s",
    "CREATE TYPE e AS ENUM ('a')",
    "DROP TABLE notes CASCADE",
    "DROP SCHEMA archive",
    "ALTER TABLE notes RENAME TO x",
    "ALTER TABLE notes RENAME COLUMN body TO x",
    "ALTER TABLE notes DROP COLUMN body CASCADE",
    "ALTER TABLE notes DROP COLUMN nosuch",
    "ALTER TABLE notes DROP CONSTRAINT notes_pkey CASCADE",
    "ALTER TABLE notes ALTER COLUMN body TYPE text USING upper(body)",
    "ALTER TABLE notes ALTER COLUMN nosuch TYPE text",
    "ALTER TABLE notes ADD COLUMN x int DEFAULT 1",
    "ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE notes SET SCHEMA archive",
    "GRANT USAGE ON SCHEMA archive TO public",
    "CREATE TEMP TABLE t (LIKE notes)",
    "CREATE TEMP TABLE t (a int DEFAULT nosuch())",
    "CREATE TEMP VIEW v AS SELECT 1 AS a",
]


@pytest.mark.parametrize(("text", "expected"), TOLD)
def test_told(text: str, expected: list[object]) -> None:
    (reading,) = analyze(text, SNAPSHOT, VIEW, DEFAULT_LIMITS)
    changes = reading.facts.changes
    assert changes is not None
    found = [
        (c.schema, c.name, [k.name for k in c.relation.columns] if c.relation else None)
        for c in changes
    ]
    assert found == expected


@pytest.mark.parametrize("text", UNTOLD)
def test_untold(text: str) -> None:
    (reading,) = analyze(text, SNAPSHOT, VIEW, DEFAULT_LIMITS)
    assert reading.facts.changes is None


@pytest.mark.parametrize(
    ("text", "passing"),
    [
        ("CREATE TEMP TABLE t (a int)", False),
        ("CREATE TEMP TABLE t (a int) ON COMMIT DROP", True),
        ("CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1 AS a", True),
    ],
)
def test_temporary_tables_are_the_session_s_own(text: str, passing: bool) -> None:
    (reading,) = analyze(text, SNAPSHOT, VIEW, DEFAULT_LIMITS)
    assert [e.kind for e in reading.facts.effects] == [EffectKind.TEMPORARY]
    (change,) = reading.facts.changes or ()
    assert change.temporary
    assert change.passing is passing
    assert change.relation is not None
    assert change.relation.temporary


def test_a_new_view_and_one_that_may_be_there() -> None:
    (reading,) = analyze("CREATE VIEW v AS SELECT 1 AS a", SNAPSHOT, VIEW, DEFAULT_LIMITS)
    assert reading.facts.changes == (CatalogChange("clinic", "v", unclear=True),)
    text = "CREATE TABLE IF NOT EXISTS notes (a int)"
    (reading,) = analyze(text, SNAPSHOT, VIEW, DEFAULT_LIMITS)
    assert reading.facts.changes == (CatalogChange("clinic", "notes", unclear=True),)


def changed(text: str) -> tuple[CatalogChange, ...]:
    readings = analyze(text, SNAPSHOT, VIEW, DEFAULT_LIMITS)
    return tuple(c for r in readings for c in r.facts.changes or ())


def test_a_table_is_made_altered_and_gone() -> None:
    made = with_changes(SNAPSHOT, changed("CREATE TABLE t (a int)"))
    table = made.relation_by_name["clinic", "t"]
    assert table.oid > 1 << 32
    assert made.relation_by_oid[table.oid] is table
    assert made.functions_by_name is SNAPSHOT.functions_by_name
    (reading,) = analyze("ALTER TABLE t ADD COLUMN b text", made, VIEW, DEFAULT_LIMITS)
    assert reading.facts.changes is not None
    both = (*changed("CREATE TABLE t (a int)"), *reading.facts.changes)
    wider = with_changes(SNAPSHOT, both).relation_by_name["clinic", "t"]
    assert (wider.oid, [c.name for c in wider.columns]) == (table.oid, ["a", "b"])
    gone = (*both, CatalogChange("clinic", "t"))
    assert ("clinic", "t") not in with_changes(SNAPSHOT, gone).relation_by_name


def test_a_real_table_keeps_its_identity() -> None:
    notes = SNAPSHOT.relation_by_name["clinic", "notes"]
    altered = with_changes(SNAPSHOT, changed("ALTER TABLE notes ADD COLUMN x int"))
    found = altered.relation_by_name["clinic", "notes"]
    assert (found.oid, found.columns[-1].name) == (notes.oid, "x")
    assert as_created(found) is found


def test_a_snapshot_that_was_read_later_knows_better() -> None:
    notes = SNAPSHOT.relation_by_name["clinic", "notes"]
    (new,) = changed("CREATE TABLE t (a int)")
    made = CatalogChange("clinic", "notes", new.relation)
    assert with_changes(SNAPSHOT, (made,)).relation_by_name["clinic", "notes"] is notes


def test_a_table_dropped_and_made_again() -> None:
    text = "DROP TABLE notes; CREATE TABLE notes (other int)"
    found = with_changes(SNAPSHOT, changed(text)).relation_by_name["clinic", "notes"]
    assert [c.name for c in found.columns] == ["other"]


RELEVANT = [
    ("SELECT * FROM Thing", True),
    ('SELECT * FROM "thing"', True),
    ("SELECT * FROM other", False),
    ('SELECT * FROM U&"th\\0069ng"', True),
    ('SELECT * FROM "a""b"', True),
]


@pytest.mark.parametrize(("text", "expected"), RELEVANT)
def test_relevant(text: str, expected: bool) -> None:
    assert bool(relevant((CatalogChange("s", "thing"),), text)) is expected
    assert relevant((EVERYTHING,), text) == (EVERYTHING,)


def test_a_child_is_remembered_where_its_parent_is_named() -> None:
    (child,) = changed("CREATE TABLE kid (x int) INHERITS (providers)")
    assert child.relation is not None
    assert child.relation.parents == (104,)
    alter = "ALTER TABLE Providers ADD COLUMN y int"
    assert relevant((child,), alter) == (child,)
    assert relevant((child,), "ALTER TABLE labs ADD COLUMN y int") == ()
    (alone,) = analyze(alter, SNAPSHOT, VIEW, DEFAULT_LIMITS)
    (with_child,) = analyze(alter, with_changes(SNAPSHOT, [child]), VIEW, DEFAULT_LIMITS)
    assert alone.facts.changes is not None
    assert with_child.facts.changes is None


def test_of_many_children_one_is_told() -> None:
    """With each of a thousand, CREATE TABLE … INHERITS takes longer than with the one before."""
    kids = [changed(f"CREATE TABLE kid{n} () INHERITS (providers)")[0] for n in range(9)]
    alter = "ALTER TABLE providers ADD COLUMN y int"
    assert relevant(kids, alter) == (kids[0],)
    assert relevant(kids, "SELECT * FROM kid7, providers") == (kids[0], kids[7])
    assert relevant(kids, "SELECT * FROM kid0, providers") == (kids[0],)


def test_a_parent_with_code_of_its_own_hands_it_down_unseen() -> None:
    assert changed("CREATE TABLE t () INHERITS (notes)") == ()


def test_children_made_in_the_same_text_count() -> None:
    text = "CREATE TABLE t () INHERITS (providers); ALTER TABLE providers ADD COLUMN y int"
    first, second = analyze(text, SNAPSHOT, VIEW, DEFAULT_LIMITS)
    assert first.facts.changes is not None
    assert second.facts.changes is None
