"""Entries that programs, URLs and statements state."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.providers.command import Command
from dbguard.guards.backup.providers.fields import NEVER, NoInventory
from dbguard.guards.backup.providers.running import MOST_BYTES, Program
from dbguard.guards.backup.providers.sql import Sql
from dbguard.guards.backup.providers.stated import Statements
from dbguard.policy.decision import Verification
from dbguard.setting_types import SecretSource

from .conftest import CLINIC, SYSTEM

GOOD: dict[str, object] = {
    "id": "nightly-7",
    "taken_at": "2026-11-22T06:00:00Z",
    "finished_at": "2026-11-22T06:30:00+00:00",
    "covers": "database",
    "system_identifier": SYSTEM,
    "database": "clinic",
    "database_oid": 16400,
    "start_lsn": "16/B374D848",
    "bytes": 12345,
    "status": "ok",
    "verification": "restored",
    "verified_at": "2026-11-22T06:45:00Z",
    "digest": "ab12",
}


def read(entry: dict[str, object], system_identifier: str | None = None) -> Evidence:
    data = json.dumps({"v": 1, "backups": [entry]}).encode()
    (found,) = Statements("own", system_identifier).document(data, CLINIC)
    return found


def test_a_whole_entry() -> None:
    found = read(GOOD)
    assert found.flaw == ""
    assert found.taken_at == datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert (found.id, found.provider, found.size, found.digest) == (
        "nightly-7", "own", 12345, "ab12",
    )  # fmt: skip
    assert found.verification is Verification.RESTORED
    assert found.lsn == 0x16_B374D848
    assert found.coverage.everything
    assert not found.coverage.cluster


def test_the_least() -> None:
    entry = {"id": "x", "taken_at": "2026-11-22T06:00:00Z", "covers": "cluster"}
    assert read(entry).flaw == "nobody says of which server it is (system_identifier)"
    found = read(entry, SYSTEM)
    assert (found.flaw, found.coverage.cluster) == ("", True)
    assert found.verification is Verification.EXISTS
    assert read(entry, "7001").flaw == "it is of another server"


def test_parts() -> None:
    entry = {**GOOD, "covers": "objects", "schemas": ["billing"], "tables": ["clinic.patients"]}
    coverage = read(entry).coverage
    assert not coverage.everything
    assert (coverage.schemas, coverage.tables) == ({"billing"}, {"clinic.patients"})


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"system_identifier": "7001"}, "it is of another server"),
        ({"database": "other"}, "it is of another database"),
        ({"database": "CLINIC"}, "it is of another database"),
        ({"database": None}, 'it is not understood: "database" is missing'),
        ({"database_oid": 1}, "it is of a database of this name that was dropped since"),
        ({"status": "failed"}, "it did not succeed"),
        ({"status": "OK"}, "it did not succeed"),
        ({"status": True}, 'it is not understood: "status" is not a line of text'),
        ({"finished_at": "2026-11-22T05:00:00Z"}, "it ended before it began"),
        ({"taken_at": "2026-11-22T06:00:00"}, 'it is not understood: "taken_at" has no time zone'),
        ({"taken_at": "soon"}, 'it is not understood: "taken_at" is not a time'),
        ({"taken_at": 1795327200}, 'it is not understood: "taken_at" is not a time'),
        ({"taken_at": None}, 'it is not understood: "taken_at" is missing'),
        ({"taken_at": "0001-01-01T00:00:00+23:00"}, 'it is not understood: "taken_at" is not a t'),
        ({"bytes": -1}, 'it is not understood: "bytes" is not a possible number'),
        ({"bytes": 1e9}, 'it is not understood: "bytes" is not a possible number'),
        ({"start_lsn": "x"}, "it is not understood: a WAL position is none"),
        ({"covers": "everything"}, 'it is not understood: "covers" is none of cluster, database'),
        ({"covers": "objects"}, "it names neither schemas nor tables"),
        ({"covers": "objects", "tables": "clinic.t"}, 'it is not understood: "tables" is not a l'),
        ({"covers": "objects", "tables": [1]}, 'it is not understood: "tables" is not a list of'),
        ({"verification": "very"}, 'it is not understood: "verification" is none of exists'),
        ({"databse": "clinic"}, 'it is not understood: an entry of "backups" has a member that'),
        ({"id": "a\nb"}, 'it is not understood: "id" is not a line of text'),
        ({"id": "x" * 101}, 'it is not understood: "id" is not a line of text'),
        ({"id": ""}, 'it is not understood: "id" is not a line of text'),
    ],
)
def test_flaws(change: dict[str, object], flaw: str) -> None:
    found = read(GOOD | change)
    assert found.flaw.startswith(flaw)
    assert found.id.isprintable()
    assert len(found.id) <= 100


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no valid JSON"),
        (b"{", "no valid JSON"),
        (b"\xff", "no valid JSON"),
        (b"[]", "its answer is no object"),
        (b'{"v": 2, "backups": []}', "not of version 1"),
        (b'{"v": 1}', '"backups" is missing'),
        (b'{"v": 1, "v": 1, "backups": []}', "no valid JSON"),
        (b'{"v": NaN, "backups": []}', "no valid JSON"),
        (b'{"v": 1, "backups": {}}', '"backups" is not a list'),
        (b'{"v": 1, "backups": [], "error": "x"}', "a member that is not known"),
        (b'{"v": 1, "backups": [' + b"{}," * 10_001 + b"{}]}", "more than 10000 entries"),
        (b'{"v": 1, "backups": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "no valid JSON"),
    ],
)
def test_documents_that_make_no_sense(data: bytes, reason: str) -> None:
    with pytest.raises(NoInventory, match=reason):
        Statements("own").document(data, CLINIC)


def test_one_that_is_not_understood_hides_no_other() -> None:
    data = json.dumps({"v": 1, "backups": [{"id": "bad"}, GOOD]}).encode()
    bad, good = Statements("own").document(data, CLINIC)
    assert (bad.taken_at, good.flaw) == (NEVER, "")


def program(tmp_path: Path, text: str, *arguments: str) -> Program:
    script = tmp_path / "inventory"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return Program((str(script), *arguments), {"TOKEN": SecretSource("s3cret")})


def command(tmp_path: Path, text: str, *arguments: str) -> list[Evidence]:
    provider = Command("own", program(tmp_path, text, *arguments), Statements("own", SYSTEM))
    return list(asyncio.run(provider.backups(CLINIC)))


def test_a_command_is_told_whose_backups_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBGUARD_CATALOG__DSN", "postgresql://u:secret@h/")
    (found,) = command(
        tmp_path,
        'echo "{\\"v\\":1,\\"backups\\":[{\\"id\\":\\"$1-$DBGUARD_DATABASE-'
        '$DBGUARD_SYSTEM_IDENTIFIER-$TOKEN-$DBGUARD_CATALOG__DSN\\",'
        '\\"taken_at\\":\\"2026-11-22T06:00:00Z\\",\\"covers\\":\\"cluster\\"}]}"',
        "$(id);a b",
    )
    assert found.id == f"$(id);a b-clinic-{SYSTEM}-s3cret-"
    assert found.flaw == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exit 3", "inventory ended with exit code 3"),
        ('echo \'{"v":1,"backups":[]}\'; exit 1', "inventory ended with exit code 1"),
        ("kill -9 $$", "inventory was killed"),
        ("echo no", "what it says is no valid JSON"),
        ("yes", f"inventory says more than {MOST_BYTES // 1024**2} MiB"),
    ],
)
def test_commands_that_fail(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(NoInventory, match=reason):
        command(tmp_path, text)


def test_a_command_that_is_not_there() -> None:
    provider = Command("own", Program(("/nonexistent/x",)), Statements("own"))
    with pytest.raises(NoInventory, match="x cannot be started: no such file or directory"):
        asyncio.run(provider.backups(CLINIC))


def test_secrets_do_not_show(tmp_path: Path) -> None:
    provider = Command("own", program(tmp_path, ""), Statements("own"))
    assert "s3cret" not in repr(provider)
    source = SecretSource("postgresql://u:s3cret@h/")
    assert "s3cret" not in repr(Sql("own", source, "SELECT 's3cret'", Statements("own"), 5))


async def test_whoever_gives_up_ends_the_command(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = f'sleep 600 & echo $$ $! > "{pid}.new"; mv "{pid}.new" "{pid}"; wait'
    provider = Command("own", program(tmp_path, text), Statements("own"))
    task = asyncio.get_running_loop().create_task(provider.backups(CLINIC))
    while not pid.exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for number in pid.read_text().split():
        while _lives(int(number)):
            await asyncio.sleep(0.01)


async def test_whoever_gives_up_at_once_ends_what_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program may have started others before anybody has it in hand."""
    pid, cancelled = tmp_path / "pid", asyncio.Event()
    create = asyncio.create_subprocess_exec

    async def created(*words: str, **how: Any) -> asyncio.subprocess.Process:
        process = await create(*words, **how)
        await cancelled.wait()
        return process

    monkeypatch.setattr("asyncio.create_subprocess_exec", created)
    text = f'sleep 600 & echo $$ $! > "{pid}.new"; mv "{pid}.new" "{pid}"; wait'
    provider = Command("own", program(tmp_path, text), Statements("own"))
    task = asyncio.get_running_loop().create_task(provider.backups(CLINIC))
    while not pid.exists():
        await asyncio.sleep(0.01)
    task.cancel()
    asyncio.get_running_loop().call_later(0.01, cancelled.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    for number in pid.read_text().split():
        while _lives(int(number)):
            await asyncio.sleep(0.01)


def _lives(number: int) -> bool:
    """Whether a process is there and no zombie that its new parent has not looked at."""
    try:
        os.kill(number, 0)
        if sys.platform == "linux":
            return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
    return True


TABLE = """
CREATE TABLE backups (id text, taken_at timestamptz, covers text, system_identifier numeric,
    database text, start_lsn pg_lsn, tables text[], bytes bigint, status text);
"""


def rows(database: Any, statement: str, system_identifier: str | None = None) -> list[Evidence]:
    provider = Sql(
        "own", SecretSource(database.dsn()), statement, Statements("own", system_identifier), 30
    )
    return list(asyncio.run(provider.backups(CLINIC)))


@pytest.mark.pg
def test_rows(pg_database: Any) -> None:
    pg_database.execute(TABLE)
    pg_database.execute(
        f"INSERT INTO backups VALUES ('a', '2026-11-22 06:00Z', 'cluster', {SYSTEM}, null,"
        f" '16/B374D848', null, 5, 'ok'), ('b', '2026-11-22 07:00Z', 'objects', {SYSTEM},"
        " 'clinic', null, '{clinic.patients}', null, null), ('c', 'infinity', 'cluster', 7, '',"
        " null, null, null, null), ('d', '2026-11-22 06:00Z', 'cluster', 7001, null, null, null,"
        " null, null)"
    )
    a, b, c, d = rows(pg_database, "SELECT * FROM backups ORDER BY id")
    assert (a.flaw, a.lsn, a.size) == ("", 0x16_B374D848, 5)
    assert (b.flaw, b.coverage.tables) == ("", {"clinic.patients"})
    assert c.flaw.startswith("it is not understood")
    assert d.flaw == "it is of another server"


@pytest.mark.pg
def test_the_parameter_is_the_database(pg_database: Any) -> None:
    statement = "SELECT $1 AS id, now() AS taken_at, 'database' AS covers, $1 AS database"
    (found,) = rows(pg_database, statement, SYSTEM)
    assert (found.id, found.flaw) == ("clinic", "")


@pytest.mark.pg
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("SELECT * FROM nosuch", "its statement fails .SQLSTATE 42P01"),
        ("CREATE TABLE t (a int)", "its statement fails .SQLSTATE 25006"),
        ("SELECT $1::text, $2::text", "has more parameters than"),
        ("SELECT generate_series(1, 20000) AS id", "gives more than 10000 rows"),
        ("SELECT set_config('statement_timeout', '1', false); SELECT 1", "SQLSTATE 42601"),
    ],
)
def test_statements_that_fail(pg_database: Any, statement: str, reason: str) -> None:
    with pytest.raises(NoInventory, match=reason):
        rows(pg_database, statement)


