"""What completed statements did to the names of a session."""

from __future__ import annotations

from dataclasses import replace

from dbguard.sql.facts import EffectKind

from .holding import Held
from .names import NameTable, Portal, Prepared
from .pending import Pending
from .plan import Ran


def follow(entry: Pending, index: int, names: NameTable, session: str) -> None:
    """Statement `index` of the entry's plan succeeded: follow what it did to names."""
    plan = entry.plan
    if plan is None or entry.basis is None:
        return
    planned = plan.statements[index]
    own = Ran(replace(plan, statements=(planned,)), entry.basis, entry.text)
    for ran in (own, *planned.runs):
        _name(ran, entry, index, names, session)
    for effect in planned.effects:
        match effect.kind:
            case EffectKind.DEALLOCATE:
                _forget(names.statements, effect.name, "")
            case EffectKind.CLOSE:
                _forget(names.portals, effect.name, entry.portal)
            case EffectKind.DISCARD if effect.name == "all":
                _forget(names.statements, None, "")
                _forget(names.portals, None, entry.portal)


def _name(ran: Ran, entry: Pending, index: int, names: NameTable, session: str) -> None:
    """Hold what PREPARE and DECLARE have named; `ran` is the text that says it."""
    assert entry.plan is not None
    alone = len(entry.plan.statements) == 1 or ran.text is not entry.text
    for effect in ran.plan.effects:
        match effect.kind:
            case EffectKind.PREPARE if effect.name is not None:
                names.put_statement(
                    Prepared(
                        effect.name,
                        ran.text,
                        (),
                        ran.plan,
                        ran.basis,
                        by_sql=True,
                        forwarded=ran.plan.text,
                        identity=f"{session}/{effect.name}",
                    )
                )
            case EffectKind.DECLARE if effect.name is not None:
                names.put_portal(
                    Portal(
                        effect.name,
                        ran.plan,
                        entry.decisions[index : index + 1],
                        "",
                        executed=True,
                        holdable=effect.value == "hold",
                        cycle=entry.cycle,
                        basis=ran.basis,
                        text=ran.text if alone else b"",
                    )
                )


def _forget(table: Held[Prepared] | Held[Portal], name: str | None, spared: str | None) -> None:
    """Forget one name, or all: but not the unnamed statement, which DEALLOCATE ALL does not know,
    nor the portal that the command itself runs in."""
    for gone in [n for n in table if n != spared] if name is None else [name]:
        table.pop(gone, None)
