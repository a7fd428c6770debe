"""The literal-free form of a text: the only form of a statement that may be stored.

It is made from the scanner's tokens, not from a tree, so that it exists for every text that
PostgreSQL can scan, understood or not. What is kept is keywords, punctuation and names; what is
replaced by `?` is every constant, names that may be values (`recordable.py`), and the operands of
utility statements that take a bare word where others take a string. Comments go: they hold
patient names more often than one would think.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dbguard.errors import SyntaxRefused

from . import referee
from .names import fold, truncate
from .recordable import is_plain
from .referee import Token

REDACTED_LENGTH = 4_000
"""Characters kept. Audit records stay below one page of the file system's journal."""

UNREADABLE = "<unreadable statement>"
PLACEHOLDER = "?"
QUOTED_PLACEHOLDER = '"?"'

_CONSTANTS = frozenset({"SCONST", "USCONST", "BCONST", "XCONST", "ICONST", "FCONST"})
_PARAMETER_LENGTH = 4
"""Of `$999`; more digits may be somebody's number."""

_NO_SPACE_BEFORE = frozenset({",", ")", ";", ".", "]", "::", "["})
_NO_SPACE_AFTER = frozenset({"(", ".", "[", "::"})

_PLAIN_WORDS = """
    on off true false yes no default none local session user public pg_catalog utc gmt iso sql
    postgres german mdy dmy ymd utf8 latin1 sql_ascii warning error notice log info debug
    serializable repeatable read committed uncommitted write only hex escape content document
    safe_encoding partition auto origin replica from current to minimal force_custom_plan
    force_generic_plan remote_write remote_apply verbose terse time zone role transaction
    isolation level characteristics deferrable not all constraints immediate deferred names
    authorization as schema catalog xml option search_path timezone
"""
_SETTING_WORDS = frozenset(_PLAIN_WORDS.split())
"""Bare words after SET … TO that say nothing about a person."""


Known = Callable[[str], bool]
"""Whether a name is the catalog's or the policy's, so that it says nothing about a person."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A text as it may be stored."""

    text: str
    hidden: tuple[str, ...] = ()
    """The names that are not in it, as they may be quoted elsewhere (in a reason)."""


class _Names(NamedTuple):
    """Which names may stand."""

    known: Known
    known_only: bool

    def keeps(self, name: str, *, bare: bool) -> bool:
        plain = not self.known_only and is_plain(name, bare=bare)
        return plain or self.known(truncate(name))


def _nothing(_: str) -> bool:
    return False


def redact(text: str, tokens: Sequence[Token] | None = None) -> str:
    """`text` without literals and comments, evenly spaced, at most `REDACTED_LENGTH` characters.

    `tokens` are the referee's; without them the text is scanned here, and text that cannot be
    scanned becomes `UNREADABLE`.
    """
    try:
        raw = text.encode("utf-8")
        if "\0" in text:
            return UNREADABLE
        found = referee.scan(text) if tokens is None else tokens
    except (UnicodeEncodeError, SyntaxRefused):
        return UNREADABLE
    return redaction(raw, found).text


def redaction(
    raw: bytes,
    tokens: Sequence[Token],
    known: Known = _nothing,
    *,
    known_only: bool = False,
) -> Redaction:
    """The same of these tokens of a text. What is `known` stays even where it is no plain name,
    and where `known_only` is set, no other name does."""
    pieces: list[str] = []
    hidden: dict[str, None] = {}
    length = 0
    previous = ""
    for word, tight in _words(raw, tokens, _Names(known, known_only), hidden):
        if length > REDACTED_LENGTH:
            continue  # for the names
        space = not (
            not pieces
            or word in _NO_SPACE_BEFORE
            or previous in _NO_SPACE_AFTER
            or (word == "(" and tight)
        )
        pieces.append(" " + word if space else word)
        previous = word
        length += len(pieces[-1])
    text = "".join(pieces)
    if length > REDACTED_LENGTH:
        text = text[: REDACTED_LENGTH - 2] + " …"
    return Redaction(text, tuple(hidden))


def _words(
    raw: bytes, tokens: Sequence[Token], names: _Names, hidden: dict[str, None]
) -> Iterator[tuple[str, bool]]:
    """Each token's stored form, and whether it touches the token before it."""
    setting = _Setting(names)
    end = -1
    for token in tokens:
        if token.is_comment or _is_string_prefix(raw, token):
            continue
        tight, end = token.start == end, token.end
        source = raw[token.start : token.end].decode("utf-8", "replace")
        value = setting.hides(token.kind, source)
        if token.kind in _CONSTANTS or (value and token.kind not in ("ASCII_44", "ASCII_59")):
            yield PLACEHOLDER, tight
            continue
        kept = _kept(token.kind, source, names)
        if kept == QUOTED_PLACEHOLDER != source:
            hidden.update(dict.fromkeys(_spellings(source)))
        yield kept, tight


def _is_string_prefix(raw: bytes, token: Token) -> bool:
    """The N of N'text', which the scanner reports as a token of its own."""
    return token.kind == "NCHAR" and raw[token.end : token.end + 1] == b"'"


def _kept(kind: str, source: str, names: _Names) -> str:
    if kind == "PARAM":
        return source if len(source) <= _PARAMETER_LENGTH else "$" + PLACEHOLDER
    if kind == "UIDENT":
        return QUOTED_PLACEHOLDER
    if kind != "IDENT":
        return source
    quoted = source.startswith('"')
    name = source[1:-1].replace('""', '"') if quoted else fold(source)
    return source if names.keeps(name, bare=not quoted) else QUOTED_PLACEHOLDER


def _spellings(source: str) -> Iterator[str]:
    """How messages may spell a name."""
    inner = source[source.index('"') + 1 : -1] if source.endswith('"') else fold(source)
    for name in (inner, inner.replace('""', '"')):
        yield name
        yield truncate(name)


class _Setting:
    """Follows a statement far enough to know where a setting's value stands.

    `SET name TO value`, `SET name = value`, `SET TIME ZONE value`, also as a clause of ALTER and
    CREATE: the value may be a bare word, which the scanner cannot tell from a name.
    """

    def __init__(self, names: _Names) -> None:
        self._names = names
        self._begin()

    def _begin(self) -> None:
        """A statement begins."""
        self._head = ""
        self._state = "outside"
        self._names_schemas = False

    def hides(self, kind: str, source: str) -> bool:
        """Whether this token is a setting's value that may say something about a person."""
        word = source.strip('"').lower()
        if kind == "ASCII_59":
            self._begin()
            return False
        if not self._head:
            self._head = word
        if self._state == "value":
            if kind in ("ASCII_44", "ASCII_46"):
                return False
            return word not in _SETTING_WORDS and not (
                self._names_schemas
                and kind == "IDENT"
                and _kept(kind, source, self._names) == source
            )
        if self._state == "name":
            if kind in ("TO", "ASCII_61", "ZONE"):
                self._state = "value"
            elif word == "search_path":
                self._names_schemas = True
            elif kind in ("ASCII_40", "SCHEMA", "DEFAULT", "DATA_P", "ROLE", "AUTHORIZATION"):
                self._state = "outside"
        elif kind == "SET" and self._head in ("set", "alter", "create"):
            self._state = "name"
        return False
