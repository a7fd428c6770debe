"""Every YAML block of the policy reference loads, and the tables say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbguard.policy.cases import parse_cases
from dbguard.policy.document import (
    DefaultsShape,
    FileShape,
    RuleShape,
)
from dbguard.policy.loading import load_documents
from dbguard.policy.mask_entries import REDACTED
from dbguard.sql.facts import Action, ActionClass

TEXT = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
RULE = "rules: [{id: filler, allow: [read]}]"


def blocks() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    language: str | None = None
    lines: list[str] = []
    for line in TEXT.splitlines():
        if line.startswith("```"):
            if language is not None:
                found.append((language, "\n".join(lines)))
                language = None
            else:
                language, lines = line[3:], []
        elif language is not None:
            lines.append(line)
    return found


RULES = [text for language, text in blocks() if language == "yaml"]
CASES = [text for language, text in blocks() if language == "yaml cases"]


def test_there_are_blocks_and_nothing_else() -> None:
    assert len(RULES) >= 8
    assert len(CASES) == 1
    assert {language for language, _ in blocks()} == {"yaml", "yaml cases"}


@pytest.mark.parametrize("text", RULES)
def test_rules_blocks_load(text: str) -> None:
    load_documents({"block": text if "\nrules:" in f"\n{text}" else f"{text}\n{RULE}"})


@pytest.mark.parametrize("text", CASES)
def test_cases_blocks_load(text: str) -> None:
    assert len(parse_cases({"block": text})) == 3


def test_defaults_are_as_documented() -> None:
    (block,) = [b for b in RULES if "unparsed" in b]
    defaults = load_documents({"d": block}).defaults
    assert defaults == load_documents({"d": RULE}).defaults
    assert DefaultsShape().unparsed == "deny"


def test_every_action_stands_in_the_table() -> None:
    for action_class in ActionClass:
        row = next(x for x in TEXT.splitlines() if x.startswith(f"| `{action_class}` |"))
        words = row.split("|")[2].replace(",", " ").split()
        assert words == [a.value for a in Action if a.action_class is action_class]


def test_every_key_is_documented() -> None:
    keys = {
        field.alias or name
        for model in (FileShape, RuleShape)
        for name, field in model.model_fields.items()
    }
    assert [key for key in sorted(keys) if f"`{key}" not in TEXT and f"## {key}" not in TEXT] == []
    assert f"`{REDACTED}`" in TEXT
