"""Rows, parameters and COPY data of any size pass with bounded memory of the proxy's.

E2E_MEGABYTES is the size of one value (300 takes minutes and some GiB of memory: client and server
hold values whole).
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbguard.wire import frontend
from dbguard.wire.framing import pack
from dbguard.wire.tags import Backend, Frontend

from .conftest import Factory
from .ledger import RULES
from .protocol_client import Client, error_of, rows, tags
from .proxies import Guarded

pytestmark = [
    pytest.mark.pg,
    pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="memory is measured by Linux's /proc"
    ),
]

MEBIBYTE = 1 << 20
SIZE = int(os.environ.get("E2E_MEGABYTES", "8")) * MEBIBYTE
MOST = 24 * MEBIBYTE
"""What the proxy may need on top of what it has, whatever the size."""

TABLES = """
CREATE TABLE public.people (id int PRIMARY KEY, ssn text NOT NULL, body text);
CREATE TABLE public.bytes (id int, data bytea);
ALTER TABLE public.bytes ALTER data SET STORAGE EXTERNAL;
ALTER TABLE public.people ALTER body SET STORAGE EXTERNAL;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app, reader;
"""


@pytest.fixture(scope="module")
def filled(module_database: Any) -> Any:
    for name in ("app", "reader"):
        module_database.create_user(name)
    module_database.execute(TABLES)
    module_database.execute(f"INSERT INTO people VALUES (1, 'canary-4711', repeat('b', {SIZE}))")
    return module_database


class Measured:
    """A proxy, and how much more memory it came to need within a block."""

    def __init__(self, proxy: Guarded, record: Callable[[str, object], None]) -> None:
        self.proxy = proxy
        self._record = record
        assert proxy.process is not None
        self._folder = Path(f"/proc/{proxy.process.pid}")

    def _status(self, name: str) -> int:
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        raise LookupError(name)

    def start(self) -> int:
        (self._folder / "clear_refs").write_text("5")  # the peak begins here: proc(5)
        return self._status("VmRSS")

    def judge(self, what: str, before: int) -> None:
        more = self._status("VmHWM") - before
        size = f"{SIZE / MEBIBYTE:.0f} MiB"
        self._record("figures", f"{what} of {size}: {more / MEBIBYTE:.1f} MiB more in the proxy")
        assert more < MOST, what


@pytest.fixture(scope="module")
def proxy(filled: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with ExitStack() as stack:
        factory = Factory(stack, tmp_path_factory.mktemp("large"))
        proxy = factory(filled, rules=None, started=False, durability="buffered")
        (proxy.folder / "rules" / "allowing.yaml").write_text(RULES, "utf-8")
        proxy.start()
        for user in ("app", "reader"):
            with closing(proxy.connect(user)) as connection:
                connection.execute("SELECT %s::int", [1])
        yield proxy


@pytest.fixture
def measured(proxy: Guarded, record_property: Callable[[str, object], None]) -> Iterator[Measured]:
    yield Measured(proxy, record_property)
    with closing(proxy.connect("app")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("user", ["app", "reader"])
def test_parameters_and_rows(measured: Measured, user: str) -> None:
    value = os.urandom(MEBIBYTE) * (SIZE // MEBIBYTE)
    with closing(measured.proxy.connect(user, autocommit=True)) as connection:
        before = measured.start()
        row = connection.execute("SELECT md5(%b::bytea), md5(%b::bytea)", [value, b""]).fetchone()
        assert row is not None
        assert row[0] != row[1]
        measured.judge(f"{user}: a parameter", before)
        before = measured.start()
        back = connection.execute("SELECT %b::bytea", [value], binary=True).fetchone()
        assert back == (value,)
        measured.judge(f"{user}: a parameter and its echo", before)
        del back
        before = measured.start()
        row = connection.execute("SELECT ssn, body FROM public.people").fetchone()
        assert row is not None
        assert (len(row[1]), row[0].startswith("canary")) == (SIZE, user == "app")
        measured.judge(f"{user}: a row", before)
        with pytest.raises(psycopg.Error):  # what is refused is read to its end
            connection.execute("INSERT INTO pg_catalog.pg_class VALUES (%b)", [value])
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_copy(measured: Measured) -> None:
    line = b"1\t\\\\x" + b"ab" * 4000 + b"\n"
    count = SIZE // len(line)
    with closing(measured.proxy.connect("app", autocommit=True)) as connection:
        cursor = connection.cursor()
        before = measured.start()
        with cursor.copy("COPY public.bytes FROM STDIN") as into:
            for _ in range(count):
                into.write(line)
        assert cursor.rowcount == count
        measured.judge("COPY in", before)
        before = measured.start()
        with cursor.copy("COPY public.bytes TO STDOUT") as out:
            assert sum(len(piece) for piece in out) == count * len(line)
        measured.judge("COPY out", before)
        connection.execute("DELETE FROM public.bytes")


def logged_in(measured: Measured, user: str = "app") -> Client:
    client = Client(measured.proxy.port, timeout=120)
    assert tags(client.log_in(user, measured.proxy.database)).endswith("Z")
    return client


def test_one_message_of_copy_data(measured: Measured) -> None:
    line = b"1\t\\\\x" + b"ab" * 4000 + b"\n"
    data = line * (SIZE // len(line))
    with logged_in(measured) as client:
        before = measured.start()
        client.send(frontend.Query(b"COPY public.bytes FROM STDIN"))
        while client.message()[0] != Backend.COPY_IN_RESPONSE:
            pass
        client.send(frontend.CopyData(data), frontend.CopyDone())
        assert tags(client.until_ready()) == "CZ"
        measured.judge("one message of COPY data", before)
        # outside COPY it is dropped
        client.send(frontend.CopyData(data), frontend.Sync())
        assert tags(client.until_ready()) == "Z"
        assert rows(client.query("SELECT count(*) > 0 FROM public.bytes")) == [(b"t",)]


def large_bind(statement: bytes, size: int) -> list[bytes]:
    """A Bind with one text parameter of `size` bytes, in pieces."""
    names = b"\0" + statement + b"\0" + struct.pack("!HHi", 0, 1, size)
    length = 4 + len(names) + size + 2
    opening = pack(Frontend.BIND)[:1] + length.to_bytes(4, "big") + names
    return [opening, *[b"x" * MEBIBYTE] * (size // MEBIBYTE), b"\0\0"]


def test_large_binds_in_every_state(measured: Measured) -> None:
    execute = [frontend.Execute(b"", 0), frontend.Sync()]
    with logged_in(measured, "reader") as client:
        client.send(frontend.Parse(b"s", b"SELECT length($1::text)"), frontend.Sync())
        assert tags(client.until_ready()) == "1Z"
        client.send(*large_bind(b"s", 4 * MEBIBYTE), *execute)
        found = client.until_ready()
        assert rows(found) == [(str(4 * MEBIBYTE).encode(),)]
        # of a statement that there is not: skipped to Sync like any other
        client.send(*large_bind(b"nosuch", 4 * MEBIBYTE), *large_bind(b"s", 2 * MEBIBYTE), *execute)
        assert error_of(client.until_ready())[0] == "26000"
        # of one that is refused, in a transaction
        assert tags(client.query("BEGIN")) == "CZ"
        refused = b"INSERT INTO public.people VALUES (2, $1)"
        client.send(frontend.Parse(b"", refused), *large_bind(b"", 2 * MEBIBYTE), *execute)
        assert error_of(client.until_ready())[0] == "42501"
        assert client.query("ROLLBACK")[-1][-1:] == b"I"
        # the client leaves in the middle
        client.send(*large_bind(b"s", 4 * MEBIBYTE)[:-2])


def test_slow_peers(measured: Measured) -> None:
    with logged_in(measured, "reader") as reading, logged_in(measured) as writing:
        before = measured.start()
        many = SIZE * 8 // 1000
        query = f"SELECT repeat('r', 900) || id FROM public.people, generate_series(1, {many})"
        reading.send(frontend.Query(query.encode()))
        writing.send(frontend.Query(b"COPY public.bytes FROM STDIN"))
        for _ in range(20):
            reading.message()
            writing.send(frontend.CopyData(b"1\t\\\\xab\n"))
            time.sleep(0.05)
        measured.judge("a slow reader of eight times", before)
        writing.send(frontend.CopyDone())
        assert "C" in tags(writing.until_ready())
