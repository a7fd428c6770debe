"""Roles that are about people whom dbguard knows itself, and what they are not taken for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.errors import ConfigurationError
from dbguard.policy.cases import parse_cases
from dbguard.policy.decision import Identity, Principal, Proof
from dbguard.policy.loading import load_documents
from dbguard.policy.model import Policy

POLICY = """
roles:
  named: {identities: [anna, "dora@clinic.example"]}
  oncologist: {attributes: {department: [oncology, radiology]}}
  resident: {attributes: {department: [oncology], employment: [resident]}}
  named-oncologist: {identities: [anna], attributes: {department: [oncology]}}
  staff: {users: [app], groups: [staff], attributes: {department: [oncology]}}
  by-user: {users: [app]}
  by-group: {groups: [staff, anna]}
  either: {users: [other], identities: [anna]}
  given: {identities: []}
rules: [{id: all, allow: [read]}]
"""


def load(roles: str = "") -> Policy:
    return load_documents({"x": roles or POLICY})


def held(
    *,
    user: str = "app",
    groups: tuple[str, ...] = ("app",),
    name: str | None = "anna",
    roles: tuple[str, ...] = (),
    **attributes: str,
) -> set[str]:
    identity = None
    if name is not None:
        told = frozenset(
            (key, value) for key, found in attributes.items() for value in found.split()
        )
        identity = Identity(name, Proof.PASSWORD, frozenset(roles), told)
    principal = Principal(user, frozenset(groups), "clinic", identity=identity)
    return set(load().roles_of(principal))


def test_people_by_name() -> None:
    assert held() == {"named", "by-user", "either"}
    assert held(name="dora@clinic.example") == {"named", "by-user"}
    assert held(name="Anna") == {"by-user"}
    assert held(name=None) == {"by-user"}


def test_people_by_what_they_are() -> None:
    assert held(name="bert", department="oncology") == {"oncologist", "staff", "by-user"}
    assert held(name="bert", department="radiology") == {"oncologist", "by-user"}
    assert held(name="bert", department="surgery") == {"by-user"}
    both = held(name="bert", department="surgery oncology", employment="resident")
    assert both == {"oncologist", "resident", "staff", "by-user"}
    assert "resident" not in held(name="bert", department="radiology", employment="resident")
    assert held(name="bert", employment="resident") == {"by-user"}
    assert held(name="bert", department="oncology2", Department="oncology") == {"by-user"}


def test_a_name_and_an_attribute_must_both_be_there() -> None:
    assert "named-oncologist" in held(department="oncology")
    assert "named-oncologist" not in held()
    assert "named-oncologist" not in held(name="bert", department="oncology")
    assert "staff" in held(user="x", groups=("staff",), department="oncology")
    assert "staff" not in held(user="x", groups=("x",), department="oncology")
    assert "staff" not in held(name=None, groups=("app", "staff"))


def test_roles_that_somebody_comes_with() -> None:
    assert "given" in held(roles=("given",))
    assert "given" not in held()
    assert "resident" in held(roles=("resident",)), "whatever else it asks for"
    assert held(name="bert", user="x", roles=("unheard-of",)) == set()


@pytest.mark.parametrize("name", ["app", "staff", "other", "given", "named", "postgres", "by-user"])
def test_names_of_people_are_nothing_else(name: str) -> None:
    """Whoever may choose a name chooses no role by it."""
    assert held(name=name, user="x", groups=("x",)) == set()


def test_names_of_database_users_and_roles_are_not_peoples() -> None:
    assert held(name=None, user="anna", groups=("anna",)) == {"by-group"}
    assert held(name="x", user="anna", groups=("anna", "dora@clinic.example")) == {"by-group"}


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("{}", "role a has no users, groups, identities or attributes; add some"),
        ("{users: []}", "role a has no users, groups, identities or attributes"),
        ("{attributes: {}}", "role a has no users, groups, identities or attributes"),
        ("{attributes: {b: []}}", "x:2:"),
        ("{attributes: {b: c}}", "x:2:"),
        ("{attributes: {'b c': [d]}}", "x:2:"),
        ("{identities: anna}", "x:2:"),
        ("{identities: ['']}", "x:2:"),
        ("{claims: {a: b}}", "claims"),
    ],
)
def test_mistakes(role: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(f"rules: [{{id: all, allow: [read]}}]\nroles: {{a: {role}}}\n")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{attributes: {a: [b]}}", "{attributes: {b: [a]}}"),
        ("{attributes: {a: [b, c]}}", "{attributes: {a: [b], c: [b]}}"),
        ("{users: [a]}", "{identities: [a]}"),
        ("{groups: [a]}", "{identities: [a]}"),
        ("{identities: [a]}", "{identities: [a], attributes: {a: [a]}}"),
    ],
)
def test_policies_that_differ_have_other_digests(one: str, other: str) -> None:
    texts = (f"roles: {{r: {role}}}\nrules: [{{id: all, allow: [read]}}]" for role in (one, other))
    first, second = (load_documents({"x": text}).digest for text in texts)
    assert first != second


def test_a_principal_is_called_by_who_it_is() -> None:
    principal = Principal("app", frozenset({"app"}), "clinic")
    assert principal.name == "app"
    assert replace(principal, identity=Identity("anna", Proof.TOKEN)).name == "anna"


CASE = "cases: [{{name: c, as: {}, sql: SELECT 1, expect: allow}}]"


def test_cases_about_people() -> None:
    who = "{user: app, identity: anna, roles: [given], attributes: {department: [a, b]}}"
    (case,) = parse_cases({"c": CASE.format(who)})
    assert case.principal.identity == Identity(
        "anna",
        Proof.PASSWORD,
        frozenset({"given"}),
        frozenset({("department", "a"), ("department", "b")}),
    )
    (case,) = parse_cases({"c": CASE.format("{user: app}")})
    assert case.principal.identity is None


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("{user: app, roles: [x]}", "roles and attributes are those of an identity"),
        ("{user: app, attributes: {a: [b]}}", "roles and attributes are those of an identity"),
        ("{user: app, identity: ''}", "identity: "),
        ("{user: app, identty: x}", "did you mean 'identity'?"),
    ],
)
def test_mistakes_in_cases(who: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_cases({"c": CASE.format(who)})
    assert words in str(caught.value)
