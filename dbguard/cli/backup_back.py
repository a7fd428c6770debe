"""`dbguard backup show`, `restore` and `prune`."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from dbguard.config import Settings
from dbguard.errors import BackupError, DbguardError
from dbguard.guards.backup.access import disconnect
from dbguard.guards.backup.context import BackupContext
from dbguard.guards.backup.definitions import constraints_on
from dbguard.guards.backup.dump_file import locked_directory
from dbguard.guards.backup.giving_back import (
    refuse_existing,
    restore_database,
    restore_tables,
)
from dbguard.guards.backup.model import Backup
from dbguard.guards.backup.pruning import remove_backup, superfluous
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.table_names import TableName, table_name
from dbguard.guards.backup.uploading import remove_leftovers

from .backup_records import BackupRecords
from .backup_running import (
    ConfigOption,
    JsonOption,
    check_home,
    context_for,
    document_of,
    failed,
    look_for,
    read_settings,
    run_recorded,
    say,
    size_text,
    state_of,
)

IdArgument = Annotated[str, typer.Argument(help="Id of the backup, as `list` shows it.")]
DryOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
]


def show(backup_id: IdArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what is in a backup, and how it was proven.

    Exit code 0: it counts as far as can be seen. 1: it does not, or there is none. 2: the settings
    are wrong.
    """
    settings = read_settings(config)
    backup = _known(BackupRegistry(settings.state.path), backup_id)
    state = _state(backup, settings)
    if as_json:
        tables = dict(backup.counts.tables)
        typer.echo(
            json.dumps({**document_of(backup, state), "tables_rows": tables}, ensure_ascii=False)
        )
    else:
        say(f"backup {backup.id}: {state}", style="bold green" if state == "verified" else "red")
        say(f"  database   {backup.database.name}, server {backup.database.server}")
        say(f"  snapshot   {_time(backup.snapshot_at)}")
        if backup.verified_at:
            say(f"  verified   {_time(backup.verified_at)}, {backup.tool}")
        if backup.place:
            sealed = f", encrypted with key {backup.key}" if backup.key else ""
            say(f"  file       {backup.place}, {size_text(backup.bytes)}{sealed}")
            say(f"  sha256     {backup.sha256}")
        say(
            "  holds      the rows of all tables"
            if backup.tables is None
            else "  holds      the definitions of everything, and the rows of:"
        )
        for name, rows in backup.counts.tables:
            say(f"             {name}: {rows} rows")
        if backup.error:
            say(f"  error      {backup.error}")
    if state != "verified":
        raise typer.Exit(1)


def restore(
    backup_id: IdArgument,
    into: Annotated[
        str | None, typer.Option("--into", help="Name of a new database for all of it.")
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            help="Copy this table (schema.table) beside the live one, as "
            "schema.table_restored_ID. May be given several times.",
        ),
    ] = None,
    rows_only: Annotated[
        bool,
        typer.Option("--rows-only", help="With --table: columns and rows, no keys and the like."),
    ] = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
) -> None:
    """Restore a backup into a new database, or single tables beside the live ones.

    Nothing that exists is written over. Exit code 0: restored and compared. 1: not restored, with
    the reason, and nothing is left of it. 2: the settings are wrong.
    """
    settings = read_settings(config)
    backup = _known(BackupRegistry(settings.state.path), backup_id)
    try:
        if (into is None) == (not table):
            raise BackupError(
                "where to restore to is not said",
                detail="It takes either --into or --table.",
                hint="All of it: --into NAME; single tables: --table schema.table",
            )
        tables = tuple(table_name(text) for text in table or ())
    except BackupError as error:
        raise failed(error) from None
    targets = [t.restored(backup.id) for t in tables]
    place = into or ", ".join(f"{t.schema}.{t.name}" for t in targets)
    if dry_run:
        _say_restore(backup, into, tables, settings, rows_only=rows_only)
        return

    lacking: list[str] = []

    async def work(context: BackupContext) -> Backup:
        await check_home(backup, context)
        if into is not None:
            return await restore_database(backup.id, into, context)
        return await restore_tables(
            backup.id, tables, context, rows_only=rows_only, tell=lacking.append
        )

    records = BackupRecords(settings.audit, "restored", backup.database.name, backup.id, place)
    run_recorded(settings, backup.database.name, work, records, quiet=False)
    say(f"backup {backup.id} restored into {place}", style="bold green")
    if into is not None:
        say("  Only its owner and superusers may connect: GRANT CONNECT to whom it is for.")
        if backup.tables is not None:
            say("  It has rows of some tables only, and therefore no foreign keys.")
    else:
        for text in lacking:
            say(f"  {text}", style="yellow")
        say("  They have no triggers, policies or grants: nobody but their owner may read them.")


