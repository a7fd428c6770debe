"""A login that ends at dbguard and goes on to the server.

The client proves to dbguard that it knows the password behind the *verifier* that the server keeps
for its user; the proof shows the key with which dbguard logs in to the server as the same user. So
each leg has its own exchange, bound to its own TLS connection, and no password is ever held.

The server is asked first, as without dbguard: whom its pg_hba.conf rejects is rejected before
anything is proved. AuthenticationOk reaches the client once both sides have let it in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dbguard.errors import FeatureNotSupported, ProtocolViolation
from dbguard.wire import backend
from dbguard.wire.authentication import sasl_initial_response, split_sasl_initial_response
from dbguard.wire.framing import Frame, pack
from dbguard.wire.scram import (
    NoKeys,
    Proved,
    RecoveredKeys,
    ScramClient,
    ScramServer,
    WrongProof,
    WrongServer,
)
from dbguard.wire.tags import Frontend

from .login import Login, LoginState

_NOT_PROVED = "28P01"
"""ERRCODE_INVALID_PASSWORD."""
_NOT_ALLOWED = "28000"
"""ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION."""


@dataclass(slots=True, kw_only=True)
class TerminatedLogin(Login):
    """One authentication exchange with each side."""

    exchange: ScramServer
    """With the client."""
    server_nonce: str = field(repr=False)
    """Ours in the exchange with the server."""
    server_end_point: bytes | None = field(default=None, repr=False)
    """tls-server-end-point data of the connection to the server."""
    _offered: tuple[str, ...] | None = None
    """Mechanisms of the server, () when it let dbguard in without a question."""
    _begun: bool = False
    _proved: Proved | None = None
    _onward: ScramClient | None = None
    _server_proved: bool = False

    # -- the client -----------------------------------------------------------

    def _ask(self, offered: tuple[str, ...]) -> None:
        self._offered = offered
        self.state = LoginState.ASKED
        self.to_client.append(backend.AuthenticationSASL(self.exchange.mechanisms).encode())

    def from_client(self, frame: Frame) -> None:
        """A client message during login: only the answer to a question is legal.

        Raises:
            ProtocolViolation: anything else.
        """
        if frame.tag == Frontend.TERMINATE:
            self.state = LoginState.FAILED
            return
        if frame.tag != Frontend.PASSWORD or self.state is not LoginState.ASKED:
            raise ProtocolViolation("unexpected message during authentication")
        try:
            if self._begun:
                self._go_on(self.exchange.final(frame.payload))
            else:
                self._begun = True
                reply = self.exchange.first(*split_sasl_initial_response(frame.payload))
                self.to_client.append(backend.AuthenticationSASLContinue(reply).encode())
        except WrongProof:
            self._refuse_proof("wrong password" if self.exchange.known else "no SCRAM verifier")
        except (ProtocolViolation, FeatureNotSupported) as error:
            self._fail(error.sqlstate, error.message, error.detail, error.hint)

    # -- the server -----------------------------------------------------------

    def _go_on(self, proved: Proved) -> None:
        self._proved = proved
        if not self._offered:
            self._accept()
            return
        self.state = LoginState.WAITING
        keys = RecoveredKeys(self.exchange.verifier, proved.keys)
        self._onward = ScramClient(keys, self.server_nonce, self.server_end_point)
        response = sasl_initial_response(*self._onward.first(self._offered))
        self.to_server.append(pack(Frontend.PASSWORD, response))

    def _accept(self) -> None:
        assert self._proved is not None
        self.state = LoginState.ACCEPTED
        self.to_client.append(backend.AuthenticationSASLFinal(self._proved.final).encode())
        self.to_client.append(backend.AuthenticationOk().encode())

    def _authentication(self, frame: Frame) -> None:
        if self.state is not LoginState.WAITING:
            raise ProtocolViolation("the server spoke of authentication out of turn")
        message = backend.decode(frame)
        onward = self._onward
        try:
            match message:
                case backend.AuthenticationSASL() if self._offered is None:
                    self._ask(message.mechanisms)
                case backend.AuthenticationOk() if self._offered is None:
                    self._ask(())
                case backend.AuthenticationSASLContinue() if onward is not None:
                    self.to_server.append(pack(Frontend.PASSWORD, onward.final(message.data)))
                case backend.AuthenticationSASLFinal() if onward is not None:
                    onward.check(message.data)
                    self._server_proved = True
                case backend.AuthenticationOk() if self._server_proved:
                    self._accept()
                case _:
                    self._refuse(
                        "the server asks for an authentication method that dbguard does not speak",
                        "Without the client's password, dbguard logs in with SCRAM-SHA-256 only.",
                        "Use scram-sha-256 in pg_hba.conf for connections from dbguard.",
                    )
        except NoKeys:
            self._refuse_proof("the server has another verifier, or the password is over")
        except WrongServer:
            self._fail(
                _NOT_ALLOWED,
                "the server did not prove that it knows this user's password",
                "Whoever answers there may not be the server.",
                "Check upstream.* in dbguard's settings, and who answers at that address.",
            )

    def _refuse_proof(self, reason: str) -> None:
        """In the same words for everybody: nobody learns who exists, or how near a guess was."""
        self.reason = reason
        user = self.startup.user
        self._fail(_NOT_PROVED, f'password authentication failed for user "{user}"')
