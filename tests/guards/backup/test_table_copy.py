"""Tables of a backup beside the live ones: what belongs to them comes too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from dbguard.errors import BackupError
from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.context import BackupContext
from dbguard.guards.backup.giving_back import restore_tables
from dbguard.guards.backup.model import DumpFormat
from dbguard.guards.backup.sealing import Key
from dbguard.guards.backup.snapshots import WHOLE, Scope
from dbguard.guards.backup.table_copy import foreign_keys_of
from dbguard.guards.backup.table_names import TableName, table_name
from dbguard.guards.backup.taking import take_backup

pytestmark = pytest.mark.pg

SCHEMA = r"""
CREATE SCHEMA ward;
CREATE SCHEMA "odd ""ward";
CREATE TYPE ward.kind AS ENUM ('in', 'out');
CREATE FUNCTION ward.label(int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'no. ' || $1 $$;
CREATE FUNCTION ward.sound(int) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT $1 > 0 $$;
CREATE TABLE ward.places (id int PRIMARY KEY, name text);
INSERT INTO ward.places VALUES (1, 'one'), (2, 'two');
CREATE TABLE "odd ""ward"."odd ""table" (
    "odd ""id" bigint GENERATED ALWAYS AS IDENTITY (START WITH 100 INCREMENT BY 5) PRIMARY KEY,
    number serial NOT NULL,
    place int DEFAULT 1 REFERENCES ward.places ON DELETE CASCADE,
    above bigint REFERENCES "odd ""ward"."odd ""table" ("odd ""id") DEFERRABLE,
    kind ward.kind NOT NULL DEFAULT 'in',
    code varchar(10) COLLATE "C" DEFAULT 'x',
    made timestamptz DEFAULT '2024-01-01Z',
    price numeric(10, 2) CONSTRAINT not_dear CHECK (price < 1000),
    shown text GENERATED ALWAYS AS (ward.label(place)) STORED,
    self regclass,
    CONSTRAINT one_code UNIQUE (code, number) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT is_sound CHECK (ward.sound(place)));
CREATE INDEX by_price ON "odd ""ward"."odd ""table" (price DESC NULLS LAST, lower(code))
    INCLUDE (made) WHERE price > 1;
CREATE UNIQUE INDEX "odd ""index" ON "odd ""ward"."odd ""table" (number);
INSERT INTO "odd ""ward"."odd ""table" (place, above, kind, code, price, self)
    SELECT i % 2 + 1, CASE WHEN i > 1 THEN 100 END, 'out', 'c' || i, i + 0.25, 'ward.places'
    FROM generate_series(1, 50) i;
"""
ODD = TableName('odd "ward', 'odd "table')
DESCRIBED = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
       a.attgenerated, a.attcollation::regcollation::text,
       CASE WHEN s.seqrelid IS NULL THEN pg_get_expr(d.adbin, d.adrelid) END,
       s.seqtypid::regtype, s.seqstart, s.seqincrement
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_sequence s ON s.seqrelid = pg_get_serial_sequence(a.attrelid::regclass::text,
                                                               a.attname)::regclass
WHERE a.attrelid = {0}::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
CONSTRAINTS = """
SELECT contype, pg_get_constraintdef(oid), convalidated FROM pg_constraint
WHERE conrelid = {0}::regclass AND contype <> 'n' ORDER BY 1, 2
"""
INDEXES = """
SELECT split_part(pg_get_indexdef(indexrelid), ' USING ', 2), indisunique, indisprimary
FROM pg_index WHERE indrelid = {0}::regclass ORDER BY 1
"""


def regclass(name: TableName) -> str:
    return "'" + name.quoted.replace("'", "''") + "'"


@pytest.fixture
def ward(pg_database: Any) -> Any:
    pg_database.execute(SCHEMA)
    return pg_database


def scope_of(database: Any, table: TableName) -> Scope:
    ((oid,),) = database.execute(f"SELECT {regclass(table)}::regclass::oid")
    return Scope(everything=False, relations=(oid,))


async def secret() -> Key:
    return Key(bytes(range(32)))


@pytest.mark.parametrize("way", ["whole", "part", "sealed part", "folder", "sealed folder"])
async def test_what_belongs_to_a_table_comes_with_it(
    context: BackupContext, ward: Any, way: str
) -> None:
    if "folder" in way:
        context = replace(context, format=DumpFormat.DIRECTORY)
    if "sealed" in way:
        context = replace(context, read_key=secret)
    scope = scope_of(ward, ODD) if "part" in way else WHOLE
    rows = f"SELECT t::text FROM {{}} t ORDER BY number"  # noqa: F541 - filled below
    before = {q: ward.execute(q.format(regclass(ODD))) for q in (DESCRIBED, CONSTRAINTS, INDEXES)}
    held = ward.execute(rows.format(ODD.quoted))
    backup = await take_backup(ward.name, context, scope)
    ward.execute(f"DELETE FROM {ODD.quoted} WHERE number > 1")
    told: list[str] = []
    await restore_tables(backup.id, (ODD,), context, tell=told.append)
    assert told == []
    copy = ODD.restored(backup.id)
    assert ward.execute(rows.format(copy.quoted)) == held
    for query, was in before.items():
        found = ward.execute(query.format(regclass(copy)))
        # what led to the table itself leads to the copy
        named = [tuple(_renamed(value, copy) for value in row) for row in found]
        assert named == was, query
    # sequences go on where they were, and are the copy's own
    ward.execute(f"INSERT INTO {copy.quoted} (price) VALUES (2)")
    new = f'SELECT number, "odd ""id", place, kind::text, shown FROM {copy.quoted} WHERE price = 2'
    assert ward.execute(new) == [(51, 350, 1, "in", "no. 1")]
    owned = f"SELECT count(*) FROM pg_depend WHERE refobjid = {regclass(copy)}::regclass " \
        "AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND objid IN " \
        "(SELECT seqrelid FROM pg_sequence)"  # fmt: skip
    assert ward.execute(owned) == [(2,)]
    with pytest.raises(Exception, match="not_dear"):
        ward.execute(f"INSERT INTO {copy.quoted} (price) VALUES (2000)")
    ward.execute(f"DROP TABLE {copy.quoted}")  # nothing else holds it
    assert ward.execute("SELECT count(*) FROM pg_class WHERE relname LIKE '%restored%'") == [(0,)]


def _renamed(value: Any, copy: TableName) -> Any:
    return value.replace(copy.quoted, ODD.quoted) if isinstance(value, str) else value


async def test_a_dropped_table_and_what_it_leads_to_come_back_together(
    context: BackupContext, ward: Any
) -> None:
    backup = await take_backup(ward.name, context)
    ward.execute(f"DROP TABLE {ODD.quoted}, ward.places")
    told: list[str] = []
    places = table_name("ward.places")
    # a column refers to a table by its name, which leads nowhere any more
    with pytest.raises(BackupError, match="could not be copied"):
        await restore_tables(backup.id, (ODD, places), context)
    ward.execute("CREATE TABLE ward.places ()")
    await restore_tables(backup.id, (ODD, places), context, tell=told.append)
    assert told == []
    leads = f"SELECT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' " \
        f"AND conrelid = {regclass(ODD.restored(backup.id))}::regclass ORDER BY 1"  # fmt: skip
    assert ward.execute(leads) == [
        (ODD.restored(backup.id).quoted,),
        (f"ward.places_restored_{backup.id}",),
    ]


async def test_what_cannot_be_made_is_told(context: BackupContext, ward: Any) -> None:
    backup = await take_backup(ward.name, context)
    ward.execute(
        f"""DROP TABLE {ODD.quoted}; DELETE FROM ward.places WHERE id = 2;
        DROP FUNCTION ward.label, ward.sound"""
    )
    told: list[str] = []
    await restore_tables(backup.id, (ODD,), context, tell=told.append)
    assert told == [
        "columns shown are not generated any more: their values are copied (SQLSTATE 42883)",
        "constraint is_sound is not made (SQLSTATE 42883)",
        "foreign key \"odd \"\"table_place_fkey\" is made, but NOT VALID: rows do not fit "
        "(SQLSTATE 23503)",
    ]  # fmt: skip
    copy = ODD.restored(backup.id)
    assert ward.execute(f"SELECT count(*), min(shown) FROM {copy.quoted}") == [(50, "no. 1")]


async def test_another_function_of_the_same_name_makes_no_other_rows(
    context: BackupContext, ward: Any
) -> None:
    backup = await take_backup(ward.name, context)
    ward.execute(
        "CREATE OR REPLACE FUNCTION ward.label(int) RETURNS text LANGUAGE sql IMMUTABLE "
        "AS $$ SELECT 'number ' || $1 $$"
    )
    with pytest.raises(BackupError, match="would have other rows than the backup"):
        await restore_tables(backup.id, (ODD,), context)
    assert ward.execute("SELECT count(*) FROM pg_class WHERE relname LIKE '%restored%'") == [(0,)]
    await restore_tables(backup.id, (ODD,), context, rows_only=True)
    copy = ODD.restored(backup.id)
    assert ward.execute(f"SELECT count(*), min(shown) FROM {copy.quoted}") == [(50, "no. 1")]
    assert ward.execute(CONSTRAINTS.format(regclass(copy))) == []
    assert ward.execute(INDEXES.format(regclass(copy))) == []


async def test_who_may_not_create_tables_there_is_told_what_to_grant(
    context: BackupContext, ward: Any, pg_server: Any
) -> None:
    backup = await take_backup(ward.name, context)
    role = f"backs_up_{ward.name}"
    ward.execute(f"CREATE ROLE {role} LOGIN CREATEDB BYPASSRLS PASSWORD 'secret'")
    ward.execute(f"GRANT pg_read_all_data TO {role}")
    try:
        whole = urlsplit(pg_server.dsn())
        own = whole._replace(netloc=f"{role}:secret@{whole.hostname}:{whole.port}")
        as_role = replace(context, access=ServerAccess(own.geturl()))
        with pytest.raises(BackupError) as refused:
            await restore_tables(backup.id, (ODD,), as_role)
        assert refused.value.message == f'role {role} may not create tables in schema odd "ward'
        grant = f'GRANT CREATE, USAGE ON SCHEMA "odd ""ward" TO "{role}"'
        assert refused.value.hint.startswith(f"Run: {grant}; or ")
        ward.execute(grant)
        ward.execute(f"GRANT USAGE ON SCHEMA ward TO {role}")
        await restore_tables(backup.id, (ODD,), as_role)
        copy = ODD.restored(backup.id).quoted
        assert ward.execute(f"SELECT count(*) FROM {copy}") == [(50,)]
    finally:
        ward.execute(f"DROP OWNED BY {role}")
        ward.execute(f"DROP ROLE {role}")


async def test_partitions_come_as_one_table(context: BackupContext, clinic: Any) -> None:
    clinic.execute("ALTER TABLE clinic.visits ADD CONSTRAINT known UNIQUE (id)")
    clinic.execute("CREATE INDEX by_time ON clinic.visits (at)")
    before = clinic.execute("SELECT * FROM clinic.visits ORDER BY id")
    backup = await take_backup(clinic.name, context)
    told: list[str] = []
    await restore_tables(
        backup.id,
        (table_name("clinic.visits"), table_name("clinic.visits_2"), table_name("clinic.names")),
        context,
        tell=told.append,
    )
    assert told == []
    copy = table_name("clinic.visits").restored(backup.id)
    assert clinic.execute(f"SELECT * FROM {copy.quoted} ORDER BY id") == before
    assert [row[0] for row in clinic.execute(CONSTRAINTS.format(regclass(copy)))] == ["f", "u"]
    assert len(clinic.execute(INDEXES.format(regclass(copy)))) == 2
    names = table_name("clinic.names").restored(backup.id)  # a view
    assert clinic.execute(f"SELECT count(*) FROM {names.quoted}") == [(500,)]


async def test_tables_whose_rows_are_not_there_are_not_copied_empty(
    context: BackupContext, clinic: Any
) -> None:
    clinic.execute("CREATE TABLE clinic.other AS SELECT 1")
    visits = table_name("clinic.visits")
    backup = await take_backup(clinic.name, context, scope_of(clinic, visits))
    for missing in ("clinic.other", "clinic.names", "clinic.stale"):
        with pytest.raises(BackupError, match=f"the rows of {missing} are not in backup"):
            await restore_tables(backup.id, (visits, table_name(missing)), context)
    assert clinic.execute("SELECT count(*) FROM pg_class WHERE relname LIKE '%restored%'") == [(0,)]
    await restore_tables(backup.id, (visits,), context)
    copy = visits.restored(backup.id)
    assert clinic.execute(f"SELECT count(*) FROM {copy.quoted}") == [(300,)]


async def test_long_names_that_begin_alike_stay_apart(
    context: BackupContext, pg_database: Any
) -> None:
    long = "x" * 40
    pg_database.execute(
        f"CREATE TABLE {long}_table (a serial, b serial, CONSTRAINT {long}_a UNIQUE (a), "
        f"CONSTRAINT {long}_b UNIQUE (b)); CREATE INDEX {long}_c ON {long}_table (a, b)"
    )
    backup = await take_backup(pg_database.name, context)
    told: list[str] = []
    table = table_name(f"public.{long}_table")
    await restore_tables(backup.id, (table,), context, tell=told.append)
    assert told == []
    copy = table.restored(backup.id)
    assert copy.name.endswith(f"_restored_{backup.id}")
    assert len(copy.name) == 63
    assert len(pg_database.execute(INDEXES.format(regclass(copy)))) == 3


def test_keys_are_found_in_what_pg_restore_writes() -> None:
    text = (
        "\n--\n-- Name: x\n--\n\nALTER TABLE ONLY ward.a\n"
        "    ADD CONSTRAINT a_b_fkey FOREIGN KEY (b) REFERENCES ward.b(id) ON DELETE CASCADE;\n\n\n"
        '\nALTER TABLE ONLY ward."a b"\n    ADD CONSTRAINT x FOREIGN KEY (c) REFERENCES ward.c(d);'
        "\n\nALTER TABLE ward.a\n    ADD CONSTRAINT y FOREIGN KEY (c) REFERENCES ward.c(d) NOT "
        "VALID;\n"
        "\nALTER TABLE ward.a\n    ADD CONSTRAINT z CHECK (true);\n"
    )
    assert [(key.name, key.definition) for key in foreign_keys_of("ward.a", text)] == [
        ("a_b_fkey", "FOREIGN KEY (b) REFERENCES ward.b(id) ON DELETE CASCADE"),
        ("y", "FOREIGN KEY (c) REFERENCES ward.c(d) NOT VALID"),
    ]
