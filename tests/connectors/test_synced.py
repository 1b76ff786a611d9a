"""What is read off the objects of the two operators that keep Secrets equal to a vault's, and how one is told to look again.

The real External Secrets Operator has tests of its own (`test_external_secrets.py`); of the Vault Secrets Operator there are only its
objects here, written as it writes them.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.errors import Conflict, ConnectorError, InvalidName, ReadOnly
from connectors.kubernetes import ClusterConfig, Identity, KubernetesCluster, external_secrets, vault_secrets
from connectors.kubernetes.resources import RESOURCES, Resource, single
from connectors.kubernetes.synced import SyncedSeen, TakenSeen
from connectors.kubernetes.transport import Transport
from connectors.kubernetes.writing import impersonation
from tests.cluster import Namespace, eventually, made_namespace

CRDS = Path(__file__).with_name("vault_secrets_crds.yaml")
MIRA = Identity("mira")
STAMP = "2026-11-24T09:30:00Z"
READY = {"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced"}
META = {"name": "stripe", "namespace": "payments", "uid": "u-1", "resourceVersion": "7"}


def external(
    spec: dict[str, Any], *stores: dict[str, Any], annotations: dict[str, str] | None = None, **status: Any
) -> SyncedSeen:
    whole = {"metadata": META | {"annotations": annotations or {}}, "spec": spec, "status": status}
    found = [msgspec.convert(store, external_secrets.Store) for store in stores]
    kept = {
        (store["kind"], each.metadata.namespace, each.metadata.name): each
        for store, each in zip(stores, found, strict=True)
    }
    return external_secrets.synced(msgspec.convert(whole, external_secrets.ExternalSecret), kept)


def store(name: str = "vault", *, kind: str = "SecretStore", problem: str = "", **vault: str) -> dict[str, Any]:
    namespace = "payments" if kind == "SecretStore" else ""
    condition = {"type": "Ready", "status": "False" if problem else "True", "message": problem}
    provider = {"vault": vault} if vault else {"aws": {}}
    meta = {"name": name, "namespace": namespace}
    return {"kind": kind, "metadata": meta, "spec": {"provider": provider}, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    ("vault", "key", "secret"),
    [
        ({"path": "secret"}, "payments/stripe", "secret/payments/stripe"),
        ({"path": "secret"}, "secret/payments/stripe", "secret/payments/stripe"),
        ({"path": "secret"}, "secret/data/payments/stripe", "secret/payments/stripe"),
        ({"path": "secret"}, "data/payments", "secret/data/payments"),  # a secret whose path begins so
        ({"path": "team/kv"}, "stripe", "team/kv/stripe"),
        ({}, "secret/payments/stripe", "secret/payments/stripe"),
        ({}, "secret/data/payments/stripe", "secret/payments/stripe"),
        ({}, "team/kv/data/stripe", "team/kv/stripe"),
        ({"path": "database", "version": "v1"}, "static-creds/orders-service", "database/orders-service"),
        ({"path": "database", "version": "v1"}, "creds/orders-readonly", "database/orders-readonly"),
        ({"version": "v1"}, "database/creds/orders-readonly", "database/orders-readonly"),
    ],
)
def test_the_path_that_external_secrets_reads_is_the_one_that_the_inventory_knows(vault, key, secret):
    assert external_secrets.address(msgspec.convert(vault, external_secrets.Vault), key) == secret


def test_what_an_external_secret_takes_and_where_it_puts_it():
    seen = external(
        {
            "secretStoreRef": {"name": "vault"},
            "target": {"name": "stripe-keys"},
            "data": [
                {"secretKey": "key", "remoteRef": {"key": "stripe", "property": "api_key"}},
                {"secretKey": "hook", "remoteRef": {"key": "stripe", "property": "webhook_secret"}},
                {
                    "secretKey": "other",
                    "remoteRef": {"key": "a/b", "property": "c"},
                    "sourceRef": {"storeRef": {"name": "aws"}},
                },
            ],
            "dataFrom": [
                {
                    "extract": {"key": "session"},
                    "sourceRef": {"storeRef": {"name": "all", "kind": "ClusterSecretStore"}},
                },
                {"find": {"name": {"regexp": ".*"}}},
            ],
        },
        store(path="payments"),
        store("aws"),
        store("all", kind="ClusterSecretStore", path="secret"),
        refreshTime="2026-11-24T09:00:00Z",
        syncedResourceVersion="1-abc",
        conditions=[READY],
    )
    assert seen.target == "stripe-keys"
    assert set(seen.takes) == {
        TakenSeen("payments/stripe", ("api_key", "webhook_secret")),
        TakenSeen("secret/session"),
    }
    assert seen.takes_from("secret/session")
    assert not seen.takes_from("secret/sessions")
    assert (seen.ready, seen.message, seen.synced_version, seen.fixed) == (True, "secret synced", "1-abc", "")


def test_an_external_secret_is_not_ready_while_its_store_does_not_work_although_it_says_so():
    seen = external({"secretStoreRef": {"name": "vault"}}, store(path="secret", problem="no login"), conditions=[READY])
    assert not seen.ready
    assert seen.message == "Its store does not work: no login"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({}, ""),
        ({"refreshInterval": "15s"}, ""),
        ({"refreshInterval": "0"}, "its refresh interval is 0"),
        ({"refreshInterval": "0s"}, "its refresh interval is 0"),
        ({"refreshInterval": "0s", "refreshPolicy": "OnChange"}, ""),
        ({"refreshPolicy": "CreatedOnce"}, "its refresh policy is CreatedOnce"),
        ({"target": {"immutable": True}}, "its Secret is immutable"),
        (
            {"data": [{"secretKey": "k", "remoteRef": {"key": "a", "version": "3"}}]},
            "it takes version 3, whichever is the latest",
        ),
    ],
)
def test_an_external_secret_that_would_not_take_a_new_version_says_why(spec, why):
    assert external(spec).fixed == why


@pytest.mark.parametrize(
    ("before", "version", "ready", "moved"),
    [
        (None, "2-b", True, False),  # nobody told it to look
        ("1-a", "1-a", True, False),
        ("1-a", "2-b", False, False),
        ("1-a", "2-b", True, True),
        ("", "2-b", True, True),  # it had never written before
        ("", "", True, False),
    ],
)
def test_it_moved_when_it_has_another_mark_than_when_it_was_told_to_look(before, version, ready, moved):
    notes = {} if before is None else {"afterdeck.dev/synced-before": before}
    condition = READY | {"status": "True" if ready else "False"}
    assert external({}, annotations=notes, syncedResourceVersion=version, conditions=[condition]).moved is moved


def static(spec: dict[str, Any] | None = None, *, generation: int = 1, **status: Any) -> SyncedSeen:
    whole = {
        "metadata": META | {"generation": generation},
        "spec": {"mount": "secret", "path": "payments/stripe", "destination": {"name": "stripe"}, **(spec or {})},
        "status": {"lastGeneration": 1, "secretMAC": "bWFj", **status},
    }
    return vault_secrets.synced("VaultStaticSecret", msgspec.convert(whole, vault_secrets.VaultSecret))


def test_a_vault_static_secret_says_what_it_wrote_by_a_keyed_hash():
    seen = static(conditions=[READY, READY | {"type": "SecretSynced", "lastTransitionTime": "2026-11-24T09:00:00Z"}])
    assert seen.takes == (TakenSeen("secret/payments/stripe"),)
    assert (seen.ready, seen.synced_version, seen.target, seen.fixed) == (True, "bWFj", "stripe", "")
    assert seen.refreshed_at is not None


def test_an_older_vault_secrets_operator_without_conditions_is_ready_once_it_has_seen_the_object():
    assert static().ready
    assert not static(generation=2).ready
    assert not static(lastGeneration=0, generation=0).ready


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"version": 2}, "it takes version 2, whichever is the latest"),
        ({"hmacSecretData": False}, "it does not say what it wrote, because hmacSecretData is off"),
    ],
)
def test_a_vault_static_secret_that_cannot_be_followed_says_why(spec, why):
    assert static(spec).fixed == why


@pytest.mark.parametrize(
    ("path", "status", "version"),
    [
        ("creds/orders", {"secretLease": {"id": "database/creds/orders/l1"}}, "database/creds/orders/l1"),
        ("static-creds/orders", {"secretLease": {"id": ""}, "staticCredsMetaData": {"lastVaultRotation": 17}}, "17"),
    ],
)
def test_a_vault_dynamic_secret_says_which_credentials_it_wrote(path, status, version):
    spec = {"mount": "database", "path": path, "destination": {"name": "orders"}}
    whole = {"metadata": META, "spec": spec, "status": {"lastGeneration": 1, "lastRenewalTime": 1764000000, **status}}
    seen = vault_secrets.synced("VaultDynamicSecret", msgspec.convert(whole, vault_secrets.VaultSecret))
    assert seen.takes == (TakenSeen("database/orders"),)
    assert seen.synced_version == version
    assert seen.refreshed_at is not None


@pytest.fixture(scope="module")
def vso(endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.kubectl("apply", "--server-side", "-f", str(CRDS))
        made.kubectl("wait", "--for=condition=Established", "-f", str(CRDS))
        yield made


@pytest.fixture
def stripe(cluster: KubernetesCluster, vso: Namespace, request: pytest.FixtureRequest) -> SyncedSeen:
    """A VaultStaticSecret of this test's own, as its operator leaves it."""
    name = f"stripe-{abs(hash(request.node.name)) % 10**8}"
    spec = {"mount": "secret", "path": "payments/stripe", "type": "kv-v2", "destination": {"name": name}}
    vso.apply(
        {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": "VaultStaticSecret",
            "metadata": {"name": name},
            "spec": spec,
        }
    )
    wrote(vso, name, "before")
    [seen] = [each for each in cluster.synced_secrets(vso.name) if each.target == name]
    return seen


