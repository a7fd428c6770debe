"""People whom dbguard knows, who try to be somebody else, or to see what somebody else may see.

They share database users, so what would be their own business with a database user of their own
(its password, its settings, its sessions) concerns others here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from dbguard.identity.store import change_users
from dbguard.wire import backend, frontend
from dbguard.wire.framing import Frame
from dbguard.wire.scram import Password, ScramClient
from tests.tls_server import TlsServer, tls_server

from .conftest import Factory
from .protocol_client import Client, error_of, startup
from .proxies import Guarded
from .test_identities import RULES, SCHEMA, USERS, known, lets_in, one, soon
from .test_termination import WRONG
from .test_tls import Known

pytestmark = pytest.mark.pg

MORE = """
CREATE ROLE app_admin NOLOGIN;
CREATE ROLE app_root LOGIN SUPERUSER PASSWORD 'root-secret';
CREATE ROLE dora LOGIN PASSWORD 'demo';
GRANT app_admin, app_analyst, dora TO app_readonly;
CREATE SCHEMA app_admin AUTHORIZATION app_admin;
CREATE TABLE app_admin.patients (ssn text);
INSERT INTO app_admin.patients VALUES ('987-65-4321');
ALTER TABLE app_admin.patients OWNER TO app_admin;
ALTER TABLE clinic.patients OWNER TO app_admin;
"""
SETTINGS = """
authentication:
  mode: identities
  users: users.json
  logins:
    - {role: analyst, user: app_analyst, password: analyst-secret}
    - {role: root, user: app_root, password: root-secret}
    - {user: app_readonly, password: readonly-secret}
