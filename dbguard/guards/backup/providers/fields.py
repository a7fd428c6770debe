"""Strict reading of what tools say: every value has a type and bounds, or is not used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from dbguard.identity.strict_json import NotJson, parse_value

MOST_BACKUPS: Final = 10_000
"""Entries of one inventory. Ten years of hourly backups would be nine times as many; nobody keeps
those, and every entry is looked at while a client waits."""
_MOST_TEXT: Final = 200
_LATEST: Final = 2**36
"""Seconds since 1970, in the year 4147: no tool's clock is that wrong by accident."""
NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Stands for a time that could not be read, in entries that do not count."""


class NoInventory(Exception):
    """A provider cannot be used. `reason` is one line, of our words only."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Misread(Exception):
    """A value is not what it has to be. `reason` names it, and shows nothing of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(data: bytes) -> object:
    """JSON that can be read in one way only. Raises NoInventory."""
    try:
        return parse_value(data)
    except NotJson:
        raise NoInventory("what it says is no valid JSON") from None


class Fields:
    """The members of one object. Raises Misread for all that is not as expected."""

    __slots__ = ("_values", "_what")

    def __init__(self, value: object, what: str = "an entry") -> None:
        if not isinstance(value, Mapping):
            raise Misread(f"{what} is no object")
        self._values = value
        self._what = what

    def has(self, name: str) -> bool:
        """Whether it is there and not null."""
        return self._values.get(name) is not None

    def only(self, known: frozenset[str]) -> None:
        """Refuse names that are not known: one of them may be a misspelt restriction."""
        if not known.issuperset(self._values):
            raise Misread(f"{self._what} has a member that is not known")

    def raw(self, name: str) -> object:
        if not self.has(name):
            raise Misread(f'"{name}" is missing')
        return self._values[name]

    def text(self, name: str, most: int = _MOST_TEXT) -> str:
        """A line of printable characters."""
        value = self.raw(name)
        if not isinstance(value, str) or not value or len(value) > most or not value.isprintable():
            raise Misread(f'"{name}" is not a line of text')
        return value

    def texts(self, name: str) -> frozenset[str]:
        """Lines of text; none where there is no such member."""
        value = self.raw(name) if self.has(name) else ()
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise Misread(f'"{name}" is not a list')
        if len(value) > MOST_BACKUPS or not all(
            isinstance(v, str) and 0 < len(v) <= _MOST_TEXT and v.isprintable() for v in value
        ):
            raise Misread(f'"{name}" is not a list of names')
        return frozenset(value)

    def number(self, name: str, most: int = 2**63 - 1) -> int:
        """A whole number that is not negative."""
        value = self.raw(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise Misread(f'"{name}" is not a possible number')
        return value

    def epoch(self, name: str) -> datetime:
        """Seconds since 1970, as a number or, as Barman writes them, as digits."""
        value = self.raw(name)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LATEST:
            raise Misread(f'"{name}" is not a time')
        return datetime.fromtimestamp(value, UTC)

    def moment(self, name: str) -> datetime:
        """A time with its zone."""
        value = self.raw(name)
        if isinstance(value, str) and len(value) < 50:
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise Misread(f'"{name}" is not a time') from None
        if not isinstance(value, datetime):
            raise Misread(f'"{name}" is not a time')
        if value.tzinfo is None or value.utcoffset() is None:
            raise Misread(f'"{name}" has no time zone')
        try:
            return value.astimezone(UTC)
        except (OverflowError, ValueError):  # PostgreSQL's infinity, as drivers give it
            raise Misread(f'"{name}" is not a time') from None

    def section(self, name: str) -> Fields:
        return Fields(self.raw(name), f'"{name}"')

    def sections(self, name: str) -> list[Fields]:
        """The objects of a list."""
        return entries(self.raw(name), f'"{name}"')


def entries(value: object, what: str) -> list[Fields]:
    """The objects of a list of bounded length."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise Misread(f"{what} is not a list")
    if len(value) > MOST_BACKUPS:
        raise Misread(f"{what} has more than {MOST_BACKUPS} entries")
    return [Fields(one, f"an entry of {what}") for one in value]
