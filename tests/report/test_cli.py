"""`dbguard report` as people call it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner

from dbguard.audit.records import DecisionRecord
from dbguard.audit.writer import AuditLog
from dbguard.cli.report import report

app = typer.Typer()
app.command()(report)
runner = CliRunner()

DENIED = DecisionRecord(
    session="a",
    principal_user="analyst",
    principal_groups=(),
    database="clinic",
    client_address="",
    application="",
    environment="",
    phase="query",
    action="drop",
    wrapper="",
    relations=("clinic.patients",),
    columns=(),
    decision="deny",
    rules=("ddl-needs-backup",),
    reasons=(),
    masked=(),
    requirements=(),
    text="DROP TABLE clinic.patients",
    fingerprint="f",
    statement="",
    rules_digest="",
    catalog_epoch=1,
)


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    directory = tmp_path / "audit"
    log = AuditLog.open(directory)
    for number in range(3):
        log.append(replace(DENIED, session=str(number)))
    log.close()
    return directory


def test_terminal(trail: Path) -> None:
    result = runner.invoke(app, ["--audit", str(trail), "--since", "1h"])
    assert result.exit_code == 0, result.output
    assert "DROP TABLE clinic.patients" in result.output
    assert "dbguard backup now" in result.output.replace("\n", " ")


def test_json(trail: Path) -> None:
    result = runner.invoke(app, ["--audit", str(trail), "--json"])
    assert result.exit_code == 0
    assert orjson.loads(result.output)["report"]["blocked"]["count"] == 3


def test_a_directory_that_holds_nothing_yet(tmp_path: Path) -> None:
    result = runner.invoke(app, ["--audit", str(tmp_path)])
    assert result.exit_code == 0
    assert "nothing to report" in result.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--audit", "{}/nothing"], "cannot be read"),
        (["--audit", "{}", "--since", "someday"], "--since: not a time: someday"),
        (["--audit", "{}", "--since", "1h", "--until", "2h"], "--since is not before --until"),
        (["--audit", "{}", "--during", "today", "--since", "1h"], "--during does not go together"),
        (["--config", "{}/nothing.yaml"], "nothing.yaml"),
        ([], "which audit trail?"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, [a.format(tmp_path) for a in arguments])
    assert result.exit_code == 2
    assert expected in result.stderr
    assert result.stderr.startswith("dbguard: ")
    assert result.stderr.count("\n") == 1


def test_help_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    for option in ("--audit", "--config", "--since", "--until", "--during", "--json", "--limit"):
        assert option in result.output
