"""Many connections at once: memory of the proxy for each idle one; whether active ones suffer."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import asyncpg
from measuring.processes import cpu_seconds, descriptors, memory_bytes
from measuring.proxies import dbguard
from rich.console import Console
from rich.table import Table

from dbguard.demo.binaries import find_binaries
from dbguard.demo.server import EmbeddedServer

AT_ONCE = 20
"""Logins at the same time."""


async def opened(dsn: str, count: int) -> list[asyncpg.Connection]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> asyncpg.Connection:
        async with gate:
            connection = await asyncpg.connect(dsn, timeout=120)
            await connection.fetchval("SELECT 1")
            return connection

    return await asyncio.gather(*(one() for _ in range(count)))


async def work(connections: list[asyncpg.Connection], seconds: float) -> tuple[int, int, float]:
    """Statements answered and failed, and the longest wait in seconds."""
    until = time.monotonic() + seconds
    done = failed = 0
    longest = 0.0

    async def one(connection: asyncpg.Connection, number: int) -> None:
        nonlocal done, failed, longest
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                good = await connection.fetchval("SELECT $1::int + 1", number) == number + 1
            except asyncpg.PostgresError:
                good = False
            done, failed = done + good, failed + (not good)
            longest = max(longest, time.monotonic() - began)

    await asyncio.gather(*(one(c, n) for n, c in enumerate(connections)))
    return done, failed, longest


async def measure(process: int, dsn: str, idle: int, active: int, seconds: float) -> Table:
    table = Table("what", "figure")
    warm = await opened(dsn, 10)
    empty, files = memory_bytes(process), descriptors(process)
    began, spent = time.monotonic(), cpu_seconds(process)
    sleeping = await opened(dsn, idle)
    took, cost = time.monotonic() - began, cpu_seconds(process) - spent
    full = memory_bytes(process)
    table.add_row("logins a second", f"{idle / took:,.0f}")
    table.add_row("CPU of the proxy for a login", f"{cost / idle * 1000:.1f} ms")
    table.add_row("memory for an idle connection", f"{(full - empty) / idle / 1024:.1f} KiB")
    workers = await opened(dsn, active)
    done, failed, longest = await work(workers, seconds)
    table.add_row("statements a second, all active", f"{done / seconds:,.0f}")
    table.add_row("failed statements", str(failed))
    table.add_row("longest wait", f"{longest * 1000:.0f} ms")
    for connection in [*sleeping, *workers, *warm]:
        await connection.close()
    await asyncio.sleep(3)
    table.add_row("descriptors left over", str(descriptors(process) - files + 2 * len(warm)))
    table.add_row("memory left over", f"{(memory_bytes(process) - empty) / 1024**2:.1f} MiB")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--active", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    most = given.idle + given.active + 50
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbguard-bench-")))
        folder.chmod(0o755)
        server = EmbeddedServer.create(
            folder / "server",
            password="bench",
            settings={"max_connections": str(most + 20)},
            binaries=find_binaries(None),
        )
        server.start()
        stack.callback(server.stop)
        target = stack.enter_context(
            dbguard(folder / "proxy", server, "buffered", f"limits: {{connections: {most}}}\n")
        )
        assert target.process is not None
        dsn = server.dsn().replace(f":{server.port}/", f":{target.port}/")
        Console().print(
            asyncio.run(measure(target.process, dsn, given.idle, given.active, given.seconds))
        )


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{error.cmd[0]} failed") from None
