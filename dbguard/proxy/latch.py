"""A flag to wait for. `asyncio.Event` holds a deque, 700 bytes of each connection, even while
nobody waits."""

from __future__ import annotations

import asyncio


class Latch:
    """Not set when made."""

    __slots__ = ("_set", "_waiting")

    def __init__(self, *, is_set: bool = False) -> None:
        self._set = is_set
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        """Let go of all who wait, and of who comes to wait until `clear`."""
        self._set = True
        waiting, self._waiting = self._waiting, ()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        self._set = False

    async def wait(self) -> None:
        """Return when it is set, or was set meanwhile."""
        if self._set:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting += (future,)
        try:
            await future
        finally:  # who gave up leaves nothing behind
            self._waiting = tuple(f for f in self._waiting if f is not future)
