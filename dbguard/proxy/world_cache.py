"""What workers are sent before they can plan: one world for each database, the last ones used."""

from __future__ import annotations

from dbguard.engine.plan import StateKey

WORLDS_KEPT = 16
"""A world takes 0.6 MB for a small database; one that is missed is made again."""


class WorldCache:
    """Pickled worlds by state key. Of one database only the newest is kept."""

    def __init__(self, kept: int = WORLDS_KEPT) -> None:
        self._kept = kept
        self._worlds: dict[str, tuple[StateKey, bytes]] = {}
        """By database, the one used last at the end."""

    def find(self, key: StateKey) -> bytes | None:
        """The world of this very state."""
        known = self._worlds.pop(key[0], None)
        if known is None:
            return None
        self._worlds[key[0]] = known
        return known[1] if known[0] == key else None

    def put(self, key: StateKey, world: bytes) -> None:
        """Keep a world in place of its database's older one."""
        self._worlds.pop(key[0], None)
        self._worlds[key[0]] = (key, world)
        while len(self._worlds) > self._kept:
            del self._worlds[next(iter(self._worlds))]
