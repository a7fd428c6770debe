"""What a statement can destroy: told by its parse tree, its ledger and the catalog.

Whatever is not in these tables may destroy anything: a kind of statement, a kind of object, a
command of ALTER. Names are those that the handlers of the statement put into the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from dbguard.sql.changes import TEMPORARY, lasting_oid
from dbguard.sql.destruction import (
    ADDITIVE,
    DestroyedObject,
    DestroyedRelation,
    Destruction,
    Reach,
    together,
)
from dbguard.sql.facts import Action
from dbguard.sql.referee import Node
from dbguard.sql.snapshot import Relation, RelationKind

from .altering import OF_VALUES, TYING, WITH_OWNED, objection_to, part_of
from .context import Context
from .outcome import option_is_on

Finder = Callable[[Context, Node], Destruction]

_CASCADE = "DROP_CASCADE"
_REWRITTEN = frozenset({Action.UPDATE, Action.DELETE, Action.MERGE})
_ADDING = frozenset({Action.INSERT, Action.COPY_FROM})
_OVERWRITING = {
    "setval": "setting a sequence",
    **dict.fromkeys(
        ("lo_unlink", "lo_put", "lo_truncate", "lo_truncate64", "lowrite"),
        "changing a large object",
    ),
}
"""The server's own functions that put something in the place of a value that is kept."""
_PARTS = frozenset({"policy", "rule", "trigger"})
"""What is dropped of a relation that stays."""
_SHARED = frozenset({"role", "database", "tablespace", "parameter"})
"""Objects that all databases of a server share."""


def destroyed(ctx: Context, tag: str, fields: Node) -> Destruction:
    """What the statement `fields` of kind `tag` can destroy, resolved in `ctx` before."""
    finder = _FINDERS.get(tag)
    if finder is None:
        return anything(f"{tag} may change anything")
    found = finder(ctx, fields)
    names = {use.name for use in ctx.ledger.functions if use.schema == "pg_catalog"}
    overwritten = [reason for name, reason in _OVERWRITING.items() if name in names]
    return together((found, *map(anything, overwritten)))


def anything(reason: str) -> Destruction:
    return Destruction(reach=Reach.DATABASE, reason=reason)


def _nothing(ctx: Context, fields: Node) -> Destruction:
    return ADDITIVE


def _is_own(schema: str) -> bool:
    """A temporary schema: what is in it belongs to the session alone."""
    return schema == TEMPORARY or schema.startswith(f"{TEMPORARY}_")


def relations_of(ctx: Context, *actions: Action) -> tuple[DestroyedRelation, ...]:
    """Relations in the ledger with one of these actions, their children with them."""
    uses = [u for u in ctx.ledger.relation_actions.values() if u.action in actions]
    found = {(lasting_oid(u.relation), u.schema, u.name): None for u in uses}
    parents = {oid for oid, _, _ in found if oid}
    spread = bool(parents)
    while spread:
        spread = False
        for relation in ctx.snapshot.relations:
            if relation.oid not in parents and not parents.isdisjoint(relation.parents):
                parents.add(relation.oid)
                found[lasting_oid(relation.oid), relation.schema, relation.name] = None
                spread = True
    return tuple(DestroyedRelation(*key) for key in found if not _is_own(key[1]))


def objects_of(ctx: Context, *kinds: str) -> tuple[DestroyedObject, ...]:
    """Objects in the ledger, of these kinds, or of all but roles."""
    return tuple(
        DestroyedObject(o.kind, o.schema, o.name)
        for o in ctx.ledger.objects
        if (o.kind in kinds if kinds else o.kind != "role")
    )


def _told(found: Destruction, verb: str) -> Destruction:
    """`found` with its reason: `dropping clinic.claims with what depends on it`."""
    names = found.names
    if not names and not found.everything:
        return ADDITIVE
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if names[4:] else "")
    more = " with what depends on it" if found.reach is Reach.DEPENDANTS else ""
    return replace(found, reason=f"{verb} {shown}".rstrip() + more)


