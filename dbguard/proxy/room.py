"""How many clients there is room for."""

from __future__ import annotations


class Room:
    """In one process: as many as it has fewer than the limit."""

    __slots__ = ()

    def take(self, own: int, limit: int) -> bool:
        """Whether one more may come to the `own` that this process has; it counts from now on.

        Raises:
            StateUnavailable: it cannot be told.
        """
        return own < limit

    def hold(self, own: int) -> None:
        """This process has so many now."""
