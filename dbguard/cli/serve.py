"""`dbguard serve`: run the proxy."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dbguard.config import load_settings
from dbguard.proxy.reloading import Reload
from dbguard.proxy.serving import serve as run_proxy
from dbguard.proxy.supervising import supervise, worker_count
from dbguard.settings import Settings

from . import event_loop
from .logs import configure_logs
from .supervisor import Supervisor

WORKER = (sys.executable, "-P", "-m", "dbguard.cli.worker")


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
    """Run the proxy until it is stopped (SIGTERM or Ctrl-C); SIGHUP reloads settings and rules.

    Prints one line, `dbguard ready on HOST:PORT`, when it accepts connections; its log goes to
    standard error as JSON lines.
    """
    configure_logs(log_level)
    if config is None and Path("dbguard.yaml").exists():
        config = Path("dbguard.yaml")

    def load() -> Settings:
        return load_settings(config, os.environ)

    event_loop.run(until_stopped(load(), load, log_level), os.environ)


async def until_stopped(
    settings: Settings, load: Callable[[], Settings], log_level: str = "info"
) -> None:
    """Serve until SIGTERM or SIGINT; read settings and rules again on SIGHUP."""
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    assert main is not None
    supervisor = Supervisor(os.environ.get("NOTIFY_SOCKET"))
    reload = Reload(load, began=supervisor.reloading, ended=supervisor.ready)

    def stop() -> None:
        supervisor.stopping()
        main.cancel()

    def ready(host: str, port: int) -> None:
        typer.echo(f"dbguard ready on {host}:{port}")
        supervisor.ready()

    loop.add_signal_handler(signal.SIGHUP, reload.asked.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        if worker_count(settings) > 1:
            await supervise(settings, ready, reload, WORKER, log_level)
        else:
            await run_proxy(settings, ready, reload)
    except asyncio.CancelledError:
        return
