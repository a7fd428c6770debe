"""All open connections: how many there may be, which were idle or there for too long, their end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from dbguard.errors import DbguardError, StateUnavailable
from dbguard.settings import LimitsSettings

from .connection import Connection
from .endings import IdleSession, OldSession, ShuttingDown, TooManyConnections
from .latch import Latch
from .room import Room

LOGIN_SECONDS = 2.0
"""A login under way for longer has to make room when there is none: a client that can log in is
done by then, and strangers who say nothing must not keep it out."""
STOP_SECONDS = 5.0
"""How long a connection that is stopped may take to say farewell."""
SWEEP_SECONDS = 5.0
"""How late an idle session may be noticed, at most."""


@dataclass(slots=True)
class Sessions:
    """The connections of one process."""

    room: Room = field(default_factory=Room)
    """Shared with other processes, if there are any."""
    open: set[Connection] = field(default_factory=set)
    refused: set[Connection] = field(default_factory=set)
    """Those that are about to be told that there is no room."""
    draining: bool = False
    leaving: int = 0
    """Of `open`, those that were displaced and are about to end."""
    over: Callable[[Connection], None] = field(init=False, repr=False)
    """`_over`, bound once: each connection holds it."""
    _none: Latch = field(default_factory=Latch, repr=False)
    """Set when the last of `open` has ended."""

    def __post_init__(self) -> None:
        self.over = self._over

    def refusal(self, limit: int) -> DbguardError | None:
        """Why one more may not come."""
        try:
            if self.room.take(len(self.open) - self.leaving, limit):
                return None
        except StateUnavailable as error:
            return error
        if self._displaced():
            self.room.hold(len(self.open) - self.leaving + 1)
            return None
        return TooManyConnections(
            "sorry, too many clients already",
            detail=f"dbguard accepts {limit} (limits.connections).",
            hint="Close idle connections, or raise the limit.",
        )

    def _displaced(self) -> bool:
        """Whether a login that takes long was ended, so that there is room for one more."""
        before = time.monotonic() - LOGIN_SECONDS
        for connection in self.open:
            if connection.displaceable and connection.begun < before:
                connection.displace(_displaced())
                self.leaving += 1
                return True
        return False

    def run(
        self, connection: Connection, refusal: DbguardError | None
    ) -> Coroutine[object, object, None]:
        """Begin to serve a connection; it counts to its end unless it is to be refused."""
        (self.open if refusal is None else self.refused).add(connection)
        return connection.run()

    def _over(self, connection: Connection) -> None:
        if connection in self.refused:
            self.refused.discard(connection)
            return
        self.open.discard(connection)
        self.leaving -= connection.displaced
        self.room.hold(len(self.open) - self.leaving)
        if not self.open:
            self._none.set()

    def end_idle(self, seconds: float) -> None:
        """End the sessions in which nothing has happened for `seconds`."""
        now = time.monotonic()
        for connection in list(self.open):
            since = connection.idle_since
            if since is not None and now - since >= seconds:
                connection.end(
                    IdleSession(
                        "terminating connection due to idle-session timeout",
                        detail=f"Nothing happened for {seconds:g} s (limits.idle_timeout).",
                        hint="Reconnect and go on.",
                    )
                )

    def end_overdue(self, now: float) -> None:
        """End the sessions whose time is over; `now` is seconds since 1970."""
        for connection in list(self.open):
            deadline = connection.deadline
            if deadline is not None and now >= deadline.at:
                self._end(connection, deadline.error, at_once=now >= deadline.at + deadline.grace)

    def end_old(self, seconds: float, grace: float) -> None:
        """End the sessions that began `seconds` ago as soon as they are between transactions, and
        `grace` seconds later in any case."""
        now = time.monotonic()
        for connection in list(self.open):
            age = now - connection.begun
            if age >= seconds:
                self._end(connection, _old(seconds), at_once=age >= seconds + grace)

    def _end(self, connection: Connection, error: DbguardError, *, at_once: bool) -> None:
        if not connection.serving:
            return
        if at_once:
            connection.cancel_running()
            connection.displace(error)
            self.leaving += 1
        else:
            connection.end_between_transactions(error)

    async def drain(self, seconds: float) -> None:
        """End sessions as soon as they are between transactions, and all of them after `seconds`.

        Cancelled meanwhile: all of them at once.
        """
        self.draining = True
        error = ShuttingDown(
            "terminating connection: dbguard is stopping",
            hint="Reconnect; another dbguard, or this one restarted, will answer.",
        )
        for connection in list(self.open):
            connection.end_between_transactions(error)
        try:
            await self._all_ended(seconds)
        finally:
            for connection in list(self.open):
                connection.stop()
            await self._all_ended(STOP_SECONDS)

    async def _all_ended(self, seconds: float) -> None:
        self._none.clear()
        if self.open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._none.wait(), seconds)


def _displaced() -> TooManyConnections:
    return TooManyConnections(
        "the login took too long, and others wait",
        detail=f"With no room left (limits.connections) a login may take {LOGIN_SECONDS:g} s.",
        hint="Try again.",
    )


def _old(seconds: float) -> OldSession:
    return OldSession(
        "terminating connection: the session has reached its maximum age",
        detail=f"A session may last {seconds:g} s (limits.session_age).",
        hint="Reconnect and go on.",
    )


async def sweep(limits: Callable[[], LimitsSettings], sessions: Sessions) -> None:
    """End idle and old sessions, and those whose time is over, for as long as the task runs."""
    while True:
        now = limits()
        shortest = min(filter(None, (now.idle_timeout, now.session_age)), default=0.0)
        await asyncio.sleep(
            min(SWEEP_SECONDS, max(shortest / 4, 0.05)) if shortest else SWEEP_SECONDS
        )
        now = limits()
        if now.idle_timeout:
            sessions.end_idle(now.idle_timeout)
        if now.session_age:
            sessions.end_old(now.session_age, now.shutdown_timeout)
        sessions.end_overdue(time.time())
