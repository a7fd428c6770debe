"""Which database user stands for somebody at the server, and its password, read anew each time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from dbguard.authentication_settings import LoginSettings
from dbguard.errors import DbguardError
from dbguard.policy.decision import Identity, Principal
from dbguard.policy.model import Policy

from .secret_reading import SecretUnavailable, read_secret

_ASK: Final = "Ask whoever runs dbguard to check authentication.logins in its settings."


class NobodyStandsIn(DbguardError):
    """No database user stands for somebody."""

    sqlstate = "28000"


class CredentialUnavailable(DbguardError):
    """dbguard's own password for the server cannot be read."""

    sqlstate = "58000"


@dataclass(frozen=True, slots=True)
class Credential:
    """What logs dbguard in to a server."""

    user: str
    password: str | None = field(default=None, repr=False)


def login_for(
    logins: Iterable[LoginSettings], policy: Policy, identity: Identity, upstream: str = ""
) -> LoginSettings:
    """The first entry that fits: one of a role that the identity holds, or one for everybody, at
    that upstream or at all.

    Database users and roles do not count, since which one it will be is just being decided.

    Raises:
        NobodyStandsIn: none fits.
    """
    roles = policy.roles_of(Principal("", frozenset(), "", identity=identity)) | identity.roles
    for login in logins:
        here = login.upstream is None or login.upstream == upstream
        if here and (login.role is None or login.role in roles):
            return login
    raise NobodyStandsIn(
        "no database user stands for you",
        detail="dbguard knows who you are; none of its logins at the server is for your roles.",
        hint="Ask whoever runs dbguard for a role, or for an entry of authentication.logins.",
    )


async def credential_of(login: LoginSettings) -> Credential:
    """What `login` says now.

    Raises:
        CredentialUnavailable: it says nothing. No error shows what a file or command holds.
    """
    if login.password is None:
        return Credential(login.user)
    try:
        return Credential(login.user, await read_secret(login.password))
    except SecretUnavailable as error:
        raise _unavailable(str(error)) from None


def _unavailable(why: str) -> CredentialUnavailable:
    return CredentialUnavailable(
        "the server cannot be logged in to on your behalf",
        detail=f"Its own password is not to be had: {why}.",
        hint=_ASK,
    )
