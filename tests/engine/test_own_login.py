"""Logins of dbguard's own, at servers of every kind."""

from __future__ import annotations

import pytest

from dbguard.engine.login import LoginState
from dbguard.engine.own_login import OwnLogin, standing_in
from dbguard.errors import ProtocolViolation
from dbguard.wire import backend
from dbguard.wire.authentication import split_sasl_initial_response
from dbguard.wire.errorfields import ErrorFields
from dbguard.wire.framing import BackendSplitter, Frame
from dbguard.wire.scram import ScramServer, make_verifier
from dbguard.wire.startup import PROTOCOL_3_0, StartupMessage
from dbguard.wire.tags import Backend

VERIFIER = make_verifier("own-secret", b"0123456789abcdef", 64)
WELCOME = backend.AuthenticationOk().encode()
CLIENT = StartupMessage(
    PROTOCOL_3_0 | 2, (("options", "-c x=y"), ("user", "anna"), ("application_name", "psql"))
)
NOT_LET_IN = ("08004", "the server does not let dbguard in on your behalf")


def login(password: str | None = "own-secret", *, verified: bool = False) -> OwnLogin:
    return OwnLogin(
        standing_in(CLIENT, "app"),
        True,
        password=password,
        nonce="ournonce",
        verified=verified,
        welcome=WELCOME,
    )


def frame(message: backend.Authentication | backend.NegotiateProtocolVersion) -> Frame:
    data = message.encode()
    return Frame(data[0], data[5:])


def refusal(code: str) -> Frame:
    pairs = (("S", "FATAL"), ("V", "FATAL"), ("C", code), ("M", 'about "app"'))
    data = ErrorFields(tuple((key, text.encode()) for key, text in pairs)).encode_error()
    return Frame(data[0], data[5:])


def told(found: OwnLogin) -> backend.ErrorResponse:
    splitter = BackendSplitter()
    splitter.feed(b"".join(found.to_client))
    item = splitter.next()
    assert isinstance(item, Frame)
    message = backend.decode(item)
    assert isinstance(message, backend.ErrorResponse)
    assert splitter.next() is None
    assert found.state is LoginState.FAILED
    return message


def not_let_in(found: OwnLogin) -> str:
    message = told(found)
    assert (message.fields.sqlstate, message.fields.message) == NOT_LET_IN
    assert found.sqlstate == "08004"
    assert found.reason.startswith('the server does not let dbguard in as "app": ')
    assert "own-secret" not in found.reason + message.fields.message
    return found.reason.partition(": ")[2]


def test_the_client_is_renamed_and_nothing_else_changes() -> None:
    renamed = standing_in(CLIENT, "app")
    assert renamed.user == "app"
    assert renamed.database == "anna"
    assert renamed.protocol == CLIENT.protocol
    assert renamed.get("options") == "-c x=y"
    assert renamed.get("application_name") == "psql"
    named = StartupMessage(PROTOCOL_3_0, (("database", "clinic"), ("user", "anna")))
    assert standing_in(named, "app").parameters == (("user", "app"), ("database", "clinic"))


def asked_for_scram(found: OwnLogin, server: ScramServer) -> bytes:
    """The server's last word."""
    found.from_server(frame(backend.AuthenticationSASL(server.mechanisms)))
    reply = server.first(*split_sasl_initial_response(found.to_server.pop()[5:]))
    found.from_server(frame(backend.AuthenticationSASLContinue(reply)))
    return server.final(found.to_server.pop()[5:]).final


@pytest.mark.parametrize("end_point", [None, b"the server's"])
def test_scram(end_point: bytes | None) -> None:
    found = login()
    found.end_point = end_point
    final = asked_for_scram(found, ScramServer(VERIFIER, "theirs", end_point))
    assert found.to_client == []
    found.from_server(frame(backend.AuthenticationSASLFinal(final)))
    assert found.to_client == []
    found.from_server(frame(backend.AuthenticationOk()))
    assert found.to_client == [WELCOME]
    assert found.state is LoginState.ACCEPTED


