"""Sessions at the servers that did not come through this dbguard: recorded, logged and counted.

Each is told once, when a second look shows it and every login that was under way at the first has
come to its end: what is not known then is not dbguard's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.catalog.activity import Activity, Backend, look
from dbguard.errors import AuditUnavailable, CatalogUnavailable
from dbguard.routes import matches
from dbguard.settings import Settings
from dbguard.watch_settings import ExpectedSessionSettings

from .backends import OwnBackends, SessionId, is_own
from .deployment import Deployment
from .naming import recorded_application
from .sites import Site, Sites

log = structlog.get_logger(__name__)

OFF_SECONDS: Final = 1.0
"""How often it is looked whether a reload has switched it on."""
_LOOPBACK: Final = "127.0.0.1"

Key = tuple[str, int, object]
"""Server, process id, and when it began."""


@dataclass(slots=True)
class Strangers:
    """What is known of sessions that are nobody's."""

    own: OwnBackends
    _first_seen: dict[Key, frozenset[SessionId]] = field(default_factory=dict)
    """What was under way when each was seen first."""
    _told: set[Key] = field(default_factory=set)

    def found(
        self, server: str, backends: Iterable[Backend], looked: float
    ) -> Iterator[tuple[Key, Backend]]:
        """Those to tell of now, which `told` has to be called for."""
        known, under_way = self.own.known_at(server), self.own.under_way
        for backend in backends:
            key = (server, backend.process_id, backend.started)
            if key in self._told or is_own(backend, known, looked):
                continue
            waiting = self._first_seen.get(key)
            if waiting is None:
                self._first_seen[key] = under_way
            elif waiting.isdisjoint(under_way):
                yield key, backend

    def told(self, key: Key) -> None:
        self._told.add(key)

    def keep(self, server: str, backends: Iterable[Backend], looked: float) -> None:
        """Forget who is not there any more; `backends` are all that the server has."""
        present = {(server, b.process_id, b.started) for b in backends}
        ids = frozenset(process_id for _, process_id, _ in present)
        self._told = {key for key in self._told if key[0] != server or key in present}
        self._first_seen = {
            key: waiting
            for key, waiting in self._first_seen.items()
            if (key[0] != server or key in present) and key not in self._told
        }
        self.own.forget_gone(server, looked, ids)


def is_expected(backend: Backend, expected: Iterable[ExpectedSessionSettings]) -> bool:
    """Whether the settings name the session."""
    address = ip_address(backend.address or _LOOPBACK)
    return any(
        (entry.user is None or matches(entry.user, backend.user))
        and (entry.application is None or matches(entry.application, backend.application))
        and (not entry.networks or any(address in ip_network(n) for n in entry.networks))
        for entry in expected
    )


def own_users(settings: Settings) -> frozenset[str]:
    """The database users that dbguard itself logs in as, besides the sessions it carries."""
    secrets = [settings.catalog.dsn, settings.authentication.dsn]
    secrets += [settings.backup.dsn] if settings.backup is not None else []
    for upstream in settings.upstreams.values():
        secrets += [upstream.catalog.dsn, upstream.backup.dsn if upstream.backup else None]
    return frozenset(_user(s.get_secret_value()) for s in secrets if s is not None)


def _user(dsn: str) -> str:
    url = urlsplit(dsn)
    return unquote(url.username or parse_qs(url.query).get("user", [""])[0])


@dataclass(slots=True)
class Watch:
    """Looks at all sites in turn."""

    sites: Sites
    strangers: Strangers
    _blind: set[str] = field(default_factory=set)
    """Sites whose control role is not shown others' sessions, which was said."""
    _away: set[str] = field(default_factory=set)

    async def look(self, settings: Settings) -> None:
        """One look at every site."""
        looked = self.strangers.own.now()
        sites = self.sites.all()
        seen = await asyncio.gather(*(self._activity(site) for site in sites))
        everybody: dict[str, list[Backend] | None] = {}
        users = own_users(settings)
        for site, activity in zip(sites, seen, strict=True):
            together = everybody.setdefault(site.server, [])
            if activity is None or together is None:
                everybody[site.server] = None
                continue
            together += activity.backends
            others = [b for b in activity.backends if not _is_dbguards(b, activity, users)]
            for key, backend in self.strangers.found(site.server, others, looked):
                if is_expected(backend, settings.watch.expected) or self._told(site, key, backend):
                    self.strangers.told(key)
        for server, backends in everybody.items():
            if backends is not None:
                self.strangers.keep(server, backends, looked)

    async def _activity(self, site: Site) -> Activity | None:
        name = site.hub.site
        try:
            activity = await look(site.place.dsn)
        except CatalogUnavailable as error:
            if name not in self._away:
                self._away.add(name)
                log.warning(
                    "sessions past dbguard cannot be looked for",
                    upstream=site.place.name,
                    cause=error.detail,
                )
            return None
        self._away.discard(name)
        if activity is not None:
            self._blind.discard(name)
        elif name not in self._blind:
            self._blind.add(name)
            log.warning(
                "sessions past dbguard cannot be seen",
                upstream=site.place.name,
                hint="GRANT pg_read_all_stats to the role of catalog.dsn, or set watch.interval "
                "to 0.",
            )
        return activity

    def _told(self, site: Site, key: Key, backend: Backend) -> bool:
        """Whether it is on record now, by this process or another."""
        if not self.strangers.own.claim(*key):
            return True
        told = self._tell(site, backend)
        if not told:
            self.strangers.own.disclaim(*key)
        return told

    def _tell(self, site: Site, backend: Backend) -> bool:
        """Whether it is on record now."""
        fields = {
            "event": "session past dbguard",
            "user": backend.user,
            "database": backend.database,
            "address": backend.address or "local",
            "application": recorded_application(backend.application),
            "since": backend.started.isoformat(),
            "kind": backend.kind,
            **({"upstream": site.place.name} if site.place.name else {}),
        }
        try:
            site.hub.record(EventRecord(RecordKind.SECURITY, "", tuple(fields.items())))
        except AuditUnavailable:
            return False  # the next look tries again
        site.hub.metrics.past_dbguard.inc()
        log.warning(**fields)
        return True


def _is_dbguards(backend: Backend, activity: Activity, users: frozenset[str]) -> bool:
    """Whether it is one that dbguard uses for itself, to read the catalog, say."""
    return backend.user in users | {activity.user} and backend.address == activity.address


async def watch_sessions(deployment: Deployment, sites: Sites) -> None:
    """Look again and again for as long as the task runs."""
    watch = Watch(sites, Strangers(sites.backends))
    while True:
        interval = deployment.settings.watch.interval
        await asyncio.sleep(interval or OFF_SECONDS)
        if deployment.settings.watch.interval:
            await watch.look(deployment.settings)
