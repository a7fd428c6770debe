"""The certificate map: whom a certificate's names stand for.

Lines of three columns and more, as in PostgreSQL's pg_ident.conf: the kind of name, the name itself
or a regular expression between slashes that has to match all of it, and the user. `\\1` in the user
is what the expression's first group has matched. What follows are `roles=…` and attributes, which
count where the store of users does not know the user. As in pg_ident.conf, every line that fits a
certificate lets it be the user that the line names; the first of those for one user counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbguard.errors import ConfigurationError
from dbguard.policy.decision import Identity, Proof

from .certificates import CertificateNames, NameKind, comparable
from .claims import is_name
from .map_patterns import compile_pattern

MAX_BYTES: Final = 4 * 1024 * 1024
_WORD = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\s"#]+))(?=\s|$)')
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_FIRST_GROUP: Final = r"\1"


@dataclass(frozen=True, slots=True)
class MapLine:
    """One line of a map."""

    number: int
    kind: NameKind
    name: str
    """In the form in which it is compared; "" with a pattern."""
    pattern: re.Pattern[str] | None
    user: str
    roles: frozenset[str] = frozenset()
    attributes: frozenset[tuple[str, str]] = frozenset()

    def user_of(self, name: str) -> str | None:
        """Whom a name of this line's kind stands for; None when it stands for nobody."""
        if self.pattern is None:
            return self.user if name == self.name else None
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        group = found[1] if self.pattern.groups else None
        if _FIRST_GROUP not in self.user:
            return self.user
        user = self.user.replace(_FIRST_GROUP, group or "")
        return user if group and is_name(user) else None


@dataclass(frozen=True, slots=True)
class MapMatch:
    """One line that fits a certificate."""

    line: MapLine
    name: str
    """The name in the certificate."""
    user: str

    @property
    def identity(self) -> Identity:
        """Who it is when nothing else is known of the user."""
        line = self.line
        return Identity(self.user, Proof.CERTIFICATE, line.roles, line.attributes)


@dataclass(frozen=True, slots=True)
class CertificateMap:
    """All lines, in the order in which they stand."""

    lines: tuple[MapLine, ...] = ()

    def matches(self, names: CertificateNames) -> Iterator[MapMatch]:
        """The lines that fit, with the user that each leads to."""
        for line in self.lines:
            for name in names.by_kind.get(line.kind, ()):
                user = line.user_of(name)
                if user is not None:
                    yield MapMatch(line, name, user)

    def find(self, names: CertificateNames, user: str) -> MapMatch | None:
        """The line by which a certificate stands for `user`; None when none does."""
        return next((match for match in self.matches(names) if match.user == user), None)


def read_map(path: Path) -> CertificateMap:
    """The map in a file.

    Raises:
        ConfigurationError: with file and line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise ConfigurationError(
            f"{path}: certificate map cannot be read: {reason}",
            hint="Correct authentication.certificates.map, or let dbguard's user read the file.",
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{path}: certificate map is not UTF-8 text", hint="Save it as UTF-8."
        ) from None
    if len(data) > MAX_BYTES:
        raise ConfigurationError(
            f"{path}: certificate map is longer than {MAX_BYTES} bytes",
            hint="Use patterns, or the name in the certificate as the user's.",
        )
    lines = []
    for number, written in enumerate(text.split("\n"), 1):
        try:
            line = _line(number, written)
        except ValueError as error:
            raise ConfigurationError(
                f"{path}:{number}: {error}",
                hint="A line is: KIND NAME USER [roles=ROLE,…] [ATTRIBUTE=VALUE,…].",
            ) from None
        if line is not None:
            lines.append(line)
    return CertificateMap(tuple(lines))


def _line(number: int, written: str) -> MapLine | None:
    """One line; None when it says nothing. Raises ValueError with what is wrong."""
    words = _words(written)
    if not words:
        return None
    if len(words) < 3:
        raise ValueError("needs a kind, a name and a user")
    kind_text, name, user, *more = words
    try:
        kind = NameKind(kind_text)
    except ValueError:
        kinds = ", ".join(NameKind)
        raise ValueError(f"begins with no kind of name ({kinds})") from None
    pattern = None
    if len(name) > 1 and name.startswith("/") and name.endswith("/"):
        try:
            pattern = compile_pattern(name[1:-1])
        except ValueError as error:
            raise ValueError(f"the expression {error}") from None
    elif name.startswith("/"):
        raise ValueError("the expression ends without a slash")
    if not name or not name.isprintable():
        raise ValueError("the name is empty, or holds what cannot be shown")
    if _FIRST_GROUP in user and (pattern is None or not pattern.groups):
        raise ValueError(r"\1 in the user needs an expression with a group in parentheses")
    if not is_name(user.replace(_FIRST_GROUP, "x")):
        raise ValueError("the user is no name that somebody could have")
    roles, attributes = _facts(more)
    literal = "" if pattern is not None else comparable(kind, name)
    return MapLine(number, kind, literal, pattern, user, roles, attributes)


def _facts(words: list[str]) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    found: dict[str, list[str]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        values = text.split(",")
        if not equals or not _ATTRIBUTE.fullmatch(name) or not all(values):
            raise ValueError("what follows the user must be roles=… and ATTRIBUTE=VALUE")
        if name in found:
            raise ValueError(f"{name} stands there twice")
        if not text.isprintable():
            raise ValueError(f"{name} holds what cannot be shown")
        found[name] = values
    roles = frozenset(found.pop("roles", []))
    return roles, frozenset((name, value) for name, values in found.items() for value in values)


def _words(written: str) -> list[str]:
    """The words of a line, in double quotes when they hold spaces, `#` or quotes (twice each)."""
    words, at, end = [], 0, len(written)
    while at < end:
        rest = written[at:].lstrip()
        if not rest or rest.startswith("#"):
            break
        found = _WORD.match(written, at)
        if found is None:
            raise ValueError("has a quote inside a word, or # outside of quotes")
        quoted, bare = found.groups()
        words.append(bare if quoted is None else quoted.replace('""', '"'))
        at = found.end()
    return words
