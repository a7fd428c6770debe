"""The HTML report as a browser shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbguard.report import build_from, html
from dbguard.report.trail import Range
from dbguard.report.wording import View
from tests.report import traffic
from tests.report.browser import Browser, find
from tests.report.test_hostile import HOSTILE, report_of

pytestmark = pytest.mark.skipif(find() is None, reason="no Chromium on the PATH")

BACKGROUND = "getComputedStyle(document.body).backgroundColor"
VISIBLE = """[...document.querySelectorAll("table")].filter(table => !table.closest("details"))
    .map(table => [table.rows.length, table.offsetHeight])"""
WIDER = """[...document.querySelectorAll(".scroll, .grid > div")]
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => box.textContent.slice(0, 60))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find()
    assert program is not None
    with Browser(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    traffic.write(folder / "audit")
    path = folder / "report.html"
    path.write_bytes(html.render(build_from(folder / "audit", Range()), View(rows=html.ROWS)))
    return path


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.scripts(True)
    browser.size(1240, 1000)
    browser.media("light")
    browser.open(page)
    return browser


def test_nothing_is_asked_of_the_network(opened: Browser, page: Path) -> None:
    assert opened.requests == [page.as_uri()]
    assert opened.complaints == []


def test_light_and_dark(opened: Browser) -> None:
    light = opened.run(BACKGROUND)
    opened.media("dark")
    dark = opened.run(BACKGROUND)
    assert light != dark
    opened.run('document.getElementById("theme-light").click()')
    assert opened.run(BACKGROUND) == light
    opened.media("light")
    opened.run('document.getElementById("theme-dark").click()')
    assert opened.run(BACKGROUND) == dark


def test_whole_without_scripts(opened: Browser, page: Path) -> None:
    with_scripts: list[Any] = opened.run(VISIBLE)
    opened.scripts(False)
    opened.open(page)
    assert opened.run("document.querySelectorAll('th button').length") == 0
    found: list[Any] = opened.run(VISIBLE)
    assert [rows for rows, _ in found] == [rows for rows, _ in with_scripts]
    assert len(found) > 15
    assert all(height > 20 for _, height in found)
    before = opened.run(BACKGROUND)
    opened.run('document.getElementById("theme-dark").click()')
    assert opened.run(BACKGROUND) != before


def test_tables_sort(opened: Browser) -> None:
    column = """[...document.querySelector("#raw table").tBodies[0].rows].map(
        row => Number(row.cells[3].textContent.replaceAll(",", "")))"""
    button = """document.querySelector("#raw table").tHead.rows[0].cells[3]
        .querySelector("button").click()"""
    before: list[int] = opened.run(column)
    opened.run(button)
    assert opened.run(column) == sorted(before, reverse=True)
    opened.run(button)
    assert opened.run(column) == sorted(before)


@pytest.mark.parametrize(("width", "kind"), [(1240, "screen"), (718, "print")])
def test_nothing_is_cut_off(opened: Browser, width: int, kind: str) -> None:
    opened.size(width, 1000)
    opened.media(kind=kind)
    assert opened.run(WIDER) == []


def test_a_phone_scrolls_downward_only(opened: Browser) -> None:
    opened.size(390, 800)
    assert opened.run("document.documentElement.scrollWidth") <= 390


def test_print(opened: Browser) -> None:
    opened.media("dark", "print")
    assert opened.run("getComputedStyle(document.querySelector('.theme')).display") == "none"
    assert opened.run(BACKGROUND) in ("rgb(255, 255, 255)", "#fff")
    assert opened.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("name", ["script", "attribute", "template"])
def test_what_clients_sent_does_nothing(opened: Browser, tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.html"
    path.write_bytes(html.render(report_of(HOSTILE[name]), View()))
    opened.open(path)
    assert opened.requests == [path.as_uri()]
    assert opened.complaints == []
    assert opened.run("document.scripts.length") == 1


@pytest.mark.skipif("DBGUARD_PICTURES" not in os.environ, reason="only to make the pictures anew")
def test_pictures(opened: Browser) -> None:
    """Into the folder that DBGUARD_PICTURES names: docs/pictures."""
    folder = Path(os.environ["DBGUARD_PICTURES"])
    opened.size(1240, 1560)
    (folder / "report-light.png").write_bytes(opened.picture())
    opened.media("dark")
    (folder / "report-dark.png").write_bytes(opened.picture())
    opened.media("light", "print")
    (folder / "report-print.pdf").write_bytes(opened.pdf())
