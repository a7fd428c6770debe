"""All commands under one roof."""

from __future__ import annotations

from .commands import COMMANDS, program

app = program(COMMANDS)
