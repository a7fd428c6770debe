"""People whom dbguard knows itself, and a database that knows none of them."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import asyncpg
import psycopg
import pytest

from dbguard.identity.store import change_users
from dbguard.identity.users import User
from dbguard.wire.scram import make_verifier
from tests.conftest import binaries
from tests.tls_server import TlsServer, tls_server

from .conftest import Factory
from .proxies import Guarded, when_running
from .test_termination import LEGS, WHO, WRONG, listening
from .test_tls import Known, configured, reload

pytestmark = pytest.mark.pg

SCHEMA = """
CREATE ROLE app_analyst LOGIN PASSWORD 'analyst-secret';
CREATE ROLE app_readonly LOGIN PASSWORD 'readonly-secret';
CREATE SCHEMA clinic;
CREATE TABLE clinic.patients (id int PRIMARY KEY, ssn text, city text);
INSERT INTO clinic.patients VALUES (1, '123-45-6789', 'Rome');
GRANT USAGE ON SCHEMA clinic TO app_analyst, app_readonly;
GRANT SELECT, UPDATE ON clinic.patients TO app_analyst, app_readonly;
"""
RULES = """
classification:
  - {tag: phi.ssn, columns: [clinic.patients.ssn]}
roles:
  doctor: {identities: [dora]}
  analyst: {identities: []}
  researcher: {attributes: {department: [oncology]}}
  staff: {users: [app_readonly, app_analyst], groups: [zoe]}
masks:
  hidden: {phi: {redact: "***"}}
rules:
  - {id: doctors, allow: [read], roles: [doctor], data: [phi]}
  - {id: analysts, allow: [read], roles: [analyst, researcher], data: [phi], masked: hidden}
"""
SETTINGS = """
authentication:
  mode: identities
  users: users.json
  logins:
    - {role: analyst, user: app_analyst, password: "file:analyst.secret"}
    - {role: broken, user: app_readonly, password: wrong}
    - {role: lost, user: app_readonly, password: "file:nosuch.secret"}
    - {role: counted, user: app_readonly, password: "command:PYTHON tell.py"}
    - {user: app_readonly, password: readonly-secret}
