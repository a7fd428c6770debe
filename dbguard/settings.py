"""The settings themselves: sections, defaults, bounds and reasons. `dbguard.config` loads them."""

from __future__ import annotations

import enum
from pathlib import Path
from urllib.parse import unquote

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
)

from dbguard.errors import ConfigurationError

from .audit_settings import AuditSettings
from .authentication_settings import AuthenticationSettings
from .routes import Overlap, Routes
from .server_settings import (
    BackupSettings,
    CatalogSettings,
    NamedUpstreamSettings,
    Section,
    TlsVersion,
    UpstreamSettings,
    as_text,
)
from .setting_types import (
    Bytes,
    Count,
    Host,
    Networks,
    Port,
    ReadableFile,
    ResolvedPath,
    Seconds,
    UpstreamName,
    Workers,
    base_of,
)
from .watch_settings import WatchSettings

DEFAULT_UPSTREAM = ""
"""What `upstream` is called among all upstreams."""


class ServerTlsMode(enum.StrEnum):
    """Whether clients must use TLS."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    """The same as allow: it is the client that prefers."""
    REQUIRE = "require"


class ClientCertificate(enum.StrEnum):
    """Whether clients must show a certificate, where there is an authority for them."""

    REQUIRE = "require"
    OPTIONAL = "optional"
    """Who shows none proves otherwise who it is; one that is not valid is refused all the same."""


class TlsServerSettings(Section):
    """TLS towards clients; absent: clients that ask for TLS are told no."""

    mode: ServerTlsMode = Field(default=ServerTlsMode.REQUIRE, examples=["require"])
    certificate: ReadableFile = Field(examples=["server.crt"])
    key: ReadableFile = Field(examples=["server.key"])
    client_ca: ReadableFile | None = Field(default=None, examples=["clients-ca.crt"])
    client_certificate: ClientCertificate = Field(
        default=ClientCertificate.REQUIRE, examples=["optional"]
    )
    minimum_version: TlsVersion = Field(default=TlsVersion.TLS_1_2, examples=['"1.3"'])

    _text = field_validator("minimum_version", mode="before")(as_text)


class ListenSettings(Section):
    """Where clients connect."""

    host: Host = Field(default="127.0.0.1", examples=["127.0.0.1"])
    """Addresses separated by commas; `*` is every address of both families."""
    port: Port = Field(default=6432, examples=["6432"])
    socket: ResolvedPath | None = Field(default=None, examples=["/run/dbguard"])
    """Folder of a Unix socket for local clients, as PostgreSQL's unix_socket_directories."""
    proxy_protocol: Networks = Field(default=(), examples=["[10.0.0.0/8]"])
    """Load balancers: whoever connects from here must send a PROXY protocol header first."""
    tls: TlsServerSettings | None = Field(
        default=None, examples=["{certificate: server.crt, key: server.key}"]
    )


class StateSettings(Section):
    """Where dbguard keeps what it has to remember: the backup registry."""

    url: str = Field(default="sqlite:///state.db", examples=["sqlite:///state.db"])

    @field_validator("url")
    @classmethod
    def _only_sqlite(cls, value: str, info: ValidationInfo) -> str:
        if value.startswith(("postgresql:", "postgres:")):
            raise ValueError(
                "a PostgreSQL store is not supported in this release; use sqlite:///FILE"
            )
        rest = value.removeprefix("sqlite:///")
        if (
            rest == value
            or not rest
            or not unquote(rest).isprintable()
            or "?" in rest
            or "#" in rest
        ):
            raise ValueError("must be sqlite:///FILE")
        return f"sqlite:///{base_of(info) / unquote(rest)}"

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(self.url.removeprefix("sqlite:///"))


class MetricsSettings(Section):
    """The HTTP port for probes and Prometheus. It answers anybody who reaches it: keep it local."""

    host: Host = Field(default="127.0.0.1", examples=["127.0.0.1"])
    port: Port = Field(default=9432, examples=["9432"])


