"""The audit log that everything else writes to: one thread, group commit.

`append` gives a record its sequence number and returns at once; the writer thread takes all that
is queued, writes it in one go and syncs once. A record is *kept* from then on, which is what
`wait`, `fate` and subscribers tell. When the disk refuses, all records not yet kept are *lost*:
whoever waits for one gets AuditUnavailable, and the log tries again by itself. The first record
after such an outage names the sequence numbers that were lost, so that the trail accounts for
every number it ever gave out.
"""

from __future__ import annotations

import contextlib
import enum
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from dbguard.audit.checkpointing import CHECKPOINT_SECONDS, Checkpoints
from dbguard.audit.journal import Entry, Journal
from dbguard.audit.outage import (
    AuditFailure,
    Outage,
    closed,
    errno_name,
    lost_before,
    too_slow,
    unusable,
)
from dbguard.audit.records import EventRecord, Record, Rendered, render
from dbguard.audit.signing import SigningKey
from dbguard.audit.stamping import (
    CLOCK_BODY,
    NEVER,
    OneClock,
    Stamps,
    elapsed,
    moment,
    utc_now,
    written,
)
from dbguard.audit.starting import look, take
from dbguard.audit.storage import DirectoryLock, FileStorage, Storage
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable

SEGMENT_BYTES = 64 * 1024 * 1024
SYNC_SECONDS = 0.04
"""BUFFERED: when to sync after the first unsynced write; 50 ms are promised."""
SEGMENT_SECONDS = 86_400.0
PROBE_SECONDS = 0.5
"""How often to try again during an outage; one second is promised."""
_GAPS_REMEMBERED = 1000


class Fate(enum.Enum):
    PENDING = enum.auto()
    KEPT = enum.auto()
    LOST = enum.auto()


