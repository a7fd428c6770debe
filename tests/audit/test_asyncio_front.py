"""Coroutines wait for records without holding up the event loop."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path

import pytest

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))


async def test_many_waiters_each_get_their_answer(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path)
    audit = AsyncAudit(log)

    async def client() -> list[int]:
        return [await audit.record(EVENT) for _ in range(20)]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client()) for _ in range(16)]
    assert sorted(n for task in tasks for n in task.result()) == list(range(1, 321))
    await audit.persisted(1)  # long since written
    log.close()


async def test_the_loop_goes_on_while_the_disk_hangs(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    audit = AsyncAudit(log)
    storage.sync_gate.clear()
    sequence = audit.append(EVENT)
    waiting = asyncio.gather(*(audit.persisted(sequence) for _ in range(3)))
    await asyncio.sleep(0.02)
    assert not waiting.done(), "and the loop came here"
    storage.sync_gate.set()
    await asyncio.wait_for(waiting, 60)
    log.close()


async def test_waiters_learn_of_a_failure(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    audit = AsyncAudit(log)
    storage.failing["pwrite"] = errno.ENOSPC
    sequence = audit.append(EVENT)
    with pytest.raises(AuditUnavailable) as caught:
        await asyncio.wait_for(audit.persisted(sequence), 60)
    assert "ENOSPC" in caught.value.detail
    assert not audit.available
    storage.failing.clear()
    while not audit.available:
        await asyncio.sleep(0.01)
    with pytest.raises(AuditUnavailable):
        await audit.persisted(sequence)
    await asyncio.wait_for(audit.record(EVENT), 60)
    log.close()


async def test_a_cancelled_waiter_harms_nobody(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    audit = AsyncAudit(log)
    storage.sync_gate.clear()
    sequence = audit.append(EVENT)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(audit.persisted(sequence), 0.01)
    other = asyncio.gather(audit.persisted(sequence))
    await asyncio.sleep(0)
    storage.sync_gate.set()
    await asyncio.wait_for(other, 60)
    log.close()


async def test_closing_the_log_ends_the_waiting(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    audit = AsyncAudit(log)
    storage.failing["pwrite"] = errno.EIO
    sequence = audit.append(EVENT)
    await asyncio.to_thread(log.close)
    with pytest.raises(AuditUnavailable):
        await asyncio.wait_for(audit.persisted(sequence), 60)


async def test_after_detaching_the_log_goes_on(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path)
    AsyncAudit(log).detach()
    log.wait(log.append(EVENT), timeout=60)
    log.close()


def test_a_closed_loop_does_not_stop_the_writer(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path)

    async def attach() -> None:
        AsyncAudit(log)

    asyncio.run(attach())
    log.wait(log.append(EVENT), timeout=60)
    log.close()


async def test_what_is_kept_while_somebody_is_called_is_told_too(tmp_path: Path) -> None:
    """Sending a statement lets other threads go on, and they may keep the next record."""
    log = AuditLog.open(tmp_path, durability=Durability.BUFFERED)
    audit = AsyncAudit(log)
    await audit.record(EVENT)
    told: dict[str, bool] = {}
    over = asyncio.Event()

    def first(kept: bool) -> None:
        told["first"] = kept
        other = threading.Thread(target=log.wait, args=(behind, 60))
        other.start()
        other.join()

    def second(kept: bool) -> None:
        told["second"] = kept
        over.set()

    known = log.append(EVENT)
    log.wait(known, 60)
    behind = known + 1
    audit.when_known(known, first)
    assert log.append(EVENT) == behind
    audit.when_known(behind, second)
    await asyncio.wait_for(over.wait(), 60)
    assert told == {"first": True, "second": True}
    log.close()
