"""Which operating-system account runs the embedded server.

PostgreSQL refuses to run as root, and initdb wants the account to have an entry in the user
database, so a bare number will not do.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dbguard.errors import ConfigurationError

PREFERRED = ("postgres", "nobody", "daemon")
"""Accounts without rights of their own that nearly every system has, best first."""

COMMAND_SECONDS = 120
"""Longest time for one server program. Crash recovery of a demo takes seconds, not minutes."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server's programs; `switch` is false when that is who we are already."""

    name: str
    uid: int
    gid: int
    switch: bool

    def run(
        self, command: list[str], *, cwd: Path, timeout: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this account with a small, fixed environment.

        A fixed environment keeps the caller's PG* variables and locale away from the server.
        Raises `ConfigurationError` when the program cannot be started or does not end in time.
        """
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"}
        try:
            return subprocess.run(  # noqa: S603 - a fixed program with our own arguments
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
                user=self.uid if self.switch else None,
                group=self.gid if self.switch else None,
                extra_groups=[] if self.switch else None,
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigurationError(
                f"{command[0]} did not finish within {timeout:g} seconds",
                hint="Look at the server's log, and check that the disk is not full or very slow.",
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"{command[0]} cannot be run as user {self.name}: {error.strerror}",
                hint="Name a folder with PostgreSQL's programs in DBGUARD_PG_BIN.",
            ) from error

    def can_enter(self, folder: Path) -> bool:
        """Whether this account may pass through `folder` and all its parents."""
        return (
            self.run(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], cwd=Path("/")).returncode == 0
        )

    def can_run(self, program: Path) -> bool:
        """Whether this account can execute `program` (asked for its version)."""
        try:
            return self.run([str(program), "--version"], cwd=Path("/")).returncode == 0
        except ConfigurationError:
            return False

    def own(self, path: Path) -> None:
        """Give `path` to this account, where we have to switch at all."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


def server_account(data: Path) -> Account:
    """The account for the server whose data folder is `data`.

    An ordinary user runs it himself. Root hands it to whoever owns the data already, else to the
    first unprivileged account there is. Raises `ConfigurationError` when there is none.
    """
    uid = os.geteuid()
    if uid != 0:
        return Account(_name_of(uid), uid, os.getegid(), switch=False)
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(_name_of(owner.st_uid), owner.st_uid, owner.st_gid, switch=True)
    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    others = sorted((e for e in entries.values() if e.pw_uid != 0), key=lambda e: -e.pw_uid)
    for entry in [*(entries[name] for name in PREFERRED if name in entries), *others]:
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)
    raise ConfigurationError(
        "PostgreSQL does not run as root, and this system has no other user account",
        hint="Add one (for example: useradd --system postgres) or start dbguard as that user.",
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError as error:
        raise ConfigurationError(
            f"the user database has no entry for user id {uid}, and PostgreSQL's initdb wants one",
            hint="Add an entry for it to /etc/passwd, or start dbguard as a user that has one.",
        ) from error
