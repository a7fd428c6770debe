"""GRANT, roles, default privileges, row security policies."""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.facts import Action, EffectKind, SessionEffect
from dbguard.sql.referee import Node

from .catalog_changes import catalog_change, known_changes
from .context import Context, strings
from .objects import kind_name, named, note_contents, note_object
from .outcome import Handler, Outcome
from .relation_names import named_relation, role_name


def _roles(ctx: Context, nodes: list[Node]) -> None:
    for node in nodes:
        if "RoleSpec" in node:
            ctx.ledger.object("role", None, role_name(node["RoleSpec"]))
        elif "AccessPriv" in node:
            ctx.ledger.object("role", None, node["AccessPriv"].get("priv_name", ""))


def _grant(ctx: Context, fields: Node) -> Outcome:
    action = Action.GRANT if fields.get("is_grant") else Action.REVOKE
    kind = kind_name(fields, "objtype")
    everything = fields.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA"
    for node in fields.get("objects", ()):
        if "RangeVar" in node:
            named_relation(ctx, node["RangeVar"], action)
        elif everything:
            for schema in strings([node]):
                _all_in_schema(ctx, schema, kind, action)
        else:
            note_object(ctx, kind, node)
    _roles(ctx, fields.get("grantees", []))
    if kind in ("table", "sequence") and not everything:
        known_changes(ctx)
    else:  # USAGE on a schema decides whether search_path sees it
        catalog_change(ctx, code=kind == "schema")
    return Outcome(action)


def _all_in_schema(ctx: Context, schema: str, kind: str, action: Action) -> None:
    """ALL TABLES IN SCHEMA: names each relation that is there now."""
    ctx.ledger.object("schema", None, schema)
    if kind not in ("table", "sequence"):
        return
    sequences = kind == "sequence"
    for relation in ctx.snapshot.relations:
        if relation.schema == schema and (relation.kind == "S") == sequences:
            ctx.ledger.act(relation, action)


def _grant_role(ctx: Context, fields: Node) -> Outcome:
    _roles(ctx, fields.get("granted_roles", []))
    _roles(ctx, fields.get("grantee_roles", []))
    catalog_change(ctx, code=True)
    return Outcome(Action.ROLE)


def _role(ctx: Context, fields: Node) -> Outcome:
    role = fields.get("role")
    if isinstance(role, str):
        ctx.ledger.object("role", None, role)
    elif role is not None:
        ctx.ledger.object("role", None, role_name(role))
    _roles(ctx, fields.get("roles", []))
    if "newrole" in fields:
        ctx.ledger.object("role", None, role_name(fields["newrole"]))
    if "database" in fields:
        ctx.ledger.object("database", None, fields["database"])
    catalog_change(ctx, code=True)
    return Outcome(Action.ROLE)


def _default_privileges(ctx: Context, fields: Node) -> Outcome:
    _roles(ctx, fields.get("action", {}).get("grantees", []))
    for node in fields.get("options", ()):
        option = node["DefElem"]
        if option.get("defname") == "schemas":
            note_names(ctx, "schema", option["arg"])
    ctx.ledger.effect(SessionEffect(EffectKind.CATALOG))
    return Outcome(Action.DEFAULT_PRIVILEGES)


def note_names(ctx: Context, kind: str, node: Node) -> None:
    for name in strings(node.get("List", {}).get("items", [])):
        ctx.ledger.object(kind, None, name)


def _policy(ctx: Context, fields: Node) -> Outcome:
    named_relation(ctx, fields["table"], Action.POLICY)
    ctx.ledger.object("policy", None, fields["policy_name"])
    _roles(ctx, fields.get("roles", []))
    note_contents(ctx, [fields.get("qual", {}), fields.get("with_check", {})])
    if any(name in fields for name in ("qual", "with_check")):
        ctx.ledger.effect(SessionEffect(EffectKind.CATALOG))
    return Outcome(Action.POLICY)


HANDLERS: Mapping[str, Handler] = {
    "GrantStmt": _grant,
    "GrantRoleStmt": _grant_role,
    "CreateRoleStmt": _role,
    "AlterRoleStmt": _role,
    "AlterRoleSetStmt": _role,
    "DropRoleStmt": _role,
    "ReassignOwnedStmt": _role,
    "DropOwnedStmt": _role,
    "AlterDefaultPrivilegesStmt": _default_privileges,
    "CreatePolicyStmt": _policy,
    "AlterPolicyStmt": _policy,
    "AlterDatabaseSetStmt": named(Action.ROLE, "database", "dbname"),
}
