"""One demo folder: everything in it, made or found again.

    server/              the embedded server's own folder
    superuser.txt        its superuser's password
    catalog-dsn.txt      control connection; backup-dsn.txt: the backup role's
    dbguard.yaml         settings of the proxy, written anew at each start
    rules/               the shipped policy, to be changed at will
    audit/ backups/ state.db

Only one demo at a time can hold a folder (a lock on `lock`).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import yaml

from dbguard.config import load_settings
from dbguard.demo.binaries import find_binaries
from dbguard.demo.building import (
    BACKUP_ROLE,
    CONTROL_ROLE,
    create_roles,
    create_schema,
    fill,
)
from dbguard.demo.people import DATABASE
from dbguard.demo.server import HOST, EmbeddedServer, end_leftover, free_port
from dbguard.errors import ConfigurationError
from dbguard.settings import Settings

DEFAULT_PORT = 6432

_MADE = (
    "server",
    "superuser.txt",
    "catalog-dsn.txt",
    "backup-dsn.txt",
    "dbguard.yaml",
    "rules",
    "audit",
    "backups",
    "state.db",
    "state.db-wal",
    "state.db-shm",
)
"""What a reset removes: names that the demo makes, and nothing else."""

_SERVER_SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
}

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Demo:
    """A prepared demo whose server runs."""

    directory: Path
    server: EmbeddedServer
    settings: Settings

    @property
    def config(self) -> Path:
        """Its dbguard.yaml."""
        return self.directory / "dbguard.yaml"


@contextmanager
def running_demo(
    directory: Path,
    *,
    port: int | None,
    binaries: Path | None,
    reset: bool,
    notify: Notify,
) -> Iterator[Demo]:
    """Prepare the folder, start the server, and stop it at the end.

    `port` is the proxy's; None takes a free one. `binaries` is DBGUARD_PG_BIN, if set. `notify`
    gets one line for each step done. Raises `ConfigurationError`.
    """
    directory = directory.expanduser().absolute()
    with _held(directory):
        server = _server(directory, binaries, reset, notify)
        try:
            server.start(take_over=True)
            notify(
                f"PostgreSQL {server.binaries.version()} on port {server.port} "
                f"({server.binaries.source})"
            )
            passwords = {role: secrets.token_urlsafe(18) for role in (CONTROL_ROLE, BACKUP_ROLE)}
            asyncio.run(_build(server, passwords, notify))
            settings = _configure(directory, server, port or free_port(), passwords)
            yield Demo(directory, server, settings)
        finally:
            server.stop()
            notify("PostgreSQL stopped")


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Hold the folder's lock; the folder is made if need be."""
    try:
        # Others may pass through for root's sake (the server is somebody else then); files with
        # secrets in them are readable by the owner only.
        directory.mkdir(parents=True, exist_ok=True, mode=0o755 if os.geteuid() == 0 else 0o700)
        file = (directory / "lock").open("a")
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or directory}: {error.strerror}",
            hint="Choose a folder that you may write to, with --directory.",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"a demo already runs from {directory}",
                hint="Use that one, stop it with Ctrl-C, or choose another --directory.",
            ) from error
        yield


def _server(directory: Path, binaries: Path | None, reset: bool, notify: Notify) -> EmbeddedServer:
    secret = directory / "superuser.txt"
    initialised = (directory / "server" / "data").exists()
    if reset:
        end_leftover(directory / "server" / "data")
        for name in _MADE:
            path = directory / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        initialised = False
        notify("earlier demo removed")
    if not initialised:
        _write_secret(secret, secrets.token_urlsafe(18))
        notify("making a new database server")
    return _open(directory, binaries, secret)


def _open(directory: Path, binaries: Path | None, secret: Path) -> EmbeddedServer:
    try:
        password = secret.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"{secret}: {error.strerror}",
            hint="Start afresh with --reset.",
        ) from error
    return EmbeddedServer.create(
        directory / "server",
        password=password,
        settings=_SERVER_SETTINGS,
        binaries=find_binaries(binaries),
    )


async def _build(server: EmbeddedServer, passwords: Mapping[str, str], notify: Notify) -> None:
    """Roles, and the sample database unless it is there.

    It is built under another name and renamed at the end: an interrupted start is just repeated.
    """
    try:
        await _build_with(server, passwords, notify)
    except (asyncpg.PostgresError, OSError) as error:
        code = error.sqlstate if isinstance(error, asyncpg.PostgresError) else "connection lost"
        raise ConfigurationError(
            f"the sample database in {server.directory} cannot be made or opened ({code})",
            hint=f"Look into {server.log}, check that the disk is not full, and start afresh with "
            "--reset.",
        ) from error


async def _build_with(server: EmbeddedServer, passwords: Mapping[str, str], notify: Notify) -> None:
    unfinished = f"{DATABASE}_unfinished"
    control = await asyncpg.connect(server.dsn())
    try:
        await create_roles(control, passwords)
        # so that it can tell of sessions past dbguard
        await control.execute(f"GRANT pg_read_all_stats TO {CONTROL_ROLE}")
        if await control.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            notify(f"sample database {DATABASE} found")
            return
        await control.execute(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")
        await control.execute(f"CREATE DATABASE {unfinished}")
        database = await asyncpg.connect(server.dsn(database=unfinished))
        try:
            await create_schema(database)
            total = await fill(
                database, progress=lambda table, rows: notify(f"  clinic.{table}: {rows:,} rows")
            )
        finally:
            await database.close()
        await control.execute(f"ALTER DATABASE {unfinished} RENAME TO {DATABASE}")
        notify(f"sample database {DATABASE} made: {total:,} rows")
    finally:
        await control.close()


def _configure(
    directory: Path, server: EmbeddedServer, port: int, passwords: Mapping[str, str]
) -> Settings:
    """Write dbguard.yaml and what it refers to; the settings in it."""
    for name, role in (("catalog-dsn.txt", CONTROL_ROLE), ("backup-dsn.txt", BACKUP_ROLE)):
        _write_secret(directory / name, server.dsn(role, "postgres", passwords[role]))
    rules = directory / "rules"
    if not rules.exists():
        shutil.copytree(shipped_rules() / "hipaa", rules)
    document = {
        "listen": {"host": HOST, "port": port},
        "upstream": {"host": HOST, "port": server.port},
        "catalog": {"dsn": "file:catalog-dsn.txt"},
        "environment": "production",
        "rules": "rules/",
        "state": {"url": "sqlite:///state.db"},
        "audit": {"directory": "audit/"},
        "backup": {
            "dsn": "file:backup-dsn.txt",
            "directory": "backups/",
            "binaries": str(server.binaries.folder),
        },
    }
    config = directory / "dbguard.yaml"
    note = "# Written by `dbguard demo` at each start. The policy in rules/ is yours to change.\n"
    config.write_text(note + yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return load_settings(config, {})  # no variables: the demo is the same everywhere


def shipped_rules() -> Path:
    """The folder of shipped policies: inside an installed package, or beside a checkout's."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_rules", package.parent / "rules"):
        if (folder / "hipaa").is_dir():
            return folder
    raise ConfigurationError(
        f"the shipped rules are missing from {package}",
        hint="Install dbguard again.",
    )


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
