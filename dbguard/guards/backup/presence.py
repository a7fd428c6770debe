"""Whether what was registered is still there: files on this machine, objects in the location."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dbguard.guards.backup.dump_file import size_of
from dbguard.guards.backup.model import Backup
from dbguard.guards.backup.objects import LocationUnavailable
from dbguard.guards.backup.store import Contents, Store

MISSING = "its file is missing"
CHANGED = "its file does not have the recorded size"
WRITTEN_OVER = "its object was written over"
ELSEWHERE = "it is in another location than the settings name"


@dataclass(frozen=True, slots=True)
class Presence:
    """What can be seen of dumps without reading them."""

    store: Store | None = None
    contents: Contents | None = None
    """What is in the location; None: nobody asked, or it does not say."""
    silent: str = ""
    """Why it does not say."""

    def flaw(self, backup: Backup) -> str:
        """Why the dump of a backup does not count; empty when nothing is to be seen. Blocking."""
        if not backup.object:
            return file_flaw(backup, size_of(backup.path) if backup.path else None)
        name = self.store.name_of(backup) if self.store is not None else None
        if name is None:
            return ELSEWHERE
        if self.contents is None:
            return f"its location cannot be asked: {self.silent}"
        seen = self.contents.of(name)
        if seen is not None and seen.size == backup.bytes and seen.tag != backup.tag:
            return WRITTEN_OVER
        return file_flaw(backup, seen.size if seen is not None else None)


def file_flaw(backup: Backup, size: int | None) -> str:
    """The same by the size of what is there; None: nothing is."""
    if size is None:
        return MISSING
    return "" if size == backup.bytes else CHANGED


async def presence_of(backups: Iterable[Backup], store: Store | None) -> Presence:
    """What is there of `backups` now. The location is asked where one of them is in it."""
    if store is None or not any(store.name_of(backup) for backup in backups):
        return Presence(store)
    try:
        return Presence(store, await store.contents())
    except LocationUnavailable as error:
        return Presence(store, None, error.reason)
