--- a prepared statement and a search_path that changes
SET search_path = public

@prepare SELECT * FROM left_by_dba.plain, clinic.providers

SET search_path = clinic

@execute

--- a name that means something else at each execution
SET search_path = clinic

@prepare SELECT ssn FROM patients

@execute

CREATE TEMP TABLE patients AS SELECT 'own'::text AS ssn

@execute

DROP TABLE pg_temp.patients

@execute

--- a view replaced between two executions | how=binary
@direct CREATE OR REPLACE VIEW left_by_dba.changing AS SELECT name AS v FROM clinic.providers; GRANT SELECT ON left_by_dba.changing TO PUBLIC

@noticed

@prepare SELECT v FROM left_by_dba.changing

@execute

@direct CREATE OR REPLACE VIEW left_by_dba.changing AS SELECT last_name AS v FROM clinic.patients

@noticed

@execute

SELECT v FROM left_by_dba.changing

@direct DROP VIEW left_by_dba.changing

--- a table renamed between Parse and Bind | how=binary
@direct CREATE TABLE left_by_dba.later (v text); GRANT SELECT ON left_by_dba.later TO PUBLIC; CREATE VIEW left_by_dba.other AS SELECT ssn AS v FROM clinic.patients; GRANT SELECT ON left_by_dba.other TO PUBLIC

@noticed

@prepare SELECT v FROM left_by_dba.later

@execute

@direct ALTER TABLE left_by_dba.later RENAME TO gone; ALTER VIEW left_by_dba.other RENAME TO later

@noticed

@execute

@direct DROP VIEW left_by_dba.later; DROP TABLE left_by_dba.gone

--- a column added and one renamed | how=binary
@direct CREATE TABLE left_by_dba.renamed AS SELECT ssn, last_name AS a FROM clinic.patients; GRANT SELECT ON left_by_dba.renamed TO PUBLIC

@noticed

@prepare SELECT ssn FROM left_by_dba.renamed

@execute

@direct ALTER TABLE left_by_dba.renamed RENAME a TO email; ALTER TABLE left_by_dba.renamed ADD COLUMN phone text; UPDATE left_by_dba.renamed SET phone = ssn

@noticed

@execute

SELECT email, phone, ssn FROM left_by_dba.renamed

SELECT * FROM left_by_dba.renamed

@direct DROP TABLE left_by_dba.renamed

--- a cursor kept over a change of rights
DECLARE kept CURSOR WITH HOLD FOR SELECT ssn, dob FROM clinic.patients

SET ROLE analysts

FETCH 10 FROM kept

RESET ROLE

FETCH ALL FROM kept

MOVE BACKWARD ALL IN kept

FETCH ALL IN kept

--- a prepared statement by SQL over a rolled back path
PREPARE q AS SELECT * FROM clinic.patients

BEGIN

SET LOCAL search_path = clinic

EXECUTE q

ROLLBACK

EXECUTE q

DEALLOCATE ALL

EXECUTE q

--- a temporary view over a temporary table that is replaced
CREATE TEMP TABLE t AS SELECT ssn FROM clinic.patients

CREATE TEMP VIEW v AS SELECT * FROM t

SELECT * FROM v

BEGIN

DROP VIEW v

DROP TABLE t

CREATE TEMP VIEW t AS SELECT ssn, dob FROM clinic.patients

SELECT * FROM t

ROLLBACK

SELECT * FROM t

--- a table created in an aborted transaction
BEGIN

CREATE TEMP TABLE patients (ssn text)

SET LOCAL search_path = clinic

SELECT ssn FROM patients

ROLLBACK

SET search_path = clinic

SELECT ssn FROM patients

--- savepoints around a path
BEGIN

SAVEPOINT a

SET search_path = clinic

SELECT ssn FROM patients

ROLLBACK TO a

SELECT ssn FROM patients

ROLLBACK

SELECT ssn FROM patients

--- two sessions share a temporary schema name
CREATE TEMP TABLE patients (id int, ssn text)

@second SET search_path = pg_temp_3, clinic

@second SELECT ssn FROM patients

@second SELECT * FROM pg_temp_3.patients, pg_temp_4.patients

--- one session listens to what another notifies
@second LISTEN c

INSERT INTO left_by_dba.notifying VALUES (1, 'x')

NOTIFY c, 'hello'

@second SELECT 1

--- another session's statement
@second SELECT ssn FROM clinic.patients

SELECT pid, query FROM pg_stat_activity

SELECT * FROM pg_stat_activity

--- function calls by number
@call pg_catalog.query_to_xml(text,boolean,boolean,text)|SELECT ssn FROM clinic.patients|t|t|

