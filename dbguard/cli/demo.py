"""`dbguard demo`: a clinic behind dbguard, with nothing installed but Python."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbguard.demo.environment import DEFAULT_PORT, Demo, running_demo
from dbguard.demo.people import DATABASE, PASSWORD, default_directory
from dbguard.demo.server import free_port, port_is_free
from dbguard.demo.tour import Finding, Tour, check_fresh, walk
from dbguard.errors import ConfigurationError
from dbguard.proxy.serving import serve
from dbguard.report import terminal

from .demo_options import BinariesOption, DirectoryOption
from .logs import configure_logs


def demo(
    directory: DirectoryOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help=f"Port of the proxy: {DEFAULT_PORT}, with --tour a free one, if not given.",
            show_default=False,
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Remove what an earlier demo left, and start afresh.")
    ] = False,
    tour: Annotated[
        bool,
        typer.Option(
            "--tour",
            help="Take a tour: run the examples, print what happened, and stop. Without "
            "--directory in a folder of its own, which is removed afterwards.",
        ),
    ] = False,
    pg_bin: BinariesOption = None,
) -> None:
    """Run a clinical sample database behind dbguard, until Ctrl-C.

    Starts an embedded PostgreSQL, makes about 100,000 rows of invented patients, and puts the
    proxy with the shipped HIPAA policy in front of it. A second start uses what is there.

    Exit code with --tour: 0 if every step did what it should, else 1.
    """
    configure_logs("warning")
    console = Console(highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, _as_interrupt)
    if port is None and not tour:
        port = DEFAULT_PORT
    if port is not None and not port_is_free(port):
        raise ConfigurationError(
            f"port {port} is in use",
            hint=f"Choose another one, for example: dbguard demo --port {free_port()}",
        )
    with _folder(directory, tour) as folder:

        def notify(line: str) -> None:
            console.print(Text(line, style="dim" if line.startswith(" ") else ""))

        with running_demo(
            folder, port=port, binaries=pg_bin, reset=reset, notify=notify
        ) as prepared:
            if tour:
                check_fresh(prepared)
                failed = asyncio.run(_with_proxy(prepared, _Guide(console)))
            else:
                failed = asyncio.run(_with_proxy(prepared, _Host(console, directory)))
    if failed:
        raise typer.Exit(1)


class _Host:
    """Tells what to try, and waits until somebody presses Ctrl-C."""

    def __init__(self, console: Console, directory: Path | None) -> None:
        self._console = console
        self._option = f" --directory {shlex.quote(str(directory))}" if directory else ""

    async def __call__(self, demo: Demo, port: int) -> int:
        _show_examples(self._console, demo, port, self._option)
        await asyncio.Event().wait()
        return 0


class _Guide:
    """Takes the tour; the result is how many steps went wrong."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def __call__(self, demo: Demo, port: int) -> int:
        tour = Tour(demo, port, os.environ, lambda: datetime.now(UTC))
        failed = number = 0
        async for finding in walk(tour):
            number += 1
            failed += not finding.ok
            _show_finding(self._console, number, finding)
        verdict = f"{number - failed} of {number} steps did what they should"
        self._console.print(Text(verdict, style="bold red" if failed else "bold green"))
        return failed


async def _with_proxy(demo: Demo, visit: _Host | _Guide) -> int:
    """Run the proxy, and `visit` once it accepts connections; stop it when that is over.

    Ctrl-C ends both. An error of the proxy ends the visit and is raised.
    """
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[int] = loop.create_future()
    main = asyncio.current_task()
    assert main is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, main.cancel)

    def accept(_host: str, port: int) -> None:
        ready.set_result(port)

    async def visiting() -> int:
        return await visit(demo, await ready)

    proxy = loop.create_task(serve(demo.settings, accept), name="demo proxy")
    visitor = loop.create_task(visiting(), name="demo visitor")
    try:
        await asyncio.wait((proxy, visitor), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        return 0
    finally:
        for task in (visitor, proxy):
            task.cancel()
        results = await asyncio.gather(visitor, proxy, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
    assert isinstance(results[0], int)
    return results[0]


EXAMPLES = (
    (
        "As an analyst: patients are masked, whatever the query does with them",
        'dbguard psql{option} analyst -c "SELECT mrn, first_name, ssn, dob, zip '
        'FROM clinic.patients LIMIT 5"',
    ),
    (
        "As a clinician: the same rows as they are",
        'dbguard psql{option} clinician -c "SELECT mrn, first_name, ssn, dob, zip '
        'FROM clinic.patients LIMIT 5"',
    ),
    (
        "An UPDATE without WHERE is refused",
        'dbguard psql{option} clinician -c "UPDATE clinic.patients SET phone = NULL"',
    ),
    (
        "As a database administrator: DDL wants a proven backup first",
        'dbguard psql{option} dba -c "CREATE TABLE clinic.visitors (id bigint)"',
        "dbguard backup now --config {config} --database {database}",
    ),
    (
        "What was blocked and masked, and proof that the record is whole",
        "dbguard report --config {config}",
        "dbguard audit verify --config {config}",
    ),
    (
        "Any other client; users are analyst, clinician, dba",
        "postgresql://analyst:{password}@127.0.0.1:{port}/{database}",
    ),
    ("The policy, to be changed at will", "{rules}"),
)
"""A heading, and what to type."""


def _show_examples(console: Console, demo: Demo, port: int, option: str) -> None:
    fields = {
        "option": option,
        "config": shlex.quote(str(demo.config)),
        "database": DATABASE,
        "password": PASSWORD,
        "port": str(port),
        "rules": str(demo.settings.rules),
    }
    console.print(Text(f"\ndbguard ready on 127.0.0.1:{port}, database {DATABASE}\n"))
    for heading, *commands in EXAMPLES:
        console.print(Text(heading, style="bold"))
        for command in commands:
            console.print(Text("  " + command.format_map(fields), style="cyan"))
    console.print(Text("\nCtrl-C stops everything; the next start finds it again."))


def _show_finding(console: Console, number: int, finding: Finding) -> None:
    mark = Text("ok", style="green") if finding.ok else Text("WRONG", style="bold red")
    console.print()
    console.print(Text.assemble((f"{number}. {finding.title}: ", "bold"), mark))
    if finding.command:
        console.print(Text(f"   $ {finding.command}", style="cyan"))
    if finding.rows:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in finding.header:
            table.add_column(Text(name), overflow="fold")
        for row in finding.rows:
            table.add_row(*map(Text, row))
        # A table is laid out for a width; anything else may run over.
        Console(highlight=False).print(table)
    for line in finding.shown.splitlines():
        console.print(Text(f"   {line}"))
    if finding.report is not None:
        Console(highlight=False).print(terminal.render(finding.report))


@contextmanager
def _folder(directory: Path | None, tour: bool) -> Iterator[Path]:
    """The demo's folder: the one asked for, the usual one, or one that lasts for a tour only."""
    if directory is not None or not tour:
        yield directory or default_directory(Path.home())
        return
    temporary = Path(tempfile.mkdtemp(prefix="dbguard-tour-"))
    try:
        temporary.chmod(0o755 if os.geteuid() == 0 else 0o700)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _as_interrupt(_number: int, _frame: object) -> None:
    """SIGTERM before the proxy runs: stop as for Ctrl-C, so that no server stays behind."""
    sys.stderr.write("dbguard: stopping\n")
    raise KeyboardInterrupt
