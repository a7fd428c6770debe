"""Grants: may this principal do this with these columns and relations at all?"""

from __future__ import annotations

from collections.abc import Iterable

from dbguard.sql.facts import (
    Action,
    ActionClass,
    ColumnName,
    RelationUse,
    Use,
    merged_actions,
)

from .decision import MaskedColumn, Reason
from .patterns import SYSTEM_SCHEMAS
from .standing import Access, Sight
from .verdict import FREE_CLASSES, Case, Verdict, described, listed

CLASSIFIED = "defaults.classified"
UNCLASSIFIED = "defaults.unclassified"
_OPAQUE_CLASSES = frozenset({ActionClass.READ, ActionClass.CODE})


def check_columns(case: Case, verdict: Verdict) -> None:
    """Every use of a classified column needs a grant on each of its tags."""
    refused: dict[tuple[Action, str], list[ColumnName]] = {}
    own_target: list[ColumnName] = []
    overwritten: list[ColumnName] = []
    for use in case.facts.columns:
        column = use.column
        tags = case.tags(column)
        if not tags:
            continue
        verdict.tags[column] = tags
        if use.uses - {Use.WRITE}:
            access = case.reading(column)
            verdict.rules |= access.rules
            if access.sight is Sight.DENIED:
                _refuse(refused, case.read_action, column, access)
            elif access.sight is Sight.MASKED:
                if not use.maskable:
                    own_target.append(column)
                elif access.mask is not None:
                    rule = min(access.rules)
                    verdict.masks[column] = MaskedColumn(
                        column, access.tag, access.mask, rule, access.profile
                    )
        if Use.WRITE in use.uses:
            for action in case.writes_to(column):
                access = case.reading(column, action)
                verdict.rules |= access.rules
                if access.sight is Sight.DENIED:
                    _refuse(refused, action, column, access)
                elif (
                    action in (Action.UPDATE, Action.MERGE)
                    and case.reading(column, Action.SELECT).sight is Sight.MASKED
                ):
                    overwritten.append(column)
    for (action, tag), columns in refused.items():
        verdict.reasons.append(_no_grant(case, action, tag, columns))
    if own_target:
        verdict.reasons.append(
            Reason(
                CLASSIFIED,
                f"the statement reads {listed(own_target)} in the table it writes, and "
                f"{case.principal.user} may see that masked only",
                "Leave these columns out of WHERE, SET, ON CONFLICT and RETURNING; a subquery over "
                "the same table may use their masked values.",
                tuple(own_target),
            )
        )
    if overwritten:
        verdict.reasons.append(
            Reason(
                CLASSIFIED,
                f"updating {listed(overwritten)} is not allowed for {case.principal.user}, who "
                "sees masked values there",
                "Leave these columns out of SET, so that masked values never replace real ones.",
                tuple(overwritten),
            )
        )


def _refuse(
    refused: dict[tuple[Action, str], list[ColumnName]],
    action: Action,
    column: ColumnName,
    access: Access,
) -> None:
    """Note a missing grant. What a rule denies, `check_denials` reports."""
    if not access.denied_by:
        refused.setdefault((action, access.tag), []).append(column)


def _no_grant(case: Case, action: Action, tag: str, columns: list[ColumnName]) -> Reason:
    reading = action.action_class is ActionClass.READ
    instead = "select other columns" if reading else "leave these columns out"
    return Reason(
        CLASSIFIED,
        f"{described(action, columns)} is not allowed for {case.principal.user}",
        f"Ask for a rule that allows [{action.action_class}] on {tag}, or {instead}.",
        tuple(dict.fromkeys(columns)),
        tuple(dict.fromkeys(f"{c.schema}.{c.table}" for c in columns)),
    )


