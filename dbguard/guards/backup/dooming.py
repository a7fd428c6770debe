"""What a statement takes along, by the server's own dependencies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dbguard.guards.backup.access import Connection
from dbguard.guards.backup.catalog_states import Key, ObjectState
from dbguard.sql.destruction import Destruction, Reach

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
_COMMITTED: Final = """
SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::pg_catalog.oid[])
"""
_PARTS: Final = """
SELECT EXISTS (
  SELECT FROM pg_catalog.json_to_recordset($2::pg_catalog.json) AS p (kind text, name text)
  JOIN (
    SELECT 'column' AS kind, a.attname AS name FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = $1 AND NOT a.attisdropped
    UNION ALL SELECT 'constraint', k.conname FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1
    UNION ALL SELECT 'trigger', t.tgname FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1
    UNION ALL SELECT 'policy', q.polname FROM pg_catalog.pg_policy q WHERE q.polrelid = $1
    UNION ALL SELECT 'rule', w.rulename FROM pg_catalog.pg_rewrite w WHERE w.ev_class = $1
  ) f ON f.kind = p.kind AND f.name = p.name)
"""
_WITH: Final = """
WITH RECURSIVE roots (class, oid, rows) AS (
  SELECT r.class, r.oid, r.rows FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]),
    pg_catalog.unnest($2::pg_catalog.oid[]), pg_catalog.unnest($5::pg_catalog.bool[]))
    AS r (class, oid, rows)
  UNION SELECT m.class, m.oid, true FROM pg_catalog.pg_namespace n, LATERAL (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AS class, c.oid
      FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid
    UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, p.oid
      FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, t.oid
      FROM pg_catalog.pg_type t WHERE t.typnamespace = n.oid
    UNION ALL SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, n.oid) m
  WHERE n.nspname = ANY ($3::pg_catalog.text[])),
doomed (class, oid, rows) AS (
  SELECT class, oid, rows FROM roots
  UNION SELECT f.class, f.oid, x.rows FROM doomed x, LATERAL (
    SELECT d.classid AS class, d.objid AS oid FROM pg_catalog.pg_depend d
    WHERE d.refclassid = x.class AND d.refobjid = x.oid
      AND (d.deptype <> 'n' AND $4 >= 1 OR $4 >= 2)
    -- what is done to a table is done to its children
    UNION ALL SELECT x.class, i.inhrelid FROM pg_catalog.pg_inherits i
    WHERE i.inhparent = x.oid AND x.class = 'pg_catalog.pg_class'::pg_catalog.regclass
    -- a view goes with its rule
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class
    FROM pg_catalog.pg_rewrite w
    WHERE w.oid = x.oid AND x.class = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      AND w.rulename = '_RETURN') f)
