"""pgBackRest: recorded inventories of version 2.45, and what hostile ones come to."""

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
from dbguard.guards.backup.providers.pgbackrest import PgBackRest, verified
from dbguard.guards.backup.providers.proving import Proofs
from dbguard.guards.backup.providers.running import Program
from dbguard.policy.decision import Verification

from .conftest import CLINIC, NOW, RECORDED

FOLDER = RECORDED / "pgbackrest-2.45"
Replay = Callable[[Path], Program]
FULL, INCREMENTAL = "20261122-064136F", "20261122-064136F_20261122-064140I"


def flaws(program: Program, database: DatabaseIdentity = CLINIC) -> dict[str, str]:
    found = asyncio.run(PgBackRest("main", program, "main").backups(database))
    assert all(e.provider == "main" and e.coverage.cluster for e in found)
    return {e.id: e.flaw for e in found}


def test_one_full_backup(replay: Replay) -> None:
    (found,) = asyncio.run(PgBackRest("main", replay(FOLDER / "one"), "main").backups(CLINIC))
    assert found.flaw == ""
    assert (found.id, found.verification) == ("20261122-061727F", Verification.EXISTS)
    assert f"{found.taken_at:%H:%M:%S} {found.finished_at:%H:%M:%S}" == "06:17:27 06:17:32"
    assert (found.lsn, found.size) == (0x2000028, 22992566)


def test_a_chain(replay: Replay) -> None:
    assert set(flaws(replay(FOLDER / "chain")).values()) == {""}


def test_no_backups_is_no_failure(replay: Replay) -> None:
    assert flaws(replay(FOLDER / "empty")) == {}


def test_a_missing_stanza(replay: Replay) -> None:
    with pytest.raises(NoInventory, match="its repository has no such stanza"):
        flaws(replay(FOLDER / "missing"))


def test_another_server(replay: Replay) -> None:
    found = flaws(replay(FOLDER / "chain"), replace(CLINIC, server="7001"))
    assert set(found.values()) == {"it is of another server"}
    found = flaws(replay(FOLDER / "chain"), replace(CLINIC, server="address:127.0.0.1:5432"))
    assert set(found.values()) == {"it is of another server"}


