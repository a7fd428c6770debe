"""The disk refuses: nothing acknowledged is lost, nothing lost is acknowledged."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from dbguard.audit.reading import read
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog, Fate
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable
from dbguard.verification.trail import verify

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))
BOTH = pytest.mark.parametrize("durability", list(Durability))


def until_available(log: AuditLog, seconds: float = 3) -> None:
    deadline = time.monotonic() + seconds
    while not log.available:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def recoveries(directory: Path) -> list[EventRecord]:
    return [
        stored.record
        for stored in read(directory)
        if isinstance(stored.record, EventRecord) and stored.kind is RecordKind.RECOVERY
    ]


@BOTH
def test_a_full_disk_refuses_until_there_is_space(
    tmp_path: Path,
    storage,  # type: ignore[no-untyped-def]
    durability: Durability,
) -> None:
    log = AuditLog.open(tmp_path, storage=storage, durability=durability)
    log.wait(log.append(EVENT), timeout=60)
    kept = (tmp_path / "audit-000001.jsonl").read_bytes()
    storage.space = 100  # less than a record
    lost = log.append(EVENT)
    with pytest.raises(AuditUnavailable) as caught:
        log.wait(lost, timeout=60)
    assert caught.value.sqlstate == "58030"
    assert caught.value.message == "the audit log cannot be written"
    assert "ENOSPC" in caught.value.detail
    assert caught.value.hint
    assert not log.available
    assert log.failure is not None
    assert (tmp_path / "audit-000001.jsonl").read_bytes() == kept  # no half record left behind
    also_lost = log.append(EVENT)
    with pytest.raises(AuditUnavailable):
        log.wait(also_lost, timeout=60)

    storage.space = None
    until_available(log)  # by itself, with nobody appending
    log.wait(log.append(EVENT), timeout=60)
    assert log.fate(lost) is log.fate(also_lost) is Fate.LOST  # for ever
    assert log.fate(1) is Fate.KEPT
    log.close()
    (recovery,) = recoveries(tmp_path)
    assert recovery.field("error") == "ENOSPC"
    assert recovery.field("records_lost") == "2"
    verification = verify(tmp_path)
    assert verification.ok
    assert verification.records == 3


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_a_failed_sync_loses_what_it_was_for(tmp_path: Path, storage, error: int) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    log.wait(log.append(EVENT), timeout=60)
    storage.failing["fdatasync"] = error
    lost = log.append(EVENT)
    with pytest.raises(AuditUnavailable, match="cannot be written"):
        log.wait(lost, timeout=60)
    assert (tmp_path / "audit-000001.jsonl").read_bytes().count(b"\n") == 1
    storage.failing.clear()
    until_available(log)
    log.close()
    assert verify(tmp_path).ok


def test_a_failed_write_that_cannot_be_cut_off_is_cut_off_later(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    log.wait(log.append(EVENT), timeout=60)
    storage.failing.update({"fdatasync": errno.EIO, "truncate": errno.EIO})
    with pytest.raises(AuditUnavailable):
        log.wait(log.append(EVENT), timeout=60)
    assert (tmp_path / "audit-000001.jsonl").read_bytes().count(b"\n") == 2
    storage.failing.clear()
    until_available(log)
    log.close()
    assert verify(tmp_path).ok
    assert [s.kind for s in read(tmp_path)] == ["connect", "recovery"]


def test_buffered_records_survive_a_failed_sync(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage, durability=Durability.BUFFERED)
    storage.failing["fdatasync"] = errno.EIO
    kept = log.append(EVENT)
    log.wait(kept, timeout=60)
    deadline = time.monotonic() + 60
    while log.available:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    storage.calls.clear()
    storage.failing.clear()
    until_available(log)
    assert "pwrite" in storage.calls  # written again before it was synced again
    assert log.fate(kept) is Fate.KEPT
    log.close()
    path = tmp_path / "audit-000001.jsonl"
    assert storage.durable[path] == path.read_bytes()
    assert verify(tmp_path).ok


def test_a_head_that_cannot_be_written_stops_the_log_but_loses_nothing(
    tmp_path: Path,
    storage,  # type: ignore[no-untyped-def]
) -> None:
    log = AuditLog.open(tmp_path, storage=storage)
    storage.failing["pwrite head"] = errno.EIO
    kept = log.append(EVENT)
    log.wait(kept, timeout=60)
    deadline = time.monotonic() + 60
    while log.available:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    storage.failing.clear()
    until_available(log)
    log.close()
    (recovery,) = recoveries(tmp_path)
    assert recovery.field("records_lost") == "0"
    verification = verify(tmp_path)
    assert verification.ok
    assert verification.notes == ()


@pytest.mark.parametrize("operation", ["open", "sync_directory", "pwrite", "fdatasync"])
@BOTH
def test_a_new_segment_that_cannot_be_made_is_made_later(
    tmp_path: Path,
    storage,  # type: ignore[no-untyped-def]
    operation: str,
    durability: Durability,
) -> None:
    log = AuditLog.open(tmp_path, storage=storage, segment_bytes=10, durability=durability)
    log.wait(log.append(EVENT), timeout=60)
    storage.failing[operation] = errno.ENOSPC
    deadline = time.monotonic() + 60
    while log.available:  # BUFFERED syncs a little later
        assert time.monotonic() < deadline
        log.append(EVENT)
        time.sleep(0.005)
    storage.failing.clear()
    until_available(log)
    log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert verify(tmp_path).ok
    assert len(list(tmp_path.glob("audit-*"))) >= 3


@BOTH
def test_short_writes_are_continued(tmp_path: Path, storage, durability: Durability) -> None:  # type: ignore[no-untyped-def]
    storage.short = Random(1)
    log = AuditLog.open(tmp_path, storage=storage, durability=durability)
    for _ in range(50):
        log.wait(log.append(EVENT), timeout=60)
    log.close()
    verification = verify(tmp_path)
    assert verification.ok
    assert verification.records == 50


def test_a_defect_in_the_writer_lets_nobody_through(tmp_path: Path, storage, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    monkeypatch.setattr("threading.excepthook", lambda _args: None)
    monkeypatch.setattr(
        "dbguard.audit.journal.link", lambda *_args: (_ for _ in ()).throw(TypeError())
    )
    sequence = log.append(EVENT)
    with pytest.raises(AuditUnavailable):
        log.wait(sequence, timeout=60)
    assert not log.available
    with pytest.raises(AuditUnavailable):
        log.append(EVENT)
    log.close()


@BOTH
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("seed", range(int(os.environ.get("DBGUARD_RANDOM_FAULTS", "4"))))
def test_whatever_fails_and_when(
    tmp_path: Path,
    storage,  # type: ignore[no-untyped-def]
    durability: Durability,
    signed: bool,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Random faults; afterwards the trail verifies and holds exactly what was acknowledged."""
    monkeypatch.setattr("dbguard.audit.writer.PROBE_SECONDS", 0.005)
    monkeypatch.setattr("dbguard.audit.checkpointing.RETRY_SECONDS", 0.005)
    # whoever commits syncs as well, or the thread does for the most part
    monkeypatch.setattr("dbguard.audit.pace.QUICK_SECONDS", 60.0 if seed % 2 else -1.0)
    random = Random(seed)
    storage.short = random
    key = SigningKey(tmp_path / "audit.key") if signed else None
    directory = tmp_path / "audit"
    log = AuditLog.open(
        directory,
        storage=storage,
        segment_bytes=900,
        durability=durability,
        signer=key,
        checkpoint_seconds=0.01,
    )
    kept, lost = set(), set()
    for _ in range(250):
        storage.failing.clear()
        storage.space = None
        if random.random() < 0.4:
            operation = random.choice(
                [
                    "pwrite",
                    "pwrite head",
                    "pwrite checkpoints",
                    "fdatasync",
                    "fdatasync checkpoints",
                    "truncate",
                    "open",
                    "sync_directory",
                ]
            )
            storage.failing[operation] = errno.EIO
        elif random.random() < 0.2:
            storage.space = random.randrange(600)
        waiting = [log.append(EVENT) for _ in range(random.randint(0, 4))]
        if random.random() < 0.3:
            time.sleep(0.002)
        if random.random() < 0.5:
            log.commit()
            waiting += [log.append(EVENT) for _ in range(random.randint(0, 2))]
        for sequence in waiting:
            try:
                log.wait(sequence, timeout=60)
                kept.add(sequence)
            except AuditUnavailable:
                lost.add(sequence)
    storage.failing.clear()
    storage.space = None
    until_available(log)
    assert all(log.fate(sequence) is Fate.KEPT for sequence in kept)
    assert all(log.fate(sequence) is Fate.LOST for sequence in lost)
    log.close()
    verification = verify(directory)
    assert verification.findings == ()
    own = {RecordKind.RECOVERY, RecordKind.KEY}
    assert {s.sequence for s in read(directory) if s.kind not in own} == kept
    assert lost
    AuditLog.open(directory, signer=key).close()
    assert verify(directory).findings == ()


LIMITED = """
import resource, sys
from pathlib import Path
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.writer import AuditLog
from dbguard.errors import AuditUnavailable

log = AuditLog.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
event = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))
kept = 0
try:
    while True:
        log.wait(log.append(event), 5)
        kept += 1
except AuditUnavailable as error:
    print(kept, error.detail)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
while not log.available:
    pass
log.wait(log.append(event), 5)
log.close()
"""


def test_the_operating_system_refuses(tmp_path: Path) -> None:
    """The real files, with a limit that the kernel enforces in the middle of a record."""
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 0, result.stderr
    kept, _, detail = result.stdout.partition(" ")
    assert "EFBIG" in detail
    verification = verify(tmp_path)
    assert verification.ok
    assert verification.records == int(kept) + 2
