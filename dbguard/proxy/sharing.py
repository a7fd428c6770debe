"""What the sessions of one dbguard have in common, whichever of its processes has them.

With one process all of it is that process's own. With several (*workers*) it is in a folder that
is theirs for as long as they run: generations that tell of changes (`dbguard.catalog.generations`),
the ledger that they count in, and a socket of each for cancel requests.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dbguard.catalog.generations import Generations, SharedGenerations

from .attempts import Attempts
from .backends import OwnBackends
from .cancel_routes import CancelRoutes
from .ledger import Ledger
from .room import Room
from .shared_limits import SharedAttempts, SharedBackends, SharedRoom, SharedUserSessions
from .user_sessions import UserSessions

GENERATIONS: Final = "generations"
LEDGER: Final = "ledger"
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where the workers of one run meet. It crosses a socket between a process and its child."""

    folder: Path
    """Readable for nobody else."""
    run: str
    """Tells the run from others."""
    workers: int
    secret: bytes = field(repr=False)


def prepare(folder: Path, workers: int) -> Place:
    """Make what they share, in an empty folder. Raises OSError, StateUnavailable."""
    Ledger.prepare(folder / LEDGER)
    SharedGenerations.prepare(folder / GENERATIONS)
    return Place(folder, secrets.token_hex(8), workers, secrets.token_bytes(SECRET_BYTES))


def ledger_of(place: Place, worker: int) -> Ledger:
    return Ledger(place.folder / LEDGER, worker, place.secret)


@dataclass(frozen=True, slots=True)
class Sharing:
    """As one process sees it."""

    worker: int = 0
    """Its number; 0 when it is the only one."""
    run: str = ""
    generations: Generations = field(default_factory=Generations)
    attempts: Attempts = field(default_factory=Attempts)
    backends: OwnBackends = field(default_factory=OwnBackends)
    users: UserSessions = field(default_factory=UserSessions)
    room: Room = field(default_factory=Room)
    routes: CancelRoutes | None = None
    close: Callable[[], None] = lambda: None

    @property
    def speaks_for_all(self) -> bool:
        """Whether it is this process that sees to what is to be done once."""
        return self.worker <= 1


def among(place: Place, worker: int) -> Sharing:
    """What worker number `worker` shares with the others.

    Raises:
        OSError, StateUnavailable: the folder cannot be used.
    """
    ledger = ledger_of(place, worker)
    return Sharing(
        worker,
        place.run,
        SharedGenerations(place.folder / GENERATIONS),
        SharedAttempts(ledger),
        SharedBackends(ledger),
        SharedUserSessions(ledger),
        SharedRoom(ledger),
        CancelRoutes(place.folder, worker, place.workers, place.secret),
        ledger.close,
    )
