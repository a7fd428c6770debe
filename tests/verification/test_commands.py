"""The check and the proofs, as people call them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import orjson
import pytest
from typer.testing import CliRunner

from dbguard.cli.app import app
from dbguard.verification.__main__ import main

from .chain_writer import Key
from .histories import History

runner = CliRunner()


@pytest.fixture
def key_file(tmp_path: Path, key: Key) -> Path:
    path = tmp_path / "ours.pub"
    path.write_text(key.vkey + "\n")
    return path


def test_verify_says_what_it_saw(trail: Path, key_file: Path) -> None:
    result = runner.invoke(app, ["audit", "verify", str(trail), "--public-key", str(key_file)])
    assert result.exit_code == 0, result.output
    assert "in order: 124 records in 8 segments" in result.output
    assert "top: signed: records up to 100 by dbguard-" in result.output
    assert "eu-1: pruned: records up to 13" in result.output
    assert "not checked: the end of the trail against a second place" in result.output

    copies = ["--checkpoints", str(trail / "checkpoints.jsonl")]
    result = runner.invoke(app, ["audit", "verify", "--audit", str(trail), *copies])
    assert result.exit_code == 0
    assert "not checked: who signed the checkpoints: no public key was given" in result.output
    assert "second place" not in result.output


def test_copies_are_named_where_they_are(
    trail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "copy.jsonl").write_bytes((trail / "checkpoints.jsonl").read_bytes())
    (trail / "checkpoints.jsonl").unlink()
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["audit", "verify", str(trail), "--checkpoints", "copy.jsonl"])
    assert result.exit_code == 1
    assert f": {tmp_path}/copy.jsonl:1 has it" in result.output


def test_a_record_that_nothing_signed_yet_is_not_proved(trail: Path) -> None:
    path = trail / "checkpoints.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    result = runner.invoke(app, ["audit", "prove", "100", "--audit", str(trail)])
    assert result.exit_code == 2
    assert "no checkpoint covers record 100 yet" in result.stderr


def test_findings_have_exit_code_one(trail: Path) -> None:
    (trail / "operator" / "head").unlink()
    result = runner.invoke(app, ["audit", "verify", str(trail)])
    assert result.exit_code == 1
    assert f"{trail}/operator/head: record operator:2: the head file is missing" in result.output
    result = runner.invoke(app, ["audit", "verify", str(trail), "--json"])
    assert result.exit_code == 1
    document = orjson.loads(result.output)
    assert document["findings"][0]["record"] == "operator:2"
    assert document["chains"][1]["pruned_through"] == 13


def test_what_cannot_be_read_has_exit_code_two(trail: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_text("junk")
    for arguments in (
        [str(tmp_path / "nothing")],
        [str(trail), "--public-key", str(junk)],
        [str(trail), "--public-key", str(tmp_path / "nothing")],
        [str(trail), "--checkpoints", str(junk)],
        [str(trail), "--checkpoints", str(tmp_path / "nothing")],
    ):
        result = runner.invoke(app, ["audit", "verify", *arguments])
        assert result.exit_code == 2, result.output
        assert result.stderr.count("\n") == 1
        assert main(arguments) == 2


def test_without_anything_else_of_dbguard(trail: Path, key_file: Path) -> None:
    call = [sys.executable, "-m", "dbguard.verification", str(trail)]
    done = subprocess.run([*call, "--public-key", key_file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "in order: 124 records" in done.stdout
    path = trail / "audit-000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"u3", b"u4", 1))
    done = subprocess.run([*call, "--json"], capture_output=True, text=True)
    assert done.returncode == 1
    assert orjson.loads(done.stdout)["findings"][0]["sequence"] == 5


def test_prove_and_check(trail: Path, key_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    call = ["audit", "prove", "20", "--audit", str(trail)]
    result = runner.invoke(app, [*call, "-o", str(file)])
    assert result.exit_code == 0, result.output
    assert "record 20 is number 20 of the 100 that were signed" in result.output
    result = runner.invoke(app, [*call, "--checkpoint", "29"])
    assert orjson.loads(result.output)["size"] == 29
    checking = ["audit", "check-proof", str(file), "--public-key", str(key_file)]
    result = runner.invoke(app, checking)
    assert result.exit_code == 0
    assert '"seq":20,' in result.output
    assert "proven: record 20 of chain " in result.output
    file.write_bytes(file.read_bytes().replace(b"u9", b"u8"))
    result = runner.invoke(app, checking)
    assert result.exit_code == 1
    assert "NOT proven: the record was changed" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prove", "300"], "there is no record 300"),
        (["prove", "x"], "not the name of a record"),
        (["prove", "20", "--checkpoint", "x"], "not the size of a checkpoint"),
        (["prove", "20", "--checkpoint", "7"], "no checkpoint of 7 records"),
        (["prove", "eu-1:2"], "it was pruned"),
    ],
)
def test_what_cannot_be_proved_is_told(trail: Path, arguments: list[str], words: str) -> None:
    result = runner.invoke(app, ["audit", *arguments, "--audit", str(trail)])
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_failed_check_is_recorded_in_the_operators_chain(tmp_path: Path) -> None:
    history = History(tmp_path / "audit", tmp_path / "audit.key", Random(1))
    history.ordinary("")
    config = tmp_path / "dbguard.yaml"
    config.write_text(
        'upstream: {host: x}\ncatalog: {dsn: "postgresql://u@127.0.0.1:1/x"}\nrules: x\n'
        "audit: {directory: audit}\n"
    )
    call = ["audit", "verify", "--config", str(config)]
    result = runner.invoke(app, call)
    assert result.exit_code == 0, result.output
    assert "signed: records up to" in result.output  # the key beside the signing key was taken
    assert not (history.trail / "operator").exists()

    path = history.trail / "audit-000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"analyst", b"nobody!", 1))
    changed = {one.name: one.read_bytes() for one in history.trail.iterdir()}
    assert runner.invoke(app, [*call, "--no-record"]).exit_code == 1
    assert runner.invoke(app, ["audit", "verify", str(history.trail)]).exit_code == 1
    assert not (history.trail / "operator").exists()
    assert runner.invoke(app, call).exit_code == 1
    assert changed == {
        one.name: one.read_bytes() for one in history.trail.iterdir() if one.is_file()
    }
    lines = (history.trail / "operator" / "audit-000001.jsonl").read_bytes().splitlines()
    fields = orjson.loads(lines[-1])["fields"]
    assert (fields["findings"], fields["first_record"]) == ("1", "2")
    assert fields["first_problem"] == "was changed: it does not match its hash"

    (history.trail / "operator" / "head").unlink()
    result = runner.invoke(app, [*call, "--record"])
    assert result.exit_code == 1
    assert "not recorded: the operator's chain is not in order itself" in result.stderr
