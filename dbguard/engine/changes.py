"""Changes to the tables of names that can be taken back, and made again."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Change(Generic[T]):
    """One name got another value, or lost it. Made when created."""

    __slots__ = ("_before", "_name", "_table", "_value")

    def __init__(self, table: MutableMapping[str, T], name: str, value: T | None) -> None:
        self._table, self._name, self._value = table, name, value
        self._before: T | None = None
        self.make()

    def make(self) -> None:
        """Make the change; what it takes back to is what is there now."""
        self._before = self._table.get(self._name)
        self._set(self._value)

    def hold(self) -> None:
        """Make the change again where something that was made before it, and taken back and made
        again since, stands in its place."""
        if self._table.get(self._name) is not self._value:
            self.make()

    def take_back(self) -> None:
        """As if it had not been made. Later changes have to be taken back first."""
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
