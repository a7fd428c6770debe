"""Logins that end at dbguard: both exchanges, in every order that a peer may try."""

from __future__ import annotations

import pytest

from dbguard.engine.login import LoginState
from dbguard.engine.termination import TerminatedLogin
from dbguard.errors import ProtocolViolation
from dbguard.wire import backend
from dbguard.wire.authentication import sasl_initial_response, split_sasl_initial_response
from dbguard.wire.framing import BackendSplitter, Frame
from dbguard.wire.scram import Password, ScramClient, ScramServer, Verifier, make_verifier
from dbguard.wire.startup import PROTOCOL_3_0, StartupMessage
from dbguard.wire.tags import Frontend

VERIFIER = make_verifier("secret", b"0123456789abcdef", 64)
STARTUP = StartupMessage(PROTOCOL_3_0, (("user", "app"), ("database", "clinic")))


class Rig:
    """A client that knows a password, a server that keeps a verifier, and dbguard between."""

    def __init__(
        self,
        password: str = "secret",
        *,
        kept: Verifier = VERIFIER,
        end_points: tuple[bytes | None, bytes | None] = (None, None),
        known: bool = True,
    ) -> None:
        ours, theirs = end_points
        self.login = TerminatedLogin(
            STARTUP,
            ours is not None,
            exchange=ScramServer(VERIFIER, "ournonce", ours, known),
            server_nonce="hushed",
            server_end_point=theirs,
        )
        self.client = ScramClient(Password(password), "clientnonce", ours)
        self.server = ScramServer(kept, "servernonce", theirs)
        self.told: list[object] = []
        """What the client got."""
        self._turn = 0
        self._splitter = BackendSplitter()

    def asked(self) -> None:
        self.login.from_server(frame(backend.AuthenticationSASL(self.server.mechanisms)))

    def run(self) -> None:
        """Let each side answer until nothing more comes."""
        while self.login.to_client or self.login.to_server:
            to_client, to_server = self.login.to_client[:], self.login.to_server[:]
            self.login.to_client.clear()
            self.login.to_server.clear()
            for data in to_client:
                self._splitter.feed(data)
            while (item := self._splitter.next()) is not None:
                assert isinstance(item, Frame)
                self._to_client(backend.decode(item))
            for data in to_server:
                self._to_server(data[5:])

    def _to_client(self, message: object) -> None:
        self.told.append(message)
        match message:
            case backend.AuthenticationSASL():
                mechanism, data = self.client.first(message.mechanisms)
                self.answer(sasl_initial_response(mechanism, data))
            case backend.AuthenticationSASLContinue():
                self.answer(self.client.final(message.data))
            case backend.AuthenticationSASLFinal():
                self.client.check(message.data)

    def answer(self, payload: bytes) -> None:
        self.login.from_client(Frame(Frontend.PASSWORD, payload))

    def _to_server(self, payload: bytes) -> None:
        self._turn += 1
        if self._turn == 1:
            reply = self.server.first(*split_sasl_initial_response(payload))
            self.login.from_server(frame(backend.AuthenticationSASLContinue(reply)))
            return
        final = self.server.final(payload).final
        self.login.from_server(frame(backend.AuthenticationSASLFinal(final)))
        self.login.from_server(frame(backend.AuthenticationOk()))

    @property
    def names(self) -> list[str]:
        return [type(message).__name__ for message in self.told]

    @property
    def error(self) -> tuple[str, str]:
        (message,) = (m for m in self.told if isinstance(m, backend.ErrorResponse))
        assert message.fields.severity == "FATAL"
        return message.fields.sqlstate, message.fields.message


def frame(message: backend.Authentication) -> Frame:
    data = message.encode()
    return Frame(data[0], data[5:])


BOUND = b"client's leg", b"server's leg"


@pytest.mark.parametrize(
    "end_points", [(None, None), (BOUND[0], None), (None, BOUND[1]), BOUND], ids=str
)
def test_both_sides_are_proved_each_on_its_own_connection(
    end_points: tuple[bytes | None, bytes | None],
) -> None:
    rig = Rig(end_points=end_points)
    rig.asked()
    rig.run()
    assert rig.names == [
        "AuthenticationSASL",
        "AuthenticationSASLContinue",
        "AuthenticationSASLFinal",
        "AuthenticationOk",
    ]
    assert rig.login.state is LoginState.ACCEPTED


def test_a_server_that_trusts_dbguard_does_not_open_the_door_for_clients() -> None:
    rig = Rig("wrong")
    rig.login.from_server(frame(backend.AuthenticationOk()))
    rig.run()
    assert rig.error == ("28P01", 'password authentication failed for user "app"')
    assert "AuthenticationOk" not in rig.names
    rig = Rig()
    rig.login.from_server(frame(backend.AuthenticationOk()))
    rig.run()
    assert rig.names[-1] == "AuthenticationOk"


