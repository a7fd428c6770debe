"""Settings of shipping: where copies of the audit trail and of its checkpoints go."""

from __future__ import annotations

import enum
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, field_validator, model_validator

from .server_settings import TlsVersion, as_text
from .setting_types import (
    Bytes,
    Days,
    HttpUrl,
    NamedSecrets,
    ReadableFile,
    ReadSecret,
    ResolvedPath,
    Seconds,
    Section,
    check_belonging,
    check_both,
    check_written_dsn,
    is_open,
)


class DestinationType(enum.StrEnum):
    """What kind of place a copy goes to."""

    FILE = "file"
    POSTGRESQL = "postgresql"
    S3 = "s3"
    SYSLOG = "syslog"
    OTLP = "otlp"
    KAFKA = "kafka"


class Sent(enum.StrEnum):
    """What goes to a destination."""

    RECORDS = "records"
    CHECKPOINTS = "checkpoints"


class OnReject(enum.StrEnum):
    """What becomes of a record that a destination will never take."""

    STOP = "stop"
    """Nothing more goes there until somebody has looked."""
    SKIP = "skip"
    """The destination is told which one is missing, and gets the next."""


class SyslogTransport(enum.StrEnum):
    """How messages get to a syslog receiver."""

    TLS = "tls"
    TCP = "tcp"
    UDP = "udp"


class LockMode(enum.StrEnum):
    """S3 Object Lock's retention modes."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


class Compression(enum.StrEnum):
    """How requests are packed."""

    GZIP = "gzip"
    NONE = "none"


class ObjectLockSettings(Section):
    """For how long objects can be neither changed nor removed."""

    mode: LockMode = Field(default=LockMode.COMPLIANCE, examples=["compliance"])
    keep: Days = Field(default=2192, ge=1, le=36_600, examples=["6y"])


class DestinationTlsSettings(Section):
    """TLS towards a destination. Its certificate and name are always checked."""

    ca: ReadableFile | None = Field(default=None, examples=["logs-ca.crt"])
    certificate: ReadableFile | None = Field(default=None, examples=["dbguard.crt"])
    key: ReadableFile | None = Field(default=None, examples=["dbguard.key"])
    minimum_version: TlsVersion = Field(default=TlsVersion.TLS_1_2, examples=['"1.3"'])

    _text = field_validator("minimum_version", mode="before")(as_text)

    @model_validator(mode="after")
    def _pair(self) -> DestinationTlsSettings:
        check_both(self, "certificate", "key")
        return self


def _list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


REQUIRED: Final = {
    DestinationType.FILE: ("directory",),
    DestinationType.POSTGRESQL: ("dsn",),
    DestinationType.S3: ("bucket",),
    DestinationType.SYSLOG: ("address",),
    DestinationType.OTLP: ("url",),
    DestinationType.KAFKA: ("servers", "topic"),
}
OPTIONAL: Final = {
    DestinationType.FILE: (),
    DestinationType.POSTGRESQL: ("schema_name",),
    DestinationType.S3: (
        "prefix", "region", "endpoint", "access_key", "secret_key", "lock", "every", "tls",
    ),
    DestinationType.SYSLOG: ("transport", "max_bytes", "structured_data_id", "tls"),
    DestinationType.OTLP: ("headers", "compression", "tls"),
    DestinationType.KAFKA: ("options",),
}  # fmt: skip
_OF_ALL: Final = ("name", "type", "send", "on_reject", "timeout")
KAFKA_OWN: Final = ("acks", "enable.idempotence", "bootstrap.servers", "transactional.id")
"""librdkafka's settings that decide whether records arrive, and once: not for changing."""


