"""Decisions to records, for less where the same plan is used again.

Nothing of a decision's record differs from use to use of a plan but phase and name of the
statement, and what it says of the session is the same for all plans: both halves are rendered
once (`DecisionTemplate`, kept with the planned statement; `SessionTemplate`, kept here).
"""

from __future__ import annotations

from dbguard.audit.rendering import DecisionTemplate, SessionTemplate
from dbguard.policy.decision import Principal

from .asks import Surroundings
from .auditing import SessionIdentity, decision_records
from .plan import Plan, StateKey


class Recording:
    """Writes the decisions of one session."""

    __slots__ = ("_identity", "_of", "_session", "_surroundings")

    def __init__(self, identity: SessionIdentity, surroundings: Surroundings) -> None:
        self._identity = identity
        self._surroundings = surroundings
        self._of: Principal | None = None
        """Whom `_session` is made for."""
        self._session: SessionTemplate | None = None

    def decided(
        self, plan: Plan, key: StateKey, phase: str, statement: str, met: tuple[str, ...]
    ) -> tuple[int, ...]:
        """Record that `plan`, made under `key`, was decided; the sequence numbers of the records.

        `met`: how its requirements are met. Raises AuditUnavailable.
        """
        record = self._surroundings.record
        statements = plan.statements
        # What is sealed, required or refused differs from use to use.
        if (
            len(statements) != 1
            or plan.refusal is not None
            or met
            or statements[0].recorded.original
        ):
            seal = self._surroundings.seal
            made = decision_records(
                self._identity, plan, key, phase, statement=statement, requirements=met, seal=seal
            )
            return tuple(map(record, made))
        session, principal = self._session, self._identity.principal
        kept = statements[0].kept
        if kept is None or kept[0] != key or session is None or self._of is not principal:
            (first,) = decision_records(self._identity, plan, key, phase)
            kept = (key, DecisionTemplate(first))
            statements[0].keep(*kept)
            session = self._session = SessionTemplate.of(first)
            self._of = principal
        return (record(kept[1].fill(session, phase, statement)),)
