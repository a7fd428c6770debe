"""What an expression carries: the columns whose values can be in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Key = tuple[int, int]
"""(site, attribute number); a negative site is a column of a recursive CTE still being read."""

NONE: frozenset[Key] = frozenset()


class Row(Protocol):
    """Something with named columns that a value of composite type can be taken apart into."""

    def find(self, name: str) -> Value | None: ...

    def columns(self) -> Sequence[NamedValue]: ...


@dataclass(frozen=True, slots=True)
class Value:
    plain: frozenset[Key] = NONE
    """Columns that it can be, unchanged."""
    computed: frozenset[Key] = NONE
    """Columns that it was computed from."""
    origin: Key | None = None
    """The one column it is, as RowDescription would say."""
    row: Row | None = None
    type_name: str | None = None
    """format_type's spelling, where it is known without inference."""

    @property
    def keys(self) -> frozenset[Key]:
        return self.plain | self.computed


class NamedValue(NamedTuple):
    name: str
    value: Value


EMPTY = Value()


def computed(
    values: Iterable[Value], type_name: str | None = None, row: Row | None = None
) -> Value:
    """What an expression over `values` carries."""
    keys = NONE
    for value in values:
        if value.plain or value.computed:
            keys = keys | value.plain | value.computed
    if not keys and type_name is None and row is None:
        return EMPTY
    return Value(computed=keys, type_name=type_name, row=row)


def _common_type(left: str | None, right: str | None) -> str | None:
    if left == "unknown":
        return right
    return left if left == right or right == "unknown" else None


def either(left: Value, right: Value) -> Value:
    """One value or the other, unchanged: a column of a set operation or of VALUES."""
    return Value(
        left.plain | right.plain,
        left.computed | right.computed,
        None,
        left.row or right.row,
        _common_type(left.type_name, right.type_name),
    )


@dataclass(frozen=True, slots=True)
class CallRow:
    """What a function with several OUT columns gives back: each may carry all its arguments."""

    names: tuple[str, ...]
    value: Value

    def find(self, name: str) -> Value | None:
        return self.value if name in self.names else None

    def columns(self) -> Sequence[NamedValue]:
        return [NamedValue(name, self.value) for name in self.names]
