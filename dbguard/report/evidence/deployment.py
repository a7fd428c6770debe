"""What the settings say about a deployment, as far as a control asks for it. No secrets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dbguard.authentication_settings import AuthenticationMode
from dbguard.errors import ConfigurationError
from dbguard.policy.loading import load_policy, read_rules
from dbguard.policy.model import Policy
from dbguard.settings import Settings

_AUTHENTICATION = {
    AuthenticationMode.PASS_THROUGH: "the server checks who clients are; dbguard passes it on",
    AuthenticationMode.SERVER_USERS: "dbguard checks who clients are, by the server's verifiers",
    AuthenticationMode.IDENTITIES: "dbguard checks who people and programs are, and logs in to "
    "the server with credentials of its own",
}


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of dbguard, and whether it is encrypted."""

    name: str
    tls: str
    """The mode, `none` where there is no TLS."""
    minimum: str
    always: bool
    """Nothing goes over it in the clear."""
    checked: bool
    """The other side's certificate is checked."""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    name: str
    """Relative to the rules folder."""
    text: str


@dataclass(frozen=True, slots=True)
class Deployment:
    environment: str
    authentication: str
    client: Leg
    servers: tuple[Leg, ...]
    idle_timeout: float
    """Seconds; 0: sessions may be idle for ever."""
    session_age: float
    """Seconds; 0: no such limit."""
    login_failures: int
    durability: str
    checkpoint_seconds: float
    keep_days: int
    destinations: tuple[str, ...]
    """Where copies of the trail go: name and type."""
    watch: float
    """Seconds between looks for sessions past dbguard; 0: nobody looks."""
    digest: str
    """Of the policy files as they are now."""
    rules: tuple[str, ...]
    roles: tuple[str, ...]
    tags: tuple[str, ...]
    backup_rules: tuple[str, ...]
    """Rules that ask for a backup."""
    policy: tuple[PolicyFile, ...]


def deployment_of(settings: Settings) -> Deployment:
    """Raises ConfigurationError when the policy cannot be read."""
    policy = load_policy(settings.rules)
    tls = settings.listen.tls
    client = Leg(
        "clients",
        "none" if tls is None else tls.mode.value,
        "" if tls is None else tls.minimum_version.value,
        tls is not None and tls.mode.value == "require",
        tls is not None and tls.client_ca is not None,
    )
    named = {"server": settings.upstream, **settings.upstreams}
    servers = tuple(
        Leg(
            name,
            upstream.tls.mode.value,
            upstream.tls.minimum_version.value,
            upstream.tls.mode.value in ("require", "verify-ca", "verify-full"),
            upstream.tls.mode.value in ("verify-ca", "verify-full"),
        )
        for name, upstream in named.items()
    )
    audit, limits = settings.audit, settings.limits
    return Deployment(
        environment=settings.environment,
        authentication=_AUTHENTICATION[settings.authentication.mode],
        client=client,
        servers=servers,
        idle_timeout=limits.idle_timeout,
        session_age=limits.session_age,
        login_failures=limits.login_failures,
        durability=audit.durability.value,
        checkpoint_seconds=audit.checkpoints.every,
        keep_days=audit.retention.keep,
        destinations=tuple(f"{place.name} ({place.type.value})" for place in audit.ship),
        watch=settings.watch.interval,
        digest=policy.digest,
        rules=tuple(sorted(rule.id for rule in policy.rules)),
        roles=tuple(sorted(role.name for role in policy.roles)),
        tags=tuple(sorted(policy.tags)),
        backup_rules=tuple(sorted(_with_backups(policy))),
        policy=_files(settings.rules),
    )


def _with_backups(policy: Policy) -> set[str]:
    return {rule.id for rule in policy.rules if rule.backup is not None}


def _files(folder: Path) -> tuple[PolicyFile, ...]:
    found = []
    for name, text in read_rules(folder).items():
        found.append(PolicyFile(Path(name).relative_to(folder).as_posix(), text))
    for path in sorted(folder.rglob("*.cases.y*ml")):
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{path}: cannot be read", hint="The rules folder must be readable."
            ) from error
        found.append(PolicyFile(path.relative_to(folder).as_posix(), text))
    return tuple(sorted(found, key=lambda file: file.name))
