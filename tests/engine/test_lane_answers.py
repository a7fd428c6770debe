"""Whatever the server says, in whatever pieces: the client sees what the general way shows."""

from __future__ import annotations

import pytest

from .playbook import Play, encode_backend, encode_frontend
from .test_lane import BIND, PARSE, QUERY, TRANSACTION, WHOLE, told_of

RAW = WHOLE.replace(": rows", ": raw rows")
KNOWN = {
    "Q rows": "T a | D 1 | D 2 | C SELECT 2 | Z I",
    "B <-one | D P | E | S": "2 | T a | D 1 | C SELECT 1 | Z I",
    "B <-one | E | S": "2 | D 1 | s | Z I",
    "P : raw rows | B <- | D P | E | S": "1 | 2 | n | C DELETE 1 | Z I",
    "Q begin": "C BEGIN | Z T",
}
BETWEEN = [
    "N 01000 attention",
    "A told",
    "P search_path=other",
    "P client_encoding=LATIN1",
    "P session_authorization=other",
    "P application_name=x",
    "D 123-45-6789",
    "T a@100.3",
    "H | d 123-45-6789 | c",
    "G",
    "C SELECT 1 | Z I",
    "E 23505 duplicate key | Z I",
    "E 57P01 the end",
    "2",
    "?",
]


class Straight(Play):
    """Keeps what both sides get."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[bytes] = []

    def _collect(self) -> None:
        self.got += [b">", *self.session.link.to_server, b"<", *self.session.link.to_client]
        super()._collect()

    def both(self) -> tuple[bytes, bytes]:
        """What went to the server, and to the client, in order."""
        sides: dict[bytes, list[bytes]] = {b">": [], b"<": []}
        side = sides[b">"]
        for piece in self.got:
            if piece in sides:
                side = sides[piece]
            else:
                side.append(piece)
        return b"".join(sides[b">"]), b"".join(sides[b"<"])


class General(Straight):
    def _passes(self, data: bytes) -> bool:
        return False


def learnt(play: Straight) -> Straight:
    play.script(PARSE + BIND + RAW + RAW + QUERY + BIND)
    play.script(TRANSACTION)
    play.got.clear()
    return play


def seen(play: Straight, line: str, pieces: list[bytes]) -> object:
    play.client(encode_frontend(line))
    for piece in pieces:
        play.server(piece)
    session = play.session
    return (
        play.both(),
        told_of(play),
        [r.fields for r in play.world.records if hasattr(r, "fields")],  # security events
        (session.link.status, session.link.closed, session.link.busy, session.link.pipeline_open),
        (session.scope.view, session.scope.status, session.scope.texts, session.scope.reported),
        list(session.names.portals),
        session.names.cycle,
        session.answers.withhold_until_end,
    )


def answers(line: str) -> list[bytes]:
    """The answer, and the same with something else between any two of its messages, with one of
    them left out, and with another state of the transaction."""
    parts = KNOWN[line].split(" | ")
    texts = [KNOWN[line]]
    for between in BETWEEN:
        for place in range(len(parts) + 1):
            ends = between.startswith("E")
            rest = [] if ends else parts[place:]
            texts.append(" | ".join([*parts[:place], between, *rest]))
    texts += [" | ".join([*parts[:n], *parts[n + 1 :]]) for n in range(len(parts) - 1)]
    texts += [" | ".join([*parts[:-1], f"Z {status}"]) for status in "ITE"]
    return [encode_backend(text) for text in texts]


@pytest.mark.parametrize("line", KNOWN)
def test_whatever_is_said_is_told_alike(line: str) -> None:
    taken = 0
    for data in answers(line):
        straight = learnt(Straight())
        before = straight.taken
        ours = _seen_or_failed(straight, line, [data])
        taken += straight.taken - before
        assert ours == _seen_or_failed(learnt(General()), line, [data]), data
    assert taken == len(answers(line))


@pytest.mark.parametrize("line", KNOWN)
def test_wherever_it_is_cut(line: str) -> None:
    whole = encode_backend(KNOWN[line])
    expected = seen(learnt(General()), line, [whole])
    for cut in range(1, len(whole)):
        assert seen(learnt(Straight()), line, [whole[:cut], whole[cut:]]) == expected
    assert seen(learnt(Straight()), line, [bytes([byte]) for byte in whole]) == expected


def _seen_or_failed(play: Straight, line: str, pieces: list[bytes]) -> object:
    try:
        return seen(play, line, pieces)
    except Exception as error:  # noqa: BLE001 - the connection ends of it, on either way
        return type(error)
