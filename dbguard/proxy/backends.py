"""Which processes of the servers are sessions of this dbguard, so that others can be told.

A login is *under way* from before the server is connected to until the server's process is known:
what looks at the server meanwhile may see a session that is not known yet. A session that is gone
is remembered until its process is: that may be busy for long after its client has left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from dbguard.catalog.activity import Backend

SLACK_SECONDS: Final = 1.0
"""For the server's answer on its way, when ages are turned into times of this process's clock."""


SessionId = Hashable
"""Tells a login from all others."""


@dataclass(eq=False, slots=True)
class OwnBackend:
    """One session of this dbguard's, from its login on."""

    among: OwnBackends = field(repr=False)
    """Those of its process."""
    number: int = 0
    """In the ledger, where several workers have sessions."""

    server: str = ""
    """The server as it identifies itself; empty while the login is under way."""
    process_id: int = 0
    known: float = 0.0
    """When it was noted (seconds of the registry's clock): the process began before."""
    gone: bool = False

    def __enter__(self) -> OwnBackend:
        return self

    def __exit__(self, *of_no_matter: object) -> None:
        self.end()

    def end(self) -> None:
        """The session is over, or none has come of the login."""
        self.gone = True
        self.among.ended(self)


class OwnBackends:
    """All sessions of this process, at all servers. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: set[OwnBackend] = set()
        self._known: set[OwnBackend] = set()

    def login(self) -> OwnBackend:
        """A login that begins, and the session that may come of it; it has an `end`."""
        own = OwnBackend(self)
        self._under_way.add(own)
        return own

    def ended(self, own: OwnBackend) -> None:
        """Whichever way."""
        self._under_way.discard(own)

    def note(self, own: OwnBackend, server: str, process_id: int) -> None:
        """The login is over, and this is the process that serves it."""
        own.server, own.process_id, own.known = server, process_id, self._clock()
        self._known.add(own)
        self._under_way.discard(own)

    @property
    def under_way(self) -> frozenset[SessionId]:
        return frozenset(self._under_way)

    def known_at(self, server: str) -> dict[int, float]:
        """Process ids at a server, and when each was noted last."""
        found: dict[int, float] = {}
        for own in self._known:
            if own.server == server:
                found[own.process_id] = max(own.known, found.get(own.process_id, own.known))
        return found

    def claim(self, server: str, process_id: int, began: object) -> bool:
        """Whether it is for this process to tell that somebody is there who is nobody's: of
        several that look, one does."""
        return True

    def disclaim(self, server: str, process_id: int, began: object) -> None:
        """It could not be told; whoever comes next may."""

    def now(self) -> float:
        return self._clock()

    def forget_gone(self, server: str, before: float, present: frozenset[int]) -> None:
        """Forget sessions that were gone `before` a look, and whose process was not seen in it."""
        self._known -= {
            own
            for own in self._known
            if own.gone
            and own.server == server
            and own.known <= before
            and own.process_id not in present
        }


def is_own(backend: Backend, known: dict[int, float], looked: float) -> bool:
    """Whether a process is one that was noted, and not a later one that got its number.

    `looked` is when the server was asked.
    """
    noted = known.get(backend.process_id)
    return noted is not None and looked - backend.age <= noted + SLACK_SECONDS
