"""What the server says when a statement is about to be allowed: which database, and what of it."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from dbguard.errors import BackupError
from dbguard.guards.backup.access import (
    Connection,
    ServerAccess,
    disconnect,
    identify,
    wal_position,
)
from dbguard.guards.backup.catalog_states import read_states
from dbguard.guards.backup.dooming import doomed_by
from dbguard.guards.backup.evidence import Affected
from dbguard.guards.backup.model import Clock, DatabaseIdentity
from dbguard.guards.backup.observing import CatalogMemory
from dbguard.guards.backup.requirement import Circumstances
from dbguard.guards.backup.scratch import PREFIX
from dbguard.sql.destruction import Destruction

_DATABASES: Final = """
SELECT d.datname FROM pg_catalog.pg_database d
WHERE d.datallowconn AND NOT d.datistemplate AND NOT pg_catalog.starts_with(d.datname, $1)
ORDER BY d.datname
"""


async def look(
    access: ServerAccess,
    memory: CatalogMemory,
    clock: Clock,
    database: str,
    destroyed: Destruction,
    process_id: int = 0,
) -> tuple[DatabaseIdentity, Circumstances]:
    """Which database it is, and what a backup has to hold for `destroyed` to come back.

    `process_id` is as `doomed_by` takes it.

    Raises BackupError: it cannot be told.
    """
    connection = await access.connect(database)
    try:
        identity = await identify(connection, access)
        return identity, await _circumstances(
            connection, memory, clock, identity, destroyed, process_id
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        raise _silent() from None
    finally:
        await disconnect(connection)


async def note(access: ServerAccess, memory: CatalogMemory, clock: Clock, database: str) -> None:
    """Remember how a database is now. A standby is not looked at: it may lag behind its primary.

    Raises BackupError: it cannot be told.
    """
    connection = await access.connect(database)
    try:
        if await connection.fetchval("SELECT pg_catalog.pg_is_in_recovery()"):
            return
        identity = await identify(connection, access)
        states = await read_states(connection)
        await asyncio.to_thread(memory.observe, identity, states, clock())
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        raise _silent() from None
    finally:
        await disconnect(connection)


async def databases(access: ServerAccess) -> tuple[str, ...]:
    """Names of the server's databases that may be connected to. Raises BackupError."""
    connection = await access.connect(access.database)
    try:
        return tuple(row["datname"] for row in await connection.fetch(_DATABASES, PREFIX))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        raise _silent() from None
    finally:
        await disconnect(connection)


def _silent() -> BackupError:
    return BackupError(
        "server does not say which database it is, or what is in it",
        hint="Check the control connection (catalog.dsn) and try again.",
    )


async def _circumstances(
    connection: Connection,
    memory: CatalogMemory,
    clock: Clock,
    identity: DatabaseIdentity,
    destroyed: Destruction,
    process_id: int,
) -> Circumstances:
    lsn = await wal_position(connection)
    if destroyed.additive:
        return Circumstances(identity.name, clock(), lsn)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        states = await read_states(connection)
        doomed = await doomed_by(connection, destroyed, states, process_id)
    # after the reading: what it shows was so at this moment at the latest
    now = clock()
    since = (await asyncio.to_thread(memory.observe, identity, states, now)).since
    affected = tuple(
        Affected(s.kind, s.key[1], s.schema, s.name, since.get(s.key, now), s.beyond, s.rows)
        for s in doomed.objects
    )
    return Circumstances(identity.name, now, lsn, affected, doomed.nothing)
