"""The open trail on disk: segments, their chain, the head file. Used by one thread at a time.

Every method either does all of its work or leaves the trail as it was and raises OSError; what
was left behind by a failed call is cut off before the next write.

A sync may go on while records are written behind what it is for: `begin_sync` tells the file,
whoever asked syncs it without keeping others from the journal, and `end_sync` takes note. When a
sync fails, BUFFERED writes once more what it was for, which counts as kept already; DURABLE takes
back all that is not synced.
"""

from __future__ import annotations

import contextlib
from binascii import hexlify
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dbguard.audit.chain import HEAD_NAME, Head, segment_name
from dbguard.audit.linking import Entry, link
from dbguard.audit.opening import Tail
from dbguard.audit.stamping import SECOND, moment
from dbguard.audit.storage import AuditFile, Storage, write_fully
from dbguard.audit_settings import Durability

_ENDLESS = 1 << 62
"""Behind all moments."""


class Syncing(NamedTuple):
    """A sync that is under way, and what it is for."""

    file: AuditFile
    size: int
    last: Head
    hashes: int
    """DURABLE: how many of `Journal.take_hashes` are of records up to there."""
    pieces: int
    """BUFFERED: how many of those that are kept until then."""


class Journal:
    __slots__ = (
        "_age",
        "_before",
        "_damaged",
        "_directory",
        "_ends",
        "_file",
        "_hash",
        "_hashes",
        "_head_file",
        "_last_segment",
        "_pieces",
        "_segment",
        "_segment_bytes",
        "_sequence",
        "_size",
        "_storage",
        "_sync_failed",
        "_synced",
        "_synced_hashes",
        "_synced_last",
        "_told",
        "durable",
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
        self.durable = durability is Durability.DURABLE
        self._directory = directory
        self._storage = storage
        self._segment_bytes = segment_bytes
        self._age = round(segment_age * SECOND)
        began = moment(tail.began)
        self._ends = _ENDLESS if began is None else began + self._age
        """From this moment on records go to another segment."""
        self._sequence = tail.last.sequence
        self._hash = tail.last.hash
        self._last_segment = self._before = tail.last_segment
        """`_before`: which it was when the segment was new."""
        self._segment = tail.segment
        self._hashes: list[bytes] = []
        """Of the records written since they were last taken, 32 bytes each."""
        self.segment_ends: Callable[[], None] = _nothing
        """Called when all records of a segment are synced, before the next one is made."""
        self._size = self._synced = tail.size
        self._pieces: list[bytes] = []
        """BUFFERED: the bytes from `_synced` to `_size`, kept until they are known to be safe."""
        self._synced_last = tail.last
        """The last record that is durable, ..."""
        self._synced_hashes = 0
        """... and, DURABLE, how many of `_hashes` are of records up to there."""
        self._told = -1
        """The record that the head file tells of."""
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
            self.tell_head()
            self._head_file.fdatasync()
            storage.sync_directory(directory)
        except OSError:
            self._close_files()
            raise

    @property
    def last(self) -> Head:
        """Sequence number and hash of the last record written."""
        return Head(self._sequence, self._hash)

    @property
    def settled(self) -> Head:
        """The last of the records whose hashes `take_hashes` gives or has given."""
        return self._synced_last if self.durable else self.last

    @property
    def told(self) -> bool:
        """The head file says how far the trail is durable."""
        return self._told == self._synced_last.sequence

    @property
    def last_segment(self) -> int:
        """The number of the segment that holds the last record written."""
        return self._last_segment

    @property
    def unsynced(self) -> bool:
        return self._size > self._synced

    @property
    def full(self) -> bool:
        """The next record goes to another segment, for the size of this one."""
        return self._size >= self._segment_bytes

    def ends_segment(self, moment: int) -> bool:
        """A record of that time goes to another segment than the last one."""
        return self._file is None or self._size >= self._segment_bytes or moment >= self._ends

    @property
    def hashes(self) -> int:
        """How many `take_hashes` would give."""
        return self._synced_hashes if self.durable else len(self._hashes)

    def take_hashes(self) -> list[bytes]:
        """The hashes (32 bytes) of the records written since the last call, which will not be taken
        back."""
        hashes, self._hashes = self._hashes, []
        if self.durable:
            self._hashes = hashes[self._synced_hashes :]
            del hashes[self._synced_hashes :]
            self._synced_hashes = 0
        return hashes

    def write(self, entries: list[Entry]) -> None:
        """Put the records behind the trail, all or none; `sync` makes them durable."""
        first = entries[0][1]
        if self.ends_segment(first):
            self._next_segment()
        file, hashes = self._file, self._hashes
        assert file is not None
        known = len(hashes)
        data = link(entries, self._hash, hashes)
        try:
            if self._damaged:
                self._cut(file)
            write_fully(file, data, self._size)
        except OSError:
            del hashes[known:]
            self._damaged = True
            with contextlib.suppress(OSError):
                self._cut(file)  # else before the next write
            raise
        self._size += len(data)
        self._sequence, self._hash = entries[-1][0], hexlify(hashes[-1])
        self._last_segment = self._segment
        if self._ends == _ENDLESS:
            self._ends = first + self._age
        if not self.durable:
            self._pieces.append(data)

    def sync(self) -> None:
        """Make all that was written durable; `tell_head` is to follow."""
        if self._size > self._synced and self._file is not None:
            try:
                if self._sync_failed:
                    # After a failed sync the kernel takes the pages for clean: write them again.
                    write_fully(self._file, b"".join(self._pieces), self._synced)
                self._file.fdatasync()
            except OSError:
                self.sync_failed()
                raise
            self._sync_failed = False
            self._note_synced(self._size, self.last, len(self._hashes), len(self._pieces))

    def begin_sync(self) -> Syncing | None:
        """What is to be synced (with `file.fdatasync`, then `end_sync`); None when nothing can be
        without others waiting: then it is for `sync`. No segment may end before it is over."""
        if self._file is None or self._size == self._synced or self._sync_failed:
            return None
        return Syncing(self._file, self._size, self.last, len(self._hashes), len(self._pieces))

    def end_sync(self, done: Syncing) -> None:
        """What it was for is durable; `tell_head` is to follow."""
        self._note_synced(done.size, done.last, done.hashes, done.pieces)

    def tell_head(self) -> None:
        """Let the head file say how far the trail is durable."""
        write_fully(self._head_file, self._synced_last.render(), 0)
        self._told = self._synced_last.sequence

    def _note_synced(self, size: int, last: Head, hashes: int, pieces: int) -> None:
        self._synced, self._synced_last = size, last
        if self.durable:
            self._synced_hashes = hashes
        else:
            del self._pieces[:pieces]

    def sync_failed(self) -> None:
        """What was not synced has to be written again, and what was written meanwhile; DURABLE: it
        was never written."""
        if not self.durable:
            self._sync_failed = True
            return
        self._size = self._synced
        self._sequence, self._hash = self._synced_last.sequence, self._synced_last.hash
        del self._hashes[self._synced_hashes :]
        self._damaged = True
        if not self._size:
            self._ends, self._last_segment = _ENDLESS, self._before
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._cut(self._file)  # else before the next write

    def close(self) -> None:
        """Sync everything and close the files, which happens in any case."""
        try:
            if self._damaged and self._file is not None:
                self._cut(self._file)
            self.sync()
            self.tell_head()
            self._head_file.fdatasync()
        finally:
            self._close_files()

    def _next_segment(self) -> None:
        """The last one is full or too old."""
        if self._file is not None:
            if self._damaged:
                self._cut(self._file)
            self.sync()
            self.tell_head()
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
        self._before = self._last_segment
        self._segment += 1
        self._size = self._synced = 0
        self._ends = _ENDLESS

    def _cut(self, file: AuditFile) -> None:
        file.truncate(self._size)
        self._damaged = False

    def _close_files(self) -> None:
        for file in (self._file, self._head_file):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()


def _nothing() -> None: ...
