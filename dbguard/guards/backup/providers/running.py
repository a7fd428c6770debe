"""Running a tool: no shell, no secret among its arguments, bounded output, an end in any case."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dbguard.identity.secret_reading import SecretUnavailable, read_secret
from dbguard.setting_types import SecretSource

from .fields import NoInventory

MOST_BYTES: Final = 8 * 1024 * 1024
"""Of output. pgBackRest writes 600 bytes for a backup: more than ten thousand of them."""
_CHUNK: Final = 64 * 1024
_REAP_SECONDS: Final = 2.0
"""For a killed program to be gone. One that runs as somebody else cannot be killed."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Program:
    """A tool as the settings describe it. Its variables are read anew for each run."""

    words: tuple[str, ...]
    variables: Mapping[str, SecretSource] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return Path(self.words[0]).name

    async def run(self, *arguments: str, given: Mapping[str, str] | None = None) -> Output:
        """Run it to its end. Its messages on stderr are not read by anybody.

        Raises:
            NoInventory: it cannot be started, says too much, or was killed.
        """
        environment = _ground() | dict(given or {}) | await self._variables()
        return await _run(self.name, (*self.words, *arguments), environment)

    async def _variables(self) -> dict[str, str]:
        try:
            return {name: await read_secret(source) for name, source in self.variables.items()}
        except SecretUnavailable:
            raise NoInventory("a variable of its environment cannot be read") from None


@dataclass(frozen=True, slots=True)
class Output:
    """How a program ended, and what it had written by then."""

    name: str
    code: int
    data: bytes = field(repr=False)

    def good(self) -> bytes:
        """What it wrote, if it succeeded. Raises NoInventory."""
        if self.code:
            raise NoInventory(f"{self.name} ended with exit code {self.code}")
        return self.data


def _ground() -> dict[str, str]:
    """A fixed environment: variables of dbguard's own process may be secrets."""
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a container's user without an entry
        home = "/"
    return {"PATH": _PATH, "HOME": home, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


async def _run(name: str, words: Sequence[str], environment: Mapping[str, str]) -> Output:
    starting = asyncio.ensure_future(  # noqa: TID251 - awaited below in any case
        asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncio would end the program alone, which may have started others by now
        with contextlib.suppress(OSError, ValueError):
            await _kill(await starting)
        raise
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "its name is not valid").lower()
        raise NoInventory(f"{name} cannot be started: {reason}") from None
    assert process.stdout is not None
    try:
        data = bytearray()
        while chunk := await process.stdout.read(_CHUNK):
            data += chunk
            if len(data) > MOST_BYTES:
                raise NoInventory(f"{name} says more than {MOST_BYTES // 1024**2} MiB")
        code = await process.wait()
    finally:
        if process.returncode is None:
            await _kill(process)
    if code < 0:
        raise NoInventory(f"{name} was killed")
    return Output(name, code, bytes(data))


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End a program and what it started, and read its pipe to the end, which closes it."""
    assert process.stdout is not None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_REAP_SECONDS):
            while await process.stdout.read(_CHUNK):
                pass
            await process.wait()
