"""sqlglot's PostgreSQL dialect, stripped to what it may be trusted with.

As shipped, it translates between databases, and loses names on the way: `lower(doc -> 'k')` is
read as a lambda whose parameter is the column, `date_trunc(ssn, dob)` takes a column for a unit,
`date_bin(a, b, c)` drops its third argument, `@x`, `:x` and `?` are placeholders of some
templating language. Here every function is a plain call of its arguments; what PostgreSQL's
grammar gives a form of its own is read by `grammarforms`.

The pure-Python build is required: the compiled one can be neither subclassed nor trusted with
deep nesting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from sqlglot import exp, parser, tokens
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokens import Token, TokenType

from dbguard.errors import ConfigurationError, NotUnderstood

from .clauseforms import (
    ClauseForms,
    with_unicode_names,
    without_lateral,
    without_only_parentheses,
)
from .grammarforms import WORDS, parse_form
from .recursion import deep_recursion

SEMICOLON = TokenType.SEMICOLON

_OPERATOR_SIGNS = frozenset("+-*/<>=~!@#%^&|`?")
_NORMAL_FORMS = ("NFC", "NFD", "NFKC", "NFKD")

logging.getLogger("sqlglot").disabled = True  # it would print statement texts


def _form(name: str) -> Callable[[Any], exp.Expr]:
    return lambda self: parse_form(self, name)


class SecondReadingParser(ClauseForms):
    """PostgreSQL's grammar without other databases' functions, lambdas and placeholders."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        "CAST": ClauseForms.FUNCTION_PARSERS["CAST"],
        **{name: _form(name) for name in WORDS},
    }
    LAMBDAS: ClassVar[dict[Any, Any]] = {TokenType.FARROW: ClauseForms.LAMBDAS[TokenType.FARROW]}
    PLACEHOLDER_PARSERS: ClassVar[dict[Any, Any]] = {
        TokenType.PARAMETER: lambda self: self._parse_parameter_or_absolute()
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: parse
        for name, parse in ClauseForms.NO_PAREN_FUNCTION_PARSERS.items()
        if name in ("ANY", "CASE", "VARIADIC")
    }

    def _parse_parameter_or_absolute(self) -> exp.Expr | None:
        """`$1`, or `@ x`, the absolute value."""
        if self._prev.text == "@":
            return self.expression(exp.Neg(this=self._parse_unary()))
        return self._parse_parameter()

    _around: list[exp.Expr]

    def _parse_field(self, *positional: Any, **named: Any) -> exp.Expr | None:
        """`schema.f(…) FILTER (…)` and `WITHIN GROUP (…)`: sqlglot takes all of it for the name
        behind the dot. What stands around the call is put aside here."""
        behind_dot = self._prev is not None and self._prev.token_type == TokenType.DOT
        field: exp.Expr | None = super()._parse_field(*positional, **named)
        called, around = field, None
        while behind_dot and isinstance(called, exp.Filter | exp.WithinGroup | exp.Window):
            around, called = called, called.this
        if around is None or not isinstance(called, exp.Func):
            return field
        around.set("this", exp.Null())
        self._around.append(field)
        return called

    def _parse_column_ops(self, this: exp.Expr | None) -> exp.Expr | None:
        """With what `_parse_field` has put aside beside it: only names and places matter."""
        outer = self.__dict__.get("_around", [])
        self._around = []
        try:
            found: exp.Expr | None = super()._parse_column_ops(this)
            if self._around:
                found = self.expression(exp.Tuple(expressions=[found, *self._around]))
        finally:
            self._around = outer
        return found

    def _parse_unnest(self, with_alias: bool = True) -> None:
        """UNNEST is a function like any other."""

    def _parse_using_identifiers(self) -> list[exp.Expr]:
        """`USING (a, b) AS alias`, PostgreSQL 14's alias of the merged columns, read as well."""
        names: list[exp.Expr] = super()._parse_using_identifiers()
        if self._match(TokenType.ALIAS):
            self._parse_id_var()
        return names

    def _parse_types(self, check_func: bool = False, **options: Any) -> exp.Expr | None:
        """Arrays of the `reg…` types and of `oid`, and `interval second(2)` as well.

        A type name before a parenthesis without a number is a function's: trying both readings,
        as sqlglot does, takes twice as long for each level of nesting.
        """
        if (
            check_func
            and self._next.token_type == TokenType.L_PAREN
            and self._tokens[self._index + 2].token_type != TokenType.NUMBER
        ):
            return None
        kind: exp.Expr | None = super()._parse_types(check_func=check_func, **options)
        if isinstance(kind, exp.ObjectIdentifier | exp.PseudoType):
            while self._match_pair(TokenType.L_BRACKET, TokenType.R_BRACKET):
                continue
        if (
            kind is not None
            and self._prev.text.upper() == "SECOND"
            and self._match_pair(TokenType.L_PAREN, TokenType.NUMBER)
        ):
            self._match_r_paren()
        return kind

    def _parse_is_rhs(self, distinct: bool = False) -> exp.Expr | None:
        """`IS DOCUMENT`, `IS UNKNOWN` and `IS NFC NORMALIZED` as well."""
        if not distinct:
            if self._match_texts(("DOCUMENT", "NORMALIZED", "UNKNOWN")):
                return self.expression(exp.Var(this=self._prev.text))
            if self._next.text.upper() == "NORMALIZED" and self._match_texts(_NORMAL_FORMS):
                self._advance()
                return self.expression(exp.Var(this=self._prev.text))
        return super()._parse_is_rhs(distinct)

    def _parse_at_time_zone(self, this: exp.Expr | None) -> exp.Expr | None:
        """`AT LOCAL` as well."""
        if self._match_text_seq("AT", "LOCAL"):
            return self._parse_at_time_zone(this)
        return super()._parse_at_time_zone(this)

    def _parse_ordered(
        self, parse_method: Callable[[], exp.Expr | None] | None = None
    ) -> exp.Ordered | None:
        """`ORDER BY x USING <` as well."""

        def item() -> exp.Expr | None:
            this = parse_method() if parse_method else self._parse_disjunction()
            if self._match(TokenType.USING):
                if self._match(TokenType.OPERATOR):
                    while self._curr and not self._match(TokenType.R_PAREN):
                        self._advance()
                while self._curr and _OPERATOR_SIGNS.issuperset(self._curr.text):
                    self._advance()
            return this

        return super()._parse_ordered(item)


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
        # it gives up on texts with $1 that end in '', which it looks through for a closing $
        return list(_DIALECT.tokenize(text + " "))
    except (SqlglotError, ValueError, IndexError):
        raise Unreadable from None