def test_wal_that_did_not_reach_the_archive(replay: Replay) -> None:
    found = flaws(replay(FOLDER / "unarchived"))
    assert found.pop(INCREMENTAL) == "its WAL has not reached the archive to its end"
    assert set(found.values()) == {""}


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The recorded chain with one thing changed in its stanza."""
    document = json.loads((FOLDER / "chain" / "info").read_bytes())
    change(document[0])
    folder = tmp_path / "changed"
    folder.mkdir()
    (folder / "info").write_text(json.dumps(document))
    return folder


def last(stanza: dict[str, Any], **values: object) -> None:
    stanza["backup"][-1].update(values)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda s: last(s, error=True), "pages had wrong checksums when it was taken"),
        (lambda s: last(s, error="no"), "pages had wrong checksums when it was taken"),
        (lambda s: last(s, reference=["20200101-000000F"]), "a backup that it rests on is missing"),
        (lambda s: last(s, archive={}), "it was made without a look at its WAL"),
        (
            lambda s: last(s, timestamp={"start": 1795329000, "stop": 1795328000}),
            "it ended before it began",
        ),
        (
            lambda s: s["archive"][0].update(min="000000010000000000000013"),
            "its WAL is not in the archive any more",
        ),
        (lambda s: s.update(archive=[]), "its WAL is not in the archive"),
        (lambda s: s["repo"][0]["status"].update(code=3), "its repository is not sound"),
        (lambda s: s["db"][0].update({"system-id": 1}), "it is of another server"),
        (lambda s: s["db"][0].update({"repo-key": 2}), "it is of another server"),
    ],
)
def test_flaws(
    tmp_path: Path, replay: Replay, change: Callable[[dict[str, Any]], object], flaw: str
) -> None:
    assert flaws(replay(changed(tmp_path, change)))[INCREMENTAL] == flaw


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s["status"].update(code=3), "its repository is damaged"),
        (lambda s: s["status"].update(code=5), "its repositories are of different servers"),
        (lambda s: s["status"].update(code=99), "its stanza is not sound"),
        (lambda s: s["status"].update(code=True), '"code" is not a possible number'),
        (lambda s: s.update(name="other"), "its repository has no such stanza"),
        (lambda s: last(s, timestamp={"start": -1, "stop": 2}), '"start" is not a time'),
        (lambda s: last(s, timestamp={"start": 10**15, "stop": 2}), '"start" is not a time'),
        (lambda s: last(s, info={"size": -5}), '"size" is not a possible number'),
        (lambda s: last(s, label="a\nb"), '"label" is not a line of text'),
        (lambda s: last(s, label="x" * 5000), '"label" is not a line of text'),
        (lambda s: last(s, lsn={"start": "0/XYZ"}), "a WAL position is none"),
        (lambda s: last(s, archive={"start": "1", "stop": "2"}), "a WAL segment's name is none"),
        (lambda s: s.update(backup={}), '"backup" is not a list'),
        (lambda s: s.update(backup=[7]), 'an entry of "backup" is no object'),
        (lambda s: s.pop("db"), '"db" is missing'),
    ],
)
def test_what_makes_no_sense(
    tmp_path: Path, replay: Replay, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    with pytest.raises(NoInventory, match=reason.replace("(", r"\(")):
        flaws(replay(changed(tmp_path, change)))


def test_a_repository_of_two_that_is_not_sound(tmp_path: Path, replay: Replay) -> None:
    def mixed(stanza: dict[str, Any]) -> None:
        stanza["status"]["code"] = 4
        stanza["repo"].append({"cipher": "none", "key": 2, "status": {"code": 2}})

    assert set(flaws(replay(changed(tmp_path, mixed))).values()) == {""}


@pytest.mark.parametrize(
    ("state", "label", "flaw"),
    [
        ("one", "20261122-061727F", ""),
        ("chain", FULL, ""),
        ("chain", INCREMENTAL, ""),
        ("broken", FULL, "pgbackrest verify found it damaged"),
        ("broken", INCREMENTAL, "pgbackrest verify found it damaged"),
        ("broken", "20261122-061727F", ""),
        ("chain", "20200101-000000F", "pgbackrest verify did not look at it"),
    ],
)
def test_what_verify_says(state: str, label: str, flaw: str) -> None:
    assert verified((FOLDER / state / "verify").read_bytes(), label) == flaw


def test_verify_that_says_nothing_or_finds_wal_missing() -> None:
    assert verified(b"", FULL) == "pgbackrest verify did not look at it"
    text = (FOLDER / "chain" / "verify").read_text().replace("missing: 0", "missing: 2", 1)
    assert verified(text.encode(), FULL) == "pgbackrest verify found damaged WAL"


async def test_proof(replay: Replay) -> None:
    proofs = Proofs(lambda: NOW)
    provider = PgBackRest("main", replay(FOLDER / "chain"), "main", proofs, patience=30)
    newest = max(await provider.backups(CLINIC), key=lambda e: e.taken_at)
    assert (newest.verification, newest.verified_at) == (Verification.TOOL, NOW)
    broken = PgBackRest("other", replay(FOLDER / "broken"), "main", proofs, patience=30)
    newest = max(await broken.backups(CLINIC), key=lambda e: e.taken_at)
    assert newest.flaw == "pgbackrest verify found it damaged"
    assert newest.verification is Verification.EXISTS
    await proofs.close()


async def test_a_proof_under_way_does_not_count_yet(replay: Replay) -> None:
    proofs = Proofs(lambda: NOW)
    provider = PgBackRest("main", replay(FOLDER / "chain"), "main", proofs, patience=0)
    found = await provider.backups(CLINIC)
    assert {e.verification for e in found} == {Verification.EXISTS}
    assert {e.note for e in found} == {"pgbackrest verify is under way"}
    await proofs.close()
