"""What is in a database now, object by object, and what a statement takes along.

Each object has a *digest* of the rows of the catalog that make it up: which transactions wrote
them, so that no DDL on it leaves the digest as it was, not even DDL that is undone by other DDL.
Indexes and materialized views are rebuilt without being changed, so of these it is what they
are called and made of. Asked on a connection of dbguard's own: what the session that wants to
run the statement has not committed does not show.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dbguard.guards.backup.access import Connection
from dbguard.sql.destruction import Destruction, Reach

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
  UNION ALL SELECT q.seqrelid, 'q' || q.xmin FROM pg_catalog.pg_sequence q),
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

_CATALOG_OF: Final = {
    **dict.fromkeys(("function", "procedure", "routine", "aggregate"), "pg_proc"),
    **dict.fromkeys(("type", "domain"), "pg_type"),
    **dict.fromkeys(("table", "view", "matview", "sequence", "foreign_table", "index"), "pg_class"),
    "schema": "pg_namespace",
    "extension": "pg_extension",
}
_PART_OF_A_RELATION: Final = frozenset({"trigger", "rule", "policy", "tabconstraint", "column"})
_NAMED: Final = _CATALOG_OF.keys() | _PART_OF_A_RELATION
_NAMES: Final = """
SELECT o.number, f.class, f.oid
FROM pg_catalog.json_to_recordset($1::pg_catalog.json)
  AS o (number int, catalog text, schema text, name text)
JOIN (
  SELECT 'pg_proc' AS catalog, 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid AS class,
    oid, pronamespace AS space, proname::pg_catalog.text AS name FROM pg_catalog.pg_proc
  UNION ALL SELECT 'pg_type', 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid,
    oid, typnamespace, typname FROM pg_catalog.pg_type
  UNION ALL SELECT 'pg_class', 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid,
    oid, relnamespace, relname FROM pg_catalog.pg_class
  UNION ALL SELECT 'pg_namespace', 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid,
    oid, 0, nspname FROM pg_catalog.pg_namespace
  UNION ALL SELECT 'pg_extension', 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid,
    oid, 0, extname FROM pg_catalog.pg_extension
) f ON f.catalog = o.catalog AND f.name = o.name
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = f.space
WHERE o.schema IS NULL OR o.schema = n.nspname
"""
_WITH: Final = """
WITH RECURSIVE roots (class, oid) AS (
  SELECT r.class, r.oid FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]),
    pg_catalog.unnest($2::pg_catalog.oid[])) AS r (class, oid)
  UNION SELECT m.class, m.oid FROM pg_catalog.pg_namespace n, LATERAL (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AS class, c.oid
      FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid
    UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, p.oid
      FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, t.oid
      FROM pg_catalog.pg_type t WHERE t.typnamespace = n.oid
    UNION ALL SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, n.oid) m
  WHERE n.nspname = ANY ($3::pg_catalog.text[])),
doomed (class, oid) AS (
  SELECT class, oid FROM roots
  UNION SELECT f.class, f.oid FROM doomed x, LATERAL (
    SELECT d.classid AS class, d.objid AS oid FROM pg_catalog.pg_depend d
    WHERE d.refclassid = x.class AND d.refobjid = x.oid
      AND (d.deptype <> 'n' AND $4 >= 1 OR $4 >= 2)
    -- a view goes with its rule
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class
    FROM pg_catalog.pg_rewrite w
    WHERE w.oid = x.oid AND x.class = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      AND w.rulename = '_RETURN') f)
SELECT class, oid FROM doomed
UNION SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, o.owner FROM doomed x JOIN (
  -- what is a part of something else changes that
  SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid AS class, oid,
    conrelid AS owner FROM pg_catalog.pg_constraint
  UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, oid, adrelid
    FROM pg_catalog.pg_attrdef
  UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, oid, tgrelid
    FROM pg_catalog.pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, oid, polrelid
    FROM pg_catalog.pg_policy
  UNION ALL SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, oid, ev_class
    FROM pg_catalog.pg_rewrite) o ON o.class = x.class AND o.oid = x.oid
"""


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


async def doomed_by(
    connection: Connection, destroyed: Destruction, states: Sequence[ObjectState]
) -> tuple[ObjectState, ...]:
    """Those of `states` that `destroyed` is about; raises asyncpg's errors.

    A relation that nobody else can see yet is not among them: nothing of it is lost. Any other name
    that is not found may be one that the session has just given to something, so everything counts.
    """
    if destroyed.everything:
        return tuple(states)
    by_name = [o for o in destroyed.objects if o.kind in _CATALOG_OF]
    others = [
        o
        for o in destroyed.objects
        if o.kind not in _CATALOG_OF | dict.fromkeys(_PART_OF_A_RELATION)
    ]
    asked = [(_CATALOG_OF[o.kind], o.schema, o.name) for o in by_name]
    asked += [("pg_namespace", None, name) for name in destroyed.schemas]
    needed = len(asked)
    asked += [("pg_class", r.schema, r.name) for r in destroyed.relations if not r.oid]
    document = json.dumps(
        [
            {"number": number, "catalog": catalog, "schema": schema, "name": name}
            for number, (catalog, schema, name) in enumerate(asked)
        ]
    )
    found = await connection.fetch(_NAMES, document) if asked else []
    if not {row["number"] for row in found}.issuperset(range(needed)):
        return tuple(states)
    if others and destroyed.reach > Reach.OWNED:
        return tuple(states)
    roots = [(row["class"], row["oid"]) for row in found]
    relations = [r.oid for r in destroyed.relations if r.oid]
    if relations:
        ((of_relations,),) = await connection.fetch(
            "SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid"
        )
        roots += [(of_relations, oid) for oid in relations]
    rows = await connection.fetch(
        _WITH,
        [key[0] for key in roots],
        [key[1] for key in roots],
        list(destroyed.schemas),
        destroyed.reach - Reach.NAMED,
    )
    keys = {(row["class"], oid) for row in rows for oid in (row["oid"], 0)}
    return tuple(s for s in states if s.key in keys or (others and not s.key[1]))
