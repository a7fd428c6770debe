"""Statements whose names mean something else since search_path was changed, and texts that name
nothing: what the server would say, in its order."""

from __future__ import annotations

from .playbook import FakeSurroundings, Play, play
from .test_states import probe, probe_in_pipeline


def test_what_names_nothing_needs_no_question_in_a_pipeline() -> None:
    """Behind the question the server would take COMMIT for one in a transaction block."""
    play("""
        >> P : path | B <- | E | P : commit | B <- | E | S
        => P : path
        => D S
        => B <-
        => E
        => H
        <= 1 | t | n | 2 | C SET
        << 1
        << 2
        << C SET
        => P : commit
        => D S
        => B <-
        => E
        => S
        <= 1 | t | n | 2 | C COMMIT | Z I
        << 1
        << 2
        << C COMMIT
        << Z I
    """)


def test_what_names_something_is_asked_for_in_a_pipeline() -> None:
    play(f"""
        >> P : path | B <- | E | P : commit; one | S
        => P : path
        => D S
        => B <-
        => E
        => H
        <= 1 | t | n | 2 | C SET
        << 1
        << 2
        << C SET
        {probe_in_pipeline("clinic")}
        => P : commit; one
        => S
        <= E 42601 several commands | Z I
        << E 42601 several commands
        << Z I
    """)


def test_what_names_nothing_outlives_its_view_but_not_its_rules() -> None:
    world = FakeSurroundings()
    session = Play(world).script("""
        >> P c: commit | P : path | B <- | E | B <-c | E | S
        => P c: commit
        => D S c
        => P : path
        => D S
        => B <-
        => E
        => H
        <= 1 | t | n | 1 | t | n | 2 | C SET
        << 1
        << 1
        << 2
        << C SET
        => B <-c
        => E
        => S
        <= 2 | C COMMIT | Z I
        << 2
        << C COMMIT
        << Z I
    """)
    world.epoch = 2
    session.script(f"""
        >> B <-c | E | S
        {probe("clinic")}
        => D S c
        => B <-c
        => E
        => S
        <= t | n | 2 | C COMMIT | Z I
        << 2
        << C COMMIT
        << Z I
    """).done()
    assert world.decisions[-1] == ("bind", "allow")


MOVED = """
    >> P a: raw {text} | S
    => P a: raw {sent}
    => S
    <= 1 | Z I
    << 1
    << Z I
    >> Q path
    => Q path
    <= C SET | Z I
    << C SET
    << Z I
"""
LOOKING = MOVED.format(text="looking", sent="looked-public")
PUBLIC = MOVED.format(text="public", sent="public")


def test_a_statement_that_nobody_described_is_asked_about_before_it_is_made_anew() -> None:
    play(
        LOOKING
        + f"""
        >> B <-a | E | S
        {probe("clinic")}
        => D S a
        => S
        <= t | T x | Z I
        => C S a
        => P a: raw looked-clinic
        => D S a
        => S
        <= 3 | 1 | t | T x y | Z I
        << E 0A000 cached plan must not change result type
        << Z I
        """
    )


def test_its_result_may_stay_what_it_was() -> None:
    play(
        LOOKING
        + f"""
        >> B <-a | E | S
        {probe("clinic")}
        => D S a
        => S
        <= t | T x | Z I
        => C S a
        => P a: raw looked-clinic
        => D S a
        => S
        <= 3 | 1 | t | T x | Z I
        => B <-a
        => E
        => S
        <= 2 | C SELECT 0 | Z I
        << 2
        << C SELECT 0
        << Z I
        """
    )


def test_its_parameters_are_told_before_the_error() -> None:
    """As exec_describe_statement_message does; the words are the server's own."""
    play(
        PUBLIC
        + f"""
        >> D S a | S
        {probe("clinic")}
        => D S a
        => S
        <= t | T x | Z I
        => P _dbguard_mistake: raw public
        => C S _dbguard_mistake
        => S
        <= E 42P01 the server says so | Z I
        << t
        << E 42P01 the server says so
        << Z I
        """
    )


def test_its_parameters_are_told_before_the_error_in_a_transaction() -> None:
    masked = PUBLIC.replace("raw ", "")
    play(
        masked.replace("=> S", "=> D S a\n    => S").replace("<= 1 |", "<= 1 | t | T x |")
        + f"""
        >> Q begin
        {probe("public")}
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q path
        => Q path
        <= C SET | Z T
        << C SET
        << Z T
        >> D S a | S
        {probe("clinic", "T")}
        => P _dbguard_refused: SELECT "refused by dbguard"
        => S
        <= E 42703 no such column | Z E
        << t
        << E 42P01 relation "x" does not exist
        << Z E
        """
    )


def test_what_returns_nothing_is_described_without_a_look_at_its_names() -> None:
    play(
        PUBLIC
        + f"""
        >> D S a | S
        {probe("clinic")}
        => D S a
        => S
        <= t | n | Z I
        => D S a
        => S
        <= t | n | Z I
        << t
        << n
        << Z I
        """
    )


COUNT = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors WHERE name = 'x'"
FOUND = f"""
        => C P _dbguard_probe
        => C S _dbguard_probe
        => P _dbguard_probe: {COUNT}
        => B _dbguard_probe<-_dbguard_probe
        => E _dbguard_probe
        => C P _dbguard_probe
        => C S _dbguard_probe
        => S
"""


