"""Where dumps are kept when not in the backup directory: a bucket, asked from threads.

A dump that is one file is one object; of a folder each file is one, below the folder's name. What
is being written or removed is noted in a *marker* file in the backup directory first, so that
whoever comes after a crash knows what to look for.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from dbguard.errors import BackupError
from dbguard.guards.backup.dump_file import PARTIAL_SUFFIX, files_of, remove
from dbguard.guards.backup.model import Backup, DumpFormat
from dbguard.guards.backup.objects import (
    Bucket,
    LocationUnavailable,
    NotAtHand,
    Objects,
    Seen,
)
from dbguard.identity.secret_reading import SecretUnavailable, read_secret

_THREADS: Final = 4
"""One dump on its way, and a few that look whether theirs are there."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in the location at one moment."""

    url: str
    seen: Mapping[str, Seen]

    def of(self, name: str) -> Seen | None:
        """The dump of this name, whatever number of objects it is; None when there is none."""
        alone = self.seen.get(name)
        if alone is not None:
            return alone
        below = {n: s for n, s in self.seen.items() if n.startswith(name + "/")}
        return together(below) if below else None


class Store:
    """The location of one server's backups. Raises LocationUnavailable."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._objects: Objects | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="backup-location")

    @property
    def url(self) -> str:
        return self.bucket.url

    def name_of(self, backup: Backup) -> str | None:
        """What a backup is called here; None when it is kept elsewhere."""
        begin = self.url + "/"
        return backup.object.removeprefix(begin) if backup.object.startswith(begin) else None

    async def contents(self) -> Contents:
        """What is there now; whoever waits for it does so no longer than the settings say."""
        try:
            async with asyncio.timeout(self.bucket.timeout):
                seen = await self._run(lambda objects, _: objects.listing(), waits=False)
        except TimeoutError:
            raise LocationUnavailable(self.bucket, "it does not answer") from None
        return Contents(self.url, seen)

    async def put(self, path: Path, name: str) -> Seen:
        """Write a dump. Something may be there of it when that fails or is cancelled."""

        def work(objects: Objects, stopped: Callable[[], bool]) -> Seen:
            if not path.is_dir():
                return objects.put(name, path, stopped)
            names = {f"{name}/{file.name}": file for file in files_of(path)}
            return together({n: objects.put(n, file, stopped) for n, file in names.items()})

        return await self._run(work)

    async def fetch(self, backup: Backup, path: Path) -> None:
        """Write a dump to `path`, which nobody else may read.

        Raises:
            BackupError: it is not there as it was, or elsewhere.
            OSError: it cannot be written.
        """
        name = self.name_of(backup)
        if name is None:
            raise elsewhere(backup)

        def work(objects: Objects, stopped: Callable[[], bool]) -> None:
            if backup.format is DumpFormat.CUSTOM:
                objects.fetch(name, path, backup.bytes, stopped)
                return
            path.mkdir(mode=0o700)
            found = objects.listing(name + "/")
            if sum(seen.size for seen in found.values()) != backup.bytes:
                raise changed(backup)
            for one, seen in found.items():
                _, _, file = one.partition("/")
                if not file or "/" in file or file.startswith("."):
                    raise changed(backup)
                objects.fetch(one, path / file, seen.size, stopped)

        await self._run(work)

    async def remove(self, name: str) -> None:
        """Remove a dump, whole or not; no error when there is none."""
        await self._run(lambda objects, _: _discard(objects, name))

    async def _run(
        self, work: Callable[[Objects, Callable[[], bool]], T], *, waits: bool = True
    ) -> T:
        """`work` in a thread. When this call is cancelled, it is told to stop, and waited for where
        it has something to take back (`waits`)."""
        objects = await self._connected()
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(self._threads, lambda: work(objects, stop.is_set))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            stop.set()
            working.add_done_callback(_heard)
            if waits:
                await asyncio.wait([working])
            raise
        except LocationUnavailable as error:
            if error.shut_out:  # there may be other credentials the next time
                self._objects = None
            raise

    async def _connected(self) -> Objects:
        if self._objects is not None:
            return self._objects
        keys: list[str | None] = []
        for source in (self.bucket.access_key, self.bucket.secret_key):
            try:
                keys.append(None if source is None else await read_secret(source))
            except SecretUnavailable as error:
                raise LocationUnavailable(
                    self.bucket, f"its key is not to be had: {error}"
                ) from None
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(
            self._threads, lambda: Objects(self.bucket, (keys[0], keys[1]))
        )
        self._objects = made
        return made


class Keeping(Protocol):
    """What of a backup's context matters here."""

    @property
    def directory(self) -> Path: ...

    @property
    def store(self) -> Store | None: ...


@asynccontextmanager
async def at_hand(backup: Backup, context: Keeping) -> AsyncIterator[Path]:
    """The dump as a file or folder of this machine, for the time of the block; in the lock of the
    directory. It is not looked at yet.

    Raises:
        BackupError: it is not to be had.
        OSError: it cannot be written.
    """
    if not backup.object:
        assert backup.path is not None
        yield backup.path
        return
    if context.store is None:
        raise elsewhere(backup)
    path = context.directory / f"{backup.id}.fetched{PARTIAL_SUFFIX}"
    try:
        await context.store.fetch(backup, path)
        yield path
    finally:
        await asyncio.to_thread(remove, path)


def _heard(working: asyncio.Future[T]) -> None:
    """Nobody is left to see how it ended: asyncio would complain."""
    if not working.cancelled():
        working.exception()


def together(seen: Mapping[str, Seen]) -> Seen:
    """What is said of several objects, as of one."""
    lines = "".join(f"{one.tag} {name}\n" for name, one in sorted(seen.items()))
    tag = hashlib.sha256(lines.encode()).hexdigest()
    return Seen(sum(one.size for one in seen.values()), tag)


def elsewhere(backup: Backup) -> NotAtHand:
    """It is not where the settings say that backups are."""
    return NotAtHand(
        f"backup {backup.id} is in another location",
        detail=f"It is kept in {backup.object}.",
        hint="Name that in backup.location to get at it.",
    )


def changed(backup: Backup) -> BackupError:
    """There is something else than what was written."""
    return BackupError(
        f"files of backup {backup.id} were changed",
        detail=f"{backup.object} does not hold what was written there.",
        hint="It does not count. Find out who changed it, and take a new one.",
    )


def _discard(objects: Objects, name: str) -> None:
    for one in objects.names(name):
        if one == name or one.startswith(name + "/"):
            objects.remove(one)
