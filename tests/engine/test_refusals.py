"""Refusal with the right protocol state: one script a state (DESIGN 2.5)."""

from __future__ import annotations

import pytest

from dbguard.engine.plan import Refusal
from dbguard.engine.replies import refusal_fields

from .playbook import FakeSurroundings, Play, play

SCRIPTS = {
    "allowed query": """
        >> Q raw one
        => Q raw one
        <= T a | D 1 | C SELECT 1 | Z I
        << T a
        << D 1
        << C SELECT 1
        << Z I
    """,
    "refused at rest": """
        >> Q deny
        << E 42501 reading is not allowed
        << Z I
    """,
    "refused string runs no part of it": """
        >> Q one; deny
        << E 42501 reading is not allowed
        << Z I
    """,
    "refused in a transaction aborts it": """
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q deny
        => Q refused by dbguard
        <= E 42601 syntax error | Z E
        << E 42501 reading is not allowed
        << Z E
        >> Q commit
        => Q commit
        <= C ROLLBACK | Z I
        << C ROLLBACK
        << Z I
    """,
    "refused while earlier answers are on their way": """
        >> Q raw one
        >> Q deny
        => Q raw one
        => Q refused by dbguard
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
        <= E 42601 syntax error | Z I
        << E 42501 reading is not allowed
        << Z I
    """,
    "refused Parse at rest": """
        >> P : deny | B <- | E | S
        << E 42501 reading is not allowed
        << Z I
        >> Q raw one
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "refused Parse in a pipeline": """
        >> P : raw one | B <- | E | P : deny | B <- | E | Q raw two | S
        => P : raw one
        => B <-
        => E
        => P _dbguard_refused: refused by dbguard
        => S
        <= 1 | 2 | C SELECT 1 | E 42601 syntax error | Z I
        << 1
        << 2
        << C SELECT 1
        << E 42501 reading is not allowed
        << Z I
    """,
    "the server's earlier error is the one shown": """
        >> P : raw one | B <- | E | P : deny | S
        => P : raw one
        => B <-
        => E
        => P _dbguard_refused: refused by dbguard
        => S
        <= 1 | 2 | E 22012 division by zero | Z I
        << 1
        << 2
        << E 22012 division by zero
        << Z I
    """,
    "after a server error everything up to Sync is skipped": """
        >> P : raw one | B <- | E | H
        => P : raw one
        => B <-
        => E
        => H
        <= 1 | 2 | E 22012 division by zero
        << 1
        << 2
        << E 22012 division by zero
        >> P : raw two | B <- | E | Q raw three
        >> S
        => S
        <= Z I
        << Z I
    """,
    "a refused Bind of a name that does not exist": """
        >> B <-nosuch | E | S
        => C S nosuch
        => B <-nosuch
        => H
        <= 3 | E 26000 prepared statement "nosuch" does not exist
        << E 26000 prepared statement "nosuch" does not exist
        => S
        <= Z I
        << Z I
    """,
    "a skipped Parse leaves no statement behind": """
        >> P a: raw one | H
        => P a: raw one
        => H
        <= E 42703 column does not exist
        << E 42703 column does not exist
        >> S
        => S
        <= Z I
        << Z I
        >> B <-a | S
        => C S a
        => B <-a
        => S
        <= 3 | E 26000 prepared statement "a" does not exist | Z I
        << E 26000 prepared statement "a" does not exist
        << Z I
    """,
    "a Query ends the pipeline in front of it": """
        >> P : raw one | H
        => P : raw one
        => H
        <= 1
        << 1
        >> Q raw two
        => Q raw two
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
        >> Q deny
        << E 42501 reading is not allowed
        << Z I
    """,
    "what the client got wrong, in the server's words for those who see everything": """
        >> Q raw unknown | Q raw one
        => P _dbguard_mistake: raw unknown
        => C S _dbguard_mistake
        => S
        <= E 42P01 relation is not there | Z I
        << E 42P01 relation is not there
        << Z I
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "the same in a transaction, which fails with it": """
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q raw unknown
        => P _dbguard_mistake: raw unknown
        => C S _dbguard_mistake
        => H
        <= E 42P01 relation is not there
        << E 42P01 relation is not there
        => S
        <= Z E
        << Z E
        >> Q raw unknown
        => Q SELECT "refused by dbguard"
        <= E 25P02 current transaction is aborted | Z E
        << E 25P02 current transaction is aborted
        << Z E
    """,
    "the same in a pipeline, which ends with it": """
        >> P a: raw one | P : raw unknown | P b: raw two | S
        => P a: raw one
        => P _dbguard_mistake: raw unknown
        => C S _dbguard_mistake
        => H
        <= 1 | E 42P01 relation is not there
        << 1
        << E 42P01 relation is not there
        => S
        <= Z I
        << Z I
    """,
    "the server finds another mistake, or none": """
        >> Q raw unknown
        => P _dbguard_mistake: raw unknown
        => C S _dbguard_mistake
        => S
        <= E 42601 cannot insert multiple commands into a prepared statement | Z I
        << E 42P01 relation "x" does not exist
        << Z I
        >> P : raw unknown | S
        => P _dbguard_mistake: raw unknown
        => C S _dbguard_mistake
        => S
        <= 1 | 3 | Z I
        << E 42P01 relation "x" does not exist
        << Z I
        >> P a: raw one | P : raw unknown | S
        => P a: raw one
        => P _dbguard_mistake: raw unknown
        => C S _dbguard_mistake
        => H
        <= 1 | 1 | 3
        << 1
        => P _dbguard_refused: SELECT "refused by dbguard"
        => S
        <= E 42703 no column | Z I
        << E 42P01 relation "x" does not exist
        << Z I
    """,
    "an earlier message fails while the server is asked": """
        >> P : raw one | B <- | E | P : raw unknown | P b: raw two | S
        => P : raw one
        => B <-
        => E
        => P _dbguard_mistake: raw unknown
        => C S _dbguard_mistake
        => H
        <= 1 | 2 | E 22012 division by zero
        << 1
        << 2
        << E 22012 division by zero
        => S
        <= Z I
        << Z I
        >> B <- | S
        => B <-
        => S
        <= 2 | Z I
        << 2
        << Z I
    """,
    "a name that the client got wrong, in a transaction that has failed meanwhile": """
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q raw one
        >> Q unknown
        => Q raw one
        => Q SELECT "refused by dbguard"
        <= E 22012 division by zero | Z E
        << E 22012 division by zero
        << Z E
        <= E 25P02 current transaction is aborted | Z E
        << E 25P02 current transaction is aborted
        << Z E
    """,
    "a name that the client got wrong, in a transaction": """
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q unknown
        => Q SELECT "refused by dbguard"
        <= E 42703 column "refused by dbguard" does not exist | Z E
        << E 42P01 relation "x" does not exist
        << Z E
    """,
    "a Close that the server skips has closed nothing": """
        >> P : raw one | B x<- | C S | S | D S | S
        => P : raw one
        => B x<-
        => C S
        => S
        <= 1 | E 22012 division by zero | Z I
        << 1
        << E 22012 division by zero
        << Z I
        => D S
        => S
        <= t | n | Z I
        << t
        << n
        << Z I
    """,
    "an unmet requirement refuses": """
        >> Q backup drop
        << E 42501 a backup is required
        << Z I
    """,
    "frames behind COPY FROM STDIN wait": """
        >> Q copyin | d 1 | c | Q raw two
        => Q copyin
        <= G
        << G
        => d 1
        => c
        => Q raw two
        <= C COPY 1 | Z I | C SELECT 1 | Z I
        << C COPY 1
        << Z I
        << C SELECT 1
        << Z I
    """,
    "COPY FROM STDIN that fails at once": """
        >> Q copyin | d 1 | c | Q raw two
        => Q copyin
        <= E 42P01 relation does not exist | Z I
        << E 42P01 relation does not exist
        << Z I
        => Q raw two
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "COPY in a pipeline does not swallow Sync": """
        >> P : copyin | B <- | E | S
        => P : copyin
        => D S
        => B <-
        => E
        <= 1 | t | n | 2 | G
        << 1
        << 2
        << G
        => S
        >> d x | c | S
        => d x
        => c
        => H
        <= C COPY 1
        => S
        <= Z I
        << C COPY 1
        << Z I
    """,
    "a query in the middle of COPY FROM STDIN": """
        >> Q copyin
        => Q copyin
        <= G
        << G
        >> Q raw two
        => f dbguard: the client sent something else
        <= E 57014 COPY from stdin failed: dbguard: the client sent something else | Z I
        << E 08P01 unexpected message type 0x51 during COPY from stdin
        << E 08P01 terminating connection because protocol synchronization was lost
    """,
    "COPY TO STDOUT": """
        >> Q copyout
        => Q copyout
        <= H | d 1 | c | C COPY 1 | Z I
        << H
        << d 1
        << c
        << C COPY 1
        << Z I
    """,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str) -> None:
    if name == "an unmet requirement refuses":
        world = FakeSurroundings()
        world.satisfied = False
        play(SCRIPTS[name], world)
        assert world.decisions == [("query", "deny")]
        return
    play(SCRIPTS[name])


def test_what_was_found_stands_behind_rule_and_decision() -> None:
    refusal = Refusal("42501", "a backup is required", "rule x", because="There is none.")
    assert ("D", b"rule x; decision 7. There is none.") in refusal_fields(refusal, 7).pairs


def test_nothing_runs_while_the_log_cannot_be_written() -> None:
    world = FakeSurroundings()
    session = Play(world)
    world.available = False
    session.script("""
        >> Q raw one
        << E 58030 the audit log cannot be written
        << Z I
        >> P : raw one | B <- | E | S
        << E 58030 the audit log cannot be written
        << Z I
    """)
    world.available = True
    session.script("""
        >> Q raw one
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """).done()


def test_a_record_that_is_lost_keeps_its_statement_back() -> None:
    world = FakeSurroundings()
    world.durable = False
    session = Play(world).script("""
        >> P a: raw one | B <-a | E | S
        << E 58030 the audit log cannot be written
        << Z I
    """)
    world.durable = True
    session.script("""
        >> B <-a | S
        => C S a
        => B <-a
        => S
        <= 3 | E 26000 prepared statement "a" does not exist | Z I
        << E 26000 prepared statement "a" does not exist
        << Z I
    """).done()


def test_every_execution_has_a_record_before_it_is_forwarded() -> None:
    world = FakeSurroundings()
    play(
        """
        >> P a: raw one | B <-a | E | E | S
        => P a: raw one
        => B <-a
        => E
        => E
        => S
        <= 1 | 2 | s | C SELECT 1 | Z I
        << 1
        << 2
        << s
        << C SELECT 1
        << Z I
        """,
        world,
    )
    assert world.decisions == [("parse", "allow"), ("bind", "allow"), ("execute", "allow")]
    assert world.outcomes == [("SUSPENDED", ""), ("SELECT 1", "")]


def test_the_portal_of_a_query_that_failed_is_not_run() -> None:
    """Its text is gone: PostgreSQL (18) may crash when it is to be run."""
    play("""
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q one
        => Q one
        <= E 22012 division by zero | Z E
        << E 22012 division by zero
        << Z E
        >> E | S
        => P _dbguard_refused: SELECT "refused by dbguard"
        => S
        <= E 25P02 the server says so | Z E
        << E 25P02 the server says so
        << Z E
        >> Q rollback
        => Q rollback
        <= C ROLLBACK | Z I
        << C ROLLBACK
        << Z I
        >> E | S
        => C P
        => E
        => S
        <= 3 | E 34000 portal "" does not exist | Z I
        << E 34000 portal "" does not exist
        << Z I
    """)
