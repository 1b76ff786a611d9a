"""What a rotation does in a vault is done with a token of its own, once, and only on the version that was seen."""

import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread
from urllib.parse import urlsplit

import pytest

from connectors.errors import Conflict, Forbidden, InvalidName, Missing, Permanent, Transient, Unknown
from connectors.postgres import Login, address_of, try_login, users
from connectors.vault import VaultConfig, VaultServer
from connectors.vault.rotation import Rotation
from connectors.vault.seen import KV
from sandbox.stack import Endpoints
from tests.faults import Wire
from tests.vault import Vault

RUN = "5f0c7f2e-0000-4000-8000-000000000000"


@pytest.fixture
def rotation(server: VaultServer) -> Iterator[Rotation]:
    with server.rotating(as_="mira", execution=RUN) as made:
        yield made


@pytest.fixture
def stripe(vault: Vault, folder: str) -> str:
    vault.root.secrets.kv.v2.create_or_update_secret(f"{folder}/stripe", {"key": "old", "id": "kept"})
    return f"{folder}/stripe"


def test_new_values_leave_the_other_keys_as_they_are(rotation, vault, stripe):
    rotation.merge("secret", stripe, {"key": "new"}, seen=1)

    assert vault.value(stripe) == {"key": "new", "id": "kept"}
    assert vault.value(stripe, 1) == {"key": "old", "id": "kept"}


def test_a_version_that_was_not_seen_is_not_written_over(rotation, vault, stripe):
    vault.root.secrets.kv.v2.create_or_update_secret(stripe, {"key": "somebody else's"})

    for write in (rotation.merge, rotation.replace):
        with pytest.raises(Conflict):
            write("secret", stripe, {"key": "new"}, seen=1)

    assert vault.value(stripe) == {"key": "somebody else's"}


def test_the_names_of_the_keys_are_seen_without_a_token_that_could_read_them(server, vault, stripe):
    assert server.keys_of("secret", stripe) == ["id", "key"]
    assert vault.requests("secret/data/") == ["create " + f"secret/data/{stripe}"]


def test_the_portal_by_itself_can_not_write_a_value_either(server, stripe):
    with pytest.raises(Forbidden):
        server._session.ask(
            lambda client: client.secrets.kv.v2.create_or_update_secret(stripe, {"key": "ours"}), dict, what="a value"
        )


def test_the_vaults_record_names_run_and_person_with_every_call(server, vault, stripe):
    with server.rotating(as_="mira", execution=RUN) as rotation:
        rotation.note("secret", stripe, "about to")
        rotation.merge("secret", stripe, {"key": "new"}, seen=1)

    calls = [e["auth"] for e in vault.entries() if e["request"]["operation"] == "patch"]
    assert [(RUN in call["display_name"], call["metadata"]["person"]) for call in calls] == [(True, "mira")] * 2


def test_the_token_ends_with_the_block_also_after_an_error(server, stripe):
    with pytest.raises(Permanent), server.rotating(as_="mira", execution=RUN) as rotation:
        rotation.values("secret", f"{stripe}-not-there", 1)

    with pytest.raises(Forbidden):
        rotation.values("secret", stripe, 1)


def test_a_note_is_seen_and_leaves_other_notes_alone(rotation, server, vault, stripe):
    vault.root.secrets.kv.v2.update_metadata(stripe, custom_metadata={"owner": "payments"})

    rotation.note("secret", stripe, "about to")

    seen = server.read_secret(KV, "secret", stripe)
    assert (seen.owner, seen.note) == ("payments", "about to")


def test_a_destroyed_version_is_gone_for_good(rotation, server, stripe):
    rotation.merge("secret", stripe, {"key": "new"}, seen=1)
    rotation.destroy("secret", stripe, 1)
    rotation.destroy("secret", stripe, 1)

    with pytest.raises(Missing):
        rotation.values("secret", stripe, 1)
    assert [(each.number, each.gone) for each in server.read_secret(KV, "secret", stripe).kept] == [
        (1, True),
        (2, False),
    ]


