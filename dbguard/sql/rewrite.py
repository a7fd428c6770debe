"""The client's text with every relation pinned to its schema and masked relations in place.

All edits are *splices* at token positions: whatever they do not touch stays byte for byte what
the client sent. DESIGN section 8 is the list of what they have to get right; `verify` proves the
result from the trees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dbguard.errors import NotUnderstood, PolicyRefusal

from . import referee
from .definitions import around
from .layout import Extent, Layout
from .mentions import mentions
from .names import quote
from .sites import (
    BuiltinCall,
    GroupDependency,
    QualifiedReference,
    Reading,
    RelationSite,
    SiteRole,
)
from .snapshot import Column, Relation, RelationKind, Snapshot
from .splices import PositionMap, Splice, apply, ordered, position_map

Masks = Mapping[int, Mapping[int, str]]
"""Relation OID to attribute number to the mask expression over the reference `t."column"`."""

INNER = "t"
"""Alias of the real relation inside a masked one."""

SYSTEM_COLUMNS: Mapping[int, str] = {
    -1: "ctid",
    -2: "xmin",
    -3: "cmin",
    -4: "xmax",
    -5: "cmax",
    -6: "tableoid",
}
"""sysattr.h."""

_MATERIALIZED_COPY = 180000
"""First server_version_num whose COPY TO reads materialized views."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A text ready for the server."""

    text: str
    splices: tuple[Splice, ...]
    positions: PositionMap


def rewrite(
    text: str, readings: tuple[Reading, ...], masks: Masks, snapshot: Snapshot
) -> Rewritten:
    """Put masked relations in place of those `masks` names, and qualify all others.

    Raises:
        NotUnderstood: a place in the text is not laid out as its reading says, or the
            replacement would change what the statement means.
        PolicyRefusal: the statement needs something that masked relations do not have.
    """
    layout = Layout(text)
    statements = referee.parse(text) if any(masks.values()) else ()
    found: list[Splice] = []
    for reading in readings:
        node = next((s.node for s in statements if s.start == reading.start), None)
        found += _Statement(layout, reading, node, masks, snapshot).splices()
    if not found:
        return Rewritten(text, (), PositionMap())
    try:
        splices = ordered(found)
        result = apply(layout.raw, splices).decode("utf-8")
    except ValueError:
        raise NotUnderstood(
            "dbguard cannot put its changes into this statement",
            hint="Simplify the statement or split it.",
        ) from None
    return Rewritten(result, splices, position_map(layout.raw, splices))


