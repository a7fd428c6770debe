-- Each paragraph is one query; the oracle test makes a view of it on a real server.
SELECT * FROM patients

SELECT id, mrn, ssn FROM clinic.patients

SELECT p.* FROM patients p WHERE p.dob < date '1950-01-01'

SELECT patients.ssn FROM patients

SELECT clinic.patients.ssn FROM clinic.patients

SELECT lower(last_name), upper(first_name) || ' ' || last_name FROM patients

SELECT count(*) FROM patients

SELECT count(ssn), count(DISTINCT ssn) FROM patients

SELECT ssn IS NULL AS missing, dob IS NOT NULL FROM patients

SELECT p.last_name, e.kind FROM patients p JOIN encounters e ON e.patient_id = p.id

SELECT p.last_name, e.kind, pr.name FROM patients p, encounters e, providers pr WHERE e.patient_id = p.id AND pr.id = e.provider_id

SELECT id, ssn, archived FROM patients JOIN archive.patients a USING (id, ssn)

SELECT p.id, a.archived FROM clinic.patients p LEFT JOIN archive.patients a USING (id)

SELECT id FROM clinic.patients p RIGHT JOIN archive.patients a USING (id)

SELECT id, p.ssn, a.ssn AS s2 FROM clinic.patients p FULL JOIN archive.patients a USING (id)

SELECT id, ssn FROM clinic.patients NATURAL JOIN archive.patients a

SELECT * FROM diagnoses JOIN (SELECT id AS encounter_id, kind FROM encounters) e USING (encounter_id)

SELECT j.id, j.ssn FROM (clinic.patients p JOIN archive.patients a USING (id, ssn)) AS j

SELECT j.id, p.ssn FROM clinic.patients p JOIN archive.patients a USING (id) AS j

SELECT x, y FROM (patients p CROSS JOIN providers r) AS j (x, y)

SELECT e.id, n.body FROM encounters e LEFT JOIN notes n ON n.encounter_id = e.id AND n.author = e.provider_id

SELECT e.id, s.n FROM encounters e, LATERAL (SELECT count(*) AS n FROM diagnoses d WHERE d.encounter_id = e.id) s

SELECT e.id, s.code FROM encounters e LEFT JOIN LATERAL (SELECT d.code FROM diagnoses d WHERE d.encounter_id = e.id ORDER BY d.rank LIMIT 1) s ON true

SELECT p.id, ph FROM patients p, unnest(p.phones) ph

SELECT p.id, t.ph, t.n FROM patients p, unnest(p.phones) WITH ORDINALITY AS t (ph, n)

SELECT p.id, t.* FROM patients p CROSS JOIN LATERAL jsonb_each(p.doc) AS t

SELECT p.id, k FROM patients p, jsonb_object_keys(p.doc) k

SELECT p.id, e.value ->> 'name' FROM patients p, jsonb_array_elements(p.doc -> 'allergies') e

SELECT r.name, r.severity FROM patients p, jsonb_to_recordset(p.doc -> 'allergies') AS r (name text, severity int)

SELECT g FROM generate_series(1, 10) g

SELECT d::date FROM generate_series(date '2024-01-01', date '2024-02-01', interval '1 day') AS d

SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) WITH ORDINALITY AS t (a, b, c)

SELECT a, b FROM unnest(ARRAY[1, 2], ARRAY['x', 'y']) AS u (a, b)

SELECT encounter, day FROM clinic.recent(5)

SELECT r.day FROM recent(5) r JOIN encounters e ON e.id = r.encounter

SELECT (someone()).ssn

SELECT s.ssn, s.dob FROM someone() s

SELECT * FROM everyone()

SELECT q.a, q.b FROM pairs() AS q (a int, b text)

SELECT initials(p) FROM patients p

SELECT p.initials FROM patients p

SELECT p FROM patients p

SELECT patients FROM patients

SELECT row_to_json(p) FROM patients p

SELECT to_jsonb(p.*) FROM patients p

SELECT p.*::text FROM patients p

SELECT p::text FROM patients p

