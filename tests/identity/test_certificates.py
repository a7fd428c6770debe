"""Certificates: the names in them, and whom a map says they stand for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from dbguard.errors import ConfigurationError
from dbguard.identity.certificate_map import CertificateMap, read_map
from dbguard.identity.certificates import CertificateNames, NameKind, NoNames, names_of
from dbguard.identity.map_patterns import MAX_LENGTH, compile_pattern
from dbguard.policy.decision import Proof
from tests.authority import CN, OU, Authority, C, O, subject

AUTHORITY = Authority()
K = NameKind
ANA = AUTHORITY.issue(
    x509.DNSName("Laptop.Clinic.Example"),
    x509.RFC822Name("Ana@Clinic.Example"),
    x509.UniformResourceIdentifier("spiffe://clinic.example/people/ana"),
    subject=subject((C, "DE"), (O, "Clinic, Inc"), [(OU, "Oncology"), (CN, "ana")]),
)


def by_kind(certificate: bytes) -> dict[NameKind, tuple[str, ...]]:
    return {kind: names for kind, names in names_of(certificate).by_kind.items() if names}


def test_names() -> None:
    assert by_kind(ANA.der) == {
        K.SUBJECT: (r"CN=ana+OU=Oncology,O=Clinic\, Inc,C=DE",),
        K.COMMON_NAME: ("ana",),
        K.DNS: ("laptop.clinic.example",),
        K.EMAIL: ("Ana@clinic.example",),
        K.URI: ("spiffe://clinic.example/people/ana",),
    }


def test_a_certificate_without_names() -> None:
    assert by_kind(AUTHORITY.issue().der) == {}


def test_two_common_names_are_none() -> None:
    both = AUTHORITY.issue(subject=subject((CN, "ana"), (CN, "dba")))
    assert by_kind(both.der) == {K.SUBJECT: ("CN=dba,CN=ana",)}


def test_a_name_for_many_hosts_is_none() -> None:
    assert by_kind(AUTHORITY.issue(x509.DNSName("*.clinic.example")).der) == {}


@pytest.mark.parametrize("value", ["ana\0.evil", "ana\n", "\u202eana", "a" * 600])
def test_names_that_cannot_be_seen(value: str) -> None:
    """Wherever such a name stands: beside it, others could be meant to mislead as well."""
    if len(value) <= 64:
        with pytest.raises(NoNames):
            names_of(AUTHORITY.issue(subject=subject((CN, "ana"), (OU, value))).der)
    if value.isascii():
        with pytest.raises(NoNames):
            names_of(AUTHORITY.issue(x509.DNSName(value), x509.DNSName("ana")).der)


def test_too_many_names() -> None:
    with pytest.raises(NoNames):
        names_of(AUTHORITY.issue(*(x509.DNSName(f"h{n}") for n in range(65))).der)


def test_how_long_names_may_be() -> None:
    uri, dns = "x:" + "a" * 510, "a" * 255
    names = by_kind(AUTHORITY.issue(x509.UniformResourceIdentifier(uri), x509.DNSName(dns)).der)
    assert names == {K.URI: (uri,), K.DNS: (dns,)}
    for name in (x509.UniformResourceIdentifier(uri + "a"), x509.DNSName(dns + "a")):
        with pytest.raises(NoNames):
            names_of(AUTHORITY.issue(name).der)


def test_what_is_no_certificate() -> None:
    for data in (b"", b"x", b"\x30\x00", ANA.der[:-5], ANA.der[:40]):
        with pytest.raises(NoNames):
            names_of(data)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@settings(deadline=None)
@given(st.integers(0, len(ANA.der) - 1), st.integers(0, 255))
def test_any_certificate_is_read_or_refused(position: int, byte: int) -> None:
    changed = bytearray(ANA.der)
    changed[position] = byte
    try:
        names_of(bytes(changed))
    except NoNames:
        return


# the map

MAP = r"""
# people
email   /([a-z.]+)@clinic\.example/   \1        roles=analyst,reader department=oncology
email   Zoë@Clinic.Example            zoe
cn      "ana maria"                   ana
dn      "CN=bob,O=Clinic, Inc,C=DE"   bob       "purpose=patient care,audit"   # with spaces
dn      "/CN=([a-z]+),OU=Batch,.*/"   batch-\1
# programs
dns     ETL.clinic.internal           etl       roles=writer
uri     spiffe://clinic.example/etl   etl       roles=other
dns     /(?:a|b)\.clinic\.internal/   etl
cn      "with "" quote"               quote
"""


def mapped(folder: Path, text: str) -> CertificateMap:
    path = folder / "certificates.map"
    path.write_text(text, "utf-8")
    return read_map(path)


def showing(kind: NameKind, *names: str) -> CertificateNames:
    at = names_of(ANA.der)
    return CertificateNames({kind: names}, at.not_before, at.not_after)


WHO = {
    "a group of an expression": (K.EMAIL, "ana.b@clinic.example", "ana.b"),
    "all of it has to match": (K.EMAIL, "ana@clinic.example.evil", None),
    "also at the beginning": (K.EMAIL, "x/ana@clinic.example", None),
    "letters have case": (K.EMAIL, "Ana@clinic.example", None),
    "a literal address": (K.EMAIL, "Zoë@clinic.example", "zoe"),
    "a name with a space": (K.COMMON_NAME, "ana maria", "ana"),
    "which is no expression": (K.COMMON_NAME, "anaXmaria", None),
    "a whole subject": (K.SUBJECT, "CN=bob,O=Clinic, Inc,C=DE", "bob"),
    "more in the user": (K.SUBJECT, "CN=nightly,OU=Batch,O=Clinic", "batch-nightly"),
    "a host": (K.DNS, "etl.clinic.internal", "etl"),
    "one of two": (K.DNS, "b.clinic.internal", "etl"),
    "a dot is a dot": (K.DNS, "bxclinic.internal", None),
    "a uri": (K.URI, "spiffe://clinic.example/etl", "etl"),
    "a uri that goes on": (K.URI, "spiffe://clinic.example/etl/x", None),
    "another kind with the same text": (K.COMMON_NAME, "etl.clinic.internal", None),
    "a quote": (K.COMMON_NAME, 'with " quote', "quote"),
    "nobody": (K.COMMON_NAME, "", None),
}


@pytest.mark.parametrize("case", WHO)
def test_who_it_is(case: str, tmp_path: Path) -> None:
    kind, name, user = WHO[case]
    found = [match.user for match in mapped(tmp_path, MAP).matches(showing(kind, name))]
    assert found == ([] if user is None else [user])


def test_what_comes_with_a_line(tmp_path: Path) -> None:
    table = mapped(tmp_path, MAP)
    found = table.find(showing(K.EMAIL, "ana@clinic.example"), "ana")
    assert found is not None
    assert found.line.number == 3
    identity = found.identity
    assert (identity.name, identity.proof) == ("ana", Proof.CERTIFICATE)
    assert identity.roles == {"analyst", "reader"}
    assert identity.attributes == {("department", "oncology")}
    bob = table.find(showing(K.SUBJECT, "CN=bob,O=Clinic, Inc,C=DE"), "bob")
    assert bob is not None
    assert bob.identity.attributes == {("purpose", "patient care"), ("purpose", "audit")}


def test_every_line_that_fits_counts(tmp_path: Path) -> None:
    """As in pg_ident.conf: a certificate can stand for several users, who says which."""
    table = mapped(tmp_path, "cn ana ana roles=a\ncn ana oncall \t\r\n  \ncn ana ana roles=b\n")
    names = showing(K.COMMON_NAME, "ana")
    assert [match.user for match in table.matches(names)] == ["ana", "oncall", "ana"]
    first = table.find(names, "ana")
    assert first is not None
    assert first.line.roles == {"a"}
    assert table.find(names, "oncall") is not None
    assert table.find(names, "Ana") is None
    assert table.find(names, r"\1") is None


def test_a_group_that_matched_nothing_is_nobody(tmp_path: Path) -> None:
    table = mapped(tmp_path, 'cn /x(a)?/ \\1\ncn "/y( *)/" \\1\ncn /z(.*)/ \\1\n')
    for name in ("x", "y  ", "z", "z a", "z" + "a" * 300):
        assert list(table.matches(showing(K.COMMON_NAME, name))) == []


def test_a_name_in_another_part_does_not_count(tmp_path: Path) -> None:
    """What somebody may choose (an OU, say) must not look like a CN."""
    table = mapped(tmp_path, 'cn dba dba\ndn "CN=dba,O=Clinic" dba\n')
    for name in (
        subject((O, "Clinic"), (OU, "CN=dba")),
        subject((O, "Clinic"), (OU, "x,CN=dba")),
        subject((O, "Clinic"), (CN, "dba,O=Clinic")),
        subject(
            (O, "Clinic"),
            (CN, "dba "),
        ),
        subject((O, "Clinic"), (CN, "DBA")),
        subject((O, "Clinic"), (CN, "dbа")),  # a Cyrillic а
        subject((O, "Clinic"), [(CN, "dba"), (OU, "x")], (CN, "x")),
        subject((O, "Clinic"), (NameOID.PSEUDONYM, "dba")),
    ):
        names = names_of(AUTHORITY.issue(x509.DNSName("dba"), subject=name).der)
        assert table.find(names, "dba") is None, name


WRONG = {
    "too few words": ("cn ana", "needs a kind"),
    "another kind": ("ip 10.0.0.1 ana", "no kind of name"),
    "a kind in capitals": ("CN ana ana", "no kind of name"),
    "an open quote": ('cn "ana ana', "quote inside a word"),
    "a quote within": ('cn a"na" ana', "quote inside a word"),
    "no expression": ("cn /(/ ana", "is not a regular expression"),
    "an open expression": ("cn /ana ana", "ends without a slash"),
    "an empty name": ('cn "" ana', "is empty"),
    "a name that cannot be shown": ('cn "ana\a" ana', "cannot be shown"),
    "an attribute that cannot be shown": ('cn ana ana "a=x\a"', "a holds what cannot be shown"),
    "an empty user": ('cn ana ""', "no name that somebody could have"),
    "a group without an expression": (r"cn ana \1", "needs an expression"),
    "a group that is not there": (r"cn /ana/ \1", "needs an expression"),
    "a role alone": ("cn ana ana analyst", "must be roles="),
    "no roles": ("cn ana ana roles=", "must be roles="),
    "roles twice": ("cn ana ana roles=a roles=b", "roles stands there twice"),
    "an attribute that is none": ("cn ana ana 9=x", "must be roles="),
    "nested repeats": ("cn /(a+)+/ ana", "repeats a group"),
}


@pytest.mark.parametrize("case", WRONG)
def test_lines_that_are_wrong(case: str, tmp_path: Path) -> None:
    line, words = WRONG[case]
    with pytest.raises(ConfigurationError) as caught:
        mapped(tmp_path, f"# first\n\n{line}\n")
    assert re.match(r".*certificates\.map:3: ", caught.value.message)
    assert words in caught.value.message


def test_files_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: no such file"):
        read_map(tmp_path / "missing")
    (tmp_path / "latin").write_bytes(b"cn M\xfcller m")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_map(tmp_path / "latin")
    (tmp_path / "long").write_bytes(b"#" * 5_000_000)
    with pytest.raises(ConfigurationError, match="longer than"):
        read_map(tmp_path / "long")


@settings(deadline=None)
@given(st.text(alphabet='cn ana/"\\1(|)=#\n\tdnx', max_size=40))
def test_any_text_is_a_map_or_a_mistake(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            table = mapped(Path(folder), text)
        except ConfigurationError:
            return
        list(table.matches(showing(K.COMMON_NAME, "ana")))


# expressions

QUICK = [
    r"[a-z]+@clinic\.example",
    r"CN=([^,]+),OU=[^,]+,O=Clinic",
    r"(?:ana|bob)(\.[a-z]+)?",
    r"[]a-z]+[^]]\]\(",
    r"a{2}b{1,3}c{,3}d*?",
    r"(?:abc){1,3}",
    r"\d+\.\w+",
    r"a{x}",
    r"^ana$",
    r"",
]


@pytest.mark.parametrize("text", QUICK)
def test_expressions_that_may_be_used(text: str) -> None:
    assert compile_pattern(text).pattern == text


SLOW = {
    r"(a+)+": "repeats a group",
    r"(a*)*b": "repeats a group",
    r"(a|a)*": "repeats a group",
    r"((?:a|b))+": "repeats a group",
    r"(?:a?){30}": "repeats a group",
    r"(?:(?:a{1,2}))+": "repeats a group",
    r".*.*.*.*x": "more than 3 parts",
    r"a{1,9}b{1,9}c{1,9}d{1,9}": "more than 3 parts",
    r"(a)\1": "refers to",
    r"(?P<n>a)": "begins with (?",
    r"(?i)a": "begins with (?",
    r"(?=a)a": "begins with (?",
    r"(?>a)": "begins with (?",
    "a" * (MAX_LENGTH + 1): "has more than",
    "(": "is not a regular expression",
    "a**": "is not a regular expression",
    "[[a]": "is not a regular expression",
    r"\8": "is not a regular expression",
    "a{99999999999}": "is not a regular expression",
}


@pytest.mark.parametrize("text", SLOW)
def test_expressions_that_may_not(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        compile_pattern(text)
    assert SLOW[text] in str(caught.value)


@settings(deadline=30_000)
@given(st.text(alphabet="ab()[]{}^$*+?.|\\1,-:", max_size=14))
def test_what_may_be_used_ends_soon(text: str) -> None:
    """Those that may not would take years."""
    try:
        pattern = compile_pattern(text)
    except ValueError:
        return
    for name in ("a" * 60 + "!", "ab" * 30 + "!", "a,b" * 20):
        pattern.fullmatch(name)
