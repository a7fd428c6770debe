"""Client messages: read, decided, recorded, and only then released to the server."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from dbguard.audit.records import DecisionRecord
from dbguard.errors import (
    AuditUnavailable,
    DbguardError,
    LimitExceeded,
    ProtocolViolation,
    StatementError,
    UndefinedName,
)
from dbguard.policy.decision import Principal
from dbguard.sql.facts import EffectKind
from dbguard.wire import frontend
from dbguard.wire.errorfields import from_error
from dbguard.wire.framing import Frame, RowRun
from dbguard.wire.tags import Frontend

from .answers import Answers
from .asks import (
    Answer,
    Ask,
    AskPlan,
    AskRequirement,
    AskServer,
    Planned,
    RequirementAnswer,
    Surroundings,
)
from .auditing import SessionIdentity, decision_records
from .joining import join_named
from .link import AUDIT_LOST, RESERVED, Link, Skip, Steps
from .names import NameTable, Portal, Prepared
from .pending import Owed, Pending
from .plan import FunctionCallRequest, Plan, Refusal
from .replies import refusal_fields
from .scope import Scope
from .settling import Settling


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Caps on what one client may make dbguard hold."""

    prepared_statements: int = 10_000
    """Statements and portals each: ORMs keep hundreds; beyond this memory is the danger."""


