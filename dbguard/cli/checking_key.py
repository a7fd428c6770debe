"""What `dbguard check` looks at of the key that signs the audit trail."""

from __future__ import annotations

import contextlib

from dbguard.audit import keys
from dbguard.audit_settings import AuditSettings
from dbguard.policy.coverage import Finding


def check_key(settings: AuditSettings) -> tuple[Finding, ...]:
    """Raises ConfigurationError when there is a key that dbguard would not start with."""
    path = settings.signing_key
    with contextlib.suppress(FileNotFoundError):  # it is made at the first start
        keys.load(path)
    if not path.absolute().is_relative_to(settings.directory.absolute()):
        return ()
    return (
        Finding(
            "audit.checkpoints.key",
            "the key lies in the audit directory: who can write to the trail can sign it too",
            "name a file on another disk",
        ),
    )
