"""`dbguard backup` as a person types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dbguard.audit.reading import Selection, read
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.cli.backup import app
from dbguard.config import load_settings

pytestmark = pytest.mark.pg


@pytest.fixture
def config(tmp_path: Path, pg_server: Any) -> Path:
    (tmp_path / "dsn.txt").write_text(pg_server.dsn() + "\n")
    path = tmp_path / "dbguard.yaml"
    path.write_text(
        f"catalog: {{dsn: {json.dumps(pg_server.dsn())}}}\n"
        'backup: {dsn: "file:dsn.txt", directory: dumps/}\n'
    )
    return path


BACKUPS = frozenset({RecordKind.BACKUP})


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


def test_now_list_verify(config: Path, pg_database: Any) -> None:
    pg_database.execute("CREATE TABLE t AS SELECT generate_series(1, 10) AS x")
    empty = run("list", "-c", str(config))
    assert empty.exit_code == 1
    assert "no backups yet" in empty.stdout

    made = run("now", "-d", pg_database.name, "-c", str(config))
    assert made.exit_code == 0, made.output
    assert "made and verified" in made.stdout
    assert "10 rows in 1 tables compared" in made.stdout

    listed = run("list", "-c", str(config), "--json")
    assert listed.exit_code == 0
    (document,) = json.loads(listed.stdout)
    assert document["state"] == "verified"
    assert (document["v"], document["rows"], document["tables"]) == (1, 10, 1)
    table = run("list", "-c", str(config), "-d", pg_database.name)
    assert document["id"] in table.stdout
    assert run("list", "-c", str(config), "-d", "other").exit_code == 1

    settings = load_settings(config, {})
    (event, made_record) = [
        stored.record for stored in read(settings.audit.directory) if stored.kind == "backup"
    ]
    assert isinstance(event, EventRecord)
    assert isinstance(made_record, EventRecord)
    assert (event.field("event"), event.field("database")) == ("begun", pg_database.name)
    assert made_record.field("event") == "made"
    assert made_record.field("backup") == document["id"]
    assert made_record.field("sha256") == document["sha256"]
    assert made_record.field("rows") == "10"

    assert "is sound" in run("verify", document["id"], "-c", str(config)).stdout
    Path(document["path"]).write_bytes(b"x" * document["bytes"])
    changed = run("verify", document["id"], "-c", str(config))
    assert changed.exit_code == 1
    assert "was changed" in changed.stderr
    events = [
        (stored.record.field("event"), stored.record.field("act"))
        for stored in read(
            settings.audit.directory, Selection(kinds=frozenset({RecordKind.BACKUP}))
        )
        if isinstance(stored.record, EventRecord)
    ]
    assert events[2:] == [
        ("begun", "verified"),
        ("verified", ""),
        ("begun", "verified"),
        ("failed", "verified"),
    ]
    failed = run("list", "-c", str(config))
    assert failed.exit_code == 1
    assert f"{document['id']}: file of backup {document['id']} was changed." in failed.stdout


def test_list_fits_a_terminal(config: Path, pg_database: Any) -> None:
    run("now", "-d", pg_database.name, "-c", str(config))
    narrow = CliRunner().invoke(app, ["list", "-c", str(config)], env={"COLUMNS": "80"})
    assert "…" not in narrow.stdout
    assert "verified" in narrow.stdout


def test_errors_are_lines_with_a_remedy(config: Path, tmp_path: Path) -> None:
    missing = run("now", "-d", "nosuch", "-c", str(config))
    assert missing.exit_code == 1
    assert missing.stderr.startswith('dbguard: database "nosuch" does not exist\n')
    assert "psql -l" in missing.stderr

    assert run("verify", "nosuch", "-c", str(config)).exit_code == 1

    config.write_text("catalog: {dsn: 'postgresql://u@h/x'}\n")
    without = run("now", "-d", "x", "-c", str(config))
    assert without.exit_code == 2
    assert "backup: required" in without.stderr
    assert "file:backup-dsn.txt" in without.stderr

    config.write_text("catalog: {dsn: 'http://secret@h/x'}\nbackups: {}\n")
    wrong = run("list", "-c", str(config))
    assert wrong.exit_code == 2
    assert f"{config}:1:16: catalog.dsn" in wrong.stderr
    assert f"{config}:2:1: backups: unknown key. Did you mean backup?" in wrong.stderr
    assert "secret" not in wrong.output
    assert run("list", "-c", str(tmp_path / "nosuch.yaml")).exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(
    config: Path, pg_server: Any, pg_database: Any, tmp_path: Path, number: int
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("pg_dump", "pg_restore"):
        script = (
            f"#!/bin/sh\ncase $1 in --version) echo '{program} (PostgreSQL) 99.0'; exit;; esac\n"
        )
        (folder / program).write_text(script + f"touch {tmp_path}/started\nexec sleep 60\n")
        (folder / program).chmod(0o755)
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            # whoever runs the tests in the background may have left SIGINT ignored
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from dbguard.cli.backup import app; app()",
            "now",
            "-d",
            pg_database.name,
        ],
        env={**os.environ, "DBGUARD_CONFIG": str(config), "DBGUARD_PG_BIN": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 1
    assert said == "interrupted; nothing was kept\n"
    assert sorted(path.name for path in (tmp_path / "dumps").iterdir()) == [".lock"]


def test_show_restore_and_prune(config: Path, pg_database: Any, pg_server: Any) -> None:
    pg_database.execute(
        "CREATE SCHEMA ward; CREATE TYPE ward.kind AS ENUM ('a', 'b'); "
        'CREATE TABLE ward."Odd name" (id int PRIMARY KEY, k ward.kind, note text, n numeric); '
        "INSERT INTO ward.\"Odd name\" SELECT i, 'b', 'note ' || i, i / 3.0 "
        "FROM generate_series(1, 500) i; CREATE VIEW ward.v AS SELECT 1"
    )
    with config.open("a") as file:
        file.write("audit: {directory: audit/}\n")
    text = config.read_text().replace("directory: dumps/}", "directory: dumps/, keep: {count: 1}}")
    config.write_text(text)
    first = json.loads(run("now", "-d", pg_database.name, "-c", str(config), "--json").stdout)["id"]

    shown = run("show", first, "-c", str(config))
    assert shown.exit_code == 0
    assert 'ward."Odd name": 500 rows' in shown.stdout
    assert json.loads(run("show", first, "-c", str(config), "--json").stdout)["id"] == first

    rows = 'SELECT * FROM ward."Odd name" ORDER BY id'
    before = pg_database.execute(rows)
    pg_database.execute('UPDATE ward."Odd name" SET note = NULL')
    target = f"Odd name_restored_{first}"
    dry = run("restore", first, "--table", "ward.Odd name", "--dry-run", "-c", str(config))
    assert f"to ward.{target}" in dry.stdout
    assert 'constraint "Odd name_pkey"' in dry.stdout
    assert pg_database.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'ward'") == [(1,)]
    made = run("restore", first, "--table", "ward.Odd name", "-c", str(config))
    assert made.exit_code == 0, made.output
    assert pg_database.execute(f'SELECT * FROM ward."{target}" ORDER BY id') == before
    keyed = "SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conrelid = "
    assert pg_database.execute(f"{keyed}'ward.\"{target}\"'::regclass") == [(1,)]
    assert "no triggers, policies or grants" in made.stdout
    again = run("restore", first, "--table", "ward.Odd name", "-c", str(config))
    assert again.exit_code == 1
    assert f"ward.{target} exists" in again.output
    missing = run("restore", first, "--table", "ward.nosuch", "-c", str(config))
    assert missing.exit_code == 1
    assert "there is no table ward.nosuch" in missing.output
    assert run("restore", first, "-c", str(config)).exit_code == 1

    into = pg_database.name + "_back"
    try:
        dry = run("restore", first, "--into", into, "--dry-run", "-c", str(config))
        assert f'would create database "{into}"' in dry.stdout
        whole = run("restore", first, "--into", into, "-c", str(config))
        assert whole.exit_code == 0, whole.output
        assert pg_server.execute(rows, database=into) == before
        public = f"SELECT has_database_privilege('public', '{into}', 'CONNECT')"
        assert pg_server.execute(public) == [(False,)]
        for extra in ([], ["--dry-run"]):
            twice = run("restore", first, "--into", into, "-c", str(config), *extra)
            assert twice.exit_code == 1
            assert f'database "{into}" exists' in twice.output
        live = run("restore", first, "--into", pg_database.name, "-c", str(config))
        assert live.exit_code == 1
    finally:
        pg_server.execute(f'DROP DATABASE IF EXISTS "{into}"')

    second = json.loads(run("now", "-d", pg_database.name, "-c", str(config), "--json").stdout)
    assert f"would remove {first}" in run("prune", "--dry-run", "-c", str(config)).stdout
    assert len(list((config.parent / "dumps").glob("*.dump"))) == 2
    assert "1 backups removed" in run("prune", "-c", str(config)).stdout
    (left,) = (config.parent / "dumps").glob("*.dump")
    assert left.name == f"{second['id']}.dump"
    assert "0 backups removed" in run("prune", "-c", str(config)).stdout
    assert run("show", first, "-c", str(config)).exit_code == 1

    told = [
        dict(stored.record.fields)
        for stored in read(load_settings(config, {}).audit.directory, Selection(kinds=BACKUPS))
        if isinstance(stored.record, EventRecord)
    ]
    events = [(fields["event"], fields.get("into", "")) for fields in told]
    assert events.count(("restored", f"ward.{target}")) == 1
    assert events.count(("restored", into)) == 1
    assert events.count(("failed", into)) == 1
    assert events.count(("pruned", "")) == 1


def test_a_restore_that_fails_leaves_nothing(
    config: Path, pg_database: Any, pg_server: Any
) -> None:
    pg_database.execute("CREATE TABLE t AS SELECT generate_series(1, 10) AS x")
    made = json.loads(run("now", "-d", pg_database.name, "-c", str(config), "--json").stdout)
    (dump,) = (config.parent / "dumps").glob("*.dump")
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 1
    dump.write_bytes(data)
    into = pg_database.name + "_damaged"
    for words in (["--into", into], ["--table", "public.t"]):
        failed = run("restore", made["id"], *words, "-c", str(config))
        assert failed.exit_code == 1
        assert "was changed" in failed.output
    assert pg_server.execute(f"SELECT 1 FROM pg_database WHERE datname = '{into}'") == []
    assert pg_database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [
        ("t",)
    ]
