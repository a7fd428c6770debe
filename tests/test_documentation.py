"""What the documentation tells people to type is right."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from dbguard.cli.app import app
from dbguard.config import load_settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = "\n".join(path.read_text("utf-8") for path in (ROOT / "dbguard").rglob("*.py"))
DSN = "postgresql://u:p@127.0.0.1/postgres"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        lines = page.read_text("utf-8").splitlines()
        start = None
        for number, line in enumerate(lines):
            if not line.startswith("```"):
                continue
            if start is None:
                start = number
            else:
                language = lines[start].removeprefix("```")
                text = "\n".join(lines[start + 1 : number])
                found.append(Block(page, start + 1, language, text))
                start = None
        assert start is None, f"{page.name}: a block is not closed"
    return [block for block in found if block.language in languages]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Place and arguments of every `dbguard …` that a page tells people to type."""
    for block in blocks("sh", "console"):
        for line in block.text.splitlines():
            if line.startswith("#"):
                continue
            for part in line.removeprefix("$ ").split(" && "):
                words = shlex.split(part)
                places = [i for i, word in enumerate(words) if Path(word).name == "dbguard"]
                if places:
                    yield str(block), words[places[0] + 1 :]
    for page in PAGES:
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
            for inline in re.findall(r"`(dbguard [^`…]*)`", line):
                yield f"{page.name}:{number}", shlex.split(inline)[1:]


def resolve(arguments: list[str]) -> None:
    """Let the command line parse `arguments` without running anything. Raises on a mistake."""
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    if rest == ["--version"]:
        return  # the program's only option of its own
    while hasattr(command, "commands"):
        if not rest or rest[0] == "ready":
            return  # a group as text mentions it, or the line that serve prints
        name = rest.pop(0)
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    # A command that is only mentioned need not have its required options.
    command.make_context(command.name, rest, resilient_parsing=not rest)


COMMANDS = list(commands())


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) > 25


@pytest.mark.parametrize(("place", "arguments"), COMMANDS)
def test_commands_can_be_typed(place: str, arguments: list[str]) -> None:
    resolve(arguments)


@pytest.mark.parametrize(
    "arguments", [["nosuch"], ["backup", "now", "--databse", "x"], ["audit", "verfy"]]
)
def test_the_check_itself_notices(arguments: list[str]) -> None:
    with pytest.raises(Exception, match=r"no command|No such option"):
        resolve(arguments)


@pytest.mark.parametrize(
    "arguments", [a for _, a in COMMANDS if a[:1] == ["psql"] and "-c" in a], ids=lambda a: a[-1]
)
def test_statements_of_the_first_minutes_are_understood(arguments: list[str]) -> None:
    catalog = ROOT / "rules" / "hipaa" / "catalog.json"
    result = CliRunner().invoke(app, ["analyze", "--catalog", str(catalog), "-c", arguments[-1]])
    assert result.exit_code == 0, result.output


def examples() -> list[tuple[str, list[str], str]]:
    """Place, arguments and output of each command whose output a page shows right below it."""
    every = blocks("sh", "text")
    found = []
    for block, below in itertools.pairwise(every):
        if (block.language, below.language) == ("sh", "text") and block.page == below.page:
            words = shlex.split(block.text)
            if words[0] == "dbguard" and "\n" not in block.text:
                found.append((str(block), words[1:], below.text))
    return found


def test_there_are_examples_with_output() -> None:
    assert len(examples()) >= 2


@pytest.mark.parametrize(("place", "arguments", "shown"), examples())
def test_commands_print_what_is_shown(
    place: str, arguments: list[str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "100"})
    assert [line.rstrip() for line in result.stdout.rstrip().splitlines()] == shown.splitlines()


def test_readme_lists_every_command() -> None:
    group: Any = typer.main.get_command(app)
    text = (ROOT / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| `dbguard (\w+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(group.commands)


def test_set_up_commands_stand_in_the_readme_word_by_word() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    venv = "python3 -m venv .venv && .venv/bin/pip install -e "
    assert f"{venv}'.[demo]' && .venv/bin/dbguard demo" in lines
    assert f"{venv}'.[test]' && .venv/bin/python -m pytest" in lines


def test_the_gate_runs_the_test_command_of_the_readme() -> None:
    gate = (ROOT / ".ci" / "run").read_text("utf-8")
    (extract,) = (line for line in gate.splitlines() if line.startswith("command=$("))
    behind = gate.partition('bash -c "$command"')[2].splitlines()
    assert behind == [  # nothing follows pytest's closing line but types that are wrong
        " && tests=0 || tests=$?",
        'wait "$types" || { cat "$work/mypy.log" >&2; exit 1; }',
        'exit "$tests"',
    ]
    script = extract.removeprefix("command=$(").removesuffix(")")
    found = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout.startswith("python3 -m venv .venv && ")
    assert found.stdout.endswith("-m pytest\n")


SETTINGS = [block for block in blocks("yaml") if block.page.name != "policy.md"]


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_settings_load(block: Block, tmp_path: Path) -> None:
    assert block.text.startswith("# dbguard.yaml"), "only settings are checked here"
    for name in ("server.crt", "server.key", "logs-ca.crt", "dbguard.crt", "dbguard.key"):
        (tmp_path / name).write_text("")
    (tmp_path / "dbguard.yaml").write_text(block.text)
    settings = load_settings(tmp_path / "dbguard.yaml", {"CATALOG_DSN": DSN, "BACKUP_DSN": DSN})
    settings.check_combination()


@pytest.mark.pg
@pytest.mark.parametrize("block", blocks("sql"), ids=str)
def test_sql_runs(block: Block, pg_server: Any) -> None:
    # roles belong to the whole server, and other tests made the documented ones already
    text = re.sub(r"\bdbguard(_backup)?\b", r"dbguard_documented\1", block.text)
    with psycopg.connect(pg_server.dsn()) as connection:
        if "CREATE ROLE" not in text:
            connection.execute("CREATE ROLE dbguard_documented")
        connection.execute(text)  # type: ignore[arg-type]
        connection.rollback()


def test_links_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
        for target in re.findall(r"`(docs/[\w./-]+|docker/[\w./-]+|rules/\w+)`", text):
            if not (ROOT / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_quoted_messages_exist() -> None:
    """The first column of the table of backup messages, searched for in the sources."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    table = text[text.index("| it says |") :].split("\n\n")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(quoted) == 8
    assert [message for message in quoted if message not in SOURCES] == []


def test_changelog_has_the_shape_it_claims() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert headings[0] == "[Unreleased]"
    for heading in headings[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading)
    kinds = {line.removeprefix("### ") for line in lines if line.startswith("### ")}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
