"""What inspecting costs: dbguard beside PgBouncer and a direct connection, as one table.

Everything is interleaved: each round measures every system once. Figures are medians over the
rounds, ratios medians of the rounds' ratios. CPU time is the operating system's, of all processes
of a proxy. Nothing is asserted; where a target is set, the table says whether it is reached.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from measuring import bulk, latency, memory, misses, transactions
from measuring.figures import Line, lines
from measuring.machine import active_path, facts, load
from measuring.rig import Absent, Broken, Chosen
from measuring.table import as_json, as_table
from measuring.turns import Options, Planned, Rigs
from rich.console import Console

from dbguard.running_path import UNCOMPILED

WIDTH = 240
"""Columns of a table that goes into a file."""


def all_planned() -> list[Planned]:
    modules = (transactions, bulk, misses, latency, memory)
    return [planned for module in modules for planned in module.all_planned()]


def taken(planned: Sequence[Planned], rigs: Rigs, options: Options) -> list[Line]:
    """The lines of everything planned, one after the other; of what there is when interrupted."""
    found: list[Line] = []
    for one in planned:
        began = time.monotonic()
        try:
            for measured in one.run(rigs, options, one):
                found += lines(measured)
        except (Absent, Broken, OSError) as error:
            found.append(Line(one.group, one.title, "", "", None, remark=str(error)))
        except KeyboardInterrupt:
            break
        sys.stderr.write(f"{one.group}: {one.title} ({time.monotonic() - began:.0f} s)\n")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=0, help="of each turn [5; quick: 3]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="what targets are set for (3 minutes)")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="rows whose name has one of them")
    parser.add_argument("--list", action="store_true", help="name the rows, and measure nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines there, too")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="more settings of dbguard")
    parser.add_argument(
        "--uncompiled",
        action="store_true",
        help="with rows of their own for dbguard without its compiled parts",
    )
    given = parser.parse_args()
    planned = [one for one in all_planned() if one.quick or not given.quick]
    planned = [one for one in planned if not given.only or one.is_meant_by(given.only)]
    if given.list:
        for one in planned:
            print(f"{one.group}: {one.title}")
        return
    folder = os.environ.get("DBGUARD_PG_BIN")
    chosen = Chosen(
        Path(folder) if folder else None,
        given.settings.read_text() if given.settings else "",
        {UNCOMPILED: "1"} if given.uncompiled else None,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers are stopped in any case
    options = Options(given.rounds, given.seconds or (3 if given.quick else 5))
    with ExitStack() as stack:
        rigs = Rigs(stack, chosen)
        known = facts(rigs.plain.version)
        found = taken(planned, rigs, options)
    known["load at the end"] = load()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    for name, value in known.items():
        console.print(f"{name}: {value}", highlight=False)
    console.print(as_table(found, active_path(known["dbguard"])))
    if given.json:
        given.json.write_text(as_json(found, known))


if __name__ == "__main__":
    main()
