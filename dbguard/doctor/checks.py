"""From what was observed to what should be changed. Pure."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from typing import Final

from dbguard.sql.names import literal, quote

from .model import Finding, HbaRule, LoginRole, Observed, Severity

READERS: Final = {
    "adminpack": "reads and writes files of the server",
    "aws_lambda": "sends what it is given to another service",
    "aws_s3": "copies tables to and from another service",
    "dblink": "opens connections of its own, past every rule",
    "file_fdw": "shows files of the server as tables",
    "http": "sends what it is given to any address",
    "pageinspect": "shows the raw pages of tables",
    "pg_background": "runs statements in sessions of its own, past every rule",
    "pg_cron": "runs statements in sessions of its own, past every rule",
    "pg_net": "sends what it is given to any address",
    "pg_walinspect": "shows what is written to tables",
    "plperlu": "runs any program of the server's user",
    "plpython3u": "runs any program of the server's user",
    "plr": "runs any program of the server's user",
    "plsh": "runs any program of the server's user",
    "pltclu": "runs any program of the server's user",
    "postgres_fdw": "opens connections of its own, past every rule",
}
"""Extensions by which a statement reaches beyond the database."""
POWERS: Final = {
    "pg_execute_server_program": "runs programs of the server's user",
    "pg_read_server_files": "reads files of the server, those of the tables among them",
    "pg_write_server_files": "writes files of the server",
}
"""Predefined roles that reach beyond the database."""
FILE_FUNCTIONS: Final = frozenset(
    {
        "lo_export",
        "lo_import",
        "pg_ls_dir",
        "pg_read_binary_file",
        "pg_read_file",
        "pg_stat_file",
    }
)
"""Functions that only superusers may run as long as nobody was given them."""
_LOOPBACK: Final = ("127.", "::1", "localhost")
_UNPROVED: Final = frozenset({"trust", "ident"})


def findings(observed: Observed) -> tuple[Finding, ...]:
    """Everything to change, ways past dbguard first."""
    found = [
        *_sessions(observed),
        *_rules(observed),
        *_listening(observed),
        *_roles(observed),
        *_passwords(observed),
        *_extensions(observed),
        *_code(observed),
        *_streams(observed),
        *_closed(observed),
    ]
    order = list(Severity)
    return tuple(sorted(found, key=lambda f: order.index(f.severity)))


def _is_local(address: str) -> bool:
    return address == "local" or address.startswith(_LOOPBACK)


def _own_network(observed: Observed) -> str:
    network = ipaddress.ip_network(observed.address)
    return str(network)


def _rules(observed: Observed) -> Iterator[Finding]:
    """Rules of pg_hba.conf that let in others than dbguard."""
    if observed.hba is None:
        yield Finding(
            Severity.UNSEEN,
            "pg_hba.conf",
            f"{observed.user} may not read pg_hba_file_rules, so nobody knows whom else the "
            "server lets in.",
            (
                "GRANT SELECT ON pg_catalog.pg_hba_file_rules TO " + quote(observed.user) + ";",
                "GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO "
                + quote(observed.user)
                + ";",
            ),
        )
        return
    for line in observed.broken_rules:
        yield Finding(
            Severity.WEAK,
            f"pg_hba.conf:{line}",
            "Cannot be read by the server, which goes on with the rules that it had before.",
            ("SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL;",),
        )
    for rule in observed.hba:
        if rule.method == "reject":
            if _everywhere(rule) and _for_everybody(rule):
                return  # nobody gets any further
            continue
        if rule.kind == "local":
            if rule.method == "trust":
                yield _unproved(rule)
            continue
        if rule.method in _UNPROVED:
            yield _unproved(rule)
        elif not _only(rule, observed.address):
            yield Finding(
                Severity.OPEN,
                f"pg_hba.conf:{rule.line}",
                f"Lets {_who(rule)} in from {_where(rule)}, past dbguard.",
                ("# in its place:", *_own_rule(observed, rule), *_let_in(observed, rule)),
            )
        elif rule.method == "password" and rule.kind != "hostssl" and not _is_local(rule.address):
            yield Finding(
                Severity.WEAK,
                f"pg_hba.conf:{rule.line}",
                "Passwords cross the network in clear text (password).",
                ("# in its place: the same line with scram-sha-256",),
            )


def _let_in(observed: Observed, rule: HbaRule) -> tuple[str, ...]:
    """The users who could log in by the rule; groups (`+name`) and patterns are not looked into."""
    names = [
        role.name
        for role in observed.roles
        if role.name != observed.user and ("all" in rule.users or role.name in rule.users)
    ]
    return (f"# users that it lets in now: {', '.join(names)}",) if names else ()


def _own_rule(observed: Observed, rule: HbaRule) -> tuple[str, ...]:
    who = f"{','.join(rule.databases)}  {','.join(rule.users)}"
    if observed.address == "local":
        return (f"local  {who}  scram-sha-256",)
    kind = "hostssl" if observed.encrypts else "host"
    return (f"{kind}  {who}  {_own_network(observed)}  scram-sha-256",)


def _unproved(rule: HbaRule) -> Finding:
    return Finding(
        Severity.OPEN,
        f"pg_hba.conf:{rule.line}",
        f"Lets {_who(rule)} in from {_where(rule)} without a password ({rule.method}).",
        ("# in its place: the same line with scram-sha-256",),
    )


def _for_everybody(rule: HbaRule) -> bool:
    return rule.databases == ("all",) and rule.users == ("all",) and rule.kind == "host"


def _who(rule: HbaRule) -> str:
    return "every user" if rule.users == ("all",) else ", ".join(rule.users)


def _where(rule: HbaRule) -> str:
    if rule.kind == "local":
        return "the server's own host"
    if _everywhere(rule):
        return "everywhere"
    return f"{rule.address}/{_prefix(rule)}" if rule.netmask else rule.address


def _everywhere(rule: HbaRule) -> bool:
    return rule.address == "all" or (rule.netmask != "" and _prefix(rule) == 0)


def _prefix(rule: HbaRule) -> int:
    return int(ipaddress.ip_address(rule.netmask)).bit_count()


def _only(rule: HbaRule, own: str) -> bool:
    """Whether the rule lets nobody in but dbguard, or those on the server's own host."""
    if rule.address == "samehost" or _is_local(rule.address):
        return True
    if own == "local" or rule.address != own:
        return False
    return rule.netmask == "" or _prefix(rule) == ipaddress.ip_address(own).max_prefixlen


