"""Requirements: what has to be there before a statement runs, whatever is granted.

Code that cannot be seen through may do whatever a requirement is about, so it meets them all.
"""

from __future__ import annotations

from dbguard.sql.destruction import Destruction, Reach, together
from dbguard.sql.facts import (
    Action,
    ActionClass,
    FunctionTrust,
    FunctionUse,
    StatementFacts,
    Wrapper,
)
from dbguard.sql.reaching import RUNS_TEXTS

from .code_checks import declared_safe, may_replace
from .decision import BackupRequirement
from .model import Backup, Rule
from .rule_checks import matches
from .taking_along import takes_along
from .verdict import Case, Verdict

_CHANGING = frozenset(
    action
    for action in Action
    if action.action_class
    in (
        ActionClass.WRITE,
        ActionClass.DDL,
        ActionClass.PRIVILEGE,
        ActionClass.CODE,
        ActionClass.MAINTENANCE,
    )
)
"""What code can do that leaves something changed."""
_ROWS_ONLY = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
"""Statements that change rows at most, whatever their names mean and functions they call do."""
_ROWS = frozenset({"writing where a rewrite rule applies", "COPY with a file on the server"})
"""Constructs that change rows at most: rules hold queries only."""
_CODE = (
    "operator ",
    "function ",
    "type ",
    "the sampling method ",
    "the construct ",
    "a function name ",
)
"""How constructs begin that stand for code of somebody's own."""
_NOT_RUN = frozenset({"the body of a rule"})
_RUN_QUERIES = (
    RUNS_TEXTS
    | {"ts_rewrite"}
    | {
        f"{what}_to_xml{more}"
        for what in ("table", "schema", "database")
        for more in ("", "_and_xmlschema")
    }
)
"""The server's own functions that run queries, and with them any function that these call."""
_WRITING = frozenset(action for action in _CHANGING if action.action_class is ActionClass.WRITE)


_CATALOG_WRITES = frozenset(a for a in Action if a.action_class is ActionClass.WRITE)
_FIRING = frozenset(
    {ActionClass.DDL, ActionClass.PRIVILEGE, ActionClass.CODE, ActionClass.MAINTENANCE}
)
"""Among them are all statements that event triggers fire on."""


def check_requirements(case: Case, verdict: Verdict) -> None:
    """Requirements accumulate: all that match have to be met."""
    hidden, _ = _hidden(case)
    for rule in case.standing.requirements:
        if rule.backup is None:
            continue
        named = not rule.actions.isdisjoint(case.lasting_actions) and matches(rule, case)[0]
        if not named and rule.where_missing:
            continue
        if not named and rule.actions.isdisjoint(hidden) and not takes_along(rule, case):
            continue
        if rule.unless_additive and destroyed_by(case).additive:
            continue
        verdict.rules.add(rule.id)
        verdict.requirements.append(_requirement(rule, rule.backup))


def destroyed_by(case: Case) -> Destruction:
    """What the statement can destroy, code that it runs unseen included."""
    hidden, reason = _hidden(case)
    if not hidden:
        return case.facts.destroys
    return together((case.facts.destroys, Destruction(reach=Reach.DATABASE, reason=reason)))


def _hidden(case: Case) -> tuple[frozenset[Action], str]:
    """What the statement may do beyond what its text tells, and where that hides."""
    facts = case.facts
    unread = {o.construct for o in facts.opaque} - _NOT_RUN
    called = {c for c in unread if c.startswith(_CODE) and not _of_extension(case, c)}
    for relation in facts.relations:
        # pg_settings is no table: its rule sets what SET would
        known = relation.schema == "pg_catalog" and relation.name != "pg_settings"
        if known and relation.action in _CATALOG_WRITES:
            return _CHANGING, "writing to the server's catalog may change anything"
    if facts.action.action_class in _FIRING and (fired := _fired(case)):
        return _CHANGING, f"event trigger function {fired} may change anything"
    only_rows = facts.statement_tag in _ROWS_ONLY or bool(unread and unread <= _ROWS)
    if called and _may_make_functions(case):
        return _CHANGING, f"{min(called)} may change anything"
    if facts.action in (Action.DO, Action.CALL, Action.LOAD) and not only_rows:
        return _CHANGING, f"{min(unread, default='code')} may change anything"
    if unread and not only_rows:
        return _CHANGING, f"{min(unread)} may change anything"
    for function in facts.functions:
        unknown = function.trust is FunctionTrust.UNKNOWN and _may_change(case, facts, function)
        if unknown or (function.trust is FunctionTrust.REACHES and function.name in _RUN_QUERIES):
            name = f"{function.schema}.{function.name}" if function.schema else function.name
            return _CHANGING, f"function {name} may change anything"
    return (_WRITING, f"{min(unread)} may change any rows") if unread else (frozenset(), "")


def _may_change(case: Case, facts: StatementFacts, function: FunctionUse) -> bool:
    """Whether a function that runs may change something.

    One that is declared STABLE or IMMUTABLE is taken at its word where it is an extension's or the
    principal may not make functions; one that runs without being called (triggers, defaults,
    views), where he cannot put other code into it.
    """
    if declared_safe(case, function):
        return False
    if function in facts.behind and not may_replace(case, function):
        return False
    if function.volatile:
        return facts.wrapper is not Wrapper.EXPLAIN  # the planner evaluates calm ones only
    named = case.bound.snapshot.functions_by_name.get(function.name, ())
    found = [f for f in named if f.signature in function.signatures]
    if found and all(f.extension for f in found):
        return False
    return _may_make_functions(case)


def _fired(case: Case) -> str:
    """A function that runs with DDL because of an event trigger, and that the principal could have
    put other code into; empty when there is none."""
    for function in case.bound.snapshot.event_functions:
        use = FunctionUse(
            function.schema, function.name, FunctionTrust.UNKNOWN, (function.signature,), True
        )
        if may_replace(case, use) and not declared_safe(case, use):
            return f"{function.schema}.{function.name}"
    return ""


def _may_make_functions(case: Case) -> bool:
    granted = case.standing.may_unclassified(Action.CREATE_FUNCTION, "", "")
    return granted is not None or case.principal.superuser


def _of_extension(case: Case, construct: str) -> bool:
    """Whether an operator belongs to an extension: no code that a user made."""
    operators = case.bound.snapshot.operators_by_name.get(construct.removeprefix("operator "), ())
    return bool(operators) and all(operator.extension for operator in operators)


def _requirement(rule: Rule, backup: Backup) -> BackupRequirement:
    return BackupRequirement(
        rule=rule.id,
        max_age_seconds=backup.max_age_seconds,
        on_missing=backup.on_missing,
        min_verification=backup.min_verification,
        providers=tuple(sorted(backup.providers)),
        max_wal_bytes=backup.max_wal_bytes,
        max_take_bytes=backup.max_take_bytes,
        unless_additive=rule.unless_additive,
    )
