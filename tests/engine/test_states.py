"""What texts mean, COPY, pipelines and everything the server may say: one script a state."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.errors import ProtocolViolation
from dbguard.policy.decision import Principal
from dbguard.sql.snapshot import SessionView
from dbguard.wire import frontend

from .playbook import FakeSurroundings, Play, encode_backend, encode_frontend, play
from .test_names import SCRIPTS as NAMES
from .test_refusals import SCRIPTS as REFUSALS

PROBE = """
        => C P _dbguard_probe
        => C S _dbguard_probe
        => P _dbguard_probe: SHOW search_path
        => B _dbguard_probe<-_dbguard_probe
        => E _dbguard_probe
        => C P _dbguard_probe
        => C S _dbguard_probe
        => P _dbguard_probe: SHOW role
        => B _dbguard_probe<-_dbguard_probe
        => E _dbguard_probe
        => C P _dbguard_probe
        => C S _dbguard_probe
"""
ANSWER = "3 | 3 | 1 | 2 | D {path} | C SHOW | 3 | 3 | 1 | 2 | D none | C SHOW | 3 | 3"
"""What the server says to PROBE."""


ENDED = "".join(
    f"""
        => P _dbguard_probe: {text}
        => B _dbguard_probe<-_dbguard_probe
        => E _dbguard_probe
        => C P _dbguard_probe
        => C S _dbguard_probe
