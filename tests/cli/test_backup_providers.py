"""Backups of other tools at the command line: listed, looked at by doctor, checked in rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dbguard.cli.app import app
from tests.buckets import s3_client, s3_server

pytestmark = pytest.mark.pg

INVENTORY = """#!/bin/sh
cat <<END
{"v": 1, "backups": [
  {"id": "good", "taken_at": "2026-03-01T02:00:00Z", "covers": "cluster",
   "system_identifier": "$DBGUARD_SYSTEM_IDENTIFIER", "bytes": 5},
  {"id": "other", "taken_at": "2026-03-02T02:00:00Z", "covers": "cluster",
   "system_identifier": "1"},
  {"id": "strange", "taken_at": "soon", "covers": "cluster"}]}
END
"""


@pytest.fixture
def config(tmp_path: Path, pg_server: Any) -> Path:
    program = tmp_path / "inventory"
    program.write_text(INVENTORY)
    program.chmod(0o755)
    path = tmp_path / "dbguard.yaml"
    path.write_text(
        f"catalog: {{dsn: {json.dumps(pg_server.dsn())}}}\n"
        f"backup: {{providers: {{vault: {{kind: command, program: {json.dumps(str(program))}}}, "
        "away: {kind: command, program: /nonexistent/x}}}\n"
    )
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "100"})


def test_list(config: Path) -> None:
    result = run("backup", "list", "-c", str(config))
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["good", "vault", "2026-03-01", "02:00", "exists"] in lines
    assert ["other", "vault", "2026-03-02", "02:00", "does", "not", "count"] in lines
    assert "other of vault: it is of another server" in result.stdout
    assert 'strange of vault: it is not understood: "taken_at" is not a time' in result.stdout
    assert "away (command): X cannot be started: no such file or directory." in result.stdout


def test_list_as_json(config: Path) -> None:
    documents = json.loads(run("backup", "list", "-c", str(config), "--json").stdout)
    by_id = {document.get("id"): document for document in documents}
    assert by_id["good"] == {
        "v": 1,
        "provider": "vault",
        "kind": "command",
        "id": "good",
        "state": "exists",
        "taken_at": "2026-03-01T02:00:00+00:00",
        "finished_at": None,
        "verification": "exists",
        "bytes": 5,
        "digest": "",
        "error": "",
    }
    assert by_id["strange"]["taken_at"] is None
    assert by_id[None]["state"] == "unavailable"


def test_none_that_could_count(config: Path) -> None:
    (config.parent / "inventory").write_text("#!/bin/sh\nexit 3\n")
    result = run("backup", "list", "-c", str(config))
    assert result.exit_code == 1
    assert "vault (command): Inventory ended with exit code 3." in result.stdout


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    path = tmp_path / "dbguard.yaml"
    path.write_text(
        'catalog: {dsn: "postgresql://u:s3cret@127.0.0.1:1/x"}\nupstream: {port: 1}\n'
        "backup: {providers: {main: {kind: pgbackrest, stanza: main}}}\n"
    )
    result = run("backup", "list", "-c", str(path))
    assert result.exit_code == 1
    assert "main (pgbackrest): PostgreSQL server cannot be reached" in result.stdout
    assert "s3cret" not in result.output


def test_making_one_needs_a_dsn(config: Path) -> None:
    result = run("backup", "now", "-d", "postgres", "-c", str(config))
    assert result.exit_code == 2
    assert "backup.dsn: required for this command" in result.output


def test_doctor(config: Path) -> None:
    result = run("doctor", "-c", str(config))
    assert result.exit_code == 1
    assert "backup.providers.vault (command): 1 of 3 backups can count" in result.stdout
    assert "backup.providers.away (command): X cannot be started" in result.stdout


def test_check(config: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    text = """
rules:
  - id: ddl-needs-backup
    require: {backup: {max_age: 1h, min_verification: exists, providers: [vault, %s]}}
    actions: [ddl]
"""
    (rules / "rules.yaml").write_text(text % "pg_dump")
    result = run("check", str(rules), "--config", str(config))
    assert result.exit_code == 0, result.output
    assert "backup provider vault: command" in result.stdout
    (rules / "rules.yaml").write_text(text % "volt")
    result = run("check", str(rules), "--config", str(config))
    assert result.exit_code == 1
    assert "rule ddl-needs-" in result.stdout
    assert "volt" in result.stdout


@pytest.fixture
def bucket(tmp_path: Path, pg_server: Any) -> Iterator[tuple[Path, Any]]:
    """Settings with a bucket, and a client of it."""
    with s3_server() as endpoint, s3_client(endpoint, "dumps") as client:
        path = tmp_path / "dbguard.yaml"
        place = f"{{url: 's3://dumps/x', endpoint: '{endpoint}', region: us-east-1, " \
            "access_key: k, secret_key: s, unencrypted: true}"  # fmt: skip
        dsn = json.dumps(pg_server.dsn())
        path.write_text(f"catalog: {{dsn: {dsn}}}\nbackup: {{dsn: {dsn}, location: {place}}}\n")
        yield path, client


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_location_of_backups(bucket: tuple[Path, Any], tmp_path: Path) -> None:
    config, client = bucket
    assert "backup.location: s3://dumps/x" in run("doctor", "-c", str(config)).stdout
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "rules.yaml").write_text("rules: [{id: a, deny: [truncate]}]\n")
    result = run("check", str(rules), "--config", str(config))
    assert "backup location s3://dumps/x: not encrypted" in result.output
    client.delete_bucket(Bucket="dumps")
    result = run("doctor", "-c", str(config))
    assert result.exit_code == 1
    assert "backup.location: s3://dumps/x: there is no such bucket." in result.stdout


def test_a_location_needs_boto3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dbguard.yaml"
    dsn = "postgresql://u:s3cret@127.0.0.1:1/x"
    path.write_text(
        f"catalog: {{dsn: '{dsn}'}}\nbackup: {{dsn: '{dsn}', key: x, location: 's3://dumps/x'}}\n"
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for words in (["check", "--config", str(path)], ["backup", "now", "-d", "x", "-c", str(path)]):
        result = run(*words)
        assert result.exit_code == 2, result.output
        assert "pip install 'dbguard[s3]'" in " ".join(result.output.split())
        assert "s3cret" not in result.output
