"""What a decision requires before its statements run: is it there, and if not, can it be made?"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Final

from dbguard.errors import NotUnderstood
from dbguard.policy.decision import BackupRequirement, OnMissing
from dbguard.sql.facts import Action, EffectKind
from dbguard.sql.names import literal

from .asks import Answer, Ask, AskRequirement, AskTake, AskUnchanged, RequirementAnswer
from .link import Link, Skip, Steps
from .plan import Plan
from .probe import ask_server
from .scope import Scope

_UNITS: Final = (("ms", 0.001), ("min", 60.0), ("s", 1.0), ("h", 3600.0), ("d", 86400.0))
"""As SHOW writes settings in milliseconds; those that end like another one come first."""


HELD: Final = "rows held against writers since"
_LOCK: Final = """DECLARE name pg_catalog.text;
BEGIN
    FOREACH name IN ARRAY ARRAY[{names}]::pg_catalog.text[] LOOP
        IF pg_catalog.has_table_privilege(name, 'UPDATE, DELETE, TRUNCATE') THEN
            EXECUTE 'LOCK TABLE ONLY ' OPERATOR(pg_catalog.||) name
                OPERATOR(pg_catalog.||) ' IN SHARE ROW EXCLUSIVE MODE';
        END IF;
    END LOOP;
EXCEPTION WHEN OTHERS THEN  -- all but a cancel request: whether it is locked is looked at
    NULL;
END"""
"""SHARE ROW EXCLUSIVE keeps writers out, and lets readers and pg_dump in."""
_NOTHING_RUNS: Final = "the statement was not looked at: one before it failed"
Clock = Callable[[], float]


def requirements_met(
    plan: Plan, link: Link, scope: Scope, clock: Clock, *, simple: bool
) -> Generator[Ask, Answer, tuple[tuple[str, ...], RequirementAnswer | None]]:
    """How the requirements of `plan` are met, and the first that is not. `clock` tells monotonic
    seconds; `simple`: it came as a Query.

    Raises:
        StatementError: the session cannot be asked.
    """
    met: list[str] = []
    if plan.requirements and (yield from _nothing_runs(link, scope)):
        return (), RequirementAnswer(False, "not looked for", _NOTHING_RUNS, sqlstate="25P02")
    settled = _settled(plan)
    for requirement in dict.fromkeys(plan.requirements):
        answer = yield AskRequirement(requirement, plan.destroyed(requirement), settled)
        assert isinstance(answer, RequirementAnswer)
        if not answer.satisfied and requirement.on_missing is OnMissing.TAKE:
            answer = yield from _taken(plan, requirement, answer, link, scope, clock, simple=simple)
        met.append(answer.how)
        if not answer.satisfied:
            return tuple(met), answer
    return tuple(met), None


def _nothing_runs(link: Link, scope: Scope) -> Generator[Ask, Answer, bool]:
    """Wait for what was sent before, which may have changed what this is about; whether an error
    has ended it."""
    if not link.at_rest:
        yield from link.answered()
    return link.closed or link.skip is not Skip.NOTHING


def _taken(
    plan: Plan,
    requirement: BackupRequirement,
    missing: RequirementAnswer,
    link: Link,
    scope: Scope,
    clock: Clock,
    *,
    simple: bool,
) -> Generator[Ask, Answer, RequirementAnswer]:
    """Have a backup taken while the client waits. What it sent before is answered first: notices
    must not stand in the middle of something, and its effects are to be in the backup."""
    if link.closed or link.skip is not Skip.NOTHING or scope.status == b"E":
        return missing  # nothing will run
    destroyed, settled = plan.destroyed(requirement), _settled(plan)
    seconds = yield from _statement_timeout(link)
    end = None if seconds is None else clock() + seconds
    answer = yield AskTake(requirement, destroyed, seconds, settled)
    assert isinstance(answer, RequirementAnswer)
    if not answer.satisfied or not answer.tables:
        return answer
    held = _can_hold(plan, link, simple=simple)
    if held:
        yield from _hold(link, answer.tables)
    unchanged = yield AskUnchanged(
        requirement, destroyed, settled, answer.backup, answer.tables, held
    )
    assert isinstance(unchanged, RequirementAnswer)
    if unchanged.satisfied:
        return replace(answer, how=f"{answer.how}, {unchanged.how}")
    if unchanged.message:
        return unchanged
    left = None if end is None else max(0.0, end - clock())
    answer = yield AskTake(requirement, destroyed, left, settled, held=True)
    assert isinstance(answer, RequirementAnswer)
    return replace(answer, how=f"{answer.how}, {unchanged.how}")


def _settled(plan: Plan) -> bool:
    """Whether whatever may tie a relation to another one has run: what the session's transaction
    has made shows in its locks."""
    return len(plan.statements) == 1 or not any(s.destroys.ties for s in plan.statements)


def _can_hold(plan: Plan, link: Link, *, simple: bool) -> bool:
    """Whether there is one transaction to hold a lock in until the text has run.

    In an open transaction block it is that, also for several statements, unless one of them may end
    it, or take the lock back with a savepoint. Otherwise the statement has to be alone, and go by
    Execute. ALTER TABLE … DETACH PARTITION … CONCURRENTLY wants no transaction block at all. That
    is told by its words alone: what is taken for one by mistake goes without the lock.
    """
    if "concurrently" in plan.text.lower():
        return False
    if link.status == b"T":
        return not any(s.action is Action.TRANSACTION for s in plan.statements)
    return len(plan.statements) == 1 and not (simple and _may_return_rows(plan))


def _may_return_rows(plan: Plan) -> bool:
    """Whether the server may describe rows in answer to its Query, which it does not to Execute.
    Told by words as well."""
    (statement,) = plan.statements
    runs = statement.wrapper is not None or statement.has_effect(EffectKind.EXECUTE)
    return runs or "returning" in plan.text.lower()


def _hold(link: Link, tables: tuple[str, ...]) -> Steps:
    """Keep writers from `tables` until the client's transaction is over, which ends with the
    statement where it has not opened one.

    The lock is taken in code: LOCK TABLE alone wants a transaction block, and its error would
    abort the client's. What the role may not lock it goes without. A Query then has to go another
    way (`held`).

    Raises:
        StatementError: the wait was cancelled, or the session cannot be asked.
    """
    names = ", ".join(literal(name) for name in sorted(tables))
    # in a transaction block the lock stays in any case
    hold = link.status == b"I"
    yield from ask_server(link, f"DO {literal(_LOCK.format(names=names))}", hold=hold)


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
