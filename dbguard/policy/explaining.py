"""How each rule stands to one statement: what it did to the decision, or what keeps it away.

It decides nothing. `decide()` has decided; here its rules are looked at one aspect at a time (who,
where, which action, which data, which tables), with the same words and the same matching, so that
somebody who writes rules can see how near each of them was.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from dbguard.sql.destruction import Destruction
from dbguard.sql.facts import Action, ActionClass, StatementFacts

from .binding import BoundPolicy
from .decision import Decision, Principal
from .model import Rule, RuleEffect, covers
from .requirement_checks import destroyed_by
from .verdict import FREE_CLASSES, Case, listed


class Bearing(enum.StrEnum):
    """What a rule did."""

    GRANTS = "grants"
    """What is allowed rests on it."""
    REFUSES = "refuses"
    REQUIRES = "requires"
    MATCHES = "matches"
    """It speaks of this too, and nothing rests on it: another grant serves as well, or what it
    grants does not weigh against a refusal."""
    CLOSE = "close"
    """One aspect keeps it away."""
    FAR = "far"
    """It is about something else: two aspects or more, or actions of another class."""


class Aspect(enum.StrEnum):
    """What a rule can miss a statement by."""

    ROLES = "roles"
    ENVIRONMENTS = "environments"
    ACTIONS = "actions"
    DATA = "data"
    TABLES = "tables"
    WHERE = "where"
    UNLESS = "unless"


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a rule does not apply."""

    aspect: Aspect
    why: str
    """Lower case, no full stop; holds no value."""


_NO_NEED = Miss(Aspect.ACTIONS, "is not needed: nothing here asks for a grant")


@dataclass(frozen=True, slots=True)
class RuleNote:
    """One rule beside one statement."""

    id: str
    effect: RuleEffect
    bearing: Bearing
    misses: tuple[Miss, ...] = ()


@dataclass(frozen=True, slots=True)
class _Touch:
    """One thing the statement does to one piece of data."""

    action: Action
    tag: str | None
    names: tuple[tuple[str, str], ...]
    """Names of the relation that denials may mean; the first is its own."""
    what: str


def explain_rules(
    bound: BoundPolicy,
    facts: StatementFacts,
    principal: Principal,
    environment: str,
    decision: Decision,
) -> tuple[RuleNote, ...]:
    """A note for every rule of the policy, those that decided first, then by nearness."""
    case = Case(bound, facts, principal, environment)
    touches = tuple(dict.fromkeys(_touches(case)))
    notes = [_note(rule, case, touches, decision) for rule in bound.policy.rules]
    order = list(Bearing)
    return tuple(sorted(notes, key=lambda n: (order.index(n.bearing), len(n.misses), n.id)))


def explain_destruction(
    bound: BoundPolicy, facts: StatementFacts, principal: Principal, environment: str
) -> Destruction:
    """What the statement can destroy, whether a rule asks for a backup of it or not."""
    return destroyed_by(Case(bound, facts, principal, environment))


def _note(rule: Rule, case: Case, touches: tuple[_Touch, ...], decision: Decision) -> RuleNote:
    if rule.effect is not RuleEffect.ALLOW and any(r.rule == rule.id for r in decision.reasons):
        return RuleNote(rule.id, rule.effect, Bearing.REFUSES)
    if rule.id in decision.rules:
        required = rule.effect is RuleEffect.REQUIRE
        bearing = Bearing.REQUIRES if required else Bearing.GRANTS
        return RuleNote(rule.id, rule.effect, bearing)
    misses = (*_who_and_where(rule, case), *_subject(rule, case, touches))
    near = (
        len(misses) == 1
        and misses[0] is not _NO_NEED
        and not (misses[0].aspect is Aspect.ACTIONS and _unlike(rule, case))
    )
    bearing = Bearing.CLOSE if near else Bearing.FAR if misses else Bearing.MATCHES
    return RuleNote(rule.id, rule.effect, bearing, misses)


def _unlike(rule: Rule, case: Case) -> bool:
    """Whether the rule names no action of a class that the statement's belong to."""
    classes = {action.action_class for action in case.actions}
    return classes.isdisjoint(action.action_class for action in rule.actions)


