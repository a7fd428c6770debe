"""The audit log that everything else writes to: group commit, by one thread or by who appends.

`append` gives a record its sequence number and returns at once. All that is queued is written in
one go: for DURABLE by the writer thread, which syncs once for all of it; for BUFFERED by whoever
says `commit` (the event loop, before it forwards), and what nobody commits by the thread, which
syncs behind all of them. A record is *kept* from then on, which is what `wait`, `fate` and
subscribers tell. When the disk refuses, all records not yet kept are *lost*: whoever waits for one
gets AuditUnavailable, and the log tries again by itself. The first record after such an outage
names the sequence numbers that were lost, so that the trail accounts for every number it ever
gave out.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from dbguard.audit.checkpointing import CHECKPOINT_SECONDS, Checkpoints
from dbguard.audit.commits import Commits, Subscriber
from dbguard.audit.journal import Journal
from dbguard.audit.ledger import Fate as Fate
from dbguard.audit.outage import AuditFailure, too_slow, unusable
from dbguard.audit.records import Record
from dbguard.audit.rendering import Rendered, render
from dbguard.audit.signing import SigningKey
from dbguard.audit.stamping import GivenClock, Stamps, moment
from dbguard.audit.starting import look, take
from dbguard.audit.storage import DirectoryLock, FileStorage, Storage
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable

SEGMENT_BYTES = 64 * 1024 * 1024
SYNC_SECONDS = 0.04
"""BUFFERED: when to sync after the first unsynced record; 50 ms are promised."""
LINGER_SECONDS = 0.005
"""BUFFERED: how long records wait for somebody to commit them before the thread does."""
SEGMENT_SECONDS = 86_400.0
PROBE_SECONDS = 0.5
"""How often to try again during an outage; one second is promised."""


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
        self._buffered = durability is Durability.BUFFERED
        self._checkpoints = checkpoints
        self.commits = self._commits = Commits(journal, stamps, checkpoints)
        """For who appends bodies, and commits, without a call more (`AsyncAudit`)."""
        self._ledger = self._commits.ledger
        self._lock = self._commits.lock
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
        last = moment(start.tail.last_time)
        if clock is None:
            stamps = Stamps(last)
        else:
            given = GivenClock(clock, monotonic)
            stamps = Stamps(last, given.now, given.elapsed)
        log = cls(journal, lock, durability, stamps, checkpoints)
        log._commits.tell_chain()
        for record in start.records():
            log.append(record)
        if checkpoints and log._commits.queue:
            # Before anybody else's records: behind the one that names the key stands no other
            # that is not signed, but for one that says why.
            log._turn()
        log._thread.start()
        return log

    @property
    def available(self) -> bool:
        """False while the log cannot be written."""
        ledger = self._ledger
        return ledger.outage is None and not ledger.closing and not ledger.finished

    @property
    def failure(self) -> AuditFailure | None:
        """Why it is not available, when the disk is the reason."""
        outage = self._ledger.outage
        return outage.failure if outage else None

    @property
    def checkpoint_failure(self) -> AuditFailure | None:
        """Why the chain is not signed at present, though its records are kept."""
        return self._checkpoints.failure if self._checkpoints else None

    @property
    def durable_sequence(self) -> int:
        """The last record kept (synced, or for BUFFERED written). Some before it may be lost."""
        return self._ledger.kept

    @property
    def pending(self) -> int:
        """Records that were appended and are not kept yet."""
        return self._ledger.next - 1 - self._ledger.kept

    @property
    def commits_at_once(self) -> bool:
        """Whether `commit` is of any use: who appends writes."""
        return self._buffered

    def append(self, record: Record | Rendered) -> int:
        """Queue the record and return its sequence number; does not wait for anything.

        Raises AuditUnavailable when the log is closed.
        """
        rendered = record if isinstance(record, Rendered) else render(record)
        return self._commits.append(rendered.body, False)

    def commit(self) -> bool:
        """BUFFERED: write all that is queued, in the caller's thread; False when that is for the
        writer thread, which is told. Does not wait for a sync."""
        return self._buffered and self._commits.at_once()

    def fate(self, sequence: int) -> Fate:
        """What has become of a record. Raises ValueError for a number never given out."""
        if self._ledger.surely_keeps(sequence):
            return Fate.KEPT
        with self._lock:
            return self._ledger.fate(sequence)

    def wait(self, sequence: int, timeout: float | None = None) -> None:
        """Return when the record is kept.

        Raises AuditUnavailable when it is lost, or still not kept after `timeout` seconds.
        """
        self.commit()
        fate, progress = self._ledger.fate, self._commits.progress
        with self._lock:
            self._commits.watchers += 1
            try:
                if not progress.wait_for(lambda: fate(sequence) is not Fate.PENDING, timeout):
                    raise too_slow(timeout)
            finally:
                self._commits.watchers -= 1
            if fate(sequence) is Fate.LOST:
                raise self._ledger.refusal()

    def refusal(self) -> AuditUnavailable:
        """The error for somebody whose record is lost."""
        with self._lock:
            return self._ledger.refusal()

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Have `callback` called, from whatever thread commits, whenever fates have changed.

        It gets `durable_sequence` and the failure, if any; it must not block or raise.
        Returns a function that ends the subscription.
        """
        commits = self._commits
        with self._lock:
            commits.subscribers = (*commits.subscribers, callback)

        def end() -> None:
            with self._lock:
                commits.subscribers = tuple(one for one in commits.subscribers if one != callback)

        return end

    def close(self) -> None:
        """Write what is queued, sync, and let go of the directory. May be called twice."""
        with self._lock:
            self._ledger.closing = True
            self._commits.work.notify()
        self._thread.join()

    # ---- the writer thread

    def _run(self) -> None:
        commits = self._commits
        try:
            while self._turn():
                pass
            with commits.disk:
                if not self._ledger.finished:
                    with contextlib.suppress(OSError):
                        self._journal.sync()
                        commits.checkpoint()
                    with contextlib.suppress(OSError):
                        self._journal.close()
        finally:
            # Reached with an error only by a defect: then nothing may count as written any more.
            if self._checkpoints is not None:
                self._checkpoints.close()
            self._directory_lock.release()
            commits.give_up()

    def _turn(self) -> bool:
        """One group commit, sync or attempt to recover; False when there is nothing left to do."""
        self._rest()
        commits, ledger = self._commits, self._ledger
        with commits.disk:
            if ledger.finished:
                return False
            closing = ledger.closing
            if ledger.outage is None and commits.checkpoint_due:
                commits.tell_chain()
            if not commits.write():
                return not closing
        try:
            self._settle()
        except OSError as error:
            with commits.disk:
                commits.fail(error, 0)
        return not closing or bool(commits.queue)

    def _rest(self) -> None:
        """Sleep until there is something to do."""
        commits, ledger = self._commits, self._ledger
        with self._lock:
            urgent = commits.hurried or ledger.closing or ledger.finished
            if not commits.queue and not urgent:
                # Who commits at all will go on to: no need to be woken before the sync.
                commits.asleep = not self._buffered or self._sync_due is None
                commits.work.wait(self._patience())
                commits.asleep = False
                urgent = commits.hurried or ledger.closing or ledger.finished
            if self._buffered and commits.queue and not ledger.outage:
                if self._sync_due is None:
                    self._sync_due = time.monotonic() + SYNC_SECONDS
                if not urgent:
                    commits.work.wait(LINGER_SECONDS)

    def _patience(self) -> float | None:
        """Seconds the writer may sleep when nobody appends."""
        if self._ledger.outage:
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
        checkpoint when that is. Raises OSError."""
        commits, journal = self._commits, self._journal
        with commits.disk:
            commits.absorb()
            signing = commits.checkpoint_due or journal.full
            if not self._buffered or signing:
                self._sync_due = None
                journal.sync()
                if signing:
                    commits.checkpoint()
                return
            if not journal.unsynced:
                self._sync_due = None
                return
            now = time.monotonic()
            if self._sync_due is None:
                self._sync_due = now + SYNC_SECONDS
            if now < self._sync_due:
                return
            self._sync_due = None
            syncing = journal.begin_sync()
            if syncing is None:
                journal.sync()
                return
        try:
            syncing.file.fdatasync()  # others commit meanwhile
        except OSError:
            with commits.disk:
                journal.sync_failed()
            raise
        with commits.disk:
            journal.end_sync(syncing)
            if journal.unsynced:
                self._sync_due = now + SYNC_SECONDS  # they came since then
