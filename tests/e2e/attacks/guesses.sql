# Statements with a guess of a protected value: right and wrong guesses must look the same.

SELECT count(*) FROM clinic.patients WHERE ssn = '{ssn}'

SELECT id FROM clinic.patients WHERE ssn LIKE left('{ssn}', 6) || '%'

SELECT count(*) FROM clinic.patients WHERE last_name = '{name}'

SELECT count(*) FROM clinic.patients WHERE last_name ILIKE '{name}'

SELECT count(*) FROM clinic.patients WHERE ssn IN ('{ssn}', 'x')

SELECT count(*) FROM clinic.patients WHERE mrn = ANY (ARRAY['{mrn}'])

SELECT EXISTS (SELECT FROM clinic.patients WHERE email = '{email}')

SELECT '{ssn}' IN (SELECT ssn FROM clinic.patients)

SELECT '{ssn}' = ANY (SELECT ssn FROM clinic.patients)

SELECT count(*) FROM clinic.patients WHERE (ssn, id) = ('{ssn}', 7)

SELECT count(*) FROM clinic.patients WHERE md5(ssn) = md5('{ssn}')

SELECT count(*) FROM clinic.patients p WHERE p::text LIKE '%{ssn}%'

SELECT count(*) FROM clinic.patients p WHERE to_jsonb(p) ->> 'ssn' = '{ssn}'

SELECT count(*) FROM clinic.patients p WHERE (p).ssn = '{ssn}'

SELECT id FROM clinic.patients ORDER BY ssn = '{ssn}', id LIMIT 1

SELECT id FROM clinic.patients ORDER BY (ssn > '{ssn}'), id LIMIT 3

SELECT ssn = '{ssn}' AS yes, count(*) FROM clinic.patients GROUP BY 1

SELECT max(CASE WHEN ssn = '{ssn}' THEN 1 ELSE 0 END) FROM clinic.patients

SELECT count(*) FILTER (WHERE ssn = '{ssn}') FROM clinic.patients

SELECT 1 / (CASE WHEN ssn = '{ssn}' THEN 0 ELSE 1 END) FROM clinic.patients

SELECT count(*) FROM clinic.patients HAVING bool_or(ssn = '{ssn}')

SELECT count(*) FROM clinic.patients p JOIN (VALUES ('{ssn}')) v(s) ON v.s = p.ssn

SELECT count(*) FROM clinic.patients p NATURAL JOIN (VALUES ('{ssn}')) v(ssn)

SELECT count(*) FROM clinic.patients p JOIN (VALUES ('{mrn}')) v(mrn) USING (mrn)

SELECT count(*) FROM (SELECT ssn FROM clinic.patients INTERSECT SELECT '{ssn}') x

SELECT count(*) FROM (SELECT ssn FROM clinic.patients UNION SELECT '{ssn}') x

SELECT count(*) FROM (VALUES ('{ssn}') EXCEPT SELECT ssn FROM clinic.patients) x

SELECT nullif(ssn, '{ssn}') IS NULL, count(*) FROM clinic.patients GROUP BY 1

SELECT rank('{ssn}') WITHIN GROUP (ORDER BY ssn) FROM clinic.patients

SELECT cume_dist('{name}') WITHIN GROUP (ORDER BY last_name) FROM clinic.patients

SELECT count(*) FROM clinic.patients WHERE dob = '{dob}' AND dob <> date_trunc('year', dob)

SELECT count(*) FROM clinic.patient_overview WHERE mrn = '{mrn}'

SELECT count(*) FROM left_by_dba.plain WHERE x = '{ssn}'

SELECT count(*) FROM left_by_dba.computed WHERE a = '{ssn}'

SELECT count(*) FROM left_by_dba.united WHERE n = '{name}'

SELECT count(*) FROM left_by_dba.stored WHERE s = '{ssn}'

SELECT count(*) FROM left_by_dba.aggregated WHERE all_ssn LIKE '%{ssn}%'

SELECT count(*) FROM left_by_dba.json WHERE ssn = '{ssn}'

SELECT count(*) FROM left_by_dba.crosstab WHERE v = '{mrn}'

SELECT count(*) FROM pg_stats WHERE histogram_bounds::text LIKE '%{ssn}%'

SELECT count(*) FROM pg_stats WHERE '{ssn}' = ANY (histogram_bounds::text::text[])

UPDATE clinic.patients SET state = 'XX' WHERE ssn = '{ssn}'

DELETE FROM clinic.patients WHERE ssn = '{ssn}'

UPDATE left_by_dba.plain SET y = y WHERE x = '{ssn}'

INSERT INTO clinic.patients (mrn, first_name, last_name, dob) VALUES ('{mrn}', 'x', 'x', '2000-01-01')

INSERT INTO clinic.patients (mrn, first_name, last_name, dob) VALUES ('{mrn}', 'x', 'x', '2000-01-01') ON CONFLICT DO NOTHING

EXPLAIN SELECT * FROM clinic.patients WHERE mrn = '{mrn}'

EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT * FROM clinic.patients WHERE last_name = '{name}'

EXPLAIN SELECT * FROM clinic.patients WHERE last_name < '{name}'

COPY (SELECT id FROM clinic.patients WHERE ssn = '{ssn}') TO STDOUT

SELECT count(*) FROM clinic.patients TABLESAMPLE SYSTEM (100) WHERE ssn = '{ssn}'

SELECT id FROM clinic.patients WHERE ssn ~ '^{ssn}$' FOR UPDATE

SELECT count(*) OVER (PARTITION BY ssn = '{ssn}') FROM clinic.patients ORDER BY 1

SELECT * FROM generate_series(1, (SELECT count(*) FROM clinic.patients WHERE ssn = '{ssn}'))

WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT count(*) FROM clinic.patients WHERE ssn = '{ssn}')) SELECT max(n) FROM r

SELECT id FROM clinic.patients LIMIT (SELECT count(*) FROM clinic.patients WHERE ssn = '{ssn}')

SELECT jsonb_path_exists(jsonb_agg(p), '$[*] ? (@.ssn == "{ssn}")') FROM clinic.patients p

SELECT count(*) FROM xmltable('//ssn[. = "{ssn}"]' PASSING (SELECT xmlelement(name r, xmlagg(xmlelement(name ssn, ssn))) FROM clinic.patients) COLUMNS s text PATH '.')

SELECT count(*) FROM clinic.patients WHERE external_id::text = '{ssn}' OR contact::text LIKE '%{name}%'

CREATE TEMP TABLE g AS SELECT id FROM clinic.patients WHERE ssn = '{ssn}'

SELECT n_distinct FROM pg_stats WHERE most_common_vals::text LIKE '%{name}%'
