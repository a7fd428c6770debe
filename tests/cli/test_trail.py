"""A command loads what it needs: questions to the trail, say, nothing of the proxy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from dbguard.cli import main
from dbguard.cli.app import app
from dbguard.cli.commands import COMMANDS, program

LOOK = """
import sys
sys.argv = ["dbguard", *{arguments!r}]
from dbguard.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
print("loaded:", sorted({heavy!r} & set(sys.modules)))
"""
PARSERS = {"sqlglot", "postgast"}
PROXY = {"uvicorn", "dbguard.proxy", "dbguard.engine"}


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (("audit", "search"), {*PARSERS, *PROXY, "duckdb"}),
        (("report",), PROXY),
        (("check",), {"dbguard.demo", "dbguard.report", "dbguard.doctor"}),
        (("psql",), {*PARSERS, *PROXY, "asyncpg"}),
        (("serve",), {"dbguard.demo", "dbguard.report", "dbguard.doctor"}),
    ],
)
def test_a_command_loads_nothing_of_another(arguments: tuple[str, ...], heavy: set[str]) -> None:
    text = LOOK.format(arguments=(*arguments, "--help"), heavy=heavy)
    call = [sys.executable, "-c", text]
    found = subprocess.run(call, capture_output=True, text=True, check=True)
    assert f"Usage: dbguard {' '.join(arguments)} [OPTIONS]" in found.stdout
    assert found.stdout.endswith("loaded: []\n")


def test_the_version_takes_no_command() -> None:
    heavy = {*PARSERS, *PROXY, "pydantic", *(f"dbguard.cli.{name}" for name in COMMANDS)}
    call = [sys.executable, "-c", LOOK.format(arguments=("--version",), heavy=heavy)]
    found = subprocess.run(call, capture_output=True, text=True, check=True)
    assert found.stdout.startswith("dbguard 0.1.0 (")
    assert found.stdout.endswith("loaded: []\n")


def test_a_program_of_one_command_is_the_whole_in_small() -> None:
    runner = CliRunner()
    alone, full = (
        runner.invoke(made, ["audit", "--help"], prog_name="dbguard").output
        for made in (program(["audit"]), app)
    )
    assert alone == full
    assert "search" in alone


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_without_a_command_all_are_named(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dbguard", *arguments])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().out
    places = [shown.index(f"\u2502 {name} ") for name in COMMANDS]
    assert places == sorted(places)


def test_a_command_that_there_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dbguard", "serv"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "No such command 'serv'" in capsys.readouterr().err
