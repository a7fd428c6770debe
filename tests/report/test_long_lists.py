"""Long lists are cut where people read them, with how much is missing, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from dbguard.audit.records import ColumnEntry, EventRecord, MaskEntry, RecordKind
from dbguard.report import Report, build, document, html, spreadsheets
from dbguard.report.wording import SHOWN, SHOWN_REASONS, View, few, listed
from tests.report.test_build import ALLOWED, DENIED, MASKED, shown, stored

LONG = 40


def report_of(count: int) -> Report:
    """Lists with `count` members in each place."""
    names = [f"n{at:02}" for at in range(count)]
    tags = tuple(f"phi.{name}" for name in names)
    return build(
        stored(
            replace(DENIED, reasons=tuple(f"rule-{n}: why {n}" for n in names), hints=()),
            *(replace(DENIED, principal_user=name, fingerprint="x") for name in names),
            replace(MASKED, masked=tuple(MaskEntry(f"t.{n}", "redact", "r") for n in names)),
            replace(ALLOWED, action="alter", requirements=tuple(f"backup {n}" for n in names)),
            replace(ALLOWED, columns=(ColumnEntry("t.c", ("output",), tags),)),
            EventRecord(RecordKind.DRIFT, "a", (("sources", ", ".join(f"s.{n}" for n in names)),)),
        )
    )


def page_of(report: Report) -> str:
    return html.render(report, View(rows=100)).decode().replace("<wbr>", "")


@pytest.mark.parametrize(
    ("length", "expected"), [(0, 0), (1, 0), (SHOWN, 0), (SHOWN + 1, 0), (SHOWN + 2, 2), (LONG, 32)]
)
def test_one_is_shown_as_soon_as_counted(length: int, expected: int) -> None:
    items, more = few(range(length))
    assert (len(items) + more, more) == (length, expected)
    text = listed([str(at) for at in range(length)])
    assert text.endswith(f", and {expected} more") == bool(expected)


@pytest.mark.parametrize(
    "last",
    ["t.n08: redact", "why n05", "backup n08", "s.n08"],
    ids=["masks", "reasons", "requirements", "an event's field"],
)
def test_short_lists_are_whole(last: str) -> None:
    wide = " ".join(shown(report_of(SHOWN_REASONS + 1), width=400).split())
    assert "more" not in wide.replace("rows moved or more", "")
    if last != "why n05":
        wide = " ".join(shown(report_of(SHOWN + 1), width=400).split())
    assert last in wide


def test_a_terminal_says_how_many_more() -> None:
    text = shown(report_of(LONG), width=400)
    assert "t.n07: redact; and 32 more" in text
    assert "why n04" in text
    assert "why n05" not in text
    assert "and 35 more reasons" in text
    assert "backup n07; and 32 more" in text
    assert "s.n07, and 32 more" in text
    assert "n06, n07, and 32 more" in " ".join(text.split()), "who"


def test_a_page_says_how_many_more() -> None:
    page = page_of(report_of(LONG))
    assert "t.n07: redact; and 32 more" in page
    assert "why n04" in page
    assert "why n05" not in page
    assert '<span class="rest">and 35 more reasons</span>' in page
    assert "backup n07; and 32 more" in page
    assert "s.n07, and 32 more" in page
    assert 'n07, <span class="rest">and 32 more</span>' in page
    assert 'phi.n07, <span class="rest">and 32 more</span>' in page


def test_documents_for_programs_have_it_all() -> None:
    report = report_of(LONG)
    data = document.render(report)
    found = orjson.loads(data)["report"]
    shapes = found["blocked"]["shapes"]
    assert sorted(len(shape["whys"]) for shape in shapes) == [1, LONG]
    files = spreadsheets.rendered(report)
    for name, last in (
        ("blocked_statements.csv", "why n39"), ("masked_statements.csv", "t.n39: redact"),
        ("structure.csv", "backup n39"), ("unmasked_access.csv", "phi.n39"),
        ("events.csv", "s.n39"),
    ):  # fmt: skip
        assert last in files[name].decode(), sorted(files)
        assert last in data.decode()


def test_one_endless_reason_is_cut() -> None:
    report = build(stored(replace(DENIED, reasons=("rule: " + "x" * 5_000,), hints=("y" * 5_000,))))
    for text in (shown(report).replace("\n", ""), page_of(report)):
        assert "x" * 1_000 not in text
        assert "y" * 1_000 not in text
        assert "…" in text
