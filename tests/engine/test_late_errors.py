"""The server's error for an earlier message comes while a later one is being planned."""

from __future__ import annotations

from dbguard.engine.asks import Answer, Ask, AskDurable, AskPlan

from .playbook import Play, encode_backend


class LateError(Play):
    """The server speaks while the next plan is being made, or the next record written."""

    late = b""
    upon: type[Ask] = AskPlan

    def _answer(self, ask: Ask) -> Answer:
        if isinstance(ask, self.upon) and self.late:
            data, self.late = self.late, b""
            self._from_server.feed(data)
            while (item := self._from_server.next()) is not None:
                self.session.receive_from_server(item)
        return super()._answer(ask)


def test_nothing_is_asked_of_a_server_that_skips_to_sync() -> None:
    session = LateError()
    session.session.settling.scope.raw_access = True
    session.script("""
        >> P : raw one | B <- | E | H
        => P : raw one
        => B <-
        => E
        => H
        <= 1 | 2
        << 1
        << 2
    """)
    # uncommitted DDL: a name that is not found would be looked for on the session itself
    session.session.scope.catalog_touched = True
    session.session.scope.overlay_stale = True
    session.late = encode_backend("E 22012 division by zero")
    session.script("""
        >> P : unknown x | B <- | E
        << E 22012 division by zero
        >> S
        => S
        <= Z I
        << Z I
    """).done()


def test_a_query_destroys_the_unnamed_statement_whatever_fails_while_it_is_planned() -> None:
    """The Close was skipped, so the statement is there again; the Query ends it all the same."""
    session = LateError()
    session.script("""
        >> P : raw one | S
        => P : raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
        >> B x<- | C S | S
        => B x<-
        => C S
        => S
    """)
    session.late = encode_backend("E 22012 division by zero") + encode_backend("Z I")
    session.script("""
        >> Q deny
        << E 22012 division by zero
        << Z I
        << E 42501 reading is not allowed
        << Z I
        >> B <- | S
        => C S
        => B <-
        => S
        <= 3 | E 26000 unnamed prepared statement does not exist | Z I
        << E 26000 unnamed prepared statement does not exist
        << Z I
    """).done()


def test_a_refused_parse_destroys_the_unnamed_statement_whatever_fails_meanwhile() -> None:
    """The error takes back, and makes again, what stands behind its Sync: in front of the refusal,
    which is not on its way yet."""
    session = LateError()
    session.script("""
        >> P a: one | S
        => P a: one
        => D S a
        => S
        <= 1 | t | n | Z I
        << 1
        << Z I
        >> B x<-a | E x | S
        => B x<-a
        => E x
        => S
    """)
    session.late = encode_backend("E 22012 division by zero") + encode_backend("Z I")
    session.upon = AskDurable
    session.script("""
        >> P : two | P : deny | S | D S | S
        << E 22012 division by zero
        << Z I
        => P : two
        => D S
        => P _dbguard_refused: refused by dbguard
        => S
        <= 1 | t | n | E 42601 syntax error | Z I
        << 1
        << E 42501 reading is not allowed
        << Z I
        => C S
        => D S
        => S
        <= 3 | E 26000 unnamed prepared statement does not exist | Z I
        << E 26000 unnamed prepared statement does not exist
        << Z I
    """).done()


def test_a_text_behind_the_end_of_a_transaction_that_fails_meanwhile() -> None:
    """What ends it is on its way: the text is no part of the failed transaction."""
    session = LateError()
    session.script("""
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q one | P : commit | B <- | E
        => Q one
        => P : commit
        => D S
        => B <-
        => E
    """)
    session.late = encode_backend("E 22012 division by zero") + encode_backend("Z E")
    session.script("""
        >> P : unknown x | S
        << E 22012 division by zero
        << Z E
        => H
        <= 1 | t | n | 2 | C ROLLBACK
        << 1
        << 2
        << C ROLLBACK
        => P _dbguard_refused: SELECT "refused by dbguard"
        => S
        <= E 42703 no such column | Z I
        << E 42P01 relation "x" does not exist
        << Z I
    """).done()


def test_a_refused_parse_that_is_skipped_after_all() -> None:
    """The error takes back what stood in front of it, too: what is there then stays."""
    session = LateError()
    session.script("""
        >> P : one | P a: three | S
        => P : one
        => D S
        => P a: three
        => D S a
        => S
        <= 1 | t | n | 1 | t | n | Z I
        << 1
        << 1
        << Z I
        >> B x<-a | E x
        => B x<-a
        => E x
    """)
    session.late = encode_backend("E 22012 division by zero")
    session.upon = AskDurable
    session.script("""
        >> P : two | P : deny | S
        << E 22012 division by zero
        => S
        <= Z I
        << Z I
        >> D S | S
        => D S
        => S
        <= t | n | Z I
        << t
        << n
        << Z I
    """).done()
    assert session.session.names.statements[""].text == b"one"
