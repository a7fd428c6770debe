"""What the lane may take: messages that the general way has just decided, recorded and sent.

The general way tells of each such message (`Knowledge.learn_…`); kept is what asked nothing, said
nothing and changed no names, with all that its decision rested on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from dbguard.audit.rendering import DecisionTemplate, Rendered, SessionTemplate, render
from dbguard.policy.decision import Principal
from dbguard.policy.model import SYSTEM_TAGS
from dbguard.sql.facts import EffectKind, SessionEffect
from dbguard.sql.mould import Mould, mould_of
from dbguard.sql.shape import Shape, shape_of
from dbguard.sql.snapshot import SessionView
from dbguard.wire import frontend
from dbguard.wire.framing import pack
from dbguard.wire.tags import Frontend

from .asks import Planned, Surroundings
from .auditing import SessionIdentity, decision_records
from .names import NameTable, Prepared
from .plan import Basis, Plan, PlanRequest, Restricted, StateKey
from .scope import Scope
from .stencil import Stencil, joined

_Name = TypeVar("_Name", bytes, str)

_KEPT = 64
"""Known messages of one session and kind: an application's loop has a few."""
_MESSAGE_BYTES = 4096
_RECENT = 4
_CONTROL = frozenset({EffectKind.BEGIN, EffectKind.COMMIT, EffectKind.ROLLBACK})


@dataclass(slots=True, eq=False)
class Known:
    """A message that may go again as long as everything is as it was."""

    plan: Plan
    basis: Basis
    principal: Principal
    texts: tuple[str | None, ...]
    """How bytes are read."""
    decision: Rendered
    """The record of running it."""
    names_masks: bool
    """The session has to have been told which columns it sees masked."""
    effects: tuple[SessionEffect, ...]
    """What it does to the transaction."""
    withholds: bool
    """Errors may show values, also at the end of the transaction."""
    data: bytes = field(default=b"", repr=False)
    """What the server gets for Query or Parse."""
    prepared: Prepared | None = None
    """What Bind names; None for a Query."""
    of_parse: tuple[DecisionTemplate, SessionTemplate] | None = None
    """What the records of Parse and of the Bind behind it are filled from; None when there is no
    Parse."""
    stencil: Stencil | None = field(default=None, repr=False)
    """Of a Query: makes the plan for the same text with other literals."""
    fixed: tuple[str, ...] = field(default=(), repr=False)
    """The literals that may not be others."""
    mould: Mould | None = field(default=None, repr=False)
    """Finds the literals of such texts, if that is plain."""
    sent: tuple[bytes, ...] = field(default=(), repr=False)
    """What is sent between the literals."""
    columns: bytes | None = field(default=None, repr=False)
    """RowDescription's payload when it was last looked at, and found to show nothing protected."""
    key: StateKey = field(init=False)
    view: SessionView = field(init=False)
    restricted: Restricted = field(init=False)
    """These three are those of `basis`, asked for each time."""
    raw_access: bool = field(init=False)
    """As the plan has it."""

    def __post_init__(self) -> None:
        self.key, self.view = self.basis.key, self.basis.view
        self.restricted, self.raw_access = self.basis.restricted, self.plan.raw_access


