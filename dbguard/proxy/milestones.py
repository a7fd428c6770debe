"""Records of the process itself: its start and end, and the rules it decides by."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from dbguard import __version__
from dbguard.audit.reading import Selection
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.searching import of_kinds, search
from dbguard.policy.changes import differences
from dbguard.policy.model import Policy
from dbguard.settings import Settings


def digest_of(settings: Settings) -> str:
    """SHA-256 (hex) over the settings; secrets count as being there only."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Milestones:
    """Of one run."""

    instance: str = field(default_factory=lambda: secrets.token_hex(8))
    """Tells this run from others; no process id, which says nothing in a container."""
    part: tuple[tuple[str, str], ...] = ()
    """What this process is of a dbguard of several, by name."""

    def start(self, settings: Settings) -> EventRecord:
        fields = {
            "version": __version__,
            "instance": self.instance,
            "environment": settings.environment,
            "settings_digest": digest_of(settings),
            **dict(self.part),
        }
        return EventRecord(RecordKind.START, "", tuple(fields.items()))

    def stop(self) -> EventRecord:
        return EventRecord(RecordKind.STOP, "", (("instance", self.instance),))


def policy_loaded(policy: Policy, environment: str, previous: str | None) -> EventRecord:
    """At the start; `previous` is the digest that the trail told last, empty in a new one and None
    where it is not known."""
    fields = _said(policy, environment)
    if previous is None:
        fields["since_last_run"] = "unknown"
    elif previous:
        same = previous == policy.digest
        fields["since_last_run"] = "unchanged" if same else "changed"
        if not same:
            fields["previous_digest"] = previous
    return EventRecord(RecordKind.POLICY, "", tuple(fields.items()))


def policy_replaced(
    before: Policy, now: Policy, environment_before: str, environment: str
) -> EventRecord:
    """By a reload."""
    fields = _said(now, environment) | differences(before, now)
    if before.digest != now.digest:
        fields["previous_digest"] = before.digest
    if environment_before != environment:
        fields["environment_before"] = environment_before
    return EventRecord(RecordKind.POLICY, "", tuple(fields.items()))


def _said(policy: Policy, environment: str) -> dict[str, str]:
    return {
        "digest": policy.digest,
        "rules": str(len(policy.rules)),
        "environment": environment,
    }


def last_digest(chain: Path) -> str:
    """The policy that the trail in this folder told last; empty when it told of none.

    Raises:
        ConfigurationError: what is there is no trail that can be read.
    """
    wanted = of_kinds(Selection(kinds=frozenset({RecordKind.POLICY})))
    for stored in search(chain, wanted):
        record = stored.record
        if not stored.writer and isinstance(record, EventRecord):
            return record.field("digest")
    return ""