def test_a_lost_answer_leaves_open_what_happened_and_nothing_is_sent_twice(endpoints, config, vault, stripe):
    assert endpoints.toxiproxy_url
    wire = Wire(endpoints.toxiproxy_url, urlsplit(config.address).netloc)
    try:
        far = VaultServer("far", replace(config, address=f"http://{wire.address}"))
        with pytest.raises(Unknown), far.rotating(as_="mira", execution=RUN) as rotation:
            wire.lose_answers()
            try:
                rotation.merge("secret", stripe, {"key": "new"}, seen=1)
            finally:
                wire.mend()
    finally:
        wire.remove()

    assert vault.value(stripe)["key"] == "new"
    assert len([asked for asked in vault.requests(f"secret/data/{stripe}") if asked.startswith("patch")]) == 1


def test_what_was_never_sent_changed_nothing(config):
    nowhere = VaultServer("nowhere", replace(config, address="http://127.0.0.1:1"))

    with pytest.raises(Transient), nowhere.rotating(as_="mira", execution=RUN):
        pass


def test_a_vault_without_the_token_role_is_said_to_have_none(server, vault, endpoints: Endpoints, tmp_path):
    assert server.can_rotate()

    path = tmp_path / "token"
    path.write_text(vault.root.auth.token.create(policies=["default"])["auth"]["client_token"])
    assert not VaultServer("other", VaultConfig(vault.address, token_file=path)).can_rotate()


def test_the_user_of_a_lease_is_gone_when_the_lease_is(rotation, server, vault):
    made = vault.root.secrets.database.generate_credentials("orders-readonly")
    old, at = made["data"], server.database_of("database", "orders")
    assert try_login(at, old["username"], old["password"]).login is Login.ACCEPTED
    assert made["lease_id"] in server.lease_ids("database", "orders-readonly")

    rotation.revoke(made["lease_id"])
    rotation.revoke(made["lease_id"])

    assert made["lease_id"] not in server.lease_ids("database", "orders-readonly")
    assert try_login(at, old["username"], old["password"]).login is Login.REFUSED
    own = rotation.lease("database", "orders-readonly")
    seen = users(at, own.username, own.password)
    assert seen is not None
    assert old["username"] not in seen.roles
    assert seen.orphaned_sessions == 0


@pytest.mark.parametrize("lease", ["", "..", "database/roles/x", "database/creds/../../sys/seal", "database/creds/x y"])
def test_only_the_lease_of_a_database_user_can_be_revoked(rotation, lease):
    with pytest.raises(InvalidName):
        rotation.revoke(lease)


def test_nobody_answers_is_not_a_refusal(server):
    at = replace(server.database_of("database", "orders"), port=1)

    assert try_login(at, "orders_service", "x").login is Login.NOT_TRIED
    assert users(at, "orders_service", "x") is None


def test_a_server_that_asks_for_the_password_itself_does_not_get_it():
    """Whoever may write a secret's metadata may name any server there."""
    sent = b""

    def asks_for_it(listening: socket.socket) -> None:
        nonlocal sent
        with listening, listening.accept()[0] as client:
            client.settimeout(5)
            client.recv(8)
            client.sendall(b"N")  # no TLS
            client.recv(1024)
            client.sendall(b"R" + struct.pack("!II", 8, 3))  # AuthenticationCleartextPassword
            while more := client.recv(1024):
                sent += more

    listening = socket.create_server(("127.0.0.1", 0))
    at = address_of(f"postgresql://127.0.0.1:{listening.getsockname()[1]}/orders")
    assert at is not None
    server = Thread(target=asks_for_it, args=(listening,))
    server.start()
    tried = try_login(at, "orders", "canary-password")
    server.join(5)

    assert tried.login is Login.NOT_TRIED
    assert b"canary-password" not in sent


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://{{username}}:{{password}}@db.example:5433/orders?sslmode=require", "db.example:5433/orders"),
        ("postgres://db.example/orders", "db.example:5432/orders"),
        ("postgresql://[::1]:5432/orders", "::1:5432/orders"),
        ("mysql://db.example/orders", "None"),
        ("postgresql://db.example:port/orders", "None"),
        ("postgresql://db.example/", "None"),
        ("postgresql://db.example/orders?sslmode=whatever", "None"),
        ("postgresql://a%20b/orders", "None"),
        ("host=db.example dbname=orders", "None"),
        ("", "None"),
    ],
)
def test_where_an_address_points(url, said):
    assert str(address_of(url)) == said
