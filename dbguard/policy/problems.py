"""What is wrong with a rules file, and where."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass

from dbguard.errors import ConfigurationError


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a rules file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where it is, what it is, what to do about it."""

    place: Place
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}; {self.remedy}"


def raise_for(problems: Collection[Problem]) -> None:
    """Raise one error that tells them all, one a line.

    Raises:
        ConfigurationError: there is at least one problem.
    """
    if problems:
        raise ConfigurationError("\n".join(str(p) for p in sorted(set(problems))))


def did_you_mean(word: str, known: Collection[str], otherwise: str) -> str:
    """A remedy for an unknown word: the nearest known one, else `otherwise`."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else otherwise
