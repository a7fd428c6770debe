"""Denials: rules that speak for themselves, whatever is granted; what rules are about."""

from __future__ import annotations

from dbguard.sql.facts import Action, ColumnName
from dbguard.sql.resolver import DOUBT

from .decision import Reason
from .model import Rule
from .taking_along import is_about
from .verdict import Case, Verdict, described, listed

_OVERRIDES = "A denial overrides every grant; ask whoever keeps the rules."
_ALONE = "Send it by itself, behind the others."
_ANY: frozenset[str | None] = frozenset({None})


def check_denials(case: Case, verdict: Verdict) -> None:
    """A denial that matches refuses, whatever else is granted."""
    for rule in case.standing.denials:
        matched, columns, relations = matches(rule, case)
        unnamed = not matched and (_reaches_everything(rule, case) or _may_mean(rule, case))
        if not (matched or unnamed):
            continue
        message = f"{_about(rule, case, columns, relations)} is denied by rule {rule.id}"
        if rule.because:
            message += f": {rule.because.rstrip('.')}"
        hint = _ALONE if unnamed and _may_mean(rule, case) else _hint(rule)
        verdict.reasons.append(Reason(rule.id, message, hint, columns, relations))


def _about(
    rule: Rule, case: Case, columns: tuple[ColumnName, ...], relations: tuple[str, ...]
) -> str:
    """What is denied: the action and the names, or how it comes to tables that are not named."""
    facts = case.facts
    named = {f"{use.schema}.{use.name}" for use in facts.relations}
    if relations and not columns and named.isdisjoint(relations):
        return f"{_subject(case)}, which reaches {listed(relations)},"
    actions = sorted(case.actions & rule.actions)
    names = columns if rule.data and columns else relations or columns
    if not names and _may_mean(rule, case):
        return "a statement behind one of its string that may change which tables it means"
    if not names and rule.tables:
        return facts.destroys.reason or _subject(case)
    return " and ".join(described(a, names) for a in actions[:2]) or "this"


def _subject(case: Case) -> str:
    """What the statement is about by its own words."""
    relations = [f"{use.schema}.{use.name}" for use in case.facts.relations]
    named = [
        f"{o.kind} {o.schema}.{o.name}" if o.schema else f"{o.kind} {o.name}"
        for o in case.facts.objects[:1]
    ]
    return described(case.facts.action, relations or named, exists=True)


_EVERYWHERE = frozenset({"DropOwnedStmt", "ReassignOwnedStmt", "AlterTableMoveAllStmt"})
"""Statements about tables that only the server knows to name: anybody's, in this database."""


def _reaches_everything(rule: Rule, case: Case) -> bool:
    """Whether the statement may be about any table, one of the rule's among them. What another
    database holds is not known."""
    if not rule.tables or rule.actions.isdisjoint(case.actions):
        return False
    if case.facts.statement_tag == "DropdbStmt":
        return True
    return case.facts.statement_tag in _EVERYWHERE and any(
        is_about(rule, case, r.oid, r.schema, r.name) for r in case.bound.snapshot.relations
    )


def _may_mean(rule: Rule, case: Case) -> bool:
    """Whether a statement of the rule's actions may mean any table, since nobody knows by now what
    names in it mean."""
    if not (rule.tables or rule.data):
        return False
    action = _DOUBTFUL.get(case.facts.statement_tag)
    return action in rule.actions and any(o.construct == DOUBT for o in case.facts.opaque)


_DOUBTFUL = {
    "AlterTableStmt": Action.ALTER,
    "CopyStmt": Action.COPY_FROM,
    "DeleteStmt": Action.DELETE,
    "DropStmt": Action.DROP,
    "InsertStmt": Action.INSERT,
    "MergeStmt": Action.MERGE,
    "RenameStmt": Action.RENAME,
    "TruncateStmt": Action.TRUNCATE,
    "UpdateStmt": Action.UPDATE,
}
"""What a statement does that is known for its kind only."""


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
    for use in (*case.facts.relations, *case.facts.along):
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
