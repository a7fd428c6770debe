"""docs/refusals.md is true: its examples are refused as it says, and its messages exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from dbguard.catalog.saved import load
from dbguard.engine.plan import PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.policy.loading import load_policy
from dbguard.sql.limits import DEFAULT_LIMITS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "refusals.md").read_text("utf-8")
HIPAA = ROOT / "rules" / "hipaa"


@dataclass(frozen=True)
class Example:
    """A block: `as USER`, the statement, and for a refused one what comes back."""

    kind: str
    user: str
    sql: str
    answer: str

    def __str__(self) -> str:
        return f"{self.user}: {self.sql}"


def examples(kind: str) -> Iterator[Example]:
    for found in re.finditer(rf"^```{kind}\nas (\w+)\n(.*?)\n```$", TEXT, re.MULTILINE | re.DOTALL):
        sql, _, answer = found[2].partition("\nERROR:")
        yield Example(
            kind, found[1], sql.replace("\\u00a0", "\u00a0"), answer and "ERROR:" + answer
        )


@cache
def world() -> World:
    return World(load((HIPAA / "catalog.json").read_text()), load_policy(HIPAA), DEFAULT_LIMITS)


def answer(user: str, sql: str) -> str:
    """What psql would show (VERBOSITY verbose, without DETAIL), empty when it runs."""
    snapshot = world().snapshot
    view = effective_view(snapshot, user, '"$user", public')
    request = PlanRequest(sql, principal_of(snapshot, user), view, "production")
    refusal = plan_text(world(), request).refusal
    if refusal is None:
        return ""
    hint = f"\nHINT:  {refusal.hint}" if refusal.hint else ""
    return f"ERROR:  {refusal.sqlstate}: {refusal.message}{hint}"


@pytest.mark.parametrize("example", list(examples("refused")), ids=str)
def test_is_refused_as_documented(example: Example) -> None:
    assert answer(example.user, example.sql) == example.answer


@pytest.mark.parametrize("example", list(examples("allowed")), ids=str)
def test_the_way_around_is_open(example: Example) -> None:
    assert answer(example.user, example.sql) == ""


def test_every_block_is_an_example() -> None:
    blocks = re.findall(r"^```(\w+)$", TEXT, re.MULTILINE)
    assert set(blocks) == {"refused", "allowed"}
    assert len(blocks) == sum(len(list(examples(kind))) for kind in ("refused", "allowed"))


def said() -> str:
    """Every string in the sources, one a line, with `…` where something is put in."""
    found = []
    for path in (ROOT / "dbguard").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value.replace("{}", "…"))
            elif isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
                found.append("".join(map(str, parts)))
    return "\n".join(found)


def test_messages_of_the_tables_exist() -> None:
    messages = re.findall(r"^\| `([^`]+)` \|", TEXT, re.MULTILINE)
    sources = said()
    assert len(messages) > 30
    assert [m for m in messages if m not in sources] == []
