"""What operators do to a running dbguard, and what it does by itself: reload, drain, log off."""

from __future__ import annotations

import ipaddress
import json
import shutil
import signal
import socket
import ssl
import struct
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from dbguard.wire import frontend
from dbguard.wire.proxy_header import SIGNATURE
from dbguard.wire.startup import StartupMessage

from .protocol_client import Client, error_of
from .proxies import HIPAA, Guarded, await_statement, free_port

pytestmark = pytest.mark.pg

DENYING = """
roles:
  readers: {users: [app]}
rules:
  - id: no-more-reading
    deny: [read]
    roles: [readers]
    because: "reading was switched off"
"""


@pytest.fixture
def proxy(module_database: Any, guard: Callable[..., Guarded]) -> Guarded:
    module_database.create_user("app")
    return guard(module_database, rules=None, durability="buffered", started=False)


def within(seconds: float, true: Callable[[], object]) -> None:
    until = time.monotonic() + 6 * seconds  # on an idle machine; others take their time
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def logged(proxy: Guarded, event: str) -> list[dict[str, Any]]:
    lines = proxy.logged()
    return [line for line in lines if line["event"] == event]


def ended(proxy: Guarded) -> int:
    """The exit code of a process that has been told to stop."""
    assert proxy.process is not None
    assert proxy.process.stdout is not None
    code = proxy.process.wait(10)
    proxy.process.stdout.close()
    return code


def add(proxy: Guarded, text: str) -> None:
    with proxy.config.open("a") as config:
        config.write(text)


def reload(proxy: Guarded) -> None:
    assert proxy.process is not None
    proxy.process.send_signal(signal.SIGHUP)


def test_rules_are_reloaded_under_open_sessions(proxy: Guarded) -> None:
    proxy.start()
    with closing(proxy.connect("app", autocommit=True, prepare_threshold=0)) as session:
        query = "SELECT count(*) FROM pg_class WHERE oid = %s"
        session.execute(query, (1,))
        (proxy.folder / "rules" / "more.yaml").write_text(DENYING, "utf-8")
        reload(proxy)
        within(10, lambda: logged(proxy, "reloaded"))
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="reading was switched off"):
            session.execute(query, (1,))
        (proxy.folder / "rules" / "more.yaml").unlink()
        reload(proxy)
        within(10, lambda: len(logged(proxy, "reloaded")) == 2)
        assert session.execute(query, (1,)).fetchone() == (0,)
    proxy.stop()
    proxy.start()
    first, denying, again, restarted = (record["fields"] for record in proxy.records("policy"))
    assert first["digest"] == again["digest"] == restarted["digest"] != denying["digest"]
    assert "since_last_run" not in first
    assert denying["rules_added"] == again["rules_removed"] == "no-more-reading"
    assert denying["previous_digest"] == first["digest"]
    assert restarted["since_last_run"] == "unchanged"
    proxy.stop()
    runs = [
        record["fields"]["instance"]
        for record in proxy.records("start")[:1] + proxy.records("stop")
    ]
    assert len(runs) == 3
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("what", ["rules", "settings"])
def test_a_broken_reload_keeps_what_was_in_force(proxy: Guarded, what: str) -> None:
    proxy.start()
    if what == "rules":
        (proxy.folder / "rules" / "more.yaml").write_text("rules: [{id: x, allow: [fly]}]", "utf-8")
    else:
        proxy.limit("connections: many")
    with closing(proxy.connect("app", autocommit=True)) as session:
        reload(proxy)
        within(10, lambda: logged(proxy, "reload failed, what was in force stays"))
        assert session.execute("SELECT 1").fetchone() == (1,)
    with closing(proxy.connect("app")) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    (entry,) = logged(proxy, "reload failed, what was in force stays")
    assert ("more.yaml:1:" if what == "rules" else "limits.connections") in entry["message"]


