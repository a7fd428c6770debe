SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','t','s','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;

SELECT c.oid,
  n.nspname,
  c.relname
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(patients)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 2, 3;

SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, '', c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname
FROM pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
WHERE c.oid = '16385';

SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = '16385' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;

SELECT c2.relname, i.indisprimary, i.indisunique, i.indisclustered, i.indisvalid, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true),
  pg_catalog.pg_get_constraintdef(con.oid, true), contype, condeferrable, condeferred, i.indisreplident, c2.reltablespace
FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i
  LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x'))
WHERE c.oid = '16385' AND c.oid = i.indrelid AND i.indexrelid = c2.oid
ORDER BY i.indisprimary DESC, c2.relname;

SELECT pol.polname, pol.polpermissive,
  CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(select rolname from pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END,
  pg_catalog.pg_get_expr(pol.polqual, pol.polrelid),
  pg_catalog.pg_get_expr(pol.polwithcheck, pol.polrelid),
  CASE pol.polcmd
    WHEN 'r' THEN 'SELECT'
    WHEN 'a' THEN 'INSERT'
    WHEN 'w' THEN 'UPDATE'
    WHEN 'd' THEN 'DELETE'
    END AS cmd
FROM pg_catalog.pg_policy pol
WHERE pol.polrelid = '16385' ORDER BY 1;

SELECT oid, stxrelid::pg_catalog.regclass, stxnamespace::pg_catalog.regnamespace::pg_catalog.text AS nsp, stxname,
pg_catalog.pg_get_statisticsobjdef_columns(oid) AS columns,
  'd' = any(stxkind) AS ndist_enabled,
  'f' = any(stxkind) AS deps_enabled,
  'm' = any(stxkind) AS mcv_enabled,
stxstattarget
FROM pg_catalog.pg_statistic_ext
WHERE stxrelid = '16385'
ORDER BY nsp, stxname;

SELECT pubname
     , NULL
     , NULL
FROM pg_catalog.pg_publication p
     JOIN pg_catalog.pg_publication_namespace pn ON p.oid = pn.pnpubid
     JOIN pg_catalog.pg_class pc ON pc.relnamespace = pn.pnnspid
WHERE pc.oid ='16385' and pg_catalog.pg_relation_is_publishable('16385')
UNION
SELECT pubname
     , pg_get_expr(pr.prqual, c.oid)
     , (CASE WHEN pr.prattrs IS NOT NULL THEN
         (SELECT string_agg(attname, ', ')
           FROM pg_catalog.generate_series(0, pg_catalog.array_upper(pr.prattrs::pg_catalog.int2[], 1)) s,
                pg_catalog.pg_attribute
          WHERE attrelid = pr.prrelid AND attnum = prattrs[s])
        ELSE NULL END) FROM pg_catalog.pg_publication p
     JOIN pg_catalog.pg_publication_rel pr ON p.oid = pr.prpubid
     JOIN pg_catalog.pg_class c ON c.oid = pr.prrelid
WHERE pr.prrelid = '16385'
UNION
SELECT pubname
     , NULL
     , NULL
FROM pg_catalog.pg_publication p
WHERE p.puballtables AND pg_catalog.pg_relation_is_publishable('16385')
ORDER BY 1;

SELECT c.oid::pg_catalog.regclass
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
WHERE c.oid = i.inhparent AND i.inhrelid = '16385'
  AND c.relkind != 'p' AND c.relkind != 'I'
ORDER BY inhseqno;

SELECT c.oid::pg_catalog.regclass, c.relkind, inhdetachpending, pg_catalog.pg_get_expr(c.relpartbound, c.oid)
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
WHERE c.oid = i.inhrelid AND i.inhparent = '16385'
ORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.oid::pg_catalog.regclass::pg_catalog.text;

SELECT n.nspname as "Schema",
  p.proname as "Name",
  pg_catalog.pg_get_function_result(p.oid) as "Result data type",
  pg_catalog.pg_get_function_arguments(p.oid) as "Argument data types",
 CASE p.prokind
  WHEN 'a' THEN 'agg'
  WHEN 'w' THEN 'window'
  WHEN 'p' THEN 'proc'
  ELSE 'func'
 END as "Type"
FROM pg_catalog.pg_proc p
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE pg_catalog.pg_function_is_visible(p.oid)
      AND n.nspname <> 'pg_catalog'
      AND n.nspname <> 'information_schema'
ORDER BY 1, 2, 4;

SELECT d.datname as "Name",
       pg_catalog.pg_get_userbyid(d.datdba) as "Owner",
       pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding",
       CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END AS "Locale Provider",
       d.datcollate as "Collate",
       d.datctype as "Ctype",
       d.daticulocale as "ICU Locale",
       NULL as "ICU Rules",
       CASE WHEN pg_catalog.array_length(d.datacl, 1) = 0 THEN '(none)' ELSE pg_catalog.array_to_string(d.datacl, E'\n') END AS "Access privileges"
FROM pg_catalog.pg_database d
ORDER BY 1;

SELECT r.rolname, r.rolsuper, r.rolinherit,
  r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
  r.rolconnlimit, r.rolvaliduntil,
  ARRAY(SELECT b.rolname
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid)
        WHERE m.member = r.oid) as memberof
, r.rolreplication
, r.rolbypassrls
FROM pg_catalog.pg_roles r
WHERE r.rolname !~ '^pg_'
ORDER BY 1;

SELECT n.nspname AS "Name",
  pg_catalog.pg_get_userbyid(n.nspowner) AS "Owner"
FROM pg_catalog.pg_namespace n
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1;

SELECT conrelid = '16385'::pg_catalog.regclass AS sametable,
       conname,
       pg_catalog.pg_get_constraintdef(oid, true) AS condef,
       conrelid::pg_catalog.regclass AS ontable
  FROM pg_catalog.pg_constraint,
       pg_catalog.pg_partition_ancestors('16385')
 WHERE conrelid = relid AND contype = 'f' AND conparentid = 0
ORDER BY sametable DESC, conname;

SELECT r.conname, pg_catalog.pg_get_constraintdef(r.oid, true)
FROM pg_catalog.pg_constraint r
WHERE r.conrelid = '16385' AND r.contype = 'c'
ORDER BY 1;

SELECT t.tgname, pg_catalog.pg_get_triggerdef(t.oid, true), t.tgenabled, t.tgisinternal,
  CASE WHEN t.tgparentid != 0 THEN
    (SELECT u.tgrelid::pg_catalog.regclass
     FROM pg_catalog.pg_trigger AS u,
          pg_catalog.pg_partition_ancestors(t.tgrelid) WITH ORDINALITY AS a(relid, depth)
     WHERE u.tgname = t.tgname AND u.tgrelid = a.relid
           AND u.tgparentid = 0
     ORDER BY a.depth LIMIT 1)
  END AS parent
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = '16385' AND (NOT t.tgisinternal OR (t.tgisinternal AND t.tgenabled = 'D')
    OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend WHERE objid = t.oid
        AND refclassid = 'pg_catalog.pg_trigger'::pg_catalog.regclass))
ORDER BY 1;

SELECT n.nspname as "Schema",
  pg_catalog.format_type(t.oid, NULL) AS "Name",
  pg_catalog.obj_description(t.oid, 'pg_type') as "Description"
FROM pg_catalog.pg_type t
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))
  AND NOT EXISTS(SELECT 1 FROM pg_catalog.pg_type el WHERE el.oid = t.typelem AND el.typarray = t.oid)
      AND n.nspname <> 'pg_catalog'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_type_is_visible(t.oid)
ORDER BY 1, 2;

