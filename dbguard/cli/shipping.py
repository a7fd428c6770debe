"""`dbguard audit ship`, `fetch-checkpoints` and `fetch-copy`: copies of the trail elsewhere."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, TypeVar

import orjson
import structlog
import typer

from dbguard.config import load_settings
from dbguard.errors import ConfigurationError
from dbguard.setting_types import SecretSource
from dbguard.settings import Settings
from dbguard.shipping.chains import find_chains, head_of
from dbguard.shipping.cursors import ChainCursor, CursorFile
from dbguard.shipping.making import check_installed, make_delivery
from dbguard.shipping.reading_back import (
    FetchError,
    checkpoint_lines,
    open_source,
    write_copy,
)
from dbguard.shipping.shipper import ship_by_hand
from dbguard.shipping_settings import DestinationSettings

from .audit import DEFAULT_CONFIG, ConfigOption, JsonOption, one_line_errors
from .logs import configure_logs

T = TypeVar("T")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The destination, by its name.", show_default=False)
]
DsnOption = Annotated[
    str,
    typer.Option(
        "--dsn",
        metavar="SOURCE",
        help="For PostgreSQL: the URL of a role that may read, as file:PATH or env:VARIABLE.",
        show_default=False,
    ),
]


def ship(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Only these destinations.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when all that is there was acknowledged.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Only show how far each destination is, and end.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Ship the audit trail to its destinations (audit.ship), as `dbguard serve` does by itself.

    One process at a time ships to a destination. Exit code 0: all was acknowledged; 1: a
    destination did not take it, or is behind or in trouble (--status); 2: wrong settings.

    Example: dbguard audit ship --status
    """
    with one_line_errors():
        settings = _load(config)
        chosen = _chosen(settings, names or [])
        if status:
            behind = _show_status(settings.audit.directory, chosen, json)
        else:
            configure_logs("info")
            behind = _ship(settings.audit.directory, chosen, once)
    if behind:
        raise typer.Exit(1)


def fetch_checkpoints(
    name: NameArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write them; - prints.")
    ],
    config: ConfigOption = None,
    dsn: DsnOption = "",
) -> None:
    """Fetch the checkpoints that were shipped to a second place.

    The file is what `dbguard audit verify` takes as checkpoints from elsewhere.

    Example: dbguard audit fetch-checkpoints second-place -o elsewhere.jsonl
    """
    with one_line_errors():
        settings = _load(config)
        (destination,) = _chosen(settings, [name])
        lines = _fetched(_checkpoints(destination, _source(dsn)))
        if str(output) == "-":
            sys.stdout.buffer.write(b"".join(lines))
            return
        output.write_bytes(b"".join(lines))
        typer.echo(f"{len(lines)} checkpoints from {name} in {output}")
    if not lines:
        raise typer.Exit(1)


def fetch_copy(
    name: NameArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="A folder to make the copy in.")
    ],
    config: ConfigOption = None,
    trail: Annotated[
        str,
        typer.Option(metavar="ID", help="Which one, where several are there.", show_default=False),
    ] = "",
    dsn: DsnOption = "",
) -> None:
    """Fetch the records and checkpoints that were shipped, as a trail that can be verified.

    Example: dbguard audit fetch-copy archive -o copy/ --dsn file:reader-dsn.txt
    """
    with one_line_errors():
        settings = _load(config)
        (destination,) = _chosen(settings, [name])
        if output.exists():
            raise ConfigurationError(f"{output}: is there already; name a folder that is new")
        count = _fetched(_copy(destination, _source(dsn), trail or None, output))
        typer.echo(f"{count:,} records from {name} in {output}")


def _load(config: Path | None) -> Settings:
    if config is None and not DEFAULT_CONFIG.exists():
        raise ConfigurationError("which settings?", hint="Give --config FILE.")
    return load_settings(config or DEFAULT_CONFIG, os.environ)


