"""The database role in force takes grants away and adds denials, and never the other way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.policy.deciding import decide
from dbguard.policy.decision import Acting, Effect, MaskKind, Principal
from dbguard.sql.facts import Action, EffectKind, SessionEffect, StatementFacts, Use

from .clinic import CLASSIFICATION, PATIENTS, bound, select

RULES = """
roles:
  seer: {groups: [seers]}
  half: {groups: [halves]}
  quarter: {groups: [quarters]}
  person: {users: [nora]}
  barred: {groups: [barreds]}
  pinned: {groups: [pinned]}
masks:
  tail: {phi: {keep_last: 4, with: "***"}}
  hidden: {phi: redact}
rules:
  - {id: see, allow: [read], roles: [seer], data: [phi]}
  - {id: tails, allow: [read], roles: [half], data: [phi], masked: tail}
  - {id: hides, allow: [read], roles: [quarter], data: [phi], masked: hidden}
  - {id: never, deny: [read], roles: [barred], data: [phi]}
  - {id: stay, deny: [set_role], roles: [pinned]}
"""
BOUND = bound(CLASSIFICATION + RULES)
READ = select(PATIENTS, ssn=Use.OUTPUT)


def principal(*groups: str, acting: tuple[Acting, ...] = (), user: str = "u") -> Principal:
    return Principal(user, frozenset({user, *groups}), "clinic", acting=acting)


def role(name: str, *groups: str) -> Acting:
    return Acting(name, frozenset({name, *groups}))


ALL = ("seers", "halves", "quarters")
UNKNOWN = Acting("")
BARRED = role("y", "seers", "barreds")

SEEN: list[tuple[str, Principal, MaskKind | Effect]] = [
    ("its own", principal(*ALL), Effect.ALLOW),
    ("one of its groups", principal(*ALL, acting=(role("seers"),)), Effect.ALLOW),
    ("a member of one", principal(*ALL, acting=(role("x", "seers"),)), Effect.ALLOW),
    ("a group without grants", principal(*ALL, acting=(role("x"),)), Effect.DENY),
    ("not known", principal(*ALL, acting=(UNKNOWN,)), Effect.DENY),
    ("one of two", principal(*ALL, acting=(role("seers"), role("x"))), Effect.DENY),
    # the mask that hides most stays, although what grants it is given up
    ("masked", principal(*ALL, acting=(role("halves"),)), MaskKind.REDACT),
    ("masked alone", principal("halves", acting=(role("halves"),)), MaskKind.KEEP_LAST),
    ("a role that it has not", principal(acting=(role("seers"),)), Effect.DENY),
    ("a user of the policy", principal(acting=(role("nora"),)), Effect.DENY),
    ("denied to the role", principal("seers", acting=(BARRED,)), Effect.DENY),
    ("denied to itself", principal("seers", "barreds", acting=(role("seers"),)), Effect.DENY),
]  # fmt: skip


@pytest.mark.parametrize(("asking", "expected"), [s[1:] for s in SEEN], ids=[s[0] for s in SEEN])
def test_what_is_seen(asking: Principal, expected: MaskKind | Effect) -> None:
    decision = decide(BOUND, READ, asking, "production")
    if isinstance(expected, MaskKind):
        assert [m.mask.kind for m in decision.masks] == [expected]
    else:
        assert decision.effect is expected
        assert decision.masks == ()


def test_no_role_in_force_gives_more_than_the_login_has() -> None:
    groups = [*ALL, "barreds", "pinned", "x"]
    order = {Effect.DENY: 0, Effect.ALLOW: 1}
    for held in range(1 << len(groups)):
        own = principal(*(g for n, g in enumerate(groups) if held >> n & 1))
        alone = decide(BOUND, READ, own, "production")
        for set_to in (role("seers"), role("halves"), role("quarters"), UNKNOWN):
            acting = decide(BOUND, READ, replace(own, acting=(set_to,)), "production")
            assert order[acting.effect] <= order[alone.effect]
            if acting.effect is Effect.ALLOW and alone.masks:
                assert acting.masks == alone.masks


def test_users_count_whatever_role_is_in_force() -> None:
    standing = BOUND.standing(principal(user="nora", acting=(UNKNOWN,)), "production")
    assert standing.roles == {"person"}
    assert standing.given_up == frozenset()


def test_the_hint_names_what_the_role_took_away() -> None:
    decision = decide(BOUND, READ, principal(*ALL, acting=(role("x"),)), "production")
    assert decision.reasons[0].hint.endswith(
        "Under role x, roles of the policy that come with other groups do not count (half, quarter "
        "and seer): RESET ROLE brings them back."
    )


SET = StatementFacts(Action.SET_ROLE)
DISCARD = StatementFacts(
    Action.DISCARD, effects=(SessionEffect(EffectKind.DISCARD, "all"),), statement_tag="DiscardStmt"
)
NESTED = replace(READ, nested=frozenset({Action.SET_ROLE}))
PINNED = principal("seers", "pinned")


@pytest.mark.parametrize("facts", [SET, NESTED])
def test_setting_the_role_can_be_denied(facts: StatementFacts) -> None:
    decision = decide(BOUND, facts, PINNED, "production")
    assert decision.effect is Effect.DENY
    assert "denied by rule stay" in decision.reasons[0].message
    assert decide(BOUND, facts, principal("seers"), "production").effect is Effect.ALLOW


def test_discard_all_sets_the_role_back_where_one_is_in_force() -> None:
    assert decide(BOUND, DISCARD, PINNED, "production").effect is Effect.ALLOW
    acting = replace(PINNED, acting=(role("x"),))
    assert decide(BOUND, DISCARD, acting, "production").effect is Effect.DENY
