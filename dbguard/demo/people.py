"""Who is in the demo, and where it lives: what clients of it need to know."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

DATABASE = "clinic"

PASSWORD = "demo"  # noqa: S105 - everybody's on a server that only this machine reaches
"""What analyst, clinician and dba log in with."""

PEOPLE: Mapping[str, tuple[str, ...]] = {
    "analyst": ("analysts",),
    "clinician": ("clinicians",),
    "dba": ("dbas",),
}
"""Demo users and the groups they belong to."""


def default_directory(home: Path) -> Path:
    """`~/.dbguard/demo`, or below /var/lib for root.

    PostgreSQL will not run as root, and the account that runs it can't enter root's home.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/dbguard/demo")
    return home / ".dbguard" / "demo"
