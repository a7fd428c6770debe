"""Expressions to values (parse_expr.c, parse_func.c)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dbguard.sql.facts import Use
from dbguard.sql.referee import Node

from .calls import is_function, note_call, result_of, takes_row
from .columns import column_reference, field_of, whole_row_item
from .context import Context, strings
from .ledger import TypeRow
from .missing_functions import note_missing
from .naming import called_names
from .plain_nodes import PLAIN_NODES
from .result_types import common_type, operator_type
from .scope import Scope
from .settings_calls import note_set_config
from .type_names import is_cast, note_operator, note_operators, note_type
from .values import EMPTY, NamedValue, Value, computed

Handler = Callable[[Context, Node, Scope | None], Value]


def expression(ctx: Context, node: Node, scope: Scope | None) -> Value:
    """What the expression `node` (tagged) carries. Marks only what its own clauses use
    (FILTER, OVER, ORDER BY inside a call, IS NULL); the caller marks the value.

    Raises:
        UndefinedName: a name in it does not exist.
    """
    if not node:
        return EMPTY
    ((tag, fields),) = node.items()
    handler = _HANDLERS.get(tag)
    if handler is not None:
        return handler(ctx, fields, scope)
    if tag not in PLAIN_NODES:
        ctx.opaque(f"the construct {tag}", fields)
    return _children(ctx, fields, scope)


def expressions(ctx: Context, nodes: list[Node] | None, scope: Scope | None) -> Value:
    """What a list of expressions carries together."""
    return computed([expression(ctx, n, scope) for n in nodes or ()])


def _children(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    return computed(list(_child_values(ctx, fields, scope)))


def _child_values(ctx: Context, fields: Mapping[str, Any], scope: Scope | None) -> Iterator[Value]:
    for name, child in fields.items():
        if isinstance(child, dict):
            yield from _child(ctx, name, child, scope)
        elif isinstance(child, list):
            for element in child:
                yield from _child(ctx, name, element, scope)


def _child(ctx: Context, name: str, child: Node, scope: Scope | None) -> Iterator[Value]:
    if len(child) == 1:
        ((tag, _inner),) = child.items()
        if tag[:1].isupper():
            yield expression(ctx, child, scope)
            return
    if name == "typeName":
        note_type(ctx, child)
    elif child:  # a field whose node type the grammar fixes: it has no tag
        yield from _child_values(ctx, child, scope)


def _nothing(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    return EMPTY


def _constant(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    for kind, value in _CONSTANTS.items():
        if kind in fields:
            return value
    return EMPTY


_CONSTANTS = {
    "sval": Value(type_name="unknown"),
    "ival": Value(type_name="integer"),
    "fval": Value(type_name="numeric"),
    "boolval": Value(type_name="boolean"),
    "isnull": Value(type_name="unknown"),
}


def _operator_expression(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    """A_Expr; a left-deep chain (`a || b || c`) is walked in a loop, not by recursion."""
    values: list[Value] = []
    current: Node | None = fields
    while current is not None:
        note_operators(ctx, current)
        if right := current.get("rexpr"):
            values.append(expression(ctx, right, scope))
        left = current.get("lexpr")
        if not left:
            break
        current = left.get("A_Expr")
        if current is None:
            values.append(expression(ctx, left, scope))
    if fields.get("kind") == "AEXPR_NULLIF":
        return computed(values, values[-1].type_name)
    return computed(values, operator_type(strings(fields.get("name")), values))


def _cast(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    value = expression(ctx, fields["arg"], scope)
    type_name = note_type(ctx, fields["typeName"])
    if type_name is not None and _same_type(value.type_name, type_name, fields["typeName"]):
        return value
    row = ctx.ledger.composite(type_name) if type_name else None
    return computed((value,), type_name, row)


def _same_type(have: str | None, wanted: str, fields: Node) -> bool:
    """Whether a cast changes nothing: the same type, and no length asked for."""
    if have is None or "typmods" in fields:
        return False
    return have == wanted or have.partition("(")[0] == wanted


def _null_test(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    return _presence(ctx, expression(ctx, fields["arg"], scope))


def _presence(ctx: Context, value: Value) -> Value:
    """Only whether `value` is NULL goes on; of a computed one, that can tell more."""
    if value.row is not None and not isinstance(value.row, TypeRow):
        ctx.ledger.mark_all([c.value for c in value.row.columns()], Use.PRESENCE)
        return EMPTY
    if value.computed:
        return computed((value,))
    ctx.ledger.mark(value, Use.PRESENCE)
    return EMPTY


def _array(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    values = [expression(ctx, n, scope) for n in fields.get("elements", ())]
    name = common_type(values)
    rows = [v.row for v in values if v.row is not None]
    return computed(values, f"{name}[]" if name else None, rows[0] if rows else None)


def _indirection(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    """`(x).field`, `(x.*).field`, `x[1]`, `(x[1]).field`."""
    steps = list(fields.get("indirection", ()))
    item = whole_row_item(ctx, fields["arg"], scope)
    value: Value | None = None
    if item is not None and steps and "String" in steps[0]:
        name = steps[0]["String"].get("sval", "")
        value = item.find(name)
        if value is not None:
            steps.pop(0)
        elif not is_function(ctx, name):
            message = f"column {item.name}.{name} does not exist"
            ctx.undefined("42703", message, fields["arg"]["ColumnRef"].get("location", 0))
    if value is None:
        value = expression(ctx, fields["arg"], scope)
    for step in steps:
        if "String" in step:
            value = _field(ctx, value, step["String"].get("sval", ""), fields)
        elif "A_Indices" in step:
            subscript = _children(ctx, step["A_Indices"], scope)
            value = _element(ctx, value, subscript, step["A_Indices"].get("is_slice", False))
        else:
            value = computed((value,), value.type_name, value.row)
    return value


def _element(ctx: Context, value: Value, subscript: Value, is_slice: bool) -> Value:
    type_name = value.type_name
    if is_slice:
        return computed((value, subscript), type_name, value.row)
    if type_name is not None and type_name.endswith("[]"):
        type_name = type_name[:-2]
        return computed((value, subscript), type_name, ctx.ledger.composite(type_name))
    return computed((value, subscript), None, value.row)


def _field(ctx: Context, value: Value, name: str, fields: Node) -> Value:
    found = field_of(ctx, value, name)
    if found is not None:
        return found
    if is_function(ctx, name):
        use = note_call(ctx, [name], 1, fields.get("location", 0), pinnable=False)
        return result_of(ctx, use, [value])
    return computed((value,))


def _sublink(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    kind = fields.get("subLinkType", "EXISTS_SUBLINK")
    test = expression(ctx, fields["testexpr"], scope) if "testexpr" in fields else EMPTY
    if kind in ("ANY_SUBLINK", "ALL_SUBLINK", "ROWCOMPARE_SUBLINK"):
        note_operator(ctx, strings(fields.get("operName")) or ["="], fields.get("location", 0))
    columns = ctx.query(ctx, fields["subselect"], scope)
    if kind == "EXISTS_SUBLINK":
        return EMPTY
    values = [c.value for c in columns]
    if columns:
        ctx.ledger.subquery_names[fields.get("location", 0)] = columns[0].name
    if len(columns) == 1 and kind in ("EXPR_SUBLINK", "ARRAY_SUBLINK"):
        inner = values[0]
        name = inner.type_name
        if kind == "ARRAY_SUBLINK":
            return computed(values, f"{name}[]" if name else None, inner.row)
        return computed(values, name, inner.row)
    return computed([test, *values])


def _call(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    """FuncCall: a function, aggregate, window function, or a column in functional notation."""
    names = called_names(fields, ctx.snapshot.server_version)
    location = fields.get("location", 0)
    arguments: list[Node] = fields.get("args", [])
    order: list[Node] = fields.get("agg_order", [])
    if len(arguments) == 1 and len(names) == 1 and not order and "over" not in fields:
        item = whole_row_item(ctx, arguments[0], scope)
        if item is not None and item.matches(names[0]) and not takes_row(ctx, names[0]):
            found = item.find(names[0])
            assert found is not None
            ctx.ledger.seen.add(("function", location))
            return found
    if fields.keys() <= _PLAIN_CALL and len(arguments) == 1 and is_cast(ctx, names):
        return _cast_by_call(ctx, names, arguments[0], location, scope)
    within = "agg_within_group" in fields
    count = len(arguments) + (len(order) if within else 0)
    function = note_call(ctx, names, count, location)
    name = function.use.name
    if name == "set_config":
        note_set_config(ctx, arguments, location)
    aggregate = function.is_aggregate and "over" not in fields
    suspended = ctx.ledger.ungrouped.pop() if aggregate and ctx.ledger.ungrouped else None
    values = [expression(ctx, n, scope) for n in arguments]
    ordered = _order(ctx, order, scope)
    if "agg_filter" in fields:
        ctx.ledger.mark(expression(ctx, fields["agg_filter"], scope), Use.FILTER)
    if suspended is not None:
        ctx.ledger.ungrouped.append(suspended)
    if function.shows_definition and values and not values[0].computed:
        # what comes out has no literal of the tree in it: the tree itself goes no further
        ctx.ledger.mark(values[0], Use.DEFINITION)
        values[0] = EMPTY
    if "over" in fields:
        window(ctx, fields["over"], scope)
    if fields.get("agg_distinct"):
        ctx.ledger.mark_all(values, Use.GROUP)
    if name == "count" and function.use.schema == "pg_catalog" and len(values) == 1:
        return EMPTY if fields.get("agg_distinct") else _presence(ctx, values[0])
    note_missing(ctx, fields, names, function, values)
    if within:
        values += ordered
    elif not values and len(function.candidates) == 0 and len(names) == 1:
        return EMPTY
    return result_of(ctx, function, values)


_PLAIN_CALL = frozenset(("funcname", "args", "funcformat", "location"))
"""Fields of a FuncCall without any clause of its own."""


def _cast_by_call(
    ctx: Context, names: list[str], argument: Node, location: int, scope: Scope | None
) -> Value:
    """`regtype('x')`, which means `'x'::regtype`."""
    ctx.ledger.seen.add(("function", location))
    value = expression(ctx, argument, scope)
    spelt = {"names": [{"String": {"sval": name}} for name in names], "location": location}
    type_name = note_type(ctx, spelt)
    row = ctx.ledger.composite(type_name) if type_name else None
    return computed((value,), type_name, row)


def _order(ctx: Context, nodes: list[Node], scope: Scope | None) -> list[Value]:
    values = []
    for node in nodes:
        sort = node["SortBy"]
        note_sort_operator(ctx, sort)
        value = expression(ctx, sort["node"], scope)
        ctx.ledger.mark(value, Use.SORT)
        values.append(value)
    return values


def note_sort_operator(ctx: Context, sort: Node) -> None:
    """`ORDER BY x USING >`, or the default ordering operator."""
    names = strings(sort.get("useOp"))
    descending = sort.get("sortby_dir") == "SORTBY_DESC"
    note_operator(ctx, names or [">" if descending else "<"], sort["node"].get("location", 0))


def window(ctx: Context, fields: Node, scope: Scope | None) -> None:
    """A window definition, named or inline: marks what it partitions and orders by."""
    for node in fields.get("partitionClause", ()):
        ctx.ledger.mark(expression(ctx, node, scope), Use.GROUP)
    _order(ctx, fields.get("orderClause", []), scope)
    for name in ("startOffset", "endOffset"):
        if name in fields:
            ctx.ledger.mark(expression(ctx, fields[name], scope), Use.COMPUTE)


def _case(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    if "arg" in fields:
        note_operator(ctx, ["="], fields.get("location", 0))
    test = expression(ctx, fields.get("arg", {}), scope)
    branches = [node["CaseWhen"] for node in fields.get("args", ())]
    tests = [expression(ctx, branch["expr"], scope) for branch in branches]
    results = [expression(ctx, branch["result"], scope) for branch in branches]
    if "defresult" in fields:
        results.append(expression(ctx, fields["defresult"], scope))
    return _one_of(ctx, results, [test, *tests])


def _alternatives(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    """COALESCE, GREATEST, LEAST."""
    return _one_of(ctx, [expression(ctx, n, scope) for n in fields.get("args", ())], [])


def _one_of(ctx: Context, results: list[Value], tests: list[Value]) -> Value:
    """One of `results`, chosen by `tests`."""
    name = common_type(results)
    row = ctx.ledger.composite(name) if name is not None else None
    return computed([*tests, *results], name, row)


def _row(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    values = [expression(ctx, n, scope) for n in fields.get("args", ())]
    return computed(values)


def _json_aggregate(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    """JSON_OBJECTAGG and JSON_ARRAYAGG."""
    constructor = fields.get("constructor", {})
    suspended = ctx.ledger.ungrouped.pop() if ctx.ledger.ungrouped else None
    value = expression_of(ctx, fields.get("arg", {}), scope)
    _order(ctx, constructor.get("agg_order", []), scope)
    if "agg_filter" in constructor:
        ctx.ledger.mark(expression(ctx, constructor["agg_filter"], scope), Use.FILTER)
    if suspended is not None:
        ctx.ledger.ungrouped.append(suspended)
    if "over" in constructor:
        window(ctx, constructor["over"], scope)
    note_output_type(ctx, constructor)
    return value


def expression_of(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    """A field that may hold an untagged node (JsonValueExpr, JsonKeyValue)."""
    return computed(list(_child(ctx, "", fields, scope)))


def note_output_type(ctx: Context, fields: Node) -> None:
    """RETURNING type of the SQL/JSON functions."""
    if type_name := fields.get("output", {}).get("typeName"):
        note_type(ctx, type_name)


def _json_query_array(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    columns: list[NamedValue] = ctx.query(ctx, fields["query"], scope)
    note_output_type(ctx, fields)
    return computed([c.value for c in columns])


def _named_argument(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    return expression(ctx, fields["arg"], scope)


def _target_in_expression(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    """ResTarget as an argument of xmlforest or xmlattributes."""
    return expression(ctx, fields["val"], scope)


_HANDLERS: Mapping[str, Handler] = {
    "A_Const": _constant,
    "ParamRef": _nothing,
    "SetToDefault": _nothing,
    "SQLValueFunction": _nothing,
    "MergeSupportFunc": _nothing,
    "CurrentOfExpr": _nothing,
    "String": _nothing,
    "Integer": _nothing,
    "ColumnRef": column_reference,
    "A_Expr": _operator_expression,
    "TypeCast": _cast,
    "NullTest": _null_test,
    "A_ArrayExpr": _array,
    "A_Indirection": _indirection,
    "SubLink": _sublink,
    "FuncCall": _call,
    "CaseExpr": _case,
    "CoalesceExpr": _alternatives,
    "MinMaxExpr": _alternatives,
    "RowExpr": _row,
    "NamedArgExpr": _named_argument,
    "ResTarget": _target_in_expression,
    "JsonObjectAgg": _json_aggregate,
    "JsonArrayAgg": _json_aggregate,
    "JsonArrayQueryConstructor": _json_query_array,
}
