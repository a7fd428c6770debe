"""What the resolution of one statement gives beside the ledger's entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dbguard.sql.facts import Action, Wrapper
from dbguard.sql.referee import Node

from .context import Context
from .values import NamedValue


@dataclass(slots=True)
class Outcome:
    action: Action
    columns: list[NamedValue] = field(default_factory=list)
    """What the client gets as rows."""
    wrapper: Wrapper | None = None


Handler = Callable[[Context, Node], Outcome]


def option_is_on(option: Node) -> bool:
    """Whether a boolean option like ANALYZE is meant; anything unusual counts as on."""
    argument = option.get("arg", {})
    if "Boolean" in argument:
        return bool(argument["Boolean"].get("boolval"))
    if "String" in argument:
        return argument["String"].get("sval", "").lower() not in ("false", "off", "0", "no")
    if "Integer" in argument:
        return bool(argument["Integer"].get("ival", 0))
    return True
