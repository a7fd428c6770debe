"""Each planted fault is found, and a server that is closed is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbguard.doctor.checks import findings
from dbguard.doctor.model import HbaRule, LoginRole, Observed, SeenSession, Severity

DBGUARD = "10.0.0.5"


def rule(
    kind: str = "host",
    address: str = DBGUARD,
    netmask: str = "255.255.255.255",
    method: str = "scram-sha-256",
    users: tuple[str, ...] = ("all",),
    line: int = 7,
) -> HbaRule:
    return HbaRule(line, kind, ("all",), users, address, netmask, method)


def role(name: str = "app", **more: object) -> LoginRole:
    given = {
        "superuser": False,
        "bypasses_rls": False,
        "replication": False,
        "memberships": frozenset(),
        **more,
    }
    return LoginRole(name, **given)  # type: ignore[arg-type]


CLOSED = Observed(
    server="db:5432",
    user="dbguard",
    address=DBGUARD,
    listening=("*",),
    encrypts=True,
    hba=(rule("local", "", "", "scram-sha-256"), rule(), rule(address="127.0.0.1")),
    roles=(role(), role("dbguard")),
    md5=(),
    extensions=(("clinic", "plpgsql"), ("clinic", "pgcrypto")),
    foreign_servers=(),
    publications=(),
    slots=(),
    sessions=(SeenSession("app", "clinic", DBGUARD, "psql"),),
)


def test_a_server_that_is_closed() -> None:
    assert findings(CLOSED) == ()


FAULTS = {
    "everywhere": (
        {"hba": (rule(address="all", netmask=""),)},
        (Severity.OPEN, "pg_hba.conf:7", "Lets every user in from everywhere, past dbguard."),
        f"hostssl  all  all  {DBGUARD}/32  scram-sha-256",
    ),
    "every address of IPv4": (
        {"hba": (rule(address="0.0.0.0", netmask="0.0.0.0"),)},
        (Severity.OPEN, "pg_hba.conf:7", "Lets every user in from everywhere, past dbguard."),
        f"hostssl  all  all  {DBGUARD}/32  scram-sha-256",
    ),
    "a network": (
        {"hba": (rule(address="10.0.0.0", netmask="255.255.255.0", users=("app", "web")),)},
        (Severity.OPEN, "pg_hba.conf:7", "Lets app, web in from 10.0.0.0/24, past dbguard."),
        f"hostssl  all  app,web  {DBGUARD}/32  scram-sha-256",
    ),
    "a network of IPv6": (
        {"hba": (rule(address="2001:db8::", netmask="ffff:ffff::"),)},
        (Severity.OPEN, "pg_hba.conf:7", "Lets every user in from 2001:db8::/32, past dbguard."),
        f"hostssl  all  all  {DBGUARD}/32  scram-sha-256",
    ),
    "another host": (
        {"hba": (rule(address="10.0.0.6"),)},
        (Severity.OPEN, "pg_hba.conf:7", "Lets every user in from 10.0.0.6/32, past dbguard."),
        f"hostssl  all  all  {DBGUARD}/32  scram-sha-256",
    ),
    "the whole network that dbguard is in": (
        {"hba": (rule(address="samenet", netmask=""),)},
        (Severity.OPEN, "pg_hba.conf:7", "Lets every user in from samenet, past dbguard."),
        f"hostssl  all  all  {DBGUARD}/32  scram-sha-256",
    ),
    "no password": (
        {"hba": (rule(method="trust"),)},
        (
            Severity.OPEN,
            "pg_hba.conf:7",
            "Lets every user in from 10.0.0.5/32 without a password (trust).",
        ),
        "# in its place: the same line with scram-sha-256",
    ),
    "no password on a socket": (
        {"hba": (rule("local", "", "", "trust"),)},
        (
            Severity.OPEN,
            "pg_hba.conf:7",
            "Lets every user in from the server's own host without a password (trust).",
        ),
        "# in its place: the same line with scram-sha-256",
    ),
    "rules that cannot be read": (
        {"hba": None},
        (
            Severity.UNSEEN,
            "pg_hba.conf",
            "dbguard may not read pg_hba_file_rules, so nobody knows whom else the server lets in.",
        ),
        'GRANT SELECT ON pg_catalog.pg_hba_file_rules TO "dbguard";',
    ),
    "a socket for everybody": (
        {"address": "local", "sessions": (), "hba": (rule("local", "", ""),)},
        (
            Severity.WEAK,
            "listen_addresses",
            "The server listens on *, though dbguard needs its own host alone.",
        ),
        "ALTER SYSTEM SET listen_addresses = 'localhost';",
    ),
    "clear text": (
        {"encrypts": False},
        (
            Severity.WEAK,
            "ssl",
            "What dbguard and the server say to each other crosses the network in clear text.",
        ),
        "ALTER SYSTEM SET ssl = on;",
    ),
    "a superuser": (
        {"roles": (role("Admin", superuser=True),)},
        (
            Severity.WEAK,
            "role Admin",
            "Is a superuser that can log in: no grant of the database binds it, only dbguard's "
            "rules do.",
        ),
        'ALTER ROLE "Admin" NOSUPERUSER;',
    ),
    "the superuser that initdb made": (
        {"roles": (role("postgres", superuser=True, bootstrap=True),)},
        (
            Severity.WEAK,
            "role postgres",
            "Is a superuser that can log in: no grant of the database binds it, only dbguard's "
            "rules do.",
        ),
        'ALTER ROLE "postgres" NOLOGIN;',
    ),
    "a member of a superuser": (
        {"roles": (role(superusers=frozenset({"Admin"})),)},
        (Severity.WEAK, "role app", "Can become superuser Admin by SET ROLE."),
        'REVOKE "Admin" FROM "app";',
    ),
    "a member of one that row security does not bind": (
        {"roles": (role(unbound=frozenset({"etl"})),)},
        (
            Severity.WEAK,
            "role app",
            "Can become etl by SET ROLE, which is not bound by row security.",
        ),
        'REVOKE "etl" FROM "app";',
    ),
    "a role that makes roles": (
        {"roles": (role(creates_roles=True),)},
        (
            Severity.WEAK,
            "role app",
            "May make roles that can log in past dbguard, and change passwords.",
        ),
        'ALTER ROLE "app" NOCREATEROLE;',
    ),
    "a rule that cannot be read": (
        {"broken_rules": (9,)},
        (
            Severity.WEAK,
            "pg_hba.conf:9",
            "Cannot be read by the server, which goes on with the rules that it had before.",
        ),
        "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL;",
    ),
    "passwords in clear text": (
        {"hba": (rule(method="password"),)},
        (
            Severity.WEAK,
            "pg_hba.conf:7",
            "Passwords cross the network in clear text (password).",
        ),
        "# in its place: the same line with scram-sha-256",
    ),
    "a language": (
        {"languages": (("clinic", "plperlu"),)},
        (
            Severity.OPEN,
            "database clinic",
            "Language plperlu is not trusted: its functions run any program of the server's user.",
        ),
        'DROP LANGUAGE "plperlu" CASCADE;',
    ),
    "a function that reads files": (
        {"file_functions": (("clinic", "pg_read_file(text)", "app"),)},
        (
            Severity.OPEN,
            "database clinic",
            "app may run pg_read_file(text), which reaches files of the server.",
        ),
        'REVOKE EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) FROM "app";',
    ),
    "a function that everybody may write files with": (
        {"file_functions": (("clinic", "lo_export(oid,text)", "PUBLIC"),)},
        (
            Severity.OPEN,
            "database clinic",
            "Everybody may run lo_export(oid,text), which reaches files of the server.",
        ),
        "REVOKE EXECUTE ON FUNCTION pg_catalog.lo_export(oid,text) FROM PUBLIC;",
    ),
    "replication that runs": (
        {"sessions": (SeenSession("walker", "", DBGUARD, "walreceiver", replication=True),)},
        (
            Severity.OPEN,
            "replication of walker",
            "What is written to the server is sent to 10.0.0.5, past dbguard.",
        ),
        "# if it is no standby or backup of yours: see the findings on pg_hba.conf",
    ),
    "row security": (
        {"roles": (role(bypasses_rls=True),)},
        (Severity.WEAK, "role app", "Is not bound by row security."),
        'ALTER ROLE "app" NOBYPASSRLS;',
    ),
    "replication": (
        {"roles": (role(replication=True),)},
        (
            Severity.OPEN,
            "role app",
            "May start replication, which sends every row of every table, past dbguard.",
        ),
        'ALTER ROLE "app" NOREPLICATION;',
    ),
    "files": (
        {"roles": (role(memberships=frozenset({"pg_read_server_files"})),)},
        (
            Severity.OPEN,
            "role app",
            "As a member of pg_read_server_files it reads files of the server, those of the "
            "tables among them.",
        ),
        'REVOKE pg_read_server_files FROM "app";',
    ),
    "an old password": (
        {"md5": ("app",)},
        (
            Severity.WEAK,
            "role app",
            "Its password is kept as an MD5 hash, which whoever reads it can log in with.",
        ),
        "SET password_encryption = 'scram-sha-256';",
    ),
    "an extension": (
        {"extensions": (("clinic", "dblink"),)},
        (
            Severity.OPEN,
            "database clinic",
            "Extension dblink opens connections of its own, past every rule.",
        ),
        'DROP EXTENSION "dblink";',
    ),
    "a foreign server": (
        {"foreign_servers": (("clinic", "branch", "postgres_fdw"),)},
        (
            Severity.OPEN,
            "database clinic",
            "Foreign server branch (postgres_fdw) leads out of the database, past dbguard.",
        ),
        'DROP SERVER "branch" CASCADE;',
    ),
    "a publication": (
        {"publications": (("clinic", "everything"),)},
        (
            Severity.WEAK,
            "database clinic",
            "Publication everything sends rows to whoever may subscribe.",
        ),
        'DROP PUBLICATION "everything";',
    ),
    "a slot": (
        {"slots": ("it's",)},
        (
            Severity.WEAK,
            "replication slot it's",
            "Keeps changes for a reader that does not go through dbguard.",
        ),
        "SELECT pg_drop_replication_slot('it''s');",
    ),
    "sessions past dbguard": (
        {"sessions": (SeenSession("app", "clinic", "10.9.9.9", "psql"),) * 2},
        (
            Severity.OPEN,
            "sessions of app",
            "2 from 10.9.9.9 in clinic did not come through dbguard.",
        ),
        "# close the way it took: see the findings on pg_hba.conf",
    ),
    "sessions that cannot be seen": (
        {"sessions": None},
        (
            Severity.UNSEEN,
            "pg_stat_activity",
            "dbguard does not see where other sessions come from.",
        ),
        'GRANT pg_read_all_stats TO "dbguard";',
    ),
    "a database that is closed to dbguard": (
        {"closed": ("other",)},
        (Severity.UNSEEN, "database other", "dbguard could not look into it."),
        'GRANT CONNECT ON DATABASE "other" TO "dbguard";',
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found(name: str) -> None:
    changed, expected, line = FAULTS[name]
    (found,) = findings(replace(CLOSED, **changed))  # type: ignore[arg-type]
    assert (found.severity, found.subject, found.what) == expected
    assert line in found.lines


def test_a_rule_that_is_open_names_the_users_it_lets_in() -> None:
    roles = tuple(map(role, ("app", "web", "dbguard")))
    everybody = rule(address="all", netmask="")
    (found,) = findings(replace(CLOSED, hba=(everybody,), roles=roles))
    assert found.lines[-1] == "# users that it lets in now: app, web"
    (found,) = findings(replace(CLOSED, hba=(replace(everybody, users=("web",)),), roles=roles))
    assert found.lines[-1] == "# users that it lets in now: web"


def test_a_language_that_an_extension_brought_is_told_once() -> None:
    brought = replace(
        CLOSED, extensions=(("clinic", "plperlu"),), languages=(("clinic", "plperlu"),)
    )
    assert len(findings(brought)) == 1


def test_a_superuser_that_initdb_made_is_not_told_to_be_none() -> None:
    made = role("postgres", superuser=True, bootstrap=True)
    (found,) = findings(replace(CLOSED, roles=(made,)))
    assert not any("NOSUPERUSER" in line for line in found.lines)


def test_nobody_gets_behind_a_rule_that_rejects_everybody() -> None:
    rejects = rule(address="all", netmask="", method="reject", line=8)
    behind = rule(address="all", netmask="", line=9)
    assert findings(replace(CLOSED, hba=(rule(), rejects, behind))) == ()
    some = replace(rejects, users=("guest",))
    assert len(findings(replace(CLOSED, hba=(rule(), some, behind)))) == 1


def test_the_ways_past_dbguard_come_first() -> None:
    found = findings(
        replace(CLOSED, encrypts=False, hba=None, roles=(role(replication=True),), closed=("x",))
    )
    assert [f.severity for f in found] == [
        Severity.OPEN,
        Severity.WEAK,
        Severity.UNSEEN,
        Severity.UNSEEN,
    ]
