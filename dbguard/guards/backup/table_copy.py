"""One table of a restored backup, copied into the live database under another name.

Rows and columns have to come as they were, or nothing is copied. What belongs to the table comes
as far as the live database lets it: identities and sequences of its own with where they were,
defaults, generated columns, keys, checks, indexes and foreign keys. What cannot be made is told.
Triggers, policies and grants are not copied: nothing that the copy holds should act by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import asyncpg

from dbguard.errors import BackupError
from dbguard.guards.backup.access import Connection, quote_identifier
from dbguard.guards.backup.context import SERVER_ERRORS
from dbguard.guards.backup.counting import SAME_TEXT, summed
from dbguard.guards.backup.model import Backup
from dbguard.guards.backup.table_names import TableName
from dbguard.sql.names import literal

_COLUMNS: Final = """
SELECT a.attname AS name, a.attnum AS number,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN a.attcollation <> t.typcollation THEN pg_catalog.format('%I.%I', cn.nspname,
         co.collname) END AS collation,
       a.attnotnull AS required, a.attidentity::pg_catalog.text AS identity,
       a.attgenerated::pg_catalog.text AS generated,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS expression, s.oid AS sequence,
       pg_catalog.format('nextval(%L::regclass)', s.oid::pg_catalog.regclass) AS serial
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN LATERAL (
    SELECT c.oid FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_class c
      ON c.oid = p.objid AND p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    WHERE p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.refobjid = a.attrelid
      AND p.refobjsubid = a.attnum AND c.relkind = 'S' AND p.deptype IN ('a', 'i')
    ORDER BY c.oid LIMIT 1) s ON true
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_SEQUENCE: Final = """
SELECT pg_catalog.format_type(s.seqtypid, NULL) AS type, s.*, c.oid::pg_catalog.regclass AS name
FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid WHERE c.oid = $1
"""
_CONSTRAINTS: Final = """
SELECT k.contype::pg_catalog.text AS kind, k.conname AS name,
       pg_catalog.pg_get_constraintdef(k.oid) AS definition
FROM pg_catalog.pg_constraint k
WHERE k.conrelid = pg_catalog.to_regclass($1) AND k.contype IN ('c', 'p', 'u', 'x')
ORDER BY pg_catalog.strpos('puxc', k.contype::pg_catalog.text), k.conname
"""
_INDEXES: Final = """
SELECT c.relname AS name, pg_catalog.pg_get_indexdef(c.oid) AS definition,
       pg_catalog.format('CREATE %sINDEX %I ON %s%I.%I ',
         CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname,
         CASE WHEN t.relkind = 'p' THEN 'ONLY ' ELSE '' END, n.nspname, t.relname) AS start,
       CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END AS only_once
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE t.oid = pg_catalog.to_regclass($1) AND i.indisvalid AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = c.oid AND k.conrelid = t.oid
      AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname
"""
_WITH_ROWS: Final = """
WITH RECURSIVE reached (oid) AS (
    SELECT pg_catalog.to_regclass($1)::pg_catalog.oid
  UNION SELECT i.inhrelid FROM reached JOIN pg_catalog.pg_inherits i ON i.inhparent = reached.oid)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
       c.relkind::pg_catalog.text AS kind
FROM reached JOIN pg_catalog.pg_class c ON c.oid = reached.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind <> 'p' ORDER BY 1
"""
_CHUNKS: Final = 8
"""Pieces of rows that are held on their way from one database to the other."""
_LOCK_TIMEOUT: Final = "2s"
"""For the moment in which a foreign key is added: writers of the other table queue behind it."""
Tell = Callable[[str], None]
"""Is told what could not be made, in words for a person."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One that a dump holds, as pg_dump writes it."""

    name: str
    """Quoted where the server would."""
    definition: str
    """`FOREIGN KEY (patient) REFERENCES clinic.patients(id)`."""


@dataclass(frozen=True, slots=True)
class Copying:
    """From where to where, and what of it."""

    source: Connection
    live: Connection
    backup_id: str
    rows_only: bool
    tell: Tell


async def refuse_without_rows(source: Connection, backup: Backup, table: TableName) -> None:
    """Of a backup of a part the other tables are restored empty: raises BackupError for these."""
    if backup.tables is None:
        return
    there = {name for name, _ in backup.counts.tables}
    for row in await source.fetch(_WITH_ROWS, table.quoted):
        if row["kind"] != "r" or row["name"] not in there:
            raise BackupError(
                f"the rows of {row['name']} are not in backup {backup.id}",
                detail="It holds the definitions of everything, and the rows of some tables.",
                hint=f"See which: dbguard backup show {backup.id}",
            )


