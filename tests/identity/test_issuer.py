"""An issuer's keys: read when they are due, rotated, and missing for a while."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from dbguard.errors import ConfigurationError
from dbguard.identity import fetching
from dbguard.identity.claims import TokenRefused
from dbguard.identity.issuer import Issuer, IssuerUnavailable, issuer_of
from dbguard.identity.key_schedule import FIRST_PAUSE, LONGEST_PAUSE, KeySchedule
from dbguard.token_settings import TokenSettings
from tests.oidc import LocalIssuer, ec_key, key_set, rsa_key, running


@pytest.fixture
def local() -> Iterator[LocalIssuer]:
    with running(LocalIssuer()) as issuer:
        yield issuer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(local: LocalIssuer, clock: Clock | None = None, **more: Any) -> Issuer:
    settings = TokenSettings.model_validate({"issuer": local.url, "audience": "dbguard", **more})
    issuer = issuer_of(settings)
    issuer.monotonic = clock or Clock()
    return issuer


async def name(issuer: Issuer, token: str) -> str:
    return (await issuer.verify(token.encode())).identity.name


async def test_keys_are_found_and_kept(local: LocalIssuer) -> None:
    issuer = made(local)
    for _ in range(3):
        assert await name(issuer, local.token()) == "ana"
    assert local.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_keys_at_an_address(local: LocalIssuer) -> None:
    local.documents["/own"] = key_set(*local.keys)
    issuer = made(local, jwks=f"{local.url}/own")
    assert await name(issuer, local.token()) == "ana"
    assert local.asked == ["/own"]


async def test_keys_in_a_file(local: LocalIssuer, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(*local.keys))
    issuer = made(local, jwks=str(path))
    assert await name(issuer, local.token()) == "ana"
    with pytest.raises(TokenRefused, match="key that the issuer does not have"):
        await issuer.verify(local.token(rsa_key("two", number=1)).encode())
    assert local.asked == []
    path.write_bytes(b"{}")
    with pytest.raises(ConfigurationError, match="holds no keys"):
        made(local, jwks=str(path))
    path.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read: no such file"):
        made(local, jwks=str(path))


async def test_rotation(local: LocalIssuer) -> None:
    clock, new = Clock(), rsa_key("two", number=1)
    issuer = made(local, clock)
    old_token = local.token()
    assert await name(issuer, old_token) == "ana"
    clock.now += 11
    local.keys = [new]
    assert await name(issuer, local.token()) == "ana"
    with pytest.raises(TokenRefused, match="key that the issuer does not have"):
        await issuer.verify(old_token.encode())


async def test_strangers_cannot_make_us_ask_all_the_time(local: LocalIssuer) -> None:
    clock = Clock()
    issuer = made(local, clock)
    for number in range(5):
        with pytest.raises(TokenRefused, match="key that the issuer does not have"):
            await issuer.verify(local.token(rsa_key(f"made-up-{number}", number=1)).encode())
    assert local.asked.count("/keys") == 1
    clock.now += 11
    for number in range(5):
        with pytest.raises(TokenRefused):
            await issuer.verify(local.token(rsa_key(f"made-up-{number}", number=1)).encode())
    assert local.asked.count("/keys") == 2
    # what is not meant for us never makes us ask
    clock.now += 11
    with pytest.raises(TokenRefused, match="another audience"):
        await issuer.verify(local.token(rsa_key("x", number=1), aud="other").encode())
    assert local.asked.count("/keys") == 2


async def test_keys_are_read_again_after_their_lifetime(local: LocalIssuer) -> None:
    clock = Clock()
    issuer = made(local, clock, keys={"lifetime": "1m"})
    old = local.token()
    await issuer.verify(old.encode())
    local.keys = [rsa_key("one", number=1)]  # the name stays, the key is withdrawn
    clock.now += 61
    with pytest.raises(TokenRefused, match="wrong signature"):
        await issuer.verify(old.encode())


async def test_an_issuer_that_is_away(local: LocalIssuer) -> None:
    clock = Clock()
    issuer = made(local, clock, keys={"lifetime": "1m", "stale": "1h"})
    local.status = 503
    for _ in range(3):
        with pytest.raises(IssuerUnavailable, match="cannot be checked at present"):
            await issuer.verify(local.token().encode())
    assert len(local.asked) == 1  # not asked again at once
    local.status = 200
    clock.now += FIRST_PAUSE
    assert await name(issuer, local.token()) == "ana"
    local.status = 503
    for seconds in (61, 60, 3500 - 61):
        clock.now += seconds
        assert await name(issuer, local.token()) == "ana"
    clock.now += 200
    with pytest.raises(IssuerUnavailable):
        await issuer.verify(local.token().encode())


async def test_a_slow_issuer_holds_up_one_login_at_a_time(local: LocalIssuer) -> None:
    clock = Clock()
    issuer = made(local, clock, keys={"lifetime": "1m"})
    token = local.token()
    await issuer.verify(token.encode())
    clock.now += 61
    local.gate.clear()
    first = asyncio.create_task(name(issuer, token))
    while local.asked.count("/.well-known/openid-configuration") < 2:
        await asyncio.sleep(0.01)
    assert await name(issuer, token) == "ana"
    assert not first.done()
    unknown = asyncio.create_task(name(issuer, local.token(rsa_key("two", number=1))))
    await asyncio.sleep(0)
    local.gate.set()
    assert await first == "ana"
    with pytest.raises(TokenRefused):
        await unknown


async def test_nobody_listens(local: LocalIssuer) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        away = LocalIssuer(port=taken.getsockname()[1])
        with pytest.raises(IssuerUnavailable):
            await made(away).verify(away.token().encode())


def test_the_pauses_grow_and_end() -> None:
    schedule, now = KeySchedule(60, 10, 600), 0.0
    pauses = []
    for _ in range(12):
        schedule.failed(now)
        start = now
        while not schedule.is_due(now):
            now += 0.5
        pauses.append(now - start)
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] == LONGEST_PAUSE
    schedule.succeeded(now)
    assert not schedule.is_due(now)
    assert not schedule.is_due(now + 9, missing=True)
    assert schedule.is_due(now + 10, missing=True)
    assert schedule.is_due(now + 60)
    assert schedule.is_usable(now + 659)
    assert not schedule.is_usable(now + 660)


CONFIGURATION = "/.well-known/openid-configuration"
WRONG: dict[str, tuple[str, bytes | None]] = {
    "a configuration that is none": (CONFIGURATION, b"[]"),
    "a huge configuration": (CONFIGURATION, b" " * 200_000),
    "keys that are none": ("/keys", b"<html>"),
    "no usable keys": ("/keys", b'{"keys": [{"kty": "oct"}]}'),
    "huge keys": ("/keys", b" " * 600_000),
    "keys twice": ("/keys", b'{"keys": [], "keys": []}'),
}


async def test_a_configuration_of_another_issuer(local: LocalIssuer) -> None:
    for named in (f"{local.url}/", f"{local.url}/other", "", None, [local.url]):
        document = {"issuer": named, "jwks_uri": f"{local.url}/keys"}
        local.documents[CONFIGURATION] = json.dumps(document).encode()
        with pytest.raises(IssuerUnavailable):
            await made(local).verify(local.token().encode())
    assert set(local.asked) == {CONFIGURATION}


@pytest.mark.parametrize("case", WRONG)
async def test_answers_that_are_no_use(local: LocalIssuer, case: str) -> None:
    path, body = WRONG[case]
    assert body is not None
    local.documents[path] = body
    with pytest.raises(IssuerUnavailable):
        await made(local).verify(local.token().encode())


@pytest.mark.parametrize(
    "address",
    [
        "ftp://127.0.0.1/keys",
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "https://user:x@127.0.0.1/",
        "/keys",
        "https://",
        "",
        None,
        7,
    ],
)
async def test_addresses_of_keys_that_are_not_asked(local: LocalIssuer, address: object) -> None:
    document = json.dumps({"issuer": local.url, "jwks_uri": address}).encode()
    local.documents[CONFIGURATION] = document
    with pytest.raises(IssuerUnavailable):
        await made(local).verify(local.token().encode())
    assert local.asked == [CONFIGURATION]


async def test_no_redirect_is_followed(local: LocalIssuer) -> None:
    local.status, local.headers = 302, {"Location": f"{local.url}/elsewhere"}
    with pytest.raises(IssuerUnavailable):
        await made(local).verify(local.token().encode())
    assert local.asked == [CONFIGURATION]


async def test_compressed_answers_are_not_taken(local: LocalIssuer) -> None:
    local.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(IssuerUnavailable):
        await made(local).verify(local.token().encode())


async def test_a_slow_answer_is_not_waited_for(local: LocalIssuer) -> None:
    local.pause = 0.2
    context = made(local).context
    with pytest.raises(fetching.NotFetched, match=r"no whole answer within 0\.3 s"):
        await fetching.fetch(f"{local.url}/keys", context, 100_000, seconds=0.3)


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """A server that says this to everybody and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with closing(listener.accept()[0]) as client:
                client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