def _listening(observed: Observed) -> Iterator[Finding]:
    outside = [a for a in observed.listening if not _is_local(a)]
    if outside and _is_local(observed.address):
        yield Finding(
            Severity.WEAK,
            "listen_addresses",
            f"The server listens on {', '.join(outside)}, though dbguard needs its own host alone.",
            ("ALTER SYSTEM SET listen_addresses = 'localhost';", "-- takes a restart"),
        )
    if not observed.encrypts and not _is_local(observed.address):
        yield Finding(
            Severity.WEAK,
            "ssl",
            "What dbguard and the server say to each other crosses the network in clear text.",
            ("ALTER SYSTEM SET ssl = on;", "-- with ssl_cert_file and ssl_key_file"),
        )


def _roles(observed: Observed) -> Iterator[Finding]:
    for role in observed.roles:
        yield from _role(role)


def _role(role: LoginRole) -> Iterator[Finding]:
    name = quote(role.name)
    if role.superuser:
        yield Finding(
            Severity.WEAK,
            f"role {role.name}",
            "Is a superuser that can log in: no grant of the database binds it, only dbguard's "
            "rules do.",
            (
                # "The bootstrap superuser must have the SUPERUSER attribute." (16 on)
                f"ALTER ROLE {name} NOLOGIN;",
                "-- initdb made it, so it stays a superuser; keep another one that may log in on "
                "the server's own host",
            )
            if role.bootstrap
            else (f"ALTER ROLE {name} NOSUPERUSER;", f"-- or: ALTER ROLE {name} NOLOGIN;"),
        )
        return
    for other in sorted(role.superusers):
        yield Finding(
            Severity.WEAK,
            f"role {role.name}",
            f"Can become superuser {other} by SET ROLE.",
            (f"REVOKE {quote(other)} FROM {name};",),
        )
    for other in sorted(role.unbound):
        yield Finding(
            Severity.WEAK,
            f"role {role.name}",
            f"Can become {other} by SET ROLE, which is not bound by row security.",
            (f"REVOKE {quote(other)} FROM {name};",),
        )
    if role.creates_roles:
        yield Finding(
            Severity.WEAK,
            f"role {role.name}",
            "May make roles that can log in past dbguard, and change passwords.",
            (f"ALTER ROLE {name} NOCREATEROLE;",),
        )
    if role.replication:
        yield Finding(
            Severity.OPEN,
            f"role {role.name}",
            "May start replication, which sends every row of every table, past dbguard.",
            (f"ALTER ROLE {name} NOREPLICATION;",),
        )
    if role.bypasses_rls:
        yield Finding(
            Severity.WEAK,
            f"role {role.name}",
            "Is not bound by row security.",
            (f"ALTER ROLE {name} NOBYPASSRLS;",),
        )
    for power in sorted(role.memberships & POWERS.keys()):
        yield Finding(
            Severity.OPEN,
            f"role {role.name}",
            f"As a member of {power} it {POWERS[power]}.",
            (f"REVOKE {power} FROM {name};",),
        )


