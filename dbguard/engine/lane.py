"""The straight way: what was decided before, and comes again alone, goes from bytes to bytes.

Most messages of an application were seen before: a Query of a known text, or Bind to Sync of a
prepared statement, while nothing is on its way and nothing has changed that the decision rested
on. The lane takes such messages without a question and without a wait, with the same records as
the general way (`session`, `extended`, `answers`). It never decides: a *known* message is one that
the general way has just decided, recorded and sent under the same catalog, rules, principal and
view. Whatever is not exactly that (another message behind it, an error, a notice, a long result)
is left untouched to the general way, which then finds in the queue what is on its way, as if it
had sent it itself (`materialise`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from dbguard.audit.rendering import Rendered, render
from dbguard.errors import ProtocolViolation
from dbguard.policy.decision import ErrorTexts, Principal
from dbguard.wire.framing import HEADER_BYTES, Frame
from dbguard.wire.tags import Backend

from .answers import Answers, protected_column
from .asks import Planned, Surroundings
from .auditing import SessionIdentity, decision_records
from .link import Link, Skip
from .names import NameTable, Portal, Prepared
from .pending import Owed, Pending
from .plan import Basis, Plan
from .scope import Scope
from .settling import Settling

_DESCRIBE = b"D\0\0\0\x06P\0"
_EXECUTE = b"E\0\0\0\x09\0"
"""Of the unnamed portal; how many rows stands in four bytes behind it."""
_SYNC = b"S\0\0\0\x04"
_TAIL = len(_EXECUTE) + 4 + len(_SYNC)
_SUSPENDED = b"s\0\0\0\x04"
_QUERY, _BIND = ord("Q"), ord("B")
_KEPT = 64
"""Known messages of one session: an application's loop has a few."""
_MESSAGE_BYTES = 4096
_ANSWER_BYTES = 1 << 16
"""Longer answers are relayed run by run."""


@dataclass(slots=True, eq=False)
class Known:
    """A message that may go again as long as everything is as it was."""

    plan: Plan
    basis: Basis
    principal: Principal
    texts: tuple[str | None, ...]
    """How bytes are read."""
    decision: Rendered
    data: bytes = field(repr=False)
    """What the server gets for a Query."""
    text: bytes = field(default=b"", repr=False)
    """The client's own text."""
    prepared: Prepared | None = None
    """What Bind names; None for a Query."""
    columns: bytes | None = field(default=None, repr=False)
    """RowDescription's payload when it was last looked at, and found to show nothing protected."""


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


