"""Client messages: read, decided, recorded, and only then released to the server."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dbguard.errors import AuditUnavailable, DbguardError, ProtocolViolation, StatementError
from dbguard.policy.decision import Principal
from dbguard.sql.names import quote
from dbguard.wire import backend, frontend
from dbguard.wire.framing import Frame, Rest, RowRun
from dbguard.wire.tags import Frontend

from .answers import Answers
from .asks import AskDurable, AskPlan, AskServer, Planned, Surroundings
from .auditing import SessionIdentity
from .changes import Change
from .copying import Copying
from .extended import Extended
from .held import stage_held
from .judging import Judging, RefusedWithRecord
from .lane import Lane
from .link import Link, Skip, Steps
from .names import NameTable, Prepared
from .pending import Owed, Pending
from .plan import FunctionCallRequest, PlanRequest
from .scope import Scope
from .settling import Settling

_OF_COPY = frozenset(
    {Frontend.COPY_DATA, Frontend.COPY_DONE, Frontend.COPY_FAIL, Frontend.TERMINATE}
)
_OPENING = frozenset(
    {Frontend.PARSE, Frontend.BIND, Frontend.DESCRIBE, Frontend.EXECUTE, Frontend.CLOSE}
)
"""Messages that may open a pipeline."""
_RUNNING = _OPENING | {Frontend.QUERY, Frontend.FUNCTION_CALL}


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Caps on what one client may make dbguard hold."""

    prepared_statements: int = 10_000
    """Statements and portals each: ORMs keep hundreds; beyond this memory is the danger."""
    prepared_bytes: int = 64 << 20
    """Their texts and plans together: ORMs come to some megabytes."""
    pipeline_messages: int = 10_000
    """Messages without an answer: beyond, dbguard waits for the server before it reads on."""
    pipeline_bytes: int = 256 << 10
    """Bytes of them: as much as a server would have read ahead, so that a client that sends values
    without end learns of an early error; a larger message goes alone."""


