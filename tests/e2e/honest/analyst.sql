# An analyst's day. Each paragraph is sent as one message; nothing here may be refused.

SELECT sex, count(*) FROM clinic.patients GROUP BY sex ORDER BY 1

SELECT state, count(*) AS n, round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent FROM clinic.patients GROUP BY state ORDER BY n DESC, state

SELECT date_part('year', dob) AS born, count(*) FROM clinic.patients GROUP BY 1 ORDER BY 1

SELECT extract(year FROM age(current_date, dob)) AS years, count(*) FROM clinic.patients GROUP BY 1 ORDER BY 1

SELECT width_bucket(extract(year FROM dob), 1930, 2030, 10) AS bucket, count(*) FROM clinic.patients GROUP BY bucket ORDER BY bucket

SELECT id, current_date - dob AS days FROM clinic.patients ORDER BY id LIMIT 5

SELECT p.id, p.dob + interval '18 years' AS adult FROM clinic.patients p ORDER BY p.id LIMIT 5

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount), percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY amount) FROM clinic.claims

SELECT status, percentile_cont(0.9) WITHIN GROUP (ORDER BY amount) FROM clinic.claims GROUP BY status ORDER BY status

SELECT date_trunc('month', submitted) AS month, sum(amount) FROM clinic.claims GROUP BY 1 ORDER BY 1

SELECT date_trunc('year', admitted) AS year, kind, count(*) FROM clinic.encounters GROUP BY 1, 2 ORDER BY 1, 2

SELECT kind, avg(discharged - admitted) FROM clinic.encounters WHERE discharged IS NOT NULL GROUP BY kind ORDER BY kind

SELECT d.icd10, d.description, count(DISTINCT d.patient_id) AS patients FROM clinic.diagnoses d GROUP BY d.icd10, d.description ORDER BY patients DESC, d.icd10 LIMIT 10

SELECT p.state, d.icd10, count(*) FROM clinic.patients p JOIN clinic.diagnoses d ON d.patient_id = p.id GROUP BY p.state, d.icd10 ORDER BY 3 DESC, 1, 2 LIMIT 10

SELECT p.zip, count(*) FROM clinic.patients p GROUP BY p.zip ORDER BY 2 DESC, 1

SELECT m.name, count(*) FILTER (WHERE m.stopped IS NULL) AS running, count(*) FROM clinic.medications m GROUP BY m.name ORDER BY 1

SELECT * FROM clinic.diagnosis_counts ORDER BY diagnoses DESC, icd10 LIMIT 5

SELECT patient_id, value, lag(value) OVER (PARTITION BY patient_id, loinc ORDER BY id) AS before, value - lag(value) OVER (PARTITION BY patient_id, loinc ORDER BY id) AS change FROM clinic.lab_results WHERE loinc = (SELECT min(loinc) FROM clinic.lab_results) ORDER BY patient_id, id LIMIT 20

SELECT patient_id, rank() OVER (ORDER BY sum(amount) DESC) FROM clinic.claims GROUP BY patient_id ORDER BY 2, 1 LIMIT 10

SELECT id, ntile(4) OVER (ORDER BY dob, id) FROM clinic.patients ORDER BY id LIMIT 8

