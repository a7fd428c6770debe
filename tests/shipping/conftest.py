"""What most tests of shipping need."""

from __future__ import annotations

from pathlib import Path

import pytest

from .places import Said, Trail


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path / "audit")


@pytest.fixture
def said() -> Said:
    return Said()
