"""What a worker hears from its supervisor, and what it takes for the end."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import cast

import pytest

from dbguard.proxy.running import Running
from dbguard.proxy.sharing import prepare
from dbguard.proxy.worker import Following, chain_name, obey
from dbguard.proxy.worker_channel import Channel, CheckReady, Reply, Stop, WorkerLost


class Ready:
    """All that is asked of what runs."""

    async def not_ready(self) -> list[str]:
        return ["stopping"]


async def channels() -> tuple[Channel, Channel]:
    ends = socket.socketpair()
    one, other = [Channel(*await asyncio.open_connection(sock=end)) for end in ends]
    return one, other


async def serving(told: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        told.append("no more clients")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("nobody is waited for")
            raise


async def test_a_worker_answers_and_ends_with_its_supervisor(tmp_path: Path) -> None:
    supervisor, worker = await channels()
    place = prepare(tmp_path, 2)
    following = Following(1, place, cast("Running", Ready()))
    told: list[str] = []
    task = asyncio.get_running_loop().create_task(serving(told))
    ready = asyncio.Event()
    obeying = asyncio.get_running_loop().create_task(obey(following, worker, ready, task))
    ready.set()
    assert await supervisor.hear_reply() == Reply()
    await supervisor.tell(CheckReady())
    assert (await supervisor.hear_reply()).checked() == ("stopping",)
    await supervisor.tell(Stop())
    while not told:
        await asyncio.sleep(0)
    assert not task.done(), "sessions may come to their end"
    supervisor.close()
    await obeying
    await asyncio.wait((task,))
    assert told == ["no more clients", "nobody is waited for"]
    assert not tmp_path.exists(), "what a supervisor leaves that was killed"
    worker.close()


async def test_a_worker_that_is_gone_is_told_from_one_that_answers() -> None:
    supervisor, worker = await channels()
    worker.close()
    with pytest.raises(WorkerLost):
        await supervisor.hear_reply()
    supervisor.close()


def test_chains_stand_behind_the_configured_name() -> None:
    assert [chain_name("", 1), chain_name("eu", 12)] == ["w1", "eu-w12"]
