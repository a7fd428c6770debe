"""BUFFERED records are written by whoever commits them, with no thread in between."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from dbguard.audit.asyncio_front import AsyncAudit
from dbguard.audit.pace import Pace
from dbguard.audit.reading import read
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog, Fate
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable
from dbguard.verification.trail import verify

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))


@pytest.fixture
def log(tmp_path: Path, storage) -> Iterator[AuditLog]:  # type: ignore[no-untyped-def]
    made = AuditLog.open(tmp_path, durability=Durability.BUFFERED, storage=storage)
    yield made
    storage.sync_gate.set()
    made.close()


def committed(log: AuditLog) -> bool:
    """The thread has journal and checkpoints for a moment now and then."""
    deadline = time.monotonic() + 60
    while not log.commit():
        if time.monotonic() > deadline:
            return False
    return True


def test_what_is_committed_is_in_the_file(log: AuditLog, tmp_path: Path) -> None:
    for count in (1, 20, 400):
        sequences = [log.append(EVENT) for _ in range(count)]
        assert committed(log)
        assert {log.fate(sequence) for sequence in sequences} == {Fate.KEPT}
        lines = (tmp_path / "audit-000001.jsonl").read_bytes().count(b"\n")
        assert lines == sequences[-1] == log.durable_sequence
    assert log.pending == 0
    assert verify(tmp_path).ok


def test_commits_go_on_while_the_disk_syncs(log: AuditLog, tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    storage.sync_gate.clear()
    storage.syncing.clear()
    log.append(EVENT)
    assert storage.syncing.wait(5)
    behind = log.append(EVENT)
    assert committed(log)
    assert log.fate(behind) is Fate.KEPT
    path = tmp_path / "audit-000001.jsonl"
    assert path.read_bytes() not in storage.durable.values()
    storage.sync_gate.set()
    deadline = time.monotonic() + 60
    while storage.durable[path] != path.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert verify(tmp_path).ok


def test_a_sync_that_fails_beside_commits_is_made_up_for(
    log: AuditLog,
    tmp_path: Path,
    storage,  # type: ignore[no-untyped-def]
) -> None:
    storage.sync_gate.clear()
    storage.syncing.clear()
    storage.failing["fdatasync"] = errno.EIO
    log.append(EVENT)
    assert storage.syncing.wait(5)
    kept = log.append(EVENT)
    assert committed(log)
    storage.sync_gate.set()
    deadline = time.monotonic() + 60
    while log.available:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    storage.failing.clear()
    while not log.available:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert log.fate(kept) is Fate.KEPT
    log.close()
    path = tmp_path / "audit-000001.jsonl"
    assert storage.durable[path] == path.read_bytes()
    assert [stored.kind for stored in read(tmp_path)] == ["connect", "connect", "recovery"]
    assert verify(tmp_path).ok


def test_a_commit_that_the_disk_refuses_keeps_nothing(
    log: AuditLog,
    tmp_path: Path,
    storage,  # type: ignore[no-untyped-def]
) -> None:
    log.append(EVENT)
    assert committed(log)
    storage.failing["pwrite"] = errno.ENOSPC
    lost = [log.append(EVENT), log.append(EVENT)]
    assert not log.commit()
    with pytest.raises(AuditUnavailable) as caught:
        log.wait(lost[-1], timeout=60)
    assert "ENOSPC" in caught.value.detail
    assert not log.commit()
    assert not log.available
    storage.failing.clear()
    deadline = time.monotonic() + 60
    while not log.available:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    log.append(EVENT)
    assert committed(log)
    assert [log.fate(sequence) for sequence in lost] == [Fate.LOST, Fate.LOST]
    log.close()
    assert [stored.kind for stored in read(tmp_path)] == ["connect", "recovery", "connect"]
    assert verify(tmp_path).ok


def test_new_segments_are_the_threads(tmp_path: Path) -> None:
    key = SigningKey(tmp_path / "audit.key")
    log = AuditLog.open(
        tmp_path / "audit", durability=Durability.BUFFERED, segment_bytes=600, signer=key
    )
    for _ in range(20):
        last = log.append(EVENT)
        log.commit()
        log.wait(last, timeout=60)
    log.close()
    assert len(list((tmp_path / "audit").glob("audit-*.jsonl"))) > 5
    found = verify(tmp_path / "audit")
    assert found.ok
    assert found.records == 21


def test_a_defect_in_a_commit_lets_nobody_through(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threading.excepthook", lambda _args: None)
    monkeypatch.setattr(
        "dbguard.audit.journal.link", lambda *_args: (_ for _ in ()).throw(TypeError())
    )
    lost = log.append(EVENT)
    with pytest.raises((TypeError, AuditUnavailable)):  # the thread may have come first
        log.commit()
        log.wait(lost, timeout=60)
    assert log.fate(lost) is Fate.LOST
    assert not log.available
    with pytest.raises(AuditUnavailable):
        log.append(EVENT)


def test_durable_records_are_not_kept_by_a_commit(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    log.commits.pace.took(60.0)  # so the thread does it
    storage.sync_gate.clear()
    sequence = log.append(EVENT)
    assert not log.commit()
    assert log.fate(sequence) is Fate.PENDING
    storage.sync_gate.set()
    log.wait(sequence, timeout=60)
    log.close()


def test_durable_records_are_kept_by_the_sync_behind_their_commit(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    log.commits.pace.took(60.0)  # so the thread does it
    log.wait(log.append(EVENT), timeout=60)
    storage.sync_gate.clear()
    storage.syncing.clear()
    first = log.append(EVENT)
    log.commit()
    assert storage.syncing.wait(60)
    second = log.append(EVENT)
    assert not log.commit()
    path = tmp_path / "audit-000001.jsonl"
    assert path.read_bytes().count(b"\n") == 3  # written while the disk syncs
    assert log.fate(first) is log.fate(second) is Fate.PENDING
    storage.sync_gate.set()
    log.wait(second, timeout=60)
    assert log.fate(first) is Fate.KEPT
    assert storage.durable[path] == path.read_bytes()
    log.close()
    assert verify(tmp_path).ok


def test_a_durable_sync_that_fails_takes_back_what_was_committed_meanwhile(
    tmp_path: Path,
    storage,  # type: ignore[no-untyped-def]
) -> None:
    log = AuditLog.open(tmp_path, storage=storage)
    log.commits.pace.took(60.0)  # so the thread does it
    log.wait(log.append(EVENT), timeout=60)
    storage.sync_gate.clear()
    storage.syncing.clear()
    storage.failing["fdatasync"] = errno.EIO
    first = log.append(EVENT)
    log.commit()
    assert storage.syncing.wait(60)
    second = log.append(EVENT)
    log.commit()
    storage.sync_gate.set()
    for lost in (first, second):
        with pytest.raises(AuditUnavailable):
            log.wait(lost, timeout=60)
    assert (tmp_path / "audit-000001.jsonl").read_bytes().count(b"\n") == 1
    storage.failing.clear()
    deadline = time.monotonic() + 60
    while not log.available:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert [log.fate(lost) for lost in (first, second)] == [Fate.LOST, Fate.LOST]
    stored = list(read(tmp_path))
    assert [one.kind for one in stored] == ["connect", "recovery", "connect"]
    assert isinstance(stored[1].record, EventRecord)
    assert stored[1].record.field("records_lost") == "2"
    assert verify(tmp_path).ok


def test_a_write_that_fails_while_the_disk_syncs_loses_nothing_but_itself(
    tmp_path: Path,
    storage,  # type: ignore[no-untyped-def]
) -> None:
    log = AuditLog.open(tmp_path, storage=storage)
    log.commits.pace.took(60.0)  # so the thread does it
    log.wait(log.append(EVENT), timeout=60)
    storage.sync_gate.clear()
    storage.syncing.clear()
    first = log.append(EVENT)
    log.commit()
    assert storage.syncing.wait(60)
    storage.failing["pwrite"] = errno.ENOSPC
    second = log.append(EVENT)
    assert not log.commit()
    assert log.available  # what is being synced is not given up for it
    storage.sync_gate.set()
    log.wait(first, timeout=60)
    with pytest.raises(AuditUnavailable):
        log.wait(second, timeout=60)
    storage.failing.clear()
    deadline = time.monotonic() + 60
    while not log.available:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    log.close()
    assert [log.fate(first), log.fate(second)] == [Fate.KEPT, Fate.LOST]
    stored = list(read(tmp_path))
    assert [one.kind for one in stored] == ["connect", "connect", "recovery"]
    assert isinstance(stored[2].record, EventRecord)
    assert stored[2].record.field("records_lost") == "1"
    assert verify(tmp_path).ok


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """All syncs count as quick."""
    monkeypatch.setattr("dbguard.audit.pace.QUICK_SECONDS", 60.0)


@pytest.mark.usefixtures("quick")
def test_quick_syncs_are_done_by_who_commits(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    log.wait(log.append(EVENT), timeout=60)  # makes the segment
    for count in (1, 20, 400):
        sequences = [log.append(EVENT) for _ in range(count)]
        assert committed(log)
        assert {log.fate(sequence) for sequence in sequences} == {Fate.KEPT}
        path = tmp_path / "audit-000001.jsonl"
        assert storage.durable[path] == path.read_bytes()
    deadline = time.monotonic() + 60
    while b'"seq":%d,' % sequences[-1] not in (tmp_path / "head").read_bytes():
        assert time.monotonic() < deadline  # the thread sees to it, with nobody appending
        time.sleep(0.005)
    log.close()
    assert verify(tmp_path).ok


@pytest.mark.usefixtures("quick")
def test_a_quick_sync_that_fails_keeps_nothing(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    log.wait(log.append(EVENT), timeout=60)
    storage.failing["fdatasync"] = errno.EIO
    lost = [log.append(EVENT), log.append(EVENT)]
    assert not log.commit()
    for sequence in lost:
        with pytest.raises(AuditUnavailable):
            log.wait(sequence, timeout=60)
    assert (tmp_path / "audit-000001.jsonl").read_bytes().count(b"\n") == 1
    storage.failing.clear()
    deadline = time.monotonic() + 60
    while not log.available:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    log.close()
    assert [log.fate(sequence) for sequence in lost] == [Fate.LOST, Fate.LOST]
    stored = list(read(tmp_path))
    assert [one.kind for one in stored] == ["connect", "recovery"]
    assert isinstance(stored[1].record, EventRecord)
    assert stored[1].record.field("records_lost") == "2"
    assert verify(tmp_path).ok


@pytest.mark.usefixtures("quick")
def test_the_thread_syncs_at_once_also_while_the_head_file_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbguard.audit.writer.SYNC_SECONDS", 3600.0)
    log = AuditLog.open(tmp_path)
    log.wait(log.append(EVENT), timeout=60)
    log.append(EVENT)
    assert committed(log)
    monkeypatch.setattr("dbguard.audit.pace.QUICK_SECONDS", -1.0)
    log.commits.pace.took(60.0)
    for _ in range(5):
        log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert verify(tmp_path).ok


def test_who_commits_waits_for_quick_syncs_only() -> None:
    pace = Pace()
    assert pace.quick, "nobody knows yet"
    for _ in range(10):
        pace.took(0.0001)
        assert pace.quick
    pace.took(5.0)
    tried = []
    for number in range(1000):
        if pace.quick:
            tried.append(number)
            pace.took(5.0)
        else:
            pace.passed()
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert gaps == sorted(gaps), "ever more rarely"
    assert len(tried) >= 4
    while not pace.quick:
        pace.passed()
    pace.took(0.0001)
    assert pace.quick, "it is quick again"


def test_a_durable_segment_may_lose_its_first_record(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage, segment_bytes=200)
    log.wait(log.append(EVENT), timeout=60)
    storage.failing["fdatasync"] = errno.EIO
    lost = log.append(EVENT)
    with pytest.raises(AuditUnavailable):
        log.wait(lost, timeout=60)
    storage.failing.clear()
    deadline = time.monotonic() + 60
    while not log.available:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert [one.kind for one in read(tmp_path)] == ["connect", "recovery", "connect"]
    assert verify(tmp_path).ok


def test_closed_logs_take_no_commits(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path, durability=Durability.BUFFERED)
    last = log.append(EVENT)
    log.close()
    log.commit()
    assert log.fate(last) is Fate.KEPT


@pytest.mark.parametrize("durability", list(Durability))
def test_many_threads_that_commit_and_wait(tmp_path: Path, durability: Durability) -> None:
    key = SigningKey(tmp_path / "audit.key")
    log = AuditLog.open(
        tmp_path / "audit",
        durability=durability,
        segment_bytes=20_000,
        signer=key,
        checkpoint_seconds=0.01,
    )

    def work(seed: int) -> None:
        random = Random(seed)
        for _ in range(60):
            sequences = [log.append(EVENT) for _ in range(random.randint(1, 5))]
            if random.random() < 0.8:
                log.commit()
            if random.random() < 0.5:
                log.wait(sequences[-1], timeout=10)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    found = verify(tmp_path / "audit")
    assert found.ok
    assert found.records == log.durable_sequence


async def test_the_loop_commits_what_nobody_waits_for(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path, durability=Durability.BUFFERED)
    audit = AsyncAudit(log)
    last = [audit.append(EVENT) for _ in range(3)][-1]
    async with asyncio.timeout(5):
        while log.fate(last) is Fate.PENDING:
            await asyncio.sleep(0)
        await audit.persisted(last)
        many = await asyncio.gather(*(audit.record(EVENT) for _ in range(50)))
    assert sorted(many) == list(range(last + 1, last + 51))
    assert audit.commit() or log.pending == 0
    log.close()
    assert verify(tmp_path).ok


async def test_waiters_of_a_buffered_log_learn_of_a_failure(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage, durability=Durability.BUFFERED)
    audit = AsyncAudit(log)
    storage.failing["pwrite"] = errno.ENOSPC
    with pytest.raises(AuditUnavailable):
        await asyncio.wait_for(audit.record(EVENT), 60)
    storage.failing.clear()
    while not audit.available:
        await asyncio.sleep(0.01)
    await asyncio.wait_for(audit.record(EVENT), 60)
    log.close()
    assert verify(tmp_path).ok
