"""What most tests of shipping need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from .places import Said, Trail


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Commands that are run here configure the log of the whole process."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path / "audit")


@pytest.fixture
def said() -> Said:
    return Said()
