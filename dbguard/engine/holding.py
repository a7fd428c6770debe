"""A table of named things that knows how many bytes they hold together."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Protocol, TypeVar


class Weighed(Protocol):
    """What can be held, under one name at a time."""

    counted: int
    """What it weighed when it was put there."""

    @property
    def weight(self) -> int:
        """Bytes, about: texts and plans."""


W = TypeVar("W", bound=Weighed)


class Held(MutableMapping[str, W]):
    """Things by name. Each counts what it weighed when it was put there."""

    __slots__ = ("data", "weight")

    def __init__(self) -> None:
        self.data: dict[str, W] = {}
        self.weight = 0

    def __getitem__(self, name: str) -> W:
        return self.data[name]

    def __contains__(self, name: object) -> bool:
        return name in self.data

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __setitem__(self, name: str, value: W) -> None:
        before = self.data.get(name)
        if before is not None:
            self.weight -= before.counted
        value.counted = value.weight
        self.weight += value.counted
        self.data[name] = value

    def __delitem__(self, name: str) -> None:
        self.weight -= self.data.pop(name).counted
