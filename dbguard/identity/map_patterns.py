"""Regular expressions that cannot be made to take long.

Certificates name what their owners asked for, and Python's matcher tries every way to match: an
expression like `(a+)+` needs longer than anybody waits for thirty letters. What could do that is
refused when the map is read; what is left takes under a second for the longest name.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 256
MAX_REPEATS: Final = 3
"""Parts that may match a varying number of characters: the effort grows with the power of it."""

_COUNT = re.compile(r"\{([0-9]{0,5})(,?)([0-9]{0,5})\}")


@dataclass(slots=True)
class _Group:
    varies: bool = False
    """Something in it can match in several ways."""


def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile an expression that has to match a whole name.

    Raises:
        ValueError: it is none, or one that could take long; the reason reads on from its name.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"has more than {MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what will mean something else one day
            compiled = re.compile(text)
    except (re.error, Warning, OverflowError, RecursionError):
        raise ValueError("is not a regular expression") from None
    _check(text)
    return compiled


def _check(text: str) -> None:
    groups, closed, at, repeats = [_Group()], _Group(), 0, 0
    while at < len(text):
        char = text[at]
        if char == "(":
            if text[at + 1 : at + 2] == "?" and text[at + 1 : at + 3] != "?:":
                raise ValueError("has a group that begins with (?, of which only (?: may be used")
            groups.append(_Group())
            at += 3 if text[at + 1 : at + 2] == "?" else 1
            continue
        if char == ")":
            closed = groups.pop()
            groups[-1].varies |= closed.varies
            at += 1
        elif char == "|":
            groups[-1].varies = True
            at += 1
            continue
        elif char == "[":
            closed, at = _Group(), _end_of_set(text, at)
        elif char == "\\":
            if text[at + 1].isdigit():
                raise ValueError("refers to what another part of it has matched")
            closed, at = _Group(), at + 2
        else:
            closed, at = _Group(), at + 1
        most, least, at = _repeat(text, at)
        if most == least == 1:
            continue
        if closed.varies and most > 1:
            raise ValueError("repeats a group that can match in several ways")
        if most != least:
            groups[-1].varies = True
            repeats += most > 1
    if repeats > MAX_REPEATS:
        raise ValueError(f"has more than {MAX_REPEATS} parts of varying length")


def _end_of_set(text: str, at: int) -> int:
    """Where it goes on behind `[…]`."""
    at += 1
    if text[at] == "^":
        at += 1
    first = True
    while first or text[at] != "]":
        at += 2 if text[at] == "\\" else 1
        first = False
    return at + 1


def _repeat(text: str, at: int) -> tuple[int, int, int]:
    """How often at most and at least the part in front may stand, and where it goes on."""
    unbounded = MAX_LENGTH * 1000
    char = text[at : at + 1]
    if char in ("*", "+", "?") and char:
        most, least, at = 1 if char == "?" else unbounded, 1 if char == "+" else 0, at + 1
    elif found := _COUNT.match(text, at):
        low, comma, high = found.groups()
        if not low and not comma:
            return 1, 1, at
        least = int(low or 0)
        most = int(high) if high else (unbounded if comma else least)
        at = found.end()
    else:
        return 1, 1, at
    if text[at : at + 1] in ("?", "+"):  # lazy, possessive
        at += 1
    return most, least, at
