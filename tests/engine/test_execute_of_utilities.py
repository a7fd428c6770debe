"""EXECUTE of statements that the protocol prepared and SQL's PREPARE could not: DECLARE, PREPARE,
EXECUTE and FETCH."""

from __future__ import annotations

from dbguard.audit.records import DecisionRecord

from .playbook import FakeSurroundings, Play, play


def prepared(name: str, text: str, sent: str = "", columns: str = "n") -> str:
    return f"""
        >> P {name}: {text} | S
        => P {name}: {sent or text}
        => D S {name}
        => S
        <= 1 | t | {columns} | Z I
        << 1
        << Z I
    """


def test_a_cursor_that_execute_declares_is_a_portal() -> None:
    play(
        prepared("p", "declare c one")
        + """
        >> P q: execute p | B <-q | E | C P | E c | S
        => P q: execute p
        => D S q
        => B <-q
        => E
        => C P
        => H
        <= 1 | t | n | 2 | C DECLARE CURSOR | 3
        => E c
        => S
        <= D 1 | C SELECT 1 | Z I
        << 1
        << 2
        << C DECLARE CURSOR
        << 3
        << D 1
        << C SELECT 1
        << Z I
    """
    )


def test_a_statement_that_execute_prepares_can_be_run() -> None:
    play(
        prepared("p", "prepare q one")
        + """
        >> Q execute p
        => Q execute p
        <= C PREPARE | Z I
        << C PREPARE
        << Z I
        >> Q execute q
        => Q execute q
        <= T a | D 1 | C SELECT 1 | Z I
        << T a
        << D 1
        << C SELECT 1
        << Z I
    """
    )


def test_a_statement_that_execute_prepared_is_made_anew_from_its_own_text() -> None:
    world = FakeSurroundings()
    session = Play(world).script(prepared("p", "prepare q moving one", "prepare q moved1 one"))
    session.script("""
        >> Q execute p
        => Q execute p
        <= C PREPARE | Z I
        << C PREPARE
        << Z I
    """)
    world.epoch = 2
    session.script("""
        >> Q execute q
        => C S q
        => P _dbguard_again: prepare q moved2 one
        => B _dbguard_again<-_dbguard_again
        => E _dbguard_again
        => C P _dbguard_again
        => C S _dbguard_again
        => D S q
        => S
        <= 3 | 1 | 2 | C PREPARE | 3 | 3 | t | T x | Z I
        => Q execute q
        <= T x | C SELECT 0 | Z I
        << T x
        << C SELECT 0
        << Z I
    """).done()


def test_what_execute_runs_through_another_execute_is_brought_up_to_date() -> None:
    world = FakeSurroundings()
    session = Play(world)
    session.script(prepared("q", "moving one", "moved1 one", "T x"))
    session.script(prepared("p", "execute q", columns="T x"))
    world.epoch = 2
    session.script("""
        >> Q execute p
        => C S q
        => P q: moved2 one
        => D S q
        => S
        <= 3 | 1 | t | T x | Z I
        => Q execute p
        <= T x | C SELECT 0 | Z I
        << T x
        << C SELECT 0
        << Z I
    """).done()


def test_what_execute_runs_through_another_execute_is_recorded() -> None:
    world = FakeSurroundings()
    session = Play(world)
    session.script(prepared("q", "mask one", "masked one", "T x"))
    session.script(prepared("p", "execute q", columns="T x"))
    session.script("""
        >> Q execute p
        => Q execute p
        <= T x | C SELECT 0 | Z I
        << N dbguard: shown masked in this session: clinic.patients.ssn
        << T x
        << C SELECT 0
        << Z I
    """).done()
    last = [record for record in world.records if isinstance(record, DecisionRecord)][-1]
    assert (last.decision, [entry.rule for entry in last.masked]) == ("masked", ["r2"])


def test_execute_in_a_circle_is_refused() -> None:
    session = Play()
    session.script(prepared("p", "execute p"))
    session.script("""
        >> Q execute p
        << E 26000 prepared statement "p" does not exist
        << Z I
    """).done()


def test_a_reserved_name_is_not_made_by_execute_either() -> None:
    session = Play()
    session.script(prepared("p", "declare _dbguard_x one"))
    session.script("""
        >> Q execute p
        << E 53400 this statement or portal name is reserved
        << Z I
    """).done()
