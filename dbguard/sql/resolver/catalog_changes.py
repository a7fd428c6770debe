"""What a statement of DDL does to names: told by its text, or not."""

from __future__ import annotations

from dataclasses import replace

from dbguard.sql.changes import CatalogChange, as_created, lasting_oid
from dbguard.sql.facts import EffectKind, FunctionTrust, SessionEffect
from dbguard.sql.referee import Node
from dbguard.sql.snapshot import Column, Relation, RelationKind

from .context import Context, strings


def catalog_change(ctx: Context, *names: str, code: bool = False) -> None:
    """Note a change of the catalog: of relations called `names`, or of code and schemas."""
    ctx.ledger.effect(SessionEffect(EffectKind.CATALOG))
    ctx.ledger.sweeping = True
    ctx.names.alter(*names)
    ctx.names.uncertain = ctx.names.uncertain or code


def known_changes(ctx: Context, *changes: CatalogChange) -> None:
    """Note a change of the catalog whose effect on names the text tells: unless code other than
    the server's own is in it, which then runs unseen behind what was changed. What a session does
    to its temporary relations is no change of the catalog that others see."""
    own = bool(changes) and all(change.temporary for change in changes)
    if not own:
        ctx.ledger.effect(SessionEffect(EffectKind.CATALOG))
    unseen = {use.trust for use in ctx.ledger.functions} - {
        FunctionTrust.BUILTIN,
        FunctionTrust.EXTENSION,
    }
    if unseen and not own:
        catalog_change(ctx, *(change.name for change in changes))
        return
    if not unseen:
        ctx.ledger.changes = [*(ctx.ledger.changes or ()), *changes]
    for change in changes:
        if not change.unclear:
            ctx.names.apply(change)


def note_created(
    ctx: Context,
    relation: Relation,
    *,
    unless_there: bool = False,
    parent: str = "",
    passing: bool = False,
) -> None:
    """Note a relation that is made; `unless_there`: IF NOT EXISTS, `passing`: ON COMMIT DROP."""
    key = (relation.schema, relation.name)
    change = CatalogChange(*key, relation, parent=parent, passing=passing)
    if change.temporary:
        change = replace(change, relation=replace(relation, temporary=True))
    if ctx.names.created.get(key, ctx.snapshot.relation_by_name.get(key)) is not None:
        change = CatalogChange(*key, unclear=True)  # left as it is, or there is an error
    if change.unclear or unless_there:
        ctx.names.alter(relation.name)
    known_changes(ctx, change)


_NAMELESS = frozenset(
    {
        "AT_ColumnDefault",
        "AT_DropNotNull",
        "AT_SetNotNull",
        "AT_SetStatistics",
        "AT_SetOptions",
        "AT_SetStorage",
        "AT_ValidateConstraint",
        "AT_SetRelOptions",
        "AT_ResetRelOptions",
        "AT_ReplicaIdentity",
        "AT_ClusterOn",
        "AT_SetTableSpace",
    }
)
"""Commands of ALTER TABLE that change neither names nor what runs unseen, with built-in code."""


def altered_columns(
    ctx: Context, relation: Relation, commands: list[Node]
) -> tuple[CatalogChange, ...] | None:
    """What ALTER TABLE makes of a relation; None when the text does not tell."""
    if has_children(ctx, relation):
        return None
    columns = list(relation.columns)
    for command in commands:
        subtype, definition = command.get("subtype", ""), command.get("def", {})
        if command.get("behavior") == "DROP_CASCADE":
            return None
        if subtype == "AT_DropConstraint":
            continue
        if subtype == "AT_DropColumn":
            left = [c for c in columns if c.name != command.get("name")]
            if len(left) == len(columns) or _takes_sequence(ctx, relation, command["name"]):
                return None
            columns = left
        elif subtype == "AT_AlterColumnType":
            column = definition.get("ColumnDef", {})
            at = [n for n, c in enumerate(columns) if c.name == command.get("name")]
            if not at or "raw_default" in column:  # USING: other values go into it
                return None
            name = ".".join(strings(column["typeName"].get("names")))
            kept = columns[at[0]]
            columns[at[0]] = Column(kept.number, kept.name, name, name, "U", kept.not_null)
        elif subtype == "AT_AddConstraint":
            constraint = definition.get("Constraint", {})
            actions = {constraint.get(a, "a") for a in ("fk_upd_action", "fk_del_action")}
            if actions - {"a", "r"}:
                return None
        elif subtype == "AT_AddColumn" and "ColumnDef" in definition:
            column = definition["ColumnDef"]
            if column.get("constraints") or column["colname"] in relation.column_by_name:
                return None
            name = ".".join(strings(column["typeName"].get("names")))
            number = max((c.number for c in columns), default=0) + 1
            columns.append(Column(number, column["colname"], name, name, "U"))
        elif subtype not in _NAMELESS:
            return None
    if tuple(columns) == relation.columns:
        return ()
    there = {c.number for c in columns}
    key = relation.primary_key if there.issuperset(relation.primary_key) else ()
    made = as_created(replace(relation, columns=tuple(columns), primary_key=key))
    return (CatalogChange(relation.schema, relation.name, made),)


def _takes_sequence(ctx: Context, relation: Relation, column: str) -> bool:
    """Whether a sequence may go with the column: by its name, as serial columns call theirs."""
    known = (*ctx.snapshot.relations, *(r for r in ctx.names.created.values() if r is not None))
    beginning = f"{relation.name}_{column}"[:20]
    return any(
        r.kind is RelationKind.SEQUENCE
        and r.schema == relation.schema
        and r.name.startswith(beginning)
        for r in known
    )


def has_children(ctx: Context, relation: Relation) -> bool:
    """Partitions and the like change along with it."""
    known = (*ctx.snapshot.relations, *ctx.names.created.values())
    return relation.oid > 0 and any(r is not None and relation.oid in r.parents for r in known)


def can_be_inherited(relation: Relation) -> bool:
    """Whether a child has this table's columns and nothing else that the text does not tell: no
    defaults, checks, triggers or types bring code along."""
    return (
        relation.kind in (RelationKind.TABLE, RelationKind.PARTITIONED_TABLE)
        and lasting_oid(relation.oid) > 0
        and not (relation.temporary or relation.has_triggers or relation.has_rules)
        and not (relation.has_row_security or relation.read_code or relation.write_code)
    )
