"""Second attempts at a query that sqlglot rejects or misreads.

sqlglot knows PostgreSQL's own operators and types, not those of extensions. *Plain tokens* are
its tokens with every operator read as a common one and type names before literals left out: all
names keep their places, so the comparison loses nothing. *Analysis texts* are other spellings,
accepted only if the referee makes the same tree of them as of the client's text: they mean the
same to PostgreSQL. Neither is ever sent anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import postgast
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from postgast.errors import PgQueryError
from sqlglot.tokens import Token, TokenType

from . import dialect, referee
from .innerquery import Query, is_tree_of, without_locations


def analysis_texts(query: Query, raw: bytes) -> Iterator[str]:
    """Spellings of `query` to try."""
    text = raw[query.start : query.end].decode("utf-8")
    try:
        other = postgast.deparse(postgast.parse(text))
    except (PgQueryError, DecodeError, ValueError):
        return
    if is_tree_of(other, query.tag, without_locations(query.node)):
        yield other


def plain_tokens(text: str) -> list[Token]:
    """sqlglot's tokens of `text` without operators and types it may not know.

    Raises:
        Unreadable: its tokenizer rejects the text, or sees other operators than PostgreSQL's.
    """
    found = _with_plain_rows(_with_names(_without_literal_types(dialect.tokenize(text))))
    scanned = list(_scanned(text))
    return _with_plain_operators(_with_whole_numbers(found, scanned), list(_operators(scanned)))


def _scanned(text: str) -> Iterator[tuple[str, int, int]]:
    """Kind and extent in characters of each token of PostgreSQL's scanner."""
    raw = text.encode("utf-8")
    start = counted = 0
    for token in referee.scan(text):
        if token.is_comment:
            continue
        start += len(raw[counted : token.start].decode("utf-8"))
        counted = token.start
        yield token.kind, start, start + len(raw[token.start : token.end].decode("utf-8"))


_BEGINNERS = """
    ASCII_37 ASCII_40 ASCII_42 ASCII_43 ASCII_44 ASCII_45 ASCII_47 ASCII_58 ASCII_60 ASCII_61
    ASCII_62 ASCII_91 ASCII_94 Op LESS_EQUALS GREATER_EQUALS NOT_EQUALS COLON_EQUALS EQUALS_GREATER
    ALL AND AS BETWEEN BY CASE DISTINCT ELSE FROM HAVING ILIKE IN_P LIKE LIMIT NOT NOT_LA OFFSET ON
    OR RETURNING SELECT SET THEN TO USING VALUES WHEN WHERE
"""
_EXPRESSION_BEGINS_AFTER = frozenset(_BEGINNERS.split())
"""Tokens behind which an operator is a prefix."""


def _operators(scanned: Sequence[tuple[str, int, int]]) -> Iterator[tuple[int, int, bool]]:
    """Extent in characters of each operator of PostgreSQL's, and whether it is a prefix."""
    before = "SELECT"
    spelled: tuple[int, bool] | None = None  # begin of an OPERATOR(…), and whether it is a prefix
    for kind, start, end in scanned:
        is_prefix = before in _EXPRESSION_BEGINS_AFTER
        if kind == "OPERATOR" and spelled is None:
            spelled = start, is_prefix
        elif spelled is not None and kind == "ASCII_41":
            yield spelled[0], end, spelled[1]
            spelled, before = None, "Op"
            continue
        elif kind == "Op" and spelled is None:
            yield start, end, is_prefix
        before = kind


def _with_whole_numbers(
    found: Sequence[Token], scanned: Sequence[tuple[str, int, int]]
) -> list[Token]:
    """`found` with each number as one token: `1_000.5e0_1` is one to PostgreSQL."""
    numbers = {start: end for kind, start, end in scanned if kind in ("ICONST", "FCONST")}
    out: list[Token] = []
    behind = 0
    for token in found:
        if token.start < behind:
            continue
        if (end := numbers.get(token.start)) is not None and token.end + 1 != end:
            behind = end
            token = dialect.changed(token, TokenType.NUMBER, "0")
        out.append(token)
    return out


