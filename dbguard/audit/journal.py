"""The open trail on disk: segments, their chain, the head file. Used by one thread at a time.

Every method either does all of its work or leaves the trail as it was and raises OSError; what
was left behind by a failed call is cut off before the next write.

A sync may go on while records are written behind what it is for: `begin_sync` tells the file,
whoever asked syncs it without keeping others from the journal, and `end_sync` takes note.
"""

from __future__ import annotations

import contextlib
from binascii import hexlify
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dbguard.audit.chain import HEAD_NAME, Head, segment_name
from dbguard.audit.linking import Entry, link
from dbguard.audit.opening import Tail
from dbguard.audit.stamping import SECOND, moment
from dbguard.audit.storage import AuditFile, Storage, write_fully
from dbguard.audit_settings import Durability


class Syncing(NamedTuple):
    """A sync that is under way, and what it is for."""

    file: AuditFile
    size: int
    last: Head


class Journal:
    __slots__ = (
        "_age",
        "_began",
        "_damaged",
        "_directory",
        "_durability",
        "_file",
        "_hashes",
        "_head_file",
        "_last",
        "_last_segment",
        "_segment",
        "_segment_bytes",
        "_size",
        "_storage",
        "_sync_failed",
        "_synced",
        "_unsynced",
        "segment_ends",
    )

    def __init__(
        self,
        directory: Path,
        tail: Tail,
        *,
        durability: Durability,
        storage: Storage,
        segment_bytes: int,
        segment_age: float,
    ) -> None:
        """Make the trail ready to be continued: cut the torn tail, sync, bring the head up.

        A segment that has `segment_bytes`, or whose first record is `segment_age` seconds old, is
        followed by another with the next record.
        """
        self._directory = directory
        self._durability = durability
        self._storage = storage
        self._segment_bytes = segment_bytes
        self._age = round(segment_age * SECOND)
        self._began = moment(tail.began)
        """The time of the segment's first record."""
        self._last = tail.last
        self._last_segment = tail.last_segment
        self._segment = tail.segment
        self._hashes: list[bytes] = []
        """Of the records written since they were last taken, 32 bytes each."""
        self.segment_ends: Callable[[], None] = _nothing
        """Called when all records of a segment are synced, before the next one is made."""
        self._size = self._synced = tail.size
        self._unsynced = bytearray()
        """BUFFERED: the bytes from `_synced` to `_size`, kept until they are known to be safe."""
        self._sync_failed = False
        self._damaged = False
        """There may be bytes behind `_size`."""
        self._file: AuditFile | None = None
        self._head_file = storage.open(directory / HEAD_NAME)
        try:
            if tail.segment and not tail.ended:
                self._file = storage.open(directory / segment_name(tail.segment))
                if tail.torn:
                    self._file.truncate(tail.size)
                self._file.fdatasync()
            # Behind the records it speaks of, but before the first segment exists: a trail
            # without a head is never innocent.
            self._write_head()
            self._head_file.fdatasync()
            storage.sync_directory(directory)
        except OSError:
            self._close_files()
            raise

    @property
    def last(self) -> Head:
        """Sequence number and hash of the last record written."""
        return self._last

    @property
    def last_segment(self) -> int:
        """The number of the segment that holds it."""
        return self._last_segment

    @property
    def unsynced(self) -> bool:
        return bool(self._unsynced)

    @property
    def full(self) -> bool:
        """The next record goes to another segment, for the size of this one."""
        return self._size >= self._segment_bytes

    def ends_segment(self, moment: int) -> bool:
        """A record of that time goes to another segment than the last one."""
        if self._file is None or self._size >= self._segment_bytes:
            return True
        return self._began is not None and moment - self._began >= self._age

    @property
    def hashes(self) -> int:
        """How many `take_hashes` would give."""
        return len(self._hashes)

    def take_hashes(self) -> list[bytes]:
        """The hashes (32 bytes) of the records written since the last call."""
        hashes, self._hashes = self._hashes, []
        return hashes

    def write(self, entries: Sequence[Entry]) -> None:
        """Put the records behind the trail, all or none; DURABLE: synced when this returns."""
        first = entries[0][1]
        file = self._current_file(first)
        digests: list[bytes] = []
        data = link(entries, self._last.hash, digests)
        if self._damaged:
            self._cut(file)
        try:
            write_fully(file, data, self._size)
            if self._durability is Durability.DURABLE:
                file.fdatasync()
        except OSError:
            self._damaged = True
            with contextlib.suppress(OSError):
                self._cut(file)  # else before the next write
            raise
        self._size += len(data)
        self._last = Head(entries[-1][0], hexlify(digests[-1]))
        self._last_segment = self._segment
        if self._began is None:
            self._began = first
        self._hashes += digests
        if self._durability is Durability.DURABLE:
            self._synced = self._size
        else:
            self._unsynced += data

    def sync(self) -> None:
        """Make all that was written durable, then let the head file say so."""
        if self._unsynced and self._file is not None:
            try:
                if self._sync_failed:
                    # After a failed sync the kernel takes the pages for clean: write them again.
                    write_fully(self._file, bytes(self._unsynced), self._synced)
                self._file.fdatasync()
            except OSError:
                self._sync_failed = True
                raise
            self._sync_failed = False
            self._synced = self._size
            self._unsynced.clear()
        self._write_head()

    def begin_sync(self) -> Syncing | None:
        """What is to be synced (with `file.fdatasync`, then `end_sync`); None when nothing can be
        without others waiting: then it is for `sync`. No segment may end before it is over."""
        if self._file is None or not self._unsynced or self._sync_failed:
            return None
        return Syncing(self._file, self._size, self._last)

    def end_sync(self, done: Syncing) -> None:
        """What it was for is durable; let the head file say so."""
        del self._unsynced[: done.size - self._synced]
        self._synced = done.size
        write_fully(self._head_file, done.last.render(), 0)

    def sync_failed(self) -> None:
        """What was not synced has to be written again, and what was written meanwhile."""
        self._sync_failed = True

    def close(self) -> None:
        """Sync everything and close the files, which happens in any case."""
        try:
            if self._damaged and self._file is not None:
                self._cut(self._file)
            self.sync()
            self._head_file.fdatasync()
        finally:
            self._close_files()

    def _current_file(self, now: int) -> AuditFile:
        """The segment to write to: the next one when the last is full or too old."""
        if self._file is not None:
            if not self.ends_segment(now):
                return self._file
            if self._damaged:
                self._cut(self._file)
            self.sync()
            self.segment_ends()
        following = self._storage.open(self._directory / segment_name(self._segment + 1))
        try:
            self._storage.sync_directory(self._directory)
        except OSError:
            following.close()
            raise
        if self._file is not None:
            with contextlib.suppress(OSError):  # synced already
                self._file.close()
        self._file = following
        self._segment += 1
        self._size = self._synced = 0
        self._began = None
        return following

    def _cut(self, file: AuditFile) -> None:
        file.truncate(self._size)
        self._damaged = False

    def _write_head(self) -> None:
        write_fully(self._head_file, self._last.render(), 0)

    def _close_files(self) -> None:
        for file in (self._file, self._head_file):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()


def _nothing() -> None: ...
