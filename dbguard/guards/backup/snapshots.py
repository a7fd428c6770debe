"""Exported snapshots: dump, counts and checksums see the same rows."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.access import Connection, disconnect, identify, wal_position
from dbguard.guards.backup.binaries import Binaries
from dbguard.guards.backup.catalog_states import read_states
from dbguard.guards.backup.context import SERVER_ERRORS, BackupContext, Step, query_failed
from dbguard.guards.backup.counting import count_rows
from dbguard.guards.backup.definitions import describe_objects
from dbguard.guards.backup.model import DatabaseIdentity, Digests, RowCounts
from dbguard.guards.backup.observing import CatalogMemory

_TABLES: Final = """
SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
       c.relkind = 'r' AS has_rows, pg_catalog.pg_table_size(c.oid) AS bytes
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid AND d.deptype = 'e')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
_WITH_ROWS: Final = """
WITH RECURSIVE reached (class, oid) AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, c.oid
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY ($1::pg_catalog.oid[]) OR n.nspname = ANY ($2::pg_catalog.text[])
  UNION
    SELECT found.class, found.oid FROM reached, LATERAL (
        -- partitions and children hold the rows
        SELECT reached.class, i.inhrelid AS oid
        FROM pg_catalog.pg_inherits i WHERE i.inhparent = reached.oid
      UNION ALL
        -- a materialized view's rows come back from what it reads
        SELECT reached.class, d.refobjid FROM pg_catalog.pg_class v
        JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid
        JOIN pg_catalog.pg_depend d ON d.objid = r.oid
          AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        WHERE v.oid = reached.oid AND v.relkind IN ('m', 'v') AND d.refobjid <> v.oid
      UNION ALL
        -- CASCADE goes on to what depends on it, and to the tables of such parts
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
        WHERE $3 AND d.refclassid = reached.class AND d.refobjid = reached.oid
      UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, k.conrelid
        FROM pg_catalog.pg_constraint k WHERE $3 AND k.oid = reached.oid AND k.conrelid <> 0
      UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, f.adrelid
        FROM pg_catalog.pg_attrdef f WHERE $3 AND f.oid = reached.oid
    ) found
)
SELECT oid FROM reached WHERE class = 'pg_catalog.pg_class'::pg_catalog.regclass
"""
MOST_EXCLUDED: Final = 5000
"""Tables that pg_dump is told to leave out, each with an argument of its own of up to 300 bytes: a
command line has room for two megabytes. Where there are more, all rows are dumped."""


@dataclass(frozen=True, slots=True)
class Scope:
    """How much of a database to back up. The definitions of everything are always in it."""

    everything: bool = True
    """The rows of all tables."""
    relations: tuple[int, ...] = ()
    """Otherwise: OIDs of relations whose rows are wanted, with those of their partitions and of
    what materialized views read."""
    schemas: tuple[str, ...] = ()
    """The same for all relations of these."""
    dependants: bool = False
    """And for all that depends on them."""
    max_bytes: int | None = None
    """Tables that take more are not dumped; None: any size."""


WHOLE: Final = Scope()


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported snapshot, and what is to be dumped of it."""

    database: DatabaseIdentity
    taken_at: datetime
    name: str
    """As pg_dump takes it."""
    binaries: Binaries
    tables: tuple[int, ...] | None
    """OIDs of the relations whose rows are dumped; None: of all."""
    left_out: tuple[str, ...]
    """Names of the other tables, quoted by the server."""
    bytes: int
    """Size of the tables whose rows are dumped."""
    counts: RowCounts
    checksums: Digests
    definitions: Digests
    lsn: int | None
    """Where the WAL was, in bytes."""
    looked_at: datetime
    """What it holds is what was there at this moment of `observing`."""


@asynccontextmanager
async def exported_snapshot(
    database: str, context: BackupContext, scope: Scope
) -> AsyncIterator[Exported]:
    """A snapshot of the database, the rows of `scope` counted; gone when the block ends.

    Raises BackupError, also when they take more than the scope allows, or the disk has no room.
    """
    connection = await context.access.connect(database)
    try:
        binaries = await context.find_binaries(connection)
        identity = await identify(connection, context.access)
        context.progress(Step.COUNT)
        # Before the first query, so that the age is never understated.
        taken_at = context.clock().astimezone(UTC)
        lsn = await wal_position(connection)
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await connection.execute(f"SET LOCAL lock_timeout = {context.lock_wait_milliseconds}")
        tables, names, left_out, size = await _chosen(connection, scope)
        _check_size(database, size, scope.max_bytes)
        _check_space(database, size, context)
        exported = await connection.fetchval("SELECT pg_catalog.pg_export_snapshot()")
        definitions = await describe_objects(connection)
        states = await read_states(connection)
        memory = CatalogMemory(context.registry.path)
        looked = await asyncio.to_thread(memory.observe, identity, states, taken_at)
        counts, checksums = await count_rows(connection, names)
        snapshot = Exported(
            identity, taken_at, exported, binaries, tables, left_out, size, counts, checksums,
            definitions, lsn, looked.moment,
        )  # fmt: skip
    except SERVER_ERRORS as error:
        await disconnect(connection)
        raise query_failed("rows could not be counted for the backup", error) from None
    except BaseException:
        await disconnect(connection)
        raise
    try:
        yield snapshot
    finally:
        await disconnect(connection)


async def _chosen(
    connection: Connection, scope: Scope
) -> tuple[tuple[int, ...] | None, frozenset[str] | None, tuple[str, ...], int]:
    """The relations whose rows are dumped by their OIDs (a partitioned table with its partitions),
    the tables by name, the others' names, and the bytes."""
    relations = await connection.fetch(_TABLES)
    found = [row for row in relations if row["has_rows"]]
    if not scope.everything:
        asked = (list(scope.relations), list(scope.schemas), scope.dependants)
        wanted = {row["oid"] for row in await connection.fetch(_WITH_ROWS, *asked)}
        ours = [row for row in found if row["oid"] in wanted]
        others = tuple(row["name"] for row in found if row["oid"] not in wanted)
        if others and len(others) <= MOST_EXCLUDED:
            return (
                tuple(sorted(row["oid"] for row in relations if row["oid"] in wanted)),
                frozenset(row["name"] for row in ours),
                others,
                sum(row["bytes"] for row in ours),
            )
    return None, None, (), sum(row["bytes"] for row in found)


def _check_size(database: str, size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise BackupError(
            f'too much to back up in database "{database}" while a client waits',
            detail=f"The tables take {_mib(size)} MiB, and the rule allows {_mib(most)} MiB.",
            hint=f"Take it ahead: dbguard backup now --database {shlex.quote(database)}",
        )


def _check_space(database: str, needed: int, context: BackupContext) -> None:
    """A dump is compressed and has no indexes, so the size of the tables is a safe bound."""
    free = context.free_bytes(context.directory)
    if free < needed:
        raise BackupError(
            f'not enough free space for a backup of database "{database}"',
            detail=f"{context.directory} has {_mib(free)} MiB free, tables take {_mib(needed)}.",
            hint="Remove old dumps, or set backup.directory to a larger disk.",
        )


def _mib(size: int) -> int:
    return -(-size // 1024**2)
