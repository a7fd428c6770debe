"""How long syncs take: whether who has written a record should wait for one, or have the thread do
it."""

from __future__ import annotations

from typing import Final

QUICK_SECONDS: Final = 0.0005
"""Syncs that take less are waited for: two threads that hand a sync to each other and back take
turns with all that runs on the machine, which costs more."""
_LONGEST: Final = 0.02
"""What takes longer counts as this much: a disk that stalls once is soon trusted again."""
_SHARE: Final = 4
"""The last sync counts for a fourth."""


class Pace:
    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        """Slow, until some syncs were quick."""
        self._seconds = _LONGEST

    @property
    def quick(self) -> bool:
        return self._seconds < QUICK_SECONDS

    def took(self, seconds: float) -> None:
        """A sync did."""
        self._seconds += (min(seconds, _LONGEST) - self._seconds) / _SHARE
