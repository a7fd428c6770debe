"""What a bundle shows for the HIPAA Security Rule, 45 CFR 164.308, 164.312 and 164.316."""

from __future__ import annotations

from collections.abc import Iterator

from dbguard.report.evidence.controls import (
    Control,
    Fact,
    Findings,
    integrity,
    many,
    past_dbguard,
    signatures,
    span,
)
from dbguard.report.evidence.deployment import Leg
from dbguard.report.wording import plain

SIX_YEARS = 2_190
"""Days: 164.316(b)(2)(i)."""


def controls(found: Findings) -> list[Control]:
    return [
        _access_control(found),
        _unique_users(found),
        _emergency(found),
        _logoff(found),
        _audit_controls(found),
        _integrity(found),
        _authentication(found),
        _transmission(found),
        _activity_review(found),
        _retention(found),
    ]


def rules_in_force(found: Findings) -> Iterator[Fact]:
    deployment, report = found.deployment, found.report
    if deployment is not None:
        yield Fact(
            f"The policy has {many(len(deployment.rules), 'rule')} for "
            f"{many(len(deployment.roles), 'role')} and {many(len(deployment.tags), 'tag')} of "
            f"classified data; classified data without a grant is refused. Digest: "
            f"{deployment.digest}.",
            "policy/",
        )
    digests = [count.name for count in report.digests if not count.others]
    if digests:
        known = ""
        if deployment is not None:
            same = set(digests) == {deployment.digest}
            known = (
                " That is the policy in this bundle."
                if same
                else " These are not all the policy in this bundle: it was changed."
            )
        yield Fact(
            f"Statements were decided by {many(len(digests), 'version')} of the policy, told by "
            f"their digests.{known}",
            "csv/rules_in_force.csv",
        )


def _access_control(found: Findings) -> Control:
    totals = found.report.totals
    return Control(
        "164.312(a)(1)",
        "Access control",
        "Allow access to electronic protected health information only to persons and programs "
        "that were granted it.",
        (
            *rules_in_force(found),
            Fact(
                f"{many(totals.refused, 'statement')} refused, {totals.masked:,} ran on masked "
                f"data, {totals.allowed:,} ran as they came. Each decision names the rules that "
                "made it.",
                "report.html",
            ),
            Fact(
                f"{many(found.report.raw.statements, 'statement')} showed classified values "
                "unmasked; who, which columns and how many rows is listed.",
                "csv/unmasked_access.csv",
            ),
            past_dbguard(found),
        ),
        (
            "Whether the rules grant the right access is a judgement that the bundle cannot make.",
            "What PostgreSQL's own grants allow those who reach the server directly.",
            *found.of_deployment,
        ),
    )


def _unique_users(found: Findings) -> Control:
    principals, unnamed = found.report.principals, found.unnamed
    return Control(
        "164.312(a)(2)(i)",
        "Unique user identification",
        "Give each user a name or number of their own, and track them by it.",
        (
            Fact(
                f"Statements are recorded of {many(len(principals), 'principal')}; "
                f"{len(principals) - unnamed:,} of them proved to dbguard who they are, "
                f"{unnamed:,} are known by their database user alone.",
                "csv/principals.csv",
            ),
        ),
        (
            "Whether several people share one login: dbguard sees the login, not the person.",
            *(
                ("Who stands behind a database user that an application shares.",)
                if unnamed
                else ()
            ),
        ),
    )


def _emergency(found: Findings) -> Control:
    return Control(
        "164.312(a)(2)(ii)",
        "Emergency access procedure",
        "Have a procedure to get at necessary information in an emergency.",
        (
            past_dbguard(found),
            *(
                (
                    Fact(
                        f"{many(sum(c.count for c in found.report.requirements), 'statement')} ran "
                        "on a requirement that was met (a backup, an approval).",
                        "csv/requirements.csv",
                    ),
                )
                if found.report.requirements
                else ()
            ),
        ),
        (
            "The procedure itself: it is a document of the organisation.",
            "This release of dbguard records no emergency access of its own kind: in an emergency "
            "people use a role that the policy grants access, which is recorded like any other, or "
            "the server directly, which shows as a session past dbguard.",
        ),
    )