SELECT (p).ssn, (p.*).dob FROM patients p

SELECT ssn(p) FROM patients p

SELECT p IS NULL, count(p) FROM patients p GROUP BY 1

SELECT (p.addr).zip, (addr).city FROM patients p

SELECT (p.addr).* FROM patients p

SELECT phones[1], phones[1:2] FROM patients

SELECT doc ->> 'race', doc #>> '{contact,email}', doc['a']['b'] FROM patients

SELECT ROW(p.ssn, p.dob), ROW(p.*) FROM patients p

SELECT ARRAY[ssn, mrn] FROM patients

SELECT ARRAY(SELECT d.code FROM diagnoses d WHERE d.encounter_id = e.id) FROM encounters e

SELECT (SELECT last_name FROM patients p WHERE p.id = e.patient_id) FROM encounters e

SELECT id FROM patients p WHERE EXISTS (SELECT 1 FROM encounters e WHERE e.patient_id = p.id)

SELECT id FROM patients WHERE id IN (SELECT patient_id FROM encounters WHERE kind = 'er')

SELECT id FROM patients WHERE (ssn, dob) IN (SELECT ssn, archived FROM archive.patients)

SELECT id FROM patients WHERE id = ANY (SELECT patient_id FROM encounters)

SELECT id FROM patients WHERE id <> ALL (SELECT patient_id FROM medications WHERE dose > 5)

SELECT id FROM patients WHERE (ssn, dob) = (SELECT ssn, archived FROM archive.patients LIMIT 1)

SELECT id FROM patients WHERE id = ANY (ARRAY[1, 2, 3])

SELECT id FROM patients WHERE ssn LIKE '1%' OR last_name ILIKE 'a%' OR mrn SIMILAR TO 'M1%'

SELECT id FROM patients WHERE dob BETWEEN date '1950-01-01' AND date '1960-01-01'

SELECT id FROM patients WHERE ssn IS DISTINCT FROM '1'

SELECT nullif(ssn, ''), coalesce(ssn, mrn), greatest(dob, created::date) FROM patients

SELECT CASE WHEN dob < date '1940-01-01' THEN 'old' ELSE sex::text END FROM patients

SELECT CASE sex WHEN 'f' THEN ssn ELSE mrn END AS what FROM patients

SELECT extract(year FROM dob), date_part('month', dob), date_trunc('year', dob) FROM patients

SELECT age(dob), dob + 1, dob::timestamp AT TIME ZONE 'UTC' FROM patients

SELECT substring(ssn FROM 1 FOR 3), position('-' IN ssn), trim(both ' ' FROM ssn), overlay(ssn PLACING 'xxx' FROM 1) FROM patients

SELECT ssn COLLATE "C" FROM patients ORDER BY last_name COLLATE "C"

SELECT last_name AS name FROM patients ORDER BY name

SELECT last_name, dob FROM patients ORDER BY 2 DESC NULLS LAST

SELECT upper(last_name) AS ssn FROM patients ORDER BY ssn

SELECT upper(last_name) AS ssn FROM patients ORDER BY ssn || ''

SELECT kind, count(*) FROM encounters GROUP BY kind

SELECT kind AS k, sum(charge) FROM encounters GROUP BY k HAVING sum(charge) > 10

SELECT date_trunc('month', started) AS m, avg(charge) FROM encounters GROUP BY 1 ORDER BY 1

SELECT upper(kind) AS kind, count(*) FROM encounters GROUP BY kind

SELECT p.id, p.last_name, count(e.id) FROM patients p LEFT JOIN encounters e ON e.patient_id = p.id GROUP BY p.id

SELECT kind, provider_id, sum(charge) FROM encounters GROUP BY GROUPING SETS ((kind), (provider_id), ())

SELECT kind, provider_id, grouping(kind), sum(charge) FROM encounters GROUP BY ROLLUP (kind, provider_id)

SELECT kind, provider_id, sum(charge) FROM encounters GROUP BY CUBE (kind, (provider_id, patient_id))

