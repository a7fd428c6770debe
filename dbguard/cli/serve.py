"""`dbguard serve`: run the proxy."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from dbguard.config import load_settings
from dbguard.proxy.serving import serve as run_proxy
from dbguard.settings import Settings

from .logs import configure_logs


def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar="DBGUARD_CONFIG",
            help="Settings file; DBGUARD_… variables override it.",
        ),
    ] = None,
    log_level: Annotated[
        str, typer.Option(help="Least severe messages to show: debug, info, warning, error.")
    ] = "info",
) -> None:
    """Run the proxy until it is stopped (SIGTERM or Ctrl-C).

    Prints one line, `dbguard ready on HOST:PORT`, when it accepts connections; its log goes to
    standard error as JSON lines.
    """
    configure_logs(log_level)
    if config is None and Path("dbguard.yaml").exists():
        config = Path("dbguard.yaml")
    settings = load_settings(config, os.environ)
    asyncio.run(until_stopped(settings))


async def until_stopped(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    assert main is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, main.cancel)
    try:
        await run_proxy(settings, _ready)
    except asyncio.CancelledError:
        return


def _ready(host: str, port: int) -> None:
    typer.echo(f"dbguard ready on {host}:{port}")