SELECT pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND substring(pg_catalog.quote_ident(c.relname),1,3)='pat' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION SELECT pg_catalog.quote_ident(n.nspname) || '.' FROM pg_catalog.pg_namespace n WHERE substring(pg_catalog.quote_ident(n.nspname) || '.',1,3)='pat' AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace WHERE substring(pg_catalog.quote_ident(nspname) || '.',1,3) = substring('pat',1,pg_catalog.length(pg_catalog.quote_ident(nspname))+1)) > 1 LIMIT 1000

SELECT e.extname AS "Name", e.extversion AS "Version", n.nspname AS "Schema", c.description AS "Description"
FROM pg_catalog.pg_extension e LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace LEFT JOIN pg_catalog.pg_description c ON c.objoid = e.oid AND c.classoid = 'pg_catalog.pg_extension'::pg_catalog.regclass
ORDER BY 1;

SELECT n.nspname as "Schema", c.relname as "Name", CASE c.relkind WHEN 'r' THEN 'table' END as "Type",
  CASE WHEN pg_catalog.array_length(c.relacl, 1) = 0 THEN '(none)' ELSE pg_catalog.array_to_string(c.relacl, E'\n') END AS "Access privileges",
  pg_catalog.array_to_string(ARRAY(
    SELECT attname || E':\n  ' || pg_catalog.array_to_string(attacl, E'\n  ')
    FROM pg_catalog.pg_attribute a
    WHERE attrelid = c.oid AND NOT attisdropped AND attacl IS NOT NULL
  ), E'\n') AS "Column privileges",
  pg_catalog.array_to_string(ARRAY(
    SELECT polname
    || CASE WHEN NOT polpermissive THEN
       E' (RESTRICTIVE)'
       ELSE '' END
    || CASE WHEN polcmd != '*' THEN
           E' (' || polcmd::pg_catalog.text || E'):'
       ELSE E':'
       END
    FROM pg_catalog.pg_policy pol
    WHERE polrelid = c.oid), E'\n')
    AS "Policies"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r','v','m','S','f','p')
ORDER BY 1, 2;

SELECT pg_catalog.set_config('search_path', '', false)

SET DATESTYLE = ISO

SELECT pg_catalog.pg_is_in_recovery()

SELECT t.tableoid, t.oid, t.relname, i.indisreplident, pg_catalog.pg_get_indexdef(i.indexrelid) AS indexdef, i.indkey, c.contype, (SELECT pg_catalog.array_agg(attnum ORDER BY attnum)   FROM pg_catalog.pg_attribute   WHERE attrelid = i.indexrelid AND     attstattarget >= 0) AS indstatcols FROM unnest('{16385,16390}'::pg_catalog.oid[]) AS src(tbloid)
JOIN pg_catalog.pg_index i ON (src.tbloid = i.indrelid) JOIN pg_catalog.pg_class t ON (t.oid = i.indexrelid) LEFT JOIN pg_catalog.pg_constraint c ON (i.indrelid = c.conrelid AND i.indexrelid = c.conindid AND c.contype IN ('p','u','x')) WHERE (i.indisvalid OR t2.relkind = 'p') ORDER BY i.indrelid, indexname

SELECT a.attrelid, a.attnum, a.attname, a.attstattarget, a.attstorage, t.typstorage, a.attnotnull, a.atthasdef, a.attisdropped, a.attlen, a.attalign, a.attislocal, pg_catalog.format_type(t.oid, a.atttypmod) AS atttypname, pg_catalog.array_to_string(a.attoptions, ', ') AS attoptions, CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation ELSE 0 END AS attcollation, pg_catalog.array_to_string(ARRAY(SELECT pg_catalog.quote_ident(option_name) || ' ' || pg_catalog.quote_literal(option_value) FROM pg_catalog.pg_options_to_table(attfdwoptions) ORDER BY option_name), E',
    ') AS attfdwoptions FROM unnest('{16385}'::pg_catalog.oid[]) AS src(tbloid) JOIN pg_catalog.pg_attribute a ON (src.tbloid = a.attrelid) LEFT JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid) WHERE a.attnum > 0::pg_catalog.int2 ORDER BY a.attrelid, a.attnum

LOCK TABLE clinic.patients IN ACCESS SHARE MODE

COPY clinic.patients (id, ssn, dob) TO stdout;

WITH RECURSIVE typeinfo_tree(
    oid, ns, name, kind, basetype, elemtype, elemdelim,
    range_subtype, attrtypoids, attrnames, depth)
AS (
    SELECT
        ti.oid, ti.ns, ti.name, ti.kind, ti.basetype,
        ti.elemtype, ti.elemdelim, ti.range_subtype,
        ti.attrtypoids, ti.attrnames, 0
    FROM
        (
    SELECT
        t.oid                           AS oid,
        ns.nspname                      AS ns,
        t.typname                       AS name,
        t.typtype                       AS kind,
        (CASE WHEN t.typtype = 'd' THEN
            (WITH RECURSIVE typebases(oid, depth) AS (
                SELECT
                    t2.typbasetype      AS oid,
                    0                   AS depth
                FROM
                    pg_type t2
                WHERE
                    t2.oid = t.oid
                UNION ALL
                SELECT
                    t2.typbasetype      AS oid,
                    tb.depth + 1        AS depth
                FROM
                    pg_type t2,
                    typebases tb
                WHERE
                   tb.oid = t2.oid
                   AND t2.typbasetype != 0
           ) SELECT oid FROM typebases ORDER BY depth DESC LIMIT 1)
           ELSE NULL
        END)                            AS basetype,
        t.typelem                       AS elemtype,
        elem_t.typdelim                 AS elemdelim,
        COALESCE(
            range_t.rngsubtype,
            multirange_t.rngsubtype)    AS range_subtype,
        (CASE WHEN t.typtype = 'c' THEN
            (SELECT
                array_agg(ia.atttypid ORDER BY ia.attnum)
            FROM
                pg_attribute ia
                INNER JOIN pg_class c
                    ON (ia.attrelid = c.oid)
            WHERE
                ia.attnum > 0 AND NOT ia.attisdropped
                AND c.reltype = t.oid)
            ELSE NULL
        END)                            AS attrtypoids,
        (CASE WHEN t.typtype = 'c' THEN
            (SELECT
                array_agg(ia.attname::text ORDER BY ia.attnum)
            FROM
                pg_attribute ia
                INNER JOIN pg_class c
                    ON (ia.attrelid = c.oid)
            WHERE
                ia.attnum > 0 AND NOT ia.attisdropped
                AND c.reltype = t.oid)
            ELSE NULL
        END)                            AS attrnames
    FROM
        pg_catalog.pg_type AS t
        INNER JOIN pg_catalog.pg_namespace ns ON (
            ns.oid = t.typnamespace)
        LEFT JOIN pg_type elem_t ON (
            t.typlen = -1 AND
            t.typelem != 0 AND
            t.typelem = elem_t.oid
        )
        LEFT JOIN pg_range range_t ON (
            t.oid = range_t.rngtypid
        )
        LEFT JOIN pg_range multirange_t ON (
            t.oid = multirange_t.rngmultitypid
        )
    )
            AS ti
    WHERE
        ti.oid = any($1::oid[])
    UNION ALL
    SELECT
        ti.oid, ti.ns, ti.name, ti.kind, ti.basetype,
        ti.elemtype, ti.elemdelim, ti.range_subtype,
        ti.attrtypoids, ti.attrnames, tt.depth + 1
    FROM
        (SELECT * FROM pg_type)
            AS ti,
        typeinfo_tree tt
    WHERE
        (tt.elemtype IS NOT NULL AND ti.oid = tt.elemtype)
        OR (tt.attrtypoids IS NOT NULL AND ti.oid = any(tt.attrtypoids))
        OR (tt.range_subtype IS NOT NULL AND ti.oid = tt.range_subtype)
        OR (tt.basetype IS NOT NULL AND ti.oid = tt.basetype)
)
SELECT DISTINCT
    *,
    basetype::regtype::text AS basetype_name,
    elemtype::regtype::text AS elemtype_name,
    range_subtype::regtype::text AS range_subtype_name
FROM
    typeinfo_tree
ORDER BY
    depth DESC

SELECT pg_advisory_unlock_all();
CLOSE ALL;
UNLISTEN *;
RESET ALL;

SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new

SELECT
    typname AS name, oid, typarray AS array_oid,
    oid::regtype::text AS regtype, typdelim AS delimiter
FROM pg_type t
WHERE t.oid = to_regtype($1)
ORDER BY t.oid

SELECT
    t.typname AS name, t.oid AS oid, t.typarray AS array_oid, t.oid::regtype::text AS regtype,
    coalesce(a.fnames, '{}') AS field_names, coalesce(a.ftypes, '{}') AS field_types
FROM pg_type t
LEFT JOIN (
    SELECT
        attrelid,
        array_agg(attname) AS fnames,
        array_agg(atttypid) AS ftypes
    FROM (
        SELECT a.attrelid, a.attname, a.atttypid
        FROM pg_attribute a
        JOIN pg_type t ON t.typrelid = a.attrelid
        WHERE t.oid = to_regtype($1) AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    ) x
    GROUP BY attrelid
) a ON a.attrelid = t.typrelid
WHERE t.oid = to_regtype($1)

SELECT * FROM (SELECT n.nspname,c.relname,a.attname,a.atttypid,a.attnotnull OR (t.typtype = 'd' AND t.typnotnull) AS attnotnull,a.atttypmod,a.attlen,t.typtypmod,row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS attnum, nullif(a.attidentity, '') as attidentity,nullif(a.attgenerated, '') as attgenerated,pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS adsrc,dsc.description,t.typbasetype,t.typtype  FROM pg_catalog.pg_namespace n  JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid)  JOIN pg_catalog.pg_attribute a ON (a.attrelid=c.oid)  JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)  LEFT JOIN pg_catalog.pg_attrdef def ON (a.attrelid=def.adrelid AND a.attnum = def.adnum)  LEFT JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid)  LEFT JOIN pg_catalog.pg_class dc ON (dc.oid=dsc.classoid AND dc.relname='pg_class')  LEFT JOIN pg_catalog.pg_namespace dn ON (dc.relnamespace=dn.oid AND dn.nspname='pg_catalog')  WHERE c.relkind in ('r','p','v','f','m') and a.attnum > 0 AND NOT a.attisdropped  AND n.nspname LIKE 'clinic' AND c.relname LIKE 'patients') c WHERE true  ORDER BY nspname,c.relname,attnum

SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME,  CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema'  WHEN true THEN CASE  WHEN n.nspname = 'pg_catalog' OR n.nspname = 'information_schema' THEN CASE c.relkind   WHEN 'r' THEN 'SYSTEM TABLE'   WHEN 'v' THEN 'SYSTEM VIEW'   WHEN 'i' THEN 'SYSTEM INDEX'   ELSE NULL   END  WHEN n.nspname = 'pg_toast' THEN CASE c.relkind   WHEN 'r' THEN 'SYSTEM TOAST TABLE'   ELSE NULL   END  ELSE CASE c.relkind   WHEN 'r' THEN 'TEMPORARY TABLE'   ELSE NULL   END  END  WHEN false THEN CASE c.relkind  WHEN 'r' THEN 'TABLE'  WHEN 'p' THEN 'PARTITIONED TABLE'  ELSE NULL  END  ELSE NULL  END  AS TABLE_TYPE, d.description AS REMARKS,  '' as TYPE_CAT, '' as TYPE_SCHEM, '' as TYPE_NAME, '' AS SELF_REFERENCING_COL_NAME, '' AS REF_GENERATION  FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c  LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0  and d.classoid = 'pg_class'::regclass)  WHERE c.relnamespace = n.oid  AND c.relname LIKE '%' AND (false  OR ( c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ) )  ORDER BY TABLE_TYPE,TABLE_SCHEM,TABLE_NAME

SELECT result.TABLE_CAT, result.TABLE_SCHEM, result.TABLE_NAME, result.COLUMN_NAME, result.KEY_SEQ, result.PK_NAME FROM (SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM,   ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME,   (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, ci.relname AS PK_NAME,   information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM FROM pg_catalog.pg_class ct   JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)   JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid)   JOIN pg_catalog.pg_index i ON ( a.attrelid = i.indrelid)   JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid) WHERE true  AND n.nspname = 'clinic' AND ct.relname = 'patients' AND i.indisprimary  ) result where  result.A_ATTNUM = (result.KEYS).x  ORDER BY result.table_name, result.pk_name, result.key_seq

SELECT typinput='pg_catalog.array_in'::regproc as is_array, typtype, typname, pg_type.oid   FROM pg_catalog.pg_type   LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r           from pg_namespace as ns           join ( select s.r, (current_schemas(false))[s.r] as nspname                    from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) ) as r          using ( nspname )        ) as sp     ON sp.nspoid = typnamespace  WHERE pg_type.oid = $1  ORDER BY sp.r, pg_type.oid DESC

SELECT c.oid, a.attnum, a.attname, c.relname, n.nspname, a.attnotnull OR (t.typtype = 'd' AND t.typnotnull), a.attidentity != '' OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON (c.relnamespace = n.oid) JOIN pg_catalog.pg_attribute a ON (c.oid = a.attrelid) JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid) LEFT JOIN pg_catalog.pg_attrdef d ON (d.adrelid = a.attrelid AND d.adnum = a.attnum) JOIN (SELECT 16385 AS oid , 1 AS attnum UNION ALL SELECT 16385, 2) vals ON (c.oid = vals.oid AND a.attnum = vals.attnum)

SET extra_float_digits = 3

SET application_name = 'PostgreSQL JDBC Driver'

SHOW TRANSACTION ISOLATION LEVEL

select pg_catalog.version()

select current_schema()

show standard_conforming_strings

SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relname = $1::VARCHAR AND pg_catalog.pg_class.relkind = ANY (ARRAY[$2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::VARCHAR, $6::VARCHAR]) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != $7::VARCHAR

SELECT pg_catalog.pg_attribute.attname AS name, pg_catalog.format_type(pg_catalog.pg_attribute.atttypid, pg_catalog.pg_attribute.atttypmod) AS format_type, (SELECT pg_catalog.pg_get_expr(pg_catalog.pg_attrdef.adbin, pg_catalog.pg_attrdef.adrelid) AS pg_get_expr_1
FROM pg_catalog.pg_attrdef
WHERE pg_catalog.pg_attrdef.adrelid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_attrdef.adnum = pg_catalog.pg_attribute.attnum AND pg_catalog.pg_attribute.atthasdef) AS "default", pg_catalog.pg_attribute.attnotnull AS not_null, pg_catalog.pg_class.relname AS table_name, pg_catalog.pg_description.description AS comment, pg_catalog.pg_attribute.attgenerated AS generated, (SELECT json_build_object('always', pg_catalog.pg_attribute.attidentity = 'a', 'start', pg_catalog.pg_sequence.seqstart, 'increment', pg_catalog.pg_sequence.seqincrement) AS json_build_object_1
FROM pg_catalog.pg_sequence
WHERE pg_catalog.pg_attribute.attidentity != '' AND pg_catalog.pg_sequence.seqrelid = CAST(CAST(pg_catalog.pg_get_serial_sequence(CAST(CAST(pg_catalog.pg_attribute.attrelid AS REGCLASS) AS TEXT), pg_catalog.pg_attribute.attname) AS REGCLASS) AS OID)) AS identity_options
FROM pg_catalog.pg_class LEFT OUTER JOIN pg_catalog.pg_attribute ON pg_catalog.pg_class.oid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_attribute.attnum > $1::SMALLINT AND NOT pg_catalog.pg_attribute.attisdropped LEFT OUTER JOIN pg_catalog.pg_description ON pg_catalog.pg_description.objoid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_description.objsubid = pg_catalog.pg_attribute.attnum JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace
WHERE pg_catalog.pg_class.relkind = ANY (ARRAY[$2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::VARCHAR, $6::VARCHAR]) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_class.relname IN ($8::VARCHAR) ORDER BY pg_catalog.pg_class.relname, pg_catalog.pg_attribute.attnum

