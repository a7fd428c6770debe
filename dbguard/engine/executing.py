"""A portal that is executed a while after it was bound: what its text means by then."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from dbguard.errors import UndefinedName

from .asks import Answer, Ask
from .judging import Judging, RefusedWithRecord
from .names import Portal
from .plan import Plan

MET_SECONDS: Final = 1.0
"""How long it counts that a requirement was met: an age is told in seconds."""


def may_be_unmet(judging: Judging, portal: Portal, latest: Portal | None) -> bool:
    """Whether requirements that were met at Bind have to be looked at again at Execute: time has
    passed, or something else may have run, and utility statements look their names up only now.

    `latest` is the portal that was bound last, if none was executed since.
    """
    if not portal.plan.requirements:
        return False
    passed = judging.surroundings.monotonic() - portal.met
    return portal is not latest or portal.cycle != judging.names.cycle or passed > MET_SECONDS


def as_it_is_now(judging: Judging, portal: Portal) -> Generator[Ask, Answer, Plan]:
    """The plan of `portal` under what is in force now.

    Raises:
        StatementError: the server would not run what it means.
    """
    types = portal.source.parameter_types if portal.source is not None else ()
    planned = yield from judging.settling.plan(portal.text, types)
    if judging.overtaken() or judging.scope.status == b"E":
        return portal.plan
    plan = yield from judging.joined(planned.plan)
    if plan.refusal is not None:
        decisions = yield from judging.decide(plan, planned, "execute", portal.statement)
        raise RefusedWithRecord(plan.refusal, decisions[0] if decisions else None)
    if planned.plan.text != (portal.base or portal.plan).text:
        raise UndefinedName(
            "0A000",
            "portal cannot be run after its names have come to mean something else",
            hint="Bind the statement again.",
        )
    return plan