class LimitsSettings(Section):
    """Caps on what clients can make dbguard hold or do. Each description is the reason."""

    connections: Count = Field(
        default=200,
        ge=1,
        le=100_000,
        examples=["200"],
        description="Client connections at once. Each has its own server connection, and "
        "PostgreSQL's max_connections defaults to 100.",
    )
    connections_per_user: Count = Field(
        default=0,
        ge=0,
        le=100_000,
        examples=["50"],
        description="Of these, connections of one user (a person, where dbguard knows people "
        "itself; else a database user); 0: no such limit. One "
        "application with a leaking pool must not lock out everybody else.",
    )
    idle_timeout: Seconds = Field(
        default=0.0,
        ge=0,
        le=7 * 86400,
        examples=["15m"],
        description="A session in which nothing happened for so long is ended; 0: never. Automatic "
        "logoff, 45 CFR 164.312(a)(2)(iii).",
    )
    session_age: Seconds = Field(
        default=0.0,
        ge=0,
        le=30 * 86400,
        examples=["12h"],
        description="A session that has lasted so long ends with its transaction, and "
        "`shutdown_timeout` later in any case; 0: never. Who was let in once is not in for ever.",
    )
    startup_timeout: Seconds = Field(
        default=30.0,
        ge=1,
        le=600,
        examples=["30s"],
        description="From accepting a connection to the end of authentication. PostgreSQL's own "
        "authentication_timeout is 60 s; a half-open connection must not outlive it.",
    )
    login_failures: Count = Field(
        default=50,
        ge=0,
        le=1_000_000,
        examples=["50"],
        description="Failed logins of one user from one address within a minute, after which they "
        "have to wait; twenty times as many from one address; 0: no limit. A pool with an old "
        "password tries as often as it has connections, and many people may be behind an address.",
    )
    login_pause: Seconds = Field(
        default=10.0,
        ge=1,
        le=86_400,
        examples=["10s"],
        description="How long they wait. Long enough to make guessing hopeless, short enough for "
        "those whose password was just corrected.",
    )
    shutdown_timeout: Seconds = Field(
        default=30.0,
        ge=0,
        le=3600,
        examples=["30s"],
        description="How long running statements may finish after a stop signal.",
    )
    message_bytes: Bytes = Field(
        default=64 * 1024**2,
        ge=64 * 1024,
        le=1024**3 - 1,
        examples=["64MiB"],
        description="One protocol message from a client that is held whole before it is judged: "
        "a text or a function call. Parameters and COPY data stream through, up to PostgreSQL's "
        "1 GiB.",
    )
    statement_bytes: Bytes = Field(
        default=1024**2,
        ge=1024,
        le=64 * 1024**2,
        examples=["1MiB"],
        description="Text of one statement outside of constants in quotes. Both parsers need about "
        "a hundred times its size in memory; constants cost little, and count for "
        "`message_bytes` alone.",
    )
    analysis_timeout: Seconds = Field(
        default=15.0,
        ge=0.05,
        le=300,
        examples=["15s"],
        description="Analysis of one statement in a worker; then the worker is replaced and the "
        "statement refused. Ordinary statements take milliseconds; 65,535 parameters with a cast "
        "each, as drivers' own tests send them, some 5 s, and longer on a busy machine.",
    )
    analysis_memory: Bytes = Field(
        default=1024**3,
        ge=256 * 1024**2,
        le=64 * 1024**3,
        examples=["1GiB"],
        description="Address space of one analysis worker, so that a hostile text cannot starve "
        "the machine.",
    )
    analysis_workers: Count = Field(
        default=2,
        ge=1,
        le=64,
        examples=["2"],
        description="Analysis processes. Known statements need none; two keep one slow text from "
        "delaying everybody.",
    )
    pipeline_messages: Count = Field(
        default=10_000,
        ge=16,
        le=1_000_000,
        examples=["10000"],
        description="Messages of one connection sent and not yet answered. Each is remembered "
        "until its answer.",
    )
    prepared_statements: Count = Field(
        default=10_000,
        ge=16,
        le=1_000_000,
        examples=["10000"],
        description="Prepared statements and portals of one connection. Each holds its text and "
        "its plan.",
    )
    prepared_bytes: Bytes = Field(
        default=64 * 1024**2,
        ge=1024**2,
        le=16 * 1024**3,
        examples=["64MiB"],
        description="Texts and plans of the prepared statements and portals of one connection "
        "together: ten thousand texts of 1 MiB would be 10 GiB. Two thousand ordinary ones take "
        "20 MiB.",
    )