async def test_answers_that_are_no_http(local: LocalIssuer, answer: bytes) -> None:
    context = made(local).context
    with saying(answer) as url, pytest.raises(fetching.NotFetched):
        await fetching.fetch(url, context, 1000)


async def test_chunks_are_understood(local: LocalIssuer) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    with saying(answer) as url:
        assert await fetching.fetch(url, made(local).context, 3) == b"abc"
    with saying(answer) as url, pytest.raises(fetching.NotFetched, match="longer than 2"):
        await fetching.fetch(url, made(local).context, 2)


async def test_tls(tmp_path: Path) -> None:
    authority, ca, other = trustme.CA(), tmp_path / "ca.crt", tmp_path / "other.crt"
    authority.cert_pem.write_to_path(ca)
    trustme.CA().cert_pem.write_to_path(other)
    with running(LocalIssuer(), authority) as local:
        assert await name(made(local, ca=ca), local.token()) == "ana"
        for wrong in (other, None):
            with pytest.raises(IssuerUnavailable):
                await made(local, ca=wrong).verify(local.token().encode())
        wrong_name = made(local, ca=ca, jwks=f"https://localhost:{local.port}/keys")
        with pytest.raises(IssuerUnavailable):
            await wrong_name.verify(local.token().encode())
        # what is asked for through TLS is not fetched without it
        with running(LocalIssuer()) as plain:
            local.documents[CONFIGURATION] = json.dumps(
                {"issuer": local.url, "jwks_uri": f"{plain.url}/keys"}
            ).encode()
            with pytest.raises(IssuerUnavailable):
                await made(local, ca=ca).verify(local.token().encode())
            assert plain.asked == []
    other.write_text("x")
    with pytest.raises(ConfigurationError, match="holds no usable certificate authority"):
        made(local, ca=other)


