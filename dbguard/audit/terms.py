"""What a record can be found by.

One function says it for the index of a sealed segment and for the search itself, so that the two
cannot differ.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import orjson

from dbguard.audit.chain import SUFFIX_SIZE


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
_OF_USE: Final = (
    (Term.APPLICATION, "application"),
    (Term.ADDRESS, "client_address"),
    (Term.SESSION, "session"),
)
"""What differs from use to use of a plan."""
_DECISION_BODY: Final = b'"kind":"decision",'
_BEGINNING: Final = 200
"""Bytes of a line that its members before `kind` fit in."""
_PLAN: Final = b',"acti'
"""How the part of a decision begins that belongs to the plan: `acting_as`, or `action`."""
_PLANS: Final = 20_000
"""Plans remembered; some hundred bytes each."""
Terms = Iterator[tuple[Term, str]]


def terms_of(members: Mapping[str, object]) -> Terms:
    """Everything the record of these members can be found by; some may come twice, or be empty."""
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


class LineTerms:
    """The terms of lines; what belongs to a plan is parsed once for all decisions made from it."""

    def __init__(self) -> None:
        self._plans: dict[bytes, frozenset[tuple[Term, str]]] = {}

    def of(self, line: bytes) -> Iterable[tuple[Term, str]]:
        """Raises ValueError, AttributeError for a line that is not a JSON object."""
        begin = line.find(_DECISION_BODY, 0, _BEGINNING)
        middle = line.find(_PLAN, begin) if begin > 0 else -1
        if middle < 0:
            return terms_of(orjson.loads(line))
        plan = line[middle + 1 : -SUFFIX_SIZE]
        found = self._plans.get(plan)
        try:
            # Only a cut between two members of the record itself leaves two halves that are JSON.
            use = orjson.loads(b"{" + line[begin:middle] + b"}")
            if found is None:
                members = orjson.loads(b'{"kind":"decision",' + plan + b"}")
                found = frozenset(term for term in terms_of(members) if term[1])
                if len(self._plans) >= _PLANS:
                    self._plans.clear()
                self._plans[plan] = found
        except ValueError:
            return terms_of(orjson.loads(line))
        return (*found, *((term, str(use[name])) for term, name in _OF_USE if use.get(name)))


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
