"""Clauses of PostgreSQL's queries that sqlglot knows only in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokens import Token, TokenType

_SIDES = ("PRECEDING", "FOLLOWING")


class ClauseForms(PostgresParser):  # type: ignore[misc]
    """The parser's part that reads them."""

    def _parse_table_sample(self, as_modifier: bool = False) -> exp.TableSample | None:
        """`TABLESAMPLE method (expressions) REPEATABLE (expression)`."""
        if not self._match(TokenType.TABLE_SAMPLE):
            return None
        self._parse_id_var(any_token=True)
        while self._match(TokenType.DOT):
            self._parse_id_var(any_token=True)
        arguments: list[Any] = self._parse_wrapped_csv(self._parse_disjunction)
        if self._match_text_seq("REPEATABLE"):
            arguments += self._parse_wrapped_csv(self._parse_disjunction)
        return self.expression(exp.TableSample(expressions=arguments))

    def _parse_cte(self) -> exp.Expr | None:
        """SEARCH and CYCLE belong to one WITH query, and list columns; those are names of its own
        output, which neither reading compares."""
        table: exp.Expr | None = super()._parse_cte()
        if table is None:
            return None
        if self._match_text_seq("SEARCH"):
            self._match_texts(("DEPTH", "BREADTH"))
            self._match_text_seq("FIRST", "BY")
            self._parse_csv(self._parse_id_var)
            self._named("SET")
        if self._match_text_seq("CYCLE"):
            self._parse_csv(self._parse_id_var)
            self._named("SET")
            if self._match_text_seq("TO"):
                marks = [self._parse_bitwise()]
                if self._match(TokenType.DEFAULT):
                    marks.append(self._parse_bitwise())
                table.set("key_expressions", marks)
            self._named("USING")
        return table

    def _parse_field_def(self) -> exp.Expr | None:
        """Fields and elements of columns in INSERT's list as well: `(a.b, c[1].d)`."""
        if self._next.token_type in (TokenType.DOT, TokenType.L_BRACKET):
            target: exp.Expr | None = self._parse_column()
            return target
        definition: exp.Expr | None = super()._parse_field_def()
        return definition

    def _parse_indexed_column(self) -> exp.Expr | None:
        """What ON CONFLICT infers an index from, operator class included."""
        indexed: exp.Expr | None = self._parse_bitwise()
        if self._curr.token_type not in (TokenType.COMMA, TokenType.R_PAREN):
            self._parse_id_var(any_token=True)
            while self._match(TokenType.DOT):
                self._parse_id_var(any_token=True)
        return indexed

    def _parse_cube_or_rollup(self, with_prefix: bool = False) -> exp.Cube | exp.Rollup | None:
        """Any expressions in CUBE and ROLLUP."""
        if not self._match_set((TokenType.CUBE, TokenType.ROLLUP)):
            return None
        items = [] if with_prefix else self._parse_wrapped_csv(self._parse_disjunction)
        return self.expression(exp.Rollup(expressions=items))

    def _parse_grouping_set(self) -> exp.Expr | None:
        return (
            self._parse_grouping_sets() or self._parse_cube_or_rollup() or self._parse_disjunction()
        )

    def _parse_window_spec(self) -> dict[str, str | exp.Expr | None]:
        """A column or function called `unbounded` as a bound as well."""
        self._match(TokenType.BETWEEN)
        if self._curr.text.upper() == "UNBOUNDED" and self._next.text.upper() not in _SIDES:
            value = self._parse_bitwise()
            self._match_texts(_SIDES)
            return {"value": value, "side": self._prev.text}
        bound: dict[str, str | exp.Expr | None] = super()._parse_window_spec()
        return bound

    def _parse_returning(self) -> exp.Returning | None:
        """`RETURNING WITH (OLD AS o, NEW AS n) …` as well."""
        if not self._match(TokenType.RETURNING):
            return None
        if self._match_pair(TokenType.WITH, TokenType.L_PAREN):
            while self._curr and not self._match(TokenType.R_PAREN):
                self._advance()
        return self.expression(exp.Returning(expressions=self._parse_csv(self._parse_expression)))

    def _parse_escape(self, this: exp.Expr | None) -> exp.Expr | None:
        """ESCAPE with any expression."""
        if not self._match(TokenType.ESCAPE):
            return this
        return self.expression(exp.Escape(this=this, expression=self._parse_bitwise()))

    def _parse_merge(self) -> exp.Merge:
        """A join as the source as well."""
        self._match(TokenType.INTO)
        target = self._parse_table()
        self._match(TokenType.USING)
        return self.expression(
            exp.Merge(
                this=target,
                using=self._parse_table(joins=True),
                on=self._match(TokenType.ON) and self._parse_disjunction(),
                whens=self._parse_when_matched(),
                returning=self._parse_returning(),
            )
        )

    def _named(self, word: str) -> None:
        if not self._match_text_seq(word):
            self.raise_error(f"Expecting {word}")
        self._parse_id_var()