"""
USERS = {
    "dora": User("dora"),
    "anna": User("anna", roles=frozenset({"analyst"})),
    "otto": User("otto", attributes=frozenset({("department", "oncology")})),
    "nora": User("nora"),
    "zoe": User("zoe", disabled=True),
    "carl": User("carl"),
    "bea": User("bea", roles=frozenset({"broken"})),
    "lou": User("lou", roles=frozenset({"lost"})),
    "con": User("con", roles=frozenset({"counted"})),
    "app_readonly": User("app_readonly"),
}


def known(name: str, password: str = "demo") -> User:
    found = USERS[name]
    verifier = make_verifier(password, f"salt of {name}".encode().ljust(16), 4096)
    return User(name, verifier, found.roles, found.attributes, found.disabled)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_server(tmp_path_factory.mktemp("tls")) as running:
        with running.connect() as connection:
            connection.execute(SCHEMA.encode())
        yield running


@pytest.fixture(scope="module")
def guarded(server: TlsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """TLS on both legs; the certificate for clients is of an authority of its own."""
    rules = tmp_path_factory.mktemp("rules")
    (rules / "rules.yaml").write_text(RULES, "utf-8")
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("identities"))
        proxy = factory(
            Known(server),
            rules=rules,
            durability="buffered",
            started=False,
            extra=SETTINGS.replace("PYTHON", sys.executable),
        )
        (proxy.folder / "tell.py").write_text("print(open('told.secret').read())", "utf-8")
        (proxy.folder / "told.secret").write_text("readonly-secret", "utf-8")
        (proxy.folder / "analyst.secret").write_text("analyst-secret\n", "utf-8")
        change_users(
            proxy.folder / "users.json", lambda users: users.update({n: known(n) for n in USERS})
        )
        configured(proxy, server, "127.0.0.1", f"mode: verify-full, ca: {server.ca}")
        listening(proxy)
        proxy.start()
        yield proxy


def one(session: psycopg.Connection[Any], sql: str) -> tuple[Any, ...]:
    found = session.execute(sql.encode()).fetchone()
    assert found is not None
    return tuple(found)


@pytest.mark.parametrize(
    ("name", "user", "ssn"),
    [
        ("dora", "app_readonly", "123-45-6789"),
        ("anna", "app_analyst", "***"),
        ("otto", "app_readonly", "***"),
        ("nora", "app_readonly", None),
    ],
)
def test_who_sees_what(guarded: Guarded, name: str, user: str, ssn: str | None) -> None:
    with closing(psycopg.connect(guarded.dsn(name), autocommit=True)) as session:
        assert one(session, "SELECT current_user, session_user") == (user, user)
        if ssn is not None:
            assert one(session, "SELECT ssn FROM clinic.patients") == (ssn,)
            return
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not allowed for nora"):
            session.execute("SELECT ssn FROM clinic.patients")


def changed(proxy: Guarded, name: str, how: Callable[[User], User | None]) -> None:
    def change(users: dict[str, User]) -> None:
        user = how(users[name])
        if user is None:
            del users[name]
        else:
            users[name] = user

    change_users(proxy.folder / "users.json", change)


STRANGER = "there is no such user"
DATABASE_USERS = ("app_analyst",)


def failed(proxy: Guarded, user: str, **fields: str) -> bool:
    """Whether there is such a record of a login; of a user that is nobody's name, without it."""
    found = [r["fields"] for r in proxy.records("authentication")]
    if fields.get("reason") == STRANGER and user not in DATABASE_USERS:
        assert not any(user in str(one) for one in found)
        return any(
            one == {**fields, "user": one["user"]} and one["user"].startswith("<unknown ")
            for one in found
        )
    return {"user": user, **fields} in found


