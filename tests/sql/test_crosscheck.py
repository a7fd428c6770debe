from __future__ import annotations

from pathlib import Path

import pytest
from postgast import pg_query_pb2

from dbguard.errors import NotUnderstood
from dbguard.sql import referee
from dbguard.sql.crosscheck import CrossCheck, Outcome, compare, mentions
from dbguard.sql.inventory import walk
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.precheck import check_text

HONEST = Path(__file__).with_name("honest_statements.sql").read_text("utf-8").split("\n\n")


def checked(text: str) -> tuple[CrossCheck, ...]:
    tokens = check_text(text, DEFAULT_LIMITS)
    return compare(text, referee.parse(text), tokens)


@pytest.mark.parametrize("text", HONEST)
def test_honest_statements_are_read_alike(text: str) -> None:
    for check in checked(text):
        assert check.understood, check


def test_few_honest_statements_need_a_bridge() -> None:
    bridged = [text for text in HONEST if any(check.bridged for check in checked(text))]
    assert len(bridged) <= 5


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a <-> b, a @@@ c, #d, a |> e, a // f, a ~~* g",
        'SELECT U&"\\0073sn", U&"d!0061t" UESCAPE \'!\' FROM t',
        "SELECT OPERATOR(pg_catalog.-) a, b OPERATOR(s.<->) c OPERATOR(s.+) OPERATOR(s.!!) d",
        "SELECT s.f(a) FILTER (WHERE b) OVER (PARTITION BY c), s.count(*) FILTER (WHERE d)",
        "SELECT a.f(0.5) WITHIN GROUP (ORDER BY b)::text[1], c.g(d) OVER w FROM t WINDOW w AS ()",
        "SELECT citext 'a', clinic.mrn 'b', tsquery 'c'",
        "SELECT * FROM ONLY (t)",
        "SELECT 1 FROM ONLY (a.b), (ONLY (c) JOIN (ONLY (d) CROSS JOIN ONLY e) ON f(g))",
        "SELECT ordinality(t) FROM unnest(a) WITH ORDINALITY AS t",
        "SELECT a LIKE b ESCAPE c FROM t",
        "DELETE FROM t WHERE CURRENT OF c",
        "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1)",
        "INSERT INTO t (a.b, c[1].d, e[f:2]) VALUES (1, 2, 3)",
        'INSERT INTO t VALUES (1) ON CONFLICT (a, lower(b) COLLATE "C" s.ops) DO NOTHING',
        "SELECT interval '1' DAY TO SECOND(2), interval(2) '1', a::interval second(1)",
        "SELECT 1_000.5e0_1, 0x_ff, 1_0., .5_0",
        "SELECT a FROM t TABLESAMPLE s.method (u.b, 2) REPEATABLE (f(c))",
        "WITH x AS (SELECT a FROM t) VALUES ((SELECT a FROM x))",
        "SELECT a < b AND c FROM t GROUP BY ROLLUP (a < b AND c), GROUPING SETS (b OR c, CUBE (c))",
        "SELECT f(a) OVER (ROWS BETWEEN unbounded (b) PRECEDING AND unbounded.c FOLLOWING) FROM t",
        "UPDATE t SET a = 1 RETURNING WITH (OLD AS o, NEW AS n) o.a, n.*, f(b)",
        "MERGE INTO t USING a JOIN b USING (x) ON t.y = b.y WHEN MATCHED THEN DELETE",
        "SELECT * FROM current_date AS d, current_timestamp(1), user",
        "WITH RECURSIVE x AS (SELECT 1) SEARCH BREADTH FIRST BY a, b SET o CYCLE a, b SET c TO 1"
        " DEFAULT 0 USING p, y AS (SELECT 2) CYCLE a SET c USING p SELECT d FROM x",
        "SELECT x.b FROM t CROSS JOIN (LATERAL (SELECT t.a AS b) x CROSS JOIN LATERAL f(x.b) y)",
        "CREATE RECURSIVE VIEW v (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM v WHERE n < 5",
        "CREATE OR REPLACE TEMP RECURSIVE VIEW v (n) AS SELECT a FROM t UNION SELECT n FROM v",
    ],
)
def test_extensions_and_rare_forms_are_bridged(text: str) -> None:
    (check,) = checked(text)
    assert check.outcome is Outcome.AGREES


