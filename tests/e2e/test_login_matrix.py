"""Who gets in: each client, over each kind of connection, in front of and behind dbguard, in each
way to prove who one is. Every cell is tried."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import asyncpg
import psycopg
import pytest

from dbguard.identity.store import change_users
from dbguard.identity.users import User
from dbguard.wire.scram import make_verifier
from tests.tls_server import TlsServer, tls_server

from .conftest import Factory
from .proxies import Guarded
from .test_clients_sessions import CLIENTS
from .test_termination import FUNCTION, LEGS, SERVER_USERS, WRONG, listening
from .test_tls import Known, configured, reload

pytestmark = pytest.mark.pg

MODES = {
    "pass-through": "",
    "server-users": SERVER_USERS,
    "identities": """
authentication:
  mode: identities
  users: users.json
  logins: [{user: shared, password: shared-secret}]
""",
}
WHO = {"pass-through": "app", "server-users": "app", "identities": "shared"}
"""Whom the client, who calls itself app, is at the server."""
SERVER_LEGS = ("disable", "require", "verify-full")
UNBOUND = "channel binding cannot be carried over two TLS connections"
NOT_OFFERED = "channel binding is required"
"""Libpq's own words where a server does not offer it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_server(tmp_path_factory.mktemp("tls")) as running:
        with running.connect() as connection:
            connection.execute(FUNCTION)
            connection.execute("CREATE ROLE shared LOGIN PASSWORD 'shared-secret'")
        yield running


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def guarded(
    server: TlsServer, mode: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp(mode))
        proxy = factory(
            Known(server), rules=None, durability="buffered", started=False, extra=MODES[mode]
        )
        app = User("app", make_verifier("demo", b"salt of somebody", 4096))
        change_users(proxy.folder / "users.json", lambda users: users.update({"app": app}))
        (proxy.folder / "rules" / "all.yaml").write_text(
            "roles: {one: {users: [app, shared]}}\nrules: [{id: r, allow: [all], roles: [one]}]\n"
        )
        configured(proxy, server, "127.0.0.1", "mode: disable")
        listening(proxy)
        proxy.start()
        yield proxy


@pytest.fixture(scope="module", params=SERVER_LEGS)
def server_leg(request: pytest.FixtureRequest, guarded: Guarded, server: TlsServer) -> str:
    ca = f", ca: {server.ca}" if request.param == "verify-full" else ""
    configured(guarded, server, "127.0.0.1", f"mode: {request.param}{ca}")
    reload(guarded)
    return str(request.param)


def expected_of_libpq(mode: str, leg: str, server_leg: str) -> str:
    """Who one is, or what is said: dbguard binds logins that end at it to its own certificate, and
    cannot bind those that it passes on."""
    if mode != "pass-through" or leg in ("disable", "unbound"):
        return WHO[mode]
    if leg == "prefer":
        return WHO[mode]  # libpq tries once more without TLS
    if leg in ("bound", "direct"):
        return NOT_OFFERED
    return WHO[mode] if server_leg == "disable" else UNBOUND


def options_of(leg: str, proxy: Guarded) -> str:
    return LEGS[leg].format(ca=proxy.folder / "clients-ca.crt")


def fits(found: str, expected: str) -> bool:
    return found == expected or (" " in expected and expected in found)


def test_libpq(guarded: Guarded, mode: str, server_leg: str) -> None:
    for leg in LEGS:
        if leg == "direct" and psycopg.pq.version() < 170_000:
            continue
        dsn = f"{guarded.dsn('app')}?{options_of(leg, guarded)}"
        try:
            with closing(psycopg.connect(dsn)) as session:
                row = session.execute("SELECT session_user::text").fetchone()
                assert row is not None
                found = row[0]
                retried = leg == "prefer" and server_leg != "disable" and mode == "pass-through"
                assert session.pgconn.ssl_in_use is (leg != "disable" and not retried), leg
        except psycopg.OperationalError as error:
            found = str(error)
        assert fits(found, expected_of_libpq(mode, leg, server_leg)), (leg, found)
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(dsn.replace(":demo@", ":wrong@"))
        refused = expected_of_libpq(mode, leg, server_leg)
        assert (refused if " " in refused else WRONG.format("app")) in str(caught.value), leg


