"""From the queue to the trail: what the writer thread and those who commit by themselves share.

Two locks: `disk` is held by who uses journal and checkpoints, for as long as that takes; `lock` by
who looks at what is queued and what was kept, for a moment. Who needs both takes `disk` first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from dbguard.audit.checkpointing import Checkpoints
from dbguard.audit.journal import Journal, Syncing
from dbguard.audit.ledger import Ledger
from dbguard.audit.linking import Entry
from dbguard.audit.outage import AuditFailure, Outage, closed, errno_name
from dbguard.audit.pace import Pace
from dbguard.audit.records import EventRecord
from dbguard.audit.rendering import render
from dbguard.audit.stamping import CLOCK_BODY, NEVER, Mark, Stamps, written

Subscriber: TypeAlias = Callable[[int, AuditFailure | None], None]

_TREE_BATCH: Final = 256
"""Records that stand in the chain and not yet in the tree, before a commit puts them there: about
0.2 ms. The writer thread does it for fewer, when it syncs."""


_DISK_PATIENCE: Final = 0.002
"""Seconds to wait for `disk` in a commit. Without it one that comes in between wakes the thread,
which is then in the way of the next."""


class Commits:
    __slots__ = (
        "_kept_mark",
        "_stamps",
        "_syncing",
        "_written",
        "_written_mark",
        "asleep",
        "checkpoints",
        "disk",
        "hurried",
        "journal",
        "ledger",
        "lock",
        "pace",
        "progress",
        "queue",
        "subscribers",
        "watchers",
        "work",
    )

    def __init__(self, journal: Journal, stamps: Stamps, checkpoints: Checkpoints | None) -> None:
        self.journal = journal
        self.checkpoints = checkpoints
        journal.segment_ends = self.checkpoint
        self.ledger = Ledger(journal.last.sequence)
        self.queue: list[Entry] = []
        self.pace = Pace()
        self._syncing = False
        """The thread is at it."""
        self.disk = threading.Lock()
        self.lock = threading.Lock()
        self.work = threading.Condition(self.lock)
        """For the writer thread: there is something to do."""
        self.progress = threading.Condition(self.lock)
        """Fates have changed."""
        self.watchers = 0
        """Who waits for that."""
        self.asleep = False
        """The thread has to be told that something was queued, or kept."""
        self.hurried = False
        """Somebody waits for what is queued and cannot commit it."""
        self.subscribers: tuple[Subscriber, ...] = ()
        self._stamps = stamps
        self._kept_mark = self._written_mark = stamps.mark()
        self._written = journal.last.sequence
        """The last record that is written: DURABLE keeps it once it is synced."""

    # ---- the queue

    def append(self, body: bytes, together: bool, promised: bool) -> int:
        """Queue a record; returns its number. Raises AuditUnavailable when the log is closed.

        `together`: it belongs to the same moment as the record before it, if that waits as well;
        `promised`: whoever appends it will commit it.
        """
        self.lock.acquire()
        try:
            ledger, queue = self.ledger, self.queue
            if ledger.closing or ledger.finished:
                raise closed()
            if together and queue:
                now = queue[-1][1]
            else:
                now, step = self._stamps.take()
                if step is not None:
                    self._enqueue(step.record(), now)
            sequence = ledger.next
            ledger.next = sequence + 1
            queue.append((sequence, now, body))
            if self.asleep and not promised:
                self._rouse()
        finally:
            self.lock.release()
        return sequence

    def _rouse(self) -> None:
        """Have the thread look what there is to do (under `lock`)."""
        self.asleep = False
        self.work.notify()

    def _enqueue(self, record: EventRecord, now: int) -> int:
        """Queue a record of the log's own (under `lock`)."""
        sequence = self.ledger.give()
        self.queue.append((sequence, now, render(record).body))
        return sequence

    def tell_chain(self) -> None:
        """Record which key signs from now on, and that the clock was set, before it is signed."""
        if self.checkpoints is None:
            return
        news = self.checkpoints.announcements()
        with self.lock:
            now, step = self._stamps.take()
            if step is not None:
                self._enqueue(step.record(), now)
            for record in news:
                last = self._enqueue(record, now)
            if news:
                self.checkpoints.announced(last)

    def hurry(self) -> None:
        """Have the thread write what is queued now."""
        with self.lock:
            self.hurried = True
            self.work.notify()

    # ---- committing

    def at_once(self) -> bool:
        """Write what is queued now; returns whether all of it is kept. If not, the rest is for the
        thread, which is told. Waits no longer than for what the thread does between two syncs, and
        DURABLE for a sync of its own where they are quick.

        The thread does what takes longer (slow syncs, new segments, checkpoints), and ends outages.
        """
        ledger, disk = self.ledger, self.disk
        if not self.queue and ledger.kept == ledger.next - 1:
            return True
        if not disk.acquire(False) and not disk.acquire(timeout=_DISK_PATIENCE):
            self.hurry()
            return False
        try:
            self.lock.acquire()
            try:
                batch = self.queue
                if not batch and ledger.outage is None:
                    return self._written == ledger.kept  # somebody else was faster
                if not self._may_write(batch):
                    self.hurried = True
                    self.work.notify()
                    return False
                self.queue = []
                mark = self._stamps.mark()
            finally:
                self.lock.release()
            try:
                self.journal.write(batch)
            except OSError as error:
                if self._written == ledger.kept:
                    self.fail(error, len(batch))
                else:
                    with self.lock:  # what is being synced is not lost: the thread sees to both
                        self.queue[:0] = batch
                self.hurry()  # it tries again
                return False
            self._written, self._written_mark = batch[-1][0], mark
            if self.journal.durable and not self._sync_at_once():
                return False
            self._keep(self._written, None, mark)
            if self.journal.hashes >= _TREE_BATCH:
                self.absorb()
            return True
        except BaseException:
            self.give_up()  # a defect
            raise
        finally:
            disk.release()

    def _sync_at_once(self) -> bool:
        """DURABLE: sync what was written, if that is quick; else it is for the thread."""
        if self._syncing or not self.pace.quick:
            with self.lock:  # it looks what is written, and goes to rest, in one
                self._rouse()
            return False
        began = time.monotonic()
        try:
            self.journal.sync()
        except OSError as error:
            self.sync_failed(error)
            self.hurry()
            return False
        self.pace.took(time.monotonic() - began)
        return True

    def _may_write(self, batch: list[Entry]) -> bool:
        ledger = self.ledger
        if not batch or ledger.outage or ledger.closing or ledger.finished:
            return False
        return not self.journal.ends_segment(batch[0][1])

    def write(self) -> bool:
        """Write what is queued, or try to end an outage (under `disk`); DURABLE: and sync it.
        False when it failed."""
        ledger = self.ledger
        with self.lock:
            batch, self.queue = self.queue, []
            self.hurried = False
            outage = ledger.outage
            entries = [self._recovery(outage, batch), *batch] if outage else batch
            mark = self._stamps.mark()
        journal, lost = self.journal, len(batch) + self._written - ledger.kept
        try:
            if outage:
                journal.sync()
                journal.tell_head()
            elif journal.durable and journal.unsynced:
                self.sync()
                lost = len(batch)
            if not entries:
                return True
            journal.write(entries)
            if journal.durable:
                journal.sync()
        except OSError as error:
            self.fail(error, lost)
            return False
        self._keep(entries[-1][0], outage, mark)
        return True

    def sync(self) -> None:
        """Have all durable that was written (under `disk`); the head file is not told.

        Raises:
            OSError: DURABLE: nothing of it is on the trail any more; `fail` is to follow.
        """
        self.journal.sync()
        if self._written > self.ledger.kept:
            self._keep(self._written, None, self._written_mark)

    def begin_sync(self) -> tuple[Syncing, Mark] | None:
        """As Journal.begin_sync (under `disk`)."""
        syncing = self.journal.begin_sync()
        self._syncing = syncing is not None
        return None if syncing is None else (syncing, self._written_mark)

    def end_sync(self, syncing: Syncing, mark: Mark) -> None:
        """It is durable (under `disk`). Raises OSError: the head file cannot be written."""
        self._syncing = False
        self.journal.end_sync(syncing)
        if syncing.last.sequence > self.ledger.kept:
            self._keep(syncing.last.sequence, None, mark)
        self.journal.tell_head()

    def sync_failed(self, error: OSError) -> None:
        """It is not, nor is what was written meanwhile (under `disk`)."""
        self._syncing = False
        self.journal.sync_failed()
        self.fail(error, self._written - self.ledger.kept)

    def _recovery(self, outage: Outage, batch: Sequence[Entry]) -> Entry:
        """The first record behind an outage. Its time is before that of a CLOCK record."""
        *_, last = self._kept_mark
        if not batch:
            now = self._stamps.quiet()
        elif batch[0][2].startswith(CLOCK_BODY) and last != NEVER:
            now = last
        else:
            now = batch[0][1]
        return outage.reserved, now, render(outage.over(self.ledger.kept)).body

    def _keep(self, sequence: int, outage: Outage | None, mark: Mark) -> None:
        if self._written < sequence:
            self._written, self._written_mark = sequence, mark
        self._kept_mark = mark
        if self.checkpoints is not None:
            self.checkpoints.kept(sequence)
        self.lock.acquire()
        try:
            self.ledger.keep(sequence, outage)
            if self.watchers:
                self.progress.notify_all()
            if self.asleep:
                self._rouse()
            subscribers = self.subscribers
        finally:
            self.lock.release()
        for callback in subscribers:
            callback(sequence, None)

    def fail(self, error: OSError, lost: int) -> None:
        """Nothing that is not kept will be: what waits in the queue came before the RECOVERY.

        Under `disk`. `lost`: records that were taken from the queue.
        """
        if self.checkpoints is not None:
            self.checkpoints.lost()
        self._written, self._written_mark = self.ledger.kept, self._kept_mark
        with self.lock:
            lost += len(self.queue)
            self.queue.clear()
            self._stamps.restore(self._kept_mark)
            outage = self.ledger.outage
            since = outage.failure.since if outage else written(self._stamps.now())
            self.ledger.lose(lost, AuditFailure(errno_name(error), since))
        self._tell()

    def give_up(self) -> None:
        """Nothing that is not kept will be, now or later."""
        with self.lock:
            self.ledger.finished = True
            self.queue.clear()
            self.work.notify()
        self._tell()

    def _tell(self) -> None:
        with self.lock:
            if self.watchers:
                self.progress.notify_all()
            subscribers, kept, outage = self.subscribers, self.ledger.kept, self.ledger.outage
        for callback in subscribers:
            callback(kept, outage.failure if outage else None)

    # ---- checkpoints (under `disk`)

    def absorb(self) -> None:
        """Have what was written stand in the tree."""
        hashes = self.journal.take_hashes()
        if self.checkpoints is not None and hashes:
            self.checkpoints.took(hashes, self.journal.settled, time.monotonic())

    @property
    def checkpoint_due(self) -> bool:
        if self.checkpoints is None:
            return False
        return self.ledger.closing or self.checkpoints.due(time.monotonic())

    def checkpoint(self) -> None:
        """Sign all, which is synced; the journal calls it when a segment ends."""
        if self.checkpoints is None:
            return
        self.absorb()
        with self.lock:
            now = self._stamps.quiet()
        news = self.checkpoints.write(self.journal.last_segment, now)
        if news is not None:
            with self.lock:
                self.checkpoints.telling(self._enqueue(news, self._stamps.quiet()))
