"""Names to columns, uses, outputs and sites, on a catalog written by hand."""

from __future__ import annotations

import pytest

from dbguard.sql.analysis import analyze
from dbguard.sql.facts import Action, EffectKind, FunctionTrust, StatementFacts, Wrapper
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.sites import Reading, SiteRole

from .catalogs import SNAPSHOT, VIEW

P = "clinic.patients."
E = "clinic.encounters."
N = "clinic.notes."


def read(sql: str) -> Reading:
    (reading,) = analyze(sql, SNAPSHOT, VIEW, DEFAULT_LIMITS)
    return reading


def facts(sql: str) -> StatementFacts:
    return read(sql).facts


def uses(sql: str) -> dict[str, str]:
    """`schema.table.column` (with `!` where it cannot be masked) → its uses, sorted."""
    return {
        f"{c.column}{'' if c.maskable else '!'}": " ".join(sorted(c.uses))
        for c in facts(sql).columns
    }


USES = [
    ("SELECT ssn FROM patients", {P + "ssn": "output"}),
    ("SELECT ssn AS x FROM patients", {P + "ssn": "output"}),
    ("SELECT lower(ssn) FROM patients", {P + "ssn": "compute"}),
    ("SELECT lower(doc -> 'ssn') FROM patients", {P + "doc": "compute"}),
    ("SELECT id FROM patients WHERE ssn = '1'", {P + "id": "output", P + "ssn": "filter"}),
    ("SELECT id FROM patients ORDER BY ssn", {P + "id": "output", P + "ssn": "sort"}),
    ("SELECT ssn FROM patients ORDER BY 1", {P + "ssn": "output sort"}),
    ("SELECT ssn AS s FROM patients ORDER BY s", {P + "ssn": "output sort"}),
    ("SELECT DISTINCT ssn FROM patients", {P + "ssn": "group output"}),
    ("SELECT count(*) FROM patients GROUP BY ssn", {P + "ssn": "group"}),
    (
        "SELECT lower(zip) AS ssn FROM patients GROUP BY ssn",
        {P + "ssn": "group", P + "zip": "compute"},
    ),
    (
        "SELECT count(*) FROM patients GROUP BY zip HAVING max(ssn) > '1'",
        {P + "zip": "group", P + "ssn": "filter"},
    ),
    ("SELECT count(ssn) FROM patients", {P + "ssn": "presence"}),
    ("SELECT count(DISTINCT ssn) FROM patients", {P + "ssn": "group"}),
    ("SELECT count(lower(ssn)) FROM patients", {P + "ssn": "compute"}),
    ("SELECT ssn IS NULL FROM patients", {P + "ssn": "presence"}),
    ("SELECT id FROM patients WHERE ssn IS NOT NULL", {P + "id": "output", P + "ssn": "presence"}),
    ("SELECT nullif(ssn, '1') IS NULL FROM patients", {P + "ssn": "compute"}),
    (
        "SELECT rank() OVER (PARTITION BY zip ORDER BY dob) FROM patients",
        {P + "zip": "group", P + "dob": "sort"},
    ),
    (
        "SELECT count(*) FILTER (WHERE ssn = '1') FROM patients",
        {P + "ssn": "filter"},
    ),
    (
        "SELECT string_agg(zip, ',' ORDER BY ssn) FROM patients",
        {P + "zip": "compute", P + "ssn": "sort"},
    ),
    (
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY dob) FROM patients",
        {P + "dob": "compute sort"},
    ),
    (
        "SELECT ssn FROM patients UNION SELECT kind FROM encounters",
        {P + "ssn": "group output", E + "kind": "group output"},
    ),
    (
        "SELECT ssn FROM patients UNION ALL SELECT kind FROM encounters",
        {P + "ssn": "output", E + "kind": "output"},
    ),
    (
        "SELECT p.id FROM patients p JOIN encounters e ON e.patient_id = p.id",
        {P + "id": "join output", E + "patient_id": "join"},
    ),
    (
        "SELECT kind FROM patients JOIN encounters USING (id)",
        {P + "id": "join", E + "id": "join", E + "kind": "output"},
    ),
    (
        "SELECT x FROM (SELECT ssn AS x, dob FROM patients) q WHERE dob IS NULL",
        {P + "ssn": "output", P + "dob": "presence"},
    ),
    ("SELECT 1 FROM (SELECT lower(ssn) AS x FROM patients) q WHERE x = 'a'", {P + "ssn": "filter"}),
    ("SELECT id FROM (SELECT id, ssn FROM patients) q", {P + "id": "output", P + "ssn": "compute"}),
    (
        "WITH q AS (SELECT ssn, dob FROM patients) SELECT ssn FROM q ORDER BY dob",
        {P + "ssn": "output", P + "dob": "sort"},
    ),
    (
        "WITH RECURSIVE t AS (SELECT id, ssn FROM patients UNION ALL"
        " SELECT id + 1, ssn FROM t WHERE id < 9) SELECT ssn FROM t",
        {P + "ssn": "output", P + "id": "filter"},
    ),
    (
        "SELECT (SELECT ssn FROM patients p WHERE p.id = e.patient_id) FROM encounters e",
        {P + "ssn": "compute", P + "id": "filter", E + "patient_id": "filter"},
    ),
    (
        "SELECT kind FROM encounters WHERE patient_id IN (SELECT id FROM patients)",
        {E + "kind": "output", E + "patient_id": "filter", P + "id": "filter"},
    ),
    ("SELECT (p).ssn FROM patients p", {P + "ssn": "output"}),
    ("SELECT (p.*).ssn FROM patients p", {P + "ssn": "output"}),
    ("SELECT ssn(p) FROM patients p", {P + "ssn": "output"}),
    ("SELECT ssn(patients) FROM patients", {P + "ssn": "output"}),
    ("SELECT (p.addr).zip FROM patients p", {P + "addr": "compute"}),
    ("SELECT (q.x).zip FROM (SELECT p AS x FROM patients p) q WHERE (q.x).ssn = '1'", None),
    ("SELECT t.x FROM patients p, unnest(p.tags) AS t (x)", {P + "tags": "compute"}),
    ("SELECT t.key FROM patients p, jsonb_each(p.doc) t", {P + "doc": "compute"}),
    ("SELECT s.x FROM patients p, LATERAL (SELECT p.ssn AS x) s", {P + "ssn": "output"}),
    ("COPY patients (ssn) TO STDOUT", {P + "ssn": "output"}),
    ("COPY (SELECT ssn FROM patients) TO STDOUT", {P + "ssn": "output"}),
    ("COPY notes (id, body) FROM STDIN", {N + "id!": "write", N + "body!": "write"}),
    ("UPDATE notes SET body = author", {N + "body!": "write", N + "author!": "compute"}),
    ("DELETE FROM notes WHERE body = 'x'", {N + "body!": "filter"}),
    (
        "UPDATE notes SET body = p.ssn FROM patients p WHERE p.id = notes.id RETURNING author",
        {
            N + "body!": "write",
            N + "id!": "filter",
            N + "author!": "output",
            P + "ssn": "compute",
            P + "id": "filter",
        },
    ),
    (
        "INSERT INTO notes (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET body = notes.author",
        {N + "id!": "presence write", N + "body!": "write", N + "author!": "compute"},
    ),
    (
        "MERGE INTO notes n USING patients p ON p.id = n.id WHEN MATCHED AND p.zip = '1' THEN"
        " UPDATE SET body = p.ssn WHEN NOT MATCHED THEN INSERT (id, author) VALUES (p.id, p.mrn)",
        {
            N + "id!": "join write",
            N + "body!": "write",
            N + "author!": "write",
            P + "id": "compute join",
            P + "ssn": "compute",
            P + "zip": "filter",
            P + "mrn": "compute",
        },
    ),
]


