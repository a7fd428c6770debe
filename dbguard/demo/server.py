"""One PostgreSQL server in a folder of its own.

The folder holds `data`, `run` (the socket), `server.log` and, where needed, a copy of the
programs. `data` appears only when initdb has finished, so an interrupted one is just done again.
Clients come by TCP on 127.0.0.1 with a password (SCRAM-SHA-256); so do those on the socket.
Calls block; the server itself is a daemon that outlives this process until `stop`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from dbguard.demo.account import Account, server_account
from dbguard.demo.binaries import Binaries, find_binaries
from dbguard.errors import ConfigurationError

HOST = "127.0.0.1"

SOCKET_PATH_LIMIT = 107
"""Bytes in sockaddr_un.sun_path on Linux, less the final NUL; PostgreSQL refuses longer ones."""

PID_FILE = "postmaster.pid"

THROWAWAY: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}
"""Settings for servers whose data nobody needs after a crash: tests, never the demo."""


class EmbeddedServer:
    """A server made by `create`, then started and stopped as often as wanted."""

    def __init__(
        self,
        directory: Path,
        port: int,
        *,
        superuser: str,
        password: str,
        settings: Mapping[str, str],
        binaries: Binaries,
        account: Account,
    ) -> None:
        self.directory = directory
        self.port = port
        self.superuser = superuser
        self.binaries = binaries
        self._password = password
        self._settings = dict(settings)
        self._account = account

    @classmethod
    def create(
        cls,
        directory: Path,
        port: int = 0,
        *,
        superuser: str = "postgres",
        password: str,
        settings: Mapping[str, str] | None = None,
        binaries: Binaries | None = None,
    ) -> EmbeddedServer:
        """A server in `directory`: initialised if the folder is new or empty, else as it is.

        `port` 0 takes a free one at each start. `password` is the superuser's; it is set when
        the data folder is made and must be the same later on. `settings` go to postgresql.conf.
        Raises `ConfigurationError` with a remedy when the folder or the programs won't do.
        """
        directory = directory.expanduser().absolute()
        account = server_account(directory / "data")
        _prepare(directory, account)
        found = (binaries or find_binaries()).usable_by(account, directory)
        server = cls(
            directory,
            port,
            superuser=superuser,
            password=password,
            settings=settings or {},
            binaries=found,
            account=account,
        )
        if server.initialised:
            server._check_version()
        else:
            server._initialise()
        return server

    @property
    def data(self) -> Path:
        """The data folder (PGDATA)."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.directory / "server.log"

    @property
    def initialised(self) -> bool:
        """Whether initdb has run here, to its end."""
        return self.data.exists()

    def binary(self, name: str) -> Path:
        """Path of one of PostgreSQL's programs, e.g. `pg_dump`; raises `ConfigurationError`."""
        return self.binaries.program(name)

    def dsn(
        self, user: str | None = None, database: str = "postgres", password: str | None = None
    ) -> str:
        """Connection URL; without arguments the superuser's, to the database `postgres`."""
        if user is None:
            user, password = self.superuser, self._password
        secret = "" if password is None else ":" + quote(password, safe="")
        return f"postgresql://{quote(user, safe='')}{secret}@{HOST}:{self.port}/" + quote(
            database, safe=""
        )

    def start(self, *, take_over: bool = False) -> None:
        """Start the server and return when it accepts connections.

        A server that already runs on this data folder is an error, unless `take_over`: then it
        is stopped first (a killed demo leaves one behind). Raises `ConfigurationError`.
        """
        if (process := self._running()) is not None:
            if not take_over:
                raise ConfigurationError(
                    f"a server already runs on {self.data} (process {process})",
                    hint="Stop it first, or choose another folder.",
                )
            self.stop()
        if self.port == 0:
            self.port = free_port()
        elif not port_is_free(self.port):
            raise ConfigurationError(
                f"port {self.port} on {HOST} is in use",
                hint="Choose another port, or stop the program that listens there.",
            )
        self._write_settings()
        result = self._control("start", "-w", "-t", "60", "-l", str(self.log))
        if result.returncode != 0:
            raise ConfigurationError(
                f"PostgreSQL did not start in {self.directory}",
                detail=self._last_complaint(),
                hint=f"The whole story is in {self.log}.",
            )

    def stop(self) -> None:
        """Stop the server: sessions are ended, data is written out. Fine if it is not running."""
        if self._running() is None:
            return
        result = self._control("stop", "-m", "fast", "-w", "-t", "60")
        if result.returncode != 0 and self._running() is not None:
            raise ConfigurationError(
                f"PostgreSQL in {self.directory} does not stop",
                detail=self._last_complaint(),
                hint=f"See {self.log}; its process id is the first line of {self.data / PID_FILE}.",
            )

    def _running(self) -> int | None:
        return running_server(self.data)

    def _control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.binary("pg_ctl")), "-D", str(self.data), "-s", *arguments]
        return self._account.run(command, cwd=self.directory)

    def _initialise(self) -> None:
        partial = self.directory / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        secret = self.directory / "pwfile"
        secret.unlink(missing_ok=True)
        secret.touch(mode=0o600)
        try:
            secret.write_text(self._password + "\n", encoding="utf-8")
            self._account.own(secret)
            result = self._account.run(
                [
                    str(self.binary("initdb")),
                    f"--pgdata={partial}",
                    f"--username={self.superuser}",
                    "--auth=scram-sha-256",
                    f"--pwfile={secret}",
                    "--encoding=UTF8",
                    "--locale=C",
                ],
                cwd=self.directory,
            )
        finally:
            secret.unlink()
        if result.returncode != 0:
            raise ConfigurationError(
                f"initdb failed in {self.directory}",
                detail=_last_line(result.stderr),
                hint="Check that the disk is not full, then try an empty folder.",
            )
        with (partial / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude 'dbguard.conf'\n")
        partial.rename(self.data)

    def _write_settings(self) -> None:
        sockets = self.directory / "run"
        too_long = len(os.fsencode(sockets / f".s.PGSQL.{self.port}")) > SOCKET_PATH_LIMIT
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "" if too_long else str(sockets),
            "password_encryption": "scram-sha-256",
            **self._settings,
        }
        lines = [f"{name} = {_quoted(value)}\n" for name, value in settings.items()]
        path = self.data / "dbguard.conf"
        path.write_text("".join(lines), encoding="utf-8")
        path.chmod(0o600)
        self._account.own(path)

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        version = self.binaries.version()
        if version.partition(".")[0] != made_by:
            raise ConfigurationError(
                f"{self.data} was made by PostgreSQL {made_by}, but the programs in "
                f"{self.binaries.folder} are version {version}",
                hint=f"Start afresh (--reset), or set DBGUARD_PG_BIN to version {made_by}.",
            )

    def _last_complaint(self) -> str:
        """The last FATAL or ERROR line of the log, else its last line."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-50:]
        except OSError:
            return ""
        loud = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        return (loud or lines or [""])[-1]


def running_server(data: Path) -> int | None:
    """Process id of the server on the data folder `data`, if one runs.

    A crash or a restored container leaves postmaster.pid behind, and its number may belong to
    any program by now: PostgreSQL would then refuse to start, so the file is removed.
    """
    file = data / PID_FILE
    try:
        process = int(file.read_text(encoding="ascii").splitlines()[0])
    except FileNotFoundError:
        return None
    except (IndexError, ValueError):
        process = 0
    if process > 0 and _is_postgres(process):
        return process
    file.unlink(missing_ok=True)
    return None


def end_leftover(data: Path) -> None:
    """End the server that a killed program left on `data`, whatever its version.

    Raises `ConfigurationError` when it does not end within a minute.
    """
    process = running_server(data)
    if process is None:
        return
    os.kill(process, signal.SIGINT)  # PostgreSQL's fast shutdown
    deadline = time.monotonic() + 60
    while running_server(data) is not None:
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"the server on {data} (process {process}) does not stop",
                hint="End that process, then try again.",
            )
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    """Whether one could listen on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _prepare(directory: Path, account: Account) -> None:
    """Make the folders, owned by `account`, and see that it can get there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        ours = {"data", "data.partial", "run", "pwfile", "server.log"}
        names = {entry.name for entry in directory.iterdir()}
        if not (directory / "data").exists() and any(
            name not in ours and not name.startswith("binaries-") for name in names
        ):
            raise ConfigurationError(
                f"{directory} is not empty and holds no server",
                hint="Choose an empty or a new folder.",
            )
        account.own(directory)
        sockets = directory / "run"
        sockets.mkdir(mode=0o700, exist_ok=True)
        account.own(sockets)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or directory}: {error.strerror}",
            hint="Choose a folder that you may write to.",
        ) from error
    if not account.can_enter(directory):
        raise ConfigurationError(
            f"{directory} cannot be entered by user {account.name}, who has to run PostgreSQL "
            "because it refuses to run as root",
            hint="Choose a folder whose parents others may enter, such as one below /var/lib.",
        )


def _is_postgres(process: int) -> bool:
    """Whether a living process of that number is a PostgreSQL server (zombies are not living)."""
    status = Path(f"/proc/{process}/status")
    if Path("/proc/self/status").exists():
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:
            return False
        name, alive = fields["Name"].strip(), not fields["State"].strip().startswith("Z")
    else:
        listing = subprocess.run(  # noqa: S603 - fixed program, a number as argument
            ["/bin/ps", "-o", "comm=", "-p", str(process)],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        name, alive = Path(listing.stdout.strip()).name, True
    return alive and name in {"postgres", "postmaster"}


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
