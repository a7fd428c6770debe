"""The servers that the settings name, and which of them a database is on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from dbguard.guards.backup.providers.making import check_providers
from dbguard.provider_settings import ProviderSettings
from dbguard.routes import Routes
from dbguard.server_settings import (
    NamedUpstreamSettings,
    TargetSessionAttrs,
    TlsNegotiation,
    UpstreamSettings,
    UpstreamTlsMode,
)
from dbguard.settings import DEFAULT_UPSTREAM, Settings

from .tls import upstream_context
from .upstream import Upstream


@dataclass(frozen=True, slots=True)
class Place:
    """One server, and who reads its catalog. Two places that are equal are the same server."""

    name: str
    """Its upstream's."""
    host: str
    port: int
    dsn: str = field(repr=False)
    """Of the control connection, leading to this very server."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """An upstream: its servers in the order in which they are tried."""

    name: str
    servers: tuple[tuple[Place, Upstream], ...]
    wanted: TargetSessionAttrs = TargetSessionAttrs.ANY

    @property
    def setting(self) -> str:
        """Where the settings speak of it."""
        return f"upstreams.{self.name}." if self.name else ""

    @property
    def chooses(self) -> bool:
        """Whether a server has to be looked at before a client is sent there."""
        return len(self.servers) > 1 or self.wanted is not TargetSessionAttrs.ANY


class Servers:
    """All upstreams of one state of the settings. Raises ConfigurationError for wrong files."""

    def __init__(self, settings: Settings) -> None:
        self._routes: Routes = settings.routes
        dsn = settings.catalog.dsn.get_secret_value()
        self.providers = _providers(settings)
        """Of backups, by name of upstream."""
        for one in self.providers.values():
            check_providers(one)
        self.clusters = {
            name: _cluster(name, upstream, dsn) for name, upstream in settings.servers.items()
        }

    @property
    def default(self) -> Cluster:
        return self.clusters[DEFAULT_UPSTREAM]

    @property
    def places(self) -> frozenset[Place]:
        return frozenset(
            place for cluster in self.clusters.values() for place, _ in cluster.servers
        )

    async def any_reachable(self) -> bool:
        """Whether somebody listens at one of them at least: clients of the others are not helped by
        being sent to another dbguard."""
        for cluster in self.clusters.values():
            for _, server in cluster.servers:
                if await server.reachable():
                    return True
        return False

    def of(self, database: str) -> Cluster:
        """Where a database is that a client names."""
        return self.clusters[self._routes.upstream_of(database)]


def _providers(settings: Settings) -> dict[str, Mapping[str, ProviderSettings]]:
    sections = {DEFAULT_UPSTREAM: settings.backup} | {
        name: upstream.backup for name, upstream in settings.upstreams.items()
    }
    return {name: one.providers if one else {} for name, one in sections.items()}


def _cluster(name: str, upstream: UpstreamSettings, default_dsn: str) -> Cluster:
    tls = upstream.tls
    context = None
    if tls.mode is not UpstreamTlsMode.DISABLE:
        context = upstream_context(tls.mode, tls.ca, tls.certificate, tls.key, tls.minimum_version)
    dsn, own = default_dsn, False
    if isinstance(upstream, NamedUpstreamSettings):
        dsn, own = upstream.catalog.dsn.get_secret_value(), True
    # The default upstream's control connection may take another way to its one server.
    replaces = own or len(upstream.addresses) > 1
    return Cluster(
        name,
        tuple(
            (
                Place(name, host, port, leading_to(dsn, host, port) if replaces else dsn),
                Upstream(
                    host,
                    port,
                    context,
                    tls.mode,
                    direct=tls.negotiation is TlsNegotiation.DIRECT,
                ),
            )
            for host, port in upstream.addresses
        ),
        upstream.target_session_attrs,
    )


def leading_to(dsn: str, host: str, port: int) -> str:
    """The connection URL with this host and port in place of whatever it says of them."""
    url = urlsplit(dsn)
    user = url.netloc.rpartition("@")[0]
    query = [
        (key, value)
        for key, value in parse_qsl(url.query, keep_blank_values=True)
        if key not in ("host", "port", "hostaddr", "target_session_attrs", "service")
    ]
    if host.startswith("/"):
        place = ""
        query += [("host", host), ("port", str(port))]
    else:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    text = urlencode(query, quote_via=quote)
    return f"{url.scheme}://{user}{'@' if user else ''}{place}{url.path}" + (
        f"?{text}" if text else ""
    )
