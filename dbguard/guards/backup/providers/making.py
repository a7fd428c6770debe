"""From settings to providers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dbguard.authorities import trusting
from dbguard.errors import ConfigurationError
from dbguard.guards.backup.binaries import packaged
from dbguard.guards.backup.model import Clock
from dbguard.provider_settings import PROGRAMS, ProviderKind, ProviderSettings

from .barman import Barman
from .basebackup import BaseBackups
from .command import Command
from .http import Http
from .limited import Limited, Source
from .pgbackrest import PgBackRest
from .proving import Proofs
from .rds import Rds
from .running import Program
from .sql import Sql
from .stated import Statements
from .walg import WalG

_PATIENCE: Final = 0.1
"""The part of the time limit that is spent waiting for a check that has just begun."""
_CONFIGURATION: Final = {
    ProviderKind.PGBACKREST: "--config={}",
    ProviderKind.BARMAN: "--config={}",
    ProviderKind.WALG: "--config={}",
}


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers of one server, and what runs behind them."""

    all: tuple[Limited, ...]
    proofs: Proofs | None = None

    async def close(self) -> None:
        if self.proofs is not None:
            await self.proofs.close()


def make_providers(
    settings: Mapping[str, ProviderSettings],
    address: tuple[str, int],
    clock: Clock,
    *,
    proving: bool = True,
) -> Providers:
    """The providers that the settings name, of the server at `address`.

    `proving` false: no tool checks whole backups, whatever the settings say; for whoever looks once
    and goes. Raises ConfigurationError.
    """
    proofs = Proofs(clock) if proving and any(one.verify for one in settings.values()) else None
    made = tuple(
        Limited(_source(name, one, address, proofs if one.verify else None), one.kind, one.timeout)
        for name, one in settings.items()
    )
    return Providers(made, proofs)


def _source(
    name: str, settings: ProviderSettings, address: tuple[str, int], proofs: Proofs | None
) -> Source:
    stated = Statements(name, settings.system_identifier)
    patience = settings.timeout * _PATIENCE
    match settings.kind:
        case ProviderKind.BASEBACKUP:
            assert settings.directory is not None
            verifier = _verifier(name, settings) if proofs else None
            return BaseBackups(name, settings.directory, verifier, proofs, patience)
        case ProviderKind.PGBACKREST:
            assert settings.stanza is not None
            return PgBackRest(name, _program(settings), settings.stanza, proofs, patience)
        case ProviderKind.BARMAN:
            assert settings.server is not None
            return Barman(name, _program(settings), settings.server, proofs, patience)
        case ProviderKind.WALG:
            return WalG(name, _program(settings), settings.verify)
        case ProviderKind.SQL:
            assert settings.dsn is not None
            assert settings.statement is not None
            return Sql(name, settings.dsn, settings.statement, stated, settings.timeout)
        case ProviderKind.COMMAND:
            return Command(name, _program(settings), stated)
        case ProviderKind.HTTP:
            assert settings.url is not None
            return Http(
                name,
                settings.url,
                settings.headers,
                trusting(settings.ca, f"Name such a file in backup.providers.{name}.ca."),
                stated,
                settings.timeout,
            )
        case ProviderKind.RDS:
            assert settings.instance is not None
            check_boto3(name)
            return Rds(
                name,
                settings.instance,
                address,
                settings.timeout,
                settings.region,
                settings.endpoint,
                settings.access_key,
                settings.secret_key,
                settings.system_identifier,
            )


def check_providers(settings: Mapping[str, ProviderSettings]) -> None:
    """Raises ConfigurationError for what can be seen to be wrong without asking anybody."""
    never = datetime.min.replace(tzinfo=UTC)
    make_providers(settings, ("", 0), lambda: never)


def check_boto3(name: str) -> None:
    """Raises ConfigurationError when the package that `rds` needs is not there."""
    if importlib.util.find_spec("boto3") is None:
        raise ConfigurationError(
            f"backup.providers.{name}: kind rds needs the package boto3",
            hint="Install it: pip install 'dbguard[s3]'.",
        )


def _program(settings: ProviderSettings) -> Program:
    words = settings.program or PROGRAMS[settings.kind]
    if settings.configuration is not None:
        words = (*words, _CONFIGURATION[settings.kind].format(settings.configuration))
    return Program(words, settings.environment)


def _verifier(name: str, settings: ProviderSettings) -> Program:
    """pg_verifybackup, of the newest installation where the settings name none."""
    for folder in packaged() if settings.binaries is None else [settings.binaries]:
        if (folder / "pg_verifybackup").is_file():
            return Program((str(folder / "pg_verifybackup"),))
    raise ConfigurationError(
        f"backup.providers.{name}: pg_verifybackup is not there",
        hint="Install PostgreSQL's server programs, or name their folder in binaries.",
    )
