"""Who can be seen from where: namespaces, modelled on parse_relation.c."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dbguard.sql.snapshot import Relation, RelationKind

from .ledger import Ledger
from .values import NamedValue, Value, computed

SYSTEM_COLUMNS: Mapping[str, int] = {
    "ctid": -1,
    "xmin": -2,
    "cmin": -3,
    "xmax": -4,
    "cmax": -5,
    "tableoid": -6,
}
"""sysattr.h; the same since PostgreSQL 12."""

_STORED = {
    RelationKind.TABLE,
    RelationKind.PARTITIONED_TABLE,
    RelationKind.MATERIALIZED_VIEW,
    RelationKind.FOREIGN_TABLE,
    RelationKind.TOAST_TABLE,
}


class Item(Protocol):
    """One thing that FROM brings in (a range table entry)."""

    name: str | None
    """How it is referred to; None for a join or subquery without alias."""

    def names(self) -> Sequence[str]: ...

    def value(self, index: int) -> Value: ...

    def matches(self, name: str) -> int:
        """How many columns have this name."""
        ...

    def find(self, name: str) -> Value | None: ...

    def columns(self) -> Sequence[NamedValue]: ...

    def whole(self) -> Value: ...


class RelationItem:
    """A table, view or other relation; every look-up is noted at its site."""

    def __init__(
        self,
        ledger: Ledger,
        relation: Relation,
        site: int,
        alias: str | None,
        column_aliases: Sequence[str] = (),
    ) -> None:
        self.ledger = ledger
        self.relation = relation
        self.site = site
        self.alias = alias
        self.name: str | None = alias or relation.name
        self._renamed: list[str] | None = None
        if column_aliases:  # by position: a masked relation then has all columns
            ledger.spend(len(relation.columns))
            names = [c.name for c in relation.columns]
            names[: len(column_aliases)] = column_aliases
            self._renamed = names

    def names(self) -> Sequence[str]:
        if self._renamed is not None:
            return self._renamed
        return [c.name for c in self.relation.columns]

    def value(self, index: int) -> Value:
        column = self.relation.columns[index]
        key = self.ledger.touch(self.site, column.number)
        return Value(
            frozenset((key,)),
            origin=key,
            row=self.ledger.composite(column.type_name),
            type_name=column.type_name,
        )

    def matches(self, name: str) -> int:
        if self._renamed is not None:
            count = self._renamed.count(name)
        else:
            count = 1 if name in self.relation.column_by_name else 0
        return count or (1 if self._system(name) is not None else 0)

    def find(self, name: str) -> Value | None:
        if self._renamed is not None:
            if name in self._renamed:
                return self.value(self._renamed.index(name))
        elif column := self.relation.column_by_name.get(name):
            return self.value(self.relation.columns.index(column))
        number = self._system(name)
        if number is None:
            return None
        key = self.ledger.touch(self.site, number)
        return Value(frozenset((key,)), origin=key)

    def _system(self, name: str) -> int | None:
        return SYSTEM_COLUMNS.get(name) if self.relation.kind in _STORED else None

    def columns(self) -> Sequence[NamedValue]:
        self.ledger.touch_whole(self.site)
        self.ledger.spend(len(self.relation.columns))
        return [NamedValue(name, self.value(i)) for i, name in enumerate(self.names())]

    def whole(self) -> Value:
        return computed(
            (v for _, v in self.columns()),
            type_name=f"{self.relation.schema}.{self.relation.name}",
            row=self,
        )


class DerivedItem:
    """A subquery, CTE, function, VALUES list or join: columns that are already values."""

    def __init__(
        self,
        name: str | None,
        columns: Sequence[NamedValue],
        column_aliases: Sequence[str] = (),
        *,
        open_value: Value | None = None,
    ) -> None:
        self.name = name
        self._columns = [
            NamedValue(column_aliases[i], c.value) if i < len(column_aliases) else c
            for i, c in enumerate(columns)
        ]
        self.open_value = open_value
        """Carried by columns whose names cannot be known without types."""

    def names(self) -> Sequence[str]:
        return [c.name for c in self._columns]

    def value(self, index: int) -> Value:
        return self._columns[index].value

    def matches(self, name: str) -> int:
        return sum(c.name == name for c in self._columns)

    def find(self, name: str) -> Value | None:
        for column in self._columns:
            if column.name == name:
                return column.value
        return self.open_value

    def columns(self) -> Sequence[NamedValue]:
        return self._columns

    def whole(self) -> Value:
        values = [v for _, v in self._columns]
        if self.open_value is not None:
            values.append(self.open_value)
        return computed(values, row=self)


class JoinItem:
    """A join whose columns are not simply those of its sides: USING, NATURAL or an alias.

    Columns of the sides are looked up late, so that an unused one is not noted as read.
    """

    def __init__(
        self,
        name: str | None,
        columns: Sequence[tuple[str, Value | tuple[Item, int]]],
        column_aliases: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._columns = list(columns)
        self._names = [n for n, _ in columns]
        self._names[: len(column_aliases)] = list(column_aliases)[: len(columns)]

    def sides(self) -> list[Item]:
        """The items that its columns are looked up in."""
        return [where[0] for _, where in self._columns if not isinstance(where, Value)]

    def names(self) -> Sequence[str]:
        return self._names

    def value(self, index: int) -> Value:
        where = self._columns[index][1]
        if isinstance(where, Value):
            return where
        item, position = where
        return item.value(position)

    def matches(self, name: str) -> int:
        return self._names.count(name)

    def find(self, name: str) -> Value | None:
        return self.value(self._names.index(name)) if name in self._names else None

    def columns(self) -> Sequence[NamedValue]:
        for _, where in self._columns:
            if not isinstance(where, Value) and isinstance(where[0], RelationItem):
                where[0].ledger.touch_whole(where[0].site)
        return [NamedValue(name, self.value(i)) for i, name in enumerate(self._names)]

    def whole(self) -> Value:
        return computed((v for _, v in self.columns()), row=self)


@dataclass(slots=True)
class Entry:
    """An item in a namespace (ParseNamespaceItem)."""

    item: Item
    by_name: bool = True
    """`item.column` may refer to it."""
    by_column: bool = True
    """An unqualified column name is looked up in it."""


@dataclass(slots=True)
class CommonTable:
    """A WITH query; in WITH RECURSIVE it may be named before it is read."""

    name: str
    columns: Sequence[NamedValue] | None = None
    read: Callable[[], None] | None = None
    """Reads it, if that has not begun."""

    def read_now(self) -> None:
        if self.read is not None:
            read, self.read = self.read, None
            read()


@dataclass(slots=True)
class Scope:
    """One query level (ParseState)."""

    parent: Scope | None
    entries: list[Entry] = field(default_factory=list)
    common: dict[str, CommonTable] = field(default_factory=dict)
    building: bool = False
    """FROM is still being read: its entries are visible to LATERAL items only."""
    lateral: bool = False
    """The item being read is LATERAL."""
    known: list[Item] = field(default_factory=list)
    """Every item of this level, visible or not (p_rtable); error messages tell of them."""

    def visible(self) -> list[Entry]:
        return [] if self.building and not self.lateral else self.entries

    def common_table(self, name: str) -> CommonTable | None:
        scope: Scope | None = self
        while scope is not None:
            if found := scope.common.get(name):
                return found
            scope = scope.parent
        return None
