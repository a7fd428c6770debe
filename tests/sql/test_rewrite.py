"""The texts that rewriting makes, line by line of the checklist (DESIGN section 8)."""

from __future__ import annotations

import pytest

from dbguard.errors import NotUnderstood, PolicyRefusal, StatementError
from dbguard.sql.analysis import analyze
from dbguard.sql.facts import Action, StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.rewrite import Masks, rewrite
from dbguard.sql.sites import Reading, RelationSite, SiteRole
from dbguard.sql.snapshot import (
    Column,
    Function,
    Relation,
    RelationKind,
    SessionView,
    Snapshot,
)
from dbguard.sql.verify import verify


def relation(oid: int, name: str, columns: str, **more: object) -> Relation:
    made = tuple(
        Column(n, c.strip("!*"), "text", "text", "S", hashable="!" not in c, generated="*" in c)
        for n, c in enumerate(columns.split(), 1)
    )
    schema, _, table = name.partition(".")
    kind = more.pop("kind", RelationKind.TABLE)
    return Relation(oid, schema, table, kind, made, **more)  # type: ignore[arg-type]


PATIENTS = relation(1, "clinic.patients", "id ssn dob note! low*", primary_key=(1,))
VISITS = relation(2, "clinic.visits", "id patient_id remark", primary_key=(1,))
OTHER = relation(3, "other.patients", "id ssn", primary_key=(1,))
ODD = relation(4, 'clinic.Odd "x"', "id")
VIEW = relation(5, "clinic.overview", "id ssn", kind=RelationKind.VIEW)
PARTED = relation(6, "clinic.events", "id body", kind=RelationKind.PARTITIONED_TABLE)
FROZEN = relation(7, "clinic.frozen", "id ssn", kind=RelationKind.MATERIALIZED_VIEW)
EMPTY = relation(8, "clinic.nothing", "")
COUNT = Function(2803, "pg_catalog", "count", "a", (), "bigint", False, "i", "internal")
LOWER = Function(870, "pg_catalog", "lower", "f", ("text",), "text", False, "i", "internal")
EVIL = Function(9999, "public", "lower", "f", ("integer",), "text", False, "v", "sql")
SNAPSHOT = Snapshot(
    "hospital",
    180000,
    1,
    frozenset({"pg_catalog", "clinic", "other", "public"}),
    (PATIENTS, VISITS, OTHER, ODD, VIEW, PARTED, FROZEN, EMPTY),
    (COUNT, LOWER, EVIL),
)
VIEW_OF_SESSION = SessionView("analyst", ("pg_catalog", "clinic", "public"))
MASKS: Masks = {
    1: {2: "NULL::pg_catalog.text", 5: "NULL::pg_catalog.text"},
    3: {2: "NULL::pg_catalog.text"},
    5: {2: "NULL::pg_catalog.text"},
    6: {2: "NULL::pg_catalog.text"},
    7: {2: "NULL::pg_catalog.text"},
}
SSN = 'NULL::pg_catalog.text AS "ssn"'
ALL = f'(SELECT t."id", {SSN}, t."dob", t."note", NULL::pg_catalog.text AS "low" FROM'
P = '"clinic"."patients"'


def sent(text: str, snapshot: Snapshot = SNAPSHOT, masks: Masks = MASKS) -> str:
    readings = analyze(text, snapshot, VIEW_OF_SESSION, DEFAULT_LIMITS)
    result = rewrite(text, readings, masks, snapshot)
    verify(text, result, readings, masks, snapshot)
    return result.text