def _logoff(found: Findings) -> Control:
    shown: list[Fact] = []
    missing: list[str] = list(found.of_deployment)
    deployment = found.deployment
    if deployment is not None:
        if deployment.idle_timeout:
            after = span(deployment.idle_timeout)
            shown.append(
                Fact(f"Sessions in which nothing happens end after {after}.", "settings.json")
            )
        else:
            missing.append("limits.idle_timeout is not set: dbguard ends no session for idleness.")
        if deployment.session_age:
            after = span(deployment.session_age)
            shown.append(Fact(f"Every session ends after {after} at most.", "settings.json"))
    ended = found.report.events.ended.count
    shown.append(Fact(f"dbguard ended {many(ended, 'session')} in this time.", "csv/events.csv"))
    return Control(
        "164.312(a)(2)(iii)",
        "Automatic logoff",
        "End electronic sessions after a time of inactivity.",
        tuple(shown),
        (*missing, "Logoff at workstations and in applications, which keep their own sessions."),
    )


def _audit_controls(found: Findings) -> Control:
    report, deployment = found.report, found.deployment
    shown = [
        Fact(
            f"{many(report.totals.records, 'record')} in this time: every statement's decision is "
            "recorded before it runs, and its outcome after.",
            "report.json",
        ),
        integrity(found),
    ]
    if deployment is not None:
        when = (
            "on disk before the statement runs"
            if deployment.durability == "durable"
            else "handed to the operating system before the statement runs, on disk within 50 ms"
        )
        shown.append(Fact(f"A decision is {when}.", "settings.json"))
        copies = ", ".join(deployment.destinations)
        shown.append(
            Fact(f"Copies go to: {copies}." if copies else "No copies are sent.", "settings.json")
        )
    outages = report.events.recoveries.count
    if outages:
        shown.append(
            Fact(
                f"Repairs and outages of the log that are recorded: {outages:,}. While it could "
                "not be written, statements were refused.",
                "csv/events.csv",
            )
        )
    return Control(
        "164.312(b)",
        "Audit controls",
        "Record and examine activity in systems that hold electronic protected health information.",
        tuple(shown),
        (
            "Activity that does not pass through dbguard, but for that sessions past it are seen.",
            "Values: by design no record holds a literal, a parameter or a row.",
            *found.of_deployment,
        ),
    )


def _integrity(found: Findings) -> Control:
    deployment = found.deployment
    guarded: tuple[Fact, ...] = ()
    if deployment is not None and deployment.backup_rules:
        names = ", ".join(deployment.backup_rules)
        guarded = (Fact(f"These rules ask for a proven backup first: {names}.", "policy/"),)
    return Control(
        "164.312(c)(1)",
        "Integrity",
        "Protect electronic protected health information from improper alteration or destruction.",
        (
            Fact(
                "Statements that changed structure, privileges or code, with the backup that each "
                f"was allowed on: {many(len(found.report.structure), 'entry')}.",
                "csv/structure.csv",
            ),
            *guarded,
            integrity(found),
            signatures(found),
        ),
        (
            "Whether the data itself is correct: dbguard sees statements, not the truth of values.",
            "Changes by those who reach the server's files or the server directly.",
            *found.of_deployment,
        ),
    )


