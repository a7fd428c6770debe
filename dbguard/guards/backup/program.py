"""Running pg_dump and pg_restore: no secret on the command line, no row in an error text."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from dbguard.errors import BackupError

_STOP_SECONDS: Final = 5.0
"""How long a program may take to end after SIGTERM before it is killed."""
_KEPT_BYTES: Final = 64 * 1024
"""How much of its messages is kept: the first error stands near the beginning."""

_PREFIXES: Final = (
    "pg_dump: error: ",
    "pg_restore: error: ",
    "pg_dump: detail: ",
    "could not execute query: ",
    "query failed: ",
    "ERROR:  ",
    "FATAL:  ",
)
_SAFE: Final = (
    # Messages that name objects, roles, files and settings only. Everything else a program says
    # may quote a row ("invalid input syntax for type integer: …") and is withheld. They must
    # stand at the beginning: a quoted row can hold any words.
    'relation "',
    'schema "',
    "could not open relation with OID ",
    "cache lookup failed for ",
    "permission denied for ",
    "permission denied to ",
    "must be owner of ",
    "must be superuser",
    "must be able to SET ROLE",
    "connection to server ",
    "could not connect to server",
    "server closed the connection unexpectedly",
    "terminating connection due to ",
    "canceling statement due to lock timeout",
    "canceling statement due to statement timeout",  # how --lock-wait-timeout ends
    "could not obtain lock on ",
    "could not write ",
    "could not close ",
    "could not open ",
    "could not read from input file",
    "could not uncompress data",
    "could not load library",
    "could not access file",
    "did not find magic string in file header",
    "file is too short",
    "unexpected end of file",
    "input file appears to be",
    "input file is too short",
    "unsupported version (",
    "server version: ",
    "aborting because of server version mismatch",
    "invalid snapshot identifier",
    'snapshot "',
    "could not import the requested snapshot",
    "query would be affected by row-level security policy",
    'extension "',
)


class ProgramFailed(BackupError):
    """A program ended with an error; `why` is what can be shown of its messages."""

    def __init__(self, message: str, *, detail: str, hint: str, why: str) -> None:
        super().__init__(message, detail=detail, hint=hint)
        self.why = why


async def run_program(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    what: str,
    hint: str,
    harmless: Callable[[str], bool] = lambda messages: False,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int = asyncio.subprocess.DEVNULL,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Run a program to its end. `what` names the step in errors: `dump of database "clinic"`.

    `harmless` may say of a failing program's messages that they are no failure. `started` is called
    once the program has its ends of `stdin` and `stdout`, or will never have them.

    Raises BackupError when it cannot be started, fails or is killed. When this call is cancelled
    the program is stopped first.
    """
    name = Path(argv[0]).name
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=stdin,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            # Ctrl-C at the terminal is for dbguard, which stops its programs in order.
            start_new_session=True,
        )
    except OSError as error:
        raise BackupError(
            f"{name} cannot be started",
            detail=f"{argv[0]}: {(error.strerror or 'unknown error').lower()}.",
            hint="Install the PostgreSQL client programs, or set backup.binaries.",
        ) from None
    finally:
        started()
    try:
        said = await _read(process)
        code = await process.wait()
    finally:
        if process.returncode is None:
            await _stop(process)
    if code < 0:
        raise BackupError(
            f"{what} failed", detail=f"{name} was killed by {_signal_name(-code)}.", hint=hint
        )
    if code > 0 and not harmless(said):
        why = explain(said)
        raise ProgramFailed(
            f"{what} failed",
            detail=f"{name} ended with exit code {code}: {why}.",
            hint=hint,
            why=why,
        )


def explain(messages: str) -> str:
    """The first error of a program, as far as it can be shown without risking a row's value."""
    entry = ""
    for line in messages.splitlines():
        if "from TOC entry" in line:
            # "pg_restore: from TOC entry 4242; 0 16412 TABLE DATA clinic patients owner"
            entry = " ".join(line.split("from TOC entry", 1)[1].split()[3:])
        text = _without_prefixes(line)
        if text is not None and text.startswith(_SAFE):
            return text.rstrip(".") + (f" (at {entry})" if entry else "")
    at = f"at {entry}; " if entry else ""
    return f"{at}its messages are withheld, since they may quote data"


def only_unknown_timeout(messages: str) -> bool:
    """Whether pg_restore failed in nothing but its first SET, which servers before 17 refuse.

    pg_restore of 17 and later always sends `SET transaction_timeout = 0`.
    """
    lines = messages.splitlines()
    errors = [line for line in lines if line.startswith("pg_restore: error: ")]
    return (
        len(errors) == 1
        and errors[0].endswith('ERROR:  unrecognized configuration parameter "transaction_timeout"')
        and "pg_restore: warning: errors ignored on restore: 1" in lines
    )


def _without_prefixes(line: str) -> str | None:
    """The message in a line of a program; None for lines that continue or quote something."""
    text = line
    while prefix := next((p for p in _PREFIXES if text.startswith(p)), ""):
        text = text.removeprefix(prefix)
    return text.strip() if text != line else None


async def _read(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    kept = bytearray()
    while chunk := await process.stderr.read(16 * 1024):
        kept += chunk[: _KEPT_BYTES - len(kept)]
    return kept.decode("utf-8", "replace")


async def _stop(process: asyncio.subprocess.Process) -> None:
    try:
        process.terminate()
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
    except ProcessLookupError:
        pass


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
