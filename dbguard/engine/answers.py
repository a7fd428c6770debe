"""Server messages: matched to what is owed, checked, and passed on or kept.

Each handler takes the message and the head of the queue. A message that nothing owed allows ends
the session: dbguard never forwards what it did not understand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.errors import AuditUnavailable, ProtocolViolation
from dbguard.policy.decision import ErrorTexts
from dbguard.sql.changes import CatalogChange
from dbguard.sql.facts import Action, EffectKind, SessionEffect
from dbguard.wire import backend
from dbguard.wire.errorfields import ErrorFields, from_error
from dbguard.wire.framing import HEADER_BYTES, Frame, RowRun
from dbguard.wire.tags import Backend

from .asks import Surroundings
from .copying import ask_for_syncs, interrupted, lost_synchronization
from .following import follow
from .link import ABORTED, Link, Skip
from .names import NameTable
from .outcomes import Outcomes
from .pending import Owed, Pending
from .plan import Plan, PlannedStatement, Restricted
from .replies import client_error, client_notice, notice
from .scope import Scope


@dataclass(slots=True)
class Answers:
    """Handles everything the server sends after login."""

    session: str
    user: str
    link: Link
    scope: Scope
    names: NameTable
    surroundings: Surroundings
    restricted: Restricted = frozenset()
    """The tripwire's list for answers whose plan is not known."""
    raw_access: bool = False
    withhold_until_end: bool = False
    """A statement of the open transaction withheld its errors: deferred checks and triggers
    report at COMMIT."""
    masks_named: bool = False
    """The client was told which columns it sees masked, or is about to be."""
    outcomes: Outcomes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.outcomes = Outcomes(self.session, self.surroundings)

    def receive(self, item: Frame | RowRun) -> None:
        """Handle one message, or a run of row messages."""
        _ = self.link.queue  # what the lane has sent stands in it from here on
        if self.link.closed:
            return
        if isinstance(item, RowRun):
            self._rows(item)
            return
        handler = _HANDLERS.get(item.tag)
        if handler is None:
            raise ProtocolViolation("the server sent a message that dbguard does not know")
        handler(self, item)

    # -- what is owed ---------------------------------------------------------

    def _head(self, *allowed: Owed) -> Pending:
        head = self.link.queue.head
        if head is None or head.owed not in allowed or head.failed:
            raise ProtocolViolation("the server's answer does not fit what was sent to it")
        return head

    def _show(self, head: Pending, data: bytes) -> None:
        if not head.unseen:
            for text in head.notices:
                self.link.to_client.append(notice(text).encode_notice())
            head.notices = ()
            self.link.to_client.append(data)

    def _acknowledged(self, frame: Frame) -> None:
        """ParseComplete, BindComplete or CloseComplete."""
        if self._resyncing(frame):
            return
        head = self._head(_ACKNOWLEDGED[frame.tag])
        if head.must_fail:
            raise ProtocolViolation("the server accepted a message that had to fail")
        self._show(head, frame.raw)
        self.link.queue.finish()

    def _parameter_description(self, frame: Frame) -> None:
        head = self._head(Owed.DESCRIBE)
        if head.shape is not None:
            head.shape.parameters = frame.payload
        self._show(head, frame.raw)

    def _no_data(self, frame: Frame) -> None:
        head = self._head(Owed.DESCRIBE)
        if head.shape is not None:
            head.shape.columns = b""
        self._show(head, frame.raw)
        self.link.queue.finish()

    def _row_description(self, frame: Frame) -> None:
        head = self._head(Owed.DESCRIBE, Owed.QUERY)
        if head.must_fail:
            raise ProtocolViolation("the server accepted a message that had to fail")
        raw_access = head.plan is not None and head.plan.raw_access
        if not raw_access and self._trips(frame, head):
            return
        if head.shape is not None:
            head.shape.columns = frame.payload
        self._show(head, frame.raw)
        if head.owed is Owed.DESCRIBE:
            self.link.queue.finish()

    def _trips(self, frame: Frame, head: Pending) -> bool:
        """The tripwire: a restricted column on its way to the client ends the session."""
        restricted = self.restricted if head.basis is None else head.basis.restricted
        origin = protected_column(frame, restricted)
        if origin is not None:
            self._security_event(origin)
        return origin is not None

    def _security_event(self, origin: tuple[int, int]) -> None:
        fields = (
            ("event", "tripwire"),
            ("user", self.user),
            ("relation", str(origin[0])),
            ("column", str(origin[1])),
        )
        with contextlib.suppress(AuditUnavailable):  # the session ends either way
            self.surroundings.record(EventRecord(RecordKind.SECURITY, self.session, fields))
        self.close(
            "42501",
            "the result would show a protected column unmasked",
            "dbguard stopped the statement before its first row; this is a defect of dbguard.",
        )

    def _rows(self, run: RowRun) -> None:
        head = self._head(Owed.QUERY, Owed.EXECUTE)
        if head.must_fail:
            raise ProtocolViolation("the server accepted a message that had to fail")
        if head.answer is not None:
            head.answer(run.data)
        elif head.unseen:
            raise ProtocolViolation("the server sent rows that nothing asked for")
        else:
            head.rows += run.count
            head.bytes += len(run.data) - HEADER_BYTES * run.count
            if head.notices:
                self._show(head, run.data)
            else:
                self.link.to_client.append(run.data)

    def _command_complete(self, frame: Frame) -> None:
        head = self._head(Owed.QUERY, Owed.EXECUTE)
        if head.must_fail and frame.tag != Backend.EMPTY_QUERY_RESPONSE:
            raise ProtocolViolation("the server accepted a message that had to fail")
        head.syncs, head.outcome_awaited = 0, False
        self._statement_done(head, frame)
        self._show(head, frame.raw)
        if head.owed is Owed.EXECUTE:
            self.link.queue.finish()

    def _suspended(self, frame: Frame) -> None:
        head = self._head(Owed.EXECUTE)
        if head.plan is not None and head.plan.statements:
            # what it shows next may wait for long, and what it set is set
            planned = head.plan.statements[0]
            self._completed(tuple(e for e in planned.effects if e.sets_names), planned.changes)
        self.outcomes.record(head, 0, b"SUSPENDED", "")
        self._show(head, frame.raw)
        self.link.queue.finish()

    def _statement_done(self, head: Pending, frame: Frame) -> None:
        if head.plan is None:
            return
        index = head.statement
        if frame.tag == Backend.COMMAND_COMPLETE:
            head.statement += 1
            if index < len(head.plan.statements):
                self.statement_ran(head.plan.statements[index])
                follow(head, index, self.names, self.session)
        self.outcomes.record(head, index, frame.payload, "")

    def statement_ran(self, statement: PlannedStatement) -> None:
        """Note what it has done, apart from names of statements and portals."""
        self._completed(statement.effects, statement.changes)
        self._tell_changes()
        if statement.decision.error_texts is ErrorTexts.WITHHOLD:
            self.withhold_until_end = True

    def _completed(
        self, effects: tuple[SessionEffect, ...], changes: tuple[CatalogChange, ...] | None
    ) -> None:
        self.scope.completed(effects, changes)
        if any(effect.sets_role for effect in effects):
            self.raw_access = False  # until it is known for the role now in force

    def _tell_changes(self) -> None:
        if self.scope.committed:
            self.surroundings.changed(self.scope.committed)
            self.scope.committed = ()

    def _copy_in(self, frame: Frame) -> None:
        head = self._head(Owed.QUERY, Owed.EXECUTE)
        plan = head.plan
        if head.unseen or plan is None or not plan.has_effect(EffectKind.COPY_IN):
            raise ProtocolViolation("the server started a COPY that was not decided")
        head.copying_in = True
        head.copies_left -= 1
        head.syncs, head.outcome_awaited = 0, False
        self._show(head, frame.raw)

    def _copy_out(self, frame: Frame) -> None:
        head = self._head(Owed.QUERY, Owed.EXECUTE)
        plan = head.plan
        if head.unseen or plan is None or not plan.has_effect(EffectKind.COPY_OUT):
            raise ProtocolViolation("the server started a COPY that was not decided")
        self._show(head, frame.raw)

    def _function_result(self, frame: Frame) -> None:
        head = self._head(Owed.FUNCTION_CALL)
        if head.plan is not None:
            self._completed(head.plan.effects, None)
        head.bytes = len(frame.payload)
        self.outcomes.record(head, 0, b"FUNCTION CALL", "")
        self._show(head, frame.raw)

    # -- errors, notices, state -----------------------------------------------

    def _withhold(self, head: Pending | None) -> bool:
        if head is not None and head.missing:
            return False  # it tells the name that the client gave
        if self.withhold_until_end:
            return True
        return head is not None and head.plan is not None and head.plan.withholds_errors

    def _error(self, frame: Frame) -> None:
        head = self.link.queue.head
        fields = _error_fields(frame)
        if head is None or fields.severity in ("FATAL", "PANIC"):
            if head is not None:
                self.outcomes.record(head, head.statement, b"", fields.sqlstate)
                head.failed = True
            shown = client_error(fields, None, withhold=self._withhold(head))
            if shown.sqlstate.startswith("57"):  # PostgreSQL's fixed words on a session's end
                shown = shown.with_fields(message=fields.message, hint=None)
            self.link.to_client.append(shown.encode_error())
            return
        if head.replacement is not None:
            # a transaction that had failed before it is what the server itself would tell of
            shown = fields if fields.sqlstate == ABORTED else head.replacement
            if shown is not fields and head.ahead:
                self.link.to_client.append(head.ahead)
        else:
            words = interrupted(head, fields)
            head.interrupted = words is not None
            shown = client_error(words or fields, head.plan, withhold=self._withhold(head))
            self.outcomes.record(head, head.statement, b"", fields.sqlstate)
        if head.resync is not None:
            raise ProtocolViolation("the server's answer does not fit what was sent to it")
        if head.plan is not None and _commits_itself(head.plan, head.statement):
            self.scope.obscured()
        head.failed, head.error = True, shown
        self.scope.failed = True
        self.scope.query_broke |= head.owed is Owed.QUERY
        head.copying_in = False
        head.copies_left = 0
        if not head.probe:
            self.link.to_client.append(shown.encode_error())
        if head.interrupted:
            self._lose_synchronization()
        if not head.owed.ends_with_ready:
            self.link.fail_pipeline(head, self.names.drop_unnamed)
            if self.link.queue.head is None:
                self.link.skip = Skip.SERVER
        if head.syncs and not self.link.closed:
            ask_for_syncs(self.link, self.names.next_cycle())
        head.outcome_awaited = False

    def _lose_synchronization(self) -> None:
        fatal = lost_synchronization(self.scope.parameters.get("server_version", ""))
        if fatal is not None:
            self.link.to_client.append(fatal)
            self.link.closed = True

    def _ready(self, frame: Frame) -> None:
        head = self.link.queue.head
        if head is None or not head.owed.ends_with_ready:
            raise ProtocolViolation("the server reported ready while it owed other answers")
        if head.must_fail and not head.failed:
            raise ProtocolViolation("the server accepted a message that had to fail")
        if frame.payload not in (b"I", b"T", b"E"):
            raise ProtocolViolation("the server reported an unknown transaction status")
        self.at_ready(frame.payload, head.cycle)
        if self._resyncing(frame):
            return
        if head.notices:
            self._show(head, b"")
        self.link.queue.finish()
        if not head.unseen:
            self.link.to_client.append(frame.raw)

    def at_ready(self, status: bytes, cycle: int) -> None:
        """ReadyForQuery has come for what is of this cycle: note what that ends."""
        scope = self.scope
        self.link.status = scope.status = status
        scope.session_said = None  # the server has told of it by now
        if status == b"I":
            self.raw_access = self.raw_access and not scope.role_set
            self.names.end_transaction(cycle)
            scope.transaction_ended(True)
            if scope.committed:
                self._tell_changes()
            self.withhold_until_end = False
        scope.failed = False
        scope.ready()

    def _resyncing(self, frame: Frame) -> bool:
        """Whether the message answers the question about Syncs inside a failed COPY."""
        head = self.link.queue.head
        if head is None or head.resync is None:
            return False
        self.link.to_client += [ready.raw for ready in head.resync.receive(frame)]
        if head.resync.over:
            self.link.queue.finish()
            self.link.skip = Skip.LOCAL if head.resync.ignored else Skip.NOTHING
        return True

    def _notice(self, frame: Frame) -> None:
        head = self.link.queue.head
        if head is not None and head.unseen:
            return
        message = backend.decode(frame)
        if not isinstance(message, backend.NoticeResponse):
            raise ProtocolViolation("the server's notice cannot be read")
        shown = client_notice(message.fields, withhold=self._withhold(head))
        self.link.to_client.append(shown.encode_notice())

    def _parameter_status(self, frame: Frame) -> None:
        message = backend.decode(frame)
        if not isinstance(message, backend.ParameterStatus):
            raise ProtocolViolation("the server's parameter status cannot be read")
        self.scope.tells(message.name, message.value)
        self.link.to_client.append(frame.raw)

    def _notification(self, frame: Frame) -> None:
        """A payload may come from anybody's trigger: only who sees everything raw gets it."""
        if self.raw_access:
            self.link.to_client.append(frame.raw)
            return
        message = backend.decode(frame)
        if not isinstance(message, backend.NotificationResponse):
            raise ProtocolViolation("the server's notification cannot be read")
        self.link.to_client.append(replace(message, payload=b"").encode())

    def close(self, sqlstate: str, message: str, detail: str) -> None:
        """End the session with a FATAL error; nothing more is forwarded."""
        fields = ErrorFields(
            (
                ("S", b"FATAL"),
                ("V", b"FATAL"),
                ("C", sqlstate.encode()),
                ("M", message.encode()),
                ("D", detail.encode()),
            )
        )
        self.link.to_client.append(fields.encode_error())
        self.link.closed = True

    def fail(self, error: ProtocolViolation) -> None:
        """The peer broke the protocol: say so and end the session."""
        self.link.to_client.append(from_error(error, severity="FATAL").encode_error())
        self.link.closed = True