def _who_and_where(rule: Rule, case: Case) -> Iterator[Miss]:
    if rule.roles and not rule.roles & case.standing.roles:
        yield Miss(
            Aspect.ROLES, f"is for {listed(sorted(rule.roles))}, which {case.principal.name} is not"
        )
    if rule.environments and case.environment not in rule.environments:
        yield Miss(
            Aspect.ENVIRONMENTS,
            f"is for {listed(sorted(rule.environments))}, not {case.environment}",
        )
    if rule.where_missing and case.facts.has_where:
        yield Miss(Aspect.WHERE, "is for UPDATE and DELETE without WHERE")
    if rule.unless_additive and destroyed_by(case).additive:
        yield Miss(Aspect.UNLESS, "asks nothing of what destroys nothing (unless: additive)")


def _subject(rule: Rule, case: Case, touches: tuple[_Touch, ...]) -> tuple[Miss, ...]:
    """What keeps the rule from the thing that it is nearest to."""
    if rule.effect is RuleEffect.REQUIRE and rule.actions & case.actions - case.lasting_actions:
        return (Miss(Aspect.TABLES, "asks nothing of the session's own temporary tables"),)
    if rule.effect is RuleEffect.ALLOW:
        touches = tuple(t for t in touches if _needs_grant(t, case))
    if touches:
        return min((_missed(rule, touch) for touch in touches), key=len)
    doing = listed(sorted(case.actions))
    if rule.effect is RuleEffect.ALLOW:
        return (_NO_NEED,)
    if rule.actions & case.actions:
        return (Miss(Aspect.TABLES, "is about data, and the statement touches none"),)
    return (Miss(Aspect.ACTIONS, f"does not name {doing}"),)


def _needs_grant(touch: _Touch, case: Case) -> bool:
    return touch.tag is not None or (
        touch.action.action_class not in case.standing.defaults.unclassified
    )


def _missed(rule: Rule, touch: _Touch) -> tuple[Miss, ...]:
    misses = []
    if touch.action not in rule.actions:
        misses.append(Miss(Aspect.ACTIONS, f"does not name {touch.action}"))
    if rule.data:
        if touch.tag is None:
            misses.append(Miss(Aspect.DATA, f"is about tagged data, and {touch.what} has no tag"))
        elif not any(covers(general, touch.tag) for general in rule.data):
            misses.append(
                Miss(
                    Aspect.DATA,
                    f"is about {listed(sorted(rule.data))}, and {touch.what} is {touch.tag}",
                )
            )
    elif rule.effect is RuleEffect.ALLOW and touch.tag is not None:
        misses.append(
            Miss(
                Aspect.DATA,
                f"has no data:, so it covers what carries no tag, and {touch.what} is {touch.tag}",
            )
        )
    names = touch.names[:1] if rule.effect is RuleEffect.ALLOW else touch.names
    if rule.tables and not any(p.matches(*name) for p in rule.tables for name in names):
        misses.append(Miss(Aspect.TABLES, f"is about other tables than {touch.what}"))
    return tuple(misses)


def _touches(case: Case) -> Iterator[_Touch]:
    """Everything that rules can be about: classified columns, and relations as a whole."""
    for use in case.facts.columns:
        column = use.column
        names = _names(case, column.relation, column.schema, column.table)
        for action in case.uses_of(use):
            for tag in sorted(case.tags(column)) or (None,):
                yield _Touch(action, tag, names, str(column))
    named = {use.column.relation for use in case.facts.columns}
    for relation in (*case.facts.relations, *case.facts.along):
        what = f"{relation.schema}.{relation.name}"
        names = _names(case, relation.relation, relation.schema, relation.name)
        tags = frozenset[str]().union(*case.bound.tag_sets_of(relation.relation))
        for action in sorted(case.actions_on(relation)):
            for tag in () if case.by_column(relation) else sorted(tags):
                yield _Touch(action, tag, names, what)
            if action.action_class in FREE_CLASSES or relation.relation in named:
                continue
            if not tags or case.by_column(relation):
                yield _Touch(action, None, names, f"the rows of {what}" if tags else what)
    if not case.facts.relations:
        for action in sorted(case.actions):
            if action.action_class not in (*FREE_CLASSES, ActionClass.READ):
                yield _Touch(action, None, (("", ""),), "what it acts on")


def _names(case: Case, oid: int, schema: str, name: str) -> tuple[tuple[str, str], ...]:
    return ((schema, name), *case.bound.names_of(oid, schema, name))
