from __future__ import annotations

import pytest

from dbguard.sql import referee
from dbguard.sql.attribution import MAX_VALUE, NONE, Attribution, attributions

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def said(text: str) -> list[Attribution]:
    ends = [statement.end for statement in referee.parse(text)]
    return list(attributions(text.encode(), referee.scan(text), ends))


def one(comment: str) -> Attribution:
    (found,) = said(f"SELECT 1 /*{comment}*/")
    return found


@pytest.mark.parametrize(
    ("comment", "tags"),
    [
        ("action='show',controller='patients'", {"action": "show", "controller": "patients"}),
        ("route='%2Fpatients%2F%7Bid%7D'", {"route": "/patients/{id}"}),
        (" application='web' , framework='django.core' ", {"framework": "django.core"}),
        ("db_driver='psycopg:v'", {"db_driver": "psycopg:v"}),
        ("action='Jane Doe'", {}),
        ("action='Jane%20Doe'", {}),
        ("action='p123456789'", {}),
        ("action='a1'", {}),
        ("action='%C3%A9'", {}),
        ("action=''", {}),
        (f"action='{'a' * MAX_VALUE}'", {"action": "a" * MAX_VALUE}),
        (f"action='{'a' * (MAX_VALUE + 1)}'", {}),
        ("patient='smith'", {}),
        ("action='it\\'s'", {}),
        ("action='show',patient='Jane Doe'", {"action": "show"}),
        ("action=show", {}),
        ("action='show' controller='x'", {}),
        ("action='show", {}),
        ("action='%zz'", {}),
        ("action='%ff'", {}),
        ("just a comment", {}),
        ("", {}),
    ],
)
def test_tags(comment: str, tags: dict[str, str]) -> None:
    found = dict(one(comment).tags)
    assert {key: found.get(key) for key in tags} == tags
    assert set(found) - set(tags) <= {"application"}
    assert one(comment).traceparent == ""


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (TRACE, True),
        (TRACE.upper(), False),
        (TRACE + "0", False),
        (TRACE.replace("00-4b", "01-4b"), False),
        ("00-" + "0" * 32 + TRACE[35:], False),
        (TRACE[:36] + "0" * 16 + "-01", False),
        ("00-jane-doe-01", False),
    ],
)
def test_traceparent(value: str, kept: bool) -> None:
    assert one(f"traceparent='{value}'").traceparent == (value if kept else "")
    assert one(f"traceparent='{value}'").tags == ()


def test_each_statement_has_its_own() -> None:
    text = (
        "/*action='a'*/ SELECT 1 /* x */; /*action='b'*/ SELECT 2 /*action='c'*/; "
        "SELECT 3; SELECT 4; -- action='x'\n/*action='d'*/"
    )
    assert [dict(a.tags).get("action") for a in said(text)] == ["a", "c", None, "d"]
    assert said("SELECT 1") == [NONE]
    assert said("") == []
