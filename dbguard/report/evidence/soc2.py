"""What a bundle shows for criteria of SOC 2 (Trust Services Criteria, 2017, revised 2022)."""

from __future__ import annotations

from dbguard.report.evidence.controls import (
    Control,
    Fact,
    Findings,
    integrity,
    many,
    past_dbguard,
    signatures,
)
from dbguard.report.evidence.hipaa import rules_in_force


def controls(found: Findings) -> list[Control]:
    return [
        _logical_access(found),
        _roles(found),
        _boundary(found),
        _movement(found),
        _monitoring(found),
        _evaluation(found),
    ]


def _logical_access(found: Findings) -> Control:
    totals, logins = found.report.totals, found.report.logins
    return Control(
        "CC6.1",
        "Logical access security",
        "Restrict logical access to protected information assets.",
        (
            *rules_in_force(found),
            Fact(
                f"{many(totals.refused, 'statement')} refused, {totals.masked:,} ran on masked "
                "data.",
                "report.html",
            ),
            Fact(
                f"{many(logins.accepted, 'login')} accepted, {logins.failed:,} failed.",
                "csv/failed_logins.csv",
            ),
        ),
        (
            "Assets other than the databases behind dbguard.",
            "Encryption of data at rest.",
            *found.of_deployment,
        ),
    )


def _roles(found: Findings) -> Control:
    report, deployment = found.report, found.deployment
    roles: tuple[Fact, ...] = ()
    if deployment is not None:
        roles = (Fact(f"Roles of the policy: {', '.join(deployment.roles)}.", "policy/"),)
    return Control(
        "CC6.3",
        "Role-based access and least privilege",
        "Grant, change and remove access by roles, least privilege and segregation of duties.",
        (
            *roles,
            Fact(
                f"{many(report.events.policies.count, 'load')} of a new or changed policy and "
                f"{many(report.events.users.count, 'change')} of users are recorded.",
                "csv/events.csv",
            ),
            Fact(
                "Who used which access is listed for each principal, and for unmasked access by "
                "column.",
                "csv/unmasked_access.csv",
            ),
        ),
        (
            "Who approved a change of roles or rules: that is where the policy is kept.",
            "Access that was granted and never used is in the policy, not in the trail.",
            *found.of_deployment,
        ),
    )


def _boundary(found: Findings) -> Control:
    return Control(
        "CC6.6",
        "Protection at the boundary",
        "Protect against threats from outside the system's boundaries.",
        (
            past_dbguard(found),
            Fact(
                f"{many(found.report.logins.failed, 'failed login')}, by address.",
                "csv/failed_logins.csv",
            ),
            Fact(
                f"{many(found.report.events.security.count, 'security event')}.", "csv/events.csv"
            ),
        ),
        (
            "Firewalls and networks. What `dbguard doctor` says of ways past dbguard is not part "
            "of the bundle.",
        ),
    )


def _movement(found: Findings) -> Control:
    bulk, deployment = found.report.bulk, found.deployment
    legs: tuple[Fact, ...] = ()
    if deployment is not None:
        clear = [leg.name for leg in (deployment.client, *deployment.servers) if not leg.always]
        said = f"not required towards: {', '.join(clear)}" if clear else "required on every side"
        legs = (Fact(f"TLS is {said}.", "settings.json"),)
    return Control(
        "CC6.7",
        "Transmission, movement and removal",
        "Restrict and protect information while it is transmitted, moved or removed.",
        (
            Fact(
                f"{many(bulk.count, 'statement')} moved {bulk.threshold:,} rows or more of tables "
                f"with classified columns; {bulk.unmasked:,} of them showed classified values "
                "unmasked.",
                "csv/bulk_reads.csv",
            ),
            *legs,
        ),
        ("What becomes of data behind the client that received it.", *found.of_deployment),
    )


def _monitoring(found: Findings) -> Control:
    events = found.report.events
    return Control(
        "CC7.2",
        "Monitoring for anomalies",
        "Monitor for anomalies that point to malicious acts, disasters or errors.",
        (
            Fact(
                f"Recorded: {many(events.security.count, 'security event')}, "
                f"{many(events.past.count, 'session')} past dbguard, "
                f"{many(events.drift.count, 'drift')} of classified values, "
                f"{many(found.report.logins.failed, 'failed login')}.",
                "csv/events.csv",
            ),
            integrity(found),
        ),
        ("Monitoring of anything but the databases behind dbguard, and alarms: see metrics.",),
    )


def _evaluation(found: Findings) -> Control:
    return Control(
        "CC7.3",
        "Evaluation of security events",
        "Evaluate security events, and decide whether they are incidents.",
        (
            Fact(
                "Every refusal is listed with its reason and with what would get it allowed, so "
                "that each can be judged.",
                "csv/blocked_statements.csv",
            ),
            signatures(found),
        ),
        ("The evaluation itself, by people, and what followed from it.",),
    )
