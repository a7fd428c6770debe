"""The audit log that everything else writes to: group commit, by one thread or by who appends.

`append` gives a record its sequence number and returns at once. All that is queued is written in
one go, by whoever says `commit` (the event loop, before it forwards), and what nobody commits by
the writer thread, which syncs behind all of them: for DURABLE at once and for all that was written
meanwhile, for BUFFERED from time to time. A record is *kept* when it is synced (DURABLE) or written
(BUFFERED), which is what `wait`, `fate` and subscribers tell. When the disk refuses, all records
not yet kept are *lost*: whoever waits for one gets AuditUnavailable, and the log tries again by
itself. The first record after such an outage names the sequence numbers that were lost, so that the
trail accounts for every number it ever gave out.
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
"""BUFFERED: when to sync after the first unsynced record; 50 ms are promised. DURABLE: how long the
head file may not tell of what is synced."""
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

    def append(self, record: Record | Rendered) -> int:
        """Queue the record and return its sequence number; does not wait for anything.

        Raises AuditUnavailable when the log is closed.
        """
        rendered = record if isinstance(record, Rendered) else render(record)
        return self._commits.append(rendered.body, False, False)

    def commit(self) -> bool:
        """Write all that is queued, in the caller's thread, and do not wait for a sync. Returns
        whether all of it is kept; if not, the rest is for the writer thread, which is told."""
        return self._commits.at_once()

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
                        commits.sync()
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
        mine = self._rest()
        commits, ledger = self._commits, self._ledger
        with commits.disk:
            if ledger.finished:
                return False
            closing = ledger.closing
            if ledger.outage is None and commits.checkpoint_due:
                commits.tell_chain()
                mine = True
            if mine and not commits.write():
                return not closing
        try:
            self._settle()
        except OSError as error:
            with commits.disk:
                commits.sync_failed(error)
        return not closing or bool(commits.queue)

    def _rest(self) -> bool:
        """Sleep until there is something to do. Returns False while what is queued is for others to
        write."""
        commits, ledger = self._commits, self._ledger
        with self._lock:
            if not commits.queue and not self._is_called_for():
                # Who commits at all will go on to: no need to be woken before the sync.
                commits.asleep = self._sync_due is None
                commits.work.wait(self._patience())
                commits.asleep = False
            if ledger.outage or self._is_urgent():
                return True
            if self._is_called_for():
                return False
            if commits.queue:
                if self._buffered and self._sync_due is None:
                    self._sync_due = time.monotonic() + SYNC_SECONDS
                commits.work.wait(LINGER_SECONDS)
            return self._is_urgent() or not self._is_called_for()

    def _is_urgent(self) -> bool:
        return self._commits.hurried or self._ledger.closing or self._ledger.finished

    def _is_called_for(self) -> bool:
        """DURABLE: somebody waits for a sync of what is written."""
        return self._is_urgent() or (not self._buffered and self._journal.unsynced)

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
        """Sync what was written, BUFFERED when that is due, with the head file; and the checkpoint
        when that is. Raises OSError."""
        commits, journal = self._commits, self._journal
        with commits.disk:
            if commits.checkpoint_due or journal.full:
                self._sync_due = None
                self._sync_here()
                commits.checkpoint()
                return
            if self._buffered:
                commits.absorb()
                if not self._is_due(journal.unsynced):
                    return
            elif not journal.unsynced:
                if self._is_due(not journal.told):  # of what others have synced
                    self._sync_here()
                return
            begun = commits.begin_sync()
            if begun is None:
                self._sync_here()
                return
        syncing, mark = begun
        try:
            syncing.file.fdatasync()  # others commit meanwhile
        except OSError as error:
            with commits.disk:
                commits.sync_failed(error)
            return
        with commits.disk:
            commits.pace.passed()
            commits.end_sync(syncing, mark)
            if not self._buffered:
                commits.absorb()
            elif journal.unsynced:
                self._sync_due = time.monotonic() + SYNC_SECONDS  # they came since then

    def _sync_here(self) -> None:
        """While all others wait (under `disk`). Raises OSError."""
        self._commits.sync()
        self._commits.absorb()
        self._journal.tell_head()

    def _is_due(self, waits: bool) -> bool:
        """Whether what waits for it has waited long enough."""
        now = time.monotonic()
        if waits and self._sync_due is None:
            self._sync_due = now + SYNC_SECONDS
        if not waits:
            self._sync_due = None
        if self._sync_due is None or now < self._sync_due:
            return False
        self._sync_due = None
        return True
