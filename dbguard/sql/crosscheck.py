"""Do both readings of a text see the same names at the same places?

The referee says what there is: statements, relations, columns, functions. sqlglot reads the same
text independently. What one sees and the other does not is a reason to refuse, with the place
named: either a parser is wrong, or the text was made to be read in two ways.

Utility statements without a query inside are not compared: sqlglot keeps most of them as plain
text, and they are classified by the referee's tree alone.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlglot.tokens import Token as SqlglotToken

from . import dialect, referee, secondreading
from .bridging import analysis_texts, plain_tokens
from .constants import blanked
from .innerquery import Query, queries
from .inventory import Mentions, mentions, mentions_of, walk
from .recursion import deep_recursion
from .referee import ParsedStatement, Token
from .secondreading import Name, SecondReading

__all__ = ["CrossCheck", "Mentions", "Outcome", "compare", "mentions"]


class Outcome(enum.StrEnum):
    AGREES = "agrees"
    DISAGREES = "disagrees"
    UNREAD = "unread"
    """sqlglot rejects the statement, or keeps it as text."""


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """How the readings of one statement compare."""

    outcome: Outcome
    query: bool = True
    """The statement is a query or wraps one; a second reading is needed. Of other utility
    statements only the text's boundaries are compared."""
    construct: str = ""
    """What differs, in the words of the client's error message."""
    position: int | None = None
    """1-based character offset in the whole text."""
    bridged: bool = False
    """sqlglot read another spelling, of which the referee makes the same tree."""

    @property
    def understood(self) -> bool:
        """Whether the readings leave no doubt."""
        return self.outcome is Outcome.AGREES or (self.outcome is Outcome.UNREAD and not self.query)


@dataclass(frozen=True, slots=True)
class _Difference:
    construct: str
    start: int
    """Byte offset; -1 when there is no place to point at."""


_NO_SECOND_READING = "a form that only one of two parsers can read"


def compare(
    text: str, statements: tuple[ParsedStatement, ...], tokens: Sequence[Token]
) -> tuple[CrossCheck, ...]:
    """One comparison for each of `statements`, which the referee found in `text` with `tokens`."""
    raw = text.encode("utf-8")
    if len(statements) > 1 and not _same_boundaries(text, statements, tokens):
        boundary = CrossCheck(Outcome.DISAGREES, construct="the border between statements")
        return (boundary,) * len(statements)
    with deep_recursion():
        return tuple(_compare_statement(statement, raw, tokens) for statement in statements)


def _same_boundaries(
    text: str, statements: Sequence[ParsedStatement], tokens: Sequence[Token]
) -> bool:
    """Whether both tokenizers see the same semicolons, and one between any two statements.

    True when sqlglot's rejects the text: each statement is then read by itself.
    """
    try:
        second = dialect.tokenize(text)
    except dialect.Unreadable:
        return True
    offsets = secondreading.offsets_of(text)
    seen = [offsets(t.start) for t in second if t.token_type is dialect.SEMICOLON]
    return seen == [t.start for t in tokens if t.kind == "ASCII_59"] and all(
        any(one.end <= semicolon < next_.start for semicolon in seen)
        for one, next_ in pairwise(statements)
    )


def _compare_statement(
    statement: ParsedStatement, raw: bytes, tokens: Sequence[Token]
) -> CrossCheck:
    found = queries(statement, raw, tokens)
    if found is None:
        return CrossCheck(Outcome.UNREAD, construct=_NO_SECOND_READING)
    if not found:
        return CrossCheck(Outcome.UNREAD, query=False)
    bridged = False
    for query in found:
        first = _compare_query(query, raw, tokens)
        if first is None:
            continue
        if not _agrees_bridged(query, raw, tokens):
            position = referee.character_position(raw, first.start) if first.start >= 0 else None
            if first.construct == _NO_SECOND_READING:
                return CrossCheck(Outcome.UNREAD, construct=first.construct)
            return CrossCheck(Outcome.DISAGREES, construct=first.construct, position=position)
        bridged = True
    return CrossCheck(Outcome.AGREES, bridged=bridged)


def _agrees_bridged(query: Query, raw: bytes, tokens: Sequence[Token]) -> bool:
    if _compare_query(query, raw, tokens, plain_tokens) is None:
        return True
    for other in analysis_texts(query, raw):
        (statement,) = referee.parse(other)
        scanned = referee.scan(other)
        again = Query(statement.tag, statement.node, statement.start, statement.end)
        for tokenize in (dialect.tokenize, plain_tokens):
            if _compare_query(again, other.encode("utf-8"), scanned, tokenize) is None:
                return True
    return False


