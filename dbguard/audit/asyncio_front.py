"""The audit log for coroutines: waits without blocking the event loop."""

from __future__ import annotations

import asyncio
import contextlib

from dbguard.audit.outage import AuditFailure
from dbguard.audit.records import Record, Rendered
from dbguard.audit.writer import AuditLog, Fate


class AsyncAudit:
    """Make it on the loop that awaits it; one for each loop."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self._end = log.subscribe(self._changed)

    @property
    def available(self) -> bool:
        return self._log.available

    @property
    def signed(self) -> bool:
        """False while checkpoints cannot be written, which refuses nobody."""
        return self._log.checkpoint_failure is None

    @property
    def pending(self) -> int:
        """Records that are not kept yet."""
        return self._log.pending

    def append(self, record: Record | Rendered) -> int:
        """As AuditLog.append: queues and returns the sequence number."""
        return self._log.append(record)

    async def persisted(self, sequence: int) -> None:
        """Return when the record is kept. Raises AuditUnavailable when it is lost."""
        while (fate := self._log.fate(sequence)) is Fate.PENDING:
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting.setdefault(sequence, []).append(future)
            if self._log.fate(sequence) is not Fate.PENDING:
                self._wake()  # a commit between the two looks may have called it too early
            await future
        if fate is Fate.LOST:
            raise self._log.refusal()

    async def record(self, record: Record | Rendered) -> int:
        """Append and wait; returns the sequence number. Raises AuditUnavailable."""
        sequence = self.append(record)
        await self.persisted(sequence)
        return sequence

    def detach(self) -> None:
        """Stop listening; the log itself stays open."""
        self._end()

    def _changed(self, _kept: int, _failure: AuditFailure | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for sequence in list(self._waiting):
            if self._log.fate(sequence) is not Fate.PENDING:
                for future in self._waiting.pop(sequence):
                    if not future.done():  # its waiter may have been cancelled
                        future.set_result(None)
