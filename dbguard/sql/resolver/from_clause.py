"""FROM to namespace entries (parse_clause.c, transformFromClauseItem)."""

from __future__ import annotations

from collections.abc import Sequence

from dbguard.errors import UndefinedName
from dbguard.sql.facts import Action, Use
from dbguard.sql.referee import Node
from dbguard.sql.sites import SiteRole
from dbguard.sql.snapshot import Column, Relation, RelationKind

from .context import Context, strings
from .earlier import DOUBT
from .expressions import expression
from .ledger import Mention
from .range_functions import json_table, range_function, xml_table
from .scope import DerivedItem, Entry, Item, JoinItem, RelationItem, Scope
from .type_names import note_operator
from .values import EMPTY, NamedValue, Value, computed, either

_UNDEFINED_TABLE = "42P01"
_CARRIED = 0.05
"""What a column costs that a join or a WITH query only carries along, against one selected."""

_WIDTH = {
    "smallint": 1,
    "integer": 2,
    "bigint": 3,
    "numeric": 4,
    "real": 5,
    "double precision": 6,
    "date": 1,
    "timestamp without time zone": 2,
    "timestamp with time zone": 3,
}
"""Of two types, the one that the other is implicitly cast to; strings are cast both ways."""


def from_clause(ctx: Context, nodes: Sequence[Node], scope: Scope) -> None:
    """Read FROM into `scope`.

    Raises:
        UndefinedName: a relation or column in it does not exist.
    """
    scope.building = True
    for node in nodes:
        added = from_item(ctx, node, scope)
        _check_names(ctx, scope.entries, added)
        scope.entries = scope.entries + added
    scope.building = False


def from_item(ctx: Context, node: Node, scope: Scope) -> list[Entry]:
    """The namespace entries of one FROM item."""
    entries = _entries(ctx, node, scope)
    scope.known += [e.item for e in entries if e.item not in scope.known]
    return entries


def _entries(ctx: Context, node: Node, scope: Scope) -> list[Entry]:
    ((tag, fields),) = node.items()
    if tag == "RangeVar":
        return [Entry(range_variable(ctx, fields, scope))]
    if tag == "JoinExpr":
        return _join(ctx, fields, scope)
    if tag == "RangeSubselect":
        return [_subselect(ctx, fields, scope)]
    if tag == "RangeFunction":
        return [Entry(range_function(ctx, fields, scope))]
    if tag == "RangeTableSample":
        return _sample(ctx, fields, scope)
    if tag == "RangeTableFunc":
        return [Entry(xml_table(ctx, fields, scope))]
    if tag == "JsonTable":
        return [Entry(json_table(ctx, fields, scope))]
    ctx.opaque(f"the construct {tag}", fields)
    value = expression(ctx, node, scope)
    return [Entry(DerivedItem(None, [], open_value=value))]


def _alias(fields: Node) -> tuple[str | None, list[str]]:
    alias = fields.get("alias") or {}
    return alias.get("aliasname"), strings(alias.get("colnames"))


def range_variable(ctx: Context, fields: Node, scope: Scope) -> Item:
    """A RangeVar in FROM: a common table expression or a relation."""
    alias, column_aliases = _alias(fields)
    name = fields["relname"]
    ctx.ledger.seen.add(("relation", fields.get("location", 0)))
    if "schemaname" not in fields and (common := scope.common_table(name)) is not None:
        common.read_now()
        if common.columns is None:
            ctx.opaque("a WITH RECURSIVE query that refers to itself in an unusual place", fields)
            return DerivedItem(alias or name, [], open_value=EMPTY)
        ctx.ledger.spend(len(common.columns) * _CARRIED)
        return DerivedItem(alias or name, common.columns, column_aliases)
    return relation_item(ctx, fields, SiteRole.READ, Action.SELECT)


def relation_item(
    ctx: Context, fields: Node, role: SiteRole, action: Action | None, *, placed: bool = True
) -> RelationItem:
    """The relation that a RangeVar names, as an item; notes the mention.

    `placed`: errors tell the position.

    Raises:
        UndefinedName: PostgreSQL would not find it either.
    """
    alias, column_aliases = _alias(fields)
    relation = find_relation(ctx, fields, placed=placed)
    if ctx.names.doubts(relation):
        ctx.opaque(DOUBT, fields)
    if action is not None:
        ctx.ledger.act(relation, action)
    ctx.ledger.run_hidden(relation.write_code if role is SiteRole.TARGET else relation.read_code)
    site = ctx.ledger.mention(
        Mention(
            relation,
            fields.get("location", 0),
            role,
            alias=alias,
            has_column_aliases=bool(column_aliases),
            qualified="schemaname" in fields,
            inherits=bool(fields.get("inh")),
            simulated=relation.oid <= 0,
        )
    )
    return RelationItem(ctx.ledger, relation, site, alias, column_aliases)


