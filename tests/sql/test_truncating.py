"""TRUNCATE … CASCADE empties what refers to the tables it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.sql.analysis import analyze
from dbguard.sql.facts import StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import Column, Relation, RelationKind

from .catalogs import SNAPSHOT, VIEW


def _table(
    oid: int,
    name: str,
    *,
    refers_to: int = 0,
    parents: tuple[int, ...] = (),
    has_triggers: bool = False,
) -> Relation:
    references = ((refers_to, 1),) if refers_to else ()
    column = Column(1, "a", "integer", "integer", "N", references=references)
    return Relation(
        oid,
        "clinic",
        name,
        RelationKind.TABLE,
        (column,),
        parents=parents,
        has_triggers=has_triggers,
    )


TABLES = (
    _table(90001, "one"),
    _table(90002, "two", refers_to=90001),
    _table(90003, "three", refers_to=90002),
    _table(90004, "part", parents=(90001,)),
    _table(90005, "behind_part", refers_to=90004, has_triggers=True),
    _table(90006, "ring", refers_to=90006),
    _table(90007, "apart"),
)
CATALOG = replace(SNAPSHOT, relations=(*SNAPSHOT.relations, *TABLES))


def _facts(text: str) -> StatementFacts:
    return analyze(text, CATALOG, VIEW, DEFAULT_LIMITS)[-1].facts


CASES = [
    ("TRUNCATE three CASCADE", {"three"}),
    ("TRUNCATE two CASCADE", {"two", "three"}),
    ("TRUNCATE one CASCADE", {"one", "two", "three", "part", "behind_part"}),
    ("TRUNCATE ring, apart RESTART IDENTITY CASCADE", {"ring", "apart"}),
    ("TRUNCATE one", {"one"}),
]


@pytest.mark.parametrize(("text", "emptied"), CASES)
def test_what_is_emptied(text: str, emptied: set[str]) -> None:
    facts = _facts(text)
    assert {r.name for r in facts.relations} == emptied
    assert not facts.opaque


def test_triggers_behind_a_foreign_key_count() -> None:
    assert _facts("TRUNCATE one CASCADE").runs_hidden_code
    assert not _facts("TRUNCATE two CASCADE").runs_hidden_code


def test_foreign_keys_of_the_same_string_are_not_known() -> None:
    assert _facts(
        "ALTER TABLE apart ADD FOREIGN KEY (a) REFERENCES one (a); TRUNCATE one CASCADE"
    ).opaque
    assert _facts("CREATE TABLE fresh (a int); TRUNCATE fresh CASCADE").opaque
