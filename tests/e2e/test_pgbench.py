"""pgbench's built-in scripts in all query modes, under a policy that allows them."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

pytestmark = pytest.mark.pg


def pgbench(binary: Any, guarded: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binary, "-h", "127.0.0.1", "-p", str(guarded.port), "-U", "app", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PGPASSWORD": "demo", "PGDATABASE": guarded.database},
    )


def test_pgbench(guard: Any, pg_database: Any, pg_server: Any) -> None:
    pg_database.create_user("app")
    pg_database.execute("GRANT ALL ON SCHEMA public TO app")
    guarded = guard(pg_database, rules=None, durability="buffered")
    binary = pg_server.binary("pgbench")
    made = pgbench(binary, guarded, "-i", "-q")
    assert made.returncode == 0, made.stderr
    for mode in ("simple", "extended", "prepared"):
        for script in ("tpcb-like", "select-only"):
            ran = pgbench(binary, guarded, "-n", "-c", "8", "-t", "12", "-M", mode, "-b", script)
            assert ran.returncode == 0, (mode, script, ran.stderr)
            assert "number of transactions actually processed: 96/96" in ran.stdout
            assert "ERROR" not in ran.stderr
    (accounts,) = pg_database.execute("SELECT count(*) FROM pgbench_history")
    assert accounts == (3 * 96,)
    guarded.stop()
    assert guarded.verify().ok
