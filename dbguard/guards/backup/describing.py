"""What the audit trail says of a backup."""

from __future__ import annotations

from datetime import UTC, datetime

from dbguard.guards.backup.model import Backup


def described(backup: Backup) -> dict[str, str]:
    """The fields of a record about `backup`."""
    return {
        "backup": backup.id,
        "database": backup.database.name,
        "server": backup.database.server,
        "snapshot_at": _time(backup.snapshot_at),
        "verified_at": _time(backup.verified_at) if backup.verified_at else "",
        "bytes": str(backup.bytes),
        "sha256": backup.sha256,
        "tables": str(len([name for name, _ in backup.counts.tables if not name.startswith("(")])),
        "rows": str(backup.counts.rows),
        "tool": backup.tool,
        **({"part": "rows of some tables"} if backup.tables is not None else {}),
        **({"key": backup.key} if backup.key else {}),
        **({"location": backup.object} if backup.object else {}),
    }


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