@pytest.mark.parametrize(("password", "known"), [("wrong", True), ("secret", False)])
def test_wrong_passwords_and_unknown_users_are_told_the_same(password: str, known: bool) -> None:
    rig = Rig(password, known=known)
    rig.asked()
    rig.run()
    assert rig.error == ("28P01", 'password authentication failed for user "app"')
    assert rig.names[:2] == ["AuthenticationSASL", "AuthenticationSASLContinue"]
    assert rig.login.state is LoginState.FAILED
    assert rig.login.sqlstate == "28P01"
    assert rig.login.to_server == [], "the server learns nothing of it"
    assert rig.login.reason == ("wrong password" if known else "no SCRAM verifier")


@pytest.mark.parametrize(
    "kept", [make_verifier("new", b"other salt", 64), make_verifier("new", VERIFIER.salt, 99)]
)
def test_a_password_that_was_changed_meanwhile(kept: Verifier) -> None:
    rig = Rig(kept=kept)
    rig.asked()
    rig.run()
    assert rig.error == ("28P01", 'password authentication failed for user "app"')
    assert rig.login.reason == "the server has another verifier, or the password is over"


def test_a_server_that_does_not_prove_itself() -> None:
    """The same salt, but another key: whoever answers there is not the server."""
    rig = Rig()
    rig.asked()
    for _ in range(3):
        to_client, to_server = rig.login.to_client[:], rig.login.to_server[:]
        rig.login.to_client.clear()
        rig.login.to_server.clear()
        if to_server:
            reply = rig.server.first(*split_sasl_initial_response(to_server[0][5:]))
            rig.login.from_server(frame(backend.AuthenticationSASLContinue(reply)))
            break
        for data in to_client:
            rig._to_client(backend.decode(Frame(data[0], data[5:])))
    rig.login.to_server.clear()
    rig.login.from_server(frame(backend.AuthenticationSASLFinal(b"v=" + b"A" * 43 + b"=")))
    rig.run()
    assert rig.error == ("28000", "the server did not prove that it knows this user's password")


@pytest.mark.parametrize(
    "message",
    [
        backend.AuthenticationMD5Password(b"salt"),
        backend.AuthenticationCleartextPassword(),
        backend.AuthenticationOther(7, b""),
        backend.AuthenticationSASLContinue(b"r=x,s=AAAA,i=1"),
        backend.AuthenticationSASLFinal(b"v=AAAA"),
    ],
    ids=lambda m: type(m).__name__,
)
def test_servers_that_want_something_else(message: backend.Authentication) -> None:
    rig = Rig()
    rig.login.from_server(frame(message))
    rig.run()
    code, text = rig.error
    assert code == "0A000"
    assert text == "the server asks for an authentication method that dbguard does not speak"


def test_a_server_that_skips_the_end_of_its_proof() -> None:
    rig = Rig()
    rig.asked()
    answers = []
    while not answers:
        to_client = rig.login.to_client[:]
        rig.login.to_client.clear()
        for data in to_client:
            rig._to_client(backend.decode(Frame(data[0], data[5:])))
        answers = rig.login.to_server[:]
    rig.login.from_server(frame(backend.AuthenticationOk()))
    rig.login.to_server.clear()
    rig.run()
    assert rig.error[0] == "0A000"
    assert "AuthenticationOk" not in rig.names


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"SCRAM-SHA-256\0",
        b"SCRAM-SHA-256\0\xff\xff\xff\xff",
        b"SCRAM-SHA-256\0\0\0\0\x09n,,n=,r=",
        b"SCRAM-SHA-1\0\0\0\0\x09n,,n=,r=a",
        b"secret\0",
    ],
)
def test_clients_that_answer_something_else(payload: bytes) -> None:
    rig = Rig()
    rig.asked()
    rig.login.to_client.clear()
    rig.answer(payload)
    rig.run()
    assert rig.error[0] == "08P01"
    assert rig.login.to_server == []


def test_messages_out_of_turn() -> None:
    rig = Rig()
    with pytest.raises(ProtocolViolation):
        rig.answer(b"too early")
    rig = Rig()
    rig.asked()
    with pytest.raises(ProtocolViolation):
        rig.login.from_server(frame(backend.AuthenticationOk()))
    with pytest.raises(ProtocolViolation):
        rig.login.from_client(Frame(Frontend.QUERY, b"SELECT 1\0"))
    rig.login.from_client(Frame(Frontend.TERMINATE, b""))
    assert rig.login.state is LoginState.FAILED


def test_nothing_secret_is_shown() -> None:
    rig = Rig()
    rig.asked()
    rig.run()
    shown = repr(rig.login)
    for secret in (VERIFIER.stored_key, VERIFIER.server_key, VERIFIER.salt):
        assert repr(secret)[2:-1] not in shown
    assert "hushed" not in shown
    assert "ournonce" not in shown
