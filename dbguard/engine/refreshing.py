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
from .link import Link, Skip, Steps
from .names import Prepared
from .pending import Owed, Pending, Shape
from .plan import Basis, Plan
from .scope import Scope
from .settling import Settling


class ServerRefused(StatementError):
    """An error of the server's about a message of dbguard's, to be shown as it is."""

    def __init__(self, fields: ErrorFields) -> None:
        super().__init__("the server refused the statement")
        self.fields = fields


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
        yield from self.settling.ready()
        if self.link.skip is not Skip.NOTHING or self.link.closed:
            return None
        if self.scope.status == b"E":
            return None  # the server runs nothing but the end of the transaction
        basis = prepared.basis
        if (
            basis.key == self.surroundings.state_key()
            and basis.view == self.scope.view
            and basis.changes == self.settling.changes_for(prepared.text)
            and (not self.scope.needs_overlay or self.settling.knows_changes)
            and not prepared.lost
        ):
            if prepared.reshaped:
                raise stale_result()
            return None
        return (yield from self.settling.plan(prepared.text, prepared.parameter_types))

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
            if prepared.by_sql:
                raise stale_result()
            yield from self._parse_again(prepared, plan, basis, sequence)
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

    def _parse_again(self, prepared: Prepared, plan: Plan, basis: Basis, sequence: int) -> Steps:
        """Close and Parse, and look at what comes of it before anything else is sent."""
        link = self.link
        yield from link.release()
        if sequence and not (yield AskDurable(sequence)):
            raise AuditUnavailable("the audit log cannot be written")
        if link.skip is not Skip.NOTHING or link.closed:
            return
        alone = not link.pipeline_open
        shape = Shape()

        def owe(owed: Owed) -> Pending:
            return Pending(owed, unseen=True, plan=plan, basis=basis, probe=alone, shape=shape)

        name, text = self._name(prepared), self.scope.encoded(plan.text)
        sent = [owe(Owed.CLOSE), owe(Owed.PARSE), owe(Owed.DESCRIBE)]
        prepared.lost = True

        def held() -> None:
            prepared.lost = False

        sent[2].done = held
        link.send(frontend.Close(b"S", name).encode(), sent[0])
        link.send(frontend.Parse(name, text, prepared.parameter_types).encode(), sent[1])
        link.send(frontend.Describe(b"S", name).encode(), sent[2])
        prepared.plan, prepared.basis, prepared.forwarded = plan, basis, plan.text
        if alone:
            sent.append(Pending(Owed.SYNC, unseen=True, probe=True))
            link.send(frontend.Sync().encode(), sent[3])
        while sent[-1] in link.queue.entries and not link.closed:
            link.flush()
            yield AskServer()
        for entry in sent:
            if entry.error is not None:
                raise ServerRefused(entry.error)
        if not prepared.lost:
            prepared.reshaped = _differs(prepared.told, shape)


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
