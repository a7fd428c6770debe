"""What docs/audit.md and docs/operations.md tell people to type about a trail runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from typer.main import get_command

from dbguard.audit.records import DecisionRecord, OutcomeRecord
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog
from dbguard.cli.commands import program

APP = get_command(program(["audit"]))

DOCS = Path(__file__).parents[2] / "docs"
SETTINGS = "catalog: {dsn: 'postgresql://u:p@127.0.0.1/db'}\nrules: rules\n"
COMMANDS = ("search", "sql", "prune", "hold")


def documented() -> list[list[str]]:
    """In the order in which they stand."""
    found = []
    for page in ("audit.md", "operations.md"):
        for block in re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] == ["dbguard", "audit"] and words[2] in COMMANDS:
                    found.append(words[1:])
    return found


def test_they_run(
    tmp_path: Path, decision: DecisionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "dbguard.yaml").write_text(SETTINGS)
    log = AuditLog.open(tmp_path / "audit", signer=SigningKey(tmp_path / "audit.key"))
    made = log.append(decision)
    log.append(OutcomeRecord(decision.session, made, "SELECT 1", 1, "", 5))
    log.close()
    monkeypatch.chdir(tmp_path)
    assert len(documented()) >= 13
    for arguments in documented():
        result = CliRunner().invoke(APP, arguments)
        assert result.exit_code == 0, (arguments, result.output)
