"""pgbench: transactions a second and CPU time of the proxy for each."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from .figures import (
    DBGUARD,
    DIRECT,
    DURABLE,
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
_PROGRESS = re.compile(r"progress: ([0-9.]+) s, ([0-9.]+) tps")
_RATE = re.compile(r"tps = ([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Work:
    """What pgbench is to do."""

    script: str
    mode: str
    clients: int
    user: str = DBA
    encrypted: bool = False


def run(pgbench: Path, system: System, work: Work, seconds: int) -> Sample:
    """One run. CPU time is that between pgbench's first report of progress and its last: logins
    are made before, and cost more than thousands of statements."""
    process = subprocess.Popen(
        [
            *(pgbench, "-h", "127.0.0.1", "-p", str(system.port), "-U", work.user, "-n"),
            *("-b", work.script, "-M", work.mode, "-T", str(seconds + 1), "-P", "1"),
            *("-c", str(work.clients), "-j", "2" if work.clients > 1 else "1"),
        ],
        stdout=subprocess.PIPE,
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
    assert process.stdout is not None
    seen: list[tuple[float, float, float]] = []
    complaints = []
    for line in process.stderr:
        if (told := _PROGRESS.match(line)) is not None:
            seen.append((float(told[1]), float(told[2]), system.cpu))
        else:
            complaints.append(line)
    rate = _RATE.search(process.stdout.read())
    if process.wait() or rate is None:
        raise Broken(f"pgbench through {system.name}: {' '.join(complaints[:3])}".strip())
    return Sample(float(rate[1]), None if system.process is None else cost(seen))


def cost(seen: Sequence[tuple[float, float, float]]) -> float | None:
    """Microseconds of CPU time for each transaction; `seen` are time, transactions a second since
    the report before, and CPU time so far, each in seconds."""
    count = sum(rate * (at - before) for (before, _, _), (at, rate, _) in pairwise(seen))
    return (seen[-1][2] - seen[0][2]) / count * 1e6 if count else None


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
                names = (*ALL, UNCOMPILED)
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
