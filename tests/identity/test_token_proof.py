"""Tokens as proofs: OAUTHBEARER's conversation, and a token as a password."""

from __future__ import annotations

import asyncio
import functools
import json
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.engine.login import LoginState
from dbguard.errors import ProtocolViolation
from dbguard.identity.identifying import Identifying, NotProved
from dbguard.identity.issuer import Issuer, IssuerUnavailable, issuer_of
from dbguard.identity.token_proof import BearerProof, TokenPassword
from dbguard.policy.decision import Identity, Proof
from dbguard.token_settings import TokenSettings
from dbguard.wire import backend
from dbguard.wire.authentication import sasl_initial_response
from dbguard.wire.framing import Frame
from dbguard.wire.startup import PROTOCOL_3_0, StartupMessage
from dbguard.wire.tags import Frontend
from tests.oidc import LocalIssuer, key_set, rsa_key, running

from .test_identifying import error, said


@pytest.fixture(scope="module")
def local() -> Iterator[LocalIssuer]:
    with running(LocalIssuer()) as issuer:
        yield issuer


def conversation(
    local: LocalIssuer, user: str = "ana", *, password: bool = False, **more: Any
) -> Identifying:
    settings = TokenSettings.model_validate({"issuer": local.url, "audience": "dbguard", **more})
    return begun(issuer_of(settings), user, password)


def begun(issuer: Issuer, user: str, password: bool) -> Identifying:
    startup = StartupMessage(PROTOCOL_3_0, (("user", user), ("database", "clinic")))
    if password:
        exchange = Identifying(startup, password=TokenPassword(issuer, user))
    else:
        exchange = Identifying(startup, (BearerProof(issuer, user),))
    exchange.begin()
    return exchange


async def say(exchange: Identifying, payload: bytes) -> None:
    await exchange.answer(Frame(Frontend.PASSWORD, payload))


def bearer(token: str) -> bytes:
    message = f"n,,\x01auth={f'Bearer {token}' if token else ''}\x01\x01".encode()
    return sasl_initial_response("OAUTHBEARER", message)


FAILED = ("28P01", 'password authentication failed for user "ana"')


async def test_a_token(local: LocalIssuer) -> None:
    exchange = conversation(local)
    assert said(exchange) == [backend.AuthenticationSASL(("OAUTHBEARER",))]
    await say(exchange, bearer(local.token()))
    assert exchange.state is LoginState.ACCEPTED
    assert exchange.identity == Identity("ana", Proof.TOKEN)
    assert exchange.expires is not None
    assert exchange.welcome == backend.AuthenticationOk().encode()


async def test_where_to_get_one(local: LocalIssuer) -> None:
    exchange = conversation(local, scope="openid db")
    said(exchange)
    await say(exchange, bearer(""))
    (told,) = said(exchange)
    assert isinstance(told, backend.AuthenticationSASLContinue)
    assert json.loads(told.data) == {
        "status": "invalid_token",
        "openid-configuration": f"{local.url}/.well-known/openid-configuration",
        "scope": "openid db",
    }
    await say(exchange, b"\x01")
    assert error(exchange) == FAILED
    assert exchange.reason == "it asks where to get a token"
    assert not exchange.counts


