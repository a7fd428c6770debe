"""Backups against a live server: made, proven, and nothing left when something goes wrong."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbguard.errors import BackupError
from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.binaries import find_binaries
from dbguard.guards.backup.dump_file import BackupBusy
from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.model import BackupStatus
from dbguard.guards.backup.snapshots import WHOLE
from dbguard.guards.backup.taking import (
    ATTEMPTS,
    BackupContext,
    Scope,
    Step,
    take_backup,
    verify_backup,
)
from dbguard.guards.backup.waiting import BackupTaker
from dbguard.policy.decision import BackupRequirement
from dbguard.sql.destruction import Destruction

pytestmark = [pytest.mark.pg, pytest.mark.usefixtures("nothing_left")]

HOUR = BackupRequirement("ddl-needs-backup", 3600)
DROPPED = Destruction(reason="dropping what is there")


async def real_program(context: BackupContext, name: str) -> Path:
    found = await find_binaries(1, environ=context.environ, configured=context.binaries)
    return found.pg_dump.with_name(name)


async def with_fake(context: BackupContext, folder: Path, name: str, script: str) -> BackupContext:
    """A context in which one program is a shell script and the others are real.

    In the script, `real` is the real program.
    """
    folder.mkdir()
    for program in ("pg_dump", "pg_restore"):
        real = await real_program(context, program)
        text = f'#!/bin/sh\nreal="{real}"\n'
        if program == name:
            text += f'case "$1" in --version) exec "$real" --version;; esac\n{script}\n'
        else:
            text += 'exec "$real" "$@"\n'
        (folder / program).write_text(text)
        (folder / program).chmod(0o755)
    return replace(context, binaries=folder)


def guard_of(context: BackupContext, at: timedelta = timedelta(0)) -> BackupGuard:
    return BackupGuard(context.registry, context.access, lambda: datetime.now(UTC) + at)


async def test_backup_is_made_verified_and_satisfies_the_guard(
    context: BackupContext, clinic: Any
) -> None:
    steps: list[Step] = []
    before = datetime.now(UTC)
    backup = await take_backup(clinic.name, replace(context, progress=steps.append))
    assert steps == [step for step in Step if step is not Step.UPLOAD]
    assert backup.status is BackupStatus.VERIFIED
    assert backup.database.name == clinic.name
    assert before <= backup.snapshot_at <= backup.finished_at <= datetime.now(UTC)
    assert dict(backup.counts.tables) == {
        "clinic.patients": 500,
        "clinic.visits_1": 99,
        "clinic.visits_2": 201,
        'public."Odd ""name"': 3,
        "(large objects)": 1,
    }
    assert backup.path is not None
    assert stat.S_IMODE(backup.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(context.registry.path.stat().st_mode) == 0o600
    assert context.registry.all() == (backup,)

    verdict = await guard_of(context).check(HOUR, clinic.name, DROPPED)
    assert (verdict.satisfied, verdict.backup_id) == (True, backup.id)
    late = await guard_of(context, timedelta(hours=2)).check(HOUR, clinic.name, DROPPED)
    assert not late.satisfied
    assert "it is 2 h" in late.detail


async def test_restored_copy_equals_the_original_row_by_row(
    context: BackupContext, clinic: Any, pg_server: Any
) -> None:
    backup = await take_backup(clinic.name, context)
    copy = pg_server.create_database(template="template0")
    try:
        pg_restore = await real_program(context, "pg_restore")
        subprocess.run(
            [pg_restore, "--exit-on-error", "-d", copy.dsn(), str(backup.path)], check=True
        )
        for table in ("clinic.patients", "clinic.visits", 'public."Odd ""name"', "clinic.names"):
            query = f"SELECT t::text FROM {table} t ORDER BY 1"
            original = clinic.execute(query)
            assert original
            assert copy.execute(query) == original
    finally:
        copy.drop()


async def test_rows_written_while_the_dump_runs_are_not_missed_in_the_comparison(
    context: BackupContext, clinic: Any
) -> None:
    def write(step: Step) -> None:
        if step is Step.DUMP:
            clinic.execute("DELETE FROM clinic.visits; INSERT INTO clinic.patients VALUES (0, 'x')")

    backup = await take_backup(clinic.name, replace(context, progress=write))
    assert dict(backup.counts.tables)["clinic.patients"] == 500


async def test_scratch_database_lets_nobody_in(
    context: BackupContext, clinic: Any, pg_server: Any
) -> None:
    pg_server.create_user("backup_outsider")
    seen: list[tuple[Any, ...]] = []

    def look(step: Step) -> None:
        if step is Step.COMPARE:
            seen.extend(
                pg_server.execute(
                    "SELECT has_database_privilege('backup_outsider', oid, 'CONNECT'), "
                    "has_database_privilege('backup_outsider', oid, 'TEMP'), datallowconn "
                    "FROM pg_database WHERE datname LIKE 'dbguard\\_scratch%'"
                )
            )

    await take_backup(clinic.name, replace(context, progress=look))
    assert seen == [(False, False, True)]


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "empty"])
async def test_damaged_file_does_not_count(
    context: BackupContext, clinic: Any, damage: str
) -> None:
    backup = await take_backup(clinic.name, context)
    path = backup.path
    assert path is not None
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0x10
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[:-100])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    if damage != "flip":  # the guard looks at the size; only verify reads the whole file
        assert not (await guard_of(context).check(HOUR, clinic.name, DROPPED)).satisfied
    with pytest.raises(BackupError) as caught:
        await verify_backup(backup.id, context)
    assert caught.value.hint
    found = context.registry.get(backup.id)
    assert found is not None
    assert found.status is BackupStatus.FAILED
    assert not (await guard_of(context).check(HOUR, clinic.name, DROPPED)).satisfied


async def test_verify_again(context: BackupContext, clinic: Any) -> None:
    backup = await take_backup(clinic.name, context)
    again = await verify_backup(backup.id, context)
    assert again.verified_at is not None
    assert backup.verified_at is not None
    assert again.verified_at > backup.verified_at
    assert again.snapshot_at == backup.snapshot_at
    assert context.registry.get(backup.id) == again


async def test_backup_of_a_dropped_and_recreated_database_does_not_count(
    context: BackupContext, pg_server: Any, clinic: Any
) -> None:
    await take_backup(clinic.name, context)
    clinic.drop()
    pg_server.execute(f'CREATE DATABASE "{clinic.name}"')
    verdict = await guard_of(context).check(HOUR, clinic.name, DROPPED)
    assert not verdict.satisfied
    assert "dropped and created again" in verdict.detail


FAKES = {
    "fails": ("pg_dump", "echo 'pg_dump: error: Key (ssn)=(123-45-6789)' >&2; exit 1", "withheld"),
    "killed": ("pg_dump", "kill -9 $$", "SIGKILL"),
    "full disk": (
        "pg_dump",
        "echo 'pg_dump: error: could not write to file: No space left on device' >&2; exit 1",
        "No space left on device",
    ),
    "says it is fine": ("pg_dump", "exit 0", "exit code 1"),
    "truncated": (
        "pg_dump",
        '"$real" "$@" || exit; for last; do case "$last" in --file=*) f=${last#--file=};; esac; '
        'done; truncate -s -400 "$f"',
        "exit code 1",
    ),
    "data missing": (
        "pg_dump",
        'exec "$real" --exclude-table-data=clinic.visits_1 "$@"',
        "visits_1",
    ),
    "table missing": ("pg_dump", 'exec "$real" --exclude-table=clinic.visits_2 "$@"', "visits_2"),
    "restore fails": (
        "pg_restore",
        "echo 'pg_restore: from TOC entry 42; 0 16412 TABLE DATA clinic patients owner\n"
        'pg_restore: error: COPY failed for table "patients": ERROR:  value 123-45-6789\n'
        "CONTEXT:  COPY patients, line 1: permission denied for 123-45-6789' >&2; exit 1",
        "at TABLE DATA clinic patients owner; its messages are withheld",
    ),
    "restores nothing": ("pg_restore", "exit 0", "missing from the restored copy"),
}


@pytest.mark.parametrize("case", FAKES)
async def test_failure_is_registered_with_its_reason_and_never_counts(
    context: BackupContext, clinic: Any, tmp_path: Path, case: str
) -> None:
    program, script, reason = FAKES[case]
    broken = await with_fake(context, tmp_path / "bin", program, script)
    with pytest.raises(BackupError) as caught:
        await take_backup(clinic.name, broken)
    error = caught.value
    assert reason in error.detail
    assert error.hint
    assert "123-45" not in f"{error.message} {error.detail} {error.hint}"
    (failed,) = context.registry.all()
    assert failed.status is BackupStatus.FAILED
    assert reason in failed.error
    assert failed.path is None
    assert list(context.directory.glob("*.dump")) == []
    verdict = await guard_of(context).check(HOUR, clinic.name, DROPPED)
    assert not verdict.satisfied
    assert "does not count: it failed" in verdict.detail
    assert verdict.hint == f"Run: dbguard backup now --database {clinic.name}"


@pytest.mark.parametrize("step", [Step.DUMP, Step.RESTORE])
async def test_interruption_leaves_nothing(
    context: BackupContext, clinic: Any, tmp_path: Path, step: Step
) -> None:
    name = "pg_dump" if step is Step.DUMP else "pg_restore"
    slow = await with_fake(context, tmp_path / "bin", name, "exec sleep 60")
    reached = asyncio.Event()

    def progress(now: Step) -> None:
        if now is step:
            asyncio.get_running_loop().call_later(0.7, reached.set)

    task = asyncio.get_running_loop().create_task(
        take_backup(clinic.name, replace(slow, progress=progress))
    )
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert context.registry.all() == ()
    assert list(context.directory.glob("*.dump*")) == []


async def test_next_run_cleans_up_after_a_killed_one(
    context: BackupContext, clinic: Any, pg_server: Any
) -> None:
    pg_server.execute('CREATE DATABASE "dbguard_scratch_20260101_000000_abcdef"')
    (context.directory / "20260101_000000_abcdef.scratch").write_text("")
    (context.directory / "20260101_000000_abcdef.dump.partial").write_text("")
    await take_backup(clinic.name, context)


async def test_idle_connections_may_break_meanwhile(
    context: BackupContext, clinic: Any, pg_server: Any
) -> None:
    """A firewall forgets idle connections; those that only wait are not needed to be alive."""
    ended = []

    def break_idle(step: Step) -> None:
        if step is Step.COMPARE:
            ended.extend(
                pg_server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'dbguard backup'"
                )
            )

    backup = await take_backup(clinic.name, replace(context, progress=break_idle))
    assert ended == [(True,)]
    assert backup.status is BackupStatus.VERIFIED


async def test_connection_lost_while_dumping(
    context: BackupContext, clinic: Any, pg_server: Any, tmp_path: Path
) -> None:
    slow = await with_fake(context, tmp_path / "bin", "pg_dump", 'sleep 1; exec "$real" "$@"')

    def cut(step: Step) -> None:
        if step is Step.DUMP:
            pg_server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'dbguard backup'"
            )

    with pytest.raises(BackupError) as caught:
        await take_backup(clinic.name, replace(slow, progress=cut))
    assert "snapshot" in caught.value.detail
    assert not (await guard_of(context).check(HOUR, clinic.name, DROPPED)).satisfied


async def test_lock_held_by_somebody_else_ends_in_a_clear_error(
    context: BackupContext, clinic: Any
) -> None:
    with psycopg.connect(clinic.dsn()) as blocker:
        blocker.execute("LOCK TABLE clinic.patients IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(BackupError) as caught:
            await take_backup(clinic.name, replace(context, lock_wait_seconds=0.2))
    assert "locked by somebody else" in caught.value.detail
    assert context.registry.all() == ()


async def test_lock_met_by_pg_dump(context: BackupContext, clinic: Any) -> None:
    with psycopg.connect(clinic.dsn()) as blocker:

        def block(step: Step) -> None:
            if step is Step.DUMP:  # the parent has no rows of its own and is not counted
                blocker.execute("LOCK TABLE ONLY clinic.visits IN ACCESS EXCLUSIVE MODE")

        with pytest.raises(BackupError) as caught:
            await take_backup(clinic.name, replace(context, lock_wait_seconds=0.2, progress=block))
    assert "statement timeout" in caught.value.detail


async def test_rows_hidden_by_row_security_are_an_error(
    context: BackupContext, clinic: Any, pg_server: Any
) -> None:
    pg_server.create_user("backup_limited", "pg_read_all_data", options="LOGIN CREATEDB")
    clinic.execute("ALTER TABLE clinic.patients ENABLE ROW LEVEL SECURITY")
    limited = ServerAccess(pg_server.dsn("backup_limited"))
    with pytest.raises(BackupError) as caught:
        await take_backup(clinic.name, replace(context, access=limited))
    assert "may not read every row" in caught.value.detail


async def test_ordinary_role_with_the_documented_rights(
    context: BackupContext, clinic: Any, pg_server: Any
) -> None:
    pg_server.create_user("backup_role", "pg_read_all_data", options="LOGIN CREATEDB BYPASSRLS")
    clinic.execute("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    role = ServerAccess(pg_server.dsn("backup_role"))
    backup = await take_backup(clinic.name, replace(context, access=role))
    assert backup.status is BackupStatus.VERIFIED
    assert (await guard_of(context).check(HOUR, clinic.name, DROPPED)).satisfied


async def test_missing_binary(context: BackupContext, clinic: Any, tmp_path: Path) -> None:
    with pytest.raises(BackupError) as caught:
        await take_backup(clinic.name, replace(context, binaries=tmp_path))
    assert "pg_dump is not there" in caught.value.detail
    assert "backup.binaries" in caught.value.hint


async def test_full_disk_is_noticed_before(context: BackupContext, clinic: Any) -> None:
    with pytest.raises(BackupError, match="not enough free space"):
        await take_backup(clinic.name, replace(context, free_bytes=lambda path: 1000))


async def test_unreachable_server_and_wrong_names(
    context: BackupContext, clinic: Any, pg_server: Any
) -> None:
    with pytest.raises(BackupError, match='database "nosuch" does not exist') as caught:
        await take_backup("nosuch", context)
    assert caught.value.hint
    wrong = ServerAccess(pg_server.dsn().replace(pg_server.superuser_password, "s3cret"))
    with pytest.raises(BackupError) as caught:
        await take_backup(clinic.name, replace(context, access=wrong))
    assert "refuses the login" in caught.value.message
    assert "s3cret" not in repr(caught.value) + caught.value.detail + repr(wrong)
    gone = ServerAccess("postgresql://u:s3cret@127.0.0.1:1/x")
    with pytest.raises(BackupError, match="cannot be reached") as caught:
        await take_backup(clinic.name, replace(context, access=gone))
    assert "127.0.0.1:1" in caught.value.detail
    verdict = await BackupGuard(context.registry, gone, context.clock).check(HOUR, "x", DROPPED)
    assert not verdict.satisfied


async def test_role_that_may_not_create_databases(
    context: BackupContext, clinic: Any, pg_server: Any
) -> None:
    pg_server.create_user("backup_reader", "pg_read_all_data")
    reader = ServerAccess(pg_server.dsn("backup_reader"))
    with pytest.raises(BackupError) as caught:
        await take_backup(clinic.name, replace(context, access=reader))
    assert "CREATEDB" in caught.value.hint or "may not read" in caught.value.detail


async def test_two_at_once(context: BackupContext, clinic: Any) -> None:
    results = await asyncio.gather(
        take_backup(clinic.name, context),
        take_backup(clinic.name, context),
        return_exceptions=True,
    )
    assert sum(isinstance(result, BackupError) for result in results) == 1
    assert [str(r) for r in results if isinstance(r, BackupError)] == ["another backup is running"]


async def test_open_directory_is_refused(context: BackupContext, clinic: Any) -> None:
    context.directory.chmod(0o755)
    with pytest.raises(BackupError, match="open to other users") as caught:
        await take_backup(clinic.name, context)
    assert caught.value.hint == f"Run: chmod 700 {context.directory}"


async def test_no_password_on_a_command_line(
    context: BackupContext, clinic: Any, pg_server: Any, tmp_path: Path
) -> None:
    script = f'printf "%s " "$@" >> {tmp_path}/argv; exec "$real" "$@"'
    spied = await with_fake(context, tmp_path / "bin", "pg_dump", script)
    await take_backup(clinic.name, spied)
    argv = (tmp_path / "argv").read_text()
    assert "--snapshot=" in argv
    assert pg_server.superuser_password not in argv


async def test_registry_that_cannot_be_written_leaves_no_dump(
    context: BackupContext, clinic: Any, tmp_path: Path
) -> None:
    context.registry.path.write_bytes(os.urandom(8192))
    with pytest.raises(BackupError, match="registry"):
        await take_backup(clinic.name, context)
    assert list(context.directory.glob("*.dump")) == []
    verdict = await guard_of(context).check(HOUR, clinic.name, DROPPED)
    assert not verdict.satisfied
    assert "registry" in verdict.detail


@pytest.mark.parametrize(("dropped", "attempts"), [(1, 2), (ATTEMPTS, ATTEMPTS)])
async def test_what_is_dropped_around_it_has_it_begun_again(
    context: BackupContext, clinic: Any, dropped: int, attempts: int
) -> None:
    """pg_dump gives up where a table is gone that its snapshot still shows."""
    for number in range(ATTEMPTS):
        clinic.execute(f"CREATE TABLE clinic.beside_{number} AS SELECT 1")
    steps: list[Step] = []

    def drop(step: Step) -> None:
        steps.append(step)
        if step is Step.DUMP and (number := steps.count(step) - 1) < dropped:
            clinic.execute(f"DROP TABLE clinic.beside_{number}")

    ((oid,),) = clinic.execute("SELECT 'clinic.patients'::regclass::oid")
    taking = take_backup(
        clinic.name, replace(context, progress=drop), Scope(everything=False, relations=(oid,))
    )
    if dropped < ATTEMPTS:
        backup = await taking
        assert dict(backup.counts.tables) == {"clinic.patients": 500}
    else:
        with pytest.raises(BackupError) as caught:
            await taking
        assert f'relation "clinic.beside_{ATTEMPTS - 1}" does not exist' in caught.value.detail
    assert steps.count(Step.DUMP) == attempts
    found = context.registry.all()
    assert len(found) == attempts
    assert sum(b.status is BackupStatus.FAILED for b in found) == dropped


async def test_a_backup_for_one_alone_joins_no_other(
    context: BackupContext, clinic: Any, tmp_path: Path
) -> None:
    """What was begun before a lock may lack what was written before it; nobody is told of tries."""
    events: list[str] = []
    begun = asyncio.Event()

    def told(_: object) -> None:
        begun.set()

    slow = await with_fake(context, tmp_path / "bin", "pg_dump", 'sleep 1; exec "$real" "$@"')
    taker = BackupTaker(slow, lambda event: events.append(event["event"]), 60)
    first = asyncio.create_task(taker.take(clinic.name, WHOLE, told))
    await begun.wait()
    with pytest.raises(BackupBusy):
        await taker.take(clinic.name, WHOLE, told, alone=True)
    second = asyncio.create_task(taker.take(clinic.name, WHOLE, told))
    assert await first == await second
    alone = await taker.take(clinic.name, WHOLE, told, alone=True)
    assert alone != await first
    assert events == ["begun", "taken", "begun", "taken"]
