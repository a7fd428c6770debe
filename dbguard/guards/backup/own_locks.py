"""What a client's own transaction holds that a backup would wait for, or not see."""

from __future__ import annotations

from typing import Final

from dbguard.guards.backup.access import ServerAccess, disconnect
from dbguard.guards.backup.context import SERVER_ERRORS, query_failed

_HELD: Final = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = $1 AND l.granted AND l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
  AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (l.mode = 'AccessExclusiveLock'
    OR (l.mode NOT IN ('AccessShareLock', 'RowShareLock') AND l.relation = ANY ($2)))
ORDER BY 1 LIMIT 1
"""
"""pg_dump waits for what holds ACCESS EXCLUSIVE; the other modes are of who writes."""

_UNSEEN: Final = "locks of the transaction cannot be seen"
_LOCKED: Final = """
SELECT DISTINCT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = $1 AND l.granted AND l.locktype = 'relation'
  AND l.mode = ANY ('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}')
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
"""


async def touched_by(
    access: ServerAccess, database: str, process_id: int, relations: tuple[int, ...]
) -> str:
    """The first relation that this backend has locked against readers, or one of `relations` that
    it has written to or locked against writers; empty when there is none. Raises BackupError."""
    connection = await access.connect(database)
    try:
        return str(await connection.fetchval(_HELD, process_id, list(relations)) or "")
    except SERVER_ERRORS as error:
        raise query_failed(_UNSEEN, error) from None
    finally:
        await disconnect(connection)


async def locked_against_writers(
    access: ServerAccess, database: str, process_id: int
) -> frozenset[str]:
    """The relations that this backend keeps all writers from, quoted by the server. Raises
    BackupError."""
    connection = await access.connect(database)
    try:
        rows = await connection.fetch(_LOCKED, process_id)
        return frozenset(row["name"] for row in rows)
    except SERVER_ERRORS as error:
        raise query_failed(_UNSEEN, error) from None
    finally:
        await disconnect(connection)
