"""Settings of the servers behind dbguard: where they are, and how they are reached.

One upstream is the default for all databases; `upstreams` holds more of them, each for the
databases that it names. A database's name belongs to one upstream only (`dbguard.routes`).
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from .provider_settings import ProviderSettings
from .routes import NAME_BYTES
from .setting_types import (
    Count,
    Days,
    Host,
    HttpUrl,
    Names,
    Ports,
    ProviderName,
    ReadableFile,
    ReadSecret,
    ResolvedPath,
    Seconds,
    Secret,
    check_both,
    is_open,
)
from .setting_types import Section as Section
from .setting_types import check_dsn as check_dsn

OWN_PROVIDER: Final = "pg_dump"
"""How rules name the backups that dbguard makes itself."""
MOST_PROVIDERS: Final = 16
"""All are asked at once before a statement; each is a program or a connection."""


class TlsVersion(enum.StrEnum):
    """The oldest version of TLS that is spoken; older ones than 1.2 are never (NIST SP 800-52)."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class UpstreamTlsMode(enum.StrEnum):
    """libpq's sslmode, and what it means there."""

    DISABLE = "disable"
    ALLOW = "allow"
    """With TLS if the server refuses to go on without."""
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class TlsNegotiation(enum.StrEnum):
    """libpq's sslnegotiation."""

    POSTGRES = "postgres"
    """Asked for in PostgreSQL's protocol first."""
    DIRECT = "direct"
    """TLS from the first byte; servers from PostgreSQL 17 on."""


class TargetSessionAttrs(enum.StrEnum):
    """libpq's target_session_attrs: which of several hosts will do."""

    ANY = "any"
    READ_WRITE = "read-write"
    READ_ONLY = "read-only"
    PRIMARY = "primary"
    STANDBY = "standby"
    PREFER_STANDBY = "prefer-standby"


def as_text(value: object) -> object:
    """YAML reads 1.3 without quotes as a number."""
    return str(value) if isinstance(value, float) else value


class UpstreamTlsSettings(Section):
    """TLS towards the server."""

    mode: UpstreamTlsMode = Field(default=UpstreamTlsMode.DISABLE, examples=["verify-full"])
    ca: ReadableFile | None = Field(default=None, examples=["server-ca.crt"])
    certificate: ReadableFile | None = Field(default=None, examples=["dbguard.crt"])
    key: ReadableFile | None = Field(default=None, examples=["dbguard.key"])
    minimum_version: TlsVersion = Field(default=TlsVersion.TLS_1_2, examples=['"1.3"'])
    negotiation: TlsNegotiation = Field(default=TlsNegotiation.POSTGRES, examples=["direct"])

    _text = field_validator("minimum_version", mode="before")(as_text)

    @field_validator("negotiation")
    @classmethod
    def _no_way_back(cls, value: TlsNegotiation, info: ValidationInfo) -> TlsNegotiation:
        weak = (UpstreamTlsMode.DISABLE, UpstreamTlsMode.ALLOW, UpstreamTlsMode.PREFER)
        if value is TlsNegotiation.DIRECT and info.data.get("mode") in weak:
            raise ValueError("direct needs mode require, verify-ca or verify-full")
        return value


