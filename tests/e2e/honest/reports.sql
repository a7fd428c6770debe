# What report builders, dashboards, notebooks and services send for a masked analyst.

# Metabase

SELECT 1

SELECT * FROM (SELECT "clinic"."patients"."id" AS "id", "clinic"."patients"."ssn" AS "ssn", "clinic"."patients"."dob" AS "dob", "clinic"."patients"."state" AS "state" FROM "clinic"."patients") "source" LIMIT 1048575

SELECT "source"."dob" AS "dob", COUNT(*) AS "count" FROM (SELECT DATE_TRUNC('year', "clinic"."patients"."dob") AS "dob" FROM "clinic"."patients") AS "source" GROUP BY "source"."dob" ORDER BY "source"."dob" ASC

SELECT CAST("clinic"."encounters"."admitted" AS date) AS "admitted", COUNT(*) AS "count" FROM "clinic"."encounters" WHERE "clinic"."encounters"."admitted" >= CAST((NOW() + (INTERVAL '-30 day')) AS date) AND "clinic"."encounters"."admitted" < CAST(NOW() AS date) GROUP BY CAST("clinic"."encounters"."admitted" AS date) ORDER BY CAST("clinic"."encounters"."admitted" AS date) ASC

SELECT (CAST(extract(dow from "clinic"."encounters"."admitted") AS integer) + 1) AS "admitted", count(*) AS "count" FROM "clinic"."encounters" GROUP BY (CAST(extract(dow from "clinic"."encounters"."admitted") AS integer) + 1) ORDER BY (CAST(extract(dow from "clinic"."encounters"."admitted") AS integer) + 1) ASC

SELECT "clinic"."claims"."status" AS "status", SUM("clinic"."claims"."amount") AS "sum", CAST(SUM("clinic"."claims"."amount") AS DOUBLE PRECISION) / NULLIF(COUNT(*), 0) AS "avg" FROM "clinic"."claims" LEFT JOIN "clinic"."encounters" AS "Encounters" ON "clinic"."claims"."encounter_id" = "Encounters"."id" WHERE ("Encounters"."kind" = 'inpatient') OR ("Encounters"."kind" = 'outpatient') GROUP BY "clinic"."claims"."status" ORDER BY "sum" DESC, "clinic"."claims"."status" ASC

SELECT FLOOR((("clinic"."claims"."amount" - 0.0) / 1000.0)) * 1000.0 + 0.0 AS "amount", COUNT(*) AS "count" FROM "clinic"."claims" GROUP BY FLOOR((("clinic"."claims"."amount" - 0.0) / 1000.0)) * 1000.0 + 0.0 ORDER BY 1 ASC

SELECT COUNT(DISTINCT "clinic"."patients"."state") AS "count", MIN("clinic"."patients"."dob") AS "min" FROM "clinic"."patients" LIMIT 1

SELECT "substring1"."substring1", "substring1"."id" FROM (SELECT SUBSTRING("clinic"."notes"."body", 1, 1234) AS "substring1", "clinic"."notes"."id" AS "id" FROM "clinic"."notes" ORDER BY "clinic"."notes"."id" ASC LIMIT 10000) AS "substring1"

-- Metabase:: userID: 1 queryType: native queryHash: 0123
SELECT state, count(*) FROM clinic.patients WHERE 1 = 1 GROUP BY state ORDER BY 1

# Superset

SELECT state AS state, count(*) AS count FROM clinic.patients GROUP BY state ORDER BY count DESC, state LIMIT 1000

SELECT DATE_TRUNC('month', admitted) AS __timestamp, kind AS kind, count(*) AS "COUNT(*)" FROM clinic.encounters JOIN (SELECT kind AS kind__, count(*) AS mme_inner__ FROM clinic.encounters WHERE admitted >= TO_TIMESTAMP('2020-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') AND admitted < TO_TIMESTAMP('2030-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') GROUP BY kind ORDER BY mme_inner__ DESC LIMIT 25) AS anon_1 ON kind = kind__ WHERE admitted >= TO_TIMESTAMP('2020-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') GROUP BY DATE_TRUNC('month', admitted), kind ORDER BY 1, 2 LIMIT 10000

SELECT * FROM (SELECT p.id, p.state, e.kind FROM clinic.patients p JOIN clinic.encounters e ON e.patient_id = p.id) AS virtual_table ORDER BY 1, 3 LIMIT 100

SELECT kind, count(*) FROM (SELECT e.kind, p.sex FROM clinic.encounters e JOIN clinic.patients p ON p.id = e.patient_id) AS virtual_table WHERE sex IN ('female') GROUP BY kind ORDER BY 1 LIMIT 50

