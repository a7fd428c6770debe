SELECT * FROM nosuch

SELECT * FROM nosuch.patients

SELECT * FROM clinic.nosuch

SELECT nosuch FROM patients

SELECT p.nosuch FROM patients p

SELECT patients.nosuch FROM patients

SELECT clinic.patients.nosuch FROM clinic.patients

SELECT x.id FROM patients

SELECT patients.id FROM patients p

SELECT archive.patients.id FROM patients

SELECT 'ä', nosuch FROM patients

SELECT id FROM patients, encounters

SELECT p.id FROM patients p JOIN encounters e ON e.nosuch = p.id

SELECT p.id FROM patients p JOIN encounters e ON e.id = x.id

SELECT 1 FROM patients JOIN notes USING (ssn)

SELECT 1 FROM notes JOIN patients USING (ssn)

SELECT 1 FROM patients, patients

SELECT 1 FROM patients p, encounters p

SELECT q.x FROM encounters e, (SELECT e.kind AS x) q

SELECT 1 FROM encounters e, (SELECT kind) q

SELECT 1 FROM patients p CROSS JOIN (encounters e JOIN notes n ON n.id = p.id)

SELECT 1 FROM patients p, encounters e JOIN notes n ON n.id = p.id

SELECT j.id FROM (patients p JOIN archive.patients a USING (id)) j, notes n WHERE p.id = 1

INSERT INTO notes (nosuch) VALUES (1)

INSERT INTO notes (body) VALUES (author)

INSERT INTO nosuch VALUES (1)

INSERT INTO notes (id, body) SELECT id, nosuch FROM patients

INSERT INTO notes (id) VALUES (1) ON CONFLICT (nosuch) DO NOTHING

INSERT INTO notes (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET nosuch = 1

INSERT INTO notes (id) VALUES (1) RETURNING nosuch

UPDATE notes SET nosuch = 1

UPDATE notes n SET body = notes.author

UPDATE notes SET body = '' WHERE nosuch = 1

UPDATE notes SET body = '' FROM patients p WHERE p.nosuch = notes.id

DELETE FROM notes USING patients p WHERE p.id = x.id

DELETE FROM nosuch

SELECT ssn FROM patients WHERE nosuch = 1

SELECT ssn FROM patients GROUP BY nosuch

SELECT ssn FROM patients ORDER BY nosuch

SELECT ssn FROM patients UNION SELECT kind FROM encounters ORDER BY nosuch

SELECT (SELECT nosuch FROM patients) FROM encounters

WITH q AS (SELECT ssn FROM patients) SELECT dob FROM q

WITH q AS (SELECT ssn FROM patients) SELECT * FROM q, r

WITH b AS (SELECT * FROM a), a AS (SELECT 1) SELECT * FROM b

SELECT "Ssn" FROM patients

SELECT other.clinic.patients.ssn FROM patients

SELECT * FROM other.clinic.patients

SELECT a.b.c.d.e FROM patients

SELECT nosuch.* FROM patients

SELECT *

SELECT count(nosuch) FROM patients

SELECT max(p.nosuch) OVER (PARTITION BY kind) FROM patients p, encounters

SELECT (p).nosuch FROM patients p

SELECT t.z FROM (VALUES (1, 2)) AS t (x, y)

SELECT column3 FROM (VALUES (1, 2)) AS t

SELECT x FROM generate_series(1, 2) g

SELECT e.nosuch FROM jsonb_each('{}') e

SELECT ctid FROM patient_names

SELECT excluded.id FROM notes

INSERT INTO notes (id) VALUES (excluded.id)

TABLE nosuch

COPY nosuch TO STDOUT

COPY (SELECT nosuch FROM patients) TO STDOUT

DROP TABLE nosuch

ALTER TABLE nosuch ADD COLUMN x int

TRUNCATE nosuch

SELECT * FROM patients FOR UPDATE OF nosuch

MERGE INTO notes n USING patients p ON p.nosuch = n.id WHEN MATCHED THEN DELETE

MERGE INTO notes n USING patients p ON p.id = n.id WHEN NOT MATCHED THEN INSERT (id) VALUES (n.id)

DROP VIEW clinic.nosuch

DROP TABLE nosuch.t

COMMENT ON TABLE nosuch IS ''

CREATE INDEX ON nosuch (id)

GRANT SELECT ON nosuch TO public

SELECT (q).nosuch FROM (SELECT 1 AS a) q
