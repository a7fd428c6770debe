"""Which database user stands for somebody at the server, and its password, read anew each time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from dbguard.authentication_settings import LoginSettings
from dbguard.errors import DbguardError
from dbguard.policy.decision import Identity, Principal
from dbguard.policy.model import Policy
from dbguard.setting_types import SecretSource

COMMAND_SECONDS: Final = 10.0
"""How long a command may take to tell a secret: a client waits for it."""
MAX_BYTES: Final = 65_536
_ASK: Final = "Ask whoever runs dbguard to check authentication.logins in its settings."


class NobodyStandsIn(DbguardError):
    """No database user stands for somebody."""

    sqlstate = "28000"


class CredentialUnavailable(DbguardError):
    """dbguard's own password for the server cannot be read."""

    sqlstate = "58000"


@dataclass(frozen=True, slots=True)
class Credential:
    """What logs dbguard in to a server."""

    user: str
    password: str | None = field(default=None, repr=False)


def login_for(
    logins: Iterable[LoginSettings], policy: Policy, identity: Identity, upstream: str = ""
) -> LoginSettings:
    """The first entry that fits: one of a role that the identity holds, or one for everybody, at
    that upstream or at all.

    Database users and roles do not count, since which one it will be is just being decided.

    Raises:
        NobodyStandsIn: none fits.
    """
    roles = policy.roles_of(Principal("", frozenset(), "", identity=identity)) | identity.roles
    for login in logins:
        here = login.upstream is None or login.upstream == upstream
        if here and (login.role is None or login.role in roles):
            return login
    raise NobodyStandsIn(
        "no database user stands for you",
        detail="dbguard knows who you are; none of its logins at the server is for your roles.",
        hint="Ask whoever runs dbguard for a role, or for an entry of authentication.logins.",
    )


async def credential_of(login: LoginSettings) -> Credential:
    """What `login` says now.

    Raises:
        CredentialUnavailable: it says nothing. No error shows what a file or command holds.
    """
    if login.password is None:
        return Credential(login.user)
    return Credential(login.user, await _read(login.password))


async def _read(source: SecretSource) -> str:
    if source.command:
        data = await _told_by(source.command)
    elif source.file is not None:
        try:
            data = await asyncio.to_thread(source.file.read_bytes)
        except OSError as error:
            reason = (error.strerror or "input/output error").lower()
            raise _unavailable(f"its file cannot be read: {reason}") from None
    else:
        return source.text
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _unavailable("it is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\0" in text:
        raise _unavailable("it is empty" if not text else "it holds a zero byte")
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
        raise _unavailable(f"its command cannot be started: {reason}") from None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            data = await process.stdout.read(MAX_BYTES + 1)
            while len(data) <= MAX_BYTES and (more := await process.stdout.read(MAX_BYTES)):
                data += more
            if len(data) > MAX_BYTES:
                raise _unavailable("its command says too much")
            code = await process.wait()
    except TimeoutError:
        raise _unavailable(f"its command takes more than {COMMAND_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # and whatever it has started itself
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        raise _unavailable(f"its command failed with exit code {code}")
    return data


def _unavailable(why: str) -> CredentialUnavailable:
    return CredentialUnavailable(
        "the server cannot be logged in to on your behalf",
        detail=f"Its own password is not to be had: {why}.",
        hint=_ASK,
    )
