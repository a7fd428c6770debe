"""Settings of backup providers: tools of others whose backups count as well."""

from __future__ import annotations

import enum
from typing import Final

from pydantic import Field, field_validator, model_validator

from .setting_types import (
    HttpUrl,
    NamedSecrets,
    ReadableFile,
    ReadSecret,
    ResolvedPath,
    Seconds,
    Section,
    Words,
    check_belonging,
    check_both,
    check_written_dsn,
    is_open,
)


class ProviderKind(enum.StrEnum):
    """Whose inventory is read, and how."""

    BASEBACKUP = "basebackup"
    """A folder of what pg_basebackup wrote."""
    PGBACKREST = "pgbackrest"
    BARMAN = "barman"
    WALG = "walg"
    SQL = "sql"
    """A statement whose rows are backups."""
    COMMAND = "command"
    """A program that prints JSON."""
    HTTP = "http"
    """A URL that answers with JSON."""
    RDS = "rds"
    """Snapshots of an AWS RDS instance."""


REQUIRED: Final = {
    ProviderKind.BASEBACKUP: ("directory",),
    ProviderKind.PGBACKREST: ("stanza",),
    ProviderKind.BARMAN: ("server",),
    ProviderKind.WALG: (),
    ProviderKind.SQL: ("dsn", "statement"),
    ProviderKind.COMMAND: ("program",),
    ProviderKind.HTTP: ("url",),
    ProviderKind.RDS: ("instance",),
}
OPTIONAL: Final = {
    ProviderKind.BASEBACKUP: ("binaries", "verify"),
    ProviderKind.PGBACKREST: ("program", "configuration", "environment", "verify"),
    ProviderKind.BARMAN: ("program", "configuration", "environment", "verify"),
    ProviderKind.WALG: ("program", "configuration", "environment", "verify"),
    ProviderKind.SQL: ("system_identifier",),
    ProviderKind.COMMAND: ("environment", "system_identifier"),
    ProviderKind.HTTP: ("headers", "ca", "system_identifier"),
    ProviderKind.RDS: ("region", "endpoint", "access_key", "secret_key", "system_identifier"),
}
_OF_ALL: Final = ("kind", "timeout")
PROGRAMS: Final = {
    ProviderKind.PGBACKREST: ("pgbackrest",),
    ProviderKind.BARMAN: ("barman",),
    ProviderKind.WALG: ("wal-g",),
}
"""What is run where the settings name no program."""


class ProviderSettings(Section):
    """One provider; which further keys belong to it depends on its kind."""

    kind: ProviderKind = Field(examples=["pgbackrest"])
    timeout: Seconds = Field(default=10.0, ge=0.5, le=60, examples=["10s"])
    """How long a statement waits for the inventory; then it is refused."""

    directory: ResolvedPath | None = Field(default=None, examples=["/srv/basebackups"])
    binaries: ResolvedPath | None = Field(default=None, examples=["/usr/lib/postgresql/17/bin"])
    """Folder of pg_verifybackup."""
    stanza: str | None = Field(
        default=None, max_length=100, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", examples=["main"]
    )
    server: str | None = Field(
        default=None, max_length=100, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", examples=["main"]
    )
    """Barman's name for the server."""
    program: Words | None = Field(default=None, examples=["sudo -n -u postgres pgbackrest"])
    configuration: ResolvedPath | None = Field(
        default=None, examples=["/etc/pgbackrest/pgbackrest.conf"]
    )
    """The tool's own configuration file."""
    environment: NamedSecrets = Field(
        default={}, max_length=64, examples=['{AWS_SECRET_ACCESS_KEY: "file:walg.secret"}']
    )
    """Variables of the program; beside them it gets PATH and HOME only."""
    verify: bool = Field(default=False, examples=["true"])
    """Have the tool check the newest backup, in the background; see docs."""
    dsn: ReadSecret | None = Field(default=None, examples=['"file:inventory-dsn.txt"'])
    statement: str | None = Field(
        default=None, min_length=1, max_length=20_000, examples=["SELECT * FROM ops.backups"]
    )
    url: HttpUrl | None = Field(default=None, examples=["https://backups.internal/inventory"])
    headers: NamedSecrets = Field(
        default={}, max_length=32, examples=['{Authorization: "file:backups.token"}']
    )
    ca: ReadableFile | None = Field(default=None, examples=["backups-ca.crt"])
    instance: str | None = Field(
        default=None, max_length=63, pattern=r"^[A-Za-z][A-Za-z0-9-]*$", examples=["clinic-prod"]
    )
    region: str | None = Field(default=None, pattern=r"^[a-z0-9-]+$", examples=["eu-central-1"])
    endpoint: HttpUrl | None = Field(
        default=None, examples=["https://rds.eu-central-1.amazonaws.com"]
    )
    access_key: ReadSecret | None = Field(default=None, examples=['"env:AWS_ACCESS_KEY_ID"'])
    secret_key: ReadSecret | None = Field(default=None, examples=['"file:rds.secret"'])
    system_identifier: str | None = Field(
        default=None, pattern=r"^[0-9]{1,20}$", examples=['"7001234567890123456"']
    )
    """Of the server that the backups are of, where the inventory does not tell."""

    @field_validator("system_identifier", mode="before")
    @classmethod
    def _digits(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    _postgresql = field_validator("dsn")(check_written_dsn)

    @model_validator(mode="after")
    def _of_its_kind(self) -> ProviderSettings:
        optional = (*_OF_ALL, *OPTIONAL[self.kind])
        check_belonging(self, f"kind {self.kind}", REQUIRED[self.kind], optional)
        check_both(self, "access_key", "secret_key")
        if is_open(self.url or self.endpoint):
            raise ValueError("anybody on the way could invent backups; use https")
        return self
