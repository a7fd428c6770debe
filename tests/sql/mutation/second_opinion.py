"""Do both parsers name the same columns, relations and functions? Asked once more, in another way.

dbguard's cross-check compares mentions by position, rule by rule, and tries other spellings. Here
each side is boiled down to how often each name occurs in each role, and a difference is a failure
unless one of the named rules below takes it away.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import postgast
from google.protobuf.message import DecodeError
from postgast.errors import PgQueryError
from sqlglot import exp

from dbguard.errors import StatementError
from dbguard.sql import dialect, referee
from dbguard.sql.bridging import plain_tokens

Bag = Counter[tuple[str, str]]
"""How often (role, name) occurs; names are dotted, and their last part is `*` for all columns."""

QUERIES = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})

_VALUE_WORDS = """
    current_date current_time current_timestamp localtime localtimestamp current_role
    current_user user session_user current_catalog current_schema system_user
"""
VALUE_WORDS = frozenset(_VALUE_WORDS.split())
"""Rule *value words*: SQLValueFunction in one tree, a column or a function in the other."""

_FORMS = """
    coalesce greatest least nullif row grouping cast array exists any some all treat normalize
    merge_action xmlconcat xmlelement xmlforest xmlparse xmlpi xmlroot xmlserialize xmltable
    xmlattributes xmlexists json json_scalar json_serialize json_object json_array json_objectagg
    json_arrayagg json_query json_exists json_value json_table extract trim substring position
    overlay
"""
FORMS = frozenset(_FORMS.split())
"""Rule *forms*: keywords of PostgreSQL's grammar that look like calls to sqlglot. Their operands
are compared; the call itself is the grammar's."""

_GRAMMAR_CALLS = """
    extract position overlay substring btrim ltrim rtrim timezone xmlexists normalize
    is_normalized pg_collation_for like_escape similar_to_escape similar_escape overlaps system_user
    trim treat
"""
GRAMMAR_CALLS = frozenset(_GRAMMAR_CALLS.split())
"""Rule *grammar's calls*: functions that PostgreSQL's grammar calls for a form of its own
(AT TIME ZONE, LIKE … ESCAPE); no call stands in the text."""


def difference(text: str) -> str:
    """What one parser names and the other does not, "" when they agree, "-" when not comparable."""
    statements = referee.parse(text)
    if any(_inner(s.tag, s.node)[0] not in QUERIES for s in statements):
        return "-"
    raw = text.encode()
    found = ""
    for statement in statements:
        part = raw[statement.start : statement.end].decode()
        tag, node = _inner(statement.tag, statement.node)
        wanted = referee_bag(tag, node)
        found = found or _disagreement(part, wanted, statement.tag != tag)
    return found


def _disagreement(text: str, wanted: Bag, wrapped: bool) -> str:
    first = ""
    for reading in _readings(text, wrapped):
        differs = _compared(wanted, reading)
        if not differs:
            return ""
        first = first or differs
    return first or ("-" if wrapped else "sqlglot reads no spelling of it")


def _inner(tag: str, node: Any) -> tuple[str, Any]:
    """The query that a wrapper holds."""
    while tag in (
        "ExplainStmt",
        "PrepareStmt",
        "DeclareCursorStmt",
        "CreateTableAsStmt",
        "CopyStmt",
    ):
        if "query" not in node:
            return tag, node
        ((tag, node),) = node["query"].items()
    return tag, node


def _readings(text: str, wrapped: bool) -> Iterator[Bag]:
    """sqlglot's names for the text, and for spellings of it that PostgreSQL takes for the same."""
    if wrapped:
        text = _unwrapped(text)
    for candidate in itertools.chain((text,), _deparsed(text)):
        for tokenize in (dialect.tokenize, plain_tokens):
            try:
                yield sqlglot_bag(dialect.parse_tokens(tokenize(candidate), candidate), candidate)
            except (dialect.Unreadable, StatementError):
                continue


def _deparsed(text: str) -> Iterator[str]:
    try:
        if referee.parse(text)[0].tag in QUERIES:  # deparsing COPY with odd options may crash
            yield postgast.deparse(postgast.parse(text))
    except (PgQueryError, DecodeError, ValueError):
        return


def _unwrapped(text: str) -> str:
    """The query inside a wrapper: from the first token on that makes one of the same names."""
    wanted = referee_bag(*_inner(*_only(text)))
    tokens = [t for t in referee.scan(text) if not t.is_comment]
    raw = text.encode()
    for first in tokens[1:]:
        for last in reversed(tokens):
            if last.end <= first.start:
                break
            part = raw[first.start : last.end].decode()
            try:
                parsed = referee.parse(part)
            except StatementError:
                continue
            if [p.tag in QUERIES and referee_bag(p.tag, p.node) == wanted for p in parsed] == [
                True
            ]:
                return part
    return text


def _only(text: str) -> tuple[str, Any]:
    (statement,) = referee.parse(text)
    return statement.tag, statement.node


