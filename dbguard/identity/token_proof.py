"""A token as a proof: in OAUTHBEARER's message, or where a password is asked for.

Whoever reads a token on its way can use it, so it is taken where nobody can: over TLS, or from this
machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dbguard.wire.oauthbearer import (
    OAUTHBEARER,
    check_acknowledgement,
    failure,
    parse_response,
)

from .claims import TokenRefused
from .identifying import Challenge, NotProved, Proved
from .issuer import Issuer

SOMEBODY_ELSES: Final = "the token is somebody else's"


@dataclass(slots=True)
class BearerProof:
    """The mechanism OAUTHBEARER for one login of one claimed name."""

    issuer: Issuer
    user: str
    _refusal: NotProved | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (OAUTHBEARER,)

    async def first(self, name: str, data: bytes) -> Challenge | Proved:
        response = parse_response(data)
        if response.discovers:
            # what every login of libpq begins with: nobody has guessed anything
            return self._refuse(NotProved("it asks where to get a token", counts=False))
        if response.token is None:
            return self._refuse(NotProved("no bearer token"))
        try:
            return await _proved(self.issuer, self.user, response.token)
        except NotProved as error:
            return self._refuse(error)

    def _refuse(self, refusal: NotProved) -> Challenge:
        self._refusal = refusal
        return Challenge(failure(self.issuer.configuration_url, self.issuer.settings.scope))

    async def next(self, data: bytes) -> Challenge | Proved:
        check_acknowledgement(data)
        assert self._refusal is not None
        raise self._refusal


@dataclass(slots=True)
class TokenPassword:
    """A token that a client sends as its password."""

    issuer: Issuer
    user: str

    async def check(self, password: bytes) -> Proved:
        """Raises NotProved: it is no token, or proves nothing."""
        return await _proved(self.issuer, self.user, password)


async def _proved(issuer: Issuer, user: str, token: bytes) -> Proved:
    try:
        found = await issuer.verify(token)
    except TokenRefused as error:
        raise NotProved(error.reason) from None
    if found.identity.name != user:
        raise NotProved(SOMEBODY_ELSES)
    return Proved(found.identity, expires=found.expires)
