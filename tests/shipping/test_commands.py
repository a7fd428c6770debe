"""`dbguard audit ship`, `fetch-checkpoints` and `fetch-copy`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dbguard.cli.app import app
from dbguard.verification.trail import verify

from .places import Trail


@pytest.fixture
def config(trail: Trail, tmp_path: Path) -> Path:
    path = tmp_path / "dbguard.yaml"
    path.write_text(
        "catalog: {dsn: 'postgresql://u:s3cret@127.0.0.1:1/x'}\n"
        "audit:\n  directory: audit\n  ship:\n"
        "    - {name: copy, type: file, directory: copy}\n"
        "    - {name: second, type: file, directory: second, send: [checkpoints]}\n"
        "    - {name: siem, type: syslog, address: '127.0.0.1:1', transport: tcp}\n"
    )
    trail.add(20)
    trail.checkpoint(10)
    trail.checkpoint()
    return path


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["audit", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_ship_and_fetch(config: Path, trail: Trail, tmp_path: Path) -> None:
    shipped = run("ship", "copy", "second", "--once", "--config", config)
    assert f"copy: {trail.count} records; all is there" in shipped
    assert "second: all is there" in shipped
    out = tmp_path / "elsewhere.jsonl"
    assert "2 checkpoints from second" in run(
        "fetch-checkpoints", "second", "-o", out, "--config", config
    )
    assert out.read_bytes() == (trail.folder / "checkpoints.jsonl").read_bytes()
    assert run("fetch-checkpoints", "copy", "-o", "-", "--config", config) == out.read_text()
    assert f"{trail.count} records from copy" in run(
        "fetch-copy", "copy", "-o", tmp_path / "again", "--config", config
    )
    assert verify(tmp_path / "again", checkpoint_files=[out]) == verify(
        trail.directory, checkpoint_files=[out]
    )


def test_status_says_who_is_behind(config: Path, trail: Trail) -> None:
    run("ship", "copy", "--once", "--config", config)
    assert run("ship", "copy", "--status", "--config", config) == "copy (file): 0 records behind\n"
    away = run("ship", "siem", "--once", "--config", config, code=1)
    assert "siem: 0 records; not all: it cannot be reached" in away
    text = run("ship", "--status", "--config", config, code=1)
    assert f"siem (syslog): {trail.count} records behind; since 20" in text
    document = json.loads(run("ship", "--status", "--json", "--config", config, code=1))
    assert document["v"] == 1
    copy, second, siem = document["destinations"]
    assert copy["chains"][""] == {
        "shipped": trail.count,
        "lag": 0,
        "checkpoint": trail.count,
    }
    assert (second["lag"], siem["trouble"][:20]) == (0, "it cannot be reached")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ship", "nosuch", "--once"), "there is no destination nosuch. There are: copy, second"),
        (("fetch-checkpoints", "siem", "-o", "x"), "nothing can be read back from type syslog"),
        (("fetch-copy", "copy", "-o", "."), "is there already"),
        (("fetch-copy", "copy", "-o", "new", "--dsn", "postgresql://u:p@h/"), "--dsn must be file"),
    ],
)
def test_mistakes(config: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in run(*arguments, "--config", config, code=2)


def test_check_says_where_copies_go(config: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "r.yaml").write_text(
        "roles: {r: {users: [a]}}\nrules: [{id: x, allow: [read], roles: [r]}]\n"
    )

    def said() -> str:
        result = CliRunner().invoke(app, ["check", str(rules), "--config", str(config)])
        assert result.exit_code in (0, 1), result.output
        return result.output

    assert "audit trail: checkpoints to second (file)" in said()
    assert "no second place" not in said()
    text = config.read_text().replace("[checkpoints]", "[records]")
    config.write_text("\n".join(line for line in text.splitlines() if "copy," not in line))
    config.write_text(config.read_text().replace("transport: tcp}", "send: [records]}"))
    assert "audit trail: no second place for checkpoints" in said()
