"""Folders that pg_basebackup wrote, plain or tar, one below the other or a single one.

Read are `backup_manifest` (its ends only: between them stands a line for each file; versions 1
and 2, PostgreSQL's "Backup Manifest Format"), `backup_label` and, where the manifest does not tell
which server it is, the first bytes of `global/pg_control`. A level above `exists` comes from
pg_verifybackup, which reads the whole backup and is therefore run behind the statements.
"""

from __future__ import annotations

import asyncio
import hashlib
import lzma
import struct
import sys
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from dbguard.guards.backup.evidence import Coverage, Evidence
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.policy.decision import Verification

from .fields import NEVER, Fields, Misread, NoInventory, parse
from .label import Label, read_label
from .proving import Proofs
from .running import Program
from .wal import parse_lsn

MOST_FOLDERS: Final = 1000
"""Folders that are looked at; each costs a read of its manifest."""
MOST_MANIFEST: Final = 256 * 1024 * 1024
"""A manifest has about 150 bytes for each file: more than a million files."""
LOOKED_AT: Final = 8
"""The newest ones by the time of their manifest; those behind them are older."""
_MANIFEST: Final = "backup_manifest"
_LABEL_BYTES: Final = 64 * 1024
_TARS: Final = ("base.tar", "base.tar.gz")
_CONTROL: Final = struct.Struct("=QI")
"""ControlFileData begins with the system identifier and pg_control's version, in the server's own
byte order (src/include/catalog/pg_control.h)."""
_CONTROL_VERSIONS: Final = range(900, 4000)
"""900 was 9.0's, 1800 is 18's: anything else is a file of another kind or byte order."""


@dataclass(frozen=True, slots=True)
class _Manifest:
    digest: str
    server: str
    start: int
    flaw: str


@dataclass(frozen=True, slots=True)
class BaseBackups:
    """The provider of kind `basebackup`."""

    name: str
    directory: Path
    verifier: Program | None = None
    proofs: Proofs | None = None
    """None: backups are not checked with pg_verifybackup."""
    patience: float = 5.0
    """Seconds to wait for a check that has just begun."""

    async def backups(self, database: DatabaseIdentity) -> Sequence[Evidence]:
        found = await asyncio.to_thread(self._read, database)
        if self.proofs is None:
            return found
        return await self.proofs.applied(
            self.name, found, "pg_verifybackup", self._check, self.patience
        )

    def _read(self, database: DatabaseIdentity) -> list[Evidence]:
        try:
            folders = self._folders()
        except OSError as error:
            reason = (error.strerror or "input/output error").lower()
            raise NoInventory(f"its directory cannot be read: {reason}") from None
        return [_evidence(self.name, folder, database) for folder in folders]

    def _folders(self) -> list[Path]:
        """Those that hold a backup, newest first."""
        if (self.directory / _MANIFEST).exists():
            return [self.directory]
        found = []
        for number, folder in enumerate(self.directory.iterdir()):
            if number >= MOST_FOLDERS:
                raise NoInventory(f"its directory holds more than {MOST_FOLDERS} entries")
            if folder.is_dir() and not folder.name.startswith("."):
                manifest = folder / _MANIFEST
                at = manifest.stat().st_mtime if manifest.is_file() else folder.stat().st_mtime
                found.append((at, folder))
        return [folder for _, folder in sorted(found, reverse=True)[:LOOKED_AT]]

    async def _check(self, one: str) -> str:
        assert self.verifier is not None
        folder = self.directory if one == self.directory.name else self.directory / one
        output = await self.verifier.run("--quiet", "--exit-on-error", str(folder))
        return "pg_verifybackup found it damaged" if output.code else ""


