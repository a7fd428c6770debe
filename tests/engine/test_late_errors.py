"""The server's error for an earlier message comes while a later one is being planned."""

from __future__ import annotations

from dbguard.engine.asks import Answer, Ask, AskPlan

from .playbook import Play, encode_backend


class LateError(Play):
    """The server speaks while the next plan is being made."""

    late = b""

    def _answer(self, ask: Ask) -> Answer:
        if isinstance(ask, AskPlan) and self.late:
            data, self.late = self.late, b""
            self._from_server.feed(data)
            while (item := self._from_server.next()) is not None:
                self.session.receive_from_server(item)
        return super()._answer(ask)


def test_nothing_is_asked_of_a_server_that_skips_to_sync() -> None:
    session = LateError()
    session.session.settling.raw_access = True
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
