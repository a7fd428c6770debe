"""Which SQL functions somebody who sees masked data may call, because their bodies can be read."""

from __future__ import annotations

from typing import Any

import pytest

from dbguard.policy.binding import BoundPolicy
from dbguard.policy.deciding import decide
from dbguard.policy.decision import Effect, ErrorTexts, Principal
from dbguard.sql.analysis import analyze
from dbguard.sql.limits import Limits
from dbguard.sql.snapshot import SessionView

from .test_following import bound_to, read

pytestmark = pytest.mark.pg

RULES = """
classification: [{tag: ssn, columns: [h.patients.ssn]}]
roles: {analyst: {users: [analyst]}}
masks: {hidden: {ssn: redact}}
rules:
  - {id: r, allow: [read], roles: [analyst], data: [ssn], masked: hidden}
  - {id: d, deny: [read], roles: [analyst], tables: [h.secret]}
"""
SETUP = """
CREATE SCHEMA h;
CREATE SCHEMA evil;
CREATE TABLE h.patients (id int, ssn text, sex text);
CREATE TABLE h.secret (x int);
CREATE VIEW h.numbers AS SELECT id, ssn AS number FROM h.patients;
CREATE FUNCTION evil.upper(varchar) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION h.opaque(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION h.bmi(kg numeric, cm int) RETURNS numeric LANGUAGE sql AS
  'SELECT round(kg / (cm / 100.0) ^ 2, 1)';
"""

FUNCTIONS = {
    "(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1'": True,
    "(n int) RETURNS int LANGUAGE sql AS 'SELECT n + n'": True,
    "(n int) RETURNS int LANGUAGE sql AS 'SELECT N'": True,
    "(n int) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM h.patients WHERE id = n'": True,
    "(n int) RETURNS text LANGUAGE sql AS 'SELECT sex FROM h.patients WHERE id = n'": True,
    "(n int) RETURNS TABLE (id int, sex text) LANGUAGE sql AS "
    "'SELECT id, sex FROM h.patients WHERE patients.id = n'": True,
    "(n int, OUT a int, OUT b text) LANGUAGE sql AS 'SELECT n, sex FROM h.patients'": True,
    "(int) RETURNS numeric LANGUAGE sql AS 'SELECT h.bmi($1, 180)'": True,
    "(int) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT id FROM h.patients'": True,
    "(int) RETURNS int LANGUAGE sql SET search_path = h AS 'SELECT id FROM h.patients'": True,
    # what is masked does not come out of a body
    "(n int) RETURNS text LANGUAGE sql AS 'SELECT ssn FROM h.patients WHERE id = n'": False,
    "(n int) RETURNS int LANGUAGE sql AS 'SELECT id FROM h.patients WHERE ssn = n::text'": False,
    "(int) RETURNS bigint LANGUAGE sql AS 'SELECT count(ssn) FROM h.patients'": False,
    "(int) RETURNS text LANGUAGE sql AS 'SELECT number FROM h.numbers'": False,
    "(int) RETURNS SETOF h.patients LANGUAGE sql AS 'SELECT * FROM h.patients'": False,
    "(int) RETURNS h.patients LANGUAGE sql AS 'SELECT p FROM h.patients p'": False,
    "(int) RETURNS int LANGUAGE sql AS 'SELECT x FROM h.secret'": False,
    # what the path decides could be something else in the next session
    "(int) RETURNS int LANGUAGE sql SET search_path = h AS 'SELECT id FROM patients'": False,
    "(int) RETURNS text LANGUAGE sql AS 'SELECT upper($1::text)'": False,
    # more than a query
    "(int) RETURNS void LANGUAGE sql AS 'DELETE FROM h.secret'": False,
    "(int) RETURNS int LANGUAGE sql AS 'SELECT h.opaque($1)'": False,
    "(int) RETURNS text LANGUAGE sql AS $$SELECT pg_read_file('x')$$": False,
    "(int) RETURNS text LANGUAGE sql AS $$SELECT set_config('search_path', 'evil', false)$$": False,
    "(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'": False,
}
ATOMIC = {
    "(n int) RETURNS int LANGUAGE sql RETURN n + 1": True,
    "(n int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT sex FROM h.patients WHERE id = n; END":
        True,
    "(n int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT ssn FROM h.patients WHERE id = n; END":
        False,
}  # fmt: skip


@pytest.fixture(scope="module")
def bound(module_database: Any) -> BoundPolicy:
    module_database.execute(SETUP)
    module_database.execute("SET check_function_bodies = off")
    known = dict(FUNCTIONS)
    if module_database.server.version >= 140000:
        known |= ATOMIC
    for number, definition in enumerate(known):
        module_database.execute(
            "SET check_function_bodies = off;" + f"CREATE FUNCTION h.f{number} {definition}"
        )
    return bound_to(read(module_database), rules=RULES)


@pytest.mark.parametrize("definition", [*FUNCTIONS, *ATOMIC])
def test_calling(bound: BoundPolicy, definition: str) -> None:
    name = f"f{[*FUNCTIONS, *ATOMIC].index(definition)}"
    if name not in bound.snapshot.functions_by_name:
        pytest.skip("this server has no such functions")
    view = SessionView("analyst", ("pg_catalog", "public"))
    text = f"SELECT h.{name}(1)"
    (reading,) = analyze(text, bound.snapshot, view, Limits())
    principal = Principal("analyst", frozenset({"analyst"}), "d")
    decision = decide(bound, reading.facts, principal, "test")
    allowed = FUNCTIONS.get(definition, ATOMIC.get(definition))
    assert decision.effect is (Effect.ALLOW if allowed else Effect.DENY)
    assert decision.error_texts is ErrorTexts.WITHHOLD