async def copy_table(copying: Copying, table: TableName) -> None:
    """Copy a table; inside a transaction of the live connection.

    Raises:
        BackupError: there is no such table, or its copy differs.
        asyncpg's errors.
    """
    source, live, target = copying.source, copying.live, table.restored(copying.backup_id)
    for connection in (source, live):
        await connection.execute(SAME_TEXT)
    columns = await source.fetch(_COLUMNS, table.quoted)
    if not columns:
        raise BackupError(
            f"there is no table {table.schema}.{table.name} with columns in the backup",
            hint="See what is in it: dbguard backup show ID",
        )
    computed = await _create(copying, target, columns)
    await live.execute(f"REVOKE ALL ON {target.quoted} FROM PUBLIC")
    names = [row["name"] for row in columns]
    await _rows(copying, table, target, [name for name in names if name not in computed])
    if await summed(source, table.quoted, names) != await summed(live, target.quoted, names):
        raise BackupError(
            f"the copy of {table.schema}.{table.name} would have other rows than the backup",
            detail="Generated columns are computed by the live database's functions, for example.",
            hint="Copy rows alone with --rows-only, or restore the whole database: --into NAME",
        )
    if not copying.rows_only:
        await _sequences(copying, target, columns)
        await _defaults(copying, target, columns)
        await _constraints(copying, table, target)
        await _indexes(copying, table, target)


def foreign_keys_of(table: str, dumped: str) -> list[ForeignKey]:
    """Those of a table, named as the server quotes it, in what pg_restore writes of a dump."""
    found = []
    for start in (f"ALTER TABLE ONLY {table}\n", f"ALTER TABLE {table}\n"):
        for piece in dumped.split("\n" + start)[1:]:
            statement = piece.partition(";\n")[0].strip()
            name, middle, rest = statement.partition(" FOREIGN KEY ")
            if middle and name.startswith("ADD CONSTRAINT "):
                found.append(
                    ForeignKey(name.removeprefix("ADD CONSTRAINT "), "FOREIGN KEY " + rest)
                )
    return found


async def add_foreign_keys(
    copying: Copying,
    table: TableName,
    keys: Sequence[ForeignKey],
    copies: Mapping[str, str],
) -> None:
    """Add them to a copy that is there already, outside of a transaction: so writers of the tables
    that they refer to wait for a moment only, and not until all rows have been looked at.

    `copies` says which tables are there as copies, both quoted: keys lead to these.
    """
    target = table.restored(copying.backup_id).quoted
    for key in keys:
        definition = key.definition
        for original, copy in copies.items():
            definition = definition.replace(f" REFERENCES {original}(", f" REFERENCES {copy}(")
        valid = not definition.endswith(" NOT VALID")
        definition = definition.removesuffix(" NOT VALID")

        async def add(name: str = key.name, definition: str = definition) -> None:
            await copying.live.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            await copying.live.execute(
                f"ALTER TABLE {target} ADD CONSTRAINT {name} {definition} NOT VALID"
            )

        async def validate(name: str = key.name) -> None:
            await copying.live.execute(f"ALTER TABLE {target} VALIDATE CONSTRAINT {name}")

        if await _tried(copying, f"foreign key {key.name} is not made", add):
            what = f"foreign key {key.name} is made, but NOT VALID: rows do not fit"
            if valid:
                await _tried(copying, what, validate)


async def _create(
    copying: Copying, target: TableName, columns: Sequence[asyncpg.Record]
) -> frozenset[str]:
    """Create the table; the names of its generated columns."""
    computed = frozenset(row["name"] for row in columns if row["generated"])
    if computed and not copying.rows_only:

        async def create() -> None:
            described = ", ".join(_column(row, generated=True) for row in columns)
            await copying.live.execute(f"CREATE TABLE {target.quoted} ({described})")

        named = ", ".join(sorted(computed))
        what = f"columns {named} are not generated any more: their values are copied"
        if await _tried(copying, what, create):
            return computed
    described = ", ".join(_column(row, generated=False) for row in columns)
    await copying.live.execute(f"CREATE TABLE {target.quoted} ({described})")
    return frozenset()


def _column(row: asyncpg.Record, *, generated: bool) -> str:
    words = [quote_identifier(row["name"]), row["type"]]
    if row["collation"]:
        words.append(f"COLLATE {row['collation']}")
    if generated and row["generated"]:
        kind = "STORED" if row["generated"] == "s" else "VIRTUAL"
        words.append(f"GENERATED ALWAYS AS ({row['expression']}) {kind}")
    return " ".join(words)


async def _rows(
    copying: Copying, table: TableName, target: TableName, names: Sequence[str]
) -> None:
    """As pg_dump carries rows: in text, so that what is kept by name in a column comes by name."""
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_CHUNKS)

    async def rows() -> AsyncIterator[bytes]:
        while (piece := await pieces.get()) is not None:
            yield piece

    async def read() -> None:
        listed = ", ".join(map(quote_identifier, names))
        query = f"SELECT {listed} FROM {table.quoted}"  # noqa: S608 - quoted
        try:
            await copying.source.copy_from_query(query, output=pieces.put, format="text")
            await pieces.put(None)
        except BaseException:
            while not pieces.empty():  # whoever takes them is to end, and there is room now
                pieces.get_nowait()
            pieces.put_nowait(None)
            raise

    reading = asyncio.get_running_loop().create_task(read(), name="rows of a backup")
    try:
        await copying.live.copy_to_table(
            target.name, schema_name=target.schema, columns=names, source=rows(), format="text"
        )
        await reading
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, *SERVER_ERRORS):
            await reading


