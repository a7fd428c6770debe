"""Starting what stands between client and server: dbguard and PgBouncer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from dbguard.demo.server import EmbeddedServer, free_port

from . import processes
from .figures import DBGUARD, FORWARDING, PGBOUNCER

ROOT = Path(__file__).parents[3]
RULES = """
roles: {bench: {users: [postgres]}}
rules: [{id: everything, allow: [all], roles: [bench]}]
defaults:
  unclassified:
    {read: allow, write: allow, ddl: allow, privilege: allow, code: allow, maintenance: allow}
"""
"""For who has nothing classified."""
START_SECONDS = 15.0
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class System:
    """What a client connects to."""

    name: str
    port: int
    process: int | None
    """The session leader of the proxy; None: it is the server itself."""

    @property
    def cpu(self) -> float:
        """Seconds of CPU time that the proxy has taken."""
        return processes.cpu_seconds(self.process) if self.process is not None else 0.0

    @property
    def memory(self) -> int:
        """Bytes that the proxy holds."""
        return processes.memory_bytes(self.process) if self.process is not None else 0


@dataclass(frozen=True, slots=True)
class Encryption:
    """TLS towards clients, with one certificate, and perhaps towards the server."""

    certificate: Path
    key: Path
    upstream: bool = False


@contextmanager
def dbguard(
    folder: Path,
    server: EmbeddedServer,
    durability: str = "buffered",
    more: str = "",
    *,
    name: str = DBGUARD,
    rules: str = RULES,
    tls: Encryption | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[System]:
    """dbguard in front of `server`, in a new `folder`; `more` is added to its settings, `variables`
    to its environment."""
    port = free_port()
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "bench.yaml").write_text(rules)
    listen = f", tls: {{certificate: {tls.certificate}, key: {tls.key}}}" if tls else ""
    upstream = ", tls: {mode: require}" if tls and tls.upstream else ""
    config, log = folder / "dbguard.yaml", folder / "dbguard.log"
    config.write_text(
        f"listen: {{host: 127.0.0.1, port: {port}{listen}}}\n"
        f"upstream: {{host: 127.0.0.1, port: {server.port}{upstream}}}\n"
        f'catalog: {{dsn: "{server.dsn()}"}}\n'
        f"audit: {{directory: audit, durability: {durability}}}\nrules: rules\n{more}"
    )
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "dbguard", "serve", "--config", config, "--log-level", "error"],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(variables or {}), "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(log.read_text())
        yield System(name, port, process.pid)
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def forwarder(server: EmbeddedServer) -> Iterator[System]:
    """What passes everything on and looks at nothing."""
    port = free_port()
    program = Path(__file__).with_name("forwarder.py")
    process = subprocess.Popen(
        [sys.executable, program, str(port), str(server.port)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError("the forwarder has not started")
        yield System(FORWARDING, port, process.pid)
    finally:
        process.kill()
        process.wait(60)


@contextmanager
def pgbouncer(
    folder: Path,
    server: EmbeddedServer,
    passwords: Mapping[str, str],
    connections: int,
    tls: Encryption | None = None,
) -> Iterator[System]:
    """PgBouncer with a server connection for each client's.

    Raises:
        FileNotFoundError: it is not on PATH.
    """
    if shutil.which("pgbouncer") is None:
        raise FileNotFoundError("no pgbouncer on PATH")
    port = free_port()
    folder.mkdir()
    lines = [f'"{user}" "{password}"\n' for user, password in passwords.items()]
    (folder / "users.txt").write_text("".join(lines))
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "auth_type": "scram-sha-256",
        "auth_file": folder / "users.txt",
        "pool_mode": "session",
        "max_client_conn": connections,
        "default_pool_size": connections,
        "unix_socket_dir": "",
        "ignore_startup_parameters": "extra_float_digits",
    }
    if tls is not None:
        settings |= {
            "client_tls_sslmode": "require",
            "client_tls_cert_file": tls.certificate,
            "client_tls_key_file": tls.key,
            "server_tls_sslmode": "require" if tls.upstream else "disable",
        }
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    folder.chmod(0o777)
    command = ["pgbouncer", "-q", str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:  # which it refuses to run as
        command = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *command]
    with (folder / "pgbouncer.log").open("wb") as errors:
        process = subprocess.Popen(command, stderr=errors, stdout=errors, start_new_session=True)
    try:
        user, password = next(iter(passwords.items()))
        _await(f"host=127.0.0.1 port={port} user={user} password={password} dbname=postgres")
        yield System(PGBOUNCER, port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _await(conninfo: str) -> None:
    """Wait until somebody can log in."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(conninfo).close()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