def test_what_needs_a_restart_is_named(proxy: Guarded) -> None:
    proxy.start()
    proxy.limit("connections: 1")
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace("analysis_workers: 1", "analysis_workers: 2"), "utf-8")
    reload(proxy)
    within(10, lambda: logged(proxy, "these settings take effect at the next start"))
    (entry,) = logged(proxy, "these settings take effect at the next start")
    assert entry["settings"] == ["limits.analysis_workers"]
    with closing(proxy.connect("app")), pytest.raises(psycopg.OperationalError, match="too many"):
        proxy.connect("app")


def test_certificates_are_reloaded(proxy: Guarded, tmp_path: Path) -> None:
    authorities = trustme.CA(), trustme.CA()

    def install(authority: trustme.CA) -> None:
        made = authority.issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(proxy.folder / "server.key")
        (proxy.folder / "server.crt").write_bytes(made.cert_chain_pems[0].bytes())

    install(authorities[0])
    tls = "tls: {certificate: server.crt, key: server.key}"
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace("listen: {", f"listen: {{{tls}, ", 1), "utf-8")
    proxy.start()
    names = [tmp_path / "first.crt", tmp_path / "second.crt"]
    for authority, name in zip(authorities, names, strict=True):
        authority.cert_pem.write_to_path(name)
    verified = proxy.dsn("app") + "?sslmode=verify-full&sslrootcert="
    with closing(psycopg.connect(f"{verified}{names[0]}", autocommit=True)) as session:
        install(authorities[1])
        reload(proxy)
        within(10, lambda: logged(proxy, "reloaded"))
        assert session.execute("SELECT 1").fetchone() == (1,)
        with closing(psycopg.connect(f"{verified}{names[1]}")):
            pass
        with pytest.raises(psycopg.OperationalError, match="verify failed"):
            psycopg.connect(f"{verified}{names[0]}")


def test_direct_tls(proxy: Guarded) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(proxy.folder / "server.key")
    made.cert_chain_pems[0].write_to_path(proxy.folder / "server.crt")
    tls = "tls: {certificate: server.crt, key: server.key, minimum_version: 1.3}"
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace("listen: {", f"listen: {{{tls}, ", 1), "utf-8")
    proxy.start()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["postgresql"])
    hello = StartupMessage(3 << 16, (("user", "app"), ("database", proxy.database))).encode()
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        assert client.selected_alpn_protocol() == "postgresql"
        client.sendall(hello)
        assert client.recv(1) == b"R"
    other = ssl.create_default_context()
    authority.configure_trust(other)
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as plain,
        suppress(ssl.SSLError, ConnectionError),
        other.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(hello)
        assert client.recv(1) == b"", "TLS without ALPN may be meant for another protocol"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_draining_lets_transactions_finish(proxy: Guarded, module_database: Any) -> None:
    module_database.execute("CREATE TABLE kept (n int); GRANT ALL ON kept TO app")
    proxy.start()
    process = proxy.process
    assert process is not None
    with closing(proxy.connect("app")) as working, closing(proxy.connect("app")) as idle:
        idle.autocommit = True
        working.execute("SELECT 1")
        process.send_signal(signal.SIGTERM)
        within(10, lambda: logged(proxy, "stopping"))
        with pytest.raises(psycopg.OperationalError, match="dbguard is stopping") as told:
            idle.execute("SELECT 1")
        assert told.value.sqlstate in (None, "57P01")
        with pytest.raises(psycopg.OperationalError):
            proxy.connect("app")
        working.execute("INSERT INTO kept VALUES (1)")
        working.execute("SELECT pg_sleep(0.3)")
        working.commit()
        assert ended(proxy) == 0
    proxy.start()
    with closing(proxy.connect("app")) as session:
        assert session.execute("TABLE kept").fetchall() == [(1,)]


