"""The tools' own checks of whole backups, which take longer than a client waits.

A check runs behind the statements, one at a time; what it found is remembered for a while. Until
then a backup counts as not checked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.model import Clock
from dbguard.policy.decision import Verification

from .fields import NoInventory

GOOD_FOR: Final = timedelta(days=1)
"""Disks rot and people delete: what was whole yesterday is checked once more."""
BAD_FOR: Final = timedelta(minutes=10)
"""A check that failed is not repeated for each statement."""
CHECK_SECONDS: Final = 6 * 3600.0
"""The longest check: some TB at the speed of a disk."""
_KEPT: Final = 256
"""Results that are remembered."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a check found."""

    at: datetime
    flaw: str = ""
    """Empty: the tool found nothing wrong."""


Check = Callable[[], Awaitable[str]]
"""Gives the flaw, or an empty text. Raises NoInventory when it cannot be found out."""


class Proofs:
    """Checks under way and their results. Of one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, Proof] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._one = asyncio.Lock()

    def known(self, key: str) -> Proof | None:
        """What is known and not too old."""
        found = self._known.get(key)
        if found is None:
            return None
        age = self._clock() - found.at
        return found if timedelta() <= age < (BAD_FOR if found.flaw else GOOD_FOR) else None

    async def of(self, key: str, check: Check, seconds: float) -> Proof | None:
        """The result of `check`, which is started unless it runs already; None when it is not there
        within `seconds`."""
        if (found := self.known(key)) is not None:
            return found
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._prove(key, check), name="proof")
            self._tasks[key] = task
        await asyncio.wait({task}, timeout=seconds)
        return self.known(key)

    async def applied(
        self,
        provider: str,
        found: list[Evidence],
        tool: str,
        check: Callable[[str], Awaitable[str]],
        seconds: float,
    ) -> list[Evidence]:
        """`found` with what a check says of the newest backup, which `check` is given by its id;
        or with a note that `tool` is under way."""
        newest = max((e for e in found if not e.flaw), key=lambda e: e.taken_at, default=None)
        if newest is None:
            return found
        key = f"{provider}/{newest.id}/{newest.digest}"
        proof = await self.of(key, lambda: check(newest.id), seconds)
        if proof is None:
            return [replace(e, note=f"{tool} is under way") for e in found]
        checked = (
            replace(newest, flaw=proof.flaw)
            if proof.flaw
            else replace(newest, verification=Verification.TOOL, verified_at=proof.at)
        )
        return [checked if e is newest else e for e in found]

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _prove(self, key: str, check: Check) -> None:
        try:
            async with self._one:
                flaw = await self._flaw(check)
            while len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            self._known.pop(key, None)
            self._known[key] = Proof(self._clock(), flaw)
        finally:
            self._tasks.pop(key, None)

    async def _flaw(self, check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await check()
        except TimeoutError:
            return f"its check takes more than {CHECK_SECONDS / 3600:g} h"
        except NoInventory as error:
            return f"it cannot be checked: {error.reason}"
