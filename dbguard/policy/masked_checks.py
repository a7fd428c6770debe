"""What may be done with masked values: comparisons, copies, stored definitions."""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.facts import Action, ActionClass, ColumnName, Use

from .decision import MaskedColumn, MaskKind, Reason
from .model import SYSTEM_TAGS
from .standing import Sight
from .verdict import Case, Verdict, listed

_COMPARED = frozenset({Use.FILTER, Use.GROUP, Use.SORT})
_FITTING: Mapping[MaskKind, str] = {MaskKind.YEAR: "D", MaskKind.ZIP3: "S", MaskKind.AGE_CAP: "N"}
"""pg_type.typcategory that a generalising mask has an expression for; NULL on others."""
_STORING = frozenset({ActionClass.DDL, ActionClass.CODE, ActionClass.PRIVILEGE})
"""Classes whose statements may store a query; CREATE TABLE AS stores its result instead."""


def check_masked_uses(case: Case, verdict: Verdict) -> None:
    """A mask that hides makes comparisons wrong without an error: refuse joins, tell the rest."""
    joined: list[ColumnName] = []
    compared: list[ColumnName] = []
    for use in case.facts.columns:
        masked = verdict.masks.get(use.column)
        if masked is None or masked.rule in SYSTEM_TAGS or _generalises(case, masked):
            continue
        if Use.JOIN in use.uses:
            joined.append(use.column)
        elif use.uses & _COMPARED:
            compared.append(use.column)
    if joined:
        first = verdict.masks[joined[0]]
        verdict.reasons.append(
            Reason(
                first.rule,
                f"joining on {listed(joined)} is refused because {case.principal.name} sees "
                "masked values there",
                "Join on a key column that is not classified.",
                tuple(dict.fromkeys(joined)),
            )
        )
    if compared:
        verb = "is" if len(set(compared)) == 1 else "are"
        verdict.notices.append(
            f"{listed(compared)} {verb} masked for {case.principal.name}: comparisons, grouping "
            "and sorting see the masked value."
        )


def _generalises(case: Case, masked: MaskedColumn) -> bool:
    """Whether masked values of this column can be compared meaningfully."""
    name = masked.column
    column = case.relation(name.relation, name.schema, name.table).column(name.number)
    return column is not None and _FITTING.get(masked.mask.kind) == column.category


def check_flows(case: Case, verdict: Verdict) -> None:
    """Masked values never replace real ones in a classified column."""
    targets: list[ColumnName] = []
    sources: list[ColumnName] = []
    for flow in case.facts.flows:
        if not case.tags(flow.target):
            continue
        for source in flow.sources:
            if case.tags(source) and case.reading(source).sight is Sight.MASKED:
                targets.append(flow.target)
                sources.append(source)
    if targets:
        verdict.reasons.append(
            Reason(
                case.masking_rule(sources[0]),
                f"writing {listed(sources)} into {listed(targets)} is refused because "
                f"{case.principal.name} sees masked values there",
                "Masked values may only be written to columns that are not classified.",
                tuple(dict.fromkeys((*targets, *sources))),
            )
        )


def check_definitions(case: Case, verdict: Verdict) -> None:
    """A stored query would keep the mask of who made it, or none, for whoever uses it later."""
    action = case.facts.action
    if action.action_class not in _STORING or action is Action.CREATE_TABLE_AS:
        return
    masked: list[MaskedColumn] = list(verdict.masks.values())
    if masked:
        columns = tuple(m.column for m in masked)
        verdict.reasons.append(
            Reason(
                masked[0].rule,
                f"a stored definition over {listed(columns)} is refused because "
                f"{case.principal.name} sees masked values there",
                "CREATE TABLE AS stores the masked result instead.",
                columns,
            )
        )
