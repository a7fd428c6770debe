"""What was decided before goes again without a question, and leaves the same traces."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.audit.records import OutcomeRecord
from dbguard.engine.asks import Planned
from dbguard.engine.known import is_plain
from dbguard.engine.link import Skip
from dbguard.engine.pending import Owed, Pending
from dbguard.engine.plan import PlanRequest
from dbguard.engine.stencil import Stencil
from dbguard.policy.decision import Acting
from dbguard.policy.drift import Filling
from dbguard.sql.shape import Shape
from dbguard.sql.snapshot import SessionView

from .playbook import FakeSurroundings, Play, encode_frontend, plan_of, temporary
from .test_schedules import CYCLES, EXAMPLES, Schedule

QUERY = """
    >> Q rows
    => Q rows
    <= T a | D 1 | D 2 | C SELECT 2 | Z I
    << T a
    << D 2
    << C SELECT 2
    << Z I
"""
PARSE = """
    >> P one: rows | S
    => P one: rows
    => D S one
    => S
    <= 1 | t | T a | Z I
    << 1
    << Z I
"""
BIND = """
    >> B <-one | D P | E | S
    => B <-one
    => D P
    => E
    => S
    <= 2 | T a | D 1 | C SELECT 1 | Z I
    << 2
    << T a
    << D 1
    << C SELECT 1
    << Z I
"""


def told_of(play: Play) -> list[tuple[object, ...]]:
    """The records without what they share with all others."""
    return [
        (r.session, r.decision, r.command_tag, r.rows, r.bytes, r.sqlstate)
        if isinstance(r, OutcomeRecord)
        else (r.session, r.phase, r.decision, r.statement)  # type: ignore[union-attr]
        for r in play.world.records
    ]


def test_a_query_goes_again() -> None:
    play = Play().script(QUERY)
    assert play.taken == 0
    play.script(QUERY * 2).done()
    assert play.taken == 2
    assert play.world.decisions == [("query", "allow")] * 3
    assert play.world.outcomes == [("SELECT 2", "")] * 3
    records = told_of(play)
    assert records[2][1:] == records[0][1:]
    assert records[3][2:] == records[1][2:]
    assert records[3][1] == 3, "each outcome names its own decision"
    assert play.session.link.queue.rounds == 3


def test_a_prepared_statement_goes_again() -> None:
    play = Play().script(PARSE + BIND)
    assert play.taken == 0
    play.script(
        BIND
        + BIND.replace("D P | ", "")
        .replace("=> D P", "")
        .replace("T a |", "")
        .replace("<< T a\n", "")
    ).done()
    assert play.taken == 2
    assert play.world.decisions == [("parse", "allow")] + [("bind", "allow")] * 3
    assert len({record[3] for record in told_of(play) if record[1] == "bind"}) == 1
    assert not play.session.names.portals


WHOLE = """
    >> P : rows | B <- | D P | E | S
    => P : rows
    => B <-
    => D P
    => E
    => S
    <= 1 | 2 | T a | D 1 | C SELECT 1 | Z I
    << 1
    << 2
    << T a
    << D 1
    << C SELECT 1
    << Z I
