"""Logins that end at dbguard: TLS on every leg, and everybody who must not get in."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import asyncpg
import psycopg
import pytest
import trustme

from tests.tls_server import TlsServer, tls_server

from .conftest import Factory
from .protocol_client import Client, error_of
from .proxies import Guarded
from .test_clients_sessions import CLIENTS
from .test_tls import Known, certificate, configured, reload

pytestmark = pytest.mark.pg

FUNCTION = """
CREATE SCHEMA dbguard;
CREATE FUNCTION dbguard.verifier(name text) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS $$ SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = name AND rolcanlogin $$;
REVOKE ALL ON FUNCTION dbguard.verifier(text) FROM PUBLIC;
GRANT USAGE ON SCHEMA dbguard TO dbguard;
GRANT EXECUTE ON FUNCTION dbguard.verifier(text) TO dbguard
"""
SERVER_USERS = 'authentication: {mode: server-users, query: "SELECT dbguard.verifier($1)"}'
USERS = """
CREATE ROLE locked NOLOGIN PASSWORD 'demo';
CREATE ROLE expired LOGIN PASSWORD 'demo' VALID UNTIL '2001-01-01';
SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'demo'; RESET password_encryption;
CREATE ROLE changing LOGIN PASSWORD 'demo';
CREATE ROLE "Müller" LOGIN PASSWORD 'grüße';
CREATE ROLE "no break" LOGIN PASSWORD 'demo';
CREATE ROLE without LOGIN
"""
LISTENER = "tls: {mode: allow, certificate: server.crt, key: server.key}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_server(tmp_path_factory.mktemp("tls")) as running:
        with running.connect() as connection:
            connection.execute(FUNCTION)
            connection.execute(USERS.encode())
        yield running


@pytest.fixture(scope="module")
def guarded(server: TlsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """TLS on both legs; the certificate for clients is of an authority of its own."""
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("both"))
        proxy = factory(
            Known(server), rules=None, durability="buffered", started=False, extra=SERVER_USERS
        )
        configured(proxy, server, "127.0.0.1", f"mode: verify-full, ca: {server.ca}")
        listening(proxy)
        proxy.start()
        yield proxy


def listening(proxy: Guarded) -> None:
    authority = trustme.CA()
    certificate(authority, proxy.folder)
    authority.cert_pem.write_to_path(proxy.folder / "clients-ca.crt")
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace("listen: {", f"listen: {{{LISTENER}, ", 1), "utf-8")


WHO = (
    "SELECT session_user::text, (SELECT ssl FROM pg_catalog.pg_stat_ssl"
    " WHERE pid = pg_catalog.pg_backend_pid())"
)
LEGS = {
    "disable": "sslmode=disable",
    "prefer": "sslmode=prefer",
    "require": "sslmode=require",
    "bound": "sslmode=require&channel_binding=require",
    "unbound": "sslmode=require&channel_binding=disable",
    "verify-full": "sslmode=verify-full&sslrootcert={ca}",
    "direct": "sslmode=require&sslnegotiation=direct&channel_binding=require",
}


@pytest.mark.parametrize("upstream", ["verify-full", "require", "disable"])
def test_libpq_in_every_mode_on_both_legs(
    guarded: Guarded, server: TlsServer, upstream: str
) -> None:
    mode = (
        f"mode: {upstream}, ca: {server.ca}" if upstream == "verify-full" else f"mode: {upstream}"
    )
    configured(guarded, server, "127.0.0.1", mode)
    reload(guarded)
    for leg, options in LEGS.items():
        if leg == "direct" and psycopg.pq.version() < 170_000:
            continue
        options = options.format(ca=guarded.folder / "clients-ca.crt")
        with closing(psycopg.connect(f"{guarded.dsn('app')}?{options}")) as session:
            assert session.pgconn.ssl_in_use is (leg != "disable"), leg
            assert session.execute(WHO).fetchone() == ("app", upstream != "disable"), leg


def test_asyncpg_and_users_with_other_letters(guarded: Guarded) -> None:
    async def log_in(user: str, password: str) -> str:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=guarded.port,
            user=user,
            password=password,
            database="postgres",
            ssl="require",
        )
        try:
            found = await connection.fetchval("SELECT session_user")
            assert isinstance(found, str)
            return found
        finally:
            await connection.close()

    assert asyncio.run(log_in("app", "demo")) == "app"
    assert asyncio.run(log_in("Müller", "grüße")) == "Müller"
    assert asyncio.run(log_in("no\u00a0break", "demo")) == "no\u00a0break"


def test_a_name_that_is_no_text(guarded: Guarded) -> None:
    with Client(guarded.port) as client:
        name = b"app\xff\0"
        body = b"user\0" + name + b"database\0postgres\0\0"
        client.send(struct.pack("!ii", len(body) + 8, 196608) + body)
        assert error_of(client.authenticate("demo"))[0] == "28P01"


def cells(guarded: Guarded, server: TlsServer) -> Iterator[None]:
    """One TLS mode towards the server after the other."""
    for mode in (f"mode: verify-full, ca: {server.ca}", "mode: disable"):
        configured(guarded, server, "127.0.0.1", mode)
        reload(guarded)
        yield


def shown_by(*command: str | Path) -> list[str]:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return result.stdout.splitlines() or [result.stderr]


def test_node_postgres(guarded: Guarded, server: TlsServer) -> None:
    node = shutil.which("node")
    if (
        node is None
        or subprocess.run([node, "-e", "require('pg')"], capture_output=True).returncode
    ):
        pytest.skip("no node on PATH, or node does not find pg (NODE_PATH)")
    login = {"host": "127.0.0.1", "port": guarded.port, "user": "app", "database": "postgres"}
    tls = {"ssl": {"rejectUnauthorized": False}}
    options = [
        {**login, "password": "demo"},
        {**login, "password": "demo", **tls},
        {**login, "password": "demo", **tls, "enableChannelBinding": True},
        {**login, "password": "wrong", **tls, "enableChannelBinding": True},
    ]
    for _ in cells(guarded, server):
        shown = shown_by(node, CLIENTS / "login.js", *map(json.dumps, options))
        assert shown[:3] == ["app"] * 3
        assert shown[3] == f"28P01 {WRONG.format('app')}"


def test_jdbc(guarded: Guarded, server: TlsServer) -> None:
    jars = sorted(Path("/usr/share/java").glob("postgresql*.jar"))
    java, jar = shutil.which("java"), os.environ.get("PGJDBC_JAR") or (jars[0] if jars else None)
    if java is None or jar is None:
        pytest.skip("no java on PATH, or no pgjdbc (PGJDBC_JAR)")
    url = f"jdbc:postgresql://127.0.0.1:{guarded.port}/postgres?user=app&password="
    ca = guarded.folder / "clients-ca.crt"
    options = [
        "demo&sslmode=disable",
        "demo&sslmode=require",
        "demo&sslmode=require&channelBinding=require",
        f"demo&sslmode=verify-full&sslrootcert={ca}",
        "wrong&sslmode=require",
    ]
    for _ in cells(guarded, server):
        shown = shown_by(
            java, "-cp", str(jar), CLIENTS / "Login.java", *(url + more for more in options)
        )
        assert shown[:4] == ["app"] * 4
        assert shown[4] == f"28P01 FATAL: {WRONG.format('app')}"


WRONG = 'password authentication failed for user "{}"'
NO_VERIFIER = "no SCRAM verifier"
REFUSED = {
    "a wrong password": ("app", "Demo", "wrong password"),
    "another one": ("app", "x", "wrong password"),
    "nobody": ("nobody", "demo", NO_VERIFIER),
    "one whose name is too long": ("n" * 80, "demo", NO_VERIFIER),
    "one who may not log in": ("locked", "demo", NO_VERIFIER),
    "one without a password": ("without", "demo", NO_VERIFIER),
    "one with an MD5 hash": ("old", "demo", NO_VERIFIER),
    "one whose password is over": (
        *("expired", "demo"),
        "the server has another verifier, or the password is over",
    ),
}


def failure(proxy: Guarded, user: str, recorded: str = "") -> dict[str, str]:
    """The record of the user's last login, which failed: the client need not wait for it."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        found = [r["fields"] for r in proxy.records("authentication")]
        failed = [f for f in found if f["result"] != "accepted"]
        own = [f for f in failed if f["user"].startswith(recorded or user)]
        if own:
            return dict(own[-1])
        time.sleep(0.05)
    raise AssertionError("no record")


