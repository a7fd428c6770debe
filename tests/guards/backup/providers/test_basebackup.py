"""Folders of base backups: what pg_basebackup writes, and what disks and people make of it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import struct
import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.providers.basebackup import MOST_FOLDERS, BaseBackups
from dbguard.guards.backup.providers.fields import Misread, NoInventory
from dbguard.guards.backup.providers.label import read_label
from dbguard.guards.backup.providers.proving import Proofs
from dbguard.guards.backup.providers.running import Program
from dbguard.policy.decision import Verification

from .conftest import CLINIC, NOW, SYSTEM

LABEL = """\
START WAL LOCATION: 0/B000028 (file 00000001000000000000000B)
CHECKPOINT LOCATION: 0/B000060
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-22 06:40:15 UTC
LABEL: pg_basebackup base backup
START TIMELINE: 1
"""


def manifest(version: int = 2, start: str = "0/B000028", system: str = SYSTEM) -> bytes:
    """As src/backend/backup/backup_manifest.c writes it."""
    identifier = f'"System-Identifier": {system},\n' if version == 2 else ""
    text = (
        f'{{ "PostgreSQL-Backup-Manifest-Version": {version},\n{identifier}"Files": [\n'
        '{ "Path": "backup_label", "Size": 225, "Last-Modified": "2026-11-22 06:40:15 GMT", '
        '"Checksum-Algorithm": "CRC32C", "Checksum": "6c6a8cc5" }\n],\n'
        f'"WAL-Ranges": [\n{{ "Timeline": 1, "Start-LSN": "{start}", "End-LSN": "0/B000100" }}\n'
        "],\n"
    ).encode()
    return text + f'"Manifest-Checksum": "{hashlib.sha256(text).hexdigest()}"}}\n'.encode()


def plain(folder: Path, *, version: int = 1, control: int = 1300) -> Path:
    (folder / "global").mkdir(parents=True)
    (folder / "PG_VERSION").write_text("15\n")
    (folder / "backup_label").write_text(LABEL)
    (folder / "backup_manifest").write_bytes(manifest(version))
    head = struct.pack("=QI", int(SYSTEM), control)
    (folder / "global" / "pg_control").write_bytes(head.ljust(8192, b"\0"))
    return folder


def archived(folder: Path, name: str = "base.tar.gz", *, version: int = 2) -> Path:
    folder.mkdir(parents=True)
    (folder / "backup_manifest").write_bytes(manifest(version))
    data = LABEL.encode()
    with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as tar:
        entry = tarfile.TarInfo("backup_label")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return folder


def read(directory: Path, **settings: object) -> list[Evidence]:
    return list(asyncio.run(BaseBackups("base", directory).backups(CLINIC)))


def only(directory: Path) -> Evidence:
    (found,) = read(directory)
    return found


@pytest.mark.parametrize(
    "make",
    [
        lambda at: plain(at),
        lambda at: plain(at, version=2),
        lambda at: archived(at),
        lambda at: archived(at, "base.tar"),
    ],
)
def test_formats(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    make(tmp_path / "monday")
    found = only(tmp_path)
    assert (found.id, found.flaw, found.lsn) == ("monday", "", 0xB000028)
    assert found.taken_at == datetime(2026, 11, 22, 6, 40, 15, tzinfo=UTC)
    assert found.verification is Verification.EXISTS
    assert found.coverage.cluster
    assert len(found.digest) == 64


def test_the_directory_itself(tmp_path: Path) -> None:
    plain(tmp_path / "base")
    assert only(tmp_path / "base").flaw == ""


def test_another_server(tmp_path: Path) -> None:
    plain(tmp_path / "a")
    archived(tmp_path / "b")
    provider = BaseBackups("base", tmp_path)
    found = asyncio.run(provider.backups(replace(CLINIC, server="7001")))
    assert [e.flaw for e in found] == ["it is of another server"] * 2


def damaged(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return do


@pytest.mark.parametrize(
    ("harm", "flaw"),
    [
        (lambda f: (f / "backup_manifest").unlink(), "it has no manifest"),
        (lambda f: (f / "backup_label").unlink(), "it has no label, so it is a data folder"),
        (lambda f: (f / "postmaster.pid").write_text("1"), "a server runs on it"),
        (lambda f: (f / "global" / "pg_control").unlink(), "its manifest does not tell of which"),
        (damaged("backup_manifest", lambda d: d[: len(d) // 2]), "its manifest is not whole"),
        (damaged("backup_manifest", lambda d: d[:-40]), "its manifest is not whole"),
        (damaged("backup_manifest", lambda d: b""), "its manifest is not whole"),
        (damaged("backup_manifest", lambda d: d.replace(b"225", b"226")), "its manifest was chan"),
        (
            damaged("backup_manifest", lambda d: d.replace(b"0/B000028", b"0/A000028")),
            "its manifest was changed|its label and its manifest are of different backups",
        ),
        (damaged("global/pg_control", lambda d: d[:5]), "its pg_control is damaged"),
        (damaged("global/pg_control", lambda d: d[::-1]), "its pg_control is damaged"),
        (damaged("global/pg_control", lambda d: b"1" + d[1:]), "it is of another server"),
        (damaged("backup_label", lambda d: d[:50]), "its label is not whole"),
        (damaged("backup_label", lambda d: d.replace(b"UTC", b"XYZZY")), "its label has a time in"),
        (damaged("backup_label", lambda d: d.replace(b"0/B0", b"0/A0")), "its label and its man"),
        (damaged("backup_label", lambda d: d.replace(b"0/B0", b"#/B0")), "a WAL position is none"),
    ],
)
def test_flaws(tmp_path: Path, harm: Callable[[Path], None], flaw: str) -> None:
    harm(plain(tmp_path / "monday"))
    found = only(tmp_path)
    assert any(found.flaw.startswith(one) for one in flaw.split("|")), found.flaw


def test_archives_that_do_not_tell(tmp_path: Path) -> None:
    archived(tmp_path / "old", version=1)
    assert only(tmp_path).flaw.startswith("its manifest does not tell of which server it is")
    data = (tmp_path / "old" / "base.tar.gz").read_bytes()
    (tmp_path / "old" / "base.tar.gz").write_bytes(data[: len(data) // 2])
    assert only(tmp_path).flaw == "its base.tar is damaged"
    (tmp_path / "old" / "base.tar.gz").rename(tmp_path / "old" / "base.tar.zst")
    assert only(tmp_path).flaw.startswith("its label is not there, or compressed")


def test_archives_that_never_end(tmp_path: Path) -> None:
    """What stands before the label is not unpacked to get at it."""
    folder = archived(tmp_path / "bomb")
    with tarfile.open(folder / "base.tar.gz", "w:gz", compresslevel=1) as tar:
        entry = tarfile.TarInfo("zeros")
        entry.size = 64 * 1024 * 1024
        tar.addfile(entry, io.BytesIO(bytes(entry.size)))
        entry = tarfile.TarInfo("backup_label")
        entry.size = len(LABEL)
        tar.addfile(entry, io.BytesIO(LABEL.encode()))
    assert only(tmp_path).flaw == "its base.tar does not begin with a label"


@pytest.mark.parametrize("at", range(0, 160, 9))
def test_damaged_archives(tmp_path: Path, at: int) -> None:
    path = archived(tmp_path / "one") / "base.tar.gz"
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 0xFF
    path.write_bytes(data)
    found = only(tmp_path)
    whole = found.flaw == "" and found.lsn == 0xB000028  # a flag of gzip's header, say
    assert whole or found.flaw


def test_directories(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    with pytest.raises(NoInventory, match="its directory cannot be read: no such file"):
        read(tmp_path / "nosuch")
    (tmp_path / ".partial").mkdir()
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    assert only(tmp_path).flaw.startswith("it has no manifest")
    for number in range(MOST_FOLDERS):
        os.link(tmp_path / "notes.txt", tmp_path / f"{number}.txt")
    with pytest.raises(NoInventory, match="more than 1000 entries"):
        read(tmp_path)


def test_only_the_newest_are_read(tmp_path: Path) -> None:
    for number in range(12):
        folder = plain(tmp_path / f"day-{number:02}")
        os.utime(folder / "backup_manifest", (1_700_000_000 + number, 1_700_000_000 + number))
    assert [e.id for e in read(tmp_path)] == [f"day-{n:02}" for n in range(11, 3, -1)]


def test_manifests_of_later_versions_are_still_json(tmp_path: Path) -> None:
    """The ends of a manifest are the whole of it but for the list of files."""
    assert json.loads(manifest())["System-Identifier"] == int(SYSTEM)


@pytest.mark.parametrize(("code", "level"), [(0, Verification.TOOL), (1, Verification.EXISTS)])
async def test_pg_verifybackup(tmp_path: Path, code: int, level: Verification) -> None:
    plain(tmp_path / "all" / "monday")
    script = tmp_path / "pg_verifybackup"
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit {code}\n')
    script.chmod(0o755)
    proofs = Proofs(lambda: NOW)
    provider = BaseBackups("base", tmp_path / "all", Program((str(script),)), proofs, 30)
    (found,) = await provider.backups(CLINIC)
    assert found.verification is level
    assert found.flaw == ("pg_verifybackup found it damaged" if code else "")
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["--quiet", "--exit-on-error", str(tmp_path / "all" / "monday")]
    await proofs.close()


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("UTC", "2026-11-22T06:40:15+00:00"),
        ("GMT", "2026-11-22T06:40:15+00:00"),
        ("CET", "2026-11-22T05:40:15+00:00"),
        ("EST", "2026-11-22T11:40:15+00:00"),
        ("CST", "2026-11-21T22:40:15+00:00"),  # China's, not Chicago's: the earlier of both
        ("+03", "2026-11-22T03:40:15+00:00"),
        ("-0330", "2026-11-22T10:10:15+00:00"),
    ],
)
def test_zones_of_labels(zone: str, moment: str) -> None:
    label = read_label(LABEL.replace("UTC", zone).encode())
    assert label.taken_at.isoformat() == moment


@pytest.mark.parametrize("zone", ["CET", "+14", "UTC", "-12"])
@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31"])
def test_times_at_the_ends(zone: str, year: str) -> None:
    text = LABEL.replace("2026-11-22", year).replace("UTC", zone)
    beyond = (year[0], zone) == ("0", "+14")
    with pytest.raises(Misread, match="its label has") if beyond else nullcontext():
        assert read_label(text.encode()).taken_at.tzinfo is UTC


@pytest.mark.parametrize("zone", ["XYZZY", "", "+3", "+0x", "☃", "A" * 5000])
def test_zones_that_are_not_known(zone: str) -> None:
    with pytest.raises(Misread):
        read_label(LABEL.replace("UTC", zone).encode())
