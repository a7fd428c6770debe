"""The process that ships: started, watched, started again, and gone with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from dbguard.proxy.shipping_metrics import ShippingMetrics
from dbguard.shipping.status import DeliveryState
from dbguard.shipping.supervising import Shipping

from .places import Trail, settings_of


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


def copied(trail: Trail, copy: Path) -> bool:
    names = sorted(path.name for path in trail.folder.glob("audit-*.jsonl"))
    return all(
        (copy / name).exists() and (copy / name).read_bytes() == (trail.folder / name).read_bytes()
        for name in names
    )


@asynccontextmanager
async def running(trail: Trail, *destinations: object) -> AsyncIterator[Shipping]:
    shipping = Shipping(trail.directory, tuple(destinations))  # type: ignore[arg-type]
    shipping.start()
    try:
        yield shipping
    finally:
        await shipping.stop()


async def test_it_ships_and_is_started_again_when_it_is_killed(
    trail: Trail, tmp_path: Path
) -> None:
    trail.add(20)
    copy = tmp_path / "copy"
    (tmp_path / "file").write_text("")
    good = settings_of(name="good", type="file", directory=copy)
    bad = settings_of(name="bad", type="file", directory=tmp_path / "file" / "x")
    with capture_logs() as logs:
        async with running(trail, good, bad) as shipping:
            await until(lambda: copied(trail, copy))
            await until(lambda: shipping.statuses()[0].state is DeliveryState.SHIPPING)
            await until(lambda: shipping.errors("bad") > 0)
            assert [status.lag_records for status in shipping.statuses()] == [0, trail.count]
            first = shipping.process
            assert first is not None
            assert os.getpriority(os.PRIO_PROCESS, first) >= os.getpriority(os.PRIO_PROCESS, 0)
            before = shipping.errors("bad")
            os.kill(first, signal.SIGKILL)
            await until(lambda: shipping.restarts == 1)
            trail.add(10)
            await until(lambda: copied(trail, copy))
            assert shipping.errors("bad") >= before
            registry = CollectorRegistry()
            registry.register(ShippingMetrics(shipping))
            text = generate_latest(registry).decode()
            last = shipping.process
            trail.add(5)  # what comes last goes with it
    assert copied(trail, copy)
    assert last is not None
    assert not Path(f"/proc/{last}").exists()
    assert 'dbguard_shipping_lag_records{destination="bad"}' in text
    assert 'dbguard_shipping_errors_total{destination="bad"}' in text
    assert "dbguard_shipping_restarts_total 1.0" in text
    events = [entry["event"] for entry in logs]
    assert "a destination is away" in events
    assert "the process that ships the audit trail ended, it is started again" in events


async def test_nothing_is_started_without_destinations(trail: Trail) -> None:
    async with running(trail) as shipping:
        await asyncio.sleep(0)
        assert shipping.process is None
    registry = CollectorRegistry()
    registry.register(ShippingMetrics(shipping))
    assert generate_latest(registry) == b""


PARENT = """
import asyncio, sys
from pathlib import Path
from dbguard.shipping.supervising import Shipping
from dbguard.shipping_settings import DestinationSettings

async def main():
    settings = DestinationSettings(name="place", type="file", directory=sys.argv[2])
    shipping = Shipping(Path(sys.argv[1]), (settings,))
    shipping.start()
    while shipping.process is None:
        await asyncio.sleep(0.01)
    print(shipping.process, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_it_ends_with_its_parent(trail: Trail, tmp_path: Path) -> None:
    trail.add(1)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(trail.directory), str(tmp_path / "copy")],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    process = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 60
    while _lives(process):
        assert time.monotonic() < end
        time.sleep(0.05)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:  # one that nobody has waited for is dead all the same
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False
