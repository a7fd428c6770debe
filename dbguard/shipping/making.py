"""From settings to destinations and deliveries."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dbguard.errors import ConfigurationError
from dbguard.shipping_settings import (
    Compression,
    DestinationSettings,
    DestinationType,
    SyslogTransport,
)

from .client_tls import client_context
from .delivering import Delivery, Load, Pace
from .destination import Destination
from .file_copy import FileCopy
from .kafka import KafkaTopic
from .otlp import OtlpReceiver
from .postgresql import PostgresqlCopy
from .s3 import Bucket, S3Copy
from .status import Tell
from .syslog import SyslogReceiver

_EXTRAS: Final = {DestinationType.S3: "boto3", DestinationType.KAFKA: "confluent_kafka"}
"""Types that need more than dbguard's own dependencies, and the module that they need; the extra
has the name of the type."""


def check_installed(destinations: Sequence[DestinationSettings]) -> None:
    """Raises ConfigurationError when a destination needs a package that is not there."""
    for settings in destinations:
        module = _EXTRAS.get(settings.type)
        if module is not None and importlib.util.find_spec(module) is None:
            raise ConfigurationError(
                f"audit.ship: destination {settings.name} needs the package {module}",
                hint=f"Install it: pip install 'dbguard[{settings.type}]'.",
            )


def make_destination(settings: DestinationSettings, tell: Tell) -> Destination:
    """Raises ConfigurationError when a file that the settings name cannot be used."""
    match settings.type:
        case DestinationType.FILE:
            assert settings.directory is not None
            return FileCopy(settings.name, settings.directory)
        case DestinationType.POSTGRESQL:
            assert settings.dsn is not None
            return PostgresqlCopy(
                settings.name, settings.dsn, settings.schema_name, settings.timeout, tell
            )
        case DestinationType.S3:
            return make_s3(settings)
        case DestinationType.SYSLOG:
            assert settings.address is not None
            secure = settings.transport is SyslogTransport.TLS
            return SyslogReceiver(
                settings.name,
                settings.address,
                settings.transport,
                client_context(settings.name, settings.tls) if secure else None,
                settings.structured_data_id,
                settings.max_bytes,
                tell,
            )
        case DestinationType.OTLP:
            assert settings.url is not None
            return OtlpReceiver(
                settings.url,
                settings.headers,
                client_context(settings.name, settings.tls),
                compress=settings.compression is Compression.GZIP,
            )
        case DestinationType.KAFKA:
            assert settings.servers is not None
            assert settings.topic is not None
            return KafkaTopic(
                settings.name,
                settings.servers,
                settings.topic,
                settings.options,
                settings.timeout,
            )


def make_s3(settings: DestinationSettings) -> S3Copy:
    """The destination of an `s3` entry."""
    assert settings.bucket is not None
    bucket = Bucket(
        settings.bucket,
        settings.prefix,
        settings.region,
        settings.endpoint,
        settings.access_key,
        settings.secret_key,
        settings.lock,
        settings.tls.ca if settings.tls else None,
    )
    return S3Copy(settings.name, bucket, settings.timeout)


def make_delivery(
    trail: Path,
    settings: DestinationSettings,
    tell: Tell,
    *,
    by_hand: bool = False,
    pace: Pace | None = None,
) -> Delivery:
    """The delivery of one entry of `audit.ship`. Raises ConfigurationError."""
    load = Load()
    if settings.type is DestinationType.S3:
        # an object costs a request, and is locked for years: few large ones
        load = Load(records=20_000, size=8 * 1024 * 1024, gather=settings.every)
    return Delivery(
        trail,
        settings,
        make_destination(settings, tell),
        tell,
        by_hand=by_hand,
        pace=pace,
        load=load,
    )
