"""What surrounds every provider: the time limit, the short memory, the words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from dbguard.errors import BackupError
from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.guards.backup.providers.fields import MOST_BACKUPS, NoInventory
from dbguard.guards.backup.providers.limited import FRESH_SECONDS, Limited
from dbguard.policy.decision import Verification

from .conftest import CLINIC, NOW

FOUND = Evidence("one", "main", NOW, Verification.EXISTS)


@dataclass
class Fake:
    name: str = "main"
    asked: list[str] = field(default_factory=list)
    reason: str = ""
    count: int = 1
    hold: asyncio.Event | None = None

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        self.asked.append(database.name)
        if self.hold is not None:
            await self.hold.wait()
        if self.reason:
            raise NoInventory(self.reason)
        return [FOUND] * self.count


@dataclass
class Time:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def limited(source: Fake, seconds: float = 600) -> tuple[Limited, Time]:
    time = Time()
    return Limited(source, "pgbackrest", seconds, time), time


async def test_an_answer_stands_for_a_moment() -> None:
    source = Fake()
    provider, time = limited(source)
    assert provider.name == "main"
    assert tuple(await provider.backups(CLINIC)) == (FOUND,)
    time.now = FRESH_SECONDS - 0.1
    await provider.backups(CLINIC)
    assert source.asked == ["clinic"]
    time.now = FRESH_SECONDS
    await provider.backups(CLINIC)
    assert source.asked == ["clinic", "clinic"]


async def test_each_database_has_its_own() -> None:
    source = Fake()
    provider, _ = limited(source)
    for name in ("a", "b", "a"):
        await provider.backups(replace(CLINIC, name=name))
    await provider.backups(replace(CLINIC, name="a", oid=7))
    assert source.asked == ["a", "b", "a"]


async def test_the_memory_is_bounded() -> None:
    source = Fake()
    provider, _ = limited(source)
    for number in range(2000):
        await provider.backups(replace(CLINIC, oid=number))
    assert len(provider._answers) <= 256
    assert len(provider._asking) <= 256


async def test_who_comes_meanwhile_gets_the_same_answer() -> None:
    source = Fake(hold=asyncio.Event())
    provider, _ = limited(source)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(provider.backups(CLINIC)) for _ in range(20)]
        while not source.asked:
            await asyncio.sleep(0)
        assert source.hold is not None
        source.hold.set()
    assert [tuple(task.result()) for task in tasks] == [(FOUND,)] * 20
    assert len(source.asked) == 1


async def test_who_gives_up_leaves_the_others_alone() -> None:
    source = Fake(hold=asyncio.Event())
    provider, _ = limited(source)
    first = asyncio.get_running_loop().create_task(provider.backups(CLINIC))
    second = asyncio.get_running_loop().create_task(provider.backups(CLINIC))
    while not source.asked:
        await asyncio.sleep(0)
    first.cancel()
    assert source.hold is not None
    source.hold.set()
    assert tuple(await second) == (FOUND,)
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_failures_are_told_and_stand_as_long() -> None:
    source = Fake(reason="its repository has no such stanza")
    provider, time = limited(source)
    for _ in range(2):
        with pytest.raises(BackupError) as caught:
            await provider.backups(CLINIC)
        assert caught.value.message == "backups of main (pgbackrest) cannot be listed"
        assert caught.value.detail == "Its repository has no such stanza."
        assert caught.value.hint == "Check backup.providers.main with: dbguard backup list"
    assert len(source.asked) == 1
    time.now, source.reason = FRESH_SECONDS, ""
    assert len(await provider.backups(CLINIC)) == 1


async def test_no_answer_in_time() -> None:
    source = Fake(hold=asyncio.Event())
    provider, _ = limited(source, 0.05)
    with pytest.raises(BackupError) as caught:
        await asyncio.gather(provider.backups(CLINIC), provider.backups(CLINIC))
    assert caught.value.detail == "No answer within 0.05 s."


async def test_too_many() -> None:
    provider, _ = limited(Fake(count=MOST_BACKUPS + 1))
    with pytest.raises(BackupError) as caught:
        await provider.backups(CLINIC)
    assert "more than 10000 backups" in caught.value.detail
