"""Which upstream a database's name belongs to."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.routes import NAME_BYTES, Overlap, Routes

ROUTES = Routes(
    {
        "europe": ["clinic_eu", "eu_*"],
        "archive": ["archive_*_old", "eu_special", 'od"d', "a.b", "ü" * 31],
        "long": ["n" * NAME_BYTES],
    }
)


@pytest.mark.parametrize(
    ("database", "upstream"),
    [
        ("clinic_eu", "europe"),
        ("eu_", "europe"),
        ("eu_anything at all/\\'\"", "europe"),
        ("eu_special", "archive"),
        ("EU_x", ""),
        ("eu", ""),
        ("xeu_x", ""),
        ("clinic_eu ", ""),
        ("archive_2020_old", "archive"),
        ("archive__old", "archive"),
        ("archive_old", ""),
        ("archive_2020_old2", ""),
        ('od"d', "archive"),
        ("axb", ""),
        ("postgres", ""),
        ("", ""),
        # what a server before PostgreSQL 17 makes of a longer name
        ("n" * (NAME_BYTES + 9), "long"),
        ("n" * (NAME_BYTES - 1), ""),
        ("ü" * 32, ""),
        ("eu_\udcff", "europe"),
    ],
)
def test_names(database: str, upstream: str) -> None:
    assert ROUTES.upstream_of(database) == upstream


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "a"), ("a*", "*b"), ("*", "x*"), ("a*c*", "ab*"), ("*a*", "*b*"), ("**", "*")],
)
def test_claims_that_overlap(one: str, other: str) -> None:
    with pytest.raises(Overlap) as caught:
        Routes({"first": [one], "second": [other]})
    found = caught.value
    assert (found.first, found.one, found.second, found.other) == ("first", one, "second", other)
    Routes({"first": [one, other] if one != other else [one]})


@pytest.mark.parametrize(
    ("one", "other"), [("a*", "b*"), ("*a", "*b"), ("a", "a*"), ("a*b", "a*c")]
)
def test_claims_that_do_not(one: str, other: str) -> None:
    Routes({"first": [one], "second": [other]})


@given(st.text("ab*", max_size=8), st.text("ab*", max_size=8), st.text("ab", max_size=8))
@settings(max_examples=300, deadline=None)
def test_no_name_is_on_two_servers(one: str, other: str, name: str) -> None:
    found = [fnmatch.fnmatchcase(name, pattern) for pattern in (one, other)]
    for pattern, matches in zip((one, other), found, strict=True):
        assert (Routes({"up": [pattern]}).upstream_of(name) == "up") is matches
    try:
        routes = Routes({"first": [one], "second": [other]})
    except Overlap:
        return
    exact = [name == pattern for pattern in (one, other)]
    assert not all(found) or any(exact)
    if any(found):
        expected = ("first", "second")[exact.index(True) if any(exact) else found.index(True)]
        assert routes.upstream_of(name) == expected
