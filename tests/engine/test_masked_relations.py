"""The checklist of masked relations: what is sent for a text, line by line.

`masked_relations.sql` holds under each line of the list texts of somebody who may write and sees
three columns masked, and behind `->` what the server gets, or the error. `<ssn>` stands for the
mask of that column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from dbguard.catalog.saved import load
from dbguard.engine.plan import Plan, PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.policy.loading import load_documents
from dbguard.sql.limits import DEFAULT_LIMITS

HERE = Path(__file__).parent
CATALOG = HERE.parents[1] / "rules" / "hipaa" / "catalog.json"
MASK = re.compile(r"""\(CASE WHEN t\."(\w+)" IS NOT NULL THEN '\[redacted\]' END\)::[a-z_.]+""")
RULES = """
classification:
  - {tag: phi.ssn, columns: [clinic.patients.ssn]}
  - {tag: phi.name, columns: [clinic.patients.last_name]}
  - {tag: phi.text, columns: [clinic.notes.body, clinic.encounters.reason]}
roles: {writer: {users: [analyst]}}
masks: {hidden: {phi: redact}}
rules:
  - {id: see, allow: [read], roles: [writer], data: [phi], masked: hidden}
  - {id: change, allow: [insert, update, delete], roles: [writer], data: [phi]}
"""


def examples() -> Iterator[tuple[str, str, str]]:
    line = ""
    for block in (HERE / "masked_relations.sql").read_text("utf-8").split("\n\n"):
        for number in re.findall(r"^-- (\d+)\.", block, re.MULTILINE):
            line = number
        text = "\n".join(row for row in block.splitlines() if not row.startswith("-- "))
        sql, _, expected = text.partition("\n-> ")
        if sql.strip():
            yield line, sql.strip(), expected.strip()


@cache
def world() -> World:
    return World(load(CATALOG.read_text("utf-8")), load_documents({"r": RULES}), DEFAULT_LIMITS)


def plan(sql: str) -> Plan:
    snapshot = world().snapshot
    view = effective_view(snapshot, "analyst", '"$user", public, clinic')
    principal = principal_of(snapshot, "analyst")
    return plan_text(world(), PlanRequest(sql, principal, view, "production"))


def shown(sql: str) -> str:
    made = plan(sql)
    if made.refusal is not None:
        return f"ERROR {made.refusal.sqlstate}: {made.refusal.message}"
    return MASK.sub(r"<\1>", made.text)


@pytest.mark.parametrize(("line", "sql", "expected"), list(examples()))
def test_what_is_sent(line: str, sql: str, expected: str) -> None:
    assert shown(sql) == expected, f"line {line} of the checklist"


def test_every_line_has_an_example_or_says_where_it_is_tested() -> None:
    text = (HERE / "masked_relations.sql").read_text("utf-8")
    assert [int(n) for n in re.findall(r"^-- (\d+)\.", text, re.MULTILINE)] == [*range(1, 21)]
    tested = {int(line) for line, _, _ in examples()}
    assert tested == set(range(1, 21)) - {11, 14, 15, 18, 19}
    for path in re.findall(r"\S+\.py\b", text):
        found = HERE.parents[1] / path if "/" in path else HERE / path
        assert found.is_file(), path
