"""One session of each client, direct and through dbguard: it cannot tell the difference.

`clients/` holds the sessions. They print all that they see; who may see everything has to see the
same. A client that is not installed is skipped: see `docs/architecture.md`, "Tests".
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .conftest import Factory
from .proxies import Guarded

pytestmark = pytest.mark.pg

CLIENTS = Path(__file__).parent / "clients"
NODE = ("pg", "pg-cursor", "pg-query-stream", "pg-copy-streams")
PGX = "github.com/jackc/pgx/v5"

Command = list[str | Path]
Build = Callable[[Any, Path], Command]
"""The command line of a session, but for URL and name of the database; may use the folder."""


def _python(script: str, *modules: str) -> Build:
    def build(_server: Any, _folder: Path) -> Command:
        for module in modules:
            if importlib.util.find_spec(module) is None:
                pytest.skip(f"{module} is not installed (extra `clients`)")
        return [sys.executable, CLIENTS / script]

    return build


def _psql(server: Any, _folder: Path) -> Command:
    return [server.binary("psql"), "-X", "-f", CLIENTS / "psql.sql"]


def _node(_server: Any, _folder: Path) -> Command:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on PATH")
    wanted = ";".join(f"require('{name}')" for name in NODE)
    if subprocess.run([node, "-e", wanted], capture_output=True, check=False).returncode:
        pytest.skip(f"node does not find {', '.join(NODE)} (NODE_PATH)")
    return [node, CLIENTS / "session.js"]


def _java(_server: Any, _folder: Path) -> Command:
    java = shutil.which("java")
    jars = sorted(Path("/usr/share/java").glob("postgresql*.jar"))
    jar = os.environ.get("PGJDBC_JAR") or (jars[0] if jars else None)
    if java is None or jar is None:
        pytest.skip("no java on PATH, or no pgjdbc (PGJDBC_JAR)")
    return [java, "-cp", jar, CLIENTS / "Session.java"]


def _go(_server: Any, folder: Path) -> Command:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no go on PATH")
    where = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    found = sorted(Path(where.stdout.strip(), PGX).parent.glob("v5@*"))
    if not found:
        pytest.skip(f"{PGX} is not in Go's module cache")
    version = found[-1].name.partition("@")[2]
    shutil.copy(CLIENTS / "session.go", folder / "main.go")
    shutil.copy(found[-1] / "go.sum", folder / "go.sum")
    (folder / "go.mod").write_text(f"module session\n\ngo 1.24\n\nrequire {PGX} {version}\n")
    built = subprocess.run(
        [go, "build", "-mod=mod", "-o", "session", "."],
        cwd=folder,
        env={**os.environ, "GOPROXY": "off", "GOFLAGS": "", "GONOSUMDB": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        pytest.skip(f"pgx does not build without a network: {built.stderr.strip()[-200:]}")
    return [folder / "session"]


SESSIONS = {
    "psql": _psql,
    "psycopg": _python("psycopg_session.py"),
    "asyncpg": _python("asyncpg_session.py"),
    "sqlalchemy": _python("sqlalchemy_session.py", "sqlalchemy", "greenlet"),
    "django": _python("django_session.py", "django"),
    "node": _node,
    "jdbc": _java,
    "pgx": _go,
}


@pytest.fixture(scope="module")
def proxy(module_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    module_database.create_user("app")
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("clients"))
        yield factory(module_database, rules=None, durability="buffered")


@pytest.fixture
def databases(pg_server: Any, proxy: Guarded) -> Iterator[dict[str, str]]:
    """URLs of two databases of app's own by how they are reached."""
    made = [pg_server.create_database(owner="app") for _ in range(2)]
    yield {
        "direct": pg_server.dsn("app", made[0].name),
        "guarded": proxy.dsn("app").replace(proxy.database, made[1].name),
    }
    for database in made:
        database.drop()


def in_both(
    databases: dict[str, str], folder: Path, session: Callable[[str, str, Path], str]
) -> dict[str, str]:
    """What the session shows, by how the database is reached; names and ports taken out."""

    def one(how: str) -> str:
        url = databases[how]
        name = url.rpartition("/")[2]
        own = folder / how
        own.mkdir()
        shown = session(url, name, own).replace(name, "DATABASE")
        shown = re.sub(r"\bPID \d+|^.+(?= \(every )", "VARIES", shown, flags=re.MULTILINE)
        return re.sub(r"\b127\.0\.0\.1[:,]? ?(port )?\d+", "SERVER", shown)

    with ThreadPoolExecutor() as pool:
        return dict(zip(databases, pool.map(one, databases), strict=True))


def ran(command: Command, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.mark.parametrize("client", SESSIONS)
def test_the_same_session(
    databases: dict[str, str], pg_server: Any, tmp_path: Path, client: str
) -> None:
    command = SESSIONS[client](pg_server, tmp_path)

    def session(url: str, name: str, folder: Path) -> str:
        result = ran([*command, "-d", url] if client == "psql" else [*command, url, name], folder)
        assert client == "psql" or result.returncode == 0, result.stderr[-2000:]
        return result.stdout + (result.stderr if client == "psql" else "")

    shown = in_both(databases, tmp_path, session)
    assert shown["guarded"].splitlines() == shown["direct"].splitlines()


def test_dump_and_restore(databases: dict[str, str], pg_server: Any, tmp_path: Path) -> None:
    """By several connections, restored over what was dumped, and as text."""
    dump, restore = pg_server.binary("pg_dump"), pg_server.binary("pg_restore")
    psql = pg_server.binary("psql")

    def session(url: str, name: str, folder: Path) -> str:
        steps: list[Command] = [
            [psql, "-X", "-q", "-d", url, "-f", CLIENTS / "dumped.sql"],
            [dump, "-d", url, "-Fd", "-j2", "-f", "folder"],
            [restore, "-d", url, "--clean", "-j2", "folder"],
            [dump, "-d", url],
        ]
        shown = ""
        for step in steps:
            result = ran(step, folder)
            assert (result.returncode, result.stderr) == (0, ""), step[0]
            shown = result.stdout
        # newer ones close psql's doors with a word that is drawn for each dump
        return "\n".join(x for x in shown.splitlines() if "restrict " not in x)

    shown = in_both(databases, tmp_path, session)
    assert shown["guarded"].splitlines() == shown["direct"].splitlines()
    assert "CREATE TABLE kept.things" in shown["guarded"]
