"""What a proof sees: formats, encryption, parts of a database, and damage of every kind."""

from __future__ import annotations

import os
import random
import re
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbguard.errors import BackupError
from dbguard.guards.backup.context import BackupContext, Step
from dbguard.guards.backup.dump_file import sha256_of, size_of
from dbguard.guards.backup.model import Backup, BackupStatus, DumpFormat
from dbguard.guards.backup.proving import prove
from dbguard.guards.backup.sealing import Key
from dbguard.guards.backup.taking import Scope, take_backup, verify_backup

pytestmark = pytest.mark.pg

FLIPS = int(os.environ.get("DBGUARD_FLIPS", "3"))
"""How many damaged dumps are restored; 300 take some three minutes."""
KEY = Key(bytes(range(32)))


@pytest.fixture(autouse=True)
def nothing_but_finished_dumps(pg_server: Any, directory: Path) -> Any:
    yield
    scratch = "SELECT datname FROM pg_database WHERE datname LIKE 'dbguard\\_scratch%'"
    assert pg_server.execute(scratch) == []
    assert [path for path in directory.iterdir() if path.suffix in (".partial", ".scratch")] == []


async def the_key() -> Key:
    return KEY


def oid(database: Any, name: str) -> int:
    ((found,),) = database.execute(f"SELECT '{name}'::regclass::oid")
    return int(found)


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize("form", DumpFormat)
async def test_each_format_is_made_proven_and_proven_again(
    context: BackupContext, clinic: Any, form: DumpFormat, sealed: bool
) -> None:
    wanted = replace(context, format=form, jobs=2, read_key=the_key if sealed else None)
    backup = await take_backup(clinic.name, wanted)
    assert backup.path is not None
    assert backup.status is BackupStatus.VERIFIED
    assert (backup.format, backup.key) == (form, KEY.id if sealed else "")
    assert (size_of(backup.path), sha256_of(backup.path)) == (backup.bytes, backup.sha256)
    assert context.registry.get(backup.id) == backup
    files = list(backup.path.iterdir()) if backup.path.is_dir() else [backup.path]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    if sealed:
        assert not any(b"Patient" in file.read_bytes() for file in files)
        assert not any(b"patients" in file.read_bytes() for file in files)
    await verify_backup(backup.id, wanted)


async def test_an_encrypted_backup_needs_its_key(context: BackupContext, clinic: Any) -> None:
    backup = await take_backup(clinic.name, replace(context, read_key=the_key))
    with pytest.raises(BackupError, match="is encrypted"):
        await verify_backup(backup.id, context)

    async def other() -> Key:
        return Key(bytes(32))

    with pytest.raises(BackupError, match="another key"):
        await verify_backup(backup.id, replace(context, read_key=other))


async def test_a_part_holds_the_rows_it_was_taken_for_and_all_definitions(
    context: BackupContext, clinic: Any, pg_server: Any
) -> None:
    clinic.execute(
        "CREATE MATERIALIZED VIEW clinic.loads AS SELECT 1 / count(*) FROM clinic.patients; "
        "CREATE TABLE clinic.notes AS SELECT i AS id, 'note' AS body FROM generate_series(1, 5) i"
    )
    scope = Scope(False, (oid(clinic, "clinic.visits"),))
    backup = await take_backup(clinic.name, context, scope)
    assert dict(backup.counts.tables) == {"clinic.visits_1": 99, "clinic.visits_2": 201}
    assert backup.tables == tuple(
        sorted(
            oid(clinic, name) for name in ("clinic.visits", "clinic.visits_1", "clinic.visits_2")
        )
    )
    assert dict(backup.definitions.of).keys() >= {"table clinic.patients", "view clinic.names"}
    await verify_backup(backup.id, context)
    found = await take_backup(clinic.name, context, Scope(False, (oid(clinic, "clinic.loads"),)))
    assert dict(found.counts.tables) == {"clinic.patients": 500}


async def test_more_than_a_rule_allows_is_not_dumped(context: BackupContext, clinic: Any) -> None:
    with pytest.raises(BackupError) as caught:
        await take_backup(clinic.name, context, Scope(max_bytes=4096))
    assert "while a client waits" in caught.value.message
    assert list(context.directory.glob("*.dump")) == []
    part = Scope(False, (oid(clinic, 'public."Odd ""name"'),), max_bytes=65536)
    assert (await take_backup(clinic.name, context, part)).counts.rows == 3


CHANGES = {
    "a value": ("UPDATE clinic.patients SET name = 'Else' WHERE id = 7", "clinic.patients"),
    "swapped values": (
        "UPDATE clinic.patients SET id = -id WHERE id IN (400, 401); "
        "UPDATE clinic.patients SET id = 801 + id WHERE id IN (-400, -401)",
        "clinic.patients",
    ),
    "a large object": ("SELECT lo_put(oid, 0, 'x') FROM pg_largeobject_metadata", "large objects"),
    "an index": ("CREATE INDEX ON clinic.patients (name)", "index clinic.patients_name_idx"),
    "a constraint": (
        "ALTER TABLE clinic.visits DROP CONSTRAINT visits_patient_fkey",
        "foreign key visits_patient_fkey",
    ),
    "a type": ("ALTER TYPE clinic.sex RENAME VALUE 'other' TO 'others'", "clinic.patients"),
    "a grant": ("GRANT SELECT ON clinic.patients TO PUBLIC", "privileges of clinic.patients"),
    "a default": ("ALTER TABLE clinic.patients ALTER dob SET DEFAULT now()", "clinic.patients"),
}


