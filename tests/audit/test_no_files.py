"""A pipe, a folder, a socket, a device or a link by the name of a file of the trail: nobody waits
for it or takes it for one, and everybody says what it is and where."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog
from dbguard.cli.app import app
from dbguard.errors import ConfigurationError
from dbguard.report.evidence.inventory import inventory, latest_checkpoints
from dbguard.shipping.cursors import CursorFile
from dbguard.shipping.following import ChainFollower, CheckpointFollower
from dbguard.shipping.items import CheckpointPosition, Position
from dbguard.verification.regular_file import NotAFile

runner = CliRunner()


@pytest.fixture(autouse=True)
def impatience() -> Iterator[None]:
    """Who waits for a pipe waits for ever."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five segments, all old; the first is sealed."""
    folder = tmp_path_factory.mktemp("made")
    moment = datetime.now(UTC) - timedelta(days=4000)
    log = AuditLog.open(
        folder / "audit",
        segment_bytes=1500,
        clock=lambda: moment,
        signer=SigningKey(folder / "audit.key"),
    )
    for number in range(30):
        log.wait(log.append(EventRecord(RecordKind.CONNECT, f"s{number}", ())), 20)
    log.close()
    seal(to_seal(folder / "audit")[0])
    assert (folder / "audit" / "audit-000005.jsonl").exists()
    assert not (folder / "audit" / "audit-000006.jsonl").exists()
    return folder


@pytest.fixture
def trail(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "t")) / "audit"


# ---- what may stand there


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the whole path may be too long for an address
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_a_pipe(path: Path) -> None:
    target = path.parent.parent / "a pipe"
    os.mkfifo(target)
    path.symlink_to(target)


MAKERS = [pipe, folder, unix_socket, device, link_to_a_pipe]

# ---- who comes across it; each returns what it says


def start(trail: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        AuditLog.open(trail, signer=SigningKey(trail.with_name("audit.key"))).close()
    assert "move it away" in caught.value.hint
    return caught.value.message


def command(*arguments: str) -> Callable[[Path], str]:
    def call(trail: Path) -> str:
        result = runner.invoke(app, [*arguments, "--audit", str(trail)])
        assert result.exit_code == 2, (arguments, result.output)
        assert "Traceback" not in result.output
        assert "move it away" in result.stderr
        return result.stderr

    call.__name__ = " ".join(arguments)
    return call


def ship_records(trail: Path) -> str:
    with pytest.raises(NotAFile) as caught:
        ChainFollower(trail, "", Position()).next()
    return str(caught.value)


def ship_checkpoints(trail: Path) -> str:
    with pytest.raises(NotAFile) as caught:
        CheckpointFollower(ChainFollower(trail, "", Position()), CheckpointPosition()).next()
    return str(caught.value)


def bundle(trail: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        inventory(trail)
    assert "move it away" in caught.value.hint
    return caught.value.message


def copy_of_checkpoints(trail: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        latest_checkpoints(trail)
    return caught.value.message


prune = command("audit", "prune")
check, seal_all = command("audit", "verify"), command("audit", "seal")
show, report = command("audit", "show", "2"), command("report")

CASES = [
    ("pruned.json", (start, prune, check, bundle)),
    (
        "checkpoints.jsonl",
        (start, prune, check, bundle, copy_of_checkpoints, ship_checkpoints),
    ),
    ("head", (start, check, bundle, seal_all, ship_records, ship_checkpoints)),
    ("audit-000001.jsonl", (start, prune, check, bundle, show, report, ship_records)),
    ("audit-000006.jsonl", (start, check, bundle, report)),
    ("audit-000002.jsonl.zst.tmp", (seal_all,)),
    ("pruned.json.tmp", (prune,)),
]


@pytest.mark.parametrize("name", [name for name, _ in CASES])
def test_what_is_no_file_is_refused_by_its_name(trail: Path, name: str) -> None:
    (acts,) = (acts for one, acts in CASES if one == name)
    (trail / name).unlink(missing_ok=True)
    for make in MAKERS:
        make(trail / name)
        for act in acts if make is pipe else acts[:1]:
            said = act(trail)
            assert str(trail / name) in said, (make, act, said)
            assert "not a regular file but a" in said, (make, act, said)
        if make is folder:
            (trail / name).rmdir()
        else:
            (trail / name).unlink()


@pytest.mark.parametrize("name", ["pruned.json", "checkpoints.jsonl", "head"])
def test_what_dbguard_replaces_or_goes_on_with_is_no_link(
    trail: Path, name: str, made: Path
) -> None:
    (trail / name).unlink(missing_ok=True)
    elsewhere = trail.parent / "elsewhere"
    shutil.copyfile(made / "audit" / (name if name != "pruned.json" else "head"), elsewhere)
    (trail / name).symlink_to(elsewhere)
    content = elsewhere.read_bytes()
    assert "a symbolic link" in start(trail)
    if name != "head":
        assert "a symbolic link" in prune(trail)
    assert elsewhere.read_bytes() == content


def test_the_cursors_of_shipping(trail: Path) -> None:
    file = CursorFile(trail, "siem")
    (trail / "shipping").mkdir()
    for name, act in (
        ("siem.lock", file.lock),
        ("siem.json", file.read),
        ("siem.new", lambda: file.write(b"{}")),
    ):
        os.mkfifo(trail / "shipping" / name)
        with pytest.raises(NotAFile, match="not a regular file but a pipe"):
            act()
    assert "siem.json" in prune(trail)