SELECT kind, count(*) FILTER (WHERE charge > 100) FROM encounters GROUP BY DISTINCT kind

SELECT string_agg(code, ',' ORDER BY rank), array_agg(DISTINCT code) FROM diagnoses GROUP BY encounter_id

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY charge), mode() WITHIN GROUP (ORDER BY kind) FROM encounters

SELECT rank(5) WITHIN GROUP (ORDER BY charge) FROM encounters

SELECT rank() OVER (PARTITION BY patient_id ORDER BY started DESC), id FROM encounters

SELECT sum(charge) OVER w, lag(kind) OVER w FROM encounters WINDOW w AS (PARTITION BY patient_id ORDER BY started)

SELECT sum(charge) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM encounters WINDOW w AS (ORDER BY started)

SELECT first_value(reason) OVER (ORDER BY started) FROM encounters

SELECT DISTINCT kind FROM encounters

SELECT DISTINCT ON (patient_id) patient_id, started, kind FROM encounters ORDER BY patient_id, started DESC

SELECT id FROM encounters ORDER BY started FETCH FIRST 5 ROWS ONLY

SELECT id FROM encounters ORDER BY started FETCH FIRST 5 ROWS WITH TIES

SELECT id FROM encounters LIMIT (SELECT count(*) FROM providers) OFFSET 2

SELECT ssn FROM patients UNION SELECT ssn FROM archive.patients

SELECT ssn, dob FROM patients UNION ALL SELECT ssn, archived FROM archive.patients ORDER BY 1

SELECT id FROM patients INTERSECT SELECT patient_id FROM encounters

SELECT id FROM patients EXCEPT ALL SELECT id FROM archive.patients

(SELECT id FROM patients ORDER BY dob LIMIT 3) UNION ALL (SELECT id FROM archive.patients ORDER BY archived LIMIT 3)

SELECT id AS x FROM patients UNION SELECT 1 UNION SELECT id FROM providers ORDER BY x

VALUES (1, 'a'), (2, 'b')

VALUES ((SELECT max(dob) FROM patients))

SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, 'y')) AS v (a, b)

SELECT p.last_name, v.label FROM patients p JOIN (VALUES ('f'::sex, 'female'), ('m', 'male')) v (code, label) ON v.code = p.sex

TABLE providers

SELECT * FROM ONLY staff

SELECT name FROM staff

SELECT * FROM physicians

SELECT id, result FROM labs

SELECT id, result FROM labs_2024

SELECT * FROM labs TABLESAMPLE BERNOULLI (10) REPEATABLE (5)

WITH recent_ones AS (SELECT * FROM encounters WHERE started > now() - interval '1 day') SELECT patient_id, kind FROM recent_ones

WITH a AS (SELECT id, ssn FROM patients), b AS (SELECT id, ssn FROM a WHERE ssn IS NOT NULL) SELECT b.ssn FROM b JOIN a ON a.id = b.id

WITH patients AS (SELECT id, last_name FROM clinic.patients) SELECT last_name FROM patients

WITH t (a, b) AS (SELECT ssn, dob FROM patients) SELECT b FROM t

WITH unused AS (SELECT ssn FROM patients) SELECT id FROM providers

WITH x AS MATERIALIZED (SELECT kind FROM encounters) SELECT kind FROM x GROUP BY kind

WITH RECURSIVE up AS (SELECT id, name, manager_id FROM staff WHERE id = 1 UNION ALL SELECT s.id, s.name, s.manager_id FROM staff s JOIN up ON s.id = up.manager_id) SELECT name FROM up

WITH RECURSIVE up (id, path) AS (SELECT id, ARRAY[name] FROM staff UNION SELECT s.id, up.path || s.name FROM staff s, up WHERE s.manager_id = up.id) SELECT path FROM up

WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n

WITH RECURSIVE b AS (SELECT id FROM a), a AS (SELECT id FROM patients) SELECT id FROM b

WITH RECURSIVE s AS (SELECT id, manager_id FROM staff UNION ALL SELECT t.id, t.manager_id FROM staff t JOIN s ON t.manager_id = s.id) SEARCH DEPTH FIRST BY id SET o SELECT id FROM s ORDER BY o

