"""A client's way from its StartupMessage to the server's ReadyForQuery, and the records of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from dbguard.audit.records import RecordKind
from dbguard.engine.auditing import identity_fields
from dbguard.engine.login import Login, LoginState, hello
from dbguard.engine.own_login import REFUSED, standing_in
from dbguard.errors import DbguardError, ProtocolViolation, sqlstate_of
from dbguard.identity.users import User
from dbguard.policy.decision import Identity
from dbguard.wire.framing import BackendSplitter, FrontendSplitter
from dbguard.wire.startup import StartupMessage

from .attempts import COUNTED
from .authenticating import authenticate
from .connection_settings import ConnectionSettings
from .endings import Deadline, TokenExpired
from .identities import Identities, identify, own_login
from .opening import readable
from .servers import Cluster, Place
from .sites import Sites
from .streams import Stream
from .upstream import Upstream

log = structlog.get_logger(__name__)

Event = Callable[..., int]
"""Records an event of the session: kind, and fields by name."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Somebody whom the server, and dbguard if it was asked, has let in."""

    login: Login
    server: Stream
    place: Place
    upstream: Upstream
    user: str
    """The database user, in the server's own words: it cuts long names, and maps some."""
    identity: Identity | None
    stored: User | None = field(repr=False)
    """What the user store said of the identity."""
    sequence: int
    """Of the record that says so."""
    deadline: Deadline | None = None
    """Until when the proof of the identity holds."""


@dataclass(slots=True)
class LoggingIn:
    """One such way."""

    client: Stream
    splitter: FrontendSplitter
    sites: Sites
    settings: ConnectionSettings
    event: Event
    server: Stream | None = None
    """The connection to the server, from the moment that there is one."""
    from_server: BackendSplitter = field(default_factory=BackendSplitter)
    identity: Identity | None = None
    """Proved to dbguard."""
    stored: User | None = None
    deadline: Deadline | None = None

    async def run(self, startup: StartupMessage, cluster: Cluster) -> LoggedIn | None:
        """None: the client was told why it is not let in, or has gone.

        Raises:
            DbguardError: it is not let in, and is still to be told.
        """
        try:
            self.sites.attempts.check(startup.user, self.client.peer, time.monotonic())
            identities = self.settings.authentication.identities
            if identities is None:
                login, place, upstream = await self._passed_on(startup, cluster)
            else:
                found = await self._stood_for(identities, startup, cluster)
                if found is None:
                    return None
                login, place, upstream = found
        except DbguardError as error:
            self._failed(startup, sqlstate_of(error))
            raise
        accepted = login.state is LoginState.READY
        if self.identity is None:
            self._count(startup, accepted, login.sqlstate)
        if not accepted:
            self._failed(startup, login.sqlstate, login.reason)
            return None
        user = login.parameters.get("session_authorization", login.startup.user)
        if self.identity is not None and user != login.startup.user:
            self._failed(startup, ProtocolViolation.sqlstate, "session_authorization was asked for")
            raise ProtocolViolation(
                "the server takes the session for another user's than it was asked for",
                hint="Leave session_authorization out of the connection's options.",
            )
        assert self.server is not None
        sequence = self.event(
            RecordKind.AUTHENTICATION,
            user=readable(user),
            **identity_fields(self.identity),
            database=readable(login.startup.database),
            result="accepted",
            server=f"{place.host}:{place.port}",
            server_tls=self.server.tls_version or "none",
        )
        return LoggedIn(
            login,
            self.server,
            place,
            upstream,
            user,
            self.identity,
            self.stored,
            sequence,
            self.deadline,
        )

    async def _passed_on(
        self, startup: StartupMessage, cluster: Cluster
    ) -> tuple[Login, Place, Upstream]:
        """The server lets the client in, by what it knows itself or dbguard reads from it."""
        place, upstream, answered = await self.sites.choosing.greet(cluster, hello(startup))
        self.server, self.from_server = answered.stream, answered.splitter
        login = await self.settings.authentication.begin(
            startup, self.client, answered.stream, place, self.sites.verifiers
        )
        await authenticate(login, self.client, self.splitter, answered)
        return login, place, upstream

    async def _stood_for(
        self, identities: Identities, startup: StartupMessage, cluster: Cluster
    ) -> tuple[Login, Place, Upstream] | None:
        """dbguard lets the client in, and then logs in to the server for it."""
        exchange = identities.identifying(startup, self.client)
        await identify(exchange, self.client, self.splitter)
        proved = exchange.state is LoginState.ACCEPTED
        if exchange.counts:
            self._count(startup, proved, exchange.sqlstate)
        if exchange.identity is None:
            self._failed(startup, exchange.sqlstate, exchange.reason)
            return None
        self.identity = exchange.identity
        tokens = identities.issuer
        if tokens is not None and tokens.settings.end_sessions and exchange.expires is not None:
            self.deadline = Deadline(exchange.expires, tokens.settings.grace, TokenExpired())
        if identities.known is not None:
            self.stored = identities.known.users.get(self.identity.name)
        credential = await identities.credential(
            self.sites.front.policy, self.identity, cluster.name
        )
        asked = standing_in(startup, credential.user)
        place, upstream, answered = await self.sites.choosing.greet(cluster, hello(asked))
        self.server, self.from_server = answered.stream, answered.splitter
        login = own_login(asked, credential, exchange.welcome, upstream, answered.stream)
        await authenticate(login, self.client, self.splitter, answered)
        if login.sqlstate == REFUSED:
            log.error("the server does not let dbguard in", user=asked.user, reason=login.reason)
        return login, place, upstream

    def _failed(self, startup: StartupMessage, sqlstate: str, reason: str = "") -> None:
        self.event(
            RecordKind.AUTHENTICATION,
            user=self._user(startup),
            **identity_fields(self.identity),
            result=f"failed {sqlstate}".strip(),
            **({"reason": readable(reason)} if reason else {}),
        )

    def _count(self, startup: StartupMessage, accepted: bool, sqlstate: str) -> None:
        """Keep those waiting who guess passwords."""
        attempts, address = self.sites.attempts, self.client.peer
        if accepted:
            attempts.succeeded(startup.user, address)
        elif sqlstate in COUNTED and attempts.failed(
            startup.user,
            address,
            time.monotonic(),
            limit=self.settings.login_failures,
            pause=self.settings.login_pause,
        ):
            fields = {"event": "failed logins", "user": self._user(startup), "address": address}
            self.event(RecordKind.SECURITY, **fields)

    def _user(self, startup: StartupMessage) -> str:
        """The name that was asked for, as it may be recorded."""
        if self.identity is not None and self.identity.name == startup.user:
            return self.identity.name
        return self.sites.naming.user(startup, self.settings.authentication.stored_names)
