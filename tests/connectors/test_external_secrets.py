"""The real External Secrets Operator, as the connector sees and drives it."""

import secrets
from base64 import b64decode
from collections.abc import Iterator

import pytest

from connectors.kubernetes import Identity, KubernetesCluster
from connectors.kubernetes.synced import EXTERNAL_SECRETS, SyncedSeen, TakenSeen
from sandbox.stack import Endpoints
from tests.cluster import Namespace, eventually, made_namespace
from tests.external_secrets import Operator, keys_of

MIRA = Identity("mira")
STAMP = "2026-11-24T09:30:00Z"


@pytest.fixture(scope="module")
def place(endpoints: Endpoints, operator: Operator) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        operator.store(made, reads=[f"{made.name}/*"])
        yield made


@pytest.fixture
def stripe(cluster: KubernetesCluster, operator: Operator, place: Namespace) -> SyncedSeen:
    """An ExternalSecret of this test's own that was synchronised once."""
    name = f"stripe-{secrets.token_hex(3)}"
    operator.write(f"{place.name}/{name}", api_key="old")
    operator.sync(place, name, f"{place.name}/{name}")
    return settled(cluster, place, name, ready=True)


def settled(cluster: KubernetesCluster, place: Namespace, name: str, *, ready: bool) -> SyncedSeen:
    def found() -> list[SyncedSeen]:
        return [each for each in cluster.synced_secrets(place.name) if each.target == name and each.ready is ready]

    return eventually(found)[0]


def value(place: Namespace, synced: SyncedSeen) -> str:
    return b64decode(keys_of(place, synced.target)["api_key"]).decode()


def force(cluster: KubernetesCluster, synced: SyncedSeen) -> None:
    cluster.force_sync(synced, as_=MIRA, stamp=STAMP, execution="execution-1", before=synced.synced_version)


def test_it_is_seen_with_what_it_takes_and_when_it_did(place, stripe):
    assert stripe.operator == EXTERNAL_SECRETS
    assert stripe.takes == (TakenSeen(f"secret/{place.name}/{stripe.target}"),)
    assert stripe.synced_version
    assert stripe.refreshed_at is not None
    assert (stripe.fixed, stripe.moved) == ("", False)


def test_told_to_look_it_brings_a_new_version_into_the_secret_and_has_moved(cluster, operator, place, stripe):
    operator.write(f"{place.name}/{stripe.target}", api_key="new")
    force(cluster, stripe)
    eventually(lambda: cluster.read_synced(stripe.ref).moved)
    told = cluster.read_synced(stripe.ref)
    assert (told.stamp, told.execution) == (STAMP, "execution-1")
    assert value(place, stripe) == "new"


def test_told_while_it_does_not_run_it_has_not_moved_until_it_does(cluster, operator, place, stripe):
    operator.write(f"{place.name}/{stripe.target}", api_key="new")
    operator.stop()
    force(cluster, stripe)
    told, there = cluster.read_synced(stripe.ref), value(place, stripe)
    operator.start()
    assert (told.moved, there) == (False, "old")
    eventually(lambda: cluster.read_synced(stripe.ref).moved)
    assert value(place, stripe) == "new"


def test_told_while_its_login_is_refused_it_says_why_it_has_not_moved(cluster, operator, place, stripe):
    operator.log_in(place, "hvs.nobody")
    operator.write(f"{place.name}/{stripe.target}", api_key="new")
    force(cluster, stripe)
    refused = settled(cluster, place, stripe.target, ready=False)
    assert not refused.moved
    assert refused.message
    operator.store(place, reads=[f"{place.name}/*"])
    eventually(lambda: cluster.read_synced(stripe.ref).moved)
