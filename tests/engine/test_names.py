"""Statements, portals, cursors: what they run stays what was decided."""

from __future__ import annotations

import pytest

from dbguard.audit.records import DecisionRecord, EventRecord, RecordKind

from .playbook import FakeSurroundings, Play, play

SCRIPTS = {
    "an error leaves messages behind a Sync alone": """
        # the second Parse waits in dbguard while the first one's error arrives
        >> P a: raw one | S
        => P a: raw one
        => S
        >> P b: raw two | B <-b | E | S
        => P b: raw two
        => B <-b
        => E
        => S
        <= E 42703 no column | Z I
        << E 42703 no column
        << Z I
        <= 1 | 2 | C SELECT 1 | Z I
        << 1
        << 2
        << C SELECT 1
        << Z I
    """,
    "ways back are gone in order": """
        >> P : raw one | S
        => P : raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
        >> B <- | P : raw two | P : raw three | H
        => B <-
        => P : raw two
        => P : raw three
        => H
        <= E 22P02 wrong parameter
        << E 22P02 wrong parameter
        >> S
        => S
        <= Z I
        << Z I
        >> B <- | E | S
        => B <-
        => E
        => S
        <= 2 | C SELECT 1 | Z I
        << 2
        << C SELECT 1
        << Z I
    """,
    "the unnamed statement is gone after a Parse that fails": """
        >> P : raw one | S
        => P : raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
        >> P : raw two | S
        => P : raw two
        => S
        <= E 42703 no column | Z I
        << E 42703 no column
        << Z I
        >> B <- | S
        => C S
        => B <-
        => S
        <= 3 | E 26000 unnamed prepared statement does not exist | Z I
        << E 26000 unnamed prepared statement does not exist
        << Z I
    """,
    "and after one that is refused, and after Query": """
        >> P : raw one | S
        => P : raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
        >> P : deny | S
        << E 42501 reading is not allowed
        << Z I
        >> D S | S
        => C S
        => D S
        => S
        <= 3 | E 26000 unnamed prepared statement does not exist | Z I
        << E 26000 unnamed prepared statement does not exist
        << Z I
        >> P : raw one | S
        => P : raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
        >> Q raw two
        => Q raw two
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
        >> B <- | S
        => C S
        => B <-
        => S
        <= 3 | E 26000 unnamed prepared statement does not exist | Z I
        << E 26000 unnamed prepared statement does not exist
        << Z I
    """,
    "PREPARE by the extended protocol, EXECUTE by both": """
        >> P p: prepare q one | B <-p | E | S
        => P p: prepare q one
        => D S p
        => B <-p
        => E
        => S
        <= 1 | t | n | 2 | C PREPARE | Z I
        << 1
        << 2
        << C PREPARE
        << Z I
        >> Q execute q
        => Q execute q
        <= T a | D 1 | C SELECT 1 | Z I
        << T a
        << D 1
        << C SELECT 1
        << Z I
    """,
    "a statement of the protocol closed by DEALLOCATE": """
        >> P a: raw one | S
        => P a: raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
        >> Q deallocate a
        => Q deallocate a
        <= C DEALLOCATE | Z I
        << C DEALLOCATE
        << Z I
        >> B <-a | S
        => C S a
        => B <-a
        => S
        <= 3 | E 26000 prepared statement "a" does not exist | Z I
        << E 26000 prepared statement "a" does not exist
        << Z I
    """,
    "DEALLOCATE ALL knows named statements only": """
        >> P a: raw one | P d: deallocate all | P : raw two | B <-d | E | B <- | B <-a | S
        => P a: raw one
        => P d: deallocate all
        => D S d
        => P : raw two
        => B <-d
        => E
        => H
        <= 1 | 1 | t | n | 1 | 2 | C DEALLOCATE ALL
        << 1
        << 1
        << 1
        << 2
        << C DEALLOCATE ALL
        => B <-
        => H
        <= 2
        << 2
        => C S a
        => B <-a
        => S
        <= 3 | E 26000 prepared statement "a" does not exist | Z I
        << E 26000 prepared statement "a" does not exist
        << Z I
    """,
    "a name that is being made by what is on its way": """
        >> P p: prepare q one | B <-p | E | B <-q | E | S
        => P p: prepare q one
        => D S p
        => B <-p
        => E
        => H
        <= 1 | t | n | 2 | C PREPARE
        << 1
        << 2
        << C PREPARE
        => B <-q
        => E
        => S
        <= 2 | C SELECT 1 | Z I
        << 2
        << C SELECT 1
        << Z I
    """,
    "a name that is taken: the server keeps what it has, and so does dbguard": """
        >> P a: raw one | S
        => P a: raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
        >> P a: copyin | S | B <-a | E | S
        => P a: copyin
        => D S a
        => S
        <= E 42P05 prepared statement "a" already exists | Z I
        << E 42P05 prepared statement "a" already exists
        << Z I
        => B <-a
        => E
        => S
        <= 2 | C SELECT 1 | Z I
        << 2
        << C SELECT 1
        << Z I
    """,
    "what stands in front of a Sync may fail: then the old one would run": """
        >> P : raw one | S
        => P : raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
        >> P b: raw gone | P : raw two | S | B <- | E | S
        => P b: raw gone
        => P : raw two
        => S
        <= E 42703 no column | Z I
        << E 42703 no column
        << Z I
        => B <-
        => E
        => S
        <= 2 | C SELECT 1 | Z I
        << 2
        << C SELECT 1
        << Z I
    """,
    "the same of portals": """
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> P a: raw one | P b: raw two | B x<-a | S
        => P a: raw one
        => P b: raw two
        => B x<-a
        => S
        <= 1 | 1 | 2 | Z T
        << 1
        << 1
        << 2
        << Z T
        >> B x<-b | S | E x | S
        => B x<-b
        => S
        <= E 42P03 cursor "x" already exists | Z E
        << E 42P03 cursor "x" already exists
        << Z E
        => E x
        => S
        <= E 25P02 aborted | Z E
        << E 25P02 aborted
        << Z E
        >> B <-a | S | E | S
        => B <-a
        => S
        <= E 08P01 bind message supplies 0 parameters | Z E
        << E 08P01 bind message supplies 0 parameters
        << Z E
        => E
        => S
        <= E 34000 portal "" does not exist | Z E
        << E 34000 portal "" does not exist
        << Z E
    """,
    "EXECUTE of a name nobody made": """
        >> Q execute nosuch
        << E 26000 prepared statement "nosuch" does not exist
        << Z I
    """,
    "a cursor ends with its transaction, one WITH HOLD does not": """
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q declare a; hold b
        => Q declare a; hold b
        <= C DECLARE CURSOR | C DECLARE CURSOR | Z T
        << C DECLARE CURSOR
        << C DECLARE CURSOR
        << Z T
        >> Q commit
        => Q commit
        <= C COMMIT | Z I
        << C COMMIT
        << Z I
        >> Q fetch a
        << E 34000 cursor "a" does not exist
        << Z I
        >> Q fetch b
        => Q fetch b
        <= T a | D 1 | C FETCH 1 | Z I
        << T a
        << D 1
        << C FETCH 1
        << Z I
        >> Q close all
        => Q close all
        <= C CLOSE CURSOR ALL | Z I
        << C CLOSE CURSOR ALL
        << Z I
        >> Q fetch b
        << E 34000 cursor "b" does not exist
        << Z I
    """,
    "names of dbguard's own": """
        >> P _dbguard_probe: raw one | S
        << E 53400 this statement or portal name is reserved
        << Z I
        >> Q prepare _dbguard_probe one
        << E 53400 this statement or portal name is reserved
        << Z I
        >> Q declare _dbguard_probe
        << E 53400 this statement or portal name is reserved
        << Z I
    """,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str) -> None:
    play(SCRIPTS[name])


