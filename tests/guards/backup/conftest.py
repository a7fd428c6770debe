from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.taking import BackupContext

SAMPLE = """
CREATE SCHEMA clinic;
CREATE TYPE clinic.sex AS ENUM ('female', 'male', 'other');
CREATE TABLE clinic.patients (
    id int PRIMARY KEY, name text NOT NULL, dob date, sex clinic.sex, extra jsonb, tags text[],
    initial text GENERATED ALWAYS AS (left(name, 1)) STORED);
INSERT INTO clinic.patients (id, name, dob, sex, extra, tags)
SELECT i, 'Patient ' || i, date '1950-01-01' + i, 'other', jsonb_build_object('n', i),
       ARRAY['a', NULL, i::text] FROM generate_series(1, 500) i;
CREATE TABLE clinic.visits (id int, at timestamptz, patient int REFERENCES clinic.patients)
    PARTITION BY RANGE (id);
CREATE TABLE clinic.visits_1 PARTITION OF clinic.visits FOR VALUES FROM (0) TO (100);
CREATE TABLE clinic.visits_2 PARTITION OF clinic.visits FOR VALUES FROM (100) TO (1000);
INSERT INTO clinic.visits SELECT i, '2024-01-01Z'::timestamptz + i * interval '1 h', i
FROM generate_series(1, 300) i;
CREATE TABLE public."Odd ""name" (x numeric);
INSERT INTO public."Odd ""name" VALUES (1.50), (NULL), ('NaN');
CREATE VIEW clinic.names AS SELECT id, name FROM clinic.patients;
CREATE MATERIALIZED VIEW clinic.stale AS SELECT count(*) FROM clinic.patients WITH NO DATA;
SELECT lo_from_bytea(0, 'large object');
"""


@pytest.fixture
def clinic(pg_database: Any) -> Any:
    pg_database.execute(SAMPLE)
    return pg_database


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "backups"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def context(pg_server: Any, directory: Path, tmp_path: Path) -> BackupContext:
    return BackupContext(
        ServerAccess(pg_server.dsn()),
        directory,
        BackupRegistry(tmp_path / "state.db"),
        lambda: datetime.now(UTC),
        {name: value for name, value in os.environ.items() if name != "DBGUARD_PG_BIN"},
        # As a setting, so that tests can put programs of their own in their place.
        Path(os.environ["DBGUARD_PG_BIN"]) if "DBGUARD_PG_BIN" in os.environ else None,
    )


@pytest.fixture
def nothing_left(pg_server: Any, directory: Path) -> Iterator[None]:
    """After the test: no scratch database, no partial file, no marker, no private connection."""
    yield
    scratch = "SELECT datname FROM pg_database WHERE datname LIKE 'dbguard\\_scratch%'"
    assert pg_server.execute(scratch) == []
    left = [path.name for path in directory.iterdir() if path.suffix not in (".dump", ".lock")]
    assert [name for name in left if name != ".lock"] == []
