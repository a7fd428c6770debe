"""Plans to audit records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dbguard.audit.records import ColumnEntry, DecisionRecord, IdentityEntry, MaskEntry
from dbguard.policy.decision import Effect, Identity, Principal
from dbguard.sql.recordable import without
from dbguard.sql.resolver import DOUBT

from .plan import Plan, PlannedStatement, StateKey

Seal = Callable[[str, str, str], str]
"""What nobody but the auditor can read of a text, in the record of this session and fingerprint."""


@dataclass(slots=True)
class SessionIdentity:
    """What every record of a session says about it."""

    session: str
    principal: Principal
    """Follows the catalog: who is taken out of a role loses what it grants at once."""
    client_address: str
    application: str
    environment: str
    writer: str = ""
    """Name of the chain that its records are in."""


def identity_entry(identity: Identity | None) -> IdentityEntry | None:
    """Who somebody is, as records say it."""
    if identity is None:
        return None
    names = sorted({name for name, _ in identity.attributes})
    return IdentityEntry(
        identity.name,
        identity.proof.value,
        tuple(sorted(identity.roles)),
        tuple((name, _values(identity, name)) for name in names),
    )


def identity_fields(identity: Identity | None) -> dict[str, str]:
    """The same in the words of an event."""
    if identity is None:
        return {}
    named = sorted({name for name, _ in identity.attributes})
    said = (f"{name}={', '.join(_values(identity, name))}" for name in named)
    fields = {
        "identity": identity.name,
        "proof": identity.proof.value,
        "roles": ", ".join(sorted(identity.roles)),
        "attributes": "; ".join(said),
    }
    return {name: value for name, value in fields.items() if value}


def _values(identity: Identity, name: str) -> tuple[str, ...]:
    return tuple(sorted(value for key, value in identity.attributes if key == name))


def decision_records(
    identity: SessionIdentity,
    plan: Plan,
    key: StateKey,
    phase: str,
    *,
    statement: str = "",
    requirements: tuple[str, ...] = (),
    refused: bool = False,
    seal: Seal | None = None,
) -> tuple[DecisionRecord, ...]:
    """One record for each statement of the plan; `seal` is for texts that are kept."""
    hidden: tuple[str, ...] = ()
    kept = ""
    for planned in plan.statements:
        hidden += planned.recorded.hidden
        kept = kept or planned.recorded.original
    records = tuple(
        _record(identity, plan, planned, key, phase, statement, requirements, refused)
        for planned in plan.statements
    )
    if hidden:
        records = tuple(_without(record, hidden) for record in records)
    if not kept or seal is None:
        return records
    return tuple(
        replace(record, sealed=seal(planned.recorded.original, record.session, record.fingerprint))
        for record, planned in zip(records, plan.statements, strict=True)
    )


def _without(record: DecisionRecord, hidden: tuple[str, ...]) -> DecisionRecord:
    """The record without names that its text does not tell either."""
    return replace(
        record,
        reasons=tuple(without(text, hidden) for text in record.reasons),
        hints=tuple(without(text, hidden) for text in record.hints),
        relations=tuple(without(text, hidden) for text in record.relations),
        columns=tuple(replace(c, name=without(c.name, hidden)) for c in record.columns),
    )


def _record(
    identity: SessionIdentity,
    plan: Plan,
    planned: PlannedStatement,
    key: StateKey,
    phase: str,
    statement: str,
    requirements: tuple[str, ...],
    refused: bool,
) -> DecisionRecord:
    decision = planned.decision
    if plan.refusal is not None and not plan.refusal.denied:
        verdict = "invalid"
    elif plan.refusal is not None and plan.refusal.rule == "analysis":
        verdict = "error"
    elif decision.effect is Effect.DENY or plan.refusal is not None or refused:
        verdict = "deny"
    else:
        verdict = "masked" if decision.masks else "allow"
    reasons = tuple(f"{r.rule}: {r.message}" for r in decision.reasons)
    if plan.refusal is not None and not plan.refusal.denied:
        # PostgreSQL's own wording quotes the client's text, where values may stand
        reasons = (f"SQLSTATE {plan.refusal.sqlstate}",)
    elif not reasons and plan.refusal is not None:
        reasons = (f"{plan.refusal.rule}: {plan.refusal.message}",)
    elif not reasons and planned.doubtful:
        reasons = (f"analysis: {DOUBT}",)
    recorded = planned.recorded
    return DecisionRecord(
        session=identity.session,
        principal_user=identity.principal.user,
        principal_groups=tuple(sorted(identity.principal.groups)),
        database=identity.principal.database,
        client_address=identity.client_address,
        application=identity.application,
        environment=identity.environment,
        phase=phase,
        action=planned.action.value,
        wrapper=planned.wrapper.value if planned.wrapper else "",
        relations=planned.relations,
        columns=tuple(ColumnEntry(c.name, c.uses, c.tags) for c in planned.columns),
        decision=verdict,
        rules=decision.rules,
        reasons=reasons,
        masked=tuple(MaskEntry(str(m.column), m.mask.kind.value, m.rule) for m in decision.masks),
        requirements=requirements,
        text=recorded.redacted,
        fingerprint=recorded.fingerprint,
        statement=statement,
        rules_digest=key[2],
        catalog_epoch=key[1],
        hints=tuple(r.hint for r in decision.reasons),
        identity=identity_entry(identity.principal.identity),
        acting_as=identity.principal.acting_as,
        traceparent=recorded.attribution.traceparent,
        tags=recorded.attribution.tags,
    )