"""
    for text in ("BEGIN", "COMMIT")
)
"""Ends dbguard's own transaction, so that the server does not take it for the client's."""


def probe_between(path: str) -> str:
    answer = f"{ANSWER.format(path=path)} | 1 | 2 | C BEGIN | 3 | 3 | 1 | 2 | C COMMIT | 3 | 3"
    return f"{PROBE}{ENDED}        => H\n        <= {answer}"


def probe(path: str, status: str = "I") -> str:
    return f"{PROBE}        => S\n        <= {ANSWER.format(path=path)} | Z {status}"


def probe_in_pipeline(path: str) -> str:
    return f"{PROBE}        => H\n        <= {ANSWER.format(path=path)}"


SCRIPTS = {
    "search_path is asked for after SET": f"""
        >> Q path
        => Q path
        <= C SET | Z I
        << C SET
        << Z I
        >> Q raw one
        {probe("clinic")}
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "inside an open pipeline without Sync or Query": f"""
        >> P : path | B <- | E | P : raw one | S
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
        => P : raw one
        => S
        <= 1 | Z I
        << 1
        << Z I
    """,
    "a pipeline is not made an implicit transaction block": f"""
        >> Q path
        => Q path
        <= C SET | Z I
        << C SET
        << Z I
        >> C Sa | P : raw vacuum | B <- | E | S
        {probe("clinic")}
        => C S a
        => P : raw vacuum
        => B <-
        => E
        => S
        <= 3 | 1 | 2 | C VACUUM | Z I
        << 3
        << 1
        << 2
        << C VACUUM
        << Z I
    """,
    "a Sync ends what SET LOCAL did": f"""
        >> P : path | B <- | E | S | Q raw one
        => P : path
        => D S
        => B <-
        => E
        => S
        <= 1 | t | n | 2 | C SET
        << 1
        << 2
        << C SET
        <= Z I
        << Z I
        {probe("public")}
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "COMMIT in a pipeline ends SET LOCAL": f"""
        >> Q begin; localpath
        => Q begin; localpath
        <= C BEGIN | C SET | Z T
        << C BEGIN
        << C SET
        << Z T
        >> P : commit | B <- | E | P : one | S
        {probe("clinic", "T")}
        => P : commit
        => D S
        => B <-
        => E
        => H
        <= 1 | t | n | 2 | C COMMIT
        << 1
        << 2
        << C COMMIT
        {probe_between("public")}
        => P : one
        => D S
        => S
        <= 1 | t | n | Z I
        << 1
        << Z I
    """,
    "COMMIT in a pipeline keeps what SET set": f"""
        >> Q begin; path
        => Q begin; path
        <= C BEGIN | C SET | Z T
        << C BEGIN
        << C SET
        << Z T
        >> P : commit | B <- | E | P : one | S
        {probe("clinic", "T")}
        => P : commit
        => D S
        => B <-
        => E
        => H
        <= 1 | t | n | 2 | C COMMIT
        << 1
        << 2
        << C COMMIT
        => P : one
        => D S
        => S
        <= 1 | t | n | Z I
        << 1
        << Z I
    """,
    "an error in a string takes SET back": f"""
        >> Q path; raw one
        => Q path; raw one
        <= C SET | E 22012 division by zero | Z I
        << C SET
        << E 22012 division by zero
        << Z I
        >> Q raw one
        {probe("public")}
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "ROLLBACK TO takes SET LOCAL back": f"""
        >> Q begin; path
        => Q begin; path
        <= C BEGIN | C SET | Z T
        << C BEGIN
        << C SET
        << Z T
        >> Q one
        {probe("clinic", "T")}
        => Q one
        <= E 22012 division by zero | Z E
        << E 22012 division by zero
        << Z E
        >> Q back | Q raw two
        => Q back
        <= C ROLLBACK | Z T
        << C ROLLBACK
        << Z T
        {probe("public", "T")}
        => Q raw two
        <= C SELECT 1 | Z T
        << C SELECT 1
        << Z T
    """,
    "what EXECUTE runs may change search_path": f"""
        >> Q prepare q config
        => Q prepare q config
        <= C PREPARE | Z I
        << C PREPARE
        << Z I
        >> Q execute q
        {probe("public")}
        => Q execute q
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
        >> Q raw one
        {probe("clinic")}
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "a cancelled probe is told as a cancelled statement": f"""
        >> Q path
        => Q path
        <= C SET | Z I
        << C SET
        << Z I
        >> Q raw one
        {PROBE}
        => S
        <= 3 | 3 | 1 | 2 | E 57014 canceling | Z I
        << E 57014 canceling statement due to user request
        << Z I
        >> Q raw one
        {probe("public")}
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "CopyFail": """
        >> Q copyin
        => Q copyin
        <= G
        << G
        >> d 1 | f no
        => d 1
        => f no
        <= E 58000 copy failed | Z I
        << E 58000 copy failed
        << Z I
    """,
    "an error in the middle of COPY: what still comes is dropped": """
        >> Q copyin
        => Q copyin
        <= G
        << G
        >> d 1
        => d 1
        <= E 22P02 bad row | Z I
        << E 22P02 bad row
        << Z I
        >> d 2 | d 3 | c | Q raw one
        => Q raw one
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
    """,
    "two COPY FROM STDIN in one string": """
        >> Q copyin; copyin
        => Q copyin; copyin
        <= G
        << G
        >> d 1 | c | d 2 | c | Q raw one
        => d 1
        => c
        <= C COPY 1 | G
        << C COPY 1
        << G
        => d 2
        => c
        => Q raw one
        <= C COPY 1 | Z I | C SELECT 1 | Z I
        << C COPY 1
        << Z I
        << C SELECT 1
        << Z I
    """,
    "FunctionCall": """
        >> F 952
        => F 952
        <= V 1 | Z I
        << V
        << Z I
        >> F 953
        << E 42501 reading is not allowed
        << Z I
    """,
    "notices in front of the first answer": """
        >> Q mask one
        => Q masked one
        <= T a | D 1 | C SELECT 1 | Z I
        << N dbguard: shown masked in this session: clinic.patients.ssn
        << T a
        << D 1
        << C SELECT 1
        << Z I
    """,
    "errors withheld until the transaction is over": """
        >> Q begin; secret
        => Q begin; secret
        <= C BEGIN | C INSERT 0 1 | Z T
        << C BEGIN
        << C INSERT 0 1
        << Z T
        >> Q commit
        => Q commit
        <= E 23505 duplicate key 123 | Z I
        << E 23505 the server's message is withheld: it may show protected values
        << Z I
        >> Q raw one
        => Q raw one
        <= E 22012 division by zero | Z I
        << E 22012 division by zero
        << Z I
    """,
    "the end of the server's session": """
        >> Q secret
        => Q secret
        <= E 57P01 terminating connection due to administrator command
        << E 57P01 terminating connection due to administrator command
    """,
    "a payload of NOTIFY is for those who see everything": """
        >> Q one
        => Q one
        <= C SELECT 1 | Z I | A 123-45-6789
        << C SELECT 1
        << Z I
        << A
        >> Q raw one
        => Q raw one
        <= C SELECT 1 | Z I | A hello
        << C SELECT 1
        << Z I
        << A hello
    """,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str) -> None:
    play(SCRIPTS[name])


