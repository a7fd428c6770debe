"""Who takes backups for the servers of the settings."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.errors import BackupError, ConfigurationError
from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.context import BackupContext
from dbguard.guards.backup.dump_file import BackupBusy
from dbguard.guards.backup.model import DumpFormat
from dbguard.guards.backup.objects import Bucket
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.sealing import Key, key_from
from dbguard.guards.backup.store import Store
from dbguard.guards.backup.waiting import BackupTaker
from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.server_settings import BackupSettings, LocationSettings, TakeScope
from dbguard.setting_types import SecretSource
from dbguard.settings import DEFAULT_UPSTREAM, Settings

log = structlog.get_logger(__name__)


def context_of(backup: BackupSettings, settings: Settings) -> BackupContext:
    """What the settings, which name a `dsn`, say of how backups are made.

    Programs get this process's environment, as far as `find_binaries` lets them.
    """
    assert backup.dsn is not None
    return BackupContext(
        access=ServerAccess(backup.dsn.get_secret_value()),
        directory=backup.directory,
        registry=BackupRegistry(settings.state.path),
        clock=lambda: datetime.now(UTC),
        environ=os.environ,
        binaries=backup.binaries,
        format=DumpFormat(backup.format.value),
        jobs=backup.jobs,
        read_key=key_reader(backup.key) if backup.key else None,
        store=Store(bucket_of(backup.location)) if backup.location is not None else None,
    )


def bucket_of(location: LocationSettings) -> Bucket:
    """Raises ConfigurationError when what S3 needs is not installed."""
    if importlib.util.find_spec("boto3") is None:
        raise ConfigurationError(
            "backup.location: a bucket needs boto3", hint="Install it: pip install 'dbguard[s3]'"
        )
    name, _, prefix = location.url.removeprefix("s3://").partition("/")
    return Bucket(
        name,
        prefix.strip("/"),
        location.region,
        location.endpoint,
        location.access_key,
        location.secret_key,
        location.ca,
        location.timeout,
    )


def key_reader(source: SecretSource) -> Callable[[], Awaitable[Key]]:
    """Reads the key anew each time."""

    async def read() -> Key:
        try:
            return key_from(await read_secret(source))
        except SecretUnavailable as error:
            raise BackupError(
                "backup key cannot be read",
                detail=f"{str(error)[:1].upper()}{str(error)[1:]}.",
                hint="Check backup.key in the settings of dbguard.",
            ) from None

    return read


def backup_takers(settings: Settings, audit: AsyncAudit) -> dict[str, BackupTaker]:
    """By upstream, for those whose settings say how backups are made."""

    def record(fields: Mapping[str, str]) -> None:
        audit.append(EventRecord(RecordKind.BACKUP, "", tuple(fields.items())))

    named = {name: upstream.backup for name, upstream in settings.upstreams.items()}
    return {
        name: BackupTaker(
            context_of(backup, settings),
            record,
            backup.take_timeout,
            whole=backup.take is TakeScope.DATABASE,
        )
        for name, backup in {DEFAULT_UPSTREAM: settings.backup, **named}.items()
        if backup is not None and backup.dsn is not None
    }


async def clean_up(takers: Mapping[str, BackupTaker]) -> None:
    """Remove what a process that was killed has left, as far as it can be done now."""
    for taker in takers.values():
        try:
            await taker.clean_up()
        except BackupBusy:
            continue  # whoever is at work has done it
        except BackupError as error:
            log.warning(
                "what a killed backup left cannot be removed yet",
                message=error.message,
                detail=error.detail,
            )


async def end_takers(takers: Mapping[str, BackupTaker]) -> None:
    """Stop what is being taken; nothing is left of it."""
    for taker in takers.values():
        await taker.close()
