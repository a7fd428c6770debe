"""`dbguard backup`: make, list and verify proven backups."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbguard.errors import BackupError, ConfigurationError
from dbguard.guards.backup.context import BackupContext
from dbguard.guards.backup.model import Backup
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.taking import take_backup, verify_backup

from .backup_back import prune, restore, show
from .backup_providers import complaints, documents, inventories, table
from .backup_records import BackupRecords
from .backup_running import (
    ConfigOption,
    JsonOption,
    check_home,
    document_of,
    failed,
    look_for,
    read_settings,
    run_recorded,
    say,
    size_text,
    state_of,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list, verify and restore backups. A backup counts only once it was restored and "
    "compared.",
)


@app.command("now")
def now(
    database: Annotated[str, typer.Option("--database", "-d", help="Database to back up.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Dump a database, restore the dump into a scratch database, compare, and register it.

    Exit code 0: made and verified. 1: not made, with the reason. 2: the settings are wrong.
    """
    settings = read_settings(config)
    records = BackupRecords(settings.audit, "made", database)
    backup = run_recorded(
        settings, database, lambda c: take_backup(database, c), records, quiet=as_json
    )
    if as_json:
        typer.echo(json.dumps(document_of(backup, "verified"), ensure_ascii=False))
        return
    say(f"backup {backup.id} made and verified", style="bold green")
    say(
        f"  {backup.counts.rows} rows in {len(backup.counts.tables) - 1} tables compared, "
        f"{size_text(backup.bytes)} in {backup.place}"
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
    settings = read_settings(config)
    try:
        backups = BackupRegistry(settings.state.path).all(database)
        looks = look_for(backups, settings)
        listings = inventories(settings, database)
    except (BackupError, ConfigurationError) as error:
        raise failed(error) from None
    states = {backup.id: state_of(backup, looks, settings) for backup in backups}
    if as_json:
        own = [document_of(backup, states[backup.id]) for backup in backups]
        found = [*own, *documents(listings)]
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif backups:
        Console().print(_table(backups, states))
        for reason in sorted({look.silent for look in looks.values() if look.silent}):
            say(f"backup.location cannot be asked: {reason}")
        for backup in backups:
            if backup.error:
                say(f"{backup.id}: {backup.error}")
    elif not listings:
        say("no backups yet")
        say(f"  Run: dbguard backup now --database {database or 'DATABASE'}")
    if listings and not as_json:
        Console().print(table(listings))
        for line in complaints(listings):
            say(line)
    if "verified" not in states.values() and not any(listing.usable for listing in listings):
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
    settings = read_settings(config)
    try:
        known = BackupRegistry(settings.state.path).get(backup_id)
    except BackupError as error:
        raise failed(error) from None

    async def proven(context: BackupContext) -> Backup:
        if known is not None and settings.upstreams:
            await check_home(known, context)
        return await verify_backup(backup_id, context)

    database = known.database.name if known else ""
    records = BackupRecords(settings.audit, "verified", database, known.id if known else "")
    backup = run_recorded(settings, database, proven, records, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(document_of(backup, "verified"), ensure_ascii=False))
        return
    say(f"backup {backup.id} is sound", style="bold green")
    say(f"  {backup.counts.rows} rows compared, SHA-256 {backup.sha256}")


def _table(backups: tuple[Backup, ...], states: Mapping[str, str]) -> Table:
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
        state = states[backup.id]
        table.add_row(
            Text(backup.id),
            Text(backup.database.name),
            f"{backup.snapshot_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            Text(state, style="green" if state == "verified" else "red"),
            size_text(backup.bytes) if backup.place else "",
        )
    return table


app.command("show")(show)
app.command("restore")(restore)
app.command("prune")(prune)
