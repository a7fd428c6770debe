"""The PostgreSQL server that tests share, and databases on it.

Which server: the one DBGUARD_TEST_DSN names (a superuser's URL), else a container where a Docker
engine answers, else the embedded one. It is started when the first test asks for it. Everybody
but the superuser has the same password, `PASSWORD`.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, TypeVar, cast
from urllib.parse import quote, unquote, urlsplit

import asyncpg
import hypothesis
import psycopg
import pytest
from psycopg import sql

from dbguard.demo import building
from dbguard.demo.binaries import SYSTEM_PACKAGES, Binaries, find_binaries
from dbguard.demo.server import THROWAWAY, EmbeddedServer
from dbguard.errors import ConfigurationError

PASSWORD = building.PASSWORD
IMAGE = "postgres:18"

T = TypeVar("T")

_numbers = itertools.count(1)


@dataclass
class PgServer:
    """A server on which tests may do as they like."""

    label: str
    host: str
    port: int
    superuser: str
    superuser_password: str
    log: Path | None = None
    """The server's own log, where it can be read."""
    data: Path | None = None
    created_roles: list[str] = field(default_factory=list)

    def dsn(self, user: str | None = None, database: str = "postgres") -> str:
        """Connection URL, password included; the superuser's without `user`."""
        secret = self.superuser_password if user in (None, self.superuser) else PASSWORD
        return (
            f"postgresql://{quote(user or self.superuser)}:{quote(secret, safe='')}"
            f"@{self.host}:{self.port}/{quote(database)}"
        )

    def password(self, user: str | None = None) -> str:
        return self.superuser_password if user in (None, self.superuser) else PASSWORD

    def binary(self, name: str) -> Path:
        """One of PostgreSQL's client programs, e.g. `psql`, `pg_dump`, `pgbench`.

        Where those that DBGUARD_PG_BIN names are a server's alone, another installation's.
        """
        try:
            return binaries().program(name)
        except ConfigurationError:
            folders = sorted(SYSTEM_PACKAGES.glob(f"*/bin/{name}"), reverse=True)
            if not folders:
                pytest.skip(f"no {name} beside this server, nor below {SYSTEM_PACKAGES}")
            return folders[0]

    def execute(
        self, text: str, *, user: str | None = None, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """Run statements in autocommit mode; rows of the last one."""
        with psycopg.connect(self.dsn(user, database), autocommit=True) as connection:
            cursor = connection.execute(cast(LiteralString, text))
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    @functools.cached_property
    def version(self) -> int:
        """server_version_num, e.g. 180006."""
        return int(self.execute("SHOW server_version_num")[0][0])

    def create_user(self, name: str, *groups: str, options: str = "LOGIN") -> None:
        """Make a role with the common password, if it is not there yet, as member of `groups`."""
        for role, how in [*((g, "NOLOGIN") for g in groups), (name, options)]:
            known = self.execute(f"SELECT 1 FROM pg_roles WHERE rolname = {_literal(role)}")
            if not known:
                self.execute(f"CREATE ROLE {_name(role)} {how} PASSWORD {_literal(PASSWORD)}")
                self.created_roles.append(role)
        for group in groups:
            self.execute(f"GRANT {_name(group)} TO {_name(name)}")

    def create_database(self, *, template: str = "template1", owner: str | None = None) -> Database:
        """A new database under a name of its own."""
        name = f"dbguard_test_{os.getpid()}_{next(_numbers)}"
        suffix = f" OWNER {_name(owner)}" if owner else ""
        self.execute(f"CREATE DATABASE {_name(name)} TEMPLATE {_name(template)}{suffix}")
        return Database(self, name)


@dataclass
class Database:
    """One database; `drop` ends all sessions in it."""

    server: PgServer
    name: str

    def dsn(self, user: str | None = None) -> str:
        return self.server.dsn(user, self.name)

    def execute(self, text: str, *, user: str | None = None) -> list[tuple[Any, ...]]:
        return self.server.execute(text, user=user, database=self.name)

    def create_user(self, name: str, *groups: str, options: str = "LOGIN") -> None:
        self.server.create_user(name, *groups, options=options)

    def drop(self) -> None:
        self.server.execute(f"DROP DATABASE IF EXISTS {_name(self.name)} WITH (FORCE)")


@functools.cache
def binaries() -> Binaries:
    chosen = os.environ.get("DBGUARD_PG_BIN")
    return find_binaries(Path(chosen) if chosen else None)


def pytest_configure() -> None:
    """The same random examples in each run, however long one takes on a busy machine.

    Others are tried with `--hypothesis-profile explore`.
    """
    patient: dict[str, Any] = {
        "deadline": None,
        "suppress_health_check": [hypothesis.HealthCheck.too_slow],
    }
    hypothesis.settings.register_profile("explore", **patient)
    hypothesis.settings.register_profile("repeat", derandomize=True, **patient)
    hypothesis.settings.load_profile("repeat")


def pytest_report_header() -> str:
    return f"dbguard: PostgreSQL for tests marked pg: {_choice()[0]}"


LONG = (
    "sql/test_oracle_generated.py", "e2e/test_attacks.py", "demo/test_demo.py",
    "e2e/test_name_changes.py", "e2e/test_honest.py", "e2e/test_operations.py",
    "guards/backup/test_taking.py", "sql/test_bounds.py", "e2e/test_taking.py",
    "sql/test_masked_generated.py", "guards/backup/test_proving.py", "test_compiled.py",
    "e2e/test_drift.py", "e2e/test_canary_sweep.py", "demo/test_server.py", "e2e/test_upstreams.py",
    "e2e/test_hostile.py", "e2e/test_clients_sessions.py",
    "guards/backup/providers/test_real_tools.py", "sql/test_mutation_fuzz.py",
    "e2e/test_backup_coverage.py", "e2e/test_bad_input.py", "e2e/test_workers.py",
    "audit/test_outage.py", "e2e/test_identities.py", "cli/test_backup.py",
    "e2e/test_login_matrix.py", "catalog/test_loading.py", "sql/rewriting/test_rewrite_honest.py",
    "e2e/test_taken_back.py", "catalog/test_system_rows.py", "e2e/test_termination.py",
    "catalog/test_watching.py", "e2e/test_clients_drivers.py", "sql/test_bulk.py",
    "e2e/test_past_dbguard.py", "proxy/test_analysis_pool.py",
    "sql/rewriting/test_rewrite_hostile.py", "e2e/test_renames.py", "e2e/test_protocol_session.py",
    "e2e/test_straight_way.py", "e2e/test_faults.py", "e2e/test_roles.py", "e2e/test_standby.py",
    "audit/test_crash.py", "cli/test_explain.py", "test_documentation.py",
    "e2e/test_masked_reading.py", "e2e/test_tls.py", "e2e/test_foreign_backups.py", "test_style.py",
    "audit/test_sealing.py", "e2e/test_pgbench.py", "cli/test_trail.py",
    "verification/test_changing_trail.py", "e2e/test_proofs.py", "e2e/test_protocol_fuzz.py",
    "verification/test_hostile_files.py", "test_deployment.py", "e2e/test_state_table.py",
    "policy/test_following.py",
)  # fmt: skip
"""Modules that take long, longest first. At the end of a run in several processes they would
leave all but one of them with nothing to do."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process that xdist started, long modules come first (with --no-loadscope-reorder)."""
    if hasattr(config, "workerinput"):
        here = Path(__file__).parent
        rank = {here / name: at for at, name in enumerate(LONG)}
        items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish() -> None:
    """Look for garbage less often: thousands of tests and their tables stay, trees come and go.

    As the processes that analyse statements do (`dbguard.proxy.analysis_worker`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(scope="session")
def pg_server() -> Iterator[PgServer]:
    """The shared server, started on first use."""
    label, start = _choice()
    if start is None:
        pytest.skip(f"no PostgreSQL server: {label}")
    with ExitStack() as stack:
        server = start(stack)
        yield server
        for role in reversed(server.created_roles):
            server.execute(f"DROP OWNED BY {_name(role)}; DROP ROLE {_name(role)}")


@pytest.fixture
def pg_database(pg_server: PgServer) -> Iterator[Database]:
    """An empty database, for one test."""
    database = pg_server.create_database()
    yield database
    database.drop()


@pytest.fixture(scope="module")
def module_database(pg_server: PgServer) -> Iterator[Database]:
    """An empty database that the tests of one module share."""
    database = pg_server.create_database()
    yield database
    database.drop()


@pytest.fixture(scope="session")
def clinic_template(pg_server: PgServer) -> Iterator[Database]:
    """The demo's database with 60 patients, to be copied; nobody may stay connected to it."""
    for name, groups in building.PEOPLE.items():
        pg_server.create_user(name, *groups)
    for name in (building.CONTROL_ROLE, building.BACKUP_ROLE, "app"):
        pg_server.create_user(name)
    database = pg_server.create_database()

    async def build() -> None:
        connection = await asyncpg.connect(database.dsn())
        try:
            await building.create_roles(connection, {})
            await building.create_schema(connection)
            await building.fill(connection, seed=1, patients=60)
        finally:
            await connection.close()

    run_apart(build())
    yield database
    database.drop()


@pytest.fixture
def clinic_database(pg_server: PgServer, clinic_template: Database) -> Iterator[Database]:
    """The clinic, for one test.

    Users analyst, clinician, dba (owner), app (nobody), dbguard (control), dbguard_backup.
    """
    database = pg_server.create_database(template=clinic_template.name, owner="dba")
    yield database
    database.drop()


@pytest.fixture(scope="module")
def module_clinic_database(pg_server: PgServer, clinic_template: Database) -> Iterator[Database]:
    """The clinic, shared by the tests of one module."""
    database = pg_server.create_database(template=clinic_template.name, owner="dba")
    yield database
    database.drop()


Start = Callable[[ExitStack], PgServer]


@functools.cache
def _choice() -> tuple[str, Start | None]:
    """What will be used, in words, and how to start it."""
    if dsn := os.environ.get("DBGUARD_TEST_DSN"):
        parts = urlsplit(dsn)
        return f"DBGUARD_TEST_DSN ({parts.hostname}:{parts.port or 5432})", lambda _: _named(dsn)
    if _engine_answers():
        return f"container {IMAGE}, else embedded", _container_or_embedded
    try:
        return f"embedded, {binaries().source}", _embedded
    except ConfigurationError as error:
        return f"{error.message} ({error.hint})", None


def _named(dsn: str) -> PgServer:
    parts = urlsplit(dsn)
    return PgServer(
        "DBGUARD_TEST_DSN",
        parts.hostname or "127.0.0.1",
        parts.port or 5432,
        unquote(parts.username or "postgres"),
        unquote(parts.password or ""),
    )


def _embedded(stack: ExitStack) -> PgServer:
    # Not pytest's tmp_path: only its owner may enter it, and as root the server runs as another.
    folder = Path(tempfile.mkdtemp(prefix="dbguard-test-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    settings = {**THROWAWAY, "max_connections": "200", "log_statement": "all"}
    settings["max_prepared_transactions"] = "20"
    server = EmbeddedServer.create(
        folder / "server", password="super-demo", settings=settings, binaries=binaries()
    )
    server.start()
    stack.callback(server.stop)
    return PgServer(
        f"embedded, {server.binaries.source}",
        "127.0.0.1",
        server.port,
        server.superuser,
        "super-demo",
        log=server.log,
        data=server.data,
    )


def _container_or_embedded(stack: ExitStack) -> PgServer:
    from docker.errors import DockerException
    from testcontainers.core.exceptions import ContainerStartException

    try:
        from testcontainers.community.postgres import PostgresContainer
    except ModuleNotFoundError:  # its place in earlier versions
        from testcontainers.postgres import PostgresContainer

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs are not our errors
            container = PostgresContainer(
                IMAGE, username="postgres", password="super-demo", dbname="postgres", driver=None
            )
            container.start()
    except (DockerException, ContainerStartException, OSError):
        # An engine without the image and without a network is like no engine.
        return _embedded(stack)
    stack.callback(container.stop)
    return PgServer(
        f"container {IMAGE}",
        container.get_container_host_ip(),
        int(container.get_exposed_port(5432)),
        "postgres",
        "super-demo",
    )


def _engine_answers() -> bool:
    """Whether anything accepts connections where the Docker engine should be."""
    parts = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    try:
        if parts.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(parts.path)
        else:
            socket.create_connection((parts.hostname or "", parts.port or 2375), timeout=1).close()
    except OSError:
        return False
    return True


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from synchronous code, whatever loop this thread has."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def _name(name: str) -> str:
    return sql.Identifier(name).as_string()


def _literal(text: str) -> str:
    return sql.Literal(text).as_string()
