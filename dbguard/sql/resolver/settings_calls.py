"""set_config(): a SET in function's clothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbguard.sql.facts import (
    ROLE_SETTINGS,
    Action,
    EffectKind,
    FunctionTrust,
    FunctionUse,
    SessionEffect,
)
from dbguard.sql.names import split_identifier_list
from dbguard.sql.referee import Node
from dbguard.sql.settings import is_harmless_setting

from .context import Context, strings
from .earlier import simulate_path

_DENIED = FunctionUse("pg_catalog", "set_config", FunctionTrust.REACHES, (), True)
_ALLOWED = FunctionUse("pg_catalog", "set_config", FunctionTrust.BUILTIN, (), True)
_TRACKED = ("search_path", "role")
"""Settings that SET may change as well, and that the session asks for afterwards."""
_PLAIN_SELECT = frozenset({"targetList", "limitOption", "op"})
_PLAIN_CALL = frozenset({"funcname", "args", "funcformat", "location"})


def note_set_config(ctx: Context, arguments: list[Node], location: int) -> None:
    """Note what a call of set_config changes.

    With a literal name of a setting that changes nobody's meaning or rights it counts as
    built-in; otherwise it stays on the deny list, and search_path has to be asked for again.
    """
    name = _literal(arguments[0]) if arguments else None
    if name is not None and is_harmless_setting(name.lower()):
        ctx.ledger.functions.pop(_DENIED, None)
        ctx.ledger.functions.setdefault(_ALLOWED)
        return
    note_unknown_setting(ctx, name)


def note_unknown_setting(ctx: Context, name: str | None = None) -> None:
    """Some setting changes, which may be the role in force unless `name` says otherwise."""
    if name is not None and name.lower() not in ROLE_SETTINGS:
        ctx.ledger.effect(SessionEffect(EffectKind.PATH))
        return
    ctx.ledger.effect(SessionEffect(EffectKind.PATH, "role"))
    ctx.ledger.nested.add(Action.SET_ROLE)


def note_plain_settings(ctx: Context, fields: Node) -> None:
    """A SELECT of nothing but set_config() with the client's own words is what SET is: drivers
    and PostgREST send it. `fields` is a SelectStmt whose calls have been noted.
    """
    calls = _plain_calls(fields)
    unknown = FunctionTrust.UNKNOWN in {use.trust for use in ctx.ledger.functions}
    if calls is None or unknown or _DENIED not in ctx.ledger.functions:
        return
    del ctx.ledger.functions[_DENIED]
    ctx.ledger.functions.setdefault(_ALLOWED)
    ctx.ledger.effects[:] = [e for e in ctx.ledger.effects if e.kind is not EffectKind.PATH]
    for name, value, local in calls:
        if name not in _TRACKED:
            continue
        words = None if value is None else split_identifier_list(value)
        kind = EffectKind.SET_LOCAL if local else EffectKind.SET
        ctx.ledger.effect(SessionEffect(kind, name, _role(value) if name == "role" else None))
        if name != "search_path" or words is None or local is None:
            ctx.names.uncertain = True
        else:
            simulate_path(ctx.names, ctx.snapshot, ctx.view, words, local=local)


def _plain_calls(fields: Node) -> list[tuple[str, str | None, bool | None]] | None:
    """Name, value and whether it is local, of each call; None for what is not a literal. None for
    a SELECT that is more than calls of set_config."""
    if fields.keys() - _PLAIN_SELECT or fields.get("op", "SETOP_NONE") != "SETOP_NONE":
        return None
    calls = []
    for target in fields.get("targetList", ()):
        call = target["ResTarget"].get("val", {}).get("FuncCall", {})
        arguments: Sequence[Node] = call.get("args", ())
        names = strings(call.get("funcname"))
        plain = not call.keys() - _PLAIN_CALL and all(map(_is_plain, arguments))
        if not plain or len(arguments) != 3 or names[-1:] != ["set_config"]:
            return None
        name = _literal(arguments[0])
        if name is None or not (is_harmless_setting(name.lower()) or name.lower() in _TRACKED):
            return None
        calls.append((name.lower(), _literal(arguments[1]), _truth(arguments[2])))
    return calls


def _role(value: str | None) -> str | None:
    return None if value == "none" else value


def _is_plain(node: Node) -> bool:
    """A literal or a parameter, perhaps with a cast to a type of the server's own."""
    while "TypeCast" in node:
        words = strings(node["TypeCast"]["typeName"].get("names"))
        if words[-1:] not in (["text"], ["bool"]) or words[:-1] not in ([], ["pg_catalog"]):
            return False
        node = node["TypeCast"]["arg"]
    return "A_Const" in node or "ParamRef" in node


def _truth(node: Node) -> bool | None:
    """A boolean literal, or what the server reads a text as (boolin)."""
    constant = _constant(node)
    if "boolval" in constant:
        return bool(constant["boolval"].get("boolval", False))
    word = (_literal(node) or "").strip().lower()
    if word and ("true".startswith(word) or "yes".startswith(word) or word in ("on", "1")):
        return True
    if word and ("false".startswith(word) or "no".startswith(word) or word in ("of", "off", "0")):
        return False
    return None


def _literal(node: Node) -> str | None:
    constant = _constant(node)
    if "sval" not in constant:
        return None
    text: str = constant["sval"].get("sval", "")
    return text


def _constant(node: Node) -> Mapping[str, Node]:
    while "TypeCast" in node:
        node = node["TypeCast"]["arg"]
    constant: Mapping[str, Node] = node.get("A_Const", {})
    return constant
