"""A report for programs: one JSON document. docs/reports.md describes its members."""

from __future__ import annotations

import orjson

from dbguard.report.model import Report
from dbguard.report.verdict import judge

VERSION = 1


def render(report: Report) -> bytes:
    """The report as JSON, indented, times in UTC; the members are those of `model`."""
    return orjson.dumps(
        {"v": VERSION, "verdict": judge(report), "report": report},
        option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE,
    )
