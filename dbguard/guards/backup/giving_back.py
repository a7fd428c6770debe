"""Getting back what a backup holds: a whole database into a new one, tables beside the live ones.

Nothing that exists is written over. A database is restored into a new one, closed to PUBLIC. Tables
come back under new names in the live database: the backup is restored into a scratch database, and
their rows are copied from there. Such a copy has columns and rows, and belongs to the backup role;
keys, indexes, triggers and grants are in the backup, and come with the whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.access import Connection, disconnect, quote_identifier
from dbguard.guards.backup.context import SERVER_ERRORS, BackupContext, query_failed
from dbguard.guards.backup.dump_file import locked_directory
from dbguard.guards.backup.model import Backup
from dbguard.guards.backup.proving import check_file, compare
from dbguard.guards.backup.restoring import restore
from dbguard.guards.backup.scratch import (
    create_closed,
    drop_database,
    drop_leftovers,
    scratch_database,
)
from dbguard.guards.backup.store import at_hand
from dbguard.guards.backup.taking import registered

_NAME_BYTES: Final = 63
_COLUMNS: Final = """
SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_CHUNKS: Final = 8
"""Pieces of rows that are held on their way from one database to the other."""


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as a person names it: `schema.table`."""

    schema: str
    name: str

    @property
    def quoted(self) -> str:
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"

    def restored(self, backup_id: str) -> TableName:
        """Where its copy goes: names are cut so that the server does not."""
        suffix = f"_restored_{backup_id}"
        room = _NAME_BYTES - len(suffix)
        name = self.name.encode()[:room].decode("utf-8", "ignore")
        return TableName(self.schema, name + suffix)


def table_name(text: str) -> TableName:
    """`schema.table`, without quotes. Raises BackupError."""
    schema, dot, name = text.partition(".")
    if not (dot and schema and name):
        raise BackupError(
            f'"{text}" does not name a table',
            hint="Write schema and table, without quotes: clinic.patients",
        )
    return TableName(schema, name)


async def restore_database(backup_id: str, into: str, context: BackupContext) -> Backup:
    """Restore a backup into the new database `into`. Raises BackupError; then there is none."""
    backup = await registered(backup_id, context)
    access = context.access
    with locked_directory(context.directory):
        await drop_leftovers(access, context.directory)
        connection = await access.connect(access.database)
        made = False
        try:
            if await _exists(connection, into):
                raise BackupError(
                    f'database "{into}" exists',
                    detail="Nothing is restored over something that is there.",
                    hint="Choose another name for --into.",
                )
            binaries = await context.find_binaries(connection)
            async with at_hand(backup, context) as path:
                await asyncio.to_thread(check_file, backup, path)
                await create_closed(connection, into, backup.database.name)
                made = True
                privileges = await restore(backup, path, into, binaries, context)
            await compare(backup, into, privileges, context)
            made = False
            return backup
        except OSError as error:
            raise _unreadable(backup, error) from None
        finally:
            if made:
                with suppress(BackupError):
                    await drop_database(access, connection, into)
            await disconnect(connection)


async def restore_tables(
    backup_id: str, tables: tuple[TableName, ...], context: BackupContext
) -> Backup:
    """Copy tables of a backup into its live database, each beside the live one. Raises BackupError;
    then nothing was copied."""
    backup = await registered(backup_id, context)
    access = context.access
    with locked_directory(context.directory):
        await drop_leftovers(access, context.directory)
        live = await access.connect(backup.database.name)
        try:
            await refuse_existing(live, backup, tables)
            binaries = await context.find_binaries(live)
            async with contextlib.AsyncExitStack() as stack:
                path = await stack.enter_async_context(at_hand(backup, context))
                await asyncio.to_thread(check_file, backup, path)
                scratch = await stack.enter_async_context(
                    scratch_database(access, backup.database.name, backup.id, context.directory)
                )
                await restore(backup, path, scratch, binaries, context)
                source = await access.connect(scratch)
                try:
                    async with live.transaction():
                        for table in tables:
                            await _copy(source, live, table, table.restored(backup.id))
                finally:
                    await disconnect(source)
            return backup
        except SERVER_ERRORS as error:
            if isinstance(error, OSError):
                raise _unreadable(backup, error) from None
            raise query_failed("tables could not be copied", error) from None
        finally:
            await disconnect(live)


async def refuse_existing(live: Connection, backup: Backup, tables: tuple[TableName, ...]) -> None:
    """Raises BackupError when something has the name of a copy, or a schema is not there."""
    for table in tables:
        target = table.restored(backup.id)
        if await live.fetchval("SELECT pg_catalog.to_regclass($1)", target.quoted) is not None:
            raise BackupError(
                f"{target.schema}.{target.name} exists",
                detail="Nothing is restored over something that is there.",
                hint="Drop it or rename it first.",
            )
        known = "SELECT pg_catalog.to_regnamespace($1)"
        if await live.fetchval(known, quote_identifier(table.schema)) is None:
            raise BackupError(
                f"there is no schema {table.schema} any more",
                detail="A copy of a table goes beside it.",
                hint="Create the schema, or restore the whole database: --into NAME",
            )


async def _copy(source: Connection, live: Connection, table: TableName, target: TableName) -> None:
    columns = await source.fetch(_COLUMNS, table.quoted)
    if not columns:
        raise BackupError(
            f"there is no table {table.schema}.{table.name} with columns in the backup",
            hint="See what is in it: dbguard backup show ID",
        )
    names = [row["name"] for row in columns]
    described = ", ".join(f"{quote_identifier(row['name'])} {row['type']}" for row in columns)
    await live.execute(f"CREATE TABLE {target.quoted} ({described})")
    await live.execute(f"REVOKE ALL ON {target.quoted} FROM PUBLIC")
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_CHUNKS)

    async def rows() -> AsyncIterator[bytes]:
        while (piece := await pieces.get()) is not None:
            yield piece

    async def read() -> None:
        listed = ", ".join(map(quote_identifier, names))
        query = f"SELECT {listed} FROM {table.quoted}"  # noqa: S608 - quoted
        try:
            await source.copy_from_query(query, output=pieces.put, format="binary")
            await pieces.put(None)
        except BaseException:
            while not pieces.empty():  # whoever takes them is to end, and there is room now
                pieces.get_nowait()
            pieces.put_nowait(None)
            raise

    reading = asyncio.get_running_loop().create_task(read(), name="rows of a backup")
    try:
        await live.copy_to_table(
            target.name, schema_name=target.schema, columns=names, source=rows(), format="binary"
        )
        await reading
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, *SERVER_ERRORS):
            await reading


async def _exists(connection: Connection, database: str) -> bool:
    query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)"
    return bool(await connection.fetchval(query, database))


def _unreadable(backup: Backup, error: OSError) -> BackupError:
    return BackupError(
        f"backup {backup.id} could not be read, or the connection was lost",
        detail=f"{(error.strerror or 'input/output error').capitalize()}.",
        hint="Check the file, the free space and the server, and try again.",
    )
