"""Prepared statements that outlive what they were decided under.

When catalog, rules, search_path or role have changed, the client's text is planned again. If that
gives another text to run, the statement is closed and parsed anew under its name; the client
notices nothing while parameters and result stay what it was told. Otherwise it gets PostgreSQL's
own error for this, which drivers know by its routine.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from dbguard.errors import AuditUnavailable, StatementError
from dbguard.sql.facts import EffectKind
from dbguard.wire import backend, frontend
from dbguard.wire.errorfields import ErrorFields
from dbguard.wire.framing import Frame
from dbguard.wire.tags import Backend

from .asks import Answer, Ask, AskDurable, AskServer, Planned, Surroundings
from .link import RESERVED, Link, Skip, Steps
from .names import Portal, Prepared
from .pending import Owed, Pending, Shape
from .plan import Basis, Plan
from .probe import NO_PARAMETERS
from .scope import Scope
from .settling import Settling

_NAME = RESERVED.encode() + b"again"


class ServerRefused(StatementError):
    """An error of the server's about a message of dbguard's, to be shown as it is."""

    def __init__(self, fields: ErrorFields) -> None:
        super().__init__("the server refused the statement")
        self.fields = fields
        self.skips = False
        """The server skips to the next Sync since, as the client has to be told."""
        self.ahead = b""
        """What the client gets before the error."""


def stale_result() -> ServerRefused:
    """What RevalidateCachedQuery of PostgreSQL's plancache.c says."""
    return ServerRefused(
        ErrorFields(()).with_fields(
            severity="ERROR",
            sqlstate="0A000",
            message="cached plan must not change result type",
            hint="Prepare the statement again: the catalog, the rules or the search_path have "
            "changed since.",
            routine="RevalidateCachedQuery",
        )
    )


