"""Attempts to get a restricted value past the rewriting, each kept as it was tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dbguard.errors import StatementError
from dbguard.sql.facts import FunctionTrust, Use
from dbguard.sql.sites import Reading

pytestmark = pytest.mark.pg

HERE = Path(__file__).parent


def lines(name: str) -> list[str]:
    return (HERE / name).read_text(encoding="utf-8").splitlines()


def refused_by_policy(reading: Reading, masks: dict[int, dict[int, str]]) -> bool:
    """What every policy refuses those who hold no raw access: the rewriting never sees these."""
    facts = reading.facts
    trusted = (FunctionTrust.BUILTIN, FunctionTrust.EXTENSION)
    if facts.opaque or any(f.trust not in trusted for f in facts.functions):
        return True
    return any(
        use.column.number in masks.get(use.column.relation, {})
        and not use.maskable
        and use.uses != {Use.WRITE}
        for use in facts.columns
    )


@pytest.mark.parametrize("text", lines("hostile.sql"))
def test_nothing_restricted_comes_through(clinic: Any, text: str) -> None:
    text = text.replace(r"\;", ";")
    try:
        readings = clinic.read(text)
        if any(refused_by_policy(reading, clinic.masks) for reading in readings):
            return
        sent = {clinic.rewritten(text).text, clinic.rewritten(text, used_only=True).text}
    except StatementError:
        return
    for one in sent:
        for binary in (False, True):
            assert clinic.run(one, binary=binary).leaks() == []


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT ssn FROM patients",
        "SELECT dob FROM patients",
        "SELECT p FROM patients p",
        "SELECT bin, doc, home FROM patients",
        "SELECT ssn::int FROM patients",
    ],
)
def test_the_marks_are_found_where_nothing_is_masked(clinic: Any, text: str, binary: bool) -> None:
    if not binary or "dob" not in text:
        assert clinic.run(text, binary=binary).leaks()
    assert not clinic.run(clinic.rewritten(text).text, binary=binary).leaks()
