"""Background tasks: their failures are seen, their texts are not."""

from __future__ import annotations

import asyncio
import gc

import pytest
from structlog.testing import capture_logs

from dbguard.proxy.tasks import spawn


async def test_result_goes_to_whoever_awaits() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await spawn(work(), "seven") == 7


async def test_failure_is_logged_without_its_text() -> None:
    async def work() -> None:
        raise ValueError("123-45-6789")

    with capture_logs() as logs:
        task = spawn(work(), "failing")
        with pytest.raises(ValueError):
            await task
        await asyncio.sleep(0)
    assert [(line["task"], line["error"]) for line in logs] == [("failing", "ValueError")]
    assert "123" not in str(logs)


async def test_cancelling_is_no_failure() -> None:
    with capture_logs() as logs:
        task = spawn(asyncio.sleep(10), "sleeping")
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert logs == []


async def test_a_task_nobody_holds_is_kept() -> None:
    done = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.set()

    spawn(work(), "unheld")
    gc.collect()
    async with asyncio.timeout(1):
        await done.wait()
