"""set_config(): a SET in function's clothing."""

from __future__ import annotations

from dbguard.sql.facts import EffectKind, FunctionTrust, FunctionUse, SessionEffect
from dbguard.sql.referee import Node
from dbguard.sql.settings import is_harmless_setting

from .context import Context


def note_set_config(ctx: Context, arguments: list[Node], location: int) -> None:
    """Note what a call of set_config changes.

    With a literal name of a setting that changes nobody's meaning or rights it counts as
    built-in; otherwise it stays on the deny list, and search_path has to be asked for again.
    """
    name = _literal(arguments[0]) if arguments else None
    if name is not None and is_harmless_setting(name):
        denied = FunctionUse("pg_catalog", "set_config", FunctionTrust.REACHES, (), True)
        ctx.ledger.functions.pop(denied, None)
        ctx.ledger.functions.setdefault(
            FunctionUse("pg_catalog", "set_config", FunctionTrust.BUILTIN, (), True)
        )
        return
    ctx.ledger.effect(SessionEffect(EffectKind.PATH))


def _literal(node: Node) -> str | None:
    while "TypeCast" in node:
        node = node["TypeCast"]["arg"]
    constant = node.get("A_Const", {})
    if "sval" not in constant:
        return None
    text: str = constant["sval"].get("sval", "")
    return text.lower()
