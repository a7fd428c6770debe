"""Clients that prove to dbguard who they are, and all that try to without."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from dbguard.engine.login import LoginState
from dbguard.errors import ProtocolViolation
from dbguard.identity.identifying import (
    Challenge,
    Identifying,
    NotProved,
    PasswordCheck,
    Proved,
)
from dbguard.identity.scram_proof import scram_proof
from dbguard.identity.users import User
from dbguard.policy.decision import Identity, Proof
from dbguard.wire import backend
from dbguard.wire.authentication import sasl_initial_response
from dbguard.wire.framing import BackendSplitter, Frame
from dbguard.wire.scram import Password, ScramClient, make_verifier
from dbguard.wire.startup import PROTOCOL_3_0, StartupMessage
from dbguard.wire.tags import Frontend

ANNA = User(
    "anna",
    make_verifier("secret", b"0123456789abcdef", 64),
    frozenset({"analyst"}),
    frozenset({("department", "oncology")}),
)
USERS = {
    "anna": ANNA,
    "zoe": replace(ANNA, name="zoe", disabled=True),
    "token": User("token"),
}
BOUND = b"end point"


def startup(name: str, *more: tuple[str, str], minor: int = 0) -> StartupMessage:
    return StartupMessage(PROTOCOL_3_0 | minor, (("user", name), ("database", "clinic"), *more))


def conversation(name: str = "anna", *, end_point: bytes | None = None) -> Identifying:
    proof = scram_proof(
        USERS, name, secret=b"ours", nonce="servernonce", end_point=end_point, iterations=(64,)
    )
    return Identifying(startup(name), (proof,))


def said(exchange: Identifying) -> list[object]:
    splitter = BackendSplitter()
    splitter.feed(b"".join(exchange.to_client))
    exchange.to_client.clear()
    found: list[object] = []
    while (item := splitter.next()) is not None:
        assert isinstance(item, Frame)
        found.append(backend.decode(item))
    return found


def answer(exchange: Identifying, payload: bytes) -> None:
    asyncio.run(exchange.answer(Frame(Frontend.PASSWORD, payload)))


def prove(exchange: Identifying, password: str = "secret", end_point: bytes | None = None) -> None:
    """Play a client to the end."""
    client = ScramClient(Password(password), "clientnonce", end_point)
    exchange.begin()
    (offer,) = said(exchange)
    assert isinstance(offer, backend.AuthenticationSASL)
    answer(exchange, sasl_initial_response(*client.first(offer.mechanisms)))
    (reply,) = said(exchange)
    assert isinstance(reply, backend.AuthenticationSASLContinue)
    answer(exchange, client.final(reply.data))


def error(exchange: Identifying) -> tuple[str, str]:
    (message,) = said(exchange)
    assert isinstance(message, backend.ErrorResponse)
    assert message.fields.severity == "FATAL"
    assert exchange.state is LoginState.FAILED
    assert exchange.identity is None
    assert exchange.welcome == b""
    return message.fields.sqlstate, message.fields.message


@pytest.mark.parametrize("end_point", [None, BOUND])
def test_a_password(end_point: bytes | None) -> None:
    exchange = conversation(end_point=end_point)
    prove(exchange, end_point=end_point)
    assert exchange.state is LoginState.ACCEPTED
    assert exchange.identity == Identity("anna", Proof.PASSWORD, ANNA.roles, ANNA.attributes)
    assert said(exchange) == [], "the server has not let it in yet"
    final, accepted = exchange.welcome[:-9], exchange.welcome[-9:]
    assert accepted == backend.AuthenticationOk().encode()
    assert b"v=" in final


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        ("anna", "Secret", "wrong password"),
        ("anna", "", "wrong password"),
        ("nobody", "secret", "there is no such user"),
        ("ANNA", "secret", "there is no such user"),
        ("zoe", "secret", "the user is disabled"),
        ("zoe", "wrong", "the user is disabled"),
        ("token", "secret", "the user has no password"),
    ],
)
def test_every_failure_is_told_alike(name: str, password: str, reason: str) -> None:
    exchange = conversation(name)
    prove(exchange, password)
    assert error(exchange) == ("28P01", f'password authentication failed for user "{name}"')
    assert exchange.reason == reason


def test_who_does_not_exist_always_has_the_same_salt() -> None:
    def first(name: str) -> object:
        exchange = conversation(name)
        exchange.begin()
        said(exchange)
        answer(exchange, sasl_initial_response("SCRAM-SHA-256", b"n,,n=,r=clientnonce"))
        (reply,) = said(exchange)
        return reply

    assert first("nobody") == first("nobody")
    assert first("nobody") != first("somebody")


def test_iterations_of_those_who_do_not_exist_are_like_those_of_users() -> None:
    def count(name: str, iterations: tuple[int, ...]) -> int:
        made = scram_proof(
            {}, name, secret=b"ours", nonce="n", end_point=None, iterations=iterations
        )
        return made.exchange.verifier.iterations

    names = [f"nobody{number}" for number in range(400)]
    counts = [count(name, (64, 64, 64, 128)) for name in names]
    assert set(counts) == {64, 128}
    assert 50 < counts.count(128) < 150
    assert counts == [count(name, (64, 64, 64, 128)) for name in names]
    assert {count(name, ()) for name in names} == {4096}


class Told:
    """A password in clear text."""

    async def check(self, password: bytes) -> Proved:
        if password != b"token":
            raise NotProved("the token is over")
        return Proved(Identity("anna", Proof.TOKEN))


def clear_text(check: PasswordCheck) -> Identifying:
    exchange = Identifying(startup("anna"), password=check)
    exchange.begin()
    assert said(exchange) == [backend.AuthenticationCleartextPassword()]
    return exchange


def test_what_is_told_in_clear_text() -> None:
    exchange = clear_text(Told())
    answer(exchange, b"token\0")
    assert exchange.identity == Identity("anna", Proof.TOKEN)
    assert exchange.welcome == backend.AuthenticationOk().encode()
    exchange = clear_text(Told())
    answer(exchange, b"other\0")
    assert error(exchange) == ("28P01", 'password authentication failed for user "anna"')
    assert exchange.reason == "the token is over"


@pytest.mark.parametrize("payload", [b"", b"token", b"to\0ken\0", b"token\0\0"])
def test_passwords_that_are_no_text(payload: bytes) -> None:
    exchange = clear_text(Told())
    answer(exchange, payload)
    assert error(exchange)[0] == "08P01"


def test_an_empty_password_is_not_even_looked_at() -> None:
    exchange = clear_text(Told())
    answer(exchange, b"\0")
    assert error(exchange)[0] == "28P01"
    assert exchange.reason == "an empty password"


def test_what_tls_has_proved_is_not_asked_for() -> None:
    exchange = Identifying(startup("anna"), proved=Identity("anna", Proof.CERTIFICATE))
    exchange.begin()
    assert exchange.state is LoginState.ACCEPTED
    assert said(exchange) == []
    exchange = Identifying(startup("root"), proved=Identity("anna", Proof.CERTIFICATE))
    exchange.begin()
    assert error(exchange) == ("28000", 'certificate authentication failed for user "root"')
    assert exchange.reason == "it proved to be somebody else"


@dataclass
class Other:
    """A mechanism that takes two messages, and proves a name of its own choice."""

    name: str
    names: tuple[str, ...] = ("OTHER",)

    async def first(self, name: str, data: bytes) -> Challenge | Proved:
        return Challenge(name.encode() + data)

    async def next(self, data: bytes) -> Challenge | Proved:
        return Proved(Identity(self.name, Proof.TOKEN))


@pytest.mark.parametrize("name", ["anna", "root", "ANNA", ""])
def test_another_mechanism_is_offered_last_and_proves_the_claimed_name_only(name: str) -> None:
    exchange = conversation(end_point=BOUND)
    exchange.mechanisms += (Other(name),)
    exchange.begin()
    (offer,) = said(exchange)
    assert offer == backend.AuthenticationSASL(("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OTHER"))
    answer(exchange, sasl_initial_response("OTHER", b"!"))
    assert said(exchange) == [backend.AuthenticationSASLContinue(b"OTHER!")]
    answer(exchange, b"")
    if name == "anna":
        assert exchange.identity == Identity("anna", Proof.TOKEN)
    else:
        assert error(exchange) == ("28P01", 'password authentication failed for user "anna"')


def test_who_may_not_come_in_whatever_it_proved() -> None:
    def admit(identity: Identity) -> Identity:
        raise NotProved("the user is disabled")

    exchange = conversation()
    exchange.admit = admit
    prove(exchange)
    assert error(exchange)[0] == "28P01"
    assert exchange.reason == "the user is disabled"


def test_without_any_kind_of_proof_nobody_comes_in() -> None:
    exchange = Identifying(startup("anna"))
    exchange.begin()
    assert error(exchange) == ("28P01", 'password authentication failed for user "anna"')


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"SCRAM-SHA-256\0",
        b"SCRAM-SHA-256\0\xff\xff\xff\xff",
        b"SCRAM-SHA-256-PLUS\0\0\0\0\x09n,,n=,r=a",
        b"SCRAM-SHA-256\0\0\0\0\x0dn,a=root,n=,r=a",
        b"OAUTHBEARER\0\0\0\0\x01\1",
        b"secret\0",
    ],
)
def test_clients_that_answer_something_else(payload: bytes) -> None:
    exchange = conversation()
    exchange.begin()
    said(exchange)
    answer(exchange, payload)
    assert error(exchange)[0] in ("08P01", "0A000")
    with pytest.raises(ProtocolViolation):
        answer(exchange, payload)


def test_a_proof_of_another_conversation_is_worth_nothing() -> None:
    """The last message of one login, played again in the next."""
    client = ScramClient(Password("secret"), "clientnonce")
    finals = []
    for nonce in ("servernonce", "othernonce"):
        proof = scram_proof(USERS, "anna", secret=b"", nonce=nonce, end_point=None)
        exchange = Identifying(startup("anna"), (proof,))
        exchange.begin()
        said(exchange)
        answer(exchange, sasl_initial_response(*client.first(("SCRAM-SHA-256",))))
        (reply,) = said(exchange)
        assert isinstance(reply, backend.AuthenticationSASLContinue)
        finals.append(finals[0] if finals else client.final(reply.data))
        answer(exchange, finals[-1])
    assert error(exchange)[0] == "08P01"


def test_messages_out_of_turn() -> None:
    exchange = conversation()
    with pytest.raises(ProtocolViolation):
        answer(exchange, b"too early")
    exchange.begin()
    with pytest.raises(ProtocolViolation):
        asyncio.run(exchange.answer(Frame(Frontend.QUERY, b"SELECT 1\0")))
    asyncio.run(exchange.answer(Frame(Frontend.TERMINATE, b"")))
    assert exchange.state is LoginState.FAILED
    exchange = conversation()
    prove(exchange)
    with pytest.raises(ProtocolViolation):
        answer(exchange, b"again")


def test_what_is_not_spoken_is_told_before_anything_is_asked() -> None:
    exchange = Identifying(startup("anna", ("_pq_.x", "1"), minor=7), (Other("anna"),))
    exchange.begin()
    told, asked = said(exchange)
    assert told == backend.NegotiateProtocolVersion(PROTOCOL_3_0 | 2, (b"_pq_.x",))
    assert asked == backend.AuthenticationSASL(("OTHER",))


def test_nothing_secret_is_shown() -> None:
    exchange = conversation()
    prove(exchange)
    assert ANNA.verifier is not None
    for shown in (repr(exchange), repr(ANNA), repr(exchange.mechanisms)):
        for secret in (ANNA.verifier.stored_key, ANNA.verifier.salt, ANNA.verifier.server_key):
            assert repr(secret)[2:-1] not in shown
        assert "servernonce" not in shown


def test_nothing_but_a_certificate() -> None:
    exchange = Identifying(startup("anna"), needs_certificate=True)
    exchange.begin()
    assert error(exchange) == ("28000", 'certificate authentication failed for user "anna"')
    assert exchange.reason == "no certificate that stands for this user"
