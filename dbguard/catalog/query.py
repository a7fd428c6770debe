"""The SQL that reads a database's catalog, for PostgreSQL 13 to 18.

Every name and operator is qualified, and IN, USING and LIKE are avoided (PostgreSQL looks their
operators up along the search_path), so that the statement means the same in any session.
"""

# ruff: noqa: S608 - the parts put together here are constants

from __future__ import annotations

from dbguard.sql.snapshot import FIRST_NORMAL_OID

from .fingerprint import hashed

_EQ = "OPERATOR(pg_catalog.=)"
_NE = "OPERATOR(pg_catalog.<>)"

_DDL = (
    "[[:<:]](create([[:space:]]+or[[:space:]]+replace)?|alter)[[:space:]]+"
    "((unlogged|foreign|materialized|recursive)[[:space:]]+)*"
    "(aggregate|cast|domain|extension|function|operator|policy|procedure|routine|rule|schema|table|"
    "trigger|type|view)[[:>:]]"
)
"""DDL that can give a name another meaning, or show more by it, as sources of functions have it.
What is temporary belongs to one session, and what is dropped shows nothing. No backslashes: they
would mean something else in other sessions."""
VIEW_TEXT = "pg_catalog.pg_get_viewdef({0})"
FUNCTION_TEXT = "pg_catalog.pg_get_functiondef({0})"
ARGUMENTS_TEXT = "pg_catalog.pg_get_function_arguments({0})"


_SYSTEM_TABLES = (
    "pg_class",
    "pg_collation",
    "pg_language",
    "pg_namespace",
    "pg_operator",
    "pg_proc",
    "pg_type",
)


_CARRYING = (
    "pg_catalog.pg_am,pg_catalog.pg_amop,pg_catalog.pg_amproc,pg_catalog.pg_collation,"
    "pg_catalog.pg_extension,pg_catalog.pg_foreign_data_wrapper,pg_catalog.pg_foreign_server,"
    "pg_catalog.pg_language,pg_catalog.pg_opclass,pg_catalog.pg_operator,pg_catalog.pg_opfamily,"
    "pg_catalog.pg_proc,pg_catalog.pg_ts_config,pg_catalog.pg_ts_dict,pg_catalog.pg_ts_parser,"
    "pg_catalog.pg_ts_template,pg_catalog.pg_type"
)
"""Catalogs of objects that relations, or parts of them, may depend on."""
_READING = "pg_catalog.pg_attrdef,pg_catalog.pg_policy,pg_catalog.pg_proc,pg_catalog.pg_rewrite"
"""Catalogs of what may depend on a relation that is not its own."""


def _system_fingerprint() -> str:
    """Changes whenever a row of the server's own objects does."""
    tables = [(table, "x.oid", "x.oid") for table in _SYSTEM_TABLES]
    column = (
        "(x.attrelid::pg_catalog.text OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) x.attnum)"
    )
    rows = " UNION ALL ".join(
        f"SELECT '{table}', {hashed(key)} FROM pg_catalog.{table} x "
        f"WHERE {oid} OPERATOR(pg_catalog.<) '{FIRST_NORMAL_OID}'::pg_catalog.oid"
        for table, key, oid in [*tables, ("pg_attribute", column, "x.attrelid")]
    )
    return f"""(SELECT pg_catalog.string_agg(u.part OPERATOR(pg_catalog.||) ':'
      OPERATOR(pg_catalog.||) u.count::pg_catalog.text OPERATOR(pg_catalog.||) ':'
      OPERATOR(pg_catalog.||) COALESCE(u.sum::pg_catalog.text, ''), ' ' ORDER BY u.part)
    FROM ({rows}) u(part, count, sum))"""


