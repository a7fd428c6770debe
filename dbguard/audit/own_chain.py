"""Opening a chain for writing as the settings say: the proxy's own, or the operator's."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from dbguard.audit.checkpoints import CHECKPOINTS_NAME
from dbguard.audit.signing import SigningKey
from dbguard.audit.storage import FileStorage
from dbguard.audit.trails import OPERATOR, chains
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import AuditSettings
from dbguard.errors import ConfigurationError

PATIENCE = 5.0
"""Seconds to wait for another command that writes to the operator's chain."""
_LOOK_AGAIN = 0.05


def own_chain(settings: AuditSettings) -> AuditLog:
    """The chain that the proxy of these settings writes. Raises ConfigurationError."""
    return _open(settings, settings.chain)


def operator_chain(settings: AuditSettings, patience: float = PATIENCE) -> AuditLog:
    """The chain in which the command line records its own acts, for the moment.

    `patience`: seconds to wait while another command writes to it. Raises ConfigurationError.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return _open(settings, settings.directory / OPERATOR)
        except ConfigurationError as error:
            if not isinstance(error.__cause__, BlockingIOError) or time.monotonic() >= end:
                raise
        time.sleep(_LOOK_AGAIN)


def signing_key(settings: AuditSettings) -> SigningKey:
    """The key that signs the trail's chains, made if it signs none yet.

    Raises ConfigurationError.
    """
    path = settings.signing_key
    if not path.exists() and (signed := _signed_chain(settings.directory)):
        raise ConfigurationError(
            f"{path}: the key that signs the audit trail is missing, and {signed} is signed",
            hint="Put it back, or name it with audit.checkpoints.key. If it is lost, run "
            "`dbguard audit key rotate --lost`; the trail then says so.",
        )
    return SigningKey(path)


def _signed_chain(directory: Path) -> Path | None:
    if not directory.is_dir():
        return None
    for chain in chains(directory):
        path = chain.folder / CHECKPOINTS_NAME
        if path.exists() and path.stat().st_size:
            return chain.folder
    return None


def _open(settings: AuditSettings, folder: Path) -> AuditLog:
    storage = FileStorage()
    with contextlib.suppress(OSError):  # `AuditLog.open` says what is wrong
        # Before a folder below it, which would leave it open to others.
        storage.prepare(settings.directory)
    return AuditLog.open(
        folder,
        durability=settings.durability,
        storage=storage,
        segment_bytes=settings.segments.size,
        segment_age=settings.segments.age,
        signer=signing_key(settings),
        checkpoint_seconds=settings.checkpoints.every,
    )
