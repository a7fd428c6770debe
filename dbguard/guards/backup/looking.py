"""What the server says when a statement is about to be allowed: which database, and what of it."""

from __future__ import annotations

import asyncio

import asyncpg

from dbguard.errors import BackupError
from dbguard.guards.backup.access import (
    Connection,
    ServerAccess,
    disconnect,
    identify,
    wal_position,
)
from dbguard.guards.backup.catalog_states import doomed_by, read_states
from dbguard.guards.backup.evidence import Affected
from dbguard.guards.backup.model import Clock, DatabaseIdentity
from dbguard.guards.backup.observing import CatalogMemory
from dbguard.guards.backup.requirement import Circumstances
from dbguard.sql.destruction import Destruction


async def look(
    access: ServerAccess,
    memory: CatalogMemory,
    clock: Clock,
    database: str,
    destroyed: Destruction,
) -> tuple[DatabaseIdentity, Circumstances]:
    """Which database it is, and what a backup has to hold for `destroyed` to come back.

    Raises BackupError: it cannot be told.
    """
    connection = await access.connect(database)
    try:
        identity = await identify(connection, access)
        return identity, await _circumstances(connection, memory, clock, identity, destroyed)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        raise BackupError(
            "server does not say which database it is, or what is in it",
            hint="Check the control connection (catalog.dsn) and try again.",
        ) from None
    finally:
        await disconnect(connection)


async def _circumstances(
    connection: Connection,
    memory: CatalogMemory,
    clock: Clock,
    identity: DatabaseIdentity,
    destroyed: Destruction,
) -> Circumstances:
    lsn = await wal_position(connection)
    if destroyed.additive:
        return Circumstances(identity.name, clock(), lsn)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        states = await read_states(connection)
        doomed = await doomed_by(connection, destroyed, states)
    # after the reading: what it shows was so at this moment at the latest
    now = clock()
    since = await asyncio.to_thread(memory.observe, identity, states, now)
    affected = tuple(Affected(s.kind, s.key[1], s.schema, s.name, since[s.key]) for s in doomed)
    return Circumstances(identity.name, now, lsn, affected)