@pytest.mark.pg
@pytest.mark.parametrize("number", ["'NaN'", "'Infinity'", "'-Infinity'", "1e300", "-1", "0.5"])
def test_numbers_that_are_none(pg_database: Any, number: str) -> None:
    if "Infinity" in number and pg_database.server.version < 140000:
        pytest.skip("no infinite numeric before PostgreSQL 14")
    statement = "SELECT 'a' AS id, now() AS taken_at, 'cluster' AS covers, "
    (found,) = rows(pg_database, f"{statement} {number}::numeric AS bytes", SYSTEM)
    assert found.flaw == 'it is not understood: "bytes" is not a possible number'
    (found,) = rows(pg_database, f"{statement} {number}::numeric AS system_identifier", SYSTEM)
    assert found.flaw


@pytest.mark.pg
def test_times_without_a_zone_do_not_count(pg_database: Any) -> None:
    (found,) = rows(pg_database, "SELECT 'a' AS id, localtimestamp AS taken_at", SYSTEM)
    assert found.flaw == 'it is not understood: "taken_at" has no time zone'


def test_a_server_that_is_not_there() -> None:
    source = SecretSource("postgresql://u:s3cret@127.0.0.1:1/x")
    with pytest.raises(NoInventory, match="its server cannot be reached") as caught:
        asyncio.run(Sql("own", source, "SELECT 1", Statements("own"), 5).backups(CLINIC))
    assert "s3cret" not in str(caught.value)
