"""Expression nodes without a meaning of their own for the walk."""

from __future__ import annotations

PLAIN_NODES = frozenset(
    [
        "BoolExpr",
        "XmlExpr",
        "XmlSerialize",
        "CollateClause",
        "BooleanTest",
        "A_Indices",
        "GroupingFunc",
        "List",
        "JsonParseExpr",
        "JsonScalarExpr",
        "JsonSerializeExpr",
        "JsonObjectConstructor",
        "JsonArrayConstructor",
        "JsonKeyValue",
        "JsonValueExpr",
        "JsonIsPredicate",
        "JsonFuncExpr",
        "JsonArgument",
        "JsonFormat",
        "JsonBehavior",
        "JsonOutput",
        "JsonReturning",
        "JsonTablePathSpec",
        "Boolean",
        "Float",
        "BitString",
        "DefElem",
    ]
)
"""Nodes that carry what their children carry."""