def _drop(ctx: Context, fields: Node) -> Destruction:
    reach = Reach.DEPENDANTS if fields.get("behavior") == _CASCADE else Reach.OWNED
    kind = str(fields.get("removeType", "")).removeprefix("OBJECT_").lower()
    if reach is Reach.OWNED and kind in _PARTS:
        reach = Reach.NAMED
    relations = relations_of(ctx, Action.DROP)
    if kind in _PARTS:
        relations = _only(relations, [(o.kind, o.name) for o in objects_of(ctx, kind)])
    if kind == "schema":
        names = tuple(o.name for o in objects_of(ctx, "schema") if not _is_own(o.name))
        if reach is Reach.DEPENDANTS:
            return _told(Destruction(schemas=names, reach=reach), "dropping")
    objects = tuple(o for o in objects_of(ctx) if not (o.schema and _is_own(o.schema)))
    return _told(Destruction(relations, objects, reach=reach), "dropping")


def _only(
    relations: tuple[DestroyedRelation, ...], parts: list[tuple[str, str]]
) -> tuple[DestroyedRelation, ...]:
    return tuple(replace(relation, parts=tuple(parts)) for relation in relations)


def _truncate(ctx: Context, fields: Node) -> Destruction:
    # sequences that RESTART IDENTITY sets belong to the tables
    reach = Reach.OWNED if fields.get("restart_seqs") else Reach.NAMED
    relations = relations_of(ctx, Action.TRUNCATE)
    return _told(Destruction(relations, reach=_or_elsewhere(ctx, relations, reach)), "truncating")


def _or_elsewhere(
    ctx: Context, relations: Iterable[DestroyedRelation], reach: Reach = Reach.NAMED
) -> Reach:
    """`reach`, unless there are foreign tables among those whose rows change."""
    found = (ctx.snapshot.relation_by_oid.get(relation.oid) for relation in relations)
    foreign = any(r is not None and r.kind is RelationKind.FOREIGN_TABLE for r in found)
    return Reach.ELSEWHERE if foreign else reach


_DOING = frozenset(
    {
        Action.ALTER,
        Action.RENAME,
        Action.ROLE,
        Action.POLICY,
        Action.REVOKE,
        Action.REFRESH,
        Action.SECURITY_LABEL,
        Action.CREATE_TRIGGER,
        Action.CREATE_RULE,
    }
)


def changed(verb: str, reach: Reach = Reach.NAMED, *, whole_schemas: bool = False) -> Finder:
    """A statement that puts something in the place of what was there. `whole_schemas`: what it
    does to a schema, it does to all that is in it."""

    def find(ctx: Context, fields: Node) -> Destruction:
        named = ctx.ledger.objects
        if any(o.kind in _SHARED and (o.kind != "role" or _is_subject(fields)) for o in named):
            return _shared(verb)(ctx, fields)
        objects = objects_of(ctx)
        if "newschema" in fields:  # where something goes to
            objects = tuple(o for o in objects if o.kind != "schema")
        schemas: tuple[str, ...] = ()
        if whole_schemas:
            schemas = tuple(o.name for o in objects if o.kind == "schema")
            objects = tuple(o for o in objects if o.kind != "schema")
        if "funcname" in fields:  # what a trigger calls
            objects = tuple(o for o in objects if o.kind != "function")
        relations = relations_of(ctx, *_DOING)
        own = any(_is_own(use.schema) for use in ctx.ledger.relation_actions.values())
        if not (relations or objects or schemas or own or fields.get("missing_ok")):
            return anything(f"{verb} something that is not told")
        return _told(Destruction(relations, objects, schemas, reach), verb)

    return find


def _is_subject(fields: Node) -> bool:
    """Whether roles are what a statement is about, and not owners, grantees or of a policy."""
    return not any(name in fields for name in ("newowner", "grantees", "table", "cmds"))