@pytest.mark.parametrize(
    "text",
    [
        "SELECT x FROM a TABLESAMPLE s.bernoulli (10 + b) REPEATABLE (c.d), e TABLESAMPLE f (g)",
        "SELECT x FROM (LATERAL f(a) WITH ORDINALITY AS e (y, z) JOIN b ON c), LATERAL g(d)",
        "SELECT x FROM (LATERAL ROWS FROM (f(a), g(b)) AS e (y) JOIN b ON true)",
        "SELECT x FROM a, (LATERAL (SELECT b) AS z JOIN c ON true)",
        "WITH RECURSIVE a AS (SELECT b) SEARCH DEPTH FIRST BY x, y SET z, c AS (SELECT d)"
        " SELECT * FROM a",
        "WITH RECURSIVE a AS (SELECT b) SEARCH BREADTH FIRST BY x SET z"
        " CYCLE x, y SET m TO 'a' DEFAULT 'b' USING p, c AS (SELECT d) SELECT * FROM a",
        "WITH cycle AS (SELECT 1), search AS (SELECT cycle) SELECT cycle FROM search",
        'SELECT a.U&"\\0078", 1 AS U&"c!0061" UESCAPE \'!\' FROM s.U&"\\+000062" (U&"d\\\\", e)',
        'SELECT U & "d" FROM x',
        "SELECT extract(year FROM (ARRAY[a, b])[c]), trim(FROM (d)), trim(both (e) FROM (f))",
        "SELECT JSON_OBJECT('k': value, 'v': format ABSENT ON NULL), JSON_ARRAY(value, keys)",
        "SELECT JSON_VALUE(value, '$' PASSING value AS v DEFAULT value ON EMPTY ERROR ON ERROR)",
        "SELECT JSON_QUERY(string, '$' WITH CONDITIONAL ARRAY WRAPPER KEEP QUOTES ON SCALAR STRING"
        " EMPTY ARRAY ON EMPTY), JSON_OBJECTAGG(value VALUE value WITH UNIQUE KEYS)",
        "SELECT xmlexists('/a' PASSING BY VALUE value), xmlroot(a, VERSION NO VALUE)",
    ],
)
def test_names_are_found_among_the_words_of_a_clause(text: str) -> None:
    (check,) = checked(text)
    assert (check.outcome, check.bridged) == (Outcome.AGREES, False)


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE t",
        "CREATE TABLE t (a int DEFAULT f())",
        "SET ROLE x",
        "DO $$ SELECT 1; $$",
        "COPY t TO STDOUT",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT a; SELECT b; END",
        "EXECUTE q",
        "CREATE TABLE x AS EXECUTE q",
        "VACUUM t",
    ],
)
def test_utility_statements_need_no_second_reading(text: str) -> None:
    (check,) = checked(text)
    assert (check.outcome, check.query, check.understood) == (Outcome.UNREAD, False, True)


@pytest.mark.parametrize(
    "text",
    [
        "EXPLAIN (ANALYZE) WITH x AS (SELECT 1) SELECT a FROM x",
        "PREPARE q (int) AS SELECT a FROM t WHERE b = $1",
        "DECLARE c CURSOR WITH HOLD FOR (SELECT a FROM t)",
        "COPY (SELECT 'é', a FROM t) TO STDOUT WITH (FORMAT csv)",
        "CREATE TABLE x AS SELECT a FROM t WITH NO DATA",
        "CREATE VIEW v (a) AS SELECT b FROM t WITH CHECK OPTION",
        "CREATE MATERIALIZED VIEW v AS TABLE t",
        "CREATE OR REPLACE RECURSIVE VIEW s.v (a, b) AS SELECT 1, c UNION SELECT a, b FROM v",
        "CREATE VIEW v AS WITH RECURSIVE v AS (SELECT a FROM t) SELECT a FROM v",
        "EXPLAIN CREATE TABLE x AS VALUES (a())",
        "EXPLAIN DECLARE c CURSOR FOR SELECT a FROM t",
    ],
)
def test_wrapped_queries_are_compared(text: str) -> None:
    (check,) = checked(text)
    assert check.outcome is Outcome.AGREES


def test_each_statement_of_a_text_has_its_own_comparison() -> None:
    outcomes = [c.outcome for c in checked("SELECT 'é;' ; DROP TABLE t; ;DELETE FROM t -- ;")]
    assert outcomes == [Outcome.AGREES, Outcome.UNREAD, Outcome.AGREES]


