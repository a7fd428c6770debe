"""Servers, networks and proxies that die under load: errors or success, never a wrong answer.

E2E_FAULTS is the number of faults (500 take about half an hour).
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbguard.demo.binaries import find_binaries
from dbguard.demo.server import PID_FILE, EmbeddedServer

from .cutting import CuttingRelay
from .ledger import ACCOUNTS, BALANCE, RULES, SCHEMA, SECRET, Load
from .proxies import Guarded, free_port

pytestmark = pytest.mark.pg

FAULTS = int(os.environ.get("E2E_FAULTS", "5"))
WORKERS = 6
MARK = re.compile(r"mark_\d+_\d+")


@dataclass
class OwnServer:
    """A server that may be killed, in the shape that proxies are started for."""

    embedded: EmbeddedServer
    host: str = "127.0.0.1"
    users: set[str] = field(default_factory=set)

    @property
    def port(self) -> int:
        return self.embedded.port

    def dsn(self, user: str | None = None, database: str = "postgres") -> str:
        return self.embedded.dsn(user, database, None if user is None else "demo")

    def create_user(self, name: str) -> None:
        if name not in self.users:
            self.users.add(name)
            self.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'demo'")

    def execute(self, text: str) -> list[Any]:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            cursor = connection.execute(text)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    @property
    def process(self) -> int:
        return int((self.embedded.data / PID_FILE).read_text().split()[0])


@dataclass(frozen=True)
class OwnDatabase:
    server: OwnServer
    name: str = "postgres"


@pytest.fixture
def database() -> Iterator[OwnDatabase]:
    with ExitStack() as stack:
        # as root the server runs as another user, who may not enter pytest's folders
        folder = Path(tempfile.mkdtemp(prefix="dbguard-faults-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        chosen = os.environ.get("DBGUARD_PG_BIN")
        embedded = EmbeddedServer.create(
            folder / "server",
            free_port(),
            password="super-demo",
            # a process that dies loses nothing the machine still has
            settings={"fsync": "off", "log_statement": "all", "max_connections": "60"},
            binaries=find_binaries(Path(chosen) if chosen else None),
        )
        embedded.start()
        stack.callback(embedded.stop)
        server = OwnServer(embedded)
        for name in ("app", "reader"):
            server.create_user(name)
        server.execute(SCHEMA)
        yield OwnDatabase(server)


class Faults:
    """What goes wrong, each as a method named in `KINDS`."""

    KINDS = (
        "killed_proxy",
        "killed_backend",
        "cut_client",
        "cut_server",
        "terminated_backend",
        "stopped_server",
        "terminated_control",
        "killed_analysis",
    )

    def __init__(
        self, server: OwnServer, proxy: Guarded, clients: CuttingRelay, upstream: CuttingRelay
    ) -> None:
        self.server, self.proxy = server, proxy
        self.clients, self.upstream = clients, upstream
        self.chance = random.Random(int(os.environ.get("E2E_FAULT_SEED", "7")))

    def happen(self, kind: str) -> None:
        getattr(self, f"_{kind}")()

    def _backend(self, condition: str) -> int | None:
        query = f"SELECT pid FROM pg_stat_activity WHERE {condition} ORDER BY random() LIMIT 1"
        found = self.server.execute(query)
        return int(found[0][0]) if found else None

    def _terminated_backend(self) -> None:
        pid = self._backend("usename IN ('app', 'reader')")
        self.server.execute(f"SELECT pg_terminate_backend({pid or 0})")

    def _terminated_control(self) -> None:
        pid = self._backend("usename = 'dbguard'")
        self.server.execute(f"SELECT pg_terminate_backend({pid or 0})")

    def _killed_backend(self) -> None:
        pid = self._backend("usename IN ('app', 'reader')")
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        self._recovered()

    def _recovered(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with suppress(psycopg.OperationalError):
                self.server.execute("SELECT 1")
                return
            time.sleep(0.05)
        raise TimeoutError("the server did not recover")

    def _stopped_server(self) -> None:
        process = self.server.process
        os.kill(process, signal.SIGQUIT)
        while Path(f"/proc/{process}").exists():
            time.sleep(0.01)
        time.sleep(self.chance.uniform(0, 0.3))
        self.server.embedded.start()

    def _killed_proxy(self) -> None:
        self.proxy.stop(signal.SIGKILL)
        self.proxy.start()

    def _cut_client(self) -> None:
        self.clients.cut(self.chance)

    def _cut_server(self) -> None:
        self.upstream.cut(self.chance)

    def _killed_analysis(self) -> None:
        assert self.proxy.process is not None
        children = Path(f"/proc/{self.proxy.process.pid}/task").glob("*/children")
        found = [int(pid) for each in children for pid in each.read_text().split()]
        if found:
            with suppress(ProcessLookupError):
                os.kill(self.chance.choice(found), signal.SIGKILL)


@dataclass(frozen=True)
class Usage:
    """What one process of dbguard holds."""

    descriptors: int
    tasks: int
    mebibytes: float
    connections: int
    """Of clients' sessions at the server."""


