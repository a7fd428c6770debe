"""A report as CSV (RFC 4180), for spreadsheets.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@` or a tab for a formula, and what
clients send ends up in cells: an apostrophe before it makes it text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from dbguard.errors import ConfigurationError
from dbguard.report.counting import stamp
from dbguard.report.model import Report
from dbguard.report.tables import Cell, tables
from dbguard.report.wording import plain

_FILES = frozenset(
    [
        ".7z",
        ".gz",
        ".htm",
        ".html",
        ".json",
        ".ods",
        ".pdf",
        ".rar",
        ".tar",
        ".tgz",
        ".tsv",
        ".txt",
        ".xls",
        ".xlsx",
        ".xml",
        ".xz",
    ]
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def rendered(report: Report) -> dict[str, bytes]:
    """Name and content of one file for each table."""
    return {f"{table.name}.csv": _csv([table.header, *table.rows]) for table in tables(report)}


def in_one(report: Report) -> bytes:
    """All tables below each other, with the columns of all of them."""
    found = tables(report)
    names = ["table", *dict.fromkeys(name for table in found for name in table.header)]
    rows: list[Sequence[Cell]] = [names]
    for table in found:
        for row in table.rows:
            cells = dict(zip(table.header, row, strict=True))
            rows.append([table.name, *(cells.get(name, "") for name in names[1:])])
    return _csv(rows)


def refuse_other_kinds(target: Path, wanted: str) -> None:
    """`report.xlsx` is not meant as the name of a folder. Raises ConfigurationError."""
    if target.suffix.lower() in _FILES and not target.is_dir():
        raise ConfigurationError(
            f"{target}: files that end in {target.suffix} are not made", hint=f"Name {wanted}."
        )


def write(report: Report, target: Path) -> list[Path]:
    """One file where `target` ends in `.csv`; else a folder with a file for each table.

    Raises ConfigurationError when it cannot be written.
    """
    refuse_other_kinds(target, "a folder, or a file that ends in .csv")
    files = (
        {target: in_one(report)}
        if target.suffix == ".csv"
        else {target / name: data for name, data in rendered(report).items()}
    )
    try:
        if target.suffix != ".csv":
            target.mkdir(parents=True, exist_ok=True)
        for path, data in files.items():
            path.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename}: cannot be written: {error.strerror}",
            hint="Name a folder, or a file that ends in .csv, where you may write.",
        ) from error
    return list(files)


def _csv(rows: Iterable[Sequence[Cell]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _cell(cell: Cell) -> str:
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, datetime):
        return stamp(cell)
    text = plain(cell)
    # what `plain` strips would be stripped by some spreadsheets too
    return f"'{text}" if text.startswith(_FORMULA) or cell.startswith(_FORMULA) else text
