"""Why a statement was refused and what would get it allowed, from its decision record."""

from __future__ import annotations

from dbguard.audit.records import DecisionRecord
from dbguard.report.codes import code_of, of_statement
from dbguard.report.model import Why

_BY_CODE = {
    "0A000": "Write it without the construct named in the error, or have somebody run it who may "
    "read all data unmasked.",
    "53400": "Make it smaller, or raise the limit under `limits` in the settings.",
    "58030": "Free space in the audit directory.",
}
_OTHERWISE = "Correct the statement."


def whys(decision: DecisionRecord) -> tuple[Why, ...]:
    """All reasons of a refusal, at least one."""
    if not decision.reasons:
        return (_requirement(decision),)
    hints = decision.hints
    if len(hints) != len(decision.reasons):
        hints = ("",) * len(decision.reasons)
    return tuple(
        _why(decision, reason, hint) for reason, hint in zip(decision.reasons, hints, strict=True)
    )


def _why(decision: DecisionRecord, reason: str, hint: str) -> Why:
    if code := code_of(reason):
        return Why(reason, of_statement(code), hint or _BY_CODE.get(code, _OTHERWISE))
    rule, found, message = reason.partition(": ")
    if not found or " " in rule.replace(", ", ""):
        rule, message = ", ".join(decision.rules), reason
    return Why(rule, message, hint or _way_out(decision, rule))


def _way_out(decision: DecisionRecord, rule: str) -> str:
    user, action = decision.who, decision.action
    if decision.requirements:
        return _meet(rule)
    if rule.startswith("defaults.") or not rule:
        tags = sorted({tag for column in decision.columns for tag in column.tags})
        data = f" on {', '.join(tags)}" if tags else ""
        return f"A rule that allows {action}{data} for {user}."
    return f"A change of rule {rule}: a denial overrides every grant."


def _requirement(decision: DecisionRecord) -> Why:
    rules = ", ".join(decision.rules)
    return Why(rules, "a requirement was not met", _meet(rules))


def _meet(rules: str) -> str:
    return f"Meet what {rules} requires (for a backup: `dbguard backup now`), then run it again."
