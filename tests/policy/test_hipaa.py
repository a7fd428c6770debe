"""The shipped policy on the demo's catalog."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dbguard.catalog.loading import load_snapshot
from dbguard.catalog.saved import load
from dbguard.policy.binding import BoundPolicy, bind
from dbguard.policy.cases import CaseResult, PolicyCase, load_cases, run_case
from dbguard.policy.coverage import findings
from dbguard.policy.decision import Principal
from dbguard.policy.loading import load_policy
from dbguard.sql.analysis import analyze
from dbguard.sql.facts import StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.lineage import column_sources, unreadable_views
from dbguard.sql.snapshot import Relation, SessionView, Snapshot

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"
CASES = load_cases(HIPAA)


@cache
def catalog() -> Snapshot:
    return load((HIPAA / "catalog.json").read_text("utf-8"))


@cache
def policy() -> BoundPolicy:
    return bind(
        load_policy(HIPAA), catalog(), column_sources(catalog()), unreadable_views(catalog())
    )


def read(text: str, view: SessionView) -> Sequence[StatementFacts]:
    return [r.facts for r in analyze(text, catalog(), view, DEFAULT_LIMITS)]


def run(case: PolicyCase) -> CaseResult:
    return run_case(case, policy(), read)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_case(case: PolicyCase) -> None:
    assert run(case).failures == ()


def test_the_demo_has_nothing_to_find() -> None:
    assert findings(policy()) == ()


def test_who_sees_what_raw() -> None:
    assert policy().has_raw_access(Principal("clinician", frozenset(), "clinic"))
    assert policy().has_raw_access(Principal("dba", frozenset(), "clinic"))
    assert not policy().has_raw_access(Principal("analyst", frozenset(), "clinic"))
    assert not policy().has_raw_access(Principal("app", frozenset(), "clinic"))


def test_keys_stay_open_and_partitions_are_covered() -> None:
    for relation in catalog().relations:
        if relation.schema != "clinic":
            continue
        for column in relation.columns:
            tags = policy().tags_of(relation.oid, column.number)
            if column.name in ("id", "patient_id", "encounter_id", "author_id", "provider_id"):
                assert tags == frozenset()
            if column.name == "taken_at":
                assert tags == {"phi.date.service"}


@pytest.mark.pg
async def test_the_saved_catalog_is_the_demos(clinic_database: Any) -> None:
    connection = await asyncpg.connect(clinic_database.dsn())
    try:
        live = await load_snapshot(connection, 0)
    finally:
        await connection.close()

    def shape(snapshot: Snapshot) -> dict[str, tuple[object, ...]]:
        return {r.name: _shape(r) for r in snapshot.relations if r.schema == "clinic"}

    assert shape(catalog()) == shape(live)


def _shape(relation: Relation) -> tuple[object, ...]:
    columns = tuple((c.number, c.name, c.type_name, c.not_null) for c in relation.columns)
    return (relation.kind, columns, relation.primary_key, relation.has_triggers)