SELECT max(admitted) AS "max__admitted" FROM clinic.encounters

# Tableau

SELECT "patients"."state" AS "state", COUNT(DISTINCT "patients"."id") AS "ctd:id:ok" FROM "clinic"."patients" "patients" INNER JOIN "clinic"."encounters" "encounters" ON ("patients"."id" = "encounters"."patient_id") GROUP BY 1 ORDER BY 1

SELECT * FROM (SELECT * FROM clinic.patients) "Custom SQL Query" LIMIT 0

SELECT "Custom SQL Query"."state" AS "state", SUM(1) AS "sum:Number of Records:ok" FROM (SELECT * FROM clinic.patients) "Custom SQL Query" GROUP BY 1 ORDER BY 1

SELECT (CASE WHEN ("patients"."dob" IS NULL) THEN NULL ELSE CAST(DATE_TRUNC('QUARTER', CAST("patients"."dob" AS TIMESTAMP)) AS TIMESTAMP) END) AS "tqr:dob:ok", COUNT(1) AS "cnt" FROM "clinic"."patients" "patients" GROUP BY 1 ORDER BY 1

SELECT "t0"."state" AS "state", "t1"."n" AS "n" FROM (SELECT "patients"."state" AS "state" FROM "clinic"."patients" "patients" GROUP BY 1) "t0" LEFT JOIN (SELECT "patients"."state" AS "state", COUNT(1) AS "n" FROM "clinic"."patients" "patients" WHERE "patients"."sex" = 'male' GROUP BY 1) "t1" ON ("t0"."state" IS NOT DISTINCT FROM "t1"."state") ORDER BY 1

SELECT 1 AS "one" FROM "clinic"."patients" "patients" HAVING (COUNT(1) > 0)

CREATE LOCAL TEMPORARY TABLE "#Tableau_1_1_Connect" ("state" text, "n" bigint) ON COMMIT PRESERVE ROWS

INSERT INTO "#Tableau_1_1_Connect" ("state", "n") SELECT "patients"."state" AS "state", COUNT(1) AS "n" FROM "clinic"."patients" "patients" GROUP BY 1

SELECT "t"."state", "t"."n" FROM "#Tableau_1_1_Connect" "t" ORDER BY 1

DROP TABLE "#Tableau_1_1_Connect"

# Power BI (Npgsql, folded M)

select "$Table"."id" as "id", "$Table"."ssn" as "ssn", "$Table"."dob" as "dob", "$Table"."state" as "state" from "clinic"."patients" "$Table" limit 1000

select "rows"."state" as "state", count(1) as "a0", sum("rows"."amount") as "a1" from (select "$Outer"."state", "$Inner"."amount" from (select "_"."id" as "id2", "_"."state" as "state" from "clinic"."patients" "_") "$Outer" left outer join (select "_"."patient_id", "_"."amount" from "clinic"."claims" "_") "$Inner" on ("$Outer"."id2" = "$Inner"."patient_id")) "rows" group by "state" order by 1

select "_"."state" from (select "rows"."state" as "state" from "clinic"."patients" "rows" group by "state") "_" order by "_"."state" limit 1001

select i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME as INDEX_NAME, ii.COLUMN_NAME, ii.ORDINAL_POSITION, case when i.CONSTRAINT_TYPE = 'PRIMARY KEY' then 'Y' else 'N' end as PRIMARY_KEY from INFORMATION_SCHEMA.table_constraints i inner join INFORMATION_SCHEMA.key_column_usage ii on i.CONSTRAINT_SCHEMA = ii.CONSTRAINT_SCHEMA and i.CONSTRAINT_NAME = ii.CONSTRAINT_NAME and i.TABLE_SCHEMA = ii.TABLE_SCHEMA and i.TABLE_NAME = ii.TABLE_NAME where i.TABLE_SCHEMA = 'clinic' and i.TABLE_NAME = 'patients' and i.CONSTRAINT_TYPE in ('PRIMARY KEY', 'UNIQUE') order by i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME, ii.TABLE_SCHEMA, ii.TABLE_NAME, ii.ORDINAL_POSITION