def test_records_tell_what_runs_when_a_name_is_taken() -> None:
    world = FakeSurroundings()
    play(SCRIPTS["a name that is taken: the server keeps what it has, and so does dbguard"], world)
    told = [
        (r.phase, r.text)
        for r in world.records
        if isinstance(r, DecisionRecord) and r.phase == "bind"
    ]
    assert told == [("bind", "<one>")]


def test_a_way_back_survives_the_end_of_a_transaction() -> None:
    play("""
        >> P a: raw one | B x<-a | S
        => P a: raw one
        => B x<-a
        => S
        >> C Px | H
        => C P x
        => H
        <= 1 | 2 | Z T
        << 1
        << 2
        << Z T
        <= E 25P02 aborted
        << E 25P02 aborted
        >> S
        => S
        <= Z T
        << Z T
        >> E x | S
        => E x
        => S
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """)


def test_a_late_error_does_not_touch_what_stands_behind_the_sync() -> None:
    play("""
        >> C Sa | P a: raw one | S
        => C S a
        => P a: raw one
        => S
        >> C Sa | P a: raw two | S
        => C S a
        => P a: raw two
        => S
        <= E 57014 canceled | Z I | 3 | 1 | Z I
        << E 57014 canceled
        << Z I
        << 3
        << 1
        << Z I
        >> B <-a | S
        => B <-a
        => S
        <= 2 | Z I
        << 2
        << Z I
    """)
    play("""
        >> P a: raw zero | S
        => P a: raw zero
        => S
        <= 1 | Z I
        << 1
        << Z I
        >> C Sa | P a: raw one | S
        => C S a
        => P a: raw one
        => S
        >> C Sa | P a: deny | S
        => C S a
        => P _dbguard_refused: refused by dbguard
        => S
        <= E 57014 canceled | Z I | E 57014 canceled | Z I
        << E 57014 canceled
        << Z I
        << E 57014 canceled
        << Z I
        >> B <-a | S
        => B <-a
        => S
        <= 2 | Z I
        << 2
        << Z I
    """)