def soon(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("upstream", ["disable", "require", "verify-full"])
def test_libpq_in_every_mode_on_both_legs(
    guarded: Guarded, server: TlsServer, upstream: str
) -> None:
    ca = f", ca: {server.ca}" if upstream == "verify-full" else ""
    configured(guarded, server, "127.0.0.1", f"mode: {upstream}{ca}")
    reload(guarded)
    for leg, options in LEGS.items():
        if leg == "direct" and psycopg.pq.version() < 170_000:
            continue
        options = options.format(ca=guarded.folder / "clients-ca.crt")
        with closing(psycopg.connect(f"{guarded.dsn('anna')}?{options}")) as session:
            assert session.pgconn.ssl_in_use is (leg != "disable"), leg
            assert one(session, WHO) == ("app_analyst", upstream != "disable"), leg


def test_asyncpg(guarded: Guarded) -> None:
    async def ssn(user: str, password: str) -> object:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=guarded.port,
            user=user,
            password=password,
            database="postgres",
            ssl="require",
        )
        try:
            return await connection.fetchval("SELECT ssn FROM clinic.patients WHERE id = $1", 1)
        finally:
            await connection.close()

    assert asyncio.run(ssn("dora", "demo")) == "123-45-6789"
    assert asyncio.run(ssn("anna", "demo")) == "***"
    with pytest.raises(asyncpg.InvalidPasswordError, match=WRONG.format("anna")):
        asyncio.run(ssn("anna", "wrong"))
    with warnings.catch_warnings():  # asyncpg leaves the socket of a failed login to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def psql(
    proxy: Guarded, user: str, password: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    program = binaries().folder / "psql"
    return subprocess.run(
        [program, proxy.dsn(user, password="").replace(":@", "@"), "-XAt", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PGPASSWORD": password, "LC_ALL": "C"},
    )


def test_psql(guarded: Guarded) -> None:
    shown = psql(guarded, "anna", "demo", "-c", "SELECT ssn, current_user FROM clinic.patients")
    assert shown.stdout == "***|app_analyst\n"
    shown = psql(guarded, "anna", "Demo", "-c", "SELECT 1")
    assert WRONG.format("anna") in shown.stderr
    shown = psql(guarded, "anna", "", "-c", "SELECT 1", "-w")
    assert shown.returncode == 2


REFUSED = {
    "a wrong password": ("anna", "Demo", "wrong password"),
    "another's": ("nora", "readonly-secret", "wrong password"),
    "nobody": ("nobody", "demo", "there is no such user"),
    "a database user": ("app_analyst", "analyst-secret", "there is no such user"),
    "a database user of the same name": ("app_readonly", "readonly-secret", "wrong password"),
    "one with a long name": ("n" * 300, "demo", "there is no such user"),
    "one who is disabled": ("zoe", "demo", "the user is disabled"),
    "one who is disabled, wrongly": ("zoe", "x", "the user is disabled"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_does_not_get_in(guarded: Guarded, case: str) -> None:
    user, password, reason = REFUSED[case]
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(guarded.dsn(user, password=password))
    assert WRONG.format(user) in str(caught.value)
    assert reason not in str(caught.value)
    soon(lambda: failed(guarded, user, result="failed 28P01", reason=reason))


@pytest.mark.parametrize(
    ("name", "code", "words", "reason"),
    [
        (
            *("bea", "08004", "the server does not let dbguard in on your behalf"),
            'the server does not let dbguard in as "app_readonly": it does not take the login '
            "(SQLSTATE 28P01)",
        ),
        ("lou", "58000", "the server cannot be logged in to on your behalf", ""),
    ],
)
def test_credentials_of_dbguards_own_that_do_not_work(
    guarded: Guarded, name: str, code: str, words: str, reason: str
) -> None:
    """More often than passwords may be guessed: it is not the client who guesses."""
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(guarded.dsn(name))
        assert words in str(caught.value)
        assert "password authentication failed" not in str(caught.value)
        assert "wrong" not in str(caught.value)
    more = {"reason": reason} if reason else {}
    who = {"identity": name, "proof": "password", "roles": ", ".join(USERS[name].roles)}
    soon(lambda: failed(guarded, name, **who, result=f"failed {code}", **more))
    events = [r["fields"] for r in guarded.records("security")]
    assert not any(e.get("user") == name for e in events)


def test_the_database_user_cannot_log_in_for_want_of_its_name(guarded: Guarded) -> None:
    """Who is called like a database user has no more rights than anybody."""
    with closing(psycopg.connect(guarded.dsn("app_readonly"), autocommit=True)) as session:
        assert one(session, "SELECT current_user") == ("app_readonly",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT ssn FROM clinic.patients")


def test_a_new_password_of_the_database_user_needs_no_restart(
    guarded: Guarded, server: TlsServer
) -> None:
    for user, name, file in (
        ("app_analyst", "anna", "analyst.secret"),
        ("app_readonly", "con", "told.secret"),
    ):
        before = (guarded.folder / file).read_text("utf-8")
        with closing(psycopg.connect(guarded.dsn(name))):
            pass
        with server.connect() as connection:
            connection.execute(f"ALTER ROLE {user} PASSWORD 'rotated'".encode())
        try:
            with pytest.raises(psycopg.OperationalError, match="let dbguard in on your behalf"):
                psycopg.connect(guarded.dsn(name))
            (guarded.folder / file).write_text("rotated", "utf-8")
            with closing(psycopg.connect(guarded.dsn(name))) as session:
                assert one(session, "SELECT session_user") == (user,)
        finally:
            (guarded.folder / file).write_text(before, "utf-8")
            with server.connect() as connection:
                old = f"ALTER ROLE {user} PASSWORD '{before.strip()}'"
                connection.execute(old.encode())


METHODS = {
    "trust": "",
    "password": "",
    "md5": "it asks for an MD5 password: use scram-sha-256 in pg_hba.conf",
    "reject": "it does not take the login (SQLSTATE 28000)",
}


@pytest.mark.parametrize("method", METHODS)
def test_what_the_server_may_ask_dbguard_for(
    guarded: Guarded, server: TlsServer, method: str
) -> None:
    file = server.embedded.data / "pg_hba.conf"
    before = file.read_text("utf-8")
    file.write_text(f"host all app_readonly all {method}\n{before}", "utf-8")
    asks_anew(server, "md5" if method == "md5" else "scram-sha-256")
    try:
        if method in ("trust", "password"):
            with closing(psycopg.connect(guarded.dsn("carl"))) as session:
                assert one(session, "SELECT session_user") == ("app_readonly",)
            with pytest.raises(psycopg.OperationalError, match=WRONG.format("carl")):
                psycopg.connect(guarded.dsn("carl", password="wrong"))
            return
        with pytest.raises(
            psycopg.OperationalError, match="let dbguard in on your behalf"
        ) as caught:
            psycopg.connect(guarded.dsn("carl"))
        assert "pg_hba.conf entry" not in str(caught.value)
        reason = f'the server does not let dbguard in as "app_readonly": {METHODS[method]}'
        more = {"identity": "carl", "proof": "password", "reason": reason}
        soon(lambda: failed(guarded, "carl", result="failed 08004", **more))
    finally:
        file.write_text(before, "utf-8")
        asks_anew(server, "scram-sha-256")


def asks_anew(server: TlsServer, encryption: str) -> None:
    """The server has read pg_hba.conf, and keeps the password of app_readonly like this."""
    with server.connect() as connection:
        connection.execute(f"SET password_encryption = '{encryption}'".encode())
        connection.execute("ALTER ROLE app_readonly PASSWORD 'readonly-secret'")
        loaded = connection.execute("SELECT pg_conf_load_time()").fetchone()
        connection.execute("SELECT pg_reload_conf()")
        soon(lambda: connection.execute("SELECT pg_conf_load_time()").fetchone() != loaded)


def test_records_name_who_it_was(guarded: Guarded) -> None:
    with closing(psycopg.connect(guarded.dsn("otto"), autocommit=True)) as session:
        session.execute("SELECT ssn AS recorded FROM clinic.patients")
    found = [r for r in guarded.records("decision") if "recorded" in r["text"]]
    assert found
    for record in found:
        assert record["principal_user"] == "app_readonly"
        assert record["identity"] == {
            "name": "otto",
            "proof": "password",
            "roles": [],
            "attributes": {"department": ["oncology"]},
        }
    of_session = [r for r in guarded.records() if r["session"] == found[0]["session"]]
    kinds = {r["kind"]: r.get("fields", {}) for r in of_session}
    assert kinds["connect"]["user"] == "otto"
    assert kinds["authentication"] == {
        "user": "app_readonly",
        "identity": "otto",
        "proof": "password",
        "attributes": "department=oncology",
        "database": guarded.database,
        "result": "accepted",
        "server": guarded.upstream,
        "server_tls": "TLSv1.3",
    }
    soon(
        lambda: any(
            r["kind"] == "disconnect" and r["session"] == found[0]["session"]
            for r in guarded.records()
        )
    )
    guarded.verify()


REFUSALS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)


def test_people_of_the_same_roles_share_plans_and_nothing_else(guarded: Guarded) -> None:
    """Whoever comes second is told of himself, not of who came first."""
    for name in ("nora", "carl", "nora"):
        with closing(psycopg.connect(guarded.dsn(name), autocommit=True)) as session:
            for text in ("SELECT ssn AS shared FROM clinic.patients", "DO $$ BEGIN END $$"):
                with pytest.raises(REFUSALS) as caught:
                    session.execute(text.encode())
                told = str(caught.value)
                assert [n in told for n in ("nora", "carl", "\0")] == [
                    name == "nora",
                    name == "carl",
                    False,
                ]
            assert one(session, "SELECT id AS shared FROM clinic.patients") == (1,)
    found = [r for r in guarded.records("decision") if "shared" in r["text"]]
    assert len(found) == 6
    for record in found:
        assert record["identity"]["name"] in ("nora", "carl")
        assert "\0" not in str(record)
        for reason in record["reasons"]:
            assert reason.endswith(f"is not allowed for {record['identity']['name']}")
    with closing(psycopg.connect(guarded.dsn("otto"), autocommit=True)) as session:
        notices: list[str] = []
        session.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        session.execute("SELECT 1 FROM clinic.patients WHERE ssn = 'x'")
        assert any("masked for otto" in notice for notice in notices)
        assert "\0" not in str(notices)


def test_a_database_that_is_not_named_is_ones_own(guarded: Guarded, server: TlsServer) -> None:
    dsn = guarded.dsn("anna").removesuffix("/postgres")
    with pytest.raises(psycopg.OperationalError, match='database "anna" does not exist'):
        psycopg.connect(dsn)
    with server.connect() as connection:
        connection.execute("CREATE DATABASE anna")
    try:
        with closing(psycopg.connect(dsn)) as session:
            assert one(session, "SELECT current_database()") == ("anna",)
    finally:
        with server.connect() as connection:
            connection.execute("DROP DATABASE anna WITH (FORCE)")


def test_statements_are_cancelled(guarded: Guarded, server: TlsServer) -> None:
    with closing(psycopg.connect(guarded.dsn("carl"), autocommit=True)) as session:
        ending = when_running(server.embedded.dsn(), "pg_sleep(60)", session.cancel_safe)
        with pytest.raises(psycopg.errors.QueryCanceled):
            session.execute("SELECT pg_sleep(60)")
        ending.join()


def test_who_is_disabled_is_thrown_out(guarded: Guarded, server: TlsServer) -> None:
    """And what it runs is stopped at the server."""
    with (
        closing(psycopg.connect(guarded.dsn("carl"), autocommit=True)) as busy,
        closing(psycopg.connect(guarded.dsn("carl"), autocommit=True)) as idle,
        closing(psycopg.connect(guarded.dsn("nora"), autocommit=True)) as other,
    ):
        (pid,) = one(busy, "SELECT pg_backend_pid()")
        ending = when_running(
            server.embedded.dsn(),
            "pg_sleep(300)",
            lambda: changed(guarded, "carl", lambda user: replace(user, disabled=True)),
        )
        with pytest.raises(psycopg.OperationalError, match="the user was disabled") as caught:
            busy.execute("SELECT pg_sleep(300)")
        assert caught.value.sqlstate == "57P01"
        ending.join()
        soon(lambda: broken(idle, "the user was disabled"))
        with pytest.raises(psycopg.OperationalError, match=WRONG.format("carl")):
            psycopg.connect(guarded.dsn("carl"))
        with server.connect() as connection:
            asked = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
            soon(lambda: connection.execute(asked, (pid,)).fetchone() == (0,))
        assert one(other, "SELECT 1") == (1,)
    ended = [r["fields"] for r in guarded.records("users")]
    assert {
        "event": "session ended",
        "user": "app_readonly",
        "reason": "the user was disabled",
        "identity": "carl",
        "proof": "password",
    } in ended
    changed(guarded, "carl", lambda user: replace(user, disabled=False))
    soon(lambda: lets_in(guarded, "carl"))
    told = [r["fields"] for r in guarded.records("users")]
    assert {"file": "users.json", "disabled": "carl"} in told
    assert {"file": "users.json", "changed": "carl"} in told


def broken(session: psycopg.Connection[Any], words: str) -> bool:
    """Whether the session has ended, and in these words."""
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return words in str(error)
    return False


def lets_in(proxy: Guarded, name: str) -> bool:
    try:
        psycopg.connect(proxy.dsn(name)).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lambda user: replace(user, roles=frozenset({"analyst"})), "roles or attributes"),
        (lambda _: None, "the user was removed"),
    ],
)
def test_who_is_not_what_it_was_is_thrown_out(
    guarded: Guarded, how: Callable[[User], User | None], words: str
) -> None:
    change_users(guarded.folder / "users.json", lambda users: users.update(nora=known("nora")))
    soon(lambda: lets_in(guarded, "nora"))
    time.sleep(1.2)  # what was changed before this session is no reason to end it
    with closing(psycopg.connect(guarded.dsn("nora"), autocommit=True)) as session:
        assert one(session, "SELECT session_user") == ("app_readonly",)
        changed(guarded, "nora", how)
        soon(lambda: broken(session, words))
    change_users(guarded.folder / "users.json", lambda users: users.update(nora=known("nora")))
    soon(lambda: lets_in(guarded, "nora"))


