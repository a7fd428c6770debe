"""Whether catalog, rules and drift are as they were: asked before each statement of the straight
way, so it is one call, of one object for all sessions of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbguard.catalog.watched import Watched
from dbguard.engine.plan import StateKey
from dbguard.policy.model import Policy
from dbguard.sql.snapshot import Snapshot

if TYPE_CHECKING:
    from .hub import Hub


class Standing:
    """Of one database, as long as somebody is in it."""

    __slots__ = (
        "_drifts",
        "_generations",
        "_hub",
        "_key",
        "_policy",
        "_revision",
        "_stale_seconds",
        "snapshot",
        "watched",
    )

    def __init__(self, hub: Hub, watched: Watched) -> None:
        catalog = hub.catalog
        self._hub = hub
        self._drifts = hub.drifts
        self._generations = catalog.generations if catalog.generations.shared else None
        self._stale_seconds = catalog.stale_seconds
        self.watched = watched
        self.snapshot: Snapshot | None = None
        """What `key` told of last."""
        self._policy: Policy | None = None
        self._revision = -1
        self._key: StateKey | None = None

    def key(self) -> StateKey | None:
        """As `Surroundings.standing_key`."""
        watched, generation = self.watched, 0
        if self._generations is not None:
            generation = self._generations.of(watched.name)
        snapshot = watched.standing(generation, self._stale_seconds)
        revision = self._drifts.standing(watched.name)
        if snapshot is None or revision is None:
            return None
        policy = self._hub.policy
        if (
            snapshot is not self.snapshot
            or policy is not self._policy
            or revision != self._revision
        ):
            self._key = self._hub.key_of(snapshot)
            self.snapshot, self._policy, self._revision = snapshot, policy, revision
        return self._key
