"""Counting rows and summing their contents, the same way in the snapshot and in the restored copy.

Counted are ordinary tables and partitions. Left out is what a dump does not carry as rows:
materialized views (restoring refreshes them), foreign tables (their data is elsewhere), tables
that belong to an extension (CREATE EXTENSION fills them).

A *checksum* is the number of a table's rows and the sum of their 64-bit hashes: it does not depend
on the rows' order, and counts the ones that are there twice. It is no defence against somebody who
chooses rows so that it comes out right (the file's SHA-256 is), but no damage gets past it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from dbguard.guards.backup.access import Connection, quote_identifier
from dbguard.guards.backup.model import Digests, RowCounts

_TABLES: Final = """
SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
       ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attname) AS columns
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
SAME_TEXT: Final = (
    "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; "
    "SET extra_float_digits = 1; SET bytea_output = 'hex'; SET xmlbinary = 'base64'; "
    "SET lc_monetary = 'C'; SET search_path = pg_catalog"
)
"""What the text of a value depends on: a database may have settings of its own, a copy has not."""
_OBJECTS: Final = """
SELECT pg_catalog.count(*) AS rows, pg_catalog.sum(pg_catalog.hashtextextended(
    o.oid || pg_catalog.md5(pg_catalog.lo_get(o.oid, 0, 1000000000)) COLLATE "C", 0)) AS sum
FROM pg_catalog.pg_largeobject_metadata o
"""
"""Of what is larger than a gigabyte, its beginning: more does not fit into a value."""


async def count_rows(
    connection: Connection, only: Collection[str] | None = None
) -> tuple[RowCounts, Digests]:
    """Rows and checksum of every table (of these names, quoted by the server), as `connection`'s
    transaction sees them.

    Raises asyncpg's errors.
    """
    await connection.execute(SAME_TEXT)
    counts: dict[str, int] = {}
    checksums: dict[str, str] = {}
    for record in await connection.fetch(_TABLES):
        if only is not None and record["name"] not in only:
            continue
        name = record["name"]  # quoted by the server
        columns = record["columns"]
        counts[name], checksums[name] = await summed(connection, f"ONLY {name}", columns)
    if only is None:
        row = await connection.fetchrow(_OBJECTS)
        counts[RowCounts.LARGE_OBJECTS] = row["rows"]
        checksums[RowCounts.LARGE_OBJECTS] = str(row["sum"] or 0)
    return RowCounts.of(counts), Digests.made(checksums)


async def summed(connection: Connection, relation: str, columns: Sequence[str]) -> tuple[int, str]:
    """Rows and checksum of `relation`, which is quoted and may have ONLY in front of it.

    Sums of two connections can be compared behind `SAME_TEXT`. Raises asyncpg's errors.
    """
    # by name: restoring may put the columns of an inherited table in another order
    values = ", ".join(f"t.{quote_identifier(column)}" for column in columns)
    row = await connection.fetchrow(
        "SELECT pg_catalog.count(*) AS rows, pg_catalog.sum(pg_catalog.hashtextextended("  # noqa: S608
        f'ROW({values})::pg_catalog.text COLLATE "C", 0)) AS sum FROM {relation} t'
    )
    return row["rows"], str(row["sum"] or 0)
