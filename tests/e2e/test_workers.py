"""Several workers behind one port are one dbguard: limits, cancel keys, what one of them learns."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbguard.wire import frontend
from dbguard.wire.startup import CancelRequest

from .conftest import Factory
from .protocol_client import Client, error_of
from .proxies import Guarded
from .test_drift import open_rules

pytestmark = pytest.mark.pg


def within(seconds: float, true: Callable[[], object]) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def workers(proxy: Guarded) -> dict[int, int]:
    """Process ids by the workers' numbers."""
    assert proxy.process is not None
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if b"dbguard.cli.worker" in words and int(parent) == proxy.process.pid:
            found[int(words[-2])] = int(folder.name)
    return found


@contextmanager
def only(proxy: Guarded, number: int) -> Iterator[None]:
    """Nobody but this worker can do anything meanwhile."""
    others = [pid for other, pid in workers(proxy).items() if other != number]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def session(proxy: Guarded, worker: int, user: str) -> psycopg.Connection[Any]:
    with only(proxy, worker):
        return proxy.connect(user, autocommit=True, connect_timeout=180)


def waiting(proxy: Guarded, worker: int) -> Client:
    """A session that says nothing by itself."""
    with only(proxy, worker):
        client = Client(proxy.port, timeout=180)
        client.log_in("clinician", proxy.database)
    return client


def records(proxy: Guarded, writer: str, kind: str) -> list[dict[str, Any]]:
    folder = proxy.audit / writer if writer else proxy.audit
    found = []
    for segment in sorted(folder.glob("audit-*.jsonl")):
        lines = segment.read_text("utf-8").rpartition("\n")[0].splitlines()
        found += [r for r in map(json.loads, lines) if r["kind"] == kind]
    return found


def logged(proxy: Guarded, event: str) -> list[dict[str, Any]]:
    return [line for line in proxy.logged() if line["event"] == event]


def ended(proxy: Guarded, writer: str) -> set[str]:
    return {r["session"] for r in records(proxy, writer, "disconnect")}


@pytest.fixture(scope="module")
def proxy(
    module_clinic_database: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    module_clinic_database.server.create_user("dbguard")
    module_clinic_database.execute("GRANT pg_read_all_stats TO dbguard")
    with ExitStack() as stack:
        stack.callback(module_clinic_database.execute, "REVOKE pg_read_all_stats FROM dbguard")
        factory = Factory(stack, tmp_path_factory.mktemp("workers"), whole=True)
        yield factory(
            module_clinic_database,
            rules=open_rules(tmp_path_factory.mktemp("workers")),
            environment="development",
            durability="buffered",
            metrics=True,
            extra="workers: 2\nwatch: {interval: 500ms}\n"
            "limits: {analysis_timeout: 1m, analysis_workers: 1}\n",
        )


def test_all_of_them_serve(proxy: Guarded) -> None:
    assert set(workers(proxy)) == {1, 2}
    for number in (1, 2):
        with closing(session(proxy, number, "clinician")) as client:
            assert client.execute("SELECT 1").fetchone() == (1,)
        starts = records(proxy, f"w{number}", "start")
        assert [r["fields"]["worker"] for r in starts] == [str(number)]
    (start,) = records(proxy, "", "start")
    assert start["fields"]["workers"] == "2"
    whole = {writer: {r["session"] for r in records(proxy, writer, "connect")}
             for writer in ("w1", "w2")}  # fmt: skip
    assert not whole["w1"] & whole["w2"]
    for writer, sessions in whole.items():
        within(180, lambda w=writer, s=sessions: s <= ended(proxy, w))  # type: ignore[misc]


def test_a_cancel_request_reaches_the_session_of_another_worker(proxy: Guarded) -> None:
    with waiting(proxy, 1) as client:
        assert client.key is not None
        request = CancelRequest(client.key.process_id, client.key.secret)
        client.send(frontend.Query(b"SELECT pg_sleep(600)"))
        asking = []
        with only(proxy, 2):  # which cannot hand it on before the first one goes on
            for one in (replace(request, secret=request.secret[::-1]), request):
                asking.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=180))
                asking[-1].sendall(one.encode())
            time.sleep(0.2)
        for asked in asking:
            with asked:
                assert asked.recv(1) == b"", "there is no answer but the end"
        code, _ = error_of(client.until_ready())
        assert code == "57014"


def reload_with(proxy: Guarded, limits: str) -> None:
    """Limits besides the usual one, for all workers."""
    before = len(logged(proxy, "reloaded"))
    head, _, rest = proxy.config.read_text("utf-8").partition("limits: {")
    more = f"analysis_timeout: 1m, analysis_workers: 1{limits}"
    proxy.config.write_text(f"{head}limits: {{{more}}}{rest.partition('}')[2]}", "utf-8")
    proxy_process(proxy).send_signal(signal.SIGHUP)
    within(180, lambda: len(logged(proxy, "reloaded")) == before + 1)


