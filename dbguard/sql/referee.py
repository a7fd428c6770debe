"""PostgreSQL's own grammar and scanner, from libpg_query in postgast's wheel.

libpg_query's JSON entry point is used because the protobuf one has a depth limit (48 chained
`||`). The JSON leaves out fields that hold their default: an absent `location` is 0, an absent
boolean is false, an absent enum its first value. NUL would truncate the text, so callers check
for it first (`precheck`).
"""

from __future__ import annotations

import bisect
import ctypes
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from postgast import pg_query_pb2
from postgast.native import lib

from dbguard.errors import NotUnderstood, SyntaxRefused

from .alike import shortened
from .recursion import deep_recursion

Node = Mapping[str, Any]
"""A parse tree node's fields, as libpg_query's JSON spells them."""

_TOKEN_NAMES: Mapping[int, str] = {
    value.number: value.name for value in pg_query_pb2.Token.DESCRIPTOR.values
}


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """One statement of a text."""

    tag: str
    """Node name: `SelectStmt`."""
    node: Node
    start: int
    """Byte offset of the statement's first byte that is no white space or comment."""
    end: int
    """Byte offset behind its last byte, without the semicolon."""


class Token(NamedTuple):
    """One lexical token, comments included (`SQL_COMMENT`, `C_COMMENT`)."""

    kind: str
    """PostgreSQL's token name: `IDENT`, `SCONST`, `SELECT`, `ASCII_44` for a comma …"""
    start: int
    end: int

    @property
    def is_comment(self) -> bool:
        return self.kind in ("SQL_COMMENT", "C_COMMENT")


def character_position(raw: bytes, offset: int) -> int:
    """1-based character position of a byte offset, as PostgreSQL reports positions."""
    return len(raw[:offset].decode("utf-8", "replace")) + 1


def parse(text: str) -> tuple[ParsedStatement, ...]:
    """Parse `text` into its statements; empty ones are left out, as the server leaves them out.

    Raises:
        SyntaxRefused: PostgreSQL's grammar rejects the text; wording and position are its own.
        NotUnderstood: the parser's answer cannot be read.
    """
    raw = text.encode("utf-8")
    result = lib.pg_query_parse(raw)
    try:
        if result.error:
            error = result.error.contents
            message = error.message.decode("utf-8", "replace")
            position = error.cursorpos if error.cursorpos > 0 else None
            raise SyntaxRefused(message, position=position)
        document = result.parse_tree
    finally:
        lib.pg_query_free_parse_result(result)
    tree = shortened(_loaded(document), len(raw))
    tokens = scan(text) if len(tree.get("stmts", ())) else ()
    return tuple(_statement(item, raw, tokens) for item in tree.get("stmts", ()))


def _loaded(document: bytes) -> Any:
    """The tree: by orjson, which is fast and gives up beyond 1,024 levels (an operator takes two),
    else by the standard library, which goes as deep as Python's recursion limit allows.

    Raises:
        NotUnderstood: it is deeper than that.
    """
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        pass
    try:
        with deep_recursion():
            return json.loads(document)
    except (RecursionError, ValueError):
        raise NotUnderstood(
            "the statement is nested too deeply to analyse", hint="Split the statement."
        ) from None


def _statement(item: Node, raw: bytes, tokens: Sequence[Token]) -> ParsedStatement:
    ((tag, node),) = item["stmt"].items()
    start = item.get("stmt_location", 0)
    end = start + item["stmt_len"] if item.get("stmt_len") else len(raw)
    inside = tokens_within(tokens, start, end)
    while inside and inside[-1].kind == "ASCII_59":
        inside.pop()
    if inside:
        start, end = inside[0].start, inside[-1].end
    return ParsedStatement(tag, node, start, end)


def tokens_within(tokens: Sequence[Token], start: int, end: int) -> list[Token]:
    """The tokens between two byte offsets, without comments."""
    first = bisect.bisect_left(tokens, start, key=_start_of)
    behind = bisect.bisect_left(tokens, end, lo=first, key=_start_of)
    return [t for t in tokens[first:behind] if t.end <= end and not t.is_comment]


def _start_of(token: Token) -> int:
    return token.start


def scan(text: str) -> tuple[Token, ...]:
    """All tokens of `text` in order, comments included, by PostgreSQL's scanner.

    Every pass asks for the same two texts, the client's and the rewritten one: kept until the
    next statement comes. Those of masks, which are short, do not push long ones out.

    Raises:
        SyntaxRefused: the scanner rejects the text (an unterminated string, say).
    """
    return _scan_long(text) if len(text) > _SHORT else _scan_short(text)


_SHORT = 10_000


def _scan(text: str) -> tuple[Token, ...]:
    result = lib.pg_query_scan(text.encode("utf-8"))
    try:
        if result.error:
            error = result.error.contents
            position = error.cursorpos if error.cursorpos > 0 else None
            raise SyntaxRefused(error.message.decode("utf-8", "replace"), position=position)
        document = ctypes.string_at(result.pbuf.data, result.pbuf.len)
    finally:
        lib.pg_query_free_scan_result(result)
    found = pg_query_pb2.ScanResult()
    found.ParseFromString(document)
    names: dict[int, str] = {}
    for token in found.tokens:
        if (number := token.token) not in names:
            names[number] = _token_name(number)
    return tuple([Token(names[t.token], t.start, t.end) for t in found.tokens])


_scan_long = functools.lru_cache(maxsize=2)(_scan)
_scan_short = functools.lru_cache(maxsize=2)(_scan)


def _token_name(number: int) -> str:
    """PostgreSQL's name; characters its grammar has no use for (`{`) are numbered like the rest."""
    return _TOKEN_NAMES.get(number) or f"ASCII_{number}"
