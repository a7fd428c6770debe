"""`decide()`: facts and principal in, decision out. Pure and total.

Each check looks at one thing and adds its findings to a `Verdict`; every check runs, so that a
refusal names all its reasons. Their order does not matter.
"""

from __future__ import annotations

from dataclasses import replace

from dbguard.sql.bodies import read_body
from dbguard.sql.destruction import ADDITIVE
from dbguard.sql.facts import FunctionTrust, StatementFacts

from .access_checks import check_columns
from .binding import BoundPolicy
from .code_checks import check_functions, check_opaque
from .decision import Decision, Effect, ErrorTexts, Principal, Reason
from .drift_checks import check_drift
from .exposure import error_texts
from .masked_checks import check_definitions, check_flows, check_masked_uses
from .relation_checks import check_relations, check_unclassified
from .requirement_checks import check_requirements, destroyed_by
from .rule_checks import check_denials, report_denied
from .verdict import Case, Verdict, listed

_CHECKS = (
    check_denials,
    check_opaque,
    check_columns,
    check_drift,
    check_relations,
    check_unclassified,
    check_functions,
    check_masked_uses,
    check_flows,
    check_definitions,
    check_requirements,
    report_denied,
)
"""`check_columns` comes before the checks that look at what it found masked, `report_denied`
last. The first reason is what the client reads: what no grant can mend comes before grants."""


def decide(
    bound: BoundPolicy, facts: StatementFacts, principal: Principal, environment: str
) -> Decision:
    """Judge one statement.

    Anything that goes wrong inside denies, under the rule `internal`, naming the exception's type
    only: its text might hold what the client sent.
    """
    try:
        return _decide(_case(bound, facts, principal, environment, frozenset()))
    except Exception as error:  # noqa: BLE001 - total: a decision that fails is a denial
        message = f"the decision failed inside dbguard ({type(error).__name__})"
        reason = Reason("internal", message, "Report this with the decision id.")
        return Decision(
            Effect.DENY,
            rules=("internal",),
            reasons=(reason,),
            error_texts=ErrorTexts.WITHHOLD,
        )


def _case(
    bound: BoundPolicy,
    facts: StatementFacts,
    principal: Principal,
    environment: str,
    inside: frozenset[int],
) -> Case:
    """The case, with the SQL functions that it may call because of what is in their bodies.

    `inside` are the functions whose bodies this is part of; one that calls itself is not seen
    through.
    """
    seen = frozenset(
        use
        for use in facts.functions
        if use.trust is FunctionTrust.UNKNOWN
        and use.signatures
        and all(
            _may_run(bound, signature, principal, environment, inside)
            for signature in use.signatures
        )
    )
    return Case(bound, facts, principal, environment, seen)


def _may_run(
    bound: BoundPolicy,
    signature: str,
    principal: Principal,
    environment: str,
    inside: frozenset[int],
) -> bool:
    """Whether a function's body is SQL that the principal might as well send, and get raw."""
    function = bound.function_by_signature.get(signature)
    if function is None or function.oid in inside:
        return False
    body = read_body(bound.snapshot, function)
    if body is None:
        return False
    for facts in body:
        case = _case(bound, facts, principal, environment, inside | {function.oid})
        decision = _decide(case)
        if decision.effect is Effect.DENY or decision.masks or decision.requirements:
            return False
    return True


def _decide(case: Case) -> Decision:
    verdict = Verdict()
    for check in _CHECKS:
        check(case, verdict)
    reasons = tuple(_told_of_no_role(case, r) for r in dict.fromkeys(verdict.reasons))
    allowed = not reasons
    return Decision(
        effect=Effect.ALLOW if allowed else Effect.DENY,
        rules=tuple(sorted(verdict.rules | {r.rule for r in reasons})),
        reasons=reasons,
        masks=tuple(verdict.masks.values()) if allowed else (),
        requirements=tuple(verdict.requirements),
        destroys=destroyed_by(case)
        if verdict.requirements
        else replace(ADDITIVE, ties=case.facts.destroys.ties),
        notices=tuple(verdict.notices) if allowed else (),
        error_texts=error_texts(case),
        tags=tuple((name, tuple(sorted(tags))) for name, tags in verdict.tags.items()),
    )


def _told_of_no_role(case: Case, reason: Reason) -> Reason:
    """`reason`, a missing grant, with the likeliest cause of it: SET ROLE took a role of the
    policy away, or nobody gave this user one."""
    if not reason.rule.startswith(_OF_GRANTS):
        return reason
    if given_up := case.standing.given_up:
        acting = case.principal.acting
        role = f"role {acting[0].role}" if len(acting) == 1 and acting[0].role else "another role"
        cause = (
            f"Under {role}, roles of the policy that come with other groups do not count "
            f"({listed(sorted(given_up))}): RESET ROLE brings them back."
        )
        return replace(reason, hint=f"{reason.hint} {cause}")
    if case.standing.roles:
        return reason
    if case.principal.identity is None:
        user = case.principal.user
        cause = f"No policy role names user {user}: add it to `users:` of a role in the rules."
    else:
        cause = f"{case.principal.name} holds no role of the policy: give it one, or add it to "
        cause += "`identities:` of a role in the rules."
    return replace(reason, hint=f"{reason.hint} {cause}")


_OF_GRANTS = ("defaults.", "functions.")
"""What rules are called that speak where no rule of the policy does."""
