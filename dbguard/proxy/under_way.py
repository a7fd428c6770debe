"""What is being worked on: who wants the same waits for it instead of asking for it again.

Clients that begin together, or meet a new catalog together, send texts of few shapes. Each of them
would be analysed as often as there are clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable


class UnderWay:
    """Which pieces of work have been begun, by whatever tells them apart."""

    def __init__(self) -> None:
        self._over: dict[Hashable, asyncio.Event] = {}

    async def waited_for(self, what: Hashable) -> bool:
        """True once somebody else's is over, however it ended. False at once when nobody has begun:
        then it is the caller's, who says `over` in any case."""
        event = self._over.get(what)
        if event is None:
            self._over[what] = asyncio.Event()
            return False
        await event.wait()
        return True

    def over(self, what: Hashable) -> None:
        self._over.pop(what).set()
