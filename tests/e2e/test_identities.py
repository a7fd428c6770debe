"""People whom dbguard knows itself, and a database that knows none of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from dbguard.identity.store import change_users
from dbguard.identity.users import User
from dbguard.wire.scram import make_verifier
from tests.tls_server import TlsServer, tls_server

from .conftest import Factory
from .proxies import Guarded
from .test_termination import listening
from .test_tls import Known, configured

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
    - {user: app_readonly, password: readonly-secret}
"""
USERS = {
    "dora": User("dora"),
    "anna": User("anna", roles=frozenset({"analyst"})),
    "otto": User("otto", attributes=frozenset({("department", "oncology")})),
    "nora": User("nora"),
    "zoe": User("zoe", disabled=True),
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
            Known(server), rules=rules, durability="buffered", started=False, extra=SETTINGS
        )
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