@dataclass(slots=True)
class Lane:
    """The straight way of one session."""

    identity: SessionIdentity
    link: Link
    scope: Scope
    names: NameTable
    answers: Answers
    settling: Settling
    surroundings: Surroundings
    group: Group | None = None
    """What was taken and not answered yet."""
    sent: bool = False
    """The server has got it."""
    _queries: dict[bytes, Known] = field(default_factory=dict)
    _statements: dict[bytes, Known] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.link.lane = self

    # -- learning -------------------------------------------------------------

    def learn_query(
        self, raw: bytes, data: bytes, text: bytes, planned: Planned, plan: Plan, basis: Basis
    ) -> None:
        """The general way is about to send `data` for the Query `raw`, whose text is `text`."""
        if plan is not planned.plan or len(raw) > _MESSAGE_BYTES:
            return
        if not self._is_learnt(self._queries.get(raw), plan, basis) and _is_plain(plan, planned):
            known = self._known(plan, planned, basis, "query", "")
            known.data, known.text = data, text
            _keep(self._queries, raw, known)

    def learn_bind(self, name: bytes, prepared: Prepared, planned: Planned, plan: Plan) -> None:
        """The general way is about to bind `prepared` to the unnamed portal."""
        if plan is not prepared.plan or not plan.fixed_at_bind:
            return
        before = self._statements.get(name)
        learnt = before is not None and before.prepared is prepared
        learnt = learnt and self._is_learnt(before, plan, prepared.basis)
        if not learnt and _is_plain(plan, planned):
            known = self._known(plan, planned, prepared.basis, "bind", prepared.identity)
            known.prepared, known.text = prepared, prepared.text
            _keep(self._statements, name, known)

    def _is_learnt(self, known: Known | None, plan: Plan, basis: Basis) -> bool:
        return (
            known is not None
            and known.plan is plan
            and known.basis is basis
            and known.principal is self.identity.principal
            and known.texts == self.scope.texts
        )

    def _known(
        self, plan: Plan, planned: Planned, basis: Basis, phase: str, statement: str
    ) -> Known:
        (record,) = decision_records(self.identity, plan, planned.key, phase, statement=statement)
        return Known(
            plan,
            basis,
            self.identity.principal,
            self.scope.texts,
            render(record),
            b"",
        )

    # -- the client's side ----------------------------------------------------

    def offer(self, data: bytes) -> int | None:
        """Take what the client sent, if it is known and alone.

        Returns the number of the decision's record, to be kept before `send`; None when it is for
        the general way, and nothing has happened.

        Raises:
            AuditUnavailable: the audit log cannot be written.
        """
        kind, described = data[0], False
        if kind == _QUERY:
            known = self._queries.get(data)
        elif kind == _BIND:
            described = data.startswith(_DESCRIBE, len(data) - _TAIL - len(_DESCRIBE))
            known = self._bound(data, described)
        else:
            return None
        if known is None or not self._holds(known):
            return None
        answers, plan = self.answers, known.plan
        answers.restricted, answers.raw_access = known.basis.restricted, plan.raw_access
        self.scope.raw_access = plan.raw_access
        surroundings = self.surroundings
        decision = surroundings.record(known.decision)
        self.group = Group(
            known,
            known.data if kind == _QUERY else data,
            data,
            decision,
            surroundings.monotonic(),
            described,
        )
        self.sent = False
        return decision

    def _bound(self, data: bytes, described: bool) -> Known | None:
        """What Bind of the unnamed portal names, if nothing but Execute and Sync is behind it."""
        end, tail = int.from_bytes(data[1:5], "big") + 1, len(data) - _TAIL
        if end != (tail - len(_DESCRIBE) if described else tail) or data[5]:
            return None
        if not data.startswith(_EXECUTE, tail) or not data.endswith(_SYNC):
            return None
        name = data[6 : data.find(b"\0", 6, end)]
        known = self._statements.get(name)
        if known is None:
            return None
        prepared, names = known.prepared, self.names
        assert prepared is not None
        stands = (
            names.statements.get(prepared.name) is prepared
            and prepared.plan is known.plan
            and not prepared.lost
            and not prepared.reshaped
            and len(names.portals) < names.limit
        )
        if not stands:
            del self._statements[name]
            return None
        return known

    def _holds(self, known: Known) -> bool:
        """Whether nothing is on its way, and all is as it was when it was decided."""
        link, scope, basis = self.link, self.scope, known.basis
        if (
            self.group is not None
            or link.skip is not Skip.NOTHING
            or link.closed
            or link.passing
            or link.pipeline_open
            or link.staged
            or link.queue.entries
            or link.status == b"E"
            or scope.status != link.status
            or not scope.settled
            or (scope.view is not basis.view and scope.view != basis.view)
            or scope.texts != known.texts
            or self.identity.principal is not known.principal
            or self.surroundings.recent()
        ):
            return False
        key = self.surroundings.state_key()
        if key != basis.key or (scope.said is not None and scope.seen != key):
            return False
        if known.prepared is None:
            return "" not in self.names.statements
        return True

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
        """Whether `data` is the whole answer, and may go to the client as it is.

        If not, it is for the general way, which knows by now what was sent.
        """
        if self.sent:
            with contextlib.suppress(ProtocolViolation):  # the general way says it
                if len(data) <= _ANSWER_BYTES and self._is_whole(data):
                    return True
            self.materialise()
        return False

    def _is_whole(self, data: bytes) -> bool:
        group = self.group
        assert group is not None
        known = group.known
        position, size, rows, columns = 0, len(data), 0, None
        if known.prepared is not None:
            if not data.startswith(b"2\0\0\0\x04"):
                return False
            position = 5
            if group.described:
                if data.startswith(b"n\0\0\0\x04", 5):
                    position, columns = 10, b""
                elif not data.startswith(b"T", 5):
                    return False
        if columns is None and data.startswith(b"T", position):
            if known.prepared is not None and not group.described:
                return False
            end = position + 1 + int.from_bytes(data[position + 1 : position + 5], "big")
            columns = data[position + 5 : end]
            if columns != known.columns and not self._shows_nothing(known, columns):
                return False
            position = end
        first = position
        while data.startswith(b"D", position):
            position += 1 + int.from_bytes(data[position + 1 : position + 5], "big")
            rows += 1
        of_rows = position - first - HEADER_BYTES * rows
        if data.startswith(_SUSPENDED, position) and known.prepared is not None:
            end, tag = position + 5, b"SUSPENDED"
        elif data.startswith(b"C", position):
            end = position + 1 + int.from_bytes(data[position + 1 : position + 5], "big")
            tag = data[position + 5 : end]
        else:
            return False
        if size != end + 6 or not data.startswith(b"Z\0\0\0\x05", end):
            return False
        if data[end + 5 :] != self.link.status:
            return False
        self._finish(group, tag, rows, of_rows, columns)
        return True

    def _shows_nothing(self, known: Known, columns: bytes) -> bool:
        """The tripwire has nothing against these columns."""
        if not known.plan.raw_access:
            frame = Frame(Backend.ROW_DESCRIPTION, columns)
            if protected_column(frame, known.basis.restricted) is not None:
                return False
        known.columns = columns
        return True

    def _finish(
        self, group: Group, tag: bytes, rows: int, size: int, columns: bytes | None
    ) -> None:
        """All has been answered: what the general way would have noted."""
        self.group, self.sent = None, False
        known, link, names = group.known, self.link, self.names
        words = tag.rstrip(b"\0").decode("ascii", "replace")
        self.answers.outcomes.ended(group.decision, group.started, words, rows, size, "")
        in_transaction = link.status == b"T"
        (statement,) = known.plan.statements
        completed = tag != b"SUSPENDED"
        if in_transaction and completed and statement.decision.error_texts is ErrorTexts.WITHHOLD:
            self.answers.withhold_until_end = True
        if known.prepared is not None:
            if columns is not None:
                known.prepared.told.columns = columns
            if in_transaction:
                names.put_portal(self._portal(group, known.prepared))
        cycle = names.next_cycle()
        if not in_transaction:
            names.end_transaction(cycle)
            self.answers.withhold_until_end = False
        link.worked = link.ended = link.unflushed = False
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
        prepared = known.prepared
        if prepared is None:
            query = Pending(Owed.QUERY, plan=plan, basis=basis, decisions=decisions)
            query.started, query.text = group.started, known.text
            query.change = names.drop_unnamed()
            query.cycle = names.next_cycle()
            sent(query, len(group.data))
            return
        bind = Pending(Owed.BIND, plan=plan, basis=basis, decisions=decisions)
        bind.started = group.started
        bind.change = names.put_portal(self._portal(group, prepared))
        sent(bind, len(group.data))
        if group.described:
            shape = prepared.told
            sent(Pending(Owed.DESCRIBE, plan=plan, basis=basis, shape=shape), 0)
        execute = Pending(Owed.EXECUTE, plan=plan, basis=basis, decisions=decisions)
        execute.started, execute.portal = group.started, ""
        execute.text, execute.cycle = prepared.text, names.cycle
        sent(execute, 0)
        sent(Pending(Owed.SYNC, cycle=names.next_cycle()), 0)


def _is_plain(plan: Plan, planned: Planned) -> bool:
    """One statement, allowed, that asks for nothing, says nothing and changes no name."""
    if plan.refusal is not None or planned.lost or planned.changes or len(plan.statements) != 1:
        return False
    (statement,) = plan.statements
    decision = statement.decision
    return not (
        statement.effects
        or statement.runs
        or statement.fills
        or statement.shows
        or statement.wrapper
        or statement.doubtful
        or statement.changes
        or statement.recorded.original
        or decision.requirements
        or decision.notices
    )


def _keep(table: dict[bytes, Known], name: bytes, known: Known) -> None:
    while len(table) >= _KEPT:
        del table[next(iter(table))]
    table[name] = known
