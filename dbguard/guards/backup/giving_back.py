"""Getting back what a backup holds: a whole database into a new one, tables beside the live ones.

Nothing that exists is written over. A database is restored into a new one, closed to PUBLIC. Tables
come back under new names in the live database: the backup is restored into a scratch database, and
they are copied from there (`table_copy`). Such a copy belongs to the backup role.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import suppress
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.access import Connection, disconnect, quote_identifier
from dbguard.guards.backup.context import SERVER_ERRORS, BackupContext, query_failed
from dbguard.guards.backup.dump_file import locked_directory
from dbguard.guards.backup.model import Backup
from dbguard.guards.backup.proving import check_file, compare
from dbguard.guards.backup.restoring import dumped_foreign_keys, restore
from dbguard.guards.backup.scratch import (
    create_closed,
    drop_database,
    drop_leftovers,
    scratch_database,
)
from dbguard.guards.backup.store import at_hand
from dbguard.guards.backup.table_copy import (
    Copying,
    Tell,
    add_foreign_keys,
    copy_table,
    foreign_keys_of,
    refuse_without_rows,
)
from dbguard.guards.backup.table_names import TableName
from dbguard.guards.backup.taking import registered

_MAY_CREATE: Final = """
SELECT current_user, pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace($1), 'CREATE')
  AND pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace($1), 'USAGE')
"""


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
    backup_id: str,
    tables: tuple[TableName, ...],
    context: BackupContext,
    *,
    rows_only: bool = False,
    tell: Tell = lambda text: None,
) -> Backup:
    """Copy tables of a backup into its live database, each beside the live one. Raises BackupError;
    then nothing was copied.

    `rows_only`: columns and rows, and nothing that belongs to them. `tell` hears what of that could
    not be made.
    """
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
                    for table in tables:
                        await refuse_without_rows(source, backup, table)
                    copying = Copying(source, live, backup.id, rows_only, tell)
                    dumped = ""
                    if not rows_only:
                        dumped = await dumped_foreign_keys(backup, path, binaries, context)
                    async with live.transaction():
                        for table in tables:
                            await copy_table(copying, table)
                    await _add_foreign_keys(copying, tables, dumped)
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
    """Raises BackupError when something has the name of a copy, or a schema is not there, or
    nothing may be made in it."""
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
        role, allowed = await live.fetchrow(_MAY_CREATE, quote_identifier(table.schema))
        if not allowed:
            raise BackupError(
                f"role {role} may not create tables in schema {table.schema}",
                detail="A copy of a table goes beside it, and is owned by the role of backup.dsn.",
                hint=f"Run: GRANT CREATE, USAGE ON SCHEMA {quote_identifier(table.schema)} TO "
                f"{quote_identifier(role)}; or restore the whole database: --into NAME",
            )


async def _add_foreign_keys(copying: Copying, tables: tuple[TableName, ...], dumped: str) -> None:
    """As far as it can be done: the copies are there, and stay."""
    written = "SELECT pg_catalog.format('%I.%I', $1::pg_catalog.text, $2::pg_catalog.text)"
    try:
        names = {t: await copying.live.fetchval(written, t.schema, t.name) for t in tables}
        copies = {name: table.restored(copying.backup_id).quoted for table, name in names.items()}
        for table, name in names.items():
            await add_foreign_keys(copying, table, foreign_keys_of(name, dumped), copies)
    except SERVER_ERRORS:
        copying.tell("foreign keys are not made: the connection was lost")


async def _exists(connection: Connection, database: str) -> bool:
    query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)"
    return bool(await connection.fetchval(query, database))


def _unreadable(backup: Backup, error: OSError) -> BackupError:
    return BackupError(
        f"backup {backup.id} could not be read, or the connection was lost",
        detail=f"{(error.strerror or 'input/output error').capitalize()}.",
        hint="Check the file, the free space and the server, and try again.",
    )
