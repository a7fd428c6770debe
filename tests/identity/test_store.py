"""The file of users: what it may hold, who may read it, and that it is never half written."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from dbguard.errors import ConfigurationError
from dbguard.identity.one_time import OneTime, password_at, step_at
from dbguard.identity.store import accept_one_time, change_users, load_users
from dbguard.identity.users import User, encode_users, parse_users
from dbguard.wire.scram import make_verifier

SECRET = b"12345678901234567890"
ANNA = User(
    "anna",
    make_verifier("secret", b"0123456789abcdef", 64),
    frozenset({"analyst", "reviewer"}),
    frozenset({("department", "oncology"), ("department", "research"), ("on_call", "yes")}),
    one_time=OneTime(SECRET, 7),
)
USERS = {user.name: user for user in (ANNA, User("zoë b", disabled=True), User("a@b.example"))}


def put(path: Path, users: dict[str, User]) -> None:
    change_users(path, lambda known: known.update(users))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    put(path, USERS)
    assert load_users(path) == USERS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["users.json"]
    assert list(json.loads(path.read_bytes())["users"]) == ["a@b.example", "anna", "zoë b"]


def entry(text: str) -> str:
    return f'{{"version": 1, "users": {{"anna": {text}}}}}'


VERIFIER = ANNA.verifier.encode() if ANNA.verifier else ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "users.json:1:1: is not valid JSON"),
        ('{"version": 1,\n "users": }', "users.json:2:11: is not valid JSON"),
        ("[]", 'users.json: must be an object with "version": 1 and "users"'),
        ('{"version": 2, "users": {}}', "users.json: version: must be 1"),
        ('{"version": true, "users": {}}', "users.json: version: must be 1"),
        ('{"version": 1, "users": {}, "x": 1}', 'users.json: "x": is unknown'),
        ('{"version": 1, "users": {"a": {}, "a": {}}}', 'users.json: "a" is given twice'),
        ('{"version": 1, "users": {" a": {}}}', 'users." a": the name is empty, or begins'),
        ('{"version": 1, "users": {"": {}}}', 'users."": the name is empty'),
        ('{"version": 1, "users": {"a\\u0000": {}}}', "cannot be printed"),
        ('{"version": 1, "users": {"\\ud800": {}}}', 'users."\\ud800": the name holds'),
        (f'{{"version": 1, "users": {{"{"ä" * 128}": {{}}}}}}', "longer than 255 bytes"),
        (entry("1"), 'users."anna": must be an object'),
        (entry('{"password": "hushed"}'), 'users."anna"."password": is unknown'),
        (entry('{"verifier": "hushed"}'), 'users."anna".verifier: is no SCRAM-SHA-256 verifier'),
        (entry('{"verifier": 7}'), 'users."anna".verifier: is no SCRAM-SHA-256 verifier'),
        (entry('{"roles": "analyst"}'), 'users."anna".roles: must be a list of texts'),
        (entry('{"roles": ["a b"]}'), 'users."anna".roles[0]: must be letters'),
        (entry('{"attributes": []}'), 'users."anna".attributes: must be an object'),
        (entry('{"attributes": {"a b": ["c"]}}'), 'attributes."a b": the name must be letters'),
        (entry('{"attributes": {"a": "b"}}'), "attributes.a: must be a list of texts"),
        (entry('{"attributes": {"a": [""]}}'), "attributes.a[0]: must be printable"),
        (entry('{"disabled": "no"}'), 'users."anna".disabled: must be true or false'),
        (entry('{"one_time": {"secret": "hushed"}}'), 'users."anna".one_time: must be'),
        (entry('{"one_time": "hushed"}'), 'users."anna".one_time: must be'),
        ('{"version": 1, "users": {"a": ' + "[" * 100_000, "is not what it should be"),
        ('{"version": ' + "1" * 5000 + ', "users": {}}', "is not what it should be"),
        ('{"version": 1, "users": {"a": "\udcff"}}', "is not UTF-8 text"),
    ],
)
def test_mistakes_are_named_at_their_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "users.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        load_users(path)
    assert words in caught.value.message
    assert caught.value.hint
    assert "hushed" not in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    text = entry('{"verifier": "x", "roles": ["a b"]}').replace("}}", '}, "b": {"disabled": 1}}')
    with pytest.raises(ConfigurationError) as caught:
        parse_users(text.encode(), "users.json")
    assert len(caught.value.message.splitlines()) == 3


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o620, 0o666, 0o777])
def test_others_may_not_read_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "users.json"
    put(path, USERS)
    path.chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        load_users(path)
    assert f"others may read or write it (mode {mode:04o})" in caught.value.message
    assert caught.value.hint == f"Run: chmod 600 {path}"
    with pytest.raises(ConfigurationError):
        put(path, {})


def test_a_group_may_read_what_root_owns(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    put(path, USERS)
    path.chmod(0o640)
    if path.stat().st_uid:
        with pytest.raises(ConfigurationError):
            load_users(path)
        return
    put(path, {"new": User("new")})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigurationError):
        load_users(path)
    path.chmod(0o600)
    put(path, {"newer": User("newer")})
    assert path.stat().st_uid == 65534, "it stays its owner's"


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file of users") as caught:
        load_users(tmp_path / "users.json")
    assert "dbguard user add" in caught.value.hint
    with pytest.raises(ConfigurationError, match="folder cannot be opened"):
        put(tmp_path / "nosuch" / "users.json", USERS)
    with pytest.raises(ConfigurationError, match="cannot be read: is a directory"):
        load_users(tmp_path)


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    put(path, USERS)
    before = path.read_bytes()

    def fail(users: dict[str, User]) -> None:
        users.clear()
        raise ConfigurationError("no", hint="No.")

    with pytest.raises(ConfigurationError, match="no"):
        change_users(path, fail)
    with pytest.raises(ConfigurationError, match="the name"):
        put(path, {" ": User(" ")})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["users.json"]


def test_those_who_change_it_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    names = [f"user{number}" for number in range(24)]
    threads = [threading.Thread(target=put, args=(path, {n: User(n)})) for n in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(load_users(path)) == sorted(names)


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "users.json"
    link.symlink_to(tmp_path / "real" / "users.json")
    put(link, USERS)
    put(link, {"new": User("new")})
    assert link.is_symlink()
    assert "new" in load_users(tmp_path / "real" / "users.json")


def test_a_one_time_password_is_used_up_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    put(path, {"anna": ANNA, "zoe": User("zoe", disabled=True, one_time=OneTime(SECRET))})
    now = 1111111109.0
    password = password_at(SECRET, step_at(now))
    assert not accept_one_time(path, "anna", "000000", now)
    assert not accept_one_time(path, "zoe", password, now), "disabled"
    assert not accept_one_time(path, "nobody", password, now)
    results: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(accept_one_time(path, "anna", password, now))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(True) == 1
    found = load_users(path)["anna"].one_time
    assert found is not None
    assert found.used == step_at(now)


def test_nothing_secret_is_shown() -> None:
    shown = repr(USERS)
    assert "12345" not in shown
    assert ANNA.verifier is not None
    assert repr(ANNA.verifier.stored_key) not in shown
    assert b"secret\n" not in encode_users(USERS)
