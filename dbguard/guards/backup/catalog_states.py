"""What is in a database now, object by object.

Each object has a *digest* of the rows of the catalog that make it up: which transactions wrote
them, so that no DDL on it leaves the digest as it was, not even DDL that is undone by other DDL.
Indexes and materialized views are rebuilt without being changed, so of these it is what they
are called and made of. Asked on a connection of dbguard's own: what the session that wants to
run the statement has not committed does not show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dbguard.guards.backup.access import Connection

Key = tuple[int, int]
"""OID of the catalog and of the object in it; 0 for all of the catalog's objects together."""


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One object as it is now."""

    key: Key
    kind: str
    """`table`, `function` …; `definitions` for all objects of a catalog together."""
    schema: str
    """Empty for what is in none."""
    name: str
    """For people, quoted by the server."""
    digest: str
    beyond: str = ""
    """Why no dump holds it, behind its name: `belongs to an extension, …`."""
    rows: bool = True
    """More than its definition goes."""


_TOGETHER: Final = (
    "pg_aggregate.aggfnoid::pg_catalog.oid",
    *(f"{table}.oid" for table in (
        "pg_am", "pg_amop", "pg_amproc", "pg_cast", "pg_collation", "pg_conversion",
        "pg_default_acl", "pg_event_trigger", "pg_foreign_data_wrapper", "pg_foreign_server",
        "pg_language", "pg_opclass", "pg_operator", "pg_opfamily", "pg_publication",
        "pg_publication_rel", "pg_statistic_ext", "pg_transform", "pg_ts_config", "pg_ts_dict",
        "pg_ts_parser", "pg_ts_template",
    )),
)  # fmt: skip
"""Catalogs of objects that are seldom changed, looked at together, with what tells the server's
own apart."""


def _together() -> str:
    parts = []
    for place in _TOGETHER:
        table, _, column = place.partition(".")
        parts.append(
            f"SELECT 'pg_catalog.{table}'::pg_catalog.regclass::pg_catalog.oid, "  # noqa: S608
            f"pg_catalog.md5(pg_catalog.string_agg(x.xmin::pg_catalog.text, ' ' "
            f"ORDER BY x.xmin::pg_catalog.text)), '{table}' FROM pg_catalog.{table} x "
            f"WHERE x.{column} >= 16384"
        )
    return " UNION ALL ".join(parts)


_STATES: Final = f"""
WITH spaces AS (
  SELECT n.oid, n.nspname, n.xmin AS written FROM pg_catalog.pg_namespace n
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'),
relations AS (
  SELECT c.oid, c.xmin AS written, c.relname, c.relnamespace, c.relkind, s.nspname,
         pg_catalog.concat_ws(' ', c.relname, c.relnamespace, c.relowner, c.relacl, c.relam,
           c.reloptions, i.indrelid, i.indisunique, i.indkey, i.indclass, i.indoption,
           i.indcollation, i.indexprs, i.indpred) AS made
  FROM pg_catalog.pg_class c JOIN spaces s ON s.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
  WHERE c.relkind = ANY ('{{r,p,v,m,f,S,c,i,I}}'::"char"[]) AND c.relpersistence <> 't'),
parts (oid, part) AS (
  SELECT r.oid, CASE WHEN r.relkind = ANY ('{{m,i,I}}'::"char"[]) THEN r.made
                     ELSE r.written::pg_catalog.text END FROM relations r
  UNION ALL SELECT a.attrelid, 'a' || a.attnum || ' ' || a.xmin FROM pg_catalog.pg_attribute a
    WHERE a.attnum > 0
  UNION ALL SELECT d.adrelid, 'd' || d.xmin FROM pg_catalog.pg_attrdef d
  UNION ALL SELECT k.conrelid, 'k' || k.xmin FROM pg_catalog.pg_constraint k
  UNION ALL SELECT t.tgrelid, 't' || t.xmin FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal
  UNION ALL SELECT p.polrelid, 'p' || p.xmin FROM pg_catalog.pg_policy p
  UNION ALL SELECT w.ev_class, 'w' || w.xmin FROM pg_catalog.pg_rewrite w
  UNION ALL SELECT q.seqrelid, 'q' || q.xmin FROM pg_catalog.pg_sequence q
  UNION ALL SELECT f.ftrelid, 'f' || f.xmin FROM pg_catalog.pg_foreign_table f),
digests AS (
  SELECT r.oid, pg_catalog.md5(pg_catalog.string_agg(p.part, ' ' ORDER BY p.part)) AS digest
  FROM relations r JOIN parts p ON p.oid = r.oid
    -- columns of an index are written anew when it is rebuilt
    AND (r.relkind <> ALL ('{{i,I}}'::"char"[]) OR p.part = r.made)
  GROUP BY r.oid),
labels AS (
  SELECT e.enumtypid AS oid, 'e' || e.xmin AS part FROM pg_catalog.pg_enum e
  UNION ALL SELECT k.contypid, 'k' || k.xmin FROM pg_catalog.pg_constraint k)
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AS class, r.oid,
  CASE r.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view'
    WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence'
    WHEN 'c' THEN 'composite type' ELSE 'index' END AS kind,
  r.nspname::pg_catalog.text AS space, pg_catalog.format('%I.%I', r.nspname, r.relname) AS name,
  d.digest
FROM relations r JOIN digests d ON d.oid = r.oid
UNION ALL
SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, p.oid, 'function', s.nspname,
  p.oid::pg_catalog.regprocedure::pg_catalog.text, p.xmin::pg_catalog.text
FROM pg_catalog.pg_proc p JOIN spaces s ON s.oid = p.pronamespace
UNION ALL
SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, t.oid, 'type', s.nspname,
  pg_catalog.format_type(t.oid, NULL), pg_catalog.md5(t.xmin::pg_catalog.text ||
    coalesce((SELECT pg_catalog.string_agg(l.part, ' ' ORDER BY l.part)
              FROM labels l WHERE l.oid = t.oid), ''))
FROM pg_catalog.pg_type t JOIN spaces s ON s.oid = t.typnamespace
WHERE t.typtype = ANY ('{{b,d,e,r,m}}'::"char"[]) AND t.typcategory <> 'A'
UNION ALL
SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, s.oid, 'schema', s.nspname,
  pg_catalog.quote_ident(s.nspname), s.written::pg_catalog.text FROM spaces s
UNION ALL
SELECT 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid, e.oid, 'extension', '',
  pg_catalog.quote_ident(e.extname), e.xmin::pg_catalog.text FROM pg_catalog.pg_extension e
UNION ALL
SELECT g.class, 0, 'definitions', '', g.name, coalesce(g.digest, '')
FROM ({_together()}) g (class, digest, name)
"""  # noqa: S608


async def read_states(connection: Connection) -> tuple[ObjectState, ...]:
    """Every object of the connection's database. Raises asyncpg's errors.

    The connection's search_path is pg_catalog, so that names are whole.
    """
    return tuple(
        ObjectState(
            (row["class"], row["oid"]), row["kind"], row["space"], row["name"], row["digest"]
        )
        for row in await connection.fetch(_STATES)
    )
