"""`dbguard demo`, its tour and `dbguard psql`, run as a person would run them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from dbguard.demo.server import HOST, free_port

pytestmark = pytest.mark.pg

PROGRAM = [sys.executable, "-c", "from dbguard.cli import main; main()"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("DBGUARD_")} | {
    "COLUMNS": "200",
    "LANG": "C",
}
if "DBGUARD_PG_BIN" in os.environ:
    ENVIRONMENT["DBGUARD_PG_BIN"] = os.environ["DBGUARD_PG_BIN"]


def answer(*arguments: str) -> str:
    """What `dbguard psql` prints; it has to succeed."""
    result = dbguard("psql", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def dbguard(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@contextmanager
def running(*arguments: str) -> Iterator[list[str]]:
    """`dbguard demo` in the background; its lines so far, after the end all of them."""
    process = subprocess.Popen(
        [*PROGRAM, "demo", *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            if "Ctrl-C stops everything" in line:
                break
        else:
            pytest.fail("\n".join(lines))
        yield lines
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        lines += rest.splitlines()
    assert process.returncode == 0, lines


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not tmp_path: as root, the server's account has to get in."""
    path = Path(tempfile.mkdtemp(prefix="dbguard-demo-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_tour() -> None:
    result = dbguard("demo", "--tour")
    shown = result.stdout
    assert result.returncode == 0, shown + result.stderr
    assert "10 of 10 steps did what they should" in shown
    assert "sample database clinic made: 101,0" in shown
    masked, _, rest = shown.partition("4. A clinician reads the same patients")
    assert "***-**-9834" in masked
    assert "440-00-9834" not in masked
    assert "440-00-9834" in rest
    assert "ERROR 42501" in rest
    assert "no-unbounded-writes" in rest
    assert "ddl-needs-backup" in rest
    assert "rows restored and compared" in rest
    assert "CREATE TABLE\n" in rest
    assert "chain intact" in rest
    assert "Traceback" not in result.stderr


def test_start_use_stop_and_start_again(folder: Path) -> None:
    home, port = folder / "home", free_port()
    option = ("--directory", str(home))
    query = "SELECT ssn FROM clinic.patients WHERE id = 1"

    assert "there is no demo" in dbguard("psql", *option).stderr
    home.mkdir(mode=0o755)
    (home / "thesis.txt").write_text("years of work")
    with running(*option, "--port", str(port)) as lines:
        assert any(f"dbguard ready on 127.0.0.1:{port}" in line for line in lines)
        assert answer(*option, "analyst", "-Atc", query) == "***-**-9834"
        assert answer(*option, "clinician", "-Atc", query) == "440-00-9834"

        assert answer(*option, "-Atc", query) == "***-**-9834"

        stranger = dbguard("psql", *option, "mallory")
        assert (stranger.returncode, "no user mallory" in stranger.stderr) == (2, True)
        second = dbguard("demo", *option, "--port", str(free_port()))
        assert (second.returncode, "already runs" in second.stderr) == (2, True)
        taken = dbguard("demo", "--directory", str(folder / "other"), "--port", str(port))
        assert (taken.returncode, f"port {port} is in use" in taken.stderr) == (2, True)

        with psycopg.connect(
            f"postgresql://dba:demo@{HOST}:{port}/clinic", autocommit=True
        ) as connection:
            connection.execute(
                "INSERT INTO clinic.providers (npi, name, specialty) "
                "VALUES ('9999999999', 'Dr. New', 'Cardiology')"
            )
    assert lines[-1] == "PostgreSQL stopped"
    assert not (home / "server" / "data" / "postmaster.pid").exists()
    assert "does not run" in dbguard("psql", *option).stderr

    count = "SELECT count(*) FROM clinic.providers WHERE npi = '9999999999'"
    with running(*option, "--port", str(port)) as lines:
        assert "sample database clinic found" in lines
        assert answer(*option, "dba", "-Atc", count) == "1"
    (home / "server" / "data" / "PG_VERSION").write_text("9\n")
    other = dbguard("demo", *option, "--port", str(port))
    assert (other.returncode, "made by PostgreSQL 9" in other.stderr) == (2, True)
    with running(*option, "--port", str(port), "--reset") as lines:
        assert "earlier demo removed" in lines
        assert answer(*option, "dba", "-Atc", count) == "0"
    assert (home / "thesis.txt").read_text() == "years of work"
    secrets = ["superuser.txt", "catalog-dsn.txt", "backup-dsn.txt"]
    assert [(home / name).stat().st_mode & 0o077 for name in secrets] == [0, 0, 0]


def test_folder_that_cannot_be_made(folder: Path) -> None:
    (folder / "file").write_text("")
    result = dbguard("demo", "--directory", str(folder / "file" / "x"), "--port", str(free_port()))
    assert result.returncode == 2
    assert "Choose a folder" in result.stderr
    assert "Traceback" not in result.stderr
