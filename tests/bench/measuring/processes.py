"""What the operating system says of a program: CPU time and memory of all its processes (Linux).

A program is started as the leader of a session (`start_new_session`), which all its children
belong to, whoever their parent is by now.
"""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
"""Ticks a second, mostly 100: good for what takes seconds."""
_SESSION, _TIMES = 3, slice(11, 15)
"""Of the fields of /proc/PID/stat behind the name: session; utime, stime and those of children
that have ended and were waited for."""


def _members(leader: int) -> list[tuple[int, list[str]]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(folder.name) == leader or int(fields[_SESSION]) == leader:
            found.append((int(folder.name), fields))
    return found


def cpu_seconds(leader: int) -> float:
    """User and system time of all processes of a program, those that ended included."""
    return sum(sum(map(int, fields[_TIMES])) for _, fields in _members(leader)) / TICK


def memory_bytes(leader: int) -> int:
    """User-space memory of all its processes, what several share divided among them (PSS)."""
    return sum(_proportional(process) for process, _ in _members(leader))


def _proportional(process: int) -> int:
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has ended, or the kernel has no such file
    return 0


def processes(leader: int) -> int:
    """How many there are."""
    return len(_members(leader))


def descriptors(leader: int) -> int:
    """Open files of all of them."""
    return sum(len(os.listdir(f"/proc/{process}/fd")) for process, _ in _members(leader))