SELECT u.class, u.oid, pg_catalog.bool_or(u.rows) AS rows FROM (
SELECT class, oid, rows FROM doomed
UNION SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, o.owner, false FROM doomed x JOIN (
  -- what is a part of something else changes the definition of that
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
) u GROUP BY u.class, u.oid
"""
_TIED: Final = """
SELECT l.relation FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
WHERE l.pid = $1 AND l.granted AND l.locktype = 'relation' AND c.relpersistence <> 't'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
  AND l.mode = ANY ('{ShareUpdateExclusiveLock,ShareRowExclusiveLock,AccessExclusiveLock}')
"""
"""ATTACH PARTITION, INHERIT, OF and foreign keys take these locks on what they tie to something."""
_BEYOND: Final = """
SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, n.nspname AS schema,
  CASE WHEN e.objid IS NULL THEN 'is in a schema of the server''s own, which no dump holds'
    ELSE 'belongs to an extension, and no dump holds its rows' END AS beyond
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend e ON e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension x ON x.oid = e.refobjid
WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND c.oid >= 16384 AND c.relpersistence <> 't'
  AND (n.nspname = ANY ('{pg_catalog,information_schema}'::pg_catalog.name[])
       AND c.relkind = ANY ('{r,p,v,m,f,S}'::"char"[])
    OR e.objid IS NOT NULL AND c.relkind = 'r' AND pg_catalog.pg_relation_size(c.oid) > 0
       AND NOT c.oid = ANY (coalesce(x.extconfig, '{}'::pg_catalog.oid[])))
"""
_CLASS_OF_RELATIONS: Final = "SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid"


@dataclass(frozen=True, slots=True)
class Doomed:
    """What goes when a statement runs."""

    objects: tuple[ObjectState, ...]
    nothing: bool = False
    """Nothing that it names is committed, nor tied to what is."""


@dataclass(frozen=True, slots=True)
class _Roots:
    """What a statement names, as it is committed."""

    of: Mapping[Key, bool]
    """Whether their rows go."""
    all_objects: bool
    all_relations: bool
    """Whether all of them were found."""


async def doomed_by(
    connection: Connection,
    destroyed: Destruction,
    states: Sequence[ObjectState],
    process_id: int = 0,
) -> Doomed:
    """What `destroyed` is about, of `states` and beyond; raises asyncpg's errors.

    `process_id` is the server's process that all earlier statements of the session have run in; 0
    where some have not. What nobody else can see yet is not among them: nothing of it is lost, but
    what the open transaction has tied to it may go along, and that is locked. What has not run yet
    has locked nothing: a name that is not found then stands for everything.
    """
    if destroyed.everything:
        return Doomed(tuple(states))
    others = [o for o in destroyed.objects if o.kind not in _NAMED]
    if others and destroyed.reach > Reach.OWNED:
        return Doomed(tuple(states))
    named = await _roots(connection, destroyed)
    if not process_id and not (named.all_objects and named.all_relations):
        return Doomed(tuple(states))
    roots, tied = named.of, set[int]()
    # what is tied to a new relation is named with it, but for what CASCADE takes along
    if not named.all_objects or (not named.all_relations and destroyed.reach > Reach.OWNED):
        tied = {row["relation"] for row in await connection.fetch(_TIED, process_id)}
    ((of_relations,),) = await connection.fetch(_CLASS_OF_RELATIONS)
    rows = await connection.fetch(
        _WITH,
        [*(key[0] for key in roots), *(of_relations for _ in tied)],
        [*(key[1] for key in roots), *tied],
        list(destroyed.schemas),
        destroyed.reach - Reach.NAMED,
        [*roots.values(), *(True for _ in tied)],
    )
    found = {(row["class"], row["oid"]): row["rows"] for row in rows}
    beyond = await _beyond(connection, (oid for class_, oid in found if class_ == of_relations))
    together = {(class_, 0) for class_, _ in found}
    doomed = {
        s.key: replace(s, rows=found.get(s.key, True))
        for s in states
        if s.key in found or s.key in together or (others and not s.key[1])
    }
    for key, state in beyond.items():
        known = doomed.get((of_relations, key), state)
        doomed[of_relations, key] = replace(known, beyond=state.beyond)
    return Doomed(tuple(doomed.values()), nothing=not (roots or tied or others))


async def _roots(connection: Connection, destroyed: Destruction) -> _Roots:
    asked = [
        (_CATALOG_OF[o.kind], o.schema, o.name) for o in destroyed.objects if o.kind in _CATALOG_OF
    ]
    asked += [("pg_namespace", None, name) for name in destroyed.schemas]
    needed = len(asked)
    asked += [("pg_class", r.schema, r.name) for r in destroyed.relations]
    document = json.dumps(
        [
            {"number": number, "catalog": catalog, "schema": schema, "name": name}
            for number, (catalog, schema, name) in enumerate(asked)
        ]
    )
    found = await connection.fetch(_NAMES, document) if asked else []
    roots = {(row["class"], row["oid"]): True for row in found if row["number"] < needed}
    if destroyed.relations:
        ((of_relations,),) = await connection.fetch(_CLASS_OF_RELATIONS)
    known = [relation.oid for relation in destroyed.relations if relation.oid]
    there = {row["oid"] for row in await connection.fetch(_COMMITTED, known)}
    for number, relation in enumerate(destroyed.relations, needed):
        # the name may mean another relation by now
        oids = {row["oid"] for row in found if row["number"] == number}
        oids |= {relation.oid} & there
        for oid in sorted(oids):
            if not relation.parts or await _has_part(connection, oid, relation.parts):
                key = (of_relations, oid)
                roots[key] = roots.get(key, False) or relation.with_rows
    numbers = {row["number"] for row in found}
    all_there = all(
        relation.oid in there or number in numbers
        for number, relation in enumerate(destroyed.relations, needed)
    )
    return _Roots(roots, numbers.issuperset(range(needed)), all_there)


async def _has_part(connection: Connection, oid: int, parts: Sequence[tuple[str, str]]) -> bool:
    document = json.dumps([{"kind": kind, "name": name} for kind, name in parts])
    return bool(await connection.fetchval(_PARTS, oid, document))


async def _beyond(connection: Connection, relations: Iterable[int]) -> dict[int, ObjectState]:
    rows = await connection.fetch(_BEYOND, list(relations))
    return {
        row["oid"]: ObjectState(
            (0, row["oid"]), "table", row["schema"], row["name"], "", row["beyond"]
        )
        for row in rows
    }
