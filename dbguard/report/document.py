"""A report for programs: one JSON document. docs/reports.md describes its members."""

from __future__ import annotations

import orjson

from dbguard.report.model import Report
from dbguard.report.verdict import judge

VERSION = 1


def render(report: Report) -> bytes:
    """The report as JSON, indented, times in UTC; the members are those of `model`."""
    judgement = judge(report)
    data = orjson.dumps(
        {
            "v": VERSION,
            "verdict": {"level": judgement.level, "points": judgement.points},
            "report": report,
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE,
    )
    return _printable(data.decode()).encode()


def _printable(text: str) -> str:
    """With what a terminal could obey escaped: it only stands in strings."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
