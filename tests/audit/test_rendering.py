"""Bodies put together from pieces are canonical JSON of the whole record."""

from __future__ import annotations

from dataclasses import fields, replace

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.audit.members import rendered_members, rendered_text
from dbguard.audit.records import (
    ColumnEntry,
    DecisionRecord,
    IdentityEntry,
    MaskEntry,
    OutcomeRecord,
    Phase,
    decode,
)
from dbguard.audit.rendering import DecisionTemplate, SessionTemplate, render, rendered_outcome

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
"""With lone surrogates, which come of bytes that are not UTF-8."""
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
NUMBER = st.integers(0, 2**63 - 1)
PAIRS = st.dictionaries(TEXT, TEXTS, max_size=2).map(lambda found: tuple(sorted(found.items())))
OUTCOMES = st.builds(OutcomeRecord, TEXT, NUMBER, TEXT, NUMBER, TEXT, NUMBER, NUMBER)
DECISIONS = st.builds(
    DecisionRecord,
    principal_groups=TEXTS,
    relations=TEXTS,
    columns=st.lists(st.builds(ColumnEntry, TEXT, TEXTS, TEXTS), max_size=2).map(tuple),
    rules=TEXTS,
    reasons=TEXTS,
    masked=st.lists(st.builds(MaskEntry, TEXT, TEXT, TEXT), max_size=2).map(tuple),
    requirements=TEXTS,
    catalog_epoch=NUMBER,
    hints=TEXTS,
    identity=st.none() | st.builds(IdentityEntry, TEXT, TEXT, TEXTS, PAIRS),
    tags=st.dictionaries(TEXT, TEXT, max_size=2).map(lambda found: tuple(sorted(found.items()))),
    **{field.name: TEXT for field in fields(DecisionRecord) if field.type == "str"}
    | {"phase": st.one_of(TEXT, st.sampled_from([phase.value for phase in Phase]))},
)

OF_USE = ("application", "client_address", "phase", "session", "statement")
OPTIONAL = ("acting_as", "sealed", "traceparent")
NESTED = ("columns", "masked", "identity", "tags")


def canonical(record: DecisionRecord) -> bytes:
    """The body as the formats have it: two groups of members, each in order."""
    apart = (*OF_USE, *OPTIONAL, *NESTED)
    of_use = {name: getattr(record, name) for name in OF_USE}
    of_plan = {
        field.name: getattr(record, field.name)
        for field in fields(record)
        if field.name not in apart or (field.name in OPTIONAL and getattr(record, field.name))
    }
    of_plan["columns"] = [
        {"name": column.name, "uses": column.uses, "tags": column.tags} for column in record.columns
    ]
    of_plan["masked"] = [
        {"rule": entry.rule, "mask": entry.mask, "column": entry.column} for entry in record.masked
    ]
    if record.tags:
        of_plan["tags"] = dict(record.tags)
    if record.identity is not None:
        of_plan["identity"] = {
            "name": record.identity.name,
            "proof": record.identity.proof,
            "roles": record.identity.roles,
            "attributes": dict(record.identity.attributes),
        }
    return b'"kind":"decision",' + rendered_members(of_use) + b"," + rendered_members(of_plan)


@settings(max_examples=40)
@given(DECISIONS)
def test_decisions_are_canonical(record: DecisionRecord) -> None:
    rendered = render(record)
    assert rendered.body == canonical(record)
    assert rendered.counted == (record.action, record.decision)
    orjson.loads(b"{" + rendered.body + b"}")


@settings(max_examples=30)
@given(DECISIONS, DECISIONS, st.sampled_from([phase.value for phase in Phase]), TEXT)
def test_a_plan_is_filled_with_any_session(
    plan: DecisionRecord, session: DecisionRecord, phase: str, statement: str
) -> None:
    filled = DecisionTemplate(plan).fill(SessionTemplate.of(session), phase, statement)
    expected = replace(
        plan,
        session=session.session,
        principal_user=session.principal_user,
        principal_groups=session.principal_groups,
        database=session.database,
        client_address=session.client_address,
        application=session.application,
        environment=session.environment,
        identity=session.identity,
        acting_as=session.acting_as,
        phase=phase,
        statement=statement,
    )
    assert filled.body == canonical(expected)


@given(OUTCOMES)
def test_outcomes_are_canonical(record: OutcomeRecord) -> None:
    body = render(record).body
    names = ("bytes", "command_tag", "decision", "duration_microseconds", "rows", "session")
    members = {name: getattr(record, name) for name in (*names, "sqlstate")}
    assert body == b'"kind":"outcome",' + rendered_members(members)
    assert (
        body
        == rendered_outcome(
            rendered_text(record.session),
            record.decision,
            rendered_text(record.command_tag),
            record.rows,
            record.sqlstate,
            record.duration_microseconds,
            record.bytes,
        ).body
    )


def test_what_is_read_back(decision: DecisionRecord) -> None:
    body = DecisionTemplate(decision).fill(SessionTemplate.of(decision), "bind", "s2").body
    members = orjson.loads(b'{"v":1,' + body + b"}")
    assert decode(members) == replace(decision, phase="bind", statement="s2")
