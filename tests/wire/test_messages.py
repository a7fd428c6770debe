"""Messages both ways, with pygwire as an independent reader and writer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygwire import messages as oracle

from dbguard.errors import ProtocolViolation
from dbguard.wire import backend, frontend
from dbguard.wire.framing import Frame

text = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=16)
name = text.map(str.encode)
oid = st.integers(0, 0xFFFFFFFF)
value = st.none() | st.binary(max_size=20)
formats = st.integers(0, 1)


def frame_of(raw: bytes) -> Frame:
    assert int.from_bytes(raw[1:5], "big") == len(raw) - 1
    return Frame(raw[0], raw[5:])


def sent(message: frontend.FrontendMessage) -> memoryview:
    """The payload, after the round trip through dbguard's own decoder."""
    raw = message.encode()
    assert frontend.decode(frame_of(raw)) == message
    return memoryview(raw[5:])


def received(message: backend.BackendMessage) -> memoryview:
    raw = message.encode()
    assert backend.decode(frame_of(raw)) == message
    return memoryview(raw[5:])


@given(text)
def test_query(query: str) -> None:
    assert oracle.Query.decode(sent(frontend.Query(query.encode()))).query_string == query


@given(text, text, st.lists(oid, max_size=5))
def test_parse(statement: str, query: str, types: list[int]) -> None:
    theirs = oracle.Parse.decode(
        sent(frontend.Parse(statement.encode(), query.encode(), tuple(types)))
    )
    assert (theirs.statement, theirs.query, theirs.param_types) == (statement, query, types)


@given(text, text, st.lists(st.tuples(formats, value), max_size=5), st.lists(formats, max_size=3))
def test_bind(
    portal: str, statement: str, values: list[tuple[int, bytes | None]], results: list[int]
) -> None:
    theirs = oracle.Bind(
        portal=portal,
        statement=statement,
        param_formats=[code for code, _ in values],
        param_values=[item for _, item in values],
        result_formats=results,
    )
    raw = theirs.to_wire()
    ours = frontend.decode(frame_of(raw))
    assert isinstance(ours, frontend.Bind)
    assert ours.encode() == raw
    assert (ours.portal, ours.statement) == (portal.encode(), statement.encode())
    assert ours.parameter_count == len(values)
    assert ours.result_formats == tuple(results)


@given(st.sampled_from([b"S", b"P"]), text)
def test_describe_and_close(kind: bytes, target: str) -> None:
    for ours, reader in (
        (frontend.Describe(kind, target.encode()), oracle.Describe),
        (frontend.Close(kind, target.encode()), oracle.Close),
    ):
        theirs = reader.decode(sent(ours))
        assert (theirs.kind, theirs.name) == (kind.decode(), target)


@given(text, st.integers(-(2**31), 2**31 - 1))
def test_execute(portal: str, rows: int) -> None:
    theirs = oracle.Execute.decode(sent(frontend.Execute(portal.encode(), rows)))
    # pygwire reads the count as unsigned; PostgreSQL does not.
    assert (theirs.portal, theirs.max_rows) == (portal, rows & 0xFFFFFFFF)


@given(oid, st.lists(st.tuples(formats, value), max_size=4), formats)
def test_function_call(
    function: int, arguments: list[tuple[int, bytes | None]], result: int
) -> None:
    raw = oracle.FunctionCall(
        function_oid=function,
        arg_formats=[code for code, _ in arguments],
        arguments=[item for _, item in arguments],
        result_format=result,
    ).to_wire()
    ours = frontend.decode(frame_of(raw))
    assert isinstance(ours, frontend.FunctionCall)
    assert ours.function_oid == function
    assert ours.encode() == raw


