"""Calls that show definitions stand in queries that take values out of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.errors import NotUnderstood
from dbguard.sql.analysis import analyze
from dbguard.sql.definitions import around
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.rewrite import Rewritten, rewrite
from dbguard.sql.sites import Reading
from dbguard.sql.splices import PositionMap, Splice
from dbguard.sql.verify import verify

from .catalogs import SNAPSHOT, VIEW, user_function

SHOWING = replace(
    SNAPSHOT,
    functions=(
        *SNAPSHOT.functions,
        user_function("pg_get_viewdef", "oid", schema="pg_catalog", oid=1641, volatility="s"),
        user_function(
            "obj_description", "oid", "name", schema="pg_catalog", oid=1215, volatility="s"
        ),
        user_function("pg_get_viewdef", "oid", schema="public"),
    ),
)
BEFORE, BEHIND = around("pg_get_viewdef")
BEFORE_COMMENT, BEHIND_COMMENT = around("obj_description")


def read(text: str) -> tuple[Reading, ...]:
    return analyze(text, SHOWING, VIEW, DEFAULT_LIMITS)


REWRITTEN = [
    (
        "SELECT pg_catalog.pg_get_viewdef(1) FROM pg_class",
        f'SELECT {BEFORE}pg_catalog.pg_get_viewdef(1){BEHIND} FROM "pg_catalog".pg_class',
    ),
    (
        "SELECT obj_description((1), /* ) */ ')') || 'x'",
        f"SELECT {BEFORE_COMMENT}obj_description((1), /* ) */ ')'){BEHIND_COMMENT} || 'x'",
    ),
    (
        "SELECT obj_description(length(pg_catalog . pg_get_viewdef(1))::oid, 'x')",
        f"SELECT {BEFORE_COMMENT}obj_description(length({BEFORE}pg_catalog . pg_get_viewdef(1)"
        f"{BEHIND})::oid, 'x'){BEHIND_COMMENT}",
    ),
    (
        "SELECT pg_get_viewdef(1)",  # also pinned, since a user's function has that name
        f"SELECT {BEFORE}pg_catalog.pg_get_viewdef(1){BEHIND}",
    ),
]


@pytest.mark.parametrize(("text", "expected"), REWRITTEN)
def test_values_are_taken_out(text: str, expected: str) -> None:
    readings = read(text)
    rewritten = rewrite(text, readings, {}, SHOWING)
    assert rewritten.text == expected
    verify(text, rewritten, readings, {}, SHOWING)


TEXT = "SELECT pg_catalog.pg_get_viewdef(1)"
CALL = "pg_catalog.pg_get_viewdef(1)"


@pytest.mark.parametrize(
    "call",
    [
        CALL,
        f"(SELECT {CALL} AS pg_get_viewdef)",
        f"{BEFORE}pg_catalog.pg_get_viewdef(2){BEHIND}",
        f"{BEFORE}{CALL}{BEHIND}::text",
        f"{BEFORE_COMMENT}{CALL}{BEHIND_COMMENT}",
        f"{BEFORE}{CALL}{BEHIND.replace('AS pg_get_viewdef', 'AS other')}",
        f"{BEFORE}{CALL}{BEHIND.replace('3', '4')}",
    ],
)
def test_a_definition_shown_otherwise_is_refused(call: str) -> None:
    splices = () if call == CALL else (Splice(7, len(TEXT), call),)
    wrong = Rewritten(TEXT.replace(CALL, call), splices, PositionMap())
    with pytest.raises(NotUnderstood):
        verify(TEXT, wrong, read(TEXT), {}, SHOWING)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM pg_catalog.pg_get_viewdef(1)",
        "SELECT * FROM ROWS FROM (pg_catalog.pg_get_viewdef(1)) x",
    ],
)
def test_none_can_stand_in_from(text: str) -> None:
    (reading,) = read(text)
    assert [o.construct for o in reading.facts.opaque] == ['function "pg_get_viewdef" in FROM']
