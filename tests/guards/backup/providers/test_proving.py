"""Long checks: once, behind those who wait, and remembered for a while."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from dbguard.guards.backup.providers.fields import NoInventory
from dbguard.guards.backup.providers.proving import BAD_FOR, GOOD_FOR, Proof, Proofs

from .conftest import NOW


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


class Checks:
    def __init__(self, flaw: str = "") -> None:
        self.flaw = flaw
        self.count = 0
        self.hold = asyncio.Event()

    async def __call__(self) -> str:
        self.count += 1
        await self.hold.wait()
        if self.flaw == "unknown":
            raise NoInventory("tool ended with exit code 9")
        return self.flaw


async def test_nobody_waits_for_long() -> None:
    proofs, check = Proofs(Clock()), Checks()
    assert await proofs.of("a", check, 0) is None
    assert await proofs.of("a", check, 0) is None
    check.hold.set()
    assert await proofs.of("a", check, 60) == Proof(NOW)
    assert check.count == 1
    await proofs.close()


async def test_results_grow_old() -> None:
    clock, check = Clock(), Checks()
    proofs = Proofs(clock)
    check.hold.set()
    await proofs.of("a", check, 60)
    clock.now = NOW + GOOD_FOR - timedelta(seconds=1)
    assert proofs.known("a") == Proof(NOW)
    clock.now = NOW + GOOD_FOR
    assert proofs.known("a") is None
    clock.now = NOW - timedelta(seconds=1)  # a clock that was put back tells no age
    assert proofs.known("a") is None


async def test_failures_are_tried_again_sooner() -> None:
    clock, check = Clock(), Checks("unknown")
    proofs = Proofs(clock)
    check.hold.set()
    found = await proofs.of("a", check, 60)
    assert found == Proof(NOW, "it cannot be checked: tool ended with exit code 9")
    await proofs.of("a", check, 60)
    assert check.count == 1
    clock.now = NOW + BAD_FOR
    await proofs.of("a", check, 60)
    assert check.count == 2


async def test_one_at_a_time() -> None:
    proofs, first, second = Proofs(Clock()), Checks(), Checks()
    second.hold.set()
    await proofs.of("a", first, 0)
    await proofs.of("b", second, 0)
    while not first.count:
        await asyncio.sleep(0)
    assert second.count == 0
    first.hold.set()
    assert await proofs.of("b", second, 60) == Proof(NOW)
    await proofs.close()


async def test_closing_ends_what_is_under_way() -> None:
    proofs, check = Proofs(Clock()), Checks()
    await proofs.of("a", check, 0)
    await proofs.close()
    assert proofs.known("a") is None
    assert len(asyncio.all_tasks()) == 1


async def test_results_are_bounded() -> None:
    proofs, check = Proofs(Clock()), Checks()
    check.hold.set()
    for number in range(400):
        await proofs.of(f"{number}", check, 60)
    assert proofs.known("399") is not None
    assert len(proofs._known) <= 256
