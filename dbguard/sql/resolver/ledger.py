"""The books of one statement: what the walk has seen, closed into facts at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dbguard.errors import LimitExceeded
from dbguard.sql.changes import CatalogChange, Move
from dbguard.sql.facts import (
    Action,
    ColumnName,
    ColumnUse,
    Flow,
    FunctionUse,
    MissingFunction,
    ObjectName,
    Opaque,
    OutputColumn,
    RelationUse,
    SessionEffect,
    Use,
)
from dbguard.sql.functions import unseen_calls
from dbguard.sql.sites import (
    BuiltinCall,
    GroupDependency,
    QualifiedReference,
    RelationSite,
    SiteRole,
)
from dbguard.sql.snapshot import RULE, Relation, Snapshot

from .values import NONE, Key, NamedValue, Row, Value

_COLUMNS_TOGETHER = 50_000
"""Columns of all queries of one statement together. A short text can multiply them: joins of WITH
queries over each other, stars. Reports over wide tables reach some thousands; each costs about 20
µs."""

_SYSTEM_NAMES: Mapping[int, str] = {
    -1: "ctid",
    -2: "xmin",
    -3: "cmin",
    -4: "xmax",
    -5: "cmax",
    -6: "tableoid",
}


@dataclass(slots=True)
class Mention:
    """A site while it is being learnt about."""

    relation: Relation
    start: int
    role: SiteRole
    alias: str | None = None
    has_column_aliases: bool = False
    qualified: bool = False
    inherits: bool = True
    sampled: bool = False
    simulated: bool = False
    columns: set[int] = field(default_factory=set)
    whole: bool = False
    renamed: str | None = None
    implied: bool = False
    """Not in the text: `old` and `new` of RETURNING share the target's mention instead."""


@dataclass(slots=True)
class PendingReference:
    start: int
    qualifiers: int
    site: int


