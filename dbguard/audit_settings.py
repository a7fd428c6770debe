"""Settings of the audit trail: segments, checkpoints, retention."""

from __future__ import annotations

import enum
from pathlib import Path

from pydantic import Field, field_validator

from .server_settings import Section
from .setting_types import Bytes, Days, ResolvedPath, Seconds
from .shipping_settings import DestinationSettings


class Durability(enum.StrEnum):
    """When a decision record has to be on disk."""

    DURABLE = "durable"
    """Synced before the statement runs."""
    BUFFERED = "buffered"
    """Written before the statement runs, synced within 50 ms: survives the process only."""


class SegmentSettings(Section):
    """When a file of the trail is full, and what becomes of it then."""

    size: Bytes = Field(default=64 * 1024**2, ge=64 * 1024, le=4 * 1024**3, examples=["64MiB"])
    age: Seconds = Field(default=86_400.0, ge=1, le=366 * 86_400, examples=["24h"])
    """A segment that is older than this is ended with its next record."""
    compress: bool = Field(default=True, examples=["true"])


class CheckpointSettings(Section):
    """Signed statements of how far the chain has come."""

    every: Seconds = Field(default=60.0, ge=1, le=86_400, examples=["60s"])
    key: ResolvedPath | None = Field(default=None, examples=["keys/audit.key"])
    """Ed25519 key (PEM, PKCS 8); made at the first start. Default: beside the directory, with
    `.key` behind its name."""


class RetentionSettings(Section):
    """How long records are kept."""

    keep: Days = Field(default=2192, ge=1, le=36_600, examples=["6y"])
    """Days; six years are what 45 CFR 164.316(b)(2)(i) wants."""


class OriginalTextSettings(Section):
    """Statements as they came, beside their redacted form, for an auditor's key only."""

    public_key: ResolvedPath = Field(examples=["keys/auditor.pub"])
    """X25519 (PEM), of the pair that `dbguard audit key auditor` makes."""
    max_bytes: Bytes = Field(default=16 * 1024, ge=256, le=1024**2, examples=["16KiB"])
    """Of one statement; what is longer is cut."""


class AuditSettings(Section):
    """Where decision records go."""

    directory: ResolvedPath = Field(default=Path("audit"), examples=["audit/"])
    durability: Durability = Field(default=Durability.DURABLE, examples=["durable"])
    writer: str = Field(
        default="", max_length=32, pattern=r"^([a-z0-9][a-z0-9_-]*)?$", examples=["eu-1"]
    )
    """A chain of its own in this folder of the directory, for several that share it."""

    segments: SegmentSettings = Field(
        default=SegmentSettings(), examples=["{size: 64MiB, age: 24h}"]
    )
    checkpoints: CheckpointSettings = Field(
        default=CheckpointSettings(), examples=["{every: 60s, key: keys/audit.key}"]
    )
    retention: RetentionSettings = Field(default=RetentionSettings(), examples=["{keep: 6y}"])
    original_text: OriginalTextSettings | None = Field(
        default=None, examples=["{public_key: keys/auditor.pub}"]
    )
    ship: tuple[DestinationSettings, ...] = Field(
        default=(), examples=["[{name: second-place, type: file, directory: /mnt/worm/audit}]"]
    )
    """Places that copies of the trail go to."""

    @field_validator("ship")
    @classmethod
    def _names(cls, value: tuple[DestinationSettings, ...]) -> tuple[DestinationSettings, ...]:
        if len({destination.name for destination in value}) < len(value):
            raise ValueError("each destination needs a name of its own")
        return value

    @field_validator("writer")
    @classmethod
    def _not_the_operators(cls, writer: str) -> str:
        if writer == "operator":
            raise ValueError("the command line writes to the chain of this name")
        return writer

    @property
    def chain(self) -> Path:
        """The folder of this writer's own chain."""
        return self.directory / self.writer if self.writer else self.directory

    @property
    def signing_key(self) -> Path:
        if self.checkpoints.key is not None:
            return self.checkpoints.key
        return self.directory.with_name(self.directory.name + ".key")
