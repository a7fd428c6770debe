"""kill -9 under load: the trail verifies, and whatever the server executed stands in it.

E2E_KILLS says how often.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from contextlib import closing
from typing import Any

import psycopg
import pytest

from .proxies import Guarded

pytestmark = pytest.mark.pg

KILLS = int(os.environ.get("E2E_KILLS", "2"))
MARK = re.compile(r"crash_(\d+)_(\d+)")


def load(guarded: Guarded, worker: int, stop: threading.Event, numbers: dict[int, int]) -> None:
    number = 0
    try:
        with closing(guarded.connect("app", autocommit=True)) as connection:
            connection.prepare_threshold = 2
            while not stop.is_set():
                number += 1
                # the marker is an identifier, so that it stands in the redacted text
                connection.execute(f"SELECT 1 AS crash_{worker}_{number % 40}")
                connection.execute("INSERT INTO public.events VALUES (%s, %s)", [worker, number])
                numbers[worker] = number
    except psycopg.Error:
        return


def executed(pg_server: Any) -> set[str]:
    text = pg_server.log.read_text("utf-8", "replace")
    return {found[0] for found in MARK.finditer(text)}


def test_kill_nine_under_load(guard: Any, pg_database: Any, pg_server: Any) -> None:
    if pg_server.log is None:
        pytest.skip("the server's own log cannot be read")
    pg_database.create_user("app")
    pg_database.execute("CREATE TABLE public.events (worker int, number int)")
    pg_database.execute("GRANT ALL ON public.events TO app")
    guarded: Guarded = guard(pg_database, rules=None)
    for _ in range(KILLS):
        stop = threading.Event()
        numbers: dict[int, int] = {}
        workers = [
            threading.Thread(target=load, args=(guarded, n, stop, numbers), daemon=True)
            for n in range(6)
        ]
        for worker in workers:
            worker.start()
        until = time.monotonic() + 60
        while min(numbers.get(n, 0) for n in range(6)) < 10 and time.monotonic() < until:
            time.sleep(0.05)
        guarded.stop(signal.SIGKILL)
        stop.set()
        for worker in workers:
            worker.join(10)
        guarded.start()
        assert guarded.verify().ok
    with closing(guarded.connect("app", autocommit=True)) as connection:
        connection.execute("SELECT 1")
    guarded.stop()
    assert guarded.verify().ok
    decided = {found[0] for r in guarded.records("decision") for found in MARK.finditer(r["text"])}
    ran = executed(pg_server)
    assert len(ran) > 20
    assert ran <= decided
    inserted = pg_database.execute("SELECT count(*) FROM public.events")[0][0]
    recorded = sum(
        r["action"] == "insert" and r["phase"] in ("bind", "execute", "query")
        for r in guarded.records("decision")
    )
    assert inserted <= recorded