def _alter_table(ctx: Context, fields: Node) -> Destruction:
    commands = [node["AlterTableCmd"] for node in fields.get("cmds", ())]
    objecting = [(c, o) for c in commands if (o := objection_to(ctx, c)) is not None]
    ties = any(c.get("subtype") in TYING for c in commands)
    if not objecting:
        return replace(ADDITIVE, ties=ties)
    cascade = any(c.get("behavior") == _CASCADE for c in commands)
    if fields.get("objtype") == "OBJECT_TYPE":
        # values of a composite type stand in columns of any table
        cascade = cascade or any(c.get("subtype") in OF_VALUES for c in commands)
    more = any(c.get("subtype") in WITH_OWNED for c in commands)
    reach = Reach.DEPENDANTS if cascade else Reach.OWNED if more else Reach.NAMED
    verb = " and ".join(dict.fromkeys(objection for _, objection in objecting))
    found = changed(verb, reach)(ctx, fields)
    parts = [part_of(command) for command, _ in objecting]
    if fields.get("objtype") == "OBJECT_TABLE" and None not in parts:
        named = list(dict.fromkeys(part for part in parts if part is not None))
        found = replace(found, relations=_only(found.relations, named))
    return replace(found, ties=ties)


def _rows(ctx: Context, fields: Node) -> Destruction:
    """UPDATE, DELETE, MERGE, at any level, with what foreign keys may do in passing."""
    ledger = ctx.ledger
    actions = {use.action for use in ledger.relation_actions.values()}
    if ledger.runs_hidden_code and actions & (_REWRITTEN | _ADDING):
        return anything("writing where code runs that can't be seen through")
    written = relations_of(ctx, *_REWRITTEN)
    reached = {relation.oid for relation in written if relation.oid}
    found = dict.fromkeys(written)
    for relation in _referring(ctx, reached):
        key = DestroyedRelation(lasting_oid(relation.oid), relation.schema, relation.name)
        found[key] = None
    return _told(Destruction(tuple(found), reach=_or_elsewhere(ctx, found)), "changing rows of")


def _referring(ctx: Context, reached: set[int]) -> Iterable[Relation]:
    """Relations whose foreign keys lead to these, and so on: ON DELETE CASCADE and the like."""
    spread = bool(reached)
    while spread:
        spread = False
        for relation in ctx.snapshot.relations:
            if relation.oid in reached:
                continue
            targets = {oid for column in relation.columns for oid, _ in column.references}
            if not reached.isdisjoint({*targets, *relation.parents}):
                reached.add(relation.oid)
                spread = True
                yield relation


def _explain(ctx: Context, fields: Node) -> Destruction:
    options = {n["DefElem"]["defname"].lower(): n["DefElem"] for n in fields.get("options", ())}
    if "analyze" not in options or not option_is_on(options["analyze"]):
        return ADDITIVE
    return _inside(ctx, fields)


def _inside(ctx: Context, fields: Node) -> Destruction:
    ((tag, inner),) = fields["query"].items()
    return destroyed(ctx, tag, inner)


def _copy(ctx: Context, fields: Node) -> Destruction:
    if fields.get("is_program") or "filename" in fields:
        return anything("COPY with a file or a program on the server")
    return _inside(ctx, fields) if "query" in fields else _rows(ctx, fields)


def _grant(ctx: Context, fields: Node) -> Destruction:
    if fields.get("is_grant"):
        return ADDITIVE
    if fields.get("objtype") in ("OBJECT_DATABASE", "OBJECT_TABLESPACE", "OBJECT_PARAMETER_ACL"):
        return _shared("revoking privileges on")(ctx, fields)
    everything = fields.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA"
    return changed("revoking privileges on", whole_schemas=everything)(ctx, fields)


def _shared(verb: str) -> Finder:
    """What all databases of a server share."""

    def find(ctx: Context, fields: Node) -> Destruction:
        named = tuple(DestroyedObject(o.kind, o.schema, o.name) for o in ctx.ledger.objects)
        return _told(Destruction(objects=named, reach=Reach.CLUSTER), verb)

    return find


