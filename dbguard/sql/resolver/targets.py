"""Target lists and RETURNING lists to named values (parse_target.c)."""

from __future__ import annotations

from collections.abc import Sequence

from dbguard.sql.referee import Node

from .columns import check_length, field_of, item_by_name, reference_parts, whole_row_item
from .context import Context
from .expressions import expression
from .naming import figure_name
from .scope import Scope
from .values import NamedValue, Value, computed

MAX_ENTRIES = 1664
"""MaxTupleAttributeNumber in htup_details.h; checked of every query level by free_parsestate."""


def target_list(ctx: Context, nodes: Sequence[Node], scope: Scope) -> list[NamedValue]:
    """The columns of a target list, stars expanded.

    Raises:
        UndefinedName: a name in it does not exist.
    """
    columns: list[NamedValue] = []
    for node in nodes:
        if len(columns) > MAX_ENTRIES:
            break
        target = node["ResTarget"]
        value = target["val"]
        if "ColumnRef" in value:
            names, star = reference_parts(value["ColumnRef"])
            if star:
                check_length(ctx, value["ColumnRef"])
                ctx.ledger.seen.add(("column", value["ColumnRef"].get("location", 0)))
                columns += _star(ctx, names, scope, value["ColumnRef"].get("location", 0))
                continue
        if "A_Indirection" in value and "A_Star" in value["A_Indirection"]["indirection"][-1]:
            columns += _row_star(ctx, value["A_Indirection"], scope)
            continue
        found = expression(ctx, value, scope)
        columns.append(NamedValue(target.get("name") or figure_name(ctx, value), found))
    if len(columns) > MAX_ENTRIES:
        ctx.undefined("54011", f"target lists can have at most {MAX_ENTRIES} entries", -1)
    ctx.ledger.spend(len(columns))
    return columns


def _star(ctx: Context, names: list[str], scope: Scope, location: int) -> Sequence[NamedValue]:
    if names:
        item = item_by_name(ctx, names, scope, location)
        _refuse_open(ctx, item, location)
        return item.columns()
    columns: list[NamedValue] = []
    entries = [e for e in scope.entries if e.by_column]
    if not entries:
        ctx.undefined("42601", "SELECT * with no tables specified is not valid", location)
    for entry in entries:
        if len(columns) > MAX_ENTRIES:
            break
        _refuse_open(ctx, entry.item, location)
        columns += entry.item.columns()
    return columns


def _refuse_open(ctx: Context, item: object, location: int) -> None:
    if getattr(item, "open_value", None) is not None:
        ctx.ledger.note("a star over columns that are not known", ctx.position(location))


def _row_star(ctx: Context, fields: Node, scope: Scope) -> Sequence[NamedValue]:
    """`(x).*` and `(x).field.*`."""
    inner = {**fields, "indirection": fields["indirection"][:-1]}
    if not inner["indirection"]:
        item = whole_row_item(ctx, fields["arg"], scope)
        if item is not None:
            return item.columns()
        value = expression(ctx, fields["arg"], scope)
    else:
        value = expression(ctx, {"A_Indirection": inner}, scope)
    if value.row is None:
        ctx.opaque("a star over a value whose type is not known", fields)
        return [NamedValue("*", computed((value,)))]
    return [
        NamedValue(name, field_of(ctx, value, name) or Value(computed=value.keys))
        for name, _ in value.row.columns()
    ]
