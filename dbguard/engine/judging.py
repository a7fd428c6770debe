"""From a text to a decision on record: what Query, Parse, Bind and Execute have in common."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

from dbguard.errors import (
    AuditUnavailable,
    DbguardError,
    LimitExceeded,
    StatementError,
    UndefinedName,
)
from dbguard.policy.model import SYSTEM_TAGS
from dbguard.sql.facts import EffectKind, SessionEffect
from dbguard.wire import frontend
from dbguard.wire.errorfields import from_error

from .answers import Answers
from .asks import (
    Answer,
    Ask,
    AskDurable,
    AskFilling,
    Planned,
    RequirementAnswer,
    Surroundings,
)
from .auditing import SessionIdentity
from .changes import Change
from .joining import DEPTH, NAMING, join_named
from .link import ABORTED, AUDIT_LOST, RESERVED, Link, Skip, Steps
from .names import NameTable, Portal, Prepared, weight_of
from .pending import Owed, Pending
from .plan import Basis, Plan, Refusal
from .recording import Recording
from .refreshing import Refreshing, ServerRefused
from .replies import refusal_fields
from .requiring import requirements_met
from .scope import Scope
from .server_words import same_mistake, server_words
from .settling import Settling


class RefusedWithRecord(StatementError):
    """A refusal that already has its record."""

    sqlstate = "42501"

    def __init__(self, refusal: Refusal, decision: int | None) -> None:
        super().__init__(refusal.message, detail=refusal.detail, hint=refusal.hint)
        self.refusal = refusal
        self.decision = decision


class StaleStatement(RefusedWithRecord):
    """A prepared statement that could not be prepared any more: the reason, with its record."""

    def __init__(self, plan: Plan, decisions: tuple[int, ...], prepared: Prepared) -> None:
        assert plan.refusal is not None
        super().__init__(plan.refusal, decisions[0] if decisions else None)
        self.plan, self.decisions, self.prepared = plan, decisions, prepared
        self.ahead = b""
        """What the client gets before the error."""


@dataclass(slots=True)
class Judging:
    """Plans joined, decided, recorded; refusals worded."""

    identity: SessionIdentity
    link: Link
    scope: Scope
    names: NameTable
    answers: Answers
    settling: Settling
    surroundings: Surroundings
    _checking: frozenset[str] = frozenset()
    """Prepared statements that are being looked at: they may name each other in a circle."""
    _recording: Recording = field(init=False)

    def __post_init__(self) -> None:
        self._recording = Recording(self.identity, self.surroundings)

    def overtaken(self) -> bool:
        """While a handler waited, an error came: its message is skipped like the server does."""
        return self.link.skip is not Skip.NOTHING or self.link.closed

    def observe(self, planned: Planned) -> Basis:
        """Take over what a plan says of the principal; returns what the plan rests on.

        Raises:
            StatementError: names cannot be resolved in this session.
        """
        if not planned.lost:
            self.answers.restricted = planned.restricted
            self.answers.raw_access = planned.plan.raw_access
        view = self.settling.known_view(planned.plan)
        return Basis(planned.key, view, planned.restricted, planned.changes)

    def entry(
        self, owed: Owed, plan: Plan, basis: Basis | None, decisions: tuple[int, ...]
    ) -> Pending:
        """What the server will owe for running `plan`."""
        effects = plan.effects
        return Pending(
            owed,
            plan=plan,
            basis=basis,
            decisions=decisions,
            started=self.surroundings.monotonic(),
            settles=bool(effects) and self.scope.settles(effects),
            copies_left=sum(e.kind is EffectKind.COPY_IN for e in effects) if effects else 0,
            notices=self._notices(plan),
        )

    def _notices(self, plan: Plan) -> tuple[str, ...]:
        texts = [text for s in plan.statements for text in s.decision.notices]
        if not self.answers.masks_named and plan.masked:
            masks = [m for s in plan.statements for m in s.decision.masks]
            names = sorted({str(m.column) for m in masks if m.tag not in SYSTEM_TAGS})
            if not names:  # psql's own queries: nobody asked for a value
                return tuple(texts)
            self.answers.masks_named = True
            shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if names[12:] else "")
            texts.insert(0, f"dbguard: shown masked in this session: {shown}")
        return tuple(texts)

    # -- plans ----------------------------------------------------------------

    def joined(
        self, plan: Plan, *, in_query: bool = False, within: tuple[str, ...] = ()
    ) -> Generator[Ask, Answer, Plan]:
        """Join in what EXECUTE and FETCH run, decided anew where it has become stale.

        `within` are roles that the same string may put in force before.

        Raises:
            StatementError: what would run may not, or what would be named has no room.
        """
        if plan.refusal is not None:
            return plan
        made = [0, 0]
        for effect in plan.effects:
            match effect.kind:
                case EffectKind.PREPARE:
                    made[0] += 1
                case EffectKind.DECLARE:
                    made[1] += 1
                case EffectKind.EXECUTE | EffectKind.FETCH:
                    yield from self._may_run(effect, in_query, within)
                    continue
                case _:
                    continue
            if (effect.name or "").startswith(RESERVED):
                raise reserved_name()
        if any(made):
            self.names.require_room(*made)
            self.names.require_bytes(sum(made) * weight_of(plan, self.scope.encoded(plan.text)))
        return join_named(plan, self.names)

    def _may_run(
        self, effect: SessionEffect, in_query: bool, within: tuple[str, ...], depth: int = DEPTH
    ) -> Steps:
        """Bring what EXECUTE or FETCH runs up to date, and what that runs in its turn."""
        name = effect.name or ""
        if effect.kind is EffectKind.FETCH:
            portal = self.names.portals.get(name)
            if portal is not None and effect.value != "move":
                yield from self.still_allowed(portal, within)
            return
        prepared = self.names.statements.get(name)
        if prepared is None or not depth:
            return
        yield from self.refreshed(prepared, in_query=in_query)
        if within:
            yield from self._same_for(prepared, prepared.forwarded, within)
        for inner in prepared.plan.effects:
            if inner.kind in (EffectKind.EXECUTE, EffectKind.FETCH):
                yield from self._may_run(inner, in_query, within, depth - 1)
            elif inner.kind in NAMING and (inner.name or "").startswith(RESERVED):
                raise reserved_name()

    def refreshed(
        self, prepared: Prepared, *, in_query: bool = False
    ) -> Generator[Ask, Answer, Planned]:
        """The statement's plan under what is in force now; parsed anew, unseen, if it changed.

        Raises:
            StatementError: it may not run any more, or cannot be parsed anew.
        """
        refreshing = self._refreshing
        planned = yield from refreshing.planned(prepared)
        if self.overtaken() or planned is None:
            basis = prepared.basis
            return Planned(prepared.plan, basis.restricted, basis.key)
        if planned.plan.refusal is not None:
            decisions = yield from self.decide(planned.plan, planned, "bind", prepared.identity)
            raise StaleStatement(planned.plan, decisions, prepared)
        yield from self.check_named(planned.plan)
        sequence = 0
        if refreshing.changes(prepared, planned):
            decisions = yield from self.decide(planned.plan, planned, "parse", prepared.identity)
            sequence = max(decisions, default=0)
        yield from refreshing.bring_up_to_date(
            prepared, planned, self.observe(planned), sequence, in_query=in_query
        )
        return planned

    def check_named(self, plan: Plan) -> Steps:
        """Before it is described what EXECUTE and FETCH show: the role in force may see it.

        Raises:
            StatementError: it may not.
        """
        if plan.raw_access or plan.refusal is not None or not self.identity.principal.acting:
            return
        for effect in plan.effects:
            name = effect.name or ""
            if effect.kind is EffectKind.EXECUTE and name not in self._checking:
                self._checking |= {name}
                try:
                    if (prepared := self.names.statements.get(name)) is not None:
                        yield from self.refreshed(prepared)
                finally:
                    self._checking -= {name}
            elif effect.kind is EffectKind.FETCH and name in self.names.portals:
                yield from self.still_allowed(self.names.portals[name])

    def still_allowed(
        self, portal: Portal, within: tuple[str, ...] = ()
    ) -> Generator[Ask, Answer, None]:
        """Decide again what runs in a portal that another role was in force for when it was made.

        The login's own role gets no less than any that it may set.

        Raises:
            StatementError: the role in force now may not run it, or not see what it shows.
        """
        scope, basis = self.scope, portal.basis
        if basis is None or portal.plan.controls_only:
            return
        if not within:
            if scope.view is not None and scope.view.user == basis.view.user:
                return
            if scope.view is None and not scope.role_unsure:
                return
            yield from self.settling.ready()
            if self.overtaken() or scope.status == b"E" or not self.identity.principal.acting:
                return
            if self.settling.known_view().user == basis.view.user:
                return
        yield from self._same_for(portal, (portal.base or portal.plan).text, within)

    def _same_for(
        self, held: Prepared | Portal, forwarded: str, within: tuple[str, ...]
    ) -> Generator[Ask, Answer, None]:
        """The client's text must give what the server holds for the role now in force, too."""
        source = held if isinstance(held, Prepared) else held.source
        if held.text:
            types = source.parameter_types if source is not None else ()
            planned = yield from self.settling.plan(held.text, types, within=within)
            if self.overtaken():
                return
            if planned.plan.refusal is not None:
                name = source.identity if source is not None else ""
                decisions = yield from self.decide(planned.plan, planned, "execute", name)
                raise RefusedWithRecord(planned.plan.refusal, decisions[0] if decisions else None)
            if planned.plan.text == forwarded:
                return
        raise UndefinedName(
            "0A000",
            "what was prepared under another role cannot be run under this one",
            hint="Prepare it, or declare the cursor, again under the role in force.",
        )

    @property
    def _refreshing(self) -> Refreshing:
        return Refreshing(self.link, self.scope, self.surroundings, self.settling)

    def stale(self, prepared: Prepared) -> Generator[Ask, Answer, bool]:
        """Whether something has changed since that the statement rests on."""
        return (yield from self._refreshing.stale(prepared))

    def learn(self, prepared: Prepared) -> Steps:
        """Ask what a stale statement was, if nobody has been told."""
        yield from self._refreshing.learn(prepared)

    def bind_again(self, portal: Portal, plan: Plan, sequence: int) -> Steps:
        """Let `portal` run what its text means by now."""
        yield from self._refreshing.bind_again(portal.name, plan, sequence)

    # -- decisions ------------------------------------------------------------

    def decide(
        self, plan: Plan, planned: Planned, phase: str, statement: str = ""
    ) -> Generator[Ask, Answer, tuple[int, ...]]:
        """Check requirements and write one decision record a statement.

        Raises:
            StatementError: a requirement is not met, or the audit log cannot be written.
        """
        met: tuple[str, ...] = ()
        unmet: RequirementAnswer | None = None
        if plan.refusal is None and phase != "parse":
            met, unmet = yield from requirements_met(
                plan,
                self.link,
                self.scope,
                self.surroundings.monotonic,
                simple=phase == "query",
            )
        if unmet is not None:
            rules = ", ".join(sorted({r.rule for r in plan.requirements}))
            refusal = Refusal(
                unmet.sqlstate,
                unmet.message,
                f"rule {rules}",
                unmet.hint,
                rule=rules,
                because=unmet.detail,
            )
            refused = replace(plan, refusal=refusal)
            decisions = self._recording.decided(refused, planned.key, phase, statement, met)
            raise RefusedWithRecord(refusal, decisions[0])
        if plan.refusal is None and phase != "parse" and (filled := plan.fillings):
            if any(filling.temporary for filling in filled):
                self.scope.temporary = None  # what is in them now, only the session's view tells
            yield AskFilling(filled)
        return self._recording.decided(plan, planned.key, phase, statement, met)

    # -- refusals -------------------------------------------------------------

    def refuse(
        self, error: DbguardError, *, query: bool, change: Change[Prepared] | None = None
    ) -> Steps:
        """Answer a message with `error`.

        Raises:
            DbguardError: `error` itself, when the session cannot go on after it.
        """
        ahead = b""
        if isinstance(error, StaleStatement):
            text, types = error.prepared.text, error.prepared.parameter_types
            yield from self.refuse_text(
                error.plan,
                error.decisions,
                text,
                types,
                query=query,
                change=change,
                ahead=error.ahead,
            )
            return
        if isinstance(error, ServerRefused) and error.skips:
            self.link.to_client.append(error.ahead + error.fields.encode_error())
            if query:
                self._end_skipping()
            return
        if isinstance(error, RefusedWithRecord):
            fields = refusal_fields(error.refusal, error.decision, self.identity.writer)
        elif isinstance(error, ServerRefused):
            fields, ahead = error.fields, error.ahead
        elif isinstance(error, AuditUnavailable):
            fields = AUDIT_LOST
        elif not isinstance(error, StatementError):
            raise error
        else:
            fields = from_error(error)
        yield from self.link.refuse(fields, query=query, change=change, ahead=ahead)

    def refuse_plan(
        self,
        refusal: Refusal,
        decisions: tuple[int, ...],
        *,
        query: bool,
        change: Change[Prepared] | None = None,
        ahead: bytes = b"",
    ) -> Steps:
        number = decisions[0] if decisions else None
        fields = refusal_fields(refusal, number, self.identity.writer)
        yield from self.link.refuse(fields, query=query, change=change, ahead=ahead)

    def refuse_text(
        self,
        plan: Plan,
        decisions: tuple[int, ...],
        text: bytes,
        types: tuple[int, ...] = (),
        *,
        query: bool,
        change: Change[Prepared] | None = None,
        ahead: bytes = b"",
    ) -> Steps:
        """Refuse a text by its plan: a mistake in the server's own words, if it may be asked."""
        refusal, link = plan.refusal, self.link
        assert refusal is not None
        ahead = b"" if refusal.denied else ahead
        asked = plan.raw_access and not refusal.denied and refusal.sqlstate != ABORTED
        asked = asked and bool(decisions)
        # a Query is answered by a ReadyForQuery: after the question, only Sync would bring it
        asked = asked and not (query and link.pipeline_open)
        if asked:
            yield from link.release()
            asked = bool((yield AskDurable(max(decisions)))) and not self.overtaken()
        if not asked:
            yield from self.refuse_plan(refusal, decisions, query=query, change=change, ahead=ahead)
            return
        resting, in_pipeline = link.at_rest, link.pipeline_open
        words = yield from server_words(link, text, types, change)
        fields = words if words and same_mistake(refusal, words) else refusal_fields(refusal)
        if resting or words is None:
            if not (resting or in_pipeline):
                link.send(frontend.Sync().encode(), Pending(Owed.SYNC, unseen=True))
            yield from link.refuse(fields, query=query, ahead=ahead)
        elif not query:
            aborted = words.sqlstate == ABORTED
            shown = words if aborted else fields
            link.to_client.append((b"" if aborted else ahead) + shown.encode_error())
        elif words.sqlstate == ABORTED:  # which is told in another place for a Query
            link.skip = Skip.NOTHING
            link.send(frontend.Sync().encode(), Pending(Owed.SYNC, unseen=True))
            yield from link.refuse(fields, query=True)
        else:
            link.to_client.append(fields.encode_error())
            self._end_skipping()

    def _end_skipping(self) -> None:
        """The client's Query is answered by its error, but for ReadyForQuery."""
        self.link.skip = Skip.NOTHING
        entry = Pending(Owed.SYNC, settles=self.scope.touched, cycle=self.names.next_cycle())
        self.link.send(frontend.Sync().encode(), entry)


def reserved_name() -> LimitExceeded:
    """The error for a client that uses one of dbguard's own names."""
    return LimitExceeded(
        "this statement or portal name is reserved",
        detail=f"Names that start with {RESERVED} are dbguard's own.",
        hint="Use another name.",
    )