def _query(*, texts: bool, system: bool = True) -> str:
    """`texts`: with definitions; `system`: with rows of the parts of `SYSTEM_PARTS` that are the
    server's own."""
    normal = f"OPERATOR(pg_catalog.>=) '{FIRST_NORMAL_OID}'::pg_catalog.oid"
    own_function = "" if system else f"WHERE p.oid {normal}"
    own_column = "" if system else f"AND a.attrelid {normal}"
    viewdef = VIEW_TEXT.format("r.oid") if texts else "NULL"
    functiondef = FUNCTION_TEXT.format("f.oid") if texts else "NULL"
    arguments = ARGUMENTS_TEXT.format("f.oid") if texts else "NULL"
    return rf"""
WITH RECURSIVE
own_database AS (
  SELECT d.oid, d.datname, d.datdba FROM pg_catalog.pg_database d
  WHERE d.datname {_EQ} pg_catalog.current_database()),
spaces AS (
  -- not the temporary schemas of other sessions, and nothing of TOAST
  SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n
  WHERE n.oid {_EQ} pg_catalog.pg_my_temp_schema()
     OR NOT (pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_')
          OR pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_toast'))),
system_space AS (
  SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname {_EQ} 'pg_catalog'),
unread_spaces AS (
  -- nobody follows values through the server's own views, and deparsing them takes long
  SELECT n.oid FROM pg_catalog.pg_namespace n
  WHERE n.nspname {_EQ} ANY ('{{pg_catalog,information_schema}}'::pg_catalog.name[])),
busy AS (
  -- deparsing a view locks what it reads; what somebody else has locked is left out
  SELECT DISTINCT l.relation FROM pg_catalog.pg_locks l
  WHERE l.locktype {_EQ} 'relation' AND l.mode {_EQ} 'AccessExclusiveLock'
    AND l.database {_EQ} (SELECT o.oid FROM own_database o)
    AND l.pid {_NE} pg_catalog.pg_backend_pid()),
busy_objects AS (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d, busy b
  WHERE d.refobjid {_EQ} b.relation
    AND d.refclassid {_EQ} 'pg_catalog.pg_class'::pg_catalog.regclass),
domain_steps (domain, base, typmod) AS (
  SELECT t.oid, t.typbasetype, t.typtypmod FROM pg_catalog.pg_type t WHERE t.typtype {_EQ} 'd'
  UNION ALL
  SELECT s.domain, t.typbasetype, t.typtypmod
  FROM domain_steps s JOIN pg_catalog.pg_type t ON t.oid {_EQ} s.base AND t.typtype {_EQ} 'd'),
domains AS (
  SELECT s.domain, s.base, s.typmod FROM domain_steps s
  JOIN pg_catalog.pg_type t ON t.oid {_EQ} s.base AND t.typtype {_NE} 'd'),
relations AS (
  SELECT c.oid, c.relnamespace, c.relname, c.relkind, c.relpersistence, c.relrowsecurity
  FROM pg_catalog.pg_class c JOIN spaces s ON s.oid {_EQ} c.relnamespace
  WHERE c.relkind {_EQ} ANY ('{{r,p,v,m,f,S,c}}'::pg_catalog."char"[])),
uses AS (
  -- who runs functions that are not the server's own: those leave no dependency
  SELECT d.classid, d.objid, COALESCE(o.oprcode::pg_catalog.oid, d.refobjid) AS function
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_operator o ON o.oid {_EQ} d.refobjid
    AND d.refclassid {_EQ} 'pg_catalog.pg_operator'::pg_catalog.regclass
  WHERE d.refclassid {_EQ} 'pg_catalog.pg_proc'::pg_catalog.regclass
     OR d.refclassid {_EQ} 'pg_catalog.pg_operator'::pg_catalog.regclass),
hanging AS (
  -- what CASCADE follows, but for foreign keys and parents, which stand elsewhere; arrays hang on
  -- their elements anyway
  SELECT COALESCE(i.indrelid, c.oid, a.adrelid, NULLIF(k.conrelid, 0::pg_catalog.oid), t.tgrelid,
      w.ev_class, p.polrelid) AS relation,
    -- a part that goes, and nothing else that hangs on the relation
    NOT (COALESCE(c.relkind {_NE} ALL ('{{i,I}}'::pg_catalog."char"[]), false)
      OR COALESCE(w.rulename {_EQ} '_RETURN', false)
      OR (a.oid IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.pg_attribute g
        WHERE g.attrelid {_EQ} a.adrelid AND g.attnum {_EQ} a.adnum
          AND g.attgenerated {_NE} ''))) AS part,
    d.classid, d.objid, d.refclassid, d.refobjid
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_class c ON c.oid {_EQ} d.objid
    AND d.classid {_EQ} 'pg_catalog.pg_class'::pg_catalog.regclass
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid {_EQ} c.oid
  LEFT JOIN pg_catalog.pg_attrdef a ON a.oid {_EQ} d.objid
    AND d.classid {_EQ} 'pg_catalog.pg_attrdef'::pg_catalog.regclass
  LEFT JOIN pg_catalog.pg_constraint k ON k.oid {_EQ} d.objid
    AND d.classid {_EQ} 'pg_catalog.pg_constraint'::pg_catalog.regclass
  LEFT JOIN pg_catalog.pg_trigger t ON t.oid {_EQ} d.objid
    AND d.classid {_EQ} 'pg_catalog.pg_trigger'::pg_catalog.regclass
  LEFT JOIN pg_catalog.pg_rewrite w ON w.oid {_EQ} d.objid
    AND d.classid {_EQ} 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  LEFT JOIN pg_catalog.pg_policy p ON p.oid {_EQ} d.objid
    AND d.classid {_EQ} 'pg_catalog.pg_policy'::pg_catalog.regclass
  LEFT JOIN pg_catalog.pg_type y ON y.oid {_EQ} d.objid
    AND d.classid {_EQ} 'pg_catalog.pg_type'::pg_catalog.regclass
  WHERE d.objid OPERATOR(pg_catalog.>=) '{FIRST_NORMAL_OID}'::pg_catalog.oid
    AND d.refobjid OPERATOR(pg_catalog.>=) '{FIRST_NORMAL_OID}'::pg_catalog.oid
    AND (d.refclassid {_EQ} ANY ('{{{_CARRYING}}}'::pg_catalog.regclass[])
      OR (d.refclassid {_EQ} 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.classid {_EQ} ANY ('{{{_READING}}}'::pg_catalog.regclass[])))
    AND NOT (y.oid IS NOT NULL AND y.typlen {_EQ} -1 AND y.typcategory {_EQ} 'A')
  UNION ALL
  -- a support function or operator takes its operator class along
  SELECT NULL, false, d.refclassid, d.refobjid, d.classid, d.objid
  FROM pg_catalog.pg_depend d
  WHERE d.deptype {_EQ} 'i'
    AND d.refclassid {_EQ} 'pg_catalog.pg_opclass'::pg_catalog.regclass
    AND d.refobjid OPERATOR(pg_catalog.>=) '{FIRST_NORMAL_OID}'::pg_catalog.oid),
functions AS (
  SELECT p.*, l.lanname,
         (l.lanname {_EQ} 'sql' AND p.pronamespace {_NE} (SELECT y.oid FROM system_space y))
           AS readable
  FROM pg_catalog.pg_proc p JOIN spaces s ON s.oid {_EQ} p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid {_EQ} p.prolang {own_function})
SELECT pg_catalog.json_build_object(
  'v', 1,
  'version', pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
  'database', (SELECT o.datname FROM own_database o),
  'database_oid', (SELECT o.oid FROM own_database o),
  'owner', (SELECT o.datdba FROM own_database o),
  'schemas', (SELECT pg_catalog.json_agg(
      pg_catalog.json_build_array(s.oid, s.nspname) ORDER BY s.oid) FROM spaces s),
  'types', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        t.oid, t.typnamespace, t.typname, t.typtype, t.typcategory, t.typrelid,
        CASE WHEN t.typlen {_EQ} -1 AND t.typcategory {_EQ} 'A' THEN t.typelem ELSE 0 END,
        t.typcollation, pg_catalog.format_type(t.oid, NULL), pg_catalog.pg_type_is_visible(t.oid)
      ) ORDER BY t.oid)
    FROM pg_catalog.pg_type t JOIN spaces s ON s.oid {_EQ} t.typnamespace),
  'domains', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        d.domain, d.base, d.typmod,
        CASE WHEN d.typmod {_NE} -1 THEN pg_catalog.format_type(d.base, d.typmod) END
      ) ORDER BY d.domain) FROM domains d),
  'domain_parents', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        t.oid, t.typbasetype) ORDER BY t.oid)
    FROM pg_catalog.pg_type t WHERE t.typtype {_EQ} 'd'),
  'comparable', (SELECT pg_catalog.json_agg(DISTINCT k.opcintype) FROM (
      SELECT o.opcintype FROM pg_catalog.pg_opclass o
      JOIN pg_catalog.pg_am a ON a.oid {_EQ} o.opcmethod
        AND (a.amname {_EQ} 'btree' OR a.amname {_EQ} 'hash')
      WHERE o.opcdefault
      UNION ALL
      SELECT k.castsource FROM pg_catalog.pg_cast k
      JOIN pg_catalog.pg_opclass o ON o.opcintype {_EQ} k.casttarget AND o.opcdefault
      JOIN pg_catalog.pg_am a ON a.oid {_EQ} o.opcmethod
        AND (a.amname {_EQ} 'btree' OR a.amname {_EQ} 'hash')
      WHERE k.castmethod {_EQ} 'b' AND k.castcontext {_EQ} 'i') k),
  'relations', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        r.oid, r.relnamespace, r.relname, r.relkind, r.relpersistence {_EQ} 't',
        r.relrowsecurity) ORDER BY r.oid) FROM relations r),
  'columns', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        a.attrelid, a.attnum, a.attname, a.atttypid,
        CASE WHEN a.atttypmod {_NE} -1 THEN pg_catalog.format_type(a.atttypid, a.atttypmod) END,
        a.attnotnull, a.attgenerated {_NE} '', a.attcollation
      ) ORDER BY a.attrelid, a.attnum)
    FROM pg_catalog.pg_attribute a JOIN relations r ON r.oid {_EQ} a.attrelid
    WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped {own_column}),
  'collations', (SELECT pg_catalog.json_agg(
      pg_catalog.json_build_array(k.oid, n.nspname, k.collname) ORDER BY k.oid)
    FROM pg_catalog.pg_collation k JOIN pg_catalog.pg_namespace n ON n.oid {_EQ} k.collnamespace
    WHERE EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attcollation {_EQ} k.oid)),
  'keys', (SELECT pg_catalog.json_agg(
      pg_catalog.json_build_array(k.conrelid, k.conkey) ORDER BY k.conrelid)
    FROM pg_catalog.pg_constraint k
    WHERE k.contype {_EQ} 'p' AND NOT k.condeferrable),
  'references', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        k.conrelid, k.conkey, k.confrelid, k.confkey) ORDER BY k.oid)
    FROM pg_catalog.pg_constraint k WHERE k.contype {_EQ} 'f'),
  'parents', (SELECT pg_catalog.json_agg(
      pg_catalog.json_build_array(i.inhrelid, i.inhparent) ORDER BY i.inhrelid, i.inhseqno)
    FROM pg_catalog.pg_inherits i),
  'views', (SELECT pg_catalog.json_agg(
      pg_catalog.json_build_array(r.oid, {viewdef}) ORDER BY r.oid)
    FROM relations r
    WHERE r.relkind {_EQ} ANY ('{{v,m}}'::pg_catalog."char"[])
      AND r.relnamespace {_NE} ALL (ARRAY(SELECT y.oid FROM unread_spaces y))
      AND NOT EXISTS (
        SELECT FROM busy_objects b JOIN pg_catalog.pg_rewrite w ON w.oid {_EQ} b.objid
        WHERE b.classid {_EQ} 'pg_catalog.pg_rewrite'::pg_catalog.regclass
          AND w.ev_class {_EQ} r.oid)),
  'triggers', (SELECT pg_catalog.json_agg(DISTINCT t.tgrelid)
    FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal),
  'event_code', (SELECT pg_catalog.json_agg(DISTINCT e.evtfoid)
    FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled {_NE} 'D'),
  'rules', (SELECT pg_catalog.json_agg(DISTINCT w.ev_class)
    FROM pg_catalog.pg_rewrite w WHERE w.rulename {_NE} '_RETURN'),
  'code', (SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(
        u.what, u.owner, u.function)) FROM (
      SELECT 'write' AS what, a.adrelid AS owner, u.function
      FROM uses u JOIN pg_catalog.pg_attrdef a ON a.oid {_EQ} u.objid
      WHERE u.classid {_EQ} 'pg_catalog.pg_attrdef'::pg_catalog.regclass
      UNION ALL
      SELECT CASE WHEN k.conrelid {_EQ} 0::pg_catalog.oid THEN 'type' ELSE 'write' END,
        CASE WHEN k.conrelid {_EQ} 0::pg_catalog.oid THEN k.contypid ELSE k.conrelid END,
        u.function
      FROM uses u JOIN pg_catalog.pg_constraint k ON k.oid {_EQ} u.objid
      WHERE u.classid {_EQ} 'pg_catalog.pg_constraint'::pg_catalog.regclass
      UNION ALL
      SELECT 'read', p.polrelid, u.function
      FROM uses u JOIN pg_catalog.pg_policy p ON p.oid {_EQ} u.objid
      WHERE u.classid {_EQ} 'pg_catalog.pg_policy'::pg_catalog.regclass
      UNION ALL
      SELECT CASE WHEN w.rulename {_EQ} '_RETURN' THEN 'read' ELSE 'write' END,
        w.ev_class, u.function
      FROM uses u JOIN pg_catalog.pg_rewrite w ON w.oid {_EQ} u.objid
      WHERE u.classid {_EQ} 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      UNION ALL
      SELECT 'write', COALESCE(i.indrelid, u.objid), u.function
      FROM uses u LEFT JOIN pg_catalog.pg_index i ON i.indexrelid {_EQ} u.objid
      WHERE u.classid {_EQ} 'pg_catalog.pg_class'::pg_catalog.regclass
      UNION ALL
      SELECT 'write', t.tgrelid, t.tgfoid
      FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal
      UNION ALL
      SELECT 'type', u.objid, u.function
      FROM uses u WHERE u.classid {_EQ} 'pg_catalog.pg_type'::pg_catalog.regclass
      UNION ALL
      SELECT 'type', t.oid, u.function
      FROM uses u JOIN pg_catalog.pg_cast k ON k.oid {_EQ} u.objid
      JOIN pg_catalog.pg_type t ON t.oid {_EQ} k.castsource OR t.oid {_EQ} k.casttarget
      WHERE u.classid {_EQ} 'pg_catalog.pg_cast'::pg_catalog.regclass
        AND t.typnamespace {_NE} (SELECT y.oid FROM system_space y)
      UNION ALL
      SELECT 'type', g.rngtypid, g.rngsubdiff::pg_catalog.oid
      FROM pg_catalog.pg_range g JOIN uses u ON u.function {_EQ} g.rngsubdiff
      ) u (what, owner, function)),
  'written_too', (SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(
        w.first, w.second)) FROM (
      -- ON DELETE CASCADE and the like; views that write to what they read
      SELECT k.confrelid, k.conrelid FROM pg_catalog.pg_constraint k
      WHERE k.contype {_EQ} 'f'
        AND (k.confupdtype {_EQ} ANY ('{{c,n,d}}'::pg_catalog."char"[])
          OR k.confdeltype {_EQ} ANY ('{{c,n,d}}'::pg_catalog."char"[]))
      UNION ALL
      SELECT w.ev_class, d.refobjid
      FROM pg_catalog.pg_rewrite w
      JOIN relations r ON r.oid {_EQ} w.ev_class
        AND r.relkind {_EQ} 'v'::pg_catalog."char"
      JOIN pg_catalog.pg_depend d ON d.objid {_EQ} w.oid
        AND d.classid {_EQ} 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.refclassid {_EQ} 'pg_catalog.pg_class'::pg_catalog.regclass
      WHERE d.refobjid {_NE} w.ev_class
        AND r.relnamespace {_NE} (SELECT y.oid FROM system_space y)
      ) w (first, second)),
  'view_types', (SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(
        w.ev_class, d.refobjid))
    FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d ON d.objid {_EQ} w.oid
      AND d.classid {_EQ} 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      AND d.refclassid {_EQ} 'pg_catalog.pg_type'::pg_catalog.regclass
    WHERE w.rulename {_EQ} '_RETURN'),
  'hanging', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        h.what, h.owner, h.refclassid, h.refobjid)
      ORDER BY h.what, h.owner, h.refclassid, h.refobjid)
    FROM (
      SELECT DISTINCT CASE WHEN h.relation IS NULL THEN h.classid
          WHEN h.part THEN 0 ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END::pg_catalog.oid,
        COALESCE(h.relation, h.objid), h.refclassid, h.refobjid
      FROM hanging h
      WHERE h.relation IS NULL OR h.relation {_NE} h.refobjid
      ) h (what, owner, refclassid, refobjid)),
  'catalogs', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(c.oid, c.relname)
      ORDER BY c.oid)
    FROM pg_catalog.pg_class c
    WHERE c.oid {_EQ} ANY ('{{{_CARRYING},pg_catalog.pg_class}}'::pg_catalog.regclass[])),
  'supports', (SELECT pg_catalog.json_agg(
      pg_catalog.json_build_array(n.catalog, n.oid, n.schema, n.name) ORDER BY n.catalog, n.oid)
    FROM (
      SELECT 'pg_extension' AS catalog, e.oid, '' AS schema, e.extname AS name
      FROM pg_catalog.pg_extension e
      UNION ALL
      SELECT 'pg_language', l.oid, '', l.lanname FROM pg_catalog.pg_language l
      UNION ALL
      SELECT 'pg_foreign_server', f.oid, '', f.srvname FROM pg_catalog.pg_foreign_server f
      UNION ALL
      SELECT 'pg_foreign_data_wrapper', w.oid, '', w.fdwname
      FROM pg_catalog.pg_foreign_data_wrapper w
      UNION ALL
      SELECT 'pg_collation', k.oid, s.nspname, k.collname
      FROM pg_catalog.pg_collation k JOIN spaces s ON s.oid {_EQ} k.collnamespace) n
    WHERE n.oid OPERATOR(pg_catalog.>=) '{FIRST_NORMAL_OID}'::pg_catalog.oid),
  'functions', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        f.oid, f.pronamespace, f.proname, f.prokind, f.proargtypes::pg_catalog.text,
        f.prorettype, f.proretset, f.provolatile, f.lanname,
        CASE WHEN f.proargmodes IS NOT NULL
          THEN pg_catalog.array_to_string(f.proargmodes, '') END,
        CASE WHEN f.proargmodes IS NOT NULL THEN f.proargnames END,
        f.provariadic {_NE} 0::pg_catalog.oid, f.pronargdefaults,
        CASE WHEN f.readable THEN f.prosrc END,
        CASE WHEN f.readable AND f.proargnames IS NOT NULL THEN pg_catalog.json_build_array(
          f.proargnames, pg_catalog.array_to_string(f.proargmodes, '')) END) ORDER BY f.oid)
    FROM functions f),
  'function_owners', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        f.oid, r.rolname) ORDER BY f.oid)
    FROM functions f JOIN pg_catalog.pg_roles r ON r.oid {_EQ} f.proowner
    WHERE f.oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid),
  'defining', (SELECT pg_catalog.json_agg(f.oid ORDER BY f.oid)
    FROM functions f
    WHERE f.oid OPERATOR(pg_catalog.>=) '{FIRST_NORMAL_OID}'::pg_catalog.oid
      AND f.provolatile {_EQ} 'v'
      AND f.prosrc OPERATOR(pg_catalog.~*) '{_DDL}'),
  'atomic', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        f.oid, {functiondef}, {arguments}) ORDER BY f.oid)
    FROM functions f
    WHERE f.readable AND f.prosrc {_EQ} '' AND f.proconfig IS NULL
      AND (f.prokind {_EQ} 'f' OR f.prokind {_EQ} 'p')
      AND NOT EXISTS (SELECT FROM busy_objects b WHERE b.objid {_EQ} f.oid
        AND b.classid {_EQ} 'pg_catalog.pg_proc'::pg_catalog.regclass)),
  'operators', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        o.oid, o.oprnamespace, o.oprname, o.oprleft, o.oprright) ORDER BY o.oid)
    FROM pg_catalog.pg_operator o JOIN spaces s ON s.oid {_EQ} o.oprnamespace
    WHERE o.oprnamespace {_NE} (SELECT y.oid FROM system_space y)),
  'extensions', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        m.catalog, m.oid, e.extname) ORDER BY m.catalog, m.oid)
    FROM (
      SELECT 'pg_proc' AS catalog, 'pg_catalog.pg_proc'::pg_catalog.regclass AS class,
        p.oid, p.proowner AS owner FROM pg_catalog.pg_proc p
      UNION ALL
      SELECT 'pg_type', 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typowner
      FROM pg_catalog.pg_type t
      UNION ALL
      SELECT 'pg_operator', 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, o.oprowner
      FROM pg_catalog.pg_operator o) m
    JOIN pg_catalog.pg_depend d ON d.classid {_EQ} m.class AND d.objid {_EQ} m.oid
      AND d.deptype {_EQ} 'e'
      AND d.refclassid {_EQ} 'pg_catalog.pg_extension'::pg_catalog.regclass
    JOIN pg_catalog.pg_extension e ON e.oid {_EQ} d.refobjid
    -- Whoever may create a trusted extension owns it, and could add functions of his own to it;
    -- what its script made belongs to the superuser that the script ran as.
    JOIN pg_catalog.pg_roles r ON r.oid {_EQ} m.owner AND r.rolsuper),
  'roles', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        r.oid, r.rolname, r.rolsuper, r.rolbypassrls) ORDER BY r.oid)
    FROM pg_catalog.pg_roles r),
  'members', (SELECT pg_catalog.json_agg(
      pg_catalog.json_build_array(m.member, m.roleid) ORDER BY m.member, m.roleid)
    FROM pg_catalog.pg_auth_members m),
  'hidden', (SELECT pg_catalog.json_agg(
      pg_catalog.json_build_array(r.oid, s.oid) ORDER BY r.oid, s.oid)
    FROM pg_catalog.pg_roles r CROSS JOIN spaces s
    WHERE NOT r.rolsuper
      AND NOT pg_catalog.has_schema_privilege(r.oid, s.oid, 'USAGE')),
  'settings', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
        g.setdatabase {_NE} 0::pg_catalog.oid, g.setrole, g.setconfig)
        ORDER BY g.setrole, g.setdatabase)
    FROM pg_catalog.pg_db_role_setting g
    WHERE g.setdatabase {_EQ} 0::pg_catalog.oid
       OR g.setdatabase {_EQ} (SELECT o.oid FROM own_database o)),
  'system', {_system_fingerprint()}
)::pg_catalog.text
"""


SNAPSHOT_QUERY = _query(texts=True)
"""One row, one column: a JSON document for `dbguard.catalog.loading.parse_snapshot`.

Names of types do not depend on the session's search_path. Texts of views and functions do: on
the control connection it is empty, so that every name in them is qualified, except those of
pg_catalog.
"""

SYSTEM_PARTS = ("atomic", "columns", "functions")
"""Parts of the document most of whose rows are the server's own; in the order of the OIDs that the
rows begin with."""

NORMAL_QUERY = _query(texts=True, system=False)
"""The same without the server's own rows in `SYSTEM_PARTS`: they stay what they are, and take
half of the time, until `system` of the document is another."""

WITHOUT_TEXTS_QUERY = _query(texts=False)
"""The same with NULL for the texts of views and of functions kept as trees."""

ONE_VIEW_QUERY = f"SELECT {VIEW_TEXT.format('$1::pg_catalog.oid')}"
ONE_FUNCTION_QUERY = (
    f"SELECT {FUNCTION_TEXT.format('$1::pg_catalog.oid')}, "
    f"{ARGUMENTS_TEXT.format('$1::pg_catalog.oid')}"
)
"""Those texts one by one."""
