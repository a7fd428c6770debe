"""What all providers of a server say, side by side, for people."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dbguard.errors import BackupError
from dbguard.guards.backup.access import ServerAccess, disconnect, identify
from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.provider_settings import ProviderSettings

from .limited import Limited
from .making import make_providers


@dataclass(frozen=True, slots=True)
class Listing:
    """One provider and what it says."""

    provider: str
    kind: str
    backups: tuple[Evidence, ...] = ()
    """Newest first."""
    failure: str = ""
    """Why it cannot be used: a sentence."""

    @property
    def usable(self) -> bool:
        """Whether any backup of it could count."""
        return any(not backup.flaw for backup in self.backups)


async def list_inventories(
    settings: Mapping[str, ProviderSettings],
    access: ServerAccess,
    address: tuple[str, int],
    database: str | None,
) -> tuple[Listing, ...]:
    """The inventories of the providers of one server, which `access` reaches; of backups of one
    database, or of that which `access` names. No tool checks whole backups for this.

    Raises BackupError when the server does not say which one it is, and ConfigurationError.
    """
    providers = make_providers(settings, address, lambda: datetime.now(UTC), proving=False)
    connection = await access.connect(database or access.database)
    try:
        identity = await identify(connection, access)
    finally:
        await disconnect(connection)
    return tuple(await asyncio.gather(*(_listing(one, identity) for one in providers.all)))


async def _listing(provider: Limited, database: DatabaseIdentity) -> Listing:
    try:
        found = await provider.backups(database)
    except BackupError as error:
        return Listing(provider.name, provider.kind, failure=error.detail)
    newest = sorted(found, key=lambda backup: backup.taken_at, reverse=True)
    return Listing(provider.name, provider.kind, tuple(newest))
