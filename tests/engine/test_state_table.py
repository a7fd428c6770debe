"""Every message in every state (`states.txt`): the client gets what the server itself answers.

The table is a real server's. The toy server has to answer like it, directly and behind the engine.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dbguard.wire import backend, frontend
from dbguard.wire.framing import BackendSplitter, RowRun

from .playbook import encode_frontend
from .test_schedules import Schedule
from .toy_server import ToyServer

START = "P st: raw one | P sel: rows | S"
CELLS = [
    line.split(" / ")
    for line in (Path(__file__).parent / "states.txt").read_text("ascii").splitlines()
    # an internal error of PostgreSQL 18, which the toy server does not have
    if "EXX000" not in line
    # and a warning that no transaction is in progress, though one had failed
    and "ZE 1 2 N C ZI" not in line
]


def sent(script: str) -> bytes:
    parts = [part.strip() for part in script.split(" | ") if part.strip()]
    return b"".join(
        frontend.Execute(part[1:].strip().encode(), 1).encode()
        if part[0] == "L"
        else encode_frontend("F 952" if part == "F" else part)
        for part in parts
    )


def short(data: bytes) -> str:
    """As in the table: types, an error with its SQLSTATE, ReadyForQuery with its status."""
    splitter = BackendSplitter()
    splitter.feed(data)
    found = []
    while (item := splitter.next()) is not None:
        if isinstance(item, RowRun):
            found += [chr(item.tag)] * item.count
            continue
        match backend.decode(item):
            case backend.ErrorResponse(fields):
                found.append(f"E{fields.sqlstate}")
            case backend.ReadyForQuery(status):
                found.append(f"Z{status.decode()}")
            case _:
                found.append(chr(item.tag))
    return " ".join(found)


def test_the_table_is_complete() -> None:
    assert len(CELLS) > 550
    assert len({(cell[0], cell[2]) for cell in CELLS}) == len(CELLS)


@pytest.mark.parametrize("chunk", [0, 1])
def test_every_message_in_every_state(chunk: int) -> None:
    differing = []
    for state, before, script, answers in CELLS:
        whole = sent(f"{before} | {script}")
        toy = ToyServer()
        toy.take(sent(START))
        session = Schedule(chunk)
        session.client(sent(START))
        session.serve()
        session.client_bytes.clear()
        session.client(whole)
        while session.serve():
            pass
        found = short(toy.take(whole)), short(bytes(session.client_bytes))
        if found != (answers, answers):
            told = ("server", answers, "toy", found[0], "dbguard", found[1])
            differing.append("\n    ".join((f"{state}: {script}", *told)))
    assert not differing, "\n".join(differing)