SELECT patients.id AS patients_id, patients.mrn AS patients_mrn, encounters_1.id AS encounters_1_id FROM clinic.patients AS patients LEFT OUTER JOIN clinic.encounters AS encounters_1 ON patients.id = encounters_1.patient_id WHERE patients.id IN ($1::INTEGER, $2::INTEGER) ORDER BY encounters_1.started_at DESC

SELECT anon_1.patients_id, count(*) AS count_1 FROM (SELECT patients.id AS patients_id FROM patients ORDER BY patients.id LIMIT $1::INTEGER OFFSET $2::INTEGER) AS anon_1 GROUP BY anon_1.patients_id

INSERT INTO patients (mrn, first_name, dob) VALUES ($1::VARCHAR, $2::VARCHAR, $3::DATE) RETURNING patients.id, patients.created_at

INSERT INTO patients (mrn, first_name) SELECT p0::VARCHAR, p1::VARCHAR FROM (VALUES ($1::VARCHAR, $2::VARCHAR, 0), ($3::VARCHAR, $4::VARCHAR, 1)) AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING patients.id, patients.id AS id__1

UPDATE patients SET first_name=$1::VARCHAR, updated_at=now() WHERE patients.id = $2::INTEGER

DELETE FROM patients WHERE patients.id = $1::INTEGER

SELECT EXISTS (SELECT 1 FROM patients WHERE patients.mrn = $1::VARCHAR) AS anon_1

SELECT CAST(patients.id AS VARCHAR) AS anon_1, lower(patients.last_name) AS lower_1, coalesce(patients.zip, $1::VARCHAR) AS coalesce_1 FROM patients WHERE patients.last_name ILIKE $2::VARCHAR AND (patients.dob BETWEEN $3::DATE AND $4::DATE)

INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE settings.value IS DISTINCT FROM excluded.value RETURNING settings.id

SELECT "clinic_patient"."id", "clinic_patient"."mrn", "clinic_patient"."first_name" FROM "clinic_patient" WHERE ("clinic_patient"."last_name"::text LIKE UPPER('%smith%') AND UPPER("clinic_patient"."first_name"::text) LIKE UPPER('a%')) ORDER BY "clinic_patient"."id" ASC LIMIT 21

SELECT (1) AS "a" FROM "auth_user" WHERE "auth_user"."username" = 'bob' LIMIT 1

SELECT COUNT(*) AS "__count" FROM (SELECT "clinic_patient"."id" AS "col1" FROM "clinic_patient" LEFT OUTER JOIN "clinic_encounter" ON ("clinic_patient"."id" = "clinic_encounter"."patient_id") GROUP BY 1 HAVING COUNT("clinic_encounter"."id") > 3) subquery

INSERT INTO "clinic_patient" ("mrn", "first_name", "created") VALUES ('x', 'y', '2024-01-01T00:00:00+00:00'::timestamptz) RETURNING "clinic_patient"."id"

UPDATE "clinic_patient" SET "visits" = ("clinic_patient"."visits" + 1) WHERE "clinic_patient"."id" IN (SELECT U0."patient_id" FROM "clinic_encounter" U0 WHERE U0."kind" = 'ER')

SELECT DATE_TRUNC('month', "clinic_encounter"."started" AT TIME ZONE 'UTC') AS "month", COUNT("clinic_encounter"."id") AS "n" FROM "clinic_encounter" GROUP BY 1 ORDER BY 1 ASC

SELECT EXTRACT(YEAR FROM "clinic_patient"."dob") AS "y", ("clinic_patient"."data" -> 'address' ->> 'city') FROM "clinic_patient" WHERE ("clinic_patient"."data" #>> '{address,zip}') = '12345'

SELECT "clinic_patient"."id" FROM "clinic_patient" WHERE NOT (EXISTS(SELECT 1 AS "a" FROM "clinic_encounter" U1 WHERE (U1."patient_id" = ("clinic_patient"."id") AND U1."kind" = 'ER') LIMIT 1)) FOR UPDATE OF "clinic_patient" SKIP LOCKED

SAVEPOINT "s140_x1"

RELEASE SAVEPOINT "s140_x1"

ROLLBACK TO SAVEPOINT "s140_x1"

SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid)

