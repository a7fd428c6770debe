"""Denials: rules that speak for themselves, whatever is granted; what rules are about."""

from __future__ import annotations

from dbguard.sql.facts import ColumnName

from .decision import Reason
from .model import Rule
from .verdict import Case, Verdict, described

_OVERRIDES = "A denial overrides every grant; ask whoever keeps the rules."
_ANY: frozenset[str | None] = frozenset({None})


def check_denials(case: Case, verdict: Verdict) -> None:
    """A denial that matches refuses, whatever else is granted."""
    for rule in case.standing.denials:
        matched, columns, relations = matches(rule, case)
        if not matched:
            continue
        actions = sorted(case.actions & rule.actions)
        names = columns if rule.data and columns else relations or columns
        about = " and ".join(described(a, names) for a in actions[:2]) or "this"
        message = f"{about} is denied by rule {rule.id}"
        if rule.because:
            message += f": {rule.because.rstrip('.')}"
        verdict.reasons.append(Reason(rule.id, message, _hint(rule), columns, relations))


def report_denied(case: Case, verdict: Verdict) -> None:
    """Give every denial that a grant ran into its reason, if `check_denials` has not."""
    told = {reason.rule for reason in verdict.reasons}
    for rule, about in sorted(verdict.denied.items()):
        if rule not in told:
            message = f"{about} is denied by rule {rule}"
            verdict.reasons.append(Reason(rule, message, _OVERRIDES))


def _hint(rule: Rule) -> str:
    if rule.where_missing:
        return "Add a WHERE clause."
    return _OVERRIDES


def matches(rule: Rule, case: Case) -> tuple[bool, tuple[ColumnName, ...], tuple[str, ...]]:
    """Whether the statement is the rule's subject, and the columns and relations that make it so.

    A rule with `data` is about what carries these tags, one with `tables` about these tables, one
    with neither about the action itself.
    """
    if rule.where_missing and case.facts.has_where:
        return False, (), ()
    if not rule.data and not rule.tables:
        subject = [
            f"{u.schema}.{u.name}"
            for u in case.facts.relations
            if case.actions_on(u) & rule.actions
        ]
        return bool(case.actions & rule.actions), (), tuple(dict.fromkeys(subject))
    columns = _columns(rule, case)
    relations = _relations(rule, case)
    return bool(columns or relations), columns, relations


def _columns(rule: Rule, case: Case) -> tuple[ColumnName, ...]:
    found = []
    for use in case.facts.columns:
        if rule.actions.isdisjoint(case.uses_of(use)):
            continue
        tags: frozenset[str | None] = frozenset(case.tags(use.column)) if rule.data else _ANY
        names = case.bound.names_of(use.column.relation, use.column.schema, use.column.table)
        if any(rule.about(tag, *name) for tag in tags for name in names):
            found.append(use.column)
    return tuple(dict.fromkeys(found))


def _relations(rule: Rule, case: Case) -> tuple[str, ...]:
    """Relations that the rule is about as a whole.

    Reading and writing columns is looked at column by column, unless the rule asks for no tag.
    """
    found = []
    for use in case.facts.relations:
        if rule.actions.isdisjoint(case.actions_on(use)):
            continue
        names = case.bound.names_of(use.relation, use.schema, use.name)
        if not rule.data:
            matched = any(rule.about(None, *name) for name in names)
        else:
            matched = not case.by_column(use) and any(
                rule.about(tag, *name)
                for tags in case.bound.tag_sets_of(use.relation)
                for tag in tags
                for name in names
            )
        if matched:
            found.append(f"{use.schema}.{use.name}")
    return tuple(dict.fromkeys(found))