WRONG = {
    "expired": (lambda local: local.token(exp=1_000_000_000), "expired"),
    "of another key": (lambda local: local.token(rsa_key("one", number=1)), "wrong signature"),
    "somebody else's": (lambda local: local.token(sub="bob"), "the token is somebody else's"),
    "of a name that differs in case": (lambda local: local.token(sub="Ana"), "somebody else's"),
    "none": (lambda local: "x y", "no bearer token"),
    "no JWT": (lambda local: "opaque", "not a signed token"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_tokens_that_prove_nothing(local: LocalIssuer, case: str) -> None:
    make, reason = WRONG[case]
    exchange = conversation(local)
    said(exchange)
    await say(exchange, bearer(make(local)))
    (told,) = said(exchange)
    assert isinstance(told, backend.AuthenticationSASLContinue)
    await say(exchange, b"\x01")
    assert error(exchange) == FAILED
    assert reason in exchange.reason
    assert exchange.counts


async def test_a_failure_that_is_not_acknowledged(local: LocalIssuer) -> None:
    for answer in (bearer(local.token()), b"", b"\x01\x01"):
        exchange = conversation(local)
        said(exchange)
        await say(exchange, bearer(local.token(sub="bob")))
        said(exchange)
        await say(exchange, answer)
        assert error(exchange) == ("08P01", "malformed OAUTHBEARER message")


@pytest.mark.parametrize(
    "payload",
    [
        sasl_initial_response("OAUTHBEARER", b""),
        sasl_initial_response("OAUTHBEARER", b"n,,\x01auth=Bearer x\x01"),
        sasl_initial_response("OAUTHBEARER-PLUS", b"n,,\x01auth=Bearer x\x01\x01"),
        sasl_initial_response("oauthbearer", b"n,,\x01auth=Bearer x\x01\x01"),
        sasl_initial_response("SCRAM-SHA-256", b"n,,n=,r=abc"),
        b"OAUTHBEARER\0" + struct.pack("!i", -1),
        b"OAUTHBEARER\0" + struct.pack("!i", 5) + b"n,,",
        b"OAUTHBEARER",
        b"",
    ],
)
async def test_malformed_messages(local: LocalIssuer, payload: bytes) -> None:
    exchange = conversation(local)
    said(exchange)
    await say(exchange, payload)
    assert error(exchange)[0] == "08P01"


async def test_a_token_as_a_password(local: LocalIssuer) -> None:
    exchange = conversation(local, password=True)
    assert said(exchange) == [backend.AuthenticationCleartextPassword()]
    await say(exchange, local.token().encode() + b"\0")
    assert exchange.state is LoginState.ACCEPTED
    assert exchange.identity == Identity("ana", Proof.TOKEN)
    for password, reason in (
        (b"secret", "not a signed token"),
        (b"", "empty password"),
        (local.token(sub="bob").encode(), "somebody else's"),
        (b"Bearer " + local.token().encode(), "malformed"),
    ):
        exchange = conversation(local, password=True)
        said(exchange)
        await say(exchange, password + b"\0")
        assert error(exchange) == FAILED
        assert reason in exchange.reason


async def test_a_password_that_goes_on(local: LocalIssuer) -> None:
    exchange = conversation(local, password=True)
    said(exchange)
    await say(exchange, local.token().encode() + b"\0x\0")
    assert error(exchange)[0] == "08P01"


async def test_an_issuer_that_is_away_is_not_the_clients_fault() -> None:
    with running(LocalIssuer(status=500)) as local:
        exchange = conversation(local)
        said(exchange)
        with pytest.raises(IssuerUnavailable):
            await say(exchange, bearer(local.token()))


async def test_who_may_not_come_in(local: LocalIssuer) -> None:
    def refuse(identity: Identity) -> Identity:
        raise NotProved("the user is disabled")

    exchange = conversation(local)
    exchange.admit = refuse
    said(exchange)
    await say(exchange, bearer(local.token()))
    assert error(exchange) == FAILED
    assert exchange.reason == "the user is disabled"


async def test_out_of_turn(local: LocalIssuer) -> None:
    exchange = conversation(local)
    await say(exchange, bearer(local.token()))
    with pytest.raises(ProtocolViolation):
        await say(exchange, b"\x01")


def test_nothing_shown_holds_a_token(local: LocalIssuer) -> None:
    exchange = conversation(local)
    token = local.token()
    asyncio.run(say(exchange, bearer(token)))
    assert token[:30] not in repr(exchange)
    assert token[:30] not in repr(exchange.mechanisms)


TOKENS = {
    "good": lambda local: local.token(),
    "other": lambda local: local.token(sub="bob"),
    "none": lambda local: "x",
    "empty": lambda local: "",
}


@functools.cache
def offline() -> tuple[LocalIssuer, Issuer]:
    local = LocalIssuer(port=9)
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.json"
        keys.write_bytes(key_set(*local.keys))
        settings = {"issuer": local.url, "audience": "dbguard", "jwks": str(keys)}
        return local, issuer_of(TokenSettings.model_validate(settings))


STEPS = st.sampled_from([*TOKENS, "ack", "nothing", "noise", "scram"])


@settings(deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=5), st.booleans())
def test_no_other_way_leads_in(steps: list[str], password: bool) -> None:
    """Whatever is sent in whatever order: in comes who shows the good token as the first thing."""
    local, issuer = offline()
    exchange = begun(issuer, "ana", password)
    for step in steps:
        if step in TOKENS:
            text = TOKENS[step](local)
            payload = text.encode() + b"\0" if password else bearer(text)
        else:
            payload = {
                "ack": b"\x01",
                "nothing": b"",
                "noise": b"\0\xff" * 9,
                "scram": sasl_initial_response("SCRAM-SHA-256", b"n,,n=,r=x"),
            }[step]
        try:
            asyncio.run(say(exchange, payload))
        except ProtocolViolation:
            assert exchange.state is not LoginState.ASKED
            break
    assert (exchange.state is LoginState.ACCEPTED) == (steps[0] == "good")
    assert (exchange.identity is not None) == (steps[0] == "good")
