"""What is refused before any parser sees it: text that two readers could read differently, or
that a parser could not survive.

PostgreSQL's scanner takes every byte above 0x7F for a letter, so a no-break space is part of a
name to the server and white space to a human and to sqlglot. Such characters are refused outside
literals, comments and quoted identifiers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from dbguard.errors import LimitExceeded, NotUnderstood

from . import referee
from .constants import count_constants
from .limits import Limits
from .referee import Token

_SPACE = frozenset(b" \t\n\r\f\v")
"""What PostgreSQL's scanner skips between tokens (scan.l, `space`)."""

_CLOSED_BY = {"ASCII_41": "ASCII_40", "ASCII_93": "ASCII_91", "END_P": "CASE"}
_TOO_DEEP = {
    "max_nesting": "the statement is nested more than {} levels deep",
    "max_brackets": "the statement nests more than {} square brackets",
    "max_chain": "one expression has more than {} operators",
}
_MAX_OPENINGS = 32
"""Beginnings of comments in one run of operator characters: a megabyte of such runs is read in half
a second."""
_OPERATORS_ONLY = bytes(c if chr(c) in "~!@#^&|`?+-*/%<>=" else 32 for c in range(256))
_LITERALS = frozenset({"SCONST", "USCONST", "BCONST", "XCONST"})
_CHAIN_BREAKS = frozenset({"ASCII_44", "ASCII_59", "AND", "OR", "WHEN", "THEN", "ELSE", "WHERE"})
_LINKS = """
    Op TYPECAST NOT NOT_LA EQUALS_GREATER LESS_EQUALS GREATER_EQUALS NOT_EQUALS COLLATE AT IS
    ISNULL NOTNULL IN_P LIKE ILIKE SIMILAR BETWEEN OPERATOR UNION EXCEPT INTERSECT JOIN RIGHT_ARROW
    ASCII_37 ASCII_42 ASCII_43 ASCII_45 ASCII_46 ASCII_47 ASCII_58 ASCII_60 ASCII_61 ASCII_62
    ASCII_91 ASCII_94
"""
_CHAIN_LINKS = frozenset(_LINKS.split())

_IGNORABLE = frozenset(
    [
        0x034F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x2800,
        0x3164,
        0xFFA0,
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    ]
)
"""Characters of letter or mark categories that show as nothing (Unicode's
Default_Ignorable_Code_Point, DerivedCoreProperties.txt, and the blank braille pattern)."""


def check_text(text: str, limits: Limits) -> tuple[Token, ...]:
    """The tokens of `text`, if it is fit for the parsers.

    Raises:
        NotUnderstood: NUL, text that is not Unicode, or invisible characters in names.
        LimitExceeded: too large, too many tokens or too deeply nested.
        SyntaxRefused: PostgreSQL's scanner rejects the text.
    """
    if (nul := text.find("\0")) >= 0:
        raise NotUnderstood(
            "the statement contains a NUL character",
            hint="PostgreSQL's text cannot hold NUL: remove it.",
            position=nul + 1,
        )
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotUnderstood(
            "the statement is not valid Unicode text",
            hint="Send the statement in the session's client_encoding.",
            position=error.start + 1,
        ) from None
    if len(raw) > limits.max_text_bytes < _outside_constants(raw):
        raise LimitExceeded(
            f"the statement is larger than {limits.max_text_bytes} bytes",
            detail="limits.statement_bytes",
            hint="Split the statement, or load bulk data with COPY.",
        )
    _check_comments(raw)
    tokens = referee.scan(text)
    _check_count(tokens, limits)
    if not text.isascii():
        _check_characters(raw, tokens)
    _check_depth(raw, tokens, limits)
    return tokens


def _outside_constants(raw: bytes) -> int:
    """About how many bytes stand outside of quotes: those inside cost next to nothing. Whoever
    lays quotes so that this is wrong reaches the limits of time and memory instead."""
    return sum(map(len, raw.split(b"'")[::2]))


