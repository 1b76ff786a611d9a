"""What a vault gives for a while ends on time by the vault's own clock, and is seen once."""

import time
from collections.abc import Iterator

import hvac
import psycopg
import pytest

from connectors.errors import InvalidName, Missing, Permanent
from connectors.vault import VaultConfig, VaultServer
from connectors.vault.access import PolicySeen
from sandbox.stack import Endpoints
from tests.cluster import eventually
from tests.vault import Vault

ORDERS = "orders-readonly"
SESSION = "payments/checkout-api/session"
READS = "access-checkout-read"


@pytest.fixture(scope="module")
def vault(endpoints: Endpoints) -> VaultServer:
    role_id, secret_id = endpoints.vault_role_id_file, endpoints.vault_secret_id_file
    return VaultServer("sandbox", VaultConfig(endpoints.vault_address, role_id_file=role_id, secret_id_file=secret_id))


@pytest.fixture
def server(endpoints: Endpoints) -> Iterator[psycopg.Connection]:
    with psycopg.connect(endpoints.postgres_superuser_url, autocommit=True) as connection:
        yield connection


def holder(endpoints: Endpoints, token: str) -> hvac.Client:
    return hvac.Client(url=endpoints.vault_address, token=token)


def test_a_token_does_what_its_policy_says_until_its_accessor_ends_it(vault: VaultServer, endpoints: Endpoints) -> None:
    access = vault.access
    assert access.choices("secret", SESSION) == (READS, "access-checkout-write")
    assert access.policy(READS).unfit == ""
    opened = access.open(READS, 60, person="mira", mark="m1")
    assert opened.token not in repr(opened)
    client = holder(endpoints, opened.token)
    assert client.secrets.kv.v2.read_secret_version(SESSION, raise_on_deleted_version=True)["data"]["data"]
    assert "read" in access.may(opened.accessor, f"secret/data/{SESSION}")
    assert access.may(opened.accessor, "auth/token/create") == {"deny"}
    found = client.auth.token.lookup_self()["data"]
    assert (found["orphan"], found["renewable"], found["explicit_max_ttl"], found["meta"]["person"]) == (
        True,
        False,
        60,
        "mira",
    )

    access.close(opened.accessor)
    access.close(opened.accessor)
    assert access.expires_at(opened.accessor) is None
    with pytest.raises(hvac.exceptions.Forbidden):
        client.secrets.kv.v2.read_secret_version(SESSION, raise_on_deleted_version=True)


def test_a_token_ends_by_itself_when_nobody_is_there_to_end_it(vault: VaultServer, endpoints: Endpoints) -> None:
    opened = vault.access.open(READS, 1, person="mira", mark="m2")
    assert vault.access.expires_at(opened.accessor) is not None
    eventually(lambda: vault.access.expires_at(opened.accessor) is None, 10)
    with pytest.raises(hvac.exceptions.Forbidden):
        holder(endpoints, opened.token).secrets.kv.v2.read_secret_version(SESSION, raise_on_deleted_version=True)


def test_a_database_login_is_valid_as_long_as_the_grant_and_its_sessions_end_with_it(
    vault: VaultServer, endpoints: Endpoints, server: psycopg.Connection
) -> None:
    access, role = vault.access, vault.access.dynamic_role("database", ORDERS)
    assert (role.longest_seconds, role.valid_until, role.ends_sessions) == (8 * 3600, True, True)
    opened = access.open("access-database", 120, person="mira", mark="m3")
    login = access.login(opened, "database", ORDERS, 120)
    assert login.password not in repr(login)
    until = server.execute(
        "SELECT extract(epoch FROM valuntil) FROM pg_user WHERE usename = %s", [login.username]
    ).fetchone()
    assert until is not None
    assert 100 < float(until[0]) - time.time() < 130
    url = endpoints.postgres_superuser_url.rpartition("@")[2].rpartition("/")[0]
    with psycopg.connect(f"postgresql://{login.username}:{login.password}@{url}/orders") as session:
        assert session.execute("SELECT count(*) FROM orders").fetchone() == (200,)
        access.end_login(login.lease)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    access.end_login(login.lease)
    assert not access.has_lease(login.lease)
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|does not exist"):
        psycopg.connect(f"postgresql://{login.username}:{login.password}@{url}/orders")
    access.close(opened.accessor)


def test_a_database_login_ends_with_the_token_it_hangs_below(vault: VaultServer, server: psycopg.Connection) -> None:
    opened = vault.access.open("access-database", 3, person="mira", mark="m4")
    login = vault.access.login(opened, "database", ORDERS, 3)

    def there() -> bool:
        return server.execute("SELECT FROM pg_user WHERE usename = %s", [login.username]).fetchone() is not None

    assert there()
    eventually(lambda: not there(), 15)


def test_a_wrapped_credential_is_seen_once(vault: VaultServer, endpoints: Endpoints) -> None:
    token = vault.access.wrap({"password": "canary-wrapped"}, 60)
    assert vault.access.unwrap(token) == {"password": "canary-wrapped"}
    with pytest.raises(Missing, match="looked at already"):
        vault.access.unwrap(token)
    assert "canary-wrapped" not in endpoints.vault_audit_log.read_text()


def test_what_cannot_be_given_is_refused(vault: VaultServer, endpoints: Endpoints) -> None:
    for name in ("root", "default", "access-", "access-../x", "afterdeck-rotation"):
        with pytest.raises(InvalidName):
            vault.access.open(name, 60, person="mira", mark="m5")
    with pytest.raises(InvalidName):
        vault.access.unwrap("../../sys/seal")
    root = Vault(endpoints).root
    opened = vault.access.open(
        "access-nobody-wrote", 60, person="mira", mark="m6"
    )  # a policy without text allows nothing
    assert vault.access.may(opened.accessor, f"secret/data/{SESSION}") == {"deny"}
    root.auth.token.revoke_accessor(opened.accessor)
    with pytest.raises((Missing, Permanent)):
        vault.access.policy("access-nobody-wrote")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('path "secret/data/a" { capabilities = ["read"] }', ""),
        ('path "secret/data/a" { capabilities = ["read", "sudo"] }', "It allows sudo."),
        ('path "auth/token/create" { capabilities = ["update"] }', "It reaches auth/token/create"),
        ('path "sys/*" { capabilities = ["read"] }', "It reaches sys/*"),
        ('path "*" { capabilities = ["read"] }', "It reaches *"),
        ('path "+/token/create" { capabilities = ["update"] }', "It reaches +/token/create"),
        ('{"path": {"*": {"policy": "read"}}}', "It names no path"),
    ],
)
def test_a_policy_that_outlives_its_grant_is_unfit(text: str, why: str) -> None:
    paths = tuple(part.split('"')[1] for part in text.split("path ")[1:])
    unfit = PolicySeen("access-x", text, paths).unfit
    assert unfit.startswith(why) if why else unfit == ""
