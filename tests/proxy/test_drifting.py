"""What has drifted is forgotten only when the table that it is about is gone, or was never made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dbguard.catalog.drift_registry import DriftRegistry
from dbguard.policy.drift import Filling, Source
from dbguard.proxy.drifting import Drifts
from dbguard.sql.snapshot import Relation, RelationKind, Snapshot

FILLING = Filling(
    500, 1, "public", "late", "a", False, (Source(4, 2, "clinic.patients.ssn"),),
    frozenset({"phi.ssn"}),
)  # fmt: skip
"""Of a table that its session has made, as its own view of the catalog shows it."""
SHARED = Snapshot("clinic", 180000, 1, frozenset({"public"}), (), (), database_oid=16384)
COMMITTED = replace(
    SHARED, epoch=2, relations=(Relation(500, "public", "late", RelationKind.TABLE, ()),)
)


async def drifts(folder: Path) -> Drifts:
    found = Drifts(DriftRegistry(folder / "state.db", "7001"))
    await found.load(SHARED)
    return found


async def test_a_table_that_is_not_committed_yet_is_not_gone(tmp_path: Path) -> None:
    """Another session's DDL has the shared catalog read in the middle of the transaction."""
    found = await drifts(tmp_path)
    assert await found.fill("clinic", "s1", [FILLING], SHARED) == [FILLING]
    assert found.waits("clinic", "s1")
    await found.settle(replace(SHARED, epoch=2))
    assert found.of("clinic") == (FILLING,)
    await found.settle(COMMITTED)
    assert [f.relation for f in found.of("clinic")] == [500]
    assert not found.waits("clinic", "s1")
    await found.settle(replace(SHARED, epoch=3))
    assert found.of("clinic") == (), "it was dropped"


async def test_a_table_that_was_never_made(tmp_path: Path) -> None:
    found = await drifts(tmp_path)
    await found.fill("clinic", "s1", [FILLING], SHARED)
    await found.take_back(replace(SHARED, epoch=2), "s1")
    assert found.of("clinic") == ()


async def test_a_table_that_everybody_sees_waits_for_nobody(tmp_path: Path) -> None:
    found = await drifts(tmp_path)
    await found.fill("clinic", "s1", [FILLING], COMMITTED)
    assert not found.waits("clinic", "s1")
    await found.take_back(COMMITTED, "s1")
    assert found.of("clinic") == (FILLING,)