def usage(server: OwnServer, samples: dict[str, float]) -> Usage:
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('app', 'reader')"
    return Usage(
        int(samples["process_open_fds"]),
        int(samples["dbguard_tasks"]),
        samples["process_resident_memory_bytes"] / 1024**2,
        server.execute(query)[0][0],
    )


def at_rest(server: OwnServer, proxy: Guarded) -> Usage:
    """What is held once the clients have gone."""
    until = time.monotonic() + 90
    while True:
        found = usage(server, proxy.samples())
        # asked for while the metrics are rendered, so one connection more than nothing
        if not found.connections or time.monotonic() > until:
            return found
        time.sleep(0.1)


def test_faults_under_load(
    database: OwnDatabase, guard: Callable[..., Guarded], record_property: Callable[..., None]
) -> None:
    server = database.server
    with ExitStack() as stack:
        upstream = CuttingRelay(server.port)
        stack.callback(upstream.close)
        proxy = guard(database, rules=None, started=False, metrics=True)
        (proxy.folder / "rules" / "allowing.yaml").write_text(RULES, "utf-8")
        text = proxy.config.read_text("utf-8")
        here = f"upstream: {{host: 127.0.0.1, port: {server.port}}}"
        assert here in text
        there = f"upstream: {{host: 127.0.0.1, port: {upstream.port}}}"
        proxy.config.write_text(text.replace(here, there), "utf-8")
        proxy.start()
        clients = CuttingRelay(proxy.port)
        stack.callback(clients.close)
        faults = Faults(server, proxy, clients, upstream)

        def connect(user: str) -> psycopg.Connection[Any]:
            dsn = f"postgresql://{user}:demo@127.0.0.1:{clients.port}/postgres"
            return psycopg.connect(dsn, connect_timeout=30)

        load = Load(connect, WORKERS)
        stack.callback(load.end)
        load.everybody_works(3, 60)
        happened: Counter[str] = Counter()
        # the proxy is killed first, and lives from then on, so that leaks would show
        kinds = Faults.KINDS[1:]
        kills = max(1, FAULTS // len(Faults.KINDS))
        order = [Faults.KINDS[0]] * kills
        order += [kinds[n % len(kinds)] for n in range(FAULTS - kills)]
        for number, kind in enumerate(order):
            time.sleep(faults.chance.uniform(0, 0.2))
            faults.happen(kind)
            happened[kind] += 1
            load.everybody_works(2, 90)
            if number == kills - 1:
                assert proxy.verify().ok
        load.end()
        load.nothing_wrong()
        left = at_rest(server, proxy)
        record_property("figures", f"faults: {dict(happened)}; errors: {dict(load.errors)}; {left}")
        assert left.connections == 0
        fresh = fresh_usage(server, proxy, left)
        record_property("figures", f"a fresh proxy: {fresh}")
    judge_books(server, load)
    judge_trail(server, proxy)


def fresh_usage(server: OwnServer, proxy: Guarded, left: Usage) -> Usage:
    """What the same work without faults leaves, in a new process; `left` may not be more."""
    proxy.stop()
    proxy.start()
    for user in ("app", "reader"):
        with proxy.connect(user) as connection:
            connection.execute("SELECT 1")
    fresh = at_rest(server, proxy)
    assert left.descriptors <= fresh.descriptors + 2
    assert left.tasks <= fresh.tasks + 2
    assert left.mebibytes <= fresh.mebibytes + 40
    return fresh


def judge_books(server: OwnServer, load: Load) -> None:
    assert server.execute("SELECT sum(balance) FROM accounts") == [(ACCOUNTS * BALANCE,)]
    kept: dict[int, set[int]] = {w.number: set() for w in load.workers}
    for worker, number in server.execute("SELECT worker, number FROM transfers"):
        kept[worker].add(number)
    for worker in load.workers:
        assert worker.acknowledged <= kept[worker.number], "an acknowledged commit is lost"
        assert kept[worker.number] <= worker.attempted


def judge_trail(server: OwnServer, proxy: Guarded) -> None:
    proxy.stop()
    assert proxy.verify().ok
    decisions = proxy.records("decision")
    decided = {found[0] for r in decisions for found in MARK.finditer(r["text"])}
    log = server.embedded.log.read_text("utf-8", "replace")
    ran = {found[0] for found in MARK.finditer(log)}
    assert len(ran) > 20
    assert ran <= decided, "executed without a decision"
    inserted = server.execute("SELECT count(*) FROM transfers")[0][0]
    recorded = sum(
        r["action"] == "insert" and r["phase"] in ("bind", "execute", "query") for r in decisions
    )
    assert inserted <= recorded
    for path in (proxy.log, *proxy.audit.glob("audit-*.jsonl")):
        assert SECRET not in path.read_text("utf-8"), "a value was written"