def test_a_portal_of_that_name_is_what_the_server_tells_first() -> None:
    script = (
        PUBLIC
        + f"""
        >> Q begin; declare x
        {probe("public")}
        => Q begin; declare x
        <= C BEGIN | C DECLARE CURSOR | Z T
        << C BEGIN
        << C DECLARE CURSOR
        << Z T
        >> Q path
        => Q path
        <= C SET | Z T
        << C SET
        << Z T
        >> B x<-a | S
        {probe("clinic", "T")}
        {FOUND}
        <= 3 | 3 | 1 | 2 | D {{found}} | C SELECT 1 | 3 | 3 | Z T
        """
    )
    play(
        script.format(found=1)
        + """
        => B x<-a
        => S
        <= E 42P03 cursor "x" already exists | Z E
        << E 42P03 cursor "x" already exists
        << Z E
        """
    )
    play(
        script.format(found=0)
        + """
        => P _dbguard_mistake: raw public
        => C S _dbguard_mistake
        => H
        <= E 42P01 the server says so
        << E 42P01 the server says so
        => S
        <= Z E
        << Z E
        """
    )


def test_fetch_is_never_described_unasked() -> None:
    """Its cursor may have gone since: the server would crash."""
    play(f"""
        >> Q begin; declare c
        => Q begin; declare c
        <= C BEGIN | C DECLARE CURSOR | Z T
        << C BEGIN
        << C DECLARE CURSOR
        << Z T
        >> P a: raw fetch c looking | S
        => P a: raw fetch c looked-public
        => S
        <= 1 | Z T
        << 1
        << Z T
        >> Q close c
        => Q close c
        <= C CLOSE CURSOR | Z T
        << C CLOSE CURSOR
        << Z T
        >> Q path
        => Q path
        <= C SET | Z T
        << C SET
        << Z T
        >> B <-a | S
        {probe("clinic", "T")}
        => C S a
        => P a: raw fetch c looked-clinic
        => D S a
        => H
        <= 3 | 1 | t | n
        => B <-a
        => S
        <= 2 | Z T
        << 2
        << Z T
    """)


def test_what_an_error_takes_back_is_told_behind_it() -> None:
    """So no Sync of dbguard's own inside a transaction: it would bring the client what changes
    with the transaction's end, as PostgreSQL 18 reports search_path."""
    script = (
        MOVED.format(text="looking", sent="looked-public")
        + f"""
        >> Q begin
        {probe("public")}
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q localpath
        => Q localpath
        <= C SET | Z T
        << C SET
        << Z T
        >> {{message}} | S
        {probe("clinic", "T")}
        => D S a
        => H
        <= t | T x
        => C S a
        => P a: raw looked-clinic
        => D S a
        => H
        <= 3 | E 42P01 gone
        {{told}}<< E 42P01 gone
        => S
        <= Z E
        << Z E
    """
    )
    play(script.format(message="B <-a", told=""))
    play(script.format(message="D S a", told="<< t\n        "))


def test_a_query_that_runs_what_is_gone_ends_with_ready() -> None:
    play(
        MOVED.format(text="looking", sent="looked-public")
        + f"""
        >> P : raw one | H
        {probe("clinic")}
        => P : raw one
        => H
        <= 1
        << 1
        >> Q execute a
        => D S a
        => H
        <= t | T x
        => C S a
        => P a: raw looked-clinic
        => D S a
        => H
        <= 3 | E 42P01 gone
        << E 42P01 gone
        => S
        <= Z I
        << Z I
        """
    )


def test_a_portal_that_was_described_tells_no_parameters() -> None:
    play(
        f"""
        >> P a: raw looking | B x<-a | D Px | S
        => P a: raw looked-public
        => B x<-a
        => D P x
        => S
        <= 1 | 2 | T x | Z I
        << 1
        << 2
        << T x
        << Z I
        >> Q path
        => Q path
        <= C SET | Z I
        << C SET
        << Z I
        >> D S a | S
        {probe("clinic")}
        => D S a
        => S
        <= t | T x | Z I
        => C S a
        => P a: raw looked-clinic
        => D S a
        => S
        <= 3 | 1 | t | T x y | Z I
        << t
        << E 0A000 cached plan must not change result type
        << Z I
        """
    )


BOUND = f"""
    >> Q begin
    => Q begin
    <= C BEGIN | Z T
    << C BEGIN
    << Z T
    >> P a: grant looking | B x<-a | S
    => P a: grant looked-public
    => D S a
    => B x<-a
    => S
    <= 1 | t | {{shape}} | 2 | Z T
    << 1
    << 2
    << Z T
    >> Q path
    => Q path
    <= C SET | Z T
    << C SET
    << Z T
    >> E x | S
    {probe("clinic", "T")}
"""


def test_a_bound_command_runs_what_its_names_mean_by_now() -> None:
    """Which the server looks up only when it runs."""
    world = FakeSurroundings()
    Play(world).script(
        BOUND.format(shape="n")
        + """
        => C P x
        => P _dbguard_again: grant looked-clinic
        => B x<-_dbguard_again
        => C S _dbguard_again
        => H
        <= 3 | 1 | 2 | 3
        => E x
        => S
        <= C GRANT | Z T
        << C GRANT
        << Z T
        >> E x | S
        => E x
        => S
        <= E 55000 portal "x" cannot be run | Z E
        << E 55000 portal "x" cannot be run
        << Z E
        """
    ).done()
    assert world.decisions[-3:] == [("query", "allow"), ("bind", "allow"), ("execute", "allow")]


def test_a_bound_command_that_shows_something_is_refused_when_its_names_have_moved() -> None:
    """In which format the client wants it, nobody remembers."""
    play(
        BOUND.format(shape="T x")
        + """
        => P _dbguard_refused: SELECT "refused by dbguard"
        => S
        <= E 42703 no such column | Z E
        << E 0A000 portal cannot be run after the search path, the role or the catalog changed
        << Z E
        """
    )