select pkcol.COLUMN_NAME as PK_COLUMN_NAME, fkcol.TABLE_SCHEMA as FK_TABLE_SCHEMA, fkcol.TABLE_NAME as FK_TABLE_NAME, fkcol.COLUMN_NAME as FK_COLUMN_NAME, fkcol.ORDINAL_POSITION as ORDINAL, fkcon.CONSTRAINT_SCHEMA || '_' || fkcol.TABLE_NAME || '_patients_' || fkcon.CONSTRAINT_NAME as FK_NAME from (select distinct constraint_catalog, constraint_schema, unique_constraint_schema, constraint_name, unique_constraint_name from INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS) fkcon inner join INFORMATION_SCHEMA.KEY_COLUMN_USAGE fkcol on fkcon.CONSTRAINT_SCHEMA = fkcol.CONSTRAINT_SCHEMA and fkcon.CONSTRAINT_NAME = fkcol.CONSTRAINT_NAME inner join INFORMATION_SCHEMA.KEY_COLUMN_USAGE pkcol on fkcon.UNIQUE_CONSTRAINT_SCHEMA = pkcol.CONSTRAINT_SCHEMA and fkcon.UNIQUE_CONSTRAINT_NAME = pkcol.CONSTRAINT_NAME where pkcol.TABLE_SCHEMA = 'clinic' and pkcol.TABLE_NAME = 'patients' and pkcol.ORDINAL_POSITION = fkcol.ORDINAL_POSITION order by FK_NAME, fkcol.ORDINAL_POSITION

# Looker

SELECT COUNT(*) AS "patients.count", patients.state AS "patients.state" FROM clinic.patients AS patients GROUP BY 2 ORDER BY 1 DESC, 2 FETCH NEXT 500 ROWS ONLY

WITH encounter_facts AS (SELECT patient_id, COUNT(*) AS lifetime, MIN(admitted) AS first_admitted FROM clinic.encounters GROUP BY 1) SELECT DATE(encounter_facts.first_admitted) AS "first", COUNT(DISTINCT CASE WHEN encounter_facts.lifetime > 1 THEN patients.id END) AS "repeat" FROM clinic.patients AS patients LEFT JOIN encounter_facts ON patients.id = encounter_facts.patient_id GROUP BY 1 ORDER BY 1 NULLS LAST LIMIT 500

SELECT COALESCE(COALESCE(CAST((SUM(DISTINCT (CAST(FLOOR(COALESCE(claims.amount, 0) * (1000000 * 1.0)) AS DECIMAL(38, 0))) + ('x' || LEFT(MD5(CAST(claims.id AS VARCHAR)), 16))::bit(64)::bigint::DECIMAL(38, 0) * 18446744073709551616) - SUM(DISTINCT ('x' || LEFT(MD5(CAST(claims.id AS VARCHAR)), 16))::bit(64)::bigint::DECIMAL(38, 0) * 18446744073709551616)) AS DOUBLE PRECISION) / CAST((1000000 * 1.0) AS DOUBLE PRECISION), 0), 0) AS "total" FROM clinic.claims AS claims LIMIT 500

SELECT * FROM (SELECT *, DENSE_RANK() OVER (ORDER BY z___min_rank) AS z___pivot_row_rank, RANK() OVER (PARTITION BY z__pivot_col_rank ORDER BY z___min_rank) AS z__pivot_col_ordering FROM (SELECT *, MIN(z___rank) OVER (PARTITION BY "patients.state") AS z___min_rank FROM (SELECT *, RANK() OVER (ORDER BY "patients.sex" ASC, "patients.state") AS z___rank, DENSE_RANK() OVER (ORDER BY "patients.sex" NULLS LAST) AS z__pivot_col_rank FROM (SELECT patients.state AS "patients.state", patients.sex AS "patients.sex", COUNT(*) AS "patients.count" FROM clinic.patients AS patients GROUP BY 1, 2) ww) bb WHERE z__pivot_col_rank <= 16384) aa) xx WHERE (z__pivot_col_rank <= 50 OR z__pivot_col_ordering = 1) AND (z___pivot_row_rank <= 500 OR z__pivot_col_ordering = 1) ORDER BY z___pivot_row_rank, z__pivot_col_rank

# Grafana, macros expanded

SELECT floor(extract(epoch from admitted)/3600)*3600 AS "time", count(*) AS value FROM clinic.encounters WHERE admitted BETWEEN '2020-01-01T00:00:00Z' AND '2030-01-01T00:00:00Z' GROUP BY 1 ORDER BY 1

SELECT extract(epoch from submitted) AS "time", kind AS metric, amount FROM clinic.claims c JOIN clinic.encounters e ON e.id = c.encounter_id WHERE extract(epoch from submitted) >= 1577836800 AND extract(epoch from submitted) <= 1893456000 ORDER BY 1, 2, 3 LIMIT 20

SELECT time_bucket AS "time", sum(n) OVER (ORDER BY time_bucket) FROM (SELECT date_trunc('week', admitted) AS time_bucket, count(*) AS n FROM clinic.encounters GROUP BY 1) x ORDER BY 1

SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema IN (SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i, string_to_array(current_setting('search_path'), ',') s) ORDER BY table_name

SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns WHERE CASE WHEN array_length(parse_ident('clinic.patients'), 1) = 2 THEN quote_ident(table_schema) = (parse_ident('clinic.patients'))[1] AND quote_ident(table_name) = (parse_ident('clinic.patients'))[2] ELSE quote_ident(table_name) = 'patients' END

SELECT current_setting('server_version_num')::int / 100 AS version

SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'

SELECT DISTINCT state AS __text, state AS __value FROM clinic.patients ORDER BY 1

# Redash, Hex, Mode, Retool: wrapped queries and probes

SELECT * FROM (SELECT id, ssn, dob FROM clinic.patients WHERE state IN ('MA', 'NY')) t LIMIT 1000

SELECT * FROM (SELECT * FROM clinic.patients) AS q WHERE 1 = 0

SELECT * FROM clinic.patients WHERE FALSE

SELECT COUNT(*) OVER () AS total, t.* FROM (SELECT id, state FROM clinic.patients) t ORDER BY t.id LIMIT 10 OFFSET 0

WITH q AS (SELECT p.*, row_number() OVER (ORDER BY p.id) AS rn FROM clinic.patients p) SELECT * FROM q WHERE rn BETWEEN 1 AND 5

SELECT row_to_json(t) FROM (SELECT id, state FROM clinic.patients ORDER BY id LIMIT 2) t

SELECT COALESCE(json_agg(t), '[]'::json) FROM (SELECT id, ssn FROM clinic.patients ORDER BY id LIMIT 2) t

# PostgREST and Hasura

WITH pgrst_source AS (SELECT "clinic"."patients"."id", "clinic"."patients"."ssn", COALESCE("patients_encounters_1"."patients_encounters_1", '[]') AS "encounters" FROM "clinic"."patients" LEFT JOIN LATERAL (SELECT json_agg("patients_encounters_1")::jsonb AS "patients_encounters_1" FROM (SELECT "encounters_1"."id", "encounters_1"."kind" FROM "clinic"."encounters" AS "encounters_1" WHERE "encounters_1"."patient_id" = "clinic"."patients"."id") AS "patients_encounters_1") AS "patients_encounters_1" ON TRUE WHERE "clinic"."patients"."id" = 3 LIMIT 10 OFFSET 0) SELECT null::bigint AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT * FROM pgrst_source) _postgrest_t

WITH base_types AS (WITH RECURSIVE recurse AS (SELECT oid, typbasetype, typnamespace AS base_namespace, COALESCE(NULLIF(typbasetype, 0), oid) AS base_type FROM pg_type UNION SELECT t.oid, b.typbasetype, b.typnamespace AS base_namespace, COALESCE(NULLIF(b.typbasetype, 0), b.oid) AS base_type FROM recurse t JOIN pg_type b ON t.typbasetype = b.oid) SELECT oid, base_namespace, base_type FROM recurse WHERE typbasetype = 0) SELECT count(*) > 0 FROM base_types

SELECT current_setting('server_version_num')::integer, current_setting('server_version')

SELECT coalesce(json_agg("root"), '[]') AS "root" FROM (SELECT row_to_json((SELECT "_e" FROM (SELECT "_root.base"."id" AS "id", "_root.base"."ssn" AS "ssn", "_root.ar.root.encounters"."encounters" AS "encounters") AS "_e")) AS "root" FROM (SELECT * FROM "clinic"."patients" WHERE ('true') LIMIT 3) AS "_root.base" LEFT OUTER JOIN LATERAL (SELECT coalesce(json_agg("encounters"), '[]') AS "encounters" FROM (SELECT row_to_json((SELECT "_e" FROM (SELECT "_root.ar.root.encounters.base"."kind" AS "kind") AS "_e")) AS "encounters" FROM (SELECT * FROM "clinic"."encounters" WHERE (("_root.base"."id") = ("patient_id"))) AS "_root.ar.root.encounters.base") AS "_root.ar.root.encounters") AS "_root.ar.root.encounters" ON ('true')) AS "_root"

# dbt: sources, introspection, freshness, tests

select max(admitted) as max_loaded_at, now() as snapshotted_at from clinic.encounters where true

select count(*) as failures, count(*) != 0 as should_warn, count(*) != 0 as should_error from (select id from clinic.patients where id is null) dbt_internal_test

select count(*) as failures from (select id as unique_field, count(*) as n_records from clinic.patients where id is not null group by id having count(*) > 1) dbt_internal_test

with all_values as (select kind as value_field, count(*) as n_records from clinic.encounters group by kind) select * from all_values where value_field not in ('inpatient', 'outpatient', 'emergency') order by 1

with child as (select patient_id as from_field from clinic.encounters where patient_id is not null), parent as (select id as to_field from clinic.patients) select from_field from child left join parent on child.from_field = parent.to_field where parent.to_field is null

