"""`dbguard check` and the key that signs the audit trail."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dbguard.audit.keys import load_or_create
from dbguard.cli.app import app

RULES = Path(__file__).parents[2] / "rules" / "hipaa"


@pytest.mark.parametrize(
    ("key", "mode", "code", "said"),
    [
        ("keys/audit.key", 0o600, 0, ""),
        ("keys/audit.key", None, 0, ""),
        ("keys/audit.key", 0o644, 2, "is open to other users"),
        ("audit/own.key", 0o600, 1, "audit.checkpoints.key"),
    ],
)
def test_it_tells_what_is_wrong_with_it(
    tmp_path: Path, key: str, mode: int | None, code: int, said: str
) -> None:
    if mode is not None:
        load_or_create(tmp_path / key)
        (tmp_path / key).chmod(mode)
    config = tmp_path / "dbguard.yaml"
    config.write_text(
        'catalog: {dsn: "postgresql://dbguard@127.0.0.1:5432/postgres"}\n'
        f"rules: {RULES}\n"
        f"audit: {{directory: audit, checkpoints: {{key: {key}}}}}\n"
    )
    result = CliRunner().invoke(app, ["check", "--config", str(config)])
    assert result.exit_code == code, result.output
    assert said in " ".join(result.output.split())
    assert (tmp_path / key).exists() == (mode is not None)
