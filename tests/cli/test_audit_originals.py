"""`dbguard audit open` and `dbguard audit key auditor` as a person types them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dbguard.audit.original_text import TextSealer, load_public
from dbguard.audit.records import DecisionRecord, EventRecord, RecordKind
from dbguard.audit.writer import AuditLog
from dbguard.cli.app import app

RECORD = DecisionRecord(
    session="s1",
    principal_user="app",
    principal_groups=(),
    database="clinic",
    client_address="127.0.0.1",
    application="",
    environment="production",
    phase="query",
    action="select",
    wrapper="",
    relations=(),
    columns=(),
    decision="allow",
    rules=(),
    reasons=(),
    masked=(),
    requirements=(),
    text="SELECT ?",
    fingerprint="f1",
    statement="",
    rules_digest="",
    catalog_epoch=1,
)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["audit", *words])


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "auditor.key"
    made = run("key", "auditor", str(path))
    assert made.exit_code == 0, made.output
    assert made.stdout == f"private key: {path}\npublic key:  {path.with_suffix('.pub')}\n"
    return path


@pytest.fixture
def trail(tmp_path: Path, key: Path) -> Path:
    sealer = TextSealer(load_public(key.with_suffix(".pub")), 300)
    log = AuditLog.open(tmp_path / "audit")
    for text in ("SELECT 'Jane'\x1b[2J", "SELECT '" + "x" * 500):
        log.append(replace(RECORD, sealed=sealer.seal(text, "s1", "f1")))
    log.append(RECORD)
    log.wait(log.append(EventRecord(RecordKind.STOP, "", ())), 5)
    log.close()
    return tmp_path / "audit"


def test_open(trail: Path, key: Path) -> None:
    places = ("--audit", str(trail), "--key", str(key))
    assert run("open", "1", *places).stdout == "SELECT 'Jane'\\x1b[2J\n"
    document = json.loads(run("open", "1", *places, "--json").stdout)
    assert document == {"v": 1, "text": "SELECT 'Jane'\x1b[2J", "bytes": 17}
    cut = run("open", "2", *places)
    assert cut.exit_code == 0
    assert cut.stdout == "SELECT '" + "x" * 292 + "\n"
    assert cut.stderr == "cut: the first 300 of 508 bytes were kept\n"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("3", "record 3 holds no original text"),
        ("4", "record 4 is no decision"),
        ("5", "there is no record 5"),
        ("eu:1", "there is no record eu:1"),
        ("one", "not the name of a record"),
    ],
)
def test_nothing_to_open(trail: Path, key: Path, record: str, said: str) -> None:
    result = run("open", record, "--audit", str(trail), "--key", str(key))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Jane" not in result.output


def test_another_key_opens_nothing(trail: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    assert run("key", "auditor", str(other)).exit_code == 0
    result = run("open", "1", "--audit", str(trail), "--key", str(other))
    assert result.exit_code == 1
    assert result.stderr == "dbguard: record 1 cannot be opened: it was sealed for another key\n"
    again = run("key", "auditor", str(other))
    assert again.exit_code == 2
    assert "there is a key already" in again.stderr