SELECT c.conname, array(SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx), c.contype, (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka JOIN pg_class AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions FROM pg_constraint AS c JOIN pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 'x' AND pg_catalog.pg_table_is_visible(cl.oid)

SELECT "t0"."id", "t0"."name" FROM "public"."User" AS "t0" LEFT JOIN LATERAL (SELECT COALESCE(JSONB_AGG("__prisma_data__"), '[]') AS "__prisma_data__" FROM (SELECT "t3"."__prisma_data__" FROM (SELECT JSONB_BUILD_OBJECT('id', "t2"."id", 'title', "t2"."title") AS "__prisma_data__" FROM (SELECT "t1".* FROM "public"."Post" AS "t1" WHERE "t0"."id" = "t1"."authorId" /* root select */) AS "t2" /* inner select */) AS "t3" /* middle select */) AS "t4" /* outer select */) AS "User_posts" ON TRUE

SELECT this_.id AS id1_0_0_, this_.mrn AS mrn2_0_0_ FROM patients this_ WHERE this_.mrn=$1 FETCH FIRST $2 ROWS ONLY

select p1_0.id,p1_0.dob,e1_0.patient_id,e1_0.id from patients p1_0 left join encounters e1_0 on p1_0.id=e1_0.patient_id where p1_0.last_name like $1 escape '' order by p1_0.id offset $2 rows fetch first $3 rows only

SELECT * FROM clinic.patients

SELECT p FROM clinic.patients p

SELECT row_to_json(p) FROM clinic.patients AS p WHERE id < 10

SELECT ssn::int FROM clinic.patients LIMIT 1

SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%'

SELECT id, dob FROM clinic.patients ORDER BY dob DESC NULLS LAST, id LIMIT 10 OFFSET 20

SELECT p.*, count(e.id) AS n FROM clinic.patients p LEFT JOIN clinic.encounters e ON e.patient_id = p.id GROUP BY p.id

WITH recent AS (SELECT * FROM clinic.encounters WHERE started_at > now() - interval '30 days') SELECT p.zip, count(*) FROM recent r JOIN clinic.patients p ON p.id = r.patient_id GROUP BY p.zip HAVING count(*) > 5 ORDER BY count(*) DESC

SELECT date_trunc('month', started_at) AS month, kind, count(*) FILTER (WHERE kind = 'ER') AS er, avg(extract(epoch from ended_at - started_at)/3600)::numeric(10,2) AS hours FROM clinic.encounters GROUP BY 1, 2 ORDER BY 1, 2

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS median, mode() WITHIN GROUP (ORDER BY unit), stddev_samp(value) FROM clinic.lab_results WHERE loinc = '2345-7'

SELECT patient_id, value, lag(value) OVER (PARTITION BY patient_id ORDER BY taken_at) AS before, value - first_value(value) OVER w AS change, rank() OVER (ORDER BY value DESC) FROM clinic.lab_results WINDOW w AS (PARTITION BY patient_id ORDER BY taken_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)

SELECT width_bucket(age, 0, 100, 10) AS bucket, count(*) FROM (SELECT extract(year from age(dob)) AS age FROM clinic.patients) s GROUP BY bucket ORDER BY bucket

SELECT CASE WHEN age < 18 THEN 'child' WHEN age BETWEEN 18 AND 64 THEN 'adult' ELSE 'senior' END AS grp, count(*) FROM (SELECT date_part('year', age(current_date, dob)) AS age FROM clinic.patients) x GROUP BY 1

SELECT DISTINCT ON (patient_id) patient_id, taken_at, value FROM clinic.lab_results ORDER BY patient_id, taken_at DESC

SELECT coalesce(zip, 'unknown') AS zip, count(DISTINCT id) FROM clinic.patients GROUP BY ROLLUP (zip)

SELECT region, kind, sum(amount) FROM clinic.claims GROUP BY GROUPING SETS ((region, kind), (region), ()) ORDER BY grouping(region, kind), 1

SELECT region, kind, sum(amount), grouping(region) FROM clinic.claims GROUP BY CUBE (region, kind)

SELECT id, details->>'allergy' AS allergy, details->'meds'->0->>'name', details#>'{a,b}', details @> '{"x": 1}', details ? 'y', details ?| array['a','b'], details ?& array['a'] FROM clinic.patients WHERE jsonb_typeof(details->'meds') = 'array'

SELECT p.id, m->>'name' AS med FROM clinic.patients p, jsonb_array_elements(p.details->'meds') AS m

SELECT p.id, m.name FROM clinic.patients p CROSS JOIN LATERAL jsonb_to_recordset(p.details->'meds') AS m(name text, dose numeric)

SELECT jsonb_path_query(details, '$.meds[*].name') FROM clinic.patients WHERE details @@ '$.age > 10' OR details @? '$.x'

SELECT jsonb_build_object('id', p.id, 'codes', jsonb_agg(d.icd10 ORDER BY d.icd10)) FROM clinic.patients p JOIN clinic.diagnoses d USING (patient_id) GROUP BY p.id

SELECT string_agg(DISTINCT icd10, ', ' ORDER BY icd10) FROM clinic.diagnoses GROUP BY patient_id

SELECT array_agg(icd10 ORDER BY noted_at DESC) FILTER (WHERE chronic) FROM clinic.diagnoses

SELECT unnest(codes) AS code, count(*) FROM clinic.encounters GROUP BY 1

SELECT id FROM clinic.encounters WHERE codes && ARRAY['E11.9','I10']::text[] AND 'Z00' = ANY(codes) AND NOT codes @> ARRAY['X']

SELECT id, codes[1], codes[2:3], codes[:2], array_length(codes, 1), cardinality(codes) FROM clinic.encounters

SELECT d::date AS day, count(e.id) FROM generate_series('2024-01-01'::date, '2024-12-31'::date, '1 day'::interval) AS d LEFT JOIN clinic.encounters e ON e.started_at::date = d GROUP BY d ORDER BY d

SELECT d, n FROM generate_series(date '2024-01-01', date '2024-01-31', interval '1' day) WITH ORDINALITY AS g(d, n)

SELECT * FROM clinic.patients WHERE dob BETWEEN date '1950-01-01' AND date '1960-12-31' AND zip IN ('10001', '10002') AND last_name IS NOT NULL AND (email IS NULL OR email NOT LIKE '%@example.com')

SELECT * FROM clinic.patients WHERE (last_name, first_name) IN (('Smith','John'), ('Doe','Jane'))

SELECT * FROM clinic.patients p WHERE EXISTS (SELECT FROM clinic.encounters e WHERE e.patient_id = p.id AND e.kind = 'ER')

SELECT * FROM clinic.patients WHERE id NOT IN (SELECT patient_id FROM clinic.encounters WHERE patient_id IS NOT NULL)

SELECT * FROM clinic.patients WHERE id = ANY($1) AND zip <> ALL(ARRAY['1','2'])

SELECT a.id FROM clinic.patients a JOIN clinic.patients b ON a.last_name = b.last_name AND a.dob = b.dob AND a.id < b.id

SELECT * FROM clinic.patients NATURAL JOIN clinic.addresses

SELECT p.id, e.id FROM clinic.patients p FULL OUTER JOIN clinic.encounters e USING (id) RIGHT JOIN clinic.claims c ON c.encounter_id = e.id CROSS JOIN clinic.providers

SELECT id FROM clinic.patients UNION ALL SELECT patient_id FROM clinic.encounters EXCEPT SELECT patient_id FROM clinic.claims ORDER BY 1

(SELECT id FROM a ORDER BY id LIMIT 1) UNION (SELECT id FROM b ORDER BY id DESC LIMIT 1) INTERSECT ALL SELECT 1

WITH RECURSIVE chain(id, parent, depth) AS (SELECT id, supervisor_id, 1 FROM clinic.providers WHERE supervisor_id IS NULL UNION ALL SELECT p.id, p.supervisor_id, c.depth + 1 FROM clinic.providers p JOIN chain c ON p.supervisor_id = c.id) SELECT * FROM chain

WITH RECURSIVE t(id, link) AS (SELECT id, link FROM graph UNION ALL SELECT g.id, g.link FROM graph g, t WHERE g.id = t.link) SEARCH DEPTH FIRST BY id SET ordercol CYCLE id SET is_cycle USING path SELECT * FROM t

WITH moved AS (DELETE FROM clinic.notes WHERE created_at < now() - interval '7 years' RETURNING *) INSERT INTO archive.notes SELECT * FROM moved

WITH a AS MATERIALIZED (SELECT 1 AS x), b AS NOT MATERIALIZED (SELECT 2 AS y) SELECT x, y FROM a, b

SELECT upper(left(last_name, 1)) || lower(substr(last_name, 2)), concat_ws(' ', first_name, last_name), format('%s-%s', id, mrn), length(trim(notes)), position('x' in notes), substring(notes from 1 for 10), substring(notes from '[0-9]+'), overlay(mrn placing 'XX' from 1 for 2), trim(both ' ' from notes), trim(leading 'x' from notes), ltrim(notes), btrim(notes, 'x') FROM clinic.patients

SELECT regexp_replace(phone, '[^0-9]', '', 'g'), regexp_matches(notes, 'a(b)c'), split_part(email, '@', 2), initcap(first_name), md5(mrn), left(ssn, 3), right(ssn, 4), lpad(id::text, 8, '0'), replace(notes, 'a', 'b'), translate(notes, 'abc', 'xyz'), reverse(mrn), repeat('x', 3), ascii('x'), chr(65), strpos(notes, 'x') FROM clinic.patients

SELECT to_char(dob, 'YYYY-MM-DD'), to_date('2024', 'YYYY'), to_timestamp(0), to_number('1', '9'), age(dob), date_part('day', dob), make_date(2024, 1, 1), now(), current_date, current_timestamp, localtimestamp(0), clock_timestamp(), dob + 1, dob - dob, dob + interval '1 year 2 months', extract(dow from dob), extract(epoch from now()), isfinite(dob), justify_days(interval '40 days') FROM clinic.patients

SELECT date_bin('15 minutes', started_at, timestamp '2001-01-01'), started_at AT TIME ZONE 'Europe/Berlin', (started_at AT TIME ZONE 'UTC')::date, timezone('UTC', started_at), started_at AT LOCAL FROM clinic.encounters

SELECT round(avg(value), 2), trunc(value), ceil(value), floor(value), abs(value), mod(id, 10), power(value, 2), sqrt(value), ln(value), log(10, value), exp(1), random(), greatest(a, b), least(a, b), sign(value), div(a, b), value ^ 2, a % b, -a, +a, @a, a / nullif(b, 0), |/ 25, a & 1, a | 2, a # 3, ~a, a << 1, a >> 2 FROM clinic.lab_results GROUP BY value, id, a, b

SELECT corr(x, y), regr_slope(y, x), covar_pop(x, y), var_samp(x), bool_and(ok), bool_or(ok), every(ok), bit_and(x), json_agg(x), json_object_agg(k, v), jsonb_object_agg(k, v), array_agg(DISTINCT x), max(x), min(y), sum(DISTINCT x), count(DISTINCT (a, b)) FROM t

SELECT ntile(4) OVER (ORDER BY value), dense_rank() OVER w, percent_rank() OVER w, cume_dist() OVER w, lead(value, 2, 0) OVER w, nth_value(value, 2) OVER w, sum(value) OVER (PARTITION BY patient_id ORDER BY taken_at RANGE BETWEEN INTERVAL '7 days' PRECEDING AND CURRENT ROW EXCLUDE TIES), count(*) OVER () FROM clinic.lab_results WINDOW w AS (ORDER BY value)

SELECT to_tsvector('english', body) @@ plainto_tsquery('english', 'chest pain'), ts_rank(to_tsvector(body), q), ts_headline(body, q) FROM clinic.notes, to_tsquery('pain & chest') AS q WHERE to_tsvector(body) @@ q

SELECT id, similarity(last_name, 'smith') FROM clinic.patients WHERE last_name % 'smith' ORDER BY last_name <-> 'smith' LIMIT 5

SELECT id FROM items ORDER BY embedding <=> '[1,2,3]' LIMIT 5

SELECT id FROM stays WHERE period && daterange('2024-01-01', '2024-02-01') AND period @> date '2024-01-15' AND lower(period) < now() AND period -|- daterange('2024-03-01', NULL, '[)') AND period << '[2025-01-01,)'::daterange

SELECT (started_at, ended_at) OVERLAPS (date '2024-01-01', date '2024-02-01') FROM clinic.encounters

SELECT inet '10.0.0.1' << inet '10.0.0.0/8', host(addr), masklen(addr) FROM hosts

SELECT point(1,2) <-> point(3,4), box '((0,0),(1,1))' && b, circle(p, 1) FROM shapes

SELECT B'101', X'1F', E'a\nb', $$dollar$$, $tag$x $$ y$tag$, U&'\0041', 1e10, .5, 5., 0x1F, 1_000, 'it''s', NULL, TRUE, ''

SELECT id AS "Patient ID", "select", t."from" AS x, y "Quoted Alias", z bare_alias FROM "Weird Table" t

SELECT p.id, (SELECT count(*) FROM clinic.encounters e WHERE e.patient_id = p.id) AS n, ARRAY(SELECT icd10 FROM clinic.diagnoses d WHERE d.patient_id = p.id ORDER BY 1) AS codes FROM clinic.patients p

SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS v(n, name) WHERE v.n > 1

VALUES (1, 'a'), (2, 'b') ORDER BY 1

TABLE clinic.patients

TABLE clinic.patients ORDER BY id LIMIT 5

SELECT * FROM ONLY clinic.measurements

SELECT * FROM clinic.patients TABLESAMPLE BERNOULLI (1) REPEATABLE (42)

SELECT * FROM clinic.patients p TABLESAMPLE SYSTEM (0.1) WHERE p.id > 5

SELECT * FROM ROWS FROM (generate_series(1,3), unnest(ARRAY['a','b'])) AS r(a, b)

SELECT (p.address).city, (p.addresses[1]).zip, (ROW(1,2)).f1, (clinic.address_of(p)).* FROM clinic.patients p

SELECT p.id, l.* FROM clinic.patients p LEFT JOIN LATERAL (SELECT value, taken_at FROM clinic.lab_results r WHERE r.patient_id = p.id ORDER BY taken_at DESC LIMIT 3) l ON true

SELECT clinic.bmi(weight, height), clinic.bmi(weight => 70, height => 1.8), f(VARIADIC ARRAY[1,2]), f(a := 1) FROM clinic.vitals

SELECT * FROM clinic.search_patients('smith', max_rows => 10) AS s(id, name)

SELECT id FROM clinic.patients WHERE last_name COLLATE "C" < 'M' ORDER BY last_name COLLATE "de-DE-x-icu"

SELECT 'x' SIMILAR TO 'a|b', 'x' NOT SIMILAR TO 'y', 'a' ~ 'b', 'a' !~* 'b', 'a' LIKE 'b' ESCAPE '\', 'a' NOT ILIKE 'b', x LIKE ANY (ARRAY['a%','b%']), y NOT LIKE ALL (ARRAY['c%']) FROM t

SELECT a IS TRUE, b IS NOT FALSE, c IS UNKNOWN, d ISNULL, e NOTNULL, f IS NOT DISTINCT FROM g, h IS DOCUMENT, i IS JSON, j IS NORMALIZED FROM t

SELECT nullif(a, b), coalesce(a, b, c), greatest(a, b), row(a, b), (a, b), ARRAY[a, b], ARRAY[[1,2],[3,4]], CAST(a AS numeric(10,2)), a::varchar(10)[], a::clinic.sex, a::"char" FROM t

SELECT a::double precision, b::timestamp with time zone, c::timestamp(3) without time zone, d::time, e::character varying, f::bit varying(3), g::interval day to second, h::numeric, i::int4[], j::int[3], k::text::int, l::interval(3), m::bigint, n::decimal(5,2), o::time with time zone, p::national character varying(10), q::json, r::xml, s::money, t::uuid, u::bytea, v::point, w::oid, x::name, y::regclass, z::"MyType" FROM t

SELECT time '12:00', timestamp '2024-01-01', timestamptz '2024-01-01', timestamp with time zone '2024-01-01', interval '1' month, interval '1-2' year to month, bool 'true', int '5', numeric '1.5', uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', jsonb '{"a":1}', json '[]', bytea '\x00', inet '::1', xml '<a/>', point '(1,2)', text 'x', varchar 'y', float8 '1', char 'x', bit '1', name 'n', regclass 'pg_class', tsquery 'a & b', daterange '[2024-01-01,)'

SELECT user, current_user, session_user, current_role, current_catalog, current_schema, current_time, localtime, system_user

SELECT id FROM clinic.patients FOR NO KEY UPDATE NOWAIT

SELECT id FROM clinic.patients p JOIN clinic.encounters e ON e.patient_id = p.id FOR SHARE OF p FOR KEY SHARE OF e

SELECT id FROM clinic.patients FETCH FIRST ROW ONLY

SELECT id FROM clinic.patients ORDER BY id OFFSET 5 ROWS FETCH NEXT 10 ROWS WITH TIES

SELECT id FROM clinic.patients ORDER BY last_name USING <, id USING OPERATOR(pg_catalog.>)

SELECT JSON_OBJECT('id': id, 'dob': dob ABSENT ON NULL), JSON_ARRAY(id, dob), JSON_ARRAYAGG(id ORDER BY dob), JSON_OBJECTAGG(id: dob), JSON_VALUE(details, '$.x' RETURNING int DEFAULT 0 ON EMPTY), JSON_QUERY(details, '$.y' WITH WRAPPER), JSON_EXISTS(details, '$.z'), JSON_SCALAR(id), JSON_SERIALIZE(details) FROM clinic.patients

SELECT jt.* FROM clinic.patients p, JSON_TABLE(p.details, '$.meds[*]' COLUMNS (n FOR ORDINALITY, name text PATH '$.name', dose numeric PATH '$.dose' DEFAULT 0 ON EMPTY)) AS jt

SELECT xmlelement(name patient, xmlattributes(id AS pid), xmlforest(first_name, last_name AS "last")), xmlconcat(a, b), xmlagg(x ORDER BY id), xmlparse(document '<a/>'), xmlserialize(content x AS text), xmlpi(name php), xmlroot(x, version '1.0'), xpath('/a', x), xmlexists('/a' PASSING x) FROM clinic.patients

SELECT t.* FROM docs d, XMLTABLE('/rows/row' PASSING d.body COLUMNS id int PATH '@id', name text PATH 'name' DEFAULT 'x') AS t

INSERT INTO clinic.notes (patient_id, body) VALUES (1, 'a'), (2, DEFAULT), ((SELECT max(id) FROM clinic.patients), 'c')

INSERT INTO clinic.notes DEFAULT VALUES RETURNING id

INSERT INTO clinic.notes AS n (id, body) VALUES (1, 'x') ON CONFLICT (id) WHERE active DO UPDATE SET body = excluded.body || n.body, updated_at = now() WHERE n.body <> excluded.body RETURNING n.id, (n.body = 'x') AS same

INSERT INTO clinic.notes (id, body) VALUES (1, 'x') ON CONFLICT DO NOTHING

INSERT INTO clinic.notes (id, body) VALUES (1, 'x') ON CONFLICT ON CONSTRAINT notes_pkey DO UPDATE SET (body, n) = (excluded.body, DEFAULT)

INSERT INTO clinic.notes (id, body) VALUES (1, 'x') ON CONFLICT (lower(body), (id + 1)) DO NOTHING

INSERT INTO clinic.notes (id, body) OVERRIDING SYSTEM VALUE VALUES (1, 'x')

INSERT INTO clinic.notes (tags[1], address.city, body) VALUES ('a', 'b', 'c')

INSERT INTO clinic.summary WITH s AS (SELECT patient_id, count(*) AS n FROM clinic.encounters GROUP BY 1) SELECT * FROM s

UPDATE clinic.patients SET zip = '00000', (first_name, last_name) = ('A', 'B'), (a, b) = (SELECT x, y FROM z WHERE z.id = patients.id), tags[1] = 'x', n = DEFAULT WHERE id = 1

UPDATE clinic.patients AS p SET zip = a.zip FROM clinic.addresses a JOIN clinic.regions r ON r.id = a.region_id WHERE a.patient_id = p.id RETURNING p.id, a.zip, old.zip, new.zip

UPDATE ONLY clinic.patients SET n = n + 1 WHERE CURRENT OF cur

DELETE FROM clinic.notes USING clinic.patients p WHERE p.id = notes.patient_id AND p.dob < '1900-01-01' RETURNING notes.*

DELETE FROM clinic.notes n WHERE n.id IN (SELECT id FROM clinic.notes ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED)

DELETE FROM clinic.notes WHERE CURRENT OF cur

MERGE INTO clinic.stock s USING (SELECT * FROM clinic.deliveries) d ON s.item = d.item WHEN MATCHED AND d.qty = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET qty = s.qty + d.qty WHEN NOT MATCHED THEN INSERT (item, qty) VALUES (d.item, d.qty)

MERGE INTO clinic.stock AS s USING clinic.deliveries AS d ON s.item = d.item WHEN NOT MATCHED BY SOURCE THEN DO NOTHING WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT DEFAULT VALUES RETURNING merge_action(), s.*

COPY (SELECT id, dob FROM clinic.patients WHERE zip = '10001') TO STDOUT WITH (FORMAT csv, HEADER true)

COPY clinic.patients FROM STDIN WITH (FORMAT binary)

EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM clinic.patients WHERE id = 1

EXPLAIN VERBOSE UPDATE clinic.patients SET n = 1 WHERE id = 2

PREPARE get_patient (int) AS SELECT * FROM clinic.patients WHERE id = $1

EXECUTE get_patient(5)

DEALLOCATE ALL

DECLARE "c1" NO SCROLL CURSOR WITH HOLD FOR SELECT * FROM clinic.patients ORDER BY id

FETCH FORWARD 100 FROM "c1"

CREATE TABLE clinic.copy AS SELECT id, dob FROM clinic.patients WITH NO DATA

CREATE TEMP TABLE IF NOT EXISTS tmp ON COMMIT DROP AS (SELECT 1 AS a)

CREATE MATERIALIZED VIEW clinic.mv AS SELECT zip, count(*) AS n FROM clinic.patients GROUP BY zip WITH DATA

CREATE OR REPLACE VIEW clinic.v (a, b) AS SELECT id, zip FROM clinic.patients WITH LOCAL CHECK OPTION

CREATE VIEW clinic.v WITH (security_barrier) AS WITH x AS (SELECT 1 AS a) SELECT a FROM x

SELECT id, zip INTO TEMP clinic_copy FROM clinic.patients WHERE id < 100

CREATE TABLE clinic.t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT 'x' CHECK (length(name) > 0), patient_id int REFERENCES clinic.patients (id) ON DELETE CASCADE)

