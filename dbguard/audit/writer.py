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
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dbguard.audit.journal import Entry, Journal
from dbguard.audit.opening import Tail, find_tail
from dbguard.audit.outage import (
    AuditFailure,
    Outage,
    closed,
    errno_name,
    lost_before,
    too_slow,
    unusable,
)
from dbguard.audit.records import EventRecord, Record, RecordKind, Rendered, render
from dbguard.audit.storage import DirectoryLock, FileStorage, Storage
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable, ConfigurationError

SEGMENT_BYTES = 64 * 1024 * 1024
SYNC_SECONDS = 0.04
"""BUFFERED: when to sync after the first unsynced write; 50 ms are promised."""
PROBE_SECONDS = 0.5
"""How often to try again during an outage; one second is promised."""
_STEP_BACK = timedelta(seconds=1)
"""A clock that goes back by less (slewing) does not make a record older than the one before."""
_GAPS_REMEMBERED = 1000


class Fate(enum.Enum):
    PENDING = enum.auto()
    KEPT = enum.auto()
    LOST = enum.auto()


class AuditLog:
    """Thread-safe. Make one with `AuditLog.open`."""

    def __init__(
        self, journal: Journal, lock: DirectoryLock, durability: Durability, clock: _Clock
    ) -> None:
        self._journal = journal
        self._directory_lock = lock
        self._durability = durability
        self._clock = clock
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._progress = threading.Condition(self._lock)
        self._queue: list[Entry] = []
        self._next = journal.last.sequence + 1
        self._kept = journal.last.sequence
        self._gaps: deque[tuple[int, int]] = deque()
        self._gaps_forgotten = 0
        self._outage: Outage | None = None
        self._last_time = datetime.min.replace(tzinfo=UTC)
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
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        storage: Storage | None = None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> AuditLog:
        """Continue the trail in `directory`, or begin one.

        Raises ConfigurationError when the directory cannot be used, another dbguard writes to
        it, or its trail does not end as a writer left it.
        """
        storage = storage or FileStorage()
        try:
            storage.prepare(directory)
            lock = storage.lock(directory)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"{directory}: another dbguard writes its audit trail here",
                hint="Stop that one, or give each its own audit directory.",
            ) from error
        except OSError as error:
            raise unusable(directory, error) from error
        try:
            tail = find_tail(directory)
            journal = Journal(
                directory,
                tail,
                durability=durability,
                storage=storage,
                segment_bytes=segment_bytes,
            )
        except OSError as error:
            lock.release()
            raise unusable(directory, error) from error
        except ConfigurationError:
            lock.release()
            raise
        log = cls(journal, lock, durability, clock)
        log._thread.start()
        if tail.torn or tail.behind:
            log.append(_unclean_stop(tail))
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
            sequence = self._next
            self._next += 1
            self._queue.append(Entry(sequence, self._stamp(), body))
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

    def _stamp(self) -> str:
        now = self._clock()
        if now.tzinfo is not UTC:
            now = now.astimezone(UTC)
        if now < self._last_time and self._last_time - now < _STEP_BACK:
            now = self._last_time
        self._last_time = now
        return now.isoformat(timespec="microseconds")[:26] + "Z"

    # ---- the writer thread

    def _run(self) -> None:
        try:
            while self._turn():
                pass
            with contextlib.suppress(OSError):
                self._journal.close()
        finally:
            # Reached with an error only by a defect: then nothing may count as written any more.
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
            batch, self._queue = self._queue, []
            outage = self._outage
            closing = self._closing
            entries = [self._recovery(outage, batch), *batch] if outage else batch
        try:
            if outage:
                self._journal.sync()
            if entries:
                self._journal.write(entries)
        except OSError as error:
            self._fail(error, len(batch))
            return not closing
        if entries:
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
        if self._sync_due is not None:
            return max(0.0, self._sync_due - time.monotonic())
        return None

    def _settle(self) -> None:
        """After the acknowledgement: the head file, and for BUFFERED the sync when it is due."""
        if self._durability is Durability.DURABLE:
            self._journal.sync()
            return
        if not self._journal.unsynced:
            self._sync_due = None
            return
        now = time.monotonic()
        if self._sync_due is None:
            self._sync_due = now + SYNC_SECONDS
        elif now >= self._sync_due:
            self._sync_due = None
            self._journal.sync()

    def _keep(self, sequence: int, outage: Outage | None) -> None:
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
        with self._lock:
            lost += len(self._queue)
            self._queue.clear()
            outage = self._outage
            failure = AuditFailure(
                error=errno_name(error),
                since=outage.failure.since if outage else self._stamp(),
            )
            if outage and not lost:
                self._outage = replace(outage, failure=failure)
            else:
                self._outage = Outage(failure, self._next, lost + (outage.lost if outage else 0))
                self._next += 1
        self._tell()

    def _recovery(self, outage: Outage, batch: list[Entry]) -> Entry:
        fields = [
            ("reason", "outage"),
            ("error", outage.failure.error),
            ("since", outage.failure.since),
            ("records_lost", str(outage.lost)),
        ]
        if self._kept + 1 < outage.reserved:
            fields += [
                ("gap_first", str(self._kept + 1)),
                ("gap_last", str(outage.reserved - 1)),
            ]
        stamp = batch[0].time if batch else self._stamp()
        record = EventRecord(RecordKind.RECOVERY, "", tuple(fields))
        return Entry(outage.reserved, stamp, render(record).body)

    def _tell(self) -> None:
        with self._lock:
            self._progress.notify_all()
            subscribers = tuple(self._subscribers)
            kept, failure = self._kept, self.failure
        for callback in subscribers:
            callback(kept, failure)


_Clock = Callable[[], datetime]


def _unclean_stop(tail: Tail) -> EventRecord:
    return EventRecord(
        RecordKind.RECOVERY,
        "",
        (
            ("reason", "unclean_stop"),
            ("torn_bytes", str(tail.torn)),
            ("records_after_head", str(tail.behind)),
        ),
    )