def test_what_the_server_cannot_tell_apart_is_refused() -> None:
    """It compares 63 bytes of a name: two statements could stand under one."""
    long = "n" * 64
    play(f"""
        >> P {long}: raw one | S
        << E 42622 statement or portal name is too long
        << Z I
    """)
    play(f"""
        >> P {long[:63]}: raw one | S
        => P {long[:63]}: raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
    """)


def test_no_more_names_than_allowed() -> None:
    session = Play()
    for number in range(20):
        session.script(f"""
            >> Q prepare q{number} one
            => Q prepare q{number} one
            <= C PREPARE | Z I
            << C PREPARE
            << Z I
        """)
    session.script("""
        >> Q prepare q20 one
        << E 53400 too many prepared statements in this session
        << Z I
        >> P a: raw one | S
        << E 53400 too many prepared statements in this session
        << Z I
        >> Q deallocate all
        => Q deallocate all
        <= C DEALLOCATE ALL | Z I
        << C DEALLOCATE ALL
        << Z I
        >> P a: raw one | S
        => P a: raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
    """).done()


TOO_MUCH = "E 53400 prepared statements and portals of this session take too much memory"
LARGE, OTHER = "raw " + "x" * 900, "raw " + "y" * 900
HELD = f"""
    >> P a: {LARGE} | P b: {OTHER} | S
    => P a: {LARGE}
    => P b: {OTHER}
    => S
    <= 1 | 1 | Z I
    << 1
    << 1
    << Z I
"""


@pytest.mark.parametrize(
    "asked",
    [f"P c: {LARGE} | S", f"Q prepare c {LARGE}", f"Q declare c {LARGE}", "B c<-a | S"],
    ids=lambda asked: asked[:9],
)
def test_no_more_bytes_than_allowed(asked: str) -> None:
    Play().script(f"""
        {HELD}
        >> {asked}
        << {TOO_MUCH}
        << Z I
        >> P : {LARGE} | B <- | E | S
        => P : {LARGE}
        => B <-
        => E
        => S
        <= 1 | 2 | C SELECT 1 | Z I
        << 1
        << 2
        << C SELECT 1
        << Z I
    """).done()


RELEASES = {
    "close": """
        >> C S a | S
        => C S a
        => S
        <= 3 | Z I
        << 3
        << Z I
    """,
    "deallocate": """
        >> Q deallocate a
        => Q deallocate a
        <= C DEALLOCATE | Z I
        << C DEALLOCATE
        << Z I
    """,
}


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_bytes_are_given_back(release: str) -> None:
    Play().script(f"""
        {HELD}
        >> P c: {LARGE} | S
        << {TOO_MUCH}
        << Z I
        {release}
        >> P c: {LARGE} | S
        => P c: {LARGE}
        => S
        <= 1 | Z I
        << 1
        << Z I
    """).done()


def test_discard_gives_everything_back() -> None:
    session = Play().script(f"""
        {HELD}
        >> Q discard
        => Q discard
        <= C DISCARD ALL | Z I
        << C DISCARD ALL
        << Z I
    """)
    assert session.session.names.statements.weight == 0


def test_bytes_of_portals_are_given_back_with_their_transaction() -> None:
    session = Play().script(f"""
        >> P a: {LARGE} | B c<-a | S
        => P a: {LARGE}
        => B c<-a
        => S
        <= 1 | 2 | Z T
        << 1
        << 2
        << Z T
    """)
    assert session.session.names.portals.weight == len(LARGE)
    session.script("""
        >> Q commit
        => Q commit
        <= C COMMIT | Z I
        << C COMMIT
        << Z I
    """)
    assert session.session.names.portals.weight == 0


