"""Lines made many at a time are those that are made one by one."""

from __future__ import annotations

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from dbguard.audit.chain import GENESIS, make_line, read_line
from dbguard.audit.linking import link
from dbguard.audit.stamping import moment, moment_of, written

MOMENTS = st.datetimes().map(lambda found: moment_of(found.replace(tzinfo=UTC)))
ENTRIES = st.lists(
    st.tuples(
        st.integers(1, 2**62), MOMENTS, st.binary(min_size=1).map(lambda body: body.hex().encode())
    ),
    max_size=20,
)


@given(ENTRIES)
def test_lines_are_those_of_the_chain(entries: list[tuple[int, int, bytes]]) -> None:
    expected, prev, hashes = b"", GENESIS, []
    for sequence, at, body in entries:
        line, prev = make_line(sequence, written(at), prev, body)
        assert read_line(line).time == written(at)
        expected += line
        hashes.append(bytes.fromhex(prev.decode()))
    digests = [b"before"]
    assert link(entries, GENESIS, digests) == expected
    assert digests == [b"before", *hashes]


@given(MOMENTS)
def test_moments_are_written_to_the_microsecond(at: int) -> None:
    assert moment(written(at)) == at