class AuditLog:
    """Thread-safe. Make one with `AuditLog.open`."""

    def __init__(
        self,
        journal: Journal,
        lock: DirectoryLock,
        durability: Durability,
        stamps: Stamps,
        checkpoints: Checkpoints | None,
    ) -> None:
        self._journal = journal
        self._directory_lock = lock
        self._durability = durability
        self._checkpoints = checkpoints
        journal.segment_ends = self._checkpoint
        self._stamps = stamps
        self._kept_mark = stamps.mark()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._progress = threading.Condition(self._lock)
        self._queue: list[Entry] = []
        self._next = journal.last.sequence + 1
        self._kept = journal.last.sequence
        self._gaps: deque[tuple[int, int]] = deque()
        self._gaps_forgotten = 0
        self._outage: Outage | None = None
        self._closing = False
        self._finished = False
        self._subscribers: list[Callable[[int, AuditFailure | None], None]] = []
        self._sync_due: float | None = None
        self._thread = threading.Thread(target=self._run, name="dbguard-audit", daemon=True)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        durability: Durability = Durability.DURABLE,
        clock: Callable[[], datetime] | None = None,
        monotonic: Callable[[], float] | None = None,
        storage: Storage | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        segment_age: float = SEGMENT_SECONDS,
        signer: SigningKey | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> AuditLog:
        """Continue the trail in `directory`, or begin one; without `signer` nothing is signed.

        `monotonic` is what the clock is held against; without one, a `clock` is believed.
        Raises ConfigurationError when the directory cannot be used, another dbguard writes to
        it, its trail does not end as a writer left it, or is signed by another key.
        """
        storage = storage or FileStorage()
        lock = take(storage, directory)
        with contextlib.ExitStack() as undo:
            undo.callback(lock.release)
            try:
                start = look(directory, signer)
                checkpoints = start.checkpoints(storage, checkpoint_seconds)
                if checkpoints:
                    undo.callback(checkpoints.close)
                journal = Journal(
                    directory,
                    start.tail,
                    durability=durability,
                    storage=storage,
                    segment_bytes=segment_bytes,
                    segment_age=segment_age,
                )
            except OSError as error:
                raise unusable(directory, error) from error
            undo.pop_all()
        if clock is not None and monotonic is None:
            one = OneClock(clock)
            clock, monotonic = one.now, one.elapsed
        stamps = Stamps(moment(start.tail.last_time), clock or utc_now, monotonic or elapsed)
        log = cls(journal, lock, durability, stamps, checkpoints)
        log._tell_chain()
        for record in start.records():
            log.append(record)
        log._thread.start()
        return log

    @property
    def available(self) -> bool:
        """False while the log cannot be written."""
        return self._outage is None and not self._closing and not self._finished

    @property
    def failure(self) -> AuditFailure | None:
        """Why it is not available, when the disk is the reason."""
        outage = self._outage
        return outage.failure if outage else None

    @property
    def checkpoint_failure(self) -> AuditFailure | None:
        """Why the chain is not signed at present, though its records are kept."""
        return self._checkpoints.failure if self._checkpoints else None

    @property
    def durable_sequence(self) -> int:
        """The last record kept (synced, or for BUFFERED written). Some before it may be lost."""
        return self._kept

    @property
    def pending(self) -> int:
        """Records that were appended and are not kept yet."""
        return self._next - 1 - self._kept

    def append(self, record: Record | Rendered) -> int:
        """Queue the record and return its sequence number; does not wait for anything.

        Raises AuditUnavailable when the log is closed.
        """
        body = (record if isinstance(record, Rendered) else render(record)).body
        with self._lock:
            if self._closing or self._finished:
                raise closed()
            now, step = self._stamps.take()
            if step is not None:
                self._enqueue(step.record(), now)
            sequence = self._next
            self._next += 1
            self._queue.append(Entry(sequence, now, body))
            self._work.notify()
        return sequence

    def fate(self, sequence: int) -> Fate:
        """What has become of a record. Raises ValueError for a number never given out."""
        with self._lock:
            return self._fate(sequence)

    def wait(self, sequence: int, timeout: float | None = None) -> None:
        """Return when the record is kept.

        Raises AuditUnavailable when it is lost, or still not kept after `timeout` seconds.
        """
        with self._lock:
            if not self._progress.wait_for(
                lambda: self._fate(sequence) is not Fate.PENDING, timeout
            ):
                raise too_slow(timeout)
            if self._fate(sequence) is Fate.LOST:
                raise self._refusal()

    def refusal(self) -> AuditUnavailable:
        """The error for somebody whose record is lost."""
        with self._lock:
            return self._refusal()

    def subscribe(self, callback: Callable[[int, AuditFailure | None], None]) -> Callable[[], None]:
        """Have `callback` called, from the writer thread, whenever fates have changed.

        It gets `durable_sequence` and the failure, if any; it must not block or raise.
        Returns a function that ends the subscription.
        """
        with self._lock:
            self._subscribers.append(callback)

        def end() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._subscribers.remove(callback)

        return end

    def close(self) -> None:
        """Write what is queued, sync, and let go of the directory. May be called twice."""
        with self._lock:
            self._closing = True
            self._work.notify()
        self._thread.join()

    # ---- under the lock

    def _fate(self, sequence: int) -> Fate:
        if not 0 < sequence < self._next:
            raise ValueError(f"no record has the number {sequence}")
        if sequence > self._kept:
            if self._finished or (self._outage and sequence < self._outage.reserved):
                return Fate.LOST
            return Fate.PENDING
        if sequence <= self._gaps_forgotten:
            return Fate.LOST  # not known any more: the answer that lets nothing run
        lost = any(first <= sequence <= last for first, last in self._gaps)
        return Fate.LOST if lost else Fate.KEPT

    def _refusal(self) -> AuditUnavailable:
        if self._outage:
            return self._outage.failure.refusal()
        if self._closing or self._finished:
            return closed()
        return lost_before()

    def _enqueue(self, record: EventRecord, now: datetime) -> int:
        """Queue a record of the log's own."""
        sequence = self._next
        self._next += 1
        self._queue.append(Entry(sequence, now, render(record).body))
        return sequence

    # ---- the writer thread

    def _run(self) -> None:
        try:
            while self._turn():
                pass
            with contextlib.suppress(OSError):
                self._journal.sync()
                self._checkpoint()
            with contextlib.suppress(OSError):
                self._journal.close()
        finally:
            # Reached with an error only by a defect: then nothing may count as written any more.
            if self._checkpoints is not None:
                self._checkpoints.close()
            self._directory_lock.release()
            with self._lock:
                self._finished = True
                self._queue.clear()
            self._tell()

    def _turn(self) -> bool:
        """One group commit, sync or attempt to recover; False when there is nothing left to do."""
        with self._lock:
            if not self._queue and not self._closing:
                self._work.wait(self._patience())
        if self._outage is None and self._checkpoint_due():
            self._tell_chain()
        with self._lock:
            batch, self._queue = self._queue, []
            outage = self._outage
            closing = self._closing
            entries = [self._recovery(outage, batch), *batch] if outage else batch
            mark = self._stamps.mark()
        try:
            if outage:
                self._journal.sync()
            if entries:
                self._journal.write(entries)
        except OSError as error:
            self._fail(error, len(batch))
            return not closing
        if entries:
            self._kept_mark = mark
            self._keep(entries[-1].sequence, outage)
        try:
            self._settle()
        except OSError as error:
            self._fail(error, 0)
        return not closing or bool(self._queue)

    def _patience(self) -> float | None:
        """Seconds the writer may sleep when nobody appends."""
        if self._outage:
            return PROBE_SECONDS
        now = time.monotonic()
        waits = []
        if self._sync_due is not None:
            waits.append(max(0.0, self._sync_due - now))
        if self._checkpoints is not None:
            waits.append(self._checkpoints.patience(now))
        patience = min(waits, default=math.inf)
        return None if patience == math.inf else patience

    def _settle(self) -> None:
        """After the acknowledgement: the head file, for BUFFERED the sync when it is due, and the
        checkpoint when that is."""
        self._absorb()
        signing = self._checkpoint_due() or self._journal.full
        if self._durability is Durability.DURABLE or signing:
            self._sync_due = None
            self._journal.sync()
        elif not self._journal.unsynced:
            self._sync_due = None
        else:
            now = time.monotonic()
            if self._sync_due is None:
                self._sync_due = now + SYNC_SECONDS
            elif now >= self._sync_due:
                self._sync_due = None
                self._journal.sync()
        if signing:
            self._checkpoint()

    # ---- checkpoints (the writer thread)

    def _checkpoint_due(self) -> bool:
        if self._checkpoints is None:
            return False
        return self._closing or self._checkpoints.due(time.monotonic())

    def _tell_chain(self) -> None:
        """Record which key signs from now on, and that the clock was set, before it is signed."""
        if self._checkpoints is None:
            return
        news = self._checkpoints.announcements()
        with self._lock:
            now, step = self._stamps.take()
            if step is not None:
                self._enqueue(step.record(), now)
            for record in news:
                last = self._enqueue(record, now)
            if news:
                self._checkpoints.announced(last)

    def _absorb(self) -> None:
        """Have what was written stand in the tree."""
        hashes = self._journal.take_hashes()
        if self._checkpoints is not None:
            self._checkpoints.took(hashes, self._journal.last, time.monotonic())

    def _checkpoint(self) -> None:
        """Sign all that is synced; the journal calls it when a segment ends."""
        if self._checkpoints is None:
            return
        self._absorb()
        with self._lock:
            now = self._stamps.quiet()
        news = self._checkpoints.write(self._journal.last_segment, now)
        if news is not None:
            with self._lock:
                self._checkpoints.telling(self._enqueue(news, self._stamps.quiet()))

    # ---- outages (the writer thread)

    def _keep(self, sequence: int, outage: Outage | None) -> None:
        if self._checkpoints is not None:
            self._checkpoints.kept(sequence)
        with self._lock:
            if outage:
                if self._kept + 1 < outage.reserved:
                    self._gaps.append((self._kept + 1, outage.reserved - 1))
                if len(self._gaps) > _GAPS_REMEMBERED:
                    self._gaps_forgotten = self._gaps.popleft()[1]
                self._outage = None
            self._kept = sequence
        self._tell()

    def _fail(self, error: OSError, lost: int) -> None:
        """Nothing that is not kept will be: what waits in the queue came before the RECOVERY."""
        if self._checkpoints is not None:
            self._checkpoints.lost()
        with self._lock:
            lost += len(self._queue)
            self._queue.clear()
            self._stamps.restore(self._kept_mark)
            outage = self._outage
            failure = AuditFailure(
                error=errno_name(error),
                since=outage.failure.since if outage else written(self._stamps.now()),
            )
            if outage and not lost:
                self._outage = replace(outage, failure=failure)
            else:
                self._outage = Outage(failure, self._next, lost + (outage.lost if outage else 0))
                self._next += 1
        self._tell()

    def _recovery(self, outage: Outage, batch: list[Entry]) -> Entry:
        """The first record behind an outage. Its time is before that of a CLOCK record."""
        last = self._kept_mark.last
        if not batch:
            now = self._stamps.quiet()
        elif batch[0].body.startswith(CLOCK_BODY) and last is not NEVER:
            now = last
        else:
            now = batch[0].time
        return Entry(outage.reserved, now, render(outage.over(self._kept)).body)

    def _tell(self) -> None:
        with self._lock:
            self._progress.notify_all()
            subscribers = tuple(self._subscribers)
            kept, failure = self._kept, self.failure
        for callback in subscribers:
            callback(kept, failure)
