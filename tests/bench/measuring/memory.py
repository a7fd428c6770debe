"""What a connection costs that does nothing, and one whose client takes nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from .conversation import Conversation, RememberedKeys, execution, query
from .figures import DBGUARD, PGBOUNCER, Compared, Measured, Sample, Target
from .proxies import System
from .rig import DBA, PASSWORD
from .turns import Options, Planned, Rigs, in_turns

CROWDS = (1_000, 2_000, 5_000)
WARM = 20
"""Connections that are there before counting begins."""
PAUSE = 5.0
"""Seconds after which a proxy has given back what it will."""
READERS = 20
READ_BYTES = 1 << 20
"""How much each takes before it stops."""
ROWS_OF = {
    "short rows": "SELECT repeat('x', 1000), generate_series(1, 10000000)",
    "rows of 1 MB": "SELECT repeat('x', 1000000), generate_series(1, 10000)",
}
"""10 GB each. Not from generate_series in FROM, which would be spooled to disk first."""
IDLE = Target(DBGUARD, Compared.FIGURE, 8, at_most=True)
BLOCKED = Target(DBGUARD, Compared.FIGURE, 256, at_most=True)


def idle(count: int, rigs: Rigs, options: Options, planned: Planned) -> list[Measured]:
    """KiB for each of `count` connections: as soon as all have logged in, and when each has run one
    prepared statement and some seconds have passed. One round: it takes long and hardly varies."""
    remarks: dict[str, str] = {}
    fresh: dict[str, Sample] = {}
    used: dict[str, Sample] = {}
    with ExitStack() as stack:
        rig = rigs.crowded(stack, count + 2 * WARM)
        for system in rig.systems((PGBOUNCER, DBGUARD), remarks):
            fresh[system.name], used[system.name] = _idle(system, count)
    return [
        Measured(
            planned.group, f"{planned.title}, {when}", "KiB", [found], (IDLE,), remarks=remarks
        )
        for when, found in (("after their logins", fresh), ("when they were used", used))
    ]


def _idle(system: System, count: int) -> tuple[Sample, Sample]:
    keys = RememberedKeys(PASSWORD)
    with ExitStack() as stack:

        def open_all(number: int) -> list[Conversation]:
            return [
                stack.enter_context(Conversation(system.port, DBA, keys)) for _ in range(number)
            ]

        _use(open_all(WARM))
        time.sleep(PAUSE)
        before = system.memory
        opened = open_all(count)
        fresh = system.memory - before
        _use(opened)
        time.sleep(PAUSE)
        used = system.memory - before
    time.sleep(PAUSE)
    return Sample(fresh / count / 1024), Sample(used / count / 1024)


def _use(talks: list[Conversation]) -> None:
    for talk in talks:
        talk.prepare("p", "SELECT $1::int")
        talk.ask(execution("p", "1"))


def blocked(text: str, rigs: Rigs, options: Options, planned: Planned) -> list[Measured]:
    """KiB for each reader that has stopped in the middle, over what it takes idle."""
    remarks: dict[str, str] = {}
    systems = rigs.plain.systems((PGBOUNCER, DBGUARD), remarks)
    found = in_turns(systems, options.rounds, lambda one: _blocked(one, text))
    return [Measured(planned.group, planned.title, "KiB", found, (BLOCKED,), remarks=remarks)]


def _blocked(system: System, text: str) -> Sample:
    keys = RememberedKeys(PASSWORD)
    with ExitStack() as stack:
        talks = [stack.enter_context(Conversation(system.port, DBA, keys)) for _ in range(READERS)]
        _use(talks)
        time.sleep(PAUSE / 2)
        before = system.memory
        for talk in talks:
            talk.socket.sendall(query(text))
        for talk in talks:
            talk.socket.recv(READ_BYTES, socket.MSG_WAITALL)
        time.sleep(PAUSE)
        grown = system.memory - before
    time.sleep(PAUSE / 2)
    return Sample(grown / READERS / 1024)


def all_planned() -> Iterator[Planned]:
    for count in CROWDS:
        title = f"each of {count:,} idle connections"
        yield Planned("memory", title, partial(idle, count), quick=count == CROWDS[0])
    for what, text in ROWS_OF.items():
        title = f"each of {READERS} blocked readers of 10 GB in {what}"
        yield Planned("memory", title, partial(blocked, text), quick=what == "short rows")