_OMITTED = (("OVERRIDING", "SYSTEM", "VALUE"), ("OVERRIDING", "USER", "VALUE"))


def without_unknown_words(found: Sequence[Token]) -> list[Token]:
    """`found` without words that sqlglot's grammar has no place for.

    Names that went missing with them would be noticed: the referee's must all be found.
    """
    out: list[Token] = []
    words = [t.text.upper() for t in found]
    position = 0
    while position < len(found):
        if tuple(words[position : position + 3]) in _OMITTED:
            position += 3
            continue
        if tuple(words[position : position + 2]) == ("CURRENT", "OF"):
            out.append(changed(found[position], TokenType.TRUE, "TRUE"))
            position += 3
            continue
        if (
            found[position].token_type == TokenType.LATERAL
            and position
            and found[position - 1].token_type == TokenType.L_PAREN
        ):
            position += 1  # `FROM (LATERAL …)`: what it allows is for the referee to resolve
            continue
        out.append(found[position])
        position += 2 if tuple(words[position : position + 2]) == ("COLLATION", "FOR") else 1
    return out


def _readable(found: Sequence[Token]) -> list[Token]:
    named = with_unicode_names(without_unknown_words(found))
    return without_only_parentheses(without_lateral(named))


def changed(token: Token, kind: TokenType, text: str) -> Token:
    """Another token in the place of `token`."""
    return Token(kind, text, line=token.line, col=token.col, start=token.start, end=token.end)


def parse_tokens(found: Sequence[Token], text: str) -> list[exp.Expr]:
    """One tree for each statement in `found`, tokens of `text`; empty statements are left out.

    Raises:
        Unreadable: its parser rejects the text.
    """
    reader = SecondReadingParser(error_level=ErrorLevel.IMMEDIATE, dialect=_DIALECT)
    with deep_recursion():
        try:
            return [tree for tree in reader.parse(_readable(found), text) if tree is not None]
        except (
            SqlglotError,
            RecursionError,
            AssertionError,
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
