"""Where a statement says it comes from: comments in the form of sqlcommenter.

`/*action='show',route='%2Fpatients',traceparent='00-…-…-01'*/`, as the specification at
google.github.io/sqlcommenter/spec has it: keys and values are URL-encoded, values stand in quotes,
in which a quote is `\\'`. Anybody can write such a comment, so it is a hint and decides nothing;
and because a comment can hold anything, only what cannot be a value of somebody's data is taken
over.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .referee import Token

KEYS = frozenset({"action", "application", "controller", "db_driver", "framework", "route"})
"""sqlcommenter's own, and nothing else: a `patient` would be one too many."""
MAX_VALUE = 64
"""Characters of a value; a name of a route is shorter."""
MAX_COMMENT = 2_000
"""Bytes, its ends included; longer ones are for people."""
_VALUE = frozenset(string.ascii_letters + "_./:-{}<>")
_HEX = frozenset("0123456789abcdef")
_TRACE_PARTS = (2, 32, 16, 2)


@dataclass(frozen=True, slots=True)
class Attribution:
    """What one statement says of itself."""

    traceparent: str = ""
    """W3C Trace Context, version 00, or empty."""
    tags: tuple[tuple[str, str], ...] = ()
    """Sorted by key."""


NONE = Attribution()


def attributions(
    raw: bytes, tokens: Sequence[Token], ends: Sequence[int]
) -> tuple[Attribution, ...]:
    """What each statement of a text says; `ends` are the byte offsets behind them.

    A comment belongs to the statement in front of its semicolon; what stands behind the last
    semicolon belongs to the last statement.
    """
    found = [NONE] * len(ends)
    if not ends or not any(token.kind == "C_COMMENT" for token in tokens):
        return tuple(found)
    at = 0
    for token in tokens:
        if token.kind == "ASCII_59" and token.start >= ends[at]:
            at = min(at + 1, len(ends) - 1)
        elif token.kind == "C_COMMENT" and token.end - token.start <= MAX_COMMENT:
            said = read_comment(raw[token.start + 2 : token.end - 2])
            found[at] = said or found[at]
    return tuple(found)


def read_comment(comment: bytes) -> Attribution | None:
    """What a comment without its ends says; None when it is another kind of comment."""
    try:
        pairs = dict(_pairs(comment.decode("ascii").strip()))
    except ValueError:
        return None
    if not pairs:
        return None
    trace = pairs.get("traceparent", "")
    return Attribution(
        traceparent=trace if _is_trace(trace) else "",
        tags=tuple(
            (key, value) for key, value in sorted(pairs.items()) if key in KEYS and _is_tag(value)
        ),
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Raises ValueError where the text is not `key='value',…`."""
    position = 0
    while position < len(text):
        equals = text.index("=", position)
        key = text[position:equals].strip()
        if text[equals + 1 : equals + 2] != "'":
            raise ValueError("no quote")
        end = _closing(text, equals + 2)
        value = text[equals + 2 : end].replace("\\'", "'")
        yield _decoded(key), _decoded(value)
        rest = text[end + 1 :].lstrip()
        if rest and not rest.startswith(","):
            raise ValueError("no comma")
        position = len(text) - len(rest) + 1 if rest else len(text)


def _closing(text: str, start: int) -> int:
    """Position of the quote that ends a value."""
    end = text.index("'", start)
    while text[end - 1] == "\\" and end > start:
        end = text.index("'", end + 1)
    return end


def _decoded(text: str) -> str:
    """URL-decoded. Raises ValueError where that does not give UTF-8."""
    first, *rest = text.split("%")
    raw = [first.encode("ascii")]
    for part in rest:
        raw += [bytes.fromhex(part[:2]), part[2:].encode("ascii")]
    return b"".join(raw).decode("utf-8")


def _is_trace(value: str) -> bool:
    parts = value.split("-")
    return (
        tuple(map(len, parts)) == _TRACE_PARTS
        and parts[0] == "00"
        and all(_HEX.issuperset(part) for part in parts)
        and any(c != "0" for c in parts[1])
        and any(c != "0" for c in parts[2])
    )


def _is_tag(value: str) -> bool:
    return 0 < len(value) <= MAX_VALUE and _VALUE.issuperset(value)
