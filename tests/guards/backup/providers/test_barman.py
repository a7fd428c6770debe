"""Barman: recorded inventories of versions 3.4 and 3.19, and what hostile ones come to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.guards.backup.providers.barman import Barman
from dbguard.guards.backup.providers.fields import NEVER, NoInventory
from dbguard.guards.backup.providers.proving import Proofs
from dbguard.guards.backup.providers.running import Program
from dbguard.policy.decision import Verification

from .conftest import CLINIC, NOW, RECORDED

Replay = Callable[[Path], Program]
VERSIONS = {"barman-3.4": "20261122T064148", "barman-3.19": "20261122T064158"}


def flaws(program: Program, database: DatabaseIdentity = CLINIC) -> dict[str, str]:
    found = asyncio.run(Barman("main", program, "main").backups(database))
    return {e.id: e.flaw for e in found}


@pytest.mark.parametrize(("version", "newest"), VERSIONS.items())
def test_backups_count(replay: Replay, version: str, newest: str) -> None:
    program = replay(RECORDED / version / "two")
    found = asyncio.run(Barman("main", program, "main").backups(CLINIC))
    assert {e.flaw for e in found} == {""}
    assert max(found, key=lambda e: e.taken_at).id == newest
    assert all(e.taken_at.date() == NOW.date() and e.lsn and e.size for e in found)
    assert all(e.coverage.cluster and e.verification is Verification.EXISTS for e in found)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unknown_server(replay: Replay, version: str) -> None:
    with pytest.raises(NoInventory, match="it knows no such server"):
        flaws(replay(RECORDED / version / "missing"))


@pytest.mark.parametrize("version", VERSIONS)
def test_another_server(replay: Replay, version: str) -> None:
    program = replay(RECORDED / version / "two")
    found = flaws(program, replace(CLINIC, server="7001"))
    assert set(found.values()) == {"it is of another server"}


def test_a_failed_backup_hides_no_other(replay: Replay) -> None:
    program = replay(RECORDED / "barman-3.4" / "failed")
    found = asyncio.run(Barman("main", program, "main").backups(CLINIC))
    states = {e.id: (e.flaw, e.taken_at == NEVER) for e in found}
    assert states.pop("20261122T064230") == ("it failed", True)
    assert set(states.values()) == {("", False)}


def changed(
    tmp_path: Path, version: str, answer: str, change: Callable[[dict[str, Any]], object]
) -> Path:
    """A recorded state with one answer changed."""
    folder = tmp_path / "changed"
    folder.mkdir()
    for path in (RECORDED / version / "two").iterdir():
        data = path.read_bytes()
        if path.name == answer:
            document = json.loads(data)
            change(document["main"])
            data = json.dumps(document).encode()
        (folder / path.name).write_bytes(data)
    return folder


NEW = "show-backup-20261122T064158"


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (
            lambda b: b.update(status="WAITING_FOR_WALS"),
            "its WAL has not reached the archive to its end",
        ),
        (lambda b: b.update(status="WONDERFUL"), "its state is not known"),
        (
            lambda b: b["wal_information"].update(last_available="000000010000000000000015"),
            "its WAL has not reached the archive to its end",
        ),
        (
            lambda b: b["wal_information"].update(last_available=None),
            "its WAL has not reached the archive to its end",
        ),
        (
            lambda b: b["base_backup_information"].update(end_time="2020-01-01 00:00:00+00:00"),
            "it ended before it began",
        ),
        (lambda b: b.update(system_id="1"), "it is of another server"),
    ],
)
def test_flaws(
    tmp_path: Path, replay: Replay, change: Callable[[dict[str, Any]], object], flaw: str
) -> None:
    folder = changed(tmp_path, "barman-3.19", NEW, change)
    assert flaws(replay(folder))["20261122T064158"] == flaw


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda b: b["base_backup_information"].update(begin_time="2026-11-22 06:41:58"),
            '"begin_time" has no time zone',
        ),
        (
            lambda b: b["base_backup_information"].update(begin_time="yesterday"),
            '"begin_time" is not a time',
        ),
        (
            lambda b: b["base_backup_information"].update(backup_size_bytes=-1),
            '"backup_size_bytes" is not a possible number',
        ),
        (lambda b: b.pop("wal_information"), '"wal_information" is missing'),
    ],
)
def test_what_makes_no_sense(
    tmp_path: Path, replay: Replay, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    folder = changed(tmp_path, "barman-3.19", NEW, change)
    with pytest.raises(NoInventory, match=reason):
        flaws(replay(folder))


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda c: None, ""),
        (
            lambda c: c["systemid_coherence"].update(status="FAILED"),
            "Barman does not tell of which server it is",
        ),
        (
            lambda c: c["systemid_coherence"].update(hint="no system Id stored on disk"),
            "Barman does not tell of which server it is",
        ),
        (lambda c: c.pop("systemid_coherence"), "Barman does not tell of which server it is"),
    ],
)
def test_old_versions_tell_the_server_by_their_check(
    tmp_path: Path, replay: Replay, change: Callable[[dict[str, Any]], object], flaw: str
) -> None:
    folder = changed(tmp_path, "barman-3.4", "check", change)
    assert set(flaws(replay(folder)).values()) == {flaw}


@pytest.mark.parametrize(("code", "verdict"), [("0", ""), ("1", "barman verify-backup found it")])
async def test_proof(tmp_path: Path, replay: Replay, code: str, verdict: str) -> None:
    folder = changed(tmp_path, "barman-3.19", "none", lambda _: None)
    (folder / "verify-backup-20261122T064158").write_text("told")
    (folder / "verify-backup-20261122T064158.code").write_text(code)
    proofs = Proofs(lambda: NOW)
    provider = Barman("main", replay(folder), "main", proofs, patience=30)
    newest = max(await provider.backups(CLINIC), key=lambda e: e.taken_at)
    assert newest.flaw.startswith(verdict)
    assert (newest.verification is Verification.TOOL) == (not verdict)
    await proofs.close()


def test_only_the_newest_are_asked_about(tmp_path: Path, replay: Replay) -> None:
    folder = changed(tmp_path, "barman-3.19", "none", lambda _: None)
    document = json.loads((folder / "list-backups").read_bytes())
    document["main"] += [{"backup_id": f"20190101T00{n:04}", "status": "DONE"} for n in range(50)]
    (folder / "list-backups").write_text(json.dumps(document))
    (folder / "show-backup-20190101T000049").write_bytes((folder / NEW).read_bytes())
    assert len(flaws(replay(folder))) == 2  # the third is told under the first one's id
    asked = (tmp_path / "answers.asked").read_text()
    assert asked.count("show-backup") == 3
