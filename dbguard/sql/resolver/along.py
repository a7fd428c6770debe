"""Relations that a statement acts on without naming them: children, and what CASCADE takes along.

What it destroys (`destroying.py`) may be said too broadly, since a backup does no harm. This is
what refusals rest on, so it is as exact as the catalog's own dependencies are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbguard.sql.changes import lasting_oid
from dbguard.sql.destruction import DestroyedRelation, Destruction
from dbguard.sql.facts import Action, RelationUse
from dbguard.sql.referee import Node
from dbguard.sql.snapshot import Relation, RelationKind, Support

from .context import Context

_CASCADE = "DROP_CASCADE"
_PARTITIONED_ONLY = frozenset({"IndexStmt", "CreateTrigStmt", "VacuumStmt", "ClusterStmt"})
"""Statements about a table that are about its partitions as well, but not about other children."""
_KEPT = frozenset(
    {
        "AT_AddInherit",
        "AT_AddOf",
        "AT_AttachPartition",
        "AT_ChangeOwner",
        "AT_ClusterOn",
        "AT_DetachPartition",
        "AT_DetachPartitionFinalize",
        "AT_DisableRowSecurity",
        "AT_DisableRule",
        "AT_DropCluster",
        "AT_DropInherit",
        "AT_DropOf",
        "AT_EnableAlwaysRule",
        "AT_EnableReplicaRule",
        "AT_EnableRowSecurity",
        "AT_EnableRule",
        "AT_ForceRowSecurity",
        "AT_NoForceRowSecurity",
        "AT_ReplicaIdentity",
        "AT_ResetOptions",
        "AT_ResetRelOptions",
        "AT_SetAccessMethod",
        "AT_SetLogged",
        "AT_SetOptions",
        "AT_SetRelOptions",
        "AT_SetTableSpace",
        "AT_SetUnLogged",
    }
)
"""Commands of ALTER TABLE that leave children as they are (tablecmds.c, ATPrepCmd)."""
_CASCADING = frozenset({"AlterTableStmt", "DropStmt", "RenameStmt"})
"""Where CASCADE means other relations. TRUNCATE names them itself, REVOKE means other grants."""
_WHOLE_SCHEMA = frozenset({"DropStmt", "RenameStmt", "AlterOwnerStmt"})
"""Done to a schema, these are done to its tables: gone, under another name, another's."""
_WORDS = {
    "aggregate": "function",
    "domain": "type",
    "procedure": "function",
    "routine": "function",
    "access_method": "am",
    "tsconfiguration": "ts_config",
    "tsdictionary": "ts_dict",
    "tsparser": "ts_parser",
    "tstemplate": "ts_template",
}
"""What `Support` calls a kind of object, where DROP calls it otherwise."""
_UNNAMED = frozenset(
    {"am", "opclass", "opfamily", "ts_config", "ts_dict", "ts_parser", "ts_template"}
)
"""Kinds of which it is known that something depends on one, not on which."""
_CARRYING_NOTHING = frozenset(
    {
        "attribute",
        "cast",
        "column",
        "conversion",
        "event_trigger",
        "index",
        "policy",
        "publication",
        "role",
        "rule",
        "schema",
        "statistic_ext",
        "subscription",
        "tabconstraint",
        "transform",
        "trigger",
    }
)
"""Kinds that no relation but their own depends on."""


def taken_along(
    ctx: Context, tag: str, fields: Node, action: Action, found: Destruction
) -> tuple[RelationUse, ...]:
    """What the statement does `action` to besides; `found` is what it destroys."""
    reached = {r.oid: r for r in _children_of(ctx, _recursing(ctx, tag, fields), tag)}
    extensions = [o for o in found.objects if o.kind == "extension" and tag == "DropStmt"]
    if tag in _WHOLE_SCHEMA:
        schemas = {o.name for o in ctx.ledger.objects if o.kind == "schema"}
        if "newschema" not in fields and schemas:
            reached |= {r.oid: r for r in ctx.snapshot.relations if r.schema in schemas}
    if tag in _CASCADING and _cascades(fields):
        reached |= {r.oid: r for r in _hanging_on(ctx, found)}
    elif extensions:
        gone = {Support("extension", "", o.name) for o in extensions}
        reached |= {r.oid: r for r in ctx.snapshot.relations if not gone.isdisjoint(r.rests_on)}
    named = {(u.schema, u.name) for u in ctx.ledger.relation_actions.values() if u.action is action}
    return tuple(
        RelationUse(lasting_oid(r.oid), r.schema, r.name, action)
        for r in reached.values()
        if (r.schema, r.name) not in named and not r.temporary
    )


def _cascades(fields: Node) -> bool:
    commands = (node.get("AlterTableCmd", {}) for node in fields.get("cmds", ()))
    return any(node.get("behavior") == _CASCADE for node in (fields, *commands))