select distinct nspname from pg_namespace where nspname like 'clin%'

select table_catalog as table_database, table_schema, table_name, table_type from information_schema.tables where table_schema ilike 'clinic' order by 3

with relations as (select pg_rewrite_class.relname as referenced_name, pg_namespace.nspname as referenced_schema from (select objid as id, refobjid as ref from pg_depend where classid = 'pg_rewrite'::regclass and refclassid = 'pg_class'::regclass and deptype = 'n') dep join pg_rewrite r on r.oid = dep.id join pg_class pg_rewrite_class on pg_rewrite_class.oid = dep.ref join pg_namespace on pg_namespace.oid = pg_rewrite_class.relnamespace) select distinct referenced_schema, referenced_name from relations where referenced_schema = 'clinic' order by 1, 2

create temporary table "patients__dbt_tmp" as (select id, state, sex from clinic.patients)

select "column_name", "data_type", "character_maximum_length", "numeric_precision", "numeric_scale" from information_schema.columns where table_name = 'patients__dbt_tmp' order by ordinal_position

drop table if exists "patients__dbt_tmp" cascade

# Great Expectations, pandas profiling, notebooks

SELECT sum(CASE WHEN (ssn IS NULL) THEN 1 ELSE 0 END) AS unexpected_count, count(*) FROM clinic.patients WHERE NOT (1 = 0)

SELECT percentile_disc(0.25) WITHIN GROUP (ORDER BY amount ASC) AS anon_1, percentile_disc(0.5) WITHIN GROUP (ORDER BY amount ASC) AS anon_2, min(amount), max(amount), stddev_samp(amount) FROM clinic.claims

SELECT state, count(state) AS count_1 FROM clinic.patients WHERE state IS NOT NULL GROUP BY state ORDER BY count_1 DESC, state

SELECT * FROM clinic.claims TABLESAMPLE SYSTEM (100) WHERE amount > 0 ORDER BY id LIMIT 3

SELECT width_bucket(amount, (SELECT min(amount) FROM clinic.claims), (SELECT max(amount) + 1 FROM clinic.claims), 10) AS b, count(*) FROM clinic.claims GROUP BY b ORDER BY b

# Npgsql: type loading

SELECT version()

SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid FROM (SELECT typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind, elemtyp.oid AS elemtypoid, elemtyp.typname AS elemtypname, elemcls.relkind AS elemrelkind, CASE WHEN elemproc.proname='array_recv' THEN 'a' ELSE elemtyp.typtype END AS elemtyptype FROM (SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid, CASE WHEN proc.proname='array_recv' THEN 'a' ELSE typ.typtype END AS typtype, CASE WHEN proc.proname='array_recv' THEN typ.typelem WHEN typ.typtype='r' THEN rngsubtype WHEN typ.typtype='m' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = typ.oid) WHEN typ.typtype='d' THEN typ.typbasetype END AS elemtypoid FROM pg_type AS typ LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid) LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)) AS typ LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemtypoid LEFT JOIN pg_class AS elemcls ON (elemcls.oid = elemtyp.typrelid) LEFT JOIN pg_proc AS elemproc ON elemproc.oid = elemtyp.typreceive) AS t JOIN pg_namespace AS ns ON (ns.oid = typnamespace) WHERE typtype IN ('b', 'r', 'm', 'e', 'd') OR (typtype = 'c' AND relkind='c') OR (typtype = 'p' AND typname IN ('record', 'void', 'unknown')) OR (typtype = 'a' AND (elemtyptype IN ('b', 'r', 'm', 'e', 'd') OR (elemtyptype = 'p' AND elemtypname IN ('record', 'void')) OR (elemtyptype = 'c' AND elemrelkind='c'))) ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 WHEN typtype = 'c' THEN 1 WHEN typtype = 'r' THEN 2 WHEN typtype = 'd' AND elemtyptype <> 'a' THEN 4 WHEN typtype = 'a' THEN 6 END, t.oid

SELECT typ.oid, att.attname, att.atttypid FROM pg_type AS typ JOIN pg_namespace AS ns ON (ns.oid = typ.typnamespace) JOIN pg_class AS cls ON (cls.oid = typ.typrelid) JOIN pg_attribute AS att ON (att.attrelid = typ.typrelid) WHERE (typ.typtype = 'c' AND cls.relkind='c') AND attnum > 0 AND NOT attisdropped ORDER BY typ.oid, att.attnum

SELECT pg_type.oid, enumlabel FROM pg_enum JOIN pg_type ON pg_type.oid=enumtypid ORDER BY oid, enumsortorder

