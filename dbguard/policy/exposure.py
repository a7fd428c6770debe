"""Whether the server's messages about a statement might show what the principal may not see."""

from __future__ import annotations

from dbguard.sql.facts import ActionClass, FunctionTrust, RelationUse
from dbguard.sql.snapshot import RelationKind

from .decision import ErrorTexts
from .patterns import SYSTEM_SCHEMAS
from .verdict import FREE_CLASSES, Case


def error_texts(case: Case) -> ErrorTexts:
    """SHOW when all that the statement can reach is masked, and no code of others runs in it."""
    if case.raw:
        return ErrorTexts.SHOW
    facts = case.facts
    code = (
        facts.runs_hidden_code
        or facts.opaque
        or any(f.trust in (FunctionTrust.UNKNOWN, FunctionTrust.REACHES) for f in facts.functions)
    )
    if code or any(_exposes(case, use) for use in facts.relations):
        return ErrorTexts.WITHHOLD
    return ErrorTexts.SHOW


def _exposes(case: Case, use: RelationUse) -> bool:
    """Whether the relation's own raw values can come to stand in an error.

    What is written cannot be masked: constraints name the values they fail on. Views and row
    security compute on raw values, whatever the statement itself sees.
    """
    restricted = case.bound.restricted(case.principal, case.environment)
    if use.action.action_class is not ActionClass.READ:
        changes = use.action.action_class not in FREE_CLASSES
        return changes and any((oid, 0) in restricted for oid in case.bound.bases_of(use.relation))
    relation = case.bound.snapshot.relation_by_oid.get(use.relation)
    if relation is None or relation.schema in SYSTEM_SCHEMAS:
        return False
    return bool(restricted) and (relation.kind is RelationKind.VIEW or relation.has_row_security)
