"""Backups of other tools, as `dbguard backup list` and `dbguard doctor` show them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from dbguard.errors import BackupError
from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.providers.fields import NEVER
from dbguard.guards.backup.providers.listing import Listing, list_inventories
from dbguard.guards.backup.store import Store
from dbguard.proxy.backup_takers import bucket_of
from dbguard.proxy.servers import Cluster, Servers
from dbguard.settings import Settings

SHOWN = 20
"""Of each provider, newest first: who wants all asks for JSON."""


def inventories(settings: Settings, database: str | None = None) -> tuple[Listing, ...]:
    """What the providers of all servers say, or those of a database's own server.

    Raises ConfigurationError.
    """
    servers = Servers(settings)
    wanted = settings.routes.upstream_of(database) if database else None
    return tuple(
        listing
        for name, cluster in servers.clusters.items()
        if database is None or name == (wanted or "")
        for listing in inventories_of(servers, cluster, database)
    )


def inventories_of(
    servers: Servers, cluster: Cluster, database: str | None = None
) -> tuple[Listing, ...]:
    """What the providers of one upstream say, as the first of its hosts that answers is asked."""
    settings = servers.providers[cluster.name]
    if not settings:
        return ()
    failure = ""
    for place, _ in cluster.servers:
        access = ServerAccess(place.dsn)
        try:
            return asyncio.run(
                list_inventories(settings, access, (place.host, place.port), database)
            )
        except BackupError as error:
            failure = failure or f"{error.message[:1].upper()}{error.message[1:]}."
    return tuple(Listing(name, one.kind, failure=failure) for name, one in settings.items())


def location_of(settings: Settings, upstream: str) -> tuple[str, str] | None:
    """Where dumps of one upstream are kept, and why that cannot be asked; None: in a folder.

    Raises ConfigurationError.
    """
    section = settings.upstreams[upstream].backup if upstream else settings.backup
    if section is None or section.location is None:
        return None
    store = Store(bucket_of(section.location))
    try:
        asyncio.run(store.contents())
    except BackupError as error:
        return store.url, error.detail
    return store.url, ""


def table(listings: tuple[Listing, ...]) -> Table:
    """Fits a terminal of 80 columns; what speaks against backups is told below it."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("id", "provider", "taken (UTC)", "state"):
        made.add_column(name, no_wrap=name not in ("id", "provider"), overflow="fold")
    for listing in listings:
        for backup in listing.backups[:SHOWN]:
            at = backup.taken_at
            made.add_row(
                Text(backup.id),
                Text(backup.provider),
                "" if at == NEVER else f"{at:%Y-%m-%d %H:%M}",
                Text(state(backup), style="red" if backup.flaw else "green"),
            )
    return made


def state(backup: Evidence) -> str:
    """How far it is proven, or that it does not count."""
    return "does not count" if backup.flaw else backup.verification.value


def complaints(listings: tuple[Listing, ...]) -> Iterator[str]:
    """A line for everything that keeps backups from counting."""
    for listing in listings:
        if listing.failure:
            yield f"{listing.provider} ({listing.kind}): {listing.failure}"
        for backup in listing.backups[:SHOWN]:
            if backup.flaw:
                yield f"{backup.id} of {listing.provider}: {backup.flaw}"
        if len(listing.backups) > SHOWN:
            yield f"{listing.provider}: {len(listing.backups) - SHOWN} older ones are not shown"


def documents(listings: tuple[Listing, ...]) -> Iterator[dict[str, object]]:
    """For `--json`: an object for each backup, and one for each provider that cannot be used."""
    for listing in listings:
        about: dict[str, object] = {"v": 1, "provider": listing.provider, "kind": listing.kind}
        if listing.failure:
            yield about | {"state": "unavailable", "error": listing.failure}
        for backup in listing.backups:
            finished = backup.finished_at
            yield about | {
                "id": backup.id,
                "state": state(backup),
                "taken_at": None if backup.taken_at == NEVER else backup.taken_at.isoformat(),
                "finished_at": finished.isoformat() if finished else None,
                "verification": backup.verification.value,
                "bytes": backup.size,
                "digest": backup.digest,
                "error": backup.flaw,
            }
