"""How long syncs take: whether who has written a record should wait for one, or have the thread do
it."""

from __future__ import annotations

from typing import Final

QUICK_SECONDS: Final = 0.0005
"""Syncs that take less are waited for: two threads that hand a sync to each other and back take
turns with all that runs on the machine, which costs more."""
_SHARE: Final = 4
"""The last sync counts for a fourth."""
_SOON: Final = 16
_RARELY: Final = 1024
"""After how many of the thread's syncs another one is waited for, to see whether they are still
slow: soon behind quick ones, since a disk may stall once, and ever more rarely."""


class Pace:
    __slots__ = ("_pause", "_seconds", "_until")

    def __init__(self) -> None:
        self._seconds = QUICK_SECONDS
        self._pause = _SOON
        self._until = 0
        """Syncs of the thread's until one is tried."""

    @property
    def quick(self) -> bool:
        """To be waited for, also to see how long it takes."""
        return self._seconds < QUICK_SECONDS or self._until <= 0

    def passed(self) -> None:
        """The thread has synced. How long it took that to learn of it says nothing of the disk."""
        self._until -= 1

    def took(self, seconds: float) -> None:
        """A sync that was waited for did."""
        if self._seconds < QUICK_SECONDS:
            self._seconds += (seconds - self._seconds) / _SHARE
        else:
            self._seconds = seconds
        if self._seconds < QUICK_SECONDS:
            self._pause = _SOON
        else:
            self._until = self._pause
            self._pause = min(2 * self._pause, _RARELY)
