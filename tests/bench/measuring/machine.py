"""Where a run was made: facts that figures depend on, without names of the machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path


def said_by(*command: str) -> str:
    """The first line that a program prints; empty when it is not there."""
    if shutil.which(command[0]) is None:
        return ""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return (ran.stdout.splitlines() or [""])[0].strip()


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def load() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def dbguard_version() -> str:
    """As `dbguard --version` says it, with which path is active."""
    return said_by(sys.executable, "-m", "dbguard", "--version")


def active_path(version: str) -> str:
    """What stands behind the number in it: whether the compiled parts are in use."""
    return " ".join(version.split()[2:]).strip("()")


def facts(server: str) -> dict[str, str]:
    """Facts by their names."""
    return {
        "cores": str(os.cpu_count()),
        "processor": processor(),
        "kernel": platform.release(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "dbguard": dbguard_version(),
        "PgBouncer": said_by("pgbouncer", "--version") or "not on PATH",
        "PostgreSQL": server,
        "load at the start": load(),
    }
