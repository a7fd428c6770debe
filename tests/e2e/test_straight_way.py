"""Statements that come again pass on the straight way (`engine/lane.py`), and everything that holds
for the first of them holds for the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from dbguard.wire import frontend

from .canaries import canaries, leaks
from .conftest import Factory
from .protocol_client import Client, error_of, rows, tags, values
from .proxies import Guarded, relayed, when_running
from .test_operations import reload

pytestmark = pytest.mark.pg


@pytest.fixture(scope="module")
def clinic(
    module_clinic_database: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """The clinic where DDL needs no backup."""
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("clinic"))
        yield factory(module_clinic_database, durability="buffered", environment="development")


Run = Callable[[Client, str], list[bytes]]


def by_query(client: Client, text: str) -> list[bytes]:
    return client.query(text)


def by_unnamed(client: Client, text: str) -> list[bytes]:
    client.send(
        frontend.Parse(b"", text.encode(), ()),
        frontend.Bind(b"", b"", values()),
        frontend.Describe(b"P", b""),
        frontend.Execute(b"", 0),
        frontend.Sync(),
    )
    return client.until_ready()


def by_name(client: Client, text: str) -> list[bytes]:
    """Prepared once in a session: a name for each text."""
    name = b"s%x" % (hash(text) & 0xFFFFFFFF)
    if not hasattr(client, "named"):
        client.named = set()  # type: ignore[attr-defined]
    if name not in client.named:  # type: ignore[attr-defined]
        client.send(frontend.Parse(name, text.encode(), ()), frontend.Sync())
        answer = client.until_ready()
        if tags(answer)[0] == "E":
            return answer
        client.named.add(name)  # type: ignore[attr-defined]
    client.send(
        frontend.Bind(b"", name, values()),
        frontend.Describe(b"P", b""),
        frontend.Execute(b"", 0),
        frontend.Sync(),
    )
    return client.until_ready()


WAYS = pytest.mark.parametrize("run", [by_query, by_unnamed, by_name])


def session(clinic: Guarded, user: str, port: int | None = None) -> Client:
    client = Client(port or clinic.port)
    client.log_in(user, clinic.database)
    return client


def again(run: Run, client: Client, text: str, times: int = 4) -> list[bytes]:
    """The last answer; all but the first are the same but for NOTICEs."""
    answers = [run(client, text) for _ in range(times)]
    assert len({tuple(answer) for answer in answers[1:]}) == 1
    return answers[-1]


@WAYS
def test_a_view_that_shows_more_by_now(
    clinic: Guarded, module_clinic_database: Any, run: Run
) -> None:
    """DDL through dbguard counts for the next statement, however known that is."""
    hidden = canaries(module_clinic_database)
    view = f"clinic.shown_{run.__name__}"
    with relayed(clinic) as relay, closing(clinic.connect("dba", autocommit=True)) as dba:
        dba.execute(f"CREATE VIEW {view} AS SELECT id, 'x'::text AS note FROM clinic.patients")
        dba.execute(f"GRANT SELECT ON {view} TO PUBLIC")
        with session(clinic, "analyst", relay.port) as analyst:
            text = f"SELECT note FROM {view} ORDER BY id"
            assert set(rows(again(run, analyst, text))) == {(b"x",)}
            for column in ("ssn", "email", "last_name"):
                dba.execute(
                    f"CREATE OR REPLACE VIEW {view} AS "
                    f"SELECT id, {column}::text AS note FROM clinic.patients"
                )
                run(analyst, text)
                again(run, analyst, text)
        dba.execute(f"DROP VIEW {view}")
        assert leaks(bytes(relay.received), hidden) == []


@WAYS
def test_a_column_that_got_another_name(clinic: Guarded, run: Run) -> None:
    with (
        session(clinic, "analyst") as analyst,
        closing(clinic.connect("dba", autocommit=True)) as dba,
    ):
        dba.execute("CREATE TABLE clinic.moved (id int, a int, b int)")
        dba.execute("GRANT SELECT ON clinic.moved TO PUBLIC")
        dba.execute("INSERT INTO clinic.moved VALUES (1, 2, 3)")
        text = "SELECT a FROM clinic.moved WHERE id = 1"
        try:
            assert rows(again(run, analyst, text)) == [(b"2",)]
            dba.execute("ALTER TABLE clinic.moved RENAME a TO c")
            assert error_of(run(analyst, text))[0] == "42703"
            dba.execute("ALTER TABLE clinic.moved RENAME b TO a")
            assert rows(again(run, analyst, text)) == [(b"3",)]
        finally:
            dba.execute("DROP TABLE clinic.moved")


@WAYS
def test_a_session_that_looks_elsewhere(clinic: Guarded, run: Run) -> None:
    with session(clinic, "analyst") as analyst:
        text = "SELECT count(*) > 0 FROM patients"
        assert error_of(run(analyst, text))[0] == "42P01"
        analyst.query("SET search_path = clinic")
        assert rows(again(run, analyst, text)) == [(b"t",)]
        analyst.query("BEGIN")
        analyst.query("SET LOCAL search_path = pg_catalog")
        assert error_of(run(analyst, text))[0] in ("42P01", "0A000")
        analyst.query("ROLLBACK")
        assert rows(again(run, analyst, text)) == [(b"t",)]
        analyst.query("CREATE TEMP TABLE patients AS SELECT 1 AS a WHERE false")
        assert rows(again(run, analyst, text)) == [(b"f",)]


@WAYS
def test_each_leaves_its_records(clinic: Guarded, run: Run) -> None:
    text = (
        f"SELECT id, '{run.__name__}'::text AS which FROM clinic.patients WHERE id < 4 ORDER BY 1"
    )
    with session(clinic, "analyst") as analyst:
        assert len(rows(again(run, analyst, text, 6))) == 3
    wanted = "bind" if run is not by_query else "query"
    for _ in range(500):  # the last outcome follows what the client got
        records = clinic.records()
        decisions = {
            r["seq"]: r
            for r in records
            if r["kind"] == "decision" and "AS which FROM" in r["text"] and r["phase"] == wanted
        }
        session_id = list(decisions.values())[-1]["session"]
        own = {seq for seq, record in decisions.items() if record["session"] == session_id}
        told = [r for r in records if r["kind"] == "outcome" and r["decision"] in own]
        if len(told) == len(own):
            break
        time.sleep(0.02)
    assert len(own) == 6
    assert sorted(o["decision"] for o in told) == sorted(own)
    assert {(o["command_tag"], o["rows"], o["sqlstate"]) for o in told} == {("SELECT 3", 3, "")}
    assert len({o["bytes"] for o in told}) == 1
    kept = ("action", "columns", "decision", "fingerprint", "masked", "relations", "rules", "text")
    assert len({str([decisions[seq][name] for name in kept]) for seq in own}) == 1


def test_literals_and_errors_are_those_of_each_text(
    clinic: Guarded, module_clinic_database: Any
) -> None:
    texts = [
        f"SELECT id FROM clinic.patients WHERE id = {n} AND 5 / ({n} - 7) < 9" for n in range(9)
    ]
    texts += [
        f"SELECT id, ssn FROM clinic.patients WHERE id = {n} AND city <> 'a{n}'" for n in range(5)
    ]
    texts += [f"SELECT id FROM clinic.patients WHERE id = '{'1' * n}x'" for n in range(5)]
    direct = module_clinic_database
    with (
        session(clinic, "dba") as client,
        Client(direct.server.port, host=direct.server.host) as own,
    ):
        own.log_in("dba", direct.name)
        for text in texts:
            assert tags(client.query(text)) == tags(own.query(text))
    with (
        session(clinic, "dba") as client,
        Client(direct.server.port, host=direct.server.host) as own,
    ):
        own.log_in("dba", direct.name)
        for text in texts:
            ours, theirs = client.query(text), own.query(text)
            if tags(theirs).startswith("E"):
                assert error_of(ours) == error_of(theirs)
                assert ours == theirs
            else:
                assert rows(ours) == rows(theirs)


@pytest.mark.parametrize("end", ["cancel", "terminate"])
def test_what_runs_for_long_can_be_ended(
    clinic: Guarded, module_clinic_database: Any, end: str
) -> None:
    with closing(clinic.connect("dba", autocommit=True)) as connection:
        connection.prepare_threshold = 0
        for _ in range(4):
            connection.execute("SELECT pg_sleep(%s::float8)", (0,))
        pid = connection.info.backend_pid

        def stop() -> None:
            if end == "cancel":
                connection.cancel()
            else:
                module_clinic_database.execute(f"SELECT pg_terminate_backend({pid})")

        ending = when_running(module_clinic_database.dsn(), "pg_sleep(", stop)
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("SELECT pg_sleep(%s::float8)", (60,))
        ending.join()
        assert caught.value.sqlstate == {"cancel": "57014", "terminate": "57P01"}[end]
        if end == "cancel":
            assert connection.execute("SELECT pg_sleep(%s::float8)", (0,)).fetchone() is not None


@WAYS
def test_long_answers(clinic: Guarded, run: Run) -> None:
    with session(clinic, "dba") as client:
        text = "SELECT repeat('x', 1000) FROM generate_series(1, 500)"
        assert len(rows(again(run, client, text))) == 500
        assert rows(again(run, client, "SELECT 1")) == [(b"1",)]


def test_transactions_that_fail_and_go_on(clinic: Guarded) -> None:
    with session(clinic, "analyst") as client:
        for _ in range(4):
            assert tags(client.query("BEGIN")) == "CZ"
            assert tags(client.query("SELECT count(*) FROM clinic.patients")) == "TDCZ"
            assert (
                tags(client.query("SELECT 1 / (count(*) - count(*)) FROM clinic.patients"))[-2:]
                == "EZ"
            )
            assert error_of(client.query("SELECT count(*) FROM clinic.patients"))[0] == "25P02"
            assert client.query("COMMIT")[0].endswith(b"ROLLBACK\0")
            assert client.query("SELECT count(*) FROM clinic.patients")[-1].endswith(b"I")


@WAYS
def test_rules_that_forbid_it_by_now(
    guard: Callable[..., Guarded], clinic_database: Any, tmp_path: Any, run: Run
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "all.yaml").write_text(
        "roles: {all: {users: [analyst]}}\nrules: [{id: everything, allow: [all], roles: [all]}]\n",
        "utf-8",
    )
    proxy = guard(clinic_database, rules=rules)
    with session(proxy, "analyst") as client:
        text = "SELECT ssn FROM clinic.patients ORDER BY id"
        raw = rows(again(run, client, text))
        assert len(raw) > 1
        (rules / "more.yaml").write_text(
            "rules: [{id: no-more, deny: [read], because: Not any more., roles: [all]}]\n", "utf-8"
        )
        reload(proxy)
        for _ in range(500):  # it is on record a moment before it is in force
            answer = run(client, text)
            if tags(answer)[0] == "E":
                break
        for _ in range(3):
            assert error_of(run(client, text))[0] == "42501"
