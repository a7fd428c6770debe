"""pgbench directly, through PgBouncer and through dbguard, interleaved; medians as one table."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dbguard.demo.binaries import find_binaries
from dbguard.demo.server import EmbeddedServer

ROOT = Path(__file__).parents[2]
TICK = os.sysconf("SC_CLK_TCK")
RULES = """
roles: {bench: {users: [postgres]}}
rules: [{id: everything, allow: [all], roles: [bench]}]
defaults:
  unclassified:
    {read: allow, write: allow, ddl: allow, privilege: allow, code: allow, maintenance: allow}
"""


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    port: int
    process: int | None
    """Whose CPU time is counted, children included."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(process: int) -> float:
    """User and system time of a process and its living children."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(folder.name) == process or int(fields[1]) == process:
            total += int(fields[11]) + int(fields[12])
    return total / TICK


@contextmanager
def dbguard(
    folder: Path, server: EmbeddedServer, durability: str, more: str = ""
) -> Iterator[Target]:
    port = free_port()
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "bench.yaml").write_text(RULES)
    (folder / "dbguard.yaml").write_text(
        f"listen: {{host: 127.0.0.1, port: {port}}}\n"
        f"upstream: {{host: 127.0.0.1, port: {server.port}}}\n"
        f'catalog: {{dsn: "{server.dsn()}"}}\n'
        f"audit: {{directory: audit, durability: {durability}}}\nrules: rules\n{more}"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "dbguard", "serve", "--config", str(folder / "dbguard.yaml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield Target(f"dbguard, {durability} audit", port, process.pid)
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def pgbouncer(folder: Path, server: EmbeddedServer, password: str) -> Iterator[Target]:
    port = free_port()
    folder.mkdir()
    (folder / "users.txt").write_text(f'"postgres" "{password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = scram-sha-256\n"
        f"auth_file = {folder}/users.txt\npool_mode = session\nmax_client_conn = 500\n"
        "default_pool_size = 200\nunix_socket_dir =\n"
    )
    folder.chmod(0o777)
    command = ["pgbouncer", "-q", str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--clear-groups", *command]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield Target("PgBouncer, session", port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def run(binary: Path, target: Target, password: str, arguments: list[str]) -> tuple[float, int]:
    """Transactions per second, and how many there were."""
    ran = subprocess.run(
        [binary, "-h", "127.0.0.1", "-p", str(target.port), "-U", "postgres", "-n", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PGPASSWORD": password, "PGDATABASE": "postgres"},
    )
    rate = re.search(r"tps = ([0-9.]+)", ran.stdout)
    count = re.search(r"actually processed: ([0-9]+)", ran.stdout)
    assert rate is not None, ran.stdout
    assert count is not None, ran.stdout
    return float(rate[1]), int(count[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--scripts", nargs="+", default=["select-only", "tpcb-like"])
    parser.add_argument("--modes", nargs="+", default=["simple", "extended", "prepared"])
    given = parser.parse_args()
    password = "bench"  # of a server that lives as long as this run
    console = Console()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbguard-bench-")))
        folder.chmod(0o755)
        server = EmbeddedServer.create(
            folder / "server",
            password=password,
            settings={"max_connections": "400"},
            binaries=find_binaries(None),
        )
        server.start()
        stack.callback(server.stop)
        binary = server.binary("pgbench")
        targets = [Target("direct", server.port, None)]
        if shutil.which("pgbouncer"):
            targets.append(stack.enter_context(pgbouncer(folder / "pb", server, password)))
        for durability in ("buffered", "durable"):
            targets.append(stack.enter_context(dbguard(folder / durability, server, durability)))
        subprocess.run(
            [binary, "-i", "-q", "-d", server.dsn()], check=True, stderr=subprocess.DEVNULL
        )
        for script in given.scripts:
            for mode in given.modes:
                table = Table(title=f"{script}, {mode}", title_justify="left")
                for head in ("clients", "target", "tps", "of direct", "proxy CPU µs/transaction"):
                    table.add_column(head, justify="left" if head == "target" else "right")
                for clients in given.clients:
                    rates: dict[str, list[float]] = defaultdict(list)
                    costs: dict[str, list[float]] = defaultdict(list)
                    for _ in range(given.rounds):
                        for target in targets:
                            before = cpu_seconds(target.process) if target.process else 0.0
                            arguments = ["-b", script, "-M", mode, "-c", str(clients)]
                            arguments += ["-j", "2" if clients > 1 else "1"]
                            rate, count = run(
                                binary, target, password, [*arguments, "-T", str(given.seconds)]
                            )
                            rates[target.name].append(rate)
                            if target.process:
                                spent = cpu_seconds(target.process) - before
                                costs[target.name].append(spent / count * 1e6)
                    base = statistics.median(rates["direct"])
                    for target in targets:
                        rate = statistics.median(rates[target.name])
                        cost = costs.get(target.name)
                        table.add_row(
                            str(clients),
                            target.name,
                            f"{rate:,.0f}",
                            f"{rate / base:.2f}",
                            f"{statistics.median(cost):.0f}" if cost else "",
                        )
                console.print(table)


if __name__ == "__main__":
    main()
