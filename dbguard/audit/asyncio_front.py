"""The audit log for coroutines: waits without blocking the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final

from dbguard.audit.outage import AuditFailure
from dbguard.audit.records import Record
from dbguard.audit.rendering import Rendered, render
from dbguard.audit.writer import AuditLog, Fate

OUTCOME_SECONDS: Final = 0.002
"""How long an outcome may wait for another record to be written with."""


class AsyncAudit:
    """Make it on the loop that awaits it; one for each loop."""

    def __init__(
        self,
        log: AuditLog,
        at_turn_end: Callable[[Callable[[], None]], object] | None = None,
        within: Callable[[float, Callable[[], None] | None], object] | None = None,
    ) -> None:
        """`at_turn_end` has something called once all is served that has come by now; the loop's
        own `call_soon` unless given. `within` has it called within some seconds in place of what
        was to be called so far (None: nothing); without it outcomes are written at once."""
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._at_turn_end = at_turn_end or self._loop.call_soon
        self._within = within
        self._commit_is_near = False
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self._calls: list[tuple[int, Callable[[bool], None]]] = []
        self._commits = log.commits
        self._ledger = log.commits.ledger
        self._commit_scheduled = False
        self._committing = False
        """What changes by that is looked at right after."""
        self._thread = threading.get_ident()
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
        """As AuditLog.append: queues and returns the sequence number.

        All records of a turn of the loop that are committed together have one time.
        """
        rendered = record if isinstance(record, Rendered) else render(record)
        sequence = self._commits.append(rendered.body, self._commit_scheduled, True)
        if not self._commit_scheduled:
            self._commit_scheduled = True
            self._at_turn_end(self._commit_turn)
        return sequence

    def append_outcome(self, record: Rendered) -> int:
        """The same for a record that nothing waits for: it is written with the next one, or when a
        moment has passed."""
        if self._within is None:
            return self.append(record)
        sequence = self._commits.append(record.body, self._commit_scheduled, True)
        if not self._commit_scheduled and not self._commit_is_near:
            self._commit_is_near = True
            self._within(OUTCOME_SECONDS, self._commit_turn)
        return sequence

    def commit(self) -> bool:
        """As AuditLog.commit: where it is True, all that was appended is written.

        Records that nobody commits before are committed when the loop's turn is over.
        """
        return self._log.commit()

    def _commit_turn(self) -> None:
        self._commit_scheduled = False
        self._commit_here()

    def _commit_here(self) -> None:
        """Commit, and call whoever waits without a detour over the loop."""
        if self._commit_is_near and self._within is not None:
            self._commit_is_near = False
            self._within(0.0, None)
        self._committing = True
        try:
            kept = self._commits.at_once()
        finally:
            self._committing = False
        if (self._waiting or self._calls) and (kept or not self._log.available):
            self._wake()

    async def persisted(self, sequence: int) -> None:
        """Return when the record is kept. Raises AuditUnavailable when it is lost."""
        self._commit_here()
        while (fate := self._log.fate(sequence)) is Fate.PENDING:
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting.setdefault(sequence, []).append(future)
            if self._log.fate(sequence) is not Fate.PENDING:
                self._wake()  # a commit between the two looks may have called it too early
            await future
        if fate is Fate.LOST:
            raise self._log.refusal()

    def when_known(self, sequence: int, call: Callable[[bool], None]) -> None:
        """Have `call` called on the loop: with True once the record is kept, with False when it is
        lost, after this has returned. It raises nothing."""
        self._calls.append((sequence, call))
        if sequence <= self._ledger.kept or not self._log.available:
            self._loop.call_soon(self._wake)

    async def record(self, record: Record | Rendered) -> int:
        """Append and wait; returns the sequence number. Raises AuditUnavailable."""
        sequence = self.append(record)
        await self.persisted(sequence)
        return sequence

    def detach(self) -> None:
        """Stop listening; the log itself stays open."""
        self._end()

    def _changed(self, _kept: int, _failure: AuditFailure | None) -> None:
        if not (self._waiting or self._calls):
            return  # whoever comes to wait now looks at the fate once more
        if self._committing and threading.get_ident() == self._thread:
            return  # it is about to look
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        kept, failing = self._ledger.kept, not self._log.available
        ready: list[tuple[Callable[[bool], None], bool]] = []
        rest: list[tuple[int, Callable[[bool], None]]] = []
        for waiting in self._calls:
            sequence, call = waiting
            if sequence > kept and not failing:
                rest.append(waiting)
            elif self._ledger.surely_keeps(sequence):
                ready.append((call, True))
            elif (fate := self._log.fate(sequence)) is not Fate.PENDING:
                ready.append((call, fate is Fate.KEPT))
            else:
                rest.append(waiting)
        self._calls = rest  # before anybody is called: what changes meanwhile is told by it
        for call, is_kept in ready:
            call(is_kept)
        for sequence in list(self._waiting):
            if sequence <= kept or (failing and self._log.fate(sequence) is not Fate.PENDING):
                for future in self._waiting.pop(sequence):
                    if not future.done():  # its waiter may have been cancelled
                        future.set_result(None)
