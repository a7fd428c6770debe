"""Grants on columns: may this principal use these classified columns like this?"""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.facts import (
    Action,
    ActionClass,
    ColumnName,
    Use,
)

from .decision import MaskedColumn, Reason
from .model import SYSTEM_VALUES
from .standing import Access, Sight
from .verdict import Case, Verdict, data_in, described, listed

CLASSIFIED = "defaults.classified"


def check_columns(case: Case, verdict: Verdict) -> None:
    """Every use of a classified column needs a grant on each of its tags."""
    refused: dict[Action, dict[ColumnName, str]] = {}
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
                _refuse(verdict, refused, case.read_action, column, access)
            elif access.sight is Sight.MASKED and not _is_only_shown(access, use.uses):
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
                    _refuse(verdict, refused, action, column, access)
                elif (
                    action in (Action.UPDATE, Action.MERGE)
                    and case.reading(column, Action.SELECT).sight is Sight.MASKED
                ):
                    overwritten.append(column)
    for action, columns in sorted(refused.items()):
        verdict.reasons.append(_no_grant(case, action, columns))
    if own_target:
        verdict.reasons.append(
            Reason(
                CLASSIFIED,
                f"the statement reads {listed(own_target)} in the table it writes, and "
                f"{case.principal.name} may see that masked only",
                "Leave these columns out of WHERE, SET, ON CONFLICT and RETURNING; a subquery over "
                "the same table may use their masked values.",
                tuple(own_target),
            )
        )
    if overwritten:
        verdict.reasons.append(
            Reason(
                CLASSIFIED,
                f"updating {listed(overwritten)} is not allowed for {case.principal.name}, who "
                "sees masked values there",
                "Leave these columns out of SET, so that masked values never replace real ones.",
                tuple(overwritten),
            )
        )


def _is_only_shown(access: Access, uses: frozenset[Use]) -> bool:
    """Whether nothing of a hidden column of the catalog gets out: psql and ORMs ask
    `pg_get_expr(adbin, adrelid)`, whose literals are emptied, and `indpred IS NULL`."""
    return access.tag == SYSTEM_VALUES and uses <= {Use.DEFINITION, Use.PRESENCE}


def _refuse(
    verdict: Verdict,
    refused: dict[Action, dict[ColumnName, str]],
    action: Action,
    column: ColumnName,
    access: Access,
) -> None:
    """Note a missing grant, or the denial that overrides grants."""
    if access.denied_by:
        verdict.denied.setdefault(access.denied_by, described(action, [column]))
    else:
        refused.setdefault(action, {})[column] = access.tag


def _no_grant(case: Case, action: Action, columns: Mapping[ColumnName, str]) -> Reason:
    reading = action.action_class is ActionClass.READ
    instead = "select other columns" if reading else "leave these columns out"
    relations = tuple(dict.fromkeys(f"{c.schema}.{c.table}" for c in columns))
    return Reason(
        CLASSIFIED,
        f"{described(action, columns)} is not allowed for {case.principal.name}",
        f"Ask for a rule that allows [{action.action_class}] on "
        f"{data_in(columns.values(), relations)}, or {instead}.",
        tuple(columns),
        relations,
    )
