"""Cancel keys: a client holds dbguard's secret, dbguard the server's.

The process id stays the server's (people call pg_terminate_backend with it), so two servers, or
a session that is just closing, may share one: the secret decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from dbguard.wire.startup import CancelRequest

from .cancel_routes import CancelRoutes
from .latch import Latch
from .taking import Waiting
from .upstream import Upstream

SECRET_BYTES: Final = 4
"""What protocol 3.0 has room for."""
LONG_SECRET_BYTES: Final = 32
"""As PostgreSQL 18 gives clients that speak 3.2."""
PATIENCE_SECONDS: Final = 1.0
"""How long dbguard may work on a statement before what it asks the server itself is cancelled."""

AGAIN_SECONDS: Final = (0.05, 0.2, 0.5)
"""After which pauses a cancel request for a statement that has just been sent is sent again, if
it did not help: to the server both come at about the same time, by two ways."""
POLL_SECONDS: Final = 0.005
"""How often it is looked whether it helped: the client waits for the end of its request."""
_LOOK_SECONDS: Final = 0.1
"""How often it is looked whether there is something to stop."""
LATELY_SECONDS: Final = 1.0
"""How old a statement may be for that. One that lives on later catches the request itself."""


class Work(Protocol):
    """What a session has the server do."""

    @property
    def at_rest(self) -> bool:
        """It has nothing to cancel."""

    @property
    def under_way(self) -> tuple[int, float] | None:
        """Which round of statements the server works on for the client, and since when (monotonic
        seconds); None when it works on nothing."""


@dataclass(frozen=True, slots=True)
class CancelTarget:
    """What a CancelRequest has to say, and to whom, to cancel at the server."""

    upstream: Upstream
    process_id: int
    secret: bytes = field(repr=False)
    forwarded: Latch | None = field(default=None, repr=False, compare=False)
    """Not set while dbguard itself works on what the client sent: the server could not tell yet
    what to cancel. None: there is never such a while."""
    work: Work | None = field(default=None, repr=False, compare=False)
    """None: it is not known."""
    waiting: Waiting | None = field(default=None, repr=False, compare=False)
    """What dbguard itself makes the client wait for."""

    async def cancel(self) -> None:
        """Send a CancelRequest, after the statement that it is meant for.

        As with PostgreSQL, nobody learns whether it worked.
        """
        request = CancelRequest(self.process_id, self.secret)
        if self.forwarded is not None:
            if await self._stopped(self.forwarded, PATIENCE_SECONDS):
                return
            if not self.forwarded.is_set():
                # a question of dbguard's own may wait for somebody's lock; its end is the client's
                await self.upstream.cancel(request)
                if await self._stopped(self.forwarded, None) or self._at_rest:
                    return
        meant = self._under_way
        await self.upstream.cancel(request)
        if meant is None or time.monotonic() - meant[1] > LATELY_SECONDS:
            return
        for pause in AGAIN_SECONDS:
            # a backend that has not read the statement yet ignores the request
            if await self._over(meant[0], time.monotonic() + pause):
                return
            await self.upstream.cancel(request)

    @property
    def _at_rest(self) -> bool:
        return self.work is not None and self.work.at_rest

    @property
    def _under_way(self) -> tuple[int, float] | None:
        return None if self.work is None else self.work.under_way

    async def _stopped(self, forwarded: Latch, seconds: float | None) -> bool:
        """Wait until what the client sent is forwarded, for at most so many seconds; True when it
        waited for something else that could be ended, also if that begins only now."""
        end = None if seconds is None else time.monotonic() + seconds
        while not forwarded.is_set():
            if self.waiting is not None and self.waiting.stop():
                return True
            if end is not None and time.monotonic() >= end:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(forwarded.wait(), _LOOK_SECONDS)
        return False

    async def _over(self, what: int, until: float) -> bool:
        """Whether that round ends before `until` (monotonic seconds)."""
        while (now := self._under_way) is not None and now[0] == what:
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True


@dataclass(frozen=True, slots=True)
class CancelKey:
    """What the client gets in its BackendKeyData."""

    process_id: int
    secret: bytes = field(repr=False)


class CancelRegistry:
    """The cancel keys of all sessions of this process that are open.

    `random_bytes` gives that many of them. With `routes`, other processes have sessions as well.
    """

    def __init__(
        self,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        routes: CancelRoutes | None = None,
    ) -> None:
        self._random_bytes = random_bytes
        self._routes = routes
        self._targets: dict[int, tuple[tuple[CancelKey, CancelTarget], ...]] = {}
        """By the server's process id: one each, but for processes of several servers, and what is
        just closing."""

    def __len__(self) -> int:
        return sum(map(len, self._targets.values()))

    def register(self, target: CancelTarget, size: int = SECRET_BYTES) -> CancelKey:
        """A new key for a session at `target`, its secret `size` bytes long."""
        same_id = self._targets.get(target.process_id, ())
        while True:
            key = CancelKey(target.process_id, self._random_bytes(size))
            own = self._routes is None or self._routes.is_own(key.process_id, key.secret)
            if own and all(key != other for other, _ in same_id):
                self._targets[key.process_id] = (*same_id, (key, target))
                return key

    def unregister(self, key: CancelKey) -> None:
        """Forget a session's key. A key that is not (any more) known is no error."""
        left = tuple(one for one in self._targets.pop(key.process_id, ()) if one[0] != key)
        if left:
            self._targets[key.process_id] = left

    async def cancel(self, request: CancelRequest) -> None:
        """Do what a client's CancelRequest asks for, here or in the process that has the session;
        nothing unless its secret is right."""
        routes = self._routes
        if routes is not None and not routes.is_own(request.process_id, request.secret):
            await routes.pass_on(request)
        else:
            await self.cancel_here(request)

    async def cancel_here(self, request: CancelRequest) -> None:
        """The same, for a session of this process."""
        target = self.find(request.process_id, request.secret)
        if target is not None:
            await target.cancel()

    def find(self, process_id: int, secret: bytes) -> CancelTarget | None:
        """The session that a CancelRequest names, None unless the secret is right.

        Every key is compared, in constant time.
        """
        found = None
        for key, target in self._targets.get(process_id, ()):
            if hmac.compare_digest(key.secret, secret):
                found = target
        return found