def test_a_statement_that_failed_holds_nothing() -> None:
    session = Play().script(f"""
        >> P a: {LARGE} | S
        => P a: {LARGE}
        => S
        <= E 42703 no column | Z I
        << E 42703 no column
        << Z I
    """)
    assert session.session.names.statements.weight == 0


PREPARED = """
    >> P a: moving one | D S a | S
    => P a: moved1 one
    => D S a
    => D S a
    => S
    <= 1 | t | T x | t | T x | Z I
    << 1
    << t
    << T x
    << Z I
"""


def test_a_stale_statement_is_parsed_anew_unseen() -> None:
    world = FakeSurroundings()
    session = Play(world).script(PREPARED)
    world.epoch = 2
    session.script("""
        >> B <-a | E | S
        => C S a
        => P a: moved2 one
        => D S a
        => S
        <= 3 | 1 | t | T x | Z I
        => B <-a
        => E
        => S
        <= 2 | D 1 | C SELECT 1 | Z I
        << 2
        << D 1
        << C SELECT 1
        << Z I
    """).done()
    assert world.decisions == [("parse", "allow"), ("parse", "allow"), ("bind", "allow")]


def test_a_stale_statement_in_a_pipeline_commits_nothing() -> None:
    world = FakeSurroundings()
    session = Play(world).script(PREPARED)
    world.epoch = 2
    session.script("""
        >> P : raw one | B <- | E | B <-a | E | S
        => P : raw one
        => B <-
        => E
        => C S a
        => P a: moved2 one
        => D S a
        => H
        <= 1 | 2 | C INSERT 0 1 | 3 | 1 | t | T x
        << 1
        << 2
        << C INSERT 0 1
        => B <-a
        => E
        => S
        <= 2 | D 1 | C SELECT 1 | Z I
        << 2
        << D 1
        << C SELECT 1
        << Z I
    """).done()


def test_another_result_than_the_client_was_told() -> None:
    world = FakeSurroundings()
    session = Play(world).script(PREPARED)
    world.epoch = 2
    session.script("""
        >> B <-a | E | S
        => C S a
        => P a: moved2 one
        => D S a
        => S
        <= 3 | 1 | t | T x y | Z I
        << E 0A000 cached plan must not change result type
        << Z I
        # and it stays so until the statement is made again
        >> B <-a | E | S
        << E 0A000 cached plan must not change result type
        << Z I
        >> C Sa | P a: moving one | D S a | B <-a | S
        => C S a
        => P a: moved2 one
        => D S a
        => D S a
        => B <-a
        => S
        <= 3 | 1 | t | T x y | t | T x y | 2 | Z I
        << 3
        << 1
        << t
        << T x y
        << 2
        << Z I
    """).done()


def test_a_statement_that_cannot_be_parsed_anew_comes_back_when_it_can() -> None:
    world = FakeSurroundings()
    session = Play(world).script(PREPARED)
    world.epoch = 2
    session.script("""
        >> B <-a | E | S
        => C S a
        => P a: moved2 one
        => D S a
        => S
        <= 3 | E 42P01 relation does not exist | Z I
        << E 42P01 relation does not exist
        << Z I
        >> B <-a | E | S
        => C S a
        => P a: moved2 one
        => D S a
        => S
        <= 3 | 1 | t | T x | Z I
        => B <-a
        => E
        => S
        <= 2 | C SELECT 1 | Z I
        << 2
        << C SELECT 1
        << Z I
    """).done()


def test_a_stale_statement_run_by_execute() -> None:
    """Without a Sync of its own an error would make the server skip the Query for ever."""
    world = FakeSurroundings()
    session = Play(world).script(PREPARED)
    world.epoch = 2
    session.script("""
        >> Q execute a
        => C S a
        => P a: moved2 one
        => D S a
        => S
        <= 3 | E 42P01 relation does not exist | Z I
        << E 42P01 relation does not exist
        << Z I
        >> Q execute a
        => C S a
        => P a: moved2 one
        => D S a
        => S
        <= 3 | 1 | t | T x | Z I
        => Q execute a
        <= T x | C SELECT 0 | Z I
        << T x
        << C SELECT 0
        << Z I
    """).done()


PREPARED_BY_SQL = """
    >> Q {text}
    => Q {sent}
    <= {answers} | Z I
    {shown}
    << Z I
"""


