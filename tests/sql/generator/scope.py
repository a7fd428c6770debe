"""What a place in a generated query may refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .world import Field, Kind


@dataclass(frozen=True, slots=True)
class Source:
    """Something in FROM that columns can be qualified with."""

    name: str
    fields: tuple[Field, ...]
    row: bool = False
    """A relation: its name alone is its row, and f(p) may mean p.f."""
    stored: bool = False
    """It has system columns."""
    schema: str | None = None
    """`schema.name` may stand for `name`."""
    table: str = ""
    """The relation's own name."""

    def named(self) -> Iterator[Field]:
        """Fields that one name says."""
        names = [f.name for f in self.fields]
        return (f for f in self.fields if f.name and names.count(f.name) == 1)


@dataclass(frozen=True, slots=True)
class Scope:
    """One query level, the outer ones behind it."""

    parent: Scope | None = None
    sources: tuple[Source, ...] = ()
    plain: tuple[Field, ...] = ()
    """What can be said without a qualifier; merged columns once."""
    common: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    """WITH queries in reach."""
    grouped: tuple[tuple[str, Kind], ...] | None = None
    """Texts of the grouping items; nothing else of this level may be used outside aggregates."""

    def levels(self) -> Iterator[Scope]:
        level: Scope | None = self
        while level is not None:
            yield level
            level = level.parent

    def inner(self) -> Scope:
        """An empty level below this one."""
        behind = self if self.grouped is None else replace(self, sources=(), plain=())
        return Scope(behind, common=self.common)

    def columns(self) -> Iterator[tuple[int, str, str, Field]]:
        """Level, qualifier (or nothing) and field of everything that can be said here."""
        names: set[str] = set()
        hidden: set[str] = set()
        for depth, level in enumerate(self.levels()):
            if level.grouped is None:
                said = [f.name for f in level.plain]
                for found in level.plain:
                    if found.name and said.count(found.name) == 1 and found.name not in names:
                        yield depth, "", "", found
                for source in level.sources:
                    if source.name not in hidden:
                        for found in source.named():
                            yield depth, source.schema or "", source.name, found
            names |= {f.name for f in level.plain}
            hidden |= {s.name for s in level.sources}
