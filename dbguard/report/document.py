"""A report for programs: one JSON document."""

from __future__ import annotations

import orjson

from dbguard.report.model import Report


def render(report: Report) -> bytes:
    """The report as JSON, indented, times in UTC; the members are those of `model`."""
    return orjson.dumps(
        {"v": 1, "report": report},
        option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE,
    )