def _check_comments(raw: bytes) -> None:
    """Refuse `/*/*/*…`: at each opening PostgreSQL's scanner looks ahead to the end of the run
    of operator characters (scan.l, xcstart), so that 100 kB of them take minutes."""
    if raw.count(b"/*") <= _MAX_OPENINGS:
        return
    runs = raw.translate(_OPERATORS_ONLY).split()
    if any(run.count(b"/*") > _MAX_OPENINGS for run in runs):
        raise LimitExceeded(
            f"more than {_MAX_OPENINGS} comments begin one directly after the other",
            detail="PostgreSQL's scanner takes very long for them.",
            hint="Remove the comments, or put spaces between their beginnings.",
        )


def _check_count(tokens: Sequence[Token], limits: Limits) -> None:
    counted = len(tokens) - sum(t.is_comment for t in tokens)
    if counted > limits.max_tokens and counted - count_constants(tokens) > limits.max_tokens:
        raise LimitExceeded(
            f"the statement has more than {limits.max_tokens} tokens",
            detail="limits.max_tokens",
            hint="Split the statement, or load bulk data with COPY.",
        )
    if sum(t.kind == "ASCII_59" for t in tokens) > limits.max_statements:
        raise LimitExceeded(
            f"the text holds more than {limits.max_statements} statements",
            detail="limits.max_statements",
            hint="Send the statements in smaller groups.",
        )


def _check_characters(raw: bytes, tokens: Sequence[Token]) -> None:
    for start, end in _visible(raw, tokens):
        part = raw[start:end]
        if part.isascii():
            continue
        offset = start
        for character in part.decode("utf-8"):
            if _is_invisible(character):
                raise NotUnderstood(
                    f"the statement contains the invisible character U+{ord(character):04X}"
                    " outside a literal",
                    detail="People and programs read such characters differently.",
                    hint="Replace it by an ordinary space, or put the name in double quotes.",
                    position=referee.character_position(raw, offset),
                )
            offset += len(character.encode("utf-8"))


def _visible(raw: bytes, tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Extents outside literals, comments and quoted identifiers, gaps between tokens included."""
    last = 0
    for token in tokens:
        if _hides(raw, token):
            yield last, token.start
            last = token.end
    yield last, len(raw)


def _hides(raw: bytes, token: Token) -> bool:
    if token.is_comment or token.kind in _LITERALS:
        return True
    return token.kind in ("IDENT", "UIDENT") and raw[token.end - 1 : token.end] == b'"'


def _is_invisible(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cc", "Cf")
        and not character.isascii()
    ) or ord(character) in _IGNORABLE


def _check_depth(raw: bytes, tokens: Sequence[Token], limits: Limits) -> None:
    chain = 0
    nest: list[tuple[str, int]] = []
    brackets = 0
    for token in tokens:
        kind = token.kind
        chain += kind in _CHAIN_LINKS
        if kind in _CLOSED_BY.values():
            brackets += kind == "ASCII_91"
            nest.append((kind, chain))
        elif kind in _CLOSED_BY:
            opening = _CLOSED_BY[kind]
            if opening == "CASE" and not (nest and nest[-1][0] == "CASE"):
                continue  # END of a transaction, or a label
            while nest:
                popped, chain = nest.pop()
                brackets -= popped == "ASCII_91"
                if popped == opening:
                    break
        elif kind in _CHAIN_BREAKS:
            chain = nest[-1][1] if nest else 0
        if len(nest) > limits.max_nesting:
            raise _too_deep("max_nesting", limits.max_nesting, raw, token)
        if brackets > limits.max_brackets:
            raise _too_deep("max_brackets", limits.max_brackets, raw, token)
        if chain > limits.max_chain:
            raise _too_deep("max_chain", limits.max_chain, raw, token)


def _too_deep(name: str, limit: int, raw: bytes, token: Token) -> LimitExceeded:
    return LimitExceeded(
        _TOO_DEEP[name].format(limit),
        detail=f"limits.{name}",
        hint="Move inner queries and expressions into WITH clauses.",
        position=referee.character_position(raw, token.start),
    )