async def test_keys_outlive_a_reload(local: LocalIssuer) -> None:
    issuer = made(local)
    await issuer.verify(local.token().encode())
    again = issuer_of(issuer.settings, issuer)
    again.monotonic = issuer.monotonic
    local.status = 503
    assert await name(again, local.token()) == "ana"
    local.status = 200
    local.keys = [rsa_key("one", number=1)]
    withdrawn = issuer_of(issuer.settings, again)
    withdrawn.monotonic = lambda: 2000.0
    assert await name(withdrawn, local.token()) == "ana"
    narrower = TokenSettings.model_validate(
        {"issuer": local.url, "audience": "dbguard", "algorithms": ["ES256"]}
    )
    changed = issuer_of(narrower, again)
    with pytest.raises(IssuerUnavailable):
        await changed.verify(local.token(ec_key()).encode())


async def test_reasons_in_the_log_name_no_token(
    local: LocalIssuer, capsys: pytest.CaptureFixture[str]
) -> None:
    local.status = 500
    token = local.token(sub="Ana-Secret")
    with pytest.raises(IssuerUnavailable):
        await made(local).verify(token.encode())
    shown = capsys.readouterr()
    assert "HTTP status 500" in shown.out + shown.err
    assert "Ana-Secret" not in shown.out + shown.err
    assert token[:30] not in shown.out + shown.err