class UpstreamSettings(Section):
    """The PostgreSQL server that statements go to."""

    host: Host = Field(default="127.0.0.1", examples=["db.internal"])
    """A name or address, or the folder of its Unix socket, which begins with a slash; several
    separated by commas are one cluster's servers, tried in this order."""
    port: Ports = Field(default=(5432,), examples=["5432"])
    """One for all hosts, or one for each, separated by commas."""
    target_session_attrs: TargetSessionAttrs = Field(
        default=TargetSessionAttrs.ANY, examples=["read-write"]
    )
    tls: UpstreamTlsSettings = Field(
        default=UpstreamTlsSettings(), examples=["{mode: verify-full, ca: server-ca.crt}"]
    )

    @field_validator("host")
    @classmethod
    def _hosts(cls, value: str) -> str:
        if "" in value.split(","):
            raise ValueError("must be names separated by single commas")
        return value

    @field_validator("port")
    @classmethod
    def _one_or_each(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        hosts = str(info.data.get("host", "")).split(",")
        if len(value) not in (1, len(hosts)):
            raise ValueError("must be one port, or as many as there are hosts")
        if len(set(zip(hosts, value * (len(hosts) // len(value)), strict=True))) < len(hosts):
            raise ValueError("must not name the same server twice")
        return value

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each server, in the order in which they are tried."""
        hosts = self.host.split(",")
        ports = self.port if len(self.port) > 1 else self.port * len(hosts)
        return tuple(zip(hosts, ports, strict=True))


class CatalogSettings(Section):
    """The control connection that reads the catalog."""

    dsn: Secret = Field(examples=["postgresql://dbguard@127.0.0.1:5432/postgres"])

    _check = field_validator("dsn")(check_dsn)


class BackupFormat(enum.StrEnum):
    """pg_dump's formats that can be restored in part."""

    CUSTOM = "custom"
    """One file."""
    DIRECTORY = "directory"
    """A folder with a file for each table."""


class TakeScope(enum.StrEnum):
    """What is in a backup that is taken while a client waits."""

    OBJECTS = "objects"
    """The rows that the statement can destroy, and the definitions of everything."""
    DATABASE = "database"


class KeepSettings(Section):
    """Which backups pruning leaves; the newest proven one of a database in any
    case."""

    days: Days | None = Field(default=None, ge=1, le=36_600, examples=["30d"])
    """Those that are not older."""
    count: Count | None = Field(default=None, ge=1, le=100_000, examples=["10"])
    """The newest so many of each database."""


class LocationSettings(Section):
    """Where dumps are kept, if not in the directory: a bucket of S3 or of what speaks its
    protocol."""

    url: str = Field(
        max_length=300,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?$",
        examples=["s3://clinic-backups/dbguard"],
    )
    """Bucket, and how names of objects begin."""
    region: str | None = Field(default=None, pattern=r"^[a-z0-9-]+$", examples=["eu-central-1"])
    endpoint: HttpUrl | None = Field(default=None, examples=["https://minio.internal:9000"])
    access_key: ReadSecret | None = Field(default=None, examples=['"env:AWS_ACCESS_KEY_ID"'])
    secret_key: ReadSecret | None = Field(default=None, examples=['"file:s3.secret"'])
    ca: ReadableFile | None = Field(default=None, examples=["minio-ca.crt"])
    timeout: Seconds = Field(default=30.0, ge=1, le=600, examples=["30s"])
    """How long an answer may take."""
    unencrypted: bool = Field(default=False, examples=["true"])
    """Dumps may go there as they are, with all data to be read in them."""

    @model_validator(mode="after")
    def _fits(self) -> LocationSettings:
        check_both(self, "access_key", "secret_key")
        if is_open(self.endpoint):
            raise ValueError("dumps and signatures would go in clear text; use https")
        return self


def _as_location(value: object) -> object:
    """`s3://…` alone is its URL."""
    return {"url": value} if isinstance(value, str) else value


class BackupSettings(Section):
    """How `dbguard backup` reaches the database, where dumps go, whose backups count besides."""

    dsn: Secret | None = Field(default=None, examples=["file:backup-dsn.txt"])
    """A role that may read everything and create databases; the database name is replaced."""
    directory: ResolvedPath = Field(default=Path("backups"), examples=["backups/"])
    binaries: ResolvedPath | None = Field(default=None, examples=["/usr/lib/postgresql/17/bin"])
    providers: dict[ProviderName, ProviderSettings] = Field(
        default={}, max_length=MOST_PROVIDERS, examples=["{main: {kind: pgbackrest, stanza: main}}"]
    )
    """Tools whose backups count as well, by the names under which refusals speak of them."""
    format: BackupFormat = Field(default=BackupFormat.CUSTOM, examples=["directory"])
    jobs: Count = Field(default=1, ge=1, le=64, examples=["4"])
    """Connections that pg_dump uses at a time, in the directory format."""
    key: ReadSecret | None = Field(default=None, examples=["file:backup.key"])
    """32 bytes in base64 or hexadecimal digits: dumps are encrypted with it."""
    take: TakeScope = Field(default=TakeScope.OBJECTS, examples=["database"])
    take_timeout: Seconds = Field(default=900.0, ge=1, le=86_400, examples=["15m"])
    """How long a backup may take that a client waits for."""
    keep: KeepSettings = Field(default=KeepSettings(), examples=["{days: 7}"])
    location: Annotated[LocationSettings | None, BeforeValidator(_as_location)] = Field(
        default=None, examples=["s3://clinic-backups/dbguard"]
    )
    """Where finished dumps go; none: they stay in the directory."""

    @field_validator("providers")
    @classmethod
    def _not_own(cls, value: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
        if OWN_PROVIDER in value:
            raise ValueError(f"{OWN_PROVIDER} is the name of dbguard's own backups")
        return value

    @field_validator("dsn")
    @classmethod
    def _check(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else check_dsn(value)

    @model_validator(mode="after")
    def _something(self) -> BackupSettings:
        if self.dsn is None and not self.providers:
            raise ValueError("needs dsn for backups of dbguard's own, or providers")
        if self.location is not None:
            self._fits_location(self.location)
        return self

    def _fits_location(self, location: LocationSettings) -> None:
        if self.dsn is None:
            raise ValueError("location is where dbguard's own backups go, which need dsn")
        if self.key is None and not location.unencrypted:
            raise ValueError(
                "location needs a key, since dumps hold all data and leave this machine with it; "
                "or say location: {unencrypted: true}"
            )
        if self.key is not None and location.unencrypted:
            raise ValueError("with a key dumps are encrypted: leave out location.unencrypted")


class NamedUpstreamSettings(UpstreamSettings):
    """One more server, for the databases that it names."""

    databases: Names = Field(examples=['["clinic_eu", "eu_*"]'])
    """Names, and patterns in which `*` stands for any text."""
    catalog: CatalogSettings = Field(examples=["{dsn: file:eu-catalog-dsn.txt}"])
    """Of the URL the role and its options count; host and port are the upstream's."""
    backup: BackupSettings | None = Field(default=None, examples=["{dsn: file:eu-backup-dsn.txt}"])

    @field_validator("databases")
    @classmethod
    def _possible(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not name or len(name.encode()) > NAME_BYTES:
                raise ValueError(f"names must have between 1 and {NAME_BYTES} bytes")
        if len(set(value)) < len(value):
            raise ValueError("must name each database once")
        return value
