"""`dbguard audit` as people call it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from dbguard.audit.records import DecisionRecord, EventRecord, OutcomeRecord, RecordKind
from dbguard.audit.writer import AuditLog
from dbguard.cli.app import app

runner = CliRunner()


@pytest.fixture
def trail(tmp_path: Path, decision: DecisionRecord) -> Path:
    directory = tmp_path / "audit"
    log = AuditLog.open(directory, segment_bytes=1500)
    log.append(EventRecord(RecordKind.START, "", (("version", "0.1.0"),)))
    for session in range(6):
        number = log.append(replace(decision, session=str(session)))
        log.wait(log.append(OutcomeRecord(str(session), number, "SELECT 2", 2, "", 1500)), 5)
    log.append(OutcomeRecord("x", 2, "", 0, "22012", 1500))
    log.close()
    return directory


def test_verify_in_order(trail: Path) -> None:
    result = runner.invoke(app, ["audit", "verify", "--audit", str(trail)])
    assert result.exit_code == 0
    assert "in order: 14 records" in result.output
    assert "last: record 14, hash " in result.output


def test_verify_names_what_was_changed(trail: Path) -> None:
    path = trail / "audit-000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"analyst", b"nobody!", 1))
    result = runner.invoke(app, ["audit", "verify", "--audit", str(trail)])
    assert result.exit_code == 1
    assert f"{path}:2: record 2: was changed" in result.output
    assert "NOT in order" in result.output
    result = runner.invoke(app, ["audit", "verify", "--audit", str(trail), "--json"])
    assert result.exit_code == 1
    document = orjson.loads(result.output)
    assert document["ok"] is False
    assert document["findings"][0]["sequence"] == 2


def test_verify_shows_the_first_of_many_findings(trail: Path) -> None:
    for path in trail.glob("audit-*"):
        path.write_bytes(path.read_bytes().replace(b"2", b"3") + b"\n" * 30)
    result = runner.invoke(app, ["audit", "verify", "--audit", str(trail)])
    assert result.exit_code == 1
    assert "more (--json has all)" in result.output


def test_verify_before_the_first_record(tmp_path: Path) -> None:
    AuditLog.open(tmp_path).close()
    result = runner.invoke(app, ["audit", "verify", "--audit", str(tmp_path)])
    assert result.exit_code == 0
    assert "no records yet" in result.output


@pytest.mark.parametrize("name", ["", "nothing"])
@pytest.mark.parametrize("command", ["verify", "show 1"])
def test_no_trail(tmp_path: Path, name: str, command: str) -> None:
    result = runner.invoke(app, ["audit", *command.split(), "--audit", str(tmp_path / name)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert str(tmp_path) in result.stderr


def test_show_filters(trail: Path) -> None:
    def lines(*arguments: str) -> list[str]:
        result = runner.invoke(app, ["audit", "show", "--audit", str(trail), *arguments])
        assert result.exit_code == 0, result.output
        return result.output.splitlines()

    assert len(lines()) == 14
    assert len(lines("--kind", "decision")) == 6
    assert len(lines("--kind", "decision", "--kind", "start")) == 7
    assert len(lines("--principal", "analyst")) == 12
    assert len(lines("--limit", "3")) == 3
    assert len(lines("--limit", "0")) == 14
    assert lines("--until", "1h") == []
    (start,) = lines("--kind", "start")
    assert start.split()[0] == "1"
    assert "version: 0.1.0" in start
    assert "analyst@clinic masked (query) SELECT ssn FROM" in lines("--kind", "decision")[0]
    assert "of 2: SELECT 2, 2 rows, 1.5 ms" in lines("--kind", "outcome")[0]
    assert "failed with 22012" in lines("--kind", "outcome")[-1]


def test_show_json_is_the_trail_itself(trail: Path) -> None:
    result = runner.invoke(app, ["audit", "show", "--audit", str(trail), "--json"])
    segments = sorted(trail.glob("audit-*"))
    assert result.output == b"".join(path.read_bytes() for path in segments).decode()


def test_show_one(trail: Path) -> None:
    result = runner.invoke(app, ["audit", "show", "2", "--audit", str(trail)])
    assert orjson.loads(result.output)["principal_user"] == "analyst"
    result = runner.invoke(app, ["audit", "show", "2", "--audit", str(trail), "--json"])
    kinds = [orjson.loads(line)["kind"] for line in result.output.splitlines()]
    assert kinds == ["decision", "outcome"]
    result = runner.invoke(app, ["audit", "show", "99", "--audit", str(trail)])
    assert result.exit_code == 2
    assert "there is no record 99" in result.stderr


def test_tail(trail: Path) -> None:
    result = runner.invoke(app, ["audit", "tail", "-n", "4", "--audit", str(trail), "--json"])
    assert [orjson.loads(line)["seq"] for line in result.output.splitlines()] == [11, 12, 13, 14]


def test_tail_follows_through_segments(tmp_path: Path) -> None:
    event = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))
    log = AuditLog.open(tmp_path, segment_bytes=500)
    log.wait(log.append(event), 5)
    code = "from dbguard.cli.audit import app; app()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "tail", "-f", "--json", "--audit", str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        for _ in range(8):
            log.wait(log.append(event), 5)
            time.sleep(0.02)
        seen = [orjson.loads(line)["seq"] for line in [first, *_take(process.stdout, 8)]]
        process.terminate()
    log.close()
    assert seen == list(range(1, 10))


def _take(stream, count: int) -> list[bytes]:  # type: ignore[no-untyped-def]
    return [stream.readline() for _ in range(count)]


def test_a_record_lost_in_an_outage_is_said_to_be(tmp_path: Path, storage) -> None:  # type: ignore[no-untyped-def]
    event = EventRecord(RecordKind.CONNECT, "s", ())
    log = AuditLog.open(tmp_path, storage=storage)
    log.wait(log.append(event), 5)
    storage.failing["pwrite"] = 28
    log.append(event)
    while log.available:
        time.sleep(0.01)
    storage.failing.clear()
    while not log.available:
        time.sleep(0.01)
    log.close()
    result = runner.invoke(app, ["audit", "show", "2", "--audit", str(tmp_path)])
    assert result.exit_code == 2
    assert "lost in an outage" in result.stderr


@pytest.mark.parametrize("command", ["verify", "show", "tail"])
def test_help(command: str) -> None:
    result = runner.invoke(app, ["audit", command, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.output