def test_psql(guarded: Guarded, mode: str, server_leg: str) -> None:
    """The system's own, since the embedded one has no TLS."""
    program = shutil.which("psql")
    if program is None:
        pytest.skip("no psql on PATH")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    direct = int(version.stdout.split()[2].split(".")[0]) >= 17
    for leg in LEGS:
        if leg == "direct" and not direct:
            continue
        dsn = f"{guarded.dsn('app')}?{options_of(leg, guarded)}"
        command = [program, dsn, "-XAtc", "SELECT session_user"]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if "sslmode value" in result.stderr:
            pytest.skip("this psql has no TLS")
        found = result.stdout.strip() or result.stderr
        assert fits(found, expected_of_libpq(mode, leg, server_leg)), (leg, found)


def test_asyncpg(guarded: Guarded, mode: str, server_leg: str) -> None:
    """It knows nothing of channel binding, and gets in everywhere."""
    verifying = ssl.create_default_context(cafile=str(guarded.folder / "clients-ca.crt"))
    kinds: dict[str, bool | str | ssl.SSLContext] = {
        "disable": False,
        "prefer": "prefer",
        "require": "require",
        "verify-full": verifying,
    }

    async def who(kind: bool | str | ssl.SSLContext) -> object:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=guarded.port,
            user="app",
            password="demo",
            database="postgres",
            ssl=kind,
        )
        try:
            return await connection.fetchval("SELECT session_user")
        finally:
            await connection.close()

    for leg, kind in kinds.items():
        assert asyncio.run(who(kind)) == WHO[mode], leg


def expected_of_jdbc(mode: str, leg: str, server_leg: str) -> str:
    """It has words of its own, and does not try once more without TLS."""
    carried = mode != "pass-through" or server_leg == "disable"
    if leg == "prefer" and not carried:
        return UNBOUND
    expected = expected_of_libpq(mode, leg, server_leg)
    return "Channel Binding is required, but" if expected == NOT_OFFERED else expected


def run(command: list[str | Path]) -> list[str]:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return result.stdout.splitlines() or [result.stderr]


def test_node_postgres(guarded: Guarded, mode: str, server_leg: str) -> None:
    node = shutil.which("node")
    if (
        node is None
        or subprocess.run([node, "-e", "require('pg')"], capture_output=True).returncode
    ):
        pytest.skip("no node on PATH, or node does not find pg (NODE_PATH)")
    login = {
        "host": "127.0.0.1",
        "port": guarded.port,
        "user": "app",
        "database": "postgres",
        "password": "demo",
    }
    ca = (guarded.folder / "clients-ca.crt").read_text("ascii")
    options = [
        login,
        {**login, "ssl": {"rejectUnauthorized": False}},
        {**login, "ssl": {"ca": ca}},
        {**login, "ssl": {"ca": ca}, "enableChannelBinding": True},
        {**login, "ssl": {"ca": ca}, "password": "wrong"},
    ]
    shown = run([node, CLIENTS / "login.js", *map(json.dumps, options)])
    carried = mode != "pass-through" or server_leg == "disable"
    bound = WHO[mode] if carried else f"0A000 {UNBOUND}"
    assert shown == [*[WHO[mode]] * 3, bound, f"28P01 {WRONG.format('app')}"]


def test_jdbc(guarded: Guarded, mode: str, server_leg: str) -> None:
    jars = sorted(Path("/usr/share/java").glob("postgresql*.jar"))
    java, jar = shutil.which("java"), os.environ.get("PGJDBC_JAR") or (jars[0] if jars else None)
    if java is None or jar is None:
        pytest.skip("no java on PATH, or no pgjdbc (PGJDBC_JAR)")
    ca = guarded.folder / "clients-ca.crt"
    url = f"jdbc:postgresql://127.0.0.1:{guarded.port}/postgres?user=app&password="
    legs = {
        "disable": "demo&sslmode=disable",
        "prefer": "demo&sslmode=prefer",
        "require": "demo&sslmode=require",
        "unbound": "demo&sslmode=require&channelBinding=disable",
        "bound": "demo&sslmode=require&channelBinding=require",
        "verify-full": f"demo&sslmode=verify-full&sslrootcert={ca}",
    }
    shown = run(
        [java, "-cp", str(jar), CLIENTS / "Login.java", *(url + more for more in legs.values())]
    )
    firsts = [line for line in shown if not line.startswith(" ")]  # details follow, indented
    for leg, found in zip(legs, firsts, strict=True):
        assert fits(found, expected_of_jdbc(mode, leg, server_leg)), (leg, found)
