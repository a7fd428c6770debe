"""A text with its literals taken out: what clients that write values into their texts repeat.

PostgreSQL's own scanner takes 5 µs and more behind a call into libpg_query, too much for a look-up
in a cache. So this is a scanner of its own, compared with PostgreSQL's by fuzzing
(tests/sql/test_shape.py). It decides nothing and understands nothing: it tells where literals begin
and end, in texts in which that is plain. Every other text has no shape and goes by its own words:

* literals with a letter in front (`E''`, `U&''`, `B''`, `N''`), dollar quotes, backslashes in
  strings, and strings that may go on behind a line's end;
* digits that touch letters, quotes or a second point; `.5`, `5.` and `1e3`;
* `--` outside of quotes, comments inside of comments, control characters, lone surrogates;
* whatever does not end.

The class of a number is that of the type PostgreSQL gives it (make_const in parse_node.c), since
operators and functions are chosen by it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .attribution import MAX_COMMENT, Attribution, read_comment

MAX_BYTES: Final = 9_000
"""UTF-8 bytes of a text with a shape. Below 10,000 no pass of analysis leaves any item of a list
out (`alike.py`, `constants.py`), so that texts of one shape take one way through all of them."""
MAX_LITERALS: Final = 1_000
"""Of a text with a shape: a look-up, which everybody waits for, takes 1 µs for each."""
_MAX_COMMENTS: Final = 32
"""Of `/*`, inside of literals as well: where there are more, `precheck.py` looks closer."""

INTEGER, BIGINT, NUMERIC, STRING, COMMENT = "\x01", "\x02", "\x03", "\x04", "\x05"
"""What stands for a literal in `Shape.blank`: characters that no text with a shape holds."""

_LAST_INTEGER = 2_147_483_647
_LAST_BIGINT = 9_223_372_036_854_775_807
_SURELY_INTEGER = 10
"""Digits from which on a number may be none."""
_TOO_LONG = 100
"""Digits; it takes zeros in front to be a number of a type, and Python reads no more than 4,300."""

_END = "\0"
_LETTER = "A-Za-z_\x80-\ud7ff\ue000-\U0010ffff"
"""scan.l's ident_start; all of UTF-8 beyond ASCII are letters to it."""
_NEVER = r"\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff"
"""Not even in quotes: control characters but tab, line feed, form feed and carriage return."""

_BETWEEN = rf"""(?:
      [ \t\n\r\f,()\[\];:=<>+*%^|&!@\#~?`]++
    | [{_LETTER}][{_LETTER}0-9$]*+ (?! ' | &['"] )
    | \. (?! [0-9.] )
    | - (?! - )
    | / (?! \* )
    | " [^"{_NEVER}]*+ (?: "" [^"{_NEVER}]*+ )*+ "
    | \$ [0-9]++ (?! [{_LETTER}0-9$] )
    | /\* [^*/{_NEVER}]*+ (?: (?: \*(?!/) | /(?!\*) ) [^*/{_NEVER}]*+ )*+ \*/
)*+"""
_LITERAL = rf"""
      [0-9]++ (?: \. [0-9]++ )?+ (?! [{_LETTER}0-9$.'"] )
    | ' [^'\\{_NEVER}]*+ (?: '' [^'\\{_NEVER}]*+ )*+ ' (?! [ \t\n\r\f]*+ ' )
"""
_PIECES = re.compile(rf"({_BETWEEN}) ({_LITERAL} | {_END}\Z | [\s\S]++)", re.VERBOSE)
"""What stands between literals, and the literal behind it; at the text's end `_END`, at the first
thing that is not known all the rest. Possessive throughout, so that it takes linear time. A pattern
for tokens, as scan.l's are, and not for statements."""


class Shape(NamedTuple):
    """A text cut at its literals: between[0] literals[0] between[1] literals[1] … between[-1]."""

    blank: str
    """The text with a character for each literal, which tells its class. Texts with the same one
    have the same tokens but for the values of literals."""
    between: list[str]
    literals: list[str]
    """As written. A comment in sqlcommenter's form at the text's end is the last of them."""
    said: Attribution | None = None
    """What that comment says; None when there is none."""


def shape_of(text: str) -> Shape | None:
    """The shape of a text, or None when it is not plain where its literals begin and end.

    Taken for granted: standard_conforming_strings is on, or there is no backslash in the text.
    """
    if len(text) > MAX_BYTES or not (text.isascii() or _is_short(text)):
        return None
    body, comment, tail, said = text, "", "", None
    if text.count("/*"):
        if text.count("/*") > _MAX_COMMENTS:
            return None
        body, comment, tail, said = _without_comment(text)
    *found, (last, end) = _PIECES.findall(body + _END)
    if end != _END or len(found) > MAX_LITERALS:
        return None
    between: list[str] = []
    literals: list[str] = []
    pieces: list[str] = []
    for gap, literal in found:
        between.append(gap)
        literals.append(literal)
        if literal[0] == "'":
            mark = STRING
        elif len(literal) < _SURELY_INTEGER and "." not in literal:
            mark = INTEGER
        else:
            mark = _class_of(literal)
            if not mark:
                return None
        pieces += (gap, mark)
    between.append(last)
    pieces.append(last)
    if said is not None:
        between.append(tail)
        literals.append(comment)
        pieces += (COMMENT, tail)
    return Shape("".join(pieces), between, literals, said)


def _is_short(text: str) -> bool:
    return len(text.encode("utf-8", "surrogatepass")) <= MAX_BYTES


def _class_of(number: str) -> str:
    """Of a long number; empty for one on the border between two types, where a minus in front of
    it decides."""
    if "." in number:
        return NUMERIC
    value = int(number) if len(number) < _TOO_LONG else _LAST_BIGINT + 1
    if value <= _LAST_INTEGER:
        return INTEGER
    return BIGINT if _LAST_INTEGER + 1 < value <= _LAST_BIGINT else ""


def _without_comment(text: str) -> tuple[str, str, str, Attribution | None]:
    """What stands in front of a comment in sqlcommenter's form at the text's end, that comment,
    what stands behind it, and what it says. The text itself when there is none."""
    behind = len(text.rstrip(" \t\n\r\f;"))
    start = text.rfind("/*", 0, behind)
    if start < 0 or text.find("*/", start + 2, behind) != behind - 2:
        return text, "", "", None
    comment = text[start:behind]
    if not (comment.isascii() and comment.isprintable()) or len(comment) > MAX_COMMENT:
        return text, "", "", None
    said = read_comment(comment[2:-2].encode("ascii"))
    if said is None:
        return text, "", "", None
    return text[:start], comment, text[behind:], said
