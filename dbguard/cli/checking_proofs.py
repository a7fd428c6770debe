"""What `dbguard check` looks at of the settings by which people prove who they are."""

from __future__ import annotations

from collections.abc import Iterator

from dbguard.identity.certificate_map import read_map
from dbguard.identity.issuer import issuer_of
from dbguard.identity.store import load_users
from dbguard.policy.coverage import Finding
from dbguard.policy.model import Policy
from dbguard.settings import Settings


def check_proofs(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Where the settings name roles of the policy, and the roles.

    Raises:
        ConfigurationError: a file that they name cannot be used.
    """
    return tuple(_named(settings))


def _named(settings: Settings) -> Iterator[tuple[str, str]]:
    authentication = settings.authentication
    for number, login in enumerate(authentication.logins):
        if login.role is not None:
            yield f"authentication.logins.{number}.role", login.role
    if authentication.users is not None:
        for name, user in sorted(load_users(authentication.users).items()):
            yield from ((f"{authentication.users}: {name}", role) for role in sorted(user.roles))
    if authentication.tokens is not None:
        issuer_of(authentication.tokens)
        roles = authentication.tokens.roles
        for held in () if roles is None else roles.map.values():
            yield from (("authentication.tokens.roles.map", role) for role in held)
    certificates = authentication.certificates
    if certificates is not None and certificates.map is not None:
        for line in read_map(certificates.map).lines:
            for role in sorted(line.roles):
                yield f"{certificates.map}:{line.number}", role


def unknown_roles(named: tuple[tuple[str, str], ...], policy: Policy) -> tuple[Finding, ...]:
    """Those that no rules file defines: nothing comes of them."""
    known = {role.name for role in policy.roles}
    return tuple(
        Finding(where, f"no rules file defines the role {role}", "correct the name, or define it")
        for where, role in dict.fromkeys(named)
        if role not in known
    )
