"""Both directions of one connection: what goes out, what is owed, what is being skipped."""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

from dbguard.wire import backend, frontend
from dbguard.wire.errorfields import ErrorFields

from .asks import Answer, Ask, AskDurable, AskServer
from .changes import Change
from .pending import Owed, Pending, Queue

RESERVED = "_dbguard_"
"""Prefix of statement and portal names that only dbguard may use."""
REFUSED_NAME = b"_dbguard_refused"
REFUSED_TEXT = b"refused by dbguard"
"""Not SQL: the server's grammar rejects it, whatever the transaction state."""
MISTAKEN_TEXT = b'SELECT "refused by dbguard"'
"""Names no column: refused like a name that the client got wrong, which is to say in an aborted
transaction because of that."""
ABORTED = "25P02"
ABORTED_MESSAGE = "current transaction is aborted, commands ignored until end of transaction block"
_ANALYSED = ("42", "3F", "0A", ABORTED)
"""Classes of what the server finds only in texts that it looks into, which it does not once the
transaction is aborted."""
_DENIED = frozenset({"42501", "42601"})
"""What is said in any state of a transaction: that a rule denies it, or that it is not SQL."""

Steps = Generator[Ask, Answer, None]


class Skip(enum.Enum):
    """Whether client messages are being skipped until the next Sync."""

    NOTHING = "nothing"
    LOCAL = "local"
    """dbguard answered the error itself; the server has seen nothing since the last Sync."""
    SERVER = "server"
    """The server is in its skip-to-Sync state."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A message that waits until its decision record is durable."""

    data: bytes
    entry: Pending
    sequence: int


class Straight(Protocol):
    """The way past the queue (`lane`): what it has sent is not in the queue yet."""

    group: Any
    """What it holds that is not answered."""
    sent: bool
    """The server has got it."""

    def materialise(self) -> None:
        """Put what was sent into the queue."""