def _chosen(settings: Settings, names: list[str]) -> list[DestinationSettings]:
    known = {destination.name: destination for destination in settings.audit.ship}
    if not known:
        raise ConfigurationError(
            "the settings name no destination", hint="Add one to audit.ship; see docs/shipping.md."
        )
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"there is no destination {name}", hint=f"There are: {', '.join(known)}."
            )
    chosen = [known[name] for name in names] or list(known.values())
    check_installed(chosen)
    return chosen


def _ship(trail: Path, chosen: list[DestinationSettings], once: bool) -> bool:
    log = structlog.get_logger(__name__)

    def tell(level: str, event: str, fields: dict[str, object]) -> None:
        getattr(log, level)(event, **fields)

    deliveries = [make_delivery(trail, one, tell, by_hand=once) for one in chosen]
    try:
        failures = asyncio.run(ship_by_hand(deliveries, once=once))
    except KeyboardInterrupt:
        return False
    with_records = {one.name for one in chosen if one.records}
    for delivery in deliveries:
        state = delivery.status()
        end = f"not all: {failures[state.name]}" if state.name in failures else "all is there"
        number = f"{state.shipped:,} records; " if state.name in with_records else ""
        typer.echo(f"{state.name}: {number}{end}")
    return bool(failures)


def _show_status(trail: Path, chosen: list[DestinationSettings], json: bool) -> bool:
    """Whether any is behind or in trouble."""
    found = []
    chains = find_chains(trail)
    for destination in chosen:
        cursor = CursorFile(trail, destination.name).read()
        lags = {}
        for writer in chains:
            head = head_of(trail / writer if writer else trail)
            position = cursor.chains.get(writer, ChainCursor()).records
            lags[writer] = max(0, head.sequence - position.sequence) if head else 0
        found.append(
            {
                "name": destination.name,
                "type": destination.type.value,
                "send": [sent.value for sent in destination.send],
                "chains": {
                    writer: {
                        "shipped": cursor.chains.get(writer, ChainCursor()).records.sequence,
                        "lag": lags[writer],
                        "checkpoint": cursor.chains.get(writer, ChainCursor()).checkpoints.size,
                    }
                    for writer in chains
                },
                "lag": sum(lags.values()) if destination.records else 0,
                "since": cursor.trouble.since if cursor.trouble else "",
                "trouble": cursor.trouble.reason if cursor.trouble else "",
            }
        )
    if json:
        typer.echo(orjson.dumps({"v": 1, "destinations": found}, option=orjson.OPT_INDENT_2))
    else:
        for one in found:
            end = f"; since {one['since']}: {one['trouble']}" if one["trouble"] else ""
            typer.echo(f"{one['name']} ({one['type']}): {one['lag']:,} records behind{end}")
    return any(one["trouble"] or one["lag"] for one in found)


def _source(dsn: str) -> SecretSource | None:
    if not dsn:
        return None
    kind, _, rest = dsn.partition(":")
    if kind == "file" and rest:
        return SecretSource(file=Path(rest))
    if kind == "env" and os.environ.get(rest):
        return SecretSource(os.environ[rest])
    raise ConfigurationError(
        "--dsn must be file:PATH, or env:VARIABLE of one that is set",
        hint="A password does not belong into the list of processes.",
    )


async def _checkpoints(destination: DestinationSettings, dsn: SecretSource | None) -> list[bytes]:
    async with open_source(destination, dsn) as source:
        return [line async for line in checkpoint_lines(source)]


async def _copy(
    destination: DestinationSettings, dsn: SecretSource | None, trail: str | None, out: Path
) -> int:
    async with open_source(destination, dsn) as source:
        return await write_copy(source, trail, out)


def _fetched(work: Coroutine[None, None, T]) -> T:
    try:
        return asyncio.run(work)
    except FetchError as error:
        raise ConfigurationError(error.message, hint=error.hint) from None