CASES = [
    # 1, 2: the form; only what is referred to; everything for *, whole rows and NATURAL
    ("SELECT ssn FROM patients p", f"SELECT ssn FROM (SELECT {SSN} FROM {P} AS t) p"),
    (
        "SELECT id, p.ssn FROM clinic.patients AS p",
        f'SELECT id, p.ssn FROM (SELECT t."id", {SSN} FROM {P} AS t) AS p',
    ),
    ("SELECT * FROM patients p", f"SELECT * FROM {ALL} {P} AS t) p"),
    ("SELECT p FROM patients p", f"SELECT p FROM {ALL} {P} AS t) p"),
    (
        "SELECT p.id FROM patients p NATURAL JOIN visits v",
        f'SELECT p.id FROM {ALL} {P} AS t) p NATURAL JOIN "clinic".visits v',
    ),
    ("SELECT b FROM patients p(a, b)", f"SELECT b FROM {ALL} {P} AS t) p(a, b)"),
    # a mention that cannot reach a masked column stays a table
    ("SELECT id FROM patients", 'SELECT id FROM "clinic".patients'),
    ("SELECT count(*) FROM patients", 'SELECT count(*) FROM "clinic".patients'),
    # ... but not where the statement holds the name at all
    (
        "SELECT p.id, v.ssn FROM patients p, other.patients v",
        f'SELECT p.id, v.ssn FROM (SELECT t."id" FROM {P} AS t) p,'
        f' (SELECT {SSN} FROM "other"."patients" AS t) v',
    ),
    (
        "SELECT count(v.*) FROM patients, other.patients v",
        f"SELECT count(v.*) FROM (SELECT FROM {P} AS t) AS \"patients\","
        f' (SELECT t."id", {SSN} FROM "other"."patients" AS t) v',
    ),
    # 4: the name's extent
    (
        "SELECT ssn FROM ONLY patients",
        f'SELECT ssn FROM (SELECT {SSN} FROM ONLY {P} AS t) AS "patients"',
    ),
    ("SELECT ssn FROM ONLY (patients)p", f"SELECT ssn FROM (SELECT {SSN} FROM ONLY {P} AS t)p"),
    ("SELECT ssn FROM patients *", f'SELECT ssn FROM (SELECT {SSN} FROM {P} AS t) AS "patients"'),
    (
        "SELECT ssn FROM clinic/*a*/./*b*/patients/*c*/",
        f'SELECT ssn FROM (SELECT {SSN} FROM {P} AS t) AS "patients"/*c*/',
    ),
    (
        "SELECT ssn FROM U&\"p!0061tients\" UESCAPE '!' WHERE true",
        f'SELECT ssn FROM (SELECT {SSN} FROM {P} AS t) AS "patients" WHERE true',
    ),
    ("TABLE patients", f'SELECT * FROM {ALL} {P} AS t) AS "patients"'),
    ("TABLE ONLY patients", f'SELECT * FROM {ALL} ONLY {P} AS t) AS "patients"'),
    ("TABLE visits", 'TABLE "clinic".visits'),
    (
        "SELECT ssn FROM patients AS p TABLESAMPLE system (5) REPEATABLE (1) WHERE true",
        f"SELECT ssn FROM (SELECT {SSN} FROM {P} AS t  TABLESAMPLE system (5) REPEATABLE (1))"
        " AS p WHERE true",
    ),
    (
        "SELECT ssn FROM patients TABLESAMPLE system (5)",
        f'SELECT ssn FROM (SELECT {SSN} FROM {P} AS t  TABLESAMPLE system (5)) AS "patients"',
    ),
    # 5: aliases and qualifiers
    (
        "SELECT clinic.patients.ssn, hospital.clinic.patients.id FROM patients",
        f'SELECT patients.ssn, patients.id FROM (SELECT t."id", {SSN} FROM {P} AS t) AS "patients"',
    ),
    (
        "SELECT clinic.patients.* FROM patients",
        f'SELECT patients.* FROM {ALL} {P} AS t) AS "patients"',
    ),
    ("SELECT clinic.patients.id FROM patients", 'SELECT clinic.patients.id FROM "clinic".patients'),
    (
        "SELECT clinic.patients.ssn, other.patients.id FROM patients, other.patients",
        f'SELECT "patients_1".ssn, "patients_2".id FROM (SELECT {SSN} FROM {P} AS t)'
        ' AS "patients_1", (SELECT t."id" FROM "other"."patients" AS t) AS "patients_2"',
    ),
    # 6: system columns
    (
        "SELECT ctid, ssn FROM patients",
        f'SELECT ctid, ssn FROM (SELECT {SSN}, t.ctid AS "ctid" FROM {P} AS t) AS "patients"',
    ),
    # 7: functional dependency
    (
        "SELECT ssn, dob FROM patients p GROUP BY id",
        f'SELECT ssn, dob FROM (SELECT t."id", {SSN}, t."dob" FROM {P} AS t) p'
        ' GROUP BY "p"."ssn", "p"."dob", id',
    ),
    (
        "SELECT ssn FROM patients GROUP BY DISTINCT (id)",
        f'SELECT ssn FROM (SELECT t."id", {SSN} FROM {P} AS t) AS "patients"'
        ' GROUP BY DISTINCT "patients"."ssn", (id)',
    ),
    ("SELECT dob FROM patients GROUP BY id", 'SELECT dob FROM "clinic".patients GROUP BY id'),
    # 8: COPY
    (
        "COPY patients TO STDOUT",
        f'COPY (SELECT t."id", {SSN}, t."dob", t."note" FROM ONLY {P} AS t) TO STDOUT',
    ),
    (
        "COPY patients (ssn,id) TO STDOUT",
        f'COPY (SELECT {SSN}, t."id" FROM ONLY {P} AS t) TO STDOUT',
    ),
    ("COPY patients (id) TO STDOUT", 'COPY "clinic".patients (id) TO STDOUT'),
    (
        "COPY frozen TO STDOUT",
        f'COPY (SELECT t."id", {SSN} FROM ONLY "clinic"."frozen" AS t) TO STDOUT',
    ),
    ("COPY visits FROM STDIN", 'COPY "clinic".visits FROM STDIN'),
    # 9: FOR UPDATE OF
    (
        "SELECT ssn FROM patients p FOR UPDATE OF p",
        f"SELECT ssn FROM (SELECT {SSN} FROM {P} AS t) p FOR UPDATE OF p",
    ),
    # 10: every unqualified relation
    ("SELECT * FROM visits", 'SELECT * FROM "clinic".visits'),
    ("SELECT * FROM clinic.visits", "SELECT * FROM clinic.visits"),
    ('SELECT * FROM "Odd ""x"""', 'SELECT * FROM "clinic"."Odd ""x"""'),
    ("INSERT INTO visits (id) VALUES ('1')", "INSERT INTO \"clinic\".visits (id) VALUES ('1')"),
    ("UPDATE visits v SET id = '1'", "UPDATE \"clinic\".visits v SET id = '1'"),
    ("DELETE FROM ONLY visits WHERE id = '1'", "DELETE FROM ONLY \"clinic\".visits WHERE id = '1'"),
    ("TRUNCATE visits, nothing", 'TRUNCATE "clinic".visits, "clinic".nothing'),
    ("LOCK TABLE patients", 'LOCK TABLE "clinic".patients'),
    ("ALTER TABLE patients ADD COLUMN x text", 'ALTER TABLE "clinic".patients ADD COLUMN x text'),
    ("GRANT SELECT ON visits TO analyst", 'GRANT SELECT ON "clinic".visits TO analyst'),
    ("CREATE INDEX ON visits (remark)", 'CREATE INDEX ON "clinic".visits (remark)'),
    # names of common table expressions are left alone
    (
        "WITH patients AS (SELECT ssn FROM patients) SELECT ssn FROM patients",
        f'WITH patients AS (SELECT ssn FROM (SELECT {SSN} FROM {P} AS t) AS "patients")'
        " SELECT ssn FROM patients",
    ),
    ("WITH visits AS (VALUES (1)) TABLE visits", "WITH visits AS (VALUES (1)) TABLE visits"),
    # 11: built-ins with namesakes
    ("SELECT lower(remark) FROM visits", 'SELECT pg_catalog.lower(remark) FROM "clinic".visits'),
    (
        "SELECT ssn FROM patients p GROUP BY id,lower(id)",
        f'SELECT ssn FROM (SELECT t."id", {SSN} FROM {P} AS t) p'
        ' GROUP BY "p"."ssn", id,pg_catalog.lower(id)',
    ),
    # statements in one text
    (
        "SELECT id FROM visits; SELECT ssn FROM patients p;",
        f'SELECT id FROM "clinic".visits; SELECT ssn FROM (SELECT {SSN} FROM {P} AS t) p;',
    ),
    ("SELECT 'ä', ssn FROM patients p", f"SELECT 'ä', ssn FROM (SELECT {SSN} FROM {P} AS t) p"),
    ("SELECT 1", "SELECT 1"),
    ("", ""),
    (" ; -- nothing", " ; -- nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_texts(text: str, expected: str) -> None:
    assert sent(text) == expected


REFUSED = [
    ("SELECT ctid, * FROM patients", NotUnderstood, "ctid together with all columns"),
    ("SELECT tableoid, p FROM patients p", NotUnderstood, "tableoid together with"),
    ("SELECT ssn, note FROM patients GROUP BY id", PolicyRefusal, "cannot be grouped"),
    ("SELECT ssn FROM patients GROUP BY ROLLUP (id)", PolicyRefusal, "primary key in GROUP BY"),
    ("SELECT b FROM patients p(a, b) GROUP BY a", PolicyRefusal, "primary key in GROUP BY"),
    ("COPY events TO STDOUT", NotUnderstood, 'cannot copy from "events"'),
    ("COPY overview TO STDOUT", NotUnderstood, 'cannot copy from "overview"'),
    ("COPY BINARY patients TO STDOUT", NotUnderstood, "this form of COPY"),
    ("COPY patients TO STDOUT USING DELIMITERS ','", NotUnderstood, "this form of COPY"),
]


@pytest.mark.parametrize(("text", "error", "message"), REFUSED)
def test_what_masked_relations_cannot_do_is_refused_with_a_hint(
    text: str, error: type[StatementError], message: str
) -> None:
    with pytest.raises(error) as caught:
        sent(text)
    assert message in caught.value.message
    assert caught.value.hint.endswith(".")
    assert caught.value.position is not None


def test_what_holds_no_mask_is_only_qualified() -> None:
    assert sent("SELECT ssn FROM patients", masks={}) == 'SELECT ssn FROM "clinic".patients'
    assert sent("COPY patients TO STDOUT", masks={1: {}}) == 'COPY "clinic".patients TO STDOUT'
    assert sent("TABLE ONLY patients", masks={}) == 'TABLE ONLY "clinic".patients'


def test_namesakes_are_replaced_together_or_not_at_all() -> None:
    text = "SELECT clinic.patients.ssn, other.patients.id FROM patients, other.patients"
    assert sent(text, masks={1: MASKS[1]}) == (
        f'SELECT "patients_1".ssn, "patients_2".id FROM (SELECT {SSN} FROM {P} AS t) AS'
        ' "patients_1", (SELECT t."id" FROM "other"."patients" AS t) AS "patients_2"'
    )
    assert sent(text, masks={}) == text.replace("FROM patients", 'FROM "clinic".patients')


def test_older_servers_copy_no_materialized_views() -> None:
    older = Snapshot("hospital", 170000, 1, SNAPSHOT.schemas, SNAPSHOT.relations, ())
    with pytest.raises(NotUnderstood, match="cannot copy"):
        sent("COPY frozen TO STDOUT", older)


def site(text: str, **changes: object) -> RelationSite:
    fields: dict[str, object] = {
        "relation": 1, "start": text.index("patients"), "role": SiteRole.READ, "alias": None,
        "has_column_aliases": False, "qualified": False, "inherits": True, "sampled": False,
        "columns": frozenset({2}), "whole": False,
    }  # fmt: skip
    return RelationSite(**{**fields, **changes})  # type: ignore[arg-type]


UNEXPECTED = [
    ("SELECT ssn FROM patients", {"start": 3}),
    ("SELECT ssn FROM patients", {"start": 900}),
    ("SELECT ssn FROM patients", {"qualified": True}),
    ("SELECT ssn FROM clinic.patients", {"start": 16}),
    ("SELECT ssn FROM ONLY patients", {}),
    ("SELECT ssn FROM ONLY (patients)", {}),
    ("SELECT ssn FROM patients", {"inherits": False}),
    ("SELECT ssn FROM (patients CROSS JOIN visits)", {"inherits": False}),
    ("SELECT ssn FROM patients AS p", {}),
    ("SELECT ssn FROM patients p TABLESAMPLE system (1)", {"sampled": True}),
    ("SELECT ssn FROM patients p", {"alias": "p", "sampled": True}),
    ("SELECT ssn FROM patients p", {"alias": "p", "has_column_aliases": True}),
    ("SELECT 'patients'", {"start": 7}),
    ("COPY patients FROM STDIN", {"role": SiteRole.COPY}),
    ("SELECT ssn FROM patients", {"relation": 77}),
    ("SELECT ssn FROM patients", {"columns": frozenset({2, 99})}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "changes"), UNEXPECTED)
def test_a_layout_that_is_not_as_read_is_refused(text: str, changes: dict[str, object]) -> None:
    reading = Reading(
        StatementFacts(Action.SELECT), 0, len(text), relations=(site(text, **changes),)
    )
    with pytest.raises(NotUnderstood):
        rewrite(text, (reading,), MASKS, SNAPSHOT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DROP TABLE visits", 'DROP TABLE "clinic".visits'),
        (
            "DROP TABLE IF EXISTS clinic.nothing, visits CASCADE",
            'DROP TABLE IF EXISTS clinic.nothing, "clinic".visits CASCADE',
        ),
        (
            "COMMENT ON COLUMN visits.remark IS 'x'",
            "COMMENT ON COLUMN \"clinic\".visits.remark IS 'x'",
        ),
    ],
)
def test_names_that_the_tree_holds_as_words(text: str, expected: str) -> None:
    named = RelationSite(
        2, text.index("visits"), SiteRole.NAME, None, False, False, True, False, frozenset(), False
    )
    readings = (Reading(StatementFacts(Action.DROP), 0, len(text), (named,)),)
    result = rewrite(text, readings, MASKS, SNAPSHOT)
    verify(text, result, readings, MASKS, SNAPSHOT)
    assert result.text == expected


def test_positions_lead_back_to_the_clients_text() -> None:
    text = "SELECT ssn, nosuch FROM patients p WHERE id = 'x'"
    readings = analyze(text.replace("nosuch", "dob"), SNAPSHOT, VIEW_OF_SESSION, DEFAULT_LIMITS)
    result = rewrite(text.replace("nosuch", "dob"), readings, MASKS, SNAPSHOT)
    there = result.text.index("WHERE") + 1
    assert result.positions.to_original(there) == text.replace("nosuch", "dob").index("WHERE") + 1
    inside = result.text.index('t."dob"') + 1
    assert (
        result.positions.to_original(inside) == text.replace("nosuch", "dob").index("patients") + 1
    )