@pytest.mark.parametrize(("sql", "expected"), USES)
def test_uses(sql: str, expected: dict[str, str] | None) -> None:
    found = uses(sql)
    if expected is None:  # a whole row taken apart later: every column counts as read
        assert len(found) == len(SNAPSHOT.relation_by_oid[101].columns)
    else:
        assert found == expected
    assert not facts(sql).opaque


WHOLE = [
    "SELECT * FROM patients",
    "SELECT p.* FROM patients p",
    "SELECT p FROM patients p",
    "SELECT patients FROM patients",
    "SELECT p.*::text FROM patients p",
    "SELECT row_to_json(p) FROM patients p",
    "SELECT to_jsonb(p.*) FROM patients p",
    "SELECT p IS NULL FROM patients p",
    "SELECT count(p) FROM patients p",
    "SELECT ROW(p.*) FROM patients p",
    "SELECT 1 FROM patients p WHERE p = p",
    "SELECT p.bmi FROM patients p",
    "SELECT 1 FROM patients NATURAL JOIN archive.patients AS b",
    "SELECT x FROM (SELECT p AS x FROM patients p) q",
    "TABLE patients",
]


@pytest.mark.parametrize("sql", WHOLE)
def test_whole_rows_are_marked_at_their_site(sql: str) -> None:
    assert read(sql).relations[0].whole


