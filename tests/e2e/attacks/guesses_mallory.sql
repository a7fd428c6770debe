INSERT INTO evil.probe VALUES ('{mrn}')

INSERT INTO evil.probe VALUES ('{mrn}') ON CONFLICT DO NOTHING

UPDATE evil.probe SET mrn = '{mrn}'

COPY evil.probe FROM STDIN

BEGIN; INSERT INTO evil.probe VALUES ('{mrn}'); SET CONSTRAINTS ALL IMMEDIATE

MERGE INTO evil.probe USING (SELECT '{mrn}' AS m) s ON false WHEN NOT MATCHED THEN INSERT VALUES (s.m)

WITH x AS (INSERT INTO evil.probe VALUES ('{mrn}') RETURNING 1) SELECT * FROM x

CREATE TABLE evil.probe2 (mrn text REFERENCES clinic.patients (mrn))

SET search_path = evil, pg_catalog; SELECT count(*) FROM clinic.patients WHERE ssn = '{ssn}'

EXPLAIN SELECT * FROM clinic.patients WHERE ssn OPERATOR(pg_catalog.=) '{ssn}'