ALTER TABLE clinic.t ADD COLUMN x int DEFAULT 0, ALTER COLUMN name DROP NOT NULL

CREATE UNIQUE INDEX CONCURRENTLY ON clinic.t (lower(name)) WHERE x > 0

DROP TABLE IF EXISTS clinic.t CASCADE

BEGIN; UPDATE pgbench_accounts SET abalance = abalance + -3312 WHERE aid = 55; SELECT abalance FROM pgbench_accounts WHERE aid = 55; UPDATE pgbench_tellers SET tbalance = tbalance + 1 WHERE tid = 1; INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, 4, CURRENT_TIMESTAMP); END;

vacuum analyze pgbench_branches

copy pgbench_accounts from stdin with (freeze on)

select o.n, p.partstrat, pg_catalog.count(i.inhparent) from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on (n.oid = c.relnamespace) cross join lateral (select pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname)) as o(n) left join pg_catalog.pg_partitioned_table as p on (p.partrelid = c.oid) left join pg_catalog.pg_inherits as i on (c.oid = i.inhparent) where c.relname = 'pgbench_accounts' and o.n is not null group by 1, 2 order by 1 asc limit 1

SELECT datname, numbackends, xact_commit FROM pg_stat_database WHERE datname = current_database()

SELECT pid, usename, state, wait_event_type, now() - query_start AS running, left(query, 60) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid() ORDER BY running DESC

