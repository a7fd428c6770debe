"""Looks at catalogs behind the statements, so that a backup of another tool is not refused only
because nobody had looked before it was made.

A backup counts for an object that is known to have been as it is since before the backup. Known
is what was looked at: here once when a server is first in use, and again when its catalog was found
changed. What a look sees is never dated before the look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from dbguard.errors import BackupError
from dbguard.guards.backup.guard import BackupGuard

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0
"""Between two looks: a migration of a thousand statements is not looked at a thousand times."""
RETRY_SECONDS: Final = 60.0
"""Until a server that could not be looked at is tried again."""


class BackupLooks:
    """Looks at the databases of one server, one after the other."""

    def __init__(self, guard: BackupGuard, wanted: Callable[[], bool]) -> None:
        """`wanted`: whether backups that are not dbguard's own may count."""
        self._guard = guard
        self._wanted = wanted
        self._due: dict[str, None] = {}
        self._known: set[str] = set()
        self._all = True
        self._called = asyncio.Event()
        self._called.set()

    def entered(self, database: str) -> None:
        """Somebody has logged in to a database."""
        if database not in self._known:
            self._known.add(database)
            self.call(database)

    def call(self, database: str = "") -> None:
        """Look at a database soon; without a name, at all of them."""
        if database:
            self._due[database] = None
        else:
            self._all = True
        self._called.set()

    async def run(self) -> None:
        """Look whenever something is due, until cancelled."""
        while True:
            await self._called.wait()
            self._called.clear()
            if not self._wanted():
                self._due.clear()  # `call` tells when that changes
                continue
            try:
                await self._look()
                await asyncio.sleep(PAUSE_SECONDS)
            except BackupError as error:
                # its next statement looks as well, and is refused if that fails
                log.info("catalog not looked at for backups", message=error.message)
                await asyncio.sleep(RETRY_SECONDS)
                self._called.set()

    async def _look(self) -> None:
        """Everything that is due. Raises BackupError when the server cannot be asked."""
        if self._all:
            found = await self._guard.databases()
            self._known.update(found)
            self._due |= dict.fromkeys(found)
            self._all = False
        while self._due:
            database = next(iter(self._due))
            del self._due[database]
            try:
                await self._guard.note(database)
            except BackupError as error:
                # dropped meanwhile, or closed to the control role
                log.info("database not looked at for backups", message=error.message)
