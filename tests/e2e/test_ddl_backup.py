"""DDL in production: refused without a proven backup, run with one, and the backup is real."""

from __future__ import annotations

import subprocess
import time
from contextlib import closing
from typing import Any

import psycopg
import pytest

from .proxies import Guarded

pytestmark = pytest.mark.pg


def test_ddl_needs_a_verified_backup(
    guard: Any, clinic_database: Any, pg_server: Any, tmp_path: Any
) -> None:
    guarded: Guarded = guard(clinic_database)
    statement = "DROP TABLE clinic.claims"
    before = clinic_database.execute("SELECT * FROM clinic.claims ORDER BY id")
    assert before
    with closing(guarded.connect("dba", autocommit=True)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute(statement)
        hint = caught.value.diag.message_hint or ""
        assert "dbguard backup now" in hint
        detail = caught.value.diag.message_detail or ""
        assert detail.startswith("rule ddl-needs-backup; decision ")
        assert detail.endswith(". There is no backup of this database.")
        assert clinic_database.execute("SELECT count(*) FROM clinic.claims") == [(len(before),)]

        made = guarded.run(
            "backup", "now", "--config", "dbguard.yaml", "--database", guarded.database
        )
        assert made.returncode == 0, made.stderr + made.stdout
        connection.execute(statement)
    assert clinic_database.execute("SELECT to_regclass('clinic.claims')") == [(None,)]

    (dump,) = (guarded.folder / "backups").glob("*.dump")
    restored = pg_server.create_database()
    try:
        subprocess.run(
            [pg_server.binary("pg_restore"), "-d", restored.dsn(), str(dump)], check=True
        )
        assert restored.execute("SELECT * FROM clinic.claims ORDER BY id") == before
    finally:
        restored.drop()

    decisions = [
        (r["decision"], r["requirements"])
        for r in guarded.records("decision")
        if r["text"] == statement
    ]
    assert [d for d, _ in decisions] == ["deny", "allow"]
    assert decisions[1][1][0].startswith("backup ")
    deadline = time.monotonic() + 90
    while not (left := guarded.records("disconnect")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left[0]["fields"] == {"user": "dba", "database": guarded.database}


def test_outside_production_no_backup_is_needed(guard: Any, clinic_database: Any) -> None:
    guarded: Guarded = guard(clinic_database, environment="staging")
    with closing(guarded.connect("dba", autocommit=True)) as connection:
        connection.execute("CREATE TABLE clinic.extra (id int)")
        connection.execute("DROP TABLE clinic.extra")
