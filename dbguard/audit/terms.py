"""What a record can be found by.

One function says it for the index of a sealed segment and for the search itself, so that the two
cannot differ.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping


class Term(enum.StrEnum):
    KIND = "kind"
    USER = "user"
    """The database user."""
    IDENTITY = "identity"
    """Who stands behind it."""
    DECISION = "decision"
    DATABASE = "database"
    APPLICATION = "application"
    ADDRESS = "address"
    SESSION = "session"
    RULE = "rule"
    RELATION = "relation"
    COLUMN = "column"
    TAG = "tag"
    FINGERPRINT = "fingerprint"
    SQLSTATE = "sqlstate"
    TEXT = "text"
    """The redacted statement; of an event, the values of its fields."""


_DECISION = (
    (Term.USER, "principal_user"),
    (Term.DECISION, "decision"),
    (Term.DATABASE, "database"),
    (Term.APPLICATION, "application"),
    (Term.ADDRESS, "client_address"),
    (Term.SESSION, "session"),
    (Term.FINGERPRINT, "fingerprint"),
    (Term.TEXT, "text"),
)
_EVENT = (
    (Term.USER, "user"),
    (Term.IDENTITY, "identity"),
    (Term.DATABASE, "database"),
    (Term.APPLICATION, "application"),
    (Term.ADDRESS, "address"),
    (Term.COLUMN, "column"),
)
Terms = Iterator[tuple[Term, str]]


def terms_of(members: Mapping[str, object]) -> Terms:
    """Everything the record of these members can be found by; some may come twice."""
    kind = _text(members, "kind")
    yield Term.KIND, kind
    if kind == "decision":
        yield from _of_decision(members)
    elif kind == "outcome":
        yield Term.SESSION, _text(members, "session")
        yield Term.SQLSTATE, _text(members, "sqlstate")
    else:
        yield Term.SESSION, _text(members, "session")
        fields = members.get("fields")
        if isinstance(fields, dict):
            for term, name in _EVENT:
                if name in fields:
                    yield term, str(fields[name])
            yield Term.TEXT, "\n".join(str(value) for value in fields.values())


def _of_decision(members: Mapping[str, object]) -> Terms:
    for term, name in _DECISION:
        yield term, _text(members, name)
    identity = members.get("identity")
    if isinstance(identity, dict):
        yield Term.IDENTITY, _text(identity, "name")
    for rule in _list(members, "rules"):
        yield Term.RULE, str(rule)
    for mask in _list(members, "masked"):
        if isinstance(mask, dict):
            yield Term.RULE, _text(mask, "rule")
    for relation in _list(members, "relations"):
        yield Term.RELATION, str(relation)
    for column in _list(members, "columns"):
        if isinstance(column, dict):
            yield Term.COLUMN, _text(column, "name")
            for tag in _list(column, "tags"):
                yield Term.TAG, str(tag)


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _list(members: Mapping[str, object], name: str) -> list[object]:
    value = members.get(name)
    return value if isinstance(value, list) else []