WITH RECURSIVE s AS (SELECT id, manager_id FROM staff UNION ALL SELECT t.id, t.manager_id FROM staff t JOIN s ON t.manager_id = s.id) CYCLE id SET looped USING path SELECT id, looped FROM s

SELECT (WITH q AS (SELECT max(charge) AS m FROM encounters) SELECT m FROM q)

SELECT x.a FROM (SELECT last_name AS a FROM (SELECT last_name, dob FROM patients) y) x

SELECT q.s FROM (SELECT p AS s FROM patients p) q

SELECT (q.s).ssn FROM (SELECT p AS s FROM patients p) q

SELECT (q.s).* FROM (SELECT a AS s FROM archive.patients a) q

SELECT id, last_name FROM patient_names

SELECT ssn, visits FROM risky WHERE visits > 3

SELECT code FROM risky_names

SELECT month, n FROM monthly

SELECT ctid, tableoid::regclass, xmin FROM patients

SELECT p.ctid, id FROM patients p

SELECT id FROM patients WHERE mrn = 'M1' AND sex = 'f'::clinic.sex

SELECT id FROM notes WHERE search @@ to_tsquery('fever')

SELECT ts_headline(body, plainto_tsquery('fever')) FROM notes

SELECT id FROM medications WHERE period @> current_date AND NOT isempty(period)

SELECT lower(period), upper(period) FROM medications

SELECT xpath('/a', xmldoc), xmlelement(name foo, xmlattributes(author AS who), body) FROM notes

SELECT xmlforest(author, body AS b), xmlconcat(xmldoc, xmldoc), xmlserialize(content xmldoc AS text) FROM notes

SELECT x.drug FROM notes n, XMLTABLE('/rx' PASSING n.xmldoc COLUMNS drug text PATH 'd', pos FOR ORDINALITY) x

SELECT jt.name, jt.sev FROM patients p, JSON_TABLE(p.doc, '$.allergies[*]' COLUMNS (name text PATH '$.n', NESTED PATH '$.s[*]' COLUMNS (sev int PATH '$'))) jt

SELECT JSON_VALUE(doc, '$.race'), JSON_EXISTS(doc, '$.a'), JSON_QUERY(doc, '$.b' WITH WRAPPER) FROM patients

SELECT JSON_OBJECT('ssn' : ssn, 'dob' : dob), JSON_ARRAY(ssn, mrn) FROM patients

SELECT JSON_ARRAYAGG(last_name ORDER BY dob), JSON_OBJECTAGG(mrn : ssn) FROM patients

SELECT JSON_ARRAY(SELECT code FROM diagnoses)

SELECT doc IS JSON OBJECT FROM patients

SELECT current_user, current_date, current_timestamp, localtime, current_schema

SELECT bmi(m.dose, 1.8) FROM medications m

SELECT clinic.bmi(height => 1.8, weight => m.dose) FROM medications m

SELECT concat(VARIADIC phones), format('%s', ssn) FROM patients

SELECT a.id FROM clinic.patients, archive.patients a WHERE clinic.patients.ssn = a.ssn

SELECT clinic.patients.last_name, archive.patients.archived FROM clinic.patients, archive.patients WHERE clinic.patients.id = archive.patients.id

SELECT last_name FROM clinic.patients WHERE EXISTS (SELECT 1 FROM archive.patients WHERE archive.patients.ssn = clinic.patients.ssn)

SELECT e.*, d.code FROM encounters e JOIN diagnoses d ON d.encounter_id = e.id JOIN billing.claims c ON c.encounter_id = e.id WHERE c.status = 'open'

SELECT c.payer, sum((l ->> 'amount')::numeric) FROM billing.claims c, jsonb_array_elements(c.lines) l GROUP BY c.payer

SELECT p.last_name, (SELECT count(*) FROM encounters e WHERE e.patient_id = p.id AND EXISTS (SELECT 1 FROM diagnoses d WHERE d.encounter_id = e.id AND d.noted > p.dob)) FROM patients p

