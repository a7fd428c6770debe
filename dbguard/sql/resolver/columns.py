"""Column references to values (transformColumnRef and parse_relation.c's look-ups)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from dbguard.sql.referee import Node

from .calls import call_by_notation, is_function
from .context import Context
from .ledger import PendingReference, TypeRow
from .scope import Entry, Item, RelationItem, Scope
from .values import Value, computed, either

_AMBIGUOUS_COLUMN = "42702"
_AMBIGUOUS_ALIAS = "42P09"
_UNDEFINED_COLUMN = "42703"
_UNDEFINED_TABLE = "42P01"


def reference_parts(fields: Node) -> tuple[list[str], bool]:
    """The names of a ColumnRef, and whether a star ends it."""
    names: list[str] = []
    star = False
    for node in fields["fields"]:
        if "String" in node:
            names.append(node["String"].get("sval", ""))
        else:
            star = True
    return names, star


def column_reference(ctx: Context, fields: Node, scope: Scope | None) -> Value:
    """The value of a ColumnRef in an expression.

    Raises:
        UndefinedName: no such column, or more than one.
    """
    names, star = reference_parts(fields)
    location = fields.get("location", 0)
    ctx.ledger.seen.add(("column", location))
    check_length(ctx, fields)
    if star:
        return item_by_name(ctx, names, scope, location).whole()
    if len(names) == 1:
        return _unqualified(ctx, names[0], scope, location)
    item = item_by_name(ctx, names[:-1], scope, location)
    found = _one_of(ctx, item, names[-1], location)
    if found is not None:
        return found
    if not is_function(ctx, names[-1]):
        ctx.undefined(_UNDEFINED_COLUMN, f"column {names[-2]}.{names[-1]} does not exist", location)
    return call_by_notation(ctx, names[-1], item.whole(), location)


def check_length(ctx: Context, fields: Node) -> None:
    """At most database, schema, relation and column.

    Raises:
        UndefinedName: more parts, or another database.
    """
    names, star = reference_parts(fields)
    spelt = ".".join([*names, "*"] if star else names)
    location = fields.get("location", 0)
    count = len(names) + star
    if count > 4:
        message = f"improper qualified name (too many dotted names): {spelt}"
        ctx.undefined("42601", message, location)
    if count == 4 and names[0] != ctx.snapshot.database:
        message = f"cross-database references are not implemented: {spelt}"
        ctx.undefined("0A000", message, location)


def _one_of(ctx: Context, item: Item, name: str, location: int) -> Value | None:
    if item.matches(name) > 1:
        ctx.undefined(_AMBIGUOUS_COLUMN, f'column reference "{name}" is ambiguous', location)
    return item.find(name)


def _unqualified(ctx: Context, name: str, scope: Scope | None, location: int) -> Value:
    guesses: list[Value] = []
    level = scope
    while level is not None:
        entries = [e for e in level.visible() if e.by_column]
        hits = [(e, n) for e in entries if (n := e.item.matches(name))]
        if sum(n for _, n in hits) > 1:
            ctx.undefined(_AMBIGUOUS_COLUMN, f'column reference "{name}" is ambiguous', location)
        if hits:
            found = hits[0][0].item.find(name)
            assert found is not None
            return _with_guesses(found, guesses)
        guesses += [v for e in entries if (v := getattr(e.item, "open_value", None)) is not None]
        level = level.parent
    if (whole := _item_named(ctx, name, scope, location)) is not None:
        _note_reference(ctx, whole, scope, location, 0, whole_row=True)
        return whole.whole()
    if not guesses:
        ctx.undefined(_UNDEFINED_COLUMN, f'column "{name}" does not exist', location)
    return computed(guesses)


def _with_guesses(found: Value, guesses: Sequence[Value]) -> Value:
    for guess in guesses:
        found = either(found, computed((guess,)))
    return found


def find_here(scope: Scope, name: str) -> bool:
    """Whether a column of this name is in the scope's own FROM (findTargetlistEntrySQL92)."""
    return any(e.item.matches(name) for e in scope.visible() if e.by_column)


def whole_row_item(ctx: Context, node: Node, scope: Scope | None) -> Item | None:
    """The item that an expression names as a whole, without noting that it is read."""
    if "ColumnRef" not in node:
        return None
    names, star = reference_parts(node["ColumnRef"])
    location = node["ColumnRef"].get("location", 0)
    if star and names:
        ctx.ledger.seen.add(("column", location))
        return item_by_name(ctx, names, scope, location)
    if star or len(names) != 1:
        return None
    level = scope
    while level is not None:
        if find_here(level, names[0]):
            return None
        level = level.parent
    item = _item_named(ctx, names[0], scope, location)
    if item is not None:
        ctx.ledger.seen.add(("column", location))
        _note_reference(ctx, item, scope, location, 0, whole_row=True)
    return item


