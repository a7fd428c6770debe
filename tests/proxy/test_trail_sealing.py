"""What serve does about segments that have ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dbguard.audit.reading import Selection, read
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.sealing import to_seal
from dbguard.audit.sealing_worker import Report, Result
from dbguard.audit.trails import Segment, segments
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import AuditSettings, SegmentSettings
from dbguard.proxy.metrics import Metrics
from dbguard.proxy.trail_sealing import TrailSealing


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog.open(tmp_path, segment_bytes=10_000)
    for number in range(100):
        fields = (("user", f"user{number}"),)
        log.wait(log.append(EventRecord(RecordKind.CONNECT, f"s{number}", fields)), 10)
    return log


@contextlib.asynccontextmanager
async def sealing(log: AuditLog, folder: Path, compress: bool = True) -> AsyncIterator[Metrics]:
    metrics = Metrics()
    settings = AuditSettings(directory=folder, segments=SegmentSettings(compress=compress))
    task = asyncio.get_running_loop().create_task(
        TrailSealing(lambda: settings, log.append, metrics, look_seconds=0.02).run()
    )
    try:
        yield metrics
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        log.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not true():
            await asyncio.sleep(0.02)


def plain(folder: Path) -> list[Segment]:
    return [segment for segment in segments(folder) if not segment.sealed]


async def test_segments_that_end_are_sealed_while_the_writer_goes_on(
    log: AuditLog, tmp_path: Path
) -> None:
    count = len(segments(tmp_path))
    async with sealing(log, tmp_path) as metrics:
        told = f'sealed_segments_total{{result="sealed"}} {count - 1}.0'.encode()
        await until(lambda: told in metrics.render())
        assert len(plain(tmp_path)) == 1
        log.wait(log.append(EventRecord(RecordKind.STOP, "", ())), 10)
    assert count > 2
    sequences = [stored.sequence for stored in read(tmp_path)]
    assert sequences == list(range(1, 102))
    AuditLog.open(tmp_path).close()


async def test_a_changed_segment_is_recorded_once_and_left_alone(
    log: AuditLog, tmp_path: Path
) -> None:
    first = segments(tmp_path)[0]
    first.plain.write_bytes(first.plain.read_bytes().replace(b"user3", b"user4", 1))
    changed = first.plain.read_bytes()
    async with sealing(log, tmp_path):
        await until(lambda: len(plain(tmp_path)) == 2)
        await until(lambda: log.durable_sequence == 101)
        await asyncio.sleep(0.2)
        assert log.durable_sequence == 101
    assert first.plain.read_bytes() == changed
    (found,) = read(tmp_path, Selection(kinds=frozenset({RecordKind.VERIFICATION})))
    assert isinstance(found.record, EventRecord)
    assert found.record.field("segment") == "audit-000001.jsonl"
    assert "audit-000001.jsonl: the line behind record 3: " in found.record.field("problem")


async def test_nothing_is_sealed_where_that_is_switched_off(log: AuditLog, tmp_path: Path) -> None:
    async with sealing(log, tmp_path, compress=False):
        await asyncio.sleep(0.3)
    assert to_seal(tmp_path)


async def test_what_fails_is_told_and_left_for_later(log: AuditLog, tmp_path: Path) -> None:
    (tmp_path / "audit-000001.jsonl.zst.tmp").mkdir()
    async with sealing(log, tmp_path) as metrics:
        await until(lambda: b'result="failed"' in metrics.render())
    assert len(list(read(tmp_path))) == 100


def test_reports_survive_their_way() -> None:
    report = Report("audit-000001.jsonl", Result.SEALED, "", 100, 10)
    assert Report.parse(report.render()) == report
    with pytest.raises(ValueError, match="unexpected end"):
        Report.parse(b'{"segment":"a"')
