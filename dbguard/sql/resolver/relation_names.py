"""Relations that a statement names without reading them: DDL, GRANT, LOCK, VACUUM."""

from __future__ import annotations

from collections.abc import Sequence

from dbguard.sql.facts import Action, EffectKind, RelationUse, SessionEffect
from dbguard.sql.referee import Node
from dbguard.sql.sites import SiteRole
from dbguard.sql.snapshot import Relation

from .context import Context, strings
from .from_clause import find_relation
from .ledger import Mention


def named_relation(
    ctx: Context, fields: Node | None, action: Action, *, missing_ok: bool = False
) -> Relation | None:
    """Note that `action` is done to the relation that a RangeVar names.

    Raises:
        UndefinedName: there is none, and the statement does not say IF EXISTS.
    """
    if fields is None:
        return None
    if missing_ok and ctx.find_relation(fields.get("schemaname"), fields["relname"]) is None:
        return None
    relation = find_relation(ctx, fields, placed=False)
    ctx.ledger.act(relation, action)
    ctx.ledger.mention(
        Mention(
            relation,
            fields.get("location", 0),
            SiteRole.NAME,
            qualified="schemaname" in fields,
            inherits=bool(fields.get("inh")),
            simulated=relation.oid <= 0,
        )
    )
    if relation.temporary:
        ctx.ledger.effect(SessionEffect(EffectKind.TEMPORARY))
    return relation


def relation_by_parts(
    ctx: Context,
    parts: Sequence[str],
    action: Action,
    kind: str,
    *,
    start: int | None = None,
    missing_ok: bool = False,
) -> Relation | None:
    """The same for a name that the grammar hands over as a list; `start` is where it stands."""
    schema = parts[-2] if len(parts) > 1 else None
    relation = ctx.find_relation(schema, parts[-1])
    if relation is None:
        if not missing_ok:
            if schema is not None and schema not in ctx.snapshot.schemas:
                ctx.undefined("3F000", f'schema "{schema}" does not exist', -1)
            ctx.undefined("42P01", f'{kind} "{parts[-1]}" does not exist', -1)
        return None
    ctx.ledger.act(relation, action)
    if start is not None:
        ctx.ledger.mention(
            Mention(
                relation,
                start,
                SiteRole.NAME,
                qualified=schema is not None,
                simulated=relation.oid <= 0,
            )
        )
    if relation.temporary:
        ctx.ledger.effect(SessionEffect(EffectKind.TEMPORARY))
    return relation


def new_relation(ctx: Context, fields: Node, action: Action, kind: str) -> tuple[str, str]:
    """Note a relation that the statement creates; gives its schema and name."""
    name = fields["relname"]
    ctx.ledger.seen.add(("relation", fields.get("location", 0)))
    written = fields.get("schemaname") or ""
    temporary = fields.get("relpersistence") == "t" or written.startswith("pg_temp")
    if temporary or (not written and _made_temporary(ctx.names.path)):
        schema = ctx.names.temporary_schema()
        ctx.ledger.effect(SessionEffect(EffectKind.TEMPORARY, name))
    else:
        schema = written or creation_schema(ctx)
        ctx.ledger.effect(SessionEffect(EffectKind.CATALOG))
    key = (0, schema, name, action)
    ctx.ledger.relation_actions.setdefault(key, RelationUse(0, schema, name, action))
    return schema, name


def _made_temporary(path: tuple[str, ...]) -> bool:
    """Whether pg_temp was put first: behind pg_catalog, which is implied; where pg_temp is
    implied as well it stands in front."""
    return path[:1] == ("pg_catalog",) and path[1:2] != () and path[1].startswith("pg_temp")


def creation_schema(ctx: Context) -> str:
    """Where a new object without a schema goes: the path's first schema that is not implied."""
    for schema in ctx.names.path:
        if schema != "pg_catalog" and not schema.startswith("pg_temp"):
            return schema
    return "pg_catalog"


def object_parts(node: Node) -> list[str]:
    """The name in any of the forms that the grammar uses for objects."""
    ((tag, fields),) = node.items()
    if tag == "String":
        return [fields.get("sval", "")]
    if tag == "List":
        return [part for item in fields.get("items", ()) for part in object_parts(item)]
    if tag == "ObjectWithArgs":
        return strings(fields.get("objname"))
    if tag == "TypeName":
        return strings(fields.get("names"))
    if tag == "RoleSpec":
        return [role_name(fields)]
    return []


def role_name(fields: Node) -> str:
    """A RoleSpec's name; CURRENT_USER and the like by their keyword."""
    kind = fields.get("roletype", "ROLESPEC_CSTRING")
    if kind == "ROLESPEC_CSTRING":
        name: str = fields.get("rolename", "")
        return name
    return str(kind).removeprefix("ROLESPEC_").lower()
