"""Changes to the tables of names that can be taken back, and made again."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Change(Generic[T]):
    """One name got another value, or lost it. Made when created."""

    __slots__ = ("_before", "_made", "_name", "_table", "_value")

    def __init__(self, table: MutableMapping[str, T], name: str, value: T | None) -> None:
        self._table, self._name, self._value = table, name, value
        self._before: T | None = None
        self.make()

    def make(self) -> None:
        """Make the change; what it takes back to is what is there now."""
        self._before = self._table.get(self._name)
        self._made = True
        self._set(self._value)

    def take_back(self) -> None:
        """As if it had not been made, once. Later changes have to be taken back first."""
        if self._made:
            self._made = False
            self._set(self._before)

    def end_with(self, value: T) -> None:
        """Let the same change lead to `value`."""
        self._value = value
        self._set(value)

    def _set(self, value: T | None) -> None:
        if value is None:
            self._table.pop(self._name, None)
        else:
            self._table[self._name] = value