@dataclass(slots=True)
class Refreshing:
    """Brings one prepared statement up to date."""

    link: Link
    scope: Scope
    surroundings: Surroundings
    settling: Settling

    def planned(self, prepared: Prepared) -> Generator[Ask, Answer, Planned | None]:
        """The statement's plan under what is in force now; None when it is the one it has.

        Raises:
            StatementError: what it means cannot be told, or is not what the client was told.
        """
        if (yield from self.stale(prepared)):
            return (yield from self.settling.plan(prepared.text, prepared.parameter_types))
        if prepared.reshaped and self.scope.status != b"E":
            raise stale_result()
        return None

    def stale(self, prepared: Prepared) -> Generator[Ask, Answer, bool]:
        """Whether something has changed since that the statement rests on. In a failed transaction
        nothing is: the server runs no more than its end.

        Raises:
            StatementError: it cannot be told.
        """
        basis = prepared.basis
        yield from self.link.drain()
        plan, role = prepared.plan, self.settling.any_view.user
        same_role = role == basis.view.user if role else plan.controls_only
        if plan.names_nothing and same_role and not prepared.lost:
            moved = basis.key != self.surroundings.state_key()
            return moved and not self._overtaken and self.scope.status != b"E"
        yield from self.settling.ready()
        if self._overtaken or self.scope.status == b"E":
            return False
        return not (
            basis.key == self.surroundings.state_key()
            and basis.view == self.scope.view
            and basis.changes == self.settling.changes_for(prepared.text)
            and (not self.scope.needs_overlay or self.settling.knows_changes)
            and not prepared.lost
        )

    @property
    def _overtaken(self) -> bool:
        return self.link.skip is not Skip.NOTHING or self.link.closed

    def changes(self, prepared: Prepared, planned: Planned) -> bool:
        """Whether the server has to be told something else than before."""
        return planned.plan.text != prepared.forwarded or prepared.lost

    def bring_up_to_date(
        self, prepared: Prepared, planned: Planned, basis: Basis, sequence: int, *, in_query: bool
    ) -> Steps:
        """Put the new plan in the old one's place, here and at the server.

        Raises:
            StatementError: the server refuses it, or the client was told something else.
        """
        plan = planned.plan
        if self.changes(prepared, planned):
            if prepared.by_sql and not _prepares(plan, prepared.name):
                raise stale_result()
            yield from self.learn(prepared, in_query=in_query)
            yield from self._parse_again(prepared, plan, basis, sequence, in_query)
        else:
            moved = prepared.basis != basis
            prepared.plan = _preparing(plan, prepared.name) if prepared.by_sql else plan
            prepared.basis = basis
            described = not plan.has_effect(EffectKind.FETCH)  # whose cursor may have gone
            if moved and described and not plan.raw_access and not (prepared.by_sql or in_query):
                self.link.stage(
                    frontend.Describe(b"S", self._name(prepared)).encode(),
                    Pending(Owed.DESCRIBE, unseen=True, plan=plan, basis=basis),
                )
        if prepared.reshaped:
            raise stale_result()

    def _name(self, prepared: Prepared) -> bytes:
        return self.scope.encoded(prepared.name)

    def learn(self, prepared: Prepared, *, in_query: bool = False) -> Steps:
        """Ask the server what a statement is that is about to be parsed anew, if the client has not
        asked either. Only while nothing but the names' meaning has changed: the question would
        fail if what the statement was about had gone.

        Raises:
            ServerRefused: it cannot be told.
        """
        told, basis = prepared.told, prepared.basis
        same = basis.key == self.surroundings.state_key()
        same = same and basis.changes == self.settling.changes_for(prepared.text)
        known = told.columns is not None and told.parameters is not None
        if known or prepared.lost or not same:
            return
        if prepared.plan.has_effect(EffectKind.FETCH, EffectKind.EXECUTE):
            return  # of what may have gone, which crashes the server: Extended._cursors_exist
        yield from self.link.release()
        if self._overtaken:
            return
        describe = frontend.Describe(b"S", self._name(prepared)).encode()
        asked = [(describe, self._own(Owed.DESCRIBE, prepared, told))]
        yield from self._have_done(asked, in_query)

    def _own(self, owed: Owed, prepared: Prepared, shape: Shape | None = None) -> Pending:
        return Pending(owed, unseen=True, plan=prepared.plan, basis=prepared.basis, shape=shape)

    def _have_done(self, messages: list[tuple[bytes, Pending]], in_query: bool) -> Steps:
        """Send messages of dbguard's own, and wait for their answers. A Query behind them needs a
        Sync. Otherwise none is sent inside a transaction: what changes with its end, should they
        fail, the client is to be told behind the error.

        Raises:
            ServerRefused: one of them failed.
        """
        link = self.link
        synced = link.at_rest or (in_query and not link.pipeline_open)
        if synced:
            messages.append((frontend.Sync().encode(), Pending(Owed.SYNC, unseen=True)))
        for data, entry in messages:
            entry.probe = True
            link.send(data, entry)
        while messages[-1][1] in link.queue.entries and not link.closed:
            link.flush()
            yield AskServer()
        for _, entry in messages:
            if entry.error is not None:
                error = ServerRefused(entry.error)
                error.skips = not synced
                raise error

    def bind_again(self, portal: str, plan: Plan, sequence: int) -> Steps:
        """Close and Bind a portal that shows nothing, to another text.

        Raises:
            ServerRefused: the server does not take it.
        """
        yield from self.link.release()
        if sequence and not (yield AskDurable(sequence)):
            raise AuditUnavailable("the audit log cannot be written")
        if self._overtaken:
            return
        name, text = self.scope.encoded(portal), self.scope.encoded(plan.text)
        sent = [
            (frontend.Close(b"P", name).encode(), Owed.CLOSE),
            (frontend.Parse(_NAME, text, ()).encode(), Owed.PARSE),
            (frontend.Bind(name, _NAME, NO_PARAMETERS).encode(), Owed.BIND),
            (frontend.Close(b"S", _NAME).encode(), Owed.CLOSE),
        ]
        yield from self._have_done([(data, Pending(o, unseen=True)) for data, o in sent], False)

    def _parse_again(
        self, prepared: Prepared, plan: Plan, basis: Basis, sequence: int, in_query: bool
    ) -> Steps:
        """Close and Parse, and look at what comes of it before anything else is sent."""
        link = self.link
        yield from link.release()
        if sequence and not (yield AskDurable(sequence)):
            raise AuditUnavailable("the audit log cannot be written")
        if self._overtaken:
            return
        name, text = self._name(prepared), self.scope.encoded(plan.text)
        shape, told = Shape(), prepared.told
        prepared.plan = _preparing(plan, prepared.name) if prepared.by_sql else plan
        prepared.basis, prepared.forwarded = basis, plan.text
        prepared.lost = True

        def held() -> None:
            prepared.lost = False

        described = self._own(Owed.DESCRIBE, prepared, shape)
        described.done = held
        messages = [(frontend.Close(b"S", name).encode(), self._own(Owed.CLOSE, prepared))]
        if prepared.by_sql:
            messages += [(data, Pending(owed, unseen=True)) for data, owed in _prepare(text)]
        else:
            types = _oids(told.parameters) if told.parameters else prepared.parameter_types
            parse = frontend.Parse(name, text, types).encode()
            messages.append((parse, self._own(Owed.PARSE, prepared)))
        messages.append((frontend.Describe(b"S", name).encode(), described))
        yield from self._have_done(messages, in_query)
        if not prepared.lost:
            prepared.reshaped = _differs(told, shape)


