"""What a row of the table needs to be measured: rigs, options, and taking turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from .figures import Measured, Sample
from .proxies import System
from .rig import Chosen, Rig


@dataclass(frozen=True, slots=True)
class Options:
    """How long everything takes."""

    rounds: int
    seconds: int


@dataclass(slots=True)
class Rigs:
    """The rigs of one run, each made when first wanted."""

    stack: ExitStack
    chosen: Chosen
    _plain: Rig | None = field(default=None, init=False)
    _encrypted: Rig | None = field(default=None, init=False)

    @property
    def plain(self) -> Rig:
        """Without TLS."""
        if self._plain is None:
            self._plain = Rig(self.stack, self.chosen)
        return self._plain

    @property
    def encrypted(self) -> Rig:
        """With TLS. Raises Absent when no server can do that."""
        if self._encrypted is None:
            self._encrypted = Rig(self.stack, self.chosen, encrypted=True)
        return self._encrypted

    def crowded(self, stack: ExitStack, connections: int) -> Rig:
        """One for very many connections, to be closed with `stack`."""
        return Rig(stack, self.chosen, connections=connections, filled=False)


@dataclass(frozen=True, slots=True)
class Planned:
    """A measure that can be taken, or several that are taken together."""

    group: str
    title: str
    run: Callable[[Rigs, Options, Planned], list[Measured]]
    """Raises Absent when it cannot be taken here."""
    quick: bool = False
    """Of those that `--quick` takes."""

    def is_meant_by(self, words: Sequence[str]) -> bool:
        name = f"{self.group}: {self.title}".lower()
        return any(word.lower() in name for word in words)


def in_turns(
    systems: Sequence[System], rounds: int, turn: Callable[[System], Sample]
) -> list[dict[str, Sample]]:
    """Every system once in each round; the one that begins is another each time."""
    found = []
    for number in range(rounds):
        at = number % len(systems) if systems else 0
        found.append({one.name: turn(one) for one in (*systems[at:], *systems[:at])})
    return found