@pytest.mark.parametrize("case", REFUSED)
def test_who_does_not_get_in(guarded: Guarded, case: str) -> None:
    user, password, reason = REFUSED[case]
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(guarded.dsn(user, password=password))
    assert WRONG.format(user) in str(caught.value)
    # a name that is nobody's may be a password
    stranger = case in ("nobody", "one whose name is too long")
    last = failure(guarded, user, "<unknown " if stranger else "")
    assert last["result"] == "failed 28P01"
    assert last["reason"] == reason


def test_a_new_password_counts_at_once(guarded: Guarded, server: TlsServer) -> None:
    with closing(psycopg.connect(guarded.dsn("changing"))):
        pass
    with server.connect() as connection:
        connection.execute("ALTER ROLE changing PASSWORD 'new'")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(guarded.dsn("changing"))
    with closing(psycopg.connect(guarded.dsn("changing", password="new"))):
        pass


def test_what_comes_after_the_proof_is_the_servers(guarded: Guarded) -> None:
    missing = guarded.dsn("app").replace("/postgres", "/nosuch")
    with pytest.raises(psycopg.OperationalError, match='database "nosuch" does not exist'):
        psycopg.connect(missing)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(missing.replace(":demo@", ":wrong@"))


def test_users_from_a_file(
    server: TlsServer, guard: Callable[..., Guarded], tmp_path: Path
) -> None:
    with server.connect() as connection:
        row = connection.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'"
        ).fetchone()
    assert row is not None
    users = tmp_path / "users.txt"
    users.write_text(f'; from the server\n"app" "{row[0]}"\n', "utf-8")
    proxy = guard(
        Known(server),
        rules=None,
        durability="buffered",
        extra=f"authentication: {{mode: server-users, file: {users}}}",
    )
    with closing(proxy.connect("app")):
        pass
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        proxy.connect("either")
    users.write_text('"app" "secret in clear text"\n', "utf-8")
    reload(proxy)
    log = proxy.log.read_text("utf-8")
    assert "users.txt:1: is not a line of the form" in log
    assert "clear text" not in log.replace("passwords in clear text cannot be used", "")
    with closing(proxy.connect("app")):
        pass


