"""A live catalog becomes a snapshot that says what PostgreSQL says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dbguard.catalog.loading import SNAPSHOT_QUERY, load_snapshot, parse_snapshot
from dbguard.catalog.saved import dump, load
from dbguard.errors import ConfigurationError
from dbguard.sql.snapshot import RelationKind, Snapshot

pytestmark = pytest.mark.pg

ROOT = Path(__file__).parents[2]

DDL = r"""
CREATE SCHEMA clinic;
CREATE SCHEMA "Odd Name";
CREATE TYPE clinic.sex AS ENUM ('f', 'm');
CREATE DOMAIN clinic.short AS varchar(11) CHECK (VALUE <> '');
CREATE DOMAIN clinic.shorter AS clinic.short;
CREATE DOMAIN clinic.positive AS numeric(8, 2);
CREATE TYPE "Odd Name"."Pair" AS (a int, b json);
CREATE TYPE clinic.span AS RANGE (subtype = int);
CREATE COLLATION clinic.plain FROM "C";
CREATE TABLE clinic.t (
  id bigint, part date NOT NULL, code varchar(11) COLLATE "C", sex clinic.sex,
  ssn clinic.shorter, amount clinic.positive, gone text, doc json, docb jsonb, pt point,
  tags text[], docs json[], pair "Odd Name"."Pair", sexes clinic.sex[],
  odd text COLLATE clinic.plain,
  span clinic.span, stamp timestamp(3) with time zone,
  twice bigint GENERATED ALWAYS AS (id * 2) STORED,
  PRIMARY KEY (part, id)
) PARTITION BY RANGE (part);
ALTER TABLE clinic.t DROP COLUMN gone;
CREATE TABLE clinic.t_2024 PARTITION OF clinic.t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE clinic.base (a int PRIMARY KEY DEFERRABLE);
CREATE TABLE clinic.child (b int) INHERITS (clinic.base);
CREATE VIEW clinic.v AS SELECT id, ssn FROM clinic.t WHERE sex = 'f';
CREATE VIEW clinic.v2 AS SELECT id FROM clinic.v;
CREATE MATERIALIZED VIEW clinic.m AS SELECT count(*) FROM clinic.t;
CREATE SEQUENCE clinic.s;
CREATE FUNCTION clinic.f(a int, b text DEFAULT ')' || E'\nRETURN ', OUT x int, OUT y text)
  LANGUAGE sql STABLE AS 'SELECT a, b';
CREATE FUNCTION clinic.g() RETURNS SETOF clinic.base LANGUAGE sql AS 'TABLE clinic.base';
CREATE FUNCTION clinic.opaque(VARIADIC a int[]) RETURNS int LANGUAGE plpgsql
  AS 'BEGIN RETURN 1; END';
CREATE PROCEDURE clinic.p(a int) LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION clinic.eq(int, text) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR clinic.=== (LEFTARG = int, RIGHTARG = text, FUNCTION = clinic.eq);
CREATE OPERATOR clinic.!!! (RIGHTARG = int, FUNCTION = pg_catalog.int4abs);
CREATE FUNCTION clinic.trig() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE INSERT ON clinic.base FOR EACH ROW EXECUTE FUNCTION clinic.trig();
CREATE RULE ru AS ON DELETE TO clinic.child DO INSTEAD NOTHING;
ALTER TABLE clinic.child ENABLE ROW LEVEL SECURITY;
"""

ATOMIC_DDL = r"""
CREATE FUNCTION clinic.atomic(a int, b text DEFAULT E') \nBEGIN ATOMIC\n') RETURNS bigint
  BEGIN ATOMIC SELECT count(*) FROM clinic.t WHERE id = a; END;
