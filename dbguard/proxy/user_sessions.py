"""How many sessions each database user has."""

from __future__ import annotations

from collections import Counter

from .endings import TooManyConnections


class UserSessions:
    """Counts of sessions that are logged in, so that nobody can use up another's by guessing."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def enter(self, user: str, most: int) -> None:
        """Count one more session of `user`, who may have `most`; 0: any number.

        Raises:
            TooManyConnections: the user has as many as one may have.
        """
        if most and self._counts[user] >= most:
            raise too_many(most)
        self._counts[user] += 1

    def leave(self, user: str) -> None:
        """One that `enter` has counted is gone."""
        self._counts[user] -= 1
        if not self._counts[user]:
            del self._counts[user]


def too_many(most: int) -> TooManyConnections:
    return TooManyConnections(
        "too many connections for this user",
        detail=f"dbguard accepts {most} of one user (limits.connections_per_user).",
        hint="Close idle connections, or raise the limit.",
    )
