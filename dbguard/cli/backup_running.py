"""What the commands of `dbguard backup` have in common: settings, progress, words, records."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from dbguard.config import Settings, load_settings
from dbguard.errors import BackupError, ConfigurationError, DbguardError
from dbguard.guards.backup.access import disconnect, identify
from dbguard.guards.backup.context import BackupContext, Step
from dbguard.guards.backup.model import Backup, BackupStatus
from dbguard.guards.backup.presence import (
    CHANGED,
    ELSEWHERE,
    MISSING,
    WRITTEN_OVER,
    Presence,
    presence_of,
)
from dbguard.guards.backup.store import Store
from dbguard.proxy.backup_takers import bucket_of, context_of

from .backup_records import BackupRecords

DEFAULT_CONFIG = Path("dbguard.yaml")
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="DBGUARD_CONFIG",
        help="Settings file. Default: dbguard.yaml here, if there is one.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

T = TypeVar("T")
Work = Callable[[BackupContext], Coroutine[Any, Any, Backup]]


def read_settings(config: Path | None) -> Settings:
    path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    try:
        return load_settings(path, os.environ)
    except ConfigurationError as error:
        raise failed(error) from None


def context_for(settings: Settings, database: str) -> BackupContext:
    """How backups of a database are made: as the settings of its upstream say."""
    name = settings.routes.upstream_of(database)
    backup = settings.upstreams[name].backup if name else settings.backup
    if backup is None or backup.dsn is None:
        place = f"upstreams.{name}.backup" if name else "backup"
        raise ConfigurationError(
            f"{place}{'.dsn' if backup else ''}: required for this command",
            hint='Add backup: {dsn: "file:backup-dsn.txt", directory: backups/} to the settings'
            + (f" of upstream {name}." if name else "."),
        )
    return context_of(backup, settings)


async def check_home(backup: Backup, context: BackupContext) -> None:
    """Refuse to restore a dump on another server than its own: a database may have moved to another
    upstream since, or another one have its name."""
    connection = await context.access.connect(context.access.database)
    try:
        server = (await identify(connection, context.access)).server
    finally:
        await disconnect(connection)
    if server != backup.database.server:
        raise BackupError(
            f"backup {backup.id} was made on another server",
            detail=f'Database "{backup.database.name}" is on a different upstream now.',
            hint="Verify it with the settings under which it was made, or take a new one.",
        )


def run_recorded(
    settings: Settings, database: str, work: Work, records: BackupRecords, *, quiet: bool
) -> Backup:
    """Run `work(context)` with a progress line; every error ends the command in words."""
    console = Console(stderr=True)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    try:
        context = context_for(settings, database)
        with records.told(), progress:
            task = progress.add_task("connecting", total=None)

            def show(step: Step) -> None:
                progress.update(task, description=step.value)

            backup = asyncio.run(_interruptible(work(replace(context, progress=show))))
        records.succeeded(backup)
        return backup
    except DbguardError as error:
        raise failed(error) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("interrupted; nothing was kept", error=True)
        raise typer.Exit(1) from None


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Let SIGTERM end the work as Ctrl-C does: programs stopped, scratch database dropped."""
    current = asyncio.current_task()
    assert current is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, current.cancel)
    return await work


def failed(error: DbguardError) -> typer.Exit:
    for line in error.message.splitlines():
        say(f"dbguard: {line}", style="bold red", error=True)
    if error.detail:
        say(f"  {error.detail}", error=True)
    if error.hint:
        say(f"  {error.hint}", error=True)
    return typer.Exit(2 if isinstance(error, ConfigurationError) else 1)


def say(text: str, *, style: str = "", error: bool = False) -> None:
    Console(stderr=error, soft_wrap=True, highlight=False).print(Text(text, style=style))


Looks = Mapping[str, Presence]
"""What is there of the backups of each upstream."""


def look_for(backups: Sequence[Backup], settings: Settings) -> Looks:
    """What is there of them now. Locations are asked where one of them is in it. Raises
    ConfigurationError."""
    homes: dict[str, list[Backup]] = {}
    for backup in backups:
        homes.setdefault(_upstream_of(backup, settings), []).append(backup)

    async def look() -> Looks:
        found = {}
        for name, those in homes.items():
            section = settings.upstreams[name].backup if name else settings.backup
            location = section.location if section is not None else None
            store = Store(bucket_of(location)) if location is not None else None
            found[name] = await presence_of(those, store)
        return found

    return asyncio.run(look())


def _upstream_of(backup: Backup, settings: Settings) -> str:
    return settings.routes.upstream_of(backup.database.name) or ""


_STATES: Final = {
    "": "verified",
    MISSING: "file missing",
    CHANGED: "file changed",
    WRITTEN_OVER: "file changed",
    ELSEWHERE: "elsewhere",
}


def state_of(backup: Backup, looks: Looks, settings: Settings) -> str:
    """`verified`, or why it does not count as far as can be seen without restoring it."""
    if backup.status is BackupStatus.FAILED or not backup.place:
        return "failed"
    flaw = looks[_upstream_of(backup, settings)].flaw(backup)
    return _STATES.get(flaw, "not known")


def document_of(backup: Backup, state: str) -> dict[str, object]:
    return {
        "v": 1,
        "id": backup.id,
        "database": backup.database.name,
        "database_oid": backup.database.oid,
        "server": backup.database.server,
        "snapshot_at": backup.snapshot_at.isoformat(),
        "finished_at": backup.finished_at.isoformat(),
        "verified_at": backup.verified_at.isoformat() if backup.verified_at else None,
        "state": state,
        "path": str(backup.path) if backup.path else None,
        "location": backup.object or None,
        "bytes": backup.bytes,
        "sha256": backup.sha256,
        "tables": len(backup.counts.tables) - 1 if backup.counts.tables else 0,
        "rows": backup.counts.rows,
        "tool": backup.tool,
        "error": backup.error,
    }


def size_text(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