CREATE FUNCTION clinic.expression(a int) RETURNS int IMMUTABLE STRICT RETURN a + 1;
CREATE PROCEDURE clinic.deed(a int) BEGIN ATOMIC DELETE FROM clinic.base WHERE base.a = deed.a; END;
"""


@pytest.fixture(scope="module")
def database(pg_server: Any, module_database: Any) -> Iterator[Any]:
    for name in ("cat_doctor", "cat_guest"):
        pg_server.create_user(name)
    pg_server.create_user("cat_senior", options="NOLOGIN")
    pg_server.execute(
        "GRANT cat_senior TO cat_doctor; GRANT pg_read_all_data TO cat_senior"
        if pg_server.version >= 140000
        else "GRANT cat_senior TO cat_doctor"
    )
    module_database.execute(DDL)
    if pg_server.version >= 140000:
        module_database.execute(ATOMIC_DDL)
    name = module_database.name
    module_database.execute(
        f"""GRANT USAGE ON SCHEMA clinic TO cat_senior;
        ALTER ROLE cat_doctor SET search_path = clinic, public;
        ALTER ROLE cat_doctor IN DATABASE {name} SET work_mem = '5MB';
        ALTER ROLE cat_doctor SET work_mem = '6MB';
        ALTER DATABASE {name} SET work_mem = '7MB';
        ALTER DATABASE {name} SET geqo = off;"""
    )
    yield module_database
    module_database.execute("ALTER ROLE cat_doctor RESET ALL")


@pytest.fixture
async def control(database: Any) -> AsyncIterator[asyncpg.Connection]:
    """As a role that has no privilege on anything."""
    connection = await asyncpg.connect(
        database.dsn("cat_guest"), server_settings={"search_path": ""}
    )
    yield connection
    await connection.close()


@pytest.fixture
async def snapshot(control: asyncpg.Connection) -> Snapshot:
    return await load_snapshot(control, 7)


def relation(snapshot: Snapshot, name: str) -> Any:
    return snapshot.relation_by_name["clinic", name]


def function(snapshot: Snapshot, name: str) -> Any:
    (found,) = snapshot.functions_by_name[name]
    return found


async def test_database_and_schemas(snapshot: Snapshot, database: Any) -> None:
    assert snapshot.database == database.name
    assert snapshot.server_version == database.server.version
    assert snapshot.epoch == 7
    assert snapshot.schemas >= {"pg_catalog", "information_schema", "public", "clinic", "Odd Name"}
    assert not any(s.startswith(("pg_toast", "pg_temp")) for s in snapshot.schemas)


COLUMNS = {
    "id": ("bigint", "bigint", "N", True),
    "part": ("date", "date", "D", True),
    "code": ("character varying(11)", "character varying(11)", "S", True),
    "sex": ("clinic.sex", "clinic.sex", "E", True),
    "ssn": ("clinic.shorter", "character varying(11)", "S", True),
    "amount": ("clinic.positive", "numeric(8,2)", "N", True),
    "doc": ("json", "json", "U", False),
    "docb": ("jsonb", "jsonb", "U", True),
    "pt": ("point", "point", "G", False),
    "tags": ("text[]", "text[]", "A", True),
    "docs": ("json[]", "json[]", "A", False),
    "pair": ('"Odd Name"."Pair"', '"Odd Name"."Pair"', "C", False),
    "sexes": ("clinic.sex[]", "clinic.sex[]", "A", True),
    "odd": ("text", "text", "S", True),
    "span": ("clinic.span", "clinic.span", "R", True),
    "stamp": ("timestamp(3) with time zone", "timestamp(3) with time zone", "D", True),
    "twice": ("bigint", "bigint", "N", True),
}


async def test_columns(snapshot: Snapshot) -> None:
    table = relation(snapshot, "t")
    seen = {c.name: (c.type_name, c.base_type, c.category, c.hashable) for c in table.columns}
    assert seen == COLUMNS
    assert [c.name for c in table.columns if c.generated] == ["twice"]
    assert {c.name: c.collation for c in table.columns if c.collation} == {
        "code": '"pg_catalog"."C"',
        "odd": '"clinic"."plain"',
    }
    assert {c.name for c in table.columns if c.not_null} == {"id", "part"}
    numbers = [c.number for c in table.columns]
    assert 7 not in numbers  # the dropped one
    assert [table.column_by_name[n].number for n in ("part", "id")] == list(table.primary_key)


async def test_hashable_is_what_group_by_accepts(snapshot: Snapshot, database: Any) -> None:
    async def grouped(name: str) -> bool:
        try:
            await connection.execute(f'SELECT count(*) FROM clinic.t GROUP BY "{name}"')
        except asyncpg.UndefinedFunctionError:
            return False
        return True

    connection = await asyncpg.connect(database.dsn())
    try:
        for column in relation(snapshot, "t").columns:
            assert column.hashable == await grouped(column.name), column.name
    finally:
        await connection.close()


async def test_relations(snapshot: Snapshot) -> None:
    assert relation(snapshot, "t").kind is RelationKind.PARTITIONED_TABLE
    assert relation(snapshot, "t_2024").parents == (relation(snapshot, "t").oid,)
    assert relation(snapshot, "child").parents == (relation(snapshot, "base").oid,)
    assert relation(snapshot, "base").primary_key == ()  # deferrable: no functional dependency
    assert relation(snapshot, "base").has_triggers
    assert not relation(snapshot, "t").has_triggers
    assert relation(snapshot, "child").has_rules
    assert not relation(snapshot, "v").has_rules
    assert relation(snapshot, "child").has_row_security
    assert relation(snapshot, "s").kind is RelationKind.SEQUENCE
    assert relation(snapshot, "m").kind is RelationKind.MATERIALIZED_VIEW
    assert relation(snapshot, "v").definition is not None
    assert snapshot.relation_by_name["Odd Name", "Pair"].kind is RelationKind.COMPOSITE_TYPE
    assert "FROM clinic.t" in relation(snapshot, "v").definition
    assert "clinic.v" in relation(snapshot, "v2").definition
    assert ("pg_catalog", "pg_stats") in snapshot.relation_by_name


async def test_functions(snapshot: Snapshot) -> None:
    found = function(snapshot, "f")
    assert found.signature == "clinic.f(integer, text)"
    assert (found.kind, found.volatility, found.language) == ("f", "s", "sql")
    assert found.result_columns == ("x", "y")
    assert found.defaults == 1
    assert found.source == "SELECT a, b"
    assert function(snapshot, "g").result_columns == ("a",)
    assert function(snapshot, "g").returns_set
    assert function(snapshot, "opaque").variadic
    assert function(snapshot, "opaque").source is None
    assert function(snapshot, "p").kind == "p"
    assert {f.signature for f in snapshot.functions_by_name["lower"]} >= {"pg_catalog.lower(text)"}


async def test_bodies_kept_as_trees(snapshot: Snapshot, database: Any) -> None:
    if database.server.version < 140000:
        pytest.skip("PostgreSQL 14 brought them")
    for name in ("atomic", "expression", "deed"):
        found = function(snapshot, name)
        ((body,),) = database.execute(
            f"SET search_path = ''; SELECT pg_get_function_sqlbody({found.oid})"
        )
        assert found.source == body.strip()


async def test_types_and_operators(snapshot: Snapshot) -> None:
    kinds = {(t.schema, t.name): t.kind for t in snapshot.types}
    assert kinds["clinic", "sex"] == "e"
    assert kinds["clinic", "short"] == "d"
    assert kinds["clinic", "t"] == "c"
    assert not any(t.schema == "pg_catalog" for t in snapshot.types)
    pair = next(t for t in snapshot.types if t.name == "Pair")
    assert snapshot.relation_by_oid[pair.relation].name == "Pair"
    assert [(o.schema, o.left, o.right) for o in snapshot.operators_by_name["==="]] == [
        ("clinic", "integer", "text")
    ]
    assert [(o.left, o.right) for o in snapshot.operators_by_name["!!!"]] == [("-", "integer")]


async def test_what_a_user_adds_to_his_extension_is_not_the_extensions(pg_database: Any) -> None:
    if not pg_database.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'"):
        pytest.skip("this server comes without citext")
    pg_database.create_user("tinkerer")
    pg_database.execute(f'GRANT CREATE ON DATABASE "{pg_database.name}" TO tinkerer')
    pg_database.execute("CREATE SCHEMA own; GRANT ALL ON SCHEMA own, public TO tinkerer")
    pg_database.execute(
        """
        CREATE EXTENSION citext;
        CREATE FUNCTION own.peek(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
        ALTER EXTENSION citext ADD FUNCTION own.peek(text);
        CREATE DOMAIN own.odd AS text;
        ALTER EXTENSION citext ADD DOMAIN own.odd
        """,
        user="tinkerer",
    )
    connection = await asyncpg.connect(pg_database.dsn())
    try:
        found = await load_snapshot(connection, 1)
    finally:
        await connection.close()
    assert {f.extension for f in found.functions_by_name["citext_eq"]} == {"citext"}
    assert function(found, "peek").extension is None
    assert {t.extension for t in found.types_by_name["odd"]} == {None}
    assert {t.extension for t in found.types_by_name["citext"]} == {"citext"}


async def test_extension_members(snapshot: Snapshot) -> None:
    assert function(snapshot, "plpgsql_call_handler").extension == "plpgsql"
    assert function(snapshot, "f").extension is None


async def test_roles(snapshot: Snapshot, database: Any) -> None:
    doctor, guest = snapshot.role_by_name["cat_doctor"], snapshot.role_by_name["cat_guest"]
    assert doctor.memberships >= {"cat_doctor", "cat_senior"}
    if database.server.version >= 140000:
        assert "pg_read_all_data" in doctor.memberships
        owner = snapshot.role_by_name[database.server.superuser]
        assert "pg_database_owner" in owner.memberships
        assert not doctor.hidden_schemas
    assert guest.memberships == {"cat_guest"}
    assert guest.hidden_schemas == {"clinic", "Odd Name"}
    assert not guest.superuser
    assert dict(doctor.settings) == {
        "search_path": "clinic, public",
        "work_mem": "5MB",
        "geqo": "off",
    }
    assert dict(guest.settings) == {"work_mem": "7MB", "geqo": "off"}


HOSTILE = """
CREATE SCHEMA evil;
CREATE TYPE evil.text AS (a int);
CREATE TYPE evil.sex AS ENUM ('x');
CREATE FUNCTION evil.never(oid, oid) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN false; END';
CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.never);
CREATE FUNCTION evil.json_agg(anyelement) RETURNS json LANGUAGE sql AS 'SELECT NULL::json';
CREATE FUNCTION evil.format_type(oid, int) RETURNS text LANGUAGE sql AS 'SELECT NULL';
"""


async def test_any_search_path_gives_the_same_names(pg_database: Any) -> None:
    pg_database.execute(DDL + HOSTILE)
    plain = await asyncpg.connect(pg_database.dsn(), server_settings={"search_path": ""})
    other = await asyncpg.connect(
        pg_database.dsn(), server_settings={"search_path": 'evil, clinic, "Odd Name", pg_catalog'}
    )
    try:
        one = await load_snapshot(plain, 1)
        two = parse_snapshot(await other.fetchval(SNAPSHOT_QUERY), 1)
    finally:
        await plain.close()
        await other.close()

    def without_texts(snapshot: Snapshot) -> object:
        return (
            [(r.oid, r.schema, r.name, r.columns) for r in snapshot.relations],
            [(f.oid, f.signature, f.result) for f in snapshot.functions],
            [(o.name, o.left, o.right) for o in snapshot.operators],
        )

    assert without_texts(one) == without_texts(two)


async def test_temporary_relations_of_the_own_session_only(pg_database: Any) -> None:
    one = await asyncpg.connect(pg_database.dsn())
    two = await asyncpg.connect(pg_database.dsn())
    try:
        await one.execute("CREATE TEMP TABLE mine (a int)")
        (mine,) = [r for r in (await load_snapshot(one, 1)).relations if r.temporary]
        assert mine.name == "mine"
        assert mine.schema.startswith("pg_temp_")
        assert not [r for r in (await load_snapshot(two, 1)).relations if r.temporary]
    finally:
        await one.close()
        await two.close()


async def test_a_column_of_somebody_elses_temporary_type(pg_database: Any) -> None:
    """Nobody can make the catalog unreadable with it."""
    owner = await asyncpg.connect(pg_database.dsn())
    reader = await asyncpg.connect(pg_database.dsn(), server_settings={"search_path": ""})
    try:
        await owner.execute(
            "CREATE TYPE pg_temp.short_lived AS (a int); CREATE DOMAIN pg_temp.d AS varchar(3);"
            "CREATE TABLE public.odd (a pg_temp.short_lived, b pg_temp.d, c pg_temp.d[]);"
            "CREATE FUNCTION public.odd(pg_temp.d) RETURNS pg_temp.short_lived"
            " LANGUAGE sql AS 'SELECT NULL::pg_temp.short_lived'"
        )
        snapshot = await load_snapshot(reader, 1)
        odd = snapshot.relation_by_name["public", "odd"]
        assert [c.base_type for c in odd.columns][1] == "character varying(3)"
        assert [c.type_name for c in odd.columns] == ["???"] * 3
        assert [c.hashable for c in odd.columns] == [False, True, False]
        assert not any(t.name == "short_lived" for t in snapshot.types)
    finally:
        await owner.close()
        await reader.close()


async def test_a_view_too_deep_to_print(pg_database: Any) -> None:
    """It can be made, and then costs its own definition only."""
    pg_database.execute(DDL)
    reader = await asyncpg.connect(pg_database.dsn(), server_settings={"search_path": ""})
    try:
        for depth in range(1000, 8000, 200):
            try:
                await reader.execute(
                    "CREATE OR REPLACE VIEW public.deep AS "
                    f"SELECT {'(SELECT ' * depth}a{')' * depth} FROM clinic.base"
                )
            except asyncpg.StatementTooComplexError:
                pytest.skip("this server prints whatever it can read")
            try:
                await reader.fetchval("SELECT length(pg_get_viewdef('public.deep'::regclass))")
            except asyncpg.StatementTooComplexError:
                break
        else:
            pytest.skip("this server prints whatever it can read")
        snapshot = await load_snapshot(reader, 1)
    finally:
        await reader.close()
    assert snapshot.relation_by_name["public", "deep"].definition is None
    assert "FROM clinic.t" in relation(snapshot, "v").definition
    assert function(snapshot, "f").source == "SELECT a, b"


async def test_a_locked_table_leaves_its_views_out(pg_database: Any) -> None:
    """Instead of waiting for whoever holds it."""
    pg_database.execute(DDL)
    holder = await asyncpg.connect(pg_database.dsn())
    reader = await asyncpg.connect(pg_database.dsn(), server_settings={"lock_timeout": "500"})
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE clinic.t")
            snapshot = await load_snapshot(reader, 1)
            assert relation(snapshot, "v").definition is None
            assert relation(snapshot, "v2").definition is not None
        assert relation(await load_snapshot(reader, 2), "v").definition is not None
    finally:
        await holder.close()
        await reader.close()


async def test_saved_and_loaded(snapshot: Snapshot) -> None:
    text = dump(snapshot)
    assert load(text) == snapshot
    assert dump(load(text)) == text
    tree = json.loads(text)["snapshot"]
    assert tree["schemas"] == sorted(snapshot.schemas), "the same in every process"


def test_the_shipped_catalog_is_what_dump_writes() -> None:
    text = (ROOT / "rules" / "hipaa" / "catalog.json").read_text("utf-8")
    assert dump(load(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a saved catalog"),
        ('{"v": 1}', "not a saved catalog"),
        ('{"v": 1, "snapshot": {"database": "d"', "not a saved catalog"),
    ],
)
def test_not_a_saved_catalog(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(text)


async def test_saved_in_another_format(snapshot: Snapshot) -> None:
    with pytest.raises(ConfigurationError, match="format 2"):
        load(dump(snapshot).replace('{"v":1,', '{"v":2,', 1))
