"""People and programs that dbguard knows itself: how they prove it, and who stands for them."""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass, field

import structlog

from dbguard.authentication_settings import LoginSettings
from dbguard.engine.login import LoginState
from dbguard.engine.own_login import OwnLogin
from dbguard.errors import ProtocolViolation
from dbguard.identity.certificate_map import CertificateMap
from dbguard.identity.certificates import NoNames, names_of
from dbguard.identity.credentials import Credential, credential_of, login_for
from dbguard.identity.identifying import Identifying, Mechanism
from dbguard.identity.issuer import Issuer
from dbguard.identity.known_users import KnownUsers
from dbguard.identity.scram_proof import scram_proof
from dbguard.identity.token_proof import BearerProof, TokenPassword
from dbguard.policy.decision import Identity, Proof
from dbguard.policy.model import Policy
from dbguard.routes import matches
from dbguard.wire.framing import Frame, FrontendSplitter
from dbguard.wire.scram import NONCE_BYTES
from dbguard.wire.startup import StartupMessage
from dbguard.wire.tags import Frontend

from .streams import Stream
from .tls import end_point_of
from .upstream import Upstream

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identities:
    """Of one state of the settings."""

    logins: tuple[LoginSettings, ...]
    known: KnownUsers | None
    end_point: bytes | None = field(default=None, repr=False)
    """tls-server-end-point data of dbguard's own certificate."""
    secret: bytes = field(default=b"", repr=False)
    """What is made of it for users who do not exist lasts as long as it."""
    issuer: Issuer | None = None
    """Of tokens."""
    certificates: CertificateMap | None = None

    def identifying(self, startup: StartupMessage, client: Stream) -> Identifying:
        """The conversation with a client that claims to be somebody.

        Each kind of proof that is configured adds its mechanism here, or what TLS has proved.

        Raises:
            ProtocolViolation: it could only prove it by what must not be seen on its way.
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
        found = Identifying(startup)
        found.needs_certificate = self.certificates is not None and not (self.known or self.issuer)
        if self.known is not None:
            found.admit = self.known.admit
        found.proved = self._certified(startup.user, client.certificate)
        if self.issuer is not None and found.proved is None:
            tokens = self.issuer.settings
            if client.is_protected:
                if _fits(startup.user, tokens.bearer_users):
                    mechanisms.clear()
                mechanisms.append(BearerProof(self.issuer, startup.user))
                if _fits(startup.user, tokens.password_users):
                    found.password = TokenPassword(self.issuer, startup.user)
            elif not mechanisms:
                raise ProtocolViolation(
                    "tokens are taken over TLS only", hint="Connect with sslmode=require."
                )
        found.mechanisms = tuple(mechanisms)
        return found

    def _certified(self, user: str, certificate: bytes | None) -> Identity | None:
        """Who somebody is by the certificate that TLS has accepted; None: not `user`."""
        if self.certificates is None or certificate is None:
            return None
        try:
            match = self.certificates.find(names_of(certificate), user)
        except NoNames as error:
            log.warning("a client's certificate tells nothing", reason=str(error))
            return None
        if match is None:
            return None
        if self.known is not None and user in self.known.users:
            return Identity(user, Proof.CERTIFICATE)  # the store says what comes with it
        return match.identity

    async def credential(self, policy: Policy, identity: Identity, upstream: str) -> Credential:
        """Who stands for `identity` at a server of `upstream`.

        Raises:
            NobodyStandsIn, CredentialUnavailable: nobody, or not now.
        """
        return await credential_of(login_for(self.logins, policy, identity, upstream))


def _fits(user: str, patterns: tuple[str, ...]) -> bool:
    return any(matches(pattern, user) for pattern in patterns)


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
