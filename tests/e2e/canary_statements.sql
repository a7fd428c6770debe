-- # Statements whose values must not be found again. One a paragraph; what fails is as good.

SELECT '<NAME>', <NUMBER>, $$<NAME>$$, $a$<SSN>$a$, E'<NAME>\n', U&'<NAME>', N'<NAME>'

SELECT 1 AS "<NAME>", 2 "<SSN>", 3 AS "<MAIL>", 4 AS "n<NUMBER>", 5 AS n<NUMBER>

SELECT 1 AS U&"<NAME>", 2 AS U&"!005A<SSN>" UESCAPE '!'

-- <NAME>
SELECT 1 -- <SSN>

/* <NAME> /* <SSN> */ */ SELECT 1 /* <MAIL> */

/*application='<NAME>',action='<SSN>',route='%2F<MAIL>',traceparent='00-<SSN>-<NUMBER>-01'*/ SELECT 1

SELECT id FROM people WHERE name = '<NAME>' AND ssn LIKE '%<SSN>%' OR number = <NUMBER>

SELECT id FROM people WHERE ssn = ANY ('{<SSN>,<CODE>}') OR name IN ('<NAME>', '<MAIL>')

SELECT * FROM people

SELECT name::int FROM people

SELECT 1 / (number - <NUMBER>) FROM people

SELECT '<NAME>'::int, date '<SSN>', '<MAIL>'::uuid, '{"<NAME>": }'::json

SELECT CAST(name AS date), ssn::regclass FROM people

INSERT INTO people VALUES (5, '<NAME>', '<SSN>', <NUMBER>)

INSERT INTO people (id, name) VALUES (6, '<NAME>') ON CONFLICT (id) DO UPDATE SET name = '<MAIL>' RETURNING *

UPDATE people SET ssn = '<SSN>' WHERE name = '<NAME>' RETURNING name, ssn

DELETE FROM people WHERE name = '<NAME>' AND ssn = '<SSN>'

INSERT INTO log VALUES (1, '<NAME>'), (2, '<SSN>')

INSERT INTO log SELECT 1, name FROM people

MERGE INTO log l USING people p ON l.note = '<NAME>' WHEN MATCHED THEN UPDATE SET note = '<SSN>' WHEN NOT MATCHED THEN INSERT VALUES (1, p.name)

DO $$ BEGIN RAISE EXCEPTION '<NAME> %', '<SSN>' USING ERRCODE = '<CODE>', DETAIL = '<MAIL>', HINT = '<NAME>', COLUMN = '<NAME>', TABLE = '<SSN>'; END $$

DO $$ DECLARE "<NAME>" text := '<SSN>'; BEGIN RAISE NOTICE '<MAIL> %', "<NAME>"; /* <NAME> */ END $$

DO LANGUAGE "<NAME>" '<SSN>'

SELECT say('<NAME>'), say(name) FROM people

SELECT fail('<SSN>')

SELECT public.say(what => '<NAME>'), "<NAME>"('<SSN>'), lower("<MAIL>" => '<SSN>')

CALL "<NAME>"('<SSN>', <NUMBER>)

SELECT pg_notify('<NAME>', '<SSN>')

NOTIFY "<NAME>", '<SSN>'

LISTEN "<MAIL>"

UNLISTEN "<MAIL>"

SET application_name = '<NAME>'

SET application_name TO "<NAME>"

SET LOCAL app.patient = '<SSN>'

SET app.patient = Zyxwanda

SET "app.<NAME>" = 1

SET search_path TO "<NAME>", '<SSN>', public

SET search_path = '<NAME>'; SELECT 1; SELECT * FROM people

SET TIME ZONE '<NAME>'

SET ROLE "<NAME>"

SET SESSION AUTHORIZATION '<SSN>'

SET TRANSACTION SNAPSHOT '<NUMBER>-1'

SHOW "<NAME>"

RESET "app.<SSN>"

SELECT set_config('application_name', '<NAME>', false), set_config('app.x', '<SSN>', true)

SELECT set_config('search_path', '"<NAME>"', false)

SELECT set_config('role', '<NAME>', false)

PREPARE "<NAME>" (text) AS SELECT $1, '<SSN>'; EXECUTE "<NAME>"('<MAIL>'); DEALLOCATE "<NAME>"

EXECUTE "<SSN>"('<NAME>', <NUMBER>)

DEALLOCATE "<MAIL>"

BEGIN; SAVEPOINT "<NAME>"; ROLLBACK TO SAVEPOINT "<NAME>"; RELEASE "<NAME>"; ROLLBACK

BEGIN; DECLARE "<NAME>" CURSOR FOR SELECT name, '<SSN>' FROM people; FETCH ALL FROM "<NAME>"; MOVE FIRST IN "<NAME>"; CLOSE "<NAME>"; COMMIT

FETCH 5 FROM "<SSN>"

CLOSE "<MAIL>"

PREPARE TRANSACTION '<NAME>'

COMMIT PREPARED '<SSN>'

COPY people FROM STDIN

COPY log (note) FROM STDIN WITH (FORMAT csv, NULL '<NAME>', DELIMITER '<CODE>')

COPY people TO STDOUT WITH (FORMAT csv, HEADER, NULL '<NAME>')

COPY (SELECT name, '<SSN>' FROM people) TO STDOUT