def outputs(sql: str) -> list[tuple[str, str | None, tuple[str, ...]]]:
    return [
        (o.name, str(o.origin) if o.origin else None, tuple(map(str, o.sources)))
        for o in facts(sql).outputs
    ]


OUTPUTS = [
    ("SELECT ssn AS x FROM patients", [("x", P + "ssn", (P + "ssn",))]),
    ("SELECT lower(ssn) FROM patients", [("lower", None, (P + "ssn",))]),
    ("SELECT ssn::text FROM patients", [("ssn", P + "ssn", (P + "ssn",))]),
    ("SELECT ssn::varchar(3) FROM patients", [("ssn", None, (P + "ssn",))]),
    ("SELECT count(ssn) FROM patients", [("count", None, ())]),
    ("SELECT ssn IS NULL FROM patients", [("?column?", None, ())]),
    ("SELECT q.x FROM (SELECT ssn AS x FROM patients) q", [("x", P + "ssn", (P + "ssn",))]),
    (
        "SELECT ssn FROM patients UNION SELECT kind FROM encounters",
        [("ssn", None, (E + "kind", P + "ssn"))],
    ),
    (
        "WITH RECURSIVE t AS (SELECT ssn AS a, mrn AS b FROM patients UNION ALL SELECT b, a FROM t)"
        " SELECT a FROM t",
        [("a", None, (P + "mrn", P + "ssn"))],
    ),
    (
        "SELECT name FROM patient_names",
        [
            (
                "name",
                "clinic.patient_names.name",
            )
            * 1
            + (("clinic.patient_names.name",),)
        ],
    ),
    (
        "SELECT CASE WHEN dob > now() THEN ssn END FROM patients",
        [("case", None, (P + "ssn", P + "dob"))],
    ),
    ("SELECT rank() OVER (ORDER BY ssn) FROM patients", [("rank", None, ())]),
    ("DELETE FROM notes RETURNING id", [("id", N + "id", (N + "id",))]),
    (
        "WITH d AS (DELETE FROM notes RETURNING body) SELECT body FROM d",
        [("body", N + "body", (N + "body",))],
    ),
    ("EXPLAIN SELECT ssn FROM patients", []),
]


@pytest.mark.parametrize(("sql", "expected"), OUTPUTS)
def test_outputs(sql: str, expected: list[tuple[str, str | None, tuple[str, ...]]]) -> None:
    assert outputs(sql) == expected


FLOWS = [
    (
        "INSERT INTO notes (id, body) SELECT id, ssn FROM patients",
        {N + "id": (P + "id",), N + "body": (P + "ssn",)},
    ),
    (
        "INSERT INTO notes (body) VALUES ((SELECT ssn FROM patients LIMIT 1)), ('x')",
        {N + "body": (P + "ssn",)},
    ),
    (
        "UPDATE notes SET (body, author) = (SELECT ssn, mrn FROM patients p WHERE p.id = notes.id)",
        {N + "body": (P + "ssn",), N + "author": (P + "mrn",)},
    ),
    (
        "UPDATE notes SET (body, author) = ROW (author, 'x')",
        {N + "body": (N + "author",), N + "author": ()},
    ),
    (
        "INSERT INTO notes (id, body) SELECT id, ssn FROM patients ON CONFLICT (id)"
        " DO UPDATE SET author = excluded.body",
        {N + "id": (P + "id",), N + "body": (P + "ssn",), N + "author": (P + "ssn",)},
    ),
    (
        "WITH q AS (SELECT ssn AS s FROM patients) INSERT INTO notes (body) SELECT s FROM q",
        {N + "body": (P + "ssn",)},
    ),
]


@pytest.mark.parametrize(("sql", "expected"), FLOWS)
def test_flows(sql: str, expected: dict[str, tuple[str, ...]]) -> None:
    found = {str(f.target): tuple(map(str, f.sources)) for f in facts(sql).flows}
    assert found == expected


def test_an_insert_without_columns_writes_all_that_can_be_written() -> None:
    written = [c.column.column for c in facts("INSERT INTO patients VALUES (1)").columns]
    assert "full_name" not in written
    assert len(written) == 10


