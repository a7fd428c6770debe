"""`dbguard audit key` as people call it."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from dbguard.audit.own_chain import own_chain
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit_settings import AuditSettings, CheckpointSettings
from dbguard.cli.app import app
from dbguard.verification.trail import verify

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))
runner = CliRunner()


@pytest.fixture
def settings(tmp_path: Path) -> AuditSettings:
    return AuditSettings(
        directory=tmp_path / "audit", checkpoints=CheckpointSettings.model_construct(every=0.05)
    )


def call(settings: AuditSettings, *words: str, code: int = 0) -> str:
    result = runner.invoke(app, ["audit", "key", *words, "--audit", str(settings.directory)])
    assert result.exit_code == code, result.output
    return result.output


def key_records(folder: Path) -> list[dict[str, str]]:
    lines = (folder / "audit-000001.jsonl").read_bytes().splitlines()
    return [line["fields"] for line in map(orjson.loads, lines) if line["kind"] == "key"]


def test_show_tells_keys_and_chains(settings: AuditSettings) -> None:
    assert "(missing)" in call(settings, "show")
    own_chain(settings.model_copy(update={"writer": "eu-1"})).close()
    output = call(settings, "show")
    public = settings.signing_key.with_suffix(".pub").read_text().strip()
    name = public.partition("+")[0]
    assert f"key: {settings.signing_key} ({name})" in output
    assert f"  {public}\n" in output
    assert f"chain eu-1: signed by {name} up to record 1, " in output
    document = orjson.loads(call(settings, "show", "--json"))
    assert document["key"] == public
    assert document["public_keys"] == [public]
    assert [(chain["writer"], chain["sequence"]) for chain in document["chains"]] == [("eu-1", 1)]


def test_show_tells_a_key_inside_the_trail_and_a_chain_of_a_stranger(
    settings: AuditSettings, tmp_path: Path
) -> None:
    config = tmp_path / "dbguard.yaml"
    config.write_text(
        'catalog: {dsn: "postgresql://dbguard@127.0.0.1:5432/postgres"}\n'
        "audit: {directory: audit, checkpoints: {key: audit/own.key}}\n"
    )
    inside = settings.model_copy(
        update={"checkpoints": CheckpointSettings(key=settings.directory / "own.key")}
    )
    own_chain(inside).close()
    result = runner.invoke(app, ["audit", "key", "show", "--config", str(config)])
    assert result.exit_code == 0, result.output
    assert "whoever can write to the trail can sign it" in result.output
    assert "chain: not signed by a known key" in call(settings, "show")


def test_rotate_hands_over_in_the_operators_chain_and_in_one_that_is_written(
    settings: AuditSettings,
) -> None:
    log = own_chain(settings)
    output = call(settings, "rotate")
    old, new = settings.signing_key.with_suffix(".pub").read_text().splitlines()
    assert f"{old.partition('+')[0]} hands over to {new.partition('+')[0]}" in output
    assert new in output
    deadline = time.monotonic() + 90
    while len(key_records(settings.directory)) < 2:
        assert time.monotonic() < deadline
        log.wait(log.append(EVENT), timeout=20)
        time.sleep(0.01)
    log.close()
    for folder in (settings.directory, settings.directory / "operator"):
        began, rotated = key_records(folder)
        assert (began["event"], rotated["event"]) == ("began", "rotated")
        assert (began["key"], rotated["key"]) == (old, new)
    assert verify(settings.directory).findings == ()
    assert f"signed by {new.partition('+')[0]}" in call(settings, "show")


def test_a_lost_key_is_replaced_only_when_said_so(settings: AuditSettings) -> None:
    own_chain(settings).close()
    settings.signing_key.unlink()
    assert "If it is lost, use --lost" in call(settings, "rotate", code=2)
    assert "is replaced by" in call(settings, "rotate", "--lost")
    own_chain(settings).close()
    assert [record["event"] for record in key_records(settings.directory)] == ["began", "replaced"]
    # a verifier that is given no key says so in a note
    assert verify(settings.directory).findings == ()


def test_there_is_nothing_to_rotate_without_a_trail(settings: AuditSettings) -> None:
    assert "there is no audit trail here" in call(settings, "rotate", code=2)


def test_a_key_that_others_may_read_is_told(settings: AuditSettings) -> None:
    own_chain(settings).close()
    settings.signing_key.chmod(0o640)
    for words in (["show"], ["rotate"]):
        assert "is open to other users" in call(settings, *words, code=2)
