"""Records as JSON: the body of a line, and bodies from pieces that are made once.

Two records are made for each statement, and of the decision nothing differs from run to run but
what the statement is called: most of it belongs to the plan (`DecisionTemplate`), the rest to the
session (`SessionTemplate`). Put together, the pieces are what `render` makes of the whole record,
byte for byte, since it puts them together as well. Members stand in order inside each of the two
groups that `records` tells of, whichever of both they come from.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from .members import rendered_members, rendered_text
from .records import (
    DecisionRecord,
    EventRecord,
    IdentityEntry,
    OutcomeRecord,
    Phase,
    Record,
)


class Rendered:
    """A record ready for the writer."""

    __slots__ = ("body", "counted")

    def __init__(self, body: bytes, counted: tuple[str, str] | None = None) -> None:
        self.body = body
        self.counted = counted
        """Action and verdict, where it is a decision."""


_PHASES: Final = {phase.value: b'"%b' % phase.value.encode() for phase in Phase}
_NAMELESS: Final = b'"",'


class SessionTemplate(NamedTuple):
    """What all decisions of a session have in common: the bytes between those of the plan."""

    before: bytes
    """Up to the phase."""
    named: bytes
    """From behind the phase up to what the statement is called."""
    acting: bytes
    database: bytes
    environment: bytes
    identity: bytes
    user: bytes

    @classmethod
    def of(cls, record: DecisionRecord) -> SessionTemplate:
        """Of any decision of the session."""
        first = {"application": record.application, "client_address": record.client_address}
        acting = {"acting_as": record.acting_as} if record.acting_as else None
        known = None if record.identity is None else {"identity": _entry(record.identity)}
        user = {
            "principal_groups": record.principal_groups,
            "principal_user": record.principal_user,
        }
        return cls(
            _same(b'"kind":"decision",' + rendered_members(first) + b',"phase":'),
            b'",' + rendered_members({"session": record.session}) + b',"statement":',
            rendered_members(acting) + b"," if acting else b"",
            _same(b"," + rendered_members({"database": record.database}) + b","),
            _same(b"," + rendered_members({"environment": record.environment}) + b","),
            b"," + rendered_members(known) + b"," if known else b",",
            _same(b"," + rendered_members(user) + b","),
        )


@lru_cache(maxsize=256)
def _same(rendered: bytes) -> bytes:
    """What most sessions of an application have in common they have once."""
    return rendered


class DecisionTemplate:
    """What all decisions by a plan have in common."""

    __slots__ = ("_action", "_decision", "_masked", "_reasons", "_text", "counted")

    def __init__(self, record: DecisionRecord) -> None:
        """Of a decision by that plan."""
        self.counted = (record.action, record.decision)
        self._action = rendered_members(
            {
                "action": record.action,
                "catalog_epoch": record.catalog_epoch,
                "columns": [
                    {"name": column.name, "tags": column.tags, "uses": column.uses}
                    for column in record.columns
                ],
            }
        )
        self._decision = rendered_members({"decision": record.decision})
        self._text = rendered_members({"fingerprint": record.fingerprint, "hints": record.hints})
        self._masked = rendered_members(
            {
                "masked": [
                    {"column": entry.column, "mask": entry.mask, "rule": entry.rule}
                    for entry in record.masked
                ]
            }
        )
        self._reasons = rendered_members(
            {
                "reasons": record.reasons,
                "relations": record.relations,
                "requirements": record.requirements,
                "rules": record.rules,
                "rules_digest": record.rules_digest,
                **({"sealed": record.sealed} if record.sealed else {}),
                **({"tags": dict(record.tags)} if record.tags else {}),
                "text": record.text,
                **({"traceparent": record.traceparent} if record.traceparent else {}),
                "wrapper": record.wrapper,
            }
        )

    def fill(self, session: SessionTemplate, phase: str, statement: str) -> Rendered:
        """The record of one use."""
        before, named, acting, database, environment, identity, user = session
        return Rendered(
            b"".join(
                (
                    before,
                    _PHASES.get(phase) or rendered_text(phase)[:-1],
                    named,
                    rendered_text(statement) + b"," if statement else _NAMELESS,
                    acting,
                    self._action,
                    database,
                    self._decision,
                    environment,
                    self._text,
                    identity,
                    self._masked,
                    user,
                    self._reasons,
                )
            ),
            self.counted,
        )


def _entry(identity: IdentityEntry) -> dict[str, object]:
    return {
        "attributes": dict(identity.attributes),
        "name": identity.name,
        "proof": identity.proof,
        "roles": identity.roles,
    }


_OUTCOME: Final = (
    b'"kind":"outcome","bytes":%d,"command_tag":%b,"decision":%d,"duration_microseconds":%d,'
    b'"rows":%d,"session":%b,"sqlstate":%b'
)


def outcome(record: OutcomeRecord) -> Rendered:
    return rendered_outcome(
        rendered_text(record.session),
        record.decision,
        rendered_text(record.command_tag),
        record.rows,
        record.sqlstate,
        record.duration_microseconds,
        record.bytes,
    )


def rendered_outcome(
    session: bytes,
    decision: int,
    command_tag: bytes,
    rows: int,
    sqlstate: str,
    duration_microseconds: int,
    size: int,
) -> Rendered:
    """An `OutcomeRecord` by its members; session and tag as `rendered_text` gives them, once for
    all."""
    code = rendered_text(sqlstate) if sqlstate else b'""'
    return Rendered(
        _OUTCOME % (size, command_tag, decision, duration_microseconds, rows, session, code)
    )


def render(record: Record) -> Rendered:
    """The body of the record's line."""
    match record:
        case DecisionRecord():
            template = DecisionTemplate(record)
            return template.fill(SessionTemplate.of(record), record.phase, record.statement)
        case OutcomeRecord():
            return outcome(record)
        case EventRecord():
            return Rendered(
                b'"kind":"%b",' % record.kind.value.encode()
                + rendered_members({"fields": dict(record.fields), "session": record.session})
            )
