"""Lines as one table for people, and as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .figures import DBGUARDS, Line

LEFT = ("measure", "system")
RIGHT = ("figure", "of PgBouncer", "of direct", "proxy CPU", "of PgBouncer's")
REST = ("target", "reached", "path")


def as_table(lines: Sequence[Line], path: str) -> Table:
    """Everything; `path` tells whether dbguard's compiled parts were in use."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in (*LEFT, *RIGHT, *REST):
        table.add_column(head, justify="right" if head in RIGHT else "left", no_wrap=True)
    before = ""
    for line in lines:
        new = line.title != before
        if new and before:
            table.add_section()
        before = line.title
        table.add_row(
            f"{line.group}: {line.title}" if new else "",
            line.system,
            number(line.figure, f" {line.unit}") if line.figure is not None else line.remark,
            number(line.of_pgbouncer, " ×"),
            number(line.over_direct, f" {line.unit}", signed=True) or number(line.of_direct, " ×"),
            number(line.cost, f" {line.cost_unit}"),
            number(line.cost_of_pgbouncer, " ×"),
            line.target,
            {None: "", True: "yes", False: "NO"}[line.reached],
            path if line.system in DBGUARDS else "",
        )
    return table


def number(value: float | None, suffix: str, *, signed: bool = False) -> str:
    """Three digits or all before the point; empty for None."""
    if value is None:
        return ""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:{'+' if signed else ''},.{places}f}{suffix}"


def as_json(lines: Sequence[Line], facts: Mapping[str, str]) -> str:
    """Facts of the machine and every line, with the names of `figures.Line`."""
    document = {"facts": dict(facts), "lines": [dataclasses.asdict(line) for line in lines]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
