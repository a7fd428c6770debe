"""pgBackRest, Barman and pg_basebackup on a cluster of their own, where they are installed.

One server archives its WAL for both tools; everything runs under the account of the server. Each
tool is asked through the guard, as the proxy asks it.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from dbguard.demo.account import Account, server_account
from dbguard.demo.binaries import SYSTEM_PACKAGES, find_binaries
from dbguard.demo.server import THROWAWAY, EmbeddedServer
from dbguard.guards.backup.access import ServerAccess, disconnect, identify
from dbguard.guards.backup.guard import BackupGuard
from dbguard.guards.backup.providers.making import make_providers
from dbguard.guards.backup.registry import BackupRegistry
from dbguard.guards.backup.requirement import BackupVerdict
from dbguard.policy.decision import BackupRequirement, Verification
from dbguard.provider_settings import ProviderKind, ProviderSettings
from dbguard.setting_types import SecretSource
from dbguard.sql.destruction import Destruction

pytestmark = pytest.mark.pg

PASSWORD = "demo"
NOTHING = Destruction((), reason="nothing")
SECONDS = 300.0


@dataclass
class Site:
    """A server, the folder of the tools, and how to run them."""

    server: EmbeddedServer
    folder: Path
    account: Account

    @property
    def binaries(self) -> Path:
        return self.server.binaries.folder

    def words(self, *words: str) -> tuple[str, ...]:
        """A command as the account of the server would give it."""
        return (
            *(("runuser", "-u", self.account.name, "--") if self.account.switch else ()),
            *words,
        )

    def run(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            self.words("env", f"PGPASSWORD={PASSWORD}", *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
            timeout=SECONDS,
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        self.account.own(path)
        return path

    def archived(self, tool: tuple[str, ...]) -> None:
        """Wait until the server has archived all segments but the one it writes, for Barman."""
        deadline = time.monotonic() + SECONDS
        while True:
            with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
                row = connection.execute(
                    "SELECT last_archived_wal, pg_walfile_name(pg_current_wal_lsn() - 16777217)"
                    " FROM pg_stat_archiver"
                ).fetchone()
            assert row is not None
            if row[0] is not None and row[0][:24] >= row[1]:
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.run(*tool, "archive-wal", "main")

    def verdict(
        self,
        settings: ProviderSettings,
        level: Verification = Verification.EXISTS,
        later: timedelta = timedelta(),
    ) -> BackupVerdict:
        """What a statement would be told for which a backup of this provider is required."""

        def clock() -> datetime:
            return datetime.now(UTC) + later

        async def asked() -> BackupVerdict:
            providers = make_providers({"main": settings}, ("127.0.0.1", self.server.port), clock)
            registry = BackupRegistry(self.folder / "none.db")
            access = ServerAccess(self.server.dsn())
            guard = BackupGuard(registry, access, clock, providers.all)
            requirement = BackupRequirement(
                "rule", 3600, min_verification=level, providers=("main",)
            )
            try:
                if settings.verify:  # as a second statement would find it, behind the check
                    connection = await access.connect("postgres")
                    identity = await identify(connection, access)
                    await disconnect(connection)
                    await providers.all[0].backups(identity)
                    if providers.proofs is not None and providers.proofs._tasks:
                        await asyncio.gather(*providers.proofs._tasks.values())
                        providers.all[0]._answers.clear()
                return await guard.check(requirement, "postgres", NOTHING)
            finally:
                await providers.close()

        return asyncio.run(asked())


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    folders = sorted(SYSTEM_PACKAGES.glob("*/bin/pg_verifybackup"))
    if not folders:
        pytest.skip(f"no server programs below {SYSTEM_PACKAGES}")
    with tempfile.TemporaryDirectory(prefix="dbguard-tools-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        account = server_account(folder / "data")
        for part in ("repository", "barman", "barman/incoming", "base", "log", "lock"):
            (folder / part).mkdir()
            account.own(folder / part)
        archive = f"cp %p {folder}/barman/incoming/%f"
        if shutil.which("pgbackrest"):
            archive += f" && pgbackrest --config={folder}/rest.conf --stanza=main archive-push %p"
        server = EmbeddedServer.create(
            folder / "server",
            password=PASSWORD,
            settings={
                **THROWAWAY,
                "full_page_writes": "on",
                "archive_mode": "on",
                "archive_command": archive,
            },
            binaries=find_binaries(folders[0].parent),
        )
        found = Site(server, folder, account)
        found.write("rest.conf", "")
        server.start()
        try:
            found.write(
                "rest.conf",
                f"[global]\nrepo1-path={folder}/repository\nlog-path={folder}/log\n"
                f"lock-path={folder}/lock\nspool-path={folder}/log\nstart-fast=y\n"
                "compress-level=1\nrepo1-retention-full=5\n"
                f"[main]\npg1-path={server.data}\npg1-port={server.port}\n"
                f"pg1-socket-path={server.directory}/run\npg1-user=postgres\n"
                f"[other]\npg1-path={server.data}\n",
            )
            words = f"host=127.0.0.1 port={server.port} user=postgres password={PASSWORD} "
            words += "dbname=postgres"
            found.write(
                "barman.conf",
                f"[barman]\nbarman_user = {account.name}\nbarman_home = {folder}/barman\n"
                f"log_file = {folder}/log/barman.log\n"
                f"[main]\ndescription = main\nconninfo = {words}\n"
                f"streaming_conninfo = {words}\nbackup_method = postgres\n"
                "archiver = on\nimmediate_checkpoint = true\n"
                f"incoming_wals_directory = {folder}/barman/incoming\n"
                f"path_prefix = {server.binaries.folder}\n",
            )
            if shutil.which("pgbackrest"):
                config = f"--config={folder}/rest.conf"
                said = found.run(
                    "pgbackrest", config, "--stanza=main", "stanza-create", check=False
                )
                if "ERROR" in said:
                    pytest.skip(f"this pgBackRest knows no such server: {said.splitlines()[0]}")
            yield found
        finally:
            server.stop()


def damage(folder: Path, pattern: str) -> tuple[Path, bytes]:
    """Flip bits of the largest file; where it was and what it held."""
    path = max(folder.rglob(pattern), key=lambda p: p.stat().st_size)
    held = path.read_bytes()
    middle = len(held) // 2
    path.write_bytes(
        held[:middle] + bytes(b ^ 0xFF for b in held[middle : middle + 8]) + held[middle + 8 :]
    )
    return path, held


def test_pgbackrest(site: Site) -> None:
    if not shutil.which("pgbackrest"):
        pytest.skip("pgBackRest is not installed")
    tool = ("pgbackrest", f"--config={site.folder}/rest.conf")

    def settings(stanza: str = "main", *, verify: bool = False) -> ProviderSettings:
        return ProviderSettings(
            kind=ProviderKind.PGBACKREST,
            stanza=stanza,
            program=site.words(*tool),
            environment={"PGPASSWORD": SecretSource(PASSWORD)},
            timeout=60,
            verify=verify,
        )

    assert site.verdict(settings()).detail.endswith(" There is no backup of this database.")
    site.run(*tool, "--stanza=main", "backup", "--type=full")

    fresh = site.verdict(settings())
    assert fresh.satisfied, fresh.detail
    assert fresh.how.endswith(", not verified")
    assert fresh.how.startswith("backup 20")
    assert " of main of " in fresh.how
    stale = site.verdict(settings(), later=timedelta(hours=2))
    assert not stale.satisfied
    assert "does not count: it is 2 h" in stale.detail
    unproven = site.verdict(settings(), Verification.TOOL)
    assert "it was not proven as far as the rule asks (tool)" in unproven.detail
    proven = site.verdict(settings(verify=True), Verification.TOOL)
    assert proven.satisfied, proven.detail
    path, held = damage(site.folder / "repository" / "backup" / "main", "base/*/*.gz")
    broken = site.verdict(settings(verify=True), Verification.TOOL)
    assert "pgbackrest verify found it damaged" in broken.detail
    path.write_bytes(held)
    missing = site.verdict(settings("other"))
    assert missing.message == 'cannot find out whether database "postgres" has a backup'
    assert "Its repository has no such stanza." in missing.detail

    for segment in (site.folder / "repository" / "archive" / "main").rglob("*.gz"):
        segment.unlink()
    assert "its WAL is not in the archive" in site.verdict(settings()).detail


def test_barman(site: Site) -> None:
    if not shutil.which("barman"):
        pytest.skip("Barman is not installed")
    tool = ("barman", "-c", f"{site.folder}/barman.conf")

    def settings(server: str = "main", *, verify: bool = False) -> ProviderSettings:
        return ProviderSettings(
            kind=ProviderKind.BARMAN,
            server=server,
            program=site.words(*tool),
            timeout=60,
            verify=verify,
        )

    assert "It knows no such server." in site.verdict(settings("nosuch")).detail
    site.run(*tool, "switch-wal", "--force", "main")
    site.archived(tool)
    site.run(*tool, "backup", "main")
    site.archived(tool)  # barman's own --wait looks every few seconds only

    proven = site.verdict(settings(verify=True), Verification.TOOL)
    assert proven.satisfied, proven.detail
    assert ", checked by its tool " in proven.how
    stale = site.verdict(settings(), later=timedelta(hours=2))
    assert "does not count: it is 2 h" in stale.detail
    damage(site.folder / "barman" / "main" / "base", "base/*/[0-9]*")
    broken = site.verdict(settings(verify=True), Verification.TOOL)
    assert "barman verify-backup found it damaged" in broken.detail


def test_base_backups(site: Site) -> None:
    def settings(*, verify: bool = False) -> ProviderSettings:
        return ProviderSettings(
            kind=ProviderKind.BASEBACKUP,
            directory=site.folder / "base",
            binaries=site.binaries if verify else None,
            timeout=60,
            verify=verify,
        )

    assert site.verdict(settings()).detail.endswith(" There is no backup of this database.")
    program = str(site.binaries / "pg_basebackup")
    site.run(program, "-d", site.server.dsn(), "-D", f"{site.folder}/base/one", "-c", "fast")
    fresh = site.verdict(settings())
    assert fresh.satisfied, fresh.detail
    proven = site.verdict(settings(verify=True), Verification.TOOL)
    assert proven.satisfied, proven.detail
    damage(site.folder / "base" / "one", "base/*/[0-9]*")
    broken = site.verdict(settings(verify=True), Verification.TOOL)
    assert "pg_verifybackup found it damaged" in broken.detail
    (site.folder / "base" / "one" / "backup_manifest").unlink()
    assert "it has no manifest" in site.verdict(settings()).detail