def test_limits_hold_for_all_workers_together(proxy: Guarded) -> None:
    within(180, lambda: proxy.samples()["dbguard_connections"] == 0)
    reload_with(proxy, ", connections: 3, connections_per_user: 2")
    with ExitStack() as sessions:
        for number in (1, 2):
            sessions.enter_context(closing(session(proxy, number, "clinician")))
        for number in (1, 2):
            with pytest.raises(psycopg.OperationalError, match="too many connections for this"):
                session(proxy, number, "clinician")
        sessions.enter_context(closing(session(proxy, 1, "analyst")))
        assert proxy.samples()["dbguard_connections"] == 3
        for number in (1, 2):
            with pytest.raises(psycopg.OperationalError, match="too many clients already"):
                session(proxy, number, "analyst")
    within(180, lambda: proxy.samples()["dbguard_connections"] == 0)
    reload_with(proxy, ", login_failures: 2, login_pause: 1h")
    for number, message in ((1, "password"), (2, "password"), (1, "too many"), (2, "too many")):
        with only(proxy, number), pytest.raises(psycopg.OperationalError, match=message):
            psycopg.connect(proxy.dsn("ghost", password="wrong"))
    assert [r["fields"]["event"] for r in records(proxy, "w2", "security")] == ["failed logins"]
    reload_with(proxy, "")
    with closing(session(proxy, 1, "analyst")), closing(session(proxy, 2, "analyst")):
        pass


def test_what_one_worker_learns_binds_the_others(
    proxy: Guarded, module_clinic_database: Any
) -> None:
    module_clinic_database.execute(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA clinic GRANT SELECT ON TABLES TO analysts, dbas"
    )
    with ExitStack() as stack:
        dba, other, analyst = (
            stack.enter_context(closing(session(proxy, number, user)))
            for number, user in ((1, "dba"), (2, "dba"), (2, "analyst"))
        )

        def refused(text: str) -> None:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="filled from clinic"):
                analyst.execute(text)

        # a table that is known, and read by a statement that is prepared, is filled
        dba.execute("CREATE TABLE clinic.own (id int, a text)")
        module_clinic_database.execute("GRANT SELECT ON clinic.own TO analysts")
        for _ in range(8):
            assert analyst.execute("SELECT a FROM clinic.own").fetchall() == []
        dba.execute("INSERT INTO clinic.own SELECT id, ssn FROM clinic.patients")
        refused("SELECT a FROM clinic.own")

        # one that is made in a transaction, while others look at the catalog
        dba.execute("BEGIN")
        dba.execute("CREATE TABLE clinic.made AS SELECT id, ssn AS a FROM clinic.patients")
        other.execute("CREATE TABLE clinic.elsewhere AS SELECT id, dob AS a FROM clinic.patients")
        refused("SELECT a FROM clinic.elsewhere")
        with pytest.raises(psycopg.errors.UndefinedTable):
            analyst.execute("SELECT a FROM clinic.made")
        dba.execute("COMMIT")
        refused("SELECT a FROM clinic.made")
        dba.execute("ALTER TABLE clinic.made RENAME TO renamed")
        refused("SELECT a FROM clinic.renamed")
        other.execute("ALTER TABLE clinic.renamed RENAME a TO b")
        refused("SELECT b FROM clinic.renamed")
        with dba.pipeline():  # one transaction, of which no status tells
            dba.execute("CREATE TABLE clinic.piped AS SELECT id, ssn AS a FROM clinic.patients")
            dba.execute("ALTER TABLE clinic.piped RENAME TO moved")
        refused("SELECT a FROM clinic.moved")

        # what is classified goes on to be under another name
        masked = "SELECT {} FROM clinic.patients WHERE id = 1"
        for name in ("ssn", "number_of_mine"):
            ((value,),) = analyst.execute(masked.format(name)).fetchall()
            assert value.startswith("***-**-")
            if name == "ssn":
                dba.execute("ALTER TABLE clinic.patients RENAME ssn TO number_of_mine")
        other.execute("ALTER TABLE clinic.patients RENAME number_of_mine TO ssn")
        ((value,),) = analyst.execute(masked.format("ssn")).fetchall()
        assert value.startswith("***-**-")


def test_metrics_are_those_of_all(proxy: Guarded) -> None:
    def selects() -> float:
        return sum(v for k, v in proxy.samples().items() if 'action="select"' in k)

    before = selects()
    with closing(session(proxy, 1, "clinician")) as one, closing(session(proxy, 2, "dba")) as two:
        within(180, lambda: proxy.samples()["dbguard_connections"] == 2)
        for client in (one, two):
            for _ in range(3):
                client.execute("SELECT count(*) FROM clinic.patients")
        assert selects() == before + 6
        assert proxy.samples()["dbguard_audit_available"] == 1
    assert ready(proxy) == (200, [])