"""
MORE_RULES = RULES.replace(
    "classification:", 'classification:\n  - {tag: phi.ssn, columns: ["app_admin.patients.ssn"]}'
).replace("doctor: {identities: [dora]}", "doctor: {identities: [dora], users: [app_root]}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_server(tmp_path_factory.mktemp("tls")) as running:
        with running.connect() as connection:
            connection.execute((SCHEMA + MORE).encode())
        yield running


@pytest.fixture(scope="module")
def guarded(server: TlsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    rules = tmp_path_factory.mktemp("rules")
    (rules / "rules.yaml").write_text(MORE_RULES, "utf-8")
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("attacks"))
        proxy = factory(
            Known(server), rules=rules, durability="buffered", started=False, extra=SETTINGS
        )
        people = {name: known(name) for name in USERS}
        people["rita"] = replace(known("nora"), name="rita", roles=frozenset({"root"}))
        change_users(proxy.folder / "users.json", lambda users: users.update(people))
        proxy.start()
        yield proxy


def session(proxy: Guarded, name: str, **options: str) -> psycopg.Connection[Any]:
    return psycopg.connect(proxy.dsn(name), autocommit=True, **options)


ROLES = [
    {"options": "-c role=app_admin"},
    {"options": "-crole=app_admin"},
    {"options": "--role=app_admin"},
    {"options": "-c role=app_analyst"},
    {"options": "-c role=dora"},
]


@pytest.mark.parametrize("options", ROLES, ids=lambda o: o["options"])
@pytest.mark.parametrize("name", ["otto", "nora"])
def test_a_role_in_the_startup_packet_is_not_another_person(
    guarded: Guarded, name: str, options: dict[str, str]
) -> None:
    with closing(session(guarded, name, **options)) as found:
        assert one(found, "SELECT session_user") == ("app_readonly",)
        for table in ("clinic.patients", "patients", "app_admin.patients"):
            try:
                shown = found.execute(f"SELECT ssn FROM {table}".encode()).fetchall()
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable):
                continue
            assert (name, shown) == ("otto", [("***",)])
        found.execute("SELECT 1 AS role_tried")
    identities = [r["identity"] for r in guarded.records("decision") if "role_tried" in r["text"]]
    assert identities[-1]["name"] == name


def test_roles_by_the_protocols_own_parameter(guarded: Guarded) -> None:
    with Client(guarded.port) as client:
        client.log_in("nora", "postgres", role="app_admin")
        answers = client.query("SELECT ssn FROM clinic.patients")
        assert error_of(answers)[0] == "42501"


@pytest.mark.parametrize("way", ["parameter", "option"])
def test_session_authorization_in_the_startup_packet(guarded: Guarded, way: str) -> None:
    """Servers ignore it or refuse it; dbguard would, where one takes it."""
    more = {"session_authorization": "app_analyst"}
    if way == "option":
        more = {"options": "-c session_authorization=app_analyst"}
    with Client(guarded.port) as client:
        answers = client.log_in("nora", "postgres", **more)
    assert error_of(answers)[0] == "42501"
    with Client(guarded.port) as client:
        answers = client.log_in("rita", "postgres", **more)
        if answers[-1][:1] == b"Z":
            assert any(b"app_root" in m for m in client.query("SELECT session_user"))
        else:
            assert error_of(answers)[0] == "08P01"


STATEMENTS = [
    "SET SESSION AUTHORIZATION dora",
    "SET SESSION AUTHORIZATION app_analyst",
    "ALTER ROLE app_readonly PASSWORD 'mine'",
    "ALTER ROLE CURRENT_USER PASSWORD 'mine'",
    "ALTER USER SESSION_USER SET search_path = app_admin",
    "ALTER ROLE app_readonly SET role = app_admin",
    "GRANT app_readonly TO PUBLIC",
    "REASSIGN OWNED BY app_readonly TO dora",
    "DO $$ BEGIN EXECUTE 'ALTER ROLE app_readonly PASSWORD ''mine''' ; END $$",
    "SELECT set_config('session_authorization', 'dora', false)",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
    "TABLE pg_authid",
    "SELECT passwd FROM pg_shadow",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_would_be_ones_own_business_concerns_all_who_share_a_user(
    guarded: Guarded, statement: str
) -> None:
    with closing(session(guarded, "nora")) as found:
        with pytest.raises(psycopg.Error):
            found.execute(statement.encode())
        assert one(found, "SELECT session_user, current_user") == ("app_readonly",) * 2
    with closing(session(guarded, "otto")) as found:
        assert one(found, "SELECT ssn FROM clinic.patients") == ("***",)


def test_nobody_sees_what_others_do_as_the_same_user(guarded: Guarded) -> None:
    with (
        closing(session(guarded, "dora")) as one_of_them,
        closing(session(guarded, "nora")) as other,
    ):
        one_of_them.execute("SELECT 1 WHERE 'hushed-value' <> ''")
        shown = other.execute("SELECT * FROM pg_stat_activity").fetchall()
        assert shown
        assert "hushed" not in str(shown)


def test_set_role_changes_no_person(guarded: Guarded) -> None:
    with closing(session(guarded, "otto")) as found:
        for role in ("app_admin", "app_analyst", "dora"):
            try:
                found.execute(f"SET ROLE {role}".encode())
                assert one(found, "SELECT ssn FROM clinic.patients") == ("***",)
            except psycopg.errors.InsufficientPrivilege:
                pass
            found.execute("RESET ROLE")


NAMES = [
    b"anna\xff",
    b"ann\xc3\xa1",
    b" anna",
    b"anna ",
    b"ANNA",
    b"anna\n",
    b"anna'--",
    b'"anna"',
    b"app_analyst",
    b"dora@clinic",
    b"doctor",
    b"analyst",
    b"a" * 500,
    b"\xed\xa0\x80",
    b"\xff" * 64,
]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_odd_names_are_nobodys(guarded: Guarded, name: bytes) -> None:
    body = b"user\0" + name + b"\0database\0postgres\0\0"
    with Client(guarded.port) as client:
        client.send(struct.pack("!ii", len(body) + 8, 196608) + body)
        code, message = error_of(client.authenticate("demo"))[:2]
    assert code == "28P01"
    assert message.startswith("password authentication failed for user")


def test_names_that_are_given_twice_or_not_at_all(guarded: Guarded) -> None:
    for body in (b"user\0nora\0user\0dora\0\0", b"database\0postgres\0\0", b"user\0\0\0"):
        with Client(guarded.port) as client:
            client.send(struct.pack("!ii", len(body) + 8, 196608) + body)
            assert error_of(client.authenticate("demo"))[0] in ("08P01", "28000")


def asked(client: Client, name: str) -> None:
    client.send(startup(name, "postgres"))
    assert client.message()[0] == ord("R")


def answered(messages: list[bytes]) -> list[str]:
    return [type(backend.decode(Frame(m[0], m[5:]))).__name__ for m in messages]


EARLY = {
    "a query": frontend.Query(b"SELECT ssn FROM clinic.patients"),
    "an empty answer": frontend.PasswordMessage(b""),
    "a password in clear text": frontend.PasswordMessage(b"demo\0"),
    "another mechanism": frontend.PasswordMessage(b"PLAIN\0\0\0\0\x0a\0dora\0demo"),
    "a mechanism that is not offered": frontend.PasswordMessage(
        b"SCRAM-SHA-256-PLUS\0\0\0\0\x1ap=tls-server-end-point,,n=,r=a"
    ),
    "the end without a beginning": frontend.PasswordMessage(b"c=biws,r=x,p=AAAA"),
    "another name": frontend.PasswordMessage(b"SCRAM-SHA-256\0\0\0\0\x0dn,a=dora,n=,r=abc"[:-2]),
    "a copy": b"d\0\0\0\x08abcd",
    "a startup packet": startup("dora", "postgres"),
    "a message of 1 GiB": b"p\x40\0\0\0",
}


@pytest.mark.parametrize("case", EARLY)
def test_what_is_no_answer_gets_nobody_in(guarded: Guarded, case: str) -> None:
    with Client(guarded.port) as client:
        asked(client, "nora")
        client.send(EARLY[case])
        assert answered(client.until_ready()) == ["ErrorResponse"]


def test_new_protocols_are_spoken_whatever_the_server_speaks(guarded: Guarded) -> None:
    """Keys of protocol 3.2 are dbguard's own; of what is newer the client is told before it is
    asked for anything."""
    for minor, first in ((2, "R"), (9, "v")):
        with Client(guarded.port) as client:
            client.send(startup("nora", "postgres", 3 << 16 | minor))
            answers = client.authenticate("demo")
            assert chr(answers[0][0]) == first
            assert client.key is not None
            assert len(client.key.secret) == 32
            assert any(b"app_readonly" in m for m in client.query("SELECT session_user"))


def test_a_name_in_the_proof_counts_for_nothing(guarded: Guarded) -> None:
    """PostgreSQL goes by the startup packet, and so does dbguard."""
    with Client(guarded.port) as client:
        exchange = ScramClient(Password("demo"), "clientnonce", user="dora")
        asked(client, "nora")
        mechanism, first = exchange.first(("SCRAM-SHA-256",))
        body = mechanism.encode() + b"\0" + struct.pack("!i", len(first)) + first
        client.send(frontend.PasswordMessage(body))
        challenge = client.message()
        client.send(frontend.PasswordMessage(exchange.final(challenge[9:])))
        client.until_ready()
        assert error_of(client.query("SELECT ssn FROM clinic.patients"))[0] == "42501"


def test_what_is_sent_ahead_is_judged_like_all_else(guarded: Guarded) -> None:
    """A query right behind the proof, ahead of any answer."""
    for password, expected in (("demo", "42501"), ("wrong", "28P01")):
        with Client(guarded.port) as client:
            exchange = ScramClient(Password(password), "clientnonce")
            asked(client, "nora")
            mechanism, first = exchange.first(("SCRAM-SHA-256",))
            body = mechanism.encode() + b"\0" + struct.pack("!i", len(first)) + first
            client.send(frontend.PasswordMessage(body))
            final = frontend.PasswordMessage(exchange.final(client.message()[9:]))
            client.send(final, frontend.Query(b"SELECT ssn AS ahead FROM clinic.patients"))
            messages = client.until_ready()
            if expected == "42501":
                messages = client.until_ready()
            assert error_of(messages)[0] == expected
    ahead = [r for r in guarded.records("decision") if "ahead" in r["text"]]
    assert [r["identity"]["name"] for r in ahead] == ["nora"]
    assert {r["decision"] for r in ahead} == {"deny"}


@pytest.mark.parametrize("password", ["", " ", "demo ", "Demo", "d\u0435mo", "demodemo"])
def test_passwords_that_are_nearly_right(guarded: Guarded, password: str) -> None:
    with Client(guarded.port) as client:
        client.send(startup("dora", "postgres"))
        answers = client.authenticate(password)
    assert error_of(answers)[:2] == ("28P01", WRONG.format("dora"))


def test_passwords_of_the_server_get_nobody_in(guarded: Guarded) -> None:
    """`dora` is a database user as well, with another password there."""
    for name, password in (("app_readonly", "readonly-secret"), ("app_root", "root-secret")):
        with pytest.raises(psycopg.OperationalError, match=WRONG.format(name)):
            psycopg.connect(guarded.dsn(name, password=password))


def test_a_superuser_who_stands_for_people_is_still_bound_by_the_rules(guarded: Guarded) -> None:
    """The rules give app_root a role by its database user: that is what they say, and no more."""
    with closing(session(guarded, "rita")) as found:
        assert one(found, "SELECT ssn FROM clinic.patients") == ("123-45-6789",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            found.execute("ALTER ROLE dora PASSWORD 'x'")


def test_users_of_that_name_in_the_store_are_told_from_those_of_the_server(
    guarded: Guarded,
) -> None:
    """A person called like a database user that a role of the rules names: it holds no role."""
    names = ("app_root", "app_admin", "postgres")
    change_users(
        guarded.folder / "users.json",
        lambda users: users.update({n: replace(known("nora"), name=n) for n in names}),
    )
    for name in names:
        soon(lambda name=name: lets_in(guarded, name))
        with closing(session(guarded, name)) as found:
            assert one(found, "SELECT session_user") == ("app_readonly",)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                found.execute("SELECT ssn FROM clinic.patients")