"""
ASKED = WHOLE.replace("=> B <-\n", "=> D S\n    => B <-\n").replace(
    "1 | 2 | T a", "1 | t | T a | 2 | T a"
)


def test_an_unnamed_statement_goes_again() -> None:
    """Describe of the portal does for the one that dbguard asks for itself the first time."""
    play = Play().script(ASKED + WHOLE + WHOLE).done()
    assert play.taken == 2
    assert play.world.decisions == [("parse", "allow"), ("bind", "allow")] * 3
    named = [record[3] for record in told_of(play) if record[1] in ("parse", "bind")]
    assert named == ["s1/1", "s1/1", "s1/2", "s1/2", "s1/3", "s1/3"]
    assert play.session.names.statements[""].identity == "s1/3"
    # it may be bound again
    play.script(
        """
        >> B <- | E | S
        => B <-
        => E
        => S
        <= 2 | C SELECT 0 | Z I
        << 2
        << C SELECT 0
        << Z I
        """
    ).done()
    assert told_of(play)[-2][3] == "s1/3"


def test_an_unnamed_statement_that_nobody_describes_is_asked_for() -> None:
    undescribed = ASKED.replace("| D P ", "").replace("=> D P", "").replace("2 | T a", "2")
    undescribed = undescribed.replace("<< T a\n", "")
    assert Play().script(undescribed * 3).done().taken == 0
    raw = undescribed.replace(": rows", ": raw rows").replace("=> D S\n", "\n")
    assert Play().script(raw.replace("t | T a | ", "") * 3).done().taken == 2


def test_an_unnamed_statement_that_fails_is_gone() -> None:
    play = Play().script(ASKED)
    play.script(
        """
        >> P : rows | B <- | D P | E | S
        => P : rows
        => B <-
        => D P
        => E
        => S
        <= 1 | E 22012 failed | Z I
        << 1
        << E 22012 failed
        << Z I
        """
    ).done()
    assert play.taken == 1
    assert "" in play.session.names.statements, "Parse has succeeded"
    play.script(
        """
        >> P : rows | B <- | D P | E | S
        => P : rows
        => B <-
        => D P
        => E
        => S
        <= E 22012 failed | Z I
        << E 22012 failed
        << Z I
        """
    ).done()
    assert "" not in play.session.names.statements
    assert not play.session.names.portals


class Alike(FakeSurroundings):
    """Every text is planned with its literals free, but for the second; `raw` is sent as `own`."""

    def stencil(self, request: PlanRequest, shape: Shape) -> Stencil | None:
        between = tuple(gap.replace("raw", "own") for gap in shape.between)
        planned = Planned(plan_of(request.text), frozenset(), self.state_key())
        fixed = (1,) if len(shape.literals) > 1 else ()
        return Stencil(planned, fixed, between, tuple(map(len, shape.literals)), (), False)


def test_a_query_goes_again_with_other_literals() -> None:
    play = Play(Alike())
    texts = [
        ("raw a = 7 and b = 'x'", False),
        ("raw a = 9 and b = 'x'", True),
        ("raw a = 123456789 and b = 'x'", True),
        ("raw a = 1234567890 and b = 'x'", True),
        ("raw a = 7.5 and b = 'x'", False),
        ("raw a = 5 and b = 'y'", False),  # that is fixed
        ("raw a = 6 and b = 'y'", True),
        ("raw a = 1", False),
        ("raw a = 22", True),
        ("raw a = 7 and b = 'y'", True),
        ("raw a = 7 and b = 'x'", False),
        ("raw a = 8 and b = 'x'", True),
    ]
    count = 0
    for text, taken in texts:
        sent = text.replace("raw", "own") if taken else text
        play.script(f">> Q {text}\n=> Q {sent}\n<= C SELECT 0 | Z I\n<< C SELECT 0\n<< Z I")
        count += taken
        assert play.taken == count, text
    assert play.world.decisions == [("query", "allow")] * len(texts)


TRANSACTION = """
    >> Q begin
    => Q begin
    <= C BEGIN | Z T
    << C BEGIN
    << Z T
    >> Q rows
    => Q rows
    <= T a | C SELECT 0 | Z T
    << T a
    << C SELECT 0
    << Z T
    >> Q commit
    => Q commit
    <= C COMMIT | Z I
    << C COMMIT
    << Z I