SELECT relname, n_live_tup, pg_size_pretty(pg_total_relation_size(relid)) FROM pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC LIMIT 20

SELECT table_schema, table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, ordinal_position

SELECT name, setting, unit FROM pg_settings WHERE name ~ 'mem' OR category ILIKE '%autovacuum%'

SELECT setting FROM pg_settings WHERE name = 'server_version_num'

SELECT nextval('clinic.seq'), currval('clinic.seq'::regclass), lastval(), setval('clinic.seq', 10, true)

SELECT type, value, date, year, month, day, hour, name, position, text, role, key, "user", status, level, location, language, action, owner, comment, version, data, schema, domain, timestamp, interval, time, values, percent, rank, index, row, first, last, next, start, method FROM t

SELECT t.type, t.value, t.date, t.index, t.key, t.user, t.order, t.left, t.format, t.desc, t.default, t.table, t.group FROM t

SELECT a.date, b.time, c.timestamp FROM a, b, c WHERE a.date = b.date AND NOT c.timestamp IS NULL

SELECT date(created_at), year(d), left(a, 1), right(b, 2), replace(c, 'x', 'y'), char_length(d), if(a), values_of(b), format(x), row_number() over (), exists_in(c), any_value(d), glob(e), decode(a, 'hex'), encode(b, 'hex'), convert_from(c, 'UTF8'), match(a, b), truncate(x), log(y), struct(a), map(a, b), list(a), day(x), week(y), ceil(a), ceiling(b), floor(c), decode_it(d), try_cast(e), convert(f, g), initcap(h), string_agg(i, ','), arg_max(a, b), max_by(a, b), date_part(x, y), jsonb_exists(a, b), substring(a, b, c), trim(a), overlay(a, b, c), normalize(a), json_agg(x) FROM t

SELECT count(*), sum(total) / count(*)::float AS avg FROM (SELECT o.id, sum(i.price * i.qty) AS total FROM orders o JOIN items i ON i.order_id = o.id WHERE o.created_at >= date_trunc('quarter', current_date) - interval '3 months' AND o.status IN ('paid', 'shipped') GROUP BY o.id) AS totals WHERE total > (SELECT avg(x.total) FROM (SELECT sum(price * qty) AS total FROM items GROUP BY order_id) x)

