"""What the catalog says of each object, as digests: compared between original and restored copy.

Compared is what has one form only: kinds, names, types, keys, flags, bodies of functions, grants.
Texts that the server writes from its parse trees (views, defaults, conditions) are not: after a
restore the same condition may be written otherwise (`ANY ((ARRAY[…])::text[])`). Left out is what
belongs to an extension, and large objects.
"""

from __future__ import annotations

from typing import Final

from dbguard.guards.backup.access import Connection
from dbguard.guards.backup.model import Digests

PRIVILEGES: Final = "privileges of "
"""How names of grants begin: only a superuser's restore brings them back."""
FOREIGN_KEYS: Final = "foreign key "
"""How names of foreign keys begin: without the rows that they refer to they cannot be made."""

_OURS: Final = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_NOT_OF_EXTENSION: Final = """NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
    WHERE e.classid = '{table}'::pg_catalog.regclass AND e.objid = {oid} AND e.deptype = 'e')"""


def _of(table: str, oid: str) -> str:
    return f"{_OURS} AND " + _NOT_OF_EXTENSION.format(table=table, oid=oid)


_GRANTS: Final = """(SELECT pg_catalog.string_agg(pg_catalog.format('%s %s %s',
    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(g.grantee) END,
    g.privilege_type, g.is_grantable), ','
    ORDER BY g.grantee, g.privilege_type, g.is_grantable)
    FROM pg_catalog.aclexplode(coalesce({acl}, pg_catalog.acldefault({kind}, {owner}))) g)"""


_RELATION_KIND: Final = """CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END"""
_FUNCTION_KIND: Final = "'f'::\"char\""


def _grants(acl: str, kind: str, owner: str) -> str:
    return _GRANTS.format(acl=acl, kind=kind, owner=owner)


