"""What a plan costs to make (a miss) by size, kind and phase, and what it takes to keep."""

from __future__ import annotations

import argparse
import functools
import gc
import statistics
import sys
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table

from dbguard.catalog.saved import load
from dbguard.cli.deep_stack import with_deep_stack
from dbguard.engine import planning
from dbguard.engine.asks import Planned
from dbguard.engine.plan import PlanRequest
from dbguard.engine.planning import World, effective_view, plan_text, principal_of
from dbguard.policy.loading import load_policy
from dbguard.proxy.plan_cache import PlanCache
from dbguard.sql import analysis, dialect, referee
from dbguard.sql.limits import Limits

HIPAA = Path(__file__).parents[2] / "rules" / "hipaa"
SIZES = (100, 200, 1_000, 10_000, 100_000, 1_000_000)
PHASES: tuple[tuple[str, ModuleType, str], ...] = (
    ("referee", referee, "parse"),
    ("scan", referee, "scan"),
    ("sqlglot", dialect, "parse_tokens"),
    ("sqlglot", dialect, "tokenize"),
    ("precheck", analysis, "check_text"),
    ("precheck", planning, "check_text"),
    ("cross-check", analysis, "compare"),
    ("resolve", analysis, "resolve_statement"),
    ("decide", planning, "decide"),
    ("rewrite", planning, "rewrite"),
    ("verify", planning, "verify"),
    ("redact", planning, "recorded_texts"),
)
"""A phase's time is without that of phases inside it: parsing in `rewrite` is the referee's."""
NAMES = tuple(dict.fromkeys(name for name, _, _ in PHASES))


@dataclass(slots=True)
class Clock:
    """Time by phase, each without what runs inside it."""

    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    stack: list[tuple[str, float]] = field(default_factory=list)

    def enter(self, name: str) -> None:
        now = time.thread_time()
        if self.stack:
            outer, since = self.stack[-1]
            self.spent[outer] += now - since
        self.stack.append((name, now))

    def leave(self) -> None:
        now = time.thread_time()
        name, since = self.stack.pop()
        self.spent[name] += now - since
        if self.stack:
            self.stack[-1] = (self.stack[-1][0], now)


@contextmanager
def clocked(clock: Clock) -> Iterator[None]:
    """Every phase's function reports to `clock`."""

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            clock.enter(name)
            try:
                return function(*args, **kwargs)
            finally:
                clock.leave()

        return timed

    before = [(module, name, getattr(module, name)) for _, module, name in PHASES]
    for phase, module, name in PHASES:
        setattr(module, name, wrapped(phase, getattr(module, name)))
    try:
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def select(size: int, n: int) -> str:
    """A masked table filtered by as many comparisons as fit."""
    head = f"SELECT id, last_name, ssn, dob FROM clinic.patients WHERE id = {n}"
    return head + "".join(f" OR zip = '{i:05}'" for i in range(max(0, (size - len(head)) // 18)))


def join(size: int, n: int) -> str:
    """Joins in derived tables side by side: many names, some masked."""
    unit = (
        "SELECT p.id, p.dob, e.admitted, d.icd10 FROM clinic.patients p "
        "JOIN clinic.encounters e ON e.patient_id = p.id "
        f"JOIN clinic.diagnoses d ON d.patient_id = p.id WHERE e.id = {n}"
    )
    return " UNION ALL ".join([unit] * max(1, size // (len(unit) + 11)))


def in_list(size: int, n: int) -> str:
    head = f"SELECT id, ssn FROM clinic.patients WHERE id IN ({n}"
    return head + "".join(f", {i + 100_000}" for i in range((size - len(head)) // 8)) + ")"


def values(size: int, n: int) -> str:
    head = f"INSERT INTO clinic.encounters (patient_id, provider_id) VALUES ({n}, 1)"
    return head + "".join(
        f", ({i % 9000 + 1000}, {i % 90 + 10})" for i in range((size - len(head)) // 12)
    )


def view(size: int, n: int) -> str:
    """A view over masked tables, as often as fits."""
    unit = f"SELECT * FROM clinic.patient_overview WHERE id = {n}"
    return " UNION ALL ".join([unit] * max(1, size // (len(unit) + 11)))


KINDS = (select, join, in_list, values, view)


def measure(world: World, make: Callable[[int, int], str], size: int) -> list[str]:
    """One line of the table: size, time, share of each phase, and memory kept."""
    principal = principal_of(world.snapshot, "analyst" if make is not values else "dba")
    seen = effective_view(world.snapshot, principal.user, '"$user", public')

    def request(n: int) -> PlanRequest:
        return PlanRequest(make(size, n), principal, seen, "production")

    plan = plan_text(world, request(0))
    what = plan.refusal.message if plan.refusal else ""
    rounds = max(2, min(50, 100_000 // size))
    took, clock = [], Clock()
    with clocked(clock):
        for n in range(1, rounds + 1):
            asked = request(n)
            start = time.thread_time()
            plan_text(world, asked)
            took.append(time.thread_time() - start)
    kept, told = kept_bytes(world, request)
    total = sum(clock.spent.values()) or 1
    return [
        make.__name__,
        f"{len(request(0).text.encode()):,}",
        f"{statistics.median(took) * 1000:,.2f}",
        *(f"{clock.spent[name] / total:.0%}" for name in NAMES),
        f"{kept:,}",
        f"{told:,}",
        what[:60],
    ]


def kept_bytes(world: World, request: Callable[[int], PlanRequest]) -> tuple[int, int]:
    """Bytes that one cached plan really takes, and what the cache counts for it."""
    cache = PlanCache(max_bytes=1 << 40)
    count = 3 if len(request(0).text) > 50_000 else 20
    key = ("clinic", 1, world.policy.digest)
    made = [(request(n), plan_text(world, request(n))) for n in range(count)]
    import pickle

    texts = [(pickle.dumps(r), pickle.dumps(p)) for r, p in made]
    del made
    gc.collect()
    tracemalloc.start()
    for asked, plan in texts:  # unpickled: shared as little as what comes from a worker
        cache.put(pickle.loads(asked), Planned(pickle.loads(plan), frozenset(), key))
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept // count, cache.size // count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--kinds", nargs="+", default=[make.__name__ for make in KINDS])
    arguments = parser.parse_args()
    sizes = arguments.sizes
    limits = Limits(max_text_bytes=2_000_000, max_tokens=1_000_000)
    world = World(load((HIPAA / "catalog.json").read_text()), load_policy(HIPAA), limits)
    _ = world.bound
    table = Table(box=None)
    for heading in ("kind", "bytes", "ms", *NAMES, "kept", "counted", "refused"):
        table.add_column(heading, justify="left" if heading in ("kind", "refused") else "right")
    for make in (make for make in KINDS if make.__name__ in arguments.kinds):
        for size in sizes:
            table.add_row(*with_deep_stack(functools.partial(measure, world, make, size)))
            sys.stderr.write(f"{make.__name__} {size}\n")
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
