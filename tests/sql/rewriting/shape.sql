SELECT * FROM patients
SELECT * FROM clinic.patients
SELECT p.* FROM patients AS p
SELECT p FROM patients p
SELECT patients FROM patients
SELECT clinic.patients.ssn, clinic.patients.id FROM clinic.patients
SELECT clinic.patients.* FROM clinic.patients
SELECT patients.ssn FROM clinic.patients
SELECT row_to_json(p) FROM patients p
SELECT to_jsonb(patients.*) FROM patients
SELECT json_agg(p) FROM patients p
SELECT json_agg(p ORDER BY p.id) FROM patients p
SELECT row(p.*)::text FROM patients p
SELECT p::text FROM patients p
SELECT (p).ssn, (p).id FROM patients p
SELECT (p.*).name FROM patients p
SELECT p.ssn || '!' FROM patients p
SELECT upper(name), initcap(note) FROM patients
SELECT name(p) FROM patients p
SELECT ssn, name, dob, zip, age, balance, ext, doc, sex, tags, note, seen, bin, raw FROM patients
SELECT mrn FROM patients
SELECT home FROM patients
SELECT (home).street FROM patients
SELECT doc ->> 'k', doc -> 'k', doc @> '{"k": 1}' FROM patients
SELECT tags[1], tags[1:2], unnest(tags) FROM patients
SELECT id, ssn FROM patients WHERE ssn LIKE '%0007'
SELECT id FROM patients WHERE ssn ~ '^[0-9]'
SELECT max(ssn), min(name), max(dob), avg(age), sum(balance) FROM patients
SELECT array_agg(ssn), string_agg(name, ',') FROM patients
SELECT array_agg(ssn ORDER BY dob) FILTER (WHERE id > 3) FROM patients
SELECT dob, count(*) FROM patients GROUP BY dob
SELECT extract(year FROM dob) AS y, count(*) FROM patients GROUP BY y ORDER BY y
SELECT date_trunc('month', dob), age(dob) IS NULL FROM patients
SELECT zip, count(*) FROM patients GROUP BY 1 ORDER BY 2 DESC
SELECT DISTINCT zip FROM patients
SELECT DISTINCT ON (zip) zip, ssn FROM patients ORDER BY zip, id
SELECT ssn FROM patients ORDER BY dob DESC NULLS LAST
SELECT ssn AS x FROM patients ORDER BY x
SELECT ssn FROM patients ORDER BY 1
SELECT id, ssn, rank() OVER (PARTITION BY zip ORDER BY dob) FROM patients
SELECT id, lag(ssn) OVER w FROM patients WINDOW w AS (ORDER BY id)
SELECT p.id, p.ssn, p.name FROM patients p GROUP BY p.id
SELECT p.id, p.ssn, p.name, count(v.id) FROM patients p JOIN visits v ON v.patient_id = p.id GROUP BY p.id
SELECT p.id, p.ssn, count(*) FROM patients p JOIN visits v ON v.patient_id = p.id GROUP BY 1
SELECT id AS k, ssn, count(*) FROM patients GROUP BY k HAVING count(*) > 0 ORDER BY name
SELECT ssn, id FROM patients GROUP BY DISTINCT (id)
SELECT ssn, id FROM patients GROUP BY ALL id
SELECT upper(p.name) FROM patients p GROUP BY p.id
SELECT ssn FROM patients UNION SELECT remark FROM visits
SELECT ssn FROM patients INTERSECT SELECT ssn FROM patients
(SELECT ssn FROM patients) EXCEPT (SELECT 'x')
TABLE patients
TABLE ONLY patients
TABLE patients *
(TABLE patients) UNION ALL (TABLE patients)
SELECT * FROM (TABLE patients) x
WITH x AS (SELECT * FROM patients) SELECT ssn FROM x
WITH x AS MATERIALIZED (SELECT ssn, id FROM patients) SELECT * FROM x JOIN patients USING (id)
WITH patients AS (SELECT * FROM patients) SELECT ssn FROM patients
WITH x(a, b) AS (SELECT ssn, name FROM patients) SELECT a, b FROM x
WITH RECURSIVE r AS (SELECT id, ssn FROM patients WHERE id = 1 UNION ALL SELECT p.id, p.ssn FROM r JOIN patients p ON p.id = r.id + 1) SELECT * FROM r
SELECT * FROM patients p(a, b, c)
SELECT a, c, d FROM patients AS p(a, b, c, d)
SELECT p.b FROM patients p(a, b)
SELECT * FROM patients p NATURAL JOIN visits v
SELECT * FROM patients JOIN providers ON providers.id = provider_id
SELECT * FROM patients p JOIN visits v USING (id)
SELECT p.ssn, q.ssn FROM patients p, patients q WHERE p.id = q.id + 1
SELECT p.ssn, q.name FROM patients p FULL JOIN overview q USING (id)
SELECT j.* FROM (patients p JOIN visits v USING (id)) AS j
SELECT j FROM (patients p JOIN visits v USING (id)) AS j
SELECT clinic.patients.ssn, other.patients.ssn FROM clinic.patients, other.patients
SELECT clinic.patients.ssn, other.patients.ssn FROM clinic.patients JOIN other.patients ON clinic.patients.id = other.patients.id
SELECT l.ssn FROM visits v, LATERAL (SELECT ssn FROM patients p WHERE p.id = v.patient_id) l
SELECT l.* FROM patients p CROSS JOIN LATERAL (SELECT p.ssn, p.name) l
SELECT u FROM patients p, LATERAL unnest(ARRAY[p.ssn, p.name]) u
SELECT k, v FROM patients p, jsonb_each_text(to_jsonb(p)) AS e(k, v)
SELECT (SELECT p.ssn) FROM patients p
SELECT ARRAY(SELECT ssn FROM patients)
SELECT id FROM patients WHERE ssn IN (SELECT ssn FROM patients WHERE id < 5)
SELECT id FROM patients p WHERE EXISTS (SELECT 1 FROM visits WHERE patient_id = p.id AND remark = p.note)
SELECT CASE WHEN age > 80 THEN ssn ELSE name END FROM patients
SELECT coalesce(ssn, name, 'none'), nullif(ssn, name), greatest(ssn, name) FROM patients
SELECT ssn::text, dob::text, age::text, cast(zip AS varchar), balance::float8 FROM patients
SELECT ssn COLLATE "C" FROM patients ORDER BY name COLLATE "C"
SELECT id, ctid, ssn FROM patients
SELECT ssn FROM patients FOR UPDATE
SELECT p.ssn FROM patients p JOIN visits v ON v.patient_id = p.id FOR NO KEY UPDATE OF p SKIP LOCKED
SELECT ssn FROM patients TABLESAMPLE bernoulli (100)
SELECT p.ssn FROM patients AS p TABLESAMPLE system (100) REPEATABLE (3)
SELECT a, c FROM ONLY (clinic.patients) p(a, b, c)TABLESAMPLE bernoulli(100)WHERE a = 1
SELECT * FROM overview
SELECT o.ssn FROM clinic.overview o WHERE o.id = 1
SELECT * FROM frozen
SELECT * FROM events
SELECT * FROM events_2024
SELECT body FROM events WHERE at > '2024-02-03'
SELECT * FROM people
SELECT secret, tableoid::regclass FROM people
SELECT * FROM ONLY people
SELECT * FROM staff
SELECT "Se""cret", t FROM "Odd Täble"
SELECT "t" FROM clinic."Odd Täble" AS "t"
SELECT t FROM "Odd Täble" t
SELECT * FROM U&"Odd T\00E4ble"
SELECT x."Se""cret" FROM U&"Odd T!00E4ble" UESCAPE '!' AS x
SELECT ssn FROM/**/patients/* p */WHERE id=1
SELECT ssn FROM clinic . /* a */ patients -- b
SELECT patients . ssn FROM clinic.patients
SELECT clinic . patients /* x */ . ssn FROM clinic.patients
SELECT"ssn"FROM"patients"WHERE"id"=1
SELECT ssn FROM "clinic"."patients"p
SELECT SSN, Name FROM PATIENTS
SELECT current_database.clinic.patients.ssn FROM patients WHERE false
VALUES ((SELECT ssn FROM patients WHERE id = 1))
EXPLAIN SELECT * FROM patients WHERE ssn = 'x'
EXPLAIN (VERBOSE, COSTS OFF) SELECT ssn FROM patients
EXPLAIN ANALYZE SELECT ssn FROM patients WHERE id = 3
INSERT INTO scratch SELECT id, ssn FROM patients RETURNING body
UPDATE scratch s SET body = p.ssn FROM patients p WHERE p.id = s.id RETURNING s.body, p.name
DELETE FROM scratch s USING patients p WHERE p.id = s.id RETURNING p.ssn
MERGE INTO scratch s USING patients p ON p.id = s.id WHEN MATCHED THEN UPDATE SET body = p.name
MERGE INTO scratch s USING patients ON patients.id = s.id WHEN MATCHED THEN DELETE RETURNING patients.ssn
WITH moved AS (INSERT INTO scratch SELECT id, name FROM patients RETURNING *) SELECT * FROM moved
COPY patients TO STDOUT
COPY patients (ssn, id) TO STDOUT
COPY patients(id,ssn)TO STDOUT WITH (FORMAT csv, HEADER)
COPY clinic.patients TO STDOUT (FORMAT binary)
COPY patients TO STDOUT CSV HEADER
COPY patients (id, provider_id) TO STDOUT
COPY (SELECT ssn FROM patients) TO STDOUT
COPY (TABLE patients) TO STDOUT
COPY people TO STDOUT
COPY frozen TO STDOUT
CREATE TEMP TABLE copied AS SELECT * FROM patients
CREATE TEMP TABLE copied AS TABLE patients
SELECT * INTO TEMP copied FROM patients
CREATE TEMP VIEW copied AS SELECT ssn FROM patients
DECLARE c CURSOR FOR SELECT ssn FROM patients
PREPARE q AS SELECT ssn FROM patients WHERE id = 1
SELECT j.c FROM (patients p JOIN visits v USING (id)) AS j(a, b, c)
SELECT j.c FROM (visits v JOIN patients p ON v.patient_id = p.id) AS j(a, b, c, d, e, f, g, h)
UPDATE scratch SET (id, body) = (SELECT id, ssn FROM patients p WHERE p.id = scratch.id) RETURNING *
DECLARE c CURSOR FOR SELECT id, ssn FROM patients FOR UPDATE; FETCH 1 FROM c; UPDATE patients SET provider_id = 2 WHERE CURRENT OF c
SELECT ssn FROM patients WHERE id = 1; SELECT p FROM patients p
SELECT p.ssn FROM current_database.clinic.patients p
SELECT current_database.clinic.patients.* FROM current_database.clinic.patients
COPY current_database.clinic.patients (ssn) TO STDOUT
SELECT p.* IS NOT NULL, p.* IS DISTINCT FROM NULL FROM patients p
SELECT count(p), count(p.*), count(DISTINCT p.ssn) FROM patients p
SELECT ssn FROM patients WHERE (SELECT true)
SELECT (SELECT max(q.ssn) FROM patients q WHERE q.dob = p.dob) FROM patients p GROUP BY p.id
SELECT ssn, row_number() OVER () FROM patients ORDER BY id OFFSET 3 ROWS FETCH NEXT 2 ROWS ONLY
