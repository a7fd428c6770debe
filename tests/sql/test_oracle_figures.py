"""Recall and precision of analysis over whole collections of queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .measuring import Tally, measure
from .oracle import CORPUS, GIVES_ROWS, Server, corpus_queries

pytestmark = pytest.mark.pg

ALIASES_NEEDED = 160_000
"""Before this server_version_num a subquery in FROM had to have an alias."""

TPC = {"tpch": 22, "tpcds": 99}


@pytest.fixture(scope="module")
def benchmark(module_database: object) -> Iterator[Server]:
    """The tables of TPC-H and TPC-DS, empty."""
    made = Server(module_database.dsn())  # type: ignore[attr-defined]
    made.connection.execute((CORPUS / "tpc" / "schema.sql").read_text().encode())
    yield made
    made.close()


def texts(name: str) -> list[str]:
    return (CORPUS / "tpc" / f"{name}.sql").read_text().split("\n\n")


@pytest.mark.parametrize(("name", "count"), TPC.items())
def test_every_column_of_the_tpc_queries_is_found(
    name: str, count: int, benchmark: Server, record_property: Callable[[str, object], None]
) -> None:
    queries = texts(name)
    assert len(queries) == count
    benchmark.connection.execute(f"SET search_path = {name}".encode())
    snapshot = benchmark.snapshot()
    tally = measure(benchmark, snapshot, queries)
    record_property("oracle", f"{name}: {tally}")
    assert tally.wrong == []
    assert (tally.recall, tally.precision) == (1.0, 1.0)
    without_alias = tally.rejected["42601"] if snapshot.server_version < ALIASES_NEEDED else 0
    assert tally.valid + without_alias == count


def test_every_column_of_the_corpus_is_found(
    pg_database: object, record_property: Callable[[str, object], None]
) -> None:
    server = Server(pg_database.dsn())  # type: ignore[attr-defined]
    server.build()
    snapshot = server.snapshot()
    queries = [
        query.replace("hospital.", f"{snapshot.database}.")
        for query in corpus_queries()
        if not any(name in query for name in GIVES_ROWS)
    ]
    tally = measure(server, snapshot, queries)
    server.close()
    record_property("oracle", f"corpus: {tally}")
    check(tally)


def check(tally: Tally) -> None:
    """The figures that dbguard promises."""
    assert tally.recall == 1.0, tally.wrong
    assert tally.precision >= 0.995, tally.wrong
    assert tally.understood > 0.995, tally.wrong
