"""One item for many that are alike: IN lists, arrays and rows of VALUES in the referee's tree.

Bulk statements are mostly constants, which hold no name. To walk each of them again and again costs
seconds a megabyte and finds nothing. So of items that differ in nothing but a constant's value one
is kept, and the values of the others stand beside it as a tuple: walks look into dicts and lists
only, and whoever compares trees compares it as a whole.
"""

from __future__ import annotations

from typing import Any

_WORTHWHILE = 10_000
"""Bytes of text below which the whole tree is as quick to walk."""
_FEW = 50
"""Items of a list that is left as it is."""
OTHERS = "others"
"""Field of a List or array: the values of the items that it had besides."""


def shortened(tree: Any, size: int) -> Any:
    """The referee's tree, of a text of `size` bytes, with one item for many that are alike.

    The tree is changed in place.
    """
    if size < _WORTHWHILE:
        return tree
    pending = [tree]
    while pending:
        node = pending.pop()
        if type(node) is list:
            pending.extend(node)
            continue
        if type(node) is not dict:
            continue
        if len(node.get("valuesLists", ())) > _FEW:
            _shorten_rows(node)
        elif "A_ArrayExpr" in node:
            _shorten_items(node["A_ArrayExpr"], "elements")
        elif node.get("kind") == "AEXPR_IN" and "List" in node.get("rexpr", {}):
            _shorten_items(node["rexpr"]["List"], "items")
        pending.extend(node.values())
    return tree


def _shorten_items(fields: dict[str, Any], name: str) -> None:
    items = fields.get(name, ())
    if len(items) <= _FEW:
        return
    kept: list[Any] = []
    seen: set[str] = set()
    others = []
    for item in items:
        kind = _kind(item)
        if kind is None or kind not in seen:
            kept.append(item)
            seen.add(kind or "")
        else:
            others.append(_without_location(item))
    if others:
        fields[name] = kept
        fields[OTHERS] = tuple(others)


def _shorten_rows(statement: dict[str, Any]) -> None:
    kept: list[Any] = []
    seen: set[tuple[str | None, ...]] = set()
    others = []
    for row in statement["valuesLists"]:
        items = row["List"].get("items", ())
        kinds = tuple(map(_kind, items))
        if None in kinds or kinds not in seen:
            kept.append(row)
            seen.add(kinds)
        else:
            others.append(tuple(map(_without_location, items)))
    if others:
        statement["valuesLists"] = kept
        # beside the rows it would be a clause of its own
        kept[-1]["List"][OTHERS] = tuple(others)


def _kind(item: dict[str, Any]) -> str | None:
    """What sort of constant or parameter, with its cast; None for everything else."""
    ((tag, fields),) = item.items()
    if tag == "A_Const":
        first: str = next(iter(fields), _LOCATION)
        return first if first != _LOCATION else None
    if tag in ("ParamRef", "SetToDefault"):
        return str(tag)
    if tag != "TypeCast" or "A_Const" not in fields["arg"]:
        return None
    kind, type_name = _kind(fields["arg"]), fields["typeName"]
    if kind is None or type_name.keys() - _PLAIN_TYPE:
        return None
    return f"{kind} {[part['String']['sval'] for part in type_name['names']]}"


_LOCATION = "location"
_PLAIN_TYPE = {"names", "typemod", _LOCATION}
"""Fields of a type without modifiers or dimensions."""


def _without_location(item: dict[str, Any]) -> dict[str, Any]:
    for tag, fields in item.items():
        fields.pop(_LOCATION, None)
        if tag == "TypeCast":
            _without_location(fields["arg"])
            fields["typeName"].pop(_LOCATION, None)
    return item
