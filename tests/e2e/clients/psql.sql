CREATE TYPE mood AS ENUM ('fair', 'foul');
CREATE TABLE visits (id int PRIMARY KEY, note text NOT NULL, mood mood DEFAULT 'fair');
CREATE INDEX visits_note ON visits (note);
CREATE VIEW visit_notes AS SELECT id, note FROM visits;
CREATE FUNCTION next_id(a int) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN a + 1; END$$;
COMMENT ON TABLE visits IS 'who came';
INSERT INTO visits SELECT g, 'n' || g FROM generate_series(1, 20) g;
\d
\d visits
\d+ visit_notes
\dt+ nosuch
\di+ visits_note
\df+ next_id
\dT+ mood
\dn
\dp visits
\dconfig work_mem
\sf next_id
\sv visit_notes
\encoding
\copy visits TO 'visits.copy'
TRUNCATE visits;
\copy visits FROM 'visits.copy'
\copy (SELECT id FROM visits WHERE id < 3 ORDER BY id) TO STDOUT
\copy visits (id, note) FROM 'nosuch.copy'
COPY visits (id, note) FROM STDIN;
1	twice
\.
SELECT count(*) FROM visits;
SELECT format('SELECT %s AS x', g) FROM generate_series(1, 3) g \gexec
SELECT 41 + 1 AS answer \gset
\echo :answer
SELECT id, note FROM visits WHERE id = 1 \gdesc
SELECT id, mood, count(*) FROM visits WHERE id < 3 GROUP BY 1, 2 \crosstabview
\set FETCH_COUNT 7
SELECT id FROM visits ORDER BY id;
\unset FETCH_COUNT
SELECT 1 AS a \; SELECT 2 AS b \; SELECT 1/0 \; SELECT 3;
SELECT nosuch FROM visits;
SELECT note::int FROM visits;
\errverbose
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1/0;
SELECT 2 AS still_there;
COMMIT;
\unset ON_ERROR_ROLLBACK
BEGIN;
SELEC 1;
SELECT 1;
ROLLBACK;
DO $$ BEGIN RAISE NOTICE 'seen'; RAISE WARNING 'seen too'; END $$;
LISTEN news;
NOTIFY news, 'extra';
SELECT :VERSION_NUM >= 160000 AS binds, :VERSION_NUM >= 180000 AS pipelines \gset
\if :binds
SELECT $1::int + $2::int AS sum \bind 1 2 \g
SELECT $1::int \bind x \g
SELECT 1 AS tick \watch interval=0.05 count=2
\endif
\if :pipelines
SELECT $1::int AS p \parse stored
\bind_named stored 7 \g
\close_prepared stored
\startpipeline
SELECT 1 AS one \bind \sendpipeline
SELECT $1::text AS two \bind second \sendpipeline
\flushrequest
\getresults
SELECT 1/0 \bind \sendpipeline
SELECT 3 \bind \sendpipeline
\syncpipeline
SELECT 4 AS four \bind \sendpipeline
\endpipeline
\endif
\lo_list
