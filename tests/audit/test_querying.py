"""SQL over the trail answers about all segments, and reaches nothing else."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result
from typer.main import get_command

from dbguard.audit.records import (
    DecisionRecord,
    EventRecord,
    IdentityEntry,
    OutcomeRecord,
    RecordKind,
)
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.cli.commands import program

APP = get_command(program(["audit"]))

BASE = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture
def trail(tmp_path: Path, decision: DecisionRecord) -> Path:
    directory = tmp_path / "it's audit"
    for folder, sessions in ((directory, 40), (directory / "eu-1", 3)):
        minutes = iter(range(1000))
        log = AuditLog.open(
            folder,
            segment_bytes=10_000,
            durability=Durability.BUFFERED,
            clock=lambda m=minutes: BASE + timedelta(minutes=next(m)),
        )
        for number in range(sessions):
            log.append(EventRecord(RecordKind.CONNECT, f"s{number}", (("user", "x"),)))
            person = IdentityEntry("anna", "password")
            known = replace(decision, session=f"s{number}", identity=person if number % 2 else None)
            made = log.append(known)
            log.wait(log.append(OutcomeRecord(f"s{number}", made, "SELECT 2", 2, "", 5)), 10)
        log.close()
    for segment in to_seal(directory)[:-1]:
        seal(segment)
    last = sorted(directory.glob("audit-*.jsonl"))[-1]
    last.write_bytes(last.read_bytes() + b'{"v":1,"seq":1000,"ti')
    return directory


def ask(trail: Path, text: str, *options: str) -> Result:
    return CliRunner().invoke(APP, ["audit", "sql", text, "--audit", str(trail), *options])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "SELECT writer, count(*) n, min(seq) first FROM decisions GROUP BY 1 ORDER BY 1",
            [{"writer": "", "n": 40, "first": 2}, {"writer": "eu-1", "n": 3, "first": 2}],
        ),
        (
            "SELECT sum(o.rows)::int AS total FROM outcomes o JOIN decisions d "
            "ON o.decision = d.seq AND o.writer = d.writer WHERE d.identity.name = 'anna'",
            [{"total": 42}],
        ),
        (
            "SELECT DISTINCT fields['user'] AS who, kind FROM events",
            [{"who": "x", "kind": "connect"}],
        ),
        (
            "SELECT time, columns[1].tags AS tags FROM decisions WHERE writer = '' "
            "ORDER BY seq LIMIT 1",
            [{"time": "2026-11-21T08:01:00Z", "tags": ["phi.ssn"]}],
        ),
    ],
)
def test_questions_and_answers(trail: Path, text: str, expected: list[object]) -> None:
    result = ask(trail, text, "--json")
    assert result.exit_code == 0, result.output
    assert [orjson.loads(line) for line in result.stdout.splitlines()] == expected


def test_other_forms_of_answers(trail: Path) -> None:
    text = "SELECT seq, relations FROM decisions WHERE writer = '' ORDER BY seq LIMIT 2"
    rows = list(csv.reader(io.StringIO(ask(trail, text, "--csv").stdout)))
    assert rows == [
        ["seq", "relations"],
        ["2", '["clinic.patients"]'],
        ["5", '["clinic.patients"]'],
    ]
    assert ask(trail, text).stdout.split() == ["seq", "relations", *rows[1], *rows[2]]
    result = ask(trail, "SELECT range FROM range(201)")
    assert "the first 200 rows; --csv and --json give all" in result.stderr
    result = CliRunner().invoke(APP, ["audit", "sql", "-", "--audit", str(trail)], input="SELECT 7")
    assert result.stdout.split() == ["7", "7"]


REFUSED = [
    ("SELECT * FROM read_text('/etc/hosts')", "Cannot access file"),
    ("SELECT * FROM read_csv('{trail}/head')", "Cannot access file"),
    ("SELECT * FROM glob('/etc/*')", "Cannot access"),
    ("COPY decisions TO '/tmp/x.csv'", "only one SELECT can be run"),
    ("COPY decisions TO '{segment}'", "only one SELECT can be run"),
    ("EXPLAIN ANALYZE COPY decisions TO '{segment}'", "only one SELECT can be run"),
    ("SELECT 1; SELECT 2", "only one SELECT can be run"),
    ("ATTACH '/tmp/x.db'", "only one SELECT can be run"),
    ("SET enable_external_access = true", "only one SELECT can be run"),
    ("INSTALL httpfs", "only one SELECT can be run"),
    ("", "only one SELECT can be run"),
    ("SELECT * FROM nowhere", "the query cannot be run: Catalog Error"),
    ("SELEC 1", "the query cannot be run: Parser Error"),
]


def test_nothing_else_is_reached(trail: Path) -> None:
    before = {path: path.read_bytes() for path in trail.rglob("*") if path.is_file()}
    quoted = str(trail).replace("'", "''")
    segment = f"{quoted}/audit-000001.jsonl.zst"
    for text, complaint in REFUSED:
        result = ask(trail, text.replace("{trail}", quoted).replace("{segment}", segment))
        assert result.exit_code == 2, text
        assert complaint in result.stderr, text
    assert {path: path.read_bytes() for path in trail.rglob("*") if path.is_file()} == before


def test_files_are_reached_where_that_is_asked_for(trail: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "out.csv").replace("'", "''")
    assert ask(trail, f"COPY (SELECT 1 AS n) TO '{target}'", "--files").exit_code == 0
    assert (tmp_path / "out.csv").read_text().split() == ["n", "1"]


def test_what_can_be_mended_is_said(trail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (trail / "empty").mkdir()
    result = ask(trail / "empty", "SELECT 1")
    assert result.exit_code == 2
    assert "the trail has no records yet" in result.stderr
    assert "exclude each other" in ask(trail, "SELECT 1", "--csv", "--json").stderr
    monkeypatch.setitem(sys.modules, "duckdb", None)
    result = ask(trail, "SELECT 1")
    assert result.exit_code == 2
    assert "needs DuckDB, which is not installed. Run `pip install 'dbguard[sql]'`" in result.stderr