_QUERIES: Final = (
    # schemas
    f"""SELECT pg_catalog.format('schema %I', n.nspname) AS name, '' AS definition
        FROM pg_catalog.pg_namespace n WHERE {_of("pg_catalog.pg_namespace", "n.oid")}""",  # noqa: S608
    # relations and their columns
    f"""SELECT pg_catalog.format('%s %I.%I', CASE c.relkind WHEN 'r' THEN 'table'
              WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
              WHEN 'f' THEN 'foreign table' ELSE 'type' END, n.nspname, c.relname) AS name,
          pg_catalog.concat_ws('|', c.relkind, c.relpersistence, c.relispartition,
            pg_catalog.pg_get_expr(c.relpartbound, c.oid), c.relrowsecurity,
            c.relforcerowsecurity, c.relreplident,
            (SELECT pg_catalog.string_agg(o, ',' ORDER BY o)
             FROM pg_catalog.unnest(c.reloptions) o),
            (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attname,
               pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               a.attgenerated, a.atthasdef, a.attcollation::pg_catalog.regcollation), ','
               ORDER BY a.attname)
             FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
            (SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::pg_catalog.text, ','
               ORDER BY i.inhseqno)
             FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)) AS definition
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't'
          AND {_of("pg_catalog.pg_class", "c.oid")}""",  # noqa: S608
    # constraints; those of partitions come with their parents', named anew
    f"""SELECT pg_catalog.format('%s %I on %I.%I', CASE k.contype WHEN 'f' THEN 'foreign key'
            ELSE 'constraint' END, k.conname, n.nspname, c.relname) AS name,
          pg_catalog.concat_ws('|', k.contype, k.condeferrable, k.condeferred, k.convalidated,
            k.confrelid::pg_catalog.regclass, k.confupdtype, k.confdeltype, k.confmatchtype,
            (SELECT pg_catalog.string_agg(a.attname, ',' ORDER BY p.place)
             FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY p (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.number),
            (SELECT pg_catalog.string_agg(a.attname, ',' ORDER BY p.place)
             FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY p (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.number)
          ) AS definition
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conparentid = 0
          AND {_of("pg_catalog.pg_class", "c.oid")}""",  # noqa: S608
    # indexes
    f"""SELECT pg_catalog.format('index %I.%I', n.nspname, c.relname) AS name,
          pg_catalog.concat_ws('|', i.indrelid::pg_catalog.regclass, i.indisunique, i.indisprimary,
            i.indisvalid, i.indoption, i.indnkeyatts, m.amname, i.indpred IS NULL,
            (SELECT pg_catalog.string_agg(coalesce(a.attname, '(expression)'), ',' ORDER BY p.place)
             FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[])
               WITH ORDINALITY p (number, place)
             LEFT JOIN pg_catalog.pg_attribute a
               ON a.attrelid = i.indrelid AND a.attnum = p.number)) AS definition
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
        JOIN pg_catalog.pg_am m ON m.oid = c.relam
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT c.relispartition AND t.relpersistence <> 't'
          AND {_of("pg_catalog.pg_class", "t.oid")}""",  # noqa: S608
    # sequences
    f"""SELECT pg_catalog.format('sequence %I.%I', n.nspname, c.relname) AS name,
          pg_catalog.concat_ws('|', pg_catalog.format_type(s.seqtypid, NULL), s.seqstart,
            s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle) AS definition
        FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't' AND {_of("pg_catalog.pg_class", "c.oid")}""",  # noqa: S608
    # functions
    f"""SELECT pg_catalog.format('function %I.%I(%s)', n.nspname, p.proname,
            pg_catalog.pg_get_function_identity_arguments(p.oid)) AS name,
          pg_catalog.concat_ws('|', l.lanname, p.prokind, p.provolatile, p.prosecdef,
            p.proisstrict, p.proretset, p.proparallel, p.proleakproof, p.proconfig,
            pg_catalog.pg_get_function_result(p.oid), p.prosrc) AS definition
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE {_of("pg_catalog.pg_proc", "p.oid")}
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend i
            WHERE i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND i.objid = p.oid
              AND i.deptype = 'i')""",  # noqa: S608
    # triggers, rules and policies
    f"""SELECT pg_catalog.format('trigger %I on %I.%I', g.tgname, n.nspname, c.relname) AS name,
          pg_catalog.concat_ws('|', g.tgfoid::pg_catalog.regprocedure, g.tgtype, g.tgenabled,
            g.tgdeferrable, g.tginitdeferred, g.tgqual IS NULL) AS definition
        FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT g.tgisinternal AND g.tgparentid = 0
          AND {_of("pg_catalog.pg_class", "c.oid")}""",  # noqa: S608
    f"""SELECT pg_catalog.format('rule %I on %I.%I', r.rulename, n.nspname, c.relname) AS name,
          pg_catalog.concat_ws('|', r.ev_type, r.ev_enabled, r.is_instead) AS definition
        FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE r.rulename <> '_RETURN' AND {_of("pg_catalog.pg_class", "c.oid")}""",  # noqa: S608
    f"""SELECT pg_catalog.format('policy %I on %I.%I', p.polname, n.nspname, c.relname) AS name,
          pg_catalog.concat_ws('|', p.polcmd, p.polpermissive, p.polqual IS NULL,
            p.polwithcheck IS NULL,
            (SELECT pg_catalog.string_agg(r::pg_catalog.regrole::pg_catalog.text, ','
               ORDER BY r) FROM pg_catalog.unnest(p.polroles) r)) AS definition
        FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE {_of("pg_catalog.pg_class", "c.oid")}""",  # noqa: S608
    # types with labels, domains
    f"""SELECT pg_catalog.format('type %I.%I', n.nspname, t.typname) AS name,
          pg_catalog.concat_ws('|', t.typtype, t.typnotnull,
            CASE t.typtype WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
            (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ','
               ORDER BY e.enumsortorder)
             FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)) AS definition
        FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE t.typtype IN ('e', 'd', 'r') AND {_of("pg_catalog.pg_type", "t.oid")}""",  # noqa: S608
    # owners and grants
    f"""SELECT pg_catalog.format('privileges of %I.%I', n.nspname, c.relname) AS name,
          pg_catalog.concat_ws('|', pg_catalog.pg_get_userbyid(c.relowner),
            {_grants("c.relacl", _RELATION_KIND, "c.relowner")},
            (SELECT pg_catalog.string_agg(a.attname || a.attacl::pg_catalog.text, ','
               ORDER BY a.attname)
             FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped)
          ) AS definition
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
          AND {_of("pg_catalog.pg_class", "c.oid")}""",  # noqa: S608
    f"""SELECT pg_catalog.format('privileges of %I.%I(%s)', n.nspname, p.proname,
            pg_catalog.pg_get_function_identity_arguments(p.oid)) AS name,
          pg_catalog.concat_ws('|', pg_catalog.pg_get_userbyid(p.proowner),
            {_grants("p.proacl", _FUNCTION_KIND, "p.proowner")}) AS definition
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE {_of("pg_catalog.pg_proc", "p.oid")}
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend i
            WHERE i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND i.objid = p.oid
              AND i.deptype = 'i')""",  # noqa: S608
    # extensions
    """SELECT pg_catalog.format('extension %I', x.extname) AS name, '' AS definition
       FROM pg_catalog.pg_extension x""",
)


async def describe_objects(connection: Connection) -> Digests:
    """A digest of each object's definition, as `connection`'s transaction sees it.

    `connection` has an empty search path, so that names are whole. Raises asyncpg's errors.
    """
    found: dict[str, str] = {}
    for query in _QUERIES:
        for record in await connection.fetch(
            f"SELECT q.name, pg_catalog.md5(q.definition) AS digest FROM ({query}) q"  # noqa: S608
        ):
            found[record["name"]] = record["digest"][:16]
    return Digests.made(found)


def without(digests: Digests, *kinds: str) -> Digests:
    """Those whose names do not begin with any of these."""
    return Digests(tuple(pair for pair in digests.of if not pair[0].startswith(kinds)))


def constraints_on(digests: Digests, table: str) -> tuple[str, ...]:
    """Names of a table's constraints and foreign keys; it is named as the server quotes it."""
    kinds = ("constraint ", FOREIGN_KEYS)
    end = f" on {table}"
    return tuple(
        name.removesuffix(end)
        for name, _ in digests.of
        if name.startswith(kinds) and name.endswith(end)
    )