@given(st.binary(max_size=30), text)
def test_copy_and_password(data: bytes, reason: str) -> None:
    assert oracle.CopyData.decode(sent(frontend.CopyData(data))).data == data
    fail = oracle.CopyFail.decode(sent(frontend.CopyFail(reason.encode())))
    assert fail.error_message == reason
    assert bytes(sent(frontend.PasswordMessage(data))) == data


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (frontend.Sync(), oracle.Sync()),
        (frontend.Flush(), oracle.Flush()),
        (frontend.Terminate(), oracle.Terminate()),
        (frontend.CopyDone(), oracle.CopyDone()),
        (backend.EmptyQueryResponse(), oracle.EmptyQueryResponse()),
        (backend.ParseComplete(), oracle.ParseComplete()),
        (backend.BindComplete(), oracle.BindComplete()),
        (backend.CloseComplete(), oracle.CloseComplete()),
        (backend.NoData(), oracle.NoData()),
        (backend.PortalSuspended(), oracle.PortalSuspended()),
        (backend.CopyDone(), oracle.CopyDone()),
        (backend.AuthenticationOk(), oracle.AuthenticationOk()),
        (backend.AuthenticationCleartextPassword(), oracle.AuthenticationCleartextPassword()),
        (backend.AuthenticationMD5Password(b"salt"), oracle.AuthenticationMD5Password(b"salt")),
        (backend.AuthenticationSASL(("A", "B")), oracle.AuthenticationSASL(["A", "B"])),
        (backend.AuthenticationSASLContinue(b"c"), oracle.AuthenticationSASLContinue(b"c")),
        (backend.AuthenticationSASLFinal(b"f"), oracle.AuthenticationSASLFinal(b"f")),
        (backend.AuthenticationOther(7, b""), oracle.AuthenticationGSS()),
        (backend.BackendKeyData(99, b"abcd"), oracle.BackendKeyData(99, b"abcd")),
        (
            backend.CopyInResponse(1, (1, 1)),
            oracle.CopyInResponse(overall_format=1, col_formats=[1, 1]),
        ),
        (
            backend.CopyOutResponse(0, (0, 0, 0)),
            oracle.CopyOutResponse(overall_format=0, col_formats=[0, 0, 0]),
        ),
    ],
    ids=lambda message: type(message).__name__,
)
def test_bytes_equal_the_oracle(
    ours: frontend.FrontendMessage | backend.BackendMessage, theirs: oracle.PGMessage
) -> None:
    raw = ours.encode()
    assert raw == theirs.to_wire()
    side = frontend if type(ours).__module__.endswith("frontend") else backend
    assert side.decode(frame_of(raw)) == ours


@given(text, text)
def test_parameter_status(key: str, setting: str) -> None:
    theirs = oracle.ParameterStatus.decode(received(backend.ParameterStatus(key, setting)))
    assert (theirs.name, theirs.value) == (key, setting)


@pytest.mark.parametrize("status", [b"I", b"T", b"E"])
def test_ready_for_query(status: bytes) -> None:
    theirs = oracle.ReadyForQuery.decode(received(backend.ReadyForQuery(status)))
    assert theirs.to_wire() == backend.ReadyForQuery(status).encode()


fields = st.builds(
    backend.Field,
    name,
    oid,
    st.integers(-(2**15), 2**15 - 1),
    oid,
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**31), 2**31 - 1),
    formats,
)


@given(st.lists(fields, max_size=5))
def test_row_description(columns: list[backend.Field]) -> None:
    theirs = oracle.RowDescription.decode(received(backend.RowDescription(tuple(columns))))
    assert [
        (
            f.name.encode(),
            f.table_oid,
            f.column_attr,
            f.type_oid,
            f.type_size,
            f.type_modifier,
            f.format_code,
        )
        for f in theirs.fields
    ] == [
        (
            f.name,
            f.table_oid,
            f.column_number,
            f.type_oid,
            f.type_size,
            f.type_modifier,
            f.format,
        )
        for f in columns
    ]


@given(st.lists(value, max_size=5), st.lists(oid, max_size=5), value)
def test_values_and_types(row: list[bytes | None], oids: list[int], result: bytes | None) -> None:
    assert oracle.DataRow.decode(received(backend.DataRow(tuple(row)))).columns == row
    described = oracle.ParameterDescription.decode(
        received(backend.ParameterDescription(tuple(oids)))
    )
    assert described.type_oids == oids
    called = oracle.FunctionCallResponse.decode(received(backend.FunctionCallResponse(result)))
    assert called.result == result


@given(text, oid, text, text)
def test_strings_from_the_server(tag: str, process: int, channel: str, payload: str) -> None:
    assert oracle.CommandComplete.decode(received(backend.CommandComplete(tag.encode()))).tag == tag
    theirs = oracle.NotificationResponse.decode(
        received(
            backend.NotificationResponse(process & 0x7FFFFFFF, channel.encode(), payload.encode())
        )
    )
    assert (theirs.channel, theirs.payload) == (channel, payload)


def test_negotiate_protocol_version() -> None:
    ours = backend.NegotiateProtocolVersion(0, (b"_pq_.x", b"_pq_.y"))
    theirs = oracle.NegotiateProtocolVersion.decode(received(ours))
    assert theirs.unrecognized == ["_pq_.x", "_pq_.y"]


def test_without_plus() -> None:
    offer = backend.AuthenticationSASL(("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"))
    assert backend.without_plus(offer).mechanisms == ("SCRAM-SHA-256",)


