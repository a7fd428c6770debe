"""A password, proved by SCRAM-SHA-256 against the user store, bound to the TLS connection if there
is one.

Whoever does not exist, is disabled or has no password goes through the same steps as everybody and
is told the same: a *mock verifier* stands in, with a salt of its own for each name that stays the
same for as long as dbguard's secret does, and with iterations as users in the store have them.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from dbguard.policy.decision import Identity, Proof
from dbguard.wire.scram import (
    DEFAULT_ITERATIONS,
    ScramServer,
    Verifier,
    WrongProof,
    mock_verifier,
)

from .identifying import Challenge, NotProved, Proved
from .users import User


@dataclass(slots=True)
class ScramProof:
    """The mechanism for one login."""

    exchange: ScramServer
    identity: Identity
    reason: str
    """Why a proof is wrong."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.exchange.mechanisms

    async def first(self, name: str, data: bytes) -> Challenge | Proved:
        return Challenge(self.exchange.first(name, data))

    async def next(self, data: bytes) -> Challenge | Proved:
        try:
            return Proved(self.identity, self.exchange.final(data).final)
        except WrongProof:
            raise NotProved(self.reason) from None


def scram_proof(
    users: Mapping[str, User],
    name: str,
    *,
    secret: bytes,
    nonce: str,
    end_point: bytes | None,
    iterations: tuple[int, ...] = (),
) -> ScramProof:
    """The mechanism for who claims to be `name`.

    `secret` is dbguard's own and lasts, `nonce` is random, `end_point` tls-server-end-point data.
    `iterations` are those of the users in the store.
    """
    user = users.get(name)
    if user is None:
        reason = "there is no such user"
    elif user.disabled:
        reason = "the user is disabled"
    elif user.verifier is None:
        reason = "the user has no password"
    else:
        reason = "wrong password"
    known = user is not None and not user.disabled and user.verifier is not None
    verifier = _mock(secret, name, iterations)  # in any case: it takes its time
    if user is not None and user.verifier is not None:
        verifier = user.verifier
    exchange = ScramServer(verifier, nonce, end_point, known)
    identity = Identity(name, Proof.PASSWORD)
    if user is not None:
        identity = Identity(name, Proof.PASSWORD, user.roles, user.attributes)
    return ScramProof(exchange, identity, reason)


def _mock(secret: bytes, name: str, iterations: tuple[int, ...]) -> Verifier:
    """With the iterations of one user or another, always the same one: as often as real ones."""
    count = DEFAULT_ITERATIONS
    if iterations:
        chosen = hmac.digest(
            secret, b"iterations" + name.encode("utf-8", "surrogateescape"), "sha256"
        )
        count = iterations[int.from_bytes(chosen[:8], "big") % len(iterations)]
    return mock_verifier(secret, name, count)
