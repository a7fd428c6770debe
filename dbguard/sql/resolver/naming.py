"""The name PostgreSQL gives an unnamed output column (FigureColname in parse_target.c)."""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.referee import Node

from .context import Context, strings

UNNAMED = "?column?"

_EXTRACT = 140_000
"""server_version_num of the first that has a function of that name behind EXTRACT(… FROM …)."""

_BOOLEAN_CONSTANTS = 150_000
"""First server_version_num for which `true` is a constant, not a cast of 't'."""

_FIXED: Mapping[str, str] = {
    "GroupingFunc": "grouping",
    "MergeSupportFunc": "merge_action",
    "A_ArrayExpr": "array",
    "RowExpr": "row",
    "CoalesceExpr": "coalesce",
    "XmlSerialize": "xmlserialize",
    "JsonParseExpr": "json",
    "JsonScalarExpr": "json_scalar",
    "JsonSerializeExpr": "json_serialize",
    "JsonObjectConstructor": "json_object",
    "JsonArrayConstructor": "json_array",
    "JsonArrayQueryConstructor": "json_array",
    "JsonObjectAgg": "json_objectagg",
    "JsonArrayAgg": "json_arrayagg",
}

_XML: Mapping[str, str] = {
    "IS_XMLCONCAT": "xmlconcat",
    "IS_XMLELEMENT": "xmlelement",
    "IS_XMLFOREST": "xmlforest",
    "IS_XMLPARSE": "xmlparse",
    "IS_XMLPI": "xmlpi",
    "IS_XMLROOT": "xmlroot",
    "IS_XMLSERIALIZE": "xmlserialize",
}

_JSON: Mapping[str, str] = {
    "JSON_EXISTS_OP": "json_exists",
    "JSON_QUERY_OP": "json_query",
    "JSON_VALUE_OP": "json_value",
}


def figure_name(ctx: Context, node: Node) -> str:
    """The column name of an expression without AS; subqueries in it have been read."""
    return _figure(ctx, node)[1] or UNNAMED


def called_names(fields: Node, server_version: int) -> list[str]:
    """The name that the grammar of this server gives a FuncCall."""
    names = strings(fields["funcname"])
    if server_version < _EXTRACT and names == ["pg_catalog", "extract"]:
        return ["pg_catalog", "date_part"]
    return names


def _figure(ctx: Context, node: Node) -> tuple[int, str | None]:
    """A name and how strongly it is meant: 0 none, 1 a type's, 2 the expression's own."""
    if not node:
        return 0, None
    ((tag, fields),) = node.items()
    if tag in _FIXED:
        return 2, _FIXED[tag]
    if tag == "ColumnRef":
        names = strings(fields["fields"])
        return (2, names[-1]) if names else (0, None)
    if tag == "A_Indirection":
        names = strings(fields.get("indirection"))
        return (2, names[-1]) if names else _figure(ctx, fields["arg"])
    if tag == "FuncCall":
        return 2, called_names(fields, ctx.snapshot.server_version)[-1]
    if tag == "A_Const":
        by_cast = "boolval" in fields and ctx.snapshot.server_version < _BOOLEAN_CONSTANTS
        return (1, "bool") if by_cast else (0, None)
    if tag == "A_Expr":
        return (2, "nullif") if fields.get("kind") == "AEXPR_NULLIF" else (0, None)
    if tag == "TypeCast":
        strength, name = _figure(ctx, fields["arg"])
        names = strings(fields["typeName"].get("names"))
        return (strength, name) if strength > 1 or not names else (1, names[-1])
    if tag == "CollateClause":
        return _figure(ctx, fields["arg"])
    if tag == "CaseExpr":
        strength, name = _figure(ctx, fields.get("defresult", {}))
        return (strength, name) if strength > 1 else (1, "case")
    if tag == "MinMaxExpr":
        return 2, "least" if fields.get("op") == "IS_LEAST" else "greatest"
    if tag == "SQLValueFunction":
        return 2, fields.get("op", "").removeprefix("SVFOP_").removesuffix("_N").lower()
    if tag == "XmlExpr":
        name = _XML.get(fields.get("op", "IS_XMLCONCAT"))
        return (2, name) if name else (0, None)
    if tag == "JsonFuncExpr":
        name = _JSON.get(fields.get("op", ""))
        return (2, name) if name else (0, None)
    if tag == "SubLink":
        return _figure_sublink(ctx, fields)
    return 0, None


def _figure_sublink(ctx: Context, fields: Node) -> tuple[int, str | None]:
    kind = fields.get("subLinkType")
    if kind == "EXISTS_SUBLINK":
        return 2, "exists"
    if kind == "ARRAY_SUBLINK":
        return 2, "array"
    if kind != "EXPR_SUBLINK":
        return 0, None
    name = ctx.ledger.subquery_names.get(fields.get("location", 0))
    return (2, name) if name is not None else (0, None)