class Session:
    """One client's connection after login.

    `receive` and `settle` are generators: they yield asks and are sent the answers.
    """

    def __init__(
        self,
        identity: SessionIdentity,
        surroundings: Surroundings,
        limits: SessionLimits,
        parameters: dict[str, str],
    ) -> None:
        self.identity = identity
        self.surroundings = surroundings
        self.link = Link()
        self.names = NameTable(limits.prepared_statements)
        self.scope = Scope(identity.principal.user, dict(parameters))
        self.answers = Answers(identity.session, self.link, self.scope, self.names, surroundings)
        self.answers.completed = self._completed
        self.settling = Settling(self.link, self.scope, surroundings, identity)
        self._masked_named = False
        self._statements_made = 0
        self._handlers: dict[int, Callable[[Frame], Steps]] = {
            Frontend.QUERY: self._query,
            Frontend.PARSE: self._parse,
            Frontend.BIND: self._bind,
            Frontend.DESCRIBE: self._describe,
            Frontend.EXECUTE: self._execute,
            Frontend.CLOSE: self._close,
            Frontend.SYNC: self._sync,
            Frontend.FLUSH: self._flush,
            Frontend.FUNCTION_CALL: self._function_call,
            Frontend.COPY_DATA: self._copy_data,
            Frontend.COPY_DONE: self._copy_done,
            Frontend.COPY_FAIL: self._copy_done,
            Frontend.TERMINATE: self._terminate,
        }

    @property
    def principal(self) -> Principal:
        return self.identity.principal

    def ended(self) -> bool:
        """Nothing more is to be read from either side."""
        return self.link.closed

    # -- entry points ---------------------------------------------------------

    def receive(self, frame: Frame) -> Steps:
        """Handle one client message.

        Raises:
            ProtocolViolation: the client broke the protocol; the session has to end.
        """
        handler = self._handlers.get(frame.tag)
        if handler is None:
            raise ProtocolViolation("unexpected message type for a session after login")
        if frame.tag != Frontend.TERMINATE:
            while self._copy_awaited() and not self.link.closed:
                yield AskServer()
        if self.link.closed:
            return
        head = self.link.queue.head
        if head is not None and head.copying_in and not self._belongs_to_copy(frame, head):
            return
        yield from handler(frame)

    def settle(self) -> Steps:
        """The client has paused: send what is staged."""
        yield from self.link.release()

    def receive_from_server(self, item: Frame | RowRun) -> None:
        """Handle one server message; a violation ends the session."""
        try:
            self.answers.receive(item)
        except ProtocolViolation as error:
            self.answers.fail(error)

    def _copy_awaited(self) -> bool:
        return any(e.copies_left and not e.copying_in for e in self.link.queue.entries)

    def _belongs_to_copy(self, frame: Frame, head: Pending) -> bool:
        """While COPY FROM STDIN runs, only its own messages go on; the server would read any
        other as part of the COPY, or, should the COPY have failed meanwhile, execute it."""
        if frame.tag in (
            Frontend.COPY_DATA,
            Frontend.COPY_DONE,
            Frontend.COPY_FAIL,
            Frontend.TERMINATE,
        ):
            return True
        if frame.tag in (Frontend.SYNC, Frontend.FLUSH):
            return False  # the server ignores these during COPY
        head.copying_in = False
        head.copies_left = 0
        head.replacement = from_error(
            ProtocolViolation("unexpected message type during COPY from stdin")
        )
        self.link.to_server.append(frontend.CopyFail(b"unexpected message").encode())
        return False

    # -- simple query ---------------------------------------------------------

    def _query(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        yield from self.link.release()
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Query)
        try:
            planned = yield from self.settling.plan(message.text)
            plan = yield from self._joined(planned.plan)
            self._observe(planned)
            decisions = yield from self._decide(plan, planned, "query")
        except DbguardError as error:
            yield from self._refuse(error, query=True)
            return
        if plan.refusal is not None:
            yield from self._refuse_plan(plan.refusal, decisions, query=True)
            return
        entry = self._entry(Owed.QUERY, plan, decisions)
        entry.cycle = self.names.next_cycle()
        entry.text = message.text
        codec = self.scope.codec()
        self.link.stage(
            frontend.Query(plan.text.encode(codec)).encode(), entry, max(decisions, default=0)
        )
        yield from self.link.release()

    def _entry(self, owed: Owed, plan: Plan, decisions: tuple[int, ...]) -> Pending:
        effects = tuple(e for s in plan.statements for e in s.effects)
        return Pending(
            owed,
            plan=plan,
            decisions=decisions,
            started=self.surroundings.monotonic(),
            settles=self.scope.settles(effects),
            copies_left=sum(e.kind is EffectKind.COPY_IN for e in effects),
            notices=self._notices(plan),
        )

    def _notices(self, plan: Plan) -> tuple[str, ...]:
        texts = [text for s in plan.statements for text in s.decision.notices]
        if plan.masked and not self._masked_named:
            self._masked_named = True
            names = sorted({str(m.column) for s in plan.statements for m in s.decision.masks})
            shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if names[12:] else "")
            texts.insert(0, f"dbguard: shown masked in this session: {shown}")
        return tuple(texts)

    # -- decisions ------------------------------------------------------------

    def _observe(self, planned: Planned) -> None:
        self.answers.restricted = planned.restricted

    def _joined(self, plan: Plan) -> Generator[Ask, Answer, Plan]:
        """Join in what EXECUTE and FETCH run, decided anew where it has become stale."""
        for statement in plan.statements:
            for effect in statement.effects:
                if effect.kind is EffectKind.EXECUTE and effect.name is not None:
                    prepared = self.names.statements.get(effect.name)
                    if prepared is not None and plan.refusal is None:
                        yield from self._refreshed(prepared)
        return join_named(plan, self.names)

    def _decide(
        self, plan: Plan, planned: Planned, phase: str, statement: str = ""
    ) -> Generator[Ask, Answer, tuple[int, ...]]:
        """Check requirements and write one decision record a statement.

        Raises:
            StatementError: a requirement is not met, or the audit log cannot be written.
        """
        met: list[str] = []
        unmet: RequirementAnswer | None = None
        if plan.refusal is None and phase != "parse":
            for requirement in dict.fromkeys(plan.requirements):
                answer = yield AskRequirement(requirement)
                assert isinstance(answer, RequirementAnswer)
                met.append(answer.how)
                if not answer.satisfied:
                    unmet = answer
                    break
        if unmet is not None:
            rules = ", ".join(sorted({r.rule for r in plan.requirements}))
            refusal = Refusal("42501", unmet.message, f"rule {rules}", unmet.hint, rule=rules)
            refused = replace(plan, refusal=refusal)
            decisions = self._record(refused, planned, phase, statement, tuple(met))
            raise RequirementUnmet(refusal, decisions[0])
        return self._record(plan, planned, phase, statement, tuple(met))

    def _record(
        self, plan: Plan, planned: Planned, phase: str, statement: str, met: tuple[str, ...]
    ) -> tuple[int, ...]:
        records: tuple[DecisionRecord, ...] = decision_records(
            self.identity, plan, planned.key, phase, statement=statement, requirements=met
        )
        return tuple(self.surroundings.record(record) for record in records)

    def _refuse(self, error: DbguardError, *, query: bool) -> Steps:
        if isinstance(error, RequirementUnmet):
            fields = refusal_fields(error.refusal, error.decision)
        elif isinstance(error, AuditUnavailable):
            fields = AUDIT_LOST
        elif isinstance(error, ProtocolViolation) and not isinstance(error, StatementError):
            raise error
        else:
            fields = from_error(error)
        yield from self.link.refuse(fields, query=query)

    def _refuse_plan(self, refusal: Refusal, decisions: tuple[int, ...], *, query: bool) -> Steps:
        number = decisions[0] if decisions else None
        yield from self.link.refuse(refusal_fields(refusal, number), query=query)

    # -- extended query -------------------------------------------------------

    def _parse(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Parse)
        try:
            name = self._client_name(message.name)
            planned = yield from self.settling.plan(message.query)
            self._observe(planned)
            plan = planned.plan
            self._statements_made += 1
            identity = f"{self.identity.session}/{self._statements_made}"
            decisions = yield from self._decide(plan, planned, "parse", identity)
            if plan.refusal is not None:
                yield from self._refuse_plan(plan.refusal, decisions, query=False)
                return
            assert self.scope.view is not None
            prepared = Prepared(
                name,
                message.query,
                message.parameter_types,
                plan,
                planned.restricted,
                planned.key,
                self.scope.view,
                identity=identity,
                forwarded=plan.text,
            )
            undo = self.names.put_statement(prepared)
        except DbguardError as error:
            yield from self._refuse(error, query=False)
            return
        self._stage_parse(prepared, undo, max(decisions, default=0), unseen=False)

    def _stage_parse(
        self, prepared: Prepared, undo: Callable[[], None], sequence: int, *, unseen: bool
    ) -> None:
        name = prepared.name.encode(self.scope.codec())
        text = prepared.plan.text.encode(self.scope.codec())
        self.link.stage(
            frontend.Parse(name, text, prepared.parameter_types).encode(),
            Pending(Owed.PARSE, unseen=unseen, plan=prepared.plan, undo=undo),
            sequence,
        )
        if not prepared.plan.raw_access and len(prepared.plan.statements) == 1:
            self.link.stage(
                frontend.Describe(b"S", name).encode(),
                Pending(Owed.DESCRIBE, unseen=True, plan=prepared.plan),
            )

    def _bind(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Bind)
        try:
            portal_name = self._client_name(message.portal)
            prepared = self._statement(message.statement)
            planned = yield from self._refreshed(prepared)
            plan = yield from self._joined(prepared.plan)
            self._observe(planned)
            decisions = yield from self._decide(plan, planned, "bind", prepared.identity)
            if plan.refusal is not None:
                yield from self._refuse_plan(plan.refusal, decisions, query=False)
                return
            portal = Portal(portal_name, plan, decisions, prepared.identity, cycle=self.names.cycle)
            undo = self.names.put_portal(portal)
        except DbguardError as error:
            yield from self._refuse(error, query=False)
            return
        self.link.stage(
            frame.raw,
            Pending(Owed.BIND, plan=plan, decisions=(), undo=undo),
            max(decisions, default=0),
        )

    def _refreshed(self, prepared: Prepared) -> Generator[Ask, Answer, Planned]:
        """The statement's plan under what is in force now; parsed anew, unseen, if it changed.

        Raises:
            StatementError: it may not run any more, or cannot be parsed anew.
        """
        yield from self.settling.ready()
        key = self.surroundings.state_key()
        if (
            prepared.key == key
            and prepared.view == self.scope.view
            and not self.scope.needs_overlay
        ):
            return Planned(prepared.plan, prepared.restricted, prepared.key)
        planned = yield from self.settling.plan(prepared.text)
        plan = planned.plan
        if plan.refusal is not None:
            decisions = yield from self._decide(plan, planned, "bind", prepared.identity)
            raise RequirementUnmet(plan.refusal, decisions[0] if decisions else 0)
        assert self.scope.view is not None
        changed = plan.text != prepared.forwarded
        if prepared.by_sql:
            plan = _preparing(plan, prepared.name)
        prepared.plan, prepared.restricted = plan, planned.restricted
        prepared.forwarded = planned.plan.text
        prepared.key, prepared.view = planned.key, self.scope.view
        if changed:
            if prepared.by_sql:
                self.names.drop_statement(prepared.name)
                raise StalePreparedStatement(
                    "cached plan must not change result type",
                    detail="The catalog, the rules or the search_path changed since PREPARE.",
                    hint="DEALLOCATE the statement and PREPARE it again.",
                )
            name = prepared.name.encode(self.scope.codec())
            self.link.stage(frontend.Close(b"S", name).encode(), Pending(Owed.CLOSE, unseen=True))
            undo = self.names.put_statement(prepared)
            self._stage_parse(prepared, undo, 0, unseen=True)
        return planned

    def _execute(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Execute)
        try:
            name = self._text(message.portal)
            portal = self.names.portals.get(name)
            if portal is None:
                raise UndefinedName("34000", f'portal "{name}" does not exist')
            decisions, sequence = portal.decisions, 0
            if portal.executed:
                planned = Planned(
                    portal.plan, self.answers.restricted, self.surroundings.state_key()
                )
                decisions = yield from self._decide(
                    portal.plan, planned, "execute", portal.statement
                )
                sequence = max(decisions, default=0)
            portal.executed = True
        except DbguardError as error:
            yield from self._refuse(error, query=False)
            return
        entry = self._entry(Owed.EXECUTE, portal.plan, decisions)
        self.link.stage(frame.raw, entry, sequence)
        if entry.copies_left:
            yield from self.link.release()

    def _describe(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Describe)
        plan: Plan | None = None
        try:
            name = self._text(message.name)
        except DbguardError as error:
            yield from self._refuse(error, query=False)
            return
        if message.kind == b"S" and name in self.names.statements:
            plan = self.names.statements[name].plan
        elif message.kind == b"P" and name in self.names.portals:
            plan = self.names.portals[name].plan
        self.link.stage(frame.raw, Pending(Owed.DESCRIBE, plan=plan))

    def _close(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Close)
        try:
            name = self._text(message.name)
        except DbguardError as error:
            yield from self._refuse(error, query=False)
            return
        drop = self.names.drop_statement if message.kind == b"S" else self.names.drop_portal
        self.link.stage(frame.raw, Pending(Owed.CLOSE, undo=drop(name)))

    def _sync(self, frame: Frame) -> Steps:
        yield from self.link.release()
        if self.link.closed:
            return
        if self.link.skip is Skip.LOCAL:
            self.link.skip = Skip.NOTHING
            self.link.to_client.append(READY_IDLE)
            return
        self.link.skip = Skip.NOTHING
        self.link.send(frame.raw, Pending(Owed.SYNC, cycle=self.names.next_cycle()))

    def _flush(self, frame: Frame) -> Steps:
        yield from self.link.release()
        if self.link.skip is Skip.NOTHING:
            self.link.to_server.append(frame.raw)

    # -- the rest -------------------------------------------------------------

    def _function_call(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        yield from self.link.release()
        message = frontend.decode(frame)
        assert isinstance(message, frontend.FunctionCall)
        try:
            yield from self.settling.ready()
            assert self.scope.view is not None
            answer = yield AskPlan(
                FunctionCallRequest(
                    message.function_oid,
                    self.principal,
                    self.scope.view,
                    self.identity.environment,
                )
            )
            assert isinstance(answer, Planned)
            self._observe(answer)
            decisions = yield from self._decide(answer.plan, answer, "function_call")
        except DbguardError as error:
            yield from self._refuse(error, query=True)
            return
        if answer.plan.refusal is not None:
            yield from self._refuse_plan(answer.plan.refusal, decisions, query=True)
            return
        entry = self._entry(Owed.FUNCTION_CALL, answer.plan, decisions)
        entry.cycle = self.names.next_cycle()
        self.link.stage(frame.raw, entry, max(decisions, default=0))
        yield from self.link.release()

    def _copy_data(self, frame: Frame) -> Steps:
        head = self.link.queue.head
        if head is not None and head.copying_in:
            self.link.to_server.append(frame.raw)
        yield from ()

    def _copy_done(self, frame: Frame) -> Steps:
        head = self.link.queue.head
        if head is not None and head.copying_in:
            head.copying_in = False
            self.link.to_server.append(frame.raw)
        yield from ()

    def _terminate(self, frame: Frame) -> Steps:
        self.link.to_server.append(frame.raw)
        self.link.closed = True
        yield from ()

    # -- names ----------------------------------------------------------------

    def _text(self, raw: bytes) -> str:
        return self.settling.text(raw)

    def _client_name(self, raw: bytes) -> str:
        name = self._text(raw)
        if name.startswith(RESERVED):
            raise LimitExceeded(
                "this statement or portal name is reserved",
                detail=f"Names that start with {RESERVED} are dbguard's own.",
                hint="Use another name.",
            )
        return name

    def _statement(self, raw: bytes) -> Prepared:
        name = self._text(raw)
        prepared = self.names.statements.get(name)
        if prepared is None:
            if name:
                raise UndefinedName("26000", f'prepared statement "{name}" does not exist')
            raise UndefinedName("26000", "unnamed prepared statement does not exist")
        return prepared

    def _completed(self, entry: Pending, index: int) -> None:
        """A statement succeeded: follow what it did to names."""
        assert entry.plan is not None
        planned = entry.plan.statements[index]
        for effect in planned.effects:
            match effect.kind:
                case EffectKind.PREPARE if effect.name is not None and self.scope.view:
                    self.names.put_statement(
                        Prepared(
                            effect.name,
                            entry.text,
                            (),
                            replace(entry.plan, statements=(planned,)),
                            self.answers.restricted,
                            self.surroundings.state_key(),
                            self.scope.view,
                            by_sql=True,
                            forwarded=entry.plan.text,
                            identity=f"{self.identity.session}/{effect.name}",
                        )
                    )
                case EffectKind.DEALLOCATE if effect.name is None:
                    self.names.statements.clear()
                case EffectKind.DEALLOCATE if effect.name is not None:
                    self.names.drop_statement(effect.name)
                case EffectKind.DISCARD if effect.name in ("all", "plans"):
                    if effect.name == "all":
                        self.names.statements.clear()
                        self.names.portals.clear()
                case EffectKind.DECLARE if effect.name is not None:
                    decision = entry.decisions[index : index + 1]
                    self.names.put_portal(
                        Portal(
                            effect.name,
                            replace(entry.plan, statements=(planned,)),
                            decision,
                            "",
                            holdable=effect.value == "hold",
                            cycle=self.names.cycle,
                        )
                    )
                case EffectKind.CLOSE if effect.name is None:
                    self.names.portals.clear()
                case EffectKind.CLOSE if effect.name is not None:
                    self.names.drop_portal(effect.name)


def _preparing(plan: Plan, name: str) -> Plan:
    """The plan's one statement that prepares `name`."""
    for statement in plan.statements:
        if any(e.kind is EffectKind.PREPARE and e.name == name for e in statement.effects):
            return replace(plan, statements=(statement,))
    return replace(plan, statements=())


READY_IDLE = b"Z\x00\x00\x00\x05I"


class RequirementUnmet(StatementError):
    """A refusal that already has its record."""

    sqlstate = "42501"

    def __init__(self, refusal: Refusal, decision: int) -> None:
        super().__init__(refusal.message, detail=refusal.detail, hint=refusal.hint)
        self.refusal = refusal
        self.decision = decision


class StalePreparedStatement(StatementError):
    """A prepared statement cannot be brought up to date without the client."""

    sqlstate = "0A000"