def _drop_database(ctx: Context, fields: Node) -> Destruction:
    return replace(_shared("dropping")(ctx, fields), database=fields["dbname"])


def _grant_role(ctx: Context, fields: Node) -> Destruction:
    if fields.get("is_grant"):
        return ADDITIVE
    return _shared("revoking membership of")(ctx, fields)


def _default_privileges(ctx: Context, fields: Node) -> Destruction:
    if fields.get("action", {}).get("is_grant"):
        return ADDITIVE
    return anything("revoking default privileges")


def replacing(verb: str) -> Finder:
    """CREATE OR REPLACE: destroys the old definition, if there is one."""

    def find(ctx: Context, fields: Node) -> Destruction:
        if not fields.get("replace"):
            return ADDITIVE
        return changed(verb)(ctx, fields)

    return find


def _view(ctx: Context, fields: Node) -> Destruction:
    if not fields.get("replace"):
        return ADDITIVE
    found = [
        DestroyedRelation(lasting_oid(old.oid), use.schema, use.name)
        for use in ctx.ledger.relation_actions.values()
        if use.action is Action.CREATE and not _is_own(use.schema)
        if (old := ctx.find_relation(use.schema, use.name)) is not None
    ]
    return _told(Destruction(tuple(found)), "replacing")


def _routine(ctx: Context, fields: Node) -> Destruction:
    """A function of the same name, with whatever arguments, may be the one that is replaced."""
    if not fields.get("replace"):
        return ADDITIVE
    objects = objects_of(ctx, "function", "procedure", "aggregate")
    known = ctx.snapshot.functions_by_name
    there = tuple(
        o for o in objects if any(o.schema in (None, f.schema) for f in known.get(o.name, ()))
    )
    return _told(Destruction(objects=there), "replacing")


_KEPT_DOMAIN = frozenset("COV")
"""ALTER DOMAIN: ADD CONSTRAINT, SET NOT NULL, VALIDATE."""


def _domain(ctx: Context, fields: Node) -> Destruction:
    return ADDITIVE if fields.get("subtype") in _KEPT_DOMAIN else changed("altering")(ctx, fields)


def _enum(ctx: Context, fields: Node) -> Destruction:
    return changed("altering")(ctx, fields) if "oldVal" in fields else ADDITIVE


def _family(ctx: Context, fields: Node) -> Destruction:
    return changed("altering")(ctx, fields) if fields.get("isDrop") else ADDITIVE


def _configuration(ctx: Context, fields: Node) -> Destruction:
    adds = fields.get("kind") == "ALTER_TSCONFIG_ADD_MAPPING"
    return ADDITIVE if adds else changed("altering")(ctx, fields)


def _everything(reason: str) -> Finder:
    def find(ctx: Context, fields: Node) -> Destruction:
        return anything(reason)

    return find


def _create_schema(ctx: Context, fields: Node) -> Destruction:
    if fields.get("schemaElts"):
        return anything("CREATE SCHEMA with elements")
    return ADDITIVE


def _cluster(reason: str) -> Finder:
    def find(ctx: Context, fields: Node) -> Destruction:
        return Destruction(objects=objects_of(ctx), reach=Reach.CLUSTER, reason=reason)

    return find


def _listed(names: str, finder: Finder) -> Mapping[str, Finder]:
    return dict.fromkeys(names.split(), finder)


