"""Which database is on which upstream, by its name.

A name listed goes before a pattern that it matches; two upstreams must not be able to claim the
same name otherwise, so no order decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

NAME_BYTES = 63
"""NAMEDATALEN - 1. Servers before PostgreSQL 17 cut a longer database name in a startup packet
here, at the byte (ProcessStartupPacket); later ones know no database of that name."""


class Overlap(Exception):
    """Two upstreams claim the same name: `one` of `first`, `other` of `second`."""

    def __init__(self, first: str, one: str, second: str, other: str) -> None:
        super().__init__(first, second)
        self.first, self.one, self.second, self.other = first, one, second, other


class Routes:
    """Names and patterns (`*` is any text) by upstream.

    Raises:
        Overlap: a name is claimed twice, or two patterns can match the same one.
    """

    def __init__(self, databases: Mapping[str, Sequence[str]]) -> None:
        self._names: dict[str, str] = {}
        self._patterns: list[tuple[str, str]] = []
        for upstream, claimed in databases.items():
            for name in claimed:
                if "*" not in name:
                    known = self._names.setdefault(name, upstream)
                    if known != upstream:
                        raise Overlap(known, name, upstream, name)
                    continue
                for pattern, other in self._patterns:
                    if other != upstream and _can_be_equal(pattern, name):
                        raise Overlap(other, pattern, upstream, name)
                self._patterns.append((name, upstream))

    def upstream_of(self, database: str) -> str:
        """The upstream of a database as a client names it; "" for the default one."""
        name = as_server_reads(database)
        if name in self._names:
            return self._names[name]
        return next((up for pattern, up in self._patterns if matches(pattern, name)), "")


def as_server_reads(database: str) -> str:
    """A name as the server reads it; bytes that are not UTF-8 are surrogates."""
    cut = database.encode("utf-8", "surrogateescape")[:NAME_BYTES]
    return cut.decode("utf-8", "surrogateescape")


def matches(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern, in which `*` is any text."""
    first, *others = pattern.split("*")
    if not others:
        return pattern == name
    last = others.pop()
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    at, end = len(first), len(name) - len(last)
    for part in others:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


@lru_cache(maxsize=4096)
def _can_be_equal(one: str, other: str) -> bool:
    """Whether some name matches both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _can_be_equal(one[1:], other) or _can_be_equal(one, other[1:])
    if other[0] == "*":
        return _can_be_equal(one, other[1:]) or _can_be_equal(one[1:], other)
    return one[0] == other[0] and _can_be_equal(one[1:], other[1:])
