"""Plans for people: made and kept once for all who hold the same roles.

What a plan depends on is roles, not names; but messages name the person. So plans are made for
somebody who holds the same roles and has a name that nobody can have, and the name is put into the
few plans whose messages hold it when they are handed out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from dbguard.engine.asks import Planned
from dbguard.engine.plan import Plan, PlannedStatement, Refusal
from dbguard.policy.decision import Decision, Identity, Principal, Proof
from dbguard.policy.model import Policy

NOBODY: Final = "\0"
"""No name, no rule and no text of a statement can hold it."""


def impersonal(policy: Policy, principal: Principal) -> Principal:
    """Who holds the same roles as `principal` under `policy`, whatever database user or role either
    has, and is the same for as many people as possible."""
    identity = principal.identity
    if identity is None:
        return principal
    alone = Principal("", frozenset(), "", identity=identity)
    # of roles for which a database user or role counts as well, the attributes decide still
    wanted = {
        attribute.name
        for role in policy.roles
        if role.users or role.groups
        for attribute in role.attributes
    }
    attributes = frozenset(pair for pair in identity.attributes if pair[0] in wanted)
    same = Identity(NOBODY, Proof.PASSWORD, policy.roles_of(alone), attributes)
    return replace(principal, identity=same)


def personal(planned: Planned, name: str) -> Planned:
    """The same for the person of that name."""
    plan = planned.plan
    if not any(NOBODY in text for text in _texts(plan)):
        return planned
    refusal = None if plan.refusal is None else _refusal(plan.refusal, name)
    statements = tuple(_statement(statement, name) for statement in plan.statements)
    return replace(planned, plan=replace(plan, refusal=refusal, statements=statements))


def _texts(plan: Plan) -> Iterator[str]:
    if (refusal := plan.refusal) is not None:
        yield from (refusal.message, refusal.detail, refusal.hint, refusal.because)
    for statement in plan.statements:
        yield from statement.decision.notices
        for reason in statement.decision.reasons:
            yield from (reason.message, reason.hint)


def _refusal(refusal: Refusal, name: str) -> Refusal:
    return replace(
        refusal,
        message=refusal.message.replace(NOBODY, name),
        detail=refusal.detail.replace(NOBODY, name),
        hint=refusal.hint.replace(NOBODY, name),
        because=refusal.because.replace(NOBODY, name),
    )


def _statement(statement: PlannedStatement, name: str) -> PlannedStatement:
    return replace(statement, decision=_decision(statement.decision, name))


def _decision(decision: Decision, name: str) -> Decision:
    return replace(
        decision,
        notices=tuple(text.replace(NOBODY, name) for text in decision.notices),
        reasons=tuple(
            replace(
                reason,
                message=reason.message.replace(NOBODY, name),
                hint=reason.hint.replace(NOBODY, name),
            )
            for reason in decision.reasons
        ),
    )
