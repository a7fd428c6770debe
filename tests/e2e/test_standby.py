"""A primary and its standby: who is chosen, and a promotion seen through dbguard as directly."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbguard.demo.server import THROWAWAY, EmbeddedServer
from tests.conftest import PASSWORD, PgServer, binaries

from .proxies import Guarded

pytestmark = pytest.mark.pg

ATTRS = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")


def within(seconds: float, true: Callable[[], object]) -> None:
    until = time.monotonic() + 6 * seconds  # on an idle machine; others take their time
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


class Replicated:
    """Two servers, the second a standby made of a copy of the first one's data."""

    def __init__(self, home: Path) -> None:
        self.servers = [
            EmbeddedServer.create(
                home / "a", password="super-demo", settings=THROWAWAY, binaries=binaries()
            )
        ]
        first = self.servers[0]
        first.start()
        known = PgServer("primary", "127.0.0.1", first.port, "postgres", "super-demo")
        for user in ("app", "dbguard"):
            known.create_user(user)
        known.execute(
            "CREATE TABLE kept (n int); GRANT ALL ON kept TO app; GRANT ALL ON SCHEMA public TO app"
        )
        first.stop()
        (home / "b").mkdir()
        subprocess.run(["cp", "-a", first.data, home / "b" / "data"], check=True)
        (home / "b" / "data" / "standby.signal").touch()
        settings = {
            **THROWAWAY,
            "primary_conninfo": f"host=127.0.0.1 port={first.port} user=postgres "
            "password=super-demo",
        }
        second = EmbeddedServer.create(
            home / "b", password="super-demo", settings=settings, binaries=binaries()
        )
        self.servers.append(second)
        first.start()
        second.start()

    @property
    def ports(self) -> list[int]:
        """The standby's first: it must not be chosen because it comes first."""
        return [self.servers[1].port, self.servers[0].port]

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


@pytest.fixture
def pair() -> Iterator[Replicated]:
    home = Path(tempfile.mkdtemp(prefix="dbguard-standby-"))
    home.chmod(0o755)
    made = None
    try:
        made = Replicated(home)
        yield made
    finally:
        if made is not None:
            made.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def proxy(pair: Replicated, guard: Callable[..., Guarded]) -> Guarded:
    class Known:
        name = "postgres"
        server = PgServer("primary", "127.0.0.1", pair.servers[0].port, "postgres", "super-demo")

    proxy = guard(Known, rules=None, durability="buffered", started=False)
    configure(proxy, pair, "read-write")
    proxy.start()
    return proxy


def configure(proxy: Guarded, pair: Replicated, wanted: str) -> None:
    lines = proxy.config.read_text("utf-8").splitlines()
    ports = ",".join(map(str, pair.ports))
    hosts = f'host: "127.0.0.1,127.0.0.1", port: "{ports}"'
    upstream = f"upstream: {{{hosts}, target_session_attrs: {wanted}}}"
    text = "\n".join(upstream if line.startswith("upstream:") else line for line in lines)
    proxy.config.write_text(text + "\n", "utf-8")


def reload(proxy: Guarded) -> None:
    def count() -> int:
        lines = proxy.logged()
        return sum(line["event"].startswith("reload") for line in lines)

    before = count()
    assert proxy.process is not None
    proxy.process.send_signal(signal.SIGHUP)
    within(20, lambda: count() > before)


def directly(pair: Replicated, wanted: str) -> psycopg.Connection[Any]:
    """As libpq chooses."""
    return psycopg.connect(
        host="127.0.0.1,127.0.0.1", port=",".join(map(str, pair.ports)), user="app",
        password=PASSWORD, dbname="postgres", target_session_attrs=wanted, autocommit=True,
    )  # fmt: skip


def chosen(connect: Callable[[], psycopg.Connection[Any]]) -> int | str:
    """The port of the server that a session is on."""
    try:
        with closing(connect()) as session:
            row = session.execute("SELECT inet_server_port()").fetchone()
            assert row is not None
            return int(row[0])
    except psycopg.OperationalError:
        return "none"


def told(session: psycopg.Connection[Any]) -> str | None:
    """What the server has told the session about itself."""
    session.execute("SELECT 1")
    return session.info.parameter_status("in_hot_standby")


