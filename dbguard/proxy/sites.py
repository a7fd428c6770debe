"""The servers in use, each with its catalog and all that was learnt of it.

A *site* is one server. Sessions hold the site that they logged in to, whatever the settings say
later; one that the settings name no more ends with its last session. Nothing of one site is ever
used for another one: databases of two servers may have the same names and OIDs.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import structlog

from dbguard.catalog.drift_registry import DriftRegistry
from dbguard.catalog.verifiers import AskedVerifiers
from dbguard.catalog.watching import Catalog
from dbguard.errors import BackupError, CatalogUnavailable, ConfigurationError
from dbguard.guards.backup.access import ServerAccess, disconnect, identify
from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.providers.making import Providers, make_providers
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.waiting import BackupTaker
from dbguard.policy.model import Policy
from dbguard.provider_settings import ProviderSettings
from dbguard.sql.snapshot import Snapshot

from .backends import OwnBackend
from .backup_looks import BackupLooks
from .choosing import Choosing
from .drifting import Drifts
from .hub import Hub
from .naming import Naming
from .servers import Cluster, Place, Servers, leading_to
from .sharing import Sharing
from .tasks import spawn

log = structlog.get_logger(__name__)

SAME_SECONDS = 3.0
"""For asking the upstream itself who it is: a start is not held up by a server that is away."""
_ADDRESS = "address:"
"""What an identity begins with that is no system identifier."""


@dataclass(slots=True)
class Site:
    """One server that is in use."""

    place: Place
    hub: Hub
    server: str
    """How the server identifies itself."""
    watching: asyncio.Task[None] = field(repr=False)
    providers: Providers
    """Of backups."""
    settings: Mapping[str, ProviderSettings] = field(repr=False)
    """Theirs."""
    looks: BackupLooks
    looking: asyncio.Task[None] = field(repr=False)
    sessions: int = 0

    async def close(self) -> None:
        for task in (self.watching, self.looking):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.providers.close()
        await self.hub.catalog.close()

    async def use_providers(self, settings: Mapping[str, ProviderSettings]) -> None:
        """Ask other providers of backups from now on, if they are others."""
        if settings == self.settings:
            return
        before, self.settings = self.providers, settings
        self.providers = make_providers(settings, (self.place.host, self.place.port), _now)
        self.hub.guard.use(self.providers.all)
        self.looks.call()
        await before.close()


MakeHub = Callable[[str, Policy, str, Catalog, BackupGuard, Drifts], Hub]
"""Makes the hub of a site from its name, policy, environment and what belongs to its server."""


class Sites:
    """All sites of one process, and the policy that is in force on all of them."""

    front: Hub
    """Of one server or another, for what concerns none: records, keys, counters."""

    def __init__(
        self,
        state: Path,
        make: MakeHub,
        policy: Policy,
        environment: str,
        sharing: Sharing | None = None,
        takers: Mapping[str, BackupTaker] | None = None,
    ) -> None:
        self._sharing = sharing = sharing or Sharing()
        self._state = state
        self._takers = takers or {}
        self._make = make
        self._policy, self._environment = policy, environment
        self._sites: dict[Place, Site] = {}
        self._locks: dict[Place, asyncio.Lock] = {}
        self._drifts: dict[str, Drifts] = {}
        """By server, as it identifies itself: standbys share their primary's."""
        self._numbers = itertools.count(1)
        self._current: frozenset[Place] = frozenset()
        self._providers: Mapping[str, Mapping[str, ProviderSettings]] = {}
        self.choosing = Choosing()
        self.verifiers = AskedVerifiers()
        self.attempts = sharing.attempts
        self.backends = sharing.backends
        self.naming = Naming(self._is_user, self._is_database)

    def _is_user(self, name: str) -> bool:
        """Whether the name is that of a database user somewhere, or of somebody in the rules."""
        return any(name in role.users | role.identities for role in self._policy.roles) or any(
            name in site.hub.catalog.roles for site in self._sites.values()
        )

    def _is_database(self, name: str) -> bool:
        return any(name in site.hub.catalog.databases for site in self._sites.values())

    async def start(self, servers: Servers) -> None:
        """Try the control connections. One that cannot be used stops the start if it is that of the
        default upstream; the others are tried again when somebody wants to go there.

        Raises:
            ConfigurationError: nothing of the default upstream can be reached.
        """
        self._current = servers.places
        self._providers = servers.providers
        for cluster in servers.clusters.values():
            try:
                hub = await self._prove(cluster)
            except ConfigurationError as error:
                if cluster is servers.default:
                    raise
                log.error("upstream cannot be used", message=error.message, detail=error.detail)
            else:
                if cluster is servers.default:
                    self.front = hub

    async def try_new(self, servers: Servers) -> None:
        """Try what would be new.

        Raises:
            ConfigurationError: a new upstream, or one in a new place, cannot be used.
        """
        for cluster in servers.clusters.values():
            if not any(place in self._current for place, _ in cluster.servers):
                try:
                    await self._prove(cluster)
                except ConfigurationError:
                    await self._end_unused()
                    raise

    async def _prove(self, cluster: Cluster) -> Hub:
        """The hub of the first server whose catalog can be read."""
        failure: CatalogUnavailable | None = None
        for place, _ in cluster.servers:
            try:
                site = await self.open(place)
                hub = site.hub
                await hub.catalog.snapshot(ServerAccess(place.dsn).database)
                await _check_same_server(site)
            except CatalogUnavailable as error:
                failure = failure or error
            else:
                return hub
        assert failure is not None
        raise ConfigurationError(
            f"{cluster.setting}catalog.dsn: {failure.message}",
            detail=failure.detail,
            hint=failure.hint,
        )

    async def open(self, place: Place) -> Site:
        """The site of a server; its control connection is tried when it is a new one.

        Raises:
            CatalogUnavailable: it cannot be used.
        """
        async with self._locks.setdefault(place, asyncio.Lock()):
            site = self._sites.get(place)
            if site is None:
                site = self._sites[place] = await self._made(place)
        return site

    def all(self) -> list[Site]:
        """Those in use now."""
        return list(self._sites.values())

    async def hold(self, place: Place, own: OwnBackend, process_id: int) -> Site:
        """The site of a server for one session, which this process there serves, until `release`.

        Raises:
            CatalogUnavailable: it cannot be used.
        """
        site = await self.open(place)
        self.backends.note(own, site.server, process_id)
        drifts = site.hub.drifts
        if not site.sessions and sum(s.hub.drifts is drifts for s in self._sites.values()) > 1:
            site.hub.forget_memories()
        site.sessions += 1
        return site

    async def release(self, site: Site) -> None:
        """The session is over."""
        site.sessions -= 1
        await self._end_unused()

    async def use(self, servers: Servers, policy: Policy, environment: str) -> None:
        """From now on these servers are the ones named, and this policy is in force everywhere."""
        self._current = servers.places
        self._providers = servers.providers
        self._policy, self._environment = policy, environment
        self.choosing.forget(self._current)
        hubs = {id(hub): hub for hub in (self.front, *(s.hub for s in self._sites.values()))}
        for hub in hubs.values():
            hub.use_policy(policy)
            hub.environment = environment
        await self._end_unused()
        for site in list(self._sites.values()):
            await site.use_providers(self._providers.get(site.place.name, {}))

    async def close(self) -> None:
        await self.verifiers.close()
        for site in self._sites.values():
            await site.close()
        self._sites.clear()

    async def _end_unused(self) -> None:
        for place, site in list(self._sites.items()):
            if not site.sessions and place not in self._current:
                del self._sites[place]
                self._locks.pop(place, None)
                await site.close()

    async def _made(self, place: Place) -> Site:
        access = ServerAccess(place.dsn)
        server = await _identity(place, access)
        generations, run = self._sharing.generations, self._sharing.run
        registry = DriftRegistry(self._state, server, run)
        drifts = self._drifts.setdefault(server, Drifts(registry, generations))

        def changed(snapshot: Snapshot) -> None:
            log.info("catalog changed", database=snapshot.database, epoch=snapshot.epoch)
            looks.call(snapshot.database)

        catalog = Catalog(place.dsn, on_change=changed, generations=generations)
        settings = self._providers.get(place.name, {})
        providers = make_providers(settings, (place.host, place.port), _now)
        taker = self._takers.get(place.name)
        store = taker.context.store if taker is not None else None
        guard = BackupGuard(BackupRegistry(self._state), access, _now, providers.all, store)
        name = f"{next(self._numbers)}"
        hub = self._make(name, self._policy, self._environment, catalog, guard, drifts)
        hub.taker = taker
        watching = spawn(catalog.watch(), "catalog watch")
        looks = BackupLooks(guard, lambda: site.settings != {})
        looking = spawn(looks.run(), "looks for backups")
        site = Site(place, hub, server, watching, providers, settings, looks, looking)
        return site