@functools.lru_cache(maxsize=256)
def _alike(parameters: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """What the server has told at login: most sessions of an application are told the same, and
    have it once."""
    return MappingProxyType({sys.intern(name): sys.intern(value) for name, value in parameters})


class Session:
    """One client's connection after login.

    `receive` and `settle` are generators: they yield asks and are sent the answers.
    """

    __slots__ = (
        "_begun",
        "answers",
        "copying",
        "extended",
        "identity",
        "judging",
        "lane",
        "limits",
        "link",
        "names",
        "scope",
        "settling",
        "surroundings",
    )

    def __init__(
        self,
        identity: SessionIdentity,
        surroundings: Surroundings,
        limits: SessionLimits,
        parameters: dict[str, str],
    ) -> None:
        self.identity = identity
        self.surroundings = surroundings
        self.limits = limits
        self.link = Link()
        self.names = NameTable(limits.prepared_statements, limits.prepared_bytes)
        self.scope = Scope(identity.principal.user, _alike(tuple(parameters.items())))
        self.answers = Answers(
            identity.session,
            identity.principal.user,
            self.link,
            self.scope,
            self.names,
            surroundings,
        )
        self.settling = Settling(self.link, self.scope, surroundings, identity)
        self.judging = Judging(
            identity,
            self.link,
            self.scope,
            self.names,
            self.answers,
            self.settling,
            surroundings,
        )
        self._begun = False
        """The role that the session began with was decided."""
        self.lane = Lane(
            identity,
            self.link,
            self.scope,
            self.names,
            self.answers,
            surroundings,
        )
        self.extended = Extended(
            self.link, self.scope, self.names, self.judging, self.lane.knowledge
        )
        self.copying = Copying(self.link)

    @property
    def principal(self) -> Principal:
        return self.identity.principal

    @property
    def awaits_client(self) -> bool:
        """It is the client's turn: nothing is owed to it, or it is in the middle of sending."""
        head = self.link.queue.head
        copying = head is not None and head.copying_in
        return copying or self.link.passing or not self.link.busy

    @property
    def runs_clients_own(self) -> bool:
        """The server works on what the client sent, besides what dbguard may have asked."""
        return any(not entry.unseen for entry in self.link.queue.entries)

    def ended(self) -> bool:
        """Nothing more is to be read from either side."""
        return self.link.closed

    # -- entry points ---------------------------------------------------------

    def receive(self, frame: Frame | Rest) -> Steps:
        """Handle one client message, or a piece of one.

        Raises:
            ProtocolViolation: the client broke the protocol; the session has to end.
        """
        if isinstance(frame, Rest):
            self._pass_on(frame)
            return
        handler = _HANDLERS.get(frame.tag)
        if handler is None:
            raise ProtocolViolation("unexpected message type for a session after login")
        queue = self.link.queue
        if frame.tag != Frontend.TERMINATE:
            limits = self.limits
            if (
                self.link.busy >= limits.pipeline_messages
                or self.link.held >= limits.pipeline_bytes
            ):
                yield from self.link.make_room(limits.pipeline_messages, limits.pipeline_bytes)
            while (queue.copy_awaited or queue.unclear) and not self.link.closed:
                yield AskServer()
        if self.link.closed:
            return
        self.link.forming = None
        head = queue.head
        if head is not None and head.copying_in and frame.tag not in _OF_COPY:
            if frame.tag in (Frontend.SYNC, Frontend.FLUSH):
                yield from self.copying.belongs(frame, head)
                return
            yield from self.copying.interrupt(frame, head)
            if self.link.closed or head.interrupted:
                return
        if not self._begun and frame.tag in _RUNNING:
            yield from self._begin()
        if frame.tag in _OPENING and (self.scope.unsure or queue.unsettled):
            yield from self._ask_ahead()
        yield from handler(self, frame)

    def _begin(self) -> Steps:
        """Decide the role in force from the start as SET ROLE would be: the client may ask for it
        at login, in ways too many to read. What the account itself is set to needs no decision.

        Raises:
            RefusedWithRecord: it may not; the session has to end.
        """
        with contextlib.suppress(StatementError):  # the handler asks again if it needs to know
            yield from self.settling.ready()
        view = self.scope.view
        if view is None or self.judging.overtaken():
            return
        self._begun = True
        account = self.surroundings.snapshot().role_by_name.get(self.principal.user)
        settings = dict(account.settings) if account is not None else {}
        if not self.principal.acting or settings.get("role") == view.user:
            return
        text = f"SET ROLE {quote(view.user)}"
        request = PlanRequest(text, self.principal, view, self.identity.environment)
        planned = yield AskPlan(request)
        assert isinstance(planned, Planned)
        decisions = yield from self.judging.decide(planned.plan, planned, "startup")
        if decisions and not (yield AskDurable(max(decisions))):
            raise AuditUnavailable("the audit log cannot be written")
        if planned.plan.refusal is not None:
            raise RefusedWithRecord(planned.plan.refusal, decisions[0] if decisions else None)

    def _pass_on(self, rest: Rest) -> None:
        """The rest of a message goes where its beginning went: to the server, or nowhere."""
        if self.link.passing:
            self.link.to_server.append(rest.data)
            self.link.passing = not rest.last

    def _ask_ahead(self) -> Steps:
        """Ask what has to be asked in front of a pipeline: inside, Execute makes the server
        believe in an implicit transaction block, in which VACUUM, for one, does not run."""
        link = self.link
        if link.pipeline_open or link.staged or link.skip is not Skip.NOTHING:
            return
        with contextlib.suppress(StatementError):  # the handler asks again if it needs to know
            yield from self.settling.ready()

    def settle(self) -> Steps:
        """The client has paused: send what is staged."""
        yield from self.link.release()

    def receive_from_server(self, item: Frame | RowRun) -> None:
        """Handle one server message; a violation ends the session."""
        try:
            self.answers.receive(item)
        except ProtocolViolation as error:
            self.answers.fail(error)

    # -- simple query ---------------------------------------------------------

    def _query(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        yield from self.link.release()
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Query)
        judging = self.judging
        change: Change[Prepared] | None = None
        pipelined = self.link.pipeline_open
        try:
            planned = yield from self.settling.plan(message.text)
            plan = yield from judging.joined(planned.plan, in_query=True)
            if plan.refusal is None and (within := self.settling.roles_within(plan)):
                # as long as it is not told which role a statement runs under, the least counts
                planned = yield from self.settling.plan(message.text, within=within)
                plan = yield from judging.joined(planned.plan, in_query=True, within=within)
            if judging.overtaken():
                return
            # not before: an error meanwhile takes back what this would build on
            change = self.link.forming = self.names.drop_unnamed()
            basis = judging.observe(planned)
            decisions = yield from judging.decide(plan, planned, "query")
            data = frame.raw
            if plan.positions is not None:
                data = frontend.Query(self.scope.encoded(plan.text)).encode()
        except DbguardError as error:
            if change is None and not judging.overtaken():
                change = self.link.forming = self.names.drop_unnamed()
            yield from judging.refuse(error, query=True, change=change)
            return
        if plan.refusal is not None:
            yield from judging.refuse_text(plan, decisions, message.text, query=True, change=change)
            return
        if self.link.pipeline_open and not pipelined:  # a lock was taken for it
            entry = judging.entry(Owed.EXECUTE, plan, basis, decisions)
            entry.text, entry.change = message.text, change
            text = self.scope.encoded(plan.text)
            stage_held(self.link, self.names, text, entry, max(decisions, default=0))
            yield from self.link.release()
            return
        entry = judging.entry(Owed.QUERY, plan, basis, decisions)
        entry.settles = entry.settles or (self.link.pipeline_open and self.scope.touched)
        entry.cycle, entry.text, entry.change = self.names.next_cycle(), message.text, change
        if not entry.notices:
            self.lane.knowledge.learn_query(frame.raw, data, planned, plan, basis)
        self.link.stage(data, entry, max(decisions, default=0))
        yield from self.link.release()

    # -- the rest -------------------------------------------------------------

    def _sync(self, frame: Frame) -> Steps:
        yield from self.link.release()
        if self.link.closed:
            return
        if self.link.skip is Skip.LOCAL:
            self.link.skip = Skip.NOTHING
            self.link.to_client.append(backend.ReadyForQuery(self.link.status).encode())
            return
        self.link.skip = Skip.NOTHING
        # it ends the implicit transaction, and with it what that has changed
        settles = self.scope.touched or self.link.queue.unsettled > 0
        entry = Pending(Owed.SYNC, settles=settles, cycle=self.names.next_cycle())
        self.link.send(frame.raw, entry)

    def _flush(self, frame: Frame) -> Steps:
        yield from self.link.release()
        if self.link.skip is Skip.NOTHING:
            self.link.flush()

    def _function_call(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        yield from self.link.release()
        message = frontend.decode(frame)
        assert isinstance(message, frontend.FunctionCall)
        judging = self.judging
        try:
            while True:
                yield from self.settling.ready()
                if judging.overtaken():
                    return
                view = self.settling.known_view()
                answer = yield AskPlan(
                    FunctionCallRequest(
                        message.function_oid, self.principal, view, self.identity.environment
                    )
                )
                assert isinstance(answer, Planned)
                if judging.overtaken():
                    return
                if self.scope.view == view:  # else the server has told another one meanwhile
                    break
            basis = judging.observe(answer)
            decisions = yield from judging.decide(answer.plan, answer, "function_call")
        except DbguardError as error:
            yield from judging.refuse(error, query=True)
            return
        if answer.plan.refusal is not None:
            yield from judging.refuse_plan(answer.plan.refusal, decisions, query=True)
            return
        entry = judging.entry(Owed.FUNCTION_CALL, answer.plan, basis, decisions)
        entry.cycle = self.names.next_cycle()
        self.link.stage(frame.raw, entry, max(decisions, default=0))
        yield from self.link.release()

    def _terminate(self, frame: Frame) -> Steps:
        self.link.to_server.append(frame.raw)
        self.link.closed = self.link.farewell = True
        yield from ()


_HANDLERS: Final[Mapping[int, Callable[[Session, Frame], Steps]]] = {
    Frontend.QUERY: Session._query,
    Frontend.PARSE: lambda session, frame: session.extended.parse(frame),
    Frontend.BIND: lambda session, frame: session.extended.bind(frame),
    Frontend.DESCRIBE: lambda session, frame: session.extended.describe(frame),
    Frontend.EXECUTE: lambda session, frame: session.extended.execute(frame),
    Frontend.CLOSE: lambda session, frame: session.extended.close(frame),
    Frontend.SYNC: Session._sync,
    Frontend.FLUSH: Session._flush,
    Frontend.FUNCTION_CALL: Session._function_call,
    Frontend.COPY_DATA: lambda session, frame: session.copying.data(frame),
    Frontend.COPY_DONE: lambda session, frame: session.copying.end(frame),
    Frontend.COPY_FAIL: lambda session, frame: session.copying.end(frame),
    Frontend.TERMINATE: Session._terminate,
}