@pytest.mark.parametrize("message", ["C SELECT 1", "D 1", "Z I", "1", "2", "G", "H", "t", "V x"])
def test_an_answer_to_nothing_ends_the_session(message: str) -> None:
    session = Play()
    session.server(encode_backend(message))
    assert (session.next_to_client() or "").startswith("E 08P01")
    assert session.session.ended()


@pytest.mark.parametrize("message", ["1", "2", "3", "s", "V x", "G", "H", "t"])
def test_a_wrong_answer_ends_the_session(message: str) -> None:
    session = Play().script("""
        >> Q raw one
        => Q raw one
    """)
    session.server(encode_backend(message))
    assert (session.next_to_client() or "").startswith("E 08P01")
    assert session.session.ended()


def test_a_message_that_had_to_fail_and_did_not_ends_the_session() -> None:
    session = Play().script("""
        >> Q begin
        => Q begin
        <= C BEGIN | Z T
        << C BEGIN
        << Z T
        >> Q deny
        => Q refused by dbguard
        <= C SELECT 1
        << E 08P01 the server accepted a message that had to fail
    """)
    assert session.session.ended()


def test_a_message_after_login_that_is_none() -> None:
    session = Play()
    with pytest.raises(ProtocolViolation):
        session.client(b"p\x00\x00\x00\x05\x00")


def test_thousands_of_messages_without_a_sync() -> None:
    """At the cap dbguard asks the server to answer: it must not wait for what is kept back."""
    session = Play()
    session.client(encode_frontend(" | ".join(["P : raw one"] * 100)))
    answered = 0
    for _ in range(500):
        message = session.next_to_server()
        if message == "H":
            assert len(session.session.link.queue.entries) <= 40
            waiting = len(session.session.link.queue.entries)
            session.server(encode_backend(" | ".join(["1"] * waiting)))
            answered += waiting
        elif message is None:
            break
    assert answered >= 80
    session.client(encode_frontend("S"))
    left = len(session.session.link.queue.entries) - 1
    session.server(encode_backend(" | ".join([*["1"] * left, "Z I"])))
    assert session.session.link.at_rest


def test_a_client_that_sends_values_without_end_is_not_read_far_ahead() -> None:
    """It learns of an early error while it still sends, and what is held has a bound."""
    session = Play().script("""
        >> P : raw one | B <- | E
        => P : raw one
        => B <-
        => E
    """)
    value = struct.pack("!HHi", 0, 1, 50_000) + bytes(50_000) + struct.pack("!H", 0)
    run = frontend.Bind(b"", b"", value).encode() + frontend.Execute(b"", 0).encode()
    session.client(run * 20)
    assert 256 << 10 <= session.session.link.held < (256 << 10) + len(run)
    sent = 0
    while (message := session.next_to_server()) is not None:
        sent += message.startswith("B ")
        last = message
    assert sent == 6
    assert last == "H"
    session.script("""
        <= 1 | 2 | C INSERT 0 1 | E 23505 duplicate key
        << 1
        << 2
        << C INSERT 0 1
        << E 23505 duplicate key
        >> S
        => S
        <= Z I
        << Z I
    """).done()
    assert session.session.link.held == 0


def test_nothing_grows_with_a_long_session() -> None:
    session = Play()
    for number in range(600):
        session.script("""
            >> P : raw one | B <- | E | S
            => P : raw one
            => B <-
            => E
            => S
            <= 1 | 2 | C SELECT 1 | Z I
            << 1
            << 2
            << C SELECT 1
            << Z I
        """)
        name = f"n{number}"
        session.script(f"""
            >> P {name}: raw one | S
            => P {name}: raw one
            => S
            <= 1 | Z I
            << 1
            << Z I
            >> C S{name} | S
            => C S {name}
            => S
            <= 3 | Z I
            << 3
            << Z I
        """)
    inner = session.session
    assert list(inner.names.statements) == [""]
    assert not inner.names.portals
    assert not inner.link.queue.entries
    assert not inner.link.queue.copies
    assert not inner.link.staged
    assert inner.link.queue.unsettled == 0