"""


def test_transactions_go_again() -> None:
    play = Play().script(TRANSACTION)
    taken = play.taken
    play.script(TRANSACTION * 2).done()
    assert play.taken == taken + 6
    assert play.session.link.status == play.session.scope.status == b"I"
    # it may fail at its end
    play.script(TRANSACTION.replace("C COMMIT", "E 23503 not there"))


def test_in_a_transaction_the_portal_stays() -> None:
    play = Play().script(PARSE + BIND)
    in_transaction = BIND.replace("Z I", "Z T")
    play.script(
        """
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        """
    )
    play.script(in_transaction + in_transaction)
    assert play.taken == 2
    # what it runs once more is a run of its own
    play.script(
        """
        >> E | S
        => E
        => S
        <= C SELECT 0 | Z T
        << C SELECT 0
        << Z T
        """
    ).done()
    assert play.world.decisions[-1] == ("execute", "allow")


def _acting(play: Play) -> None:
    identity = play.session.identity
    identity.principal = replace(identity.principal, acting=(Acting("other", frozenset()),))


CHANGES: dict[str, Callable[[Play], object]] = {
    "another catalog or other rules": lambda play: setattr(play.world, "epoch", 2),
    "DDL that the catalog does not show": lambda play: play.world.changed((temporary("t"),)),
    "another view": lambda play: setattr(
        play.session.scope, "view", SessionView("other", ("pg_catalog", "public"))
    ),
    "no view": lambda play: setattr(play.session.scope, "view", None),
    "another principal": _acting,
    "another encoding": lambda play: play.session.scope.tells("client_encoding", "LATIN1"),
    "search_path was told": lambda play: play.session.scope.tells("search_path", "x"),
    "the role was set": lambda play: setattr(play.session.scope, "role_set", True),
    "the role is not sure": lambda play: setattr(play.session.scope, "role_unsure", True),
    "names were touched": lambda play: setattr(play.session.scope, "names_touched", True),
    "temporary tables": lambda play: setattr(play.session.scope, "has_temporary", True),
    "uncommitted DDL": lambda play: setattr(play.session.scope, "catalog_touched", True),
    "session_authorization was asked": lambda play: setattr(
        play.session.scope, "session_said", "x"
    ),
    "a failed transaction": lambda play: setattr(play.session.link, "status", b"E"),
    "an open pipeline": lambda play: setattr(play.session.link, "pipeline_open", True),
    "a message in pieces": lambda play: setattr(play.session.link, "passing", True),
    "messages are skipped": lambda play: setattr(play.session.link, "skip", Skip.LOCAL),
    "the session is over": lambda play: setattr(play.session.link, "closed", True),
    "something is on its way": lambda play: play.session.link.queue.add(Pending(Owed.SYNC)),
    "something waits": lambda play: play.session.link.stage(b"", Pending(Owed.SYNC)),
}


def learnt() -> Play:
    play = Play().script(PARSE + BIND + ASKED + QUERY + BIND + QUERY)
    assert play.taken == 2
    return play


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("line", ["Q rows", "B <-one | D P | E | S", WHOLE.split("\n")[1][7:]])
def test_what_has_changed_is_decided_anew(name: str, line: str) -> None:
    play = learnt()
    CHANGES[name](play)
    recorded = len(play.world.records)
    assert play.session.lane.offer(encode_frontend(line)) is None
    assert len(play.world.records) == recorded
    assert play.session.lane.group is None


@pytest.mark.parametrize(
    "line",
    [
        "Q rows | S",
        "Q rows | Q rows",
        "Q other",
        "Q ",
        "S",
        "X",
        "B <-one | D P | E | S | S",
        "B <-one | D P | E | H",
        "B <-one | D Sone | E | S",
        "B p<-one | D P | E | S",
        "B <-two | D P | E | S",
        "B <-one | E p | S",
        "B <-one | S",
        "B <-one",
        "P : rows | B <-one | D P | E | S",
        "P : other | B <- | D P | E | S",
        "P one: rows | B <-one | D P | E | S",
    ],
)
def test_what_is_not_known_goes_the_general_way(line: str) -> None:
    assert learnt().session.lane.offer(encode_frontend(line)) is None


@pytest.mark.parametrize("line", ["Q rows", "B <-one | D P | E | S"])
def test_pieces_go_the_general_way(line: str) -> None:
    play, data = learnt(), encode_frontend(line)
    for cut in range(1, len(data)):
        assert play.session.lane.offer(data[:cut]) is None
        assert play.session.lane.offer(data[cut:]) is None


def test_a_statement_that_was_replaced_is_another_one() -> None:
    play = learnt()
    closed = """
        >> C Sone | S
        => C S one
        => S
        <= 3 | Z I
        << 3
        << Z I
    """
    play.script(closed)
    assert play.session.lane.offer(encode_frontend("B <-one | D P | E | S")) is None
    play.script(PARSE)
    assert play.session.lane.offer(encode_frontend("B <-one | D P | E | S")) is None


@pytest.mark.parametrize(
    "text",
    ["deny x", "backup x", "back s", "maketemp t", "path", "rows; rows", "copyin", "prepare a"],
)
def test_what_asks_or_changes_something_is_never_known(text: str) -> None:
    play = Play()
    with suppress(AssertionError):  # only what it has learnt is looked at
        play.script(f">> Q {text}")
    knowledge = play.session.lane.knowledge
    assert not knowledge._queries
    assert not knowledge._shapes


def test_reading_classified_columns_is_plain_and_writing_them_elsewhere_is_not() -> None:
    filling = Filling(5, 1, "public", "t", "a", False, (), frozenset({"phi.ssn"}))
    plan = plan_of("rows")
    for part, expected in (("shows", True), ("fills", False)):
        statement = replace(plan.statements[0], **{part: (filling,)})
        changed = replace(plan, statements=(statement,))
        planned = Planned(changed, frozenset(), ("db", 1, "digest", 0))
        assert is_plain(changed, planned) is expected


def test_an_unnamed_statement_is_dropped_by_the_general_way() -> None:
    play = learnt().script(PARSE.replace("one: rows", ": rows").replace("S one", "S"))
    assert play.session.lane.offer(encode_frontend("Q rows")) is None


def test_a_portal_that_is_not_run_to_its_end() -> None:
    play = learnt()
    play.script(
        """
        >> B <-one | E | S
        => B <-one
        => E
        => S
        <= 2 | D 1 | s | Z I
        << 2
        << D 1
        << s
        << Z I
        """
    )
    assert play.taken == 3
    assert play.world.outcomes[-1] == ("SUSPENDED", "")
    assert not play.session.names.portals


def test_what_the_server_says_else_goes_the_general_way() -> None:
    play = learnt()
    play.script(
        """
        >> Q rows
        => Q rows
        <= T a | D 1 | E 22012 division by zero | Z I
        << T a
        << D 1
        << E 22012 division by zero
        << Z I
        """
    )
    assert play.world.outcomes[-1] == ("", "22012")
    play.script(
        """
        >> B <-one | D P | E | S
        => B <-one
        => D P
        => E
        => S
        <= 2 | T a
        << 2
        << T a
        <= N 01000 attention | D 1
        << N attention
        << D 1
        >> Q rows
        => Q rows
        <= C SELECT 1 | Z I | T a | C SELECT 0 | Z I
        << C SELECT 1
        << Z I
        << T a
        << C SELECT 0
        << Z I
        """
    ).done()
    assert play.taken == 4
    assert play.world.outcomes[-2:] == [("SELECT 1", ""), ("SELECT 0", "")]


def test_the_server_ends_while_it_answers() -> None:
    play = learnt().script(">> Q rows\n=> Q rows")
    play.session.answers.outcomes.abandon(play.session.link.queue)
    assert play.world.outcomes[-1] == ("", "08006")


def test_the_tripwire() -> None:
    play = Play().script(">> Q mask rows\n=> Q masked rows\n<= T a | D 1 | C SELECT 1 | Z I")
    play = Play()
    quiet = "T a@99.1 | D 1 | C SELECT 1 | Z I"
    play.script(f">> Q rows\n=> Q rows\n<= {quiet}")
    play.script(f">> Q rows\n=> Q rows\n<= {quiet}")
    assert play.taken == 1
    assert not play.session.link.closed
    play.script(">> Q rows\n=> Q rows\n<= T a@100.3 | D 1 | C SELECT 1 | Z I")
    assert play.session.link.closed
    assert play.world.records[-1].fields[0] == ("event", "tripwire")  # type: ignore[union-attr]


def test_a_record_that_cannot_be_written_is_for_the_general_way_to_tell() -> None:
    play = learnt()
    play.world.durable = False
    play.script(
        """
        >> Q rows
        << E 58030 the audit log cannot be written
        << Z I
        """
    ).done()


class General(Schedule):
    """All goes the general way."""

    def _passes(self, data: bytes) -> bool:
        return False


@given(
    cycles=st.lists(CYCLES, min_size=1, max_size=4),
    lazy=st.lists(st.booleans(), min_size=12, max_size=12),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_both_ways_leave_the_same_traces(cycles: list[str], lazy: list[bool]) -> None:
    sessions = [Schedule(0), General(0)]
    for session in sessions:
        for cycle, waits in zip(cycles * 3, lazy, strict=False):
            session.client(encode_frontend(cycle))
            if not waits:
                session.serve()
        while session.serve():
            pass
    straight, general = sessions
    assert straight.client_bytes == general.client_bytes
    assert told_of(straight) == told_of(general)
    for part in ("worked", "ended", "status", "pipeline_open", "skip"):
        assert getattr(straight.session.link, part) == getattr(general.session.link, part)
    assert straight.session.names.cycle == general.session.names.cycle
    assert list(straight.session.names.portals) == list(general.session.names.portals)
    assert straight.session.link.queue.rounds == general.session.link.queue.rounds
