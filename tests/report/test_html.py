"""The HTML report: whole without a network, a script or a style from elsewhere."""

from __future__ import annotations

import itertools
import re
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dbguard.report import Report, build, build_from, html
from dbguard.report.charts import share, timeline
from dbguard.report.model import Bucket, Timeline
from dbguard.report.trail import Range
from dbguard.report.wording import View
from dbguard.report.zones import Zone
from tests.report import traffic
from tests.report.test_build import ALLOWED, DENIED, stored


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Report:
    directory = tmp_path_factory.mktemp("week") / "audit"
    traffic.write(directory)
    return build_from(directory, Range())


@pytest.fixture(scope="module")
def page(week: Report) -> str:
    return html.render(week, View(rows=html.ROWS)).decode()


def test_nothing_is_fetched(page: str) -> None:
    assert "://" not in page.replace("http-equiv", "")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;; ")
    for tag in ("style", "script"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert inside is not None
        digest = b64encode(sha256(inside[1].encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy[1].replace("&#43;", "+")


def test_it_says_first_whether_anything_needs_a_person(page: str) -> None:
    body = page[page.index("<body>") :]
    assert body.index("Needs you now") < body.index("Decisions over time") < body.index("Blocked")
    for link in re.findall(r'href="#([^"]+)"', body):
        assert f'id="{link}"' in body


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ssn FROM clinic.patients WHERE last_name = $1",
        "Ask for a rule that allows [read] on phi.ssn",
        "session past dbguard; address: 10.20.9.77",
        "COPY (SELECT first_name, last_name, dob, icd10",
        "backup 20261117_122501_a1b2c3",
        "10.20.77.4",
        "ENOSPC",
        "digest: c41d02",
        "sources: clinic.patients.zip",
        "dr.okafor",
    ],
)
def test_it_holds_everything(page: str, text: str) -> None:
    assert text in page.replace("<wbr>", "")


def test_charts_and_tables_have_names(page: str) -> None:
    assert '<title id="chart-title">Decisions over time</title>' in page
    assert page.count("<svg") > 20
    for svg in re.findall(r"<svg[^>]*>", page):
        assert 'aria-hidden="true"' in svg or "aria-labelledby" in svg
    assert page.count("<thead>") == page.count("<table")


def test_the_same_report_is_the_same_bytes(week: Report) -> None:
    assert html.render(week, View()) == html.render(week, View())


def test_long_tables_say_what_they_leave_out(week: Report) -> None:
    page = html.render(week, View(rows=2)).decode()
    assert "more: <code>--csv</code>" in page


def test_a_trail_without_records() -> None:
    page = html.render(build([]), View()).decode()
    assert "nothing to report" in page
    assert "<svg" not in page


def test_a_quiet_trail() -> None:
    page = html.render(build(stored(ALLOWED)), View()).decode()
    assert "Nothing needs you" in page
    assert "Nothing was refused." in page


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 10, 11, 120, 121, 99_999, 4_000_000])
def test_scales_hold_the_largest(count: int) -> None:
    start = traffic.START
    buckets = (Bucket(start, count, 0, 1), Bucket(start + timedelta(hours=1), 0, 0, 0))
    chart = timeline(Timeline("hour", buckets), View())
    assert chart is not None
    for panel in chart.panels:
        for bar in panel.bars:
            assert panel.top - 0.01 <= bar.y
            assert bar.y + bar.height <= panel.top + panel.height + 0.01


@pytest.mark.parametrize(
    ("grain", "step", "number"),
    [("10 minutes", 10, 20), ("hour", 60, 192), ("day", 1440, 70), ("week", 10080, 60),
     ("month", 43_800, 70), ("hour", 60, 1)],
)  # fmt: skip
def test_labels_do_not_touch(grain: str, step: int, number: int) -> None:
    buckets = tuple(
        Bucket(traffic.START + timedelta(minutes=step * at), 1, 1, 1) for at in range(number)
    )
    chart = timeline(Timeline(grain, buckets), View(Zone(ZoneInfo("Asia/Kathmandu"))))
    assert chart is not None
    places = [label.x for label in chart.labels]
    assert 1 <= len(places) <= 10
    assert all(b - a >= 80 for a, b in itertools.pairwise(places))


def test_something_is_never_nothing() -> None:
    assert share(0, 0) == share(0, 5) == "0"
    assert float(share(1, 10**9)) > 0


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("Run `dbguard backup now`.", "Run <code>dbguard backup now</code>."),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
        ("Write <b> as `<i>`.", "Write &lt;b&gt; as <code>&lt;i&gt;</code>."),
        ("One ` alone", "One ` alone"),
        ("`a` and ` more", "`a` and ` more"),
    ],
)
def test_backticks_of_remedies_are_code(hint: str, shown: str) -> None:
    page = html.render(build(stored(replace(DENIED, hints=(hint,)))), View()).decode()
    assert f'<span class="remedy">{shown}</span>' in page


def test_both_pages_have_one_head(week: Report, page: str) -> None:
    evidence = html.controls([], week, View()).decode()
    title = re.search("<title>(.*?)</title>", evidence)
    assert title is not None
    assert title[1].startswith("dbguard evidence: Mon 2026-11-16")
    assert "<title>dbguard report: Mon 2026-11-16" in page
    assert "<script>" not in evidence
    changes = (("dbguard report", "dbguard evidence"), ('class="sheet"', 'class="sheet controls"'))
    head = page[: page.index("</header>")]
    for old, new in changes:
        head = head.replace(old, new)
    policy = "script-src &#39;[^;]*"
    assert re.sub(policy, "", head) == re.sub(policy, "", evidence[: evidence.index("</header>")])


def test_templates_are_part_of_the_package() -> None:
    folder = Path(html.__file__).parent / "templates"
    assert {path.name for path in folder.iterdir()} >= {
        "page.html",
        "report.html",
        "report.css",
        "report.js",
    }