def _authentication(found: Findings) -> Control:
    logins, deployment = found.report.logins, found.deployment
    shown = [
        Fact(
            f"{many(logins.accepted, 'login')} accepted, {logins.failed:,} failed; the failed are "
            "listed by user, address and reason.",
            "csv/failed_logins.csv",
        )
    ]
    proofs = sorted({proof for p in found.report.principals for proof in p.proofs})
    if proofs:
        shown.append(Fact(f"Ways of proof in use: {', '.join(proofs)}.", "csv/principals.csv"))
    if deployment is not None:
        shown.append(Fact(f"Authentication: {deployment.authentication}.", "settings.json"))
        if deployment.login_failures:
            shown.append(
                Fact(
                    f"After {many(deployment.login_failures, 'failed login')} within a minute "
                    "further ones have to wait.",
                    "settings.json",
                )
            )
    return Control(
        "164.312(d)",
        "Person or entity authentication",
        "Verify that a person or entity is the one claimed.",
        tuple(shown),
        (
            "How passwords, certificates and tokens are issued, kept and taken back elsewhere.",
            *found.of_deployment,
        ),
    )


def _transmission(found: Findings) -> Control:
    deployment, logins = found.deployment, found.report.logins
    shown: list[Fact] = []
    missing = list(found.of_deployment)
    if deployment is not None:
        legs = (deployment.client, *deployment.servers)
        shown += [Fact(_leg(leg), "settings.json") for leg in legs]
        missing += [
            f"Encryption between dbguard and {leg.name}: the settings do not require it."
            for leg in legs
            if not leg.always
        ]
        missing.append("Settings of earlier times: those shown are the ones of now.")
    for whose, counts in (("clients", logins.client_tls), ("servers", logins.server_tls)):
        if counts:
            said = ", ".join(f"{plain(c.name)}: {c.count:,}" for c in counts)
            shown.append(Fact(f"Connections with {whose} by TLS: {said}.", "csv/encryption.csv"))
    if not logins.client_tls:
        missing.append("Whether single connections were encrypted: no record tells.")
    return Control(
        "164.312(e)(1)",
        "Transmission security",
        "Guard against unauthorised access to information that is transmitted over a network.",
        tuple(shown),
        tuple(missing),
    )


def _leg(leg: Leg) -> str:
    if leg.tls in ("none", "disable"):
        return f"Between dbguard and {leg.name} there is no TLS."
    how = "is required" if leg.always else "is offered, and not required"
    whose = ", and the other side's certificate is checked" if leg.checked else ""
    return f"Between dbguard and {leg.name} TLS {leg.minimum} or newer {how}{whose}."


def _activity_review(found: Findings) -> Control:
    report = found.report
    return Control(
        "164.308(a)(1)(ii)(D)",
        "Information system activity review",
        "Review records of system activity regularly.",
        (
            Fact(
                "This report: what was refused and masked and why, who saw classified values, bulk "
                "reads, failed logins, sessions past dbguard.",
                "report.html",
            ),
            Fact(
                f"{many(report.events.security.count, 'security event')}, "
                f"{many(report.events.drift.count, 'report')} of classified values in places "
                "that the rules do not know.",
                "csv/events.csv",
            ),
        ),
        ("That somebody reads the reports, and what is done about them.",),
    )


def _retention(found: Findings) -> Control:
    deployment, result = found.deployment, found.verification
    shown = []
    missing = list(found.of_deployment)
    if deployment is not None:
        days = deployment.keep_days
        enough = "at least" if days >= SIX_YEARS else "less than"
        shown.append(
            Fact(f"Records are kept for {many(days, 'day')}, {enough} six years.", "settings.json")
        )
        if days < SIX_YEARS:
            missing.append("The six years that the rule asks for.")
    if result.first_time:
        shown.append(
            Fact(f"The trail goes from {result.first_time} to {result.last_time}.", "segments.csv")
        )
    pruned = [chain for chain in result.chains if chain.pruned_through]
    shown.append(
        Fact(
            f"Records were removed from {many(len(pruned), 'chain')}; each removal is recorded.",
            "verification.json",
        )
        if pruned
        else Fact("No record was removed.", "verification.json")
    )
    return Control(
        "164.316(b)(2)(i)",
        "Time limit",
        "Keep required documentation for six years from its creation, or from when it was last in "
        "effect.",
        tuple(shown),
        (
            *missing,
            "That the disks and copies outlast the time; and policies and procedures on paper.",
        ),
    )
