"""The log in ordinary life: numbers, waiting, group commit, segments, starting again."""

from __future__ import annotations

import stat
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbguard.audit.chain import GENESIS, Head
from dbguard.audit.reading import read
from dbguard.audit.records import (
    DecisionRecord,
    EventRecord,
    RecordKind,
)
from dbguard.audit.rendering import render
from dbguard.audit.writer import AuditLog, Fate
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.verification.trail import verify

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))

BOTH = pytest.mark.parametrize("durability", list(Durability))


def sequences(directory: Path) -> list[int]:
    return [stored.sequence for stored in read(directory)]


@BOTH
def test_what_was_appended_is_read_back(
    tmp_path: Path, decision: DecisionRecord, durability: Durability
) -> None:
    log = AuditLog.open(tmp_path, durability=durability)
    assert log.append(EVENT) == 1
    assert log.append(decision) == 2
    assert log.append(render(replace(decision, session="x"))) == 3
    log.wait(3, timeout=60)
    assert log.durable_sequence == 3
    log.close()
    stored = list(read(tmp_path))
    assert [s.record for s in stored[:2]] == [EVENT, decision]
    assert stored[2].record.session == "x"
    verification = verify(tmp_path)
    assert verification.ok
    assert verification.notes == ()
    assert (verification.records, verification.last_sequence) == (3, 3)


@BOTH
def test_waiting_means_the_bytes_are_in_the_file(tmp_path: Path, durability: Durability) -> None:
    log = AuditLog.open(tmp_path, durability=durability)
    for expected in range(1, 20):
        log.wait(log.append(EVENT), timeout=60)
        assert (tmp_path / "audit-000001.jsonl").read_bytes().count(b"\n") == expected
    log.close()