@pytest.mark.parametrize("again", [False, True], ids=["after the limit", "signalled twice"])
def test_draining_ends(proxy: Guarded, again: bool) -> None:
    proxy.limit(f"shutdown_timeout: {60 if again else 0.5}")
    proxy.start()
    process = proxy.process
    assert process is not None
    with closing(proxy.connect("app")) as session:
        session.execute("SELECT 1")
        process.send_signal(signal.SIGTERM)
        within(10, lambda: logged(proxy, "stopping"))
        if again:
            process.send_signal(signal.SIGTERM)
        assert ended(proxy) == 0
        with pytest.raises(psycopg.OperationalError, match="dbguard is stopping"):
            session.execute("SELECT 1")
    assert proxy.verify().ok


def test_idle_sessions_are_logged_off(proxy: Guarded) -> None:
    proxy.limit("idle_timeout: 4s")
    proxy.start()
    with closing(proxy.connect("app")) as idle, closing(proxy.connect("app")) as busy:
        idle.execute("SELECT 1")  # in a transaction: that makes no difference
        busy.execute("SELECT pg_sleep(5)")
        assert busy.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="idle-session timeout"):
            idle.execute("SELECT 1")


OLD = "the session has reached its maximum age"


def test_old_sessions_end_between_transactions(proxy: Guarded) -> None:
    proxy.start()
    with Client(proxy.port) as busy, Client(proxy.port) as idle:
        for client in (busy, idle):
            client.log_in("app", proxy.database)
        idle.query("SELECT 1")
        busy.query("BEGIN")
        busy.query("CREATE TEMP TABLE kept AS SELECT 1 AS a")
        proxy.limit("session_age: 100ms")
        reload(proxy)  # which holds for open sessions, too
        (last,) = idle.until_ready()
        assert error_of([last]) == ("57P05", f"terminating connection: {OLD}")
        assert b"SELECT 1\0" in b"".join(busy.query("SELECT a FROM kept"))
        assert b"COMMIT\0" in b"".join(busy.query("COMMIT"))
        (last,) = busy.until_ready()
        assert error_of([last]) == ("57P05", f"terminating connection: {OLD}")


@pytest.mark.parametrize("running", [False, True])
def test_old_sessions_end_after_all(proxy: Guarded, module_database: Any, running: bool) -> None:
    """And what they run is stopped."""
    running_still = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'"
    running_still += " AND pid <> pg_backend_pid()"
    proxy.start()
    with Client(proxy.port) as client:
        client.log_in("app", proxy.database)
        client.query("BEGIN")
        if running:
            client.send(frontend.Query(b"SELECT pg_sleep(60)"))
        proxy.limit("session_age: 100ms, shutdown_timeout: 100ms")
        reload(proxy)
        assert error_of(client.until_ready()) == ("57P05", f"terminating connection: {OLD}")
    within(10, lambda: module_database.execute(running_still) == [(0,)])


def test_connections_of_one_user(proxy: Guarded, module_database: Any) -> None:
    module_database.create_user("other")
    proxy.limit("connections_per_user: 2")
    proxy.start()
    with closing(proxy.connect("app")), closing(proxy.connect("app")):
        with pytest.raises(psycopg.OperationalError, match="too many connections for this user"):
            proxy.connect("app")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(proxy.dsn("app", password="wrong"))
        with closing(proxy.connect("other")):
            pass
    for _ in range(3):
        with closing(proxy.connect("app")):
            pass


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="Linux tells limits in /proc")
def test_no_core_file_holds_secrets(proxy: Guarded) -> None:
    proxy.start()
    assert proxy.process is not None
    limits = Path(f"/proc/{proxy.process.pid}/limits").read_text("ascii").splitlines()
    (line,) = (line for line in limits if line.startswith("Max core file size"))
    assert line.split()[4] == "0"