@dataclass(slots=True)
class Ledger:
    snapshot: Snapshot
    mentions: list[Mention] = field(default_factory=list)
    uses: dict[Key, set[Use]] = field(default_factory=dict)
    relation_actions: dict[tuple[int, str, str, Action], RelationUse] = field(default_factory=dict)
    functions: dict[FunctionUse, None] = field(default_factory=dict)
    behind: set[FunctionUse] = field(default_factory=set)
    """Those of `functions` that no name in the text calls."""
    opaque: dict[Opaque, None] = field(default_factory=dict)
    missing: dict[MissingFunction, None] = field(default_factory=dict)
    objects: dict[ObjectName, None] = field(default_factory=dict)
    effects: list[SessionEffect] = field(default_factory=list)
    changes: list[CatalogChange] | None = None
    """None while what the statement does to names of relations is not known."""
    sweeping: bool = False
    """It does more to names than `changes` tells."""
    moves: list[Move] = field(default_factory=list)
    flows: list[tuple[Key, frozenset[Key]]] = field(default_factory=list)
    fills: list[tuple[ColumnName, frozenset[Key]]] = field(default_factory=list)
    """The same for columns that have no site: those of tables that the statement makes."""
    nested: set[Action] = field(default_factory=set)
    references: list[PendingReference] = field(default_factory=list)
    whole_rows: list[tuple[int, int]] = field(default_factory=list)
    """Site and offset of references by the relation's own name that cannot be rewritten: whole
    rows, FOR UPDATE OF."""
    groups: list[tuple[int, int, set[int], bool]] = field(default_factory=list)
    """First item's offset, site, attribute numbers, grouping sets."""
    calls: dict[int, None] = field(default_factory=dict)
    definitions: dict[int, str] = field(default_factory=dict)
    """Calls of functions that show definitions, by offset."""
    cells: list[list[Value]] = field(default_factory=list)
    """Columns of recursive CTEs; a key's site -1-n stands for cells[n]."""
    ungrouped: list[set[Key]] = field(default_factory=list)
    """Columns named outside aggregates, one set for each grouping query level being read."""
    seen: set[tuple[str, int]] = field(default_factory=set)
    """Kind and offset of every relation, column and function name that was resolved."""
    subquery_names: dict[int, str] = field(default_factory=dict)
    """Name of the first column of each subquery in an expression, by the SubLink's offset."""
    has_where: bool = True
    runs_hidden_code: bool = False
    locks_rows: bool = False
    spent: float = 0
    """Columns brought together so far."""

    def spend(self, columns: float) -> None:
        """Note that so many columns are carried on.

        Raises:
            LimitExceeded: they are too many together.
        """
        self.spent += columns
        if self.spent > _COLUMNS_TOGETHER:
            raise LimitExceeded(
                f"the queries of the statement have more than {_COLUMNS_TOGETHER} columns together",
                detail="A limit on the work of analysis was reached.",
                hint="List the columns that are needed instead of *, or split the statement.",
            )

    def mention(self, mention: Mention) -> int:
        self.mentions.append(mention)
        return len(self.mentions) - 1

    def touch(self, site: int, number: int) -> Key:
        self.mentions[site].columns.add(number)
        key = (site, number)
        for level in self.ungrouped:
            level.add(key)
        return key

    def touch_whole(self, site: int) -> None:
        self.mentions[site].whole = True

    def act(self, relation: Relation, action: Action) -> None:
        key = (relation.oid, relation.schema, relation.name, action)
        if key not in self.relation_actions:
            oid = max(relation.oid, 0)
            self.relation_actions[key] = RelationUse(oid, relation.schema, relation.name, action)

    def note(self, construct: str, position: int | None = None) -> None:
        self.opaque.setdefault(Opaque(construct, position))

    def object(self, kind: str, schema: str | None, name: str) -> None:
        self.objects.setdefault(ObjectName(kind, schema, name))

    def run_hidden(self, functions: Iterable[int]) -> None:
        """Note functions that run without being called."""
        found = set(functions)
        if RULE in found:
            self.note("writing where a rewrite rule applies")
        for use in unseen_calls(self.snapshot, sorted(found - {RULE})):
            if use not in self.functions:
                self.functions[use] = None
                self.behind.add(use)

    def effect(self, effect: SessionEffect) -> None:
        if effect not in self.effects:
            self.effects.append(effect)

    def composite(self, type_name: str) -> Row | None:
        """The columns of a composite type, when `type_name` is one outside pg_catalog."""
        if "." not in type_name or type_name.endswith("]"):
            return None
        schema, _, name = type_name.partition(".")
        relation = self.snapshot.relation_by_name.get((schema.strip('"'), name.strip('"')))
        return TypeRow(self, relation) if relation is not None else None

    def mark(self, value: Value, use: Use) -> None:
        """Note that `value` is consumed for `use`."""
        for key in value.plain:
            self.uses.setdefault(key, set()).add(use)
        if value.computed:
            weak = Use.COMPUTE if use in (Use.OUTPUT, Use.PRESENCE) else use
            for key in value.computed:
                self.uses.setdefault(key, set()).add(weak)

    def mark_all(self, values: Iterable[Value], use: Use) -> None:
        for value in values:
            self.mark(value, use)

    def flow(self, target: Key, value: Value) -> None:
        self.uses.setdefault(target, set()).add(Use.WRITE)
        self.flows.append((target, value.keys))

    def fill(self, target: ColumnName, value: Value) -> None:
        """Note that values go into a column that no site of the text stands for."""
        if value.keys:
            self.fills.append((target, value.keys))

    # ---- closing the books

    def settle(self) -> None:
        """Replace columns of recursive CTEs by what they turned out to be."""
        pending = [key for key in self.uses if key[0] < 0]
        while pending:
            site, number = key = pending.pop()
            uses = set(self.uses[key])
            value = self.cells[-1 - site][number]
            for target, weak in ((value.plain, False), (value.computed, True)):
                added = {Use.COMPUTE if weak and u is Use.OUTPUT else u for u in uses}
                for found in target:
                    known = self.uses.setdefault(found, set())
                    if not added <= known:
                        known |= added
                        if found[0] < 0:
                            pending.append(found)
        for key in [key for key in self.uses if key[0] < 0]:
            del self.uses[key]

    def expand(self, keys: frozenset[Key]) -> frozenset[Key]:
        """`keys` with columns of recursive CTEs followed to real ones."""
        if all(site >= 0 for site, _ in keys):
            return keys
        seen: set[Key] = set()
        todo = list(keys)
        found: set[Key] = set()
        while todo:
            key = todo.pop()
            if key in seen:
                continue
            seen.add(key)
            if key[0] >= 0:
                found.add(key)
            else:
                todo.extend(self.cells[-1 - key[0]][key[1]].keys)
        return frozenset(found)

    def column_name(self, key: Key) -> ColumnName:
        relation = self.mentions[key[0]].relation
        column = relation.column(key[1])
        name = column.name if column else _SYSTEM_NAMES.get(key[1], "?")
        return ColumnName(max(relation.oid, 0), key[1], relation.schema, relation.name, name)

    def column_names(self, keys: frozenset[Key]) -> tuple[ColumnName, ...]:
        names = {self.column_name(key) for key in self.expand(keys)}
        return tuple(sorted(names, key=lambda n: (n.schema, n.table, n.number)))

    def output(self, column: NamedValue) -> OutputColumn:
        origin = column.value.origin
        if origin is not None and origin[0] < 0:
            origin = None
        name = self.column_name(origin) if origin is not None else None
        return OutputColumn(column.name, name, self.column_names(column.value.keys))

    def column_uses(self) -> tuple[ColumnUse, ...]:
        found: dict[tuple[ColumnName, bool], set[Use]] = {}
        for site, mention in enumerate(self.mentions):
            maskable = mention.role in (SiteRole.READ, SiteRole.COPY)
            for number in mention.columns:
                key = (site, number)
                uses = set(self.uses.get(key) or {Use.COMPUTE})
                found.setdefault((self.column_name(key), maskable), set()).update(uses)
        ordered = sorted(found, key=lambda k: (k[0].schema, k[0].table, k[0].number, k[1]))
        return tuple(ColumnUse(c, frozenset(found[c, m]), m) for c, m in ordered)

    def relation_sites(self) -> tuple[RelationSite, ...]:
        return tuple(
            RelationSite(
                relation=m.relation.oid,
                start=m.start,
                role=m.role,
                alias=m.alias,
                has_column_aliases=m.has_column_aliases,
                qualified=m.qualified,
                inherits=m.inherits,
                sampled=m.sampled,
                columns=frozenset(m.columns),
                whole=m.whole,
                renamed=m.renamed,
            )
            for m in self.mentions
            if not m.simulated
        )

    def _site_numbers(self) -> dict[int, int]:
        real = [i for i, m in enumerate(self.mentions) if not m.simulated]
        return {site: number for number, site in enumerate(real)}

    def qualified_references(self) -> tuple[QualifiedReference, ...]:
        numbers = self._site_numbers()
        return tuple(
            QualifiedReference(r.start, r.qualifiers, numbers[r.site])
            for r in sorted(self.references, key=lambda r: r.start)
            if r.site in numbers and (r.qualifiers or self.mentions[r.site].renamed)
        )

    def group_dependencies(self) -> tuple[GroupDependency, ...]:
        numbers = self._site_numbers()
        return tuple(
            GroupDependency(start, numbers[site], tuple(sorted(columns)), sets)
            for start, site, columns, sets in self.groups
            if site in numbers
        )

    def builtin_calls(self) -> tuple[BuiltinCall, ...]:
        return tuple(
            BuiltinCall(start, start in self.calls, self.definitions.get(start))
            for start in sorted({*self.calls, *self.definitions})
        )

    def settled_flows(self) -> tuple[Flow, ...]:
        merged: dict[Key, frozenset[Key]] = {}
        for target, keys in self.flows:
            merged[target] = merged.get(target, NONE) | keys
        by_name: dict[ColumnName, frozenset[Key]] = {}
        for target, keys in merged.items():
            name = self.column_name(target)
            by_name[name] = by_name.get(name, NONE) | keys
        for name, keys in self.fills:
            by_name[name] = by_name.get(name, NONE) | keys
        return tuple(Flow(name, self.column_names(keys)) for name, keys in by_name.items())


@dataclass(slots=True)
class TypeRow:
    """The fields of a composite value that stands in one column: all carry that column."""

    ledger: Ledger
    relation: Relation

    def find(self, name: str) -> Value | None:
        column = self.relation.column_by_name.get(name)
        return Value(type_name=column.type_name) if column else None

    def columns(self) -> list[NamedValue]:
        return [NamedValue(c.name, Value(type_name=c.type_name)) for c in self.relation.columns]
