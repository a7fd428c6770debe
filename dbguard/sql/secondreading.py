"""sqlglot's reading of one statement, as names at positions, so that it can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from .inventory import STAR
from .names import fold, truncate

Offsets = Callable[[int], int]
"""From characters, which sqlglot counts, to bytes, which the referee counts."""


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted name at the byte offset of its first token."""

    start: int
    parts: tuple[str, ...]
    starred: bool = False
    """The last part is `*` and means all columns."""


@dataclass(frozen=True, slots=True)
class SecondReading:
    """What sqlglot saw in one statement."""

    kind: str
    """Class name of the tree's root."""
    opaque: bool
    """Some part was kept as text instead of being read."""
    relations: tuple[Name, ...]
    columns: tuple[Name, ...]
    functions: tuple[Name, ...]
    """Called by name; grammar forms (`CAST(`, `EXTRACT(`) are among them with their keyword."""
    fields: tuple[Name, ...]
    """`.name` or `.*` behind an expression, at the name itself."""
    ctes: tuple[Name, ...]
    identifiers: frozenset[Name]
    """Every single identifier, whatever it stands for."""


def offsets_of(text: str) -> Offsets:
    """The map from character to byte offsets in `text`."""
    if text.isascii():
        return lambda character: character
    starts = [0]
    for character in text:
        starts.append(starts[-1] + len(character.encode("utf-8")))
    return lambda character: starts[character]


def read(tree: exp.Expr, text: str, offsets: Offsets) -> SecondReading:
    """Collect the names in `tree`, which was read from `text`."""
    opaque = False
    relations: list[Name] = []
    columns: list[Name] = []
    functions: list[Name] = []
    fields: list[Name] = []
    ctes: list[Name] = []
    identifiers: set[Name] = set()
    for node in tree.walk():
        if isinstance(node, exp.Identifier):
            identifiers.add(_single(node, offsets))
        elif isinstance(node, exp.Command | exp.Placeholder | exp.Lambda):
            opaque = True
        elif isinstance(node, exp.Table):
            relations += _relation(node, offsets)
        elif isinstance(node, exp.Column):
            if _is_collation(node):
                continue
            columns.append(_joined([*_column_parts(node), *_dotted_after(node)], offsets))
        elif isinstance(node, exp.Star):
            in_place = isinstance(node.parent, exp.Column | exp.Dot | exp.Anonymous)
            if not in_place and _is_written(node, text):
                columns.append(_joined([node], offsets))
        elif isinstance(node, exp.Dot):
            fields += _field(node, offsets)
        elif isinstance(node, exp.CTE):
            ctes += [_single(a.this, offsets) for a in (node.args.get("alias"),) if a]
        elif isinstance(node, exp.Func) and "start" in (node._meta or {}):
            functions.append(_function(node, text, offsets))
    return SecondReading(
        kind=type(tree).__name__,
        opaque=opaque,
        relations=_in_order(relations),
        columns=_in_order(columns),
        functions=_in_order(functions),
        fields=_in_order(fields),
        ctes=_in_order(ctes),
        identifiers=frozenset(identifiers),
    )


def _in_order(names: list[Name]) -> tuple[Name, ...]:
    return tuple(sorted(names, key=lambda name: name.start))


def _text_of(node: exp.Expr) -> str:
    if isinstance(node, exp.Star):
        return STAR
    name = str(node.this)
    return truncate(name if node.args.get("quoted") else fold(name))


def _start_of(node: exp.Expr, offsets: Offsets) -> int:
    start = (node._meta or {}).get("start")
    return -1 if start is None else offsets(start)


def _is_collation(node: exp.Expr) -> bool:
    """The name behind COLLATE, which sqlglot takes for an operand: of `*`, too, if one follows."""
    while isinstance(node.parent, exp.Binary) and node.arg_key == "this":
        node = node.parent
    return isinstance(node.parent, exp.Collate) and node.arg_key == "expression"


def _is_written(star: exp.Star, text: str) -> bool:
    """False for the stars that sqlglot adds of its own around VALUES."""
    start = (star._meta or {}).get("start")
    return start is not None and text[start] == STAR


def _single(node: exp.Expr, offsets: Offsets) -> Name:
    return Name(_start_of(node, offsets), (_text_of(node),))


def _joined(nodes: list[exp.Expr], offsets: Offsets) -> Name:
    starred = isinstance(nodes[-1], exp.Star)
    return Name(_start_of(nodes[0], offsets), tuple(map(_text_of, nodes)), starred)


def _column_parts(node: exp.Column) -> list[exp.Expr]:
    return [part for key in ("catalog", "db", "table", "this") if (part := node.args.get(key))]


def _dotted_after(node: exp.Expr) -> Iterator[exp.Expr]:
    """Identifiers that follow a column directly: sqlglot's columns have four parts at most."""
    parent = node.parent
    while isinstance(parent, exp.Dot) and parent.this is node:
        if isinstance(parent.expression, exp.Identifier | exp.Star):
            yield parent.expression
        node, parent = parent, parent.parent


def _relation(node: exp.Table, offsets: Offsets) -> list[Name]:
    named = node.this
    qualifiers = [part for key in ("catalog", "db") if (part := node.args.get(key))]
    if isinstance(named, exp.Identifier):
        return [_joined([*qualifiers, named], offsets)]
    if isinstance(named, exp.Dot):
        return [_joined([*qualifiers, *named.flatten()], offsets)]
    return []


def _field(node: exp.Dot, offsets: Offsets) -> list[Name]:
    if not isinstance(node.expression, exp.Identifier | exp.Star):
        return []
    base: exp.Expr = node.this
    while isinstance(base, exp.Dot):
        base = base.this
    if isinstance(base, exp.Column | exp.Identifier):
        return []
    starred = isinstance(node.expression, exp.Star)
    return [Name(_start_of(node.expression, offsets), (_text_of(node.expression),), starred)]


def _function(node: exp.Func, text: str, offsets: Offsets) -> Name:
    meta = node._meta or {}
    start = offsets(meta["start"])
    if isinstance(node, exp.Anonymous):
        named = node.this
        last = _text_of(named) if isinstance(named, exp.Identifier) else truncate(fold(str(named)))
    else:
        last = fold(text[meta["start"] : meta["end"] + 1])
    starred = len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Star)
    qualifiers: list[exp.Expr] = []
    parent = node.parent
    if isinstance(parent, exp.Dot) and parent.expression is node:
        qualifiers = list(_flat(parent.this))
    elif isinstance(parent, exp.Table) and parent.this is node:
        qualifiers = [part for key in ("catalog", "db") if (part := parent.args.get(key))]
    if qualifiers:
        start = _start_of(qualifiers[0], offsets)
    return Name(start, (*map(_text_of, qualifiers), last), starred)


def _flat(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Dot):
        yield from _flat(node.this)
        yield node.expression
    elif isinstance(node, exp.Column):
        yield from _column_parts(node)
    else:
        yield node
