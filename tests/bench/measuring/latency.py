"""How much longer one client waits for each answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from .conversation import Conversation, RememberedKeys, execution, query
from .figures import (
    DBGUARD,
    DIRECT,
    DURABLE,
    FORWARDING,
    PGBOUNCER,
    Compared,
    Measured,
    Sample,
    Target,
    percentile,
)
from .rig import DBA, PASSWORD, ROWS
from .turns import Options, Planned, Rigs

BATCH = 200
"""Statements of one system until it is the next one's turn."""
TEXT = "SELECT abalance FROM pgbench_accounts WHERE aid = "
ONE_TEXT = "simple, one text"
KINDS: dict[str, Callable[[int], bytes]] = {
    "prepared": lambda number: execution("p", str(number)),
    "simple": lambda number: query(f"{TEXT}{number}"),
    ONE_TEXT: lambda _: query(f"{TEXT}1"),
}
SHARES = {"p50": 0.5, "p99": 0.99}
ADDED = Target(DBGUARD, Compared.OVER_DIRECT, 60, at_most=True)


def measured(kind: str, rigs: Rigs, options: Options, planned: Planned) -> list[Measured]:
    """Microseconds, by system. Every round lasts for `seconds` of each system."""
    remarks: dict[str, str] = {}
    systems = rigs.plain.systems((DIRECT, PGBOUNCER, FORWARDING, DBGUARD, DURABLE), remarks)
    message, numbers = KINDS[kind], random.Random(kind)
    keys = RememberedKeys(PASSWORD)
    rounds: list[dict[str, list[float]]] = []
    with ExitStack() as stack:
        talks = {
            one.name: stack.enter_context(Conversation(one.port, DBA, keys)) for one in systems
        }
        for talk in talks.values():
            talk.prepare("p", f"{TEXT}$1")
            _batch(talk, message, numbers)
        for _ in range(options.rounds):
            waits: dict[str, list[float]] = {name: [] for name in talks}
            until = time.monotonic() + options.seconds * len(talks)
            while time.monotonic() < until:
                for name, talk in talks.items():
                    waits[name] += _batch(talk, message, numbers)
            rounds.append(waits)
    return [
        Measured(
            planned.group,
            f"{name} of {planned.title}",
            "µs",
            [
                {system: Sample(percentile(found, share)) for system, found in turn.items()}
                for turn in rounds
            ],
            (ADDED,) if name == "p50" and kind != ONE_TEXT else (),
            differences=True,
            remarks=remarks,
        )
        for name, share in SHARES.items()
    ]


def _batch(
    talk: Conversation, message: Callable[[int], bytes], numbers: random.Random
) -> list[float]:
    found = []
    for _ in range(BATCH):
        sent = message(numbers.randint(1, ROWS))
        began = time.perf_counter()
        talk.ask(sent)
        found.append((time.perf_counter() - began) * 1e6)
    return found


def all_planned() -> Iterator[Planned]:
    for kind in KINDS:
        yield Planned("latency", f"1 client, {kind}", partial(measured, kind), kind != ONE_TEXT)
