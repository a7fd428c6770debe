"""Secrets that are read anew each time: from a file, from a command, or as they stand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Final

from dbguard.setting_types import SecretSource

COMMAND_SECONDS: Final = 10.0
"""How long a command may take to tell a secret: somebody waits for it."""
MAX_BYTES: Final = 65_536


class SecretUnavailable(Exception):
    """A secret cannot be read; the text says why and nothing of what is there."""


async def read_secret(source: SecretSource) -> str:
    """The secret as it is now.

    Raises:
        SecretUnavailable: it is not to be had. No error shows what a file or command holds.
    """
    if source.command:
        data = await _told_by(source.command)
    elif source.file is not None:
        try:
            data = await asyncio.to_thread(source.file.read_bytes)
        except OSError as error:
            reason = (error.strerror or "input/output error").lower()
            raise SecretUnavailable(f"its file cannot be read: {reason}") from None
    else:
        return source.text
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretUnavailable("it is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\0" in text:
        raise SecretUnavailable("it is empty" if not text else "it holds a zero byte")
    return text


async def _told_by(command: tuple[str, ...]) -> bytes:
    """What a command prints. It gets no input, and nobody sees what it says beside."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        reason = (error.strerror or "cannot be started").lower()
        raise SecretUnavailable(f"its command cannot be started: {reason}") from None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            data = await process.stdout.read(MAX_BYTES + 1)
            while len(data) <= MAX_BYTES and (more := await process.stdout.read(MAX_BYTES)):
                data += more
            if len(data) > MAX_BYTES:
                raise SecretUnavailable("its command says too much")
            code = await process.wait()
    except TimeoutError:
        raise SecretUnavailable(f"its command takes more than {COMMAND_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # and whatever it has started itself
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        raise SecretUnavailable(f"its command failed with exit code {code}")
    return data
