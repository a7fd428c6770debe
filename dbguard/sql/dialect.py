"""sqlglot's PostgreSQL dialect, stripped to what it may be trusted with.

As shipped, it translates between databases, and loses names on the way: `lower(doc -> 'k')` is
read as a lambda whose parameter is the column, `date_trunc(ssn, dob)` takes a column for a unit,
`date_bin(a, b, c)` drops its third argument, `@x`, `:x` and `?` are placeholders of some
templating language. Here every function is a plain call of its arguments, and only what
PostgreSQL's grammar itself gives a form of its own is parsed specially.

The pure-Python build is required: the compiled one can be neither subclassed nor trusted with
deep nesting.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlglot import exp, parser, tokens
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokens import Token, TokenType

from dbguard.errors import ConfigurationError, NotUnderstood

SEMICOLON = TokenType.SEMICOLON

RECURSION_LIMIT = 20_000
"""Python frames while parsing: sqlglot takes about 20 for each level of nesting, of which
`Limits.max_nesting` allows 100, and operators add theirs."""

_GRAMMAR_FORMS = (
    "CAST",
    "EXTRACT",
    "JSON_OBJECT",
    "JSON_OBJECTAGG",
    "JSON_TABLE",
    "NORMALIZE",
    "OVERLAY",
    "POSITION",
    "SUBSTRING",
    "TRIM",
    "XMLELEMENT",
    "XMLTABLE",
)
"""Functions whose arguments PostgreSQL's grammar spells otherwise than as a list of expressions."""

_FOREIGN_PLACEHOLDERS = (TokenType.PLACEHOLDER, TokenType.COLON, TokenType.MOD)

logging.getLogger("sqlglot").disabled = True  # it would print statement texts


class SecondReadingParser(PostgresParser):  # type: ignore[misc]
    """PostgreSQL's grammar without other databases' functions, lambdas and placeholders."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = {
        name: parse
        for name, parse in PostgresParser.FUNCTION_PARSERS.items()
        if name in _GRAMMAR_FORMS
    }
    LAMBDAS: ClassVar[dict[Any, Any]] = {
        t: parse for t, parse in PostgresParser.LAMBDAS.items() if t != TokenType.ARROW
    }
    PLACEHOLDER_PARSERS: ClassVar[dict[Any, Any]] = {
        t: parse
        for t, parse in PostgresParser.PLACEHOLDER_PARSERS.items()
        if t not in _FOREIGN_PLACEHOLDERS
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = {
        name: parse
        for name, parse in PostgresParser.NO_PAREN_FUNCTION_PARSERS.items()
        if name in ("ANY", "CASE", "VARIADIC")
    }

    def _parse_using_identifiers(self) -> list[exp.Expr]:
        """`USING (a, b) AS alias`, PostgreSQL 14's alias of the merged columns, read as well."""
        names: list[exp.Expr] = super()._parse_using_identifiers()
        if self._match(TokenType.ALIAS):
            self._parse_id_var()
        return names


class SecondReading(Postgres):  # type: ignore[misc]
    """The dialect of the second reading."""

    Parser = SecondReadingParser
    parser_class = SecondReadingParser
    INDEX_OFFSET = 0

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        """The path as it stands: what `->` takes is any expression."""
        return path


def require_pure_sqlglot() -> None:
    """Refuse to work with the compiled build.

    Raises:
        ConfigurationError: the package `sqlglotc` has replaced sqlglot's modules.
    """
    for module in (parser, tokens):
        if not (module.__file__ or "").endswith(".py"):
            raise ConfigurationError(
                "the compiled build of sqlglot is installed",
                detail="Only the pure Python build can be restricted to PostgreSQL's own grammar.",
                hint="Run `pip uninstall sqlglotc`.",
            )


require_pure_sqlglot()
_DIALECT = SecondReading()


class Unreadable(Exception):
    """sqlglot rejects the text. Carries no text: sqlglot's own messages quote the statement."""


def tokenize(text: str) -> list[Token]:
    """sqlglot's tokens of `text`.

    Raises:
        Unreadable: its tokenizer rejects the text.
    """
    try:
        return list(_DIALECT.tokenize(text))
    except (SqlglotError, ValueError, IndexError):
        raise Unreadable from None


def parse_tokens(found: Sequence[Token], text: str) -> list[exp.Expr]:
    """One tree for each statement in `found`, tokens of `text`; empty statements are left out.

    Raises:
        Unreadable: its parser rejects the text.
    """
    reader = SecondReadingParser(error_level=ErrorLevel.IMMEDIATE, dialect=_DIALECT)
    with _deep_recursion():
        try:
            return [tree for tree in reader.parse(list(found), text) if tree is not None]
        except (
            SqlglotError,
            RecursionError,
            ValueError,
            TypeError,
            AttributeError,
            IndexError,
            KeyError,
        ):
            # sqlglot's parser meets unexpected input with Python's own errors now and then
            raise Unreadable from None


def parse(text: str) -> list[exp.Expr]:
    """sqlglot's reading of `text`, one tree for each statement.

    Raises:
        NotUnderstood: sqlglot rejects the text.
    """
    try:
        return parse_tokens(tokenize(text), text)
    except Unreadable:
        raise NotUnderstood(
            "the statement cannot be read a second time",
            detail="dbguard runs only what two independent parsers read alike.",
            hint="Write it in simpler SQL.",
        ) from None


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Raise Python's recursion limit, which bounds this process's frames, not its C stack."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