def test_client_encodings() -> None:
    world = FakeSurroundings()
    session = Play(world)
    session.script("""
        >> Q encoding
        => Q encoding
        <= P client_encoding=LATIN1 | C SET | Z I
        << P client_encoding=LATIN1
        << C SET
        << Z I
    """)
    query = b"Q" + (len(b"raw \xe9t\xe9\0") + 4).to_bytes(4, "big") + b"raw \xe9t\xe9\0"
    session.client(query)
    session._collect()
    assert session._to_server.next().raw == query  # type: ignore[union-attr]
    session.script("""
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
        >> Q encoding
        => Q encoding
        <= P client_encoding=SJIS | C SET | Z I
        << P client_encoding=SJIS
        << C SET
        << Z I
    """)
    session.client(query)
    session.script("""
        << E 0A000 this client_encoding cannot be analysed safely
        << Z I
        # pure ASCII means the same in every encoding: there is a way back
        >> Q encoding
        => Q encoding
        <= P client_encoding=UTF8 | C SET | Z I
        << P client_encoding=UTF8
        << C SET
        << Z I
    """)
    session.client(query)
    session.script("""
        << E 0A000 the statement holds bytes that are not valid in client_encoding
        << Z I
        >> Q encoding
        => Q encoding
        <= P standard_conforming_strings=off | C SET | Z I
        << P standard_conforming_strings=off
        << C SET
        << Z I
        >> Q one
        << E 0A000 statements are not run while standard_conforming_strings is off
        << Z I
    """).done()


def test_who_sees_everything_may_go_on_without_backslashes() -> None:
    session = Play(FakeSurroundings())
    session.script(r"""
        >> Q raw 1
        => Q raw 1
        <= P standard_conforming_strings=off | C SET | Z I
        << P standard_conforming_strings=off
        << C SET
        << Z I
        >> Q raw 2
        => Q raw 2
        <= C SELECT 1 | Z I
        << C SELECT 1
        << Z I
        >> Q raw \
        << E 0A000 statements with backslashes are not run while standard_conforming_strings is off
        << Z I
        # rights were taken away meanwhile
        >> Q one
        << E 0A000 statements are not run while standard_conforming_strings is off
        << Z I
        >> Q raw 3
        << E 0A000 statements are not run while standard_conforming_strings is off
        << Z I
    """).done()


def test_the_view_follows_what_the_server_says() -> None:
    world = FakeSurroundings()
    Play(world).script(SCRIPTS["search_path is asked for after SET"])
    assert world.views[-1] == SessionView("analyst", ("pg_catalog", "clinic"))


def test_a_schema_made_since_may_stand_in_the_path() -> None:
    world = FakeSurroundings()
    session = Play(world).script(
        SCRIPTS["search_path is asked for after SET"].replace("D clinic", "D late,clinic")
    )
    assert world.views[-1].search_path == ("pg_catalog", "clinic")
    world.epoch, world.schemas = 2, world.schemas | {"late"}
    session.script("""
        >> Q raw one
        => Q raw one
    """)
    assert world.views[-1].search_path == ("pg_catalog", "late", "clinic")


def test_the_principal_is_who_logged_in() -> None:
    session = Play()
    session.server(encode_backend("P session_authorization=root"))
    session.next_to_client()
    assert session.session.principal == Principal("analyst", frozenset({"analyst"}), "db")
    assert session.session.scope.session_user == "root"


EVERYTHING = [
    text
    for text in (*SCRIPTS.values(), *NAMES.values(), *REFUSALS.values())
    if "backup" not in text
]


@given(script=st.sampled_from(EVERYTHING), chunk=st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_how_bytes_are_cut_changes_nothing(script: str, chunk: int) -> None:
    Play(chunk=chunk).script(script).done()
