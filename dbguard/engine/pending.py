"""What the server still owes: one entry for each message forwarded to it, in order.

The grammar of answers is PostgreSQL's ("Message Flow" in its documentation): an entry says which
messages may come while it is at the head, and which one ends it.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from dbguard.wire.errorfields import ErrorFields

from .changes import Change
from .plan import Basis, Plan

if TYPE_CHECKING:
    from .copying import Resync


@dataclass(slots=True)
class Shape:
    """What Describe said of a statement: message payloads as they came, None before it did."""

    parameters: bytes | None = None
    columns: bytes | None = None
    """RowDescription's payload; b"" for NoData."""


_Item = TypeVar("_Item")


class Owed(enum.Enum):
    """Kinds of forwarded messages, by what answers them."""

    QUERY = "query"
    PARSE = "parse"
    BIND = "bind"
    DESCRIBE = "describe"
    EXECUTE = "execute"
    CLOSE = "close"
    SYNC = "sync"
    FUNCTION_CALL = "function_call"
    SYNCS = "syncs"
    """dbguard's own question how many Syncs inside a failed COPY the server obeyed."""

    @property
    def ends_with_ready(self) -> bool:
        """True when ReadyForQuery is its last answer."""
        return self in (Owed.QUERY, Owed.SYNC, Owed.FUNCTION_CALL, Owed.SYNCS)


@dataclass(slots=True, eq=False)
class Pending:
    """One forwarded message waiting for its answers."""

    owed: Owed
    passing: bool = False
    """The rest of the message follows from the client, piece by piece."""
    size: int = 0
    """Bytes of the message."""
    unseen: bool = False
    """dbguard's own: none of its answers reach the client."""
    plan: Plan | None = None
    decisions: tuple[int, ...] = ()
    """Sequence numbers of the decision records, one a statement of the plan."""
    basis: Basis | None = None
    """What `plan` was made under."""
    text: bytes = field(default=b"", repr=False)
    """The client's own text, where it may name statements (QUERY, EXECUTE)."""
    portal: str | None = None
    """Name of the portal that is executed."""
    started: float = 0.0
    missing: bool = False
    """Names what dbguard does not know: the server has to say that there is nothing."""
    replacement: ErrorFields | None = None
    """Error to show instead of the one this message provokes on purpose."""
    ahead: bytes = field(default=b"", repr=False)
    """What the client gets before that error."""
    change: Change[Any] | None = None
    """Takes back what the session assumed when the server skips or fails this message."""
    unnamed: bool = False
    """Destroys the unnamed statement even when it fails: only skipping takes that back."""
    done: Callable[[], None] | None = None
    """Called when its last answer has come without an error."""
    answer: Callable[[bytes], None] | None = None
    """Probe: takes each DataRow's bytes."""
    notices: tuple[str, ...] = ()
    """NOTICEs to show the client in front of its first answer."""
    settles: bool = False
    """Changes what later texts mean: nothing is planned until it is answered."""
    statement: int = 0
    """Index of the plan's statement whose answer comes next (QUERY)."""
    rows: int = 0
    """Rows that the statement has sent so far, or messages of COPY data."""
    bytes: int = 0
    """Bytes of them, without the protocol's own, or of what COPY took in."""
    failed: bool = False
    copying_in: bool = False
    copies_left: int = 0
    """COPY FROM STDIN statements of it that have not started: later messages wait for them."""
    syncs: int = 0
    """Syncs sent into its COPY: ignored, unless it had failed before them."""
    outcome_awaited: bool = False
    """Nothing may be sent behind it before it is known whether its COPY failed."""
    intruder: int = 0
    """Type of the client's message that had no place in its COPY."""
    interrupted: bool = False
    """The intruder is what ended it."""
    resync: Resync | None = None
    """Reads the answers to SYNCS."""
    probe: bool = False
    """A question of dbguard's own: its errors are not shown either."""
    error: ErrorFields | None = field(default=None, repr=False)
    """The error that ended it, as it may be shown to the client."""
    shape: Shape | None = None
    """Takes what Describe says."""
    cycle: int = 0
    """Which ReadyForQuery it belongs to, counted from login; ends portals made up to then."""

    @property
    def must_fail(self) -> bool:
        """Nothing but an error is a right answer to it."""
        return self.missing or self.replacement is not None


