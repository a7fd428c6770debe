"""The forms with which PostgreSQL's grammar extends a plain function call.

`EXTRACT(year FROM x)`, `TRIM(BOTH a FROM b)`, `JSON_VALUE(a, 'p' RETURNING int)`: between the
parentheses stand expressions and words. sqlglot parses each form with code of its own, which
knows only part of it and drops what it has no place for. For the comparison only the expressions
matter, so one loop reads them all: words of the form are passed over, everything else is parsed.
A name passed over by mistake is missed by the comparison, so a mistake refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp
from sqlglot.tokens import TokenType

_ON_HANDLING = "ON EMPTY ERROR ABSENT DEFAULT"
_JSON = f"{_ON_HANDLING} FORMAT JSON ENCODING UTF8 WITH WITHOUT UNIQUE KEYS VALUE KEY"
_JSON_PATH = (
    f"{_JSON} PASSING WRAPPER CONDITIONAL UNCONDITIONAL KEEP OMIT QUOTES SCALAR STRING "
    "UNKNOWN ARRAY OBJECT"
)

WORDS: Mapping[str, frozenset[str]] = {
    form: frozenset(words.split())
    for form, words in {
        "EXTRACT": "FROM",
        "JSON": "FORMAT JSON ENCODING UTF8 WITH WITHOUT UNIQUE KEYS",
        "JSON_ARRAY": _JSON,
        "JSON_ARRAYAGG": _JSON,
        "JSON_EXISTS": _JSON_PATH,
        "JSON_OBJECT": _JSON,
        "JSON_OBJECTAGG": _JSON,
        "JSON_QUERY": _JSON_PATH,
        "JSON_SERIALIZE": _JSON,
        "JSON_TABLE": _JSON_PATH,
        "JSON_VALUE": _JSON_PATH,
        "NORMALIZE": "NFC NFD NFKC NFKD",
        "OVERLAY": "PLACING FROM FOR",
        "POSITION": "IN",
        "SUBSTRING": "FROM FOR SIMILAR ESCAPE",
        "TREAT": "",
        "TRIM": "BOTH LEADING TRAILING FROM",
        "XMLATTRIBUTES": "",
        "XMLELEMENT": "",
        "XMLEXISTS": "PASSING BY REF VALUE",
        "XMLFOREST": "",
        "XMLPARSE": "DOCUMENT CONTENT PRESERVE STRIP WHITESPACE",
        "XMLPI": "",
        "XMLROOT": "VERSION STANDALONE YES NO VALUE",
        "XMLSERIALIZE": "DOCUMENT CONTENT NO INDENT",
        "XMLTABLE": "PASSING BY REF VALUE",
    }.items()
}
"""Form → the words that may stand between its expressions (gram.y, func_expr_common_subexpr)."""

_RESERVED = frozenset({"BOTH", "FOR", "FROM", "LEADING", "PLACING", "TRAILING"})
"""Words of forms that are never names, not even before a parenthesis."""

_NEVER_ITEMS = frozenset({"BY", "COLUMNS", "RETURNING"})
_BEFORE_ITEMS = frozenset({"DEFAULT", "PASSING", "REF", "VALUE"})
"""Words behind which an expression follows, or in PASSING BY REF another word."""

_TYPE_AFTER_AS = frozenset({"TREAT", "XMLSERIALIZE"})
_TIGHT = frozenset({"POSITION", "EXTRACT", "OVERLAY", "SUBSTRING", "TRIM"})
"""Forms whose words would be operators in a full expression (IN, FROM)."""


def parse_form(parser: Any, form: str) -> exp.Expr:
    """Read what stands between the parentheses of `form`, up to the closing one."""
    called = parser._tokens[parser._index - 2]
    items: list[exp.Expr] = []
    words = WORDS[form]
    behind_item, last_word = False, ""
    while parser._curr and not parser._match(TokenType.R_PAREN, advance=False):
        if parser._match_set((TokenType.COMMA, TokenType.COLON, TokenType.DISTINCT)):
            behind_item, last_word = False, ""
            continue
        word = parser._curr.text.upper() if _is_bare(parser._curr) else ""
        if not behind_item and word not in _NEVER_ITEMS and _begins_item(parser, form, last_word):
            word = ""
        before, last_word = last_word, ""
        if form == "EXTRACT" and not items and parser._next.text.upper() == "FROM":
            parser._advance(2)  # the field: a word or a string, never a column
        elif word == "RETURNING" or (word == "AS" and form in _TYPE_AFTER_AS):
            parser._advance()
            _required(parser, parser._parse_types())
        elif word == "AS" or (word == "NAME" and form in ("XMLELEMENT", "XMLPI") and not items):
            parser._advance()
            _required(parser, parser._parse_id_var(any_token=True))
        elif word == "COLUMNS" and parser._next.token_type == TokenType.L_PAREN:
            parser._advance(2)
            items += _columns(parser)
        elif word == "COLUMNS":
            parser._advance()
            items += _columns(parser, wrapped=False)
        elif word == "XMLNAMESPACES":
            parser._advance(2)
            items += _namespaces(parser)
        elif behind_item and word == "FORMAT" and parser._match_text_seq("FORMAT", "JSON"):
            if parser._match_text_seq("ENCODING"):
                parser._advance()
        elif word in words and (
            behind_item or before == "NO" or _is_never_name(form, word) or not _ends_item(parser)
        ):
            # behind an item and without a comma only a word of the form can stand
            parser._advance()
            behind_item, last_word = False, word
            continue
        elif word == "ORDER" or parser._match(TokenType.ORDER_BY, advance=False):
            items.append(_required(parser, parser._parse_order()))
        else:
            items.append(_item(parser, form))
            behind_item = True
            continue
        behind_item = False
    return exp.Anonymous(this=form, expressions=items).update_positions(called)


def _item(parser: Any, form: str) -> exp.Expr:
    if form in _TIGHT:
        return _required(parser, parser._parse_bitwise())
    return _required(parser, parser._parse_select() or parser._parse_disjunction())


def _columns(parser: Any, wrapped: bool = True) -> list[exp.Expr]:
    """The COLUMNS clause of JSON_TABLE and XMLTABLE: names and types, and DEFAULT expressions."""
    items: list[exp.Expr] = []
    depth = 1
    while parser._curr and depth:
        if parser._match(TokenType.R_PAREN, advance=wrapped or depth > 1):
            depth -= 1
        elif parser._match(TokenType.L_PAREN):
            depth += 1
        elif parser._curr.text.upper() == "DEFAULT" and _is_bare(parser._curr):
            parser._advance()
            items.append(_required(parser, parser._parse_bitwise()))
        elif parser._curr.text.upper() == "PATH" and _is_bare(parser._curr):
            parser._advance()
            if not _ends_item(parser, of_next=False):
                items.append(_required(parser, parser._parse_bitwise()))
        else:
            parser._advance()
    return items


def _namespaces(parser: Any) -> list[exp.Expr]:
    items: list[exp.Expr] = []
    while parser._curr and not parser._match(TokenType.R_PAREN):
        if parser._match(TokenType.COMMA) or parser._match(TokenType.DEFAULT):
            continue
        if parser._match(TokenType.ALIAS):
            _required(parser, parser._parse_id_var(any_token=True))
        else:
            items.append(_required(parser, parser._parse_bitwise()))
    return items


def _required(parser: Any, found: Any) -> exp.Expr:
    if found is None:
        parser.raise_error("Unexpected token")
    assert isinstance(found, exp.Expr)
    return found


def _is_never_name(form: str, word: str) -> bool:
    """Whether the word is one of the form's even before a parenthesis."""
    return word in _RESERVED or (
        form in ("XMLPARSE", "XMLSERIALIZE") and word in ("CONTENT", "DOCUMENT")
    )


def _begins_item(parser: Any, form: str, last_word: str) -> bool:
    """Whether an expression has to stand here: a column with a word's name, then."""
    if last_word:
        return last_word in _BEFORE_ITEMS
    return form.startswith("JSON") and parser._prev.token_type in (
        TokenType.L_PAREN,
        TokenType.COMMA,
        TokenType.COLON,
        TokenType.DISTINCT,
    )


def _is_bare(token: Any) -> bool:
    return token.token_type not in (TokenType.IDENTIFIER, TokenType.STRING)


def _ends_item(parser: Any, of_next: bool = True) -> bool:
    """Whether the word is itself an item, a column of that name: nothing follows it."""
    token = parser._next if of_next else parser._curr
    return token.token_type in (
        TokenType.COMMA,
        TokenType.COLON,
        TokenType.DOT,
        TokenType.DCOLON,
        TokenType.L_PAREN,
    )