@pytest.mark.parametrize(
    ("seen", "actual"),
    [
        ("SELECT a FROM t", "SELECT b FROM t"),
        ("SELECT a FROM t", "SELECT a FROM u"),
        ("SELECT a FROM t", "SELECT a FROM s.t"),
        ("SELECT f(a) FROM t", "SELECT g(a) FROM t"),
        ("SELECT a, b FROM t", "SELECT a   FROM t"),
        ("SELECT a    FROM t", "SELECT a, b FROM t"),
        ("SELECT a FROM t", "SELECT * FROM t"),
        ("SELECT (a).b FROM t", "SELECT (a).c FROM t"),
        ("SELECT 1 FROM t JOIN u USING (a)", "SELECT 1 FROM t JOIN u USING (b)"),
        ("UPDATE t SET a = 1", "UPDATE t SET b = 1"),
        ("INSERT INTO t (a) VALUES (1)", "INSERT INTO t (b) VALUES (1)"),
        ("WITH x AS (SELECT 1) SELECT 1", "WITH y AS (SELECT 1) SELECT 1"),
        ("SELECT count(*) FROM t", "SELECT count(a) FROM t"),
        ("DELETE FROM t        ", "SELECT 1 FROM t"),
        ("SELECT 1; SELECT 2", "SELECT 1   SELECT 2"),
        ("SELECT 1 FROM user", "SELECT 1 FROM pets"),
        ("INSERT INTO t (a.b) VALUES (1)", "INSERT INTO t (a.c) VALUES (1)"),
        ("SELECT 1 FROM t TABLESAMPLE s (a)", "SELECT 1 FROM t TABLESAMPLE s (b)"),
    ],
)
def test_a_referee_that_saw_another_text_is_contradicted(seen: str, actual: str) -> None:
    """The second reading is of the text; a wrong tree beside it must not pass."""
    statements = referee.parse(seen)
    checks = compare(actual.ljust(len(seen)), statements, referee.scan(actual))
    assert not all(check.understood for check in checks)


def test_the_construct_and_its_place_are_named_without_literals() -> None:
    text = "SELECT 'é', b FROM t"
    (check,) = compare("SELECT 'é', c FROM t", referee.parse(text), referee.scan(text))
    assert check.outcome is Outcome.DISAGREES
    assert check.construct == 'the column "b"'
    assert check.position == 13


MENTIONING = [
    ("SELECT (p).ssn, (f(a)).b.*, c[1].d FROM s.t p", "t", "p f a ssn b * d"),
    (
        "INSERT INTO t AS x (a) SELECT b FROM u ON CONFLICT (c) DO UPDATE SET d = e",
        "t u",
        "a b c d e",
    ),
    ("UPDATE t SET (a, b) = (SELECT c, d FROM u) WHERE CURRENT OF k", "t u", "a b c d"),
    ("CREATE TABLE x AS SELECT a FROM t", "x t", "a"),
    ("SELECT a INTO x FROM t", "x t", "a"),
    ("CREATE VIEW v AS SELECT a FROM t", "v t", "a"),
    ("ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)", "t p", ""),
    ("CREATE TABLE c (a int REFERENCES r (b), CHECK (g(d) > 0))", "c r", "g d"),
    (
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (old.a > h(1)) EXECUTE FUNCTION f()",
        "t",
        "old h",
    ),
    ("CREATE POLICY p ON t USING (a = f())", "t", "a f"),
    ("CREATE RULE r AS ON INSERT TO t DO INSTEAD DELETE FROM u WHERE a", "t u", "a"),
    ("COPY t (a, b) FROM STDIN WHERE c > 1", "t", "a b c"),
    ("LOCK TABLE t, u", "t u", ""),
    ("TRUNCATE t, s.u", "t u", ""),
    ("VACUUM t (a), u", "t u", "a"),
    ("GRANT SELECT (a) ON t TO x", "t", "a"),
    ("CALL p(f(1))", "", "p f"),
    (
        "MERGE INTO t USING u ON a WHEN MATCHED THEN UPDATE SET b = c"
        " WHEN NOT MATCHED THEN INSERT (d) VALUES (e)",
        "t u",
        "a b c d e",
    ),
    ("CREATE INDEX ON t (a, lower(b)) WHERE c", "t", "a b lower c"),
    ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT a FROM t; END", "t", "a"),
    ("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (x) REFERENCES r (y)", "t r", ""),
    ("CREATE STATISTICS s ON a, (f(b)) FROM t", "t", "a f b"),
    ("SELECT 1 FROM json_table(a, '$' columns (x int path '$' default b on empty)) j", "", "a b"),
    ("SELECT 1 FROM t JOIN u USING (a)", "t u", "a"),
    ("CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT f(b) FROM u", "t v u", "f b"),
    ("REFRESH MATERIALIZED VIEW v", "v", ""),
    ("ALTER SEQUENCE q OWNED BY NONE", "q", ""),
    ("CREATE PUBLICATION p FOR TABLE t WHERE (a > 1)", "t", "a"),
]