def ready(proxy: Guarded) -> tuple[int, list[str]]:
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{proxy.metrics_port}/readyz", timeout=60
        ) as got:
            return got.status, json.load(got)["reasons"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["reasons"]


def test_rules_change_for_all_or_for_none(proxy: Guarded, tmp_path_factory: Any) -> None:
    rules = next(tmp_path_factory.getbasetemp().glob("workers*/open*"), None)
    assert rules is not None
    with closing(session(proxy, 1, "analyst")) as one, closing(session(proxy, 2, "analyst")) as two:
        text = "SELECT count(*) FROM clinic.patients"
        (rules / "more.yaml").write_text("rules: [{id: broken", "utf-8")
        failed = len(logged(proxy, "reload failed, what was in force stays"))
        proxy_process(proxy).send_signal(signal.SIGHUP)
        within(180, lambda: len(logged(proxy, "reload failed, what was in force stays")) > failed)
        for client in (one, two):
            assert client.execute(text).fetchall()
        (rules / "more.yaml").write_text(
            "rules: [{id: no-more, deny: [read], roles: [analyst]}]\n", "utf-8"
        )
        reload_with(proxy, "")
        for client in (one, two):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no-more"):
                client.execute(text)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"decision w2:[0-9]+"):
            two.execute(text)
        (rules / "more.yaml").unlink()
        reload_with(proxy, "")
        for client in (one, two):
            assert client.execute(text).fetchall()
    changes = {writer: len(records(proxy, writer, "policy")) for writer in ("", "w1", "w2")}
    assert len(set(changes.values())) == 1, changes


def test_a_worker_that_dies_is_replaced(proxy: Guarded) -> None:
    within(180, lambda: proxy.samples()["dbguard_connections"] == 0)
    before = workers(proxy)
    with closing(session(proxy, 1, "clinician")) as lost, closing(session(proxy, 2, "dba")) as kept:
        os.kill(before[1], signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            lost.execute("SELECT 1")
        assert kept.execute("SELECT 1").fetchone() == (1,)
        within(180, lambda: ready(proxy) == (200, []))
        after = workers(proxy)
        assert after[1] != before[1]
        assert after[2] == before[2]
        with closing(session(proxy, 1, "clinician")) as again:
            assert again.execute("SELECT 1").fetchone() == (1,)
            assert proxy.samples()["dbguard_connections"] == 2
    (stop,) = records(proxy, "", "stop")
    assert stop["fields"] == {"event": "worker ended", "worker": "1", "end": "signal 9"}
    assert [r["fields"].get("event") for r in records(proxy, "", "start")][1:] == [
        "worker started again"
    ]


def test_nobody_is_a_stranger(proxy: Guarded) -> None:
    """The first worker looks for sessions past dbguard, and knows those of the second."""
    found = [r for w in ("w1", "w2") for r in records(proxy, w, "security")]
    assert not [r for r in found if r["fields"]["event"] == "session past dbguard"]


def test_all_end_together_and_leave_whole_chains(proxy: Guarded) -> None:
    """The last one: it stops what the module shares."""
    pids = workers(proxy)
    with waiting(proxy, 1) as idle, closing(session(proxy, 2, "dba")) as busy:
        busy.execute("BEGIN")
        proxy_process(proxy).send_signal(signal.SIGTERM)
        assert error_of(idle.until_ready())[1].startswith("terminating connection: dbguard is")
        busy.execute("COMMIT")  # who works may come to an end
    stopped = proxy_process(proxy)
    assert stopped.stdout is not None
    assert stopped.wait(180) == 0
    stopped.stdout.close()
    for pid in pids.values():
        assert not Path(f"/proc/{pid}").exists()
    found = proxy.verify()
    assert not found.findings
    assert {chain.writer for chain in found.chains} == {"", "w1", "w2"}
    for writer in ("", "w1", "w2"):
        assert "event" not in records(proxy, writer, "stop")[-1]["fields"]


@pytest.mark.skipif("E2E_WORKERS" not in os.environ, reason="starts all once more: E2E_WORKERS=1")
def test_workers_end_when_their_supervisor_does(proxy: Guarded) -> None:
    """Started once more, on the same trail."""
    proxy.start()
    pids = workers(proxy)
    assert set(pids) == {1, 2}
    with waiting(proxy, 2) as client:
        proxy.stop(signal.SIGKILL)
        assert error_of(client.until_ready())[1].startswith("terminating connection: dbguard is")
    for pid in pids.values():
        within(180, lambda pid=pid: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]
    assert not proxy.verify().findings


def proxy_process(proxy: Guarded) -> subprocess.Popen[str]:
    assert proxy.process is not None
    return proxy.process
