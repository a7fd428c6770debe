"""Generated queries: what analysis says of their columns must be what the server says.

A run has at least 10,000 queries that the server accepts. They come from fixed seeds, so that a
run can be repeated; a failure names the seed. For longer runs and other seeds set
`DBGUARD_ORACLE_QUERIES` (how many to generate in all) and
`DBGUARD_ORACLE_SEEDS` (comma-separated numbers).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .measuring import Tally
from .oracle_run import prepare

pytestmark = pytest.mark.pg

ROOT = Path(__file__).parents[2]

QUERIES = int(os.environ.get("DBGUARD_ORACLE_QUERIES", "11900"))
"""About 88 of 100 are valid."""

VALID = min(10_000, QUERIES * 8 // 10)


def seeds() -> list[int]:
    if chosen := os.environ.get("DBGUARD_ORACLE_SEEDS"):
        return [int(seed) for seed in chosen.split(",")]
    return [11, 12, 13, 14]


@pytest.fixture(scope="module")
def world(module_database: object) -> str:
    dsn: str = module_database.dsn()  # type: ignore[attr-defined]
    prepare(dsn)
    return dsn


def share(dsn: str, seed: int, count: int) -> Tally:
    """What one process found; it has an interpreter of its own."""
    command = [sys.executable, "-m", "tests.sql.oracle_run", dsn, str(seed), str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    return Tally.of(done.stdout)


def test_every_column_of_generated_queries_is_found(
    world: str, record_property: Callable[[str, object], None]
) -> None:
    chosen = seeds()
    count = QUERIES // len(chosen)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tallies = list(pool.map(lambda seed: share(world, seed, count), chosen))
    total = sum(tallies, Tally())
    record_property("oracle", f"generated, seeds {', '.join(map(str, chosen))}: {total}")
    found = "\n\n".join(
        f"seed {seed}: {difference}"
        for seed, tally in zip(chosen, tallies, strict=True)
        for difference in tally.wrong[:20]
    )
    assert total.valid >= VALID
    assert total.recall == 1.0, found
    assert total.precision >= 0.995, found
    assert total.understood > 0.995, found