@pytest.mark.parametrize(("text", "relations", "names"), MENTIONING)
def test_mentions(text: str, relations: str, names: str) -> None:
    (statement,) = referee.parse(text)
    found = mentions(statement)
    assert {m.parts[-1] for m in found.relations} == set(relations.split())
    others = {m.parts[0] for m in (*found.columns, *found.functions)}
    others |= {m.name for m in (*found.fields, *found.targets)} | set(found.unplaced)
    assert set(names.split()) <= others


@pytest.mark.parametrize("text", HONEST)
def test_the_walk_reaches_every_node_of_the_tree(text: str) -> None:
    """A plain search for the keys finds no more than the typed walk."""
    for statement in referee.parse(text):
        visited = [id(item) for _, item in walk(statement.tag, statement.node)]
        assert len(visited) == len(set(visited))
        found = mentions(statement)
        pending: list[object] = [statement.node]
        counted = {"relname": 0, "ColumnRef": 0, "funcname": 0, "A_Indirection": 0}
        while pending:
            item = pending.pop()
            if isinstance(item, dict):
                for key, value in item.items():
                    if key in counted:
                        counted[key] += 1
                    pending.append(value)
            elif isinstance(item, list):
                pending.extend(item)
        assert len(found.relations) == counted["relname"]
        assert len(found.columns) == counted["ColumnRef"]
        assert len(found.functions) == counted["funcname"] - text.count("EXECUTE FUNCTION")


def test_only_known_nodes_hold_a_relation_name() -> None:
    holders = {
        name
        for name, message in pg_query_pb2.DESCRIPTOR.message_types_by_name.items()
        if "relname" in message.fields_by_name
    }
    assert holders == {"RangeVar", "WithCheckOption"}


NAMES = """
    type value date time year name role key level format index schema comment database function
    trigger view drop alter revoke rollback copy load execute procedure
"""


@pytest.mark.parametrize("word", NAMES.split())
@pytest.mark.parametrize(
    "frame",
    [
        "SELECT {0}, t.{0}, {0} + 1, {0}::text AS {0} FROM t WHERE {0} = 1 ORDER BY {0}",
        "SELECT {0}.a FROM s.{0} AS {0}",
        "UPDATE t SET {0} = 1 WHERE {0} IS NULL RETURNING {0}",
        "INSERT INTO t ({0}) VALUES (1)",
        "WITH {0} AS (SELECT 1) SELECT * FROM {0}",
    ],
)
def test_words_that_postgresql_takes_for_names(word: str, frame: str) -> None:
    assert all(check.understood for check in checked(frame.format(word)))


@pytest.mark.parametrize(
    "frame",
    [
        "({})",
        "f({})",
        "date({})",
        "int4({})",
        "point({})",
        "(SELECT {} FROM t)",
        "(a IN ({}))",
        "CASE WHEN {} THEN 1 END",
        "CAST({} AS int)",
        "json_value({}, '$')",
        "trim(both a from {})",
        "(interval '1' day + {})",
        "struct({})",
        "array(select {})",
    ],
)
def test_nesting_takes_linear_time(frame: str) -> None:
    """Two readings for each level would take longer than the test suite has."""
    text = "a"
    for _ in range(45):
        text = frame.format(text)
    try:
        (check,) = checked("SELECT " + text)
    except NotUnderstood:
        return  # the referee's own limit
    assert check.outcome is Outcome.AGREES


@pytest.mark.parametrize(
    "text",
    [
        "SELECT f(a)\n;",
        "UPDATE t SET a.b = 1, c[2].d = 3",
        "SELECT a FROM t TABLESAMPLE system (1)",
        "INSERT INTO t (SELECT a FROM u)",
        'SELECT 1 AS "é", ü.a FROM ü',
        "SELECT a --é\n, b FROM t",
        'SELECT a COLLATE "C" * b, c COLLATE s."d" || e COLLATE "C" FROM t',
    ],
)
def test_more_forms_read_alike(text: str) -> None:
    assert all(check.understood for check in checked(text))
