"""Plans that people share: everybody is judged as if they were made for that person alone."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.engine.asks import Planned
from dbguard.engine.plan import Plan, PlannedStatement, Refusal
from dbguard.engine.recorded_text import RecordedText
from dbguard.policy.decision import Acting, Decision, Effect, Identity, Principal, Proof, Reason
from dbguard.policy.loading import load_documents
from dbguard.policy.model import Attribute, PolicyRole
from dbguard.proxy.impersonal import NOBODY, impersonal, personal
from dbguard.sql.facts import Action

EMPTY = load_documents({"x": "rules: [{id: all, allow: [read]}]"})
names = st.sampled_from(["a", "b"])
some = st.frozensets(names, max_size=2)
pairs = st.frozensets(st.tuples(names, names), max_size=3)
attributes = st.frozensets(
    st.builds(Attribute, names, st.frozensets(names, min_size=1, max_size=2)),
    max_size=2,
)
roles = st.lists(
    st.builds(PolicyRole, names, some, some, some, attributes),
    max_size=4,
    unique_by=lambda r: r.name,
)
acting = st.lists(st.builds(Acting, names, some), max_size=2).map(tuple)
principals = st.builds(
    Principal,
    names,
    some,
    st.just("clinic"),
    identity=st.builds(Identity, names, st.sampled_from(Proof), some, pairs),
    acting=acting,
)


@given(roles, principals)
@settings(max_examples=400, deadline=None)
def test_roles_are_the_same_whatever_database_role_is_in_force(
    found: list[PolicyRole], principal: Principal
) -> None:
    policy = replace(EMPTY, roles=tuple(found))
    same = impersonal(policy, principal)
    assert same.identity is not None
    assert same.identity.name == NOBODY
    assert replace(same, identity=principal.identity) == principal
    for one, other in (
        (principal, same),
        (principal.granted, same.granted),
        *zip(principal.denied, same.denied, strict=True),
    ):
        assert policy.roles_of(one) == policy.roles_of(other)


def test_people_of_the_same_roles_are_one() -> None:
    policy = load_documents(
        {
            "x": """
roles:
  analyst: {identities: [anna], attributes: {department: [research]}}
  both: {identities: [anna, bert, carl]}
  mixed: {groups: [staff], attributes: {shift: [night]}}
rules: [{id: all, allow: [read]}]
"""
        }
    )

    def of(name: str, proof: Proof = Proof.PASSWORD, **known: str) -> Principal:
        identity = Identity(name, proof, frozenset({"unheard-of"}), frozenset(known.items()))
        return impersonal(policy, Principal("app", frozenset(), "d", identity=identity))

    assert of("anna", department="surgery") == of("bert", Proof.TOKEN, department="research")
    assert of("anna", department="research") != of("bert", department="research")
    assert of("bert") != of("dora")
    assert of("bert", shift="night") != of("bert", shift="day")


def test_who_is_nobody_but_a_database_user_stays_so() -> None:
    principal = Principal("app", frozenset({"app"}), "clinic")
    assert impersonal(EMPTY, principal) is principal


def planned(refusal: Refusal | None = None, **decision: tuple[object, ...]) -> Planned:
    statement = PlannedStatement(
        Action.SELECT,
        None,
        Decision(Effect.DENY, **decision),  # type: ignore[arg-type]
        *((), RecordedText("SELECT", ""), (), ()),
    )
    return Planned(Plan("SELECT", None, (statement,), refusal), frozenset(), ("", 1, "", 0))


def test_messages_name_the_person() -> None:
    spoken = f"is not allowed for {NOBODY}"
    refusal = Refusal("42501", *(spoken,) * 3, because=spoken)
    reason = Reason("rule", spoken, spoken)
    found = personal(planned(refusal, reasons=(reason,), notices=(spoken, "plain")), "anna")
    assert "\\x00" not in repr(found)
    assert repr(found).count("is not allowed for anna") == 7
    assert found.plan.statements[0].decision.notices[1] == "plain"


def test_plans_that_name_nobody_are_handed_out_as_they_are() -> None:
    for plan in (planned(), planned(Refusal("42601", "syntax error"), notices=("plain",))):
        assert personal(plan, "anna") is plan
