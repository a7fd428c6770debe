"""A real dbguard process in front of a test database."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import psycopg

from dbguard.cli.event_loop import VARIABLE, EventLoop
from dbguard.verification.findings import Verification
from dbguard.verification.inputs import load_keys
from dbguard.verification.trail import verify

from .forking import Forked, Nursery, the_nursery

ROOT = Path(__file__).parents[2]
HIPAA = ROOT / "rules" / "hipaa"

ALLOWING_RULES = """
roles:
  everybody: {users: ["app", "analyst", "clinician", "dba", "postgres"]}
rules:
  - id: everything
    allow: [all]
    roles: [everybody]
defaults:
  classified: deny
  unclassified:
    {read: allow, write: allow, ddl: allow, privilege: allow, code: allow, maintenance: allow}
"""


def free_port() -> int:
    """A port to listen on later.

    Below those that the kernel gives to outgoing connections (from 32768 on Linux): under load one
    of these would take it before the program that it is meant for.
    """
    while True:
        port = secrets.randbelow(20_000) + 12_000
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def event_loop() -> dict[str, str]:
    """The variable that chooses a proxy's event loop: half of the test files have one, the other
    half the other, and every file always the same. DBGUARD_EVENT_LOOP gives all the same."""
    if VARIABLE in os.environ or not hasattr(select, "epoll"):
        return {}
    file = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
    return {VARIABLE: tuple(EventLoop)[crc32(Path(file).name.encode()) % 2]}


@dataclass
class Guarded:
    """A running proxy and the folder it works in."""

    folder: Path
    port: int
    database: str
    upstream: str
    process: subprocess.Popen[str] | Forked | None = None
    metrics_port: int = 0
    nursery: Nursery | None = None
    """Where its processes come from; None: they begin by themselves."""

    @property
    def config(self) -> Path:
        return self.folder / "dbguard.yaml"

    @property
    def audit(self) -> Path:
        return self.folder / "audit"

    @property
    def log(self) -> Path:
        """What the process wrote to standard error."""
        return self.folder / "dbguard.log"

    def dsn(self, user: str, *, password: str = "demo") -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{self.database}"

    def connect(self, user: str, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn(user), **options)

    def limit(self, limits: str) -> None:
        """Add to the limits in the settings, in YAML without braces."""
        text = self.config.read_text("utf-8")
        assert text.count("limits: {") == 1
        self.config.write_text(text.replace("limits: {", f"limits: {{{limits}, "), "utf-8")

    def start(self, *options: str) -> None:
        arguments = ["serve", "--config", str(self.config), *options]
        environment = {**os.environ, **event_loop(), "PYTHONPATH": str(ROOT)}
        with self.log.open("a") as log:
            if self.nursery is not None:
                self.process = self.nursery.start(arguments, self.folder, log, environment)
            else:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "dbguard", *arguments],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    cwd=self.folder,
                    env=environment,
                )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        # pytest does not rewrite assertions of this module: all there is to know goes with it
        ready = f"dbguard ready on 127.0.0.1:{self.port}\n"
        assert line == ready, f"{line!r}, {self.process.poll()}: {self.log.read_text()}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`dbguard` with these arguments in the proxy's folder, to its end."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        return the_nursery().run(arguments, self.folder, environment)

    def records(self, kind: str = "") -> list[dict[str, Any]]:
        found = []
        # with workers (DBGUARD_WORKERS=2 in the environment), theirs are in chains of their own
        chains = (self.audit, *sorted(self.audit.glob("w[0-9]")))
        for segment in (s for chain in chains for s in sorted(chain.glob("audit-*.jsonl"))):
            written = segment.read_text("utf-8").rpartition("\n")[0]  # the next may be on its way
            for line in written.splitlines():
                record = json.loads(line)
                if not kind or record["kind"] == kind:
                    found.append(record)
        return found

    def logged(self) -> list[dict[str, Any]]:
        """What it told so far, in whole lines: the next may be on its way."""
        written = self.log.read_text("utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in written.splitlines()]

    def samples(self) -> dict[str, float]:
        """What `/metrics` says, by name and labels."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def verify(self) -> Verification:
        keys = self.folder / "audit.pub"
        return verify(self.audit, keys=load_keys([keys]) if keys.exists() else [])


def write_config(
    folder: Path,
    port: int,
    upstream: str,
    control: str,
    backup: str,
    *,
    rules: Path = HIPAA,
    environment: str = "production",
    durability: str = "durable",
    extra: str = "",
) -> None:
    """A dbguard.yaml; `upstream` is host:port, `control` and `backup` are URLs."""
    host, _, upstream_port = upstream.rpartition(":")
    if "limits:" not in extra:
        # A busy machine must not fail a test, and each worker costs a start some 0.5 s of CPU:
        # what several are for is shown in tests/proxy/test_analysis_pool.py.
        extra += "\nlimits: {analysis_timeout: 1m, analysis_workers: 1}"
    (folder / "dbguard.yaml").write_text(
        f"""
listen: {{host: 127.0.0.1, port: {port}}}
upstream: {{host: {host}, port: {upstream_port}}}
catalog: {{dsn: "{control}"}}
environment: {environment}
rules: "{rules}"
state: {{url: "sqlite:///state.db"}}
audit: {{directory: audit, durability: {durability}}}
backup: {{dsn: "{backup}", directory: backups}}
{extra}
""",
        "utf-8",
    )


def mark(database: Any) -> str:
    """Make a table past dbguard; its name."""
    name = f"noticed.at_{next(_marks)}"
    database.execute(f"CREATE SCHEMA IF NOT EXISTS noticed; CREATE TABLE {name} ()")
    return name


def await_mark(name: str, dsn: str) -> None:
    """Return when dbguard knows this table: a catalog is of one moment, so by then it knows what
    was done before as well, be the machine as busy as it may. `dsn` leads through dbguard."""
    until = time.monotonic() + 90
    with closing(psycopg.connect(dsn, autocommit=True)) as session:
        while True:
            try:
                session.execute(f"SELECT 1 FROM {name}".encode())
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                assert time.monotonic() < until, f"{name} was not noticed"
                time.sleep(0.05)
                continue
            except psycopg.errors.InsufficientPrivilege:
                pass
            return


_marks = itertools.count(1)


def await_statement(dsn: str, part: str) -> None:
    """Return when the server runs a statement that holds `part`: one that is still on its way
    cannot be cancelled. `dsn` leads to the server itself."""
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        " AND position(%s IN query) > 0"
    )
    until = time.monotonic() + 90
    with closing(psycopg.connect(dsn, autocommit=True)) as session:
        while session.execute(query, (part,)).fetchone() is None:
            assert time.monotonic() < until, f"{part} does not run"
            time.sleep(0.02)


def when_running(dsn: str, part: str, act: Callable[[], object]) -> threading.Thread:
    """A thread that waits for the statement, and does something then."""

    def wait() -> None:
        await_statement(dsn, part)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


class Relay:
    """A TCP relay that keeps every byte the server side sends, to be searched."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.received = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            back = threading.Thread(target=self._copy, args=(server, client, True), daemon=True)
            back.start()
            self._copy(client, server, False)
            back.join()

    def _copy(self, source: socket.socket, sink: socket.socket, keep: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if keep:
                    self.received += data
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@contextmanager
def relayed(guarded: Guarded) -> Iterator[Relay]:
    relay = Relay("127.0.0.1", guarded.port)
    try:
        yield relay
    finally:
        relay.close()
