"""The requirement: what counts, what does not, and what the client is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbguard.guards.backup.model import Backup, BackupStatus, DatabaseIdentity, RowCounts
from dbguard.guards.backup.requirement import StoredBackup, describe, evaluate
from dbguard.policy.decision import BackupRequirement

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLINIC = DatabaseIdentity("7001", "clinic", 16400)
RULE = BackupRequirement("ddl-needs-backup", 3600)


def stored(
    *, age: float = 60, size: int | None = 10, at: DatabaseIdentity = CLINIC, **fields: object
) -> StoredBackup:
    snapshot_at = NOW - timedelta(seconds=age)
    backup = Backup(
        f"b{age}",
        at,
        snapshot_at,
        NOW,
        BackupStatus.VERIFIED,
        Path("/b.dump"),
        10,
        "00",
        verified_at=NOW,
        counts=RowCounts.of({"t": 1}),
    )
    return StoredBackup(replace(backup, **fields), size)  # type: ignore[arg-type]


@pytest.mark.parametrize("age", [0, 1, 3599, 3600, -4])
def test_counts(age: float) -> None:
    verdict = evaluate(RULE, [stored(age=age)], NOW, CLINIC)
    assert (verdict.satisfied, verdict.backup_id) == (True, f"b{age}")


@pytest.mark.parametrize(
    ("backup", "because"),
    [
        (stored(age=3601), "it is 1 h 1 s old"),
        (stored(age=7 * 86400 + 7200), "it is 7 d 2 h old"),
        (stored(age=-60), "a clock is wrong"),
        (stored(size=None), "its file is missing"),
        (stored(size=9), "recorded size"),
        (stored(size=0), "recorded size"),
        (stored(status=BackupStatus.FAILED), "it failed"),
        (
            stored(status=BackupStatus.FAILED, error="dump failed. Exit 1."),
            "it failed (dump failed)",
        ),
        (stored(verified_at=None), "it failed"),
        (stored(at=replace(CLINIC, server="7002")), "another server"),
        (stored(at=replace(CLINIC, oid=16401)), "dropped and created again"),
        (stored(at=replace(CLINIC, name="other")), "another database"),
    ],
)
def test_does_not_count(backup: StoredBackup, because: str) -> None:
    verdict = evaluate(RULE, [backup], NOW, CLINIC)
    assert not verdict.satisfied
    assert verdict.backup_id is None
    assert verdict.message == (
        'a verified backup of database "clinic" that is at most 1 h old is required'
    )
    assert because in verdict.detail
    assert verdict.hint == "Run: dbguard backup now --database clinic"


def test_none_at_all() -> None:
    verdict = evaluate(RULE, [], NOW, CLINIC)
    assert not verdict.satisfied
    assert "There is no backup of this database." in verdict.detail


def test_an_older_good_one_counts_beside_a_newer_bad_one() -> None:
    bad = stored(age=10, status=BackupStatus.FAILED)
    verdict = evaluate(RULE, [bad, stored(age=100)], NOW, CLINIC)
    assert verdict.backup_id == "b100"


def test_age_is_that_of_the_snapshot_not_of_the_end() -> None:
    backup = stored(age=4000, finished_at=NOW, verified_at=NOW)
    assert not evaluate(RULE, [backup], NOW, CLINIC).satisfied


def test_names_are_quoted_for_the_shell() -> None:
    verdict = evaluate(RULE, [], NOW, DatabaseIdentity("1", "my db; rm", 1))
    assert verdict.hint == "Run: dbguard backup now --database 'my db; rm'"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (90, "1 min 30 s"), (3600, "1 h"), (90061, "1 d 1 h")],
)
def test_describe(seconds: int, text: str) -> None:
    assert describe(timedelta(seconds=seconds)) == text
