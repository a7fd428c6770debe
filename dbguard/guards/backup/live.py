"""Between the dump and the statement: is what was dumped still all there is?"""

from __future__ import annotations

import asyncio
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.access import ServerAccess, disconnect
from dbguard.guards.backup.context import SERVER_ERRORS, BackupContext, query_failed
from dbguard.guards.backup.counting import count_rows
from dbguard.guards.backup.snapshots import Scope

_TABLES: Final = """
WITH RECURSIVE reached (oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY ($1::pg_catalog.oid[]) OR n.nspname = ANY ($2::pg_catalog.text[])
  UNION
    SELECT i.inhrelid FROM reached JOIN pg_catalog.pg_inherits i ON i.inhparent = reached.oid
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
FROM reached JOIN pg_catalog.pg_class c ON c.oid = reached.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
ORDER BY 1
"""


async def tables_of(access: ServerAccess, database: str, scope: Scope | None) -> tuple[str, ...]:
    """The tables of `scope` with their partitions and children, quoted by the server; none when it
    is not known what they are. Raises BackupError."""
    if scope is None:
        return ()
    connection = await access.connect(database)
    try:
        rows = await connection.fetch(_TABLES, list(scope.relations), list(scope.schemas))
        return tuple(row["name"] for row in rows)
    except SERVER_ERRORS as error:
        raise query_failed("tables of the statement cannot be told", error) from None
    finally:
        await disconnect(connection)


async def written_since(
    context: BackupContext, backup_id: str, database: str, tables: tuple[str, ...]
) -> tuple[str, ...]:
    """Those of `tables` whose rows are not those in the backup any more. Raises BackupError."""
    backup = await asyncio.to_thread(context.registry.get, backup_id)
    if backup is None:
        raise BackupError(
            f'there is no backup "{backup_id}" any more', hint="Run the statement again."
        )
    then = dict(backup.checksums.of)
    connection = await context.access.connect(database)
    try:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _, now = await count_rows(connection, frozenset(tables))
    except SERVER_ERRORS as error:
        raise query_failed("rows could not be compared with the backup", error) from None
    finally:
        await disconnect(connection)
    counted = dict(now.of)
    return tuple(name for name in tables if counted.get(name) != then.get(name))