def _with_plain_operators(
    found: Sequence[Token], operators: Sequence[tuple[int, int, bool]]
) -> list[Token]:
    """`found` with each operator as `||`, or as `-` where it is a prefix."""
    out: list[Token] = []
    position = 0
    for start, end, is_prefix in operators:
        while position < len(found) and found[position].end < start:
            out.append(found[position])
            position += 1
        first = position
        while position < len(found) and found[position].end < end:
            position += 1
        if first == position or (found[first].start, found[position - 1].end + 1) != (start, end):
            raise dialect.Unreadable
        kind, sign = (TokenType.DASH, "-") if is_prefix else (TokenType.DPIPE, "||")
        out.append(dialect.changed(found[first], kind, sign))
    return [*out, *found[position:]]


_LITERALS = (TokenType.STRING, TokenType.BYTE_STRING, TokenType.UNICODE_STRING)
_NAMES = (TokenType.VAR, TokenType.IDENTIFIER)
_QUOTED = (*_LITERALS, TokenType.IDENTIFIER)
_NO_TYPES = ("ZONE", "ESCAPE", "UESCAPE", "PATH")


_INTERVAL_FIELDS = frozenset(("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "TO"))


def _without_literal_types(found: Sequence[Token]) -> list[Token]:
    """`found` without the type in `schema.type 'literal'` and `INTERVAL '1' DAY TO SECOND(2)`."""
    out: list[Token] = []
    position = 0
    while position < len(found):
        token = found[position]
        position += 1
        if token.token_type in _LITERALS:
            if out and out[-1].token_type == TokenType.INTERVAL:
                out.pop()
                position = _behind_interval_fields(found, position)
            while out and out[-1].token_type in _NAMES and out[-1].text.upper() not in _NO_TYPES:
                out.pop()
                if not (out and out[-1].token_type == TokenType.DOT):
                    break
                out.pop()
        out.append(token)
    return out


def _behind_interval_fields(found: Sequence[Token], position: int) -> int:
    first = position
    while position < len(found) and found[position].text.upper() in _INTERVAL_FIELDS:
        position += 1
    kinds = [t.token_type for t in found[position : position + 3]]
    precision = [TokenType.L_PAREN, TokenType.NUMBER, TokenType.R_PAREN]
    return position + 3 if position > first and kinds == precision else position


def _with_plain_rows(found: Sequence[Token]) -> list[Token]:
    """`found` with VALUES, which sqlglot reads in few places, as a SELECT of rows."""
    return (
        [
            dialect.changed(token, TokenType.SELECT, "SELECT")
            if token.token_type == TokenType.VALUES and following.token_type == TokenType.L_PAREN
            else token
            for token, following in zip(found, [*found[1:], found[-1]], strict=True)
        ]
        if found
        else []
    )


_NO_QUERY_WORDS = frozenset(
    (
        "ALTER",
        "BEGIN",
        "CACHE",
        "COMMENT",
        "COMMIT",
        "COPY",
        "DATABASE",
        "DROP",
        "EXECUTE",
        "FORMAT",
        "FUNCTION",
        "LOAD",
        "PROCEDURE",
        "RENAME",
        "REVOKE",
        "ROLLBACK",
        "SCHEMA",
        "SESSION",
        "SHOW",
        "TRIGGER",
        "TYPE",
        "VIEW",
        "VOLATILE",
    )
)
"""Words that are syntax in other statements: inside a query they are names."""


def _with_names(found: Sequence[Token]) -> list[Token]:
    """`found` with words that have no meaning in a query read as names."""
    return [
        dialect.changed(token, TokenType.VAR, token.text)
        if index and token.token_type not in _QUOTED and _is_name(token, found[index - 1])
        else token
        for index, token in enumerate(found)
    ]


def _is_name(token: Token, before: Token) -> bool:
    word = token.text.upper()
    return word in _NO_QUERY_WORDS or (word == "ORDINALITY" and before.text.upper() != "WITH")
