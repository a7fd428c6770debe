"""Plans found for texts with other literals: attempts to get one decision for another text.

Each attempt warms the cache with a harmless text and then asks for another one. Nothing may be
found for it unless it is what a worker would have said.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.engine.asks import Planned
from dbguard.engine.plan import Plan, PlanRequest
from dbguard.engine.planning import plan_text
from dbguard.policy.decision import Principal
from dbguard.proxy.plan_cache import PlanCache
from dbguard.sql.limits import Limits
from dbguard.sql.snapshot import SessionView
from tests.engine.test_lookalike_plans import KEY, bare, plan, request, world

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333{}-01"


def cached(*texts: str, rules: str = "hipaa", user: str = "analyst") -> PlanCache:
    """A cache that was asked for these texts, one after the other."""
    cache = PlanCache()
    for text in texts:
        made = plan(text, rules, user)
        cache.put(request(text, rules, user), Planned(made, frozenset(), KEY))
    return cache


def found(cache: PlanCache, text: str, rules: str = "hipaa", user: str = "analyst") -> Plan | None:
    got = cache.find_alike(request(text, rules, user), KEY)
    return None if got is None else got.plan


HONEST = [
    # pgbench: select-only and tpcb-like
    (
        "SELECT amount FROM clinic.claims WHERE id = 1;",
        "SELECT amount FROM clinic.claims WHERE id = 47111;",
    ),
    (
        "UPDATE clinic.claims SET amount = amount + 17 WHERE id = 1;",
        "UPDATE clinic.claims SET amount = amount + 4711 WHERE id = 0;",
    ),
    (
        "UPDATE clinic.claims SET amount = amount + -17 WHERE id = 1;",
        "UPDATE clinic.claims SET amount = amount + -4711 WHERE id = 99;",
    ),
    (
        "INSERT INTO clinic.claims (id, amount, submitted) VALUES (1, -2, CURRENT_TIMESTAMP);",
        "INSERT INTO clinic.claims (id, amount, submitted) VALUES (77, -5, CURRENT_TIMESTAMP);",
    ),
    # mappers of objects
    (
        'SELECT "a"."id", "a"."ssn" FROM clinic.patients "a" WHERE ("a"."id" = 5 AND "a"."sex" = '
        "'f') ORDER BY 1 LIMIT 21",
        'SELECT "a"."id", "a"."ssn" FROM clinic.patients "a" WHERE ("a"."id" = 66 AND "a"."sex" = '
        "'it''s none') ORDER BY 1 LIMIT 21",
    ),
    (
        "SELECT 1 AS a FROM clinic.claims WHERE id IN (1, 2, 3) LIMIT 1",
        "SELECT 1 AS a FROM clinic.claims WHERE id IN (10, 200, 3000) LIMIT 1",
    ),
    (
        "SELECT id FROM clinic.encounters WHERE admitted >= '2024-01-01T00:00:00'::timestamptz",
        "SELECT id FROM clinic.encounters WHERE admitted >= '2025-12-31 12:00+01'::timestamptz",
    ),
    (
        "UPDATE clinic.claims SET status = 'a', amount = 1.50 WHERE id BETWEEN 1 AND 2",
        "UPDATE clinic.claims SET status = 'Müller', amount = 9.99 WHERE id BETWEEN 3 AND 444",
    ),
    (
        "DELETE FROM clinic.claims WHERE status LIKE 'a%' RETURNING id",
        "DELETE FROM clinic.claims WHERE status LIKE '%longer%' RETURNING id",
    ),
    (
        "SELECT p.last_name FROM clinic.patients p JOIN clinic.encounters e ON e.patient_id = p.id "
        "AND e.kind = 'a' WHERE p.id = ANY (ARRAY[1, 2]) AND NOT e.reason IS DISTINCT FROM 'x'",
        "SELECT p.last_name FROM clinic.patients p JOIN clinic.encounters e ON e.patient_id = p.id "
        "AND e.kind = 'bcd' WHERE p.id = ANY (ARRAY[10, 20]) AND NOT e.reason IS DISTINCT FROM ''",
    ),
    # sqlcommenter, with parameters and with none
    (
        f"SELECT ssn FROM clinic.patients WHERE id = $1 /*traceparent='{TRACE.format(1)}'*/",
        f"SELECT ssn FROM clinic.patients WHERE id = $1 /*traceparent='{TRACE.format(2)}'*/",
    ),
    (
        f"SELECT max(id) FROM clinic.claims /*action='a',traceparent='{TRACE.format(1)}'*/;",
        f"SELECT max(id) FROM clinic.claims /*route='b',traceparent='{TRACE.format(2)}'*/;",
    ),
    (
        "SELECT left(status, 3) FROM clinic.claims /*action='a'*/",
        "SELECT left(status, 3) FROM clinic.claims /*action='b'*/",
    ),
]


@pytest.mark.parametrize(("first", "second"), HONEST)
@pytest.mark.parametrize("rules", ["writer", "kept"])
def test_what_clients_send_again_and_again(first: str, second: str, rules: str) -> None:
    made = found(cached(first, rules=rules), second, rules)
    assert made is not None
    assert made.refusal is None
    assert bare(made) == bare(plan(second, rules))


@pytest.mark.parametrize(("first", "second"), [h for h in HONEST if h[0].startswith("SELECT")])
@pytest.mark.parametrize("user", ["analyst", "clinician"])
def test_for_who_sees_masked_values_and_for_who_sees_all(
    first: str, second: str, user: str
) -> None:
    made = found(cached(first, user=user), second, user=user)
    assert made is not None
    assert bare(made) == bare(plan(second, user=user))


OTHERS = {
    "a position in ORDER BY": (
        "SELECT id, ssn FROM clinic.patients WHERE id = 1 ORDER BY 1",
        "SELECT id, ssn FROM clinic.patients WHERE id = 1 ORDER BY 2",
    ),
    "a position in GROUP BY": (
        "SELECT state, last_name FROM clinic.patients WHERE id = 1 GROUP BY 1, 2",
        "SELECT state, last_name FROM clinic.patients WHERE id = 1 GROUP BY 2, 1",
    ),
    "DISTINCT ON": (
        "SELECT DISTINCT ON (1) id, ssn FROM clinic.patients WHERE id = 1",
        "SELECT DISTINCT ON (2) id, ssn FROM clinic.patients WHERE id = 1",
    ),
    "regclass": (
        "SELECT 'clinic.claims'::regclass FROM clinic.claims WHERE id = 1",
        "SELECT 'clinic.notes'::regclass FROM clinic.claims WHERE id = 1",
    ),
    "regclass beside a column": (
        "SELECT id FROM clinic.claims WHERE id = 'clinic.claims'::regclass",
        "SELECT id FROM clinic.claims WHERE id = 'clinic.notes'::regclass",
    ),
    "nextval": (
        "INSERT INTO clinic.claims (id) VALUES (nextval('clinic.claims_id_seq'))",
        "INSERT INTO clinic.claims (id) VALUES (nextval('clinic.notes_id_seq'))",
    ),
    "set_config": (
        "SELECT set_config('application_name', 'x', false)",
        "SELECT set_config('search_path', 'x', false)",
    ),
    "set_config beside a free literal": (
        "SELECT set_config('application_name', status, false) FROM clinic.claims WHERE id = 1",
        "SELECT set_config('search_path', status, false) FROM clinic.claims WHERE id = 1",
    ),
    "a query's text": (
        "SELECT query_to_xml('select 1', true, true, '') FROM clinic.claims WHERE id = 1",
        "SELECT query_to_xml('select 2', true, true, '') FROM clinic.claims WHERE id = 1",
    ),
    "a key": (
        "SELECT id FROM clinic.patients WHERE contact -> 'city' = '1'",
        "SELECT id FROM clinic.patients WHERE contact -> 'ssn' = '1'",
    ),
    "a key in the target list": (
        "SELECT contact ->> 'city' FROM clinic.patients WHERE id = 1",
        "SELECT contact ->> 'ssn' FROM clinic.patients WHERE id = 1",
    ),
    "a path": (
        "SELECT contact #>> '{city}' FROM clinic.patients WHERE id = 1",
        "SELECT contact #>> '{ssn}' FROM clinic.patients WHERE id = 1",
    ),
    "a subscript": (
        "SELECT allergies[1] FROM clinic.patients WHERE id = 1",
        "SELECT allergies[2] FROM clinic.patients WHERE id = 1",
    ),
    "a condition without a column": (
        "UPDATE clinic.claims SET status = 'x' WHERE 1 = 1",
        "UPDATE clinic.claims SET status = 'x' WHERE 1 = 2",
    ),
    "LIMIT": (
        "SELECT id FROM clinic.claims WHERE id = 1 LIMIT 1",
        "SELECT id FROM clinic.claims WHERE id = 1 LIMIT 1000000",
    ),
    "FETCH FIRST": (
        "SELECT id FROM clinic.claims WHERE id = 1 FETCH FIRST 1 ROWS ONLY",
        "SELECT id FROM clinic.claims WHERE id = 1 FETCH FIRST 2 ROWS ONLY",
    ),
    "a sample": (
        "SELECT id FROM clinic.claims TABLESAMPLE system (1) WHERE id = 1",
        "SELECT id FROM clinic.claims TABLESAMPLE system (100) WHERE id = 1",
    ),
    "a length": (
        "SELECT status::varchar(1) FROM clinic.claims WHERE id = 1",
        "SELECT status::varchar(2) FROM clinic.claims WHERE id = 1",
    ),
    "a length of a literal's type": (
        "SELECT id FROM clinic.claims WHERE status = 'abc'::varchar(1)",
        "SELECT id FROM clinic.claims WHERE status = 'abc'::varchar(2)",
    ),
    "an interval": (
        "SELECT id FROM clinic.claims WHERE submitted > interval '1 day'",
        "SELECT id FROM clinic.claims WHERE submitted > interval '2 days'",
    ),
    "an argument": (
        "SELECT left(ssn, 1) FROM clinic.patients WHERE id = 1",
        "SELECT left(ssn, 9) FROM clinic.patients WHERE id = 1",
    ),
    "an argument in a condition": (
        "SELECT id FROM clinic.patients WHERE length(ssn) = 1",
        "SELECT id FROM clinic.patients WHERE length(ssn) = 2",
    ),
    "a comparison inside of a call": (
        "SELECT id FROM clinic.claims WHERE coalesce(status = 'a', true)",
        "SELECT id FROM clinic.claims WHERE coalesce(status = 'b', true)",
    ),
    "a regular expression": (
        "SELECT id FROM clinic.patients WHERE ssn ~ '^1'",
        "SELECT id FROM clinic.patients WHERE ssn ~ '^2'",
    ),
    "EXPLAIN": (
        "EXPLAIN SELECT id FROM clinic.claims WHERE id = 1",
        "EXPLAIN SELECT id FROM clinic.claims WHERE id = 2",
    ),
    "SET": ("SET statement_timeout = 1", "SET statement_timeout = 2"),
    "PREPARE": (
        "PREPARE a AS SELECT id FROM clinic.claims WHERE id = 1",
        "PREPARE a AS SELECT id FROM clinic.claims WHERE id = 2",
    ),
    "DECLARE": (
        "DECLARE a CURSOR FOR SELECT id FROM clinic.claims WHERE id = 1",
        "DECLARE a CURSOR FOR SELECT id FROM clinic.claims WHERE id = 2",
    ),
    "COPY": (
        "COPY (SELECT id FROM clinic.claims WHERE id = 1) TO STDOUT",
        "COPY (SELECT id FROM clinic.claims WHERE id = 2) TO STDOUT",
    ),
    "several statements": (
        "SELECT id FROM clinic.claims WHERE id = 1; SELECT ssn FROM clinic.patients WHERE id = 1",
        "SELECT id FROM clinic.claims WHERE id = 2; SELECT ssn FROM clinic.patients WHERE id = 2",
    ),
    "what is not found": (
        "SELECT nothing FROM clinic.patients WHERE id = 1",
        "SELECT nothing FROM clinic.patients WHERE id = 2",
    ),
    "text and number": (
        "SELECT id FROM clinic.claims WHERE status = '1'",
        "SELECT id FROM clinic.claims WHERE status = 1",
    ),
    "int4 and numeric": (
        "SELECT id FROM clinic.claims WHERE id = 1",
        "SELECT id FROM clinic.claims WHERE id = 1.0",
    ),
    "int4 and int8": (
        "SELECT id FROM clinic.claims WHERE id = 1",
        "SELECT id FROM clinic.claims WHERE id = 3000000000",
    ),
    "int8 and numeric": (
        "SELECT id FROM clinic.claims WHERE id = 3000000000",
        "SELECT id FROM clinic.claims WHERE id = 30000000000000000000",
    ),
    "the least int4": (
        "SELECT id FROM clinic.claims WHERE id = -2147483649",
        "SELECT id FROM clinic.claims WHERE id = -2147483648",
    ),
    "a number with an exponent": (
        "SELECT id FROM clinic.claims WHERE id = 1.0",
        "SELECT id FROM clinic.claims WHERE id = 1e3",
    ),
    "a literal and NULL": (
        "SELECT id FROM clinic.claims WHERE id = 1",
        "SELECT id FROM clinic.claims WHERE id = NULL",
    ),
    "lists of different lengths": (
        "SELECT id FROM clinic.claims WHERE id IN (1, 2)",
        "SELECT id FROM clinic.claims WHERE id IN (1, 2, 3)",
    ),
    "more after the literal": (
        "SELECT id FROM clinic.claims WHERE status = 'a'",
        "SELECT id FROM clinic.claims WHERE status = 'a' OR '1' = '1'",
    ),
    "a union inside of what looks like one literal": (
        "SELECT id::text FROM clinic.claims WHERE status = 'a'",
        "SELECT id::text FROM clinic.claims WHERE status = '' UNION SELECT ssn FROM "
        "clinic.patients WHERE mrn = 'a'",
    ),
    "a backslash before the closing quote": (
        "SELECT id FROM clinic.claims WHERE status = 'a' AND policy_number = 'b'",
        "SELECT id FROM clinic.claims WHERE status = '\\' AND policy_number = 'b'",
    ),
    "an escape string": (
        "SELECT id FROM clinic.claims WHERE status = 'a' AND policy_number = 'b'",
        "SELECT id FROM clinic.claims WHERE status = E'\\' AND policy_number = ' --'",
    ),
    "a continued string": (
        "SELECT id FROM clinic.claims WHERE status = 'a'",
        "SELECT id FROM clinic.claims WHERE status = 'a'\n'b'",
    ),
    "a dollar quote": (
        "SELECT id FROM clinic.claims WHERE status = 'a'",
        "SELECT id FROM clinic.claims WHERE status = $$a$$",
    ),
    "a comment that ends the line": (
        "SELECT id FROM clinic.claims WHERE id = 1",
        "SELECT id FROM clinic.claims WHERE id = 1 -- 2",
    ),
    "a hint": (
        "SELECT /*+ SeqScan(a) */ id FROM clinic.claims a WHERE id = 1",
        "SELECT /*+ IndexScan(a) */ id FROM clinic.claims a WHERE id = 1",
    ),
    "a comment of another kind": (
        "SELECT id FROM clinic.claims WHERE id = 1 /* a */",
        "SELECT id FROM clinic.claims WHERE id = 1 /* b */",
    ),
    "a comment that is not the last thing": (
        "SELECT id FROM clinic.claims /*action='a'*/ WHERE id = $1",
        "SELECT id FROM clinic.claims /*action='b'*/ WHERE id = $1",
    ),
    "a comment with a comment inside": (
        "SELECT id FROM clinic.claims WHERE id = 1 /*action='a'*/",
        "SELECT id FROM clinic.claims WHERE id = 1 /*action='/*a'*/ OR id = 2 /*b='*/'*/",
    ),
    "a comment that ends early": (
        "SELECT id FROM clinic.claims WHERE id = 1 /*action='a'*/",
        "SELECT id FROM clinic.claims WHERE id = 1 /*action='*/ OR ssn = 'a'*/",
    ),
    "names": (
        "SELECT id AS a FROM clinic.claims WHERE id = 1",
        "SELECT id AS b FROM clinic.claims WHERE id = 1",
    ),
    "letter case": (
        "SELECT id FROM clinic.claims WHERE id = 1",
        "select id FROM clinic.claims WHERE id = 1",
    ),
    "two parameters": (
        "SELECT id FROM clinic.claims WHERE id = $1 AND status = 'a'",
        "SELECT id FROM clinic.claims WHERE id = $2 AND status = 'a'",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize(("rules", "user"), [("writer", "analyst"), ("hipaa", "clinician")])
def test_one_decision_does_not_stand_for_another_text(what: str, rules: str, user: str) -> None:
    harmless, harmful = OTHERS[what]
    for first, second in ((harmless, harmful), (harmful, harmless)):
        assert found(cached(first, rules=rules, user=user), second, rules, user) is None


def test_what_is_refused_is_refused_for_its_own_text() -> None:
    cache = cached("DELETE FROM clinic.patients WHERE id = 1")
    assert found(cache, "DELETE FROM clinic.patients WHERE id = 2") is None


def test_each_value_that_counts_has_a_plan_of_its_own() -> None:
    first, second, third = (
        f"SELECT id, ssn FROM clinic.patients WHERE id = {n} ORDER BY {n}" for n in (1, 2, 2)
    )
    cache = cached(first, second)
    made = found(cache, third.replace("id = 2", "id = 33"))
    assert made is not None
    assert bare(made) == bare(plan("SELECT id, ssn FROM clinic.patients WHERE id = 33 ORDER BY 2"))
    assert made.statements != plan(first).statements


def test_whatever_else_a_plan_depends_on_is_in_the_key() -> None:
    text = "SELECT ssn FROM clinic.patients WHERE id = {}"
    cache = cached(text.format(1))
    asked = request(text.format(2), "hipaa", "analyst")
    assert cache.find_alike(asked, KEY) is not None

    def misses(other: PlanRequest) -> bool:
        return cache.find_alike(other, KEY) is None

    assert misses(replace(asked, principal=request("", "hipaa", "dba").principal))
    assert misses(replace(asked, principal=Principal("analyst", frozenset(), "clinic")))
    assert misses(replace(asked, view=SessionView("analyst", ("pg_catalog", "public"))))
    assert misses(replace(asked, view=SessionView("dba", asked.view.search_path)))
    assert misses(replace(asked, environment="test"))
    assert misses(replace(asked, parameter_types=(16_400,)))
    for key in (("x", 1, "digest", 0), ("clinic", 2, "digest", 0), ("clinic", 1, "x", 0)):
        assert cache.find_alike(asked, key) is None
    assert cache.find_alike(asked, ("clinic", 1, "digest", 1)) is None


def test_a_record_tells_of_its_own_text() -> None:
    text = "SELECT ssn FROM clinic.patients WHERE last_name = '{}' /*traceparent='{}'*/"
    cache = cached(text.format("Doe", TRACE.format(1)), rules="kept")
    second = text.format("O''Brien", TRACE.format(2))
    made = found(cache, second, "kept")
    assert made is not None
    (recorded,) = (statement.recorded for statement in made.statements)
    assert recorded.original == second
    assert recorded.attribution.traceparent == TRACE.format(2)
    assert recorded.redacted == "SELECT ssn FROM clinic.patients WHERE last_name = ?"
    assert "Doe" not in repr(made)


def test_a_plan_from_a_stencil_makes_no_other() -> None:
    text = "SELECT id FROM clinic.claims WHERE id = {}"
    cache = cached(text.format(1))
    asked = request(text.format(22), "hipaa", "analyst")
    made = cache.find_alike(asked, KEY)
    assert made is not None
    assert made.plan.freedom is None
    assert cache.find(asked, KEY) is None


def test_texts_that_may_not_get_longer() -> None:
    text = "SELECT id FROM clinic.claims WHERE id = 1"
    narrow = replace(world("hipaa"), limits=Limits(max_text_bytes=500))
    made = plan_text(narrow, request(text, "hipaa", "analyst"))
    assert (made.refusal, made.freedom) == (None, None)


def test_stencils_are_bounded_too() -> None:
    cache = PlanCache(max_bytes=200_000)
    made = plan("SELECT id FROM clinic.claims WHERE id = 1 ORDER BY 1")
    for number in range(60):
        asked = request("SELECT id FROM clinic.claims WHERE id = 1 ORDER BY 1", "hipaa", "analyst")
        asked = replace(asked, environment=str(number))
        cache.put(asked, Planned(made, frozenset(), KEY))
        again = replace(asked, text=asked.text.replace("id = 1", "id = 2"))
        assert cache.find_alike(again, KEY) is not None
        assert cache.size <= 200_000
    cache.clear()
    assert (cache.size, len(cache)) == (0, 0)
