"""The guard asks all providers that a rule lets count, and says what kept them from counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dbguard.guards.backup.access import ServerAccess
from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.model import DatabaseIdentity
from dbguard.guards.backup.providers.fields import NoInventory
from dbguard.guards.backup.providers.limited import Limited
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.policy.decision import BackupRequirement, Verification
from dbguard.sql.destruction import Destruction

pytestmark = pytest.mark.pg

NOTHING = Destruction((), reason="nothing")
NOW = datetime(2100, 1, 1, tzinfo=UTC)
"""After everything that the server has changed."""


@dataclass
class Fake:
    name: str
    age: float = 0
    reason: str = ""
    asked: int = 0

    async def backups(self, _: DatabaseIdentity) -> Sequence[Evidence]:
        self.asked += 1
        if self.reason:
            raise NoInventory(self.reason)
        return [Evidence("b", self.name, NOW - timedelta(seconds=self.age), Verification.EXISTS)]


def guard(pg_server: Any, tmp_path: Path, *sources: Fake) -> BackupGuard:
    access = ServerAccess(pg_server.dsn())
    providers = [Limited(one, "command", 30) for one in sources]
    return BackupGuard(BackupRegistry(tmp_path / "state.db"), access, lambda: NOW, providers)


def rule(*providers: str) -> BackupRequirement:
    return BackupRequirement(
        "r", 60, min_verification=Verification.EXISTS, providers=tuple(providers)
    )


async def test_whoever_counts_is_enough(pg_server: Any, tmp_path: Path) -> None:
    asked = guard(pg_server, tmp_path, Fake("a", reason="it is asleep"), Fake("b", 10))
    verdict = await asked.check(rule(), "postgres", NOTHING)
    assert verdict.satisfied
    assert verdict.how.startswith("backup b of b of 2099-12-31T23:59:50Z")


async def test_misses_and_silence_are_told(pg_server: Any, tmp_path: Path) -> None:
    asked = guard(pg_server, tmp_path, Fake("a", reason="it is asleep"), Fake("b", 100))
    verdict = await asked.check(rule(), "postgres", NOTHING)
    assert not verdict.satisfied
    assert verdict.detail == (
        "Needed for: nothing. "
        "Backup b of b does not count: it is 1 min 40 s old. "
        "Backups of a (command) cannot be listed. It is asleep."
    )


async def test_only_those_that_the_rule_names_are_asked(pg_server: Any, tmp_path: Path) -> None:
    a, b = Fake("a"), Fake("b", 100)
    asked = guard(pg_server, tmp_path, a, b)
    assert not (await asked.check(rule("b"), "postgres", NOTHING)).satisfied
    assert (a.asked, b.asked) == (0, 1)
    verdict = await asked.check(rule("c"), "postgres", NOTHING)
    assert not verdict.satisfied
    assert "None of the providers that the rule names is there. Rule r names c." in verdict.detail
    asked.use([Limited(Fake("c"), "command", 30)])
    assert (await asked.check(rule("c"), "postgres", NOTHING)).satisfied
