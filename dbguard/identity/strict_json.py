"""JSON that can be read in one way only.

A name that stands twice in an object, `NaN`, numbers without bounds: readers differ in what they
make of these, and what one part of a system has checked another would read otherwise (RFC 7515,
section 4; RFC 7519, section 4).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Final

MAX_DEPTH: Final = 64
"""Claims nest three or four deep. Python's reader stops where its recursion limit is, and the stack
may end before: other parts of the process raise that limit."""
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+\\?"?', re.DOTALL)
"""Whole, or up to the end: one that fails would be tried again from each quote in it."""
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


class NotJson(ValueError):
    """It is no JSON object, or one that could be read in several ways. Quotes nothing of it."""


def parse_object(data: bytes) -> Mapping[str, object]:
    """The object that `data` is the text of.

    Raises:
        NotJson: it is none.
    """
    value = parse_value(data)
    if not isinstance(value, dict):
        raise NotJson("no JSON object")
    return value


def parse_value(data: bytes) -> object:
    """What `data` is the text of.

    Raises:
        NotJson: it is no JSON.
    """
    _check_depth(data)
    try:
        value: object = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError):
        raise NotJson("no JSON object, or one with a name twice") from None
    return value


def _check_depth(data: bytes) -> None:
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise NotJson("nested too deeply")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJson("a name twice")
    return found


def _no_constant(_: str) -> object:
    raise NotJson("a number that JSON does not have")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJson("a number out of bounds")
    return value
