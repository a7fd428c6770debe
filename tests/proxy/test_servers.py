"""Connection URLs that lead where the upstream is."""

from __future__ import annotations

import asyncpg.connect_utils
import pytest

from dbguard.proxy.servers import leading_to


@pytest.mark.parametrize(
    ("dsn", "host", "port", "expected"),
    [
        ("postgresql://u:p@a:1/d", "b", 2, "postgresql://u:p@b:2/d"),
        ("postgresql://u@a/d?sslmode=require", "b", 2, "postgresql://u@b:2/d?sslmode=require"),
        ("postgresql://u:p%40%2F@a/d", "::1", 2, "postgresql://u:p%40%2F@[::1]:2/d"),
        ("postgresql:///d?user=u&host=a&port=9", "b", 2, "postgresql://b:2/d?user=u"),
        ("postgresql://u@a", "/run/pg", 2, "postgresql://u@?host=%2Frun%2Fpg&port=2"),
        ("postgresql://u@a:1/d", "a", 1, "postgresql://u@a:1/d"),
        ("postgres://u@/d?host=/x", "b", 2, "postgres://u@b:2/d"),
    ],
)
def test_leading_to(dsn: str, host: str, port: int, expected: str) -> None:
    assert leading_to(dsn, host, port) == expected


@pytest.mark.parametrize("host", ["db.example", "10.0.0.1", "::1", "/run/postgresql"])
def test_the_driver_reads_it_so(host: str) -> None:
    dsn = leading_to("postgresql://me:p%40%2Fw@elsewhere:1/d?host=x&hostaddr=1.2.3.4", host, 5433)
    parse = asyncpg.connect_utils._parse_connect_dsn_and_args
    named = dict.fromkeys(parse.__code__.co_varnames[: parse.__code__.co_kwonlyargcount])
    addresses, parameters = parse(**{**named, "dsn": dsn, "ssl": False, "direct_tls": False})[:2]
    wanted = f"{host}/.s.PGSQL.5433" if host.startswith("/") else (host, 5433)
    assert addresses == [wanted]
    assert (parameters.user, parameters.password) == ("me", "p@/w")
