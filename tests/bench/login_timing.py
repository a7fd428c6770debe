"""Can time tell an unknown user from a wrong password? Tries of both, taking turns at random."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import math
import random
import socket
import statistics
import struct
import tempfile
import time
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path

import psycopg
from measuring.proxies import dbguard
from rich.console import Console
from rich.table import Table

from dbguard.demo.binaries import find_binaries
from dbguard.demo.server import EmbeddedServer
from dbguard.identity.store import change_users
from dbguard.identity.users import User
from dbguard.wire.authentication import sasl_initial_response
from dbguard.wire.scram import SALT_BYTES, make_verifier

SETTINGS = """\
authentication: {%s}
limits: {login_failures: 0}
"""
MODES = {
    "server-users": "mode: server-users",
    "identities": "mode: identities, users: %s, logins: [{user: bench_known, password: right}]",
}
KNOWN, UNKNOWN = "a user that there is", "a user that there is not"
DISABLED = "one that is disabled"
USERS = {KNOWN: "bench_known", UNKNOWN: "bench_nobody"}


def keep_users(path: Path) -> None:
    """dbguard's own, with the password that the server has for the first of them."""

    def add(users: dict[str, User]) -> None:
        for name, disabled in (("bench_known", False), ("bench_disabled", True)):
            verifier = make_verifier("right", name.ljust(SALT_BYTES).encode()[:SALT_BYTES])
            users[name] = User(name, verifier, disabled=disabled)

    change_users(path, add)


def answer(connection: socket.socket) -> bytes:
    """One message, without its length."""
    head = connection.recv(5, socket.MSG_WAITALL)
    size = struct.unpack("!i", head[1:])[0] - 4
    return head[:1] + connection.recv(size, socket.MSG_WAITALL)


def password(data: bytes) -> bytes:
    return b"p" + struct.pack("!i", len(data) + 4) + data


def one(port: int, user: str) -> tuple[float, float]:
    """Seconds from the startup message to the salt, and from the wrong proof to the error."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        text = f"user\0{user}\0database\0postgres\0\0".encode()
        began = time.perf_counter()
        connection.sendall(struct.pack("!ii", len(text) + 8, 196608) + text)
        assert answer(connection)[:1] == b"R"
        first = sasl_initial_response("SCRAM-SHA-256", b"n,,n=,r=abcdefgh")
        connection.sendall(password(first))
        challenge = answer(connection)[5:]
        salted = time.perf_counter() - began
        nonce = challenge.split(b",")[0]
        proof = b64encode(hmac.digest(challenge, b"wrong", "sha256"))
        final = b"c=biws," + nonce + b",p=" + proof
        began = time.perf_counter()
        connection.sendall(password(final))
        error = answer(connection)
        assert b"C28P01\0" in error
        return salted, time.perf_counter() - began


def rank_sum(one: list[float], other: list[float]) -> float:
    """The Mann-Whitney statistic as a normal deviate; ties hardly occur in nanoseconds."""
    ranked = sorted([(v, 0) for v in one] + [(v, 1) for v in other])
    total = sum(rank for rank, (_, which) in enumerate(ranked, 1) if which == 0)
    count, others = len(one), len(other)
    mean = count * (count + others + 1) / 2
    return (total - mean) / math.sqrt(count * others * (count + others + 1) / 12)


def compare(port: int, tries: int, other: str, user: str) -> Table:
    users = {KNOWN: USERS[KNOWN], other: user}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in users}
    rng = random.Random(hashlib.sha256(b"turns").digest())
    for name in users:
        for _ in range(20):
            one(port, users[name])
    turns = [name for name in users for _ in range(tries)]
    rng.shuffle(turns)
    for name in turns:
        found[name].append(one(port, users[name]))
    table = Table("phase", "tries each", *users, "difference", "z (rank sum)")
    for phase, title in enumerate(("to the salt", "from the proof to the error")):
        known, unknown = ([t[phase] * 1e6 for t in found[name]] for name in (KNOWN, other))
        medians = statistics.median(known), statistics.median(unknown)
        table.add_row(
            title,
            str(tries),
            *(f"{m:,.0f} µs" for m in medians),
            f"{medians[1] - medians[0]:+,.1f} µs",
            f"{rank_sum(known, unknown):+.2f}",
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=2000, help="of each user")
    parser.add_argument("--mode", choices=MODES, default="server-users")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbguard-bench-")))
        folder.chmod(0o755)
        server = EmbeddedServer.create(
            folder / "server", password="bench", binaries=find_binaries(None)
        )
        server.start()
        stack.callback(server.stop)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE ROLE bench_known LOGIN PASSWORD 'right'")
        settings = SETTINGS % MODES[given.mode]
        if given.mode == "identities":
            keep_users(folder / "users.json")
            settings %= folder / "users.json"
        target = stack.enter_context(dbguard(folder / "proxy", server, "buffered", settings))
        Console().print(compare(target.port, given.tries, UNKNOWN, USERS[UNKNOWN]))
        if given.mode == "identities":
            Console().print(compare(target.port, given.tries, DISABLED, "bench_disabled"))
        Console().print("A |z| below 1.96 is what equal times give 19 times of 20.")


if __name__ == "__main__":
    main()
