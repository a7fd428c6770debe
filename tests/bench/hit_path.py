"""What a transaction that is known costs, without sockets: the lane, its records and their commit.

    python tests/bench/hit_path.py --sessions 32 --rounds 15

Sessions are taught by the playbooks of the engine's tests, and have the surroundings that the proxy
gives them: hub, catalog, counters and an audit log that writes to a file. In each turn of the loop
all of them send the same message and get the same answer. Printed is the CPU time of the thread for
one transaction in microseconds, the least of the rounds (others use the machine as well): of all of
it, of the lane without records (they are counted), and of the records alone. `--profile` prints
where it goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import math
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from engine.playbook import FakeSurroundings, Play, encode_backend, encode_frontend, plan_of

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.catalog.watching import Catalog
from dbguard.engine.asks import Planned
from dbguard.engine.plan import PlanRequest
from dbguard.engine.stencil import Stencil
from dbguard.policy.model import Defaults, Policy
from dbguard.proxy.drifting import Drifts
from dbguard.proxy.hub import Hub
from dbguard.proxy.surroundings import SessionSurroundings
from dbguard.running_path import described
from dbguard.sql.limits import Limits
from dbguard.sql.shape import Shape

LESSONS = """
    >> Q raw rows
    => Q raw rows
    <= T a | D 1 | C SELECT 1 | Z I
    << T a
    << D 1
    << C SELECT 1
    << Z I
    >> P one: raw rows | S
    => P one: raw rows
    => S
    <= 1 | Z I
    << 1
    << Z I
    >> B <-one | D P | E | S
    => B <-one
    => D P
    => E
    => S
    <= 2 | T a | D 1 | C SELECT 1 | Z I
    << 2
    << T a
    << D 1
    << C SELECT 1
    << Z I
"""
UNNAMED = """
    >> P : raw rows | B <- | D P | E | S
    => P : raw rows
    => B <-
    => D P
    => E
    => S
    <= 1 | 2 | T a | D 1 | C SELECT 1 | Z I
    << 1
    << 2
    << T a
    << D 1
    << C SELECT 1
    << Z I
"""
LITERALS = """
    >> Q raw rows where id = 7
    => Q raw rows where id = 7
    <= T a | D 1 | C SELECT 1 | Z I
    << T a
    << D 1
    << C SELECT 1
    << Z I
"""
KINDS = {
    "literals": ("Q raw rows where id = 123456", "T a | D 1 | C SELECT 1 | Z I", LITERALS),
    "simple": ("Q raw rows", "T a | D 1 | C SELECT 1 | Z I", LESSONS),
    "prepared": ("B <-one | D P | E | S", "2 | T a | D 1 | C SELECT 1 | Z I", LESSONS),
    "extended": (
        "P : raw rows | B <- | D P | E | S",
        "1 | 2 | T a | D 1 | C SELECT 1 | Z I",
        UNNAMED,
    ),
}


class World(FakeSurroundings):
    """Those of the playbooks while it learns, of the proxy for what the lane asks."""

    def __init__(self, real: SessionSurroundings, recording: bool) -> None:
        super().__init__()
        self.state_key: Any = real.state_key
        self.recent: Any = real.recent
        self.standing_key: Any = real.standing_key
        self.monotonic: Any = real.monotonic
        if recording:
            self.record: Any = real.record
            self.record_outcome: Any = real.record_outcome
        else:
            self._numbers = 0
            self.record = self.record_outcome = self._count

    def stencil(self, request: PlanRequest, shape: Shape) -> Stencil | None:
        between = tuple(gap.replace("rows", "public.rows") for gap in shape.between)
        planned = Planned(plan_of(request.text), frozenset(), self.state_key())
        return Stencil(planned, (), between, tuple(map(len, shape.literals)), (), False)

    def _count(self, _record: object) -> int:
        self._numbers += 1
        return self._numbers


class _NoRegistry:
    shared = False


def hub_of(audit: AsyncAudit) -> Hub:
    nothing: Any = None
    registry: Any = _NoRegistry()
    catalog = Catalog("postgresql://nobody@127.0.0.1/db")
    catalog.enter("db")
    watched = catalog._databases["db"]
    watched.snapshot = FakeSurroundings().snapshot()
    watched.confirmed = math.inf
    return Hub(
        Policy((), (), (), (), frozenset(), Defaults(), "d" * 64),
        "production",
        Limits(),
        catalog,
        nothing,
        audit,
        nothing,
        Drifts(registry),
    )


async def transactions(
    kind: str, log: AuditLog, recording: bool, arguments: argparse.Namespace
) -> float:
    """Microseconds of CPU for each."""
    sent, answered, lessons = KINDS[kind]
    audit = AsyncAudit(log)
    hub = hub_of(audit)
    current = hub.catalog.current("db")
    assert current is not None
    plays = []
    for _ in range(arguments.sessions):
        world = World(SessionSurroundings(hub, current), recording)
        plays.append(Play(world).script(lessons))
    data, answer = encode_frontend(sent), encode_backend(answered)
    lanes = [play.session.lane for play in plays]
    best = math.inf
    other = bytes(arguments.elsewhere << 10)
    elsewhere = bytearray(other)
    for _ in range(arguments.rounds):
        spent = 0.0
        for _ in range(arguments.turns):
            elsewhere[:] = other  # what other processes do to the caches
            began = time.thread_time()
            waiting: list[Callable[[bool], None]] = []
            for lane in lanes:
                number = lane.offer(data)
                assert number is not None
                if recording:
                    audit.when_known(number, lambda kept, lane=lane: _decided(lane, kept))
                else:
                    waiting.append(lambda kept, lane=lane: _decided(lane, kept))
            while recording and not all(lane.sent for lane in lanes):
                await asyncio.sleep(0)
            for call in waiting:
                call(True)
            for lane in lanes:
                assert lane.answer(answer)
                lane.finish()
            spent += time.thread_time() - began
        best = min(best, spent)
    audit.detach()
    return best / arguments.turns / arguments.sessions * 1e6


def _decided(lane: Any, kept: bool) -> None:
    assert kept
    lane.send()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--turns", type=int, default=10, help="of the loop in each round")
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--elsewhere", type=int, default=0, metavar="KB", help="written between two turns"
    )
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    print(described())
    for kind in arguments.kinds:
        figures = []
        for recording in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                key = SigningKey(Path(folder) / "audit.key")
                log = AuditLog.open(
                    Path(folder) / "trail", durability=Durability.BUFFERED, signer=key
                )
                profile = cProfile.Profile()
                if arguments.profile:
                    profile.enable()
                figures.append(asyncio.run(transactions(kind, log, recording, arguments)))
                if arguments.profile:
                    profile.disable()
                    pstats.Stats(profile).sort_stats("tottime").print_stats(25)
                log.close()
        whole, lane = figures
        print(f"{kind:10} {whole:6.2f} us   lane {lane:6.2f}   records {whole - lane:6.2f}")


if __name__ == "__main__":
    main()
