"""Sessions that did not come through dbguard are told once, and those that did never are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg
import pytest

from .conftest import Factory
from .proxies import Guarded

pytestmark = pytest.mark.pg

OFTEN = "interval: 100ms"
EVENT = "session past dbguard"


@pytest.fixture
def watched(module_database: Any, guard: Factory) -> Callable[..., Guarded]:
    """Starts a proxy whose control role may see who is connected, if `sees`."""
    module_database.create_user("app")
    module_database.create_user("dbguard")

    def start(watch: str = OFTEN, *, sees: bool = True, extra: str = "") -> Guarded:
        change = "GRANT pg_read_all_stats TO" if sees else "REVOKE pg_read_all_stats FROM"
        module_database.execute(f"{change} dbguard")
        return guard(
            module_database,
            rules=None,
            durability="buffered",
            metrics=True,
            extra=f"watch: {{{watch}}}\n{extra}",
        )

    return start


@contextmanager
def past(database: Any, application: str, user: str = "app") -> Iterator[psycopg.Connection[Any]]:
    with closing(
        psycopg.connect(database.dsn(user), application_name=application, autocommit=True)
    ) as connection:
        yield connection


def told(guarded: Guarded) -> list[dict[str, str]]:
    records = guarded.records("security")
    return [r["fields"] for r in records if r["fields"]["event"] == EVENT]


def applications(guarded: Guarded) -> list[str]:
    return [fields["application"] for fields in told(guarded)]


def within(seconds: float, true: Callable[[], object]) -> None:
    until = time.monotonic() + 6 * seconds  # on an idle machine; others take their time
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def a_few_looks(guarded: Guarded, database: Any, mark: str) -> None:
    """Wait until a session that began now has been told: looks at all others happened too."""
    with past(database, mark):
        within(20, lambda: mark in applications(guarded))


def logged(guarded: Guarded, event: str) -> list[dict[str, Any]]:
    lines = guarded.logged()
    return [line for line in lines if line["event"] == event]


def test_a_session_past_dbguard_is_told_once(
    watched: Callable[..., Guarded], module_database: Any
) -> None:
    guarded = watched()
    with past(module_database, "secret tool"), past(module_database, "second tool"):
        within(20, lambda: {"secret tool", "second tool"} <= set(applications(guarded)))
        a_few_looks(guarded, module_database, "after")
    (found,) = [f for f in told(guarded) if f["application"] == "secret tool"]
    since = found.pop("since")
    assert since.startswith("20")
    assert found == {
        "event": EVENT,
        "user": "app",
        "database": module_database.name,
        "address": "local",
        "application": "secret tool",
        "kind": "client backend",
    }
    assert [line["level"] for line in logged(guarded, EVENT) if line["since"] == since] == [
        "warning"
    ]
    count = guarded.samples()["dbguard_sessions_past_dbguard_total"]
    assert count == len(told(guarded)) >= 3
    with past(module_database, "secret tool"):  # another one
        within(20, lambda: applications(guarded).count("secret tool") == 2)


def test_sessions_through_dbguard_are_not_told(
    watched: Callable[..., Guarded], module_database: Any
) -> None:
    guarded = watched("interval: 20ms")
    stop = threading.Event()
    failures: list[BaseException] = []

    def come_and_go() -> None:
        try:
            while not stop.is_set():
                with closing(guarded.connect("app", application_name="honest")) as connection:
                    connection.execute("SELECT 1")
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(6)]
    with closing(guarded.connect("app", application_name="honest")) as staying:
        staying.execute("SELECT 1")
        for thread in threads:
            thread.start()
        for number in range(3):
            a_few_looks(guarded, module_database, f"mark {number}")
        # one whose client is gone while the server still works for it
        leaving = guarded.connect("app", application_name="honest", autocommit=True)
        # (its backend may outlive this test: no other test may look for an "honest" one)
        leaving.pgconn.send_query(b"SELECT pg_sleep(4)")
        leaving.pgconn.flush()
        time.sleep(0.3)
        leaving.close()
        for number in range(3):
            a_few_looks(guarded, module_database, f"later mark {number}")
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert "honest" not in applications(guarded)
    assert not [a for a in applications(guarded) if a.startswith("dbguard")]


def test_expected_sessions_are_not_told(
    watched: Callable[..., Guarded], module_database: Any
) -> None:
    guarded = watched(
        f"{OFTEN}, expected: [{{user: app, application: 'backup*'}}, "
        "{networks: [127.0.0.0/8], application: monitor}, "
        "{networks: [10.0.0.0/8], application: faraway}, {user: other, application: tool}]"
    )
    with ExitStack() as stack:
        for name in ("backup 7", "monitor", "faraway", "tool", "not backup"):
            stack.enter_context(past(module_database, name))
        a_few_looks(guarded, module_database, "mark")
        a_few_looks(guarded, module_database, "second mark")
    assert {"faraway", "tool", "not backup"} <= set(applications(guarded))
    assert not {"backup 7", "monitor"} & set(applications(guarded))


def test_two_upstreams_that_are_one_server(
    watched: Callable[..., Guarded], module_database: Any, pg_server: Any
) -> None:
    dsn = module_database.dsn("dbguard")
    guarded = watched(
        extra="upstreams: {other: {databases: [postgres], host: localhost, "
        f'port: {pg_server.port}, catalog: {{dsn: "{dsn}"}}}}}}\n'
    )
    there = guarded.dsn("app").replace(guarded.database, "postgres")
    with (
        closing(psycopg.connect(there, application_name="honest there")),
        closing(guarded.connect("app", application_name="honest here")),
        past(module_database, "mark"),
    ):
        within(20, lambda: "mark" in applications(guarded))
        a_few_looks(guarded, module_database, "second mark")
    assert not {"honest there", "honest here"} & set(applications(guarded))
    assert applications(guarded).count("mark") == 1


def test_without_the_privilege_it_says_so_once(
    watched: Callable[..., Guarded], module_database: Any
) -> None:
    guarded = watched(sees=False)
    said = "sessions past dbguard cannot be seen"
    with past(module_database, "unseen"):
        within(20, lambda: logged(guarded, said))
        time.sleep(1)
        (line,) = logged(guarded, said)
        assert line["level"] == "warning"
        assert "GRANT pg_read_all_stats" in line["hint"]
        assert not told(guarded)
        module_database.execute("GRANT pg_read_all_stats TO dbguard")
        within(20, lambda: "unseen" in applications(guarded))
    assert len(logged(guarded, said)) == 1


def test_it_can_be_switched_off(watched: Callable[..., Guarded], module_database: Any) -> None:
    guarded = watched("interval: 0", sees=False)
    with past(module_database, "unseen"):
        time.sleep(2)
    assert not told(guarded)
    assert not logged(guarded, "sessions past dbguard cannot be seen")
