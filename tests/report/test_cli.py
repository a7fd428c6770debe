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


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


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


def test_html_and_csv(trail: Path, tmp_path: Path) -> None:
    page, folder, one = tmp_path / "r.html", tmp_path / "csv", tmp_path / "all.csv"
    result = runner.invoke(app, ["--audit", str(trail), "--html", str(page), "--csv", str(folder)])
    assert result.exit_code == 0, result.output
    assert result.output == f"written: {page}\nwritten: {folder}\n"
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    assert "DROP TABLE" in (folder / "blocked_statements.csv").read_text()
    result = runner.invoke(app, ["--audit", str(trail), "--csv", str(one), "--json"])
    assert orjson.loads(result.stdout)["report"]["blocked"]["count"] == 3
    assert result.stderr == f"written: {one}\n"
    assert one.read_text().startswith("table,what,value,")


@pytest.mark.parametrize("option", ["--csv", "--evidence"])
def test_a_file_of_another_kind_is_not_made_as_a_folder(
    trail: Path, tmp_path: Path, option: str
) -> None:
    target = tmp_path / "report.tar"
    result = runner.invoke(app, ["--audit", str(trail), option, str(target)])
    assert result.exit_code == 2
    assert "files that end in .tar are not made. Name a folder, or" in result.stderr
    assert not target.exists()


@pytest.mark.parametrize("option", ["--html", "--csv"])
def test_what_cannot_be_written_is_one_line(trail: Path, option: str) -> None:
    result = runner.invoke(app, ["--audit", str(trail), option, str(trail / "head" / "x")])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def since_last(trail: Path, *more: str) -> int:
    result = runner.invoke(app, ["--audit", str(trail), "--json", *more])
    assert result.exit_code == 0, result.output
    count = orjson.loads(result.stdout)["report"]["blocked"]["count"]
    assert isinstance(count, int)
    return count


def add(trail: Path) -> None:
    log = AuditLog.open(trail)
    log.append(DENIED)
    log.close()


def test_since_the_last_report(trail: Path) -> None:
    last = ("--since", "last")
    assert since_last(trail, *last) == 3
    assert since_last(trail, *last) == 0
    add(trail)
    # none of these says how far somebody has read
    assert since_last(trail, "--since", "1h", "--until", "now") == 4
    assert since_last(trail, "--during", "this year") == 4
    assert since_last(trail, *last) == 1
    add(trail)
    assert since_last(trail) == 5  # everything, up to now
    assert since_last(trail, *last) == 0


def test_a_report_that_leaves_something_out_is_not_remembered(trail: Path) -> None:
    assert since_last(trail, "--since", "1h") == 3
    assert since_last(trail, "--since", "Last") == 3


def test_a_report_that_fails_is_not_remembered(trail: Path) -> None:
    path = trail / "audit-000001.jsonl"
    before = path.read_bytes()
    path.write_bytes(before + b"nothing\n")
    assert runner.invoke(app, ["--audit", str(trail), "--since", "last"]).exit_code == 2
    path.write_bytes(before)
    assert since_last(trail, "--since", "last") == 3


def test_a_memory_that_is_damaged_says_so(trail: Path, state: Path) -> None:
    (state / "dbguard").mkdir(parents=True)
    (state / "dbguard" / "reports.json").write_text('{"reported": []}')
    result = runner.invoke(app, ["--audit", str(trail), "--since", "last"])
    assert result.exit_code == 2
    assert "not what dbguard wrote there" in result.stderr