def protected_column(frame: Frame, restricted: Restricted) -> tuple[int, int] | None:
    """The first column of a RowDescription that comes as it is from one of `restricted`.

    Raises:
        ProtocolViolation: it cannot be read.
    """
    description = backend.decode(frame)
    if not isinstance(description, backend.RowDescription):
        raise ProtocolViolation("the server's row description cannot be read")
    for column in description.fields:
        origin = (column.table_oid, column.column_number)
        if column.table_oid and origin in restricted:
            return origin
    return None


def _commits_itself(plan: Plan, index: int) -> bool:
    """Whether code that may have set something, and kept it by a COMMIT of its own, has failed."""
    if index >= len(plan.statements):
        return False
    return plan.statements[index].action in (Action.CALL, Action.DO)


def _error_fields(frame: Frame) -> ErrorFields:
    message = backend.decode(frame)
    if not isinstance(message, backend.ErrorResponse):
        raise ProtocolViolation("the server's error cannot be read")
    return message.fields


_ACKNOWLEDGED: Final[Mapping[int, Owed]] = {
    Backend.PARSE_COMPLETE: Owed.PARSE,
    Backend.BIND_COMPLETE: Owed.BIND,
    Backend.CLOSE_COMPLETE: Owed.CLOSE,
}
_HANDLERS: Final[Mapping[int, Callable[[Answers, Frame], None]]] = {
    Backend.PARSE_COMPLETE: Answers._acknowledged,
    Backend.BIND_COMPLETE: Answers._acknowledged,
    Backend.CLOSE_COMPLETE: Answers._acknowledged,
    Backend.PARAMETER_DESCRIPTION: Answers._parameter_description,
    Backend.ROW_DESCRIPTION: Answers._row_description,
    Backend.NO_DATA: Answers._no_data,
    Backend.COMMAND_COMPLETE: Answers._command_complete,
    Backend.EMPTY_QUERY_RESPONSE: Answers._command_complete,
    Backend.PORTAL_SUSPENDED: Answers._suspended,
    Backend.COPY_IN_RESPONSE: Answers._copy_in,
    Backend.COPY_OUT_RESPONSE: Answers._copy_out,
    Backend.COPY_DONE: Answers._copy_out,
    Backend.ERROR_RESPONSE: Answers._error,
    Backend.READY_FOR_QUERY: Answers._ready,
    Backend.NOTICE_RESPONSE: Answers._notice,
    Backend.PARAMETER_STATUS: Answers._parameter_status,
    Backend.NOTIFICATION_RESPONSE: Answers._notification,
    Backend.FUNCTION_CALL_RESPONSE: Answers._function_result,
}
