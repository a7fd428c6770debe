"""Half a million rows at once: rows a second, and CPU time of the proxy for each thousand."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial

from .conversation import Conversation, RememberedKeys, query
from .figures import DBGUARD, DIRECT, PGBOUNCER, Compared, Measured, Sample, Target
from .proxies import ROOT, System
from .rig import ANALYST, CLINICIAN, PASSWORD, RULES, Rig
from .turns import Options, Planned, Rigs, in_turns

READ = "SELECT id, last_name, ssn, dob, zip, note FROM patients"
COPY = f"COPY ({READ}) TO STDOUT"
MASKED = Target(DBGUARD, Compared.OF_DIRECT, 0.9, at_most=False)


def sent_instead(rig: Rig, user: str, text: str) -> str:
    """What dbguard sends to the server when `user` sends `text`."""
    rules = rig.folder / "explained"
    rules.mkdir(exist_ok=True)
    (rules / "bench.yaml").write_text(RULES)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "dbguard", "explain", "--json", "-u", user, "-c", text),
            *("--rules", rules, "--catalog", rig.server.dsn()),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    sent = json.loads(ran.stdout)["sent"]
    assert isinstance(sent, str)
    return sent


def measured(
    text: str,
    user: str,
    targets: tuple[Target, ...],
    rigs: Rigs,
    options: Options,
    planned: Planned,
) -> list[Measured]:
    """Each round reads for `seconds` and at least once. What is compared with is the same SQL: the
    text that dbguard sends, run directly."""
    rig = rigs.plain
    remarks: dict[str, str] = {}
    systems = rig.systems((DIRECT, PGBOUNCER, DBGUARD), remarks)
    plainly = query(sent_instead(rig, user, text))
    texts = {one.name: query(text) if one.name == DBGUARD else plainly for one in systems}
    keys = RememberedKeys(PASSWORD)
    for one in systems:
        with Conversation(one.port, user, keys) as talk:
            talk.read_through(texts[one.name])
    found = in_turns(
        systems, options.rounds, lambda one: _read(one, user, keys, texts, options.seconds)
    )
    unit, cost = "rows/s", "µs/1,000 rows"
    made = Measured(
        planned.group, planned.title, unit, found, targets, cost_unit=cost, remarks=remarks
    )
    return [made]


def _read(
    system: System, user: str, keys: RememberedKeys, texts: Mapping[str, bytes], seconds: int
) -> Sample:
    with Conversation(system.port, user, keys) as talk:
        rows, spent, began = 0, system.cpu, time.monotonic()
        while not rows or time.monotonic() - began < seconds:
            rows += talk.read_through(texts[system.name])
        took = time.monotonic() - began
        spent = system.cpu - spent
    cost = spent / rows * 1e9 if system.process is not None else None
    return Sample(rows / took, cost)


def all_planned() -> Iterator[Planned]:
    kinds = {
        "masked": (READ, ANALYST, (MASKED,)),
        "unmasked": (READ, CLINICIAN, ()),
        "masked, by COPY": (COPY, ANALYST, ()),
        "unmasked, by COPY": (COPY, CLINICIAN, ()),
    }
    for title, (text, user, targets) in kinds.items():
        run = partial(measured, text, user, targets)
        yield Planned("bulk", f"500,000 rows, {title}", run, quick=bool(targets))
