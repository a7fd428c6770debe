"""EXECUTE and FETCH: what they run was decided when it was named."""

from __future__ import annotations

from dataclasses import replace

from dbguard.policy.decision import Decision, ErrorTexts
from dbguard.policy.drift import Filling
from dbguard.sql.destruction import together
from dbguard.sql.facts import EffectKind, SessionEffect

from .names import NameTable
from .plan import Plan, PlannedStatement, Ran, Refusal

DEPTH = 8
"""EXECUTE of EXECUTE of …: the server ends it where its stack does."""


def join_named(plan: Plan, names: NameTable) -> Plan:
    """Put what a prepared statement or cursor holds into the statements that run it.

    A name that this session did not make is refused where the principal does not see everything
    raw (code that analysis can't see through may have made it).
    """
    if plan.refusal is not None or not plan.has_effect(EffectKind.EXECUTE, EffectKind.FETCH):
        return plan
    joined: list[PlannedStatement] = []
    made_here: set[tuple[EffectKind, str]] = set()
    for statement in plan.statements:
        effect = _runs(statement)
        if effect is None or effect.name is None:
            joined.append(statement)
            made_here.update((e.kind, e.name) for e in statement.effects if e.name is not None)
            continue
        inner = _inner(effect, names)
        if inner is not None:
            joined.append(_merge(statement, inner))
        elif _earlier(effect, made_here, joined) is not None:
            earlier = _earlier(effect, made_here, joined)
            assert earlier is not None
            joined.append(_merge(statement, earlier))
        elif plan.raw_access:
            joined.append(_opaque(statement))
        else:
            return replace(plan, refusal=_unknown(effect))
    return replace(plan, statements=tuple(joined))


def fetched(plan: Plan, names: NameTable, depth: int = DEPTH) -> set[str]:
    """The cursors that a plan fetches from, also by EXECUTE of a FETCH that was parsed."""
    found: set[str] = set()
    for effect in plan.effects:
        if effect.kind is EffectKind.FETCH and effect.name and effect.value != "move":
            found.add(effect.name)
        elif effect.kind is EffectKind.EXECUTE and effect.name and depth:
            prepared = names.statements.get(effect.name)
            if prepared is not None:
                found |= fetched(prepared.plan, names, depth - 1)
    return found


def _runs(statement: PlannedStatement) -> SessionEffect | None:
    for effect in statement.effects:
        if effect.kind in (EffectKind.EXECUTE, EffectKind.FETCH):
            return effect
    return None


def _inner(effect: SessionEffect, names: NameTable, depth: int = DEPTH) -> PlannedStatement | None:
    """What EXECUTE or FETCH runs, with what that runs in its turn; None when it is not known."""
    assert effect.name is not None
    if effect.kind is EffectKind.FETCH:
        portal = names.portals.get(effect.name)
        return portal.plan.statements[0] if portal and portal.plan.statements else None
    prepared = names.statements.get(effect.name)
    if prepared is None or not prepared.plan.statements or not depth:
        return None
    found = prepared.plan.statements[0]
    nested = _runs(found)
    if nested is not None and nested.name is not None:
        deeper = _inner(nested, names, depth - 1)
        return None if deeper is None else _merge(found, deeper)
    if found.has_effect(EffectKind.PREPARE, EffectKind.DECLARE):
        plan = replace(prepared.plan, statements=(found,))
        return replace(found, runs=(Ran(plan, prepared.basis, prepared.text),))
    return found


def _earlier(
    effect: SessionEffect,
    made_here: set[tuple[EffectKind, str]],
    statements: list[PlannedStatement],
) -> PlannedStatement | None:
    """The statement of the same string that made the name."""
    maker = EffectKind.PREPARE if effect.kind is EffectKind.EXECUTE else EffectKind.DECLARE
    assert effect.name is not None
    if (maker, effect.name) not in made_here:
        return None
    for statement in reversed(statements):
        if any(e.kind is maker and e.name == effect.name for e in statement.effects):
            return statement
    return None


NAMING = frozenset({EffectKind.PREPARE, EffectKind.DECLARE, EffectKind.EXECUTE, EffectKind.FETCH})


def _opaque(statement: PlannedStatement) -> PlannedStatement:
    """What it runs is not known: it may have changed how names are resolved."""
    return replace(statement, effects=(*statement.effects, SessionEffect(EffectKind.PATH)))


def _merge(outer: PlannedStatement, inner: PlannedStatement) -> PlannedStatement:
    """The outer statement, judged like what it runs."""
    ours, theirs = outer.decision, inner.decision
    withhold = ErrorTexts.WITHHOLD in (ours.error_texts, theirs.error_texts)
    decision = Decision(
        effect=ours.effect,
        rules=tuple(sorted({*ours.rules, *theirs.rules})),
        reasons=ours.reasons,
        masks=tuple(dict.fromkeys((*ours.masks, *theirs.masks))),
        requirements=tuple(dict.fromkeys((*ours.requirements, *theirs.requirements))),
        notices=tuple(dict.fromkeys((*ours.notices, *theirs.notices))),
        error_texts=ErrorTexts.WITHHOLD if withhold else ErrorTexts.SHOW,
        tags=tuple(dict.fromkeys((*ours.tags, *theirs.tags))),
    )
    return replace(
        outer,
        action=inner.action if outer.wrapper is not None else outer.action,
        decision=decision,
        effects=(*outer.effects, *(e for e in inner.effects if e.kind not in NAMING)),
        relations=tuple(sorted({*outer.relations, *inner.relations})),
        columns=tuple(dict.fromkeys((*outer.columns, *inner.columns))),
        fills=(*(made for f in outer.fills for made in _stored(f, inner)), *inner.fills),
        shows=outer.shows or inner.shows,
        runs=(*outer.runs, *inner.runs),
        destroys=together((outer.destroys, inner.destroys)),
    )


def _stored(filling: Filling, inner: PlannedStatement) -> tuple[Filling, ...]:
    """CREATE TABLE AS EXECUTE stores what the prepared statement shows."""
    if filling.tags:
        return (filling,)
    return tuple(
        replace(filling, column=shown.column, sources=shown.sources, tags=shown.tags)
        for shown in inner.shows
    )


def _unknown(effect: SessionEffect) -> Refusal:
    if effect.kind is EffectKind.EXECUTE:
        return Refusal("26000", f'prepared statement "{effect.name}" does not exist', denied=False)
    return Refusal("34000", f'cursor "{effect.name}" does not exist', denied=False)
