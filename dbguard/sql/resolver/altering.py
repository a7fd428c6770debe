"""ALTER TABLE, command by command: which of them only add to a table."""

from __future__ import annotations

from dbguard.sql.referee import Node

from .context import Context, strings
from .objects import walk

_ADDING = frozenset(
    {
        "AT_AddColumnToView",
        "AT_AddConstraint",
        "AT_AddIndex",
        "AT_AddIndexConstraint",
        "AT_AddInherit",
        "AT_AddOf",
        "AT_AttachPartition",
        "AT_ClusterOn",
        "AT_DropCluster",
        "AT_EnableAlwaysRule",
        "AT_EnableAlwaysTrig",
        "AT_EnableReplicaRule",
        "AT_EnableReplicaTrig",
        "AT_EnableRowSecurity",
        "AT_EnableRule",
        "AT_EnableTrig",
        "AT_EnableTrigAll",
        "AT_EnableTrigUser",
        "AT_ForceRowSecurity",
        "AT_ReplicaIdentity",
        "AT_ResetOptions",
        "AT_ResetRelOptions",
        "AT_SetCompression",
        "AT_SetNotNull",
        "AT_SetOptions",
        "AT_SetRelOptions",
        "AT_SetStatistics",
        "AT_SetStorage",
        "AT_ValidateConstraint",
    }
)
"""Commands that lose neither rows nor definitions: what they add can be taken away again, what
they tune can be set again."""

_DESTROYING = {
    "AT_AlterColumnType": "changing the type of a column of",
    "AT_AlterConstraint": "altering a constraint of",
    "AT_ChangeOwner": "changing the owner of",
    "AT_ColumnDefault": "changing a default of",
    "AT_DetachPartition": "detaching a partition of",
    "AT_DetachPartitionFinalize": "detaching a partition of",
    "AT_DisableRowSecurity": "disabling row security of",
    "AT_DropColumn": "dropping a column of",
    "AT_DropConstraint": "dropping a constraint of",
    "AT_DropExpression": "dropping an expression of",
    "AT_DropIdentity": "dropping an identity of",
    "AT_DropInherit": "ending the inheritance of",
    "AT_DropNotNull": "dropping a constraint of",
    "AT_DropOf": "ending the type of",
    "AT_NoForceRowSecurity": "disabling row security of",
    "AT_SetAccessMethod": "rewriting",
    "AT_SetExpression": "changing an expression of",
    "AT_SetIdentity": "changing an identity of",
    "AT_SetLogged": "rewriting",
    "AT_SetTableSpace": "rewriting",
    "AT_SetUnLogged": "rewriting",
}
"""For words; what stands in neither table destroys as well."""

WITH_OWNED = frozenset(
    {
        "AT_ChangeOwner",
        "AT_DropColumn",
        "AT_DropConstraint",
        "AT_DropIdentity",
        "AT_SetIdentity",
        "AT_SetLogged",
        "AT_SetUnLogged",
    }
)
"""Commands that change or drop what belongs to the table as well: sequences, indexes."""

TYING = frozenset(
    {"AT_AddConstraint", "AT_AddIndexConstraint", "AT_AddInherit", "AT_AddOf", "AT_AttachPartition"}
)
"""Commands by which a relation that is there may go along with another one."""
OF_VALUES = frozenset({"AT_AlterColumnType", "AT_DropColumn"})
"""Commands that take something from each value of a composite type."""
_OF_A_COLUMN = frozenset(
    {
        "AT_AlterColumnType",
        "AT_ColumnDefault",
        "AT_DropColumn",
        "AT_DropExpression",
        "AT_DropIdentity",
        "AT_DropNotNull",
        "AT_SetExpression",
        "AT_SetIdentity",
    }
)
_SERIAL = frozenset(
    {"serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"},
)
"""Types that come with a default of nextval(), which is volatile (transformColumnDefinition)."""


def objection_to(ctx: Context, command: Node) -> str | None:
    """What a command destroys, as the beginning of a reason; None when it only adds."""
    subtype = command.get("subtype", "")
    if subtype == "AT_AddColumn":
        column = command.get("def", {}).get("ColumnDef", {})
        return "rewriting" if adds_by_rewriting(ctx, column) else None
    if subtype == "AT_AddIdentity" or subtype in _ADDING:
        return None
    return _DESTROYING.get(subtype, "altering")


def part_of(command: Node) -> tuple[str, str] | None:
    """Kind and name of the part of its relation that a destroying command is about; None when it
    is about all of it."""
    subtype, name = command.get("subtype", ""), command.get("name", "")
    if subtype in _OF_A_COLUMN and name:
        return "column", name
    return ("constraint", name) if subtype == "AT_DropConstraint" and name else None


def adds_by_rewriting(ctx: Context, column: Node) -> bool:
    """Whether ADD COLUMN writes every row anew (ATExecAddColumn in tablecmds.c): a default that is
    not the same for all rows, a stored generated column, a domain that may have checks."""
    names = strings(column.get("typeName", {}).get("names"))
    if len(names) == 1 and names[0] in _SERIAL:
        return True
    if names and any(info.kind == "d" for info in ctx.snapshot.types_by_name.get(names[-1], ())):
        return True
    for node in column.get("constraints", ()):
        constraint = node["Constraint"]
        kind = constraint.get("contype", "")
        if kind == "CONSTR_IDENTITY":
            return True
        if kind == "CONSTR_GENERATED" and constraint.get("generated_kind", "s") != "v":
            return True
        if kind == "CONSTR_DEFAULT" and not _is_stable(ctx, constraint.get("raw_expr", {})):
            return True
    return False


def _is_stable(ctx: Context, expression: Node) -> bool:
    """Whether an expression has one value for the whole statement, as far as the catalog tells."""
    for node in walk(expression):
        if "FuncCall" in node:
            *qualifiers, name = strings(node["FuncCall"]["funcname"])
            found = [
                f
                for f in ctx.snapshot.functions_by_name.get(name, ())
                if not qualifiers or f.schema == qualifiers[-1]
            ]
            if not found or any(f.volatility == "v" for f in found):
                return False
        elif "A_Expr" in node:
            if strings(node["A_Expr"].get("name"))[-1] in ctx.snapshot.operators_by_name:
                return False
        elif "TypeCast" in node:
            names = strings(node["TypeCast"]["typeName"].get("names"))
            known = ctx.snapshot.types_by_name.get(names[-1], ()) if names else ()
            if any(info.kind != "e" for info in known):
                return False
    return True
