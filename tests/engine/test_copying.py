"""Sync and worse in the middle of COPY FROM STDIN; the server's answers were seen live."""

from __future__ import annotations

import pytest

from dbguard.engine.copying import Resync, lost_synchronization
from dbguard.errors import ProtocolViolation
from dbguard.wire import backend
from dbguard.wire.framing import BackendSplitter, Frame

from .playbook import Play, encode_backend, play

QUESTION = """
        => C S _dbguard_sync
        => S
        => P _dbguard_sync:
        => C S _dbguard_sync
        => S
"""
COPY = """
        >> Q copyin
        => Q copyin
        <= G
        << G
"""
EXTENDED = """
        >> P : copyin | B <- | E
        => P : copyin
        => D S
        => B <-
        => E
        <= 1 | t | n | 2 | G
        << 1
        << 2
        << G
"""
AFTER = """
        >> Q raw one
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
"""

SCRIPTS = {
    "a Sync that the COPY takes": f"""{COPY}
        >> d 1 | S | d 2 | c | Q raw one
        => d 1
        => S
        => d 2
        => c
        <= C COPY 2
        << C COPY 2
        => Q raw one
        <= Z I | C SELECT 1 | Z I
        << Z I
        << C SELECT 1
        << Z I
    """,
    "a Sync behind data that had failed": f"""{COPY}
        >> d x | S | c | Q raw one
        => d x
        => S
        => c
        <= E 22P02 bad row
        << E 22P02 bad row
        {QUESTION}
        <= Z I | Z I
        << Z I
        <= 3 | Z I | 1 | 3 | Z I
        << Z I
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "a Sync before data that fails": f"""{COPY}
        >> S | d x | c
        => S
        => d x
        => c
        <= E 22P02 bad row | Z I
        << E 22P02 bad row
        << Z I
        {QUESTION}
        <= 3 | Z I | 1 | 3 | Z I
        {AFTER}
    """,
    "two of three Syncs came after the failure": f"""{COPY}
        >> d 1 | S | d x | S | d 2 | S
        => d 1
        => S
        => d x
        => S
        => d 2
        => S
        <= E 22P02 bad row | Z I | Z I | Z I
        << E 22P02 bad row
        << Z I
        {QUESTION}
        <= 3
        << Z I
        << Z I
        <= Z I | 1 | 3 | Z I
        {AFTER}
    """,
    "extended: a Sync behind data that had failed ends the skipping": f"""{EXTENDED}
        >> d x | S | c | P : raw one | S
        => d x
        => S
        => c
        => H
        <= E 22P02 bad row
        << E 22P02 bad row
        {QUESTION}
        <= Z I | 3
        << Z I
        <= Z I | 1 | 3 | Z I
        => P : raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
    """,
    "extended: the Sync that libpq sends ahead is taken, the one behind the data obeyed": f"""
        {EXTENDED}
        >> S | d x | c | S
        => S
        => d x
        => c
        => H
        <= E 22P02 bad row
        << E 22P02 bad row
        {QUESTION}
        <= Z I | 1 | 3 | Z I
        << Z I
        {AFTER}
    """,
    "extended: what the client still has to skip": f"""{EXTENDED}
        >> S | d x
        => S
        => d x
        <= E 22P02 bad row
        << E 22P02 bad row
        {QUESTION}
        <= Z I | 1 | 3 | Z I
        >> c | P : raw one | B <- | E | Q raw two | S
        << Z I
        {AFTER}
    """,
    "extended: a failure before anything was read obeys the Sync sent ahead": f"""{EXTENDED}
        >> S
        => S
        <= E P0001 no rows today | Z I
        << E P0001 no rows today
        {QUESTION}
        <= 3
        << Z I
        <= Z I | 1 | 3 | Z I
        {AFTER}
    """,
    "in a transaction the status is the server's": f"""
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        {EXTENDED}
        >> S | d x | c | S
        => S
        => d x
        => c
        => H
        <= E 22P02 bad row
        << E 22P02 bad row
        {QUESTION}
        <= Z E | 1 | 3 | Z E
        << Z E
        >> Q rollback
        => Q rollback
        <= C ROLLBACK | Z I
        << C ROLLBACK
        << Z I
    """,
    "a query behind data that had failed is a query": f"""{COPY}
        >> d x | Q raw one
        => d x
        => f dbguard: the client sent something else
        <= E 22P02 bad row
        << E 22P02 bad row
        => Q raw one
        <= Z I | C SELECT 1 | Z I
        << Z I
        << C SELECT 1
        << Z I
    """,
    "extended: a message behind data that had failed is skipped": f"""{EXTENDED}
        >> d x | P : raw one | S
        => d x
        => f dbguard: the client sent something else
        <= E 22P02 bad row
        << E 22P02 bad row
        => S
        <= Z I
        << Z I
        {AFTER}
    """,
    "extended: behind a Sync that was obeyed it counts": f"""{EXTENDED}
        >> d x | S | P : raw one | S
        => d x
        => S
        => f dbguard: the client sent something else
        <= E 22P02 bad row
        << E 22P02 bad row
        {QUESTION}
        <= Z I | 3 | Z I | 1 | 3 | Z I
        << Z I
        => P : raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
    """,
    "a message that is no part of the COPY ends the session": f"""{EXTENDED}
        >> d 1 | B <-
        => d 1
        => f dbguard: the client sent something else
        <= E 57014 COPY from stdin failed: dbguard: the client sent something else
        << E 08P01 unexpected message type 0x42 during COPY from stdin
        << E 08P01 terminating connection because protocol synchronization was lost
    """,
    "Flush in the middle": f"""{COPY}
        >> d 1 | H | c
        => d 1
        => H
        => c
        <= C COPY 1 | Z I
        << C COPY 1
        << Z I
    """,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str) -> None:
    play(SCRIPTS[name])


def test_an_older_server_goes_on() -> None:
    assert lost_synchronization("13.23") is None
    assert lost_synchronization("18beta1") is not None
    session = Play()
    session.session.scope.tells("server_version", "13.23 (Debian 13.23-1)")
    session.script(f"""{COPY}
        >> d 1 | Q raw one
        => d 1
        => f dbguard: the client sent something else
        <= E 57014 COPY from stdin failed: dbguard: the client sent something else | Z I
        << E 08P01 unexpected message type 0x51 during COPY from stdin
        << Z I
        {AFTER}
    """).done()


def frames(line: str) -> list[Frame]:
    splitter = BackendSplitter()
    splitter.feed(encode_backend(line))
    found = []
    while isinstance(item := splitter.next(), Frame):
        found.append(item)
    return found


@pytest.mark.parametrize("line", ["1", "Z I | Z I | 1", "3 | 1", "3 | Z I | 3", "Z I | 1 | Z I"])
def test_other_answers_are_not_understood(line: str) -> None:
    resync = Resync()
    with pytest.raises(ProtocolViolation):
        for frame in frames(line):
            resync.receive(frame)


def test_an_error_in_place_of_the_answer_ends_the_session() -> None:
    session = Play().script(f"""{COPY}
        >> S | d x | c
        => S
        => d x
        => c
        <= E 22P02 bad row | Z I | E 57014 canceling
        << E 22P02 bad row
        << Z I
        {QUESTION}
        << E 08P01 the server's answer does not fit what was sent to it
    """)
    assert session.session.ended()


def test_the_status_of_every_answer_counts() -> None:
    resync = Resync()
    shown = [f for frame in frames("Z E | Z E | 3") for f in resync.receive(frame)]
    assert [f.raw for f in shown] == [backend.ReadyForQuery(b"E").encode()] * 2
    assert resync.counted
    assert not resync.ignored
    assert not resync.over
