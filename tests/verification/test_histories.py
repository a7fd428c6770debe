"""Nobody is accused, whatever an honest trail went through. E2E_HISTORIES says how many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbguard.verification.trail import verify

from .histories import build

HISTORIES = int(os.environ.get("E2E_HISTORIES", "5"))


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_an_honest_history_has_no_findings(tmp_path: Path, seed: int) -> None:
    history = build(tmp_path, seed)
    copies = [path for path in history.trail.rglob("checkpoints.jsonl") if path.stat().st_size]
    for keys in (history.keys(), []):
        result = verify(history.trail, keys=keys, checkpoint_files=copies)
        assert result.findings == (), [str(finding) for finding in result.findings]
    assert result.records > 20
