"""A trail as dbguard writes it, its checkpoints signed: shipped, sealed, pruned, verified."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from typer.testing import CliRunner

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.cli.app import app

CONFIG = """
catalog: {dsn: "postgresql://u:p@127.0.0.1:1/x"}
audit:
  directory: audit
  ship:
    - {name: copy, type: file, directory: copy}
    - {name: second, type: file, directory: second, send: [checkpoints]}
    - {name: later, type: file, directory: later}
"""


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["audit", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def write(folder: Path, begin: datetime, records: int) -> None:
    hours = iter(range(10_000))
    log = AuditLog.open(
        folder / "audit",
        segment_bytes=8_000,
        segment_age=1e12,
        durability=Durability.BUFFERED,
        clock=lambda: begin + timedelta(hours=24) * next(hours),
        signer=SigningKey(folder / "audit.key"),
    )
    for number in range(records):
        log.wait(log.append(EventRecord(RecordKind.CONNECT, f"s{number}", (("user", "u"),))), 10)
    log.close()


def test_the_life_of_a_trail_with_copies(tmp_path: Path) -> None:
    config = tmp_path / "dbguard.yaml"
    config.write_text(CONFIG)
    with_config = ("--config", str(config))
    write(tmp_path, datetime.now(UTC) - timedelta(days=366 * 6 + 60), 150)
    for segment in to_seal(tmp_path / "audit"):
        seal(segment)
    assert list((tmp_path / "audit").glob("*.zst"))
    run(tmp_path, "ship", "copy", "second", "--once", *with_config)
    elsewhere = str(tmp_path / "elsewhere.jsonl")
    run(tmp_path, "fetch-checkpoints", "second", "-o", elsewhere, *with_config)
    public = str(tmp_path / "audit.pub")
    for trail in ("audit", "copy"):
        said = run(
            tmp_path, "verify", "--audit", str(tmp_path / trail),
            "--checkpoints", elsewhere, "--public-key", public,
        )  # fmt: skip
        assert "in order" in said

    pruned = run(tmp_path, "prune", *with_config)
    assert "later does not have all of it yet" in pruned
    config.write_text(CONFIG.replace("    - {name: later, type: file, directory: later}\n", ""))
    assert "the top chain: removed: segments 1 to" in run(tmp_path, "prune", *with_config)
    config.write_text(CONFIG)
    run(tmp_path, "ship", "--once", *with_config)
    gaps = (tmp_path / "later" / "gaps.jsonl").read_text()
    assert '"first":1,' in gaps
    assert '"reason":"retention"' in gaps
    # the one that had everything has it still, and the operator's chain with what was removed
    said = run(
        tmp_path, "verify", "--audit", str(tmp_path / "copy"),
        "--checkpoints", elsewhere, "--public-key", public,
    )  # fmt: skip
    assert "in order" in said
    assert (tmp_path / "copy" / "operator" / "head").exists()
