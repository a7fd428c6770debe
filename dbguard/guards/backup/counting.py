"""Counting rows, the same way in the snapshot and in the restored copy.

Counted are ordinary tables and partitions. Left out is what a dump does not carry as rows:
materialized views (restoring refreshes them), foreign tables (their data is elsewhere), tables
that belong to an extension (CREATE EXTENSION fills them).
"""

from __future__ import annotations

from typing import Final

from dbguard.guards.backup.access import Connection
from dbguard.guards.backup.model import RowCounts

_TABLES: Final = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid AND d.deptype = 'e')
"""


async def count_rows(connection: Connection) -> RowCounts:
    """Rows of every table, as `connection`'s transaction sees them. Raises asyncpg's errors."""
    counts: dict[str, int] = {}
    for record in await connection.fetch(_TABLES):
        name = record["name"]  # quoted by the server
        counts[name] = await connection.fetchval(f"SELECT count(*) FROM ONLY {name}")  # noqa: S608
    counts[RowCounts.LARGE_OBJECTS] = await connection.fetchval(
        "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata"
    )
    return RowCounts.of(counts)
