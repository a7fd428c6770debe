"""A login of dbguard's own, for somebody who has proved to dbguard who they are.

The server is asked for a session of a database user that stands for them; what it asks of that
user dbguard answers, by a credential that no client ever sees. What the server refuses is no fault
of the client's, whose own proof was right: it is told so, and the words of the server about
dbguard's credential go to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dbguard.errors import FeatureNotSupported
from dbguard.wire import backend
from dbguard.wire.authentication import sasl_initial_response
from dbguard.wire.framing import Frame, RowRun, pack
from dbguard.wire.scram import NoKeys, Password, ScramClient, WrongServer
from dbguard.wire.startup import StartupMessage
from dbguard.wire.tags import Backend, Frontend

from .login import Login, LoginState

REFUSED = "08004"
"""ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION: none of class 28, by whose codes
clients learn that their own password is wrong, and dbguard counts who guesses."""
_OF_CREDENTIALS = "28"
"""Invalid authorization specification: the class of what a server says of a credential."""
_ASK = "Ask whoever runs dbguard to check authentication.logins in its settings."


def standing_in(startup: StartupMessage, user: str) -> StartupMessage:
    """The client's StartupMessage with `user` in place of its own. A database that it did not name
    is called as itself, not as who stands for it."""
    kept = tuple(p for p in startup.parameters if p[0] not in ("user", "database"))
    named = (("user", user), ("database", startup.database))
    return StartupMessage(startup.protocol, named + kept)


@dataclass(slots=True, kw_only=True)
class OwnLogin(Login):
    """One authentication exchange with a server. `startup` is what it was sent."""

    password: str | None = field(default=None, repr=False)
    nonce: str = field(repr=False)
    """Ours, random and printable."""
    end_point: bytes | None = field(default=None, repr=False)
    """tls-server-end-point data of the connection to the server."""
    verified: bool = False
    """The server has shown a certificate that was checked: a password may be told to it."""
    welcome: bytes = field(default=b"", repr=False)
    """What the client gets when the server has let dbguard in: the end of its own proof."""
    _exchange: ScramClient | None = None
    _server_proved: bool = False

    def from_server(self, item: Frame | RowRun) -> None:
        """A server message during login. Notices come to clients that are let in.

        Raises:
            ProtocolViolation: the server sent something that has no place here.
        """
        waits = self.state is LoginState.WAITING
        if waits and isinstance(item, Frame) and item.tag == Backend.NOTICE_RESPONSE:
            return
        super(OwnLogin, self).from_server(item)

    def _negotiate(self) -> None:
        """The client was told before its proof."""

    def _server_speaks(self, frame: Frame) -> None:
        """Versions differ in the length of cancel keys only, and each leg has keys of its own."""
        spoken = self.minor
        super(OwnLogin, self)._server_speaks(frame)
        self.minor, self.negotiated = spoken, True

    def _authentication(self, frame: Frame) -> None:
        if self.state is not LoginState.WAITING:
            self._not_let_in("It spoke of authentication out of turn.")
            return
        message = backend.decode(frame)
        exchange = self._exchange
        try:
            match message:
                case backend.AuthenticationOk() if exchange is None or self._server_proved:
                    self.state = LoginState.ACCEPTED
                    self.to_client.append(self.welcome)
                case backend.AuthenticationSASL() if exchange is None and self.password is not None:
                    self._exchange = ScramClient(
                        Password(self.password), self.nonce, self.end_point
                    )
                    response = sasl_initial_response(*self._exchange.first(message.mechanisms))
                    self.to_server.append(pack(Frontend.PASSWORD, response))
                case backend.AuthenticationSASLContinue() if exchange is not None:
                    self.to_server.append(pack(Frontend.PASSWORD, exchange.final(message.data)))
                case backend.AuthenticationSASLFinal() if exchange is not None:
                    exchange.check(message.data)
                    self._server_proved = True
                case backend.AuthenticationCleartextPassword() if (
                    exchange is None and self.verified and self.password is not None
                ):
                    password = self.password.encode("utf-8") + b"\0"
                    self.to_server.append(pack(Frontend.PASSWORD, password))
                case _:
                    self._not_let_in(self._what_is_wrong(message))
        except FeatureNotSupported as error:
            self._not_let_in(f"It asks for something else: {error.message}.")
        except (WrongServer, NoKeys):
            self._not_let_in("It did not prove that it knows the password.")

    def _what_is_wrong(self, message: object) -> str:
        match message:
            case backend.AuthenticationOk():
                return "It did not prove that it knows the password."
            case backend.AuthenticationMD5Password():
                return "It asks for an MD5 password: use scram-sha-256 in pg_hba.conf."
            case backend.AuthenticationCleartextPassword() if not self.verified:
                return (
                    "It asks for the password in clear text, and its certificate is not checked "
                    "(upstream.tls)."
                )
            case backend.AuthenticationSASL() | backend.AuthenticationCleartextPassword() if (
                self.password is None
            ):
                return "It asks for a password, and there is none."
        return "It asks for what dbguard does not speak: use scram-sha-256 in pg_hba.conf."

    def _refused(self, frame: Frame) -> None:
        message = backend.decode(frame)
        code = message.fields.sqlstate if isinstance(message, backend.ErrorResponse) else ""
        if code.startswith(_OF_CREDENTIALS):
            self._not_let_in(f"It does not take the login (SQLSTATE {code}).")
            return
        super(OwnLogin, self)._refused(frame)

    def _not_let_in(self, why: str) -> None:
        user = self.startup.user
        self.reason = f'the server does not let dbguard in as "{user}": {why[0].lower()}{why[1:-1]}'
        self._fail(
            REFUSED,
            "the server does not let dbguard in on your behalf",
            f'dbguard took your own proof, and logs in as "{user}" for you. {why}',
            _ASK,
        )
