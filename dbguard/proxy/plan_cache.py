"""Known plans, bounded in entries and bytes, least recently used first out.

A plan is kept under its own text, and where it leaves literals free (`engine/stencil.py`), as a
stencil under the text without literals and with the literals that it may rest on. Whatever else a
plan depends on stands in both keys.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from dbguard.engine.asks import Planned
from dbguard.engine.plan import PlanRequest, StateKey
from dbguard.engine.stencil import Fixed, Stencil, stencil_of
from dbguard.sql.shape import Shape, shape_of

MAX_ENTRIES = 20_000
"""An ORM-heavy application sends a few thousand texts; literals inlined make more."""
MAX_BYTES = 64 << 20
_ENTRY_BYTES = 1_500
"""Of an entry beside plan and text: the request, the key, their tuples and the table's slot.
tests/bench/analysis.py measures what an entry takes and what is counted for it."""
_LITERAL_BYTES, _RUN_BYTES = 100, 200
"""Of a stencil for each piece between literals (a string, a number and their slots) and for each
run of positions (a tuple of three numbers). The plan is counted once more: its other entry may go
first."""

_Key = tuple[Hashable, ...]


class _Entry(NamedTuple):
    kept: Planned | Stencil | Fixed
    """Fixed literals stand under a text without any of its literals: with them added to the key,
    stencils are found."""
    size: int


class PlanCache:
    """Plans by request and state key: whatever a plan depends on is in its key."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes held, as far as they are not shared with sessions (principal, schemas)."""
        return self._bytes

    def find(self, request: PlanRequest, key: StateKey) -> Planned | None:
        """The plan for exactly this text."""
        found = self._used((request, key))
        return found if isinstance(found, Planned) else None

    def find_alike(self, request: PlanRequest, key: StateKey) -> Planned | None:
        """A plan that was made for a text with other literals, as it is for this one."""
        shape = shape_of(request.text)
        found = None if shape is None else self.stencil(request, key, shape)
        return None if shape is None or found is None else found.plan(shape)

    def stencil(self, request: PlanRequest, key: StateKey, shape: Shape) -> Stencil | None:
        """What makes the plan for the request's text, whose shape it is."""
        place = _place(shape.blank, request, key)
        found = self._used(place)
        if isinstance(found, tuple):
            found = self._used((*place, tuple([shape.literals[i] for i in found])))
        return found if isinstance(found, Stencil) else None

    def place(self, request: PlanRequest, key: StateKey) -> Hashable:
        """What requests have in common that a plan for one of them may be for."""
        shape = shape_of(request.text)
        return (request, key) if shape is None else _place(shape.blank, request, key)

    def put(self, request: PlanRequest, planned: Planned) -> None:
        """Keep a plan that was made for `request`."""
        size = _ENTRY_BYTES + sys.getsizeof(request.text) + planned.plan.size
        if not self._keep((request, planned.key), planned, size):
            return
        shape = shape_of(request.text) if planned.plan.freedom is not None else None
        stencil = None if shape is None else stencil_of(planned, shape)
        if shape is None or stencil is None:
            return
        size += (
            len(shape.blank) + _LITERAL_BYTES * len(shape.between) + _RUN_BYTES * len(stencil.runs)
        )
        place = _place(shape.blank, request, planned.key)
        if stencil.fixed:
            known = self._used(place)
            if known is None:
                self._keep(place, stencil.fixed, _ENTRY_BYTES + sys.getsizeof(shape.blank))
            elif known != stencil.fixed:
                return
            place = (*place, tuple([shape.literals[i] for i in stencil.fixed]))
        self._keep(place, stencil, size)

    def clear(self) -> None:
        self._entries.clear()
        self._bytes = 0

    def _used(self, place: _Key) -> Planned | Stencil | Fixed | None:
        """What is kept there, if anything, which now was used last."""
        found = self._entries.get(place)
        if found is None:
            return None
        self._entries.move_to_end(place)
        return found.kept

    def _keep(self, place: _Key, kept: Planned | Stencil | Fixed, size: int) -> bool:
        """Whether there was room and nothing in its place."""
        if size > self._max_bytes // 16 or place in self._entries:
            return False
        self._entries[place] = _Entry(kept, size)
        self._bytes += size
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            _, dropped = self._entries.popitem(last=False)
            self._bytes -= dropped.size
        return True


def _place(blank: str, request: PlanRequest, key: StateKey) -> _Key:
    """The key of what is for all texts that are `blank` without their literals."""
    return (
        blank,
        request.principal,
        request.view,
        request.environment,
        request.parameter_types,
        request.changes,
        key,
    )