def item_by_name(ctx: Context, names: Sequence[str], scope: Scope | None, location: int) -> Item:
    """The item that `[[db.]schema.]name` in front of a column or star refers to.

    Raises:
        UndefinedName: FROM has no such item.
    """
    *qualifiers, name = names
    if qualifiers:
        item = _item_of_relation(ctx, qualifiers[-1], name, scope, location)
    else:
        item = _item_named(ctx, name, scope, location)
    if item is None:
        _missing(ctx, qualifiers[-1] if qualifiers else None, name, scope, location)
    _note_reference(ctx, item, scope, location, len(qualifiers))
    return item


def _missing(
    ctx: Context, schema: str | None, name: str, scope: Scope | None, location: int
) -> NoReturn:
    """No such item; PostgreSQL says so differently when one is there but out of reach
    (errorMissingRTE)."""
    relation = ctx.find_relation(schema, name)
    level = scope
    while level is not None:
        for item in level.known:
            same = isinstance(item, RelationItem) and item.relation is relation
            if not same and item.name != name:
                continue
            hint = ""
            if item.name != name:
                hint = f'Perhaps you meant to reference the table alias "{item.name}".'
            elif level.building and not level.lateral:
                hint = "To reference that table, you must mark this subquery with LATERAL."
            message = f'invalid reference to FROM-clause entry for table "{name}"'
            ctx.undefined(_UNDEFINED_TABLE, message, location, hint)
        level = level.parent
    ctx.undefined(_UNDEFINED_TABLE, f'missing FROM-clause entry for table "{name}"', location)


def _item_named(ctx: Context, name: str, scope: Scope | None, location: int) -> Item | None:
    level = scope
    while level is not None:
        hits = [e for e in level.visible() if e.by_name and e.item.name == name]
        if len(hits) > 1:
            ctx.undefined(_AMBIGUOUS_ALIAS, f'table reference "{name}" is ambiguous', location)
        if hits:
            return hits[0].item
        level = level.parent
    return None


def _item_of_relation(
    ctx: Context, schema: str, name: str, scope: Scope | None, location: int
) -> Item | None:
    relation = ctx.find_relation(schema, name)
    if relation is None:
        return None
    level = scope
    while level is not None:
        hits = [
            e.item
            for e in level.visible()
            if e.by_name
            and isinstance(e.item, RelationItem)
            and e.item.alias is None
            and e.item.relation is relation
        ]
        if len(hits) > 1:
            ctx.undefined(_AMBIGUOUS_ALIAS, f'table reference "{name}" is ambiguous', location)
        if hits:
            return hits[0]
        level = level.parent
    return None


def _named_entries(name: str | None, scope: Scope | None) -> list[Entry]:
    level = scope
    while level is not None:
        if hits := [e for e in level.visible() if e.by_name and e.item.name == name]:
            return hits
        level = level.parent
    return []


def _note_reference(
    ctx: Context,
    item: Item,
    scope: Scope | None,
    location: int,
    qualifiers: int,
    *,
    whole_row: bool = False,
) -> None:
    """Remember where an unaliased relation is referred to by name, for when it gets an alias."""
    if not isinstance(item, RelationItem) or item.alias is not None:
        return
    mention = ctx.ledger.mentions[item.site]
    if qualifiers:
        named = _named_entries(item.name, scope)
        if len(named) != 1 or named[0].item is not item:
            mention.renamed = mention.renamed or f"{item.relation.name[:40]}_{item.site + 1}"
    reference = PendingReference(location, qualifiers, item.site)
    if reference not in ctx.ledger.references:
        ctx.ledger.references.append(reference)
    if whole_row:
        ctx.ledger.whole_rows.append((item.site, location))


def field_of(ctx: Context, value: Value, name: str) -> Value | None:
    """`(value).name`, or None when nothing is known about the value's type."""
    row = value.row
    if row is None:
        return None
    found = row.find(name)
    if found is None:
        return None
    if not isinstance(row, TypeRow):
        return replace(found, origin=None)
    inner = found.type_name
    return computed((value,), inner, ctx.ledger.composite(inner) if inner else None)