def _recursing(ctx: Context, tag: str, fields: Node) -> Iterator[Relation]:
    """Relations that are named, and whose children the statement means as well."""
    if tag == "DropStmt":
        if fields.get("removeType") in _OF_CHILDREN:
            yield from _used(ctx, Action.DROP)
    elif tag == "TruncateStmt" or tag == "LockStmt":
        for node in fields.get("relations", ()):
            yield from _unless_only(ctx, node.get("RangeVar", {}))
    elif tag == "AlterTableStmt":
        if any(n["AlterTableCmd"].get("subtype") not in _KEPT for n in fields.get("cmds", ())):
            yield from _unless_only(ctx, fields["relation"])
    elif tag == "RenameStmt":
        if fields.get("renameType") in ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT"):
            yield from _unless_only(ctx, fields.get("relation", {}))
    elif tag == "VacuumStmt":
        for node in fields.get("rels", ()):
            yield from _unless_only(ctx, node["VacuumRelation"].get("relation", {}))
    elif tag in _PARTITIONED_ONLY or (tag == "ReindexStmt" and fields.get("kind") == _A_TABLE):
        yield from _unless_only(ctx, fields.get("relation", {}))


_OF_CHILDREN = frozenset({"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE", "OBJECT_TRIGGER"})
_A_TABLE = "REINDEX_OBJECT_TABLE"


def _used(ctx: Context, action: Action) -> Iterator[Relation]:
    for use in ctx.ledger.relation_actions.values():
        if use.action is action and (found := ctx.find_relation(use.schema, use.name)):
            yield found


def _unless_only(ctx: Context, named: Node) -> Iterator[Relation]:
    if named.get("inh") and (found := ctx.find_relation(named.get("schemaname"), named["relname"])):
        yield found


def _children_of(ctx: Context, parents: Iterable[Relation], tag: str) -> Iterator[Relation]:
    partitions = tag in _PARTITIONED_ONLY or tag == "ReindexStmt"
    reached = {
        r.oid
        for r in parents
        if r.oid and (r.kind is RelationKind.PARTITIONED_TABLE or not partitions)
    }
    yield from _spread(ctx, reached)


def _hanging_on(ctx: Context, found: Destruction) -> Iterator[Relation]:
    """What goes, or loses something, with what CASCADE takes along."""
    relations = [r for r in found.relations if not r.parts or _has_dependants(r)]
    gone = {Support("relation", r.schema, r.name) for r in relations}
    gone |= {Support("type", r.schema, r.name) for r in relations}  # their row types
    named: dict[tuple[str, str], set[str | None]] = {}
    kinds: set[str] = set()
    added = () if found.objects else ctx.ledger.objects  # ALTER TYPE … ADD ATTRIBUTE
    for gone_object in (*found.objects, *added):
        kind = _WORDS.get(gone_object.kind, gone_object.kind)
        if kind in _UNNAMED:
            kinds.add(kind)
        elif kind not in _CARRYING_NOTHING:
            named.setdefault((kind, gone_object.name), set()).add(gone_object.schema)
    oids = {r.oid for r in ctx.snapshot.relations if r.schema in found.schemas}
    keys: set[tuple[int, str]] = set()
    for r in relations:
        if r.oid and r.parts and all(kind == "column" for kind, _ in r.parts):
            keys |= {(r.oid, name) for _, name in r.parts}
        elif r.oid:
            oids.add(r.oid)

    def lost(support: Support) -> bool:
        if support in gone or support.kind in kinds or support.schema in found.schemas:
            return True
        schemas = named.get((support.kind, support.name), ())
        return support.schema in schemas or None in schemas

    reached = {
        relation.oid for relation in ctx.snapshot.relations if any(map(lost, relation.rests_on))
    }
    for relation in ctx.snapshot.relations:
        if relation.oid in reached or _refers_to(ctx, relation, oids, keys, reached):
            yield relation
    if found.schemas:
        yield from _spread(ctx, oids)


def _has_dependants(relation: DestroyedRelation) -> bool:
    """Whether anything may depend on the parts that are named."""
    return not all(kind in ("policy", "rule", "trigger") for kind, _ in relation.parts)


def _refers_to(
    ctx: Context, relation: Relation, gone: set[int], keys: set[tuple[int, str]], hit: set[int]
) -> bool:
    """Whether a foreign key of it leads to a relation or a column that goes, or to a column that
    may: one of a type that is not the server's own."""
    for column in relation.columns:
        for oid, number in column.references:
            if oid in gone:
                return True
            target = ctx.snapshot.relation_by_oid.get(oid)
            key = target.column(number) if target is not None else None
            if key is not None and (
                (oid, key.name) in keys or (oid in hit and "." in key.type_name)
            ):
                return True
    return False


def _spread(ctx: Context, reached: set[int]) -> Iterator[Relation]:
    """The children of these, and theirs."""
    spread = bool(reached)
    while spread:
        spread = False
        for relation in ctx.snapshot.relations:
            if relation.oid not in reached and not reached.isdisjoint(relation.parents):
                reached.add(relation.oid)
                spread = True
                yield relation