def _compare_query(
    query: Query,
    raw: bytes,
    tokens: Sequence[Token],
    tokenize: Callable[[str], list[SqlglotToken]] = dialect.tokenize,
) -> _Difference | None:
    """The first difference between both readings of `query`; None when they agree."""
    part = raw[query.start : query.end]
    text = part.decode("utf-8")
    inside = referee.tokens_within(tokens, query.start, query.end)
    given = blanked(text, part, inside, query.start)
    try:
        trees = dialect.parse_tokens(tokenize(given), given)
    except dialect.Unreadable:
        return _Difference(_NO_SECOND_READING, -1)
    if len(trees) != 1:
        return _Difference("the number of statements", query.start)
    local = secondreading.offsets_of(text)
    second = secondreading.read(trees[0], text, lambda c: query.start + local(c))
    if second.opaque:
        return _Difference(_NO_SECOND_READING, -1)
    return next(_differences(query, second, raw), None)


_Heads = Mapping[int, set[str]]
"""Offset → names of the nodes that stand there."""

_KINDS = {
    "SelectStmt": ("Select", "Union", "Intersect", "Except", "Values", "Subquery", "Table"),
    "InsertStmt": ("Insert",),
    "UpdateStmt": ("Update",),
    "DeleteStmt": ("Delete",),
    "MergeStmt": ("Merge",),
}


def _differences(query: Query, second: SecondReading, raw: bytes) -> Iterator[_Difference]:
    first = mentions_of(query.tag, query.node)
    heads = _heads(query)
    if second.kind not in _KINDS[query.tag]:
        yield _Difference("the kind of statement", query.start)
    yield from _relation_differences(heads, first, second)
    yield from _column_differences(heads, first, second)
    yield from _field_differences(first, second)
    yield from _function_differences(heads, first, second, raw)


def _relation_differences(
    heads: _Heads, first: Mentions, second: SecondReading
) -> Iterator[_Difference]:
    wanted = {Name(m.start, m.parts) for m in first.relations}
    for name in wanted.symmetric_difference(second.relations):
        if name not in wanted and _is_value(name, _values(heads, first)):
            continue  # FROM current_date
        yield _Difference(f"the relation {_shown(name)}", name.start)
    wanted = {Name(m.start, (m.name,)) for m in first.ctes}
    for name in wanted.symmetric_difference(second.ctes):
        yield _Difference(f"the WITH query {_shown(name)}", name.start)


def _column_differences(
    heads: _Heads, first: Mentions, second: SecondReading
) -> Iterator[_Difference]:
    # the star that `TABLE x` stands for has no place
    wanted = {Name(m.start, m.parts, m.starred) for m in first.columns if m.start >= 0}
    found = set(second.columns)
    for name in sorted(wanted - found, key=lambda n: n.start):
        yield _Difference(f"the column {_shown(name)}", name.start)
    targets = {Name(m.start, (m.name,)) for m in first.targets}
    for name in targets - second.identifiers:
        yield _Difference(f"the column {_shown(name)}", name.start)
    unplaced = set(first.unplaced)
    target_starts = {name.start: name.parts[0] for name in targets}
    values = _values(heads, first)
    for name in sorted(found - wanted, key=lambda n: n.start):
        is_target = target_starts.get(name.start) == name.parts[0]
        is_default = name.parts == ("default",)
        is_value = _is_value(name, values)
        if not (is_target or is_default or is_value or name.parts[0] in unplaced):
            yield _Difference(f"the column {_shown(name)}", name.start)
    names = {identifier.parts[0] for identifier in second.identifiers}
    for missing in unplaced - names:
        yield _Difference(f'the column "{missing}"', -1)


def _field_differences(first: Mentions, second: SecondReading) -> Iterator[_Difference]:
    wanted = Counter((m.name, m.starred) for m in first.fields)
    found = Counter((n.parts[0], n.starred) for n in second.fields)
    targets = {m.start for m in first.targets}  # SET column.field = …
    found.update((p, False) for n in second.columns if n.start in targets for p in n.parts[1:])
    for name, _ in wanted - found:
        yield _Difference(f'the field "{name}"', -1)
    for name, _ in found - wanted:
        yield _Difference(f'the field "{name}"', -1)


