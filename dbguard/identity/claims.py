"""What a verified token says of somebody: claims to a name, roles and attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dbguard.policy.decision import Identity, Proof

MAX_VALUES: Final = 1000
"""Groups that one token may name; issuers themselves stop at some hundred."""
MAX_LENGTH: Final = 256
"""Characters of one value."""
NAME_BYTES: Final = 255
"""Of a name: longer ones make a startup packet unreadable, and no issuer gives them."""
MAX_ATTRIBUTES: Final = 64
"""Values of attributes: they stand in every record, and plans are remembered by them."""

ClaimPath = tuple[str, ...]
"""Names of claims, each within the one before."""


class TokenRefused(Exception):
    """A token proves nothing. `reason` is for the audit trail: it quotes neither token nor claim,
    only what the settings say."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ClaimMapping:
    """Which claims mean what."""

    identity: ClaimPath = ("sub",)
    roles: ClaimPath | None = None
    role_map: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Groups and the roles of the policy that they stand for."""
    attributes: tuple[tuple[str, ClaimPath], ...] = ()

    def identify(self, claims: Mapping[str, object]) -> Identity:
        """Who the claims of a verified token are about.

        Raises:
            TokenRefused: they don't say it, or not in a form that can be used.
        """
        return Identity(self._name(claims), Proof.TOKEN, self._roles(claims), self._facts(claims))

    def _name(self, claims: Mapping[str, object]) -> str:
        name = claim_at(claims, self.identity)
        where = ".".join(self.identity)
        if not isinstance(name, str) or not is_name(name):
            raise TokenRefused(f"no usable name in claim {where}")
        if self.identity[-1] == "email":
            verified = claim_at(claims, (*self.identity[:-1], "email_verified"))
            if verified is not True and verified != "true":
                raise TokenRefused("the issuer has not verified the e-mail address")
        return name

    def _roles(self, claims: Mapping[str, object]) -> frozenset[str]:
        if self.roles is None:
            return frozenset()
        groups = set(values_at(claims, self.roles))
        held = (roles for group, roles in self.role_map if group in groups)
        return frozenset(role for roles in held for role in roles)

    def _facts(self, claims: Mapping[str, object]) -> frozenset[tuple[str, str]]:
        facts = []
        for name, path in self.attributes:
            values = values_at(claims, path)
            facts += [(name, value) for value in values if value]
        if len(facts) > MAX_ATTRIBUTES:
            raise TokenRefused("too many values of attributes")
        return frozenset(facts)


def claim_at(claims: Mapping[str, object], path: ClaimPath) -> object:
    """The value of a claim; None when there is none."""
    value: object = claims
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def values_at(claims: Mapping[str, object], path: ClaimPath) -> tuple[str, ...]:
    """The texts that a claim holds, one or a list of them; none when there is no such claim.

    Raises:
        TokenRefused: it holds something else, or too much, or says that its value is elsewhere: who
            would lose a group that way could lose a restriction with it.
    """
    where = ".".join(path)
    elsewhere = claims.get("_claim_names")  # OpenID Connect Core, section 5.6.2
    if (isinstance(elsewhere, Mapping) and path[0] in elsewhere) or (
        path == ("groups",) and claims.get("hasgroups")  # Microsoft's short form of the same
    ):
        raise TokenRefused(f"claim {where} is not in the token itself")
    value = claim_at(claims, path)
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_VALUES:
        raise TokenRefused(f"too many values in claim {where}")
    return tuple(_text(one, where) for one in values)


def _text(value: object, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value) if isinstance(value, int) else value
    if not isinstance(text, str) or len(text) > MAX_LENGTH or not text.isprintable():
        raise TokenRefused(f"no usable value in claim {where}")
    return text


def is_name(name: str) -> bool:
    """Whether a name can be one of a user: printable, in bounds, nothing that cannot be seen at
    its ends."""
    return (
        name == name.strip() and name.isprintable() and 0 < len(name.encode("utf-8")) <= NAME_BYTES
    )