def _say_restore(
    backup: Backup,
    into: str | None,
    tables: tuple[TableName, ...],
    settings: Settings,
    *,
    rows_only: bool,
) -> None:
    """What would be done, or why it would be refused."""
    state = _state(backup, settings)
    belonging: dict[TableName, tuple[str, ...]] = {}

    async def look(context: BackupContext) -> None:
        await check_home(backup, context)
        name = context.access.database if into is not None else backup.database.name
        connection = await context.access.connect(name)
        try:
            if into is None:
                await refuse_existing(connection, backup, tables)
                for one in tables:
                    query = "SELECT pg_catalog.format('%I.%I', $1::text, $2::text)"
                    written = await connection.fetchval(query, one.schema, one.name)
                    belonging[one] = constraints_on(backup.definitions, written)
            else:
                query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)"
                if await connection.fetchval(query, into):
                    raise BackupError(
                        f'database "{into}" exists', hint="Choose another name for --into."
                    )
        finally:
            await disconnect(connection)

    try:
        if state != "verified":
            raise BackupError(
                f"backup {backup.id} does not count: {state}",
                detail=backup.error,
                hint="See the list: dbguard backup list",
            )
        asyncio.run(look(context_for(settings, backup.database.name)))
    except DbguardError as error:
        raise failed(error) from None
    say(f"would check the SHA-256 of {backup.place}")
    if into is not None:
        say(f'would create database "{into}", closed to PUBLIC, restore into it and compare')
        say(f"  {backup.counts.rows} rows in {len(backup.counts.tables)} tables")
    for one in tables:
        target = one.restored(backup.id)
        say(f"would copy the rows of {one.schema}.{one.name} to {target.schema}.{target.name}")
        if not rows_only:
            say("  with its defaults, identities, generated columns and indexes as far as they can")
            say("  be made, and " + (", ".join(belonging[one]) or "no constraints"))


def prune(dry_run: DryOption = False, config: ConfigOption = None) -> None:
    """Remove backups that `backup.keep` does not keep; never the newest proven one of a database.

    Exit code 0: done, also when there was nothing to remove. 1: not done. 2: the settings are
    wrong.
    """
    settings = read_settings(config)
    named = {name: upstream.backup for name, upstream in settings.upstreams.items()}
    registry = BackupRegistry(settings.state.path)
    removed = 0
    try:
        for name, keeping in {"": settings.backup, **named}.items():
            if keeping is None or keeping.dsn is None:
                continue
            mine = [
                backup
                for backup in registry.all()
                if (settings.routes.upstream_of(backup.database.name) or "") == name
            ]
            found = superfluous(mine, datetime.now(UTC), keeping.keep.days, keeping.keep.count)
            for backup in found:
                say(f"{'would remove' if dry_run else 'removing'} {backup.id}, {backup.place}")
            if found and not dry_run:
                context = context_for(settings, found[0].database.name)
                with locked_directory(context.directory):
                    asyncio.run(remove_leftovers(context))
                for backup in found:
                    records = BackupRecords(
                        settings.audit, "pruned", backup.database.name, backup.id
                    )
                    with records.told(), locked_directory(context.directory):
                        asyncio.run(remove_backup(backup, context))
                    records.succeeded(backup)
            removed += len(found)
    except DbguardError as error:
        raise failed(error) from None
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise failed(
            BackupError(f"a backup could not be removed: {reason}", hint="Check its permissions.")
        ) from None
    say(f"{removed} backups {'would be removed' if dry_run else 'removed'}")


def _state(backup: Backup, settings: Settings) -> str:
    try:
        return state_of(backup, look_for([backup], settings), settings)
    except DbguardError as error:
        raise failed(error) from None


def _known(registry: BackupRegistry, backup_id: str) -> Backup:
    try:
        backup = registry.get(backup_id)
        if backup is None:
            raise BackupError(
                f'there is no backup "{backup_id}"', hint="See the list: dbguard backup list"
            )
        return backup
    except BackupError as error:
        raise failed(error) from None


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
