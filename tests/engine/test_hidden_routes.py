"""Each way by which code runs that the statement does not call: refused for who sees masked data.

Beside each refusal stands the same thing without the code, which stays allowed.
"""

from __future__ import annotations

from typing import Any

import pytest

from dbguard.engine.plan import Plan, PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.policy.loading import load_documents
from dbguard.sql.limits import DEFAULT_LIMITS
from tests.policy.test_following import read

pytestmark = pytest.mark.pg

RULES = """
classification: [{tag: ssn, columns: [h.patients.ssn]}]
roles: {analyst: {users: [analyst]}, owner: {users: [owner]}}
masks: {hidden: {ssn: redact}}
rules: [{id: r, allow: [read], roles: [analyst], data: [ssn], masked: hidden}
  , {id: all, allow: [all], roles: [owner], data: ["*"]}]
"""
BODY = "LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'x'; END $$"
SETUP = f"""
CREATE SCHEMA h; CREATE SCHEMA evil; GRANT USAGE ON SCHEMA h, evil TO PUBLIC;
CREATE TABLE h.patients (id int PRIMARY KEY, ssn text, sex text);
CREATE TYPE h.color AS ENUM ('red');
CREATE DOMAIN h.short AS text CHECK (length(VALUE) < 9);
CREATE TABLE h.plain (a int PRIMARY KEY, b text DEFAULT 'x' CHECK (b <> ''),
  c text GENERATED ALWAYS AS (lower(b)) STORED, d h.short, e h.color);
CREATE INDEX ON h.plain (upper(b)) WHERE a > 0;
CREATE TABLE h.secured (a int, b text);
ALTER TABLE h.secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON h.secured USING (a > 0);
CREATE VIEW h.calm AS SELECT upper(sex) AS v FROM h.patients;

CREATE FUNCTION evil.two(text, text) RETURNS text {BODY};
CREATE FUNCTION evil.same(text, text) RETURNS boolean {BODY};
CREATE FUNCTION evil.one(text) RETURNS text {BODY};
CREATE FUNCTION evil.number(int) RETURNS text {BODY};
CREATE FUNCTION evil.told(text) RETURNS boolean {BODY};
CREATE FUNCTION evil.none() RETURNS text {BODY};
CREATE FUNCTION evil.rowed(h.patients) RETURNS text {BODY};
CREATE FUNCTION evil.on_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TYPE evil.color AS ENUM ('red', 'green');
CREATE FUNCTION evil.color_text(evil.color) RETURNS text {BODY};
CREATE CAST (evil.color AS text) WITH FUNCTION evil.color_text(evil.color) AS IMPLICIT;
CREATE FUNCTION evil.difference(text, text) RETURNS float8 {BODY};
CREATE TYPE evil.span AS RANGE (subtype = text, subtype_diff = evil.difference);
CREATE OPERATOR evil.|| (leftarg = text, rightarg = text, function = evil.two);
CREATE OPERATOR evil.= (leftarg = text, rightarg = text, function = evil.same);
CREATE OPERATOR evil.! (rightarg = text, function = evil.one);
CREATE AGGREGATE evil.collect (text) (sfunc = evil.two, stype = text);
CREATE DOMAIN evil.checked AS text CHECK (evil.told(VALUE));
CREATE TYPE evil.pair AS (n int, t evil.checked);
CREATE TABLE evil.colors (c evil.color);
CREATE TABLE evil.with_default (a int, b text DEFAULT evil.none());
CREATE TABLE evil.with_check (a int, b text CHECK (evil.told(b)));
CREATE TABLE evil.with_domain (a int, b evil.checked);
CREATE TABLE evil.with_generated (a int, b text GENERATED ALWAYS AS (evil.number(a)) STORED);
CREATE TABLE evil.with_index (a int);
CREATE INDEX ON evil.with_index (evil.number(a));
CREATE TABLE evil.with_predicate (a int, b text);
CREATE INDEX ON evil.with_predicate (a) WHERE evil.told(b);
CREATE TABLE evil.with_trigger (a int, b text);
CREATE TRIGGER t BEFORE INSERT OR UPDATE ON evil.with_trigger
  FOR EACH ROW EXECUTE FUNCTION evil.on_write();
CREATE TABLE evil.with_rule (a int, b text);
CREATE RULE r AS ON INSERT TO evil.with_rule DO ALSO SELECT ssn FROM h.patients;
CREATE TABLE evil.with_policy (a int, b text);
ALTER TABLE evil.with_policy ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON evil.with_policy USING (evil.told(b));
CREATE TABLE evil.with_key (a int, b text) PARTITION BY RANGE (evil.number(a));
CREATE TABLE evil.all_of_it PARTITION OF evil.with_key DEFAULT;
CREATE TABLE evil.with_exclusion (a int, b text);
CREATE TABLE evil.referenced (a int PRIMARY KEY);
CREATE TABLE evil.referencing (a int REFERENCES evil.referenced ON DELETE CASCADE);
CREATE TRIGGER t BEFORE DELETE ON evil.referencing
  FOR EACH ROW EXECUTE FUNCTION evil.on_write();
CREATE VIEW evil.calling AS SELECT evil.none() AS v;
CREATE VIEW evil.written AS SELECT a, b FROM h.plain;
CREATE TRIGGER i INSTEAD OF INSERT ON evil.written
  FOR EACH ROW EXECUTE FUNCTION evil.on_write();
"""
ROUTES = [
    "SELECT 'a' OPERATOR(evil.||) 'b'",
    "SELECT OPERATOR(evil.!) 'a'::text",
    "SELECT 'a'::text OPERATOR(evil.=) ANY (ARRAY['b'])",
    "SET search_path = evil, pg_catalog; SELECT 'a'::text = 'b'",
    "SELECT c::text FROM evil.colors",
    "SELECT upper(c) FROM evil.colors",
    "SELECT 'x'::evil.checked",
    "SELECT '(1,x)'::evil.pair",
    "SELECT '[a,b)'::evil.span",
    "SELECT evil.collect(sex) FROM h.patients",
    "SELECT evil.collect(sex) OVER () FROM h.patients",
    "SET search_path = evil; SELECT p.rowed FROM h.patients p",
    "SET search_path = evil; SELECT (p).rowed FROM h.patients p",
    "SELECT evil.rowed(p) FROM h.patients p",
    "SELECT evil.none()",
    "SELECT * FROM evil.none()",
    "INSERT INTO evil.with_default (a) VALUES (1)",
    "INSERT INTO evil.with_check VALUES (1, 'x')",
    "INSERT INTO evil.with_domain VALUES (1, 'x')",
    "INSERT INTO evil.with_generated VALUES (1)",
    "UPDATE evil.with_generated SET a = 2",
    "INSERT INTO evil.with_index VALUES (1)",
    "UPDATE evil.with_predicate SET a = 2",
    "INSERT INTO evil.with_trigger VALUES (1, 'x')",
    "COPY evil.with_trigger FROM STDIN",
    "INSERT INTO evil.with_rule VALUES (1, 'x')",
    "SELECT a FROM evil.with_policy",
    "DELETE FROM evil.with_policy WHERE a = 1",
    "INSERT INTO evil.with_key VALUES (1, 'x')",
    "DELETE FROM evil.referenced WHERE a = 1",
    "SELECT v FROM evil.calling",
    "INSERT INTO evil.written VALUES (1, 'x')",
]
CALM = [
    "SELECT 'a' OPERATOR(pg_catalog.||) 'b'",
    "SET search_path = h, pg_catalog; SELECT 'a'::text = 'b'",
    "SELECT e::text, d FROM h.plain",
    "SELECT 'x'::h.short, 'red'::h.color",
    "SELECT '[1,2)'::int4range",
    "SELECT string_agg(sex, ',') FROM h.patients",
    "INSERT INTO h.plain (a) VALUES (1)",
    "INSERT INTO h.plain (a, b, d, e) VALUES (1, 'x', 'y', 'red') ON CONFLICT DO NOTHING",
    "UPDATE h.plain SET b = 'y' WHERE a = 1",
    "DELETE FROM h.plain WHERE a = 1",
    "COPY h.plain (a, b) FROM STDIN",
    "SELECT a FROM h.secured",
    "SELECT v FROM h.calm",
    "SELECT a FROM evil.with_default",
    "SELECT a FROM evil.with_check",
    "SELECT a FROM evil.with_trigger",
    "SELECT a FROM evil.referenced",
    "SELECT a FROM evil.with_rule",
]


@pytest.fixture(scope="module")
def world(module_database: Any) -> World:
    module_database.execute(SETUP)
    return World(read(module_database), load_documents({"r": RULES}), DEFAULT_LIMITS)


def plan(world: World, text: str) -> Plan:
    view = effective_view(world.snapshot, "analyst", '"$user", public')
    principal = principal_of(world.snapshot, "analyst")
    return plan_text(world, PlanRequest(text, principal, view, "production"))


@pytest.mark.parametrize("text", ROUTES)
def test_code_that_runs_unseen_is_refused(world: World, text: str) -> None:
    refusal = plan(world, text).refusal
    assert refusal is not None
    assert refusal.denied
    assert "can't be " in refusal.message
    assert "analyst does not hold raw access to everything" in refusal.message


@pytest.mark.parametrize("text", CALM)
def test_the_same_without_code_passes(world: World, text: str) -> None:
    assert plan(world, text).refusal is None


def test_those_who_see_everything_may(world: World) -> None:
    view = effective_view(world.snapshot, "owner", '"$user", public')
    for text in ROUTES:
        request = PlanRequest(text, principal_of(world.snapshot, "owner"), view, "production")
        assert plan_text(world, request).refusal is None
