"""A week in the terminal, and the documentation of its JSON.

DBGUARD_RENEW_GOLDEN=1 writes the file anew: look at what changed before it is committed.
"""

from __future__ import annotations

import dataclasses
import os
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dbguard.report import build_from, model, terminal
from dbguard.report.trail import Range
from dbguard.report.wording import View
from tests.report import traffic

ROOT = Path(__file__).parent.parent.parent
GOLDEN = Path(__file__).parent / "week.txt"


def test_the_week_in_a_terminal(tmp_path: Path) -> None:
    traffic.write(tmp_path / "audit")
    out = StringIO()
    console = Console(file=out, width=120, force_terminal=False)
    console.print(terminal.render(build_from(tmp_path / "audit", Range()), View(rows=6)))
    shown = "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
    if "DBGUARD_RENEW_GOLDEN" in os.environ:
        GOLDEN.write_text(shown, "utf-8")
    assert shown == GOLDEN.read_text("utf-8")


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(model).values() if dataclasses.is_dataclass(kind)],
    ids=lambda kind: kind.__name__,
)
def test_every_member_of_the_json_is_documented(kind: type) -> None:
    text = (ROOT / "docs" / "reports.md").read_text("utf-8")
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    assert [name for name in names if f"`{name}`" not in text] == []
