"""A Deployment at rest on the real cluster, a folder of secrets in the real vault, and the person who acts on them."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.kubernetes import Identity, KubernetesCluster, WorkloadSeen
from connectors.vault import VaultConfig, VaultServer
from sandbox.stack import Endpoints
from tests.cluster import Namespace, eventually, workload
from tests.vault import Vault

MIRA = Identity("mira")


def deployment(name: str, *, replicas: int = 1, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return workload(name, replicas=replicas, image="registry.example/app:1", annotations=annotations)


def at_rest(cluster: KubernetesCluster, namespace: Namespace, name: str) -> WorkloadSeen:
    """A Deployment whose rollout has ended, so that its version changes only when a test changes it."""

    def ended() -> WorkloadSeen | None:
        seen = cluster.read_workload("Deployment", namespace.name, name)
        counts = {seen.wanted, seen.replicas, seen.updated, seen.available}
        reasons = {condition.reason for condition in seen.conditions}
        rested = (
            seen.observed_generation == seen.generation and len(counts) == 1 and "NewReplicaSetAvailable" in reasons
        )
        return seen if rested else None

    found = eventually(ended)
    assert found is not None
    return found


def patches(namespace: Namespace) -> list[dict[str, Any]]:
    """The patches of ours that reached the cluster, whatever it answered."""
    return [entry for entry in namespace.recorded() if entry["verb"] == "patch"]


@pytest.fixture
def checkout(cluster: KubernetesCluster, namespace: Namespace) -> WorkloadSeen:
    namespace.apply(deployment("checkout"))
    return at_rest(cluster, namespace, "checkout")


@pytest.fixture
def vault(endpoints: Endpoints) -> Vault:
    return Vault(endpoints)


@pytest.fixture
def config(endpoints: Endpoints) -> VaultConfig:
    ends = endpoints
    return VaultConfig(
        ends.vault_address, role_id_file=ends.vault_role_id_file, secret_id_file=ends.vault_secret_id_file
    )


@pytest.fixture
def server(config: VaultConfig) -> VaultServer:
    return VaultServer("sandbox", config)


@pytest.fixture
def folder(vault: Vault) -> Iterator[str]:
    made = f"test-{secrets.token_hex(4)}"
    yield made
    vault.forget(made)
