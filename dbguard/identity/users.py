"""What the user store says, as text: JSON of one version, checked as a whole.

It holds SCRAM-SHA-256 verifiers, never a password. A user without a verifier proves otherwise who
it is (a certificate, a token); what the store says of it holds all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from dbguard.errors import ConfigurationError
from dbguard.wire.scram import Verifier, parse_verifier

from .one_time import OneTime, parse_secret

FORMAT: Final = 1
MAX_NAME_BYTES: Final = 255
"""Addresses of e-mail have 254 at most (RFC 5321, errata 1690)."""
MAX_VALUE_CHARACTERS: Final = 500
_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
"""As roles and attributes are named in rules."""
_MEMBERS: Final = frozenset({"verifier", "roles", "attributes", "disabled", "one_time"})


@dataclass(frozen=True, slots=True)
class User:
    """A person or program that dbguard knows."""

    name: str
    verifier: Verifier | None = field(default=None, repr=False)
    """None: no password lets it in."""
    roles: frozenset[str] = frozenset()
    """Roles of the policy."""
    attributes: frozenset[tuple[str, str]] = frozenset()
    disabled: bool = False
    one_time: OneTime | None = field(default=None, repr=False)
    """Its second factor for logins by HTTP."""


def fault_of_name(name: str) -> str:
    """What is wrong with the name of a user; "" when nothing is."""
    if not name or name != name.strip():
        return "is empty, or begins or ends with a space"
    if not name.isprintable():
        return "holds a character that cannot be printed"
    if len(name.encode("utf-8")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    return ""


def fault_of_key(name: str) -> str:
    """What is wrong with the name of a role or attribute; "" when nothing is."""
    if _KEY.fullmatch(name):
        return ""
    return "must be letters, digits and _ . @ - only"


def fault_of_value(value: str) -> str:
    """What is wrong with a value of an attribute; "" when nothing is."""
    if value and value.isprintable() and len(value) <= MAX_VALUE_CHARACTERS:
        return ""
    return f"must be printable text of 1 to {MAX_VALUE_CHARACTERS} characters"


def parse_users(data: bytes, file: str) -> dict[str, User]:
    """The users by name.

    Raises:
        ConfigurationError: with every mistake, one a line, each with its place. Quotes no value.
    """
    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}: is not UTF-8 text", hint=_RESTORE) from None
    except json.JSONDecodeError as error:
        where = f"{file}:{error.lineno}:{error.colno}"
        raise ConfigurationError(f"{where}: is not valid JSON", hint=_RESTORE) from None
    except _Twice as error:
        raise ConfigurationError(
            f"{file}: {json.dumps(error.key)} is given twice", hint=_RESTORE
        ) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or no end of brackets
        raise ConfigurationError(f"{file}: is not what it should be", hint=_RESTORE) from None
    reading = _Reading(file)
    users = reading.users(content)
    if reading.problems:
        raise ConfigurationError("\n".join(reading.problems), hint=_RESTORE)
    return users


_RESTORE: Final = "Correct it by hand or take it from a backup; `dbguard user` keeps it in order."


class _Twice(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


@dataclass(slots=True)
class _Reading:
    file: str
    problems: list[str] = field(default_factory=list)

    def _problem(self, place: str, what: str) -> None:
        self.problems.append(f"{self.file}: {place}: {what}" if place else f"{self.file}: {what}")

    def users(self, content: object) -> dict[str, User]:
        if not isinstance(content, dict) or not isinstance(content.get("users"), dict):
            self._problem("", f'must be an object with "version": {FORMAT} and "users"')
            return {}
        if content.get("version") != FORMAT or content.get("version") is True:
            self._problem("version", f"must be {FORMAT}; another dbguard wrote this file")
            return {}
        for key in sorted(content.keys() - {"version", "users"}):
            self._problem(json.dumps(key), "is unknown")
        return {name: self._user(name, found) for name, found in content["users"].items()}

    def _user(self, name: str, found: object) -> User:
        place = f"users.{json.dumps(name, ensure_ascii=not name.isprintable())}"
        if fault := fault_of_name(name):
            self._problem(place, f"the name {fault}")
        if not isinstance(found, dict):
            self._problem(place, "must be an object")
            return User(name)
        for key in sorted(found.keys() - _MEMBERS):
            self._problem(f"{place}.{json.dumps(key)}", "is unknown")
        verifier = None
        if (text := found.get("verifier")) is not None:
            verifier = parse_verifier(text) if isinstance(text, str) else None
            if verifier is None:
                self._problem(f"{place}.verifier", "is no SCRAM-SHA-256 verifier")
        disabled = found.get("disabled", False)
        if not isinstance(disabled, bool):
            self._problem(f"{place}.disabled", "must be true or false")
        return User(
            name,
            verifier,
            frozenset(self._words(f"{place}.roles", found.get("roles", []), fault_of_key)),
            frozenset(self._attributes(f"{place}.attributes", found.get("attributes", {}))),
            disabled is not False,
            self._one_time(f"{place}.one_time", found.get("one_time")),
        )

    def _words(self, place: str, found: object, fault_of: Callable[[str], str]) -> Iterable[str]:
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            self._problem(place, "must be a list of texts")
            return ()
        for number, word in enumerate(found):
            if fault := fault_of(word):
                self._problem(f"{place}[{number}]", fault)
        return found

    def _attributes(self, place: str, found: object) -> Iterable[tuple[str, str]]:
        if not isinstance(found, dict):
            self._problem(place, "must be an object")
            return
        for name, values in found.items():
            if fault := fault_of_key(name):
                self._problem(f"{place}.{json.dumps(name)}", f"the name {fault}")
            for value in self._words(f"{place}.{name}", values, fault_of_value):
                yield name, value

    def _one_time(self, place: str, found: object) -> OneTime | None:
        if found is None:
            return None
        secret = found.get("secret") if isinstance(found, dict) else None
        used = found.get("used", -1) if isinstance(found, dict) else -1
        key = parse_secret(secret) if isinstance(secret, str) else None
        if key is None or not isinstance(used, int) or isinstance(used, bool):
            self._problem(place, 'must be an object with "secret" (base 32) and "used" (a number)')
            return None
        return OneTime(key, used)


def encode_users(users: Mapping[str, User]) -> bytes:
    """The file's content, users in the order of their names."""
    content = {"version": FORMAT, "users": {name: _entry(users[name]) for name in sorted(users)}}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def _entry(user: User) -> dict[str, object]:
    entry: dict[str, object] = {"roles": sorted(user.roles)}
    names = sorted({name for name, _ in user.attributes})
    entry["attributes"] = {
        name: sorted(value for key, value in user.attributes if key == name) for name in names
    }
    entry["disabled"] = user.disabled
    entry["verifier"] = None if user.verifier is None else user.verifier.encode()
    if user.one_time is not None:
        entry["one_time"] = {"secret": user.one_time.encode(), "used": user.one_time.used}
    return entry
