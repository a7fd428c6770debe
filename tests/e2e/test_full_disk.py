"""A full disk under the audit log: statements are refused until there is space again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbguard.verification.inputs import load_keys
from dbguard.verification.trail import verify

from .proxies import Guarded

pytestmark = pytest.mark.pg


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.name != "posix", reason="mounts a tmpfs")
def test_statements_wait_for_space(guard: Any, pg_database: Any, small_disk: Path) -> None:
    pg_database.create_user("app")
    guarded: Guarded = guard(pg_database, rules=None, started=False)
    config = guarded.config.read_text("utf-8")
    guarded.config.write_text(config.replace("directory: audit,", f'directory: "{small_disk}",'))
    guarded.start()
    filler = small_disk / "filler"
    with closing(guarded.connect("app", autocommit=True)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        with pytest.raises(psycopg.errors.IoError) as caught:
            for _ in range(200):
                connection.execute("SELECT 2")
        assert caught.value.sqlstate == "58030"
        assert "audit log cannot be written" in str(caught.value.diag.message_primary)
        assert caught.value.diag.message_hint
        with pytest.raises(psycopg.errors.IoError):
            connection.execute("SELECT 3")
        filler.unlink()
        deadline = time.monotonic() + 90
        while True:
            try:
                assert connection.execute("SELECT 4").fetchone() == (4,)
                break
            except psycopg.errors.IoError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    guarded.stop()
    keys = load_keys([small_disk.with_name("small.pub")])
    result = verify(small_disk, keys=keys)
    assert result.findings == ()
    assert result.chains[0].signed_through == result.last_sequence
