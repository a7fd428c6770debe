"""A running dbguard ships what it records, and nothing of that holds up a statement."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbguard.verification.trail import verify

from .proxies import Guarded

pytestmark = pytest.mark.pg


@pytest.fixture
def proxy(module_database: Any, guard: Callable[..., Guarded]) -> Guarded:
    module_database.create_user("app")
    return guard(module_database, rules=None, started=False, metrics=True)


def within(seconds: float, true: Callable[[], object]) -> None:
    until = time.monotonic() + 6 * seconds  # on an idle machine; others take their time
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def ship(proxy: Guarded, *entries: str) -> None:
    text = proxy.config.read_text("utf-8")
    before = "audit: {directory: audit, durability: durable}"
    assert text.count(before) == 1
    after = before.removesuffix("}") + f", ship: [{', '.join(entries)}]}}"
    proxy.config.write_text(text.replace(before, after), "utf-8")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("audit-*.jsonl")}


def children(process: int) -> list[int]:
    """Those that ship."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            command = path.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if parent == process and b"dbguard.shipping.worker" in command:
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_the_copy_has_everything_to_the_last_record(proxy: Guarded) -> None:
    """With one destination that works and one that is away, and with the process killed."""
    ship(
        proxy,
        "{name: copy, type: file, directory: copy}",
        "{name: away, type: syslog, address: '127.0.0.1:1', transport: tcp}",
    )
    proxy.start()
    copy = proxy.folder / "copy"
    with proxy.connect("app", autocommit=True) as connection:
        for number in range(20):
            assert connection.execute("SELECT 1").fetchone() == (1,)
            if number == 10:
                within(30, lambda: copy.exists())
                assert proxy.process is not None
                for child in children(proxy.process.pid):
                    os.kill(child, signal.SIGKILL)
    within(30, lambda: len(children(proxy.process.pid)) == 1)  # type: ignore[union-attr]
    away = 'dbguard_shipping_up{destination="away"}'
    within(30, lambda: proxy.samples().get(away) == 0)
    within(30, lambda: proxy.samples()['dbguard_shipping_lag_records{destination="away"}'] > 0)
    assert proxy.stop() == 0
    assert content(copy) == content(proxy.audit)
    assert b'"kind":"stop"' in b"".join(content(copy).values())
    assert verify(copy).ok
    log = proxy.log.read_text()
    assert "a destination is away" in log
    assert "Traceback" not in log
