"""The exact tree that a masked relation must parse to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dbguard.errors import NotUnderstood, SyntaxRefused

from . import referee
from .definitions import PLACEHOLDER, around
from .referee import Node
from .rewrite import INNER, SYSTEM_COLUMNS
from .snapshot import Relation

LOCATIONS = frozenset(
    {
        "location",
        "name_location",
        "stmt_location",
        "stmt_len",
        "list_start",
        "list_end",
        "rexpr_list_start",
        "rexpr_list_end",
    }
)
"""Fields of libpg_query's trees that say where something stands, not what it is."""


class Mismatch(Exception):
    """The rewritten tree is not what it should be; the text names a construct, never a value."""


def bare(node: Any) -> Any:
    """`node` without what tells places in the text. For small trees: it recurses."""
    if isinstance(node, dict):
        return {key: bare(value) for key, value in node.items() if key not in LOCATIONS}
    if isinstance(node, list):
        return [bare(item) for item in node]
    return node


def same(node: Any, tree: Any) -> bool:
    """Whether `bare(node) == tree`, without making a copy: masks are large. It recurses."""
    if isinstance(node, dict):
        if not isinstance(tree, dict):
            return False
        left = len(tree)
        for key, value in node.items():
            if key in LOCATIONS:
                continue
            if key not in tree or not same(value, tree[key]):
                return False
            left -= 1
        return left == 0
    if isinstance(node, list):
        return isinstance(tree, list) and len(node) == len(tree) and all(map(same, node, tree))
    return bool(node == tree)


def strings(parts: Sequence[Node]) -> list[str | None]:
    """The values of a list of String nodes; None for any other node (a star)."""
    return [part["String"].get("sval", "") if "String" in part else None for part in parts]


@functools.lru_cache(maxsize=4096)
def mask_tree(mask: str) -> Node:
    """The tree of one mask expression; shared, so not to be changed.

    Raises:
        NotUnderstood: it is no single expression, or nothing but a column.
    """
    unfit = NotUnderstood("a mask is not one expression", hint="Report this as a bug in dbguard.")
    try:
        statements = referee.parse(f"SELECT {mask}")
    except SyntaxRefused:
        raise unfit from None
    if len(statements) != 1 or set(statements[0].node) != {"targetList", "limitOption", "op"}:
        raise unfit
    targets = statements[0].node["targetList"]
    if len(targets) != 1 or set(bare(targets[0]["ResTarget"])) != {"val"}:
        raise unfit
    tree: Node = bare(targets[0]["ResTarget"]["val"])
    if "ColumnRef" in tree:
        raise unfit
    return tree


def check_derived(
    select: Node,
    relation: Relation,
    numbers: Sequence[int],
    masks: Mapping[int, str],
    *,
    inherits: bool,
    sample: Callable[[Node], None] | None = None,
) -> None:
    """Check that `select` reads exactly `numbers` of `relation`, the masked ones masked.

    `sample` is given the RangeTableSample around the relation, when there has to be one.

    Raises:
        Mismatch: it is anything else.
    """
    allowed = {"targetList", "fromClause", "limitOption", "op"}
    if not set(select) <= allowed or select.get("op") != "SETOP_NONE":
        raise Mismatch("a clause inside a masked relation")
    if select.get("limitOption") != "LIMIT_OPTION_DEFAULT":
        raise Mismatch("a limit inside a masked relation")
    _check_from(select.get("fromClause", ()), relation, inherits, sample)
    targets = [item.get("ResTarget", {}) for item in select.get("targetList", ())]
    if not same(targets, [_target(number, relation, masks) for number in numbers]):
        raise Mismatch("the columns of a masked relation")


def copied_numbers(listed: list[str | None] | None, relation: Relation) -> list[int]:
    """Attribute numbers of what COPY puts out, in its order."""
    if listed is None:
        return [c.number for c in relation.columns if not c.generated]
    by_name = {c.name: c.number for c in relation.columns}
    return [by_name.get(name or "", 0) for name in listed]


def _check_from(
    items: Sequence[Node],
    relation: Relation,
    inherits: bool,
    sample: Callable[[Node], None] | None,
) -> None:
    if len(items) != 1:
        raise Mismatch("what a masked relation reads from")
    item = items[0]
    if sample is not None:
        if set(item) != {"RangeTableSample"}:
            raise Mismatch("the TABLESAMPLE of a masked relation")
        sample(item["RangeTableSample"])
        item = item["RangeTableSample"]["relation"]
    expected: dict[str, Any] = {
        "schemaname": relation.schema,
        "relname": relation.name,
        "relpersistence": "p",
        "alias": {"aliasname": INNER},
    }
    if inherits:
        expected["inh"] = True
    if bare(item) != {"RangeVar": expected}:
        raise Mismatch("what a masked relation reads from")


def _target(number: int, relation: Relation, masks: Mapping[int, str]) -> Node:
    if number in masks:
        column = relation.column(number)
        if column is None:
            raise Mismatch("a masked column that does not exist")
        return {"name": column.name, "val": mask_tree(masks[number])}
    if number < 0:
        name = SYSTEM_COLUMNS[number]
        return {"name": name, "val": _column(name)}
    column = relation.column(number)
    if column is None:
        raise Mismatch("a column that does not exist")
    return {"val": _column(column.name)}


def _column(name: str) -> Node:
    parts = [{"String": {"sval": INNER}}, {"String": {"sval": name}}]
    return {"ColumnRef": {"fields": parts}}


def unwrapped(found: Node, name: str) -> Node:
    """The call around which `found` takes values out of the definition that `name` shows."""
    before, behind = around(name)
    calls = list(_placed(found, mask_tree(before + PLACEHOLDER + behind)))
    if len(calls) != 1:
        raise Mismatch("what is taken out of a definition")
    return calls[0]


def _placed(found: Any, template: Any) -> Iterator[Node]:
    """What stands in the place of the placeholder, in trees that are otherwise equal."""
    if isinstance(template, dict):
        if bare(template) == _PLACEHOLDER:
            yield found
        elif not isinstance(found, dict) or set(found) - LOCATIONS != set(template) - LOCATIONS:
            raise Mismatch("what is taken out of a definition")
        else:
            for key in set(template) - LOCATIONS:
                yield from _placed(found[key], template[key])
    elif isinstance(template, list):
        if not isinstance(found, list) or len(found) != len(template):
            raise Mismatch("what is taken out of a definition")
        for one, other in zip(found, template, strict=True):
            yield from _placed(one, other)
    elif found != template:
        raise Mismatch("what is taken out of a definition")


_PLACEHOLDER = bare(mask_tree(PLACEHOLDER))
