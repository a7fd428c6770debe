-- 1. A derived table in place of the relation, its columns qualified
SELECT ssn FROM patients
-> SELECT ssn FROM (SELECT <ssn> AS "ssn" FROM "clinic"."patients" AS t) AS "patients"

SELECT ssn FROM ONLY patients TABLESAMPLE system (50)
-> SELECT ssn FROM (SELECT <ssn> AS "ssn" FROM ONLY "clinic"."patients" AS t  TABLESAMPLE system (50)) AS "patients"

SELECT (SELECT p.ssn FROM patients LIMIT 1) FROM patients p
-> SELECT (SELECT p.ssn FROM (SELECT FROM "clinic"."patients" AS t) AS "patients" LIMIT 1) FROM (SELECT <ssn> AS "ssn" FROM "clinic"."patients" AS t) p

-- 2. Only the columns that are referred to
SELECT count(*) FROM patients
-> SELECT count(*) FROM "clinic".patients

SELECT p.id, p.ssn FROM patients p
-> SELECT p.id, p.ssn FROM (SELECT t."id", <ssn> AS "ssn" FROM "clinic"."patients" AS t) p

SELECT * FROM notes
-> SELECT * FROM (SELECT t."id", t."encounter_id", t."patient_id", t."author_id", t."written_at", <body> AS "body" FROM "clinic"."notes" AS t) AS "notes"

SELECT n FROM notes n
-> SELECT n FROM (SELECT t."id", t."encounter_id", t."patient_id", t."author_id", t."written_at", <body> AS "body" FROM "clinic"."notes" AS t) n

SELECT ssn FROM patients NATURAL JOIN (SELECT 1 AS id) x
-> SELECT ssn FROM (SELECT t."id", t."mrn", <ssn> AS "ssn", t."first_name", <last_name> AS "last_name", t."dob", t."sex", t."phone", t."email", t."address", t."city", t."state", t."zip", t."insurance_id", t."contact", t."allergies", t."created_at", t."external_id" FROM "clinic"."patients" AS t) AS "patients" NATURAL JOIN (SELECT 1 AS id) x

-- 3. Typed masks that keep NULL
SELECT ssn IS NULL FROM patients
-> SELECT ssn IS NULL FROM (SELECT <ssn> AS "ssn" FROM "clinic"."patients" AS t) AS "patients"

-- 4. The name's extent
SELECT ssn FROM ONLY (patients)
-> SELECT ssn FROM (SELECT <ssn> AS "ssn" FROM ONLY "clinic"."patients" AS t) AS "patients"

SELECT ssn FROM patients * AS p
-> SELECT ssn FROM (SELECT <ssn> AS "ssn" FROM "clinic"."patients" AS t) AS p

TABLE notes
-> SELECT * FROM (SELECT t."id", t."encounter_id", t."patient_id", t."author_id", t."written_at", <body> AS "body" FROM "clinic"."notes" AS t) AS "notes"

SELECT ssn FROM U&"clin!0069c" UESCAPE '!' /* a */ . /* b */ patients
-> SELECT ssn FROM (SELECT <ssn> AS "ssn" FROM "clinic"."patients" AS t) AS "patients"

-- 5. Aliases
SELECT clinic.patients.ssn, patients.id FROM clinic.patients
-> SELECT patients.ssn, patients.id FROM (SELECT t."id", <ssn> AS "ssn" FROM "clinic"."patients" AS t) AS "patients"

SELECT a.ssn FROM clinic.patients a, patients
-> SELECT a.ssn FROM (SELECT <ssn> AS "ssn" FROM "clinic"."patients" AS t) a, (SELECT FROM "clinic"."patients" AS t) AS "patients"

-- 6. System columns
SELECT ctid, ssn FROM patients
-> SELECT ctid, ssn FROM (SELECT <ssn> AS "ssn", t.ctid AS "ctid" FROM "clinic"."patients" AS t) AS "patients"

SELECT ctid, * FROM patients
-> ERROR 0A000: ctid together with all columns of the masked relation clinic.patients is not supported

-- 7. GROUP BY the primary key
SELECT id, ssn, count(*) FROM patients GROUP BY id
-> SELECT id, ssn, count(*) FROM (SELECT t."id", <ssn> AS "ssn" FROM "clinic"."patients" AS t) AS "patients" GROUP BY "patients"."ssn", id

SELECT p.id AS x, p.ssn FROM patients p GROUP BY DISTINCT 1
-> SELECT p.id AS x, p.ssn FROM (SELECT t."id", <ssn> AS "ssn" FROM "clinic"."patients" AS t) p GROUP BY DISTINCT "p"."ssn", 1

SELECT id, ssn FROM patients GROUP BY GROUPING SETS ((id), ())
-> ERROR 42501: columns of the masked relation clinic.patients depend on its primary key in GROUP BY

-- 8. COPY
COPY notes TO STDOUT
-> COPY (SELECT t."id", t."encounter_id", t."patient_id", t."author_id", t."written_at", <body> AS "body" FROM ONLY "clinic"."notes" AS t) TO STDOUT

COPY patients (id, ssn) TO STDOUT (FORMAT csv)
-> COPY (SELECT t."id", <ssn> AS "ssn" FROM ONLY "clinic"."patients" AS t) TO STDOUT (FORMAT csv)

-- 9. Locks and cursors
SELECT ssn FROM patients FOR UPDATE OF patients
-> SELECT ssn FROM (SELECT <ssn> AS "ssn" FROM "clinic"."patients" AS t) AS "patients" FOR UPDATE OF patients

