"""`dbguard audit prune` and `dbguard audit hold`: how long records are kept."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
import typer
from pydantic import TypeAdapter, ValidationError

from dbguard.audit import keys
from dbguard.audit.holding import Hold, holds, release
from dbguard.audit.notes import Signer, VerifyingKey
from dbguard.audit.own_chain import operator_chain
from dbguard.audit.pruning import Keeping, Plan, begin, plan, remove
from dbguard.audit.reading import stamp
from dbguard.audit.records import EventRecord
from dbguard.audit.trails import chains, segments
from dbguard.audit_settings import AuditSettings, RetentionSettings
from dbguard.errors import ConfigurationError
from dbguard.setting_types import Days
from dbguard.verification.regular_file import open_regular

from .audit import (
    AuditOption,
    ConfigOption,
    JsonOption,
    SinceOption,
    UntilOption,
    one_line_errors,
    period,
    trail_directory,
    trail_settings,
)
from .progress_bar import progress_bar

SHIPPING = "shipping"
"""The folder of the trail in which destinations' cursors are."""

hold = typer.Typer(no_args_is_help=True)


def prune_command(
    audit: AuditOption = None,
    config: ConfigOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and say what would go; remove nothing.")
    ] = False,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="AGE",
            help="Only what is older than this (7y, 3000d); not less than audit.retention.keep.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Remove segments whose records are all older than audit.retention.keep, oldest first.

    What a legal hold covers stays, and what a destination of audit.ship does not have yet. What
    is to go is verified first; what went is recorded in the chain of the operator, and signed.
    May run beside dbguard; after a crash, run it again.

    Example: dbguard audit prune --dry-run
    """
    with one_line_errors():
        settings = trail_settings(audit, config)
        before = datetime.now(UTC) - timedelta(days=_age(older_than, settings.retention))
        signer, known = _keys(settings)
        if dry_run:
            for one in _plans(settings, before, known):
                _show(one, "would go")
            return
        log = operator_chain(settings)  # nobody else prunes, or adds a hold, at the same time
        try:
            for one in _plans(settings, before, known):
                stayed = remove(one.left, tuple(holds(settings.directory).values()))
                removal = one.removal
                if removal is not None:
                    log.wait(log.append(removal.record(before)))
                    begin(removal, signer)
                    stayed += remove(removal.segments)
                _show(one, "removed")
                for segment in stayed:
                    typer.echo(f"  {segment.path.name} is still there: held, or in use just now")
        finally:
            log.close()


@hold.callback()
def _hold() -> None:
    """Keep records whatever their age: legal holds, which `prune` respects."""


@hold.command("add")
def add_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it, as case-2026-17.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; goes into the trail.")],
    since: SinceOption = "",
    until: UntilOption = "",
    audit: AuditOption = None,
    config: ConfigOption = None,
) -> None:
    """Keep the records of a period (without --since and --until, all) until it is released.

    Example: dbguard audit hold add case-2026-17 --since 2026-01-01 --reason 'letter of counsel'
    """
    with one_line_errors():
        settings = trail_settings(audit, config)
        start, end = period(since, until)
        added = Hold(name, stamp(start), stamp(end), reason, getpass.getuser())
        _record(settings, added.record(), name, stands=False)
        typer.echo(f"{name} holds the records of {_period(added)}")


@hold.command("release")
def release_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; goes into the trail.")],
    audit: AuditOption = None,
    config: ConfigOption = None,
) -> None:
    """End a hold: its records may be removed again when their time is over.

    Example: dbguard audit hold release case-2026-17 --reason 'case closed'
    """
    with one_line_errors():
        settings = trail_settings(audit, config)
        _record(settings, release(name, reason, getpass.getuser()), name, stands=True)
        typer.echo(f"{name} is released")


@hold.command("list")
def list_command(
    audit: AuditOption = None, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Show the holds that stand."""
    with one_line_errors():
        standing = holds(trail_directory(audit, config))
        if json:
            typer.echo(orjson.dumps({"v": 1, "holds": list(standing.values())}))
            return
        for one in standing.values():
            typer.echo(f"{one.name}: {_period(one)}; {one.reason} (by {one.by}, {one.added})")
        if not standing:
            typer.echo("no holds")


