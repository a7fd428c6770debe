"""The straight way: what was decided before, and comes again alone, goes from bytes to bytes.

Most messages of an application were seen before: a Query of a known text, or Bind to Sync of a
prepared statement, with or without Parse, while nothing is on its way and nothing has changed that
the decision rested on. The lane takes such messages without a question and without a wait, with
the same records as the general way (`session`, `extended`, `answers`). It never decides: what is
*known* (`known`) is what the general way has just decided, recorded and sent under the same
catalog, rules, principal and view. Whatever is not exactly that (another message behind it, an
error, a notice, a long result) is left untouched to the general way, which then finds in the queue
what is on its way, as if it had sent it itself (`materialise`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dbguard.errors import ProtocolViolation
from dbguard.wire.framing import HEADER_BYTES, Frame
from dbguard.wire.tags import Backend

from .answers import Answers, protected_column
from .asks import Surroundings
from .auditing import SessionIdentity
from .known import Knowledge, Known
from .link import Link, Skip
from .names import NameTable, Portal, Prepared
from .pending import Owed, Pending
from .scope import Scope

_DESCRIBE = b"D\0\0\0\x06P\0"
_EXECUTE = b"E\0\0\0\x09\0"
"""Of the unnamed portal; how many rows stands in four bytes behind it."""
_SYNC = b"S\0\0\0\x04"
_READY = b"Z\0\0\0\x05"
_TAIL = len(_EXECUTE) + 4 + len(_SYNC)
_PARSED, _BOUND = b"1\0\0\0\x04", b"2\0\0\0\x04"
_NO_DATA, _SUSPENDED = b"n\0\0\0\x04", b"s\0\0\0\x04"
_QUERY, _PARSE, _BIND = ord("Q"), ord("P"), ord("B")
_ROW_DESCRIPTION, _DATA_ROW, _COMPLETE = ord("T"), ord("D"), ord("C")
_NOTHING = Skip.NOTHING
_ANSWER_BYTES = 1 << 16
"""Longer answers are relayed run by run."""


def end_of(data: bytes, start: int) -> int:
    """Where the message that begins at `start` ends; far behind all data if its length is not
    there, or beyond what passes here."""
    if start + HEADER_BYTES > len(data) or data[start + 1]:
        return len(data) + _ANSWER_BYTES
    return start + 1 + (data[start + 2] << 16 | data[start + 3] << 8 | data[start + 4])


@dataclass(slots=True, eq=False)
class Group:
    """Known messages on their way, with the records of it."""

    known: Known
    data: bytes = field(repr=False)
    """What the server gets."""
    received: bytes = field(repr=False)
    """What the client sent."""
    decision: int
    started: float
    described: bool = False
    """Describe of the portal is among them."""
    parsed: int | None = None
    """The decision on Parse, if that is among them."""
    prepared: Prepared | None = None
    """What Bind names; None for a Query."""
    tag: bytes = b""
    """Of the answer, as CommandComplete has it; empty for a portal that was not run to its end."""
    rows: int = 0
    size: int = 0
    """Bytes of the rows."""
    columns: bytes | None = None
    status: bytes = b""
    """As ReadyForQuery told it."""


@dataclass(slots=True)
class Lane:
    """The straight way of one session."""

    identity: SessionIdentity
    link: Link
    scope: Scope
    names: NameTable
    answers: Answers
    surroundings: Surroundings
    group: Group | None = None
    """What was taken and not answered yet."""
    sent: bool = False
    """The server has got it."""
    knowledge: Knowledge = field(init=False)

    def __post_init__(self) -> None:
        self.knowledge = Knowledge(self.identity, self.scope, self.names, self.surroundings)
        self.link.lane = self

    # -- the client's side ----------------------------------------------------

    def offer(self, data: bytes) -> int | None:
        """Take what the client sent, if it is known and alone.

        Returns the number of the decision's record, to be kept before `send`; None when it is for
        the general way, and nothing has happened.

        Raises:
            AuditUnavailable: the audit log cannot be written.
        """
        kind = data[0]
        if kind == _QUERY:
            found = self.knowledge.query(data)
            if found is None:
                return None
            known, sent = found
            if "" in self.names.statements.data or not self._holds(known):
                return None
            return self._take(known, sent, data, False, None)
        if kind not in (_BIND, _PARSE):
            return None
        begin = 0 if kind == _BIND else end_of(data, 0)
        end, tail = end_of(data, begin), len(data) - _TAIL
        described = end == tail - len(_DESCRIBE) and data.startswith(_DESCRIBE, end)
        if end != tail and not described:
            return None
        if not data.startswith(_EXECUTE, tail) or not data.endswith(_SYNC) or data[begin + 5]:
            return None
        if len(self.names.portals.data) >= self.names.limit:
            return None
        if kind == _PARSE:
            return self._parsed(data, begin, described)
        stop = 6
        while stop < end and data[stop]:
            stop += 1
        bound = self.knowledge.statement(data[6:stop])
        if bound is None or not self._holds(bound):
            return None
        return self._take(bound, data, data, described, bound.prepared)

    def _parsed(self, data: bytes, bind: int, described: bool) -> int | None:
        """Parse and Bind of the unnamed statement; Bind begins at `bind`.

        Who does not see everything raw gets no row before it is known what stands in it: where the
        general way asks for that itself (Describe of the statement), here the client has to ask.
        """
        if data[bind] != _BIND or data[bind + 6]:
            return None
        known = self.knowledge.text(data[:bind])
        if known is None or not (described or known.raw_access) or not self._holds(known):
            return None
        before = known.prepared
        assert before is not None
        prepared = Prepared(
            "",
            before.text,
            before.parameter_types,
            known.plan,
            known.basis,
            identity=self.names.next_identity(self.identity.session),
            forwarded=known.plan.text,
            cycle=self.names.cycle,
        )
        return self._take(known, known.data + data[bind:], data, described, prepared)

    def _holds(self, known: Known) -> bool:
        """Whether nothing is on its way, and all is as it was when it was decided."""
        link, scope = self.link, self.scope
        if (
            self.group is not None
            or link.skip is not _NOTHING
            or link.closed
            or link.passing
            or link.pipeline_open
            or link.staged
            or link.queue.entries
            or link.status == b"E"
            or scope.status != link.status
            or not scope.settled()
            or (scope.view is not known.view and scope.view != known.view)
            or (scope.texts is not known.texts and scope.texts != known.texts)
            or self.identity.principal is not known.principal
            or (known.names_masks and not self.answers.masks_named)
        ):
            return False
        key = self.surroundings.standing_key()
        if key is None or (key is not known.key and key != known.key):
            return False
        return scope.said is None or scope.seen is key or scope.seen == key

    def _take(
        self,
        known: Known,
        sent: bytes,
        received: bytes,
        described: bool,
        prepared: Prepared | None,
    ) -> int:
        answers, surroundings = self.answers, self.surroundings
        answers.restricted = known.restricted
        answers.raw_access = self.scope.raw_access = known.raw_access
        parsed, decision = None, known.decision
        if known.of_parse is not None:
            assert prepared is not None
            template, session = known.of_parse
            parsed = surroundings.record(template.fill(session, "parse", prepared.identity))
            decision = template.fill(session, "bind", prepared.identity)
        number = surroundings.record(decision)
        started = surroundings.monotonic()
        self.sent = False
        self.group = Group(known, sent, received, number, started, described, parsed, prepared)
        return number

    def send(self) -> bytes:
        """The decision is kept: what the server gets."""
        assert self.group is not None
        self.sent = True
        return self.group.data

    def withdraw(self) -> bytes:
        """The decision could not be kept: what the client sent, for the general way."""
        assert self.group is not None
        group, self.group = self.group, None
        return group.received

    # -- the server's side ----------------------------------------------------

    def answer(self, data: bytes) -> bool:
        """Whether `data` is the whole answer, and may go to the client as it is; then `finish`.

        If not, it is for the general way, which knows by now what was sent.
        """
        if not self.sent:
            return False
        try:
            if len(data) <= _ANSWER_BYTES and self._is_whole(data):
                return True
        except ProtocolViolation:
            pass  # the general way says it
        self.materialise()
        return False

    def _is_whole(self, data: bytes) -> bool:
        group = self.group
        assert group is not None
        known, position, columns = group.known, 0, None
        if group.parsed is not None:
            if not data.startswith(_PARSED):
                return False
            position = len(_PARSED)
        shows = group.prepared is None
        if not shows:
            if not data.startswith(_BOUND, position):
                return False
            position += len(_BOUND)
            if group.described and data.startswith(_NO_DATA, position):
                position, columns = position + len(_NO_DATA), b""
            elif group.described:
                shows = True
                if data[position : position + 1] != b"T":
                    return False
        size = len(data)
        if shows and position < size and data[position] == _ROW_DESCRIPTION:
            end = end_of(data, position)
            columns = data[position + HEADER_BYTES : end]
            if columns != known.columns and not self._shows_nothing(known, columns):
                return False
            position = end
        first, rows = position, 0
        while position < size and data[position] == _DATA_ROW:
            position = end_of(data, position)
            rows += 1
        of_rows = position - first - HEADER_BYTES * rows
        if position < size and data[position] == _COMPLETE:
            end = end_of(data, position)
            tag = data[position + HEADER_BYTES : end]
        elif data.startswith(_SUSPENDED, position) and group.prepared is not None:
            end, tag = position + len(_SUSPENDED), b""
        else:
            return False
        if size != end + 6 or not data.startswith(_READY, end):
            return False
        status = data[end + 5 :]
        if status != self.link.status and not (known.effects and status in (b"I", b"T")):
            return False
        group.tag, group.status, group.columns = tag, status, columns
        group.rows, group.size = rows, of_rows
        return True

    def _shows_nothing(self, known: Known, columns: bytes) -> bool:
        """The tripwire has nothing against these columns."""
        if not known.raw_access:
            frame = Frame(Backend.ROW_DESCRIPTION, columns)
            if protected_column(frame, known.restricted) is not None:
                return False
        known.columns = columns
        return True

    def finish(self) -> None:
        """The client has the whole answer: note what the general way would have noted."""
        group = self.group
        assert group is not None
        self.group, self.sent = None, False
        known, link, names, prepared = group.known, self.link, self.names, group.prepared
        tag, status, columns = group.tag, group.status, group.columns
        if known.effects:
            self.answers.statement_ran(known.plan.statements[0])
        elif tag and known.withholds:
            self.answers.withhold_until_end = True
        words = tag or b"SUSPENDED"
        self.answers.outcomes.ended(
            group.decision, group.started, words, group.rows, group.size, ""
        )
        if prepared is not None:
            if columns is not None:
                prepared.told.columns = columns
            if group.parsed is not None:
                names.put_statement(prepared)
            if status == b"T":
                names.put_portal(self._portal(group, prepared))
        link.worked = link.ended = link.unflushed = False
        self.answers.at_ready(status, names.next_cycle())
        link.queue.rounds += 1

    def _portal(self, group: Group, prepared: Prepared) -> Portal:
        known = group.known
        return Portal(
            "",
            known.plan,
            (group.decision,),
            prepared.identity,
            executed=True,
            cycle=self.names.cycle,
            source=prepared,
            basis=known.basis,
            base=prepared.plan,
            text=prepared.text,
        )

    # -- handing over ---------------------------------------------------------

    def materialise(self) -> None:
        """Put what was sent into the queue, as if the general way had sent it."""
        group = self.group
        assert group is not None
        self.group, self.sent = None, False
        known, names, sent = group.known, self.names, self.link.sent
        plan, basis, decisions = known.plan, known.basis, (group.decision,)
        prepared, size = group.prepared, len(group.data)
        if prepared is None:
            plan = self.knowledge.remade(known, group.received)
            query = Pending(Owed.QUERY, plan=plan, basis=basis, decisions=decisions)
            query.started, query.text = group.started, group.received[5:-1]
            query.change = names.drop_unnamed()
            query.cycle = names.next_cycle()
            query.settles = bool(plan.effects) and self.scope.settles(plan.effects)
            sent(query, size)
            return
        if group.parsed is not None:
            parse = Pending(Owed.PARSE, plan=plan, basis=basis, decisions=(group.parsed,))
            parse.started, parse.unnamed = group.started, True
            parse.change = names.drop_unnamed()
            parse.change.end_with(prepared)
            sent(parse, 0)
        bind = Pending(Owed.BIND, plan=plan, basis=basis, decisions=decisions)
        bind.started = group.started
        bind.change = names.put_portal(self._portal(group, prepared))
        sent(bind, size)
        if group.described:
            sent(Pending(Owed.DESCRIBE, plan=plan, basis=basis, shape=prepared.told), 0)
        execute = Pending(Owed.EXECUTE, plan=plan, basis=basis, decisions=decisions)
        execute.started, execute.portal = group.started, ""
        execute.text, execute.cycle = prepared.text, names.cycle
        sent(execute, 0)
        sent(Pending(Owed.SYNC, cycle=names.next_cycle()), 0)