def check_relations(case: Case, verdict: Verdict) -> None:
    """What concerns a relation as a whole needs the action's grant on all its tags."""
    for use in case.facts.relations:
        if case.by_column(use) or use.action.action_class in FREE_CLASSES:
            continue
        missing: set[str] = set()
        bases = case.bound.bases_of(use.relation) if _moves_rows(use.action) else {use.relation}
        for oid in bases:
            relation = case.relation(oid, use.schema, use.name)
            for tags in case.bound.tag_sets_of(oid):
                access = case.standing.access(tags, relation, use.action)
                verdict.rules |= access.rules
                if access.sight is Sight.DENIED and not access.denied_by:
                    missing.add(access.tag)
        if missing:
            name = f"{use.schema}.{use.name}"
            done = described(use.action, [name])
            verdict.reasons.append(
                Reason(
                    CLASSIFIED,
                    f"{done}, which holds classified data, is not allowed for "
                    f"{case.principal.user}",
                    f"Ask for a rule that allows [{use.action.action_class}] on "
                    f"{listed(sorted(missing))}.",
                    relations=(name,),
                )
            )


def _moves_rows(action: Action) -> bool:
    """Whether the action reaches through a view to the rows behind it."""
    return action.action_class is ActionClass.WRITE


def check_unclassified(case: Case, verdict: Verdict) -> None:
    """What carries no tag is governed by rules without `data` and by defaults.unclassified."""
    refused: dict[Action, list[str]] = {}
    for action, schema, name in _unclassified(case):
        if action.action_class in FREE_CLASSES or _opaque_allowed(case, action):
            continue
        if action.action_class is ActionClass.READ and schema in SYSTEM_SCHEMAS:
            continue  # drivers live by it; columns there that hold values are classified
        rules = case.standing.may_unclassified(action, schema, name)
        if rules is None:
            names = refused.setdefault(action, [])
            if schema or name:
                names.append(f"{schema}.{name}" if schema else name)
        else:
            verdict.rules |= rules
    for action, names in sorted(refused.items()):
        kind = action.action_class
        verdict.reasons.append(
            Reason(
                f"{UNCLASSIFIED}.{kind}",
                f"{described(action, names)} is not allowed for {case.principal.user}",
                f"Ask for a rule that allows [{kind}].",
                relations=tuple(dict.fromkeys(names)),
            )
        )


def _opaque_allowed(case: Case, action: Action) -> bool:
    """defaults.unparsed stands in for the class of what analysis cannot read."""
    return bool(
        case.facts.opaque
        and case.raw
        and case.standing.defaults.unparsed
        and action.action_class in _OPAQUE_CLASSES
    )


def _unclassified(case: Case) -> Iterable[tuple[Action, str, str]]:
    """What the statement does to things without a tag: action, schema, name.

    Reading nothing (`SELECT 1`, SHOW, FETCH from a cursor decided before) is nobody's business.
    """
    facts = case.facts
    spoken_for = {use.action for use in facts.relations}
    for action in sorted(merged_actions(facts) - spoken_for):
        if action.action_class is not ActionClass.READ:
            yield action, "", _object(case)
    for relation in facts.relations:
        reads = relation.action.action_class is ActionClass.READ
        action = case.read_action if reads else relation.action
        tagged = bool(case.bound.tag_sets_of(relation.relation))
        if not tagged or (case.by_column(relation) and not _reaches(case, relation, action)):
            yield action, relation.schema, relation.name
    for use in facts.columns:
        if not case.tags(use.column) and case.bound.tag_sets_of(use.column.relation):
            for action in case.uses_of(use):
                yield action, use.column.schema, use.column.table


def _reaches(case: Case, use: RelationUse, action: Action) -> bool:
    """Whether a use of a classified relation is answered for: by its columns, each for itself, or,
    when it names none (`count(*)`), by any grant on the relation."""
    if any(
        used.column.relation == use.relation and action in case.uses_of(used)
        for used in case.facts.columns
    ):
        return True
    relation = case.relation(use.relation, use.schema, use.name)
    return any(
        case.standing.access(tags, relation, action).sight is not Sight.DENIED
        for tags in case.bound.tag_sets_of(use.relation)
    )


def _object(case: Case) -> str:
    """The first object that the statement names, for a message."""
    for named in case.facts.objects:
        return f"{named.kind} {named.schema}.{named.name}" if named.schema else (
            f"{named.kind} {named.name}"
        )  # fmt: skip
    return ""
