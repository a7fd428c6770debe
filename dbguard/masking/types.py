"""Type names as `format_type` writes them, made safe to put into a client's statement."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from dbguard.errors import NotUnderstood, SyntaxRefused
from dbguard.sql import referee


@dataclass(frozen=True, slots=True)
class TypeName:
    """One SQL type, understood."""

    text: str
    """Spelling that no search_path can make mean something else."""
    schema: str
    name: str
    """Internal name: `varchar`, `int4`, `date`."""
    modifiers: tuple[int, ...]
    """The numbers in parentheses; (-1,) when there is one that is no plain number."""
    is_array: bool

    @property
    def is_builtin(self) -> bool:
        return self.schema == "pg_catalog"


@functools.lru_cache(maxsize=4096)
def read_type(text: str) -> TypeName:
    """Read `Column.base_type`, which is format_type's answer under an empty search_path.

    Under an empty path every name without a schema is pg_catalog's. SQL's own spellings
    (`integer`, `character varying(11)`) are hard-wired to pg_catalog by the grammar; the other
    bare names (`text`, `date`, `uuid`) get the schema in front, since the session's path may
    hold a type of that name before pg_catalog's.

    Raises:
        NotUnderstood: the text is not one type name.
    """
    node = _type_node(text)
    names = [part["String"]["sval"] for part in node["names"]]
    modifiers = tuple(
        modifier.get("A_Const", {}).get("ival", {}).get("ival", -1)
        for modifier in node.get("typmods", ())
    )
    # A path-dependent name has one part in the tree; a keyword spelling already has two.
    spelled = f"pg_catalog.{text}" if len(names) == 1 else text
    schema, name = ("pg_catalog", names[0]) if len(names) == 1 else (names[0], names[1])
    return TypeName(spelled, schema, name, modifiers, bool(node.get("arrayBounds")))


def _type_node(text: str) -> referee.Node:
    unreadable = NotUnderstood(
        "a masked column has a type that cannot be written into a statement",
        hint="Refresh the catalog snapshot.",
    )
    if "\0" in text:
        raise unreadable
    try:
        statements = referee.parse(f"SELECT NULL::{text}")
    except SyntaxRefused:
        raise unreadable from None
    if len(statements) != 1 or statements[0].tag != "SelectStmt":
        raise unreadable
    select = statements[0].node
    targets = select.get("targetList", ())
    expected = {"targetList", "limitOption", "op"}
    if set(select) != expected or len(targets) != 1 or "name" in targets[0]["ResTarget"]:
        raise unreadable
    cast: referee.Node = targets[0]["ResTarget"]["val"].get("TypeCast", {})
    node: referee.Node | None = cast.get("typeName")
    if node is None or cast["arg"].get("A_Const", {}).get("isnull") is not True:
        raise unreadable
    if len(node["names"]) > 2 or node.get("setof") or node.get("pct_type"):
        raise unreadable
    return node