DELETE FROM notes WHERE CURRENT OF c
-> DELETE FROM "clinic".notes WHERE CURRENT OF c

-- 10. Every name is pinned
SELECT id FROM providers
-> SELECT id FROM "clinic".providers

SELECT e.id, p.ssn FROM encounters e, patients p
-> SELECT e.id, p.ssn FROM "clinic".encounters e, (SELECT <ssn> AS "ssn" FROM "clinic"."patients" AS t) p

SELECT id FROM nowhere
-> ERROR 42P01: relation "nowhere" does not exist

-- 11. Names of built-in functions that somebody overloaded are pinned: tests/sql/test_functions.py
-- 12. Targets of writes
UPDATE patients SET last_name = 'x' WHERE id = 1
-> ERROR 42501: updating clinic.patients.last_name is not allowed for analyst, who sees masked values there

UPDATE patients SET sex = 'x' WHERE ssn = '1'
-> ERROR 42501: the statement reads clinic.patients.ssn in the table it writes, and analyst may see that masked only

UPDATE patients SET sex = ssn WHERE id = 1
-> ERROR 42501: the statement reads clinic.patients.ssn in the table it writes, and analyst may see that masked only

UPDATE patients SET sex = 'x' WHERE id = 1 RETURNING *
-> ERROR 42501: the statement reads clinic.patients.ssn and clinic.patients.last_name in the table it writes, and analyst may see that masked only

UPDATE patients p SET sex = 'x' WHERE id = 1 RETURNING p
-> ERROR 42501: the statement reads clinic.patients.ssn and clinic.patients.last_name in the table it writes, and analyst may see that masked only

DELETE FROM patients WHERE ssn LIKE '1%'
-> ERROR 42501: the statement reads clinic.patients.ssn in the table it writes, and analyst may see that masked only

INSERT INTO patients (id, ssn) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET ssn = excluded.ssn
-> ERROR 42501: updating clinic.patients.ssn is not allowed for analyst, who sees masked values there

INSERT INTO patients (id, ssn) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET sex = patients.ssn
-> ERROR 42501: the statement reads clinic.patients.ssn in the table it writes, and analyst may see that masked only (and 1 more)

INSERT INTO patients (id, ssn) VALUES (1, 'x') RETURNING ssn
-> ERROR 42501: the statement reads clinic.patients.ssn in the table it writes, and analyst may see that masked only

MERGE INTO patients p USING (SELECT 1 AS id) s ON p.ssn = s.id::text WHEN MATCHED THEN DELETE
-> ERROR 42501: the statement reads clinic.patients.ssn in the table it writes, and analyst may see that masked only (and 1 more)

-- 13. Functions that reach beyond their arguments
SELECT ts_stat('SELECT 1')
-> ERROR 42501: function pg_catalog.ts_stat reaches beyond its arguments (it runs a query, or reads a relation, that its arguments name), and analyst does not hold raw access to everything

SELECT query_to_xml('SELECT 1', true, true, '')
-> ERROR 42501: function pg_catalog.query_to_xml reaches beyond its arguments (it runs a query, or reads a relation, that its arguments name), and analyst does not hold raw access to everything

SELECT set_config('jit', 'off', false)
-> SELECT set_config('jit', 'off', false)

SELECT pg_read_file('x')
-> ERROR 42501: function pg_catalog.pg_read_file reaches beyond its arguments (it reads or writes files of the server), and analyst does not hold raw access to everything

SELECT upper(ssn) FROM patients
-> SELECT upper(ssn) FROM (SELECT <ssn> AS "ssn" FROM "clinic"."patients" AS t) AS "patients"

-- 14. Code that runs unseen: test_hidden_routes.py
-- 15. Grammar that is newer than the server: tests/sql/test_analysis.py
-- 16. Utility statements by allow list
VACUUM patients
-> ERROR 42501: vacuuming clinic.patients, which holds classified data, is not allowed for analyst

LOAD 'x'
-> ERROR 0A000: a loaded library can't be analysed, and analyst does not hold raw access to everything (and 1 more)

DO 'BEGIN END'
-> ERROR 0A000: a DO block can't be analysed, and analyst does not hold raw access to everything (and 1 more)

ANALYZE providers
-> ERROR 42501: analyzing clinic.providers is not allowed for analyst

-- 17. Masks never flow into classified columns
UPDATE encounters SET reason = n.body FROM notes n WHERE n.encounter_id = encounters.id
-> ERROR 42501: updating clinic.encounters.reason is not allowed for analyst, who sees masked values there (and 1 more)

INSERT INTO notes (encounter_id, body) SELECT id, reason FROM encounters
-> ERROR 42501: writing clinic.encounters.reason into clinic.notes.body is refused because analyst sees masked values there

INSERT INTO notes (encounter_id, body) SELECT id, sex FROM patients
-> INSERT INTO "clinic".notes (encounter_id, body) SELECT id, sex FROM "clinic".patients

-- 18. There are no row filters: nothing to fence
-- 19. Texts of errors and notices are withheld: tests/engine/test_states.py
-- 20. Texts of the catalog
SELECT pg_get_viewdef('clinic.notes'::regclass) LIKE 'x'
-> SELECT (SELECT pg_catalog.regexp_replace(pg_get_viewdef('clinic.notes'::regclass), E'("(?:[^"]|"")*"|[[:alpha:]_][[:alnum:]_$]*|''(?:[^'']|'''')*''::regclass)|(E?'')(?:[^'']|'''')*('')|[0-9][0-9.]{3,}[0-9]', E'\\1\\2\\3', 'g') AS pg_get_viewdef) LIKE 'x'