@pytest.mark.parametrize(
    "change",
    CHANGES
    if os.environ.get("E2E_ALL_KINDS")
    else ("swapped values", "a large object", "a constraint", "a grant"),
)
async def test_a_copy_that_differs_in_anything_does_not_count(
    context: BackupContext, clinic: Any, pg_server: Any, change: str
) -> None:
    statement, name = CHANGES[change]

    def alter(step: Step) -> None:
        if step is Step.COMPARE:
            ((scratch,),) = pg_server.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'dbguard\\_scratch%'"
            )
            pg_server.execute(statement, database=scratch)

    with pytest.raises(BackupError) as caught:
        await take_backup(clinic.name, replace(context, progress=alter))
    assert caught.value.message.startswith("restored copy differs")
    assert name in caught.value.detail
    assert list(context.directory.glob("*.dump")) == []


async def test_a_damaged_dump_never_counts(context: BackupContext, clinic: Any) -> None:
    """Flipped bits that no SHA-256 was taken of yet: whatever gets past the proof is harmless."""
    clinic.execute("DROP MATERIALIZED VIEW clinic.stale")
    sound = await take_backup(clinic.name, context)
    connection = await context.access.connect(clinic.name)
    binaries = await context.find_binaries(connection)
    await connection.close()
    plain = context.directory / "plain"
    subprocess.run(
        [binaries.pg_dump, "-Fc", "-Z0", "-f", plain, clinic.dsn()],
        check=True,
        env=context.environment(binaries),
    )
    data = plain.read_bytes()
    rows = data.index(b"Patient 1\t")
    chance = random.Random(8)
    places = [rows + 8, *(chance.randrange(len(data)) for _ in range(FLIPS))]
    refused = 0
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << chance.randrange(7)
        plain.write_bytes(damaged)
        try:
            await prove(sound, plain, binaries, context)
        except BackupError:
            refused += 1
    assert refused  # the first changes a value in a row and nothing else
    for cut in (10, len(data) // 2, len(data) - 1 - len(data) // 50):
        plain.write_bytes(data[:cut])
        with pytest.raises(BackupError):
            await prove(sound, plain, binaries, context)
    plain.unlink()


async def test_a_damaged_encrypted_dump_never_counts(context: BackupContext, clinic: Any) -> None:
    sealing = replace(context, read_key=the_key)
    backup = await take_backup(clinic.name, sealing)
    assert backup.path is not None
    data = backup.path.read_bytes()
    connection = await context.access.connect(clinic.name)
    binaries = await context.find_binaries(connection)
    await connection.close()
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 4
    for wrong in (bytes(damaged), data[:-1], data[:40], data + b"x"):
        backup.path.write_bytes(wrong)
        with pytest.raises(BackupError, match="changed or cut"):
            await prove(backup, backup.path, binaries, sealing)
        with pytest.raises(BackupError, match="was changed"):
            await verify_backup(backup.id, sealing)


@pytest.mark.parametrize("version", [1, 2])
def test_a_backup_of_an_earlier_release_is_still_read(tmp_path: Path, version: int) -> None:
    """The registry of an earlier version becomes one of this with what was in it."""
    import sqlite3

    from dbguard.guards.backup.registry import _SCHEMA, BackupRegistry

    path = tmp_path / "state.db"
    since = {2: ("format", "tables TEXT", "checksums", "definitions", "key", "lsn"),
             3: ("object", "tag", "looked_at")}  # fmt: skip
    later = tuple(column for added, columns in since.items() if added > version
                  for column in columns)  # fmt: skip
    lines = [line for line in _SCHEMA.splitlines() if not line.strip().startswith(later)]
    old = re.sub(r",\n\) STRICT", "\n) STRICT", "\n".join(lines))
    with sqlite3.connect(path) as connection:
        connection.executescript(old)
        connection.execute("INSERT INTO schema_versions VALUES ('backups', ?)", (version,))
        connection.execute(
            "INSERT INTO backups (id, server, database, database_oid, snapshot_at, finished_at, "
            "status, path, bytes, sha256, verified_at, row_counts, row_counts_digest, tool, error) "
            "VALUES ('a', '1', 'clinic', 5, '2026-03-01T12:00:00+00:00', "
            "'2026-03-01T12:00:00+00:00', 'failed', NULL, 0, '', NULL, '{}', "
            "'44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', '', 'no')"
        )
    connection.close()
    (found,) = BackupRegistry(path).all()
    assert isinstance(found, Backup)
    assert (found.id, found.format, found.tables, found.key) == ("a", DumpFormat.CUSTOM, None, "")
    assert BackupRegistry(path).all() == (found,)
