from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.guards.backup.providers.running import Program

RECORDED = Path(__file__).parent / "recorded"
"""What real tools have written, a folder for each state of their repository."""
SYSTEM = "7710876092258502388"
"""System identifier of the server that was backed up for the recordings."""
CLINIC = DatabaseIdentity(SYSTEM, "clinic", 16400)
NOW = datetime(2026, 11, 22, 7, tzinfo=UTC)
"""Within an hour of all recordings."""

_REPLAY = """#!/bin/sh
# prints what the tool printed for the same command: its name, and a backup's id where there is one
folder=$1; shift
for word in "$@"; do
  case $word in
    info|verify|list-backups|check|show-server|backup-list|wal-verify|verify-backup) name=$word ;;
    20[0-9]*) id=-$word ;;
  esac
done
[ "$name" = show-server ] && id=
for word in "$@"; do [ "$word" = show-backup ] && name=show-backup; done
echo "$name$id" >> "$folder.asked"
[ -f "$folder/$name$id" ] && cat "$folder/$name$id"
[ -f "$folder/$name$id.code" ] && exit "$(cat "$folder/$name$id.code")"
[ -f "$folder/$name$id" ] || exit 99
exit 0
"""


@pytest.fixture
def replay(tmp_path: Path) -> Callable[[Path], Program]:
    """A program that answers as the tool did whose answers are in a folder."""
    script = tmp_path / "replay"
    script.write_text(_REPLAY)
    script.chmod(0o755)

    def made(folder: Path) -> Program:
        own = tmp_path / "answers"
        own.mkdir(exist_ok=True)
        for path in folder.iterdir():
            (own / path.name).write_bytes(path.read_bytes())
        return Program((str(script), str(own)))

    return made