# Entity Framework Core, Hibernate, ActiveRecord, Ecto, Prisma, GORM, sqlx: what they ask for

SELECT p.id, p.dob, p.ssn, e0.id, e0.kind FROM clinic.patients AS p LEFT JOIN clinic.encounters AS e0 ON p.id = e0.patient_id WHERE p.state = 'MA' ORDER BY p.id, e0.id LIMIT 20

SELECT p0.id, p0.ssn, e1.id FROM (SELECT p.id, p.ssn FROM clinic.patients AS p ORDER BY p.id LIMIT 3) AS p0 LEFT JOIN LATERAL (SELECT e.id FROM clinic.encounters AS e WHERE p0.id = e.patient_id ORDER BY e.id LIMIT 1) AS e1 ON TRUE ORDER BY p0.id

SELECT count(*)::int FROM clinic.patients AS p WHERE p.dob IS NOT NULL AND date_part('year', p.dob)::int > 1980

SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid=c.relnamespace WHERE c.relname='__EFMigrationsHistory')

select p1_0.id, p1_0.dob, p1_0.ssn, e1_0.patient_id, e1_0.id, e1_0.kind from clinic.patients p1_0 left join clinic.encounters e1_0 on p1_0.id = e1_0.patient_id where p1_0.id = 3

select p1_0.id, p1_0.ssn from clinic.patients p1_0 where p1_0.state in ('MA', 'NY') order by p1_0.id offset 0 rows fetch first 20 rows only

select count(p1_0.id) from clinic.patients p1_0 where lower(p1_0.last_name) like 'a%' escape ''

select * from information_schema.sequences

SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity AS identity, attgenerated as attgenerated FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = '"clinic"."patients"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

SELECT a.attname FROM (SELECT indrelid, indkey, generate_subscripts(indkey, 1) idx FROM pg_index WHERE indrelid = '"clinic"."patients"'::regclass AND indisprimary) i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[i.idx] ORDER BY i.idx

SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type as t LEFT JOIN pg_range as r ON oid = rngtypid WHERE t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'bool')

SELECT distinct i.relname, d.indisunique, d.indkey, pg_get_indexdef(d.indexrelid), pg_catalog.obj_description(i.oid, 'pg_class') AS comment, d.indisvalid, ARRAY(SELECT pg_get_indexdef(d.indexrelid, k + 1, true) FROM generate_subscripts(d.indkey, 1) AS k ORDER BY k) AS columns FROM pg_class t INNER JOIN pg_index d ON t.oid = d.indrelid INNER JOIN pg_class i ON d.indexrelid = i.oid LEFT JOIN pg_namespace n ON n.oid = t.relnamespace WHERE i.relkind IN ('i', 'I') AND d.indisprimary = 'f' AND t.relname = 'patients' AND n.nspname = 'clinic' ORDER BY i.relname

SELECT t2.oid::regclass::text AS to_table, a1.attname AS column, a2.attname AS primary_key, c.conname AS name, c.confupdtype AS on_update, c.confdeltype AS on_delete, c.convalidated AS valid, c.condeferrable AS deferrable, c.condeferred AS deferred, c.conkey, c.confkey, c.conrelid, c.confrelid FROM pg_constraint c JOIN pg_class t1 ON c.conrelid = t1.oid JOIN pg_class t2 ON c.confrelid = t2.oid JOIN pg_attribute a1 ON a1.attnum = c.conkey[1] AND a1.attrelid = t1.oid JOIN pg_attribute a2 ON a2.attnum = c.confkey[1] AND a2.attrelid = t2.oid JOIN pg_namespace t3 ON c.connamespace = t3.oid WHERE c.contype = 'f' AND t1.relname = 'encounters' AND t3.nspname = 'clinic' ORDER BY c.conname

SELECT type.typname AS name, type.oid AS oid, n.nspname AS schema, array_agg(enum.enumlabel ORDER BY enum.enumsortorder) AS value FROM pg_enum AS enum JOIN pg_type AS type ON (type.oid = enum.enumtypid) JOIN pg_namespace n ON type.typnamespace = n.oid WHERE n.nspname = ANY (current_schemas(false)) GROUP BY type.OID, n.nspname, type.typname

SET client_min_messages TO 'warning'; SET standard_conforming_strings = on; SET SESSION timezone TO 'UTC'

SELECT t.oid, t.typname, t.typsend, t.typreceive, t.typoutput, t.typinput, coalesce(d.typelem, t.typelem), coalesce(r.rngsubtype, 0), ARRAY (SELECT a.atttypid FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) FROM pg_type AS t LEFT JOIN pg_type AS d ON t.typbasetype = d.oid LEFT JOIN pg_range AS r ON r.rngtypid = t.oid OR r.rngmultitypid = t.oid OR (t.typbasetype <> 0 AND r.rngtypid = t.typbasetype) WHERE (t.typrelid = 0) AND (t.typelem = 0 OR NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type s WHERE s.typrelid != 0 AND s.oid = t.typelem))

