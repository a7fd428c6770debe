"""The extended query protocol: Parse, Bind, Describe, Execute, Close."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from dbguard.errors import DbguardError, UndefinedName
from dbguard.sql.facts import EffectKind
from dbguard.sql.names import literal
from dbguard.wire import frontend
from dbguard.wire.framing import Frame, Opening, pack
from dbguard.wire.tags import Backend

from .asks import Answer, Ask, Planned
from .changes import Change
from .executing import as_it_is_now, may_be_unmet
from .holding import Held
from .joining import fetched
from .judging import Judging, RefusedWithRecord, StaleStatement, reserved_name
from .known import Knowledge
from .link import ABORTED, ABORTED_MESSAGE, RESERVED, Link, Skip, Steps
from .names import NameTable, Portal, Prepared, checked, weight_of
from .pending import Owed, Pending
from .plan import Basis, Plan
from .probe import CURSORS, ask_server
from .refreshing import ServerRefused, bound_by_name
from .scope import Scope


@dataclass(slots=True)
class Extended:
    """Handles the messages that name statements and portals."""

    link: Link
    scope: Scope
    names: NameTable
    judging: Judging
    knowledge: Knowledge
    _just_bound: Portal | None = None

    def parse(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Parse)
        change: Change[Prepared] | None = None
        """Gives the unnamed statement back: Parse destroys it, even one that fails, unless the
        server skips it."""
        try:
            name = self._new_name(message.name)
            if name and name not in self.names.statements:
                self.names.require_room(1, 0)
            planned = yield from self.judging.settling.plan(message.query, message.parameter_types)
            yield from self.judging.check_named(planned.plan)
            columnless = yield from self._fetches_nothing(planned.plan)
            if self.judging.overtaken():
                return
            if not name:  # not before: an error meanwhile takes back what this would build on
                change = self.link.forming = self.names.drop_unnamed()
            plan, basis = planned.plan, self.judging.observe(planned)
            if name and plan.refusal is None:
                self.names.require_bytes(weight_of(plan, message.query))
            identity = self.names.next_identity(self.judging.identity.session)
            decisions = yield from self.judging.decide(plan, planned, "parse", identity)
            if plan.refusal is not None:
                yield from self.judging.refuse_text(
                    plan,
                    decisions,
                    message.query,
                    message.parameter_types,
                    query=False,
                    change=change,
                )
                return
            prepared = Prepared(
                name,
                message.query,
                message.parameter_types,
                plan,
                basis,
                identity=identity,
                forwarded=plan.text,
                columnless=columnless,
                cycle=self.names.cycle,
            )
            data = frame.raw
            if plan.positions is not None:
                text = self.scope.encoded(plan.text)
                data = frontend.Parse(message.name, text, message.parameter_types).encode()
        except DbguardError as error:
            if change is None and not message.name and not self.judging.overtaken():
                change = self.link.forming = self.names.drop_unnamed()
            yield from self.judging.refuse(error, query=False, change=change)
            return
        unnamed = change is not None
        if unnamed:
            self.knowledge.learn_parse(frame.raw, data, planned, prepared)
        if change is None:
            change = self.names.put_statement(prepared)
        else:
            change.end_with(prepared)
        entry = Pending(
            Owed.PARSE,
            plan=plan,
            basis=basis,
            decisions=decisions,
            started=self.judging.surroundings.monotonic(),
            change=change,
        )
        entry.unnamed = unnamed
        self.link.stage(data, entry, max(decisions, default=0))
        if not plan.raw_access and len(plan.statements) == 1:
            self.link.stage(
                frontend.Describe(b"S", message.name).encode(),
                Pending(Owed.DESCRIBE, unseen=True, plan=plan, basis=basis, shape=prepared.told),
            )

    def bind(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Bind)
        judging = self.judging
        try:
            yield from self.link.drain()  # what is on its way may make or drop the name
            if judging.overtaken():
                return
            name = self._new_name(message.portal)
            yield from self._certain(self.names.statements, message.statement)
            if judging.overtaken():
                return
            prepared = self._statement(message.statement)
            if prepared is not None and self._unsure(prepared.cycle):
                yield from self.link.answered()
                if judging.overtaken():
                    return
                prepared = self._statement(message.statement)
            if prepared is None:
                yield from self._pass_missing(frame, Owed.BIND, b"S", message.statement)
                return
            if name not in self.names.portals:
                self.names.require_room(0, 1)
            elif name and (yield from self._taken(prepared, name)):
                entry = Pending(Owed.BIND, missing=True, passing=isinstance(frame, Opening))
                self.link.stage(frame.raw, entry)
                if entry.passing:
                    yield from self.link.release()
                return
            if name:  # one without a name is as large as one statement may be
                self.names.require_bytes(weight_of(prepared.plan, prepared.text))
            planned = yield from judging.refreshed(prepared)
            plan = yield from judging.joined(prepared.plan)
            if judging.overtaken():
                return
            decisions = yield from judging.decide(plan, planned, "bind", prepared.identity)
            if plan.refusal is not None:
                yield from judging.refuse_plan(plan.refusal, decisions, query=False)
                return
        except DbguardError as error:
            yield from judging.refuse(error, query=False)
            return
        if not name:
            self.knowledge.learn_bind(message.statement, prepared, planned, plan)
        portal = Portal(
            name,
            plan,
            decisions,
            prepared.identity,
            cycle=self.names.cycle,
            source=prepared,
            basis=prepared.basis,
            base=prepared.plan,
            text=prepared.text,
            met=judging.surroundings.monotonic(),
        )
        self._just_bound = portal
        entry = Pending(
            Owed.BIND,
            plan=plan,
            basis=prepared.basis,
            decisions=decisions,
            started=judging.surroundings.monotonic(),
            change=self.names.put_portal(portal),
        )
        entry.passing = isinstance(frame, Opening)
        self.link.stage(frame.raw, entry, max(decisions, default=0))
        if entry.passing:
            yield from self.link.release()

    def execute(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Execute)
        judging = self.judging
        try:
            yield from self.link.drain()
            if judging.overtaken():
                return
            yield from self._certain(self.names.portals, message.portal)
            if judging.overtaken():
                return
            portal = self.names.portals.get(checked(self.scope.text(message.portal)))
            if portal is not None and self._unsure(portal.cycle):
                yield from self.link.answered()
                if judging.overtaken():
                    return
                portal = self.names.portals.get(portal.name)
            if portal is None:
                yield from self._pass_missing(frame, Owed.EXECUTE, b"P", message.portal)
                return
            yield from judging.still_allowed(portal)
            if judging.overtaken():
                return
            basis = portal.basis
            assert basis is not None
            plan = portal.plan
            if portal.base is not None and not portal.base.fixed_at_bind:
                plan, basis = yield from self._at_execution(portal, portal.base, basis)
                if judging.overtaken():
                    return
            decisions, sequence = portal.decisions, 0
            if unmet := may_be_unmet(judging, portal, self._just_bound):
                plan = yield from as_it_is_now(judging, portal)
            if judging.overtaken():
                return
            if portal.executed or plan != portal.plan or unmet:
                planned = Planned(plan, basis.restricted, basis.key)
                decisions = yield from judging.decide(plan, planned, "execute", portal.statement)
                sequence = max(decisions, default=0)
            if plan.refusal is not None:
                yield from judging.refuse_plan(plan.refusal, decisions, query=False)
                return
        except DbguardError as error:
            yield from judging.refuse(error, query=False)
            return
        portal.executed = True
        self._just_bound = None
        entry = judging.entry(Owed.EXECUTE, plan, basis, decisions)
        entry.portal, entry.text, entry.cycle = portal.name, portal.text, self.names.cycle
        self.link.stage(frame.raw, entry, sequence)
        if entry.copies_left:
            yield from self.link.release()

    def _at_execution(
        self, portal: Portal, base: Plan, basis: Basis
    ) -> Generator[Ask, Answer, tuple[Plan, Basis]]:
        """The plan of a utility statement, whose names the server looks up only now.

        Raises:
            StatementError: it would not run what was decided when the portal was bound.
        """
        judging = self.judging
        runs_named = base.has_effect(EffectKind.EXECUTE, EffectKind.FETCH)
        if base.names_nothing or (base.raw_access and not runs_named):
            return portal.plan, basis
        yield from judging.settling.ready()
        if judging.overtaken() or self.scope.status == b"E":
            return portal.plan, basis
        if not base.raw_access and (
            basis.view != self.scope.view
            or basis.key != judging.surroundings.state_key()
            or self.scope.needs_overlay
        ):
            planned = yield from judging.settling.plan(portal.text)
            if judging.overtaken():
                return portal.plan, basis
            if planned.plan.refusal is not None:
                made = yield from judging.decide(planned.plan, planned, "execute", portal.statement)
                raise RefusedWithRecord(planned.plan.refusal, made[0] if made else None)
            if planned.plan.text != base.text:
                if not bound_by_name(portal):
                    raise UndefinedName(
                        "0A000",
                        "portal cannot be run after the search path, the role or the catalog "
                        "changed",
                        hint="Bind the statement again.",
                    )
                made = yield from judging.decide(planned.plan, planned, "bind", portal.statement)
                yield from judging.bind_again(portal, planned.plan, max(made, default=0))
                if judging.overtaken():
                    return portal.plan, basis
                portal.plan = portal.base = planned.plan
                portal.decisions, portal.executed = made, False
            base, basis = planned.plan, judging.observe(planned)
            portal.basis = basis
        return (yield from judging.joined(base)), basis

    def describe(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Describe)
        entry = Pending(Owed.DESCRIBE)
        try:
            yield from self.link.drain()
            if self.judging.overtaken():
                return
            name = checked(self.scope.text(message.name))
            table = self.names.statements if message.kind == b"S" else self.names.portals
            yield from self._certain(table, message.name)
            if self.judging.overtaken():
                return
            if message.kind == b"S":
                prepared = self._statement(message.name)
                if prepared is None:
                    yield from self._pass_missing(frame, Owed.DESCRIBE, b"S", message.name)
                    return
                yield from self._describable(prepared)
                if self.judging.overtaken():
                    return
                if not prepared.columnless:
                    yield from self._cursors_exist(prepared.plan)
                entry.plan, entry.basis = prepared.plan, prepared.basis
                entry.shape = prepared.told
            else:
                portal = self.names.portals.get(name)
                if portal is None:
                    yield from self._pass_missing(frame, Owed.DESCRIBE, b"P", message.name)
                    return
                if portal.base is not None:
                    yield from self._cursors_exist(portal.base)
                entry.plan, entry.basis = portal.plan, portal.basis
                entry.shape = portal.source.told if portal.source else None
            if self.judging.overtaken():
                return
        except DbguardError as error:
            yield from self.judging.refuse(error, query=False)
            return
        self.link.stage(frame.raw, entry)

    def _describable(self, prepared: Prepared) -> Steps:
        """Bring a statement up to date that is to be described.

        Raises:
            StatementError: it is not what it was.
        """
        judging = self.judging
        if (yield from judging.stale(prepared)):
            yield from judging.learn(prepared)
            if prepared.told.columns == b"":
                return  # the server looks at nothing either
        try:
            yield from judging.refreshed(prepared)
        except (StaleStatement, ServerRefused) as error:
            if prepared.told.parameters is not None:  # which the server tells first
                error.ahead = pack(Backend.PARAMETER_DESCRIPTION, prepared.told.parameters)
            raise

    def _taken(self, prepared: Prepared, portal: str) -> Generator[Ask, Answer, bool]:
        """Whether there is a portal of that name, which the server tells before it looks at a
        statement whose names may mean something else by now."""
        yield from self.link.answered()
        if self.judging.overtaken() or not (yield from self.judging.stale(prepared)):
            return False
        (found,) = yield from ask_server(self.link, CURSORS.format(literal(portal)))
        return found != b"0"

    def close(self, frame: Frame) -> Steps:
        if self.link.skip is not Skip.NOTHING:
            return
        message = frontend.decode(frame)
        assert isinstance(message, frontend.Close)
        try:
            name = checked(self.scope.text(message.name))
        except DbguardError as error:
            yield from self.judging.refuse(error, query=False)
            return
        change = (
            self.names.drop_statement(name)
            if message.kind == b"S"
            else self.names.drop_portal(name)
        )
        self.link.stage(frame.raw, Pending(Owed.CLOSE, change=change))

    # -- names ----------------------------------------------------------------

    def _new_name(self, raw: bytes) -> str:
        name = checked(self.scope.text(raw))
        if name.startswith(RESERVED):
            raise reserved_name()
        return name

    def _certain(self, table: Held[Prepared] | Held[Portal], raw: bytes) -> Steps:
        """A name that is gone may be so for a Close that the server skips after an error."""
        if self.scope.text(raw) not in table:
            yield from self.link.answered()

    def _cursors_exist(self, plan: Plan) -> Steps:
        """Describe of a FETCH whose cursor has gone since it was parsed crashes the server, and
        ends everybody's session: FetchStatementTargetList (pquery.c, 13 to 18) expects one.

        Raises:
            UndefinedName: it has gone.
        """
        if not plan.has_effect(EffectKind.FETCH, EffectKind.EXECUTE):
            return
        for name in (yield from self._missing_cursors(plan)):
            raise UndefinedName("34000", f'cursor "{name}" does not exist')

    def _fetches_nothing(self, plan: Plan) -> Generator[Ask, Answer, bool]:
        """Whether it is a FETCH from a cursor that does not exist yet: drivers prepare it first."""
        if not plan.has_effect(EffectKind.FETCH) or plan.has_effect(EffectKind.EXECUTE):
            return False
        return bool((yield from self._missing_cursors(plan)))

    def _missing_cursors(self, plan: Plan) -> Generator[Ask, Answer, list[str]]:
        """The cursors that a plan fetches from and that neither dbguard nor the server knows."""
        wanted = sorted(fetched(plan, self.names))
        if wanted:
            yield from self.link.answered()
        missing: list[str] = []
        for name in wanted:
            if self.judging.overtaken() or self.scope.status == b"E":
                break
            if name not in self.names.portals:
                (found,) = yield from ask_server(self.link, CURSORS.format(literal(name)))
                if found == b"0":
                    missing.append(name)
        return missing

    def _unsure(self, made: int) -> bool:
        """Whether what made a name stands in front of a Sync and is not answered yet: if it fails,
        the server goes on with what had the name before."""
        oldest = self.link.queue.oldest_cycle
        return oldest is not None and oldest <= made < self.names.cycle

    def _statement(self, raw: bytes) -> Prepared | None:
        return self.names.statements.get(checked(self.scope.text(raw)))

    def _pass_missing(self, frame: Frame, owed: Owed, kind: bytes, name: bytes) -> Steps:
        """Let the server say in its own words that there is no such statement or portal.

        It is closed first: what a client has lost, by a Parse that dbguard refused say, the server
        may still have. A failed transaction runs nothing, and tells other things of what broke in
        it.
        """
        if owed is Owed.EXECUTE and not name and self.scope.query_broke:
            # a Query's, whose text is gone: the server may crash (exec_execute_message reads it)
            yield from self.judging.refuse(UndefinedName(ABORTED, ABORTED_MESSAGE), query=False)
            return
        if kind == b"S" or self.scope.status != b"E":
            closing = frontend.Close(kind, name).encode()
            self.link.stage(closing, Pending(Owed.CLOSE, unseen=True))
        entry = Pending(owed, missing=True, passing=isinstance(frame, Opening))
        self.link.stage(frame.raw, entry)
        if entry.passing:
            yield from self.link.release()
