"""A table of named things that knows how many bytes they hold together."""

from __future__ import annotations

from collections import UserDict
from typing import Protocol, TypeVar


class Weighed(Protocol):
    """What can be held."""

    @property
    def weight(self) -> int:
        """Bytes, about: texts and plans."""


W = TypeVar("W", bound=Weighed)


class Held(UserDict[str, W]):
    """Things by name. Each counts what it weighed when it was put there."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = 0
        self._weights: dict[str, int] = {}

    def __setitem__(self, name: str, value: W) -> None:
        weight = value.weight
        self.weight += weight - self._weights.get(name, 0)
        self._weights[name] = weight
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self.weight -= self._weights.pop(name)
