"""What is known of one database's catalog, and how sure that is."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field

import asyncpg

from dbguard.catalog.loading import SystemRows
from dbguard.sql.changes import CatalogChange
from dbguard.sql.snapshot import Snapshot


@dataclass(slots=True, eq=False)
class Watched:
    """One database: its control connection and what was read over it."""

    name: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    """Sessions in it and readings going on; without any there is no connection for long."""
    polled: bool = False
    """There is a task that looks every second."""
    connection: asyncpg.Connection | None = None
    snapshot: Snapshot | None = None
    document: str = ""
    system: SystemRows | None = None
    fingerprint: str = ""
    recovering: bool = False
    """The server was a standby when the catalog was read last."""
    recent: tuple[CatalogChange, ...] = ()
    """What DDL through dbguard did that the snapshot need not show yet."""
    asked: int = 0
    """Number of refreshes asked for so far."""
    done: int = 0
    """How many of them the snapshot answers: those asked before its load began."""
    loaded: float = 0.0
    """time.monotonic() before the last reading."""
    confirmed: float = -math.inf
    """time.monotonic() before the last look that found or made the snapshot current."""
    generation: int = 0
    """What other workers have done up to it is among `recent`, or the snapshot shows it."""
    shown: int = 0
    """What they have done up to this generation the snapshot shows."""

    def standing(self, generation: int, stale_seconds: float) -> Snapshot | None:
        """The snapshot if it is sure to show all that was done up to now; `generation` is the one
        that all workers have come to."""
        if self.recent or self.generation != generation or self.shown != generation:
            return None
        if time.monotonic() - self.confirmed > stale_seconds:
            return None
        return self.snapshot
