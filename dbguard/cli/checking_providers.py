"""What `dbguard check` says of backup providers: those of the settings, and those of the rules."""

from __future__ import annotations

from collections.abc import Iterator

from dbguard.policy.coverage import Finding
from dbguard.policy.model import Policy
from dbguard.proxy.backup_takers import bucket_of
from dbguard.server_settings import OWN_PROVIDER, BackupSettings
from dbguard.settings import Settings


def unknown_providers(settings: Settings, policy: Policy) -> tuple[Finding, ...]:
    """Those that rules name and no upstream has: a rule that names nobody else refuses always."""
    known = {OWN_PROVIDER}
    for _, section in _sections(settings):
        known.update(section.providers)
    return tuple(
        Finding(
            f"rule {rule.id}",
            f"no upstream has a backup provider {name}",
            "correct the name, or add it to backup.providers",
        )
        for rule in policy.rules
        if rule.backup is not None
        for name in sorted(rule.backup.providers - known)
    )


def check_locations(settings: Settings) -> None:
    """Raises ConfigurationError when a location needs what is not installed."""
    for _, section in _sections(settings):
        if section.location is not None:
            bucket_of(section.location)


def provider_lines(settings: Settings) -> Iterator[str]:
    """Where dumps go, and whose backups count besides, a line for each location and provider."""
    for place, section in _sections(settings):
        if (location := section.location) is not None:
            sealed = "not encrypted" if location.unencrypted else "encrypted"
            yield f"{place}backup location {location.url}: {sealed}"
        for name, provider in section.providers.items():
            verified = ", checked by its tool" if provider.verify else ""
            yield f"{place}backup provider {name}: {provider.kind}{verified}"


def _sections(settings: Settings) -> Iterator[tuple[str, BackupSettings]]:
    if settings.backup is not None:
        yield "", settings.backup
    for name, upstream in settings.upstreams.items():
        if upstream.backup is not None:
            yield f"upstream {name}: ", upstream.backup
