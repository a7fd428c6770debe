"""Reading files fast gives what reading records one by one gives."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dbguard.audit.compression import compress
from dbguard.audit.reading import read
from dbguard.audit.records import ColumnEntry, OutcomeRecord
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.writer import AuditLog
from dbguard.errors import ConfigurationError
from dbguard.report import build, build_from, scanning
from dbguard.report.trail import Range
from dbguard.verification.trail import verify
from tests.report import traffic
from tests.report.test_build import ALLOWED, DENIED, MASKED

RAW = replace(ALLOWED, columns=(ColumnEntry("clinic.patients.ssn", ("output",), ("phi.ssn",)),))


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("traffic") / "audit"
    traffic.write(directory, days=7, scale=0.5, segment=300_000)
    return directory


def test_the_traffic_is_a_trail_in_order(trail: Path) -> None:
    assert verify(trail).ok
    assert len(list(trail.glob("audit-*.jsonl"))) > 3


def test_fast_is_the_same_as_slow(trail: Path) -> None:
    slow = build(read(trail))
    fast = build_from(trail, Range(), processes=1)
    assert replace(fast, chains=()) == slow
    assert fast.raw.rows > 1_000
    assert fast.bulk.count
    assert fast.events.past.count == 1


def test_several_processes_are_the_same_as_one(trail: Path) -> None:
    since, until = traffic.START + timedelta(days=1), traffic.START + timedelta(days=3, hours=7)
    chosen = Range(since, until)
    told: list[tuple[int, int]] = []
    many = build_from(
        trail, chosen, processes=2, progress=lambda done, total: told.append((done, total))
    )
    assert many == build_from(trail, chosen, processes=1)
    assert replace(many, chains=()) == build(read(trail), since, until)
    assert told[-1][0] == told[-1][1] > 0


def test_compressed_segments_and_several_chains(trail: Path, tmp_path: Path) -> None:
    whole = build_from(trail, Range())
    segments = sorted(trail.glob("audit-*.jsonl"))
    for folder, paths in ((tmp_path, segments[:2]), (tmp_path / "eu-1", segments[2:])):
        folder.mkdir(exist_ok=True)
        for path in paths:
            data = path.read_bytes()
            half = data.index(b"\n", len(data) // 2) + 1
            packed = compress(data[:half]) + compress(data[half:])
            (folder / f"{path.name}.zst").write_bytes(packed)
    (tmp_path / "notes").mkdir()
    report = build_from(tmp_path, Range())
    assert report.chains == ("", "eu-1")
    assert report.totals == whole.totals
    assert report.events.past.latest[0].record == f"eu-1:{whole.events.past.latest[0].record}"


def test_an_outcome_in_the_next_segment_finds_its_decision(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit")
    for record in (RAW, MASKED, OutcomeRecord("a", 1, "SELECT 4", 5_000, "", 9)):
        log.append(record)
    log.close()
    path = tmp_path / "audit" / "audit-000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])
    (path.parent / "audit-000002.jsonl").write_bytes(lines[1])
    (path.parent / "audit-000003.jsonl").write_bytes(lines[2])
    report = build_from(path.parent, Range())
    assert (report.raw.statements, report.raw.rows) == (1, 5_000)
    assert [entry.example for entry in report.bulk.entries] == ["1"]


def test_what_is_forgotten_is_counted(trail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build_from(trail, Range())
    monkeypatch.setattr(scanning, "_KEPT_PLANS", 3)
    assert build_from(trail, Range(), processes=1) == whole


@pytest.mark.parametrize(
    "line",
    [
        b"no record\n",
        b'{"v":1,"seq":4}\n',
        b"[]\n",
        b'{"v":1,"seq":abc,"time":"2026-11-21T08:00:00.000000Z","prev":"%b","kind":"x"}\n'
        % (b"0" * 64),
        b'{"v":1,"seq":%b,"time":"2026-11-21T08:00:00.000000Z","prev":"%b","kind":"x"}\n'
        % (b"9" * 5000, b"0" * 64),
        b'{"v":1,"seq":4,"time":"0001-01-01T00:00:00+14:00","kind":"stop"}\n',
        b'{"v":1,"seq":"x","time":"2026-11-21T08:00:00.000000Z","kind":"stop"}\n',
    ],
)
def test_what_is_no_record_is_named(tmp_path: Path, line: bytes) -> None:
    log = AuditLog.open(tmp_path / "audit")
    log.append(DENIED)
    log.close()
    path = tmp_path / "audit" / "audit-000001.jsonl"
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(ConfigurationError, match=r"audit-000001\.jsonl:2: not an audit record"):
        build_from(path.parent, Range())


def test_a_time_that_is_none_is_named_in_a_line_like_the_one_before(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit")
    for _ in range(2):
        log.append(DENIED)
    log.close()
    path = tmp_path / "audit" / "audit-000001.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    at = second.find(b'"time":"') + 8
    for wrong in (b"2026-19-39T29:69:69.000000Z", second[at : at + 20] + b"abcdefZ"):
        path.write_bytes(first + second[:at] + wrong + second[at + 27 :])
        with pytest.raises(ConfigurationError, match=r"audit-000001\.jsonl:2: not an audit record"):
            build_from(path.parent, Range())


def test_a_shape_keeps_so_much_of_a_text(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit")
    for tail in "ab":
        log.append(replace(DENIED, text="x" * 20_000 + tail, fingerprint=tail))
    log.close()
    shapes = build_from(tmp_path / "audit", Range()).blocked.shapes
    assert [shape.text for shape in shapes] == ["x" * 10_000 + "…"] * 2


def test_an_unfinished_last_line_is_left_out(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit")
    log.append(DENIED)
    log.append(DENIED)
    log.close()
    path = tmp_path / "audit" / "audit-000001.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert build_from(path.parent, Range()).totals.denied == 1


def test_the_same_plan_with_other_members_before_it_is_the_same(tmp_path: Path) -> None:
    """Tags of a client may be called as members of a record are."""
    log = AuditLog.open(tmp_path / "audit")
    for application in ('x","action":"', '","phase":"parse', '"session":"b"', "\\", "ü\x1b"):
        log.append(replace(RAW, application=application))
    for number in range(3):
        tags = (("a", "b"), ("action", "deny"), ("phase", "parse"), ("session", str(number)))
        log.append(replace(RAW, tags=tags, traceparent=f"00-{number}", sealed='{"action":"x"}'))
    log.close()
    report = build_from(tmp_path / "audit", Range())
    assert report.totals.allowed == report.raw.statements == 8
    assert report.totals.sessions == 1
    assert [count.name for count in report.digests] == ["d"]
    assert report == replace(build(read(tmp_path / "audit")), chains=("",))


def test_a_range_of_sealed_segments(trail: Path, tmp_path: Path) -> None:
    directory = tmp_path / "sealed"
    shutil.copytree(trail, directory)
    chosen = Range(traffic.START + timedelta(days=2), traffic.START + timedelta(days=2, hours=5))
    plain = build_from(directory, chosen)
    sealed = [segment for segment in to_seal(directory) if seal(segment)]
    assert len(sealed) > 2
    assert plain.totals.records > 0
    assert build_from(directory, chosen, processes=1) == plain
    assert build_from(directory, Range(), processes=1) == build_from(trail, Range(), processes=1)


def test_many_statements_that_nobody_ends_are_folded_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog.open(tmp_path / "audit")
    for number in range(300):
        log.append(replace(MASKED, text=f"SELECT {number}", fingerprint=f"{number}"))
    log.close()
    folds: list[int] = []
    fold_all = scanning._Scan._fold_all
    monkeypatch.setattr(scanning, "_KEPT_PLANS", 20)
    monkeypatch.setattr(
        scanning._Scan, "_fold_all", lambda self: (folds.append(1), fold_all(self))[1]
    )
    assert build_from(tmp_path / "audit", Range(), processes=1).totals.masked == 300
    assert len(folds) < 10
