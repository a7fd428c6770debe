"""Whatever was tampered with, the proof fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.errors import NotUnderstood
from dbguard.sql.analysis import analyze
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.rewrite import Masks, Rewritten, rewrite
from dbguard.sql.sites import Reading, RelationSite, SiteRole
from dbguard.sql.snapshot import (
    Column,
    Function,
    Relation,
    RelationKind,
    SessionView,
    Snapshot,
)
from dbguard.sql.splices import PositionMap, Splice
from dbguard.sql.verify import verify


def relation(oid: int, schema: str, name: str, columns: str) -> Relation:
    made = tuple(Column(n, c, "text", "text", "S") for n, c in enumerate(columns.split(), 1))
    return Relation(oid, schema, name, RelationKind.TABLE, made, primary_key=(1,))


def function(oid: int, schema: str, name: str) -> Function:
    return Function(oid, schema, name, "f", ("text",), "text", False, "i", "internal")


SNAPSHOT = Snapshot(
    "hospital",
    180000,
    1,
    frozenset({"pg_catalog", "clinic", "other", "public"}),
    (
        relation(1, "clinic", "patients", "id ssn dob"),
        relation(2, "clinic", "visits", "id ssn remark"),
        relation(3, "other", "patients", "id ssn"),
    ),
    (function(870, "pg_catalog", "lower"), function(9, "public", "lower")),
)
VIEW = SessionView("analyst", ("pg_catalog", "clinic", "public"))
MASK = "NULL::pg_catalog.text"
MASKS: Masks = {1: {2: MASK}}


def read(text: str) -> tuple[Reading, ...]:
    return analyze(text, SNAPSHOT, VIEW, DEFAULT_LIMITS)


def whole(original: str, text: str) -> Rewritten:
    """`text` as if one splice over everything had made it."""
    end = len(original.encode())
    return Rewritten(text, (Splice(0, end, text),), PositionMap())


def check(original: str, text: str, readings: tuple[Reading, ...], masks: Masks = MASKS) -> None:
    verify(original, whole(original, text), readings, masks, SNAPSHOT)


TAMPERED = [
    # masks taken away, weakened, put on something else
    ("SELECT ssn FROM patients p", f'{MASK} AS "ssn"', 't."ssn"'),
    ("SELECT ssn FROM patients p", f'{MASK} AS "ssn"', 't."ssn" AS "ssn"'),
    ("SELECT ssn FROM patients p", f'{MASK} AS "ssn"', 't.ssn || NULL AS "ssn"'),
    ("SELECT ssn FROM patients p", f'{MASK} AS "ssn"', 't."dob" AS "ssn"'),
    ("SELECT ssn FROM patients p", "NULL::pg_catalog.text", "NULL::text"),
    ("SELECT ssn FROM patients p", "NULL::pg_catalog.text", "''::pg_catalog.text"),
    ("SELECT ssn, dob FROM patients p", 't."dob"', 't."ssn"'),
    ("SELECT ssn, dob FROM patients p", 't."dob"', 't."ssn" AS "dob"'),
    ("SELECT ssn, dob FROM patients p", 't."dob"', '"dob"'),
    ("SELECT ssn, dob FROM patients p", 't."dob"', 't."dob" || t."ssn" AS "dob"'),
    ("SELECT ssn FROM patients p", f'{MASK} AS "ssn"', f'{MASK} AS "ssn", t."ssn" AS "more"'),
    ("SELECT ssn FROM patients p", f'{MASK} AS "ssn"', f'{MASK} AS "ssn", t."dob"'),
    ("SELECT ssn, dob FROM patients p", ', t."dob"', ""),
    ("SELECT * FROM patients p", 't."id", ', ""),
    ("SELECT * FROM patients p", f'{MASK} AS "ssn", t."dob"', f't."dob", {MASK} AS "ssn"'),
    # the derived table
    ("SELECT ssn FROM patients p", '"clinic"."patients" AS t', '"other"."patients" AS t'),
    ("SELECT ssn FROM patients p", '"clinic"."patients" AS t', '"patients" AS t'),
    ("SELECT ssn FROM patients p", '"patients" AS t', '"patients" AS s'),
    ("SELECT ssn FROM patients p", '"patients" AS t', '"patients" AS t(id, dob, ssn)'),
    ("SELECT ssn FROM patients p", '"patients" AS t', '"patients" AS t, clinic.visits'),
    ("SELECT ssn FROM patients p", '"patients" AS t', '"patients" AS t WHERE true'),
    ("SELECT ssn FROM patients p", '"patients" AS t', '"patients" AS t LIMIT 1'),
    ("SELECT ssn FROM patients p", '"patients" AS t', '"patients" AS t ORDER BY 1'),
    ("SELECT ssn FROM patients p", '"patients" AS t', '"patients" AS t FOR UPDATE'),
    ("SELECT ssn FROM patients p", '"patients" AS t', '"patients" AS t TABLESAMPLE system (1)'),
    ("SELECT ssn FROM patients p", "(SELECT NULL", "(SELECT DISTINCT NULL"),
    ("SELECT ssn FROM patients p", "(SELECT NULL", "(WITH x AS (SELECT 1) SELECT NULL"),
    ("SELECT ssn FROM patients p", "FROM (SELECT", "FROM LATERAL (SELECT"),
    ("SELECT ssn FROM patients p", ") p", ") q"),
    ("SELECT ssn FROM patients p", ") p", ") p(ssn)"),
    ("SELECT ssn FROM patients", 'AS "patients"', 'AS "q"'),
    ("SELECT b FROM patients p(a, b)", "p(a, b)", "p(b, a)"),
    ("SELECT ssn FROM patients p", 'FROM "clinic"', 'FROM ONLY "clinic"'),
    ("SELECT ssn FROM ONLY patients p", "FROM ONLY", "FROM"),
    ("SELECT ssn FROM patients p", "t) p", "t UNION SELECT ssn FROM clinic.patients) p"),
    ("SELECT ssn FROM patients p", "(SELECT NULL", "(SELECT NULL UNION SELECT NULL"),
    ("SELECT ssn FROM patients p TABLESAMPLE system (1)", "(1)", "(2)"),
    ("SELECT ssn FROM patients p TABLESAMPLE system (1)", "system", "bernoulli"),
    ("SELECT ssn FROM patients p TABLESAMPLE system (1)", "TABLESAMPLE system (1)", ""),
    ("SELECT ssn FROM patients p TABLESAMPLE system (1)", "(1)", "(1) REPEATABLE (2)"),
    # the rest of the statement
    ("SELECT ssn FROM patients p WHERE id = '1'", "'1'", "'2'"),
    ("SELECT ssn FROM patients p WHERE id = '1'", "id = '1'", "id <> '1'"),
    ("SELECT ssn FROM patients p WHERE id = '1'", "WHERE id = '1'", ""),
    ("SELECT ssn FROM patients p", "SELECT ssn", "SELECT ssn, dob"),
    ("SELECT ssn FROM patients p", "SELECT ssn", "SELECT dob"),
    ("SELECT ssn FROM patients p", "SELECT ssn", "SELECT p.ssn"),
    ("SELECT ssn FROM patients p", "SELECT ssn", "SELECT ssn AS x"),
    ("SELECT ssn FROM patients p", "SELECT ssn", "SELECT *"),
    ("SELECT ssn FROM patients p", ") p", ") p, clinic.patients q"),
    ("SELECT ssn FROM patients p", ") p", ") p; SELECT ssn FROM clinic.patients"),
    ("SELECT ssn FROM patients p", ") p", ") p; DROP TABLE clinic.visits"),
    ("SELECT ssn FROM patients p", ") p", ") p )"),
    ("SELECT ssn FROM patients p", "SELECT ssn", "INSERT INTO clinic.visits SELECT ssn"),
    ("SELECT ssn FROM patients p ORDER BY 1", "BY 1", "BY 1 DESC"),
    ("SELECT ssn FROM patients p FOR UPDATE OF p", "OF p", ""),
    ("SELECT $1, ssn FROM patients p", "$1", "$2"),
    ("SELECT 1.0, ssn FROM patients p", "1.0", "1.00"),
    ("SELECT ssn FROM patients p; SELECT 1", "SELECT 1", "SELECT 2"),
    ("SELECT ssn FROM patients p; SELECT 1", "; SELECT 1", ""),
    ("SELECT true, ssn FROM patients p", "true", "false"),
    # names
    ("SELECT remark FROM visits", '"clinic".visits', "other.visits"),
    ("SELECT remark FROM visits", '"clinic".visits', "visits"),
    ("SELECT remark FROM visits", '"clinic".visits', "clinic.patients"),
    ("SELECT remark FROM visits", '"clinic".visits', "(SELECT * FROM clinic.visits) AS visits"),
    ("SELECT remark FROM clinic.visits", "clinic.visits", "visits"),
    ("SELECT remark FROM visits", '"clinic".visits', "hospital.clinic.visits"),
    ("DELETE FROM visits WHERE id = '1'", '"clinic".visits', "clinic.patients"),
    ("UPDATE visits SET id = '1'", '"clinic".visits', "ONLY clinic.visits"),
    ("INSERT INTO visits VALUES ('1')", '"clinic".visits', "other.patients"),
    ("TRUNCATE visits", '"clinic".visits', "clinic.patients"),
    ("SELECT visits.id FROM visits", "visits.id", "id"),
    ("SELECT clinic.visits.id FROM visits", "clinic.visits.id", "visits.id"),
    ("SELECT clinic.patients.ssn FROM patients", "SELECT patients.ssn", "SELECT patients.dob"),
    ("SELECT clinic.patients.ssn FROM patients", "SELECT patients.ssn", "SELECT ssn"),
    ("SELECT lower(remark) FROM visits", "pg_catalog.lower", "public.lower"),
    ("SELECT lower(remark) FROM visits", "pg_catalog.lower", "pg_catalog.upper"),
    ("SELECT upper(remark) FROM visits", "upper", "pg_catalog.upper"),
    ("SELECT remark::text FROM visits", "::text", "::public.text"),
    ("SELECT remark || 'x' FROM visits", "||", "OPERATOR(public.||)"),
    # GROUP BY
    ("SELECT ssn FROM patients p GROUP BY id", '"p"."ssn", ', ""),
    ("SELECT ssn FROM patients p GROUP BY id", '"p"."ssn", ', '"p"."ssn", "p"."dob", '),
    ("SELECT ssn FROM patients p GROUP BY id", '"p"."ssn", ', '"p"."dob", '),
    ("SELECT ssn FROM patients p GROUP BY id", '"p"."ssn", ', '"p"."ssn", "p"."ssn", '),
    ("SELECT ssn FROM patients p GROUP BY id", '"p"."ssn", ', "1, "),
    ("SELECT ssn FROM patients p GROUP BY id", "BY ", "BY DISTINCT "),
    ("SELECT dob FROM patients GROUP BY id", "BY ", "BY dob, "),
    # COPY
    ("COPY patients TO STDOUT", f'{MASK} AS "ssn"', 't."ssn"'),
    ("COPY patients TO STDOUT", ', t."dob"', ""),
    ("COPY patients TO STDOUT", "ONLY ", ""),
    ("COPY patients TO STDOUT", "AS t)", "AS t WHERE true)"),
    ("COPY patients TO STDOUT", "TO STDOUT", "TO '/tmp/x'"),
    ("COPY patients TO STDOUT", "TO STDOUT", "TO STDOUT CSV"),
    ("COPY patients (ssn, id) TO STDOUT", f'{MASK} AS "ssn", t."id"', f't."id", {MASK} AS "ssn"'),
    ("COPY patients (id) TO STDOUT", "(id)", "(ssn)"),
    ("COPY patients (id) TO STDOUT", "(id)", ""),
    ("COPY patients (id) TO STDOUT", '"clinic".patients', "other.patients"),
    ("COPY visits TO STDOUT", '"clinic".visits', '(SELECT t."id" FROM clinic.visits AS t)'),
    ("COPY visits FROM STDIN", '"clinic".visits', '"clinic".patients'),
]


@pytest.mark.parametrize(("text", "old", "new"), TAMPERED)
def test_a_tampered_text_is_refused(text: str, old: str, new: str) -> None:
    readings = read(text)
    right = rewrite(text, readings, MASKS, SNAPSHOT).text
    check(text, right, readings)
    wrong = right.replace(old, new)
    assert wrong != right
    with pytest.raises(NotUnderstood) as caught:
        check(text, wrong, readings)
    assert "prove" in caught.value.message
    assert caught.value.detail
    assert "'" not in caught.value.detail


def test_the_clients_own_text_is_no_proof() -> None:
    for text in (
        "SELECT ssn FROM clinic.patients",
        "TABLE clinic.patients",
        "COPY patients TO STDOUT",
    ):
        with pytest.raises(NotUnderstood):
            verify(text, Rewritten(text, (), PositionMap()), read(text), MASKS, SNAPSHOT)


def test_a_text_that_its_splices_do_not_make_is_refused() -> None:
    text = "SELECT ssn FROM patients p"
    readings = read(text)
    right = rewrite(text, readings, MASKS, SNAPSHOT)
    with pytest.raises(NotUnderstood):
        verify(text, replace(right, splices=right.splices[1:]), readings, MASKS, SNAPSHOT)


def with_site(text: str, **changes: object) -> tuple[Reading, ...]:
    """Readings of one statement whose first site was read wrongly."""
    (reading,) = read(text)
    site = replace(reading.relations[0], **changes)  # type: ignore[arg-type]
    return (replace(reading, relations=(site, *reading.relations[1:])),)


NOTHING = {"columns": frozenset[int](), "whole": False}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ssn FROM clinic.patients",
        "SELECT p.ssn FROM clinic.patients p",
        "SELECT (p).ssn FROM clinic.patients p",
        "SELECT ssn(p) FROM clinic.patients p",
        "SELECT * FROM clinic.patients",
        "SELECT p.* FROM clinic.patients p",
        "SELECT p FROM clinic.patients p",
        "SELECT patients FROM clinic.patients",
        "TABLE clinic.patients",
        "SELECT b FROM clinic.patients p(a, b)",
        "SELECT id FROM clinic.patients NATURAL JOIN clinic.visits",
        "SELECT remark FROM clinic.patients JOIN clinic.visits USING (ssn)",
        "SELECT j.b FROM (clinic.patients CROSS JOIN clinic.visits) AS j(a, b)",
        "SELECT j FROM (clinic.patients CROSS JOIN clinic.visits) AS j",
        "SELECT 1 FROM clinic.patients ORDER BY ssn",
        "COPY clinic.patients TO STDOUT",
        "COPY clinic.patients (ssn) TO STDOUT",
    ],
)
def test_a_resolver_that_misses_a_column_gives_nothing_away(text: str) -> None:
    """The reading says that no masked column is used, and the text is sent as it came."""
    readings = with_site(text, **NOTHING)
    right = text.replace(" visits", ' "clinic".visits')
    with pytest.raises(NotUnderstood):
        check(text, right, readings)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ssn FROM clinic.patients",
        "SELECT ssn FROM patients",
        "SELECT id FROM visits WHERE EXISTS (SELECT FROM patients WHERE ssn = '1')",
        "COPY patients TO STDOUT",
        "WITH x AS (SELECT ssn FROM patients) TABLE x",
        "DELETE FROM visits USING patients p WHERE p.ssn = visits.ssn",
    ],
)
def test_a_resolver_that_misses_a_relation_gives_nothing_away(text: str) -> None:
    (reading,) = read(text)
    kept = tuple(s for s in reading.relations if s.relation != 1)
    readings = (replace(reading, relations=kept),)
    with pytest.raises(NotUnderstood):
        check(text, rewrite(text, readings, MASKS, SNAPSHOT).text, readings)


@pytest.mark.parametrize("role", [SiteRole.TARGET, SiteRole.NAME, SiteRole.COPY])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT ssn FROM clinic.patients",
        "SELECT ssn FROM clinic.patients TABLESAMPLE system (1)",
        "SELECT * FROM (SELECT ssn FROM clinic.patients) x JOIN clinic.visits ON true",
        "SELECT p.ssn FROM clinic.patients p JOIN clinic.visits ON true",
        "DELETE FROM clinic.visits USING clinic.patients p RETURNING p.ssn",
    ],
)
def test_a_relation_that_is_read_is_no_target(text: str, role: SiteRole) -> None:
    (reading,) = read(text)
    sites = tuple(replace(s, role=role) if s.relation == 1 else s for s in reading.relations)
    with pytest.raises(NotUnderstood):
        check(text, text, (replace(reading, relations=sites),))


WRONG_READINGS: list[tuple[str, dict[str, object]]] = [
    ("SELECT ssn FROM patients", {"relation": 3}),
    ("SELECT ssn FROM patients", {"relation": 99}),
    ("SELECT ssn FROM patients", {"start": 0}),
    ("SELECT ssn FROM patients", {"role": SiteRole.TARGET}),
    ("SELECT ssn FROM patients", {"role": SiteRole.NAME}),
    ("SELECT ssn FROM patients", {"sampled": True}),
    ("SELECT ssn FROM patients p", {"alias": "q"}),
    ("SELECT ssn FROM patients p", {"alias": None}),
    ("SELECT ssn FROM patients p", {"has_column_aliases": True}),
    ("SELECT ssn FROM patients p", {"inherits": False}),
    ("SELECT ssn FROM patients p", {"qualified": True}),
    ("SELECT ssn FROM patients p", {"columns": frozenset({2, 3})}),
    ("SELECT ssn FROM patients p", {"columns": frozenset({2, -1})}),
    ("SELECT ssn FROM patients p", {"whole": True}),
    ("SELECT ssn FROM patients", {"renamed": "q"}),
]


@pytest.mark.parametrize(("text", "changes"), WRONG_READINGS)
def test_a_reading_that_does_not_fit_is_refused(text: str, changes: dict[str, object]) -> None:
    right = rewrite(text, read(text), MASKS, SNAPSHOT).text
    with pytest.raises(NotUnderstood):
        check(text, right, with_site(text, **changes))


def test_a_cte_taken_for_a_relation_is_refused() -> None:
    text = "WITH patients AS (SELECT '1' AS ssn) SELECT ssn FROM patients"
    (reading,) = read(text)
    start = text.rindex("patients")
    site = RelationSite(
        1, start, SiteRole.READ, None, False, False, True, False, frozenset({2}), False
    )
    readings = (replace(reading, relations=(site,)),)
    with pytest.raises(NotUnderstood):
        check(text, rewrite(text, readings, MASKS, SNAPSHOT).text, readings)


def test_a_cte_out_of_scope_hides_no_relation() -> None:
    text = "SELECT ssn FROM (WITH patients AS (SELECT 1) TABLE patients) x, patients"
    (reading,) = read(text)
    readings = (replace(reading, relations=()),)
    with pytest.raises(NotUnderstood):
        check(text, text, readings)


def test_statements_without_a_reading_are_refused() -> None:
    text = "SELECT ssn FROM patients p; SELECT ssn FROM patients p"
    readings = read(text)
    right = rewrite(text, readings, MASKS, SNAPSHOT).text
    check(text, right, readings)
    for wrong in ((), readings[:1], (readings[0], readings[0])):
        with pytest.raises(NotUnderstood):
            check(text, right, wrong)


def test_the_same_place_twice_is_refused() -> None:
    text = "SELECT ssn FROM patients p"
    (reading,) = read(text)
    right = rewrite(text, (reading,), MASKS, SNAPSHOT).text
    with pytest.raises(NotUnderstood):
        check(text, right, (replace(reading, relations=reading.relations * 2),))


@pytest.mark.parametrize(
    "mask",
    ['t."ssn"', "ssn", "*", "NULL, ssn", "NULL AS x", "NULL FROM clinic.patients", "NULL; SELECT 1",
     "NULL UNION SELECT ssn FROM clinic.patients", "", "'"],
)  # fmt: skip
def test_a_mask_that_is_none_is_refused(mask: str) -> None:
    text = "SELECT ssn FROM patients p"
    masks: Masks = {1: {2: mask}}
    readings = read(text)
    with pytest.raises(NotUnderstood):
        check(text, rewrite(text, readings, masks, SNAPSHOT).text, readings, masks)


def test_nothing_to_do_is_quickly_proven() -> None:
    text = "SELECT 1"
    verify(text, Rewritten(text, (), PositionMap()), read(text), {}, SNAPSHOT)