class _Statement:
    """The splices that one statement needs."""

    def __init__(
        self,
        layout: Layout,
        reading: Reading,
        node: referee.Node | None,
        masks: Masks,
        snapshot: Snapshot,
    ) -> None:
        self._layout = layout
        self._reading = reading
        self._node = node
        self._masks = masks
        self._relations = [self._relation(site, snapshot) for site in reading.relations]
        self._names = mentions(node) if node is not None else None
        self._replaced = [self._is_replaced(i) for i in range(len(reading.relations))]
        self._replace_namesakes()
        self._server_version = snapshot.server_version

    def _relation(self, site: RelationSite, snapshot: Snapshot) -> Relation:
        relation = snapshot.relation_by_oid.get(site.relation)
        if relation is None:
            raise self._refuse(
                "a relation is missing from the catalog snapshot", site.start, "Run it again."
            )
        return relation

    def _is_replaced(self, index: int) -> bool:
        site, relation = self._reading.relations[index], self._relations[index]
        masked = frozenset(self._masks.get(site.relation, {}))
        if not masked or site.role in (SiteRole.TARGET, SiteRole.NAME):
            return False
        if site.role is SiteRole.COPY:
            return any(c.number in masked for c in self._copied(site, relation))
        if site.whole or site.columns & masked:
            return True
        return self._names is None or self._names.may_reach(site, relation, masked)

    def _replace_namesakes(self) -> None:
        """`a.x` and `b.x` may share a FROM clause, but not a derived table and `b.x`."""
        sites = self._reading.relations
        replaced = {
            self._relations[i].name
            for i, site in enumerate(sites)
            if self._replaced[i] and site.alias is None
        }
        clashing = {
            self._relations[i].name for i, site in enumerate(sites) if site.renamed is not None
        }
        for i, site in enumerate(sites):
            if site.role is SiteRole.READ and site.alias is None:
                name = self._relations[i].name
                self._replaced[i] |= name in replaced and name in clashing

    def splices(self) -> Iterator[Splice]:
        # Insertions at one place stand in the order they are made in.
        for group in self._reading.groups:
            yield from self._group(group)
        for reference in self._reading.references:
            yield from self._reference(reference)
        for call in self._reading.calls:
            yield from self._call(call)
        for index, site in enumerate(self._reading.relations):
            if not self._replaced[index]:
                yield from self._qualify(site, self._relations[index])
            elif site.role is SiteRole.COPY:
                yield self._copy(site, self._relations[index])
            else:
                yield from self._read(site, self._relations[index])

    def _qualify(self, site: RelationSite, relation: Relation) -> Iterator[Splice]:
        if site.role is SiteRole.NAME:
            # A column's or trigger's name may follow: COMMENT ON COLUMN x.y.
            self._layout.parts(self._layout.at(site.start))
        else:
            self._layout.name(site)
        if not site.qualified:
            yield Splice(site.start, site.start, quote(relation.schema) + ".")

    def _read(self, site: RelationSite, relation: Relation) -> Iterator[Splice]:
        layout = self._layout
        extent = layout.relation(site)
        start, end = layout.start(extent.first), layout.end(extent)
        alias = layout.alias(site, extent.behind)
        derived = self._derived(site, relation)
        named = "" if site.alias is not None else f" AS {quote(_visible_name(site, relation))}"
        if layout.kind(extent.first - 1) == "TABLE":
            start, derived = layout.start(extent.first - 1), f"SELECT * FROM {derived}"  # noqa: S608
        if not site.sampled:
            yield Splice(start, end, f"{derived}){named}")
            return
        # The sample stays where it is and comes to stand inside; the alias moves behind it.
        sample = layout.sample(alias.behind)
        if site.alias is not None:
            named = f" {layout.span(alias)}"
            yield Splice(start, layout.end(alias), derived + " ")
        else:
            yield Splice(start, end, derived + " ")
        yield Splice(layout.end(sample), layout.end(sample), f"){named}")

    def _derived(self, site: RelationSite, relation: Relation) -> str:
        """The masked relation without its closing parenthesis."""
        system = sorted((n for n in site.columns if n < 0), reverse=True)
        every = (
            site.whole
            or site.has_column_aliases
            or (self._names is not None and site.start in self._names.in_order)
        )
        columns = [c for c in relation.columns if every or c.number in site.columns]
        known = {c.number for c in relation.columns} | set(SYSTEM_COLUMNS)
        if not site.columns <= known:
            raise self._refuse(
                "a column is missing from the catalog snapshot", site.start, "Run it again."
            )
        if site.whole and system:
            raise self._refuse(
                f"{SYSTEM_COLUMNS[system[0]]} together with all columns of the masked relation "
                f"{relation.schema}.{relation.name} is not supported",
                site.start,
                "List the columns you need instead of using * or the whole row.",
            )
        hidden = [f"{INNER}.{SYSTEM_COLUMNS[n]} AS {quote(SYSTEM_COLUMNS[n])}" for n in system]
        return self._select([*self._items(relation, columns), *hidden], site, relation)

    def _items(self, relation: Relation, columns: list[Column]) -> list[str]:
        masked = self._masks.get(relation.oid, {})
        return [
            f"{masked[c.number]} AS {quote(c.name)}"
            if c.number in masked
            else f"{INNER}.{quote(c.name)}"
            for c in columns
        ]

    @staticmethod
    def _select(items: list[str], site: RelationSite, relation: Relation) -> str:
        listed = "SELECT " + ", ".join(items) if items else "SELECT"
        only = "" if site.inherits else "ONLY "
        name = f"{quote(relation.schema)}.{quote(relation.name)}"
        return f"({listed} FROM {only}{name} AS {INNER}"

    def _copied(self, site: RelationSite, relation: Relation) -> list[Column]:
        """The columns that COPY puts out, in its order: no generated ones unless listed."""
        listed = (self._node or {}).get("attlist")
        if listed is None:
            return [c for c in relation.columns if not c.generated]
        columns = [relation.column_by_name.get(item["String"]["sval"]) for item in listed]
        if None in columns:
            raise self._refuse("a column that COPY names does not exist", site.start, "")
        return [c for c in columns if c is not None]

    def _copy(self, site: RelationSite, relation: Relation) -> Splice:
        layout = self._layout
        name = layout.name(site)
        has_list = layout.kind(name.behind) == "ASCII_40"
        old_form = layout.kind(name.first - 1) != "COPY" or layout.holds(
            "DELIMITERS", name.behind, self._reading.end
        )
        if old_form or has_list != ("attlist" in (self._node or {})):
            raise self._refuse(
                "this form of COPY is not supported for a relation with masked columns",
                site.start,
                "Use COPY table (columns) TO ... WITH (...).",
            )
        behind = layout.parentheses(name.behind).behind if has_list else name.behind
        if layout.kind(behind) != "TO":
            raise layout.unexpected(site.start)
        copyable = {RelationKind.TABLE}
        if self._server_version >= _MATERIALIZED_COPY:
            copyable.add(RelationKind.MATERIALIZED_VIEW)
        if relation.kind not in copyable:
            # What the server itself answers; ONLY of a partitioned table would be empty instead.
            raise self._refuse(
                f'cannot copy from "{relation.name}"',
                site.start,
                "Try the COPY (SELECT ...) TO variant.",
            )
        items = self._items(relation, self._copied(site, relation))
        listed = "SELECT " + ", ".join(items)
        only = f"ONLY {quote(relation.schema)}.{quote(relation.name)} AS {INNER}"
        end = layout.end(Extent(name.first, behind))
        return Splice(site.start, end, f"({listed} FROM {only})")

    def _reference(self, reference: QualifiedReference) -> Iterator[Splice]:
        site = self._reading.relations[reference.site]
        if not self._replaced[reference.site]:
            return
        parts = self._layout.parts(self._layout.at(reference.start))
        if not 0 <= reference.qualifiers < len(parts):
            raise self._layout.unexpected(reference.start)
        table = parts[reference.qualifiers]
        start = self._layout.start(table.first)
        if site.renamed is None:
            if reference.qualifiers:
                yield Splice(reference.start, start, "")
        else:
            yield Splice(reference.start, self._layout.end(table), quote(site.renamed))

    def _call(self, call: BuiltinCall) -> Iterator[Splice]:
        parts = self._layout.parts(self._layout.at(call.start))
        if call.pin and len(parts) != 1:
            raise self._layout.unexpected(call.start)
        pinned = "pg_catalog." if call.pin else ""
        if call.definition is None:
            yield Splice(call.start, call.start, pinned)
            return
        before, behind = around(call.definition)
        end = self._layout.end(self._layout.parentheses(parts[-1].behind))
        yield Splice(call.start, call.start, before + pinned)
        yield Splice(end, end, behind)

    def _group(self, group: GroupDependency) -> Iterator[Splice]:
        site = self._reading.relations[group.site]
        relation = self._relations[group.site]
        if not self._replaced[group.site] or not group.columns:
            return
        self._layout.at(group.first_item)
        columns = [relation.column(number) for number in group.columns]
        name = f"{relation.schema}.{relation.name}"
        if group.grouping_sets or site.has_column_aliases:
            raise PolicyRefusal(
                f"columns of the masked relation {name} depend on its primary key in GROUP BY",
                hint="List every column you use in GROUP BY, besides the primary key.",
                position=self._position(group.first_item),
            )
        if any(c is None or not c.hashable for c in columns):
            raise PolicyRefusal(
                f"a column of the masked relation {name} that depends on the primary key in "
                "GROUP BY has a type that cannot be grouped",
                hint="Aggregate that column, for instance with array_agg() or min().",
                position=self._position(group.first_item),
            )
        alias = quote(_visible_name(site, relation))
        added = "".join(f"{alias}.{quote(c.name)}, " for c in columns if c is not None)
        yield Splice(group.first_item, group.first_item, added)

    def _position(self, offset: int) -> int:
        return referee.character_position(self._layout.raw, offset)

    def _refuse(self, message: str, offset: int, hint: str) -> NotUnderstood:
        return NotUnderstood(message, hint=hint, position=self._position(offset))


def _visible_name(site: RelationSite, relation: Relation) -> str:
    """The name under which the rest of the statement sees this mention once it is replaced."""
    return site.alias or site.renamed or relation.name
