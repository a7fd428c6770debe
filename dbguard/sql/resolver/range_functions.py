"""Functions in FROM: ROWS FROM, column definitions, XMLTABLE, JSON_TABLE."""

from __future__ import annotations

from collections.abc import Sequence

from dbguard.sql.functions import FunctionReference, refer
from dbguard.sql.referee import Node

from .context import Context, strings
from .expressions import expression, expression_of, note_output_type
from .naming import figure_name
from .scope import DerivedItem, Scope
from .type_names import note_type
from .values import NamedValue, Value, computed

_POLYMORPHIC_ROWS = frozenset(
    {
        "json_populate_record",
        "json_populate_recordset",
        "jsonb_populate_record",
        "jsonb_populate_recordset",
    }
)
"""Built-ins whose columns depend on the type of their argument."""


_ORDINAL = Value(type_name="integer")
"""FOR ORDINALITY."""


def range_function(ctx: Context, fields: Node, scope: Scope) -> DerivedItem:
    """`f(x)`, `ROWS FROM (f(x), g(y))`, WITH ORDINALITY, column definition lists."""
    alias = fields.get("alias") or {}
    name: str | None = alias.get("aliasname")
    functions = fields.get("functions", [])
    scope.lateral = True
    columns: list[NamedValue] = []
    unknown: list[Value] = []
    first_name: str | None = None
    calls = [c for node in functions for c in _unnested(node["List"]["items"])]
    for call, definitions in calls:
        value = expression(ctx, call, scope)
        _refuse_definition(ctx, call)
        label = figure_name(ctx, call)
        first_name = first_name or label
        listed = definitions or (fields.get("coldeflist", []) if len(calls) == 1 else [])
        if listed:
            columns += [
                NamedValue(n, computed((value,), t)) for n, t in _defined_columns(ctx, listed)
            ]
            continue
        single = name if name is not None and len(calls) == 1 else None
        found, known = _result_columns(ctx, call, value, single, label)
        columns += found
        if not known:
            unknown.append(value)
    scope.lateral = False
    if fields.get("ordinality"):
        columns.append(NamedValue("ordinality", Value(type_name="bigint")))
    return DerivedItem(
        name or first_name,
        columns,
        strings(alias.get("colnames")),
        open_value=computed(unknown) if unknown else None,
    )


def _unnested(items: Sequence[Node]) -> list[tuple[Node, list[Node]]]:
    """A function with its column definitions; `unnest(a, b)` stands for two functions."""
    call, definitions = items[0], items[1].get("List", {}).get("items", [])
    fields = call.get("FuncCall")
    if (
        fields is not None
        and not definitions
        and strings(fields["funcname"])[-1] == "unnest"
        and len(fields.get("args", ())) > 1
    ):
        return [({"FuncCall": {**fields, "args": [a]}}, []) for a in fields["args"]]
    return [(call, definitions)]


def _refuse_definition(ctx: Context, call: Node) -> None:
    """Values are taken out of a definition by an expression, which can't stand in FROM."""
    location = call.get("FuncCall", {}).get("location", 0)
    if name := ctx.ledger.definitions.pop(location, None):
        ctx.ledger.note(f'function "{name}" in FROM', ctx.position(location))


def _defined_columns(ctx: Context, nodes: Sequence[Node]) -> list[tuple[str, str | None]]:
    return [(n["ColumnDef"]["colname"], note_type(ctx, n["ColumnDef"]["typeName"])) for n in nodes]