@call left_by_dba.definer_one(text)|

@call left_by_dba.definer()

@call pg_catalog.pg_read_file(text)|/etc/passwd

--- own functions by number | as=mallory
@call evil.steal()

@call evil.echo(text)|x

@call evil.still()

--- a domain's check by SQL PREPARE and by hand | as=mallory
@prepare SELECT $1::evil.dom

@describe

@execute

--- a stable function is planned at Bind | as=mallory
@prepare SELECT 1 WHERE evil.fail('a', 'b')

@execute

--- the path is changed and a known text becomes another | as=mallory
SELECT lower('x'::text), 'a'::text || 'b'

SET search_path = evil, pg_catalog

SELECT lower('x'::text), 'a'::text || 'b'

SET search_path = pg_catalog, evil

SELECT lower('x'::text), 'a'::text || 'b'

--- an operator prepared under a good path | as=mallory
@prepare SELECT 'a'::text || 'b', lower('x'::text), 'a'::text = 'b'

@execute

SET search_path = evil, pg_catalog

@execute

--- an operator prepared with SQL under a good path | as=mallory
PREPARE q AS SELECT 'a'::text || 'b', lower('x'::text)

SET search_path = evil, pg_catalog

EXECUTE q

DEALLOCATE ALL

--- a path for one transaction in pieces | as=mallory
BEGIN

SET LOCAL search_path = evil, pg_catalog

SELECT 'a'::text || 'b'

SELECT ssn FROM clinic.patients WHERE ssn = 'x'

COMMIT

--- a function replaced by its owner between two executions | as=mallory how=binary
@direct CREATE FUNCTION evil.later(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'

@noticed

@prepare SELECT abs(-1), evil.later(1)

@direct CREATE OR REPLACE FUNCTION evil.later(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE NOTICE ''%'', (SELECT max(ssn) FROM clinic.patients); RETURN 1; END'

@noticed

@execute

@direct DROP FUNCTION evil.later(int)

--- an overload appears after preparing | as=mallory how=binary
SET search_path = public, evil

@prepare SELECT upper(a) FROM (VALUES ('x'::varchar(5))) v(a)

@execute

@direct CREATE FUNCTION evil.initcap(varchar) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(ssn) FROM clinic.patients'

@noticed

SELECT initcap(a) FROM (VALUES ('x'::varchar(5))) v(a)

@execute

@direct DROP FUNCTION evil.initcap(varchar)

--- a foreign key deferred to COMMIT | as=mallory
BEGIN

SET CONSTRAINTS ALL DEFERRED

INSERT INTO evil.probe SELECT mrn FROM clinic.patients

COMMIT

--- errors of a deferred trigger
BEGIN

INSERT INTO left_by_dba.deferred VALUES (1, 'x')

SELECT 1

COMMIT

--- errors of a deferred trigger in a savepoint
BEGIN

SAVEPOINT a

INSERT INTO left_by_dba.deferred VALUES (1, 'x')

SET CONSTRAINTS ALL IMMEDIATE

ROLLBACK TO a

COMMIT

--- a temporary table that inherits from another's | as=mallory
CREATE TEMP TABLE t () INHERITS (evil.triggered)

INSERT INTO t VALUES (1, 'x') RETURNING *

SELECT * FROM evil.triggered

--- a temporary table with a domain made in a refused statement | as=mallory
BEGIN

CREATE TEMP TABLE t (a evil.dom, b int DEFAULT 1)

INSERT INTO t VALUES ('x')

COMMIT

INSERT INTO t VALUES ('x')

--- classified data put down unclassified in a temporary table
CREATE TEMP TABLE t AS SELECT id, ssn AS a, dob AS b FROM clinic.patients

UPDATE t SET a = p.ssn, b = p.dob FROM clinic.patients p WHERE p.id = t.id RETURNING *

INSERT INTO t SELECT id, email, created_at::date FROM clinic.patients RETURNING *

MERGE INTO t USING clinic.patients p ON p.id = t.id WHEN MATCHED THEN UPDATE SET a = p.last_name RETURNING t.*

SELECT * FROM t

COPY t TO STDOUT

--- a parameter declared to be of a domain | as=mallory
@typed evil.dom SELECT $1

@execute x

--- a parameter declared to be of a composite with a domain | as=mallory
@typed evil.comp SELECT $1

@execute (1,x)

--- a parameter declared to be an array of a domain | as=mallory
@typed evil.dom[] SELECT $1

@execute {x}

--- a parameter of an enum with casts | as=mallory
@typed evil.color SELECT upper($1), to_json($1)

@execute red