def test_a_control_role_that_may_not_ask(server: TlsServer, guard: Callable[..., Guarded]) -> None:
    proxy = guard(
        Known(server),
        rules=None,
        durability="buffered",
        extra="authentication: {mode: server-users}",
    )
    with pytest.raises(psycopg.OperationalError) as caught:
        proxy.connect("app")
    assert "passwords cannot be checked at present" in str(caught.value)
    assert "SQLSTATE 42501" in str(caught.value)
    assert failure(proxy, "app")["result"] == "failed 58000"


def test_no_secret_is_written_anywhere(guarded: Guarded, server: TlsServer) -> None:
    with server.connect() as connection:
        row = connection.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'"
        ).fetchone()
    assert row is not None
    with closing(guarded.connect("app")):
        pass
    parts = str(row[0]).replace("$", ":").split(":")[2:]
    written = [p for p in guarded.folder.rglob("*") if p.is_file() and p.suffix != ".key"]
    for path in written:
        for part in parts:
            assert part.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("mode", ["pass-through", "server-users"])
def test_who_guesses_has_to_wait(
    server: TlsServer, guard: Callable[..., Guarded], mode: str
) -> None:
    proxy = guard(
        Known(server),
        rules=None,
        durability="buffered",
        extra=SERVER_USERS.replace("server-users", mode)
        + "\nlimits: {login_failures: 3, login_pause: 2s}",
    )
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(proxy.dsn("app", password="wrong"))
    with pytest.raises(psycopg.OperationalError, match="too many failed logins"):
        proxy.connect("app")
    with closing(proxy.connect("either")):
        pass
    deadline = time.monotonic() + 90
    while not (events := proxy.records("security")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (fields,) = (event["fields"] for event in events)
    assert fields == {"event": "failed logins", "user": "app", "address": "127.0.0.1"}
    while (refused := outcome(proxy)) is not None:
        assert "too many failed logins" in refused
        assert time.monotonic() < deadline
        time.sleep(0.2)


def outcome(proxy: Guarded) -> str | None:
    """Why `app` does not get in; None when it does."""
    try:
        proxy.connect("app").close()
    except psycopg.OperationalError as error:
        return str(error)
    return None
