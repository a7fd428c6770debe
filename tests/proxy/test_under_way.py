"""The first one works; the others wait, whatever becomes of it."""

from __future__ import annotations

import asyncio

from dbguard.proxy.under_way import UnderWay


async def work(
    under_way: UnderWay, log: list[str], name: str, what: str, gate: asyncio.Event
) -> None:
    if await under_way.waited_for(what):
        log.append(f"{name} waited")
        return
    try:
        await gate.wait()
        log.append(f"{name} worked")
    finally:
        under_way.over(what)


def test_others_wait_for_the_first() -> None:
    async def run() -> list[str]:
        under_way, log, gate = UnderWay(), [], asyncio.Event()
        tasks = [
            asyncio.create_task(work(under_way, log, name, what, gate))
            for name, what in (("a", "x"), ("b", "x"), ("c", "y"), ("d", "x"))
        ]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)
        await work(under_way, log, "e", "x", gate)
        return log

    log = asyncio.run(run())
    assert sorted(log) == ["a worked", "b waited", "c worked", "d waited", "e worked"]
    assert log.index("a worked") < log.index("b waited")


def test_nobody_waits_for_one_that_was_cancelled() -> None:
    async def run() -> list[str]:
        under_way, log, gate = UnderWay(), [], asyncio.Event()
        first = asyncio.create_task(work(under_way, log, "a", "x", gate))
        second = asyncio.create_task(work(under_way, log, "b", "x", gate))
        await asyncio.sleep(0)
        first.cancel()
        await second
        return log

    assert asyncio.run(run()) == ["b waited"]
