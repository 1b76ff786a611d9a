"""The actions on single pods and containers keep the contract too, each on one kind.

`"resize-containers"` writes a template as `rollback-workload` does, which is tried on every kind; in place it writes to the pods, and
`"evict-pod"` takes one away, whoever made them.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from actions.testing import ActionContract
from connectors.kubernetes import KubernetesCluster
from sandbox.stack import Endpoints
from tests.cluster import Namespace, made_namespace
from tests.contract.subjects import Case, OnCluster

RESOURCES = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}


def labelled(namespace: Namespace, name: str) -> object:
    patch = '{"spec":{"template":{"metadata":{"labels":{"drifted":"yes"}}}}}'
    return namespace.kubectl("patch", name, "-p", patch)


def restarted(namespace: Namespace, name: str) -> object:
    return namespace.kubectl("rollout", "restart", name)


def resized(namespace: Namespace, name: str) -> object:
    """Somebody else's hand in the size of each of its pods."""
    patch = '{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":"175m"}}}]}}'
    selector = f"app.kubernetes.io/name={name.partition('/')[2]}"
    pods = namespace.kubectl("get", "pods", "-l", selector, "-o", "name").split()
    return [namespace.kubectl("patch", pod, "--subresource=resize", "-p", patch) for pod in pods]


LARGER = {"container": "app", "cpu_request": "150m", "memory_request": "96Mi"}
CASES = (
    Case("resize-containers", "StatefulSet", {**LARGER, "memory_limit": "none"}, labelled, restarted),
    Case("resize-containers", "Deployment", {**LARGER, "how": "in-place"}, resized, resized),
    Case("evict-pod", "Deployment", None, labelled, restarted),
)


@dataclass(frozen=True)
class Pods(OnCluster):
    """What a plan is about are the pods that are there, and the sizes of their containers."""

    def manifest(self, image: str) -> dict[str, Any]:
        made = super().manifest(image)
        made["spec"]["template"]["spec"]["containers"][0]["resources"] = RESOURCES
        return made

    def declare(self) -> None:
        super().declare()
        if self.case.good and self.case.good.get("how") == "in-place":  # pods keep what was done to them
            self.namespace.kubectl("delete", "pods", "--selector", f"app.kubernetes.io/name={self.name}", "--wait")

    def declared(self) -> object:
        """Neither an eviction nor a resize in place changes what is declared of the workload. Pods that are going do not count."""
        seen = self.cluster.read_workload(*self.place)
        pods = [pod for pod in self.cluster.pods_of(seen) if not pod.terminating]
        if self.case.action == "evict-pod":
            first = getattr(self, "_first", None) or {pod.uid for pod in pods}
            object.__setattr__(self, "_first", first)
            return sorted(pod.uid for pod in pods if pod.uid in first)
        sizes = {pod.ref.name: pod.asked for pod in self.cluster.sizing.pods(seen, pods, "app")}
        return sizes if self.case.good and "how" in self.case.good else super().declared()


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case}-{(case.good or {}).get('how', '')}")
def made(request: pytest.FixtureRequest, cluster: KubernetesCluster, namespace: Namespace) -> Pods:
    return Pods(request.param, cluster, namespace, f"shop-{secrets.token_hex(3)}")


class TestPods(ActionContract):
    @pytest.fixture
    def subject(self, db: None, made: Pods) -> Pods:
        made.declare()
        made.rest()
        object.__setattr__(made, "_first", None)
        return made

    def effects_of(self, plan: Any) -> int:
        return len([step for step in plan.steps if step.id != "evict" or plan.action == "evict-pod"])
