"""Does a backup satisfy a policy's requirement? Pure: what is on disk comes in as an argument."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dbguard.guards.backup.model import Backup, BackupStatus, DatabaseIdentity
from dbguard.policy.decision import BackupRequirement

CLOCK_TOLERANCE: Final = timedelta(seconds=5)
"""A snapshot from further in the future means that a clock is wrong, and its age is unknown."""


@dataclass(frozen=True, slots=True)
class BackupVerdict:
    """Whether a statement may run, in words for the client when not."""

    satisfied: bool
    backup: Backup | None = None
    """The one that satisfies the requirement."""
    message: str = ""
    detail: str = ""
    hint: str = ""

    @property
    def backup_id(self) -> str | None:
        return None if self.backup is None else self.backup.id

    @property
    def how(self) -> str:
        """How the requirement was met, for the record of the decision."""
        if self.backup is None or self.backup.verified_at is None:
            return "backup missing"
        return (
            f"backup {self.backup.id} of {_second(self.backup.snapshot_at)}, "
            f"verified {_second(self.backup.verified_at)}"
        )


def _second(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """A backup and the size its file has now; None when there is no readable file."""

    backup: Backup
    size_on_disk: int | None


def evaluate(
    requirement: BackupRequirement,
    backups: Iterable[StoredBackup],
    now: datetime,
    database: DatabaseIdentity,
) -> BackupVerdict:
    """The newest backup that counts, or the reason why none does.

    It counts when it is of this database on this server, was verified by restoring it, its
    snapshot is not older than the requirement says, and its file is still there in full.
    """
    max_age = timedelta(seconds=requirement.max_age_seconds)
    newest_first = sorted(backups, key=lambda stored: stored.backup.snapshot_at, reverse=True)
    nearest = ""
    for stored in newest_first:
        objection = _objection(stored, now, database, max_age)
        if objection is None:
            return BackupVerdict(True, stored.backup)
        nearest = nearest or f"Backup {stored.backup.id} does not count: {objection}."
    return BackupVerdict(
        False,
        message=f'a verified backup of database "{database.name}" that is at most '
        f"{describe(max_age)} old is required",
        detail=nearest or "There is no backup of this database.",
        hint=f"Run: {command(database.name)}",
    )


def command(database: str) -> str:
    """The command that makes the missing backup."""
    return f"dbguard backup now --database {shlex.quote(database)}"


def describe(span: timedelta) -> str:
    """A duration in its largest whole units: `1 h`, `1 h 30 min`, `45 s`."""
    seconds = max(0, int(span.total_seconds()))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size:
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(parts[:2]) or "0 s"


def _objection(
    stored: StoredBackup, now: datetime, database: DatabaseIdentity, max_age: timedelta
) -> str | None:
    backup = stored.backup
    age = now - backup.snapshot_at
    if backup.database.server != database.server:
        return "it is of another server"
    if (backup.database.name, backup.database.oid) != (database.name, database.oid):
        return "it is of another database, or of one that was dropped and created again since"
    if backup.status is not BackupStatus.VERIFIED or backup.verified_at is None:
        return "it failed" + (
            f" ({backup.error.split('. ')[0].rstrip('.')})" if backup.error else ""
        )
    if age > max_age:
        return f"it is {describe(age)} old"
    if age < -CLOCK_TOLERANCE:
        return "its time is in the future, so a clock is wrong"
    if stored.size_on_disk is None:
        return "its file is missing"
    if stored.size_on_disk != backup.bytes:
        return "its file does not have the recorded size"
    return None