def test_unix_socket(proxy: Guarded, short_folder: Path) -> None:
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace("listen: {", f"listen: {{socket: {short_folder}, ", 1))
    proxy.start()
    dsn = f"host={short_folder} port={proxy.port} user=app password=demo dbname={proxy.database}"
    with closing(psycopg.connect(dsn)) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    assert [r["fields"]["address"] for r in proxy.records("connect")] == ["local"]
    assert proxy.process is not None
    proxy.process.kill()
    assert ended(proxy) == -signal.SIGKILL
    assert list(short_folder.iterdir()), "it was killed: the file is still there"
    proxy.start()
    with closing(psycopg.connect(dsn)):
        pass
    proxy.stop()
    assert not list(short_folder.iterdir())


@pytest.fixture
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Paths of Unix sockets may have 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="dbg"))
    yield folder
    shutil.rmtree(folder)


def test_all_addresses(proxy: Guarded) -> None:
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(text.replace("host: 127.0.0.1", 'host: "127.0.0.1,::1"', 1))
    assert proxy.process is None
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with pytest.raises(AssertionError):  # the line names both
        proxy.start()
    dsn = proxy.dsn("app").replace("127.0.0.1", "[::1]")
    with closing(psycopg.connect(dsn)):
        pass
    assert [r["fields"]["address"] for r in proxy.records("connect")] == ["::1"]


def header(client: str) -> bytes:
    """What a balancer sends ahead for a client at this address."""
    address = ipaddress.ip_address(client)
    body = address.packed * 2 + struct.pack("!HH", 50000, 6432)
    family = b"\x11" if address.version == 4 else b"\x21"
    return SIGNATURE + b"\x21" + family + struct.pack("!H", len(body)) + body


def test_the_address_behind_a_load_balancer(proxy: Guarded) -> None:
    text = proxy.config.read_text("utf-8")
    proxy.config.write_text(
        text.replace("listen: {", "listen: {proxy_protocol: [127.0.0.0/8], ", 1), "utf-8"
    )
    proxy.start()
    hello = StartupMessage(3 << 16, (("user", "app"), ("database", proxy.database))).encode()
    for pieces in ([header("203.0.113.7") + hello], [bytes([b]) for b in header("2001:db8::7")]):
        with Client(proxy.port) as client:
            for piece in pieces:
                client.socket.sendall(piece)
            if len(pieces) > 1:
                client.socket.sendall(hello)
            assert client.message()[:1] == b"R"
    with Client(proxy.port) as client:
        client.socket.sendall(hello)
        assert client.message() == b"", "without a header nobody is let in"
    found = [record["fields"]["address"] for record in proxy.records("connect")]
    assert found == ["203.0.113.7", "2001:db8::7"]


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_probes_and_metrics(module_clinic_database: Any, guard: Callable[..., Guarded]) -> None:
    proxy = guard(module_clinic_database, rules=HIPAA, metrics=True)
    port = proxy.metrics_port
    assert get(port, "/healthz") == (200, "ok\n")
    within(10, lambda: get(port, "/readyz")[0] == 200)  # on a busy machine a probe may be late
    assert json.loads(get(port, "/readyz")[1]) == {"ready": True, "reasons": []}
    assert get(port, "/nosuch")[0] == 404
    with closing(proxy.connect("analyst", autocommit=True)) as session:
        for _ in range(3):
            session.execute("SELECT last_name FROM clinic.patients WHERE id = 77001234")
        session.execute("SELECT last_name FROM clinic.patients WHERE id = 99")
        with pytest.raises(psycopg.Error):
            session.execute("DELETE FROM clinic.patients")
        with closing(proxy.connect("analyst", autocommit=True)) as other:
            # what a session has run before is not even looked up
            other.execute("SELECT last_name FROM clinic.patients WHERE id = 77001234")
            other.execute("SELECT last_name FROM clinic.patients WHERE id = 98")
        within(10, lambda: "\ndbguard_connections 1.0\n" in get(port, "/metrics")[1])
        _, text = get(port, "/metrics")
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert samples['dbguard_statements_total{action="select",verdict="masked"}'] == "6.0"
    assert samples['dbguard_statements_total{action="delete",verdict="deny"}'] == "1.0"
    assert float(samples['dbguard_plan_lookups_total{found="yes"}']) >= 1
    assert float(samples['dbguard_plan_lookups_total{found="alike"}']) >= 1
    assert samples["dbguard_connections"] == "1.0"
    assert samples["dbguard_audit_available"] == "1.0"
    assert float(samples['dbguard_wait_seconds_count{what="analysis"}']) >= 2
    assert float(samples['dbguard_wait_seconds_count{what="audit"}']) >= 2
    for word in ("patients", "analyst", "77001234", "last_name"):
        assert word not in text


