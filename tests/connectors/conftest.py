"""A namespace of the test's own on the real cluster, and what the cluster itself recorded about it."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.kubernetes.cluster import KubernetesCluster
from connectors.kubernetes.configuration import ClusterConfig
from connectors.kubernetes.seen import Identity, WorkloadSeen
from sandbox.stack import Stack

KUBECTL = str(Path(sys.executable).with_name("kubectl"))
MIRA = Identity("mira")


def eventually(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.05)
    return answer


class Namespace:
    """One namespace, with the rights of an administrator: what somebody else does while we look."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.name = name
        self._kubeconfig = stack.endpoints.kubeconfig_admin
        self._audit_log = stack.endpoints.kube_audit_log

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = [KUBECTL, f"--kubeconfig={self._kubeconfig}", f"--namespace={self.name}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(items))

    def recorded(self, *verbs: str) -> list[dict[str, Any]]:
        """What the cluster's audit log says that we did here, up to now."""
        marker = f"marker-{secrets.token_hex(8)}"
        self.kubectl("get", "pods", "-l", f"marker={marker}")
        eventually(lambda: marker in self._audit_log.read_text())
        entries = [json.loads(line) for line in self._audit_log.read_text().splitlines() if self.name in line]
        ours = [entry for entry in entries if entry.get("userAgent") == "afterdeck"]
        return [entry for entry in ours if not verbs or entry["verb"] in verbs]


def deployment(name: str, *, replicas: int = 1, **metadata: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels, **metadata},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.fixture
def namespace(stack: Stack) -> Iterator[Namespace]:
    made = Namespace(stack, f"test-{secrets.token_hex(4)}")
    made.kubectl("create", "namespace", made.name)
    yield made
    made.kubectl("delete", "namespace", made.name, "--wait=false")


@pytest.fixture
def cluster(stack: Stack) -> KubernetesCluster:
    return KubernetesCluster("sandbox", ClusterConfig(stack.endpoints.kubeconfig_portal))


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
    assert isinstance(found, WorkloadSeen)
    return found


@pytest.fixture
def checkout(cluster: KubernetesCluster, namespace: Namespace) -> WorkloadSeen:
    namespace.apply(deployment("checkout"))
    return at_rest(cluster, namespace, "checkout")
