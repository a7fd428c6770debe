"""TLS as operators set it up: every mode towards clients, reloads towards the server."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from tests.tls_server import TlsServer, tls_server

from .proxies import Guarded, await_statement

pytestmark = pytest.mark.pg


def reload(proxy: Guarded) -> None:
    """Ask for a reload, and wait until it is done."""
    before = _reloads(proxy)
    assert proxy.process is not None
    proxy.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + 90
    while _reloads(proxy) == before:
        assert time.monotonic() < until, "no reload"
        time.sleep(0.02)


def _reloads(proxy: Guarded) -> int:
    lines = proxy.logged()
    return sum(line["event"].startswith("reload") for line in lines)


def certificate(authority: trustme.CA, folder: Path) -> None:
    made = authority.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(folder / "server.key")
    made.cert_chain_pems[0].write_to_path(folder / "server.crt")


def outcome(proxy: Guarded, sslmode: str) -> str:
    try:
        with closing(psycopg.connect(f"{proxy.dsn('app')}?sslmode={sslmode}")) as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
            return "tls" if session.pgconn.ssl_in_use else "plain"
    except psycopg.OperationalError as error:
        return "refused" if "TLS" in str(error) or "SSL" in str(error) else str(error)


CELLS = {
    "disable": ("plain", "plain", "plain", "refused"),
    "allow": ("plain", "plain", "tls", "tls"),
    "prefer": ("plain", "plain", "tls", "tls"),
    "require": ("refused", "tls", "tls", "tls"),
}
"""By mode of the listener: what becomes of sslmode disable, allow, prefer, require."""


def test_every_mode_towards_clients(module_database: Any, guard: Callable[..., Guarded]) -> None:
    """One process, reloaded from mode to mode."""
    module_database.create_user("app")
    proxy = guard(module_database, rules=None, durability="buffered", started=False)
    certificate(trustme.CA(), proxy.folder)
    text = proxy.config.read_text("utf-8")
    for number, (mode, expected) in enumerate(CELLS.items()):
        tls = f"tls: {{mode: {mode}, certificate: server.crt, key: server.key}}"
        proxy.config.write_text(text.replace("listen: {", f"listen: {{{tls}, ", 1), "utf-8")
        if number:
            reload(proxy)
        else:
            proxy.start()
        modes = ("disable", "allow", "prefer", "require")
        assert tuple(outcome(proxy, sslmode) for sslmode in modes) == expected, mode


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_server(tmp_path_factory.mktemp("tls")) as running:
        yield running


class Known:
    """A database of the TLS server, as the fixture `guard` wants one."""

    name = "postgres"
    host = "127.0.0.1"

    def __init__(self, server: TlsServer) -> None:
        self.server = self
        self.port = server.port
        self._tls = server

    def create_user(self, *_: object) -> None:
        """They are all there."""

    def dsn(self, user: str | None = None, _: str = "") -> str:
        return self._tls.embedded.dsn(user, "postgres", "demo" if user else None)


def configured(proxy: Guarded, server: TlsServer, host: str, tls: str) -> None:
    text = proxy.config.read_text("utf-8")
    old = next(line for line in text.splitlines() if line.startswith("upstream:"))
    new = f'upstream: {{host: "{host}", port: {server.port}, tls: {{{tls}}}}}'
    proxy.config.write_text(text.replace(old, new), "utf-8")


def through_tls(proxy: Guarded, user: str = "app") -> bool:
    query = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()"
    with closing(proxy.connect(user)) as session:
        row = session.execute(query).fetchone()
        assert row is not None
        return bool(row[0])


def test_modes_and_reloads_towards_the_server(
    server: TlsServer, guard: Callable[..., Guarded], tmp_path: Path
) -> None:
    """verify-full from the start; then the server gets a certificate of another authority, which
    counts once dbguard was told of it; the others follow by reload."""
    shutil.copy(server.ca, tmp_path / "trusted.crt")
    proxy = guard(Known(server), rules=None, durability="buffered", started=False)
    rules = proxy.folder / "rules" / "allowing.yaml"
    rules.write_text(
        rules.read_text("utf-8").replace('["app"', '["app", "tls_only", "plain_only"'), "utf-8"
    )
    verified = f"mode: verify-full, ca: {tmp_path}/trusted.crt"
    configured(proxy, server, "127.0.0.1", verified)
    proxy.start()
    with closing(proxy.connect("app", autocommit=True)) as session:
        assert through_tls(proxy)
        renewed = trustme.CA()
        server.renew(renewed)
        with pytest.raises(psycopg.OperationalError, match="cannot be reached") as caught:
            proxy.connect("app")
        assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value)
        renewed.cert_pem.write_to_path(tmp_path / "trusted.crt")
        reload(proxy)
        assert through_tls(proxy)
        assert session.execute("SELECT 1").fetchone() == (1,), "an open session went on"
    for mode, expected in (("allow", False), ("prefer", True), ("disable", False)):
        configured(proxy, server, "::1", f"mode: {mode}")
        reload(proxy)
        assert through_tls(proxy) is expected, mode
        if mode != "disable":
            assert through_tls(proxy, "tls_only"), mode
            assert not through_tls(proxy, "plain_only"), mode
    configured(proxy, server, str(server.socket_folder), "mode: require")
    reload(proxy)
    assert not through_tls(proxy)
    configured(proxy, server, "127.0.0.1", "mode: require, negotiation: direct")
    reload(proxy)
    with server.connect() as connection:
        direct = connection.info.server_version >= 170_000
    if direct:
        assert through_tls(proxy)
    else:
        with pytest.raises(psycopg.OperationalError, match="TLS failed"):
            proxy.connect("app")


def test_statements_are_cancelled_over_the_same_way(
    server: TlsServer, guard: Callable[..., Guarded]
) -> None:
    server.renew(server.authority)
    proxy = guard(Known(server), rules=None, durability="buffered", started=False)
    configured(proxy, server, "127.0.0.1", f"mode: verify-full, ca: {server.ca}")
    proxy.start()
    with closing(proxy.connect("app", autocommit=True)) as session:
        session.pgconn.send_query(b"SELECT pg_catalog.pg_sleep(30)")
        await_statement(server.embedded.dsn(), "pg_sleep(30)")
        session.cancel()
        result = session.pgconn.get_result()
        assert result is not None
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57014"


def test_tls_on_both_legs(server: TlsServer, guard: Callable[..., Guarded]) -> None:
    """Who leaves channel binding alone gets in; who misses it is told why the server would not
    have them. A cancel request goes over TLS both times."""
    server.renew(server.authority)
    proxy = guard(Known(server), rules=None, durability="buffered", started=False)
    configured(proxy, server, "127.0.0.1", f"mode: verify-full, ca: {server.ca}")
    certificate(trustme.CA(), proxy.folder)
    tls = "tls: {mode: require, certificate: server.crt, key: server.key}"
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace("listen: {", f"listen: {{{tls}, ", 1), "utf-8")
    proxy.start()
    dsn = f"{proxy.dsn('app')}?sslmode=require"
    with closing(psycopg.connect(f"{dsn}&channel_binding=disable", autocommit=True)) as session:
        assert session.pgconn.ssl_in_use
        row = session.execute(
            "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()"
        ).fetchone()
        assert row == (True,)
        session.pgconn.send_query(b"SELECT pg_catalog.pg_sleep(30)")
        await_statement(server.embedded.dsn(), "pg_sleep(30)")
        session.cancel_safe()
        result = session.pgconn.get_result()
        assert result is not None
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57014"
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(dsn)
    assert "channel binding cannot be carried over two TLS connections" in str(caught.value)
    assert "Connect with channel_binding=disable" in str(caught.value)
    wrong = dsn.replace(":demo@", ":wrong@") + "&channel_binding=disable"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