async def _sequences(
    copying: Copying, target: TableName, columns: Sequence[asyncpg.Record]
) -> None:
    """Identities, and sequences that a column owns and takes its default from: each copy has its
    own, which goes on where the backup's was."""
    for row in columns:
        identity = bool(row["identity"])
        if row["sequence"] is None or not (identity or row["expression"] == row["serial"]):
            continue
        found = await copying.source.fetchrow(_SEQUENCE, row["sequence"])
        state = await copying.source.fetchrow(
            f"SELECT last_value, is_called FROM {found['name']}"  # noqa: S608 - the server's word
        )
        name = target.with_suffix(f"_{row['number']}_seq")
        options = (
            f"INCREMENT BY {found['seqincrement']} MINVALUE {found['seqmin']} "
            f"MAXVALUE {found['seqmax']} START WITH {found['seqstart']} CACHE {found['seqcache']}"
            + (" CYCLE" if found["seqcycle"] else "")
        )
        column = quote_identifier(row["name"])
        alter = f"ALTER TABLE {target.quoted} ALTER COLUMN {column}"
        if identity:
            when = "ALWAYS" if row["identity"] == "a" else "BY DEFAULT"
            statements = [
                f"{alter} SET NOT NULL",
                f"{alter} ADD GENERATED {when} AS IDENTITY (SEQUENCE NAME {name.quoted} {options})",
            ]
        else:
            statements = [
                f"CREATE SEQUENCE {name.quoted} AS {found['type']} {options} "
                f"OWNED BY {target.quoted}.{column}",
                f"{alter} SET DEFAULT pg_catalog.nextval({literal(name.quoted)}"
                "::pg_catalog.regclass)",
            ]

        async def make(
            statements: Sequence[str] = statements,
            name: TableName = name,
            state: asyncpg.Record = state,
        ) -> None:
            for statement in statements:
                await copying.live.execute(statement)
            await copying.live.execute(f"REVOKE ALL ON SEQUENCE {name.quoted} FROM PUBLIC")
            await copying.live.execute(
                "SELECT pg_catalog.setval($1::pg_catalog.text::pg_catalog.regclass, $2, $3)",
                name.quoted,
                state["last_value"],
                state["is_called"],
            )

        await _tried(copying, f"column {row['name']} has no sequence of its own", make)


async def _defaults(copying: Copying, target: TableName, columns: Sequence[asyncpg.Record]) -> None:
    for row in columns:
        column = quote_identifier(row["name"])
        alter = f"ALTER TABLE {target.quoted} ALTER COLUMN {column}"
        own = row["sequence"] is not None and row["expression"] == row["serial"]
        if row["expression"] and not row["generated"] and not own:
            await _run(
                copying,
                f"default of column {row['name']} is not set",
                f"{alter} SET DEFAULT {row['expression']}",
            )
        if row["required"]:
            await _run(copying, f"column {row['name']} may be null", f"{alter} SET NOT NULL")


async def _constraints(copying: Copying, table: TableName, target: TableName) -> None:
    for row in await copying.source.fetch(_CONSTRAINTS, table.quoted):
        name = row["name"]
        if row["kind"] != "c":  # it has an index, whose name is one of the schema's
            name = TableName(table.schema, name).restored(copying.backup_id).name
        await _run(
            copying,
            f"constraint {row['name']} is not made",
            f"ALTER TABLE {target.quoted} ADD CONSTRAINT {quote_identifier(name)} "
            f"{row['definition']}",
        )


async def _indexes(copying: Copying, table: TableName, target: TableName) -> None:
    for row in await copying.source.fetch(_INDEXES, table.quoted):
        name = TableName(table.schema, row["name"]).restored(copying.backup_id).name
        what = f"index {row['name']} is not made"
        definition = row["definition"]
        if not definition.startswith(row["start"]):
            copying.tell(f"{what} (its definition is not understood)")
            continue
        await _run(
            copying,
            what,
            f"CREATE {row['only_once']}INDEX {quote_identifier(name)} ON {target.quoted} "
            + definition.removeprefix(row["start"]),
        )


async def _run(copying: Copying, what: str, statement: str) -> bool:
    async def run() -> None:
        await copying.live.execute(statement)

    return await _tried(copying, what, run)


async def _tried(copying: Copying, what: str, work: Callable[[], Awaitable[None]]) -> bool:
    """Whether `work` could be done; it is told why not, by the server's code alone."""
    try:
        async with copying.live.transaction():
            await work()
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        copying.tell(f"{what} (SQLSTATE {error.sqlstate})")
        return False
    return True