SELECT id, first_value(kind) OVER w, last_value(kind) OVER w, row_number() OVER w FROM clinic.encounters WINDOW w AS (PARTITION BY patient_id ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY id LIMIT 10

SELECT avg(value) OVER (PARTITION BY loinc ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM clinic.lab_results ORDER BY id LIMIT 10

SELECT test_name, stddev(value), variance(value), corr(value, id) FROM clinic.lab_results GROUP BY test_name ORDER BY 1

SELECT count(*) FILTER (WHERE sex = 'female') AS f, count(*) FILTER (WHERE sex = 'male') AS m FROM clinic.patients

SELECT state, sum(CASE WHEN sex = 'female' THEN 1 ELSE 0 END) AS f, sum(CASE WHEN sex = 'male' THEN 1 ELSE 0 END) AS m FROM clinic.patients GROUP BY state ORDER BY state

SELECT kind, status, sum(amount) FROM clinic.encounters e JOIN clinic.claims c ON c.encounter_id = e.id GROUP BY ROLLUP (kind, status) ORDER BY 1, 2

SELECT kind, status, count(*) FROM clinic.encounters e JOIN clinic.claims c ON c.encounter_id = e.id GROUP BY GROUPING SETS ((kind), (status), ()) ORDER BY 1, 2

SELECT kind, grouping(kind), count(*) FROM clinic.encounters GROUP BY CUBE (kind) ORDER BY 1

WITH months AS (SELECT generate_series(date '2025-01-01', date '2025-12-01', interval '1 month')::date AS m) SELECT m, (SELECT count(*) FROM clinic.claims c WHERE date_trunc('month', c.submitted) = m) FROM months ORDER BY m

WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT n, count(e.id) FROM t LEFT JOIN clinic.encounters e ON e.patient_id = t.n GROUP BY n ORDER BY n

WITH first AS (SELECT patient_id, min(id) AS id FROM clinic.encounters GROUP BY patient_id) SELECT e.kind, count(*) FROM first JOIN clinic.encounters e USING (id) GROUP BY e.kind ORDER BY 1

SELECT DISTINCT ON (patient_id) patient_id, id, kind FROM clinic.encounters ORDER BY patient_id, id DESC

SELECT p.id, x.n FROM clinic.patients p CROSS JOIN LATERAL (SELECT count(*) AS n FROM clinic.encounters e WHERE e.patient_id = p.id) x ORDER BY p.id LIMIT 10

SELECT p.id FROM clinic.patients p WHERE EXISTS (SELECT 1 FROM clinic.diagnoses d WHERE d.patient_id = p.id AND d.icd10 LIKE 'E11%') ORDER BY 1

SELECT p.id FROM clinic.patients p LEFT JOIN clinic.claims c ON c.patient_id = p.id WHERE c.id IS NULL ORDER BY 1

SELECT id FROM clinic.patients WHERE dob >= '1990-01-01' AND dob < '2000-01-01' ORDER BY id

SELECT id FROM clinic.patients WHERE 'penicillin' = ANY (allergies) ORDER BY id

SELECT unnest(allergies) AS allergy, count(*) FROM clinic.patients GROUP BY 1 ORDER BY 2 DESC, 1

SELECT array_length(allergies, 1), cardinality(allergies), count(*) FROM clinic.patients GROUP BY 1, 2 ORDER BY 1, 2

SELECT count(phone), count(email), count(ssn) FROM clinic.patients

SELECT count(*) FROM clinic.patients WHERE email IS NULL OR phone IS NULL

SELECT * FROM clinic.patients ORDER BY id LIMIT 10 OFFSET 20

SELECT id, first_name, last_name, ssn, dob, zip FROM clinic.patients WHERE id BETWEEN 3 AND 9 ORDER BY id

SELECT p.*, e.kind FROM clinic.patients p JOIN clinic.encounters e ON e.patient_id = p.id ORDER BY p.id, e.id LIMIT 5

SELECT upper(state) || '-' || zip AS area, count(*) FROM clinic.patients GROUP BY area ORDER BY area

SELECT regexp_replace(description, '[^a-z]+', '-', 'gi'), description ~* 'diabetes', substring(icd10 from '^[A-Z]') FROM clinic.diagnoses ORDER BY id LIMIT 5

SELECT split_part(icd10, '.', 1) AS chapter, count(*) FROM clinic.diagnoses GROUP BY 1 ORDER BY 2 DESC, 1

SELECT regexp_match(icd10, '([A-Z])(\d+)'), (regexp_match(icd10, '([A-Z])(\d+)'))[2] FROM clinic.diagnoses ORDER BY id LIMIT 5

SELECT string_agg(DISTINCT icd10, ', ' ORDER BY icd10) FROM clinic.diagnoses WHERE patient_id = 3

SELECT array_agg(icd10 ORDER BY icd10) FROM clinic.diagnoses GROUP BY patient_id ORDER BY patient_id LIMIT 3

SELECT json_agg(json_build_object('icd10', icd10, 'n', diagnoses) ORDER BY icd10) FROM clinic.diagnosis_counts

SELECT jsonb_object_agg(kind, n) FROM (SELECT kind, count(*) AS n FROM clinic.encounters GROUP BY kind) x

SELECT row_to_json(x) FROM (SELECT id, kind FROM clinic.encounters ORDER BY id LIMIT 3) x

SELECT to_jsonb(d) - 'description' FROM clinic.diagnoses d ORDER BY id LIMIT 3

SELECT contact ->> 'name', contact #>> '{emergency,name}', contact ? 'name', jsonb_typeof(contact) FROM clinic.patients ORDER BY id LIMIT 3

SELECT key, count(*) FROM clinic.patients, jsonb_each(contact) GROUP BY key ORDER BY key

SELECT * FROM json_to_recordset('[{"a": 1, "b": "x"}]') AS r(a int, b text)

SELECT * FROM jsonb_to_record('{"a": 1}') AS r(a int)

SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b']) WITH ORDINALITY AS u(n, s, o)

SELECT * FROM generate_series(1, 3) AS g(n) CROSS JOIN (VALUES ('x'), ('y')) AS v(s) ORDER BY 1, 2

VALUES (1, 'a'), (2, 'b')

TABLE clinic.providers

SELECT p.name, p.specialty, count(e.id) FROM clinic.providers p LEFT JOIN clinic.encounters e ON e.provider_id = p.id GROUP BY p.id ORDER BY p.id

SELECT name FROM clinic.providers WHERE name ILIKE '%a%' UNION SELECT specialty FROM clinic.providers ORDER BY 1

SELECT specialty FROM clinic.providers EXCEPT SELECT 'Cardiology' ORDER BY 1

SELECT patient_id FROM clinic.claims INTERSECT SELECT patient_id FROM clinic.diagnoses ORDER BY 1 LIMIT 5

SELECT coalesce(discharged, admitted), nullif(kind, 'inpatient'), greatest(1, 2), least('a', 'b') FROM clinic.encounters ORDER BY id LIMIT 3

SELECT CASE WHEN amount > 1000 THEN 'high' WHEN amount > 100 THEN 'middle' ELSE 'low' END AS band, count(*) FROM clinic.claims GROUP BY band ORDER BY band

SELECT amount::int, amount::text, amount::float8, cast(amount AS numeric(8, 1)) FROM clinic.claims ORDER BY id LIMIT 3

SELECT to_char(amount, 'FM999,990.00'), to_char(now(), 'YYYY') IS NOT NULL FROM clinic.claims ORDER BY id LIMIT 3

SELECT lpad(id::text, 5, '0'), md5(id::text), format('%s-%s', id, kind), concat_ws('/', id, kind) FROM clinic.encounters ORDER BY id LIMIT 3

SELECT extract(dow FROM admitted), to_char(admitted, 'Day'), admitted AT TIME ZONE 'Europe/Berlin' FROM clinic.encounters ORDER BY id LIMIT 3

SELECT tsrange(admitted::timestamp, discharged::timestamp) FROM clinic.encounters WHERE discharged >= admitted ORDER BY id LIMIT 3

SELECT count(*) FROM clinic.encounters WHERE admitted >= now() - interval '2 years'

SELECT count(*) FROM clinic.notes WHERE to_tsvector('english', body) @@ to_tsquery('english', 'pain')

SELECT count(*), avg(length(body)) FROM clinic.notes

SELECT count(*) FROM clinic.lab_results TABLESAMPLE BERNOULLI (50) REPEATABLE (3)

SELECT tableoid::regclass, count(*) FROM clinic.lab_results GROUP BY 1 ORDER BY 1

SELECT count(*) FROM clinic.lab_results_2025 WHERE value > 5

SELECT * FROM clinic.patient_overview ORDER BY id LIMIT 3

SELECT (p).id, (p).sex FROM clinic.patients p ORDER BY 1 LIMIT 3

SELECT p FROM clinic.patients p ORDER BY p.id LIMIT 2

SELECT * FROM xmltable('/r' PASSING (SELECT xmlelement(name r, xmlelement(name s, ssn)) FROM clinic.patients WHERE id = 1) COLUMNS s text PATH 's')

SELECT * FROM xmltable('/a/b' PASSING '<a><b>1</b><b>2</b></a>'::xml COLUMNS n FOR ORDINALITY, v int PATH '.')

SELECT a.id, b.id FROM clinic.encounters a JOIN clinic.encounters b ON b.patient_id = a.patient_id AND b.id > a.id ORDER BY 1, 2 LIMIT 5

SELECT ssn, count(*) FROM clinic.patients GROUP BY ssn HAVING count(*) > 1 ORDER BY 1

SELECT id FROM clinic.patients WHERE ssn LIKE '%1' ORDER BY id

EXPLAIN SELECT * FROM clinic.patients WHERE id = 5

EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT count(*) FROM clinic.encounters

EXPLAIN (VERBOSE, COSTS OFF) SELECT p.ssn FROM clinic.patients p JOIN clinic.claims c ON c.patient_id = p.id

BEGIN; DECLARE c SCROLL CURSOR FOR SELECT id, kind FROM clinic.encounters ORDER BY id; FETCH 3 FROM c; FETCH PRIOR FROM c; MOVE FORWARD 2 IN c; FETCH ALL FROM c; CLOSE c; COMMIT

BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT count(*) FROM clinic.patients; SELECT count(*) FROM clinic.claims; COMMIT

BEGIN; SAVEPOINT a; SELECT 1; RELEASE SAVEPOINT a; ROLLBACK

SET statement_timeout = '10s'; SELECT 1; RESET statement_timeout

SET LOCAL work_mem = '8MB'

SET TIME ZONE 'UTC'; SELECT 1; RESET TIME ZONE

SHOW search_path

SET search_path = clinic, public; SELECT count(*) FROM patients; RESET search_path

COPY (SELECT state, count(*) FROM clinic.patients GROUP BY state ORDER BY 1) TO STDOUT WITH (FORMAT csv, HEADER)

COPY clinic.patients TO STDOUT

CREATE TEMP TABLE cohort AS SELECT id, sex, dob FROM clinic.patients WHERE sex = 'female'

SELECT count(*) FROM cohort

CREATE INDEX ON cohort (id)

ANALYZE cohort

SELECT c.id, count(e.id) FROM cohort c LEFT JOIN clinic.encounters e ON e.patient_id = c.id GROUP BY c.id ORDER BY c.id

ALTER TABLE cohort ADD COLUMN flag boolean DEFAULT false

UPDATE cohort SET flag = true WHERE id % 2 = 0

INSERT INTO cohort (id, sex, dob) SELECT id, sex, dob FROM clinic.patients WHERE sex = 'male' LIMIT 3

DELETE FROM cohort WHERE flag

SELECT * FROM cohort ORDER BY id LIMIT 2

DROP TABLE cohort

CREATE TEMP TABLE scratch (id serial PRIMARY KEY, note text NOT NULL DEFAULT 'x', at timestamptz DEFAULT now(), n int CHECK (n > 0) UNIQUE)

INSERT INTO scratch (note, n) VALUES ('a', 1), ('b', 2) RETURNING id, note

INSERT INTO scratch (n) VALUES (1) ON CONFLICT (n) DO UPDATE SET note = excluded.note RETURNING id

MERGE INTO scratch s USING (VALUES (2, 'z'), (3, 'y')) v(n, t) ON s.n = v.n WHEN MATCHED THEN UPDATE SET note = v.t WHEN NOT MATCHED THEN INSERT (note, n) VALUES (v.t, v.n)

TRUNCATE scratch

CREATE TEMP VIEW female AS SELECT id, state FROM clinic.patients WHERE sex = 'female'

SELECT state, count(*) FROM female GROUP BY state ORDER BY state

PREPARE by_state(text) AS SELECT count(*) FROM clinic.patients WHERE state = $1

EXECUTE by_state('MA')

DEALLOCATE by_state

SELECT pg_size_pretty(pg_total_relation_size('clinic.patients'))

SELECT has_table_privilege('clinic.patients', 'select'), current_user, session_user, current_database(), current_schema()

SELECT now() - pg_postmaster_start_time() > interval '0', pg_backend_pid() > 0

SELECT nspname, relname, reltuples FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'clinic' AND relkind = 'r' ORDER BY 1, 2

SELECT schemaname, tablename, attname, null_frac, n_distinct FROM pg_stats WHERE schemaname = 'clinic' ORDER BY 1, 2, 3

SELECT relname, n_live_tup, last_analyze IS NULL FROM pg_stat_user_tables ORDER BY 1

SELECT pid, state, application_name, query FROM pg_stat_activity WHERE datname = current_database() ORDER BY pid

SELECT locktype, mode, granted FROM pg_locks WHERE pid = pg_backend_pid()

LISTEN updates; UNLISTEN *

# Rare forms and wrappers

SELECT * FROM (LATERAL (SELECT 1)) x

SELECT p.id, x.s FROM clinic.patients p, (LATERAL (SELECT p.ssn AS s) x)

SELECT q.s FROM clinic.patients p CROSS JOIN (LATERAL (SELECT p.ssn AS s) q CROSS JOIN generate_series(1,1))

CREATE TEMP RECURSIVE VIEW nums (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM nums WHERE n < 5

CREATE TEMP RECURSIVE VIEW chain (n) AS SELECT id FROM clinic.patients UNION SELECT n FROM chain

EXPLAIN ANALYZE CREATE TEMP TABLE x1 AS SELECT * FROM clinic.patients

EXPLAIN (ANALYZE, VERBOSE) CREATE TEMP TABLE x1 AS SELECT * FROM clinic.patients WITH NO DATA

BEGIN; DECLARE c BINARY SCROLL CURSOR WITH HOLD FOR SELECT ssn, dob FROM clinic.patients; FETCH FIRST FROM c; FETCH LAST IN c; FETCH ABSOLUTE 3 FROM c; FETCH RELATIVE -1 FROM c; FETCH BACKWARD 2 FROM c; FETCH BACKWARD ALL FROM c; FETCH FORWARD ALL FROM c; MOVE BACKWARD ALL IN c; FETCH NEXT c; FETCH 0 FROM c; COMMIT; FETCH -3 FROM c; MOVE c; CLOSE c

BEGIN; DECLARE c INSENSITIVE NO SCROLL CURSOR WITHOUT HOLD FOR SELECT ssn FROM clinic.patients; FETCH 2 c; CLOSE ALL; COMMIT

BEGIN; DECLARE c ASENSITIVE CURSOR FOR SELECT ssn FROM clinic.patients; FETCH ALL IN c; COMMIT

COPY (SELECT ssn FROM clinic.patients) TO STDOUT WITH CSV HEADER FORCE QUOTE ssn

COPY clinic.patients TO STDOUT WITH (FORMAT csv, FORCE_QUOTE (ssn), DELIMITER ';', NULL 'x', QUOTE '"', ESCAPE '\', ENCODING 'UTF8', HEADER true)

COPY clinic.patients TO STDOUT CSV

COPY clinic.patients TO STDOUT DELIMITER AS '|' NULL AS 'n'

COPY (VALUES (1), (2)) TO STDOUT

COPY (TABLE clinic.patients) TO STDOUT

COPY (SELECT 1 UNION SELECT 2) TO STDOUT

SELECT ssn INTO TEMPORARY TABLE si FROM clinic.patients

SELECT ssn, id INTO LOCAL TEMP si FROM clinic.patients

CREATE TEMP TABLE y1 (a, b) ON COMMIT PRESERVE ROWS AS SELECT ssn, id FROM clinic.patients

CREATE TEMP TABLE IF NOT EXISTS y2 AS TABLE clinic.patients WITH NO DATA

CREATE TEMP TABLE y3 AS VALUES (1, 'a')

SELECT sum(id) OVER (ORDER BY dob RANGE BETWEEN '1 year' PRECEDING AND '1 year' FOLLOWING EXCLUDE CURRENT ROW), count(*) OVER (ORDER BY ssn GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES), max(ssn) OVER (ROWS UNBOUNDED PRECEDING EXCLUDE GROUP), min(ssn) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING EXCLUDE NO OTHERS) FROM clinic.patients

SELECT state, zip, grouping(state, zip), count(*) FROM clinic.patients GROUP BY GROUPING SETS ((state, zip), ROLLUP (state), CUBE (zip), ())

SELECT state, zip, count(*) FROM clinic.patients GROUP BY DISTINCT ROLLUP (state, zip), ROLLUP (state, zip)

SELECT (ROW(p.*)::clinic.patients).ssn FROM clinic.patients p

SELECT (ARRAY[p.ssn, p.email])[1:2], (ARRAY[p])[1], ARRAY[[p.ssn], [p.mrn]] FROM clinic.patients p

SELECT p.ssn OPERATOR(pg_catalog.||) p.mrn, 1 OPERATOR(pg_catalog.+) 2, OPERATOR(pg_catalog.-) p.id FROM clinic.patients p

SELECT (DATE '2001-02-16', DATE '2001-12-21') OVERLAPS (dob, dob + 1) FROM clinic.patients

SELECT string_agg(DISTINCT ssn, ',' ORDER BY ssn) FILTER (WHERE id > 5), mode() WITHIN GROUP (ORDER BY last_name), rank('x') WITHIN GROUP (ORDER BY ssn), percentile_disc(0.5) WITHIN GROUP (ORDER BY dob) FROM clinic.patients

SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY(SELECT ssn FROM clinic.patients LIMIT 3))) WITH ORDINALITY AS r(a, b, c)

SELECT * FROM ONLY (clinic.patients) AS p (a, b) TABLESAMPLE bernoulli (100) REPEATABLE (1)

VALUES (1, 2), (3, 4) ORDER BY 1 OFFSET 1 FETCH FIRST ROW ONLY

SELECT DISTINCT ON (state, zip) state, zip, ssn FROM clinic.patients ORDER BY state, zip, id

PREPARE both AS SELECT id, ssn FROM clinic.patients ORDER BY id

CREATE TEMP TABLE prepared AS EXECUTE both

SELECT * FROM prepared ORDER BY id

DEALLOCATE both

SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY k(key, option, n) WHERE i.indrelid = 'clinic.patients'::regclass ORDER BY indexrelid, n

SELECT * FROM unnest((SELECT array_agg(id ORDER BY id) FROM clinic.patients)) x

SELECT (pg_identify_object('pg_class'::regclass, 'clinic.patients'::regclass, 0)).*

SELECT * FROM nums

DISCARD ALL