def _with(queue: deque[_Item] | tuple[()], item: _Item) -> deque[_Item]:
    if isinstance(queue, tuple):
        return deque((item,))
    queue.append(item)
    return queue


def _first(queue: deque[_Item] | tuple[()]) -> tuple[_Item, deque[_Item] | tuple[()]]:
    """The first item, taken out, and what is left. Raises IndexError when there is none."""
    if isinstance(queue, tuple):
        raise IndexError("nothing is owed")
    first = queue.popleft()
    return first, queue or ()


@dataclass(slots=True)
class Queue:
    """The entries in order, and what an error does to them."""

    entries: deque[Pending] | tuple[()] = ()
    """No deque while nothing is owed: an empty one takes 700 bytes of each connection."""
    unsettled: int = 0
    """How many of them change what later texts mean."""
    size: int = 0
    """Bytes of the messages that are not answered."""
    copies: tuple[Pending, ...] = ()
    """Those that hold COPY FROM STDIN."""
    _cycles: deque[int] | tuple[()] = ()
    """Which ReadyForQuery each is, of those that are owed to the client."""
    rounds: int = 0
    """How many ReadyForQuery have come: statements of different rounds are never the same."""

    @property
    def head(self) -> Pending | None:
        return self.entries[0] if self.entries else None

    @property
    def under_way(self) -> tuple[int, float] | None:
        """The round that the server works on for the client, and when (monotonic seconds) its last
        statement was sent; None when the client waits for nothing."""
        started = [entry.started for entry in self.entries if not entry.unseen]
        return (self.rounds, max(started)) if started else None

    @property
    def copy_awaited(self) -> bool:
        """A COPY FROM STDIN was sent and has not started: nothing may be sent behind it."""
        return any(entry.copies_left and not entry.copying_in for entry in self.copies)

    @property
    def unclear(self) -> bool:
        """It is not known whether the server skips what would be sent now."""
        head = self.head
        return head is not None and (head.outcome_awaited or head.resync is not None)

    @property
    def oldest_cycle(self) -> int | None:
        """Which ReadyForQuery comes next of those that are owed; None when none is."""
        return self._cycles[0] if self._cycles else None

    @property
    def holds_sync(self) -> bool:
        return any(entry.owed is Owed.SYNC for entry in self.entries)

    def add(self, entry: Pending) -> None:
        self.entries = _with(self.entries, entry)
        self.unsettled += entry.settles
        self.size += entry.size
        if entry.copies_left:
            self.copies += (entry,)
        if entry.owed.ends_with_ready and not entry.unseen:
            self._cycles = _with(self._cycles, entry.cycle)

    def _pop(self) -> Pending:
        entry, self.entries = _first(self.entries)
        self.rounds += entry.owed.ends_with_ready
        self.unsettled -= entry.settles
        self.size -= entry.size
        if self.copies:
            self.copies = tuple(other for other in self.copies if other is not entry)
        if entry.owed.ends_with_ready and not entry.unseen:
            _, self._cycles = _first(self._cycles)
        return entry

    def finish(self) -> Pending:
        """Remove the head, answered in full."""
        entry = self._pop()
        if entry.done is not None and not entry.failed:
            entry.done()
        return entry

    def drop_to_sync(self) -> list[Pending]:
        """Drop what the server skips after an error: everything up to the next Sync.

        Returns the dropped entries, the failed head first. Their changes stay.
        """
        dropped: list[Pending] = []
        while self.entries and self.entries[0].owed is not Owed.SYNC:
            dropped.append(self._pop())
        return dropped
