"""What surrounds every provider: a time limit, a short memory, and words for what went wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from dbguard.errors import BackupError
from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.model import DatabaseIdentity

from .fields import MOST_BACKUPS, NoInventory

FRESH_SECONDS: Final = 3.0
"""How long an answer stands: a script of a hundred DDL statements asks once, and somebody who has
just made a backup does not wonder for long."""
_DATABASES: Final = 256
"""Databases whose answers are remembered."""


class Source(Protocol):
    """A provider of one kind, without limits of its own. Raises NoInventory."""

    @property
    def name(self) -> str: ...

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]: ...


@dataclass(frozen=True, slots=True)
class _Answer:
    at: float
    backups: tuple[Evidence, ...] = ()
    failure: str = ""


@dataclass(slots=True)
class Limited:
    """A provider as the guard asks it. Whoever comes while it is asked gets the same answer."""

    source: Source
    kind: str
    seconds: float
    monotonic: Callable[[], float] = time.monotonic
    _answers: dict[DatabaseIdentity, _Answer] = field(default_factory=dict)
    _asking: dict[DatabaseIdentity, asyncio.Lock] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.source.name

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        """Raises BackupError, within the time limit."""
        answer = self._fresh(database)
        if answer is None:
            try:
                async with asyncio.timeout(self.seconds):
                    async with self._asking.setdefault(database, asyncio.Lock()):
                        answer = self._fresh(database) or await self._ask(database)
            except TimeoutError:
                answer = _Answer(self.monotonic(), failure=f"no answer within {self.seconds:g} s")
            self._remember(database, answer)
        if answer.failure:
            raise BackupError(
                f"backups of {self.name} ({self.kind}) cannot be listed",
                detail=f"{answer.failure[:1].upper()}{answer.failure[1:]}.",
                hint=f"Check backup.providers.{self.name} with: dbguard backup list",
            )
        return answer.backups

    def _fresh(self, database: DatabaseIdentity) -> _Answer | None:
        answer = self._answers.get(database)
        if answer is None or self.monotonic() - answer.at >= FRESH_SECONDS:
            return None
        return answer

    async def _ask(self, database: DatabaseIdentity) -> _Answer:
        try:
            found = await self.source.backups(database)
        except NoInventory as error:
            return _Answer(self.monotonic(), failure=error.reason)
        if len(found) > MOST_BACKUPS:
            return _Answer(self.monotonic(), failure=f"it lists more than {MOST_BACKUPS} backups")
        return _Answer(self.monotonic(), tuple(found))

    def _remember(self, database: DatabaseIdentity, answer: _Answer) -> None:
        if database not in self._answers and len(self._answers) >= _DATABASES:
            for old in list(self._answers)[: _DATABASES // 2]:
                del self._answers[old]
                self._asking.pop(old, None)
        self._answers[database] = answer
