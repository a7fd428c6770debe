"""Fillings of tables that the same text makes: no OID is known for them yet.

They are bound to their tables when the catalog is read, and that has to happen before the names
of the tables mean something else.
"""

from __future__ import annotations

from dataclasses import replace

from dbguard.policy.drift import Filling
from dbguard.sql.changes import EVERYTHING, lasting_oid
from dbguard.sql.facts import EffectKind, SessionEffect, StatementFacts
from dbguard.sql.snapshot import Snapshot

from .plan import PlannedStatement

_CATALOG = SessionEffect(EffectKind.CATALOG)


def lasting(snapshot: Snapshot, filling: Filling) -> Filling:
    """The filling as it can be kept: provisional OIDs mean nothing later."""
    relation = lasting_oid(filling.relation)
    if relation:
        return filling
    there = snapshot.relation_by_name.get((filling.schema, filling.table))
    besides = lasting_oid(there.oid) if there is not None else 0
    return replace(filling, relation=relation, besides=besides)


def followed(
    statements: tuple[PlannedStatement, ...], facts: tuple[StatementFacts, ...]
) -> tuple[PlannedStatement, ...]:
    """These statements, with what they fill noted under each name that it gets in the same text,
    and with the catalog read before anything else is said about it."""
    waiting: list[Filling] = []
    found = []
    for statement, told in zip(statements, facts, strict=True):
        moved = _moved(waiting, told)
        fills = (*statement.fills, *moved)
        made = [f for f in fills if not f.relation]
        waiting += made
        statement = replace(statement, fills=fills)
        if not all(f.temporary for f in made):
            effects = statement.effects
            effects = effects if _CATALOG in effects else (*effects, _CATALOG)
            statement = replace(statement, effects=effects, changes=(EVERYTHING,))
        found.append(statement)
    return tuple(found)


def _moved(waiting: list[Filling], facts: StatementFacts) -> tuple[Filling, ...]:
    names = ((f, move.of(f.schema, f.table)) for move in facts.moves for f in waiting)
    return tuple(
        replace(f, schema=to[0], table=to[1], besides=0) for f, to in names if to is not None
    )
