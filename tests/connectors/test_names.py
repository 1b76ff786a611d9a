"""A name that could change the meaning of a call never becomes a part of one."""

from decimal import Decimal

import pytest

from connectors import names
from connectors.errors import InvalidName
from connectors.testing import HOSTILE_NAMES


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
@pytest.mark.parametrize("validate", [names.dns_label, names.dns_subdomain, names.vault_path, names.mount, names.uid])
def test_a_hostile_name_is_refused(validate, name):
    with pytest.raises(InvalidName) as refusal:
        validate(name)

    assert refusal.value.sentence.isprintable()


@pytest.mark.parametrize("value", [None, 7, True, b"payments", ["payments"], {"name": "payments"}])
def test_what_is_not_text_is_not_a_name(value):
    for validate in (names.dns_label, names.dns_subdomain, names.vault_path, names.mount, names.uid, names.quantity):
        with pytest.raises(InvalidName):
            validate(value)


@pytest.mark.parametrize(
    ("validate", "longest"), [(names.dns_label, 63), (names.dns_subdomain, 253), (names.vault_path, 512)]
)
def test_the_longest_name_passes_and_one_more_character_does_not(validate, longest):
    assert validate("a" * longest) == "a" * longest
    with pytest.raises(InvalidName):
        validate("a" * (longest + 1))


@pytest.mark.parametrize("name", ["-a", "a-", "A", "a_b", "a.b", "ä"])
def test_what_is_not_a_dns_label(name):
    with pytest.raises(InvalidName):
        names.dns_label(name)


@pytest.mark.parametrize("name", ["payments-production", "0", "a" * 63, "xn--80ak6aa92e"])
def test_an_honest_label_passes(name):
    assert names.dns_label(name) == name


@pytest.mark.parametrize("name", [".a", "a.", "a..b", "a.-b", "a-.b"])
def test_what_is_not_a_dns_subdomain(name):
    with pytest.raises(InvalidName):
        names.dns_subdomain(name)


@pytest.mark.parametrize("path", ["checkout", "team-a/db.password", "a/b/c/d", "user@example.org", "v1.2_3~x+y"])
def test_an_honest_vault_path_passes(path):
    assert names.vault_path(path) == path


@pytest.mark.parametrize("path", ["a/..", "../a", "a/./b", ".hidden", "a/.hidden/b", "a\\..\\b"])
def test_a_vault_path_does_not_climb(path):
    with pytest.raises(InvalidName):
        names.vault_path(path)


@pytest.mark.parametrize("mount", ["sys", "auth", "auth/approle", "identity", "cubbyhole", "sys/mounts"])
def test_the_vaults_own_engines_are_not_mounts_for_us(mount):
    with pytest.raises(InvalidName):
        names.mount(mount)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", Decimal(0)),
        ("250m", Decimal("0.25")),
        ("1.5", Decimal("1.5")),
        ("1Gi", Decimal(1024) ** 3),
        ("2k", Decimal(2000)),
        ("1E", Decimal(10) ** 18),
    ],
)
def test_a_quantity_is_read_as_the_server_reads_it(text, number):
    assert names.quantity(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "NaN", "Infinity", "-1", "+1", "1e999", "1e3", "1_000", "\uff11", "1.", ".5", "1 Gi", "1gi", "1K", "0x10"],
)
def test_what_is_not_a_quantity(text):
    with pytest.raises(InvalidName):
        names.quantity(text)


@pytest.mark.parametrize("text", ["9" * 5000, "9999999E", "8Ei"], ids=["5000 digits", "E", "Ei"])
def test_a_quantity_that_the_server_cannot_hold(text):
    with pytest.raises(InvalidName):
        names.quantity(text)


@pytest.mark.parametrize("value", [-1, 2**31, pytest.param(10**5000, id="5000 digits"), True, 1.0, "3", None])
def test_what_is_not_a_number_of_replicas(value):
    with pytest.raises(InvalidName):
        names.count(value)


def test_every_whole_number_that_the_server_can_hold_is_a_number_of_replicas():
    assert [names.count(value) for value in (0, 1, 2**31 - 1)] == [0, 1, 2**31 - 1]


@pytest.mark.parametrize(
    "value", ["", "now", "2026-11-23", "2026-11-23T09:30:00", "2026-11-23T09:30:00Z\n", "infinity", "09:30Z"]
)
def test_what_is_not_a_time(value):
    with pytest.raises(InvalidName):
        names.timestamp(value)


@pytest.mark.parametrize("value", ["2026-11-23T09:30:00Z", "2026-11-23T09:30:00.123456+01:00"])
def test_an_honest_time_passes(value):
    assert names.timestamp(value) == value


def test_an_empty_version_is_not_a_precondition():
    with pytest.raises(InvalidName):
        names.resource_version("")
