"""One process's share of the generated oracle: `python -m tests.sql.oracle_run DSN SEED COUNT`.

Writes the figures as JSON. For long runs by hand as well.
"""

from __future__ import annotations

import gc
import sys

from dbguard.proxy.analysis_worker import COLLECT_EVERY

from .generator import QueryGenerator, world_of
from .measuring import Tally, measure
from .oracle import CORPUS, Server


def prepare(dsn: str) -> None:
    """Make the generator's world in an empty database."""
    server = Server(dsn)
    server.build()
    server.connection.execute((CORPUS / "generator.sql").read_text().encode())
    server.close()


def connect(dsn: str) -> Server:
    """A session in that world, with temporary tables of its own."""
    server = Server(dsn)
    server.enter()
    server.connection.execute((CORPUS / "generator_session.sql").read_text().encode())
    return server


def run(dsn: str, seed: int, count: int) -> Tally:
    """Generate `count` queries from `seed` and compare analysis with the server."""
    server = connect(dsn)
    snapshot = server.snapshot()
    world = world_of(snapshot, server.view().search_path, xml=server.has_xml())
    generator = QueryGenerator(seed, world)
    tally = measure(server, snapshot, [generator.statement() for _ in range(count)])
    server.close()
    return tally


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)  # as where statements are analysed
    print(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])).as_json())
