"""How many records the audit log takes, and what one costs in CPU time.

    python tests/bench/audit_append.py --records 50000 --threads 64 --signed

`waiting`: so many threads, each waiting for its record before the next; they share the syncs.
`single`: one thread that appends without waiting, and waits for the last. `turns` (with
`--buffered`): statements as the proxy records them, a decision filled from its halves and an
outcome, `--sessions` of them in a turn of the loop and then one commit. Figures are medians of the
rounds; `caller` is the CPU time of `append` (and `commit`) on the thread that calls it, `all` that
of the whole process, divided by the records.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dbguard.audit.members import rendered_text
from dbguard.audit.rendering import (
    DecisionTemplate,
    SessionTemplate,
    render,
    rendered_outcome,
)
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a program
from tests.audit.samples import MASKED

RECORD = replace(MASKED, decision="allow", rules=("analysts-read",), masked=())
Result = tuple[float, float, float]
"""Records a second, CPU microseconds of the caller and of the process for each."""


def single(log: AuditLog, records: int, _threads: int) -> Result:
    body = render(RECORD)
    wall, own, cpu = time.perf_counter(), time.thread_time(), time.process_time()
    for _ in range(records):
        last = log.append(body)
    own = time.thread_time() - own
    log.wait(last)
    return _result(records, wall, own, cpu)


def waiting(log: AuditLog, records: int, threads: int) -> Result:
    body = render(RECORD)

    def work() -> None:
        for _ in range(records // threads):
            log.wait(log.append(body))

    wall, cpu = time.perf_counter(), time.process_time()
    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return _result(records // threads * threads, wall, 0.0, cpu)


def turns(log: AuditLog, records: int, sessions: int) -> Result:
    decision, session = DecisionTemplate(RECORD), SessionTemplate.of(RECORD)
    name = rendered_text(RECORD.session)
    wall, own, cpu = time.perf_counter(), time.thread_time(), time.process_time()
    for _ in range(records // (2 * sessions)):
        for _ in range(sessions):
            number = log.append(decision.fill(session, "query", ""))
            log.append(rendered_outcome(name, number, b'"SELECT 1"', 1, "", 250, 64))
        log.commit()
    own = time.thread_time() - own
    log.wait(log.append(RECORD))
    return _result(records // (2 * sessions) * 2 * sessions, wall, own, cpu)


def _result(records: int, wall: float, own: float, cpu: float) -> Result:
    return (
        records / (time.perf_counter() - wall),
        own / records * 1e6,
        (time.process_time() - cpu) / records * 1e6,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--buffered", action="store_true")
    parser.add_argument("--signed", action="store_true", help="with checkpoints each second")
    parser.add_argument("--directory", type=Path, default=None)
    options = parser.parse_args()
    kinds: dict[str, tuple[Callable[[AuditLog, int, int], Result], int]] = {
        "single": (single, 1),
        "waiting": (waiting, options.threads),
    }
    if options.buffered:
        kinds["turns"] = (turns, options.sessions)
    for name, (kind, beside) in kinds.items():
        results = []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory(dir=options.directory) as folder:
                log = _open(Path(folder), options.buffered, options.signed)
                results.append(kind(log, options.records, beside))
                log.close()
        rate, own, cpu = (statistics.median(column) for column in zip(*results, strict=True))
        print(f"{name:8} {rate:10,.0f} records/s   caller {own:5.2f} us   all {cpu:6.2f} us")


def _open(folder: Path, buffered: bool, signed: bool) -> AuditLog:
    durability = Durability.BUFFERED if buffered else Durability.DURABLE
    key = SigningKey(folder / "audit.key") if signed else None
    return AuditLog.open(
        folder / "audit", durability=durability, signer=key, checkpoint_seconds=1.0
    )


if __name__ == "__main__":
    main()
