"""When an issuer's keys are read, and how long they are used: a schedule without a clock.

Times are seconds on a monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
"""After one failed try and after many: an issuer that comes back must not be met by a storm, and
people must not wait for long after it did."""


@dataclass(slots=True)
class KeySchedule:
    """What is known of when the keys were read."""

    lifetime: float
    """How long they are used without being read again."""
    refetch: float
    """Between two times that they are read before their lifetime is over."""
    stale: float
    """How long after their lifetime they are used when they cannot be read."""
    read: float | None = None
    """When they were read last; None: never."""
    failures: int = 0
    """Tries that failed since."""
    tried: float = 0.0
    """When the last one of these ended."""
    asked: bool = False
    """Somebody wants them to be read before their lifetime is over."""

    def is_due(self, now: float, *, missing: bool = False) -> bool:
        """Whether to read them now; `missing`: a key is asked for that is not among them."""
        if self.failures:
            pause = min(FIRST_PAUSE * 2.0 ** min(self.failures - 1, 16), LONGEST_PAUSE)
            if now - self.tried < pause:
                return False
        if self.asked or self.read is None or now - self.read >= self.lifetime:
            return True
        return missing and now - self.read >= self.refetch

    def is_usable(self, now: float) -> bool:
        """Whether what was read last may be used."""
        return self.read is not None and now - self.read < self.lifetime + self.stale

    def succeeded(self, now: float) -> None:
        """They were read."""
        self.read, self.failures, self.asked = now, 0, False

    def failed(self, now: float) -> None:
        """They could not be read."""
        self.failures += 1
        self.tried = now
