"""What analysis cannot see through: opaque constructs and functions."""

from __future__ import annotations

from dbguard.sql.facts import Action, FunctionTrust, FunctionUse
from dbguard.sql.reaching import reach

from .decision import Reason
from .patterns import SYSTEM_SCHEMAS
from .verdict import Case, Verdict

UNPARSED = "defaults.unparsed"
FUNCTIONS = "functions.safe"


def check_opaque(case: Case, verdict: Verdict) -> None:
    """What cannot be read is only for those who may read everything anyway.

    For them the grant of the action's class decides, as `check_unclassified` finds, or
    `defaults.unparsed: allow`.
    """
    if case.raw:
        return
    for construct in dict.fromkeys(o.construct for o in case.facts.opaque):
        verdict.reasons.append(
            Reason(
                UNPARSED,
                f"{construct} can't be analysed, and {case.principal.name} does not hold raw "
                "access to everything",
                "Write the statement without it, or ask somebody who may read all data unmasked.",
            )
        )


def check_functions(case: Case, verdict: Verdict) -> None:
    """Functions that may reach data by themselves need raw access to everything."""
    for function in case.facts.functions:
        if function.trust is FunctionTrust.REACHES:
            _check_reaching(case, verdict, function)
        elif function.trust is FunctionTrust.UNKNOWN and not declared_safe(case, function):
            _check_unknown(case, verdict, function)


def declared_safe(case: Case, function: FunctionUse) -> bool:
    """Whether the rules declare every function that the call might mean, or its body shows that it
    is harmless.

    What the principal could put other code into is not safe, whatever it is declared.
    """
    declared = case.bound.policy.safe_functions
    if not function.signatures:
        return False
    if not declared.issuperset(function.signatures) and function not in case.seen_through:
        return False
    return not _owns(case, function)


def may_replace(case: Case, function: FunctionUse) -> bool:
    """Whether the principal could have put any code into the function."""
    return case.principal.superuser or not function.signatures or _owns(case, function)


def _owns(case: Case, function: FunctionUse) -> bool:
    own = {case.principal.user, *case.principal.groups}
    own.update(group for acting in case.principal.acting for group in acting.groups)
    named = case.bound.snapshot.functions_by_name.get(function.name, ())
    return any(f.owner in own for f in named if f.signature in function.signatures)


def _name(function: FunctionUse) -> str:
    return f"{function.schema}.{function.name}" if function.schema else function.name


def _check_reaching(case: Case, verdict: Verdict, function: FunctionUse) -> None:
    if not case.raw:
        verdict.reasons.append(
            Reason(
                UNPARSED,
                f"function {_name(function)} {_what_it_reaches(function)}, and "
                f"{case.principal.name} does not hold raw access to everything",
                "Write the statement without it.",
            )
        )


def _what_it_reaches(function: FunctionUse) -> str:
    known = reach(function.name, 2) if function.schema in SYSTEM_SCHEMAS else None
    return "reaches beyond its arguments" + (f" (it {known})" if known else "")


def _check_unknown(case: Case, verdict: Verdict, function: FunctionUse) -> None:
    signature = function.signatures[0] if function.signatures else _name(function)
    declare = f"Ask to have {signature} declared under functions.safe."
    if case.bound.policy.safe_functions.issuperset(function.signatures or ("",)):
        declare = f"Give {signature} an owner that {case.principal.user} is no member of."
    if not case.raw:
        verdict.reasons.append(
            Reason(
                FUNCTIONS,
                f"function {_name(function)} can't be seen through, and {case.principal.name} "
                "does not hold raw access to everything",
                declare,
            )
        )
    elif function.volatile and not case.standing.defaults.unparsed:
        rules = case.standing.may_unclassified(Action.CALL, function.schema, function.name)
        if rules is None:
            verdict.reasons.append(
                Reason(
                    FUNCTIONS,
                    f"function {_name(function)} may change anything, and {case.principal.name} "
                    "is not allowed to run code",
                    f"Ask for a rule that allows [code]. {declare}",
                )
            )
        else:
            verdict.rules |= rules
