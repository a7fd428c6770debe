"""Honest statements run on masked data: same shape, right rows, nothing restricted in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.pg

HERE = Path(__file__).parent


def lines(name: str) -> list[str]:
    """The statements of a file, one a line."""
    return (HERE / name).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("text", lines("same.sql"))
def test_results_are_the_same(clinic: Any, text: str) -> None:
    direct = clinic.run(text)
    masked = clinic.run(clinic.rewritten(text).text)
    assert direct.errors == masked.errors == ()
    assert masked == direct
    assert masked.leaks() == []


RECORD = 2249


def row_types(clinic: Any) -> set[int]:
    """Types of relations' rows: a row of a masked relation is an anonymous record."""
    rows = clinic.database.execute("SELECT reltype FROM pg_class WHERE relkind IN ('r', 'p')")
    return {row[0] for row in rows}


@pytest.mark.parametrize("text", lines("shape.sql"))
def test_results_have_the_same_shape(clinic: Any, text: str) -> None:
    text = text.replace("current_database.", f"{clinic.snapshot.database}.")
    direct = clinic.run(text)
    if direct.errors and clinic.snapshot.server_version < 180000:
        pytest.skip("newer than the server")
    masked = clinic.run(clinic.rewritten(text).text)
    assert direct.errors == masked.errors == ()
    assert masked.leaks() == []
    assert masked.names == direct.names
    records = row_types(clinic)
    assert masked.types == tuple((RECORD, -1) if t[0] in records else t for t in direct.types)
    binary = clinic.run(clinic.rewritten(text).text, binary=True)
    assert binary.leaks() == []
