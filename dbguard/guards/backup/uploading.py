"""A dump on its way into the location, or out of it for good: noted before, so that nothing that
does not count stays there, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from dbguard.errors import BackupError
from dbguard.guards.backup.context import BackupContext
from dbguard.guards.backup.dump_file import write_private
from dbguard.guards.backup.objects import Seen
from dbguard.guards.backup.store import Store

UPLOAD_SUFFIX: Final = ".upload"
_MOST_BYTES: Final = 1024
"""Of a marker: an object's name."""


@asynccontextmanager
async def uploaded(
    path: Path, backup_id: str, store: Store, context: BackupContext
) -> AsyncIterator[Seen]:
    """A dump in the location, to be registered in the block. If that fails, or the way there, it is
    removed again; when that fails as well, the marker tells of it."""
    write_private(_marker(backup_id, context), f"{store.url}/{path.name}\n")
    try:
        yield await store.put(path, path.name)
    except BaseException:
        with suppress(BackupError, OSError):
            await store.remove(path.name)
            _settled(backup_id, context)
        raise
    with suppress(OSError):  # it counts, and whoever finds the marker asks the registry
        _settled(backup_id, context)


@asynccontextmanager
async def removed(
    name: str, backup_id: str, store: Store, context: BackupContext
) -> AsyncIterator[None]:
    """Behind the block, which forgets the backup, its dump is removed from the location."""
    await asyncio.to_thread(write_private, _marker(backup_id, context), f"{store.url}/{name}\n")
    yield
    await store.remove(name)
    await asyncio.to_thread(_settled, backup_id, context)


async def remove_leftovers(context: BackupContext) -> None:
    """Remove what killed runs left in the location; in the lock of the directory. What is in
    another one than that of the settings has to wait.

    Raises:
        BackupError: it cannot be removed now.
        OSError: a marker cannot be read.
    """
    store = context.store
    if store is None:
        return
    found = await asyncio.to_thread(lambda: list(context.directory.glob(f"*{UPLOAD_SUFFIX}")))
    for marker in found:
        backup_id = marker.name.removesuffix(UPLOAD_SUFFIX)
        said = (await asyncio.to_thread(marker.read_bytes))[:_MOST_BYTES]
        begin, name = store.url + "/", said.decode("utf-8", "replace").removesuffix("\n")
        if not name.startswith(begin) or not name.removeprefix(begin).startswith(backup_id):
            continue
        backup = await asyncio.to_thread(context.registry.get, backup_id)
        if backup is None or not backup.object:  # a failed attempt may be registered
            await store.remove(name.removeprefix(begin))
        await asyncio.to_thread(_settled, backup_id, context)


def _settled(backup_id: str, context: BackupContext) -> None:
    """What the location holds of a backup is what the registry says."""
    _marker(backup_id, context).unlink(missing_ok=True)


def _marker(backup_id: str, context: BackupContext) -> Path:
    return context.directory / (backup_id + UPLOAD_SUFFIX)