def find_relation(ctx: Context, fields: Node, *, placed: bool = True) -> Relation:
    """The relation that a RangeVar names; `placed`: errors tell the position.

    Raises:
        UndefinedName: there is none.
    """
    catalog, schema = fields.get("catalogname"), fields.get("schemaname")
    name = fields["relname"]
    spelt = ".".join(p for p in (catalog, schema, name) if p is not None)
    location = fields.get("location", 0)
    ctx.ledger.seen.add(("relation", location))
    if catalog is not None and catalog != ctx.snapshot.database:
        ctx.undefined(
            "0A000", f'cross-database references are not implemented: "{spelt}"', location
        )
    relation = ctx.find_relation(schema, name)
    if relation is None and schema is not None and schema.startswith("pg_toast"):
        ctx.opaque("a TOAST table", fields)
        return Relation(0, schema, name, RelationKind.TOAST_TABLE, _TOAST_COLUMNS)
    if relation is None:
        spelt = name if schema is None else f"{schema}.{name}"
        ctx.undefined(
            _UNDEFINED_TABLE, f'relation "{spelt}" does not exist', location if placed else -1
        )
    return relation


_TOAST_COLUMNS = (
    Column(1, "chunk_id", "oid", "oid", "N"),
    Column(2, "chunk_seq", "integer", "integer", "N"),
    Column(3, "chunk_data", "bytea", "bytea", "U"),
)
"""toasting.c, create_toast_table; the snapshot holds no TOAST tables."""


def _subselect(ctx: Context, fields: Node, scope: Scope) -> Entry:
    alias, column_aliases = _alias(fields)
    scope.lateral = bool(fields.get("lateral"))
    columns = ctx.query(ctx, fields["subquery"], scope)
    scope.lateral = False
    return Entry(DerivedItem(alias, columns, column_aliases), by_name=alias is not None)


def _sample(ctx: Context, fields: Node, scope: Scope) -> list[Entry]:
    entries = from_item(ctx, fields["relation"], scope)
    for entry in entries:
        if isinstance(entry.item, RelationItem):
            ctx.ledger.mentions[entry.item.site].sampled = True
    method = strings(fields.get("method"))
    if method[-1:] not in (["system"], ["bernoulli"]):
        ctx.opaque(f'the sampling method "{".".join(method)}"', fields)
    scope.lateral = True
    for node in (*fields.get("args", ()), fields.get("repeatable", {})):
        ctx.ledger.mark(expression(ctx, node, scope), Use.FILTER)
    scope.lateral = False
    return entries


def _check_names(ctx: Context, known: list[Entry], added: list[Entry]) -> None:
    """Two items of one name in one FROM (checkNameSpaceConflicts)."""
    names = {new.item.name for new in added if new.by_name and new.item.name is not None}
    clashing = [old for old in known if old.by_name and old.item.name in names]
    for new in added if clashing else ():
        for old in clashing:
            if not new.by_name or old.item.name != new.item.name:
                continue
            a, b = old.item, new.item
            if (
                isinstance(a, RelationItem)
                and isinstance(b, RelationItem)
                and a.alias is None
                and b.alias is None
                and a.relation is not b.relation
            ):
                mention = ctx.ledger.mentions[b.site]
                mention.renamed = mention.renamed or f"{b.relation.name[:40]}_{b.site + 1}"
                continue
            raise UndefinedName("42712", f'table name "{new.item.name}" specified more than once')