def _record(settings: AuditSettings, record: EventRecord, name: str, *, stands: bool) -> None:
    """Add the record to the operator's chain, if the hold stands or does not as it has to."""
    if not settings.directory.is_dir():
        raise ConfigurationError(f"{settings.directory}: there is no audit trail here")
    log = operator_chain(settings)
    try:
        found = holds(settings.directory)
        if (name in found) is not stands:
            raise ConfigurationError(
                f"there is no hold {name}" if stands else f"there is a hold {name} already",
                hint="`dbguard audit hold list` shows those that stand.",
            )
        log.wait(log.append(record))
    finally:
        log.close()


def _period(one: Hold) -> str:
    return f"{one.since or 'the beginning'} to {one.until or 'any time'}"


def _age(text: str, retention: RetentionSettings) -> int:
    """Days. Raises ConfigurationError."""
    if not text:
        return retention.keep
    try:
        age = TypeAdapter(Days).validate_python(text)
    except ValidationError as error:
        raise ConfigurationError(
            f"--older-than: not an age: {text}", hint="Write 7y, 400w or 3000d."
        ) from error
    if age < retention.keep:
        raise ConfigurationError(
            f"--older-than: records are kept for {retention.keep} days",
            hint="Change audit.retention.keep if they may go earlier.",
        )
    return age


def _keys(settings: AuditSettings) -> tuple[Signer, dict[str, VerifyingKey]]:
    """Raises ConfigurationError."""
    path = settings.signing_key
    try:
        signer = keys.load(path)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path}: without the key that signs the trail nothing is removed",
            hint="Name it with audit.checkpoints.key in the settings file, and that file with "
            "--config.",
        ) from error
    known = {key.name: key for key in keys.public_keys(path)}
    return signer, {**known, signer.key.name: signer.key}


def _plans(
    settings: AuditSettings, before: datetime, known: Mapping[str, VerifyingKey]
) -> list[Plan]:
    directory = settings.directory
    keeping = Keeping(before, tuple(holds(directory).values()), _shipped(settings))
    found = chains(directory)
    total = sum(segment.size for chain in found for segment in segments(chain.folder))
    with progress_bar("verifying", total) as progress:
        return [plan(chain, keeping, known, progress) for chain in found]


def _shipped(settings: AuditSettings) -> dict[str, dict[str, int]]:
    """How far each destination of records has come: those in the settings, and those with a cursor.

    Raises ConfigurationError for a cursor that cannot be read.
    """
    found: dict[str, dict[str, int]] = {one.name: {} for one in settings.ship if one.records}
    without = {one.name for one in settings.ship if not one.records}
    for path in sorted((settings.directory / SHIPPING).glob("*.json")):
        try:
            with open_regular(path) as file:
                cursors = orjson.loads(file.read())["chains"]
            sequences = {str(name): int(one["seq"]) for name, one in cursors.items()}
            if path.stem in found or (path.stem not in without and any(sequences.values())):
                found[path.stem] = sequences
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{path}: does not say how far the trail was shipped",
                hint="Nothing is removed before it does. If that destination is no more, remove "
                "the file.",
            ) from error
    return found


def _show(one: Plan, what: str) -> None:
    name = f"chain {one.chain.writer}" if one.chain.writer else "the top chain"
    if one.removal is not None:
        first, last = one.removal.segments[0], one.removal.segments[-1]
        typer.echo(
            f"{name}: {what}: segments {first.number} to {last.number}, records "
            f"{one.removal.first:,} to {one.removal.last.sequence:,}, {one.removal.earliest} to "
            f"{one.removal.latest}"
        )
    else:
        typer.echo(f"{name}: nothing {what}")
    typer.echo(f"  {one.stays}")
