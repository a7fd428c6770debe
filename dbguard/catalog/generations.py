"""How often what dbguard knows of a database has changed: counted by all its processes together.

Where several workers serve one port, what a session of one did to the catalog, or where it has put
classified values, has to be known to the others before they decide their next statement. So
whoever learns of a change counts it before its client learns that it was done, and everybody looks
at the count before deciding: one that has moved means that what is known has to be read again.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SLOTS: Final = 256
"""Databases that share a slot cost each other a look at the catalog, and nothing else."""
_BYTES: Final = 8


class Generations:
    """Of one process alone: nothing is ever changed by another."""

    shared = False

    def of(self, database: str) -> int:
        """Never goes down."""
        return 0

    def count(self, database: str) -> int:
        """One more change; returns the new generation."""
        return 0


class SharedGenerations(Generations):
    """In a file that all of them have mapped. Counting waits for others that count, never long."""

    shared = True

    def __init__(self, path: Path) -> None:
        """`path` is made by `prepare`. Raises OSError when it cannot be used."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            memory = mmap.mmap(descriptor, SLOTS * _BYTES)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._lock = threading.Lock()
        # one slot is read and written as a whole: a machine word
        self._slots = memoryview(memory).cast("Q")

    @staticmethod
    def prepare(path: Path) -> None:
        """Make the file, with nothing counted."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(SLOTS * _BYTES))

    def of(self, database: str) -> int:
        return self._slots[_slot(database)]

    def count_everywhere(self) -> None:
        """One more change in every database: somebody has died who may have known of some."""
        with self._counting():
            for slot in range(SLOTS):
                self._slots[slot] += 1

    def count(self, database: str) -> int:
        with self._counting():
            self._slots[_slot(database)] += 1
            return self._slots[_slot(database)]

    @contextmanager
    def _counting(self) -> Iterator[None]:
        # a lock of the file is the process's, not the thread's; it is free again when that dies
        with self._lock:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def _slot(database: str) -> int:
    return zlib.crc32(database.encode("utf-8", "surrogateescape")) % SLOTS
