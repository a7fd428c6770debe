"""SET ROLE and SET SESSION AUTHORIZATION narrow what the policy gives, and are decided themselves.

Everybody holds every right of the database on the table, so that the policy alone decides. What is
sent in front of the probe is sent by simple queries, by the extended protocol, and as one pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from dbguard.wire import backend, frontend
from dbguard.wire.framing import Frame
from dbguard.wire.tags import Backend

from .conftest import Factory
from .protocol_client import Client, values
from .proxies import Guarded

pytestmark = pytest.mark.pg

RULES = """
classification:
  - {tag: phi, columns: [public.people.ssn]}
roles:
  seer: {groups: [seers]}
  half: {groups: [halves]}
  named: {users: [named, chief]}
  barred: {groups: [barreds]}
  pinned: {users: [pinned]}
masks:
  tail: {phi: {keep_last: 2, with: "…"}}
  hidden: {phi: redact}
rules:
  - {id: see, allow: [all], roles: [seer, named, pinned], data: ["*"]}
  - {id: run, allow: [all], roles: [seer, named, pinned]}
  - {id: tails, allow: [read], roles: [half], data: [phi], masked: tail}
  - {id: hides, allow: [read], roles: [seer], data: [phi], masked: hidden}
  - {id: never, deny: [read], roles: [barred], data: [phi]}
  - {id: stay, deny: [set_role], roles: [pinned], because: "this account is nobody else"}
defaults:
  classified: deny
  unclassified: {read: allow, write: allow, ddl: deny, privilege: deny, code: deny,
    maintenance: deny}
"""
SETUP = """
CREATE TABLE public.people (id int PRIMARY KEY, ssn text);
INSERT INTO public.people VALUES (1, 'canary-71'), (2, 'canary-82');
GRANT ALL ON public.people TO PUBLIC;
CREATE FUNCTION public.become(name text) RETURNS text LANGUAGE plpgsql VOLATILE
  AS $$ BEGIN RETURN set_config('role', name, false); END $$;
CREATE PROCEDURE public.becoming(name text) LANGUAGE plpgsql
  AS $$ BEGIN PERFORM set_config('role', name, false); COMMIT; END $$;
CREATE FUNCTION public.inside() RETURNS text LANGUAGE plpgsql SET role = nothings
  AS $$ BEGIN RETURN current_user; END $$;
