"""A running proxy's view of the file of users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbguard.errors import ConfigurationError
from dbguard.identity.identifying import NotProved
from dbguard.identity.known_users import SHOWN, KnownUsers
from dbguard.identity.one_time import OneTime
from dbguard.identity.store import change_users
from dbguard.identity.users import User
from dbguard.policy.decision import Identity, Proof
from dbguard.wire.scram import make_verifier

ANNA = User("anna", make_verifier("secret", b"0123456789abcdef", 64), frozenset({"analyst"}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    change_users(path, lambda users: users.update(anna=ANNA, bert=User("bert")))
    return path


def edit(path: Path, **users: User | None) -> None:
    def change(known: dict[str, User]) -> None:
        for name, user in users.items():
            if user is None:
                del known[name]
            else:
                known[name] = user

    change_users(path, change)


def test_it_has_to_be_right_at_the_start(path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others may read"):
        KnownUsers(path)


def test_changes_are_noticed_and_named(path: Path) -> None:
    known = KnownUsers(path)
    assert known.refresh() is None
    edit(
        path,
        anna=replace(ANNA, disabled=True),
        bert=None,
        carl=User("carl"),
        dora=User("dora", ANNA.verifier),
    )
    refreshed = known.refresh()
    assert refreshed is not None
    assert refreshed.fields == {"added": "carl, dora", "removed": "bert", "disabled": "anna"}
    assert known.refresh() is None
    assert sorted(known.users) == ["anna", "carl", "dora"]
    edit(path, anna=ANNA, carl=User("carl", roles=frozenset({"reviewer"})))
    refreshed = known.refresh()
    assert refreshed is not None
    assert refreshed.fields == {"changed": "anna, carl"}


def test_a_one_time_password_that_was_used_is_no_change(path: Path) -> None:
    edit(path, anna=replace(ANNA, one_time=OneTime(b"1" * 20)))
    known = KnownUsers(path)
    edit(path, anna=replace(ANNA, one_time=OneTime(b"1" * 20, 7)))
    refreshed = known.refresh()
    assert refreshed is not None
    assert refreshed.fields == {}
    found = known.users["anna"].one_time
    assert found is not None
    assert found.used == 7


def test_many_changes_are_counted(path: Path) -> None:
    known = KnownUsers(path)
    edit(path, **{f"u{number:03}": User(f"u{number:03}") for number in range(SHOWN + 2)})
    refreshed = known.refresh()
    assert refreshed is not None
    assert refreshed.fields["added"].endswith(f"u{SHOWN - 1:03} and 2 more")


def broken(path: Path) -> None:
    path.write_text("{", "utf-8")


def open_to_others(path: Path) -> None:
    path.chmod(0o644)


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [broken, open_to_others, gone])
def test_a_file_that_cannot_be_used_is_left_aside(path: Path, harm: Callable[[Path], None]) -> None:
    known = KnownUsers(path)
    harm(path)
    refreshed = known.refresh()
    assert refreshed is not None
    assert refreshed.error is not None
    assert refreshed.error.hint
    assert sorted(known.users) == ["anna", "bert"]
    assert known.refresh() is None, "it is told once"
    path.unlink(missing_ok=True)
    change_users(path, lambda users: users.update(anna=replace(ANNA, disabled=True)))
    refreshed = known.refresh()
    assert refreshed is not None
    assert refreshed.fields == {"removed": "bert", "disabled": "anna"}


@pytest.mark.parametrize("proof", Proof)
def test_what_the_store_says_holds_however_somebody_proved_it(path: Path, proof: Proof) -> None:
    edit(path, bert=User("bert", disabled=True))
    known = KnownUsers(path)
    told = frozenset({("department", "oncology")})
    found = known.admit(Identity("anna", proof, frozenset({"reviewer"}), told))
    assert found == Identity("anna", proof, frozenset({"reviewer", "analyst"}), told)
    stranger = Identity("stranger", proof)
    assert known.admit(stranger) == stranger
    with pytest.raises(NotProved) as caught:
        known.admit(Identity("bert", proof))
    assert caught.value.reason == "the user is disabled"


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (ANNA, ANNA, ""),
        (ANNA, replace(ANNA, verifier=None), ""),
        (ANNA, replace(ANNA, one_time=OneTime(b"1" * 20)), ""),
        (ANNA, replace(ANNA, disabled=True), "the user was disabled"),
        (ANNA, None, "the user was removed"),
        (ANNA, replace(ANNA, roles=frozenset()), "roles or attributes of the user have changed"),
        (
            *(ANNA, replace(ANNA, attributes=frozenset({("a", "b")}))),
            "roles or attributes of the user have changed",
        ),
        (None, None, ""),
        (None, ANNA, ""),
        (None, replace(ANNA, disabled=True), "the user was disabled"),
    ],
)
def test_why_a_session_ends(path: Path, before: User | None, now: User | None, reason: str) -> None:
    edit(path, anna=now)
    assert KnownUsers(path).against("anna", before) == reason
