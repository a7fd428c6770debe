"""Indexes that lie, and what is no file: nothing that matters rests on them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dbguard.audit.blocks import blocks, load_index
from dbguard.audit.chain import Link
from dbguard.audit.compression import frame_places
from dbguard.audit.holding import holds
from dbguard.audit.index import IndexBuilder
from dbguard.audit.reading import find
from dbguard.audit.records import DecisionRecord, EventRecord, OutcomeRecord, RecordKind
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.trails import Segment, segments
from dbguard.audit.writer import AuditLog
from dbguard.cli.app import app
from dbguard.errors import ConfigurationError

runner = CliRunner()


def lie(segment: Segment) -> None:
    """Make the index one of records of another kind, number and time."""
    builder = IndexBuilder()
    line = b'{"v":1,"seq":900,"time":"2001-01-01T00:00:00.000000Z","kind":"stop","fields":{}}'
    links = [Link(number, "2001-01-01T00:00:00.000000Z", b"", b"") for number in (1, 900)]
    for number, place in enumerate(frame_places(segment.compressed)):
        builder.add(place, [links[number > 0]], [line])
    segment.index.write_bytes(builder.render(segment.number, segment.size))
    assert load_index(segment) is not None


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """A legal hold in a sealed segment of the operator's chain, whose index denies it."""
    folder = tmp_path / "audit" / "operator"
    folder.parent.mkdir(mode=0o700)
    log = AuditLog.open(folder, segment_bytes=5_000)
    fields = (("event", "added"), ("name", "case"), ("since", ""), ("until", ""))
    log.wait(log.append(EventRecord(RecordKind.HOLD, "", fields)), 10)
    for number in range(60):
        log.wait(log.append(EventRecord(RecordKind.CONNECT, "s", (("user", f"u{number}"),))), 10)
    log.close()
    for segment in to_seal(folder):
        seal(segment)
    for segment in segments(folder):
        if segment.sealed:
            lie(segment)
    assert segments(folder)[0].sealed
    return folder.parent


def test_a_hold_stands_whatever_the_index_says(trail: Path) -> None:
    assert list(holds(trail)) == ["case"]


def test_a_record_is_there_whatever_the_index_says(trail: Path) -> None:
    assert find(trail, "operator", 2) is not None


def test_a_report_does_not_believe_indexes(trail: Path) -> None:
    call = ["report", "--audit", str(trail), "--json", "--since", "1h"]
    result = runner.invoke(app, call)
    assert result.exit_code == 0
    assert '"case"' in result.stdout


def test_a_search_says_that_it_believed_indexes(trail: Path) -> None:
    call = ["audit", "search", "--kind", "hold", "--audit", str(trail)]
    result = runner.invoke(app, call)
    assert "--no-index reads everything" in result.stderr
    result = runner.invoke(app, [*call, "--no-index"])
    assert "case" in result.stdout
    assert not result.stderr


@pytest.mark.parametrize("limit", ["--limit=100", "--limit=0"])
def test_show_says_that_its_filters_believed_indexes(trail: Path, limit: str) -> None:
    call = ["audit", "show", "--kind", "hold", "--audit", str(trail), limit]
    result = runner.invoke(app, call)
    assert "case" not in result.stdout
    assert "--no-index reads everything" in result.stderr
    result = runner.invoke(app, [*call, "--no-index"])
    assert "case" in result.stdout
    assert not result.stderr
    result = runner.invoke(app, ["audit", "show", "--audit", str(trail), "--limit=3"])
    assert not result.stderr


def test_the_outcome_of_a_decision_is_shown_whatever_the_index_says(
    tmp_path: Path, decision: DecisionRecord
) -> None:
    log = AuditLog.open(tmp_path, segment_bytes=5_000)
    log.append(decision)
    log.append(OutcomeRecord("s", 1, "SELECT 1", 1, "", 5))
    for number in range(60):
        log.wait(log.append(EventRecord(RecordKind.CONNECT, "s", (("user", f"u{number}"),))), 10)
    log.close()
    for segment in to_seal(tmp_path):
        seal(segment)
        lie(replace(segment, sealed=True))
    result = runner.invoke(app, ["audit", "show", "1", "--audit", str(tmp_path)])
    assert "SELECT 1" in result.stdout


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_waited_for(trail: Path, make: object) -> None:
    (segment, *_) = segments(trail / "operator")
    segment.index.unlink()
    assert callable(make)
    make(segment.index)
    assert find(trail, "operator", 2) is not None
    make(segment.plain)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        find(trail, "operator", 2)


def test_a_line_that_does_not_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "audit-000001.jsonl"
    path.touch()
    os.truncate(path, 2 << 30)
    for backward in (False, True):
        with pytest.raises(ConfigurationError, match="a line of more than"):
            list(blocks(Segment(tmp_path, 1, False), backward=backward))
