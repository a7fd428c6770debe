"""From StartupMessage to the first ReadyForQuery: authentication passed through, and watched.

dbguard holds no passwords: the client's answers go to the server and the server's questions to
the client. SCRAM with channel binding is taken off the list, since it would bind to the wrong
TLS connection; a client that says it would have used it, the server would take for the victim of a
downgrade attack. Who the server let in as whom is what the session's principal rests on.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from dbguard.errors import FeatureNotSupported, ProtocolViolation
from dbguard.wire import backend
from dbguard.wire.authentication import missed_channel_binding
from dbguard.wire.errorfields import ErrorFields
from dbguard.wire.framing import Frame, RowRun
from dbguard.wire.startup import PROTOCOL_3_0, StartupMessage
from dbguard.wire.tags import Backend, Frontend

NEWEST_MINOR = 2
"""Protocol 3.2 differs in the length of cancel keys only. Clients get what they would get of the
server, which is asked for it. Source: protocol.sgml of PostgreSQL 18, "Protocol Versions"."""


class LoginState(enum.Enum):
    WAITING = "waiting"
    """The server has not asked for anything yet, or is checking."""
    ASKED = "asked"
    """The client owes one password message."""
    ACCEPTED = "accepted"
    READY = "ready"
    FAILED = "failed"


def check_startup(message: StartupMessage) -> None:
    """Refuse what dbguard does not carry before a server connection is made.

    Raises:
        ProtocolViolation: no user, or a protocol version other than 3.
        FeatureNotSupported: a replication connection.
    """
    if message.major != 3:
        raise ProtocolViolation(
            f"unsupported frontend protocol {message.major}.{message.minor}",
            hint="dbguard speaks protocol 3, as all PostgreSQL clients since 7.4 do.",
        )
    if not message.user:
        raise ProtocolViolation("no PostgreSQL user name specified in startup packet")
    if message.replication:
        raise FeatureNotSupported(
            "replication connections do not go through dbguard",
            detail="A replication stream holds every row of every table, unmasked.",
            hint="Connect replication clients to the server itself, over a network path that "
            "only they can use.",
        )


def hello(startup: StartupMessage) -> bytes:
    """The StartupMessage for the server: the client's, as far as dbguard understands it."""
    known = tuple(p for p in startup.parameters if not p[0].startswith("_pq_."))
    minor = min(startup.minor, NEWEST_MINOR)
    return StartupMessage(PROTOCOL_3_0 | minor, known).encode()


def fatal(sqlstate: str, message: str, detail: str = "", hint: str = "") -> bytes:
    """The ErrorResponse that ends a login. Names in it may hold bytes that are not UTF-8."""
    pairs = [("S", "FATAL"), ("V", "FATAL"), ("C", sqlstate), ("M", message)]
    pairs += [(code, text) for code, text in (("D", detail), ("H", hint)) if text]
    return ErrorFields(
        tuple((code, text.encode("utf-8", "surrogateescape")) for code, text in pairs)
    ).encode_error()


def not_carried(startup: StartupMessage) -> bytes | None:
    """What tells a client that not all it asked for is spoken; None when it is."""
    options = tuple(name.encode() for name, _ in startup.parameters if name.startswith("_pq_."))
    minor = min(startup.minor, NEWEST_MINOR)
    if startup.minor == minor and not options:
        return None
    return backend.NegotiateProtocolVersion(PROTOCOL_3_0 | minor, options).encode()