def _evidence(name: str, folder: Path, database: DatabaseIdentity) -> Evidence:
    one = folder.name if folder.name.isprintable() and len(folder.name) <= 100 else "(odd name)"
    try:
        manifest = _read_manifest(folder)
        label = _label_of(folder)
        server = manifest.server or _server_of(folder)
        finished = _finished(folder)
    except Misread as error:
        return Evidence(one, name, NEVER, Verification.EXISTS, flaw=error.reason)
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        return Evidence(one, name, NEVER, Verification.EXISTS, flaw=f"it cannot be read: {reason}")
    flaw = manifest.flaw
    if (folder / "postmaster.pid").exists():
        flaw = "a server runs on it"
    elif server != database.server:
        flaw = "it is of another server"
    elif label.start != manifest.start:
        flaw = "its label and its manifest are of different backups"
    return Evidence(
        id=one,
        provider=name,
        taken_at=label.taken_at,
        verification=Verification.EXISTS,
        digest=manifest.digest,
        lsn=manifest.start,
        coverage=Coverage(everything=True, cluster=True),
        flaw=flaw,
        finished_at=finished,
    )


def _finished(folder: Path) -> datetime | None:
    return datetime.fromtimestamp(
        (folder / _MANIFEST).stat().st_mtime, NEVER.tzinfo
    )  # pg_basebackup writes it last


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / _MANIFEST
    if not path.is_file():
        raise Misread("it has no manifest, so it is not finished or no base backup")
    if path.stat().st_size > MOST_MANIFEST:
        raise Misread("its manifest is too large")
    data = path.read_bytes()
    head, files, _ = data.partition(b'"Files"')
    before, last, rest = data.rpartition(b'"Manifest-Checksum"')
    ranges = before.rfind(b'"WAL-Ranges"')
    if not files or not last or ranges < 0:
        raise Misread("its manifest is not whole")
    try:
        top = Fields(parse(head.rstrip().rstrip(b",") + b"}"), "its manifest")
        end = Fields(parse(b"{" + before[ranges:] + last + rest), "its manifest")
    except NoInventory:
        raise Misread("its manifest is not whole") from None
    digest = end.text("Manifest-Checksum")
    flaw = "" if hashlib.sha256(before).hexdigest() == digest else "its manifest was changed"
    system = "System-Identifier"
    return _Manifest(
        digest,
        str(top.number(system, 2**64 - 1)) if top.has(system) else "",
        min(parse_lsn(one.raw("Start-LSN")) for one in end.sections("WAL-Ranges") or _no_wal()),
        flaw,
    )


def _no_wal() -> list[Fields]:
    raise Misread("its manifest names no WAL")


def _label_of(folder: Path) -> Label:
    plain = folder / "backup_label"
    if plain.is_file():
        with plain.open("rb") as file:
            return read_label(file.read(_LABEL_BYTES))
    for name in _TARS:
        if (folder / name).is_file():
            return read_label(_first_of(folder / name))
    if (folder / "PG_VERSION").exists():
        raise Misread("it has no label, so it is a data folder and no backup")
    raise Misread("its label is not there, or compressed in a way that is not read here")


def _first_of(tar: Path) -> bytes:
    """`backup_label`, which servers send before all else (src/backend/backup/basebackup.c)."""
    try:
        with tarfile.open(tar, "r|*") as archive:
            # no further than the first: what a damaged or hostile one unpacks to may never end
            member = archive.next()
            if member is not None and member.name == "backup_label" and member.isfile():
                file = archive.extractfile(member)
                return file.read(_LABEL_BYTES) if file else b""
    except (tarfile.TarError, EOFError, ValueError, zlib.error, lzma.LZMAError, struct.error):
        raise Misread("its base.tar is damaged") from None
    raise Misread("its base.tar does not begin with a label")


def _server_of(folder: Path) -> str:
    """The system identifier in a plain backup's pg_control."""
    path = folder / "global" / "pg_control"
    if not path.is_file():
        raise Misread("its manifest does not tell of which server it is (PostgreSQL before 17)")
    with path.open("rb") as file:
        data = file.read(_CONTROL.size)
    if len(data) < _CONTROL.size:
        raise Misread("its pg_control is damaged")
    system, version = _CONTROL.unpack(data)
    if version not in _CONTROL_VERSIONS:
        raise Misread(f"its pg_control is damaged, or not of a {sys.byteorder}-endian machine")
    return str(system)
