"""What a policy says differently from the one before it: for the audit trail, by names only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .model import Classified, Defaults, Policy

SHOWN: Final = 100
"""Names of one kind; a record is no copy of the rules."""


def differences(before: Policy, now: Policy) -> dict[str, str]:
    """What differs, in words by what it is about; empty for policies that say the same."""
    found = {
        **_by_name("rules", {r.id: r for r in before.rules}, {r.id: r for r in now.rules}),
        **_by_name("roles", {r.name: r for r in before.roles}, {r.name: r for r in now.roles}),
        **_by_name(
            "masks", {p.name: p for p in before.profiles}, {p.name: p for p in now.profiles}
        ),
        **_gone_and_new(
            "classified", _classified(before.classification), _classified(now.classification)
        ),
        **_gone_and_new("declassified", map(str, before.declassified), map(str, now.declassified)),
        **_gone_and_new("safe_functions", before.safe_functions, now.safe_functions),
        "defaults": _defaults(before.defaults, now.defaults),
    }
    return {name: words for name, words in found.items() if words}


def _by_name(what: str, before: Mapping[str, object], now: Mapping[str, object]) -> dict[str, str]:
    return {
        f"{what}_added": _listed(now.keys() - before.keys()),
        f"{what}_removed": _listed(before.keys() - now.keys()),
        f"{what}_changed": _listed(
            name for name in before.keys() & now.keys() if before[name] != now[name]
        ),
    }


def _gone_and_new(what: str, before: Iterable[str], now: Iterable[str]) -> dict[str, str]:
    old, new = frozenset(before), frozenset(now)
    return {what: _listed(new - old), f"no_longer_{what}": _listed(old - new)}


def _classified(entries: Iterable[Classified]) -> Iterable[str]:
    """`clinic.patients.ssn (phi.ssn)`, as the rules write the pattern."""
    for entry in entries:
        for pattern in (*entry.columns, *entry.tables):
            yield f"{pattern} ({entry.tag})"


def _defaults(before: Defaults, now: Defaults) -> str:
    if before == now:
        return ""
    return f"{_allowed(before)} before, {_allowed(now)} now"


def _allowed(defaults: Defaults) -> str:
    classes = sorted(kind.value for kind in defaults.unclassified)
    classes += ["unparsed"] * defaults.unparsed
    return " and ".join(classes) or "nothing"


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
