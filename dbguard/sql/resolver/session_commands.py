"""SET, transactions, cursors, LISTEN, LOCK: what changes the session."""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.facts import ROLE_SETTINGS, Action, EffectKind, SessionEffect
from dbguard.sql.names import quote
from dbguard.sql.referee import Node

from .context import Context
from .earlier import Names, simulate_path
from .outcome import Handler, Outcome
from .relation_names import named_relation


def _variable_set(ctx: Context, fields: Node) -> Outcome:
    kind = fields.get("kind", "VAR_SET_VALUE")
    name = fields.get("name", "").lower()
    effect = ctx.ledger.effect
    if kind == "VAR_RESET_ALL":
        effect(SessionEffect(EffectKind.RESET_ALL))
        ctx.names.uncertain = True
        return Outcome(Action.RESET)
    resets = kind in ("VAR_RESET", "VAR_SET_DEFAULT")
    if name in ROLE_SETTINGS:
        effect(SessionEffect(EffectKind.PATH, name, None if resets else _role(fields)))
        ctx.names.uncertain = True
        return Outcome(Action.SET_ROLE)
    if kind == "VAR_SET_MULTI":  # SET TRANSACTION …, SET SESSION CHARACTERISTICS …
        return Outcome(Action.TRANSACTION)
    local = bool(fields.get("is_local"))
    if kind == "VAR_SET_CURRENT":
        effect(SessionEffect(EffectKind.SET_LOCAL if local else EffectKind.SET, name))
        return Outcome(Action.SET)
    if resets:
        if local:
            effect(SessionEffect(EffectKind.SET_LOCAL, name))
        else:
            effect(SessionEffect(EffectKind.RESET, name))
        if name == "search_path":
            ctx.names.uncertain = True
        return Outcome(Action.SET if kind == "VAR_SET_DEFAULT" else Action.RESET)
    words = _words(fields)
    value = None if words is None else _joined(name, words)
    effect(SessionEffect(EffectKind.SET_LOCAL if local else EffectKind.SET, name, value))
    if name == "search_path":
        if words is None:
            ctx.names.uncertain = True
        else:
            simulate_path(ctx.names, ctx.snapshot, ctx.view, words, local=local)
    return Outcome(Action.SET)


def _role(fields: Node) -> str | None:
    """The role that SET ROLE names; None for NONE, the one that the server goes back to."""
    words = _words(fields)
    return None if words is None or len(words) != 1 or words[0] == "none" else words[0]


def _words(fields: Node) -> list[str] | None:
    """The literal values of SET; None when one is no plain literal."""
    words: list[str] = []
    for node in fields.get("args", ()):
        constant = node.get("A_Const")
        if constant is None or "isnull" in constant:
            return None
        if "sval" in constant:
            words.append(constant["sval"].get("sval", ""))
        elif "ival" in constant:
            words.append(str(constant["ival"].get("ival", 0)))
        elif "fval" in constant:
            words.append(constant["fval"].get("fval", "0"))
        else:
            return None
    return words


def _joined(name: str, words: list[str]) -> str:
    """The value as the server keeps it: lists are quoted element by element."""
    return ", ".join(map(quote, words)) if name == "search_path" else ", ".join(words)


def _show(ctx: Context, fields: Node) -> Outcome:
    return Outcome(Action.SHOW)


_TRANSACTION_EFFECTS: Mapping[str, EffectKind] = {
    "TRANS_STMT_BEGIN": EffectKind.BEGIN,
    "TRANS_STMT_START": EffectKind.BEGIN,
    "TRANS_STMT_COMMIT": EffectKind.COMMIT,
    "TRANS_STMT_ROLLBACK": EffectKind.ROLLBACK,
    "TRANS_STMT_SAVEPOINT": EffectKind.SAVEPOINT,
    "TRANS_STMT_RELEASE": EffectKind.RELEASE,
    "TRANS_STMT_ROLLBACK_TO": EffectKind.ROLLBACK_TO,
    "TRANS_STMT_PREPARE": EffectKind.COMMIT,
}


def _transaction(ctx: Context, fields: Node) -> Outcome:
    kind = fields.get("kind", "TRANS_STMT_BEGIN")
    if (effect := _TRANSACTION_EFFECTS.get(kind)) is not None:
        ctx.ledger.effect(SessionEffect(effect, fields.get("savepoint_name")))
        if fields.get("chain"):
            ctx.ledger.effect(SessionEffect(EffectKind.BEGIN))
    _simulate_transaction(ctx.names, effect, fields.get("savepoint_name", ""))
    if fields.get("chain"):
        ctx.names.begin()
    return Outcome(Action.TRANSACTION)


def _simulate_transaction(names: Names, effect: EffectKind | None, savepoint: str) -> None:
    match effect:
        case EffectKind.BEGIN:
            names.begin()
        case EffectKind.COMMIT:
            names.commit()
        case EffectKind.ROLLBACK:
            names.roll_back()
        case EffectKind.SAVEPOINT:
            names.save(savepoint)
        case EffectKind.RELEASE:
            names.release(savepoint)
        case EffectKind.ROLLBACK_TO:
            names.roll_back_to(savepoint)


def _discard(ctx: Context, fields: Node) -> Outcome:
    target = fields.get("target", "DISCARD_ALL").removeprefix("DISCARD_").lower()
    ctx.ledger.effect(SessionEffect(EffectKind.DISCARD, target))
    ctx.names.uncertain = True
    return Outcome(Action.DISCARD)


def _deallocate(ctx: Context, fields: Node) -> Outcome:
    ctx.ledger.effect(SessionEffect(EffectKind.DEALLOCATE, fields.get("name")))
    return Outcome(Action.DEALLOCATE)


def _fetch(ctx: Context, fields: Node) -> Outcome:
    moves = "move" if fields.get("ismove") else None
    ctx.ledger.effect(SessionEffect(EffectKind.FETCH, fields.get("portalname"), moves))
    return Outcome(Action.FETCH)


def _close(ctx: Context, fields: Node) -> Outcome:
    ctx.ledger.effect(SessionEffect(EffectKind.CLOSE, fields.get("portalname")))
    return Outcome(Action.CLOSE)


def _channel(action: Action) -> Handler:
    def handle(ctx: Context, fields: Node) -> Outcome:
        if "conditionname" in fields:
            ctx.ledger.object("channel", None, fields["conditionname"])
        return Outcome(action)

    return handle


def _lock(ctx: Context, fields: Node) -> Outcome:
    for node in fields.get("relations", ()):
        named_relation(ctx, node["RangeVar"], Action.LOCK)
    return Outcome(Action.LOCK)


def _set_constraints(ctx: Context, fields: Node) -> Outcome:
    return Outcome(Action.SET)


HANDLERS: Mapping[str, Handler] = {
    "VariableSetStmt": _variable_set,
    "VariableShowStmt": _show,
    "TransactionStmt": _transaction,
    "DiscardStmt": _discard,
    "DeallocateStmt": _deallocate,
    "FetchStmt": _fetch,
    "ClosePortalStmt": _close,
    "ListenStmt": _channel(Action.LISTEN),
    "UnlistenStmt": _channel(Action.UNLISTEN),
    "NotifyStmt": _channel(Action.NOTIFY),
    "LockStmt": _lock,
    "ConstraintsSetStmt": _set_constraints,
}