@dataclass(slots=True)
class Link:
    """The outgoing bytes and the state that refusals depend on."""

    to_client: list[bytes] = field(default_factory=list)
    to_server: list[bytes] = field(default_factory=list)
    lane: Straight | None = None
    _queue: Queue = field(default_factory=Queue)
    staged: list[Staged] = field(default_factory=list)
    staged_size: int = 0
    """Bytes in `staged`."""
    status: bytes = b"I"
    """Transaction status of the last ReadyForQuery."""
    worked: bool = False
    """The client's messages since the last end of a transaction, ReadyForQuery's or a COMMIT's in a
    pipeline, made a portal or ran something."""
    ended: bool = False
    """The last that they ran was such a COMMIT."""
    pipeline_open: bool = False
    """Extended messages were forwarded since the last message that ends with ReadyForQuery."""
    forming: Change[Any] | None = None
    """What the message that is being handled does to names: later than all that is on its way."""
    skip: Skip = Skip.NOTHING
    closed: bool = False
    passing: bool = False
    """The beginning of a message was sent, and nothing but its rest may follow."""
    farewell: bool = False
    """The client's Terminate was sent."""
    unflushed: bool = False
    """Messages were sent whose answers the server may keep back until Flush or Sync."""

    @property
    def queue(self) -> Queue:
        """What the server owes."""
        if self.lane is not None and self.lane.sent:
            self.lane.materialise()
        return self._queue

    @property
    def busy(self) -> int:
        """Messages that are not answered, or not even sent."""
        return len(self.queue.entries) + len(self.staged) + self._waits

    @property
    def _waits(self) -> bool:
        """The lane holds something that is not sent."""
        return self.lane is not None and self.lane.group is not None

    @property
    def held(self) -> int:
        """Bytes of them."""
        return self.queue.size + self.staged_size

    @property
    def at_rest(self) -> bool:
        """Nothing in flight and no transaction: dbguard may answer by itself."""
        return (
            not self.queue.entries
            and not self.staged
            and not self.pipeline_open
            and not self._waits
            and self.status == b"I"
        )

    @property
    def under_way(self) -> tuple[int, float] | None:
        """As the queue has it."""
        return self.queue.under_way

    @property
    def between_transactions(self) -> bool:
        """Provided that everything is answered: no transaction holds anything of the client's."""
        return not self.worked and (self.ended or self.status == b"I")

    @property
    def owes_farewell(self) -> bool:
        """The server is still to be told that this is the end, and would understand it."""
        return not self.farewell and not self.passing

    def stage(self, data: bytes, entry: Pending, sequence: int = 0) -> None:
        """Queue a message for release; dropped when an error has come in the meantime."""
        if self.skip is not Skip.NOTHING or self.closed:
            if entry.change is not None:
                entry.change.take_back()
            return
        self.forming = None
        self.staged.append(Staged(data, entry, sequence))
        self.staged_size += len(data)

    def release(self) -> Steps:
        """Send everything staged once its records are durable; refuse all of it if they can't be.

        After a failure the error has been sent and `skip` or the queue say so.
        """
        if not self.staged:
            return
        sequence = max(item.sequence for item in self.staged)
        durable = (yield AskDurable(sequence)) if sequence else True
        staged, self.staged = self.staged, []
        self.staged_size = 0
        if not staged:
            return
        if self.skip is not Skip.NOTHING or self.closed:
            self._take_back(staged)
            return
        if not durable:
            self._take_back(staged)
            owed = staged[0].entry.owed
            yield from self.refuse(AUDIT_LOST, query=owed in (Owed.QUERY, Owed.FUNCTION_CALL))
            return
        for item in staged:
            self.send(item.data, item.entry)

    def send(self, data: bytes, entry: Pending) -> None:
        """Send a message to the server at once and note what it owes."""
        self.to_server.append(data)
        self.passing = entry.passing
        self.sent(entry, len(data))

    def sent(self, entry: Pending, size: int) -> None:
        """Note what a message that the server gets, of so many bytes, owes."""
        entry.size = size
        self.queue.add(entry)
        if not entry.unseen:
            self._note_work(entry)
        # Query and FunctionCall end the implicit transaction of a pipeline like Sync
        self.pipeline_open = self.unflushed = not entry.owed.ends_with_ready

    def _note_work(self, entry: Pending) -> None:
        if entry.owed.ends_with_ready:
            self.worked = self.ended = False
        elif entry.owed is Owed.EXECUTE:
            self.ended = entry.plan is not None and entry.plan.ends_transaction
            self.worked = not self.ended
        elif entry.owed is Owed.BIND:
            self.worked = True

    def flush(self) -> None:
        """Make the server send what it keeps back."""
        if self.unflushed and not self.closed:
            self.unflushed = False
            self.to_server.append(frontend.Flush().encode())

    def refuse(
        self,
        fields: ErrorFields,
        *,
        query: bool,
        change: Change[Any] | None = None,
        ahead: bytes = b"",
    ) -> Steps:
        """Refuse one message so that client and server agree on what follows (DESIGN 2.5).

        `query` is True for Query and FunctionCall, which end with ReadyForQuery; any other
        message starts skipping until Sync. `change` is what the message does to names even when
        it fails, unless it is skipped; `ahead` what the client gets before the error.
        """
        yield from self.release()
        if self.skip is not Skip.NOTHING or self.closed:
            if change is not None:
                change.take_back()
            return
        self.forming = None
        analysed = fields.sqlstate.startswith(_ANALYSED) and fields.sqlstate not in _DENIED
        text = MISTAKEN_TEXT if analysed else REFUSED_TEXT
        if self.at_rest:
            self.to_client.append(ahead + fields.encode_error())
            if query:
                self.to_client.append(backend.ReadyForQuery(b"I").encode())
            else:
                self.skip = Skip.LOCAL
        elif query:
            data = frontend.Query(text).encode()
            self.send(data, Pending(Owed.QUERY, replacement=fields, change=change))
        else:
            data = frontend.Parse(REFUSED_NAME, text, ()).encode()
            entry = Pending(Owed.PARSE, replacement=fields, change=change, ahead=ahead)
            entry.unnamed = change is not None
            self.send(data, entry)
            self.skip = Skip.SERVER

    def drain(self) -> Steps:
        """Wait until the server has answered everything that settles what texts mean."""
        if not self.queue.unsettled and not any(item.entry.settles for item in self.staged):
            return
        yield from self.release()
        while self.queue.unsettled and not self.closed:
            self.flush()
            yield AskServer()

    def answered(self) -> Steps:
        """Wait until nothing is on its way, which might still fail."""
        yield from self.release()
        while self.queue.entries and not self.closed:
            self.flush()
            yield AskServer()

    def make_room(self, messages: int, size: int) -> Steps:
        """Wait until fewer than this many messages, and bytes of them, are unanswered."""
        while (self.busy >= messages or self.held >= size) and not self.closed:
            yield from self.release()
            if self.busy < messages and self.held < size:
                return
            self.flush()
            yield AskServer()

    def _take_back(self, staged: list[Staged]) -> None:
        if self.forming is not None:
            self.forming.take_back()
        for item in reversed(staged):
            if item.entry.change is not None:
                item.entry.change.take_back()

    def fail_pipeline(self, head: Pending, unnamed_lost: Callable[[], object]) -> None:
        """The server reported an error for `head` and skips to the next Sync.

        What it skips has changed nothing. What stands behind the Sync was assumed on top of
        that, so everything is taken back, last first, and the rest is made again.
        """
        keep, forming = self.queue.holds_sync, self.forming
        if forming is not None:
            forming.take_back()
        ahead = [*self.queue.entries, *(item.entry for item in self.staged)]
        for entry in reversed(ahead):
            if entry.change is not None:
                entry.change.take_back()
        dropped = self.queue.drop_to_sync()
        if head.unnamed:
            unnamed_lost()
        if not keep:
            self.staged, self.staged_size = [], 0
            return
        for entry in ahead[len(dropped) :]:
            if entry.change is not None:
                entry.change.make()
        if forming is not None:
            forming.make()


AUDIT_LOST = ErrorFields(
    (
        ("S", b"ERROR"),
        ("V", b"ERROR"),
        ("C", b"58030"),
        ("M", b"the audit log cannot be written"),
        ("D", b"No statement runs without a durable record of its decision."),
        ("H", b"Ask the operator of dbguard to free space or repair the log; then try again."),
    )
)
