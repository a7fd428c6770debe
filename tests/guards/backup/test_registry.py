"""The registry keeps what it is given, refuses what it cannot read, and creates nothing to read."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbguard.errors import BackupError
from dbguard.guards.backup.model import Backup, BackupStatus, DatabaseIdentity, RowCounts
from dbguard.guards.backup.registry import BackupRegistry

MOMENT = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
VERIFIED = Backup(
    "20260301_120000_aaaaaa",
    DatabaseIdentity("7001", "clinic", 16400),
    MOMENT,
    MOMENT,
    BackupStatus.VERIFIED,
    Path("/backups/a.dump"),
    1234,
    "ab" * 32,
    MOMENT,
    RowCounts.of({"clinic.patients": 10, "clinic.«ü»": 0}),
    "pg_dump (PostgreSQL) 18.1",
)
FAILED = Backup("20260301_110000_bbbbbb", VERIFIED.database, MOMENT, MOMENT, BackupStatus.FAILED)


@pytest.fixture
def registry(tmp_path: Path) -> BackupRegistry:
    return BackupRegistry(tmp_path / "new" / "state.db")


def test_round_trip(registry: BackupRegistry) -> None:
    registry.add(VERIFIED)
    registry.add(FAILED)
    other = replace(VERIFIED, id="x", database=DatabaseIdentity("7001", "other", 1))
    registry.add(other)
    assert set(registry.all()) == {VERIFIED, FAILED, other}
    assert registry.all("other") == (other,)
    assert registry.get(FAILED.id) == FAILED
    assert registry.get("nosuch") is None


def test_reading_creates_no_file(registry: BackupRegistry) -> None:
    assert registry.all() == ()
    assert not registry.path.parent.exists()


def test_verification_is_stored(registry: BackupRegistry) -> None:
    registry.add(VERIFIED)
    failed = replace(VERIFIED, status=BackupStatus.FAILED, error="changed")
    registry.set_verification(failed)
    assert registry.get(VERIFIED.id) == failed


def test_same_id_twice(registry: BackupRegistry) -> None:
    registry.add(VERIFIED)
    with pytest.raises(BackupError):
        registry.add(VERIFIED)


def change(registry: BackupRegistry, statement: str) -> None:
    connection = sqlite3.connect(registry.path)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE backups SET row_counts = '{}'",
        "UPDATE backups SET row_counts = '[1]'",
        "UPDATE backups SET snapshot_at = 'yesterday'",
        "UPDATE backups SET snapshot_at = '2026-03-01T12:00:00'",
        "UPDATE schema_versions SET version = 4",
        "DROP TABLE backups",
    ],
)
def test_what_cannot_be_read_is_an_error(registry: BackupRegistry, statement: str) -> None:
    registry.add(VERIFIED)
    change(registry, statement)
    with pytest.raises(BackupError) as caught:
        registry.all()
    assert caught.value.hint
    assert str(registry.path) in caught.value.detail


@pytest.mark.parametrize("content", [b"not a database, but long enough to be one" * 100])
def test_another_file(registry: BackupRegistry, content: bytes) -> None:
    registry.path.parent.mkdir()
    registry.path.write_bytes(content)
    for act in (registry.all, lambda: registry.add(VERIFIED)):
        with pytest.raises(BackupError, match="registry"):
            act()


def test_directory_in_place_of_the_file(registry: BackupRegistry) -> None:
    registry.path.mkdir(parents=True)
    with pytest.raises(BackupError, match="registry"):
        registry.add(VERIFIED)


def test_read_while_somebody_writes(registry: BackupRegistry) -> None:
    registry.add(VERIFIED)
    writer = sqlite3.connect(registry.path)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM backups")
    assert registry.all() == (VERIFIED,)
    writer.rollback()
    writer.close()
