"""What is recorded, and its JSON.

A record knows nothing of its place in the chain: the writer adds sequence number, time and
`prev`. Rendering (`rendering`) gives the *body* of the line, that is its members from `"kind"` on,
without braces; members are in sorted order inside each of the two groups (what changes from use to
use, what belongs to the plan). See docs/audit.md for the whole line.

No field may hold a literal of the client's text, a bind parameter or a row value: `text` is the
redacted statement.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .members import (
    MalformedRecord as MalformedRecord,
)
from .members import (
    integer_member,
    object_members,
    optional_member,
    text_member,
    text_members,
)

VERSION = 1


class RecordKind(enum.StrEnum):
    START = "start"
    STOP = "stop"
    CONNECT = "connect"
    DISCONNECT = "disconnect"
    AUTHENTICATION = "authentication"
    DECISION = "decision"
    OUTCOME = "outcome"
    POLICY = "policy"
    """Rules were loaded."""
    CATALOG = "catalog"
    """The catalog snapshot changed."""
    USERS = "users"
    """dbguard's own users were read again, or could not be; a session was ended for it."""
    BACKUP = "backup"
    DRIFT = "drift"
    """Classified values went into a column that the rules do not know of, or a classified column
    goes by a name that they do not know."""
    SECURITY = "security"
    """dbguard caught something that should have been impossible (the tripwire), or an attack."""
    RECOVERY = "recovery"
    """The log itself was repaired: a torn tail was cut, or writing works again after an outage."""
    CLOCK = "clock"
    """The system's clock was set: records behind this one have times that do not follow on."""
    KEY = "key"
    """Which key signs checkpoints from here on."""
    VERIFICATION = "verification"
    """The trail was checked and is not as it was written."""
    PRUNE = "prune"
    """Segments whose time was over were removed."""
    HOLD = "hold"
    """Records are kept whatever their age (a legal hold), or no longer so."""


class Phase(enum.StrEnum):
    """Which message of the protocol was decided."""

    STARTUP = "startup"
    """The role that a session begins with, where it is not the user's own."""
    QUERY = "query"
    PARSE = "parse"
    BIND = "bind"
    EXECUTE = "execute"
    FUNCTION_CALL = "function_call"
    COPY = "copy"


class Verdict(enum.StrEnum):
    ALLOW = "allow"
    MASKED = "masked"
    DENY = "deny"
    ERROR = "error"
    """Refused because it could not be decided: not understood, or over a limit."""
    INVALID = "invalid"
    """Not run because PostgreSQL would refuse it too: a syntax error, a name that is not there."""


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    name: str
    """`schema.relation.column`."""
    uses: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MaskEntry:
    column: str
    mask: str
    rule: str