def wrote(namespace: Namespace, name: str, mac: str) -> None:
    """What the operator does when it has written."""
    status = {"status": {"lastGeneration": 1, "secretMAC": mac, "conditions": [READY]}}
    namespace.kubectl(
        "patch", "vaultstaticsecret", name, "--subresource=status", "--type=merge", "--patch", json.dumps(status)
    )


def test_told_to_look_again_it_has_moved_when_it_has_written_something_else(cluster, vso, stripe):
    cluster.force_sync(stripe, as_=MIRA, stamp=STAMP, execution="execution-1", before=stripe.synced_version)
    told = cluster.read_synced(stripe.ref)
    assert (told.stamp, told.execution, told.before, told.moved) == (STAMP, "execution-1", "before", False)

    wrote(vso, stripe.ref.name, "after")
    assert cluster.read_synced(stripe.ref).moved


def test_an_operator_that_noticed_by_itself_before_it_was_told_has_moved(cluster, vso, stripe):
    wrote(vso, stripe.ref.name, "after")
    noticed = cluster.read_synced(stripe.ref)
    cluster.force_sync(noticed, as_=MIRA, stamp=STAMP, execution="execution-1", before=stripe.synced_version)
    assert cluster.read_synced(stripe.ref).moved


def test_only_what_was_seen_is_told_and_as_the_person_who_asked(cluster, vso, stripe):
    wrote(vso, stripe.ref.name, "meanwhile")
    with pytest.raises(Conflict):
        cluster.force_sync(stripe, as_=MIRA, stamp=STAMP, execution="execution-1", before="")
    now = cluster.read_synced(stripe.ref)
    cluster.force_sync(now, as_=MIRA, stamp=STAMP, execution="execution-1", before="", dry_run=True)
    assert cluster.read_synced(stripe.ref).stamp is None
    cluster.force_sync(now, as_=MIRA, stamp=STAMP, execution="execution-1", before="")
    [entry] = eventually(lambda: [e for e in vso.effects() if e["objectRef"]["name"] == stripe.ref.name])
    assert entry["impersonatedUser"]["username"] == "mira"


