"""`dbguard backup`: make, list and verify proven backups."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from dbguard.config import Settings, load_settings
from dbguard.errors import BackupError, ConfigurationError, DbguardError
from dbguard.guards.backup.access import disconnect, identify
from dbguard.guards.backup.guard import size_on_disk
from dbguard.guards.backup.model import Backup, BackupStatus
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.taking import BackupContext, Step, take_backup, verify_backup
from dbguard.proxy.backup_takers import context_of

from .backup_providers import complaints, documents, inventories, table
from .backup_records import BackupRecords

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and verify backups. A backup counts only once it was restored and compared.",
)

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


@app.command("now")
def now(
    database: Annotated[str, typer.Option("--database", "-d", help="Database to back up.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Dump a database, restore the dump into a scratch database, compare, and register it.

    Exit code 0: made and verified. 1: not made, with the reason. 2: the settings are wrong.
    """
    settings = _settings(config)
    records = BackupRecords(settings.audit, "made", database)
    backup = _run(settings, database, lambda c: take_backup(database, c), records, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(_document(backup), ensure_ascii=False))
        return
    _say(f"backup {backup.id} made and verified", style="bold green")
    _say(
        f"  {backup.counts.rows} rows in {len(backup.counts.tables) - 1} tables compared, "
        f"{_size(backup.bytes)} in {backup.path}"
    )


@app.command("list")
def list_backups(
    database: Annotated[
        str | None, typer.Option("--database", "-d", help="Only backups of this database.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all attempts, newest first, and what other tools have, and say which of them count.

    Exit code 0: at least one is verified, or another tool's could count. 1: none. 2: the settings
    are wrong.
    """
    settings = _settings(config)
    try:
        backups = BackupRegistry(settings.state.path).all(database)
        listings = inventories(settings, database)
    except (BackupError, ConfigurationError) as error:
        raise _fail(error) from None
    if as_json:
        found = [*map(_document, backups), *documents(listings)]
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif backups:
        Console().print(_table(backups))
        for backup in backups:
            if backup.error:
                _say(f"{backup.id}: {backup.error}")
    elif not listings:
        _say("no backups yet")
        _say(f"  Run: dbguard backup now --database {database or 'DATABASE'}")
    if listings and not as_json:
        Console().print(table(listings))
        for line in complaints(listings):
            _say(line)
    own = any(_state(backup) == "verified" for backup in backups)
    if not own and not any(listing.usable for listing in listings):
        raise typer.Exit(1)


@app.command("verify")
def verify(
    backup_id: Annotated[str, typer.Argument(help="Id of the backup, as `list` shows it.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a backup's file against its SHA-256 and restore it again.

    Exit code 0: it is sound. 1: it is not, and no longer counts. 2: the settings are wrong.
    """
    settings = _settings(config)
    try:
        known = BackupRegistry(settings.state.path).get(backup_id)
    except BackupError as error:
        raise _fail(error) from None

    async def proven(context: BackupContext) -> Backup:
        if known is not None and settings.upstreams:
            await _check_home(known, context)
        return await verify_backup(backup_id, context)

    database = known.database.name if known else ""
    records = BackupRecords(settings.audit, "verified", database, known.id if known else "")
    backup = _run(settings, database, proven, records, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(_document(backup), ensure_ascii=False))
        return
    _say(f"backup {backup.id} is sound", style="bold green")
    _say(f"  {backup.counts.rows} rows compared, SHA-256 {backup.sha256}")


def _settings(config: Path | None) -> Settings:
    path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    try:
        return load_settings(path, os.environ)
    except ConfigurationError as error:
        raise _fail(error) from None


def _context(settings: Settings, database: str) -> BackupContext:
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


async def _check_home(backup: Backup, context: BackupContext) -> None:
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


def _run(
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
        context = _context(settings, database)
        with records.told(), progress:
            task = progress.add_task("connecting", total=None)

            def show(step: Step) -> None:
                progress.update(task, description=step.value)

            backup = asyncio.run(_interruptible(work(replace(context, progress=show))))
        records.succeeded(backup)
        return backup
    except DbguardError as error:
        raise _fail(error) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say("interrupted; nothing was kept", error=True)
        raise typer.Exit(1) from None


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Let SIGTERM end the work as Ctrl-C does: programs stopped, scratch database dropped."""
    current = asyncio.current_task()
    assert current is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, current.cancel)
    return await work


def _fail(error: DbguardError) -> typer.Exit:
    for line in error.message.splitlines():
        _say(f"dbguard: {line}", style="bold red", error=True)
    if error.detail:
        _say(f"  {error.detail}", error=True)
    if error.hint:
        _say(f"  {error.hint}", error=True)
    return typer.Exit(2 if isinstance(error, ConfigurationError) else 1)


def _say(text: str, *, style: str = "", error: bool = False) -> None:
    Console(stderr=error, soft_wrap=True, highlight=False).print(Text(text, style=style))


def _state(backup: Backup) -> str:
    """`verified`, or why it does not count as far as can be seen without restoring it."""
    if backup.status is BackupStatus.FAILED or backup.path is None:
        return "failed"
    size = size_on_disk(backup.path)
    if size is None:
        return "file missing"
    return "verified" if size == backup.bytes else "file changed"


def _table(backups: tuple[Backup, ...]) -> Table:
    """Fits a terminal of 80 columns; reasons of failures are told below it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("id", "database", "snapshot (UTC)", "state", "size"):
        table.add_column(
            name,
            justify="right" if name == "size" else "left",
            no_wrap=name != "database",
            overflow="fold",
        )
    for backup in backups:
        state = _state(backup)
        table.add_row(
            Text(backup.id),
            Text(backup.database.name),
            f"{backup.snapshot_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            Text(state, style="green" if state == "verified" else "red"),
            _size(backup.bytes) if backup.path else "",
        )
    return table


def _document(backup: Backup) -> dict[str, object]:
    return {
        "v": 1,
        "id": backup.id,
        "database": backup.database.name,
        "database_oid": backup.database.oid,
        "server": backup.database.server,
        "snapshot_at": backup.snapshot_at.isoformat(),
        "finished_at": backup.finished_at.isoformat(),
        "verified_at": backup.verified_at.isoformat() if backup.verified_at else None,
        "state": _state(backup),
        "path": str(backup.path) if backup.path else None,
        "bytes": backup.bytes,
        "sha256": backup.sha256,
        "tables": len(backup.counts.tables) - 1 if backup.counts.tables else 0,
        "rows": backup.counts.rows,
        "tool": backup.tool,
        "error": backup.error,
    }


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
