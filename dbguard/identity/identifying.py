"""The conversation in which a client proves to dbguard who it is.

Nothing has been said to a server yet. The client has claimed a name in its StartupMessage; whatever
it proves has to be that name, and a proof that fails is told in the same words whatever was wrong.

**How another kind of proof plugs in.** A SASL mechanism is a `Mechanism`: it names what it is
called in the list that the client chooses from, and answers the client's messages one by one with
a `Challenge`, with `Proved`, or by raising `NotProved` with the reason for the audit trail. One
that asks for a password in clear text (a token, over TLS) is a `PasswordCheck`. Both may wait for
something (keys of an issuer, say). What TLS itself has proved (a client certificate) is there
before the first message: `Identifying.proved`. All are made for one login in
`Identities.identifying` (`proxy/identities.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from dbguard.engine.login import LoginState, fatal, not_carried
from dbguard.errors import FeatureNotSupported, ProtocolViolation
from dbguard.policy.decision import Identity, Proof
from dbguard.wire import backend
from dbguard.wire.authentication import split_sasl_initial_response
from dbguard.wire.framing import Frame
from dbguard.wire.startup import StartupMessage
from dbguard.wire.tags import Frontend

WRONG_PASSWORD = "28P01"  # noqa: S105
"""ERRCODE_INVALID_PASSWORD."""
WRONG_CERTIFICATE = "28000"
"""ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION."""


class NotProved(Exception):
    """A proof failed. The client learns nothing but that."""

    def __init__(self, reason: str, *, counts: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        """Why, for the audit trail. Holds nothing that the client sent."""
        self.counts = counts
        """Whether it is a failed login of which too many in a row are no longer taken."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The client owes one more message."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proved:
    """The client is who it says."""

    identity: Identity
    final: bytes | None = field(default=None, repr=False)
    """What the mechanism tells the client at its end; None: it has nothing to tell."""
    expires: float | None = None
    """Seconds since 1970 when the proof is over; None: it is not."""


class Mechanism(Protocol):
    """One SASL mechanism, for one login of one claimed name."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called in the list, the strongest variant first."""

    async def first(self, name: str, data: bytes) -> Challenge | Proved:
        """Answer the initial response of a client that has chosen `name`.

        Raises:
            NotProved: the proof is wrong.
            ProtocolViolation, FeatureNotSupported: what came is no message of the mechanism's.
        """

    async def next(self, data: bytes) -> Challenge | Proved:
        """Answer what the client says to a challenge. Raises as `first`."""


class PasswordCheck(Protocol):
    """What a client tells in clear text, over TLS."""

    async def check(self, password: bytes) -> Proved:
        """Who it proves the client to be.

        Raises:
            NotProved: nobody.
        """


def _as_proved(identity: Identity) -> Identity:
    return identity


@dataclass(slots=True)
class Identifying:
    """One such conversation."""

    startup: StartupMessage
    mechanisms: tuple[Mechanism, ...] = ()
    """In the order in which they are offered."""
    password: PasswordCheck | None = None
    """Asked for in place of the mechanisms."""
    proved: Identity | None = None
    """By TLS, before anything is asked: then nothing is."""
    needs_certificate: bool = False
    """Nothing else could prove who it is."""
    admit: Callable[[Identity], Identity] = _as_proved
    """Completes what was proved by what else is known of it; raises NotProved for who may not come
    in, whatever it proved."""
    state: LoginState = LoginState.WAITING
    to_client: list[bytes] = field(default_factory=list)
    identity: Identity | None = None
    """ACCEPTED: who it is."""
    welcome: bytes = field(default=b"", repr=False)
    """ACCEPTED: what the client gets once a server has let it in, too."""
    sqlstate: str = ""
    reason: str = ""
    """FAILED: why, for the audit trail only."""
    counts: bool = True
    """FAILED: whether it was a try to get in."""
    expires: float | None = None
    """ACCEPTED: seconds since 1970 when what proves it is over."""
    _chosen: Mechanism | None = None

    def begin(self) -> None:
        """Ask for a proof, where there is none yet."""
        if (told := not_carried(self.startup)) is not None:
            self.to_client.append(told)
        if self.proved is not None:
            try:
                self._accept(Proved(self.proved))
            except NotProved as error:
                self._refuse(error.reason, self.proved.proof)
        elif self.password is not None:
            self.state = LoginState.ASKED
            self.to_client.append(backend.AuthenticationCleartextPassword().encode())
        elif self.mechanisms:
            self.state = LoginState.ASKED
            names = tuple(name for mechanism in self.mechanisms for name in mechanism.names)
            self.to_client.append(backend.AuthenticationSASL(names).encode())
        elif self.needs_certificate:
            self._refuse("no certificate that stands for this user", Proof.CERTIFICATE)
        else:
            self._refuse("nothing can prove who it is here")

    async def answer(self, frame: Frame) -> None:
        """Take the client's next message.

        Raises:
            ProtocolViolation: it has no place here.
        """
        if frame.tag == Frontend.TERMINATE:
            self.state = LoginState.FAILED
            return
        if frame.tag != Frontend.PASSWORD or self.state is not LoginState.ASKED:
            raise ProtocolViolation("unexpected message during authentication")
        try:
            reply = await self._reply(frame.payload)
            if isinstance(reply, Challenge):
                message = backend.AuthenticationSASLContinue(reply.data)
                self.to_client.append(message.encode())
            else:
                self._accept(reply)
        except NotProved as error:
            self.counts = error.counts
            self._refuse(error.reason)
        except (ProtocolViolation, FeatureNotSupported) as error:
            self._fail(error.sqlstate, error.message, error.detail, error.hint)

    async def _reply(self, payload: bytes) -> Challenge | Proved:
        if self.password is not None:
            return await self.password.check(_text_of(payload))
        if self._chosen is not None:
            return await self._chosen.next(payload)
        name, data = split_sasl_initial_response(payload)
        for mechanism in self.mechanisms:
            if name in mechanism.names:
                self._chosen = mechanism
                return await mechanism.first(name, data)
        raise ProtocolViolation("client selected an invalid SASL authentication mechanism")

    def _accept(self, proved: Proved) -> None:
        if proved.identity.name != self.startup.user:
            raise NotProved("it proved to be somebody else")
        self.identity, self.expires = self.admit(proved.identity), proved.expires
        final = (
            b"" if proved.final is None else backend.AuthenticationSASLFinal(proved.final).encode()
        )
        self.welcome = final + backend.AuthenticationOk().encode()
        self.state = LoginState.ACCEPTED

    def _refuse(self, reason: str, proof: Proof = Proof.PASSWORD) -> None:
        """In the same words for everybody: nobody learns who exists, or how near a guess was."""
        self.reason = reason
        user = self.startup.user
        if proof is Proof.CERTIFICATE:
            self._fail(WRONG_CERTIFICATE, f'certificate authentication failed for user "{user}"')
        else:
            self._fail(WRONG_PASSWORD, f'password authentication failed for user "{user}"')

    def _fail(self, sqlstate: str, message: str, detail: str = "", hint: str = "") -> None:
        self.sqlstate, self.state = sqlstate, LoginState.FAILED
        self.to_client.append(fatal(sqlstate, message, detail, hint))


def _text_of(payload: bytes) -> bytes:
    """A PasswordMessage's password.

    Raises:
        ProtocolViolation: it does not end where its text ends.
        NotProved: it is empty, which is no password to PostgreSQL either.
    """
    if not payload or payload.find(b"\0") != len(payload) - 1:
        raise ProtocolViolation("invalid password packet size")
    if payload == b"\0":
        raise NotProved("an empty password")
    return payload[:-1]
