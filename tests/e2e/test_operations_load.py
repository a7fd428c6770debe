"""What operators do while clients work: reload what is broken, look at the metrics, stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from typing import Any

import psycopg
import pytest

from .ledger import ACCOUNTS, BALANCE, RULES, SCHEMA, Load
from .proxies import Guarded

pytestmark = pytest.mark.pg

BROKEN = [
    b"\xff\xfe\0",
    b"rules: [",
    b"rules: [{id: x, allow: [fly]}]",
    b"classification: []\nclassification: []",
    b"a: &a [*a]",
    b"- " * 3000,
    b"roles: {x: {users: [" + b"9" * 5000 + b"]}}",
]
"""Files beside the rules in force that no reload may take."""
ODD = 'o"dd{user="x"}\\n 7\n#'


def reloads(proxy: Guarded, result: str) -> int:
    return int(proxy.samples().get(f'dbguard_reloads_total{{result="{result}"}}', 0))


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_reloads_scrapes_and_a_stop_under_load(
    pg_database: Any, guard: Callable[..., Guarded]
) -> None:
    for name in ("app", "reader"):
        pg_database.create_user(name)
    pg_database.execute(SCHEMA)
    proxy = guard(pg_database, rules=None, started=False, metrics=True, durability="buffered")
    rules = proxy.folder / "rules"
    (rules / "allowing.yaml").write_text(RULES, "utf-8")
    proxy.limit("shutdown_timeout: 2s")
    proxy.start()
    assert proxy.process is not None
    with ExitStack() as stack:
        load = Load(lambda user: proxy.connect(user, connect_timeout=30), 4)
        stack.callback(load.end)
        load.everybody_works(2, 60)
        for number, broken in enumerate(BROKEN, 1):
            (rules / "more.yaml").write_bytes(broken)
            proxy.process.send_signal(signal.SIGHUP)
            until(lambda: reloads(proxy, "failed") == number)  # noqa: B023
            load.nothing_wrong()
        (rules / "more.yaml").unlink()
        settings = proxy.config.read_bytes()
        proxy.config.unlink()
        proxy.process.send_signal(signal.SIGHUP)
        until(lambda: reloads(proxy, "failed") == len(BROKEN) + 1)
        proxy.config.write_bytes(settings)
        for number in (1, 2):
            proxy.process.send_signal(signal.SIGHUP)
            until(lambda: reloads(proxy, "done") == number)  # noqa: B023
        load.everybody_works(2, 60)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(proxy.dsn("app"), user=ODD, connect_timeout=30)
        found = proxy.samples()
        assert found["dbguard_connections"] >= 4
        assert not any("dd{" in name for name in found), "nobody's name is told"
        # a transaction that never ends does not keep it from stopping
        with closing(proxy.connect("app")) as endless:
            endless.execute("SELECT 1")
            assert load.errors.total() == 0
            assert proxy.stop() == 0
            with suppress(psycopg.OperationalError):
                endless.rollback()
        load.end()
        load.nothing_wrong()
    assert proxy.verify().ok
    query = "SELECT sum(balance) FROM accounts"
    assert pg_database.execute(query) == [(ACCOUNTS * BALANCE,)]
    log = proxy.logged()
    failed = [line for line in log if line["event"].startswith("reload failed")]
    assert len(failed) == len(BROKEN) + 1
    assert all("more.yaml" in line["message"] for line in failed[:-1])