@pytest.mark.parametrize(
    ("tag", "payload"),
    [
        ("Q", b""),
        ("Q", b"select 1"),
        ("Q", b"select 1\0x"),
        ("P", b"s\0"),
        ("P", b"s\0q\0"),
        ("P", b"s\0q\0\0\1"),
        ("P", b"s\0q\0\xff\xff\0\0"),
        ("P", b"s\0q\0\0\0x"),
        ("B", b"p\0"),
        ("B", b"p\0s\0"),
        ("B", b"p\0s\0\0\0\0\0\0\0x"),
        ("B", b"p\0s\0\0\0\0\0\0\1"),
        ("B", b"p\0s\0\0\0\0\1\0\0\0\5abc\0\0"),
        ("B", b"p\0s\0\0\0\0\1\xff\xff\xff\xfe\0\0"),
        ("B", b"p\0s\0\0\0\0\1\x7f\xff\xff\xff\0\0"),
        ("B", b"p\0s\0\0\2\0\0\0\0\0\1\xff\xff\xff\xff\0\0"),
        ("D", b""),
        ("D", b"Xname\0"),
        ("D", b"Sname"),
        ("C", b"Sname\0\0"),
        ("E", b"portal\0"),
        ("E", b"portal\0\0\0\0"),
        ("E", b"portal\0\0\0\0\1x"),
        ("S", b"x"),
        ("H", b"x"),
        ("X", b"x"),
        ("c", b"x"),
        ("f", b"reason"),
        ("F", b"\0\0\0"),
        ("F", b"\0\0\0\1\0\0\0\0"),
        ("F", b"\0\0\0\1\0\0\0\0\0\0x"),
        ("?", b""),
    ],
)
def test_malformed_from_the_client(tag: str, payload: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        frontend.decode(Frame(ord(tag), payload))


@pytest.mark.parametrize(
    ("tag", "payload"),
    [
        ("R", b""),
        ("R", b"\0\0\0\0x"),
        ("R", b"\0\0\0\5abc"),
        ("R", b"\0\0\0\nSCRAM-SHA-256\0"),
        ("R", b"\0\0\0\nSCRAM\0\0x"),
        ("R", b"\0\0\0\n\xff\0\0"),
        ("K", b"\0\0\0\1abc"),
        ("K", b"\0\0\0\1" + bytes(257)),
        ("S", b"name\0value"),
        ("Z", b""),
        ("Z", b"X"),
        ("Z", b"II"),
        ("T", b"\0\1a\0"),
        ("T", b"\0\0x"),
        ("t", b"\0\1"),
        ("C", b"SELECT 1"),
        ("G", b"\0\0\1"),
        ("H", b"\0"),
        ("E", b""),
        ("E", b"SERROR\0"),
        ("E", b"SERROR\0\0x"),
        ("E", b"\xffERROR\0\0"),
        ("N", b"Mx\0" * 65 + b"\0"),
        ("A", b"\0\0\0\1c\0"),
        ("V", b"\0\0\0\5abc"),
        ("v", b"\0\0\0\0\xff\xff\xff\xff"),
        ("D", b"\0\1\0\0\0\2a"),
        ("1", b"x"),
        ("?", b""),
    ],
)
def test_malformed_from_the_server(tag: str, payload: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        backend.decode(Frame(ord(tag), payload))


def test_no_content_in_errors() -> None:
    with pytest.raises(ProtocolViolation) as caught:
        frontend.decode(Frame(ord("Q"), b"123-45-6789"))
    assert "123" not in caught.value.message + caught.value.detail + caught.value.hint


@given(st.sampled_from("QPBDECSHXFdcfp"), st.binary(max_size=60))
def test_client_fuzz(tag: str, payload: bytes) -> None:
    frame = Frame(ord(tag), payload)
    try:
        message = frontend.decode(frame)
    except ProtocolViolation:
        return
    assert message.encode() == frame.raw
    if isinstance(message, frontend.Bind):
        assert message.parameter_count >= 0
        assert message.result_formats is not None


@given(st.sampled_from("RKSCDdc123nstTIENAZGHWVv"), st.binary(max_size=60))
def test_server_fuzz(tag: str, payload: bytes) -> None:
    frame = Frame(ord(tag), payload)
    try:
        message = backend.decode(frame)
    except ProtocolViolation:
        return
    assert message.encode() == frame.raw


def test_counts_fit_the_protocol() -> None:
    with pytest.raises(ValueError, match="count"):
        frontend.Parse(b"", b"", (0,) * 65536).encode()
    many = frontend.Parse(b"", b"", (23,) * 65535)
    assert frontend.decode(frame_of(many.encode())) == many
