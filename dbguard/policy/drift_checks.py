"""Drift in decisions: who may read a drifted column, and which columns a statement makes drift."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dbguard.sql.facts import Action, ColumnName, EffectKind, Flow, StatementFacts, Use, Wrapper
from dbguard.sql.snapshot import RelationKind

from .access_checks import CLASSIFIED
from .binding import BoundPolicy
from .decision import Principal, Reason
from .drift import Drift, Filling, Source, uncovered
from .standing import Sight
from .verdict import Case, Verdict, described, is_temporary, listed


def check_drift(case: Case, verdict: Verdict) -> None:
    """Copies of classified values are refused to all who may not see the originals raw."""
    refused: dict[ColumnName, Drift] = {}
    if not case.bound.drifted:
        return
    for use in case.facts.columns:
        drift = case.bound.drift_of(use.column.relation, use.column.number)
        if drift is None or not use.uses - {Use.WRITE}:
            continue
        verdict.tags[use.column] = verdict.tags.get(use.column, frozenset()) | drift.tags
        if not case.bound.sees_drift(case.standing, use.column.relation, drift, case.read_action):
            refused[use.column] = drift
    if refused:
        names = tuple(refused)
        sources = sorted({s.name for d in refused.values() for s in d.sources})
        tags = sorted({t for d in refused.values() for t in d.tags})
        verdict.reasons.append(
            Reason(
                CLASSIFIED,
                f"{described(case.read_action, names)} is not allowed for {case.principal.name}: "
                f"filled from {listed(sources)}, and not classified yet",
                f"Ask to have {listed(names)} listed under classification, like its source "
                f"({listed(tags)}), or under declassified.",
                names,
                tuple(dict.fromkeys(f"{c.schema}.{c.table}" for c in names)),
            )
        )


def fillings(
    bound: BoundPolicy, facts: StatementFacts, principal: Principal, environment: str
) -> tuple[Filling, ...]:
    """Where an allowed statement puts classified values that the principal sees raw, as far as
    the rules do not know of it."""
    if facts.wrapper is Wrapper.EXPLAIN:
        return ()
    case = Case(bound, facts, principal, environment)
    found = [f for flow in facts.flows for f in _of_flow(case, flow)]
    if any(effect.kind is EffectKind.EXECUTE for effect in facts.effects):
        found += _executed_into(facts)
    return tuple(dict.fromkeys(found))


def shown(
    bound: BoundPolicy, facts: StatementFacts, principal: Principal, environment: str
) -> tuple[Filling, ...]:
    """What a query's result holds, should it be stored: fillings of a table without a name."""
    case = Case(bound, facts, principal, environment)
    made = []
    for output in facts.outputs:
        sources, tags = _raw_sources(case, output.sources)
        if tags:
            made.append(Filling(0, 0, "", "", output.name, False, sources, tags))
    return tuple(made)


def _executed_into(facts: StatementFacts) -> Iterable[Filling]:
    """CREATE TABLE AS EXECUTE: what goes in is known once the prepared statement is."""
    for use in facts.relations:
        if use.action is Action.CREATE_TABLE_AS:
            yield Filling(0, 0, use.schema, use.name, "", is_temporary(use.schema), (), frozenset())


def _of_flow(case: Case, flow: Flow) -> Iterable[Filling]:
    sources, tags = _raw_sources(case, flow.sources)
    if not tags:
        return
    for name in _stored_in(case, flow.target):
        relation = case.relation(name.relation, name.schema, name.table)
        relation = replace(relation, temporary=relation.temporary or is_temporary(name.schema))
        has = case.tags(name)
        if drift := case.bound.drift_of(name.relation, name.number, own=True):
            has |= drift.tags
        missing = uncovered(case.bound.policy, relation, name.column, has, tags)
        if missing:
            yield Filling(
                name.relation, name.number, name.schema, name.table, name.column,
                relation.temporary, sources, missing,
            )  # fmt: skip


def _raw_sources(
    case: Case, names: Iterable[ColumnName]
) -> tuple[tuple[Source, ...], frozenset[str]]:
    """Classified and drifted columns among these that the principal sees raw."""
    sources: set[Source] = set()
    tags: frozenset[str] = frozenset()
    for name in names:
        own = case.tags(name)
        if own and case.reading(name).sight is Sight.RAW:
            sources.add(Source(name.relation, name.number, str(name)))
            tags |= own
        if drift := case.bound.drift_of(name.relation, name.number, own=True):
            sources |= drift.sources
            tags |= drift.tags
    return tuple(sorted(sources)), tags


def _stored_in(case: Case, target: ColumnName) -> Iterable[ColumnName]:
    """The column itself; for a view's, those of the tables behind it."""
    relation = case.bound.snapshot.relation_by_oid.get(target.relation)
    if relation is None or relation.kind is not RelationKind.VIEW:
        yield target
        return
    for oid, number in sorted(case.bound.sources_of(target.relation, target.number)):
        behind = case.bound.snapshot.relation_by_oid.get(oid)
        column = behind.column(number) if behind else None
        if behind and column and behind.kind is not RelationKind.VIEW:
            yield ColumnName(oid, number, behind.schema, behind.name, column.name)
