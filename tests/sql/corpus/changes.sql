INSERT INTO notes (id, body) VALUES (1, 'x')

INSERT INTO notes (id, encounter_id, body) SELECT e.id, e.id, p.ssn FROM encounters e JOIN patients p ON p.id = e.patient_id

INSERT INTO notes AS n (id, body) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET body = excluded.body || n.body WHERE n.author = 3

INSERT INTO notes (id, body) VALUES (1, (SELECT ssn FROM patients LIMIT 1)) RETURNING id, body

INSERT INTO providers VALUES (1, 'a', 'b', 'c')

INSERT INTO providers SELECT id, name FROM staff

WITH q AS (SELECT id, ssn FROM patients) INSERT INTO notes (id, body) SELECT id, ssn FROM q

INSERT INTO notes (id, body) VALUES (1, 'x') ON CONFLICT DO NOTHING

UPDATE notes SET body = 'x' WHERE id = 1

UPDATE notes SET body = upper(body), author = author + 1 WHERE encounter_id IN (SELECT id FROM encounters WHERE kind = 'er')

UPDATE notes n SET body = p.ssn FROM encounters e JOIN patients p ON p.id = e.patient_id WHERE e.id = n.encounter_id

UPDATE notes SET (body, author) = (SELECT p.ssn, p.id FROM patients p WHERE p.id = notes.author)

UPDATE notes SET (body, author) = ROW (body || 'x', DEFAULT)

UPDATE patients SET phones[1] = 'x', addr.zip = '0' WHERE id = 1

UPDATE labs SET result = 1 WHERE at > now() RETURNING patient_id

UPDATE ONLY staff SET name = 'x' WHERE manager_id IS NULL

UPDATE patient_names SET last_name = 'x' WHERE id = 1

DELETE FROM notes WHERE author = 1

DELETE FROM notes n USING encounters e, patients p WHERE e.id = n.encounter_id AND p.id = e.patient_id AND p.dob < now() RETURNING n.body, p.ssn

DELETE FROM notes WHERE EXISTS (SELECT 1 FROM encounters e WHERE e.id = notes.encounter_id AND e.ended IS NULL)

WITH gone AS (DELETE FROM notes WHERE id = 1 RETURNING body, author) INSERT INTO providers (id, name) SELECT author, body FROM gone

WITH moved AS (UPDATE encounters SET kind = 'x' WHERE id = 1 RETURNING patient_id) SELECT p.ssn FROM patients p JOIN moved m ON m.patient_id = p.id

MERGE INTO notes n USING patients p ON p.id = n.author WHEN MATCHED AND p.dob IS NULL THEN UPDATE SET body = p.ssn WHEN NOT MATCHED THEN INSERT (id, body) VALUES (p.id, p.mrn)

MERGE INTO notes n USING (SELECT id, last_name AS l FROM patients WHERE sex = 'f') p ON p.id = n.author WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING

SELECT p.id FROM patients p WHERE p.ssn = '1' FOR UPDATE OF p

SELECT nextval('x'::regclass), p.id FROM patients p
