"""Logins that failed: how often, for whom and from where, and who has to wait.

Counted by user and address together, and by address; by user alone, whoever wants to could keep
that user out. Only what failed for its password, or whatever else proves somebody, counts.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from dbguard.catalog.verifiers import NAME_BYTES
from dbguard.errors import DbguardError

WINDOW_SECONDS: Final = 60.0
"""Failures further apart are not counted together."""
ADDRESS_FACTOR: Final = 20
"""So many times more from one address: many people may be behind it."""
KEPT: Final = 20_000
"""Users and addresses that are remembered, those of the latest failures."""
COUNTED: Final = frozenset({"28P01", "28000"})
"""SQLSTATEs of logins that proved nothing."""
_LOCAL: Final = "local"
"""What everybody on a Unix socket shares."""


class TooManyFailures(DbguardError):
    """Somebody has to wait before the next try."""

    sqlstate = "28000"


@dataclass(slots=True)
class Counted:
    since: float
    failures: int = 0
    until: float = 0.0


class Attempts:
    """Failures of late. Times are seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Counted] = OrderedDict()

    def check(self, user: str, address: str, now: float) -> None:
        """Raises TooManyFailures when this is to be no try at all."""
        for key in _keys(user, address):
            counted = self._find(key)
            if counted is not None and now < counted.until:
                raise TooManyFailures(
                    "too many failed logins",
                    detail=f"{counted.failures} within a minute, "
                    + ("for this user from here" if key[0] else "from this address")
                    + " (limits.login_failures).",
                    hint=f"Try again in {max(1, round(counted.until - now))} s.",
                )

    def failed(self, user: str, address: str, now: float, *, limit: int, pause: float) -> bool:
        """Count one more; True when somebody has to wait from now on. `limit` 0: nobody has to."""
        if not limit:
            return False
        waits = False
        with self._changing():
            for key in _keys(user, address):
                counted = self._find(key)
                if counted is None or now - counted.since > WINDOW_SECONDS:
                    counted = Counted(now)
                counted.failures += 1
                if counted.failures >= limit * (1 if key[0] else ADDRESS_FACTOR):
                    counted.until, waits = now + pause, True
                self._keep(key, counted)
            self._trim()
        return waits

    def succeeded(self, user: str, address: str) -> None:
        """Who has got in begins anew."""
        for key in _keys(user, address)[:1]:
            self._drop(key)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else counts meanwhile."""
        yield

    def _find(self, key: tuple[str, str]) -> Counted | None:
        return self._known.get(key)

    def _keep(self, key: tuple[str, str], counted: Counted) -> None:
        self._known[key] = counted
        self._known.move_to_end(key)

    def _drop(self, key: tuple[str, str]) -> None:
        self._known.pop(key, None)

    def _trim(self) -> None:
        while len(self._known) > KEPT:
            self._known.popitem(last=False)


def _keys(user: str, address: str) -> tuple[tuple[str, str], ...]:
    network = _network(address)
    # a name is never empty, but as long as a startup packet: the server goes by its beginning
    user = user[:NAME_BYTES]
    return ((user, network), ("", network)) if network != _LOCAL else ((user, network),)


def _network(address: str) -> str:
    """One customer of a provider has 2^64 addresses of IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
