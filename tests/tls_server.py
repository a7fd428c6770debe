"""A PostgreSQL server with TLS for tests, where the programs of one are installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import trustme

from dbguard.demo.binaries import SYSTEM_PACKAGES, Binaries, find_binaries
from dbguard.demo.server import THROWAWAY, EmbeddedServer
from dbguard.errors import ConfigurationError
from tests.conftest import binaries

ROLES = ("either", "tls_only", "plain_only", "dbguard", "app")
"""All with the password `demo`. pg_hba.conf lets the second and third in one way only."""
RULES = """\
hostssl   all plain_only all reject
hostnossl all tls_only   all reject
local     all all            scram-sha-256
host      all all        all scram-sha-256
"""


def _with_tls() -> Binaries:
    folders = [binaries().folder, *sorted(SYSTEM_PACKAGES.glob("*/bin"), reverse=True)]
    for folder in folders:
        try:
            found = find_binaries(folder)
            server = found.program("postgres")
        except ConfigurationError:
            continue
        libraries = subprocess.run(["ldd", server], capture_output=True, text=True, check=False)
        if "libssl" in libraries.stdout:
            return found
    pytest.skip("no PostgreSQL server with TLS: the embedded one is built without")


@dataclass
class TlsServer:
    """A running server, its authority's certificate, and one that it did not sign."""

    embedded: EmbeddedServer
    authority: trustme.CA
    ca: Path
    other_ca: Path

    @property
    def port(self) -> int:
        return self.embedded.port

    @property
    def socket_folder(self) -> Path:
        return self.embedded.directory / "run"

    def install(self, authority: trustme.CA) -> None:
        """Put a certificate of this authority for 127.0.0.1, ::1 and localhost in place."""
        made = authority.issue_cert("127.0.0.1", "::1", "localhost")
        data = self.embedded.data
        owner = data.stat()
        made.private_key_pem.write_to_path(data / "server.key")
        made.cert_chain_pems[0].write_to_path(data / "server.crt")
        for name in ("server.key", "server.crt"):
            shutil.chown(data / name, owner.st_uid, owner.st_gid)
            (data / name).chmod(0o600)

    def renew(self, authority: trustme.CA) -> None:
        """Have the running server show a certificate of this authority from here on."""
        self.install(authority)
        with self.connect() as connection:
            loaded = connection.execute("SELECT pg_conf_load_time()").fetchone()
            connection.execute("SELECT pg_reload_conf()")
            until = time.monotonic() + 90
            while connection.execute("SELECT pg_conf_load_time()").fetchone() == loaded:
                assert time.monotonic() < until, "no reload"
                time.sleep(0.02)

    def connect(self, user: str = "", **options: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            self.embedded.dsn(user or None, "postgres", "demo" if user else None),
            autocommit=True,
            **options,
        )


@contextmanager
def tls_server(folder: Path) -> Iterator[TlsServer]:
    """Start one; files for clients go into `folder`. Skips the test where there is none."""
    # not pytest's own folder: only its owner may enter it, and the server may be another user
    home = Path(tempfile.mkdtemp(prefix="dbguard-tls-"))
    home.chmod(0o755)
    try:
        embedded = EmbeddedServer.create(
            home / "s",
            password="super-demo",
            settings={**THROWAWAY, "ssl": "on", "listen_addresses": "*"},
            binaries=_with_tls(),
        )
        authority, other = trustme.CA(), trustme.CA()
        server = TlsServer(embedded, authority, folder / "ca.crt", folder / "other.crt")
        authority.cert_pem.write_to_path(server.ca)
        other.cert_pem.write_to_path(server.other_ca)
        server.install(authority)
        (embedded.data / "pg_hba.conf").write_text(RULES)
        embedded.start()
        try:
            with server.connect() as connection:
                for role in ROLES:
                    connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'demo'")  # type: ignore[call-overload]
            yield server
        finally:
            embedded.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
