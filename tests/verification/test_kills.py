"""SIGKILL under load: nothing acknowledged is lost, and nobody is accused, also while it runs.

The victim writes, signs and rotates; beside it segments are sealed. E2E_KILLS says how often.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from dbguard.audit.keys import public_path
from dbguard.audit.reading import read
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.signing import SigningKey, rotate
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.verification.inputs import load_keys
from dbguard.verification.trail import verify

KILLS = int(os.environ.get("E2E_KILLS", "5"))
ONE_TRAIL = 10
"""Kills of the writers of one trail."""

CHILD = """
import os, sys, threading
from pathlib import Path
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability

log = AuditLog.open(
    Path(sys.argv[1]), durability=Durability(sys.argv[2]), segment_bytes=20_000,
    signer=SigningKey(Path(sys.argv[3])), checkpoint_seconds=0.01,
)
event = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))

def work():
    while True:
        sequence = log.append(event)
        log.append(event)
        log.wait(sequence)
        os.write(1, b"%d\\n" % sequence)

threads = [threading.Thread(target=work, daemon=True) for _ in range(6)]
for thread in threads:
    thread.start()
threads[0].join()
"""


@pytest.mark.parametrize("first", range(0, KILLS, ONE_TRAIL))
def test_kills_under_load(tmp_path: Path, first: int) -> None:
    random = Random(first)
    trail, key = tmp_path / "audit", tmp_path / "audit.key"
    SigningKey(key)
    acknowledged: set[int] = set()
    for turn in range(first, min(KILLS, first + ONE_TRAIL)):
        durability = Durability.DURABLE if turn % 2 else Durability.BUFFERED
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(trail), durability.value, str(key)],
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            output = os.read(child.stdout.fileno(), 100)  # it runs
            for segment in to_seal(trail)[:2]:
                seal(segment)
            time.sleep(random.uniform(0, 0.08))
            os.kill(child.pid, signal.SIGKILL)
            output += child.stdout.read()
        acknowledged |= {int(n) for n in output[: output.rindex(b"\n") + 1].split()}
        findings(trail, key)
        if turn % 5 == 4:
            rotate(key)
            AuditLog.open(trail, signer=SigningKey(key)).close()
            findings(trail, key)
            assert acknowledged <= {stored.sequence for stored in read(trail)}
    AuditLog.open(trail, signer=SigningKey(key)).close()
    result = verify(trail, keys=load_keys([public_path(key)]))
    assert result.findings == result.notes == ()
    assert result.chains[0].signed_through == result.last_sequence
    assert acknowledged <= {stored.sequence for stored in read(trail)}
    assert len(acknowledged) > ONE_TRAIL


def findings(trail: Path, key: Path) -> None:
    found = verify(trail, keys=load_keys([public_path(key)])).findings
    assert found == (), [str(finding) for finding in found]


def test_verification_beside_a_running_writer(tmp_path: Path) -> None:
    """Records, checkpoints and segments come, and segments are sealed, while it reads."""
    trail, key = tmp_path / "audit", tmp_path / "audit.key"
    SigningKey(key)
    copy = tmp_path / "copy.jsonl"
    sealer = (
        "import sys, time; from pathlib import Path; from dbguard.audit.sealing import *\n"
        "while True:\n"
        "    for segment in to_seal(Path(sys.argv[1])): seal(segment)\n"
        "    time.sleep(0.005)\n"
    )
    call = [sys.executable, "-c", CHILD, str(trail), "buffered", str(key)]
    with subprocess.Popen(call, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        os.read(child.stdout.fileno(), 100)
        with subprocess.Popen([sys.executable, "-c", sealer, str(trail)]) as other:
            try:
                deadline = time.monotonic() + 60
                rounds = 0
                while rounds < 15 or not any(trail.glob("*.zst")):  # the sealer may start late
                    assert time.monotonic() < deadline
                    rounds += 1
                    copies = []
                    if stored := whole_lines(trail / "checkpoints.jsonl"):
                        copy.write_bytes(stored)
                        copies.append(copy)
                    keys = load_keys([public_path(key)])
                    found = verify(trail, keys=keys, checkpoint_files=copies).findings
                    assert found == (), [str(finding) for finding in found]
                    os.set_blocking(child.stdout.fileno(), False)
                    child.stdout.read()
            finally:
                other.kill()
                child.kill()


def whole_lines(path: Path) -> bytes:
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]
