"""What kind of statement a node is: the dispatch from libpg_query's node names to actions."""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.sql.changes import CatalogChange
from dbguard.sql.facts import Action, ColumnName, EffectKind, SessionEffect, Use, Wrapper
from dbguard.sql.referee import Node
from dbguard.sql.sites import SiteRole
from dbguard.sql.snapshot import RULE, Column, Relation, RelationKind

from . import code_statements, definitions, privileges, session_commands
from .catalog_changes import note_created
from .context import Context, strings
from .expressions import expression
from .from_clause import relation_item
from .modifications import ACTIONS, modification, target_item
from .objects import note_object
from .outcome import Handler, Outcome, option_is_on
from .queries import query
from .relation_names import named_relation, new_relation
from .scope import Entry, RelationItem, Scope
from .settings_calls import note_plain_settings
from .type_names import note_type
from .values import NamedValue

_CURSOR_OPT_HOLD = 0x0020
"""PostgreSQL's parsenodes.h, since 14, which the referee's grammar follows."""


def outcome_of(ctx: Context, tag: str, fields: Node) -> Outcome:
    """Resolve a statement of any kind.

    Raises:
        UndefinedName: a name in it does not exist.
    """
    handler = HANDLERS.get(tag)
    if handler is None:
        ctx.opaque(f"the statement {tag}")
        return Outcome(Action.DO)
    return handler(ctx, fields)


def _select(ctx: Context, fields: Node) -> Outcome:
    columns = query(ctx, {"SelectStmt": fields}, None)
    if "intoClause" in fields:
        return _into(ctx, fields["intoClause"], columns, "table")
    note_plain_settings(ctx, fields)
    return Outcome(Action.SELECT, columns)


def _modification(tag: str) -> Handler:
    def handle(ctx: Context, fields: Node) -> Outcome:
        return Outcome(ACTIONS[tag], modification(ctx, tag, fields, None))

    return handle


def _into(
    ctx: Context,
    into: Node,
    columns: list[NamedValue],
    kind: str,
    *,
    unless_there: bool = False,
) -> Outcome:
    schema, name = new_relation(ctx, into["rel"], Action.CREATE_TABLE_AS, kind)
    if kind == "table":
        given = strings(into.get("colNames"))  # what the list leaves out keeps the query's name
        labels = [*given, *(c.name for c in columns[len(given) :])]
        for number, (label, column) in enumerate(zip(labels, columns, strict=False), 1):
            if not into.get("skipData"):
                ctx.ledger.fill(ColumnName(0, number, schema, name, label), column.value)
        made = tuple(Column(n, label, "text", "text", "U") for n, label in enumerate(labels, 1))
        relation = Relation(0, schema, name, RelationKind.TABLE, made)
        passing = into.get("onCommit") == "ONCOMMIT_DROP"
        note_created(ctx, relation, unless_there=unless_there, passing=passing)
    else:
        ctx.names.alter(name)
    ctx.ledger.mark_all([c.value for c in columns], Use.OUTPUT)
    return Outcome(Action.CREATE_TABLE_AS)


def _create_table_as(ctx: Context, fields: Node) -> Outcome:
    temporary = fields["into"]["rel"].get("relpersistence") == "t"
    if "ExecuteStmt" in fields["query"] and not temporary:
        # The text does not tell what goes into the table, which others may come to see.
        ctx.opaque("CREATE TABLE AS EXECUTE")
    inner = inside(ctx, fields["query"])
    materialized = fields.get("objtype") == "OBJECT_MATVIEW"
    outcome = _into(
        ctx,
        fields["into"],
        inner.columns,
        "materialized view" if materialized else "table",
        unless_there=bool(fields.get("if_not_exists")),
    )
    if materialized:
        outcome.action = Action.CREATE
    return outcome


def _view(ctx: Context, fields: Node) -> Outcome:
    columns = query(ctx, fields["query"], None)
    ctx.ledger.mark_all([c.value for c in columns], Use.OUTPUT)
    schema, name = new_relation(ctx, fields["view"], Action.CREATE, "view")
    ctx.names.alter(name)
    if ctx.find_relation(schema, name) is None and not schema.startswith("pg_temp"):
        ctx.ledger.changes = [CatalogChange(schema, name, unclear=True)]
    return Outcome(Action.CREATE)


def inside(ctx: Context, node: Node) -> Outcome:
    """The statement that EXPLAIN, PREPARE, DECLARE or CREATE TABLE AS holds."""
    ((tag, fields),) = node.items()
    return outcome_of(ctx, tag, fields)


def _explain(ctx: Context, fields: Node) -> Outcome:
    outcome = inside(ctx, fields["query"])
    options = {n["DefElem"]["defname"].lower(): n["DefElem"] for n in fields.get("options", ())}
    runs = "analyze" in options and option_is_on(options["analyze"])
    outcome.wrapper = Wrapper.EXPLAIN_ANALYZE if runs else Wrapper.EXPLAIN
    ctx.ledger.mark_all([c.value for c in outcome.columns], Use.OUTPUT)
    outcome.columns = []
    return outcome


def _prepare(ctx: Context, fields: Node) -> Outcome:
    for node in fields.get("argtypes", ()):
        note_type(ctx, node["TypeName"])
    outcome = inside(ctx, fields["query"])
    ctx.ledger.effect(SessionEffect(EffectKind.PREPARE, fields["name"]))
    outcome.wrapper = Wrapper.PREPARE
    return outcome