WHERE = [
    ("DELETE FROM notes", False),
    ("DELETE FROM notes WHERE true", False),
    ("UPDATE notes SET body = '' WHERE 1 = 1", False),
    ("UPDATE notes SET body = '' WHERE $1", False),
    ("UPDATE notes SET body = '' WHERE id = 1", True),
    ("DELETE FROM notes WHERE CURRENT OF c", True),
    ("DELETE FROM notes WHERE EXISTS (SELECT 1)", True),
    ("WITH d AS (DELETE FROM notes) SELECT 1", False),
    ("EXPLAIN ANALYZE DELETE FROM notes", False),
    ("INSERT INTO notes (id) VALUES (1)", True),
    ("SELECT 1 FROM notes", True),
]


@pytest.mark.parametrize(("sql", "expected"), WHERE)
def test_where(sql: str, expected: bool) -> None:
    assert facts(sql).has_where is expected


def test_wrappers_are_opened() -> None:
    explained = facts("EXPLAIN (ANALYZE true, VERBOSE) DELETE FROM notes WHERE id = 1")
    assert (explained.action, explained.wrapper) == (Action.DELETE, Wrapper.EXPLAIN_ANALYZE)
    assert facts("EXPLAIN (ANALYZE off) SELECT 1").wrapper is Wrapper.EXPLAIN
    prepared = facts("PREPARE q AS SELECT ssn FROM patients")
    assert (prepared.action, prepared.wrapper) == (Action.SELECT, Wrapper.PREPARE)
    declared = facts("DECLARE c CURSOR FOR SELECT ssn FROM patients")
    assert (declared.action, declared.wrapper) == (Action.SELECT, Wrapper.DECLARE_CURSOR)
    created = facts("CREATE TABLE x AS SELECT ssn FROM patients")
    assert created.action is Action.CREATE_TABLE_AS
    assert {(r.name, r.relation) for r in created.relations} == {("patients", 101), ("x", 0)}
    assert facts("SELECT ssn INTO TEMP x FROM patients").action is Action.CREATE_TABLE_AS


def test_nested_actions() -> None:
    nested = facts(
        "WITH d AS (DELETE FROM notes WHERE id = 1 RETURNING id),"
        " u AS (UPDATE providers SET name = '' WHERE id = 1) SELECT id FROM d"
    )
    assert nested.action is Action.SELECT
    assert nested.nested == {Action.DELETE, Action.UPDATE}


def test_triggers_run_hidden_code() -> None:
    assert facts("INSERT INTO notes (id) VALUES (1)").runs_hidden_code
    assert not facts("INSERT INTO providers (id) VALUES (1)").runs_hidden_code
    assert facts("UPDATE patient_names SET name = '' WHERE id = 1").runs_hidden_code


def test_sites() -> None:
    sql = "SELECT x.id FROM ONLY clinic.patients AS x (id) JOIN labs TABLESAMPLE system (1) ON true"
    patients, labs = read(sql).relations
    assert sql[patients.start :].startswith("clinic.patients")
    assert patients.qualified
    assert not patients.inherits
    assert patients.alias == "x"
    assert patients.has_column_aliases
    assert patients.columns == {1}
    assert labs.sampled
    assert labs.role is SiteRole.READ
    assert sql[labs.start :].startswith("labs")
    target, read_site = read("INSERT INTO notes (id) SELECT id FROM patients").relations
    assert (target.role, read_site.role) == (SiteRole.TARGET, SiteRole.READ)


def test_a_cte_is_no_site() -> None:
    reading = read("WITH patients AS (SELECT * FROM clinic.patients) SELECT ssn FROM patients")
    assert [(s.relation, s.start) for s in reading.relations] == [(101, 32)]


def test_offsets_are_bytes() -> None:
    sql = "SELECT 'größer', ssn FROM patients"
    (site,) = read(sql).relations
    assert sql.encode()[site.start :] == b"patients"


def test_qualified_references() -> None:
    sql = "SELECT clinic.patients.ssn, hospital.clinic.patients.*, patients.id FROM clinic.patients"
    assert [(r.start, r.qualifiers, r.site) for r in read(sql).references] == [
        (7, 1, 0),
        (28, 2, 0),
    ]


def test_two_relations_of_one_name_are_renamed() -> None:
    sql = (
        "SELECT clinic.patients.mrn, archive.patients.ssn FROM clinic.patients, archive.patients"
        " WHERE clinic.patients.id = archive.patients.id"
    )
    reading = read(sql)
    assert any(site.renamed for site in reading.relations)
    correlated = read(
        "SELECT mrn, patients.id FROM clinic.patients WHERE EXISTS (SELECT 1 FROM archive.patients"
        " WHERE archive.patients.id = clinic.patients.id)"
    )
    outer = correlated.relations[0]
    assert outer.renamed
    assert sorted(r.qualifiers for r in correlated.references if r.site == 0) == [0, 1]


