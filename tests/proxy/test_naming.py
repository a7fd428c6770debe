from __future__ import annotations

import pytest

from dbguard.policy.drift import Filling
from dbguard.proxy.naming import Naming, recorded_application, recorded_column
from dbguard.sql.snapshot import Column, Relation, RelationKind, Snapshot
from dbguard.wire.startup import PROTOCOL_3_0, StartupMessage

NAMING = Naming({"app", "o'brien"}.__contains__, {"clinic"}.__contains__)


def asked(user: str, database: str = "clinic") -> StartupMessage:
    return StartupMessage(PROTOCOL_3_0, (("user", user), ("database", database)))


def test_names_that_are_somebodys() -> None:
    assert NAMING.user(asked("app")) == "app"
    assert NAMING.user(asked("o'brien")) == "o'brien"
    assert NAMING.user(asked("anna@x.org"), {"anna@x.org": 1}) == "anna@x.org"
    assert NAMING.database(asked("app")) == "clinic"


def test_what_may_be_a_password_is_told_apart_only() -> None:
    shown = NAMING.user(asked("my-secret-password"))
    assert shown.startswith("<unknown ")
    assert len(shown) == len("<unknown 012345>")
    assert shown == NAMING.user(asked("my-secret-password"))
    assert shown != NAMING.user(asked("another"))
    assert shown != Naming(set().__contains__, set().__contains__).user(asked("my-secret-password"))
    assert NAMING.database(asked("app", "my-secret-password")) == shown
    assert "key" not in repr(NAMING)


def test_applications() -> None:
    assert recorded_application("psql") == "psql"
    assert recorded_application("123-45-6789") == "?"
    assert recorded_application("jane@doe.org") == "?"


THERE = Relation(
    1, "public", "Odd Table", RelationKind.TABLE, (Column(1, "1st", "text", "text", "S"),)
)
SNAPSHOT = Snapshot("clinic", 180000, 1, frozenset({"public"}), (THERE,), ())


@pytest.mark.parametrize(
    ("filling", "shown"),
    [
        (("public", "copy", "ssn"), "public.copy.ssn"),
        (("public", "copy", ""), "public.copy.*"),
        (("public", "Jane Doe", "123-45-6789"), 'public."?"."?"'),
        (("public", "Odd Table", "1st"), "public.Odd Table.1st"),
        (("public", "Odd Table", "Jane Doe"), 'public.Odd Table."?"'),
    ],
)
def test_columns_that_are_about_to_be_made(filling: tuple[str, str, str], shown: str) -> None:
    made = Filling(0, 0, *filling, temporary=False, sources=(), tags=frozenset())
    assert recorded_column(made, SNAPSHOT) == shown