def test_a_broken_file_of_users_changes_nothing(guarded: Guarded) -> None:
    path = guarded.folder / "users.json"
    before = path.read_bytes()
    with closing(psycopg.connect(guarded.dsn("anna"), autocommit=True)) as session:
        path.write_bytes(before[:-20])
        soon(lambda: any("error" in r["fields"] for r in guarded.records("users")))
        assert one(session, "SELECT 1") == (1,)
        assert lets_in(guarded, "anna")
        path.write_bytes(before)
    last = [r["fields"]["error"] for r in guarded.records("users") if "error" in r["fields"]]
    assert last[-1].endswith("is not valid JSON")
    assert "users cannot be read again" in guarded.log.read_text("utf-8")
    assert lets_in(guarded, "anna")


def test_no_secret_is_written_anywhere(guarded: Guarded) -> None:
    verifier = known("anna").verifier
    assert verifier is not None
    secrets = [*verifier.encode().replace("$", ":").split(":")[2:], "analyst-secret"]
    places = {"users.json", "analyst.secret", "dbguard.yaml"}
    for path in guarded.folder.rglob("*"):
        if path.is_file() and path.suffix != ".key" and path.name not in places:
            for secret in secrets:
                assert secret.encode() not in path.read_bytes(), path


def test_a_reload_takes_other_users_and_a_mistake_leaves_them(guarded: Guarded) -> None:
    text = guarded.config.read_text("utf-8")
    guarded.config.write_text(text.replace("users.json", "others.json"), "utf-8")
    reload(guarded)
    assert "there is no such file of users" in guarded.log.read_text("utf-8")
    assert lets_in(guarded, "anna")
    change_users(guarded.folder / "others.json", lambda users: users.update(dora=known("dora")))
    with closing(psycopg.connect(guarded.dsn("anna"), autocommit=True)) as session:
        reload(guarded)
        assert not lets_in(guarded, "anna")
        assert lets_in(guarded, "dora")
        soon(lambda: broken(session, "the user was removed"))
    guarded.config.write_text(text, "utf-8")
    reload(guarded)
    assert lets_in(guarded, "anna")


def test_limits_are_those_of_a_person(guarded: Guarded) -> None:
    """Both are the same database user."""
    text = guarded.config.read_text("utf-8")
    assert text.count("limits: {") == 1
    limits = "limits: {connections_per_user: 1, login_failures: 9, login_pause: 1s, "
    guarded.config.write_text(text.replace("limits: {", limits), "utf-8")
    reload(guarded)
    try:
        with closing(psycopg.connect(guarded.dsn("dora"))):
            with pytest.raises(psycopg.OperationalError, match="too many connections for this"):
                psycopg.connect(guarded.dsn("dora"))
            assert lets_in(guarded, "otto")
        for _ in range(9):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(guarded.dsn("dora", password="wrong"))
        with pytest.raises(psycopg.OperationalError, match="too many failed logins"):
            psycopg.connect(guarded.dsn("dora"))
        assert lets_in(guarded, "otto")
        for _ in range(10):
            with pytest.raises(psycopg.OperationalError, match="let dbguard in on your behalf"):
                psycopg.connect(guarded.dsn("bea"))
        soon(lambda: lets_in(guarded, "dora"))
    finally:
        guarded.config.write_text(text, "utf-8")
        reload(guarded)