def test_nothing_is_told_on_a_cluster_that_is_only_read(endpoints, stripe):
    looking = KubernetesCluster("sandbox", ClusterConfig(endpoints.kubeconfig_portal, read_only=True))
    with pytest.raises(ReadOnly):
        looking.force_sync(stripe, as_=MIRA, stamp=STAMP, execution="execution-1", before="")


def test_an_object_of_another_kind_cannot_be_told(cluster, stripe):
    with pytest.raises(InvalidName):
        cluster.force_sync(
            replace(stripe, ref=replace(stripe.ref, kind="Pod")), as_=MIRA, stamp=STAMP, execution="e", before=""
        )


def test_where_no_operator_is_installed_nothing_is_synced(cluster, vso, stripe, monkeypatch):
    for kind in ("ExternalSecret", "VaultStaticSecret", "VaultDynamicSecret"):
        unknown = RESOURCES[kind].api.rpartition("/")[0] + "/v9"  # which no server has
        monkeypatch.setitem(RESOURCES, kind, Resource(unknown, RESOURCES[kind].plural))
    assert cluster.synced_secrets(vso.name) == []


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"path": "platform/edge-proxy/tls"}},
        {"metadata": {"labels": {"team": "mine"}}},
        {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": STAMP}}},
        {"metadata": {"finalizers": ["example.com/stay"]}},
    ],
)
def test_nothing_else_of_it_can_be_changed_in_a_persons_name(endpoints, vso, stripe, change):
    transport = Transport("sandbox", ClusterConfig(endpoints.kubeconfig_portal))
    path = single(stripe.ref.kind, stripe.ref.namespace, stripe.ref.name)
    with pytest.raises(ConnectorError) as refused:
        transport.merge(path, change, dict, headers=impersonation(MIRA), query=(), what=str(stripe.ref), who="mira")
    assert "Afterdeck changes nothing of a synced Secret" in refused.value.detail
