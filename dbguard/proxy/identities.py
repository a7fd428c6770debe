"""People and programs that dbguard knows itself: how they prove it, and who stands for them."""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass, field

from dbguard.authentication_settings import LoginSettings
from dbguard.engine.login import LoginState
from dbguard.engine.own_login import OwnLogin
from dbguard.identity.credentials import Credential, credential_of, login_for
from dbguard.identity.identifying import Identifying, Mechanism
from dbguard.identity.known_users import KnownUsers
from dbguard.identity.scram_proof import scram_proof
from dbguard.policy.decision import Identity
from dbguard.policy.model import Policy
from dbguard.wire.framing import Frame, FrontendSplitter
from dbguard.wire.scram import NONCE_BYTES
from dbguard.wire.startup import StartupMessage
from dbguard.wire.tags import Frontend

from .streams import Stream
from .tls import end_point_of
from .upstream import Upstream


@dataclass(frozen=True, slots=True)
class Identities:
    """Of one state of the settings."""

    logins: tuple[LoginSettings, ...]
    known: KnownUsers | None
    end_point: bytes | None = field(default=None, repr=False)
    """tls-server-end-point data of dbguard's own certificate."""
    secret: bytes = field(default=b"", repr=False)
    """What is made of it for users who do not exist lasts as long as it."""

    def identifying(self, startup: StartupMessage, client: Stream) -> Identifying:
        """The conversation with a client that claims to be somebody.

        Each kind of proof that is configured adds its mechanism here, or what TLS has proved.
        """
        mechanisms: list[Mechanism] = []
        if self.known is not None:
            mechanisms.append(
                scram_proof(
                    self.known.users,
                    startup.user,
                    secret=self.secret,
                    nonce=secrets.token_urlsafe(NONCE_BYTES),
                    end_point=self.end_point if client.uses_tls else None,
                    iterations=self.known.iterations,
                )
            )
        found = Identifying(startup, tuple(mechanisms))
        if self.known is not None:
            found.admit = self.known.admit
        return found

    async def credential(self, policy: Policy, identity: Identity) -> Credential:
        """Who stands for `identity` at the server.

        Raises:
            NobodyStandsIn, CredentialUnavailable: nobody, or not now.
        """
        return await credential_of(login_for(self.logins, policy, identity))


async def identify(exchange: Identifying, client: Stream, splitter: FrontendSplitter) -> None:
    """Carry the conversation to its end, good or bad.

    Raises:
        ProtocolViolation: the client sent something that has no place here.
    """
    splitter.accept_only(Frontend.PASSWORD, Frontend.TERMINATE)
    exchange.begin()
    try:
        while exchange.state is LoginState.ASKED:
            frame = splitter.next()
            if isinstance(frame, Frame):
                await exchange.answer(frame)
                continue
            _write(exchange, client)
            await client.drain()
            data = await client.read()
            if not data:
                exchange.state = LoginState.FAILED
            else:
                splitter.feed(data)
    finally:  # also ahead of the error that ends it
        _write(exchange, client)
    splitter.accept_only()


def _write(exchange: Identifying, client: Stream) -> None:
    if exchange.to_client:
        client.write(b"".join(exchange.to_client))
        exchange.to_client.clear()


def own_login(
    startup: StartupMessage,
    credential: Credential,
    welcome: bytes,
    upstream: Upstream,
    server: Stream,
) -> OwnLogin:
    """dbguard's login with `credential` at a server that has got `startup`."""
    certificate = server.certificate
    context = upstream.context
    return OwnLogin(
        startup,
        True,
        password=credential.password,
        nonce=secrets.token_urlsafe(NONCE_BYTES),
        end_point=None if certificate is None else end_point_of(certificate),
        verified=server.uses_tls
        and context is not None
        and context.verify_mode is ssl.CERT_REQUIRED,
        welcome=welcome,
    )