_FINDERS: Mapping[str, Finder] = {
    **_listed(
        # session and transaction
        "TransactionStmt VariableSetStmt VariableShowStmt DiscardStmt ListenStmt UnlistenStmt "
        "NotifyStmt LockStmt DeallocateStmt ClosePortalStmt FetchStmt ConstraintsSetStmt "
        "ExecuteStmt CheckPointStmt "
        # what only adds
        "CreateStmt CreateForeignTableStmt IndexStmt CreateSeqStmt CompositeTypeStmt "
        "CreateDomainStmt CreateEnumStmt CreateRangeStmt CreateStatsStmt CreateConversionStmt "
        "CreateOpClassStmt CreateOpFamilyStmt CreateAmStmt CreatePublicationStmt CreateFdwStmt "
        "CreateForeignServerStmt CreateUserMappingStmt CreateTableSpaceStmt CreatedbStmt "
        "CreateRoleStmt CreatePolicyStmt CreateCastStmt CreateExtensionStmt "
        "ImportForeignSchemaStmt CommentStmt "
        # what rewrites without loss, or only tunes
        "VacuumStmt ReindexStmt ClusterStmt AlterStatsStmt AlterCollationStmt "
        "AlterDatabaseRefreshCollStmt",
        _nothing,
    ),
    **_listed("SelectStmt InsertStmt UpdateStmt DeleteStmt MergeStmt", _rows),
    **_listed("CreateTableAsStmt PrepareStmt DeclareCursorStmt", _inside),
    "ExplainStmt": _explain,
    "CopyStmt": _copy,
    "CreateSchemaStmt": _create_schema,
    "DropStmt": _drop,
    "TruncateStmt": _truncate,
    "AlterTableStmt": _alter_table,
    "ViewStmt": _view,
    "CreateFunctionStmt": _routine,
    "DefineStmt": _routine,
    "CreateTrigStmt": replacing("replacing"),
    "RuleStmt": replacing("replacing"),
    "CreatePLangStmt": replacing("replacing"),
    "CreateTransformStmt": replacing("replacing"),
    "GrantStmt": _grant,
    "GrantRoleStmt": _grant_role,
    "AlterDefaultPrivilegesStmt": _default_privileges,
    "RenameStmt": changed("renaming", whole_schemas=True),
    "AlterObjectSchemaStmt": changed("moving", Reach.OWNED),
    "AlterOwnerStmt": changed("changing the owner of"),
    "AlterDomainStmt": _domain,
    "AlterEnumStmt": _enum,
    "AlterOpFamilyStmt": _family,
    "AlterTSConfigurationStmt": _configuration,
    "RefreshMatViewStmt": changed("refreshing"),
    "SecLabelStmt": changed("labelling"),
    **_listed(
        "AlterObjectDependsStmt AlterFunctionStmt AlterTypeStmt AlterOperatorStmt AlterSeqStmt "
        "AlterTSDictionaryStmt AlterPublicationStmt AlterFdwStmt "
        "AlterForeignServerStmt AlterUserMappingStmt AlterPolicyStmt "
        "ReplicaIdentityStmt",
        changed("altering"),
    ),
    **_listed("DropSubscriptionStmt DropUserMappingStmt", changed("dropping")),
    **_listed("AlterRoleStmt AlterRoleSetStmt AlterDatabaseStmt", _shared("changing")),
    **_listed("AlterDatabaseSetStmt AlterTableSpaceOptionsStmt", _shared("changing")),
    **_listed("DropRoleStmt DropTableSpaceStmt", _shared("dropping")),
    "DropdbStmt": _drop_database,
    "AlterSystemStmt": _cluster("changing the server's configuration"),
    "DropOwnedStmt": _everything("dropping everything that a role owns"),
    "ReassignOwnedStmt": _everything("changing the owner of everything that a role owns"),
    "AlterTableMoveAllStmt": _everything("moving everything that is in a tablespace"),
    **_listed(
        "CreateEventTrigStmt AlterEventTrigStmt",
        _everything("an event trigger's code may change anything"),
    ),
    **_listed(
        "CreateSubscriptionStmt AlterSubscriptionStmt",
        _everything("what a subscription brings may change any rows"),
    ),
    "DoStmt": _everything("a DO block may change anything"),
    "CallStmt": _everything("a procedure may change anything"),
    "LoadStmt": _everything("a library may change anything"),
    "AlterExtensionStmt": _everything("an extension's script may change anything"),
    "AlterExtensionContentsStmt": _everything("an extension's script may change anything"),
}