def without_lateral(found: Sequence[Token]) -> list[Token]:
    """`found` without LATERAL, which names nothing, and which sqlglot takes in few places."""
    return [token for token in found if token.token_type != TokenType.LATERAL]


def without_only_parentheses(found: Sequence[Token]) -> list[Token]:
    """`found` with `ONLY x` in place of `ONLY (x)`."""
    out: list[Token] = []
    depth = 0
    opened: list[int] = []
    for token in found:
        kind = token.token_type
        if kind == TokenType.L_PAREN:
            depth += 1
            if out and out[-1].token_type == TokenType.ONLY:
                opened.append(depth)
                continue
        elif kind == TokenType.R_PAREN:
            depth -= 1
            if opened and opened[-1] == depth + 1:
                opened.pop()
                continue
        out.append(token)
    return out


def with_unicode_names(found: Sequence[Token]) -> list[Token]:
    """`found` with each `U&"n\\0061me" [UESCAPE '!']` as the one name that it is."""
    out: list[Token] = []
    position = 0
    while position < len(found):
        three = found[position : position + 3]
        if not _is_unicode_name(three):
            out.append(found[position])
            position += 1
            continue
        position += 3
        escape = "\\"
        if [t.text.upper() for t in found[position : position + 1]] == ["UESCAPE"]:
            escape = found[position + 1].text
            position += 2
        first, name = three[0], three[2]
        out.append(
            Token(
                TokenType.IDENTIFIER,
                _unescaped(name.text, escape),
                line=first.line,
                col=first.col,
                start=first.start,
                end=name.end,
            )
        )
    return out


def _is_unicode_name(tokens: Sequence[Token]) -> bool:
    """Three tokens without space between them: U, & and a quoted name."""
    return (
        len(tokens) == 3
        and tokens[0].text in ("U", "u")
        and tokens[0].token_type == TokenType.VAR
        and tokens[1].text == "&"
        and tokens[2].token_type == TokenType.IDENTIFIER
        and tokens[0].end + 1 == tokens[1].start
        and tokens[1].end + 1 == tokens[2].start
    )


def _unescaped(text: str, escape: str) -> str:
    """Parser.c's str_udeescape: `\\XXXX`, `\\+XXXXXX`, and the escape character doubled.

    Raises:
        ValueError: it is not written so; the referee refuses such a text before.
    """
    out: list[str] = []
    position = 0
    while position < len(text):
        if text[position] != escape:
            out.append(text[position])
            position += 1
        elif text[position + 1 : position + 2] == escape:
            out.append(escape)
            position += 2
        else:
            long = text[position + 1 : position + 2] == "+"
            begin, end = (position + 2, position + 8) if long else (position + 1, position + 5)
            out.append(chr(int(text[begin:end], 16)))
            position = end
    return "".join(out)