_GRAMMAR_FORMS = {
    "coalesce": "CoalesceExpr",
    "greatest": "MinMaxExpr",
    "least": "MinMaxExpr",
    "nullif": "A_Expr",
    "row": "RowExpr",
    "grouping": "GroupingFunc",
    "cast": "TypeCast",
    "array": "A_ArrayExpr SubLink",
    "exists": "SubLink",
    "any": "A_Expr SubLink",
    "some": "A_Expr SubLink",
    "all": "A_Expr SubLink",
    "treat": "FuncCall",
    "normalize": "FuncCall",
    "localtime": "SQLValueFunction",
    "localtimestamp": "SQLValueFunction",
    "current_time": "SQLValueFunction",
    "current_timestamp": "SQLValueFunction",
    "merge_action": "MergeSupportFunc",
    "xmlconcat": "XmlExpr",
    "xmlelement": "XmlExpr",
    "xmlforest": "XmlExpr",
    "xmlparse": "XmlExpr",
    "xmlpi": "XmlExpr",
    "xmlroot": "XmlExpr",
    "xmlserialize": "XmlSerialize",
    "xmltable": "RangeTableFunc",
    "json": "JsonParseExpr",
    "json_scalar": "JsonScalarExpr",
    "json_serialize": "JsonSerializeExpr",
    "json_object": "JsonObjectConstructor",
    "json_array": "JsonArrayConstructor JsonArrayQueryConstructor",
    "json_objectagg": "JsonObjectAgg JsonAggConstructor",
    "json_arrayagg": "JsonArrayAgg JsonAggConstructor",
    "json_query": "JsonFuncExpr",
    "json_exists": "JsonFuncExpr",
    "json_value": "JsonFuncExpr",
    "json_table": "JsonTable",
}
"""Keywords that look like calls to sqlglot → the nodes PostgreSQL's grammar makes of them."""


_RESERVED_FORMS = frozenset({"all", "any", "some", "array", "xmlattributes"})
"""Reserved words, which can't name a function, of nodes whose position is another token's."""

_CHOSEN_BY_GRAMMAR = frozenset(
    ("pg_catalog", name) for name in ("like_escape", "similar_to_escape", "similar_escape")
)
"""Functions that LIKE … ESCAPE and SIMILAR TO stand for, without being marked as such."""


def _function_differences(
    heads: _Heads, first: Mentions, second: SecondReading, raw: bytes
) -> Iterator[_Difference]:
    wanted: set[Name] = set()
    by_grammar: set[int] = set()
    for mention in first.functions:
        spelled = raw[mention.start :].lstrip(b'"')[:10].lower() == b"pg_catalog"
        if mention.by_grammar or (mention.parts in _CHOSEN_BY_GRAMMAR and not spelled):
            by_grammar.add(mention.start)
        else:
            wanted.add(Name(mention.start, mention.parts, mention.of_rows))
    found = set(second.functions)
    for name in sorted(wanted - found, key=lambda n: n.start):
        yield _Difference(f"the function {_shown(name)}", name.start)
    for name in sorted(found - wanted, key=lambda n: n.start):
        if name.start in by_grammar and len(name.parts) == 1:
            continue
        is_bare = len(name.parts) == 1 and raw[name.start : name.start + 1] != b'"'
        if is_bare and name.parts[0] in _RESERVED_FORMS:
            continue
        forms = _GRAMMAR_FORMS.get(name.parts[0], "").split() if is_bare else ()
        if not heads.get(name.start, set()).intersection(forms):
            yield _Difference(f"the function {_shown(name)}", name.start)


_VALUES = """
    current_catalog current_date current_role current_schema current_time current_timestamp
    current_user localtime localtimestamp session_user system_user user
"""
_VALUE_WORDS = frozenset(_VALUES.split())
"""What SQLValueFunction is spelled like."""


def _is_value(name: Name, places: set[int]) -> bool:
    return name.start in places and len(name.parts) == 1 and name.parts[0] in _VALUE_WORDS


def _values(heads: _Heads, first: Mentions) -> set[int]:
    """Where CURRENT_USER and the like stand."""
    system = {m.start for m in first.functions if m.parts[-1] == "system_user" and m.by_grammar}
    return {place for place, kinds in heads.items() if "SQLValueFunction" in kinds} | system


def _heads(query: Query) -> _Heads:
    heads: dict[int, set[str]] = {}
    for kind, item in walk(query.tag, query.node):
        heads.setdefault(item.get("location", 0), set()).add(kind)
    return heads


def _shown(name: Name) -> str:
    parts = name.parts[:-1] if name.starred else name.parts
    quoted = [f'"{part}"' for part in parts]
    return ".".join([*quoted, "*"] if name.starred else quoted)
