"""Of a vault we see which secrets there are and how old, and cannot see more."""

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.errors import Forbidden, Missing
from connectors.vault.configuration import VaultConfig
from connectors.vault.seen import DYNAMIC_ROLE, KV, STATIC_ROLE, MountSeen
from connectors.vault.server import VaultServer
from tests.vault import Vault

VALUES = ("secret/data/", "database/creds/", "database/static-creds/")  # where a vault hands out what it keeps


def token(vault: Vault, tmp_path: Path, **limits: str) -> Path:
    path = tmp_path / "token"
    path.write_text(vault.root.auth.token.create(policies=["portal"], **limits)["auth"]["client_token"])
    return path


def test_engines_are_seen_with_what_they_hold_and_the_vaults_own_are_not(server):
    holds = {mount.path: mount.holds for mount in server.list_mounts()}

    assert holds == {"secret": (KV,), "database": (STATIC_ROLE, DYNAMIC_ROLE)}


def test_a_kv_secret_shows_its_age_and_owner(server, vault, folder):
    kv = vault.root.secrets.kv.v2
    kv.create_or_update_secret(f"{folder}/stripe", {"key": "one"})
    kv.create_or_update_secret(f"{folder}/stripe", {"key": "two"})
    kv.update_metadata(f"{folder}/stripe", custom_metadata={"owner": "payments", "note": "not ours to show"})

    seen = server.read_secret(KV, "secret", f"{folder}/stripe")

    assert (seen.version, seen.versions, seen.deleted, seen.owner, seen.consumer) == (2, 2, False, "payments", "")
    assert seen.created_at < seen.changed_at
    assert "not ours" not in repr(seen)


def test_a_deleted_version_is_said_to_be_deleted(server, vault, folder):
    vault.root.secrets.kv.v2.create_or_update_secret(f"{folder}/stripe", {"key": "one"})
    vault.root.secrets.kv.v2.delete_latest_version_of_secret(f"{folder}/stripe")

    assert server.read_secret(KV, "secret", f"{folder}/stripe").deleted


def test_all_folders_are_walked_and_a_name_that_we_cannot_use_is_left_out(server, vault, folder, caplog):
    for name in ("one", "two", "with space", "per%63ent"):
        vault.root.secrets.kv.v2.create_or_update_secret(f"{folder}/{name}", {"key": "x"})

    found = [s.path for s in server.list_secrets(MountSeen("secret", "kv", (KV,))) if s.path.startswith(folder)]

    assert sorted(found) == [f"{folder}/one", f"{folder}/two"]
    assert "with space" in caplog.text


def test_database_roles_are_seen(server):
    seen = {
        secret.path: secret
        for secret in server.list_secrets(MountSeen("database", "database", (STATIC_ROLE, DYNAMIC_ROLE)))
    }

    static, dynamic = seen["orders-service"], seen["orders-readonly"]
    assert (static.kind, static.username, static.rotation_seconds) == (STATIC_ROLE, "orders_service", 86400)
    assert static.changed_at is not None
    assert dynamic.kind == DYNAMIC_ROLE


def test_listing_everything_never_asks_for_a_value(server, vault):
    before = len(vault.requests(""))
    for mount in server.list_mounts():
        assert list(server.list_secrets(mount))

    asked = vault.requests("")[before:]
    assert asked
    assert [request for request in asked if any(path in request for path in VALUES)] == []


def test_the_portals_policy_could_not_read_a_value_either(server, vault, folder):
    vault.root.secrets.kv.v2.create_or_update_secret(f"{folder}/stripe", {"key": "one"})

    with pytest.raises(Forbidden):
        server._session.ask(
            lambda client: client.secrets.kv.v2.read_secret_version(f"{folder}/stripe", raise_on_deleted_version=True),
            dict,
            what="a value",
        )


def test_what_is_not_there_is_missing(server):
    for kind, mount, path in ((KV, "secret", "no/such"), (STATIC_ROLE, "database", "nobody")):
        with pytest.raises(Missing):
            server.read_secret(kind, mount, path)


def test_one_login_serves_many_questions(server, vault):
    before = len(vault.requests("auth/approle/login"))
    for _ in range(5):
        server.list_mounts()

    assert len(vault.requests("auth/approle/login")) == before + 1


def test_a_refusal_does_not_log_in_again(server, vault):
    server.list_mounts()
    before = len(vault.requests("auth/approle/login"))
    for _ in range(3):
        with pytest.raises(Forbidden):
            server.read_secret(KV, "forbidden-mount", "secret")

    assert len(vault.requests("auth/approle/login")) == before


def test_a_revoked_token_is_replaced(server, vault):
    server.list_mounts()
    vault.root.auth.token.revoke(server._session._login.client.token)

    assert server.list_mounts()


def test_a_token_is_renewed_before_it_ends_and_replaced_when_it_cannot_be(server, vault, monkeypatch):
    login = server._session._logged_in()
    monkeypatch.setattr("connectors.vault.session.monotonic", lambda: login.renew_at + 1)
    assert server._session._logged_in().client.token == login.client.token

    vault.root.auth.token.revoke(login.client.token)
    monkeypatch.setattr("connectors.vault.session.monotonic", lambda: login.renew_at * 2)
    assert server._session._logged_in().client.token != login.client.token


def test_a_token_file_is_used_and_read_again_when_its_token_is_replaced(vault, tmp_path, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", vault.root.token)  # must not matter
    path = token(vault, tmp_path, ttl="1h")
    server = VaultServer("file", VaultConfig(vault.address, token_file=path))
    assert server.health().ok

    vault.root.auth.token.revoke(path.read_text())
    assert not server.health().ok
    token(vault, tmp_path, ttl="1h")

    assert server.health().ok


@pytest.mark.parametrize("content", ["", "wrong", "wrong\nlines", "schlüssel"])
def test_credentials_that_are_wrong_are_said_to_be_so_and_not_shown(config, tmp_path, content):
    path = tmp_path / "secret-id"
    path.write_text(content)

    health = VaultServer("north", replace(config, secret_id_file=path)).health()

    assert not health.ok
    assert "north" in health.sentence
    assert not content or content not in health.sentence


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"role_id_file": Path("role")},
        {"secret_id_file": Path("secret")},
        {"token_file": Path("token"), "role_id_file": Path("role"), "secret_id_file": Path("secret")},
    ],
    ids=lambda arguments: "+".join(arguments) or "nothing",
)
def test_a_vault_has_exactly_one_way_to_log_in(arguments):
    with pytest.raises(ValueError, match="needs either token_file"):
        VaultConfig("http://127.0.0.1:1", **arguments)


@pytest.mark.parametrize("address", ["", "127.0.0.1:8200", "file:///etc", "ftp://vault"])
def test_a_vault_is_reached_by_http(address):
    with pytest.raises(ValueError, match="begins with https"):
        VaultConfig(address, token_file=Path("token"))
