"""Which pg_dump is used, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbguard.errors import BackupError
from dbguard.guards.backup.binaries import find_binaries


def pair(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("pg_dump", "pg_restore"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


async def find(
    tmp_path: Path, major: int, path: Path | None = None, wish: Path | None = None, **environ: str
) -> Path:
    found = await find_binaries(
        major,
        environ={"PATH": str(path or tmp_path / "none"), "PGOPTIONS": "x", **environ},
        configured=wish,
        needs_tls=True,  # leaves out the embedded programs, which are built without TLS
        system_root=tmp_path / "system",
    )
    assert found.environment["LC_ALL"] == "C"
    assert "PGOPTIONS" not in found.environment
    return found.pg_dump.parent


async def test_order(tmp_path: Path) -> None:
    for version in ("9", "15.13 (Debian 15.13-0+deb12u1)", "17.2"):
        pair(tmp_path / "system" / version.split(".")[0] / "bin", version)
    on_path = pair(tmp_path / "path", "18beta1")
    wish = pair(tmp_path / "wish", "16.0")
    variable = pair(tmp_path / "variable", "17.0")
    system = tmp_path / "system"
    assert await find(tmp_path, 15) == system / "15" / "bin"
    assert await find(tmp_path, 16) == system / "17" / "bin"
    assert await find(tmp_path, 17, on_path) == system / "17" / "bin"
    assert await find(tmp_path, 18, on_path) == on_path
    assert await find(tmp_path, 15, on_path, wish) == wish
    assert await find(tmp_path, 15, on_path, wish, DBGUARD_PG_BIN=str(variable)) == variable


async def test_older_than_the_server(tmp_path: Path) -> None:
    old = pair(tmp_path / "system" / "15" / "bin", "15.1")
    with pytest.raises(BackupError, match="pg_dump is older than the server") as caught:
        await find(tmp_path, 18)
    assert str(old) in caught.value.detail
    assert "postgresql-client-18" in caught.value.hint
    with pytest.raises(BackupError, match="pg_dump is older than the server"):
        await find(tmp_path, 18, wish=old)


async def test_none(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="pg_dump is not installed") as caught:
        await find(tmp_path, 18)
    assert "DBGUARD_PG_BIN" in caught.value.hint


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("#!/bin/sh\necho something else\n", "does not answer"),
        ("#!/bin/sh\nexit 3\n", "does not answer"),
        ("#!/nosuch\n", "cannot be started"),
        (None, "is not there"),
    ],
)
async def test_wish_that_cannot_be_used(tmp_path: Path, script: str | None, reason: str) -> None:
    folder = pair(tmp_path / "wish", "18.0")
    if script is None:
        (folder / "pg_dump").unlink()
    else:
        (folder / "pg_dump").write_text(script)
    with pytest.raises(BackupError, match="configured directory") as caught:
        await find(tmp_path, 15, wish=folder)
    assert reason in caught.value.detail