def _passwords(observed: Observed) -> Iterator[Finding]:
    for name in observed.md5 or ():
        yield Finding(
            Severity.WEAK,
            f"role {name}",
            "Its password is kept as an MD5 hash, which whoever reads it can log in with.",
            ("SET password_encryption = 'scram-sha-256';", f"\\password {quote(name)}"),
        )


def _extensions(observed: Observed) -> Iterator[Finding]:
    for database, name in observed.extensions:
        if reason := READERS.get(name, ""):
            yield Finding(
                Severity.OPEN,
                f"database {database}",
                f"Extension {name} {reason}.",
                (f"\\connect {quote(database)}", f"DROP EXTENSION {quote(name)};"),
            )
    for database, name, wrapper in observed.foreign_servers:
        yield Finding(
            Severity.OPEN,
            f"database {database}",
            f"Foreign server {name} ({wrapper}) leads out of the database, past dbguard.",
            (f"\\connect {quote(database)}", f"DROP SERVER {quote(name)} CASCADE;"),
        )


def _code(observed: Observed) -> Iterator[Finding]:
    """What reaches the server's files and programs and is no extension."""
    known = set(observed.extensions)
    for database, name in observed.languages:
        if (database, name) not in known:
            yield Finding(
                Severity.OPEN,
                f"database {database}",
                f"Language {name} is not trusted: its functions run any program of the server's "
                "user.",
                (f"\\connect {quote(database)}", f"DROP LANGUAGE {quote(name)} CASCADE;"),
            )
    for database, function, grantee in observed.file_functions:
        who = "Everybody" if grantee == "PUBLIC" else grantee
        role = grantee if grantee == "PUBLIC" else quote(grantee)
        yield Finding(
            Severity.OPEN,
            f"database {database}",
            f"{who} may run {function}, which reaches files of the server.",
            (
                f"\\connect {quote(database)}",
                f"REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM {role};",
            ),
        )


def _streams(observed: Observed) -> Iterator[Finding]:
    for database, name in observed.publications:
        yield Finding(
            Severity.WEAK,
            f"database {database}",
            f"Publication {name} sends rows to whoever may subscribe.",
            (f"\\connect {quote(database)}", f"DROP PUBLICATION {quote(name)};"),
        )
    for name in observed.slots:
        yield Finding(
            Severity.WEAK,
            f"replication slot {name}",
            "Keeps changes for a reader that does not go through dbguard.",
            (f"SELECT pg_drop_replication_slot({literal(name).strip()});",),
        )


def _sessions(observed: Observed) -> Iterator[Finding]:
    if observed.sessions is None:
        yield Finding(
            Severity.UNSEEN,
            "pg_stat_activity",
            f"{observed.user} does not see where other sessions come from.",
            (f"GRANT pg_read_all_stats TO {quote(observed.user)};",),
        )
        return
    past = Counter(
        (s.user, s.address, s.database)
        for s in observed.sessions
        if s.address != observed.address and not s.replication
    )
    for user, address in sorted({(s.user, s.address) for s in observed.sessions if s.replication}):
        yield Finding(
            Severity.OPEN,
            f"replication of {user}",
            f"What is written to the server is sent to {address}, past dbguard.",
            ("# if it is no standby or backup of yours: see the findings on pg_hba.conf",),
        )
    for (user, address, database), count in sorted(past.items()):
        yield Finding(
            Severity.OPEN,
            f"sessions of {user}",
            f"{count} from {address} in {database} did not come through dbguard.",
            ("# close the way it took: see the findings on pg_hba.conf",),
        )


def _closed(observed: Observed) -> Iterator[Finding]:
    for database in observed.closed:
        yield Finding(
            Severity.UNSEEN,
            f"database {database}",
            f"{observed.user} could not look into it.",
            (f"GRANT CONNECT ON DATABASE {quote(database)} TO {quote(observed.user)};",),
        )
