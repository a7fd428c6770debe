"""Calls of functions that do not exist: who misspelt a name is to hear that.

Noted only where the server, too, finds nothing (ParseFuncOrColumn): a column in functional
notation looks the same, and is told apart by what the argument is.
"""

from __future__ import annotations

from dbguard.sql.facts import MissingFunction
from dbguard.sql.functions import FunctionReference
from dbguard.sql.referee import Node

from .context import Context
from .values import Value

_SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})


def note_missing(
    ctx: Context, fields: Node, names: list[str], found: FunctionReference, values: list[Value]
) -> None:
    """Note that a FuncCall calls nothing that exists.

    `values` are the arguments'.
    """
    if not found.missing or ctx.names.uncertain or len(names) > 2:
        return
    if fields.get("funcformat") == "COERCE_SQL_SYNTAX":
        return  # the referee's name for a form of the grammar, which may be newer than the server
    *qualifiers, name = names
    schema = qualifiers[0] if qualifiers else None
    if schema is not None and not _may_look_into(ctx, schema):
        return
    if schema is None and len(values) == 1 and _may_be_column(ctx, name, values[0]):
        return
    location = fields.get("location", 0)
    ctx.ledger.missing.setdefault(MissingFunction(schema, name, ctx.position(location)))


def _may_look_into(ctx: Context, schema: str) -> bool:
    """Whether the server would say that the schema has no such function: not of one that it
    lacks or hides, nor of what the snapshot does not hold."""
    role = ctx.snapshot.role_by_name.get(ctx.view.user)
    hidden = role.hidden_schemas if role is not None and not role.superuser else frozenset()
    return schema in ctx.snapshot.schemas and schema not in hidden


def _may_be_column(ctx: Context, name: str, argument: Value) -> bool:
    """Whether `name(argument)` may be a column of a row that is not seen to be one."""
    if name in _SYSTEM_COLUMNS:
        return True
    if argument.row is not None:
        return argument.row.find(name) is not None
    return any(name in relation.column_by_name for relation in ctx.snapshot.relations)
