"""Literals that analysis has no way of looking at: what else may stand in their place.

A decision must never rest on a literal that the key of a cached plan leaves out. So a literal is
free only where it is known that no pass looks at its value, and where it stands is told by the
referee's tree; whatever is not listed here is not free. Of one SELECT, INSERT, UPDATE or DELETE,
and of such inside WITH, FROM and conditions, these are free:

* in a condition of WHERE or of a join: what a plain column is compared with (=, <>, <, IN, BETWEEN,
  LIKE, IS DISTINCT FROM, = ANY (ARRAY […])), below AND, OR and NOT only;
* what SET puts into a column, alone or added to a plain column and the like;
* items of the VALUES of an INSERT.

With a cast to a type of `_CASTS` or without, and nowhere inside a call: arguments name settings,
relations and query texts. Everything else, `ORDER BY 2`, `LIMIT 10`, `doc -> 'ssn'`, `1 = 1` and
lengths of types among it, belongs to the text as its names do. What kind of literal it is (a
string, a number of which type) chooses operators, and belongs to the text as well (`shape.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .referee import Node, ParsedStatement, Token

_LITERAL_TOKENS = frozenset({"SCONST", "ICONST", "FCONST"})
_LITERAL_FIELDS = frozenset({"sval", "ival", "fval"})
_COMPARISONS = frozenset({"=", "<>", "<", ">", "<=", ">="})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%"})
_LISTED = frozenset({"AEXPR_IN", "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"})
_PAIRED = frozenset({"AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT"})

_CASTS = frozenset(
    """
    bool date float4 float8 int2 int4 int8 numeric text time timestamp timestamptz timetz uuid
    varchar
    """.split()  # noqa: SIM905 - a table of words
)
"""Types whose literals name nothing and hold no key: not regclass, not json, not interval."""


def free_literals(statement: ParsedStatement, tokens: Sequence[Token]) -> tuple[int, ...] | None:
    """Byte offsets of the free literals of the only statement of a text with these tokens, in
    order; None for another kind of statement."""
    if statement.tag not in _STATEMENTS or "intoClause" in statement.node:
        return None
    places = {token.start: index for index, token in enumerate(tokens)}
    found = (_literal_token(tokens, places.get(place)) for place in _free(statement))
    return tuple(sorted({start for start in found if start is not None}))


def _literal_token(tokens: Sequence[Token], index: int | None) -> int | None:
    """Offset of the literal whose node stands at this token: a minus may be part of it
    (doNegate in gram.y)."""
    while index is not None and index < len(tokens):
        kind, start, _ = tokens[index]
        if kind in _LITERAL_TOKENS:
            return start
        if kind != "ASCII_45":
            return None
        index += 1
    return None


def _free(statement: ParsedStatement) -> Iterator[int]:
    """Places of the free literals, signs included."""
    pending: list[Node] = [{statement.tag: statement.node}]
    while pending:
        node = pending.pop()
        for tag, fields in node.items():
            handler = _STATEMENTS.get(tag) or _INSIDE.get(tag)
            if handler is not None:
                for found in handler(fields):
                    if isinstance(found, int):
                        yield found
                    else:
                        pending.append(found)


_Found = Iterator[Node | int]
"""Nodes to look into, and places of free literals."""


def _select(fields: Node) -> _Found:
    yield from _with(fields)
    for side in ("larg", "rarg"):
        if side in fields:
            yield {"SelectStmt": fields[side]}
    yield from fields.get("fromClause", ())
    yield fields.get("whereClause", {})


def _insert(fields: Node) -> _Found:
    yield from _with(fields)
    source = fields.get("selectStmt", {}).get("SelectStmt", {})
    for row in source.get("valuesLists", ()):
        yield from _literals(row["List"].get("items", ()))
    yield fields.get("selectStmt", {})
    conflict = fields.get("onConflictClause", {})
    yield from _set(conflict)
    yield conflict.get("whereClause", {})


def _update(fields: Node) -> _Found:
    yield from _with(fields)
    yield from _set(fields)
    yield from fields.get("fromClause", ())
    yield fields.get("whereClause", {})


def _delete(fields: Node) -> _Found:
    yield from _with(fields)
    yield from fields.get("usingClause", ())
    yield fields.get("whereClause", {})


def _with(fields: Node) -> _Found:
    for node in fields.get("withClause", {}).get("ctes", ()):
        yield node["CommonTableExpr"]["ctequery"]


def _set(fields: Node) -> _Found:
    for node in fields.get("targetList", ()):
        target = node["ResTarget"]
        value = target.get("val", {})
        if "indirection" in target:
            continue
        if (place := _literal(value)) is not None:
            yield place
        elif _symbol(value.get("A_Expr", {})) in _ARITHMETIC:
            yield from _beside_column(value["A_Expr"])


def _join(fields: Node) -> _Found:
    yield fields.get("larg", {})
    yield fields.get("rarg", {})
    yield fields.get("quals", {})


def _expression(fields: Node) -> _Found:
    """A comparison in a condition."""
    kind = fields.get("kind", "AEXPR_OP")
    left, right = fields.get("lexpr", {}), fields.get("rexpr", {})
    if kind in _PAIRED or _symbol(fields) in _COMPARISONS:
        yield from _beside_column(fields)
    elif kind in _LISTED and _is_column(left):
        yield from _literals(right.get("List", {}).get("items", ()))
    elif kind == "AEXPR_OP_ANY" and _is_column(left) and "A_ArrayExpr" in right:
        yield from _literals(right["A_ArrayExpr"].get("elements", ()))
    for side in (left, right):
        if "SubLink" in side:
            yield side


def _beside_column(fields: Node) -> Iterator[int]:
    """The literal of `column = literal`, whichever stands first."""
    left, right = fields.get("lexpr", {}), fields.get("rexpr", {})
    if _is_column(left):
        yield from _literals((right,))
    elif _is_column(right):
        yield from _literals((left,))


def _symbol(fields: Node) -> str:
    """The operator of an A_Expr; empty where it is not a bare one, or where more than an operator
    stands."""
    names = fields.get("name", ())
    if fields.get("kind", "AEXPR_OP") != "AEXPR_OP" or len(names) != 1:
        return ""
    symbol: str = names[0].get("String", {}).get("sval", "")
    return symbol


def _is_column(node: Node) -> bool:
    parts = node.get("ColumnRef", {}).get("fields", ())
    return bool(parts) and all("String" in part for part in parts)


def _literals(nodes: Iterable[Node]) -> Iterator[int]:
    for node in nodes:
        if (place := _literal(node)) is not None:
            yield place


def _literal(node: Node) -> int | None:
    """Where it stands, if the node is a literal, perhaps with a cast."""
    cast = node.get("TypeCast")
    if cast is not None:
        if not _is_plain_type(cast["typeName"]):
            return None
        node = cast["arg"]
    constant = node.get("A_Const")
    if constant is None or not constant.keys() & _LITERAL_FIELDS:
        return None
    place: int = constant.get("location", -1)
    return place


def _is_plain_type(fields: Node) -> bool:
    names = [part.get("String", {}).get("sval") for part in fields.get("names", ())]
    plain = not fields.keys() & {"typmods", "arrayBounds", "setof", "pct_type"}
    return plain and names[-1:] != [] and names[-1] in _CASTS and names[:-1] in ([], ["pg_catalog"])


_STATEMENTS: Mapping[str, Any] = {
    "SelectStmt": _select,
    "InsertStmt": _insert,
    "UpdateStmt": _update,
    "DeleteStmt": _delete,
}
_INSIDE: Mapping[str, Any] = {
    "JoinExpr": _join,
    "RangeSubselect": lambda fields: iter((fields["subquery"],)),
    "BoolExpr": lambda fields: iter(fields["args"]),
    "A_Expr": _expression,
    "SubLink": lambda fields: iter((fields["subselect"],)),
}
"""What of a condition or of FROM is looked into. A query that stands in no condition, as in a
target list, is not reached."""
