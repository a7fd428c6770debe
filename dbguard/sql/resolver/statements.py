"""One statement to a reading: what it is, and its books closed."""

from __future__ import annotations

from dbguard.sql.facts import EffectKind, StatementFacts, Use
from dbguard.sql.referee import ParsedStatement
from dbguard.sql.sites import Reading
from dbguard.sql.snapshot import SessionView, Snapshot

from .along import taken_along
from .completeness import check_complete
from .context import Context
from .destroying import destroyed
from .earlier import Names
from .kinds import outcome_of
from .ledger import Ledger
from .outcome import Outcome
from .queries import query


def resolve_statement(
    raw: bytes,
    statement: ParsedStatement,
    snapshot: Snapshot,
    view: SessionView,
    names: Names,
) -> Reading:
    """Resolve one statement of the text `raw`.

    Raises:
        UndefinedName: a name does not exist, in PostgreSQL's words.
    """
    ledger = Ledger(snapshot)
    ctx = Context(raw, snapshot, view, names, ledger, (statement.start, statement.end), query)
    outcome = outcome_of(ctx, statement.tag, statement.node)
    reading = close(ctx, statement, outcome)
    if any(effect.kind is EffectKind.PATH for effect in reading.facts.effects):
        names.uncertain = True
    return reading


def close(ctx: Context, statement: ParsedStatement, outcome: Outcome) -> Reading:
    """Close the ledger into a reading."""
    ledger = ctx.ledger
    for column in outcome.columns:
        ledger.mark(column.value, Use.OUTPUT)
    ledger.settle()
    for site, location in ledger.whole_rows:
        if ledger.mentions[site].renamed is not None:
            ledger.note("a reference to one of two relations of one name", ctx.position(location))
    destroys = destroyed(ctx, statement.tag, statement.node)
    facts = StatementFacts(
        action=outcome.action,
        wrapper=outcome.wrapper,
        nested=frozenset(ledger.nested),
        relations=tuple(ledger.relation_actions.values()),
        along=taken_along(ctx, statement.tag, statement.node, outcome.action, destroys),
        columns=ledger.column_uses(),
        functions=tuple(ledger.functions),
        behind=frozenset(ledger.behind),
        outputs=tuple(ledger.output(c) for c in outcome.columns),
        flows=ledger.settled_flows(),
        objects=tuple(ledger.objects),
        opaque=(*ledger.opaque, *check_complete(ctx, statement)),
        missing_functions=tuple(ledger.missing),
        effects=tuple(ledger.effects),
        changes=None if ledger.sweeping or ledger.changes is None else tuple(ledger.changes),
        moves=tuple(ledger.moves),
        has_where=ledger.has_where,
        runs_hidden_code=ledger.runs_hidden_code,
        locks_rows=ledger.locks_rows,
        destroys=destroys,
        statement_tag=statement.tag,
    )
    return Reading(
        facts,
        statement.start,
        statement.end,
        ledger.relation_sites(),
        ledger.qualified_references(),
        ledger.group_dependencies(),
        ledger.builtin_calls(),
    )
