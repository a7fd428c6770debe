"""Known plans, bounded in entries and bytes, least recently used first out."""

from __future__ import annotations

import sys
from collections import OrderedDict

from dbguard.engine.asks import Planned
from dbguard.engine.plan import PlanRequest, StateKey

MAX_ENTRIES = 20_000
"""An ORM-heavy application sends a few thousand texts; literals inlined make more."""
MAX_BYTES = 64 << 20
_ENTRY_BYTES = 1_500
"""Of an entry beside plan and text: the request, the key, their tuples and the table's slot.
tests/bench/analysis.py measures what an entry takes and what is counted for it."""


class PlanCache:
    """Plans by request and state key: whatever a plan depends on is in its key."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._plans: OrderedDict[tuple[PlanRequest, StateKey], Planned] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._plans)

    @property
    def size(self) -> int:
        """Bytes held, as far as they are not shared with sessions (principal, schemas)."""
        return self._bytes

    def find(self, request: PlanRequest, key: StateKey) -> Planned | None:
        found = self._plans.get((request, key))
        if found is not None:
            self._plans.move_to_end((request, key))
        return found

    def put(self, request: PlanRequest, planned: Planned) -> None:
        size = _size(request, planned)
        if size > self._max_bytes // 16:
            return
        entry = (request, planned.key)
        if entry in self._plans:
            return
        self._plans[entry] = planned
        self._bytes += size
        while len(self._plans) > self._max_entries or self._bytes > self._max_bytes:
            (asked, _), dropped = self._plans.popitem(last=False)
            self._bytes -= _size(asked, dropped)

    def clear(self) -> None:
        self._plans.clear()
        self._bytes = 0


def _size(request: PlanRequest, planned: Planned) -> int:
    return _ENTRY_BYTES + sys.getsizeof(request.text) + planned.plan.size