def test_durable_means_synced(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    log.wait(log.append(EVENT), timeout=60)
    path = tmp_path / "audit-000001.jsonl"
    assert storage.durable[path] == path.read_bytes() != b""
    log.close()


def test_buffered_syncs_within_fifty_milliseconds(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage, durability=Durability.BUFFERED)
    log.wait(log.append(EVENT), timeout=60)
    path = tmp_path / "audit-000001.jsonl"
    deadline = time.monotonic() + 60
    while storage.durable[path] != path.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert path.stat().st_size
    log.close()


def test_many_records_share_one_sync(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    storage.sync_gate.clear()
    storage.calls.clear()
    for _ in range(500):
        last = log.append(EVENT)
    assert log.fate(last) is Fate.PENDING
    storage.sync_gate.set()
    log.wait(last, timeout=60)
    assert storage.calls.count("fdatasync") <= 2
    log.close()


def test_appending_does_not_wait_for_the_disk(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(tmp_path, storage=storage)
    storage.sync_gate.clear()
    sequence = log.append(EVENT)
    with pytest.raises(AuditUnavailable, match="cannot be written"):
        log.wait(sequence, timeout=0.05)
    storage.sync_gate.set()
    log.wait(sequence, timeout=60)
    log.close()


@BOTH
def test_threads_get_distinct_numbers_and_one_chain(tmp_path: Path, durability: Durability) -> None:
    log = AuditLog.open(tmp_path, durability=durability, segment_bytes=10_000)
    given: list[int] = []

    def work() -> None:
        for _ in range(50):
            sequence = log.append(EVENT)
            log.wait(sequence, timeout=10)
            given.append(sequence)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert sorted(given) == list(range(1, 401)) == sequences(tmp_path)
    assert verify(tmp_path).ok


def test_the_chain_runs_through_segments_and_restarts(tmp_path: Path) -> None:
    for _ in range(4):
        log = AuditLog.open(tmp_path, segment_bytes=700)
        for _ in range(10):
            log.wait(log.append(EVENT), timeout=60)
        log.close()
    assert len(list(tmp_path.glob("audit-*.jsonl"))) > 5
    assert sequences(tmp_path) == list(range(1, 41))
    verification = verify(tmp_path)
    assert verification.ok
    assert verification.records == 40


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "audit"
    AuditLog.open(directory).close()
    log = AuditLog.open(directory)
    log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in ("head", "audit-000001.jsonl"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600


def test_one_writer_only(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path)
    with pytest.raises(ConfigurationError, match="another dbguard") as caught:
        AuditLog.open(tmp_path)
    assert str(tmp_path) in caught.value.message
    log.close()
    AuditLog.open(tmp_path).close()


def test_time_does_not_run_backwards_when_the_clock_is_slewed(tmp_path: Path) -> None:
    base = datetime(2026, 11, 21, 8, 0, 0, 500_000, tzinfo=UTC)
    steps = iter([base, base, base - timedelta(milliseconds=300)])
    log = AuditLog.open(tmp_path, clock=lambda: next(steps))
    log.wait([log.append(EVENT) for _ in range(2)][-1], timeout=60)
    log.close()
    assert [s.time for s in read(tmp_path)] == [base, base]


def test_a_clock_in_another_zone_is_recorded_in_utc(tmp_path: Path) -> None:
    from datetime import timezone

    zone = timezone(timedelta(hours=5))
    log = AuditLog.open(tmp_path, clock=lambda: datetime(2026, 1, 1, 3, tzinfo=zone))
    log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert b'"time":"2025-12-31T22:00:00.000000Z"' in next(read(tmp_path)).line


def test_a_closed_log_refuses(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path)
    last = log.append(EVENT)
    log.close()
    log.close()
    assert log.fate(last) is Fate.KEPT
    assert not log.available
    with pytest.raises(AuditUnavailable):
        log.append(EVENT)


@pytest.mark.parametrize("number", [0, -1, 2])
def test_a_number_never_given_out_has_no_fate(tmp_path: Path, number: int) -> None:
    log = AuditLog.open(tmp_path)
    log.append(EVENT)
    with pytest.raises(ValueError, match="no record"):
        log.fate(number)
    log.close()


def test_subscribers_hear_of_every_commit_until_they_leave(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path)
    heard: list[int] = []
    end = log.subscribe(lambda kept, _failure: heard.append(kept))
    log.wait(log.append(EVENT), timeout=60)
    log.wait(log.append(EVENT), timeout=60)
    end()
    end()
    log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert set(heard) <= {1, 2}


# ---- starting again


def trail(directory: Path, records: int = 6, segment_bytes: int = 1 << 20) -> list[Path]:
    log = AuditLog.open(directory, segment_bytes=segment_bytes)
    for _ in range(records):
        log.wait(log.append(EVENT), timeout=60)
    log.close()
    return sorted(directory.glob("audit-*.jsonl"))


@pytest.mark.parametrize("torn", [b"{", b'{"v":1,"seq":7,"time":"2026', b"\x00" * 100, b"x" * 5000])
def test_a_torn_tail_is_cut_and_recorded(tmp_path: Path, torn: bytes) -> None:
    (segment,) = trail(tmp_path)
    whole = segment.read_bytes()
    segment.write_bytes(whole + torn)
    before = verify(tmp_path)
    assert before.ok
    assert f"{len(torn)} bytes" in before.notes[0]
    log = AuditLog.open(tmp_path)
    log.close()
    assert segment.read_bytes().startswith(whole)
    record = list(read(tmp_path))[-1].record
    assert isinstance(record, EventRecord)
    assert record.kind is RecordKind.RECOVERY
    assert record.field("torn_bytes") == str(len(torn))
    after = verify(tmp_path)
    assert after.ok
    assert after.notes == ()


def test_records_behind_the_head_are_taken_over(tmp_path: Path) -> None:
    paths = trail(tmp_path, segment_bytes=500)
    assert len(paths) > 2
    lines = list(read(tmp_path))
    (tmp_path / "head").write_bytes(Head(2, lines[1].hash.encode()).render())
    assert verify(tmp_path).ok
    assert "4 records behind" in verify(tmp_path).notes[0]
    AuditLog.open(tmp_path).close()
    assert sequences(tmp_path) == list(range(1, 8))
    assert verify(tmp_path).notes == ()


def test_an_empty_last_segment_is_gone_on_with(tmp_path: Path) -> None:
    trail(tmp_path)
    (tmp_path / "audit-000002.jsonl").touch()
    log = AuditLog.open(tmp_path)
    log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert sequences(tmp_path) == list(range(1, 8))
    assert verify(tmp_path).ok


def test_a_start_that_got_no_further_than_the_head_is_no_trail_yet(tmp_path: Path) -> None:
    (tmp_path / "head").touch()
    trail(tmp_path)
    assert verify(tmp_path).ok


def flip_last(paths: list[Path]) -> None:
    data = bytearray(paths[-1].read_bytes())
    data[-150] ^= 1
    paths[-1].write_bytes(data)


def cut_last(paths: list[Path]) -> None:
    data = paths[-1].read_bytes()
    paths[-1].write_bytes(data[: data.rindex(b"\n", 0, -1) + 1])


def cut_into_last(paths: list[Path]) -> None:
    paths[-1].write_bytes(paths[-1].read_bytes()[:-1])


def swap(paths: list[Path]) -> None:
    lines = paths[0].read_bytes().splitlines(keepends=True)
    lines[0], lines[1] = lines[1], lines[0]
    paths[0].write_bytes(b"".join(lines))


def forget_head(paths: list[Path]) -> None:
    (paths[0].parent / "head").unlink()


def empty_head(paths: list[Path]) -> None:
    (paths[0].parent / "head").write_bytes(b"")


def older_head_of_another_trail(paths: list[Path]) -> None:
    (paths[0].parent / "head").write_bytes(Head(3, GENESIS).render())


def add_garbage_line(paths: list[Path]) -> None:
    paths[-1].write_bytes(paths[-1].read_bytes() + b"{}\n")


def drop_segments(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()


@pytest.mark.parametrize(
    "tamper",
    [
        flip_last,
        cut_last,
        cut_into_last,
        swap,
        forget_head,
        empty_head,
        older_head_of_another_trail,
        add_garbage_line,
        drop_segments,
    ],
)
def test_a_tampered_end_is_not_gone_on_with(tmp_path: Path, tamper) -> None:  # type: ignore[no-untyped-def]
    tamper(trail(tmp_path))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    for _ in range(2):  # the lock is let go of
        with pytest.raises(ConfigurationError) as caught:
            AuditLog.open(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert "dbguard audit verify" in caught.value.hint
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert not verify(tmp_path).ok


def test_a_cut_end_is_told_in_numbers(tmp_path: Path) -> None:
    cut_last(trail(tmp_path))
    with pytest.raises(ConfigurationError, match="ends at record 5, but record 6 was written"):
        AuditLog.open(tmp_path)


def test_a_missing_segment_is_not_gone_on_with(tmp_path: Path) -> None:
    paths = trail(tmp_path, segment_bytes=500)
    paths[1].unlink()
    with pytest.raises(ConfigurationError, match=r"audit-000002\.jsonl: the segment is missing"):
        AuditLog.open(tmp_path)


def test_a_directory_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        AuditLog.open(tmp_path / "file" / "audit")
    assert str(tmp_path) in caught.value.message