class Settings(Section):
    """Everything a deployment decides, apart from the policy."""

    catalog: CatalogSettings = Field(
        examples=['{dsn: "postgresql://dbguard@127.0.0.1:5432/postgres"}']
    )
    listen: ListenSettings = Field(
        default=ListenSettings(), examples=["{host: 127.0.0.1, port: 6432}"]
    )
    upstream: UpstreamSettings = Field(
        default=UpstreamSettings(), examples=["{host: 127.0.0.1, port: 5432}"]
    )
    upstreams: dict[UpstreamName, NamedUpstreamSettings] = Field(
        default={}, examples=["{europe: {host: db.eu.internal, databases: [clinic_eu]}}"]
    )
    """More servers, by names of one's own choice; their databases don't go to `upstream`."""
    authentication: AuthenticationSettings = Field(
        default=AuthenticationSettings(), examples=["{mode: server-users}"]
    )
    environment: str = Field(
        default="production",
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9_.-]+$",
        examples=["production"],
    )
    rules: ResolvedPath = Field(default=Path("rules"), examples=["rules/"])
    state: StateSettings = Field(default=StateSettings(), examples=['{url: "sqlite:///state.db"}'])
    audit: AuditSettings = Field(
        default=AuditSettings(), examples=["{directory: audit/, durability: durable}"]
    )
    backup: BackupSettings | None = Field(
        default=None, examples=['{dsn: "file:backup-dsn.txt", directory: backups/}']
    )
    metrics: MetricsSettings | None = Field(
        default=None, examples=["{host: 127.0.0.1, port: 9432}"]
    )
    workers: Workers = Field(default=1, examples=["auto"])
    """Processes that serve clients: one for each core is best."""
    watch: WatchSettings = Field(default=WatchSettings(), examples=["{interval: 15s}"])
    limits: LimitsSettings = Field(default=LimitsSettings(), examples=["{connections: 200}"])

    @property
    def servers(self) -> dict[str, UpstreamSettings]:
        """All upstreams by name, the default one first, under the name of no other."""
        return {DEFAULT_UPSTREAM: self.upstream, **self.upstreams}

    @property
    def routes(self) -> Routes:
        """Which database is where. Raises ConfigurationError when one could be on two servers."""
        try:
            return Routes({name: found.databases for name, found in self.upstreams.items()})
        except Overlap as error:
            raise ConfigurationError(
                f"upstreams.{error.first}.databases and upstreams.{error.second}.databases: one "
                "database would be on two servers",
                detail=f"{error.one} and {error.other} can be the same name.",
                hint="Make the patterns narrower, or list the names of the databases.",
            ) from None

    def check_combination(self) -> None:
        """Refuse settings that are fine one by one and cannot work together."""
        _ = self.routes
        self.authentication.check_combination()
        for number, login in enumerate(self.authentication.logins):
            if login.upstream is not None and login.upstream not in self.upstreams:
                raise ConfigurationError(
                    f"authentication.logins.{number}.upstream: there is no upstream "
                    f"{login.upstream}",
                    hint="Name one of upstreams, or leave it out for all servers.",
                )
        tls = self.listen.tls
        if self.authentication.certificates is not None and (
            tls is None or tls.client_ca is None or tls.mode is ServerTlsMode.DISABLE
        ):
            raise ConfigurationError(
                "authentication.certificates: nobody checks the certificates of clients",
                hint="Name their authority in listen.tls.client_ca.",
            )