def test_a_statement_made_by_prepare_is_made_anew() -> None:
    world = FakeSurroundings()
    made = PREPARED_BY_SQL.format(
        text="prepare q moving", sent="prepare q moved1", answers="C PREPARE", shown="<< C PREPARE"
    )
    session = Play(world).script(made)
    world.epoch = 2
    session.script("""
        >> Q execute q
        => C S q
        => P _dbguard_again: prepare q moved2
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
    assert world.decisions == [("query", "allow"), ("parse", "allow"), ("query", "allow")]


def test_a_statement_that_stood_in_a_string_cannot_be_made_anew() -> None:
    """The rest of the string would run once more."""
    world = FakeSurroundings()
    made = PREPARED_BY_SQL.format(
        text="prepare q moving; one",
        sent="prepare q moved1; one",
        answers="C PREPARE | C SELECT 0",
        shown="<< C PREPARE\n<< C SELECT 0",
    )
    session = Play(world).script(made)
    world.epoch = 2
    session.script("""
        >> Q execute q
        << E 0A000 cached plan must not change result type
        << Z I
        >> Q deallocate q
        => Q deallocate q
        <= C DEALLOCATE | Z I
        << C DEALLOCATE
        << Z I
    """).done()


def test_the_tripwire_looks_again_when_the_server_plans_again() -> None:
    world = FakeSurroundings()
    session = Play(world).script("""
        >> P a: one | S
        => P a: one
        => D S a
        => S
        <= 1 | t | T x@50.1 | Z I
        << 1
        << Z I
    """)
    world.epoch = 2
    session.script("""
        >> B <-a | E | S
        => D S a
        => B <-a
        => E
        => S
        <= t | T x@100.3
        << E 42501 the result would show a protected column unmasked
    """).done()
    assert session.session.ended()
    (event,) = (r for r in world.records if isinstance(r, EventRecord))
    assert (event.kind, event.field("event")) == (RecordKind.SECURITY, "tripwire")
    assert event.field("user") == session.session.identity.principal.user != ""


def test_a_failed_transaction_leaves_statements_as_they_are() -> None:
    world = FakeSurroundings()
    session = Play(world).script(PREPARED)
    session.script("""
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
    """)
    world.epoch = 2
    session.script("""
        >> B <-a | S
        => B <-a
        => S
        <= E 25P02 aborted | Z E
        << E 25P02 aborted
        << Z E
    """).done()


def test_rollback_in_a_pipeline_ends_the_failed_state() -> None:
    world = FakeSurroundings()
    session = Play(world).script(PREPARED)
    session.script("""
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
    """)
    world.epoch = 2
    session.script("""
        >> P r: rollback | B <-r | E | B <-a | E | S
        => P r: rollback
        => D S r
        => B <-r
        => E
        => H
        <= 1 | t | n | 2 | C ROLLBACK
        << 1
        << 2
        << C ROLLBACK
        => C S a
        => P a: moved2 one
        => D S a
        => H
        <= 3 | 1 | t | T x
        => B <-a
        => E
        => S
        <= 2 | C SELECT 1 | Z I
        << 2
        << C SELECT 1
        << Z I
    """).done()


def test_a_portal_runs_what_its_name_means_when_it_runs() -> None:
    """EXECUTE is looked up when the portal runs: what is decided then is what counts."""
    world = FakeSurroundings()
    Play(world).script("""
        >> Q begin; prepare q one
        => Q begin; prepare q one
        <= C BEGIN | C PREPARE | Z T
        << C BEGIN
        << C PREPARE
        << Z T
        >> P e: execute q | B x<-e | S
        => P e: execute q
        => D S e
        => B x<-e
        => S
        <= 1 | t | T a | 2 | Z T
        << 1
        << 2
        << Z T
        >> Q deallocate q
        => Q deallocate q
        <= C DEALLOCATE | Z T
        << C DEALLOCATE
        << Z T
        >> Q prepare q secret
        => Q prepare q secret
        <= C PREPARE | Z T
        << C PREPARE
        << Z T
        >> E x | S
        => E x
        => S
        <= E 23505 duplicate key | Z E
        << E 23505 the server's message is withheld: it may show protected values
        << Z E
    """).done()
    assert world.decisions[-1] == ("execute", "allow")


def test_fetch_and_execute_have_records_of_their_own() -> None:
    world = FakeSurroundings()
    play(
        """
        >> Q begin; declare c
        => Q begin; declare c
        <= C BEGIN | C DECLARE CURSOR | Z T
        << C BEGIN
        << C DECLARE CURSOR
        << Z T
        >> E c | S
        => E c
        => S
        <= D 1 | C FETCH 1 | Z T
        << D 1
        << C FETCH 1
        << Z T
        """,
        world,
    )
    assert [phase for phase, _ in world.decisions] == ["query", "query", "execute"]
