"""A statement that dbguard has never seen, by its size, from end to end."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from .conversation import Conversation, RememberedKeys, query
from .figures import DBGUARD, DIRECT, PGBOUNCER, Measured, Sample
from .proxies import System
from .rig import ANALYST, PASSWORD
from .turns import Options, Planned, Rigs, in_turns

SIZES = (100, 1_000, 10_000, 100_000)
"""Bytes."""

_numbers = itertools.count(1)


def text(size: int) -> str:
    """Reads masked columns, finds one row at most, and is unlike every other: it names a column
    anew, so that it differs in more than in literals."""
    head = f"SELECT id, last_name, ssn, dob AS d{next(_numbers)} FROM patients WHERE id = 1"
    return head + "".join(f" OR id = {i:05}" for i in range(max(0, (size - len(head)) // 14)))


def measured(size: int, rigs: Rigs, options: Options, planned: Planned) -> list[Measured]:
    """Milliseconds from the text to its answer, and CPU time of dbguard for each text."""
    remarks: dict[str, str] = {}
    systems = rigs.plain.systems((DIRECT, PGBOUNCER, DBGUARD), remarks)
    found = in_turns(systems, options.rounds, lambda one: _ask(one, size, options.seconds))
    made = Measured(planned.group, planned.title, "ms", found, differences=True, remarks=remarks)
    return [made]


def _ask(system: System, size: int, seconds: int) -> Sample:
    waits: list[float] = []
    with ExitStack() as stack:
        talk = stack.enter_context(Conversation(system.port, ANALYST, RememberedKeys(PASSWORD)))
        talk.ask(query(text(size)))
        spent, until = system.cpu, time.monotonic() + seconds
        while not waits or time.monotonic() < until:
            message = query(text(size))
            began = time.perf_counter()
            talk.ask(message)
            waits.append((time.perf_counter() - began) * 1e3)
        spent = system.cpu - spent
    cost = spent / len(waits) * 1e6 if system.process is not None else None
    return Sample(statistics.median(waits), cost)


def all_planned() -> Iterator[Planned]:
    for size in SIZES:
        title = f"a masked SELECT of {size:,} bytes, never seen before"
        yield Planned("misses", title, partial(measured, size))