def _now() -> datetime:
    return datetime.now(UTC)


async def _check_same_server(site: Site) -> None:
    """Refuse a control connection that leads to another server than the sessions, as far as it
    can be found out: decisions would rest on the wrong catalog.

    Raises:
        ConfigurationError: the two say that they are different clusters.
    """
    place = site.place
    straight = leading_to(place.dsn, place.host, place.port)
    if straight == place.dsn:
        return
    try:
        async with asyncio.timeout(SAME_SECONDS):
            found = await _identity(place, ServerAccess(straight))
    except (CatalogUnavailable, TimeoutError):
        return  # it need not let the control role in from there; /readyz tells when it is away
    if found != site.server and not (found + site.server).count(_ADDRESS):
        raise ConfigurationError(
            "catalog.dsn: leads to another server than upstream",
            detail=f"Their system identifiers differ; upstream is {place.host}:{place.port}.",
            hint="Name the same server in both, or one more server under upstreams.",
        )


async def _identity(place: Place, access: ServerAccess) -> str:
    """The cluster that a server belongs to: its system identifier where it is told."""
    try:
        connection = await access.connect(access.database)
    except BackupError as error:
        raise CatalogUnavailable(
            f'the catalog of database "{access.database}" cannot be read',
            detail=error.detail,
            hint="Check that the server runs, and catalog.dsn in dbguard's settings.",
        ) from None
    try:
        return (await identify(connection, access)).server
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        raise CatalogUnavailable(
            "the server does not say which one it is",
            detail=f"Upstream {place.host}:{place.port}.",
            hint="Check the control connection (catalog.dsn) and try again.",
        ) from None
    finally:
        await disconnect(connection)
