SELECT id, provider_id FROM patients ORDER BY id
SELECT count(*) FROM patients
SELECT p.id FROM patients p WHERE p.id = 3
SELECT p.id, v.cost FROM patients p JOIN visits v ON v.patient_id = p.id ORDER BY v.id
SELECT p.id, count(v.id) FROM patients p LEFT JOIN visits v ON v.patient_id = p.id GROUP BY p.id ORDER BY 1
SELECT twice FROM patients ORDER BY 1
SELECT count(ssn), count(name), count(*) FROM patients
SELECT id FROM patients WHERE ssn IS NULL
SELECT id FROM patients WHERE dob IS NOT NULL ORDER BY id DESC LIMIT 3 OFFSET 1
SELECT extract(year FROM dob) FROM patients WHERE dob >= '1935-01-01' AND dob < '1940-01-01' ORDER BY id
SELECT sum(cost), avg(cost) FROM clinic.visits
SELECT right(ssn, 4) FROM patients WHERE id = 7
SELECT id FROM patients WHERE ctid IS NOT NULL ORDER BY id
SELECT tableoid::regclass, id FROM patients WHERE id = 1
SELECT DISTINCT tableoid::regclass::text FROM people ORDER BY 1
SELECT id FROM ONLY people ORDER BY id
SELECT id FROM ONLY (people) ORDER BY id
SELECT id FROM people * ORDER BY id
SELECT id FROM people
SELECT id, dept FROM providers ORDER BY name
SELECT * FROM providers
TABLE providers
SELECT EXISTS (SELECT FROM patients WHERE id = 4)
SELECT (SELECT count(*) FROM visits v WHERE v.patient_id = p.id) FROM patients p ORDER BY id
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, p.provider_id FROM n JOIN patients p ON p.id = i ORDER BY i
WITH patients AS (SELECT 1 AS id) SELECT * FROM patients
SELECT id FROM patients WHERE length(ssn) = 11 ORDER BY id
SELECT id FROM events WHERE at = '2024-02-04'
SELECT provider_id, count(*) FROM patients GROUP BY provider_id ORDER BY 1
SELECT provider_id, count(ssn) FROM patients GROUP BY ROLLUP (provider_id) ORDER BY 1
SELECT p.id, p.provider_id FROM patients p GROUP BY p.id ORDER BY 1
SELECT id FROM patients ORDER BY id FETCH FIRST 2 ROWS WITH TIES
SELECT j.c FROM (visits v JOIN patients p ON v.patient_id = p.id) AS j(a, b, c, d, e, f, g, h)
SELECT j.a, j.f FROM (visits v JOIN patients p ON v.patient_id = p.id) AS j(a, b, c, d, e, f, g) ORDER BY 1
SELECT id FROM U&"Odd T!00E4ble" UESCAPE '!' ORDER BY id
SELECT"id"FROM"patients"ORDER/**/BY"id"
SELECT id FROM(patients CROSS JOIN(SELECT 1)x)ORDER BY id
