SELECT "ssn" FROM "clinic"."patients"
SELECT p."ssn" FROM ONLY clinic.patients AS p
SELECT ssn FROM ONLY(patients)
SELECT ssn FROM U&"p\0061tients"
SELECT U&"\0073sn" FROM patients
SELECT U&"!0073sn" UESCAPE '!' FROM patients
SELECT s/**/sn FROM patients
SELECT ssn/**/FROM/**/patients
SELECT patients/**/./**/ssn FROM patients
SELECT ssn FROM patients -- SELECT 1 FROM x
SELECT ssn FROM patients /* AS (SELECT 1) */ AS p
SELECT/*/**/*/ssn FROM patients
SELECT ssn FROM (clinic.patients CROSS JOIN providers)
SELECT ssn FROM ((patients p JOIN providers USING (id)))
SELECT x.ssn FROM (SELECT * FROM (SELECT * FROM patients) a) x
SELECT patients.ssn FROM patients patients
SELECT t.ssn FROM patients t
SELECT t.t FROM (SELECT t FROM patients t) t
SELECT t FROM patients AS t
SELECT t.* FROM patients AS t
SELECT (t).ssn FROM patients AS t(id, mrn, ssn)
SELECT "t"."ssn" FROM patients "t", LATERAL (SELECT t.ssn) x
SELECT (SELECT t.ssn FROM visits t2 LIMIT 1) FROM patients t
SELECT (SELECT x FROM (SELECT p.*) x LIMIT 1) FROM patients p
SELECT p.ssn::text::bytea FROM patients p
SELECT CAST(dob AS text) || '' FROM patients
SELECT to_char(dob, 'YYYY-MM-DD'), dob - date '1900-01-01' FROM patients
SELECT dob::timestamp, age(current_date, dob), extract(doy FROM dob) FROM patients
SELECT seen AT TIME ZONE 'Asia/Tokyo', seen::text FROM patients
SELECT (ssn::int) FROM patients
SELECT ssn::date FROM patients
SELECT ssn::regclass FROM patients
SELECT 1 / (ascii(ssn) - 57) FROM patients
SELECT id FROM patients WHERE 1 / (CASE WHEN ssn LIKE '987%' THEN 0 ELSE 1 END) = 1
SELECT format('%s', p) FROM patients p
SELECT format('%s %s', VARIADIC ARRAY[ssn, name]) FROM patients
SELECT concat(p.*) FROM patients p
SELECT concat_ws(',', p.*) FROM patients p
SELECT hashtext(ssn) = hashtext('987-65-0001') FROM patients WHERE id = 1
SELECT md5(ssn) = md5('987-65-0001') FROM patients WHERE id = 1
SELECT row_to_json(p), to_json(p), to_jsonb(p), json_build_object('p', p) FROM patients p
SELECT json_build_array(p.ssn, p), jsonb_agg(p) OVER () FROM patients p
SELECT json_object_agg(p.id, p) FROM patients p
SELECT jsonb_each(to_jsonb(p)) FROM patients p
SELECT jsonb_populate_record(NULL::clinic.patients, to_jsonb(p)) FROM patients p
SELECT (jsonb_populate_record(NULL::clinic.patients, to_jsonb(p))).ssn FROM patients p
SELECT r.* FROM patients p, jsonb_to_record(to_jsonb(p)) AS r(ssn text, name text)
SELECT x.* FROM jsonb_populate_recordset(NULL::patients, (SELECT jsonb_agg(p) FROM patients p)) x
SELECT JSON_OBJECT('a': ssn), JSON_ARRAY(name, note) FROM patients
SELECT JSON_ARRAYAGG(ssn) FROM patients
SELECT j.* FROM patients p, JSON_TABLE(to_jsonb(p), '$' COLUMNS (ssn text PATH '$.ssn')) j
SELECT xmlforest(ssn, name) FROM patients
SELECT xmlelement(name a, ssn) FROM patients
SELECT string_agg(p::text, ';') FROM patients p
SELECT array_agg(p) FROM patients p
SELECT array_to_string(array_agg(ssn), ',') FROM patients
SELECT ROW(p.*), ROW(p.ssn, p.*) FROM patients p
SELECT p IS NULL, p = p, p::text FROM patients p
SELECT max(p::text) FROM patients p
SELECT min(ssn), mode() WITHIN GROUP (ORDER BY ssn), percentile_disc(0.5) WITHIN GROUP (ORDER BY name) FROM patients
SELECT first_value(ssn) OVER (ORDER BY id), nth_value(name, 2) OVER () FROM patients
SELECT ssn(p) FROM patients p
SELECT ssn(patients) FROM patients
SELECT patients.name FROM patients
SELECT (patients).ssn FROM patients
SELECT (SELECT patients).ssn FROM patients
SELECT ((p)).ssn FROM patients p
SELECT (array_agg(p))[1] FROM patients p
SELECT (ARRAY[p])[1] FROM patients p
SELECT (ARRAY(SELECT p FROM patients p))[1]
SELECT unnest(ARRAY(SELECT ssn FROM patients))
SELECT * FROM unnest(ARRAY(SELECT p FROM patients p)) AS u(id int, mrn text, ssn text)
SELECT ssn FROM patients NATURAL JOIN providers
SELECT * FROM patients NATURAL LEFT JOIN overview
SELECT ssn FROM patients JOIN overview USING (ssn)
SELECT m.ssn FROM patients JOIN overview USING (ssn) AS m
SELECT ssn FROM patients FULL JOIN overview USING (ssn)
SELECT ssn FROM patients RIGHT JOIN overview USING (id, ssn)
SELECT a.b FROM (patients JOIN visits USING (id)) AS a(a, c, b)
SELECT b FROM patients p(a, c, b)
SELECT p.* FROM patients p(id, mrn, x)
SELECT p FROM patients p(id, mrn, x)
SELECT x.x FROM patients x(x, y)
SELECT p.ssn FROM patients AS ssn, patients AS p
SELECT ssn FROM patients AS ssn
SELECT ssn.ssn FROM patients AS ssn
WITH patients AS (SELECT * FROM clinic.patients) SELECT * FROM patients
WITH patients AS (SELECT ssn FROM patients) SELECT * FROM patients
WITH RECURSIVE patients AS (SELECT 1 AS ssn UNION SELECT ssn + 1 FROM patients WHERE ssn < 3) SELECT * FROM patients
WITH RECURSIVE p AS (SELECT id, ssn FROM patients UNION ALL SELECT p.id, q.ssn FROM p JOIN clinic.patients q ON false) SELECT * FROM p
WITH a AS (WITH patients AS (SELECT 1 AS x) SELECT * FROM patients) SELECT ssn FROM a, patients
WITH a AS (SELECT * FROM patients), patients AS (SELECT 1 AS ssn) SELECT a.ssn FROM a, patients
WITH patients AS (SELECT 1 AS ssn) SELECT clinic.patients.ssn FROM clinic.patients
WITH patients AS (SELECT 1 AS z) SELECT (SELECT ssn FROM clinic.patients WHERE id = z) FROM patients
WITH x AS (WITH y AS (SELECT * FROM patients) SELECT * FROM y) SELECT ssn FROM x
WITH x AS (SELECT p FROM patients p) SELECT (p).ssn FROM x
WITH x AS (SELECT p FROM patients p) SELECT (x.p).* FROM x
WITH x AS (UPDATE scratch SET body = 'x' RETURNING *) SELECT p.ssn, x.* FROM patients p, x
WITH x AS NOT MATERIALIZED (TABLE patients) TABLE x
WITH x AS (INSERT INTO scratch SELECT id, ssn FROM patients RETURNING body) SELECT * FROM x
SELECT * FROM (VALUES (1)) v, patients
SELECT (VALUES ((SELECT ssn FROM patients LIMIT 1)))
VALUES (1, (SELECT p FROM patients p LIMIT 1))
SELECT * FROM (SELECT ssn FROM patients OFFSET 0) x
SELECT ssn FROM patients ORDER BY (SELECT ssn FROM patients LIMIT 1)
SELECT id FROM patients ORDER BY ssn LIMIT (SELECT count(ssn) FROM patients)
SELECT 1 FROM patients GROUP BY ssn HAVING ssn ~ '^987'
SELECT count(*) FROM patients WHERE ssn LIKE '987%'
SELECT id FROM patients WHERE ssn > '987' AND ssn < '988'
SELECT id FROM patients WHERE (ssn, name) = ('987-65-0001', 'x') OR name BETWEEN 'Canary' AND 'Canaryz'
SELECT id FROM patients WHERE ssn = ANY (ARRAY['987-65-0001'])
SELECT id FROM patients WHERE ssn OPERATOR(pg_catalog.~~) '987%'
SELECT id FROM patients WHERE ssn SIMILAR TO '987%' OR ssn ILIKE '987%'
SELECT id FROM patients WHERE balance > 771234
SELECT id FROM patients WHERE dob = '1923-11-23'
SELECT id FROM patients WHERE age = 97
SELECT width_bucket(balance, 0, 1000000, 1000) FROM patients
SELECT doc->>'k', doc['k'], doc #>> '{k}' FROM patients
SELECT jsonb_path_query(doc, '$.*') FROM patients
SELECT raw->>'k', raw::text FROM patients
SELECT tags[1], array_to_string(tags, ','), cardinality(tags) FROM patients
SELECT (home).*, (home).city, home::text FROM patients
SELECT enum_range(sex), sex::text, enum_first(sex) IS NULL FROM patients WHERE sex IS NOT NULL
SELECT encode(bin, 'hex'), bin, get_byte(bin, 0) FROM patients
SELECT ssn COLLATE "C" FROM patients
SELECT 'x' || ssn, ssn || name, -balance, @ balance FROM patients
SELECT ssn::varchar(3), substring(ssn from 1 for 3), overlay(ssn placing 'x' from 1), left(ssn, 3), trim(ssn), position('987' in ssn) FROM patients
SELECT regexp_replace(ssn, '-', '', 'g'), split_part(ssn, '-', 1), translate(ssn, '-', ''), reverse(ssn) FROM patients
SELECT regexp_matches(ssn, '.*') FROM patients
SELECT tsv FROM patients, to_tsvector('simple', name || note) tsv
SELECT ts_headline(note, to_tsquery('canary')) FROM patients
SELECT quote_literal(ssn), quote_ident(name) FROM patients
SELECT nullif(ssn, ''), coalesce(NULL, ssn), greatest(ssn, ''), least(name, 'z') FROM patients
SELECT ssn IS DISTINCT FROM '987-65-0001' FROM patients WHERE id = 1
SELECT lowered FROM patients
SELECT generate_series(1, age), repeat(ssn, 2) FROM patients
SELECT ctid, xmin, tableoid, ssn FROM patients
SELECT ssn FROM patients WHERE ctid = '(0,1)'
SELECT ssn FROM patients FOR SHARE
SELECT p.ssn FROM patients p FOR UPDATE OF p NOWAIT
SELECT ssn FROM patients TABLESAMPLE bernoulli (100) REPEATABLE (1)
SELECT ssn FROM patients*TABLESAMPLE system(100)
SELECT p.ssn FROM ONLY patients p TABLESAMPLE bernoulli ((SELECT max(100) FROM patients))
SELECT grouping(ssn), ssn FROM patients GROUP BY CUBE (ssn)
SELECT id, ssn, name FROM patients GROUP BY id
SELECT p.ssn FROM patients p GROUP BY (p.id), p.zip
SELECT p.ssn FROM patients p JOIN providers d ON d.id = p.provider_id GROUP BY p.id, d.id
SELECT DISTINCT ssn, name FROM patients
SELECT ssn FROM patients UNION ALL SELECT name FROM patients UNION ALL SELECT mrn FROM patients
(SELECT ssn FROM patients ORDER BY ssn LIMIT 2) UNION (SELECT dob::text FROM patients)
TABLE clinic.patients
TABLE ONLY (clinic.patients)
TABLE patients*
WITH x AS (TABLE patients) TABLE x ORDER BY ssn
SELECT ARRAY(TABLE other.patients)
SELECT ARRAY(SELECT ssn FROM other.patients)
SELECT clinic.patients.*, other.patients.* FROM clinic.patients, other.patients
SELECT patients.ssn FROM clinic.patients, other.patients
SELECT overview.ssn, frozen.ssn FROM overview, frozen
SELECT * FROM clinic.frozen
SELECT o FROM overview o
SELECT * FROM events UNION ALL SELECT * FROM events_2024
SELECT * FROM people, staff
SELECT p.*, p.tableoid FROM people p
SELECT secret FROM people*
SELECT "Se""cret" FROM "Odd Täble"
SELECT x."Se""cret", x.t FROM clinic."Odd Täble" x
SELECT t.t, t FROM "Odd Täble" AS t
SELECT "t"."t" FROM "Odd Täble" AS "t" WHERE t.t IS NOT NULL
SELECT U&"Se\0022cret" FROM U&"Odd T\00e4ble"
COPY patients TO STDOUT
COPY clinic.patients(ssn) TO STDOUT
COPY patients (lowered, ssn) TO STDOUT
COPY ONLY patients TO STDOUT
COPY BINARY patients TO STDOUT
COPY patients TO STDOUT USING DELIMITERS ','
COPY patients TO STDOUT WITH (FORMAT csv, FORCE_QUOTE (ssn), HEADER)
COPY patients/* x */(/* y */ssn/* z */)TO STDOUT
COPY events TO STDOUT
COPY events_2024 TO STDOUT
COPY overview TO STDOUT
COPY frozen TO STDOUT
COPY staff TO STDOUT
COPY (SELECT * FROM patients) TO STDOUT WITH (FORMAT binary)
COPY (WITH x AS (TABLE patients) TABLE x) TO STDOUT
COPY (INSERT INTO scratch SELECT id, ssn FROM patients RETURNING body) TO STDOUT
COPY "Odd Täble" ("Se""cret") TO STDOUT
EXPLAIN (ANALYZE, VERBOSE) SELECT ssn FROM patients WHERE name = 'x'
EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM patients
EXPLAIN TABLE patients
EXPLAIN (VERBOSE) SELECT * FROM overview WHERE ssn = 'x'
INSERT INTO scratch SELECT id, ssn FROM patients RETURNING *
INSERT INTO scratch (id, body) VALUES (9, (SELECT ssn FROM patients WHERE id = 1)) RETURNING body
INSERT INTO scratch TABLE other.patients RETURNING body
UPDATE scratch SET body = (SELECT name FROM patients WHERE patients.id = scratch.id) RETURNING body
UPDATE scratch SET (id, body) = (SELECT id, ssn FROM patients p WHERE p.id = scratch.id) RETURNING *
UPDATE scratch SET body = p.ssn FROM clinic.patients AS p RETURNING p.*, body
UPDATE patients SET note = ssn RETURNING note
UPDATE patients SET provider_id = 1 WHERE ssn LIKE '987%'
UPDATE patients SET provider_id = 1 RETURNING *
UPDATE patients SET provider_id = 1 RETURNING old.ssn, new.ssn
UPDATE patients p SET provider_id = 1 FROM patients q WHERE p.id = q.id RETURNING q.ssn
DELETE FROM visits USING patients p WHERE p.id = patient_id RETURNING p.ssn, p
DELETE FROM visits RETURNING remark
DELETE FROM visits v RETURNING v
MERGE INTO scratch s USING patients p ON s.id = p.id WHEN MATCHED THEN UPDATE SET body = p.ssn RETURNING p.ssn, s.body
MERGE INTO scratch s USING (TABLE patients) p ON s.id = p.id WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.ssn) RETURNING *
MERGE INTO visits v USING providers p ON v.id = p.id WHEN MATCHED THEN DO NOTHING RETURNING v.remark
CREATE TEMP VIEW leak AS SELECT * FROM patients; SELECT * FROM leak
CREATE TEMP TABLE leak AS SELECT * FROM patients; SELECT * FROM leak
SELECT ssn INTO TEMP leak FROM patients; SELECT ssn FROM leak
CREATE TEMP TABLE leak (LIKE patients); SELECT ssn FROM patients
CREATE TEMP TABLE patients (id int); SELECT ssn FROM patients
CREATE TEMP TABLE patients (id int, ssn text); SELECT ssn FROM clinic.patients
DECLARE c CURSOR FOR SELECT ssn FROM patients; FETCH ALL FROM c
DECLARE c CURSOR FOR TABLE patients; FETCH ALL FROM c
PREPARE q AS SELECT ssn FROM patients; EXECUTE q
PREPARE q (int) AS SELECT p FROM patients p WHERE id = $1; EXECUTE q (1)
SELECT 1; SELECT ssn FROM patients
SELECT 1;;SELECT ssn FROM patients;
SET search_path = other; SELECT ssn FROM patients
SELECT set_config('search_path', 'other', false); SELECT ssn FROM patients
BEGIN; SELECT ssn FROM patients
SELECT ssn FROM patients WHERE id = 1 \; SELECT ssn FROM patients
SELECT 'é', ssn FROM patients p WHERE 'ü' <> p.note
SELECT '"; --', ssn FROM patients
SELECT $$ FROM patients $$, ssn FROM patients
SELECT $a$ ' $a$, e'\'', ssn FROM patients
SELECT E'\\', U&'\0061', ssn FROM patients
SELECT query_to_xml('SELECT * FROM clinic.patients', true, true, '')
SELECT table_to_xml('clinic.patients', true, true, '')
SELECT ts_stat('SELECT to_tsvector(name) FROM clinic.patients')
SELECT lo_import('/etc/passwd')
SELECT ssn FROM patients p, pg_catalog.pg_class c WHERE c.relname = 'patients'
SELECT currval('x'), nextval('y'), ssn FROM patients
SELECT p.ssn FROM patients p WHERE p.id IN (SELECT q.id FROM patients q WHERE q.ssn = p.ssn) AND p.name ~ 'Canary'
SELECT ssn FROM (SELECT ssn FROM patients) AS patients(ssn)
SELECT patients.ssn FROM (SELECT 1) x(a) LEFT JOIN clinic.patients ON true
SELECT z.q FROM (SELECT p.ssn AS q FROM patients p WHERE p.id = 1 UNION SELECT 'x') z
SELECT * FROM ROWS FROM (unnest(ARRAY(SELECT ssn FROM patients)), generate_series(1, 2)) x
SELECT CASE ssn WHEN '987-65-0001' THEN 'hit' END FROM patients WHERE id = 1
SELECT ssn = '987-65-0001' AS hit FROM patients WHERE id = 1
SELECT bool_or(ssn LIKE '987%'), every(name ~ 'Canary') FROM patients
SELECT id FROM patients WHERE ssn IN ('987-65-0001', '987-65-0002')
SELECT min(id) FROM patients WHERE (ssn || name) ~ '987'
SELECT lower(p.ssn), lower(p) FROM patients p
SELECT p.lowered FROM patients p
SELECT (clinic.patients).ssn FROM clinic.patients
SELECT clinic.patients FROM clinic.patients
SELECT x.* FROM patients p, LATERAL (SELECT p.*) x
SELECT (SELECT x.ssn FROM (SELECT p.*) x) FROM patients p
SELECT json_agg(x) FROM (SELECT p FROM patients p) x
SELECT to_jsonb(x) -> 'p' ->> 'ssn' FROM (SELECT p FROM patients p) x
WITH RECURSIVE r AS (SELECT id, ssn FROM patients WHERE id = 1 UNION ALL SELECT p.id, p.ssn FROM r JOIN patients p ON p.id = r.id + 1) SEARCH DEPTH FIRST BY ssn SET o SELECT o FROM r
WITH RECURSIVE r AS (SELECT id, ssn FROM patients WHERE id = 1 UNION ALL SELECT p.id, p.ssn FROM r JOIN patients p ON p.id = r.id + 1) CYCLE ssn SET c USING path SELECT path FROM r
SELECT ssn FROM patients WHERE ssn IS NOT DISTINCT FROM (SELECT max(ssn) FROM patients)
SELECT p.ssn FROM patients p WINDOW w AS (PARTITION BY p.ssn ORDER BY p.dob)
SELECT array_agg(DISTINCT ssn ORDER BY ssn), count(*) FILTER (WHERE ssn ~ '^987') FROM patients
SELECT CAST(ROW(p.*) AS text), CAST(p AS varchar) FROM patients p
SELECT string_to_table(p::text, ',') FROM patients p
SELECT regexp_split_to_table(ssn, '-') FROM patients
SELECT ssn, * FROM patients, LATERAL (VALUES (patients.ssn, patients)) v(a, b)
SELECT v.b FROM patients, LATERAL (VALUES (patients.ssn, patients)) v(a, b)
SELECT (v.b).ssn FROM patients, LATERAL (VALUES (patients.ssn, patients)) v(a, b)
SELECT f FROM patients, generate_series(1, age) f
SELECT pg_typeof(ssn), pg_column_size(ssn), octet_length(name), bit_length(note) FROM patients
SELECT num_nulls(VARIADIC ARRAY[ssn]), jsonb_build_object(VARIADIC ARRAY[ssn, name]) FROM patients
SELECT jsonb_pretty(to_jsonb(p)), jsonb_object_keys(to_jsonb(p)) FROM patients p
SELECT sha256(ssn::bytea) = sha256('987-65-0001') FROM patients WHERE id = 1
SELECT row_to_json(j) FROM (patients NATURAL JOIN providers) j
SELECT j.* FROM (ONLY patients CROSS JOIN providers) AS j(a, b, c)
SELECT j.c FROM ((patients p JOIN visits v USING (id)) CROSS JOIN providers) AS j(a, b, c)
SELECT m.id, patients.ssn FROM patients JOIN visits USING (id) AS m
SELECT m FROM patients JOIN overview USING (id, ssn) AS m
