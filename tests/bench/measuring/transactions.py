"""pgbench: transactions a second and CPU time of the proxy for each."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from .figures import (
    DBGUARD,
    DIRECT,
    DURABLE,
    FORWARDING,
    PGBOUNCER,
    UNCOMPILED,
    Compared,
    Measured,
    Sample,
    Target,
)
from .proxies import System
from .rig import ANALYST, CLINICIAN, DBA, PASSWORD, Broken, Rig
from .turns import Options, Planned, Rigs, in_turns

MODES = ("prepared", "simple", "extended")
CLIENTS = (1, 8, 32, 128)
ALL = (DIRECT, PGBOUNCER, DBGUARD, DURABLE)
FOREVER = 3600
"""Seconds; it is ended before."""
PAUSE = 0.5
"""Seconds until everybody has noticed that the clients are gone."""
_PROGRESS = re.compile(r"progress: [0-9.]+ s, ([0-9.]+) tps")


@dataclass(frozen=True, slots=True)
class Work:
    """What pgbench is to do."""

    script: str
    mode: str
    clients: int
    user: str = DBA
    encrypted: bool = False


def run(pgbench: Path, system: System, work: Work, seconds: int) -> Sample:
    """One run, from pgbench's first report of progress on: what counts is neither the logins, which
    cost more than thousands of statements, nor how long they take.

    Raises:
        Broken: pgbench gave up.
    """
    process = subprocess.Popen(
        [
            *(pgbench, "-h", "127.0.0.1", "-p", str(system.port), "-U", work.user, "-n"),
            *("-b", work.script, "-M", work.mode, "-T", str(FOREVER), "-P", "1"),
            *("-c", str(work.clients), "-j", "2" if work.clients > 1 else "1"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": "postgres",
            "PGSSLMODE": "require" if work.encrypted else "disable",
            "PGCHANNELBINDING": "disable",  # a login passed through cannot be bound to two legs
        },
    )
    assert process.stderr is not None
    seen: list[Progress] = []
    complaints = []
    for line in process.stderr:
        if (told := _PROGRESS.match(line)) is not None:
            seen.append(Progress(time.monotonic(), float(told[1]), system.cpu))
            if len(seen) > seconds:
                break
        else:
            complaints.append(line)
    process.terminate()
    process.communicate()
    time.sleep(PAUSE)
    if len(seen) <= seconds:
        raise Broken(f"pgbench through {system.name}: {' '.join(complaints[:3])}".strip())
    return sample(seen, proxied=system.process is not None)


@dataclass(frozen=True, slots=True)
class Progress:
    """A report of pgbench's."""

    at: float
    """Seconds."""
    rate: float
    """Transactions a second since the report before."""
    cpu: float
    """Seconds of CPU time so far."""


def sample(seen: Sequence[Progress], *, proxied: bool) -> Sample:
    """Transactions a second between the first report and the last, and CPU time for each."""
    count = sum(one.rate * (one.at - before.at) for before, one in pairwise(seen))
    first, last = seen[0], seen[-1]
    cost = (last.cpu - first.cpu) / count * 1e6 if count and proxied else None
    return Sample(count / (last.at - first.at), cost)


def measured(
    work: Work,
    names: Sequence[str],
    targets: tuple[Target, ...],
    both_sides: bool,
    rigs: Rigs,
    options: Options,
    planned: Planned,
) -> list[Measured]:
    rig: Rig = rigs.encrypted if work.encrypted else rigs.plain
    remarks: dict[str, str] = {}
    systems = rig.systems(names, remarks, both_sides=both_sides)
    found = in_turns(
        systems, options.rounds, lambda one: run(rig.pgbench, one, work, options.seconds)
    )
    return [Measured(planned.group, planned.title, "tps", found, targets, remarks=remarks)]


def planned(
    group: str,
    title: str,
    work: Work,
    names: Sequence[str] = ALL,
    targets: tuple[Target, ...] = (),
    *,
    quick: bool = False,
    both_sides: bool = False,
) -> Planned:
    return Planned(group, title, partial(measured, work, names, targets, both_sides), quick)


def all_planned() -> Iterator[Planned]:
    """pgbench's scripts, then principals, then TLS."""
    for mode in MODES:
        for clients in CLIENTS:
            targets, names = _targets(mode, clients), ALL
            if any(target.system == UNCOMPILED for target in targets):
                names = (DIRECT, PGBOUNCER, FORWARDING, DBGUARD, DURABLE, UNCOMPILED)
            title = f"select-only, {mode}, {_clients(clients)}"
            work = Work("select-only", mode, clients)
            yield planned("transactions", title, work, names, targets, quick=bool(targets))
    for mode in MODES:
        work = Work("tpcb-like", mode, 32)
        yield planned("tpcb", f"TPC-B-like, {mode}, {_clients(32)}", work)
    for who, user in (("clinician", CLINICIAN), ("analyst who sees masks", ANALYST)):
        for mode in MODES:
            title = f"select-only, {mode}, {_clients(32)}, {who}"
            work = Work("select-only", mode, 32, user)
            yield planned("principals", title, work, (DIRECT, PGBOUNCER, DBGUARD))
    for where, both in (("clients' side", False), ("both sides", True)):
        for mode in ("prepared", "simple"):
            for clients in (8, 32):
                title = f"select-only, {mode}, {_clients(clients)}, TLS on {where}"
                work = Work("select-only", mode, clients, encrypted=True)
                names = (DIRECT, PGBOUNCER, DBGUARD)
                yield planned("tls", title, work, names, both_sides=both)


def _targets(mode: str, clients: int) -> tuple[Target, ...]:
    if clients == 128 and mode == "prepared":
        return (Target(DURABLE, Compared.OF_PGBOUNCER, 0.65, at_most=False),)
    if clients != 32 or mode == "extended":
        return ()
    costs = {"prepared": 1.25, "simple": 1.4}
    return (
        Target(DBGUARD, Compared.COST_OF_PGBOUNCER, costs[mode], at_most=True),
        Target(DBGUARD, Compared.OF_PGBOUNCER, 0.9, at_most=False),
        Target(UNCOMPILED, Compared.OF_PGBOUNCER, 0.6, at_most=False),
    )


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"
