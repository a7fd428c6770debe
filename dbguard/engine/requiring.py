"""What a decision requires before its statements run: is it there, and if not, can it be made?"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from dbguard.errors import NotUnderstood
from dbguard.policy.decision import BackupRequirement, OnMissing

from .asks import Answer, Ask, AskRequirement, AskTake, RequirementAnswer
from .link import Link, Skip
from .plan import Plan
from .probe import ask_server
from .scope import Scope

_UNITS: Final = (("ms", 0.001), ("min", 60.0), ("s", 1.0), ("h", 3600.0), ("d", 86400.0))
"""As SHOW writes settings in milliseconds; those that end like another one come first."""


def requirements_met(
    plan: Plan, link: Link, scope: Scope
) -> Generator[Ask, Answer, tuple[tuple[str, ...], RequirementAnswer | None]]:
    """How the requirements of `plan` are met, and the first that is not.

    Raises:
        StatementError: the session cannot be asked.
    """
    met: list[str] = []
    for requirement in dict.fromkeys(plan.requirements):
        answer = yield AskRequirement(requirement, plan.destroyed(requirement))
        assert isinstance(answer, RequirementAnswer)
        if not answer.satisfied and requirement.on_missing is OnMissing.TAKE:
            answer = yield from _taken(plan, requirement, answer, link, scope)
        met.append(answer.how)
        if not answer.satisfied:
            return tuple(met), answer
    return tuple(met), None


def _taken(
    plan: Plan, requirement: BackupRequirement, missing: RequirementAnswer, link: Link, scope: Scope
) -> Generator[Ask, Answer, RequirementAnswer]:
    """Have a backup taken while the client waits. What it sent before is answered first: notices
    must not stand in the middle of something, and its effects are to be in the backup."""
    yield from link.answered()
    if link.closed or link.skip is not Skip.NOTHING or scope.status == b"E":
        return missing  # nothing will run
    seconds = yield from _statement_timeout(link)
    answer = yield AskTake(requirement, plan.destroyed(requirement), seconds)
    assert isinstance(answer, RequirementAnswer)
    return answer


def _statement_timeout(link: Link) -> Generator[Ask, Answer, float | None]:
    """The session's statement_timeout in seconds; None when there is none.

    Raises:
        StatementError: it is not told.
    """
    (shown,) = yield from ask_server(link, "SHOW statement_timeout")
    text = shown.decode("ascii", "replace")
    if text == "0":
        return None
    for unit, seconds in _UNITS:
        if text.endswith(unit) and text.removesuffix(unit).isdecimal():
            return int(text.removesuffix(unit)) * seconds
    raise NotUnderstood(
        "the server does not tell its statement_timeout", hint="Reconnect and try again."
    )