def bound_by_name(portal: Portal) -> bool:
    """Whether it can be bound anew unseen: to a statement without parameters or result."""
    told = portal.source.told if portal.source is not None else Shape()
    return told.columns == b"" and told.parameters is not None and not _oids(told.parameters)


def _prepare(text: bytes) -> list[tuple[bytes, Owed]]:
    """Messages that run a PREPARE."""
    portal = frontend.Close(b"P", _NAME).encode()
    statement = frontend.Close(b"S", _NAME).encode()
    return [
        (frontend.Parse(_NAME, text, ()).encode(), Owed.PARSE),
        (frontend.Bind(_NAME, _NAME, NO_PARAMETERS).encode(), Owed.BIND),
        (frontend.Execute(_NAME, 0).encode(), Owed.EXECUTE),
        (portal, Owed.CLOSE),
        (statement, Owed.CLOSE),
    ]


def _prepares(plan: Plan, name: str) -> bool:
    """Whether the text prepares `name` and does nothing else: then it can be run once more."""
    effects = plan.effects
    return (
        len(plan.statements) == len(effects) == 1
        and effects[0].kind is EffectKind.PREPARE
        and effects[0].name == name
    )


def _oids(payload: bytes) -> tuple[int, ...]:
    message = backend.decode(Frame(Backend.PARAMETER_DESCRIPTION, payload))
    assert isinstance(message, backend.ParameterDescription)
    return tuple(message.oids)


def _preparing(plan: Plan, name: str) -> Plan:
    """The plan's one statement that prepares `name`."""
    for statement in plan.statements:
        if any(e.kind is EffectKind.PREPARE and e.name == name for e in statement.effects):
            return replace(plan, statements=(statement,))
    return replace(plan, statements=())


def _differs(told: Shape, now: Shape) -> bool:
    if told.parameters is not None and told.parameters != now.parameters:
        return True
    return told.columns is not None and _columns(told.columns) != _columns(now.columns or b"")


def _columns(payload: bytes) -> tuple[tuple[bytes, int, int, int], ...]:
    """Name, type, size and modifier of each column; where it comes from may change."""
    if not payload:
        return ()
    message = backend.decode(Frame(Backend.ROW_DESCRIPTION, payload))
    assert isinstance(message, backend.RowDescription)
    return tuple((f.name, f.type_oid, f.type_size, f.type_modifier) for f in message.fields)
