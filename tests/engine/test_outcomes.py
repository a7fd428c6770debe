"""However a statement ends, its record says how, how long it took, how many rows and bytes."""

from __future__ import annotations

import pytest

from dbguard.audit.records import OutcomeRecord
from dbguard.engine.server_codes import recorded_code

from .playbook import Play

Ended = tuple[str, str, int, int]
"""Command tag, SQLSTATE, rows, bytes."""

SCRIPTS: dict[str, tuple[str, list[Ended]]] = {
    "rows": (">> Q raw a\n<= D xx | D y | C SELECT 2 | Z I", [("SELECT 2", "", 2, 15)]),
    "an answer without a number": (">> Q raw a\n<= D xx | C SHOW | Z I", [("SHOW", "", 1, 8)]),
    "changed, not sent": (">> Q raw a\n<= C INSERT 0 7 | Z I", [("INSERT 0 7", "", 7, 0)]),
    "an error behind rows": (
        ">> Q raw a\n<= D xx | E 22012 no | Z I",
        [("", "22012", 1, 8)],
    ),
    "cancelled": (">> Q raw a\n<= E 57014 no | Z I", [("", "57014", 0, 0)]),
    "a code of somebody's own": (">> Q raw a\n<= E 98765 no | Z I", [("", "98000", 0, 0)]),
    "each statement by itself": (
        ">> Q raw a; b\n<= D xx | C SELECT 1 | D y | C SELECT 1 | Z I",
        [("SELECT 1", "", 1, 8), ("SELECT 1", "", 1, 7)],
    ),
    "COPY FROM": (
        ">> Q copyin x\n<= G\n>> d abc | d de | c\n<= C COPY 2 | Z I",
        [("COPY 2", "", 2, 5)],
    ),
    "COPY FROM that fails": (
        ">> Q copyin x\n<= G\n>> d abc | c\n<= E 22P02 no | Z I",
        [("", "22P02", 0, 3)],
    ),
    "COPY TO": (
        ">> Q copyout x\n<= H | d abc | d de | c | C COPY 2 | Z I",
        [("COPY 2", "", 2, 5)],
    ),
    "a portal that waits": (
        ">> P : raw a | B <- | E | S\n<= 1 | 2 | D xx | s | Z I",
        [("SUSPENDED", "", 1, 8)],
    ),
    "an error while binding": (
        ">> P : raw a | B <- | E | S\n<= 1 | E 22P02 no | Z I",
        [("", "22P02", 0, 0)],
    ),
    "an error while parsing": (
        ">> P : raw a | B <- | E | S\n<= E 42P18 no | Z I",
        [("", "42P18", 0, 0)],
    ),
    "a function": (">> F 952\n<= V x | Z I", [("FUNCTION CALL", "", 0, 5)]),
    "prepared only": (">> P s: raw a | S\n<= 1 | Z I", []),
}


def ended(play: Play) -> list[Ended]:
    records = [r for r in play.world.records if isinstance(r, OutcomeRecord)]
    return [(r.command_tag, r.sqlstate, r.rows, r.bytes) for r in records]


@pytest.mark.parametrize("name", SCRIPTS)
def test_outcome(name: str) -> None:
    script, expected = SCRIPTS[name]
    play = Play().script(script)
    assert ended(play) == expected
    play.session.answers.outcomes.abandon(play.session.link.queue)
    assert ended(play) == expected, "what has ended is not abandoned"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (">> Q raw a\n<= D xx", [("", "08006", 1, 8)]),
        (">> Q raw a; b\n<= C SELECT 1", [("SELECT 1", "", 1, 0), ("", "08006", 0, 0)]),
        (">> P : raw a | B <- | E | S", [("", "08006", 0, 0)] * 2),
        (">> Q raw a\n<= E 57P01 no | Z I", [("", "57P01", 0, 0)]),
        (">> Q deny a", []),
    ],
)
def test_what_nobody_knows_the_end_of(script: str, expected: list[Ended]) -> None:
    play = Play().script(script)
    play.session.answers.outcomes.abandon(play.session.link.queue)
    assert ended(play) == expected


@pytest.mark.parametrize(
    ("raised", "recorded"),
    [("", ""), ("23505", "23505"), ("XX000", "XX000"), ("12345", "12000"), ("AB123", "AB000")],
)
def test_codes_that_may_be_values(raised: str, recorded: str) -> None:
    assert recorded_code(raised) == recorded