def test_no_task_waits_for_sessions_that_do_nothing(
    module_clinic_database: Any, guard: Callable[..., Guarded]
) -> None:
    proxy = guard(module_clinic_database, rules=HIPAA, metrics=True)

    def rests(tasks: float) -> bool:
        return proxy.samples()["dbguard_tasks"] <= tasks

    proxy.connect("analyst").close()
    before = proxy.samples()["dbguard_tasks"]
    with ExitStack() as stack:
        for _ in range(9):
            session = stack.enter_context(closing(proxy.connect("analyst")))
            session.execute("SELECT last_name FROM clinic.patients WHERE id = 77001234")
        # a look at the catalog may just be under way
        within(30, lambda: rests(before + 3))
    within(30, lambda: rests(before + 3))


def test_not_ready_while_draining(proxy: Guarded) -> None:
    port = free_port()
    add(proxy, f"metrics: {{port: {port}}}\n")
    proxy.start()
    assert proxy.process is not None
    with closing(proxy.connect("app")) as session:
        session.execute("SELECT 1")
        proxy.process.send_signal(signal.SIGTERM)
        within(10, lambda: get(port, "/readyz")[0] == 503)
        assert json.loads(get(port, "/readyz")[1])["reasons"] == ["stopping"]
        assert get(port, "/healthz")[0] == 200
        session.rollback()
    assert ended(proxy) == 0


def test_not_ready_without_the_server(proxy: Guarded) -> None:
    port = free_port()
    text = proxy.config.read_text("utf-8")
    host, _, number = proxy.upstream.rpartition(":")
    proxy.config.write_text(
        text.replace(f"upstream: {{host: {host}, port: {number}}}", "upstream: {port: 1}")
        + f"metrics: {{port: {port}}}\n",
        "utf-8",
    )
    proxy.start()
    code, text = get(port, "/readyz")
    assert (code, json.loads(text)["reasons"]) == (
        503,
        ["the database server cannot be reached"],
    )
    with Client(proxy.port) as client:
        client.send(StartupMessage(3 << 16, (("user", "app"),)).encode())
        assert error_of([client.message()])[0] == "08001"


def test_a_drained_thread_of_work_is_not_cut(proxy: Guarded, pg_server: Any) -> None:
    """A statement that runs when the signal comes is answered."""
    proxy.start()
    process = proxy.process
    assert process is not None
    answers: list[Any] = []

    def work() -> None:
        with closing(proxy.connect("app", autocommit=True)) as session:
            answers.append(session.execute("SELECT 7 FROM pg_sleep(1)").fetchone())

    worker = threading.Thread(target=work)
    worker.start()
    await_statement(pg_server.dsn(), "SELECT 7 FROM pg_sleep(1)")
    process.send_signal(signal.SIGTERM)
    worker.join(60)
    assert answers == [(7,)]
    assert ended(proxy) == 0


def test_the_service_manager_is_told(
    proxy: Guarded, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(short_folder / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(short_folder / "notify"))
        proxy.start()
        assert manager.recv(100) == b"READY=1"
        reload(proxy)
        assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(100) == b"READY=1"
        proxy.stop()
        assert manager.recv(100) == b"STOPPING=1"
