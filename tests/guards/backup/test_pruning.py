"""Which backups are not kept, and that the last proven one always is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbguard.guards.backup.model import Backup, BackupStatus, DatabaseIdentity
from dbguard.guards.backup.pruning import superfluous

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def backup(
    name: str, days: float, *, failed: bool = False, part: bool = False, of: str = "clinic"
) -> Backup:
    moment = NOW - timedelta(days=days)
    status = BackupStatus.FAILED if failed else BackupStatus.VERIFIED
    return Backup(
        name,
        DatabaseIdentity("1", of, 5),
        moment,
        moment,
        status,
        path=Path(name),
        tables=(1,) if part else None,
    )


MANY = [backup("a", 1), backup("b", 5), backup("c", 20), backup("d", 90)]


@pytest.mark.parametrize(
    ("backups", "days", "count", "gone"),
    [
        (MANY, None, None, ""),
        (MANY, 10, None, "dc"),
        (MANY, None, 1, "dcb"),
        (MANY, 10, 3, "d"),
        (MANY, 1, 4, ""),
        ([backup("a", 90)], 1, None, ""),  # the last one
        ([backup("a", 1, failed=True), backup("b", 90)], 10, None, ""),  # the last proven one
        ([backup("a", 80, failed=True), backup("b", 90)], 10, None, "a"),
        ([backup("a", 30, part=True), backup("b", 90)], 10, None, ""),  # the last whole one
        ([backup("a", 30, part=True), backup("b", 40, part=True), backup("c", 90)], 10, None, "b"),
        ([backup("a", 90), backup("b", 90, of="other")], 1, None, ""),  # of each database
        ([backup("a", 80), backup("b", 90), backup("c", 95, of="other")], 1, None, "b"),
    ],
)
def test_what_is_pruned(
    backups: list[Backup], days: int | None, count: int | None, gone: str
) -> None:
    assert "".join(b.id for b in superfluous(backups, NOW, days, count)) == gone