SELECT s0."id", s0."ssn" FROM "clinic"."patients" AS s0 WHERE (s0."state" = ANY('{MA,NY}')) ORDER BY s0."id" LIMIT 2

SELECT "clinic"."patients"."id", "clinic"."patients"."ssn" FROM "clinic"."patients" WHERE ("clinic"."patients"."state" = 'MA' AND ("clinic"."patients"."id") IN (SELECT "t1"."patient_id" FROM "clinic"."encounters" AS "t1" WHERE ("t1"."kind" = 'inpatient' AND "t1"."patient_id" IS NOT NULL))) ORDER BY "clinic"."patients"."id" ASC LIMIT 5 OFFSET 0

SELECT "t0"."id", "t0"."ssn", "t1"."__prisma_data__" AS "encounters" FROM "clinic"."patients" AS "t0" LEFT JOIN LATERAL (SELECT COALESCE(JSONB_AGG("__prisma_data__"), '[]') AS "__prisma_data__" FROM (SELECT "t3"."__prisma_data__" FROM (SELECT JSONB_BUILD_OBJECT('id', "t2"."id", 'kind', "t2"."kind") AS "__prisma_data__" FROM (SELECT "t4".* FROM "clinic"."encounters" AS "t4" WHERE "t0"."id" = "t4"."patient_id") AS "t2") AS "t3") AS "t5") AS "t1" ON TRUE WHERE "t0"."id" = 3 LIMIT 1 OFFSET 0

SELECT tbl.relname AS table_name, namespace.nspname as namespace, (tbl.relhassubclass and tbl.relkind = 'p') as is_partition, (tbl.relhassubclass and tbl.relkind = 'r') as has_subclass, tbl.relrowsecurity as has_row_level_security, reloptions, obj_description(tbl.oid, 'pg_class') as description FROM pg_class AS tbl INNER JOIN pg_namespace AS namespace ON namespace.oid = tbl.relnamespace WHERE tbl.relkind IN ('r', 'p') AND namespace.nspname = ANY ('{clinic}') ORDER BY namespace, table_name

SELECT count(*) FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA() AND table_name = 'patients' AND table_type = 'BASE TABLE'

SELECT CURRENT_DATABASE()

SELECT c.column_name, c.is_nullable = 'YES', c.udt_name, c.character_maximum_length, c.numeric_precision, c.numeric_precision_radix, c.numeric_scale, c.datetime_precision, 8 * typlen, c.column_default, pd.description, c.identity_increment FROM information_schema.columns AS c JOIN pg_type AS pgt ON c.udt_name = pgt.typname LEFT JOIN pg_catalog.pg_description as pd ON pd.objsubid = c.ordinal_position AND pd.objoid = (SELECT oid FROM pg_catalog.pg_class WHERE relname = c.table_name AND relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = c.table_schema)) where table_catalog = current_database() AND table_schema = 'clinic' AND table_name = 'patients' ORDER BY c.ordinal_position

SELECT rel_id, rel_attr FROM (SELECT attrelid AS rel_id, attnum AS rel_attr FROM pg_catalog.pg_attribute) x JOIN unnest('{1259}'::int4[], '{1}'::int2[]) AS t(r, a) ON x.rel_id = t.r AND x.rel_attr = t.a

SELECT idx, table_id, column_name, NOT pg_attribute.attnotnull FROM (VALUES (0, 1259, 1), (1, 1259, 2)) AS col(idx, table_id, column_no) JOIN LATERAL (SELECT attname AS column_name FROM pg_attribute WHERE attrelid = col.table_id AND attnum = col.column_no) n ON true JOIN pg_catalog.pg_attribute ON table_id IS NOT DISTINCT FROM attrelid AND column_no IS NOT DISTINCT FROM attnum ORDER BY idx

# DataGrip, pgAdmin: introspection

select N.oid::bigint as id, N.xmin as state_number, nspname as name, D.description, pg_catalog.pg_get_userbyid(N.nspowner) as "owner" from pg_catalog.pg_namespace N left join pg_catalog.pg_description D on N.oid = D.objoid order by case when nspname = pg_catalog.current_schema then -1::bigint else N.oid::bigint end

select case when relkind in ('r', 'p') then 'r' else relkind end as kind, relname as name, oid::bigint, xmin::text::bigint as sn, relnamespace::bigint as schema_id, pg_catalog.age(xmin) >= 0 as old, pg_catalog.pg_get_userbyid(relowner) as owner from pg_catalog.pg_class where relnamespace = 'clinic'::regnamespace and relkind in ('r', 'm', 'v', 'p', 'f', 'S') order by oid

