"""Statements that run or install code which analysis cannot read."""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.facts import Action, EffectKind, SessionEffect
from dbguard.sql.functions import is_trusted_extension
from dbguard.sql.referee import Node

from .catalog_changes import catalog_change
from .context import Context, strings
from .objects import named, note_object
from .outcome import Handler, Outcome
from .relation_names import named_relation
from .settings_calls import note_unknown_setting

_PLPGSQL = "plpgsql"
"""Every database has it from the start: dumps and migrations ask for it all the same."""

_ROLE_WORDS = (
    "set role",
    "set local role",
    "set session role",
    "session authorization",
    "session_authorization",
    "set_config",
)
"""What changes the role in force, as far as code says it in these words."""

_SYSTEM_SCHEMAS = ("pg_catalog", "information_schema")


def _opaque(action: Action, construct: str) -> Handler:
    def handle(ctx: Context, fields: Node) -> Outcome:
        ctx.ledger.note(construct)
        ctx.ledger.effect(SessionEffect(EffectKind.PATH))
        ctx.ledger.effect(SessionEffect(EffectKind.CATALOG))
        ctx.names.uncertain = True
        return Outcome(action)

    return handle


def _do(ctx: Context, fields: Node) -> Outcome:
    """A block that says so may change the role in force."""
    options = (option["DefElem"] for option in fields.get("args", ()))
    bodies = (o["arg"]["String"].get("sval", "") for o in options if o["defname"] == "as")
    words = " ".join(" ".join(bodies).lower().split())
    if any(setting in words for setting in _ROLE_WORDS):
        note_unknown_setting(ctx)
    return _opaque(Action.DO, "a DO block")(ctx, fields)


def _call(ctx: Context, fields: Node) -> Outcome:
    names = strings(fields["funccall"]["funcname"])
    ctx.ledger.object("procedure", names[-2] if len(names) > 1 else None, names[-1])
    return _opaque(Action.CALL, "a procedure call")(ctx, fields)


def _create_function(ctx: Context, fields: Node) -> Outcome:
    kind = "procedure" if fields.get("is_procedure") else "function"
    note_object(ctx, kind, fields["funcname"])
    catalog_change(ctx, code=True)
    return Outcome(Action.CREATE_FUNCTION)


def _create_trigger(ctx: Context, fields: Node) -> Outcome:
    named_relation(ctx, fields["relation"], Action.CREATE_TRIGGER)
    ctx.ledger.object("trigger", None, fields["trigname"])
    note_object(ctx, "function", fields["funcname"])
    catalog_change(ctx)
    ctx.names.code(fields["relation"]["relname"], strings(fields["funcname"])[-1])
    return Outcome(Action.CREATE_TRIGGER)


def _create_rule(ctx: Context, fields: Node) -> Outcome:
    named_relation(ctx, fields["relation"], Action.CREATE_RULE)
    ctx.ledger.object("rule", None, fields["rulename"])
    ctx.ledger.note("the body of a rule")
    catalog_change(ctx, code=True)
    ctx.names.code(fields["relation"]["relname"], "")
    return Outcome(Action.CREATE_RULE)


def _create_extension(ctx: Context, fields: Node) -> Outcome:
    """The scripts of known extensions only make the functions that are trusted once they are
    there, and refuse to take over what somebody put in their place before."""
    name = fields["extname"]
    options = {o["DefElem"]["defname"]: o["DefElem"] for o in fields.get("options", ())}
    schema = options.get("schema", {}).get("arg", {}).get("String", {}).get("sval", "")
    known = is_trusted_extension(name) or name == _PLPGSQL
    ctx.ledger.object("extension", None, name)
    if not known or schema in _SYSTEM_SCHEMAS:
        ctx.ledger.note("an extension's script")
    catalog_change(ctx, code=True)
    return Outcome(Action.CREATE)


def _alter_extension(ctx: Context, fields: Node) -> Outcome:
    ctx.ledger.object("extension", None, fields.get("extname", ""))
    ctx.ledger.note("an extension's script")
    catalog_change(ctx, code=True)
    return Outcome(Action.ALTER)


def _alter_system(ctx: Context, fields: Node) -> Outcome:
    name = fields.get("setstmt", {}).get("name")
    if name:
        ctx.ledger.object("parameter", None, name)
    return Outcome(Action.ALTER_SYSTEM)


def _checkpoint(ctx: Context, fields: Node) -> Outcome:
    return Outcome(Action.CHECKPOINT)


HANDLERS: Mapping[str, Handler] = {
    "DoStmt": _do,
    "CallStmt": _call,
    "LoadStmt": _opaque(Action.LOAD, "a loaded library"),
    "CreateFunctionStmt": _create_function,
    "AlterFunctionStmt": named(Action.CREATE_FUNCTION, "function", "func"),
    "CreateTrigStmt": _create_trigger,
    "RuleStmt": _create_rule,
    "CreateEventTrigStmt": named(Action.CREATE_TRIGGER, "event_trigger", "trigname"),
    "AlterEventTrigStmt": named(Action.CREATE_TRIGGER, "event_trigger", "trigname"),
    "CreatePLangStmt": named(Action.CREATE_FUNCTION, "language", "plname"),
    "CreateCastStmt": named(Action.CREATE_FUNCTION, "cast"),
    "CreateTransformStmt": named(Action.CREATE_FUNCTION, "transform"),
    "CreateExtensionStmt": _create_extension,
    "AlterExtensionStmt": _alter_extension,
    "AlterExtensionContentsStmt": _alter_extension,
    "AlterSystemStmt": _alter_system,
    "CheckPointStmt": _checkpoint,
    "ReturnStmt": _opaque(Action.DO, "a RETURN statement"),
    "PLAssignStmt": _opaque(Action.DO, "an assignment"),
}