class DestinationSettings(Section):
    """One place that copies go to; which further keys belong to it depends on its type."""

    name: str = Field(
        max_length=32, pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$", examples=["second-place"]
    )
    type: DestinationType = Field(examples=["file"])
    send: Annotated[tuple[Sent, ...], BeforeValidator(_list)] = Field(
        default=(Sent.RECORDS, Sent.CHECKPOINTS), min_length=1, examples=["[checkpoints]"]
    )
    on_reject: OnReject = Field(default=OnReject.STOP, examples=["stop"])
    timeout: Seconds = Field(default=30.0, ge=1, le=600, examples=["30s"])
    """For one batch to be acknowledged."""

    directory: ResolvedPath | None = Field(default=None, examples=["/mnt/worm/audit"])
    dsn: ReadSecret | None = Field(default=None, examples=['"file:ship-dsn.txt"'])
    schema_name: str = Field(
        default="public", max_length=63, pattern=r"^[a-z_][a-z0-9_]*$", examples=["evidence"]
    )
    bucket: str | None = Field(
        default=None, min_length=3, max_length=63, pattern=r"^[a-z0-9.-]+$", examples=["evidence"]
    )
    prefix: str = Field(
        default="dbguard", max_length=200, pattern=r"^[A-Za-z0-9._/-]*$", examples=["dbguard"]
    )
    region: str | None = Field(default=None, pattern=r"^[a-z0-9-]+$", examples=["eu-central-1"])
    endpoint: HttpUrl | None = Field(default=None, examples=["https://minio.internal:9000"])
    access_key: ReadSecret | None = Field(default=None, examples=['"env:AWS_ACCESS_KEY_ID"'])
    secret_key: ReadSecret | None = Field(default=None, examples=['"file:s3.secret"'])
    lock: ObjectLockSettings | None = Field(default=None, examples=["{mode: compliance, keep: 6y}"])
    every: Seconds = Field(default=60.0, ge=1, le=3600, examples=["60s"])
    """How long records are gathered for one object."""
    address: str | None = Field(
        default=None, max_length=270, pattern=r"^[^\s/@]+:[0-9]{1,5}$", examples=["logs:6514"]
    )
    transport: SyslogTransport = Field(default=SyslogTransport.TLS, examples=["tls"])
    max_bytes: Bytes = Field(default=0, ge=0, le=16 * 1024**2, examples=["64KiB"])
    """Of one syslog message; 0: 64 KiB by TCP and TLS, 2,048 bytes by UDP (RFC 5426, 3.2)."""
    structured_data_id: str = Field(
        default="dbguard@32473",
        max_length=32,
        pattern=r"^[!#-<>-?A-\\^-~]+@[0-9]+(\.[0-9]+)*$",
        examples=["dbguard@32473"],
    )
    url: HttpUrl | None = Field(default=None, examples=["https://otel.internal:4318/v1/logs"])
    headers: NamedSecrets = Field(default={}, examples=['{Authorization: "file:otel.secret"}'])
    compression: Compression = Field(default=Compression.GZIP, examples=["gzip"])
    servers: str | None = Field(
        default=None, pattern=r"^[^\s,]+(,[^\s,]+)*$", examples=["kafka1:9093,kafka2:9093"]
    )
    topic: str | None = Field(
        default=None, max_length=249, pattern=r"^[A-Za-z0-9._-]+$", examples=["dbguard-audit"]
    )
    options: dict[str, ReadSecret] = Field(
        default={}, examples=["{security.protocol: SASL_SSL, sasl.password: file:kafka.secret}"]
    )
    tls: DestinationTlsSettings | None = Field(default=None, examples=["{ca: logs-ca.crt}"])

    @field_validator("send")
    @classmethod
    def _each_once(cls, value: tuple[Sent, ...]) -> tuple[Sent, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must name each once")
        return value

    @field_validator("address")
    @classmethod
    def _port(cls, value: str | None) -> str | None:
        if value is not None and not 1 <= int(value.rpartition(":")[2]) <= 65535:
            raise ValueError("must be HOST:PORT with a port between 1 and 65535")
        return value

    _postgresql = field_validator("dsn")(check_written_dsn)

    @field_validator("options")
    @classmethod
    def _free(cls, value: dict[str, ReadSecret]) -> dict[str, ReadSecret]:
        for name in KAFKA_OWN:
            if name in value:
                raise ValueError(f"{name} is dbguard's own to set")
        return value

    @model_validator(mode="after")
    def _of_its_type(self) -> DestinationSettings:
        optional = (*_OF_ALL, *OPTIONAL[self.type])
        check_belonging(self, f"type {self.type}", REQUIRED[self.type], optional)
        check_both(self, "access_key", "secret_key")
        syslog = self.type is DestinationType.SYSLOG
        if self.tls and syslog and self.transport is not SyslogTransport.TLS:
            raise ValueError(f"tls does not belong to transport {self.transport}")
        if (self.headers or self.secret_key) and is_open(self.url or self.endpoint):
            raise ValueError("secrets would be sent in clear text; use https")
        return self

    @property
    def records(self) -> bool:
        return Sent.RECORDS in self.send

    @property
    def checkpoints(self) -> bool:
        return Sent.CHECKPOINTS in self.send