select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) as sum_charge, avg(l_discount) as avg_disc, count(*) as count_order from lineitem where l_shipdate <= date '1998-12-01' - interval '90' day group by l_returnflag, l_linestatus order by l_returnflag, l_linestatus

select o_year, sum(case when nation = 'BRAZIL' then volume else 0 end) / sum(volume) as mkt_share from (select extract(year from o_orderdate) as o_year, l_extendedprice * (1 - l_discount) as volume, n2.n_name as nation from part, supplier, lineitem, orders, customer, nation n1, nation n2, region where p_partkey = l_partkey and s_suppkey = l_suppkey and l_orderkey = o_orderkey and o_custkey = c_custkey and c_nationkey = n1.n_nationkey and n1.n_regionkey = r_regionkey and r_name = 'AMERICA' and s_nationkey = n2.n_nationkey and o_orderdate between date '1995-01-01' and date '1996-12-31' and p_type = 'ECONOMY ANODIZED STEEL') as all_nations group by o_year order by o_year

select c_count, count(*) as custdist from (select c_custkey, count(o_orderkey) from customer left outer join orders on c_custkey = o_custkey and o_comment not like '%special%requests%' group by c_custkey) as c_orders (c_custkey, c_count) group by c_count order by custdist desc, c_count desc

select cntrycode, count(*) as numcust, sum(c_acctbal) as totacctbal from (select substring(c_phone from 1 for 2) as cntrycode, c_acctbal from customer where substring(c_phone from 1 for 2) in ('13', '31') and c_acctbal > (select avg(c_acctbal) from customer where c_acctbal > 0.00) and not exists (select * from orders where o_custkey = c_custkey)) as custsale group by cntrycode order by cntrycode

SELECT patient_id, max(value) FILTER (WHERE loinc = '2345-7') AS glucose, bool_or(abnormal) AS any_abnormal FROM lab_results WHERE taken_at >= now() - make_interval(days => 30) GROUP BY patient_id

SELECT crosstab.* FROM crosstab('select 1,2,3') AS crosstab(row_name text, cat1 int, cat2 int)

SELECT p.id, p.dob FROM clinic.patients AS p (id, dob) JOIN clinic.encounters AS e (eid, pid) ON p.id = e.pid

SELECT * FROM (a JOIN b ON a.id = b.id) LEFT JOIN (c CROSS JOIN d) ON c.id = a.id

SELECT * FROM (SELECT * FROM a) , (SELECT * FROM b) x

SELECT x FROM ((SELECT 1 AS x) UNION (SELECT 2)) AS u

SELECT ((((a + b)))) * (c - (d)) FROM t WHERE ((x) = (y)) AND ((NOT (z)))

SELECT a FROM t WHERE a IN (1) OR a IN (SELECT b FROM u) OR (a, b) = (1, 2) OR a = (SELECT max(c) FROM v) OR (a, b) IN (SELECT c, d FROM w) OR ROW(a, b) < ROW(1, 2)

SELECT a FROM t ORDER BY CASE WHEN a > 0 THEN b END, c IS NULL, length(d) DESC

SELECT größe, "Straße" FROM übersicht AS ü WHERE ü.größe > 1

SELECT 'é', p.name FROM clinic.patients p WHERE p.city = 'Zürich' -- Kommentar é

/* app:ehr */ SELECT /* inline */ id -- trailing
FROM clinic.patients /* done */

SELECT E'\'', 'a\', "x""y", '--no comment', '/* no */' FROM "t"";"

select id from clinic.patients; select 1;; select 2;

SELECT COALESCE((SELECT true FROM t LIMIT 1), false) AS x, NOT EXISTS (SELECT 1) AS y, (SELECT 1) + (SELECT 2) AS z

SELECT max(created_at)::date - min(created_at)::date AS span, (now() - max(created_at)) > interval '1 hour' FROM t

SELECT id, data::jsonb -> 'a' -> 1 ->> 'b' AS v, (data->>'n')::int + 1 AS n, data::json#>>'{a,b}' FROM t WHERE (data->>'active')::boolean AND data->'tags' ? 'x' AND data - 'a' <> '{}'::jsonb AND data #- '{a}' IS NOT NULL AND data || '{"b":1}' @> data

SELECT * FROM t WHERE (SELECT count(*) FROM u WHERE u.t_id = t.id) > 0 AND t.a = ANY (SELECT b FROM v) AND t.c > ALL (SELECT d FROM w) AND t.e = SOME (ARRAY[1,2])

SELECT pg_size_pretty(sum(pg_relation_size(c.oid))) FROM pg_class c WHERE c.relkind = 'r' AND c.oid = 'clinic.patients'::regclass

SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indrelid = $1::regclass AND i.indisprimary

SELECT count(*) AS "COUNT(*)", sum("Amount") "Sum of Amount" FROM "Sales" WHERE "Date" >= timestamp '2024-01-01'

SELECT treat(a AS b), collation for (c), cast(d as e) FROM t

SELECT ALL a FROM t

SELECT FROM t

SELECT DISTINCT a, b FROM t ORDER BY a, b

SELECT a AS b, a b, a "b", a AS "select", a AS value, a AS date, a name FROM t

SELECT t.*, t.a AS x, u.*, 1 AS one FROM t, u

SELECT sum(a) OVER (w ROWS 2 PRECEDING), avg(b) OVER (w) FROM t WINDOW w AS (PARTITION BY c), v AS (w ORDER BY d)

SELECT array_remove(array_agg(x), NULL), (array_agg(x ORDER BY y))[1], (regexp_split_to_array(z, ','))[2], (f(a)).b FROM t

SELECT interval '1 day' * n, now() + n * interval '1 hour', date '2024-01-01' + n, n * '1 day'::interval FROM t

SELECT a FROM t GROUP BY ALL a

SELECT a FROM t GROUP BY DISTINCT ROLLUP (a, b), ROLLUP (a, c)

SELECT sum(x) FROM t GROUP BY (), a, (b, c), d + 1

SELECT * FROM t1 LEFT JOIN t2 ON t1.a = t2.a LEFT JOIN t3 ON t2.b = t3.b AND t3.c IN (SELECT c FROM t4) WHERE coalesce(t3.d, 0) = 0

SELECT id FROM clinic.patients WHERE to_tsvector('simple', last_name || ' ' || first_name) @@ websearch_to_tsquery('simple', $1) AND $2::boolean IS NOT TRUE LIMIT $3 OFFSET $4

SELECT name FROM pg_timezone_names WHERE name ILIKE 'europe/%' AND is_dst

SELECT a, b FROM t1 UNION (SELECT c, d FROM t2 UNION ALL SELECT e, f FROM t3) ORDER BY 1 LIMIT 10

WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a), c (z) AS (VALUES (1), (2)) SELECT * FROM a, b, c WHERE a.x = b.y OR c.z = 1

WITH upd AS (UPDATE t SET a = 1 WHERE b = 2 RETURNING id), ins AS (INSERT INTO log (t_id) SELECT id FROM upd RETURNING id) SELECT count(*) FROM ins

SELECT id FROM t WHERE ts >= CURRENT_DATE - 7 AND ts < CURRENT_DATE + INTERVAL '1 day' AND ts::time BETWEEN TIME '08:00' AND TIME '18:00'

SELECT x.s FROM xmltable('/r' PASSING (SELECT xmlelement(name r, xmlelement(name s, ssn)) FROM clinic.patients WHERE id = 1) COLUMNS s text PATH 's') AS x

SELECT x.s FROM clinic.patients p, xmltable('/r' PASSING (xmlelement(name r, p.ssn)) COLUMNS s text PATH '.') AS x