def test_each_choice_is_libpqs_and_so_is_a_promotion(proxy: Guarded, pair: Replicated) -> None:
    def through() -> psycopg.Connection[Any]:
        return proxy.connect("app", autocommit=True)

    primary, standby = pair.servers
    expected = {wanted: chosen(lambda w=wanted: directly(pair, w)) for wanted in ATTRS}  # type: ignore[misc]
    assert expected["read-write"] == expected["primary"] == primary.port
    assert expected["standby"] == expected["read-only"] == expected["any"] == standby.port
    for wanted in ATTRS:
        configure(proxy, pair, wanted)
        reload(proxy)
        assert chosen(through) == expected[wanted], wanted

    configure(proxy, pair, "standby")
    reload(proxy)
    with closing(through()) as here, closing(directly(pair, "standby")) as direct:
        refused = []
        for session in (here, direct):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as caught:
                session.execute("INSERT INTO kept VALUES (1)")
            refused.append(str(caught.value))
        assert refused[0] == refused[1]
        if here.info.server_version >= 140_000:
            assert told(here) == told(direct) == "on"
        configure(proxy, pair, "read-write")
        reload(proxy)
        with closing(through()) as writing, closing(directly(pair, "read-write")) as other:
            writing.execute("INSERT INTO kept VALUES (2)")
            within(20, lambda: here.execute("SELECT n FROM kept").fetchall() == [(2,)])
            primary.stop()
            ends = []
            for session in (writing, other):
                with pytest.raises(psycopg.OperationalError) as ended:
                    session.execute("SELECT 1")
                ends.append(str(ended.value).splitlines()[0])
            assert ends[0] == ends[1]
        assert chosen(through) == "none"
        with pytest.raises(psycopg.OperationalError) as none:
            through()
        assert "no database server gives a session that may write" in str(none.value)
        assert f"127.0.0.1:{standby.port}: session is read-only, the server is a standby." in (
            str(none.value)
        )
        assert f"127.0.0.1:{primary.port}: " in str(none.value)
        with psycopg.connect(standby.dsn(), autocommit=True) as promoting:
            promoting.execute("SELECT pg_promote()")
        for session in (here, direct):
            if session.info.server_version >= 140_000:
                within(20, lambda s=session: told(s) == "off")  # type: ignore[misc]
            session.execute("INSERT INTO kept VALUES (3)")
        within(20, lambda: chosen(through) == standby.port)
        with closing(through()) as session:
            session.execute("CREATE TABLE made_after (n int)")
            assert session.execute("TABLE made_after").fetchall() == []
    configure(proxy, pair, "standby")
    reload(proxy)
    with pytest.raises(psycopg.OperationalError, match="no database server is a standby"):
        through()


def test_sessions_that_may_only_read(proxy: Guarded, pair: Replicated) -> None:
    """By a setting of the server, and by one of the user's own, which shows after the login."""
    primary, standby = pair.servers
    with psycopg.connect(primary.dsn(), autocommit=True) as owner:
        owner.execute("ALTER ROLE app SET default_transaction_read_only = on")
        version = owner.info.server_version
    if version >= 140_000:
        with pytest.raises(psycopg.OperationalError, match="session is read-only"):
            proxy.connect("app")
    with psycopg.connect(primary.dsn(), autocommit=True) as owner:
        owner.execute("ALTER ROLE app RESET default_transaction_read_only")
        owner.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        owner.execute("SELECT pg_reload_conf()")
        shown = "SHOW default_transaction_read_only"
        within(20, lambda: owner.execute(shown).fetchone() == ("on",))
    time.sleep(1.5)  # so long what was found out of a server counts

    def through() -> psycopg.Connection[Any]:
        return proxy.connect("app", autocommit=True)

    assert chosen(through) == chosen(lambda: directly(pair, "read-write")) == "none"
    standby.stop()
    configure(proxy, pair, "read-only")
    reload(proxy)
    assert chosen(through) == chosen(lambda: directly(pair, "read-only")) == primary.port
    configure(proxy, pair, "prefer-standby")
    reload(proxy)
    assert chosen(through) == chosen(lambda: directly(pair, "prefer-standby")) == primary.port
    with suppress(psycopg.Error), psycopg.connect(primary.dsn(), autocommit=True) as owner:
        owner.execute("SET default_transaction_read_only = off")
        owner.execute("ALTER SYSTEM RESET default_transaction_read_only")