def _join(ctx: Context, fields: Node, scope: Scope) -> list[Entry]:
    saved = scope.entries
    left = from_item(ctx, fields["larg"], scope)
    scope.entries = saved + left
    right = from_item(ctx, fields["rarg"], scope)
    scope.entries = saved
    _check_names(ctx, left, right)
    alias, column_aliases = _alias(fields)
    both = left + right
    if column_aliases:  # they count columns, so none may be left out
        for entry in both:
            _touch_all(ctx, entry.item)
    kind = fields.get("jointype", "JOIN_INNER")
    merged: list[tuple[str, Value]] = []
    names = (
        _natural(left, right, both, ctx)
        if fields.get("isNatural")
        else strings(fields.get("usingClause"))
    )
    for name in names:
        merged.append((name, _merge(ctx, name, left, right, kind)))
    if "quals" in fields:
        near = [*scope.known, *(e.item for e in (*saved, *both))]
        on = Scope(scope.parent, entries=both, common=scope.common, known=near)
        ctx.ledger.mark(expression(ctx, fields["quals"], on), Use.JOIN)
    if not names and alias is None and not fields.get("isNatural"):
        return both
    columns: list[tuple[str, Value | tuple[Item, int]]] = list(merged)
    used = set(names)
    for side in (left, right):
        skipped: set[str] = set()
        for entry in side:
            if not entry.by_column:
                continue
            for i, name in enumerate(entry.item.names()):
                if name in used and name not in skipped:
                    skipped.add(name)
                    continue
                columns.append((name, (entry.item, i)))
    ctx.ledger.spend(len(columns) * _CARRIED)
    joined = JoinItem(alias, columns, column_aliases)
    if alias is not None:
        return [Entry(joined)]
    hidden = [Entry(e.item, e.by_name, by_column=False) for e in both]
    using = fields.get("join_using_alias") or {}
    result = [*hidden, Entry(joined, by_name=False)]
    if using:
        item = DerivedItem(using["aliasname"], [NamedValue(n, v) for n, v in merged])
        result.append(Entry(item, by_column=False))
    return result


def _touch_all(ctx: Context, item: Item) -> None:
    if isinstance(item, RelationItem):
        ctx.ledger.touch_whole(item.site)
    elif isinstance(item, JoinItem):
        for side in item.sides():
            _touch_all(ctx, side)


def _natural(left: list[Entry], right: list[Entry], both: list[Entry], ctx: Context) -> list[str]:
    """Common names in the left side's order; every column of both sides matters then."""
    for entry in both:
        if isinstance(entry.item, RelationItem):
            ctx.ledger.touch_whole(entry.item.site)
    there = {n for e in right if e.by_column for n in e.item.names()}
    names: list[str] = []
    for entry in left:
        if entry.by_column:
            names += [n for n in entry.item.names() if n in there and n not in names]
    return names


def _merge(ctx: Context, name: str, left: list[Entry], right: list[Entry], kind: str) -> Value:
    """A USING column: one of the two sides', or both in a full join (buildMergedJoinVar)."""
    note_operator(ctx, ["="], 0)
    a = _side_column(ctx, name, left, "left")
    b = _side_column(ctx, name, right, "right")
    ctx.ledger.mark_all((a, b), Use.JOIN)
    common = _common_type(a.type_name or "", b.type_name or "")
    if kind == "JOIN_FULL":
        return Value(a.plain | b.plain, a.computed | b.computed, type_name=common or None)
    first, second = (b, a) if kind == "JOIN_RIGHT" else (a, b)
    if a.type_name == b.type_name:
        return first
    if first.type_name == common:
        return first
    if kind == "JOIN_INNER" and second.type_name == common:
        return second
    return computed((first,), common or None)


def _common_type(left: str, right: str) -> str:
    """select_common_type, for two types with or without length; the result has none."""
    left, right = left.partition("(")[0], right.partition("(")[0]
    if "." in left and "." not in right:  # a domain gives way to its base type
        return right
    return right if _WIDTH.get(right, 0) > _WIDTH.get(left, 0) else left


def _side_column(ctx: Context, name: str, side: list[Entry], which: str) -> Value:
    found: Value | None = None
    count = 0
    for entry in side:
        if entry.by_column and (matches := entry.item.matches(name)):
            count += matches
            found = entry.item.find(name)
    if count > 1:
        raise UndefinedName(
            "42702", f'common column name "{name}" appears more than once in {which} table'
        )
    if found is None:
        guesses = [
            e.item.open_value
            for e in side
            if isinstance(e.item, DerivedItem) and e.item.open_value is not None
        ]
        if guesses:
            return either(EMPTY, computed(guesses))
        raise UndefinedName(
            "42703", f'column "{name}" specified in USING clause does not exist in {which} table'
        )
    return found