@dataclass(slots=True)
class Knowledge:
    """What one session has learnt."""

    identity: SessionIdentity
    scope: Scope
    names: NameTable
    surroundings: Surroundings
    _queries: dict[bytes, Known] = field(default_factory=dict, repr=False)
    _shapes: dict[str, Known] = field(default_factory=dict, repr=False)
    _recent: tuple[Known, ...] = field(default=(), repr=False)
    """Of `_shapes` those that came last and have a mould, the last first."""
    _statements: dict[bytes, Known] = field(default_factory=dict, repr=False)
    _texts: dict[bytes, Known] = field(default_factory=dict, repr=False)

    # -- from the general way -------------------------------------------------

    def learn_query(
        self, raw: bytes, data: bytes, planned: Planned, plan: Plan, basis: Basis
    ) -> None:
        """It is about to send `data` for the Query `raw`."""
        if plan is not planned.plan or len(raw) > _MESSAGE_BYTES:
            return
        if self._is_learnt(self._queries.get(raw), plan, basis) or not is_plain(plan, planned):
            return
        shape = self._shape(raw)
        stencil = None if shape is None else self._stencil(shape, raw, basis)
        if shape is None or stencil is None:
            known = self._known(plan, planned, basis, "query", "")
            known.data = data
            _keep(self._queries, raw, known)
            return
        before = self._shapes.get(shape.blank)
        fixed = tuple(shape.literals[i] for i in stencil.fixed)
        if before is None or before.stencil is not stencil or before.fixed != fixed:
            known = self._known(plan, planned, basis, "query", "")
            known.stencil, known.fixed = stencil, fixed
            between = "".join(stencil.between)
            known.mould = mould_of(shape) if between.isascii() else None
            if known.mould is not None:
                known.sent = tuple([piece.encode("ascii") for piece in stencil.between])
            _keep(self._shapes, shape.blank, known)
            self._recent = ()

    def learn_bind(self, name: bytes, prepared: Prepared, planned: Planned, plan: Plan) -> None:
        """It is about to bind `prepared` to the unnamed portal."""
        if plan is not prepared.plan or not plan.fixed_at_bind or not name:
            return
        before = self._statements.get(name)
        learnt = before is not None and before.prepared is prepared
        learnt = learnt and self._is_learnt(before, plan, prepared.basis)
        if not learnt and is_plain(plan, planned):
            known = self._known(plan, planned, prepared.basis, "bind", prepared.identity)
            known.prepared = prepared
            _keep(self._statements, name, known)

    def learn_parse(self, raw: bytes, data: bytes, planned: Planned, prepared: Prepared) -> None:
        """It is about to send `data` for the Parse `raw` of the unnamed statement."""
        plan, basis = prepared.plan, prepared.basis
        if plan is not planned.plan or not plan.fixed_at_bind or len(raw) > _MESSAGE_BYTES:
            return
        if prepared.columnless or self._is_learnt(self._texts.get(raw), plan, basis):
            return
        if is_plain(plan, planned):
            known = self._known(plan, planned, basis, "bind", "")
            (record,) = decision_records(self.identity, plan, planned.key, "parse")
            known.of_parse = (DecisionTemplate(record), SessionTemplate.of(record))
            known.data, known.prepared = data, prepared
            _keep(self._texts, raw, known)

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
            any(m.tag not in SYSTEM_TAGS for s in plan.statements for m in s.decision.masks),
            plan.effects,
            plan.withholds_errors,
        )

    def _shape(self, raw: bytes) -> Shape | None:
        """Of a Query's text. One with a comment that records speak of is for itself."""
        if not raw.isascii() or self.scope.texts[1] != "on":
            return None
        shape = shape_of(raw[5:-1].decode("ascii"))
        return None if shape is None or shape.said is not None or not shape.literals else shape

    def _stencil(self, shape: Shape, raw: bytes, basis: Basis) -> Stencil | None:
        text, principal = raw[5:-1].decode("ascii"), self.identity.principal
        request = PlanRequest(text, principal, basis.view, self.identity.environment)
        stencil = self.surroundings.stencil(request, shape)
        return None if stencil is None or stencil.keeps_original else stencil

    # -- for the lane ---------------------------------------------------------

    def query(self, data: bytes) -> tuple[Known, bytes] | None:
        """What is known of a Query, and what the server gets for it."""
        known = self._queries.get(data)
        if known is not None:
            return known, known.data
        if not self._shapes or len(data) > _MESSAGE_BYTES or data[-1]:
            return None
        if int.from_bytes(data[1:5], "big") != len(data) - 1:
            return None
        if self._recent and self.scope.texts[1] == "on":
            moulded = self._moulded(data)
            if moulded is not None:
                return moulded
        shape = self._shape(data)
        known = self._shapes.get(shape.blank) if shape is not None else None
        if shape is None or known is None or known.stencil is None:
            return None
        stencil = known.stencil
        for number, literal in zip(stencil.fixed, known.fixed, strict=True):
            if shape.literals[number] != literal:
                return None
        text = joined(stencil.between, shape.literals)
        if not text.isascii():
            return None
        if known.mould is not None and known not in self._recent:
            self._recent = (known, *self._recent[: _RECENT - 1])
        return known, frontend.Query(text.encode("ascii")).encode()

    def _moulded(self, data: bytes) -> tuple[Known, bytes] | None:
        """The same for a text that differs from one of the last in plain literals only."""
        stop = len(data) - 1
        for known in self._recent:
            stencil, mould = known.stencil, known.mould
            assert stencil is not None
            assert mould is not None
            literals = mould.literals(data, 5, stop)
            if literals is None:
                continue
            for number, literal in zip(stencil.fixed, known.fixed, strict=True):
                if literals[number] != literal.encode("ascii"):
                    return None
            pieces = [known.sent[0]]
            for number, literal_now in enumerate(literals, 1):
                pieces += (literal_now, known.sent[number])
            pieces.append(b"\0")
            return known, pack(Frontend.QUERY, b"".join(pieces))
        return None

    def remade(self, known: Known, data: bytes) -> Plan:
        """The plan for the Query `data`, which a stencil fits."""
        shape = self._shape(data)
        if known.stencil is None or shape is None:
            return known.plan
        made = known.stencil.plan(shape).plan
        return replace(known.plan, text=made.text, positions=made.positions, freedom=None)

    def statement(self, name: bytes) -> Known | None:
        """What is known of Bind of this prepared statement, if that is what it was."""
        known = self._statements.get(name)
        if known is None:
            return None
        prepared = known.prepared
        assert prepared is not None
        stands = (
            self.names.statements.data.get(prepared.name) is prepared
            and prepared.plan is known.plan
            and not prepared.lost
            and not prepared.reshaped
        )
        if not stands:
            del self._statements[name]
            return None
        return known

    def text(self, parse: bytes) -> Known | None:
        """What is known of this Parse of the unnamed statement, with Bind behind it."""
        return self._texts.get(parse)


def is_plain(plan: Plan, planned: Planned) -> bool:
    """One statement, allowed, that asks for nothing, says nothing and changes no name."""
    if plan.refusal is not None or planned.lost or planned.changes or len(plan.statements) != 1:
        return False
    (statement,) = plan.statements
    decision, effects = statement.decision, statement.effects
    controls = len(effects) == 1 and effects[0].kind in _CONTROL and plan.controls_only
    return not (
        (effects and not controls)
        or statement.runs
        or statement.fills
        or statement.wrapper
        or statement.doubtful
        or statement.changes
        or statement.recorded.original
        or decision.requirements
        or decision.notices
    )


def _keep(table: dict[_Name, Known], name: _Name, known: Known) -> None:
    while len(table) >= _KEPT:
        del table[next(iter(table))]
    table[name] = known