"""
PROBE = "SELECT ssn FROM public.people WHERE id = 1"
RAW, MASKED, TAIL, REFUSED = "canary-71", "[redacted]", "…71", "refused"
ABORTED = "25P02 current transaction is aborted, commands ignored until end of transaction block"
GROUPS = ("seers", "halves", "nothings", "barreds")

SCRIPTS: list[tuple[str, list[str], str]] = [
    ("wide", [], RAW),
    ("wide", ["SET ROLE seers"], RAW),
    ("wide", ["SET ROLE wide"], RAW),
    ("wide", ["SET ROLE nothings"], REFUSED),
    ("wide", ["SET ROLE 'nothings'"], REFUSED),
    ("wide", ["SET SESSION ROLE nothings"], REFUSED),
    # the login has a grant that hides more: narrowing does not let less be hidden
    ("wide", ["SET ROLE halves"], MASKED),
    ("wide", ["SET ROLE nothings", "RESET ROLE"], RAW),
    ("wide", ["SET ROLE nothings", "SET ROLE NONE"], RAW),
    ("wide", ["SET ROLE nothings", "SET ROLE seers"], RAW),
    ("wide", ["SET ROLE seers", "SET ROLE nothings"], REFUSED),
    ("wide", ["SET ROLE nothings", "RESET ALL"], REFUSED),
    ("wide", ["BEGIN", "SET LOCAL ROLE nothings"], REFUSED),
    ("wide", ["BEGIN", "SET LOCAL ROLE nothings", "COMMIT"], RAW),
    ("wide", ["BEGIN", "SET ROLE nothings", "COMMIT"], REFUSED),
    ("wide", ["BEGIN", "SET ROLE nothings", "ROLLBACK"], RAW),
    ("wide", ["SET ROLE nothings", "BEGIN", "RESET ROLE"], RAW),
    ("wide", ["SET ROLE nothings", "BEGIN", "RESET ROLE", "ROLLBACK"], REFUSED),
    ("wide", ["SET ROLE nothings", "BEGIN", "SAVEPOINT a", "RESET ROLE", "ROLLBACK TO a"], REFUSED),
    ("wide", ["BEGIN", "SAVEPOINT a", "SET ROLE nothings", "ROLLBACK TO a"], RAW),
    ("wide", ["BEGIN", "SAVEPOINT a", "SET ROLE nothings", "RELEASE a"], REFUSED),
    ("wide", ["BEGIN", "SET ROLE nothings", "COMMIT AND CHAIN"], REFUSED),
    ("wide", ["SELECT set_config('role', 'nothings', false)"], REFUSED),
    ("wide", ["BEGIN", "SELECT set_config('role', 'nothings', true)"], REFUSED),
    ("wide", ["SELECT set_config('role', 'nothings', false), 1"], REFUSED),
    (
        "wide",
        ["WITH s AS (SELECT set_config('role', 'nothings', false) AS x) SELECT max(x) FROM s"],
        REFUSED,
    ),
    ("wide", ["SELECT length(set_config('ro' || 'le', 'nothings', false))"], REFUSED),
    # which it does not show
    ("wide", ["UPDATE pg_settings SET setting = 'nothings' WHERE name = 'role'"], RAW),
    ("wide", ["DO $$ BEGIN SET ROLE nothings; END $$"], REFUSED),
    ("wide", ["DO $$ BEGIN EXECUTE 'SET RO' || 'LE nothings'; END $$"], REFUSED),
    ("wide", ["SELECT public.become('nothings')"], REFUSED),
    (
        "wide",
        [
            "SELECT count(*) FROM ts_stat("
            "'SELECT to_tsvector(set_config(''role'', ''nothings'', false))')"
        ],
        REFUSED,
    ),
    ("wide", ["SELECT public.inside()"], RAW),
    (
        "wide",
        ["PREPARE p AS SELECT set_config('role', 'nothings', false)", "EXECUTE p"],
        REFUSED,
    ),
    (
        "wide",
        [
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT set_config('role', 'nothings', true)",
            "FETCH c",
        ],
        REFUSED,
    ),
    ("wide", ["COPY (SELECT set_config('role', 'nothings', false), 1) TO STDOUT"], REFUSED),
    ("wide", ["CREATE TEMP TABLE t (n int)", "SET ROLE nothings"], REFUSED),
    ("wide", ["CALL public.becoming('nothings')"], REFUSED),
    ("wide", ["SELECT ssn FROM public.people WHERE public.become('nothings') = ssn"], REFUSED),
    ("wide", ["ALTER ROLE wide SET role = nothings", "ALTER ROLE wide RESET role"], RAW),
    # who sees masked values only
    ("tails", [], TAIL),
    ("tails", ["SET ROLE halves"], TAIL),
    ("tails", ["SET ROLE nothings"], REFUSED),
    ("tails", ["SELECT set_config('role', 'nothings', false)"], REFUSED),
    ("tails", ["BEGIN", "SET LOCAL ROLE nothings"], REFUSED),
    ("tails", ["SET ROLE nothings", "BEGIN", "RESET ROLE", "SAVEPOINT a", "ROLLBACK TO a"], TAIL),
    (
        "tails",
        ["SET ROLE nothings", "BEGIN", "SAVEPOINT a", "RESET ROLE", "ROLLBACK TO a"],
        REFUSED,
    ),
    # users of the policy count whatever role is in force
    ("named", ["SET ROLE nothings"], RAW),
    # a superuser may set any role, and gains nothing by it
    ("root", [], REFUSED),
    ("root", ["SET ROLE seers"], REFUSED),
    ("root", ["SET ROLE named"], REFUSED),
    ("root", ["SET SESSION AUTHORIZATION named"], REFUSED),
    ("root", ["SET SESSION AUTHORIZATION wide"], REFUSED),
    ("root", ["SET SESSION AUTHORIZATION wide", "SET ROLE seers"], REFUSED),
    # what the role in force is denied, whoever has set it is denied
    ("chief", [], RAW),
    ("chief", ["SET ROLE barreds"], REFUSED),
    ("chief", ["SET ROLE barreds", "DISCARD ALL"], RAW),
    ("chief", ["SET SESSION AUTHORIZATION barreds"], REFUSED),
    ("chief", ["SET SESSION AUTHORIZATION barreds", "SET SESSION AUTHORIZATION DEFAULT"], RAW),
    ("chief", ["SET SESSION AUTHORIZATION barreds", "RESET SESSION AUTHORIZATION"], RAW),
    ("chief", ["BEGIN", "SET SESSION AUTHORIZATION barreds", "ROLLBACK"], RAW),
    ("chief", ["BEGIN", "SET LOCAL SESSION AUTHORIZATION barreds"], REFUSED),
    ("chief", ["SELECT set_config('session_authorization', 'barreds', false)"], REFUSED),
]

STRINGS: list[tuple[str, list[str], str]] = [
    ("wide", [f"SET ROLE nothings; {PROBE}"], REFUSED),
    ("wide", [f"BEGIN; SET LOCAL ROLE nothings; {PROBE}; COMMIT"], REFUSED),
    ("wide", [f"SELECT set_config('role', 'nothings', false); {PROBE}"], REFUSED),
    ("wide", [f"SELECT set_config('role', 'nothings', false), 1; {PROBE}"], REFUSED),
    ("wide", [f"DO $$ BEGIN SET ROLE nothings; END $$; {PROBE}"], REFUSED),
    ("wide", ["SET ROLE nothings; SET search_path = public", "RESET search_path", PROBE], REFUSED),
    ("wide", [f"SET ROLE seers; {PROBE}"], RAW),
    ("named", [f"SET ROLE nothings; {PROBE}"], RAW),
    ("wide", ["SET ROLE nothings", f"BEGIN; RESET ROLE; ROLLBACK; {PROBE}"], REFUSED),
    ("wide", ["SET ROLE nothings", "BEGIN", "RESET ROLE", f"ROLLBACK; {PROBE}"], REFUSED),
    ("wide", ["SET ROLE nothings", "BEGIN; RESET ROLE", "SELECT 1/0", f"ROLLBACK; {PROBE}"],
     ABORTED),
    ("wide", ["BEGIN", "SET ROLE nothings; SAVEPOINT a; RESET ROLE", f"ROLLBACK TO a; {PROBE}"],
     REFUSED),
    ("wide", ["PREPARE p AS SELECT set_config('role', 'nothings', false)", f"EXECUTE p; {PROBE}"],
     REFUSED),
    ("wide", [f"PREPARE p AS {PROBE}", "SET ROLE nothings; EXECUTE p"], REFUSED),
    ("wide", [f"SET ROLE nothings; PREPARE p AS {PROBE}; EXECUTE p"], REFUSED),
    ("wide", [f"BEGIN; DECLARE c CURSOR FOR {PROBE}", "SET ROLE nothings; FETCH c"], REFUSED),
    ("wide", [f"BEGIN; DECLARE c CURSOR FOR {PROBE}; SET ROLE nothings; FETCH c"], REFUSED),
    ("chief", [f"SET SESSION AUTHORIZATION barreds; {PROBE}"], REFUSED),
    ("chief", [f"SET ROLE barreds; RESET ROLE; {PROBE}"], REFUSED),
]  # fmt: skip

HELD: list[tuple[list[str], str]] = [
    ([f"PREPARE p AS {PROBE}", "SET ROLE nothings", "EXECUTE p"], REFUSED),
    ([f"PREPARE p AS {PROBE}", "SET ROLE seers", "EXECUTE p"], RAW),
    (["SET ROLE nothings", "RESET ROLE", f"PREPARE p AS {PROBE}", "EXECUTE p"], RAW),
    (["BEGIN", f"DECLARE c CURSOR FOR {PROBE}", "SET ROLE nothings", "FETCH c"], REFUSED),
    (["BEGIN", f"DECLARE c CURSOR FOR {PROBE}", "SET ROLE halves", "FETCH c"], REFUSED),
    (["BEGIN", f"DECLARE c CURSOR FOR {PROBE}", "SET ROLE seers", "FETCH c"], RAW),
    (["BEGIN", "SET ROLE halves", f"DECLARE c CURSOR FOR {PROBE}", "RESET ROLE", "FETCH c"],
     MASKED),
    (
        ["BEGIN", f"DECLARE c CURSOR WITH HOLD FOR {PROBE}", "COMMIT", "SET ROLE nothings",
         "FETCH c"],
        REFUSED,
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def roles(module_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    database = module_database
    for user in ("wide", "named", "pinned"):
        database.create_user(user, *(g for g in GROUPS if g != "barreds"))
    database.create_user("tails", "halves", "nothings")
    database.server.create_user("barreds", options="LOGIN")
    for user in ("root", "chief"):
        database.server.create_user(user, options="LOGIN SUPERUSER")
    database.execute(SETUP)
    folder = tmp_path_factory.mktemp("roles")
    (folder / "rules").mkdir()
    (folder / "rules" / "roles.yaml").write_text(RULES, "utf-8")
    with ExitStack() as stack:
        yield Factory(stack, folder)(database, rules=folder / "rules", durability="buffered")


@pytest.fixture
def client(roles: Guarded) -> Iterator[Client]:
    with Client(roles.port) as client:
        yield client


def outcome(messages: list[bytes]) -> str:
    """The one value of the last result, or that it was refused by dbguard."""
    found = ""
    for message in messages:
        shown = backend.decode(Frame(message[0], message[5:]))
        match shown:
            case backend.ErrorResponse():
                detail = shown.fields.get("D") or ""
                refused = "rule " in detail or shown.fields.sqlstate == "0A000"
                found = REFUSED if refused else f"{shown.fields.sqlstate} {shown.fields.message}"
        if message[0] == Backend.DATA_ROW:
            found = message[11:].decode()
    return found


def prepared(text: str) -> list[frontend.FrontendMessage]:
    return [
        frontend.Parse(b"", text.encode(), ()),
        frontend.Bind(b"", b"", values()),
        frontend.Execute(b"", 0),
    ]


def nothing_leaked(messages: list[bytes], expected: str) -> None:
    assert (b"canary" in b"".join(messages)) == (expected == RAW)


@pytest.mark.parametrize(
    ("user", "script", "expected"),
    [*((user, [*script, PROBE], expected) for user, script, expected in SCRIPTS), *STRINGS],
    ids=lambda value: "; ".join(value) if isinstance(value, list) else None,
)
def test_simple(
    roles: Guarded, client: Client, user: str, script: list[str], expected: str
) -> None:
    client.log_in(user, roles.database)
    messages: list[bytes] = []
    for text in script:
        messages = client.query(text)
    nothing_leaked(messages, expected)
    assert outcome(messages) == expected


@pytest.mark.parametrize(
    ("user", "script", "expected"),
    SCRIPTS,
    ids=lambda value: "; ".join(value) if isinstance(value, list) else None,
)
def test_extended(
    roles: Guarded, client: Client, user: str, script: list[str], expected: str
) -> None:
    client.log_in(user, roles.database)
    for text in script:
        client.send(*prepared(text), frontend.Sync())
        client.until_ready()
    client.send(*prepared(PROBE), frontend.Sync())
    messages = client.until_ready()
    nothing_leaked(messages, expected)
    assert outcome(messages) == expected


@pytest.mark.parametrize(
    ("user", "script", "expected"),
    SCRIPTS,
    ids=lambda value: "; ".join(value) if isinstance(value, list) else None,
)
def test_in_a_pipeline(
    roles: Guarded, client: Client, user: str, script: list[str], expected: str
) -> None:
    if "DISCARD ALL" in script:
        pytest.skip("not in a pipeline")
    if script[-1:] == ["ROLLBACK"]:
        expected = RAW  # the pipeline's own transaction, which holds all of it
    client.log_in(user, roles.database)
    sent = [message for text in (*script, PROBE) for message in prepared(text)]
    client.send(*sent, frontend.Sync())
    messages = client.until_ready()
    nothing_leaked(messages, expected)
    assert outcome(messages) == expected


@pytest.mark.parametrize(("script", "expected"), HELD)
@pytest.mark.parametrize("extended", [False, True])
def test_what_was_prepared_before(
    roles: Guarded, client: Client, script: list[str], expected: str, extended: bool
) -> None:
    client.log_in("wide", roles.database)
    messages: list[bytes] = []
    for text in script:
        if extended:
            client.send(*prepared(text), frontend.Sync())
            messages = client.until_ready()
        else:
            messages = client.query(text)
    nothing_leaked(messages, expected)
    assert outcome(messages) == expected


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize(
    ("role", "expected"), [("nothings", REFUSED), ("seers", RAW), ("halves", MASKED)]
)
def test_a_statement_parsed_before(
    roles: Guarded, client: Client, role: str, expected: str, sync: bool
) -> None:
    client.log_in("wide", roles.database)
    client.send(frontend.Parse(b"s", PROBE.encode(), ()), frontend.Sync())
    client.until_ready()
    between = [frontend.Sync()] if sync else []
    client.send(
        *prepared(f"SET ROLE {role}"),
        *between,
        frontend.Bind(b"", b"s", values()),
        frontend.Execute(b"", 0),
        frontend.Sync(),
    )
    messages = client.until_ready(1 + sync)
    nothing_leaked(messages, expected)
    assert outcome(messages) == expected


def test_statements_that_name_each_other_in_a_circle(roles: Guarded, client: Client) -> None:
    client.log_in("wide", roles.database)
    client.send(
        frontend.Parse(b"a", b"EXECUTE b", ()),
        frontend.Parse(b"b", b"EXECUTE a", ()),
        frontend.Sync(),
        *prepared("SET ROLE nothings"),
        frontend.Bind(b"", b"a", values()),
        frontend.Execute(b"", 0),
        frontend.Sync(),
    )
    assert b"canary" not in b"".join(client.until_ready(2))
    assert outcome(client.query("SELECT 7")) == "7"


@pytest.mark.parametrize("text", ["EXECUTE p", "FETCH c", PROBE])
def test_a_text_parsed_before(roles: Guarded, client: Client, text: str) -> None:
    client.log_in("wide", roles.database)
    client.query(f"PREPARE p AS {PROBE}")
    client.query("BEGIN")
    client.query(f"DECLARE c CURSOR FOR {PROBE}")
    client.send(frontend.Parse(b"s", text.encode(), ()), frontend.Sync())
    client.until_ready()
    client.send(
        *prepared("SET LOCAL ROLE nothings"),
        frontend.Describe(b"S", b"s"),
        frontend.Bind(b"", b"s", values()),
        frontend.Execute(b"", 0),
        frontend.Sync(),
    )
    messages = client.until_ready()
    nothing_leaked(messages, REFUSED)
    assert outcome(messages) == REFUSED


@pytest.mark.parametrize(
    ("role", "expected"), [("nothings", REFUSED), ("seers", RAW), ("halves", REFUSED)]
)
def test_a_portal_bound_before(roles: Guarded, client: Client, role: str, expected: str) -> None:
    client.log_in("wide", roles.database)
    client.send(
        frontend.Parse(b"s", PROBE.encode(), ()),
        frontend.Bind(b"p", b"s", values()),
        *prepared(f"SET ROLE {role}"),
        frontend.Execute(b"p", 0),
        frontend.Sync(),
    )
    messages = client.until_ready()
    nothing_leaked(messages, expected)
    assert outcome(messages) == expected


def test_a_portal_read_to_its_end_under_another_role(roles: Guarded, client: Client) -> None:
    client.log_in("wide", roles.database)
    client.send(
        frontend.Parse(b"s", b"SELECT ssn FROM public.people ORDER BY id", ()),
        frontend.Bind(b"p", b"s", values()),
        frontend.Execute(b"p", 1),
        *prepared("SET ROLE nothings"),
        frontend.Execute(b"p", 1),
        frontend.Sync(),
    )
    messages = client.until_ready()
    assert b"canary-71" in b"".join(messages)
    assert b"canary-82" not in b"".join(messages)
    assert outcome(messages) == REFUSED


def test_what_a_suspended_portal_has_set_counts(roles: Guarded, client: Client) -> None:
    client.log_in("wide", roles.database)
    client.send(
        frontend.Parse(b"", b"SELECT set_config('role', 'nothings', false)", ()),
        frontend.Bind(b"", b"", values()),
        frontend.Execute(b"", 1),
        *prepared(PROBE),
        frontend.Sync(),
    )
    messages = client.until_ready()
    nothing_leaked([m for m in messages if b"canary" in m], REFUSED)
    assert outcome(messages) == REFUSED


def test_what_a_function_called_by_its_number_has_set_counts(
    roles: Guarded, client: Client
) -> None:
    client.log_in("wide", roles.database)
    found = client.query("SELECT 'pg_catalog.set_config'::regproc::oid")
    number = int(next(m for m in found if m[0] == Backend.DATA_ROW)[11:])
    arguments = b"".join(len(a).to_bytes(4, "big") + a for a in (b"role", b"nothings", b"f"))
    call = number.to_bytes(4, "big") + b"\0\0\0\3" + arguments + b"\0\0"
    client.send(b"F" + (len(call) + 4).to_bytes(4, "big") + call)
    assert b"nothings" in b"".join(client.until_ready())
    messages = client.query(PROBE)
    nothing_leaked(messages, REFUSED)
    assert outcome(messages) == REFUSED


@pytest.mark.parametrize("options", ["-c role=nothings", "--role=nothings"])
def test_a_role_set_at_login_counts(roles: Guarded, options: str) -> None:
    with (
        closing(roles.connect("wide", options=options, autocommit=True)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(PROBE)


@pytest.mark.parametrize("options", ["-c role=nothings", "-ecro\\le=nothings"])
def test_a_role_set_at_login_can_be_denied(roles: Guarded, options: str) -> None:
    with closing(roles.connect("pinned", options=options, autocommit=True)) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("SELECT 1")
        message = "SET ROLE is denied by rule stay: this account is nobody else"
        assert message in str(caught.value)
        assert connection.closed
    assert roles.records("decision")[-1]["phase"] == "startup"


def test_a_role_that_the_account_starts_with_counts(roles: Guarded, module_database: Any) -> None:
    module_database.execute("ALTER ROLE wide SET role = nothings")
    try:
        with closing(roles.connect("wide", autocommit=True)) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(PROBE)
            connection.execute("SET ROLE NONE")
            assert connection.execute(PROBE).fetchone() == (RAW,)
            with pytest.raises(psycopg.errors.FeatureNotSupported):
                connection.execute(f"RESET ROLE; {PROBE}")
            connection.execute("RESET ROLE")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(PROBE)
    finally:
        module_database.execute("ALTER ROLE wide RESET role")


DENIED = [
    "SET ROLE nothings",
    "SET ROLE NONE",
    "RESET ROLE",
    "SET LOCAL ROLE nothings",
    "SET SESSION AUTHORIZATION pinned",
    "SELECT set_config('role', 'nothings', false)",
    "SELECT set_config('ro' || 'le', 'nothings', false)",
    "DO $$ BEGIN SET ROLE nothings; END $$",
    "SELECT 1; SET ROLE nothings",
    "PREPARE p AS SELECT set_config('role', 'nothings', false)",
]


@pytest.mark.parametrize("text", DENIED)
def test_changing_the_role_can_be_denied(roles: Guarded, text: str) -> None:
    with closing(roles.connect("pinned", autocommit=True)) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(text)
        assert caught.value.diag.message_primary == (
            "SET ROLE is denied by rule stay: this account is nobody else"
        )
        assert connection.execute("SELECT current_user").fetchone() == ("pinned",)


@pytest.mark.parametrize("text", ["DISCARD ALL", "RESET ALL", "SET jit = off", PROBE])
def test_the_rest_stays_allowed(roles: Guarded, text: str) -> None:
    with closing(roles.connect("pinned", autocommit=True)) as connection:
        connection.execute(text)


def test_a_refusal_tells_what_the_role_took_away(roles: Guarded) -> None:
    with closing(roles.connect("wide", autocommit=True)) as connection:
        connection.execute("SET ROLE nothings")
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute(PROBE)
    assert "Under role nothings" in str(caught.value.diag.message_hint)
    assert "(half and seer): RESET ROLE" in str(caught.value.diag.message_hint)


def test_records_tell_who_logged_in_and_who_acts(roles: Guarded) -> None:
    marks = [f"SELECT count(*) AS mark{n} FROM public.people" for n in range(4)]
    with closing(roles.connect("chief", autocommit=True)) as connection:
        connection.execute(marks[0])
        connection.execute("SET ROLE seers")
        connection.execute(marks[1])
        connection.execute("SET SESSION AUTHORIZATION wide")
        connection.execute(marks[2])
        connection.execute("SET SESSION AUTHORIZATION DEFAULT")
        connection.execute(marks[3])
    found = {
        record["text"]: (record["principal_user"], record.get("acting_as"))
        for record in roles.records("decision")
    }
    assert [found[mark] for mark in marks] == [
        ("chief", None),
        ("chief", "seers"),
        ("chief", "wide"),
        ("chief", None),
    ]
