"""`--help` of every command says what was written for it, whatever characters it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dbguard.cli.app import app

PLAIN = {("key", "show"), ("key", "rotate"), ("hold", "list")}
"""They need no option."""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands below, with their names as they are typed."""
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))
    if not hasattr(group, "commands"):
        yield path, group


ALL = list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_nothing_is_lost_from_the_help(path: tuple[str, ...], command: Any) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "240"})
    assert shown.exit_code == 0
    text = " ".join(shown.output.replace("│", " ").split())
    for parameter in command.params:
        wanted = (getattr(parameter, "help", None) or "").replace("`", "")
        assert " ".join(wanted.split()) in text, parameter.name


def test_questions_to_the_trail_come_with_an_example() -> None:
    without = {
        path[1:]
        for path, command in ALL
        if path[0] == "audit" and f"Example: dbguard {' '.join(path)}" not in command.help
    }
    assert without == PLAIN