def _result_columns(
    ctx: Context, call: Node, value: Value, alias: str | None, label: str
) -> tuple[list[NamedValue], bool]:
    """The columns of one function, and whether their names are known."""
    fields = call.get("FuncCall")
    if fields is None:  # CAST, CURRENT_DATE and other expressions that look like functions
        return _composite_columns(value) or [NamedValue(alias or label, value)], True
    names = strings(fields["funcname"])
    arguments = fields.get("args", ())
    schema = names[-2] if len(names) > 1 else None
    found = refer(ctx.snapshot, ctx.names.path, schema, names[-1], len(arguments))
    if found.use.name == "unnest" and found.use.schema == "pg_catalog" and arguments:
        return _unnest(ctx, value, alias or label)
    listed = {f.result_columns for f in found.candidates if f.result_columns}
    if len(listed) == 1 and all(f.result_columns for f in found.candidates):
        (columns,) = listed
        return [NamedValue(n, computed((value,))) for n in columns], True
    if listed:
        union = dict.fromkeys(n for columns in sorted(listed) for n in columns)
        return [NamedValue(n, computed((value,))) for n in union], False
    if names[-1] in _POLYMORPHIC_ROWS:
        columns_of_row = _composite_columns(value)
        return columns_of_row or [], bool(columns_of_row)
    if composite := _composite_columns(value):
        return composite, True
    if not found.candidates or _is_record(found):
        return [NamedValue(alias or label, computed((value,)))], False
    return [NamedValue(alias or label, computed((value,), found.result))], True


def _is_record(found: FunctionReference) -> bool:
    return any(
        f.result == "record" or f.result.startswith("any") or "." in f.result
        for f in found.candidates
    )


def _unnest(ctx: Context, value: Value, label: str) -> tuple[list[NamedValue], bool]:
    element = value.type_name
    if element == "tsvector":
        return [NamedValue(n, value) for n in ("lexeme", "positions", "weights")], True
    if element is not None:
        row = ctx.ledger.composite(element)
        if row is not None:
            return [NamedValue(n, computed((value,), v.type_name)) for n, v in row.columns()], True
        return [NamedValue(label, computed((value,), element))], True
    if value.row is not None:
        return list(value.row.columns()), False
    return [NamedValue(label, computed((value,)))], False


def _composite_columns(value: Value) -> list[NamedValue]:
    if value.row is None:
        return []
    return [NamedValue(n, computed((value, v), v.type_name)) for n, v in value.row.columns()]


def xml_table(ctx: Context, fields: Node, scope: Scope) -> DerivedItem:
    """XMLTABLE: every column comes from the document."""
    scope.lateral = True
    inputs = [expression(ctx, fields[n], scope) for n in ("docexpr", "rowexpr") if n in fields]
    inputs += [expression(ctx, n["ResTarget"]["val"], scope) for n in fields.get("namespaces", ())]
    columns: list[NamedValue] = []
    for node in fields.get("columns", ()):
        column = node["RangeTableFuncCol"]
        if column.get("for_ordinality"):
            columns.append(NamedValue(column["colname"], _ORDINAL))
            continue
        type_name = note_type(ctx, column["typeName"])
        own = [expression(ctx, column[n], scope) for n in ("colexpr", "coldefexpr") if n in column]
        columns.append(NamedValue(column["colname"], computed([*inputs, *own], type_name)))
    scope.lateral = False
    alias = fields.get("alias") or {}
    return DerivedItem(
        alias.get("aliasname") or "xmltable", columns, strings(alias.get("colnames"))
    )


def json_table(ctx: Context, fields: Node, scope: Scope) -> DerivedItem:
    """JSON_TABLE: every column comes from the context item and the passed values."""
    scope.lateral = True
    rest = {k: v for k, v in fields.items() if k not in ("columns", "alias")}
    value = expression_of(ctx, rest, scope)
    columns = _json_columns(ctx, fields.get("columns", ()), value, scope)
    scope.lateral = False
    alias = fields.get("alias") or {}
    return DerivedItem(
        alias.get("aliasname") or "json_table", columns, strings(alias.get("colnames"))
    )


def _json_columns(
    ctx: Context, nodes: Sequence[Node], value: Value, scope: Scope
) -> list[NamedValue]:
    columns: list[NamedValue] = []
    for node in nodes:
        column = node["JsonTableColumn"]
        note_output_type(ctx, column)
        if column.get("coltype") == "JTC_NESTED":
            columns += _json_columns(ctx, column.get("columns", ()), value, scope)
        elif column.get("coltype") == "JTC_FOR_ORDINALITY":
            columns.append(NamedValue(column["name"], _ORDINAL))
        else:
            type_name = note_type(ctx, column["typeName"]) if "typeName" in column else None
            defaults = [
                expression_of(ctx, column[n], scope)
                for n in ("on_empty", "on_error")
                if n in column
            ]
            columns.append(NamedValue(column["name"], computed([value, *defaults], type_name)))
    return columns
