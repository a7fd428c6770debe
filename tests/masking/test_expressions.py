"""Mask expressions: their text, and what a server makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from dbguard.errors import NotUnderstood
from dbguard.masking.expressions import mask_expression, mask_is_null
from dbguard.masking.types import read_type
from dbguard.policy.decision import Mask, MaskKind
from dbguard.sql import referee
from dbguard.sql.snapshot import Column

NULL = Mask(MaskKind.NULL)
REDACT = Mask(MaskKind.REDACT)
BRACKETS = Mask(MaskKind.REDACT, fill="[redacted]")
LAST4 = Mask(MaskKind.KEEP_LAST, keep=4, fill="***-**-")
FIRST2 = Mask(MaskKind.KEEP_FIRST, keep=2, fill="...")
LAST0 = Mask(MaskKind.KEEP_LAST, keep=0, fill="#")
BARE3 = Mask(MaskKind.KEEP_LAST, keep=3)
YEAR = Mask(MaskKind.YEAR)
FLOOR = Mask(MaskKind.YEAR, floor_year=1934)
ZIP3 = Mask(MaskKind.ZIP3, restricted=("036", "102"))
AGE = Mask(MaskKind.AGE_CAP, keep=90)
ALL_MASKS = [
    NULL, REDACT, BRACKETS, LAST4, FIRST2, LAST0, BARE3, YEAR, FLOOR, ZIP3, AGE,
    Mask(MaskKind.REDACT, fill="it's \\ 'quoted'; --"),
    Mask(MaskKind.KEEP_FIRST, keep=1, fill="é\\"),
]  # fmt: skip


def masked_item(mask: Mask, masked: Column) -> str:
    reference = f't."{masked.name}"'
    return f'{mask_expression(mask, masked, reference)} AS "{masked.name}"'


def column(type_name: str, collation: str | None = None) -> Column:
    return Column(1, "c", type_name, type_name, "?", collation=collation)


@pytest.mark.parametrize(
    ("text", "spelled", "name"),
    [
        ("text", "pg_catalog.text", "text"),
        ("integer", "integer", "int4"),
        ("character varying(11)", "character varying(11)", "varchar"),
        ("character(5)", "character(5)", "bpchar"),
        ("bpchar", "pg_catalog.bpchar", "bpchar"),
        ('"char"', 'pg_catalog."char"', "char"),
        ('"bit"', 'pg_catalog."bit"', "bit"),
        ("timestamp(3) with time zone", "timestamp(3) with time zone", "timestamptz"),
        ("date[]", "pg_catalog.date[]", "date"),
        ("interval day to second(3)", "interval day to second(3)", "interval"),
        ("clinic.sex", "clinic.sex", "sex"),
        ('"My Schema"."T y""pe"', '"My Schema"."T y""pe"', 'T y"pe'),
        ("anyarray", "pg_catalog.anyarray", "anyarray"),
    ],
)
def test_types_are_read_and_pinned(text: str, spelled: str, name: str) -> None:
    found = read_type(text)
    assert (found.text, found.name) == (spelled, name)


@pytest.mark.parametrize(
    "text",
    ["", "text, 1", "text FROM clinic.patients", "text; SELECT 1", "a.b.c", "setof text", "int\0",
     "text AS x", "text || 'x'", "clinic.patients.ssn%type"],
)  # fmt: skip
def test_a_saved_snapshot_cannot_smuggle_in_more_than_a_type(text: str) -> None:
    with pytest.raises(NotUnderstood):
        read_type(text)


@pytest.mark.parametrize("mask", ALL_MASKS)
@pytest.mark.parametrize(
    "type_name",
    ["integer", "jsonb", "uuid", "clinic.sex", "text[]", "date[]", "bytea", "xml", "interval",
     "public.citext", "time without time zone", "double precision", "anyarray", "bit(3)",
     "clinic.addr", "inet", '"char"'],
)  # fmt: skip
def test_what_has_no_safe_expression_is_null(mask: Mask, type_name: str) -> None:
    if mask is AGE and type_name == "integer":
        return
    assert mask_is_null(mask, column(type_name))
    assert mask_expression(mask, column(type_name), 't."c"') == f"NULL::{read_type(type_name).text}"


@pytest.mark.parametrize(
    ("mask", "type_name"),
    [
        (YEAR, "text"), (YEAR, "integer"), (ZIP3, "integer"), (ZIP3, "character varying(2)"),
        (AGE, "text"), (AGE, "date"), (AGE, "interval"), (REDACT, "character varying(7)"),
        (BRACKETS, "character(9)"), (LAST4, "character varying(4)"), (LAST4, "character(3)"),
        (NULL, "text"),
    ],
)  # fmt: skip
def test_masks_that_do_not_fit_are_null(mask: Mask, type_name: str) -> None:
    assert mask_is_null(mask, column(type_name))


@pytest.mark.parametrize("mask", ALL_MASKS)
@pytest.mark.parametrize("type_name", ["text", "character varying(11)", "date", "integer"])
def test_everything_named_is_qualified(mask: Mask, type_name: str) -> None:
    tree = referee.parse("SELECT " + mask_expression(mask, column(type_name), 't."c"'))[0].node
    pending: list[object] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            for key in ("funcname", "names"):
                if key in node:
                    assert node[key][0]["String"]["sval"] == "pg_catalog"
            if node.get("kind", "").startswith("AEXPR"):
                assert node["name"][0]["String"]["sval"] == "pg_catalog"
            pending.extend(node.values())


def test_collation_is_kept() -> None:
    text = mask_expression(NULL, column("text", collation='"pg_catalog"."C"'), 't."c"')
    assert text == '(NULL::pg_catalog.text) COLLATE "pg_catalog"."C"'


VALUES = [
    (LAST4, "text", "123-45-6789", "***-**-6789"),
    (LAST4, "character varying(11)", "123-45-6789", "***-**-6789"),
    (LAST4, "character varying(9)", "123456789", "***-*6789"),
    (LAST4, "character(9)", "123456789", "***-*6789"),
    (LAST4, "text", "6789", "***-**-"),
    (LAST4, "text", "", "***-**-"),
    (LAST4, "character(9)", "6789", "***-*    "),
    (LAST4, "text", None, None),
    (FIRST2, "text", "Anna", "An..."),
    (FIRST2, "text", "Jo", "..."),
    (FIRST2, "name", "Anna", "An..."),
    (LAST0, "text", "Anna", "#"),
    (BARE3, "text", "ab", ""),
    (BARE3, "text", "abcd", "bcd"),
    (REDACT, "text", "Anna", "REDACTED"),
    (REDACT, "text", None, None),
    (REDACT, "character(10)", "Anna", "REDACTED  "),
    (Mask(MaskKind.REDACT, fill="it's \\ x"), "text", "Anna", "it's \\ x"),
    (YEAR, "date", "1958-07-31", "1958-01-01"),
    (YEAR, "date", "infinity", "infinity"),
    (YEAR, "date", "0044-03-15 BC", "0044-01-01 BC"),
    (YEAR, "date", None, None),
    (FLOOR, "date", "1933-12-31", "1934-01-01"),
    (FLOOR, "date", "1935-12-31", "1935-01-01"),
    (FLOOR, "date", "-infinity", "1934-01-01"),
    (FLOOR, "date", None, None),
    (YEAR, "timestamp without time zone", "1958-07-31 12:34", "1958-01-01 00:00:00"),
    (FLOOR, "timestamp(0) without time zone", "1900-07-31 12:34", "1934-01-01 00:00:00"),
    (YEAR, "timestamp with time zone", "2020-01-01 03:00+05", "2019-01-01 00:00:00+00"),
    (FLOOR, "timestamp with time zone", "1900-01-01 00:00+00", "1934-01-01 00:00:00+00"),
    (ZIP3, "text", "02139", "021"),
    (ZIP3, "character(5)", "02139", "021  "),
    (ZIP3, "character varying(10)", "02139-1234", "021"),
    (ZIP3, "text", "021391234", "021"),
    (ZIP3, "text", " 02139 ", "021"),
    (ZIP3, "text", "03612", "000"),
    (ZIP3, "text", "2139", "000"),
    (ZIP3, "text", "SW1A 1AA", "000"),
    (ZIP3, "text", "02139x", "000"),
    (ZIP3, "text", "", "000"),
    (ZIP3, "text", None, None),
    (AGE, "integer", "89", "89"),
    (AGE, "integer", "90", "90"),
    (AGE, "smallint", "104", "90"),
    (AGE, "bigint", None, None),
    (AGE, "numeric(5,1)", "91.5", "90.0"),
    (AGE, "numeric(2,1)", "9.5", "9.5"),
    (AGE, "numeric", "NaN", "90"),
    (NULL, "text", "Anna", None),
]


@pytest.mark.pg
@pytest.mark.parametrize(("mask", "type_name", "value", "expected"), VALUES)
def test_values(
    pg_server: Any, mask: Mask, type_name: str, value: str | None, expected: str | None
) -> None:
    expression = mask_expression(mask, column(type_name), 't."c"')
    given = "NULL" if value is None else f"'{value}'"
    ((shown, typed),) = pg_server.execute(
        "SET timezone = 'UTC';"
        f"SELECT pg_catalog.concat(m) , pg_catalog.format_type(pg_typeof(m), NULL) FROM"
        f" (SELECT {expression} AS m FROM (SELECT {given}::{type_name} AS c) AS t) AS x"
    )
    assert shown == (expected or "")
    assert (
        typed == pg_server.execute(f"SELECT format_type(pg_typeof(NULL::{type_name}), NULL)")[0][0]
    )
    if expected is None:
        hidden = f"SELECT ({expression}) IS NULL FROM (SELECT {given}::{type_name} AS c) AS t"
        assert pg_server.execute(hidden) == [(True,)]


@pytest.fixture(scope="module")
def typed_database(module_database: Any) -> Any:
    module_database.execute(
        """
        CREATE SCHEMA clinic;
        CREATE TYPE clinic.sex AS ENUM ('f', 'm');
        CREATE TYPE clinic.addr AS (street text, zip char(5));
        CREATE DOMAIN clinic.mrn AS varchar(12) NOT NULL;
        CREATE COLLATION clinic.plain FROM "C";
        CREATE TABLE clinic.everything (
            c1 text, c2 varchar(11), c3 char(5), c4 bpchar, c5 name, c6 "char", c7 integer,
            c8 smallint, c9 bigint, c10 numeric(10,2), c11 real, c12 float8, c13 date,
            c14 timestamp(3), c15 timestamptz, c16 time, c17 interval day to second(2), c18 uuid,
            c19 json, c20 jsonb, c21 xml, c22 bytea, c23 bit(3), c24 bit varying(9), c25 inet,
            c26 text[], c27 varchar(7)[], c28 clinic.sex, c29 clinic.sex[], c30 clinic.addr,
            c31 clinic.mrn, c32 int4range, c33 point, c34 tsvector, c35 boolean, c36 money, c37 oid,
            c38 timestamptz(0), c39 text COLLATE clinic.plain, c40 varchar(3) COLLATE "C",
            c41 "bit", c42 int4multirange, c43 regclass, c44 macaddr, c45 varchar
        )
        """
    )
    return module_database


COLUMNS = """
SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
       CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
            ELSE format_type(a.atttypid, a.atttypmod) END,
       CASE WHEN a.attcollation <> t.typcollation
            THEN quote_ident(n.nspname) || '.' || quote_ident(l.collname) END
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_namespace n ON n.oid = l.collnamespace
WHERE a.attrelid = '{0}'::regclass AND a.attnum > 0 ORDER BY a.attnum
"""


def _columns(database: Any, relation: str) -> list[Column]:
    rows = database.execute("SET search_path = ''; " + COLUMNS.format(relation))
    return [Column(r[0], r[1], r[2], r[3], "?", collation=r[4]) for r in rows]


@pytest.mark.pg
@pytest.mark.parametrize("mask", ALL_MASKS)
def test_type_typmod_and_collation_stay(typed_database: Any, mask: Mask) -> None:
    """A view over the masks has the same column types as one over the columns."""
    columns = _columns(typed_database, "clinic.everything")
    listed = ", ".join(masked_item(mask, c) for c in columns)
    typed_database.execute(
        "DROP VIEW IF EXISTS clinic.masked;"
        f"CREATE VIEW clinic.masked AS SELECT {listed} FROM clinic.everything AS t"
    )
    for plain, masked in zip(columns, _columns(typed_database, "clinic.masked"), strict=True):
        assert masked.type_name == plain.base_type
        assert masked.collation == plain.collation
    typed_database.execute("TABLE clinic.masked")


@pytest.mark.pg
@pytest.mark.parametrize("relation", ["pg_stats", "pg_attribute", "pg_class", "pg_stats_ext"])
def test_null_of_every_catalog_type(pg_server: Any, relation: str) -> None:
    columns = _columns(pg_server, f"pg_catalog.{relation}")
    listed = ", ".join(masked_item(NULL, c) for c in columns)
    rows = pg_server.execute(f"SELECT {listed} FROM pg_catalog.{relation} AS t LIMIT 1")
    assert set(rows[0]) == {None} if rows else relation == "pg_stats_ext"


@pytest.mark.pg
def test_masks_do_not_use_what_others_put_in_the_path(module_database: Any) -> None:
    """A role with a schema of its own puts functions, operators and types before PostgreSQL's."""
    module_database.execute(
        """
        CREATE SCHEMA evil;
        CREATE FUNCTION evil.right(varchar, int) RETURNS text LANGUAGE sql AS 'SELECT $1';
        CREATE FUNCTION evil.right(text, int) RETURNS text LANGUAGE sql AS 'SELECT $1';
        CREATE FUNCTION evil.cat(text, text) RETURNS text LANGUAGE sql AS 'SELECT ''LEAK''';
        CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.cat);
        CREATE DOMAIN evil.text AS varchar(200) DEFAULT 'x';
        CREATE TABLE evil.p AS SELECT '123-45-6789'::varchar(11) AS c
        """
    )
    expression = mask_expression(LAST4, column("text"), 't."c"')
    rows = module_database.execute(
        f"SET search_path = evil, pg_catalog; SELECT {expression} FROM evil.p AS t"
    )
    assert rows == [("***-**-6789",)]