GROUPS = [
    ("SELECT id, ssn FROM patients GROUP BY id", {3}, "id"),
    ("SELECT id, ssn FROM patients GROUP BY (id)", {3}, "(id)"),
    ("SELECT id AS k, ssn FROM patients GROUP BY ALL k HAVING dob > now()", {3, 5}, "k "),
    ("SELECT ssn, id FROM patients GROUP BY /* x */ 2", {3}, "2"),
    ("SELECT p.id, p.ssn, max(p.dob) FROM patients p GROUP BY p.id", {3}, "p.id"),
    ("SELECT p.id FROM patients p GROUP BY p.id ORDER BY p.zip", {6}, "p.id ORDER"),
    (
        "SELECT id, (SELECT count(*) FROM encounters e WHERE e.kind = p.mrn) FROM patients p"
        " GROUP BY id",
        {2},
        "id",
    ),
]


@pytest.mark.parametrize(("sql", "columns", "first"), GROUPS)
def test_group_dependencies(sql: str, columns: set[int], first: str) -> None:
    (group,) = read(sql).groups
    assert set(group.columns) == columns
    assert sql[group.first_item :].startswith(first)
    assert not group.grouping_sets


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, count(*) FROM patients GROUP BY id",
        "SELECT id, max(ssn) FROM patients GROUP BY id",
        "SELECT ssn FROM patients GROUP BY ssn",
        "SELECT id, ssn FROM patients GROUP BY id, ssn",
        "SELECT q.id FROM (SELECT id, ssn FROM patients) q GROUP BY q.id",
    ],
)
def test_no_group_dependency(sql: str) -> None:
    assert not read(sql).groups


def test_builtin_calls_are_pinned() -> None:
    sql = "SELECT right(ssn, 4), lower(ssn), pg_catalog.right(ssn, 2) FROM patients"
    reading = read(sql)
    assert [c.start for c in reading.calls] == [7]
    assert {f.trust for f in reading.facts.functions} == {FunctionTrust.BUILTIN}


OPAQUE = [
    "SELECT ssn === 'x' FROM patients",
    "SELECT 'a'::weird",
    "COPY patients TO '/tmp/x'",
    "COPY patients TO PROGRAM 'cat'",
    "DO $$ BEGIN END $$",
    "CALL something(1)",
    "SELECT * FROM patients TABLESAMPLE mine (1)",
]


@pytest.mark.parametrize("sql", OPAQUE)
def test_opaque(sql: str) -> None:
    assert facts(sql).opaque


PLACES = [
    ("DROP TABLE IF EXISTS notes, clinic.providers CASCADE", ["notes,", "clinic.providers"]),
    ("DROP VIEW /* x */ patient_names", ["patient_names"]),
    ("DROP TRIGGER IF EXISTS t ON notes", ["notes"]),
    ("COMMENT ON TABLE notes IS 'on table'", ["notes"]),
    ("COMMENT ON COLUMN notes.body IS NULL", ["notes.body"]),
    ("COMMENT ON CONSTRAINT c ON notes IS ''", ["notes"]),
    ("SECURITY LABEL FOR x ON TABLE notes IS 'y'", ["notes"]),
    ("ALTER TABLE ONLY notes RENAME TO x", ["notes"]),
    ("TRUNCATE notes, providers", ["notes,", "providers"]),
    ("GRANT SELECT ON notes TO bob", ["notes"]),
    ("LOCK notes", ["notes"]),
]


@pytest.mark.parametrize(("sql", "starts"), PLACES)
def test_utilities_have_sites(sql: str, starts: list[str]) -> None:
    sites = read(sql).relations
    assert all(site.role is SiteRole.NAME for site in sites)
    assert len(sites) == len(starts)
    for site, start in zip(sites, starts, strict=True):
        assert sql[site.start :].startswith(start)


def test_column_aliases_of_a_join_need_every_column() -> None:
    reading = read("SELECT y FROM (patients p CROSS JOIN providers r) AS j (x, y)")
    assert [site.whole for site in reading.relations] == [True, True]
    assert reading.relations[0].columns == {2}


def test_execute_inside_other_statements() -> None:
    assert facts("CREATE TABLE x AS EXECUTE q").opaque
    explained = facts("EXPLAIN ANALYZE EXECUTE q")
    assert not explained.opaque
    assert explained.wrapper is Wrapper.EXPLAIN_ANALYZE
    assert [(e.kind, e.name) for e in explained.effects] == [(EffectKind.EXECUTE, "q")]
