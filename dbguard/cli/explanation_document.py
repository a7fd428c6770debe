"""`dbguard explain --json`: the shape is documented in docs/explain.md and stays.

Every text stands beside its redacted form: the first for the terminal of whoever typed it, the
second for a ticket.
"""

from __future__ import annotations

from collections.abc import Mapping

from dbguard.cli.analyze import facts_document
from dbguard.engine.explaining import ExplainedStatement, Explanation, redacted
from dbguard.engine.plan import Plan, PlanRequest, Refusal
from dbguard.engine.planning import World
from dbguard.policy.cases import Expectation, outcome_of
from dbguard.policy.decision import BackupRequirement
from dbguard.policy.explaining import RuleNote
from dbguard.policy.problems import Place
from dbguard.sql.destruction import Destruction

VERSION = 1

Places = Mapping[str, Place]
"""Where each rule stands, by id."""


def outcome_of_text(plan: Plan) -> Expectation:
    """What becomes of a text, in the words of policy cases: the strictest of its statements."""
    if plan.refusal is not None:
        by_policy = plan.refusal.rule != "analysis"
        return Expectation.DENY if by_policy else Expectation.REFUSED
    order = list(Expectation)
    found = [outcome_of(s.decision) for s in plan.statements]
    return max(found, key=order.index, default=Expectation.ALLOW)


def document_of(
    world: World, request: PlanRequest, explanation: Explanation, places: Places
) -> dict[str, object]:
    """One text as a JSON document."""
    principal, plan = request.principal, explanation.plan
    standing = world.bound.standing(principal, request.environment)
    return {
        "v": VERSION,
        "user": principal.user,
        "groups": sorted(principal.groups),
        "identity": principal.identity.name if principal.identity else None,
        "roles": sorted(standing.roles),
        "raw_access": plan.raw_access,
        "database": world.snapshot.database,
        "environment": request.environment,
        "search_path": list(request.view.search_path),
        "policy": world.policy.digest,
        "outcome": outcome_of_text(plan).value,
        "refusal": _refusal(plan.refusal) if plan.refusal else None,
        "text": request.text,
        "redacted": redacted(request.text),
        "sent": None if plan.refusal else plan.text,
        "sent_redacted": None if plan.refusal else redacted(plan.text),
        "statements": [_statement(s, places) for s in explanation.statements],
    }


def _refusal(refusal: Refusal) -> dict[str, object]:
    return {
        "sqlstate": refusal.sqlstate,
        "message": refusal.message,
        "detail": refusal.detail,
        "hint": refusal.hint,
        "position": refusal.position,
        "rule": refusal.rule,
    }


def _statement(statement: ExplainedStatement, places: Places) -> dict[str, object]:
    planned, decision = statement.planned, statement.planned.decision
    tags = {note.name: note.tags for note in planned.columns}
    facts = facts_document(statement.facts)
    columns = facts["columns"]
    assert isinstance(columns, list)
    return {
        **facts,
        "columns": [{**c, "tags": list(tags.get(c["column"], ()))} for c in columns],
        "opaque": list(dict.fromkeys(o.construct for o in statement.facts.opaque)),
        "outcome": outcome_of(decision).value,
        "reasons": [
            {"rule": r.rule, "message": r.message, "hint": r.hint} for r in decision.reasons
        ],
        "rules": [_rule(note, places) for note in statement.rules],
        "masks": [
            {
                "column": str(m.column),
                "tag": m.tag,
                "mask": m.mask.kind.value,
                "rule": m.rule,
                "profile": m.profile,
            }
            for m in decision.masks
        ],
        "destroys": _destroyed(statement.destroys),
        "requirements": [_requirement(r) for r in decision.requirements],
        "notices": list(decision.notices),
        "error_texts": decision.error_texts.value,
        "fingerprint": planned.recorded.fingerprint,
        "text": statement.text,
        "redacted": planned.recorded.redacted,
        "sent": statement.sent_text or None,
        "sent_redacted": redacted(statement.sent_text) if statement.sent else None,
    }


def _destroyed(destroyed: Destruction) -> dict[str, object] | None:
    """Null when nothing is."""
    if destroyed.additive:
        return None
    return {
        "reach": destroyed.reach.name.lower(),
        "relations": [str(r) for r in destroyed.relations],
        "objects": [str(o) for o in destroyed.objects],
        "schemas": list(destroyed.schemas),
        "database": destroyed.database or None,
        "reason": destroyed.reason,
    }


def _requirement(requirement: BackupRequirement) -> dict[str, object]:
    return {
        "kind": "backup",
        "rule": requirement.rule,
        "max_age_seconds": requirement.max_age_seconds,
        "on_missing": requirement.on_missing.value,
        "min_verification": requirement.min_verification.value,
        "providers": list(requirement.providers),
        "max_wal_bytes": requirement.max_wal_bytes,
        "max_take_bytes": requirement.max_take_bytes,
        "unless_additive": requirement.unless_additive,
    }


def _rule(note: RuleNote, places: Places) -> dict[str, object]:
    place = places.get(note.id)
    return {
        "id": note.id,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "effect": note.effect.value,
        "bearing": note.bearing.value,
        "misses": [{"aspect": m.aspect.value, "why": m.why} for m in note.misses],
    }
