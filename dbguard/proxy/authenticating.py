"""Who lets clients in: the server behind dbguard, or dbguard by what the server knows of them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from dbguard.authentication_settings import AuthenticationMode, AuthenticationSettings
from dbguard.catalog.verifiers import AskedVerifiers, cut, read_verifiers
from dbguard.engine.login import Login, LoginState
from dbguard.engine.termination import TerminatedLogin
from dbguard.identity.certificate_map import read_map
from dbguard.identity.issuer import issuer_of
from dbguard.identity.known_users import KnownUsers
from dbguard.wire.framing import Frame, FrontendSplitter
from dbguard.wire.scram import (
    DEFAULT_ITERATIONS,
    NONCE_BYTES,
    ScramServer,
    Verifier,
    mock_verifier,
)
from dbguard.wire.startup import StartupMessage
from dbguard.wire.tags import Frontend

from .identities import Identities
from .servers import Place, leading_to
from .streams import Stream
from .tls import end_point_of
from .upstream import Answered

log = structlog.get_logger(__name__)

SECRET_BYTES: Final = 32


@dataclass(slots=True)
class Authenticating:
    """Begins the login of each client."""

    settings: AuthenticationSettings
    end_point: bytes | None = None
    """tls-server-end-point data of dbguard's own certificate."""
    secret: bytes = field(default=b"", repr=False)
    """What the salts of users are made from who do not exist."""
    users: Mapping[str, Verifier] = field(default_factory=dict, repr=False)
    """From a file."""
    identities: Identities | None = None
    """Set where dbguard knows people itself; `begin` is for the other modes."""
    _iterations: int = DEFAULT_ITERATIONS
    """Of the user seen last, so that those who do not exist look like the others."""

    @property
    def terminates(self) -> bool:
        return self.settings.mode is AuthenticationMode.SERVER_USERS

    @property
    def stored_names(self) -> Container[str]:
        """Names of those whom dbguard knows itself."""
        known = self.identities.known if self.identities is not None else None
        return known.users if known is not None else self.users

    async def begin(
        self,
        startup: StartupMessage,
        client: Stream,
        server: Stream,
        place: Place,
        asked: AskedVerifiers,
    ) -> Login:
        """The login of a client whose StartupMessage `server` has got.

        Raises:
            CatalogUnavailable: what the server knows of its users cannot be told.
        """
        if not self.terminates:
            return Login(startup, client.uses_tls)
        name = cut(startup.user)
        if self.settings.file is not None:
            verifier = self.users.get(name)
        elif _is_text(name):
            verifier = await asked.of(self._dsn(place), self.settings.query, name)
        else:
            verifier = None
        # made in any case: who exists is not to be told by how long it takes, now or at the proof,
        # which is quicker just behind it
        mock = mock_verifier(self.secret, name, self._iterations)
        if verifier is not None:
            self._iterations = verifier.iterations
        exchange = ScramServer(
            verifier or mock,
            secrets.token_urlsafe(NONCE_BYTES),
            self.end_point if client.uses_tls else None,
            known=verifier is not None,
        )
        certificate = server.certificate
        return TerminatedLogin(
            startup,
            client.uses_tls,
            exchange=exchange,
            server_nonce=secrets.token_urlsafe(NONCE_BYTES),
            server_end_point=None if certificate is None else end_point_of(certificate),
        )

    def _dsn(self, place: Place) -> str:
        if self.settings.dsn is None:
            return place.dsn
        return leading_to(self.settings.dsn.get_secret_value(), place.host, place.port)


def _is_text(name: str) -> bool:
    """Whether a startup parameter, whose bytes need not be UTF-8, can be asked for."""
    return name == name.encode("utf-8", "replace").decode("utf-8")


def authenticating(
    settings: AuthenticationSettings,
    certificate: bytes | None,
    state: Path,
    before: Authenticating | None = None,
) -> Authenticating:
    """`before` is what was in force, of which the issuer's keys are kept.

    Raises ConfigurationError when a file that the settings name cannot be used.
    """
    made = Authenticating(settings)
    if settings.mode is AuthenticationMode.PASS_THROUGH:
        return made
    end_point = None if certificate is None else end_point_of(certificate)
    secret = _lasting_secret(state.with_name("authentication-secret"))
    if settings.mode is AuthenticationMode.IDENTITIES:
        last = None if before is None or before.identities is None else before.identities.issuer
        table = None if settings.certificates is None else settings.certificates.map
        identities = Identities(
            settings.logins,
            None if settings.users is None else KnownUsers(settings.users),
            end_point,
            secret,
            None if settings.tokens is None else issuer_of(settings.tokens, last),
            None if table is None else read_map(table),
        )
        return replace(made, identities=identities)
    return replace(
        made,
        end_point=end_point,
        secret=secret,
        users={} if settings.file is None else read_verifiers(settings.file),
    )


def _lasting_secret(path: Path) -> bytes:
    """The same secret after a restart: the salt of a user who does not exist must not change."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
    except FileExistsError:
        pass
    except OSError as error:
        log.warning("authentication secret cannot be kept", path=str(path), reason=error.strerror)
    try:
        kept = path.read_bytes()
    except OSError:
        kept = b""
    return kept if len(kept) == SECRET_BYTES else secrets.token_bytes(SECRET_BYTES)


async def authenticate(
    login: Login, client: Stream, splitter: FrontendSplitter, answered: Answered
) -> None:
    """Carry a login to its end, good or bad.

    Raises:
        ProtocolViolation: one side sent something that has no place here.
    """
    server, from_server = answered.stream, answered.splitter

    def write() -> None:
        for side, data in ((server, login.to_server), (client, login.to_client)):
            if data:
                side.write(b"".join(data))
                data.clear()

    if answered.first is None:
        login.state = LoginState.FAILED
    else:
        login.from_server(answered.first)
    splitter.accept_only(Frontend.PASSWORD, Frontend.TERMINATE)
    try:
        while login.state not in (LoginState.READY, LoginState.FAILED):
            if login.state is LoginState.ASKED:
                frame = splitter.next()
                if isinstance(frame, Frame):
                    login.from_client(frame)
                    continue
            elif (item := from_server.next()) is not None:
                login.from_server(item)
                continue
            # all that is at hand has been looked at: what came of it goes out together
            write()
            await client.drain()
            await server.drain()
            source = client if login.state is LoginState.ASKED else server
            data = await source.read()
            if not data:
                login.state = LoginState.FAILED
            elif source is server:
                from_server.feed(data)
            else:
                splitter.feed(data)
    finally:  # also ahead of the error that ends it
        write()
    splitter.accept_only()
