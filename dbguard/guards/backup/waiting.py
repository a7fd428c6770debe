"""Backups that somebody waits for: one for all who need the same.

A *job* takes one backup. Whoever waits for it hears what it is doing. When nobody is left it stops,
and takes back what it has done so far.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from dbguard.errors import AuditUnavailable, BackupError, DbguardError
from dbguard.guards.backup.context import BackupContext, Step
from dbguard.guards.backup.describing import described
from dbguard.guards.backup.dump_file import (
    BackupBusy,
    locked_directory,
    remove_partial_files,
)
from dbguard.guards.backup.model import Backup
from dbguard.guards.backup.scratch import drop_leftovers
from dbguard.guards.backup.snapshots import Scope
from dbguard.guards.backup.taking import take_backup
from dbguard.guards.backup.uploading import remove_leftovers

BUSY_SECONDS: Final = 0.5
"""How long to wait before looking again whether another process's backup is done."""
Record = Callable[[Mapping[str, str]], None]
"""Puts an event with these fields on record. Raises AuditUnavailable."""
Tell = Callable[[str], None]
"""Is told what is being done, in words for a person."""


_Place = tuple[str, Scope, object | None]
"""Database, scope, and what tells a backup apart that is for one alone."""


@dataclass(slots=True, eq=False)
class _Job:
    """One backup that is being taken."""

    task: asyncio.Task[Backup] | None = None
    listeners: dict[object, Tell] = field(default_factory=dict)
    last: str = ""

    def tell(self, text: str) -> None:
        if text != self.last:
            self.last = text
            for listener in tuple(self.listeners.values()):
                listener(text)


class BackupTaker:
    """Takes backups of the databases of one server for those who wait."""

    def __init__(
        self, context: BackupContext, record: Record, timeout: float, *, whole: bool = False
    ) -> None:
        """`timeout` is in seconds; `whole`: always with the rows of all tables."""
        self.context = context
        self._record = record
        self.timeout = timeout
        self.whole = whole
        self._jobs: dict[_Place, _Job] = {}
        self._ending: set[asyncio.Task[Backup]] = set()

    async def take(self, database: str, scope: Scope, tell: Tell, *, alone: bool = False) -> Backup:
        """A verified backup, taken for all who wait for the same now; `alone`: for nobody else,
        and not begun before.

        When the last one who waits is cancelled, the backup is stopped. Raises BackupError, and
        BackupBusy when another one is being taken.
        """
        place: _Place = (database, scope, object() if alone else None)
        job = self._jobs.get(place)
        if job is None:
            job = self._jobs[place] = _Job()
            job.task = asyncio.get_running_loop().create_task(
                self._run(place, job), name=f"backup {database}"
            )
        elif job.last:
            tell(job.last)
        assert job.task is not None
        me = object()
        job.listeners[me] = tell
        try:
            return await asyncio.shield(job.task)
        finally:
            del job.listeners[me]
            if not job.listeners and not job.task.done():
                self._forget(place, job)
                job.task.cancel()

    async def clean_up(self) -> None:
        """Remove what a killed process left. Raises BackupError, BackupBusy when one is at work."""
        directory = self.context.directory
        if await asyncio.to_thread(directory.is_dir):
            with locked_directory(directory):
                await asyncio.to_thread(remove_partial_files, directory)
                await drop_leftovers(self.context.access, directory)
                await remove_leftovers(self.context)

    async def close(self) -> None:
        """Stop what is being taken, and wait until nothing is left of it."""
        tasks = {job.task for job in self._jobs.values() if job.task is not None} | self._ending
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, place: _Place, job: _Job) -> Backup:
        task = asyncio.current_task()
        assert task is not None
        self._ending.add(task)
        task.add_done_callback(_look_at)
        database, scope, _ = place

        def show(step: Step) -> None:
            job.tell(f'backup of database "{database}": {step.value}')

        try:
            with locked_directory(self.context.directory):
                pass  # busy: nothing is begun then that would have to be recorded
            with self._told(database) as made:
                try:
                    async with asyncio.timeout(self.timeout):
                        context = replace(self.context, progress=show)
                        backup = await take_backup(database, context, scope)
                except TimeoutError:
                    raise BackupError(
                        f'backup of database "{database}" took too long',
                        detail=f"The limit is {self.timeout:g} s (backup.take_timeout).",
                        hint="Take it ahead: dbguard backup now",
                    ) from None
                made(backup)
                return backup
        finally:
            self._forget(place, job)
            self._ending.discard(task)

    @contextlib.contextmanager
    def _told(self, database: str) -> Iterator[Callable[[Backup], None]]:
        """Put on record that a backup is begun, and how that ends. Nothing is begun that cannot be
        recorded."""
        about = {"act": "taken", "database": database}
        self._record({"event": "begun", **about})
        try:
            yield lambda backup: self._record({"event": "taken", **described(backup)})
        except BackupBusy:
            self._record({"event": "interrupted", **about, "reason": "another one is running"})
            raise
        except DbguardError as error:
            self._record({"event": "failed", **about, "reason": error.message})
            raise
        except BaseException:
            with contextlib.suppress(AuditUnavailable):
                self._record({"event": "interrupted", **about})
            raise

    def _forget(self, place: _Place, job: _Job) -> None:
        if self._jobs.get(place) is job:
            del self._jobs[place]


def _look_at(task: asyncio.Task[Backup]) -> None:
    """Nobody may be left to see how it ended: asyncio would complain."""
    if not task.cancelled():
        task.exception()
