"""GROUP BY a primary key: what SQL lets a query use ungrouped then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dbguard.sql.referee import Node, scan

from .context import Context
from .scope import JoinItem, RelationItem, Scope
from .values import Key


@dataclass(slots=True)
class GroupItems:
    keys: set[Key] = field(default_factory=set)
    """Plain columns among the items."""
    sets: bool = False


def note_group_dependency(
    ctx: Context, fields: Node, scope: Scope, items: GroupItems, named: set[Key]
) -> None:
    """Note relations whose primary key is grouped by while other columns of them are used."""
    for site in _own_sites(ctx, scope):
        relation = ctx.ledger.mentions[site].relation
        grouped = {number for s, number in items.keys if s == site}
        if not relation.primary_key or not grouped.issuperset(relation.primary_key):
            continue
        others = {number for s, number in named if s == site and number not in grouped}
        if others:
            start = _first_item(ctx, fields["groupClause"])
            ctx.ledger.groups.append((start, site, others, items.sets))


def _own_sites(ctx: Context, scope: Scope) -> Iterator[int]:
    todo = [entry.item for entry in scope.entries]
    seen: set[int] = set()
    while todo:
        item = todo.pop()
        if isinstance(item, RelationItem) and item.site not in seen:
            seen.add(item.site)
            yield item.site
        elif isinstance(item, JoinItem):
            todo.extend(item.sides())


def _first_item(ctx: Context, group: list[Node]) -> int:
    """Offset of the first token behind GROUP BY [ALL | DISTINCT].

    The tree drops parentheses, so the token behind BY is looked for in the text.
    """
    leftmost = min(_locations(group))
    start = leftmost
    behind_by = False
    for token in scan(ctx.raw.decode("utf-8")):
        if token.start > leftmost:
            break
        if token.is_comment:
            continue
        if token.kind == "BY":
            behind_by = True
        elif behind_by and token.kind not in ("ALL", "DISTINCT"):
            start = token.start
            behind_by = False
    return start


def _locations(node: object) -> Iterator[int]:
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, list):
            todo.extend(current)
        elif isinstance(current, dict):
            location = current.get("location", -1)
            if location > 0:
                yield location
            todo.extend(v for v in current.values() if isinstance(v, dict | list))
