"""WAL-G: inventories as its sources write them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.guards.backup.providers.fields import NoInventory
from dbguard.guards.backup.providers.running import Program
from dbguard.guards.backup.providers.walg import WalG

from .conftest import CLINIC, RECORDED

Replay = Callable[[Path], Program]
FOLDER = RECORDED / "walg-3.0" / "one"
NEWEST = "base_000000010000000000000012_D_000000010000000000000009"


def flaws(
    program: Program, database: DatabaseIdentity = CLINIC, *, verify: bool = False
) -> dict[str, str]:
    found = asyncio.run(WalG("main", program, verify).backups(database))
    return {e.id: e.flaw for e in found}


def answers(tmp_path: Path, **files: bytes) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in FOLDER.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    for name, data in files.items():
        (folder / name.replace("_", "-")).write_bytes(data)
    return folder


def test_backups_count(replay: Replay) -> None:
    found = asyncio.run(WalG("main", replay(FOLDER), True).backups(CLINIC))
    newest = max(found, key=lambda e: e.taken_at)
    assert {e.flaw for e in found} == {""}
    assert (newest.id, newest.lsn, newest.size) == (NEWEST, 301989928, 23203579)
    assert newest.coverage.cluster


def test_another_server(replay: Replay) -> None:
    found = flaws(replay(FOLDER), replace(CLINIC, server="7001"))
    assert set(found.values()) == {"it is of another server"}


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads((FOLDER / "backup-list").read_bytes())
    change(document[1])
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda b: b.pop("system_identifier"), "WAL-G does not tell of which server it is"),
        (lambda b: b.update(finish_time="2020-01-01T00:00:00Z"), "it ended before it began"),
    ],
)
def test_flaws(
    tmp_path: Path, replay: Replay, change: Callable[[dict[str, Any]], object], flaw: str
) -> None:
    assert flaws(replay(answers(tmp_path, backup_list=edited(change))))[NEWEST] == flaw


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"backups:", "what it says is no valid JSON"),
        (b'{"a": 1}', "the list is not a list"),
        (edited(lambda b: b.update(start_time="2026-11-22T06:41:17")), "has no time zone"),
        (edited(lambda b: b.update(uncompressed_size=-1)), "not a possible number"),
        (edited(lambda b: b.update(start_lsn="0/ZZ")), "a WAL position is none"),
        (b'[{"backup_name": "a", "backup_name": "b"}]', "what it says is no valid JSON"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, replay: Replay, data: bytes, reason: str) -> None:
    with pytest.raises(NoInventory, match=reason):
        flaws(replay(answers(tmp_path, backup_list=data)))


@pytest.mark.parametrize("data", [b"", b"[]", b"null"])
def test_no_backups(tmp_path: Path, replay: Replay, data: bytes) -> None:
    assert flaws(replay(answers(tmp_path, backup_list=data)), verify=True) == {}


@pytest.mark.parametrize(
    ("integrity", "flaw"),
    [
        ("WARNING", ""),
        ("FAILURE", "wal-g wal-verify found WAL missing"),
        ("PERHAPS", "wal-g wal-verify has failed"),
    ],
)
def test_wal_verify(tmp_path: Path, replay: Replay, integrity: str, flaw: str) -> None:
    document = json.loads((FOLDER / "wal-verify").read_bytes())
    document["integrity"]["status"] = integrity
    folder = answers(tmp_path, wal_verify=json.dumps(document).encode())
    assert set(flaws(replay(folder), verify=True).values()) == {flaw}


def test_wal_verify_that_fails(tmp_path: Path, replay: Replay) -> None:
    folder = answers(tmp_path, wal_verify=b"", wal_verify_code=b"1")
    (folder / "wal-verify-code").rename(folder / "wal-verify.code")
    with pytest.raises(NoInventory, match="ended with exit code 1"):
        flaws(replay(folder), verify=True)
