"""Analysis against PostgreSQL's own regression scripts: what of it is understood, and is it right?

The scripts are PostgreSQL's (src/test/regress/sql of its source) and are not part of dbguard. Each
statement is analysed against the catalog as the session sees it at that moment, then run; only
statements that the server accepts count. With --views, each SELECT is also made a view where that
is possible, and the columns that the server says it depends on are compared.

    python tests/bench/regression.py …/src/test/regress/sql --details refused.txt
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from judging import Judgement, Verdict, judge
from psql_scripts import Command, Script, Statement
from psql_session import Session
from rich.console import Console
from rich.table import Table
from view_columns import ViewColumns

from dbguard.demo.binaries import find_binaries
from dbguard.demo.server import HOST, THROWAWAY, EmbeddedServer
from dbguard.errors import StatementError
from dbguard.sql import referee

DATABASE = "regression"
QUERIES = frozenset(("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"))
_NAMELESS = frozenset(
    f"{kind}Stmt"
    for kind in (
        *("Transaction", "VariableSet", "VariableShow", "Discard", "Do", "CheckPoint", "Fetch"),
        *("ClosePortal", "Deallocate", "Execute", "ConstraintsSet", "DeclareCursor", "Explain"),
        *("Prepare", "Load", "Unlisten"),
    )
)
"""Statements that need not name any object of the catalog."""
_FIRST = "test_setup"


@dataclass
class Tally:
    """What has been seen so far."""

    verdicts: dict[str, Counter[Verdict]] = field(default_factory=dict)
    opaque: Counter[str] = field(default_factory=Counter)
    nameless: Counter[str] = field(default_factory=Counter)
    """Understood utility statements for which no relation and no object is named."""
    rejected: int = 0
    slowest: float = 0.0

    def add(self, kind: str, judgement: Judgement) -> None:
        self.verdicts.setdefault(kind, Counter())[judgement.verdict] += 1
        self.opaque[kind] += bool(judgement.opaque)
        facts = [r.facts for r in judgement.readings]
        if facts and kind + "Stmt" not in QUERIES | _NAMELESS:
            self.nameless[kind] += not any(f.relations or f.objects for f in facts)
        self.slowest = max(self.slowest, judgement.seconds)


class Run:
    """All scripts, one after the other, in one database."""

    def __init__(self, given: argparse.Namespace, dsn: str, console: Console) -> None:
        self.given = given
        self.console = console
        self.tally = Tally()
        self.session = Session(dsn)
        self.views = ViewColumns() if given.views else None
        self.details = given.details.open("w", encoding="utf-8") if given.details else None
        self.file = ""
        self.judging = True
        """False: scripts are only run, for what they leave behind."""

    def script(self, path: Path) -> None:
        """Run one script in a session of its own."""
        self.file = path.stem
        self.session.connect()
        variables: dict[str, str] = {"AUTOCOMMIT": "on"}
        script = Script(path.read_text(encoding="utf-8", errors="surrogateescape"), variables)
        for item in script:
            if isinstance(item, Command):
                if not self._command(item, script):
                    return
            elif item.command != "bind":
                self._statement(item, script)

    def _command(self, command: Command, script: Script) -> bool:
        """Obey a backslash command; False ends the script."""
        arguments = command.arguments
        match command.name:
            case "q" | "quit":
                return False
            case "getenv" if len(arguments) == 2 and arguments[1] in os.environ:
                script.variables[arguments[0]] = os.environ[arguments[1]]
            case "set" if arguments:
                script.variables[arguments[0]] = "".join(arguments[1:])
            case "unset" if arguments:
                script.variables.pop(arguments[0], None)
            case "c" | "connect":
                self.session.connect(*[a for a in arguments if not a.startswith("-reuse")])
            case "copy":
                self._copy(command, script)
        return True

    def _copy(self, command: Command, script: Script) -> None:
        """`\\copy … from 'file'`: COPY FROM STDIN, fed by us."""
        words = command.rest.split()
        lowered = [w.lower() for w in words]
        place = "from" if "from" in lowered else "to" if "to" in lowered else ""
        if not place:
            return
        at = len(lowered) - 1 - lowered[::-1].index(place) + 1
        named, words[at] = words[at], "STDIN" if place == "from" else "STDOUT"
        inline = named.lower() in ("stdin", "pstdin")
        rows = None if inline else b""
        self._statement(Statement("COPY " + " ".join(words).rstrip(";")), script, rows)

    def _statement(self, item: Statement, script: Script, rows: bytes | None = None) -> None:
        session = self.session
        readable = True
        try:
            tags = [s.tag for s in referee.parse(item.text)]
        except (StatementError, UnicodeEncodeError):
            tags, readable = [], False
        if script.variables.get("AUTOCOMMIT") == "off":
            session.begin_if_idle(tags)
        wanted = bool(tags) and self.judging
        judgement = judge(item.text, *session.catalog(tags)) if wanted else None
        if self.views is not None and judgement is not None and tags == ["SelectStmt"]:
            self._compare_view(item, judgement)
        data = script.data_lines() if rows is None else iter([rows.decode()])
        answer = session.execute(item.text, data)
        session.stale = session.stale or judgement is None or judgement.may_change_names
        if self.judging and not readable and answer.accepted:
            self._tell(item, "unparsed", "the referee rejects what the server accepts")
            self.tally.add("(unparsed)", Judgement(Verdict.REFUSED))
        if not answer.accepted or judgement is None:
            self.tally.rejected += not answer.accepted and self.judging
            if judgement is not None and judgement.verdict in (Verdict.CRASH, Verdict.HANG):
                self._tell(item, judgement.verdict, judgement.reason)
                self.tally.add("(rejected by the server)", judgement)
            if not answer.accepted:
                return
        else:
            self._count(item, tags, judgement)
        if item.command == "gset":
            prefix = item.arguments[0] if item.arguments else ""
            script.variables.update({prefix + n: v for n, v in answer.first_row.items()})
        elif item.command == "gexec":
            for text in answer.cells:
                self._statement(Statement(text, line=item.line), script)

    def _count(self, item: Statement, tags: list[str], judgement: Judgement) -> None:
        kind = tags[0].removesuffix("Stmt") if len(set(tags)) == 1 else "(several)"
        self.tally.add(kind, judgement)
        if judgement.verdict is not Verdict.UNDERSTOOD:
            self._tell(item, judgement.verdict, judgement.reason)
        elif judgement.opaque and self.given.opaque:
            self._tell(item, "opaque", judgement.opaque)

    def _compare_view(self, item: Statement, judgement: Judgement) -> None:
        assert self.views is not None
        if judgement.verdict is not Verdict.UNDERSTOOD or not self.session.can_try():
            return
        for complaint in self.views.compare(self.session, item.text, judgement.readings[0]):
            self._tell(item, "columns", complaint)

    def _tell(self, item: Statement, what: str, reason: str) -> None:
        if self.details is None:
            return
        text = item.text.encode("utf-8", "replace").decode("utf-8")
        self.details.write(f"-- {self.file}:{item.line} {what}: {reason}\n{text};\n\n")
        self.details.flush()

    # ---- what came out

    def report(self) -> None:
        table = Table(title="statements that the server accepts", title_justify="left")
        for head in ("kind", "count", *Verdict, "opaque"):
            table.add_column(head, justify="left" if head == "kind" else "right")
        verdicts = self.tally.verdicts
        queries = [k for k in verdicts if k + "Stmt" in QUERIES]
        for title, kinds in (
            *((k, [k]) for k in sorted(verdicts, key=lambda k: -verdicts[k].total())),
            ("queries together", queries),
            ("others together", [k for k in verdicts if k not in queries]),
            ("all", list(verdicts)),
        ):
            merged: Counter[Verdict] = sum((verdicts[k] for k in kinds), Counter())
            total = merged.total() or 1
            cells = [_share(merged[v], total) for v in Verdict]
            opaque = sum(self.tally.opaque[k] for k in kinds)
            table.add_row(title, str(merged.total()), *cells, _share(opaque, total))
        self.console.print(table)
        nameless = {k: n for k, n in self.tally.nameless.items() if n}
        self.console.print(f"utility statements of which no object is known: {nameless}")
        self.console.print(f"rejected by the server, not counted: {self.tally.rejected}")
        self.console.print(f"slowest analysis: {self.tally.slowest:.2f} s")
        if self.views is not None:
            self.console.print(self.views.summary())


def _share(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.2f} %)" if count else ""


def scripts(folder: Path, chosen: str) -> Iterator[Path]:
    """The scripts to run, in the order of the schedule that lies beside the folder."""
    schedule = (folder.parent / "parallel_schedule").read_text(encoding="utf-8")
    groups = [x.removeprefix("test:").split() for x in schedule.splitlines() if x[:5] == "test:"]
    wanted = set(chosen.split(",")) if chosen else None
    for name in (name for group in groups for name in group):
        if (wanted is None or name in wanted or name == _FIRST) and name != "psql_pipeline":
            yield folder / f"{name}.sql"


@contextmanager
def server(given: argparse.Namespace) -> Iterator[str]:
    """The URL of a server to run on, a new one unless one is given."""
    if given.dsn:
        yield given.dsn
        return
    directory = Path(tempfile.mkdtemp(prefix="dbguard-regression-"))
    directory.chmod(0o755)
    started = EmbeddedServer.create(
        directory,
        password="x",
        settings={**THROWAWAY, "max_prepared_transactions": "4", "wal_level": "logical"},
        binaries=find_binaries(given.programs) if given.programs else None,
    )
    # the scripts connect as roles that have no password
    (directory / "data" / "pg_hba.conf").write_text(f"host all all {HOST}/32 trust\n")
    started.start()
    try:
        yield started.dsn()
    finally:
        started.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="src/test/regress/sql of PostgreSQL's source")
    parser.add_argument("--programs", type=Path, help="folder of the server's programs")
    parser.add_argument("--dsn", help="a superuser's URL of a scratch server to use instead")
    parser.add_argument("--library", default="", help="folder of regress.so, where it was built")
    parser.add_argument("--take", default="", help="scripts to run, comma-separated")
    parser.add_argument("--begin", default="", help="script before which nothing is judged")
    parser.add_argument("--details", type=Path, help="file for each statement not understood")
    parser.add_argument("--opaque", action="store_true", help="list opaque statements there too")
    parser.add_argument("--views", action="store_true", help="compare columns with pg_depend")
    given = parser.parse_args()
    console = Console(width=200)
    folder = given.folder.absolute()
    os.environ |= {
        "PG_ABS_SRCDIR": str(folder.parent),
        "PG_ABS_BUILDDIR": tempfile.gettempdir(),
        "PG_LIBDIR": given.library,
        "PG_DLSUFFIX": ".so",
    }
    with server(given) as dsn:
        run = Run(given, dsn, console)
        run.session.create_database(DATABASE)
        run.judging = not given.begin
        for path in scripts(folder, given.take):
            began = time.perf_counter()
            run.judging = run.judging or path.stem == given.begin
            run.script(path)
            console.print(f"{path.stem}: {time.perf_counter() - began:.1f} s")
        run.report()


if __name__ == "__main__":
    main()
