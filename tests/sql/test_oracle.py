"""Analysis against a real server: pg_depend and RowDescription know best."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from dbguard.errors import UndefinedName
from dbguard.sql.analysis import analyze
from dbguard.sql.facts import StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import RelationKind, Snapshot

from .oracle import CORPUS, GIVES_ROWS, Server, corpus_queries

pytestmark = pytest.mark.pg

QUERIES = corpus_queries()

NEWER = ("JSON_TABLE", "JSON_VALUE", "JSON_OBJECT", "JSON_ARRAY", "IS JSON")


@pytest.fixture(scope="module")
def server(module_database: object) -> Iterator[Server]:
    made = Server(module_database.dsn())  # type: ignore[attr-defined]
    made.build()
    yield made
    made.close()


@pytest.fixture(scope="module")
def snapshot(server: Server) -> Snapshot:
    return server.snapshot()


def _facts(query: str, server: Server, snapshot: Snapshot) -> StatementFacts:
    (reading,) = analyze(query, snapshot, server.view(), DEFAULT_LIMITS)
    return reading.facts


def _adapted(query: str, server: Server, snapshot: Snapshot) -> str:
    """`query` for this server, or a visible skip where it cannot run it."""
    version = snapshot.server_version
    if version < 170_000 and any(word in query for word in NEWER):
        pytest.skip("SQL/JSON came with PostgreSQL 16 and 17")
    if "xml" in query.lower() and not server.has_xml():
        pytest.skip("this server was built without XML")
    query = query.replace("hospital.", f"{snapshot.database}.")
    if version < 140_000:
        try:
            server.connection.execute(b"PREPARE adapted AS " + query.encode())
        except psycopg.Error as error:
            pytest.skip(f"PostgreSQL {version // 10_000} says: {error.diag.message_primary}")
        server.connection.execute("DEALLOCATE adapted")
    return query


@pytest.mark.parametrize("query", QUERIES)
def test_columns_are_those_a_view_depends_on(
    query: str, server: Server, snapshot: Snapshot
) -> None:
    query = _adapted(query, server, snapshot)
    if any(name in query for name in GIVES_ROWS) or "ROW(" in query:
        pytest.skip("a view of it depends on a row type, or cannot be made")
    facts = _facts(query, server, snapshot)
    expected = {
        pair
        for pair in server.dependencies(query)
        if snapshot.relation_by_oid[pair[0]].kind is not RelationKind.COMPOSITE_TYPE
    }
    columns = {(c.column.relation, c.column.number) for c in facts.columns}
    assert {pair for pair in expected if pair[1] != 0} <= columns
    assert {oid for oid, _ in expected} <= {r.relation for r in facts.relations}
    whole_rows = {oid for oid, number in expected if number == 0}
    system = {oid for oid, _ in columns if snapshot.relation_by_oid[oid].schema == "pg_catalog"}
    surplus = {p for p in columns - expected if p[0] not in whole_rows | system}
    assert not surplus or "q.s)" in query
    assert not facts.opaque


@pytest.mark.parametrize("query", QUERIES)
def test_origins_are_those_of_row_description(
    query: str, server: Server, snapshot: Snapshot
) -> None:
    query = _adapted(query, server, snapshot)
    outputs = _facts(query, server, snapshot).outputs
    expected = server.origins(query)
    assert [o.name for o in outputs] == [name for name, _ in expected]
    for output, (_, (relation, number)) in zip(outputs, expected, strict=True):
        if number == 0:  # an expression, or a whole row
            assert output.origin is None
        else:
            assert output.origin is not None
            assert (output.origin.relation, output.origin.number) == (relation, number)


def test_the_corpus_is_large() -> None:
    assert len(QUERIES) >= 150


MISTAKES = [p.strip() for p in (CORPUS / "mistakes.sql").read_text().split("\n\n")]


@pytest.mark.parametrize("query", MISTAKES)
def test_mistakes_are_reported_as_the_server_reports_them(
    query: str, server: Server, snapshot: Snapshot
) -> None:
    if "MERGE" in query and snapshot.server_version < 150_000:
        pytest.skip("MERGE came with PostgreSQL 15")
    with pytest.raises(psycopg.Error) as servers:
        server.connection.execute(query.encode())
    with pytest.raises(UndefinedName) as ours:
        analyze(query, snapshot, server.view(), DEFAULT_LIMITS)
    position = servers.value.diag.statement_position
    assert (ours.value.code, ours.value.message, ours.value.position) == (
        servers.value.sqlstate,
        servers.value.diag.message_primary,
        int(position) if position else None,
    )


CHANGES = [p.strip() for p in (CORPUS / "changes.sql").read_text().split("\n\n")]


@pytest.mark.parametrize("statement", CHANGES)
def test_changes_use_the_columns_that_a_function_body_depends_on(
    statement: str, server: Server, snapshot: Snapshot
) -> None:
    if snapshot.server_version < 150_000 or ("MERGE" in statement and _before_17(snapshot)):
        pytest.skip("SQL-standard function bodies came with 14, MERGE in them with 17")
    server.connection.execute("CREATE SEQUENCE IF NOT EXISTS x")
    facts = _facts(statement, server, snapshot)
    columns = {(c.column.relation, c.column.number) for c in facts.columns}
    expected = {
        (oid, number)
        for oid, number in server.body_dependencies(statement)
        if number != 0 and snapshot.relation_by_oid[oid].kind is not RelationKind.COMPOSITE_TYPE
    }
    if "DO UPDATE" in statement:  # the body depends on every column of `excluded`
        expected = {(c.relation, c.number) for c in (f.target for f in facts.flows)}
    assert expected <= columns
    assert not facts.opaque


def _before_17(snapshot: Snapshot) -> bool:
    return snapshot.server_version < 170_000
