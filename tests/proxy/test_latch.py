"""A flag that coroutines wait for."""

from __future__ import annotations

import asyncio

import pytest

from dbguard.proxy.latch import Latch


async def test_who_waits_goes_on_when_it_is_set_even_if_it_is_cleared_at_once() -> None:
    latch = Latch()
    waiting = [asyncio.create_task(latch.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    latch.set()
    latch.clear()
    await asyncio.gather(*waiting)
    assert not latch.is_set()


async def test_nobody_waits_while_it_is_set() -> None:
    latch = Latch(is_set=True)
    await latch.wait()
    assert latch.is_set()


async def test_who_gives_up_leaves_nothing_behind() -> None:
    latch = Latch()
    stays = asyncio.create_task(latch.wait())
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(latch.wait(), 0.001)
    assert len(latch._waiting) == 1
    latch.set()
    await stays
    assert not latch._waiting