def _declare(ctx: Context, fields: Node) -> Outcome:
    outcome = inside(ctx, fields["query"])
    holds = "hold" if int(fields.get("options", 0)) & _CURSOR_OPT_HOLD else None
    ctx.ledger.effect(SessionEffect(EffectKind.DECLARE, fields["portalname"], holds))
    outcome.wrapper = Wrapper.DECLARE_CURSOR
    return outcome


def _execute(ctx: Context, fields: Node) -> Outcome:
    # what was prepared is known to the session, not to the text
    for node in fields.get("params", ()):
        ctx.ledger.mark(expression(ctx, node, None), Use.COMPUTE)
    ctx.ledger.effect(SessionEffect(EffectKind.EXECUTE, fields["name"]))
    return Outcome(Action.SELECT, wrapper=Wrapper.EXECUTE)


def _copy(ctx: Context, fields: Node) -> Outcome:
    reads_client = bool(fields.get("is_from"))
    if fields.get("is_program"):
        ctx.opaque("COPY with a program on the server")
    elif "filename" in fields:
        ctx.opaque("COPY with a file on the server")
    else:
        kind = EffectKind.COPY_IN if reads_client else EffectKind.COPY_OUT
        ctx.ledger.effect(SessionEffect(kind))
    if "query" in fields:
        inner = inside(ctx, fields["query"])
        if inner.action in ACTIONS.values():
            ctx.ledger.nested.add(inner.action)
        return Outcome(Action.COPY_TO, inner.columns)
    relation = fields["relation"]
    if reads_client:
        item = target_item(ctx, relation, Action.COPY_FROM, placed=False)
    else:
        item = relation_item(ctx, relation, SiteRole.COPY, Action.COPY_TO, placed=False)
    columns = _copied(ctx, fields, item)
    if not reads_client:
        return Outcome(Action.COPY_TO, columns)
    for column in columns:
        ctx.ledger.mark(column.value, Use.WRITE)
    if "whereClause" in fields:
        scope = Scope(None, entries=[Entry(item)])
        ctx.ledger.mark(expression(ctx, fields["whereClause"], scope), Use.FILTER)
    return Outcome(Action.COPY_FROM)


def _copied(ctx: Context, fields: Node, item: RelationItem) -> list[NamedValue]:
    names = strings(fields.get("attlist"))
    if not names:
        names = [c.name for c in item.relation.columns if not c.generated]
    columns: list[NamedValue] = []
    for name in names:
        value = item.find(name) if name in item.relation.column_by_name else None
        if value is None:
            ctx.undefined(
                "42703",
                f'column "{name}" of relation "{item.relation.name}" does not exist',
                -1,
            )
        columns.append(NamedValue(name, value))
    return columns


_REBUILDING = frozenset({Action.REINDEX, Action.CLUSTER})


def _run_indexes(ctx: Context, *relations: Relation) -> None:
    """Building indexes runs the functions in their expressions, which are all immutable."""
    code = {oid for relation in relations for oid in relation.write_code} - {RULE}
    known = ctx.snapshot.function_by_oid
    ctx.ledger.run_hidden(oid for oid in code if known[oid].volatility == "i")


def _maintenance(action: Action) -> Handler:
    def handle(ctx: Context, fields: Node) -> Outcome:
        nodes = [node["VacuumRelation"].get("relation") for node in fields.get("rels", ())]
        nodes += [fields["relation"]] if "relation" in fields else []
        full = any(n["DefElem"]["defname"] == "full" for n in fields.get("options", ()))
        found = [relation for n in nodes if (relation := named_relation(ctx, n, action))]
        if full or action in _REBUILDING:
            _run_indexes(ctx, *(found if nodes else ctx.snapshot.relations))
        return Outcome(action)

    return handle


def _vacuum(ctx: Context, fields: Node) -> Outcome:
    action = Action.VACUUM if fields.get("is_vacuumcmd") else Action.ANALYZE
    return _maintenance(action)(ctx, fields)


def _reindex(ctx: Context, fields: Node) -> Outcome:
    if "name" in fields:
        kind = fields.get("kind", "").removeprefix("REINDEX_OBJECT_").lower()
        ctx.ledger.object(kind, None, fields["name"])
    if fields.get("kind") == "REINDEX_OBJECT_INDEX":
        note_object(ctx, "index", fields["relation"])
        _run_indexes(ctx, *ctx.snapshot.relations)  # whose it is the catalog does not tell
        return Outcome(Action.REINDEX)
    return _maintenance(Action.REINDEX)(ctx, fields)


def _refresh(ctx: Context, fields: Node) -> Outcome:
    ctx.ledger.effect(SessionEffect(EffectKind.CATALOG))
    view = named_relation(ctx, fields["relation"], Action.REFRESH)
    if view is not None:  # its query runs
        ctx.ledger.run_hidden(view.write_code)
    return Outcome(Action.REFRESH)


HANDLERS: Mapping[str, Handler] = {
    "SelectStmt": _select,
    **{tag: _modification(tag) for tag in ACTIONS},
    "CreateTableAsStmt": _create_table_as,
    "ViewStmt": _view,
    "ExplainStmt": _explain,
    "PrepareStmt": _prepare,
    "DeclareCursorStmt": _declare,
    "ExecuteStmt": _execute,
    "CopyStmt": _copy,
    "VacuumStmt": _vacuum,
    "ReindexStmt": _reindex,
    "ClusterStmt": _maintenance(Action.CLUSTER),
    "RefreshMatViewStmt": _refresh,
    **session_commands.HANDLERS,
    **definitions.HANDLERS,
    **privileges.HANDLERS,
    **code_statements.HANDLERS,
}
