"""What drivers' own test suites do, and once had another result through dbguard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from .proxies import Guarded

pytestmark = pytest.mark.pg


def test_unicode_is_another_name_of_utf8(guard: Callable[..., Guarded], pg_database: Any) -> None:
    """The server reports it as it was given; psycopg2 sets it."""
    pg_database.create_user("app")
    with guard(pg_database, rules=None).connect("app", autocommit=True) as client:
        client.execute("SET client_encoding TO 'UNICODE'")
        assert client.info.parameter_status("client_encoding") == "UNICODE"
        assert client.execute("SELECT '\u2603'::text").fetchone() == ("\u2603",)


def test_cancelled_while_dbguard_asks_the_server(
    guard: Callable[..., Guarded], pg_database: Any
) -> None:
    """What a temporary table changed is looked up first: the cancel request does not go there."""
    pg_database.create_user("app")
    guarded = guard(pg_database, rules=None)
    with guarded.connect("app", autocommit=True) as client:
        for number, delay in enumerate((0.02, 0.04, 0.08, 0.12, 0.16, 0.2, 0.3)):
            client.execute(f"CREATE TEMP TABLE t{number} (id int PRIMARY KEY)")
            timer = threading.Timer(delay, client.cancel_safe)
            outcome: str | None = ""
            timer.start()
            try:
                client.execute(f"SELECT pg_sleep(6), {number}")
            except psycopg.errors.QueryCanceled as error:
                outcome = error.sqlstate
            timer.join()
            assert outcome == "57014", delay


def test_cancelled_while_the_statement_is_analysed(
    guard: Callable[..., Guarded], pg_database: Any
) -> None:
    """The first statement takes longest to analyse; its cancel request overtakes it."""
    pg_database.create_user("app")
    guarded = guard(pg_database, rules=None)
    many = "".join(f", {number} AS c{number}" for number in range(1500))
    for delay in (0.0, 0.002, 0.01, 0.05):
        with guarded.connect("app", autocommit=True) as client:
            outcome: list[object] = []

            def work(client: psycopg.Connection[Any], outcome: list[object]) -> None:
                try:
                    outcome.append(client.execute(f"SELECT pg_sleep(5){many}").fetchone())
                except psycopg.Error as error:
                    outcome.append(error.sqlstate)

            thread = threading.Thread(target=work, args=(client, outcome))
            thread.start()
            time.sleep(delay)
            while thread.is_alive():  # one may come before the statement was sent at all
                client.cancel_safe()
                thread.join(1)
            assert outcome == ["57014"], delay
            assert client.execute("SELECT 1").fetchone() == (1,)