SELECT p.id FROM patients p WHERE p.id NOT IN (SELECT e.patient_id FROM encounters e JOIN diagnoses d ON d.encounter_id = e.id WHERE d.code LIKE 'E11%')

SELECT kind, avg(ended - started) AS los, stddev(charge), corr(charge, id) FROM encounters WHERE ended IS NOT NULL GROUP BY kind

SELECT width_bucket(charge, 0, 1000, 10) AS b, count(*), min(charge) FROM encounters GROUP BY b ORDER BY b

SELECT p.sex, percentile_disc(ARRAY[0.25, 0.5]) WITHIN GROUP (ORDER BY e.charge) FROM encounters e JOIN patients p ON p.id = e.patient_id GROUP BY p.sex

SELECT t.id, t.n FROM (SELECT id, row_number() OVER (PARTITION BY patient_id ORDER BY started DESC) AS n FROM encounters) t WHERE t.n = 1

SELECT a.patient_id, b.started - a.ended FROM encounters a JOIN encounters b ON b.patient_id = a.patient_id AND b.started > a.ended

SELECT p.id, p.ssn FROM patients p WHERE p.ssn IN (SELECT ssn FROM patients GROUP BY ssn HAVING count(*) > 1)

SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'clinic'

SELECT column_name FROM information_schema.columns WHERE table_name = 'patients'

SELECT "id", "last_name" AS "Last Name" FROM "clinic"."patients" AS "P P"

SELECT U&"\0073sn" FROM patients

SELECT hospital.clinic.patients.ssn FROM hospital.clinic.patients

SELECT id FROM patients p (pk) JOIN archive.patients a ON a.id = p.pk

SELECT pk, mrn FROM patients p (pk)

SELECT n.nspname AS id FROM pg_namespace n GROUP BY n.nspname ORDER BY id

SELECT kind, sum(charge) AS s FROM encounters GROUP BY kind ORDER BY sum(charge) DESC, s

SELECT patient_id, count(*) FROM encounters GROUP BY patient_id HAVING max(started) < now() ORDER BY min(started)

SELECT s.x FROM patients p, LATERAL (SELECT p.ssn AS x) s

SELECT NOT (ssn = '1' AND dob IS NULL) FROM patients

SELECT (ssn = '1') IS TRUE, (dob > now()) IS NOT UNKNOWN FROM patients

SELECT 1 WHERE EXISTS (SELECT FROM patients WHERE dob IS NULL)

SELECT FROM patients

SELECT m.* FROM (SELECT * FROM medications) m JOIN LATERAL (SELECT 1) z ON true

SELECT sex::text COLLATE "C", (dob)::text, CAST(ssn AS varchar(3)), date '2024-01-01' FROM patients

SELECT interval '1' day * rank FROM diagnoses

WITH RECURSIVE q AS (SELECT ssn AS s FROM patients UNION SELECT ssn FROM archive.patients ORDER BY s LIMIT 3) SELECT s FROM q

SELECT x.a FROM (VALUES ((SELECT ssn FROM patients LIMIT 1))) AS x (a), archive.patients y, LATERAL (VALUES (y.ssn)) AS z (b)

SELECT * FROM patients p, unnest(p.phones[1:2], coalesce(p.phones, ARRAY[p.ssn]), array_remove(p.phones, 'x') || p.mrn) AS t

SELECT id, o FROM unnest(ARRAY[1]) WITH ORDINALITY AS t (o, id) RIGHT JOIN archive.patients a USING (id)

SELECT x.ssn, x."case", x.mrn FROM (SELECT (SELECT * FROM (SELECT ssn FROM patients) a), (SELECT CASE WHEN true THEN dob END FROM patients), (SELECT mrn::text FROM patients)::text) x

SELECT u.* FROM patients p, unnest(ARRAY[p.id, nullif(2, 1 + 1)], ARRAY(SELECT substring(code FROM 1 FOR 2) FROM diagnoses), (SELECT array_agg(upper(kind)) FROM encounters)) AS u
