"""However bytes are cut, and whenever the server answers, a client sees what it would directly.

FUZZ_SCHEDULES says how many examples each test makes.
"""

from __future__ import annotations

import os
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.errors import ProtocolViolation
from dbguard.wire import backend
from dbguard.wire.framing import BackendSplitter, Frame

from .playbook import FakeSurroundings, Play, describe_backend, encode_frontend
from .toy_server import ToyServer

EXAMPLES = int(os.environ.get("FUZZ_SCHEDULES", "80"))

NAMES = st.sampled_from(["", "a", "b"])
TEXTS = st.sampled_from(
    ["raw one", "raw two", "begin", "commit", "rollback", "raw fail", "raw one"],
)


def _named(form: str) -> st.SearchStrategy[str]:
    return st.builds(form.format, NAMES, NAMES)


COPY = st.sampled_from(
    [
        "d 1 | c",
        "d bad | c",
        "d 1 | f no",
        "S | d 1 | c",
        "d 1 | S | d bad | S | c",
        "d bad | S | S | d 2 | c",
        "H | d 1 | H | c",
    ]
)
CYCLES = st.one_of(
    TEXTS.map("Q {}".format),
    TEXTS.map("Q {}".format),
    COPY.map("Q copyin | {}".format),
    st.just("F 952"),
    st.just("S"),
    st.lists(
        st.one_of(
            st.builds("P {}: {}".format, NAMES, TEXTS),
            st.builds("P {}: {}".format, NAMES, TEXTS),
            _named("B {0}<-{1}"),
            _named("B {0}<-{1}"),
            NAMES.map("E {}".format),
            NAMES.map("E {}".format),
            NAMES.map("D S{}".format),
            NAMES.map("D P{}".format),
            NAMES.map("C S{}".format),
            NAMES.map("C P{}".format),
            st.just("H"),
            COPY.map("C Scopy | P copy: copyin | B copy<-copy | E copy | {} | C Pcopy".format),
        ),
        max_size=8,
    ).map(lambda parts: " | ".join([*parts, "S"])),
)


def told(data: bytes) -> list[str]:
    """Messages in short; of an error only that it is one, since dbguard words some itself."""
    splitter = BackendSplitter()
    splitter.feed(data)
    found = []
    while (item := splitter.next()) is not None:
        assert isinstance(item, Frame)
        found.append(describe_backend(backend.decode(item))[:7])
    return found


class Schedule(Play):
    """A session between a client and a toy server that answers when it is let."""

    def __init__(self, chunk: int) -> None:
        super().__init__(FakeSurroundings(), chunk=chunk)
        self.server_bytes = bytearray()
        self.client_bytes = bytearray()
        self.toy = ToyServer()

    def _collect(self) -> None:
        link = self.session.link
        self.server_bytes += b"".join(link.to_server)
        self.client_bytes += b"".join(link.to_client)
        link.to_server.clear()
        link.to_client.clear()

    def serve(self) -> bool:
        """Let the server answer what it has; False when there was nothing."""
        data = bytes(self.server_bytes)
        self.server_bytes.clear()
        answers = self.toy.take(data)
        if answers:
            self.server(answers)
        return bool(data)


@given(
    cycles=st.lists(CYCLES, min_size=1, max_size=6),
    chunk=st.sampled_from([0, 0, 1, 7]),
    lazy=st.lists(st.booleans(), min_size=6, max_size=6),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_client_sees_what_it_would_directly(
    cycles: list[str], chunk: int, lazy: list[bool]
) -> None:
    expected = told(b"".join([ToyServer().take(encode_frontend(" | ".join(cycles)))]))
    session = Schedule(chunk)
    for cycle, waits in zip(cycles, lazy, strict=False):
        session.client(encode_frontend(cycle))
        if not waits:
            session.serve()
    while session.serve():
        pass
    assert told(bytes(session.client_bytes)) == expected
    assert session._running is None
    link = session.session.link
    assert (link.busy, link.held, link.queue.unsettled, link.queue.copies) == (0, 0, 0, ())


@given(
    cycles=st.lists(CYCLES, min_size=1, max_size=4),
    cut=st.integers(0, 400),
    junk=st.binary(max_size=12),
    dropped=st.integers(0, 12),
    chunk=st.sampled_from([0, 1, 5]),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_mutated_bytes_are_answered_or_end_the_session(
    cycles: list[str], cut: int, junk: bytes, dropped: int, chunk: int
) -> None:
    data = encode_frontend(" | ".join(cycles))
    data = data[:cut] + junk + data[cut + dropped :]
    session = Schedule(chunk)
    with suppress(ProtocolViolation):
        session.client(data)
        for _ in range(200):
            if not session.serve():
                break
    told(bytes(session.client_bytes))
    assert session.session.link.held <= len(data) + 10_000


@given(
    cycles=st.lists(CYCLES, min_size=1, max_size=4),
    cut=st.integers(0, 200),
    junk=st.binary(max_size=12),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_server_that_says_anything_ends_the_session(
    cycles: list[str], cut: int, junk: bytes
) -> None:
    """Whatever it says, in whatever order: nothing raises but a violation, nothing is held."""
    session = Schedule(0)
    with suppress(ProtocolViolation):
        session.client(encode_frontend(" | ".join(cycles)))
        answers = session.toy.take(bytes(session.server_bytes))
        session.server_bytes.clear()
        session.server(answers[:cut] + junk + answers[cut:])
    splitter = BackendSplitter()  # what stands in a message is the server's affair
    splitter.feed(bytes(session.client_bytes))
    while splitter.next() is not None:
        pass
