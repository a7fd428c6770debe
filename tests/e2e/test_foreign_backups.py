"""DDL that waits for a backup of another tool: refused, allowed and recorded through dbguard."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .proxies import ALLOWING_RULES, Guarded

pytestmark = pytest.mark.pg

RULE = """
  - id: ddl-needs-backup
    require: {backup: {max_age: 1h, min_verification: exists, providers: [%s]}}
    actions: [ddl]
defaults:
"""
SECONDS = 120.0


class Vault:
    """A program that lists one backup, and a proxy that asks it."""

    def __init__(self, guard: Any, database: Any, folder: Path, server: str) -> None:
        self.folder, self.server = folder, server
        self.database = database
        rules = folder / "rules"
        rules.mkdir()
        self.rules = rules / "rules.yaml"
        self.rules.write_text(ALLOWING_RULES.replace("\ndefaults:\n", RULE % "vault", 1))
        self.program = folder / "vault"
        self.program.write_text(f'#!/bin/sh\ncat "{folder}/answer"\nexit $(cat "{folder}/code")\n')
        self.program.chmod(0o755)
        self.answer()
        self.guarded: Guarded = guard(database, rules=rules, started=False)
        text = self.guarded.config.read_text()
        one = ", directory: backups}"
        assert one in text
        vault = f"{{kind: command, timeout: 50s, program: ['{self.program}']}}"
        more = f", providers: {{vault: {vault}}}}}"
        self.guarded.config.write_text(text.replace(one, one[:-1] + more))
        self.guarded.start()

    def answer(self, age: timedelta = timedelta(), code: int = 0, **fields: object) -> None:
        """What the program says from now on."""
        entry = {
            "id": "nightly",
            "taken_at": (datetime.now(UTC) - age).isoformat(),
            "covers": "cluster",
            "system_identifier": self.server,
            **fields,
        }
        (self.folder / "code").write_text(f"{code}")
        new = self.folder / "answer.new"
        new.write_text(json.dumps({"v": 1, "backups": [entry]}))
        new.rename(self.folder / "answer")

    def refused(self, connection: psycopg.Connection[Any], statement: str, words: str) -> None:
        """Until the answer of before is forgotten, another reason may be told."""
        deadline = time.monotonic() + SECONDS
        while True:
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
                connection.execute(statement.encode())
            told = caught.value.diag.message_detail or ""
            if words in told or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        assert words in told

    def runs(self, connection: psycopg.Connection[Any], statement: str) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                connection.execute(statement.encode())
                return
            except psycopg.errors.InsufficientPrivilege:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


@pytest.fixture
def vault(guard: Any, clinic_database: Any, pg_server: Any, tmp_path: Path) -> Vault:
    (server,) = pg_server.execute("SELECT system_identifier FROM pg_control_system()")[0]
    return Vault(guard, clinic_database, tmp_path, str(server))


def test_backups_of_another_tool(vault: Vault, clinic_database: Any) -> None:
    """Each new answer waits until dbguard has forgotten the one before, so there are few."""
    with closing(vault.guarded.connect("dba", autocommit=True)) as connection:
        vault.answer(timedelta(hours=2))
        vault.refused(connection, "DROP TABLE clinic.claims", "of vault does not count: it is 2 h")
        vault.answer(covers="objects", database=vault.guarded.database, tables=["clinic.patients"])
        vault.refused(connection, "DROP TABLE clinic.claims", " is not in it")
        assert clinic_database.execute("SELECT to_regclass('clinic.claims') IS NULL") == [(False,)]
        vault.answer()
        vault.runs(connection, "DROP TABLE clinic.claims")
        assert clinic_database.execute("SELECT to_regclass('clinic.claims') IS NULL") == [(True,)]
        # one that was made after the backup is not in it
        vault.runs(connection, "CREATE TABLE clinic.younger AS SELECT 1 AS a")
        vault.refused(connection, "DROP TABLE clinic.younger", "was made or changed after it")

        text = vault.guarded.config.read_text()
        vault.guarded.config.write_text(text.replace("{vault: ", "{safe: "))
        assert vault.guarded.process is not None
        vault.guarded.process.send_signal(signal.SIGHUP)
        vault.refused(
            connection,
            "DROP TABLE clinic.younger",
            "None of the providers that the rule names is there",
        )
    (met,) = (
        r["requirements"][0]
        for r in vault.guarded.records("decision")
        if r["decision"] == "allow" and r["text"] == "DROP TABLE clinic.claims"
    )
    assert met.startswith("backup nightly of vault of 20")
    assert met.endswith(", not verified")


def looked_at(vault: Vault, database: Any) -> bool:
    """Whether the database was looked at, by the file that remembers it."""
    state = vault.guarded.folder / "state.db"
    oid = database.execute("SELECT oid FROM pg_database WHERE datname = current_database()")[0][0]
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(state)) as connection:
        query = "SELECT count(*) FROM catalog_looks WHERE database_oid = ?"
        return bool(connection.execute(query, (oid,)).fetchone()[0])
    return False


def test_the_first_statement_of_all_is_spared(vault: Vault, clinic_database: Any) -> None:
    """dbguard looks at the databases when it starts: a backup that another tool has made since
    counts for the first DDL. What is changed while it does not run is changed when it looks."""
    deadline = time.monotonic() + SECONDS
    while not looked_at(vault, clinic_database):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    vault.answer()
    with closing(vault.guarded.connect("dba", autocommit=True)) as connection:
        connection.execute("DROP TABLE clinic.claims")
    vault.guarded.stop()
    vault.answer()
    clinic_database.execute("ALTER TABLE clinic.encounters ADD COLUMN past_dbguard int")
    vault.guarded.start()
    with closing(vault.guarded.connect("dba", autocommit=True)) as connection:
        vault.refused(connection, "DROP TABLE clinic.encounters", "was made or changed after it")
        connection.execute("DROP TABLE clinic.medications")  # as it was before the restart