def _compared(wanted: Bag, found: Bag) -> str:
    missing = wanted - found
    surplus = found - wanted
    for role, name in list(missing):
        if role == "target":
            # Rule *targets*: what SET assigns, and the columns of ON CONFLICT, are columns to
            # sqlglot, INSERT's list is not
            count = missing.pop((role, name))
            for other, number in list(surplus.items()):
                if other[0] == "column" and other[1].partition(".")[0] == name:
                    surplus[other] -= min(number, count)
                    count -= min(number, count)
        elif role == "value" or (role == "function" and name.rpartition(".")[2] in GRAMMAR_CALLS):
            del missing[role, name]
        elif role == "implied":
            # Rule *implied stars*: `TABLE x` has one that stands nowhere
            surplus["column", "*"] -= missing.pop((role, name))
    for role, name in list(surplus):
        bare = name.rpartition(".")[2]
        if (
            (role in ("column", "function", "relation") and name in VALUE_WORDS)
            or (role == "function" and bare in FORMS)
            or (role == "column" and name == "default")  # Rule *default*: a word in VALUES and SET
            or (role == "function" and name in GRAMMAR_CALLS and wanted["function", name])
        ):
            del surplus[role, name]
    lost = [f"{role} {name} unseen by sqlglot" for (role, name), n in missing.items() if n > 0]
    more = [f"{role} {name} unseen by the referee" for (role, name), n in surplus.items() if n > 0]
    return "; ".join([*lost, *more])


# ---- the referee's tree


def referee_bag(tag: str, node: Any) -> Bag:
    """Names in the tree, by the keys of libpg_query's JSON alone."""
    bag: Bag = Counter()
    pending: list[tuple[str, Any]] = [(tag, node)]
    while pending:
        key, item = pending.pop()
        if isinstance(item, list):
            pending.extend((key, element) for element in item)
            continue
        if not isinstance(item, dict):
            continue
        if key == "ColumnRef":
            implied = item.get("location") == -1
            bag["implied" if implied else "column", _dotted(item["fields"])] += 1
        elif "relname" in item:
            parts = [item.get(k) for k in ("catalogname", "schemaname", "relname")]
            bag["relation", ".".join(p for p in parts if p)] += 1
        elif key == "FuncCall" and item.get("funcformat") != "COERCE_SQL_SYNTAX":
            bag["function", _dotted(item["funcname"])] += 1
        elif key == "SQLValueFunction":
            bag["value", ""] += 1
        elif key == "IndexElem":
            bag["target", item.get("name", "")] += 1
        if key in ("UpdateStmt", "MergeWhenClause", "onConflictClause", "InsertStmt"):
            listed = [*item.get("targetList", ()), *item.get("cols", ())]
            for target in listed:
                bag["target", target.get("ResTarget", {}).get("name", "")] += 1
        # `SET (a, b) = (SELECT …)` holds the query once for each column
        repeated = key == "MultiAssignRef" and item.get("colno", 1) > 1
        pending.extend(
            (name, inner) for name, inner in item.items() if not (repeated and name == "source")
        )
    return bag


def _dotted(parts: Any) -> str:
    return ".".join(p["String"].get("sval", "") if "String" in p else "*" for p in parts)


# ---- sqlglot's tree


def sqlglot_bag(trees: list[exp.Expr], text: str) -> Bag:
    bag: Bag = Counter()
    for tree in trees:
        for node in tree.walk():
            if isinstance(node, exp.Column) and not _collates(node):
                bag["column", ".".join([*_parts(node), *_behind(node)])] += 1
            elif isinstance(node, exp.Star) and _selects(node, text):
                bag["column", "*"] += 1
            elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier | exp.Dot):
                bag["relation", ".".join([*_qualifiers(node), *_names(node.this)])] += 1
            elif isinstance(node, exp.Anonymous):
                bag["function", ".".join([*_schema_of(node), *_names(node.this)])] += 1
            elif isinstance(node, exp.Func) and "start" in (node._meta or {}):
                bag["function", ".".join([*_schema_of(node), node.sql_name().lower()])] += 1
    return bag


def _names(named: Any) -> list[str]:
    if isinstance(named, exp.Dot):
        return [*_names(named.this), *_names(named.expression)]
    if isinstance(named, exp.Identifier):
        name = str(named.this)
        return [_cut(name if named.args.get("quoted") else _lower(name))]
    if isinstance(named, exp.Star):
        return ["*"]
    if isinstance(named, exp.Column):
        return _parts(named)
    return [_cut(_lower(str(named)))]


def _lower(name: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in name)


def _cut(name: str) -> str:
    return name.encode()[:63].decode("utf-8", "ignore")


def _parts(node: exp.Column) -> list[str]:
    listed = (node.args.get(key) for key in ("catalog", "db", "table", "this"))
    return [name for part in listed if part is not None for name in _names(part)]


def _behind(node: exp.Expr) -> Iterator[str]:
    """What follows a column's four parts: sqlglot makes Dots of it."""
    parent = node.parent
    while isinstance(parent, exp.Dot) and parent.this is node:
        if isinstance(parent.expression, exp.Identifier | exp.Star):
            yield from _names(parent.expression)
        node, parent = parent, parent.parent


def _qualifiers(node: exp.Expr) -> list[str]:
    listed = (node.args.get(key) for key in ("catalog", "db"))
    return [name for part in listed if part is not None for name in _names(part)]


def _schema_of(node: exp.Expr) -> list[str]:
    parent = node.parent
    if isinstance(parent, exp.Dot) and parent.expression is node:
        return _names(parent.this)
    if isinstance(parent, exp.Table) and parent.this is node:
        return _qualifiers(parent)
    return []


def _collates(node: exp.Expr) -> bool:
    """Rule *collations*: sqlglot takes the name behind COLLATE for an operand, and an operator
    that follows binds to it."""
    while isinstance(node.parent, exp.Binary) and node.arg_key == "this":
        node = node.parent
    return isinstance(node.parent, exp.Collate) and node.arg_key == "expression"


def _selects(star: exp.Star, text: str) -> bool:
    """Rule *stars*: not `count(*)`, not part of `t.*`, not the one sqlglot adds around VALUES."""
    if isinstance(star.parent, exp.Column | exp.Dot | exp.Anonymous):
        return False
    start = (star._meta or {}).get("start")
    return start is not None and text[start] == "*"
