"""Codes in records are told in words, whatever shows them; programs read them as recorded."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.report import Report, build, document, html, spreadsheets
from dbguard.report.codes import Said, code_of, said
from dbguard.report.wording import View
from tests.report.test_build import DENIED, shown, stored


def login(**fields: str) -> EventRecord:
    return EventRecord(RecordKind.AUTHENTICATION, "a", tuple(fields.items()))


@pytest.fixture(scope="module")
def report() -> Report:
    undecided = replace(DENIED, decision="error", reasons=("SQLSTATE 0A000",), hints=())
    return build(
        stored(
            undecided,
            login(user="failed", result="failed 28P01"),
            login(user="portal", result="failed 28P01", reason="expired"),
            login(user="portal", result="failed"),
            login(user="portal", result="failed XX000"),
        )
    )


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("failed 28P01", "wrong user or password", "28P01"),
        ("failed 3D000", "no such database", "3D000"),
        ("failed", "ended before it was complete", ""),
        ("failed XX000", "refused by the server", "XX000"),
        ("SQLSTATE 42601", "PostgreSQL's grammar does not accept the statement", "42601"),
        ("SQLSTATE 42P01", "the statement names something that is not there", "42P01"),
        ("wrong password", "wrong password", ""),
        ("failed to prove anything", "failed to prove anything", ""),
        ("SQLSTATE of nobody", "SQLSTATE of nobody", ""),
        ("ddl-needs-backup", "ddl-needs-backup", ""),
    ],
)
def test_words(name: str, words: str, code: str) -> None:
    assert said(name) == Said(words, code)
    assert code_of(name) == (code if name.startswith("SQLSTATE") else "")


def test_a_terminal_says_what_it_was(report: Report) -> None:
    text = shown(report)
    assert "failed 28P01" not in text
    assert "SQLSTATE" not in text
    assert "wrong user or password (28P01)" in text
    assert "expired" in text
    assert text.count("dbguard could not see all that the statement does (0A000)") == 2
    assert "│ user   │ portal" in text
    assert "│        │ failed " in text, "who is called that stays so"


def test_a_page_has_the_code_small(report: Report) -> None:
    page = html.render(report, View()).decode()
    assert "failed 28P01" not in page
    assert "SQLSTATE" not in page
    assert "wrong user or password <small>28P01</small>" in page
    assert page.count("the statement does <small>0A000</small>") == 2


def test_programs_read_it_as_it_was_recorded(report: Report) -> None:
    found = orjson.loads(document.render(report))["report"]
    names = {count["name"] for count in found["logins"]["failed_by_reason"]}
    assert names == {"failed 28P01", "expired", "failed", "failed XX000"}
    assert found["blocked"]["shapes"][0]["whys"][0]["rule"] == "SQLSTATE 0A000"
    assert b"failed 28P01" in spreadsheets.rendered(report)["failed_logins.csv"]