@dataclass(frozen=True, slots=True)
class IdentityEntry:
    """Who has proved to dbguard who they are, and how."""

    name: str
    proof: str
    roles: tuple[str, ...] = ()
    """Roles that come with it, sorted, whether the rules know them or not."""
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Names and values, all sorted."""


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    session: str
    principal_user: str
    principal_groups: tuple[str, ...]
    database: str
    client_address: str
    application: str
    environment: str
    phase: str
    """A `Phase`."""
    action: str
    wrapper: str
    """What the statement was wrapped in (`explain`, `prepare`, …), empty when bare."""
    relations: tuple[str, ...]
    columns: tuple[ColumnEntry, ...]
    decision: str
    """A `Verdict`."""
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    masked: tuple[MaskEntry, ...]
    requirements: tuple[str, ...]
    text: str
    """The statement with every literal and comment taken out."""
    fingerprint: str
    statement: str
    """Id that links parse, bind and execute of one prepared statement; may be empty."""
    rules_digest: str
    catalog_epoch: int
    hints: tuple[str, ...] = ()
    """What would get the statement allowed, beside each reason."""
    identity: IdentityEntry | None = None
    """Who stands behind the database user, where dbguard knows."""
    acting_as: str = ""
    """The database role in force where it is not the user that logged in; several where a string
    of statements changes it, `unknown` for one that is not told."""
    traceparent: str = ""
    """Of the trace that the statement says it belongs to (W3C Trace Context)."""
    tags: tuple[tuple[str, str], ...] = ()
    """What the statement's comment says of where it comes from: hints, which anybody can write."""
    sealed: str = ""
    """The statement as it came, for the auditor's key only (base64)."""

    @property
    def who(self) -> str:
        """The person or program, else the database user."""
        return self.principal_user if self.identity is None else self.identity.name


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    session: str
    decision: int
    """Sequence number of the decision this is the outcome of."""
    command_tag: str
    rows: int
    """Changed, copied, or sent to the client."""
    sqlstate: str
    """Five characters; empty when the statement succeeded."""
    duration_microseconds: int
    bytes: int = 0
    """Of rows and COPY data: what the client got, or sent into COPY FROM STDIN."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    kind: RecordKind
    session: str
    """Empty for what belongs to no session."""
    fields: tuple[tuple[str, str], ...]

    def field(self, name: str) -> str:
        """The value of field `name`, empty when there is none."""
        return next((value for key, value in self.fields if key == name), "")


Record: TypeAlias = DecisionRecord | OutcomeRecord | EventRecord


def decode(members: Mapping[str, object]) -> Record:
    """The record that a line's JSON object holds.

    Raises MalformedRecord when a member is missing, of the wrong type, or of an unknown version.
    """
    if members.get("v") != VERSION:
        raise MalformedRecord("not a record of version 1")
    try:
        kind = RecordKind(text_member(members, "kind"))
    except ValueError as error:
        raise MalformedRecord("unknown record kind") from error
    if kind is RecordKind.DECISION:
        return _decode_decision(members)
    if kind is RecordKind.OUTCOME:
        return OutcomeRecord(
            session=text_member(members, "session"),
            decision=integer_member(members, "decision"),
            command_tag=text_member(members, "command_tag"),
            rows=integer_member(members, "rows"),
            sqlstate=text_member(members, "sqlstate"),
            duration_microseconds=integer_member(members, "duration_microseconds"),
            bytes=integer_member(members, "bytes") if "bytes" in members else 0,
        )
    fields = members.get("fields")
    if not isinstance(fields, dict):
        raise MalformedRecord("member fields is not an object")
    return EventRecord(
        kind=kind,
        session=text_member(members, "session"),
        fields=tuple((str(key), str(value)) for key, value in fields.items()),
    )


def _decode_decision(members: Mapping[str, object]) -> DecisionRecord:
    return DecisionRecord(
        session=text_member(members, "session"),
        principal_user=text_member(members, "principal_user"),
        principal_groups=text_members(members, "principal_groups"),
        database=text_member(members, "database"),
        client_address=text_member(members, "client_address"),
        application=text_member(members, "application"),
        environment=text_member(members, "environment"),
        phase=text_member(members, "phase"),
        action=text_member(members, "action"),
        wrapper=text_member(members, "wrapper"),
        relations=text_members(members, "relations"),
        columns=tuple(
            ColumnEntry(
                text_member(entry, "name"), text_members(entry, "uses"), text_members(entry, "tags")
            )
            for entry in object_members(members, "columns")
        ),
        decision=_verdict(members),
        rules=text_members(members, "rules"),
        reasons=text_members(members, "reasons"),
        masked=tuple(
            MaskEntry(
                text_member(entry, "column"), text_member(entry, "mask"), text_member(entry, "rule")
            )
            for entry in object_members(members, "masked")
        ),
        requirements=text_members(members, "requirements"),
        text=text_member(members, "text"),
        fingerprint=text_member(members, "fingerprint"),
        statement=text_member(members, "statement"),
        rules_digest=text_member(members, "rules_digest"),
        catalog_epoch=integer_member(members, "catalog_epoch"),
        hints=text_members(members, "hints"),
        identity=_identity(members),
        acting_as=optional_member(members, "acting_as"),
        traceparent=optional_member(members, "traceparent"),
        tags=_tags(members),
        sealed=optional_member(members, "sealed"),
    )


def _tags(members: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    found = members.get("tags", {})
    if not isinstance(found, dict):
        raise MalformedRecord("member tags is not an object")
    return tuple((str(name), text_member(found, name)) for name in sorted(found))


def _identity(members: Mapping[str, object]) -> IdentityEntry | None:
    """Records of sessions whose database user is all that is known have no such member."""
    found = members.get("identity")
    if found is None:
        return None
    if not isinstance(found, dict):
        raise MalformedRecord("member identity is not an object")
    attributes = found.get("attributes")
    if not isinstance(attributes, dict):
        raise MalformedRecord("member attributes is not an object")
    return IdentityEntry(
        text_member(found, "name"),
        text_member(found, "proof"),
        text_members(found, "roles"),
        tuple((str(name), text_members(attributes, name)) for name in sorted(attributes)),
    )


def _verdict(members: Mapping[str, object]) -> Verdict:
    try:
        return Verdict(text_member(members, "decision"))
    except ValueError as error:
        raise MalformedRecord("unknown decision") from error