@dataclass(slots=True)
class Login:
    """One authentication exchange."""

    startup: StartupMessage
    client_uses_tls: bool
    state: LoginState = LoginState.WAITING
    to_client: list[bytes] = field(default_factory=list)
    to_server: list[bytes] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    process_id: int = 0
    server_secret: bytes = field(default=b"", repr=False)
    held: list[bytes] = field(default_factory=list)
    """Messages for the client that wait for the cancel key to be replaced."""
    sqlstate: str = ""
    """Of the error that ended the login."""
    reason: str = ""
    """Why it ended so, for the audit trail only."""
    minor: int = 0
    """The minor version that is spoken with both; until the server answers, the one asked for."""
    negotiated: bool = False
    """The client knows what is spoken."""
    withheld: bool = False
    """The server offers channel binding, and the client's first SASL message is still to come."""

    def __post_init__(self) -> None:
        self.minor = min(self.startup.minor, NEWEST_MINOR)

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
        if self.withheld and missed_channel_binding(frame.payload):
            self._refuse(
                "channel binding cannot be carried over two TLS connections",
                "This client says that it would have bound its password to the TLS connection; "
                "that dbguard did not offer it, the server would take for an attack.",
                "Connect with channel_binding=disable, or ask the operator to have TLS on one side "
                "of dbguard only.",
            )
            return
        self.withheld = False
        self.state = LoginState.WAITING
        self.to_server.append(frame.raw)

    def from_server(self, item: Frame | RowRun) -> None:
        """A server message during login.

        Raises:
            ProtocolViolation: the server sent something that has no place here.
        """
        if isinstance(item, RowRun):
            raise ProtocolViolation("the server sent rows before login was complete")
        if item.tag == Backend.NEGOTIATE_PROTOCOL_VERSION:
            self._server_speaks(item)
            return
        self._negotiate()
        match item.tag:
            case Backend.AUTHENTICATION:
                self._authentication(item)
            case Backend.ERROR_RESPONSE:
                self._refused(item)
            case Backend.NOTICE_RESPONSE:
                self.to_client.append(item.raw)
            case _:
                self._after_acceptance(item)

    def _refused(self, frame: Frame) -> None:
        message = backend.decode(frame)
        if isinstance(message, backend.ErrorResponse):
            self.sqlstate = message.fields.sqlstate
        self.state = LoginState.FAILED
        self.to_client.append(frame.raw)

    def _server_speaks(self, frame: Frame) -> None:
        message = backend.decode(frame)
        assert isinstance(message, backend.NegotiateProtocolVersion)
        newest = message.newest & 0xFFFF  # old servers send the minor version alone
        if self.negotiated or newest >= self.minor or message.newest >> 16 not in (0, 3):
            raise ProtocolViolation("the server sent an unexpected message during login")
        self.minor = newest

    def _negotiate(self) -> None:
        """Tell the client, once and before all else, what it will not get."""
        if self.negotiated:
            return
        self.negotiated = True
        options = tuple(
            name.encode() for name, _ in self.startup.parameters if name.startswith("_pq_.")
        )
        if self.startup.minor > self.minor or options:
            spoken = PROTOCOL_3_0 | self.minor
            self.to_client.append(backend.NegotiateProtocolVersion(spoken, options).encode())

    def _after_acceptance(self, frame: Frame) -> None:
        if self.state is not LoginState.ACCEPTED:
            raise ProtocolViolation("the server sent an unexpected message during login")
        message = backend.decode(frame)
        match message:
            case backend.ParameterStatus():
                self.parameters[message.name] = message.value
                self.held.append(frame.raw)
            case backend.BackendKeyData():
                self.process_id, self.server_secret = message.process_id, message.secret
            case backend.ReadyForQuery():
                self.state = LoginState.READY
                self.held.append(frame.raw)
            case _:
                raise ProtocolViolation("the server sent an unexpected message during login")

    def _authentication(self, frame: Frame) -> None:
        if self.state is not LoginState.WAITING:
            raise ProtocolViolation("the server asked for a password out of turn")
        message = backend.decode(frame)
        match message:
            case backend.AuthenticationOk():
                self.state = LoginState.ACCEPTED
                self.to_client.append(frame.raw)
            case backend.AuthenticationSASL():
                offered = backend.without_plus(message)
                if not offered.mechanisms:
                    self._refuse(
                        "the server offers only SCRAM with channel binding",
                        "dbguard passes authentication through and cannot bind it to both "
                        "TLS connections.",
                        "Allow SCRAM-SHA-256 for connections from dbguard in pg_hba.conf.",
                    )
                    return
                self.state = LoginState.ASKED
                self.withheld = offered != message
                self.to_client.append(offered.encode())
            case backend.AuthenticationSASLContinue() | backend.AuthenticationMD5Password():
                self.state = LoginState.ASKED
                self.to_client.append(frame.raw)
            case backend.AuthenticationSASLFinal():
                self.to_client.append(frame.raw)
            case backend.AuthenticationCleartextPassword() if self.client_uses_tls:
                self.state = LoginState.ASKED
                self.to_client.append(frame.raw)
            case backend.AuthenticationCleartextPassword():
                self._refuse(
                    "the server asks for the password in clear text",
                    "It would cross the network unprotected between client and dbguard.",
                    "Use scram-sha-256 in pg_hba.conf, or give dbguard a certificate "
                    "(listen.tls) and connect with sslmode=require.",
                )
            case _:
                self._refuse(
                    "the server asks for an authentication method that dbguard does not carry",
                    "SCRAM-SHA-256, MD5 and, over TLS, clear-text passwords are passed through.",
                    "Use scram-sha-256 in pg_hba.conf for connections from dbguard.",
                )

    def _refuse(self, message: str, detail: str, hint: str) -> None:
        self._fail(FeatureNotSupported.sqlstate, message, detail, hint)

    def _fail(self, sqlstate: str, message: str, detail: str = "", hint: str = "") -> None:
        self.sqlstate, self.state = sqlstate, LoginState.FAILED
        self.to_client.append(fatal(sqlstate, message, detail, hint))

    def finish(self, secret: bytes) -> list[bytes]:
        """What to send the client once login succeeded, with dbguard's own cancel secret."""
        key = backend.BackendKeyData(self.process_id, secret).encode()
        return [*self.held[:-1], key, self.held[-1]]