@pytest.mark.parametrize("password", ["own-secret", None])
def test_servers_that_ask_for_nothing(password: str | None) -> None:
    found = login(password)
    found.from_server(frame(backend.AuthenticationOk()))
    assert found.to_client == [WELCOME]


def test_clear_text_goes_to_a_server_that_is_known() -> None:
    found = login(verified=True)
    found.from_server(frame(backend.AuthenticationCleartextPassword()))
    assert found.to_server == [b"p\0\0\0\x0fown-secret\0"]
    found.from_server(frame(backend.AuthenticationOk()))
    assert found.to_client == [WELCOME]
    found = login()
    found.from_server(frame(backend.AuthenticationCleartextPassword()))
    assert found.to_server == []
    assert "its certificate is not checked" in found.reason.replace("and its", "its")
    not_let_in(found)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (backend.AuthenticationMD5Password(b"salt"), "it asks for an MD5 password"),
        (backend.AuthenticationOther(7, b""), "it asks for what dbguard does not speak"),
        (backend.AuthenticationSASL(("OTHER",)), "it asks for something else"),
        (backend.AuthenticationSASLContinue(b"r=x"), "it asks for what dbguard does not speak"),
        (backend.AuthenticationSASLFinal(b"v=x"), "it asks for what dbguard does not speak"),
    ],
)
def test_servers_that_want_something_else(message: backend.Authentication, reason: str) -> None:
    found = login()
    found.from_server(frame(message))
    assert found.to_server == []
    assert not_let_in(found).startswith(reason)


@pytest.mark.parametrize(
    "message",
    [backend.AuthenticationSASL(("SCRAM-SHA-256",)), backend.AuthenticationCleartextPassword()],
)
def test_without_a_password(message: backend.Authentication) -> None:
    found = login(None, verified=True)
    found.from_server(frame(message))
    assert not_let_in(found) == "it asks for a password, and there is none"


@pytest.mark.parametrize("code", ["28P01", "28000"])
def test_what_the_server_says_of_the_credential_is_not_the_clients(code: str) -> None:
    found = login()
    found.from_server(refusal(code))
    assert not_let_in(found) == f"it does not take the login (SQLSTATE {code})"
    found = login()
    found.from_server(frame(backend.AuthenticationOk()))
    found.to_client.clear()
    found.from_server(refusal(code))
    not_let_in(found)


@pytest.mark.parametrize("code", ["3D000", "53300", "57P03"])
def test_what_else_the_server_says_is(code: str) -> None:
    found = login()
    found.from_server(refusal(code))
    assert told(found).fields.sqlstate == code


@pytest.mark.parametrize("last", ["nothing", "a wrong proof"])
def test_servers_that_do_not_prove_themselves(last: str) -> None:
    found = login()
    asked_for_scram(found, ScramServer(VERIFIER, "theirs"))
    if last == "nothing":
        found.from_server(frame(backend.AuthenticationOk()))
    else:
        found.from_server(frame(backend.AuthenticationSASLFinal(b"v=" + b"A" * 43 + b"=")))
    assert not_let_in(found) == "it did not prove that it knows the password"


def test_notices_wait_for_nobody() -> None:
    """libpq takes none before it is let in."""
    pairs = (("S", b"WARNING"), ("V", b"WARNING"), ("C", b"01000"), ("M", b"old password"))
    data = ErrorFields(pairs).encode_error()
    notice = Frame(Backend.NOTICE_RESPONSE, data[5:])
    found = login()
    found.from_server(notice)
    assert found.to_client == []
    found.from_server(frame(backend.AuthenticationOk()))
    found.from_server(notice)
    assert found.to_client == [WELCOME, notice.raw]


def test_old_servers_and_new_clients() -> None:
    """Versions differ in the length of cancel keys, and the client's are dbguard's own."""
    found = login()
    older = frame(backend.NegotiateProtocolVersion(PROTOCOL_3_0, ()))
    found.from_server(older)
    assert found.to_client == []
    assert found.minor == 2
    with pytest.raises(ProtocolViolation):
        found.from_server(older)


def test_nothing_secret_is_shown() -> None:
    shown = repr(login())
    assert "own-secret" not in shown
    assert "ournonce" not in shown