COPY people TO '/tmp/<NAME>.csv'

COPY people FROM PROGRAM 'echo <NAME>'

EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM people WHERE name = '<NAME>'

EXPLAIN SELECT 1 AS "<NAME>" FROM people WHERE ssn = '<SSN>'

CREATE TABLE "<NAME>" (a nothing)

BEGIN; CREATE TABLE "<NAME>" ("<SSN>" text DEFAULT '<MAIL>' CHECK ("<SSN>" <> '<NUMBER>')); ROLLBACK

CREATE TEMP TABLE "<NAME>" AS SELECT name AS "<SSN>", '<MAIL>' AS "<MAIL>" FROM people; SELECT * FROM "<NAME>"

SELECT * FROM "<NAME>"

SELECT "<SSN>" FROM pg_temp."<NAME>"

DROP TABLE IF EXISTS "<NAME>"

CREATE TABLE log AS SELECT name AS "<NAME>", 1 / 0 FROM people

CREATE VIEW "<NAME>" AS SELECT name AS "<SSN>", 1 / length('') FROM nowhere

CREATE FUNCTION "<NAME>"() RETURNS text LANGUAGE nothing AS $$ SELECT '<SSN>' $$

CREATE FUNCTION f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT '<NAME>' || nothing; END

CREATE TYPE log AS ENUM ('<NAME>', '<SSN>')

CREATE ROLE "<NAME>" PASSWORD '<SSN>' IN ROLE "<MAIL>"

ALTER ROLE app SET "app.x" = '<NAME>'

ALTER ROLE "<NAME>" PASSWORD '<SSN>'

ALTER TABLE log ADD CONSTRAINT "<NAME>" CHECK (note = '<SSN>' AND nothing)

ALTER TABLE log ALTER note SET DEFAULT '<NAME>', ADD "<SSN>" nothing

ALTER SYSTEM SET nothing = '<NAME>'

COMMENT ON TABLE nothing IS '<NAME>'

SECURITY LABEL FOR "<NAME>" ON TABLE log IS '<SSN>'

GRANT SELECT ON people TO "<NAME>"

REVOKE ALL ON "<NAME>" FROM "<SSN>"

CREATE INDEX "<NAME>" ON log (note) WHERE note = '<SSN>' AND nothing

CREATE DATABASE "<NAME>" TEMPLATE "<SSN>"

CREATE EXTENSION "<NAME>"

CREATE SERVER "<NAME>" FOREIGN DATA WRAPPER "<SSN>" OPTIONS (host '<MAIL>')

CREATE TABLESPACE "<NAME>" LOCATION '/<SSN>'

LOCK TABLE "<NAME>"

TRUNCATE "<NAME>"

VACUUM "<NAME>"

ANALYZE people ("<NAME>")

SELECT "<NAME>" FROM people

SELECT p."<NAME>", "<SSN>".name, (p)."<MAIL>" FROM people p

SELECT '<NAME>'::"<SSN>", CAST(1 AS "<NAME>")

SELECT name COLLATE "<NAME>" FROM people

SELECT nextval('<NAME>'), '<SSN>'::regclass, to_regclass('"<NAME>"')

SELECT a, "<SSN>" FROM (SELECT 1, 2) AS "<NAME>"(a, "<SSN>")

WITH "<NAME>" AS (SELECT name AS "<SSN>" FROM people) SELECT * FROM "<NAME>"

SELECT row_number() OVER "<NAME>" FROM people WINDOW "<NAME>" AS (ORDER BY id)

SELECT query_to_xml('SELECT ''<NAME>''', true, false, '<SSN>')

SELECT xmlelement(name "<NAME>", '<SSN>'), json_build_object('<NAME>', name) FROM people

SELECT lo_import('/<NAME>'), pg_read_file('<SSN>'), pg_ls_dir('<MAIL>')

SELECT * FROM json_table('{"a": "<NAME>"}', '$' COLUMNS ("<SSN>" text PATH '$.a' DEFAULT '<MAIL>' ON ERROR))

SELECT * FROM people TABLESAMPLE "<NAME>"(<NUMBER>)

SELECT current_setting('app.<NAME>')

SELECT pg_advisory_lock(<NUMBER>), pg_cancel_backend(<NUMBER>)

SELECT * FROM pg_stat_activity WHERE query LIKE '%<NAME>%'

SELECT $<NUMBER>

SELECT 1 OPERATOR("<NAME>".+) 2

SELECT interval '1' DAY '<NAME>'

SELECT 1 FROM people WHERE CURRENT OF "<NAME>"

SELECT '<NAME>' '<SSN>'

SELECT name FROM people ORDER BY "<NAME>"

SELECT name FROM people FOR UPDATE OF "<NAME>"

INSERT INTO people ("<NAME>") VALUES ('<SSN>')

REINDEX TABLE "<NAME>"

REFRESH MATERIALIZED VIEW "<NAME>"

DISCARD ALL

CHECKPOINT '<NAME>'

LOAD '<NAME>'

IMPORT FOREIGN SCHEMA "<NAME>" FROM SERVER "<SSN>" INTO public

CREATE PUBLICATION "<NAME>" FOR TABLE log WHERE (note = '<SSN>' AND nothing)

CREATE SUBSCRIPTION "<NAME>" CONNECTION 'password=<SSN>' PUBLICATION "<MAIL>"
