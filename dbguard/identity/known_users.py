"""The user store as a running proxy knows it: read again when its file changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from dbguard.errors import ConfigurationError
from dbguard.policy.decision import Identity

from .identifying import NotProved
from .store import load_users, signature_of
from .users import User

SHOWN: Final = 50
"""Names in one record."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of a change of the file. Names only."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Others whose password, roles or attributes are not what they were, or who are enabled."""
    error: ConfigurationError | None = None
    """Why the users are still those from before."""

    @property
    def fields(self) -> dict[str, str]:
        """In words, for a record; {} when nothing that matters has changed."""
        found = {
            "added": _listed(self.added),
            "removed": _listed(self.removed),
            "disabled": _listed(self.disabled),
            "changed": _listed(self.changed),
        }
        return {name: text for name, text in found.items() if text}


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _compared(before: Mapping[str, User], now: Mapping[str, User]) -> Refreshed:
    added, disabled, changed = [], [], []
    for name in sorted(now):
        old, new = before.get(name), replace(now[name], one_time=None)
        if old is None:
            added.append(name)
        elif new.disabled and not old.disabled:
            disabled.append(name)
        elif new != replace(old, one_time=None):
            changed.append(name)
    removed = sorted(before.keys() - now.keys())
    return Refreshed(tuple(added), tuple(removed), tuple(disabled), tuple(changed))


class KnownUsers:
    """Raises ConfigurationError when the file cannot be used to begin with; later it is kept as it
    was then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = signature_of(path)
        self._users: Mapping[str, User] = {}
        self._iterations: tuple[int, ...] = ()
        self._take(load_users(path))

    def _take(self, users: Mapping[str, User]) -> None:
        self._users = users
        verifiers = (users[name].verifier for name in sorted(users))
        self._iterations = tuple(v.iterations for v in verifiers if v is not None)

    @property
    def users(self) -> Mapping[str, User]:
        return self._users

    @property
    def iterations(self) -> tuple[int, ...]:
        """Of all passwords, so that those who do not exist look like one of them."""
        return self._iterations

    def refresh(self) -> Refreshed | None:
        """Read the file again if it has changed; None when it has not."""
        found = signature_of(self.path)
        if found == self._seen:
            return None
        self._seen = found
        before = self._users
        try:
            self._take(load_users(self.path))
        except ConfigurationError as error:
            return Refreshed(error=error)
        return _compared(before, self._users)

    def admit(self, identity: Identity) -> Identity:
        """What was proved, with what the store says of that user, however it was proved.

        Raises:
            NotProved: the user is disabled.
        """
        user = self._users.get(identity.name)
        if user is None:
            return identity
        if user.disabled:
            raise NotProved("the user is disabled")
        return Identity(
            identity.name,
            identity.proof,
            identity.roles | user.roles,
            identity.attributes | user.attributes,
        )

    def against(self, name: str, before: User | None) -> str:
        """Why a session of `name` has to end, of whom the store said `before` when it began; "" if
        it need not."""
        now = self._users.get(name)
        if now is None:
            return "the user was removed" if before is not None else ""
        if now.disabled:
            return "the user was disabled"
        if before is not None and (before.roles, before.attributes) != (now.roles, now.attributes):
            return "roles or attributes of the user have changed"
        return ""