select L.transactionid::varchar::bigint as transaction_id from pg_catalog.pg_locks L where L.transactionid is not null order by pg_catalog.age(L.transactionid) desc limit 1

select case when pg_catalog.pg_is_in_recovery() then null else (pg_catalog.txid_current() % 4294967296)::varchar::bigint end is not null as current_txid

with schema_procs as (select prorettype, proargtypes, proallargtypes from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace) select count(*) > 0 from schema_procs

select T.relkind as table_kind, C.attnum as column_position, C.attname as column_name, C.xmin as column_state_number, C.atttypmod as type_mod, C.attndims as dimensions_number, pg_catalog.format_type(C.atttypid, C.atttypmod) as type_spec, C.attnotnull as mandatory, D.adbin is not null as column_default, not C.attislocal as column_is_inherited, C.attfdwoptions as options, C.attisdropped as column_is_dropped, C.attidentity as identity_kind from pg_catalog.pg_attribute C inner join pg_catalog.pg_class T on T.oid = C.attrelid left join pg_catalog.pg_attrdef D on (C.attrelid, C.attnum) = (D.adrelid, D.adnum) where T.relname = 'patients' and attnum > 0 order by T.oid, attnum

SELECT usename, usecreatedb, usesuper FROM pg_catalog.pg_user WHERE usename = current_user

SELECT nsp.nspname AS name, nsp.oid, has_schema_privilege(nsp.oid, 'CREATE') as can_create, has_schema_privilege(nsp.oid, 'USAGE') as has_usage, des.description FROM pg_catalog.pg_namespace nsp LEFT OUTER JOIN pg_catalog.pg_description des ON (des.objoid=nsp.oid AND des.classoid='pg_namespace'::regclass) WHERE nspname NOT LIKE E'pg\\_%' AND NOT ((nsp.nspname = 'pg_catalog' AND EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'pg_class' AND relnamespace = nsp.oid LIMIT 1))) ORDER BY nspname

SELECT at.attname, at.attnum, ty.typname FROM pg_catalog.pg_attribute at LEFT JOIN pg_catalog.pg_type ty ON (ty.oid = at.atttypid) JOIN pg_catalog.pg_class cl ON cl.oid = at.attrelid WHERE cl.relname = 'patients' AND at.attnum = ANY ((SELECT con.conkey FROM pg_catalog.pg_class rel LEFT OUTER JOIN pg_catalog.pg_constraint con ON con.conrelid = rel.oid AND con.contype = 'p' WHERE rel.relname = 'patients' LIMIT 1)::oid[])

SELECT /*pga4dash*/ 'session_stats' AS chart_name, pg_catalog.row_to_json(t) IS NOT NULL AS chart_data FROM (SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database()) AS "Total", (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND datname = current_database()) AS "Active") t

/*pga4dash*/ SELECT pid, datname, usename, application_name, client_addr, pg_catalog.to_char(backend_start, 'YYYY') IS NOT NULL AS backend_start, state, wait_event_type || ': ' || wait_event AS wait_event, array_to_string(pg_catalog.pg_blocking_pids(pid), ', ') AS blocking_pids FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()

SELECT gss_authenticated, encrypted FROM pg_catalog.pg_stat_gssapi WHERE pid = pg_backend_pid()

SET DateStyle=ISO; SET client_min_messages=notice; SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'; SET client_encoding='UTF8'

# Health checks, poolers, monitors

/* ping */ SELECT 1

SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn() IS NULL

SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'client backend'

SELECT datname, numbackends >= 0, xact_commit >= 0, deadlocks >= 0, pg_database_size(datname) > 0 FROM pg_stat_database WHERE datname = current_database()

SELECT schemaname, relname, seq_scan >= 0, n_dead_tup >= 0 FROM pg_stat_user_tables ORDER BY 1, 2

SELECT relname, pg_size_pretty(pg_total_relation_size(c.oid)) IS NOT NULL FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'clinic' AND relkind = 'r' ORDER BY 1

SELECT mode, count(*) >= 0 FROM pg_locks WHERE database IS NOT NULL GROUP BY mode ORDER BY 1

SELECT age(datfrozenxid) >= 0 FROM pg_database WHERE datname = current_database()

SELECT name, setting, unit FROM pg_settings WHERE name IN ('max_connections', 'shared_buffers') ORDER BY 1

SELECT indexrelname, idx_scan >= 0 FROM pg_stat_user_indexes WHERE schemaname = 'clinic' ORDER BY 1

RESET ALL

DISCARD ALL
